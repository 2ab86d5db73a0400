//! The DDL and the views of a schema set on real databases: they run, they are dropped again, and what a view of an
//! older version shows is what the mapper says of the same row.

use journal_tests::tether;
use std::collections::BTreeMap;

use applier::demo::history;
use journal_core::model::{Change, Name, Row, SchemaVersion, Table, Type, Value};
use journal_core::sql::{Access, Conn, DbUrl, Param};
use journal_tests::servers;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use schema_mappers::ddl::{self, Dialect};
use schema_mappers::{Registry, RustMappers, SchemaSet, VersionSource};

const OLDER: SchemaVersion = SchemaVersion(1);
const NEWER: SchemaVersion = SchemaVersion(2);

/// Types among which columns change, by a name that can be part of a column's.
const TYPES: [(&str, &str); 7] = [
    ("int", "int"),
    ("money", "decimal(9,2)"),
    ("wide", "decimal(14,4)"),
    ("whole", "decimal(4,0)"),
    ("part", "decimal(3,3)"),
    ("text", "text"),
    ("short", "text(5)"),
];

/// A set whose second version changes columns in every way that is declared.
fn everything() -> SchemaSet {
    let columns = [
        ("whole_last", "text", "a_last|b_last", "split_column", "at = \"last\""),
        ("whole_first", "text", "a_first|b_first", "split_column", "at = \"first\""),
        ("c_last|d_last", "text", "both_last", "merge_columns", "at = \"last\""),
        ("c_first|d_first", "text", "both_first", "merge_columns", "at = \"first\""),
    ];
    let mut older = "[table.old]\nkey = [\"id\"]\n[table.old.columns]\nid = \"int\"\n".to_owned();
    let mut newer = older.replace("old", "new");
    let mut mapping = "[[map]]\nop = \"rename_table\"\ntable = \"old\"\nto = \"new\"\n".to_owned();
    let declare = |text: &mut String, names: &str, ty: &str| {
        for name in names.split('|') {
            *text += &format!("{name} = {{ type = \"{ty}\", null = true }}\n");
        }
    };
    for (from, ty, to, op, at) in columns {
        declare(&mut older, from, ty);
        declare(&mut newer, to, ty);
        let (from_key, to_key) = if op == "split_column" { ("column", "into") } else { ("columns", "into") };
        let listed = |names: &str| match names.split_once('|') {
            Some((left, right)) => format!("[\"{left}\", \"{right}\"]"),
            None => format!("\"{names}\""),
        };
        mapping += &format!(
            "[[map]]\nop = \"{op}\"\ntable = \"new\"\n{from_key} = {}\n{to_key} = {}\nseparator = \" \"\n{at}\n",
            listed(from),
            listed(to)
        );
    }
    for (from_name, from) in TYPES {
        for (to_name, to) in TYPES.into_iter().filter(|(name, _)| *name != from_name) {
            let name = format!("{from_name}_{to_name}");
            declare(&mut older, &name, from);
            declare(&mut newer, &name, to);
            mapping += &format!(
                "[[map]]\nop = \"change_type\"\ntable = \"new\"\ncolumn = \"{name}\"\nto = \"{to}\"\n"
            );
        }
    }
    older += "gone = \"decimal(9,2)\"\nasked = { type = \"date\", null = true }\nfree = \"text\"\n";
    newer += "asked = \"date\"\nfree = { type = \"text\", null = true }\nadded = \"bool\"\n";
    mapping += "[[map]]\nop = \"drop_column\"\ntable = \"new\"\ncolumn = \"gone\"\ndefault = \"1.5\"\n\
                [[map]]\nop = \"require_column\"\ntable = \"new\"\ncolumn = \"asked\"\nask = 1900-01-01\n\
                [[map]]\nop = \"allow_null\"\ntable = \"new\"\ncolumn = \"free\"\ndefault = \"it's free\"\n\
                [[map]]\nop = \"add_column\"\ntable = \"new\"\ncolumn = \"added\"\ntype = \"bool\"\ndefault = false\n";
    SchemaSet::from_sources(vec![
        VersionSource::new(OLDER, [("schema.toml", older.as_str())]),
        VersionSource::new(NEWER, [("schema.toml", newer.as_str()), ("mapping.toml", mapping.as_str())]),
    ])
    .unwrap()
}

/// A database of each kind, empty.
async fn databases() -> Vec<(Dialect, Conn)> {
    let file = tether::directory("daybook-it-").keep().join("ledger.db");
    let open = async |url: String| {
        let url: DbUrl = url.parse().unwrap();
        Conn::open(&url, Access::Create, "test").await.unwrap()
    };
    let mut databases = vec![(Dialect::Sqlite, open(format!("sqlite:{}", file.display())).await)];
    if let Some(server) = servers::postgres_or_skip() {
        databases.push((Dialect::Postgres, open(server.create_database().url).await));
    }
    if let Some(server) = servers::mariadb_or_skip() {
        databases.push((Dialect::MariaDb, open(server.create_database().url).await));
    }
    for (_, conn) in &mut databases {
        // Views look into the table of complements.
        applier::control::install::install(conn).await.unwrap();
    }
    databases
}

async fn run(conn: &mut Conn, statements: Vec<String>) {
    for statement in statements {
        let done = conn.lend().script(&statement).await;
        done.unwrap_or_else(|fault| panic!("{fault} in {statement}"));
    }
}

#[tokio::test]
async fn tables_and_views_of_the_rental_history_come_and_go_at_both_versions() {
    let set = SchemaSet::from_sources(history::sources()).unwrap();
    for (dialect, mut conn) in databases().await {
        let place = conn.place().clone();
        for version in set.versions() {
            run(&mut conn, vec!["BEGIN".to_owned()]).await;
            run(&mut conn, ddl::create_tables(version, dialect)).await;
            run(&mut conn, ddl::views(&set, version.number(), &place).unwrap()).await;
            for older in set.versions().iter().filter(|older| older.number() <= version.number()) {
                for table in older.schema().tables.values() {
                    let columns = table.columns.iter().map(|column| column.name.as_ref()).collect::<Vec<_>>();
                    let view = ddl::view_name(older.number(), &table.name, &place);
                    let select = format!("SELECT {} FROM {view}", columns.join(", "));
                    // Unprepared, since the same text means another view at the next version.
                    run(&mut conn, vec![select]).await;
                }
            }
            run(&mut conn, ddl::drop_views(&set, version.number(), &place).unwrap()).await;
            // What makes a table commits by itself there.
            if dialect == Dialect::MariaDb {
                let tables = ddl::tables_in_order(version.ledger()).into_iter().rev();
                run(&mut conn, tables.map(|table| format!("DROP TABLE \"{}\"", table.name)).collect()).await;
            }
            run(&mut conn, vec!["ROLLBACK".to_owned()]).await;
        }
    }
}

#[tokio::test]
async fn a_view_of_an_older_version_shows_what_the_mapper_says() {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let registry = Registry::new(everything(), RustMappers::none()).unwrap();
    let (older, newer) = (registry.schema(OLDER).unwrap(), registry.schema(NEWER).unwrap());
    let (old, new) = (&older.tables["old"], &newer.tables["new"]);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let rows: Vec<Row> = (0..400).map(|id| random_row(&mut rng, new, id)).collect();
    for (dialect, mut conn) in databases().await {
        let set = registry.set();
        run(&mut conn, ddl::create_tables(set.version(NEWER).unwrap(), dialect)).await;
        let place = conn.place().clone();
        run(&mut conn, ddl::views(set, NEWER, &place).unwrap()).await;
        run(&mut conn, rows.iter().map(|row| insert(new, row, dialect)).collect()).await;
        let texts = old.columns.iter().map(|column| match (dialect, column.ty) {
            (Dialect::MariaDb, Type::Bool) => {
                format!("CASE {} WHEN 1 THEN 'true' WHEN 0 THEN 'false' END", column.name)
            }
            (Dialect::MariaDb, _) => format!("CAST({} AS char)", column.name),
            _ => format!("CAST({} AS text)", column.name),
        });
        let view = ddl::view_name(OLDER, "old", &place);
        let select = format!("SELECT {} FROM {view} WHERE id = $1", texts.collect::<Vec<_>>().join(", "));
        for (id, row) in (0..).zip(&rows) {
            let expected = expected(&registry, new, row, old);
            let shown = conn.lend().fetch_one(&select, vec![Param::I64(Some(id))]).await.unwrap();
            for (at, column) in old.columns.iter().enumerate() {
                let shown = shown.opt_text(at).unwrap();
                let (told, because) = &expected[&column.name];
                let told = told.as_ref().and_then(|value| stored(value, column.ty));
                assert_eq!(shown, told, "seed {seed}, {dialect}: {} of {row:?} ({because})", column.name);
            }
        }
    }
}

/// Each older column by itself, since one that cannot be mapped must show as NULL without hiding the others.
fn expected(
    registry: &Registry,
    new: &Table,
    row: &Row,
    old: &Table,
) -> BTreeMap<Name, (Option<Value>, String)> {
    let mut expected = BTreeMap::new();
    let key = Row::new().with("id", row.get("id").unwrap().clone());
    for column in &new.columns {
        let group = new.together.iter().find(|group| group.contains(&column.name));
        let names = group.cloned().unwrap_or_else(|| vec![column.name.clone()]);
        let set: Row =
            names.into_iter().map(|name| (name.clone(), row.get(&name).unwrap().clone())).collect();
        if let Ok(mapped) = registry.map(NEWER, OLDER, Change::update("new", key.clone(), set)) {
            let images = mapped.images().expect("no row needed");
            for (name, value) in images.into_iter().next().unwrap().change.cells {
                expected.insert(name, (Some(value), "mapped".to_owned()));
            }
        }
    }
    expected.insert("gone".into(), (Some(Value::Decimal("1.5".parse().unwrap())), "the default".to_owned()));
    for column in &old.columns {
        expected.entry(column.name.clone()).or_insert((None, "cannot be mapped".to_owned()));
    }
    expected
}

/// The text a store shows of a value, cast to text; decimals have their scale in both.
fn stored(value: &Value, ty: Type) -> Option<String> {
    match (value, ty) {
        (Value::Null, _) => None,
        (Value::Decimal(decimal), Type::Decimal { scale, .. }) => decimal.to_scale(scale.into()),
        (value, _) => Some(value.to_string()),
    }
}

fn insert(table: &Table, row: &Row, dialect: Dialect) -> String {
    let literals = table.columns.iter().map(|column| {
        let value = row.get(&column.name).unwrap();
        match (stored(value, column.ty), value, dialect) {
            (None, _, _) => "NULL".to_owned(),
            (_, Value::Bool(flag), Dialect::Sqlite | Dialect::MariaDb) => i32::from(*flag).to_string(),
            (Some(text), _, _) => format!("'{}'", text.replace('\'', "''")),
        }
    });
    format!("INSERT INTO {} VALUES ({})", table.name, literals.collect::<Vec<_>>().join(", "))
}

fn random_row(rng: &mut ChaCha8Rng, table: &Table, id: i64) -> Row {
    let values = table.columns.iter().map(|column| {
        let value = match column.name.as_ref() {
            "id" => id.into(),
            _ if column.nullable && rng.random_bool(0.1) => Value::Null,
            _ => random_value(rng, column.ty),
        };
        (column.name.clone(), value)
    });
    values.collect()
}

/// Values at the edges of conversions and of cutting and joining.
fn random_value(rng: &mut ChaCha8Rng, ty: Type) -> Value {
    const TEXTS: [&str; 44] = [
        "",
        " ",
        "  ",
        "A",
        "A B",
        "A B C",
        " A",
        "A ",
        "Ä ö ü",
        "0",
        "-0",
        "+0",
        "00",
        "007",
        "+7",
        "-7",
        "--7",
        "+-7",
        "7.",
        ".7",
        "7.5",
        "-7.50",
        "+07.500",
        "0.0",
        "-0.00",
        "0.001",
        "-0.125",
        "12345.6",
        "1e3",
        "abc",
        "7a",
        "7.a",
        "99999",
        "9999.9",
        "123456789012345678901",
        "9223372036854775807",
        "9223372036854775808",
        "-9223372036854775808",
        "1.2.3",
        "'",
        "\"",
        "\\",
        "%",
        "1_0",
    ];
    const INTS: [i64; 9] = [0, 1, -1, 9999, 10_000, -10_000_000, 99_999_999_999, i64::MAX, i64::MIN];
    const DECIMALS: [&str; 16] = [
        "0",
        "1",
        "-1",
        "0.5",
        "-0.5",
        "0.125",
        "-0.001",
        "7.5",
        "12.34",
        "12.3456",
        "9999",
        "-9999",
        "10000",
        "1234567.89",
        "9999999999",
        "-9999999999.9999",
    ];
    loop {
        let value = match ty {
            Type::Bool => rng.random_bool(0.5).into(),
            Type::Int => INTS[rng.random_range(0..INTS.len())].into(),
            Type::Decimal { .. } => {
                Value::Decimal(DECIMALS[rng.random_range(0..DECIMALS.len())].parse().unwrap())
            }
            Type::Date => Value::Date([0, -25_567, 20_000][rng.random_range(0..3)]),
            _ => TEXTS[rng.random_range(0..TEXTS.len())].into(),
        };
        if ty.holds(&value) {
            return value;
        }
    }
}
