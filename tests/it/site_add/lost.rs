//! Sites whose database was lost: their names, and what other journals still hold of them.

use super::house::Store::{Postgres, Sqlite};
use super::house::{House, lines};

#[tokio::test]
async fn a_name_that_any_site_has_seals_of_is_not_used_again() {
    let Some(mut house) = House::new(&[("a", Sqlite), ("b", Sqlite), ("c", Postgres)]) else { return };
    house.configure(&["a", "b", "c"]);
    house.done(&["init"]);
    // Nobody serves a, so that only b hears of what c wrote.
    let service = house.serve(&["b", "c"]);
    house.append("c", &lines(0));
    house.settle(&["b"]);
    service.terminate();
    house.replace("c", Sqlite);
    house.configure(&["a", "b", "c"]);
    let add = ["site", "add", "c", "--from", "a"];
    let refused = house.refused(&add);
    assert!(refused.starts_with("error D0464"), "{refused}");
    // A site that was made anew and has sealed is a member, but not the one that b knows.
    house.done(&["init"]);
    let service = house.serve(&["c"]);
    house.append("c", &lines(1));
    house.done(&["wait", "c", "--until", "c/1/42", "--timeout", "60s"]);
    service.terminate();
    let refused = house.refused(&add);
    assert!(refused.starts_with("error D0464"), "{refused}");
    assert_eq!(house.number("a", "SELECT count(*) FROM {d}seal").await, 0, "a was told of it");
}

#[test]
fn what_only_a_site_that_goes_holds_of_others_is_received_first() {
    let house = House::new(&[("a", Sqlite), ("b", Sqlite), ("d", Sqlite)]).unwrap();
    house.configure(&["a", "b", "d"]);
    house.done(&["init"]);
    let service = house.serve(&["a", "d"]);
    house.append("d", &lines(0));
    house.settle(&["a"]);
    service.terminate();
    // d is gone, and a has never written anything itself.
    house.configure(&["a", "b"]);
    let late = house.command(&["site", "retire", "a", "--timeout", "200ms"]).run();
    assert_eq!(late.code, Some(4), "{late:?}");
    assert!(late.stderr.contains("d/1 is received to 0 of 42"), "{late:?}");
    let service = house.serve(&[]);
    let retired = house.report(&["site", "retire", "a", "--timeout", "60s"]);
    assert_eq!(retired["received"], serde_json::json!(["d/1/42"]), "{retired}");
    assert!(retired["last"].is_null(), "{retired}");
    service.terminate();
    house.configure(&["b", "d"]);
    let service = house.serve(&["b"]);
    house.settle(&["b"]);
    house.is_lawful(&["b"], "left");
    service.terminate();
}

#[test]
fn what_is_held_in_quarantine_where_others_stay_is_told() {
    let house = House::new(&[("a", Sqlite), ("b", Sqlite)]).unwrap();
    house.configure(&["a", "b"]);
    house.done(&["init"]);
    let service = house.serve(&[]);
    house.append("a", &lines(0));
    house.settle(&["a", "b"]);
    house.done(&["pause", "a"]);
    house.done(&["pause", "b"]);
    for site in ["a", "b"] {
        house.append(site, &[rename(site)]);
    }
    house.done(&["resume", "a"]);
    house.done(&["resume", "b"]);
    house.settle(&["a", "b"]);
    let retired = house.report(&["site", "retire", "a"]);
    assert_eq!(retired["held"], serde_json::json!({ "b": 1 }), "{retired}");
    let told = house.done(&["site", "retire", "a"]);
    assert!(told.contains("b holds 1 of them in quarantine"), "{told}");
    service.terminate();
}

fn rename(name: &str) -> String {
    format!(
        r#"{{"entries":[{{"op":"update","table":"member","key":{{"id":7}},"set":{{"full_name":"{name}"}}}}]}}"#
    )
}
