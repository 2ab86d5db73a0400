//! What a row keeps is found by a view under the text of the row's key, whatever the key is made of; and a site of before
//! views could look there is brought to that.

use journal_tests::tether;
use std::sync::Arc;

use applier::control::install::install as install_tables;
use applier::ledger::sql::SqlLedger;
use applier::ledger::{Ledger as _, LedgerReader as _};
use applier::upgrade::install::install;
use journal_core::codec::payload::encode_row;
use journal_core::model::{Change, Epoch, Origin, Row, SchemaVersion, SiteName, Value};
use journal_core::sql::{Access, Conn, DbUrl, Dialect, Param};
use journal_core::store::sql::Site;
use journal_tests::rig::row;
use journal_tests::servers;
use schema_mappers::{ComplementChange, Image, SchemaSet, VersionSource, ddl};

const KEYS: [(&str, &str); 7] = [
    ("int", "int"),
    ("text", "text"),
    ("bounded", "text(40)"),
    ("bool", "bool"),
    ("bytes", "bytes"),
    ("date", "date"),
    ("timestamp", "timestamp"),
];

/// Tables with a key of each type, one with a uuid and one with all at once; version 2 drops `x`.
fn set() -> SchemaSet {
    let mut texts = [String::new(), String::new()];
    let mut mapping = String::new();
    let uuid = [("uuid", "uuid")];
    let all: Vec<(&str, &str)> = KEYS.iter().chain(&uuid).copied().collect();
    let tables = all.iter().map(|key| (key.0, vec![*key])).chain([("every", all.clone())]);
    for (name, keys) in tables {
        for (text, dropped) in texts.iter_mut().zip(["x = \"text\"\n", ""]) {
            let names: Vec<String> = keys.iter().map(|(key, _)| format!("\"k_{key}\"")).collect();
            let columns: String = keys.iter().map(|(key, ty)| format!("k_{key} = \"{ty}\"\n")).collect();
            *text += &format!(
                "[table.of_{name}]\nkey = [{}]\n[table.of_{name}.columns]\n{columns}{dropped}",
                names.join(", ")
            );
        }
        mapping += &format!(
            "[[map]]\nop = \"drop_column\"\ntable = \"of_{name}\"\ncolumn = \"x\"\ndefault = \"\"\n"
        );
    }
    let [first, second] = texts;
    SchemaSet::from_sources(vec![
        VersionSource::new(SchemaVersion(1), [("schema.toml", first.as_str())]),
        VersionSource::new(
            SchemaVersion(2),
            [("schema.toml", second.as_str()), ("mapping.toml", mapping.as_str())],
        ),
    ])
    .unwrap()
}

/// Keys that are hard to write: every character below the blank, quotes, backslashes, all planes of Unicode, and the ends
/// of each type.
fn values(ty: &str) -> Vec<Value> {
    match ty {
        "int" => [i64::MIN, -1, 0, 7, i64::MAX].map(Value::from).to_vec(),
        "bool" => vec![true.into(), false.into()],
        "bytes" => vec![vec![].into(), vec![0].into(), (0..=255).collect::<Vec<u8>>().into()],
        "date" => [-719_162, -1, 0, 19_782, 2_932_896].map(Value::Date).to_vec(),
        "timestamp" => [-62_135_596_800_000_000, -1, 0, 1_700_000_000_123_456, 253_402_300_799_999_999]
            .map(Value::Timestamp)
            .to_vec(),
        "uuid" => vec![Value::Uuid(uuid::Uuid::nil()), Value::Uuid(uuid::Uuid::max())],
        _ => {
            let mut texts: Vec<String> =
                (1..=0x7f_u8).map(|byte| format!("a{}b", char::from(byte))).collect();
            texts.extend(
                [
                    "",
                    "\u{80}\u{9f}",
                    "Ä ö ß",
                    "\u{2028}\u{2029}\u{feff}",
                    "日本",
                    "😀",
                    "\\u0041",
                    "\"\\/\u{7f}",
                    "[1]",
                ]
                .map(str::to_owned),
            );
            texts.into_iter().map(Value::Text).collect()
        }
    }
}

async fn databases() -> Vec<(DbUrl, Option<tempfile::TempDir>)> {
    let directory = tether::directory("daybook-it-");
    let file = format!("sqlite:{}", directory.path().join("ledger.db").display());
    let mut all = vec![(file.parse().unwrap(), Some(directory))];
    if let Some(server) = servers::postgres_or_skip() {
        all.push((server.create_database().url.parse().unwrap(), None));
    }
    if let Some(server) = servers::mariadb_or_skip() {
        all.push((server.create_database().url.parse().unwrap(), None));
    }
    all
}

#[tokio::test]
async fn a_view_finds_what_is_kept_under_keys_of_every_type() {
    let set = set();
    for (url, _directory) in databases().await {
        let mut conn = Conn::open(&url, Access::Create, "views").await.unwrap();
        let dialect = conn.dialect();
        install_tables(&mut conn).await.unwrap();
        let newest = set.newest();
        for statement in ddl::create_tables(newest, dialect)
            .iter()
            .chain(&ddl::views(&set, newest.number(), &url.place()).unwrap())
        {
            conn.lend().ddl(statement).await.unwrap();
        }
        let mut ledger = SqlLedger::over(conn, Arc::new(newest.schema().clone()));
        for table in newest.schema().tables.values() {
            // Every value of each column of the key, the other columns at their first.
            let columns: Vec<(&str, Vec<Value>)> =
                table.columns.iter().map(|column| (&*column.name, values(&column.ty.to_string()))).collect();
            let mut keys: Vec<Row> = Vec::new();
            for (name, values) in &columns {
                for value in values {
                    let mut key: Row =
                        columns.iter().map(|(name, values)| ((*name).into(), values[0].clone())).collect();
                    key.set(*name, value.clone());
                    if !keys.contains(&key) {
                        keys.push(key);
                    }
                }
            }
            let images = keys.iter().zip(0..).map(|(key, number)| Image {
                change: Change::insert(table.name.clone(), key.clone()),
                complement: ComplementChange {
                    set: row([("2:x", format!("kept {number}").into())]),
                    clear: Vec::new(),
                },
                if_new: None,
            });
            ledger.conn().script("BEGIN").await.unwrap();
            ledger.apply(&images.collect::<Vec<_>>()).await.unwrap();
            ledger.conn().script("COMMIT").await.unwrap();
            let view = ddl::view_name(SchemaVersion(1), &table.name, &url.place());
            let count = format!("SELECT count(*) FROM {view} WHERE x LIKE 'kept %'");
            let found = ledger.conn().fetch_one(&count, vec![]).await.unwrap().i64(0).unwrap();
            assert_eq!(found, i64::try_from(keys.len()).unwrap(), "{dialect}: {}", table.name);
        }
        // The complement found is that of the row itself.
        let rows = ledger.scan(newest.schema(), &"of_text".into(), None, 1000).await.unwrap();
        let view = ddl::view_name(SchemaVersion(1), "of_text", &url.place());
        for (key, complement) in rows {
            let Some(Value::Text(text)) = key.get("k_text") else { panic!("a text") };
            let query = format!("SELECT x FROM {view} WHERE k_text = $1");
            let shown = ledger
                .conn()
                .fetch_one(&query, vec![Param::from(text.as_str())])
                .await
                .unwrap()
                .text(0)
                .unwrap();
            assert_eq!(Some(&Value::Text(shown)), complement.get("2:x"), "{dialect}: {text:?}");
        }
    }
}

/// Takes a site back to what the release before left: complements as bytes, told by migration 3 in hex, and views that do
/// not look there.
async fn age(conn: &mut Conn, kept: &Row) {
    let hex: String = encode_row(kept).unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
    let (insert, view) = match conn.dialect() {
        Dialect::Sqlite => {
            ("$1", "DROP VIEW of_int_v1; CREATE VIEW of_int_v1 AS SELECT k_int, '' AS x FROM of_int_v2")
        }
        Dialect::MariaDb => unreachable!("no earlier release was there"),
        Dialect::Postgres => (
            "CAST($1 AS jsonb)",
            "DROP VIEW v1.of_int; CREATE VIEW v1.of_int AS SELECT k_int, '' AS x FROM v2.of_int",
        ),
    };
    conn.lend().script(view).await.unwrap();
    conn.lend().script("INSERT INTO of_int (k_int) VALUES (7)").await.unwrap();
    let insert =
        format!("INSERT INTO {{d}}complement (entity, row_key, cells) VALUES ('of_int', '[7]', {insert})");
    conn.lend().execute(&insert, vec![format!("\"{hex}\"").into()]).await.unwrap();
}

#[tokio::test]
async fn what_an_earlier_release_kept_is_read_at_once_and_made_readable_by_init() {
    let set = set();
    let kept = row([("2:x", "old".into()), ("2:n", Value::Null)]);
    for (url, _directory) in databases().await {
        if url.dialect() == Dialect::MariaDb {
            continue; // No earlier release was there.
        }
        let site = Site {
            origin: Origin { site: SiteName::new("a").unwrap(), epoch: Epoch(1) },
            group: "test".to_owned(),
            stripe: 0,
            ledger_version: SchemaVersion(2),
        };
        install(&url, &site, &set, "dba").await.unwrap();
        let mut conn = Conn::open(&url, Access::Write, "views").await.unwrap();
        age(&mut conn, &kept).await;
        let mut ledger = SqlLedger::open_reader(&url, "views").await.unwrap();
        let schema = set.newest().schema();
        let rows = ledger.scan(schema, &"of_int".into(), None, 10).await.unwrap();
        assert_eq!(rows[0].1, kept, "{}: before init", conn.dialect());
        let view = ddl::view_name(SchemaVersion(1), "of_int", &url.place());
        for _ in 0..2 {
            install(&url, &site, &set, "dba").await.unwrap();
            let mut ledger = SqlLedger::open_reader(&url, "views").await.unwrap();
            let rows = ledger.scan(schema, &"of_int".into(), None, 10).await.unwrap();
            assert_eq!(rows[0].1, kept, "{}: after init", conn.dialect());
            let query = format!("SELECT x FROM {view}");
            let mut conn = Conn::open(&url, Access::Read, "views").await.unwrap();
            let shown = conn.lend().fetch_one(&query, vec![]).await.unwrap().text(0).unwrap();
            assert_eq!(shown, "old", "{}", conn.dialect());
        }
    }
}
