//! Constraints that only the newer version has: rows that break them stop a reshape by name, and what an older version
//! still writes against them waits in quarantine, alone.

use applier::control::ControlStore as _;
use applier::upgrade::reshape::{Mode, ReshapeError, ReshapeOrder, ReshapeReport, reshape};
use journal_core::model::{Change, SchemaVersion, Value};
use journal_tests::rig::{Rig, drain, row};
use journal_tests::servers;
use schema_mappers::{SchemaSet, VersionSource};

const OLDER: &str = "[table.t]\nkey = [\"id\"]\n[table.t.columns]\nid = \"int\"\nfee = \"decimal(9,2)\"\n\
                     code = { type = \"text\", null = true }\nlive = \"bool\"\n";
const NEWER: &str = "[table.t]\nkey = [\"id\"]\nchecks = [{ name = \"fee_is_paid\", that = \"fee > 0\" }]\n\
                     indexes = [{ name = \"live_code\", columns = [\"code\"], unique = true, where = \"live\" }]\n\
                     [table.t.columns]\nid = \"int\"\nfee = \"decimal(9,2)\"\n\
                     code = { type = \"text\", null = true }\nlive = \"bool\"\n";
const MAPPING: &str = "[[map]]\nop = \"add_check\"\ntable = \"t\"\nname = \"fee_is_paid\"\nthat = \"fee > 0\"\n\
                       [[map]]\nop = \"add_index\"\ntable = \"t\"\nname = \"live_code\"\ncolumns = [\"code\"]\n\
                       unique = true\nwhere = \"live\"\n";

/// Texts that a store may keep in another form than they were given: conditions over them mean what they say all the same.
const ODD: &str = r#"
[table.t]
key = ["id"]
checks = [
    { name = "no_backslash", that = "code <> 'a\\b'" },
    { name = "no_line_end", that = "code <> 'a\nb'" },
    { name = "no_quote", that = "code <> 'it''s'" },
    { name = "by_bytes", that = "case when live then 'A' else 'b' end <> 'a'" },
]
indexes = [{ name = "one_live", columns = ["live"], unique = true, where = "code = 'x\\y'" }]
[table.t.columns]
id = "int"
fee = "decimal(9,2)"
code = { type = "text", null = true }
live = "bool"
"#;

fn set() -> SchemaSet {
    let sources = vec![
        VersionSource::new(SchemaVersion(1), [("schema.toml", OLDER)]),
        VersionSource::new(SchemaVersion(2), [("schema.toml", NEWER), ("mapping.toml", MAPPING)]),
    ];
    SchemaSet::from_sources(sources).unwrap()
}

fn fee(text: &str) -> Value {
    Value::Decimal(text.parse().unwrap())
}

fn insert(id: i64, amount: &str, code: &str, live: bool) -> Change {
    Change::insert(
        "t",
        row([("id", id.into()), ("fee", fee(amount)), ("code", code.into()), ("live", live.into())]),
    )
}

async fn rigs() -> Vec<Rig> {
    rigs_of(set).await
}

async fn rigs_of(set: fn() -> SchemaSet) -> Vec<Rig> {
    let mut rigs = vec![Rig::sqlite(&["a", "b"], set()).await];
    for servers in [servers::two_postgres_or_skip(), servers::two_mariadb_or_skip()] {
        let Some((a, b)) = servers else { continue };
        let pair = [("a", a.create_database().url), ("b", b.create_database().url)];
        rigs.push(Rig::at(&pair, set()).await);
    }
    rigs
}

/// Site a, paused, goes to version 2 and on.
async fn upgrade(rig: &Rig) -> Result<ReshapeReport, ReshapeError> {
    rig.control("a").await.pause("dba", "release").await.unwrap();
    let (who, why) = ("dba".to_owned(), "release".to_owned());
    let order = ReshapeOrder { to: SchemaVersion(2), mode: Mode::CarryOut, who, why };
    let done = reshape(rig.url("a"), &rig.registry, &order, &mut applier::audit::unwatched).await;
    rig.control("a").await.resume("dba", "released").await.unwrap();
    done
}

#[tokio::test]
async fn a_row_that_breaks_a_new_check_stops_the_reshape_by_its_name() {
    for rig in rigs().await {
        rig.append("a", 1, &[insert(1, "5", "x", true), insert(2, "-1", "y", true)]).await;
        drain(&mut rig.poster("a").await).await.unwrap();
        let error = upgrade(&rig).await.unwrap_err();
        assert!(error.to_string().contains("[2]"), "{error}");
        assert_eq!(rig.number("a", "SELECT ledger_version FROM {d}site").await, 1);
        // Once the row is put right, the same reshape goes through.
        let right = Change::update("t", row([("id", 2.into())]), row([("fee", fee("1"))]));
        rig.append("a", 1, &[right]).await;
        drain(&mut rig.poster("a").await).await.unwrap();
        upgrade(&rig).await.unwrap();
        assert_eq!(rig.number("a", "SELECT count(*) FROM t WHERE id IN (1, 2)").await, 2);
    }
}

#[tokio::test]
async fn what_an_older_site_writes_against_a_new_constraint_waits_and_the_rest_flows() {
    for rig in rigs().await {
        rig.append("a", 1, &[insert(1, "5", "x", true)]).await;
        let mut posters = [("a", rig.poster("a").await), ("b", rig.poster("b").await)];
        rig.settle(&mut posters).await;
        drop(posters);
        upgrade(&rig).await.unwrap();
        for change in [
            insert(3, "-5", "c", true), // breaks the check
            insert(4, "2", "d", true),
            insert(5, "3", "x", true), // breaks the partial unique index
            insert(6, "3", "x", false),
        ] {
            rig.append("b", 1, &[change]).await;
        }
        let mut posters = [("a", rig.poster("a").await), ("b", rig.poster("b").await)];
        rig.settle(&mut posters).await;
        assert_eq!(rig.number("b", "SELECT count(*) FROM t").await, 5, "b judges by its own version");
        assert_eq!(rig.number("a", "SELECT count(*) FROM t WHERE id IN (3, 5)").await, 0);
        assert_eq!(rig.number("a", "SELECT count(*) FROM t WHERE id = 4").await, 1);
        assert!(rig.number("a", "SELECT count(*) FROM {d}quarantine").await >= 2);
    }
}

/// MySQL once kept a backslash as two for our sessions and as one for others, and compared two constants without regard to case.
#[tokio::test]
async fn conditions_of_texts_with_odd_characters_hold_in_every_store() {
    let odd = || {
        let source = VersionSource::new(SchemaVersion(1), [("schema.toml", ODD)]);
        SchemaSet::from_sources(vec![source]).unwrap()
    };
    for rig in rigs_of(odd).await {
        let mut poster = rig.poster("a").await;
        let mut stay = Vec::new();
        for (id, fee, code, stays) in [
            (1, "1", "a\\b", false),
            (2, "2", "a\nb", false),
            (3, "3", "it's", false),
            (4, "4", "a\\\\b", true),
            (5, "7", "x\\y", true),
            (6, "7", "x\\y", false),
            (7, "7", "z", true),
        ] {
            rig.append("a", 1, &[insert(id, fee, code, true)]).await;
            drain(&mut poster).await.unwrap();
            stay.extend(stays.then_some(id));
        }
        let mut found = Vec::new();
        for id in 1..=7 {
            let there = rig.number("a", &format!("SELECT count(*) FROM t WHERE id = {id}")).await;
            found.extend((there == 1).then_some(id));
        }
        assert_eq!(found, stay, "{}", rig.url("a"));
        assert_eq!(rig.number("a", "SELECT count(*) FROM {d}rejection").await, 4);
    }
}
