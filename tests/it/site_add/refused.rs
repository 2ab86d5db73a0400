//! What cannot be added is refused before anything is changed, with a reason.

use journal_core::sql::{Access, Conn};

use super::house::House;
use super::house::Store::{Postgres, Sqlite};
use super::house::lines;

fn group() -> House {
    let house = House::new(&[("a", Sqlite), ("b", Sqlite), ("aa", Sqlite), ("c", Sqlite)]).unwrap();
    house.configure(&["a", "b"]);
    house.done(&["init"]);
    house
}

#[test]
fn a_stripe_that_is_taken_is_refused_with_what_to_write() {
    let house = group();
    // The new name moves b's place in the list, where stripes come from by default.
    house.configure(&["a", "aa", "b"]);
    for command in [&["site", "add", "aa", "--from", "a"][..], &["init"]] {
        let refused = house.refused(command);
        assert!(refused.starts_with("error D0462"), "{refused}");
        for say in ["[sites.a] stripe = 0", "[sites.b] stripe = 1", "[sites.aa] stripe = 2"] {
            assert!(refused.contains(say), "{say}: {refused}");
        }
    }
    house.configure_with(&[("a", None), ("aa", Some(2)), ("b", Some(1))]);
    assert_eq!(house.report(&["site", "add", "aa", "--from", "a"])["already"], false);
    house.done(&["init"]);
}

#[tokio::test]
async fn a_database_that_is_anothers_or_holds_rows_is_refused() {
    let house = group();
    house.configure(&["a", "b", "c"]);
    let add = ["site", "add", "c", "--from", "a"];
    house.done(&["init"]);
    let mut conn = Conn::open(&house.url("c"), Access::Write, "test").await.unwrap();
    let row = "INSERT INTO member (id, email, full_name, fee, joined, token) VALUES \
               (1, 'x', 'x', '1.00', '2005-05-24 22:53:30.000000', '018f5a4e-0000-7000-8000-000000000001')";
    conn.lend().script(row).await.unwrap();
    let refused = house.refused(&add);
    assert!(refused.starts_with("error D0607") && refused.contains("member"), "{refused}");
    conn.lend().script("DELETE FROM member").await.unwrap();
    conn.lend().script("UPDATE {d}site SET group_name = 'other'").await.unwrap();
    let refused = house.refused(&add);
    assert!(refused.starts_with("error D0304"), "{refused}");
    conn.lend().script("UPDATE {d}site SET group_name = 'house'").await.unwrap();
    // A site that init made, and that nobody has posted to, is as good as none.
    assert_eq!(house.report(&add)["already"], false);
    let itself = house.command(&["site", "add", "c", "--from", "c"]).run();
    assert_eq!(itself.code, Some(2), "{itself:?}");
}

#[test]
fn a_source_that_holds_something_is_refused() {
    let house = group();
    let service = house.serve(&[]);
    house.append("a", &lines(0));
    house.settle(&["a", "b"]);
    house.done(&["pause", "a"]);
    house.done(&["pause", "b"]);
    let rename = |name: &str| {
        format!(
            r#"{{"entries":[{{"op":"update","table":"member","key":{{"id":7}},"set":{{"full_name":"{name}"}}}}]}}"#
        )
    };
    house.append("a", &[rename("one")]);
    house.append("b", &[rename("other")]);
    house.done(&["resume", "a"]);
    house.done(&["resume", "b"]);
    house.settle(&["a", "b"]);
    house.configure(&["a", "b", "c"]);
    let add = ["site", "add", "c", "--from", "a"];
    let refused = house.refused(&add);
    assert!(refused.starts_with("error D0461") && refused.contains("b/1/1"), "{refused}");
    assert!(house.refused(&[&add[..], &["--dry-run"]].concat()).starts_with("error D0461"));
    // A person decides: what a has stands.
    house.done(&["quarantine", "discard", "a", "b/1/1", "--reason", "a decides"]);
    house.done(&["quarantine", "retry", "b", "a/1/43", "--reason", "a decides"]);
    let deadline = std::time::Instant::now() + super::house::BOUND;
    while house.report(&["quarantine", "list", "a"])["quarantined"]
        .as_array()
        .is_none_or(|all| !all.is_empty())
    {
        assert!(std::time::Instant::now() < deadline, "nothing becomes of what was decided");
    }
    assert_eq!(house.report(&add)["already"], false);
    let service = house.relieve(service);
    house.settle(&["a", "b", "c"]);
    // What a left out for good is left out at c, in its ledger and in its balance.
    house.is_lawful(&["a", "c"], "left-out");
    service.terminate();
}

#[test]
fn what_is_named_wrongly_is_a_fault_of_the_command_line() {
    let Some(house) = House::new(&[("a", Sqlite), ("c", Postgres)]) else { return };
    house.configure(&["a"]);
    house.done(&["init"]);
    for add in [["site", "add", "c", "--from", "a"], ["site", "add", "a", "--from", "z"]] {
        let ended = house.command(&add).run();
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.stderr.starts_with("error D0306"), "{ended:?}");
    }
}

/// It is paused until it is whole, and its tables are the command's.
#[tokio::test]
async fn a_site_that_is_being_added_is_left_to_the_command_that_adds_it() {
    let house = group();
    house.configure(&["a", "b", "c"]);
    house.done(&["init"]);
    let mut conn = Conn::open(&house.url("c"), Access::Write, "test").await.unwrap();
    for begun in [
        "INSERT INTO {d}action (done_at, who, what, why) VALUES (0, 'test', 'begin to be added from a', '')",
        "UPDATE {d}control SET desired = 'paused', generation = generation + 1",
    ] {
        conn.lend().script(begun).await.unwrap();
    }
    for command in [
        &["pause", "c"][..],
        &["resume", "c"],
        &["schema", "apply", "c", "--to", "2"],
        &["upgrade", "--to", "2"],
    ] {
        let refused = house.refused(command);
        assert!(refused.starts_with("error D0460"), "{command:?}: {refused}");
        assert!(refused.contains("`daybook site add c --from a` goes on"), "{command:?}: {refused}");
    }
    assert_eq!(house.report(&["site", "add", "c", "--from", "a"])["already"], false);
    house.done(&["pause", "c"]);
}
