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
    let mut rigs = vec![Rig::sqlite(&["a", "b"], set()).await];
    if let Some((a, b)) = servers::two_postgres_or_skip() {
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
