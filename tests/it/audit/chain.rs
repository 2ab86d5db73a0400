//! `audit`: whatever is done to a journal behind its seals is found, and named.

use applier::audit::chain::{AuditReport, Finding, audit};
use applier::audit::unwatched;
use journal_core::journal::{JournalStore as _, ReadLimit};
use journal_core::model::SealNr;
use journal_core::sql::{Access, Conn, Param};
use journal_core::store::sql::SqlJournal;
use journal_tests::rig::{AS_ROWS, Rig, drain};

use super::populate;
use crate::club::{member, phone, renamed, rigs};

/// A vandal's connection.
struct Vandal {
    conn: Conn,
}

impl Vandal {
    /// At a peer: in rows, as an older release received them. What is packed has a test of its own.
    async fn at(rig: &Rig, site: &str) -> Self {
        if site == "b" {
            rig.execute(site, AS_ROWS).await;
        }
        Self { conn: Conn::open(rig.url(site), Access::Write, "vandal").await.unwrap() }
    }

    async fn run(&mut self, template: &str, params: Vec<Param>) {
        let rows = self.conn.lend().execute(template, params).await.unwrap();
        assert!(rows > 0, "{template} touched nothing");
    }

    async fn payload(&mut self, trans_nr: i64, entry_nr: i64) -> Vec<u8> {
        let query = "SELECT payload FROM {d}journal WHERE origin = 'a' AND trans_nr = $1 AND entry_nr = $2";
        let params = vec![trans_nr.into(), entry_nr.into()];
        self.conn.lend().fetch_one(query, params).await.unwrap().bytes(0).unwrap()
    }

    async fn set_payload(&mut self, trans_nr: i64, entry_nr: i64, payload: Vec<u8>) {
        let set = "UPDATE {d}journal SET payload = $3 WHERE origin = 'a' AND trans_nr = $1 AND entry_nr = $2";
        self.run(set, vec![trans_nr.into(), entry_nr.into(), payload.into()]).await;
    }
}

async fn look(rig: &Rig, site: &str) -> AuditReport {
    audit(rig.url(site), &mut unwatched).await.unwrap()
}

/// The first finding, in an audit that must have one.
async fn first(rig: &Rig, site: &str) -> Finding {
    let report = look(rig, site).await;
    assert!(!report.sound);
    report.findings[0].clone()
}

/// The seal of a's that covers a transaction.
async fn seal_of(rig: &Rig, trans_nr: i64) -> i64 {
    let query = "SELECT seal_nr FROM {d}seal WHERE origin = 'a' AND first_nr <= $1 AND last_nr >= $1";
    rig.row("a", query, vec![trans_nr.into()]).await.i64(0).unwrap()
}

#[track_caller]
fn expect(store: &str, finding: &Finding, seal_nr: i64, trans_nr: Option<i64>, words: &str) {
    assert_eq!(finding.origin, "a/1", "{store}: {finding:?}");
    assert_eq!(finding.seal_nr.map(|seal_nr| seal_nr.0), Some(seal_nr), "{store}: {finding:?}");
    assert_eq!(finding.trans_nr.map(|trans_nr| trans_nr.0), trans_nr, "{store}: {finding:?}");
    assert!(finding.what.contains(words), "{store}: {finding:?}");
}

#[tokio::test]
async fn a_journal_nobody_touched_is_sound_and_its_balance_even() {
    for (store, rig) in rigs().await {
        populate(&rig).await;
        rig.append("a", 1, &[renamed(2, "NOT DECIDED YET")]).await;
        for site in ["a", "b"] {
            let report = look(&rig, site).await;
            assert!(report.sound, "{store}: {report:?}");
            assert_eq!(report.site, format!("{site}/1"));
            let [a, b] = report.origins.as_slice() else { panic!("{store}: {report:?}") };
            assert_eq!((a.balance.accepted, a.balance.rejected), (8, 0), "{store} {site}");
            assert_eq!((b.balance.accepted, b.balance.rejected), (5, 1), "{store} {site}");
            assert_eq!((a.balance.posted, b.balance.posted), (8, 5), "{store} {site}");
            assert_eq!(
                (a.balance.entries, b.balance.entries),
                (16 + u64::from(site == "a"), 6),
                "{store} {site}"
            );
            assert_eq!(a.balance.undecided, u64::from(site == "a"), "{store} {site}");
            assert_eq!(a.head_hash.len(), 64, "{store}");
        }
    }
}

#[tokio::test]
async fn what_waits_or_is_put_aside_is_in_the_balance() {
    for (store, rig) in rigs().await {
        populate(&rig).await;
        // Both sites write one key, and neither knows of the other: each quarantines the other's.
        rig.append("a", 1, &[renamed(3, "BY A")]).await;
        rig.append("b", 1, &[renamed(3, "BY B")]).await;
        for site in ["a", "b"] {
            drain(&mut rig.poster(site).await).await.unwrap();
        }
        rig.ship("b", "a").await;
        let origins = look(&rig, "a").await.origins;
        assert_eq!((origins[1].balance.not_posted, origins[1].balance.quarantined), (1, 0), "{store}");
        drain(&mut rig.poster("a").await).await.unwrap();
        let report = look(&rig, "a").await;
        assert!(report.sound, "{store}: {report:?}");
        let balance = report.origins[1].balance;
        assert_eq!((balance.accepted, balance.posted, balance.quarantined), (6, 5, 1), "{store}");
    }
}

#[tokio::test]
async fn a_flipped_byte_is_named() {
    for (store, rig) in rigs().await {
        populate(&rig).await;
        for site in ["a", "b"] {
            let mut vandal = Vandal::at(&rig, site).await;
            let whole = vandal.payload(4, 2).await;
            let mut flipped = whole.clone();
            *flipped.last_mut().unwrap() ^= 1;
            vandal.set_payload(4, 2, flipped).await;
            let seal = seal_of(&rig, 4).await;
            expect(store, &first(&rig, site).await, seal, Some(4), "was altered");
            vandal.set_payload(4, 2, whole).await;
            assert!(look(&rig, site).await.sound, "{store} {site}: as it was");
        }
    }
}

#[tokio::test]
async fn a_deleted_row_is_named_whether_its_transaction_has_others_or_not() {
    for (store, rig) in rigs().await {
        populate(&rig).await;
        let seal = seal_of(&rig, 3).await;
        let mut vandal = Vandal::at(&rig, "b").await;
        vandal
            .run("DELETE FROM {d}journal WHERE origin = 'a' AND trans_nr = 3 AND entry_nr = 2", vec![])
            .await;
        expect(store, &first(&rig, "b").await, seal, Some(3), "was altered");
        vandal.run("DELETE FROM {d}journal WHERE origin = 'a' AND trans_nr = 3", vec![]).await;
        let report = look(&rig, "b").await;
        expect(store, &report.findings[0], seal, Some(3), "is missing");
        assert!(!report.origins[0].even, "{store}: rows and seals count differently");
        assert_eq!(report.findings.len(), 1, "{store}: the rest of the chain is whole");
    }
}

const COPY: &str = "INSERT INTO {d}journal (origin, epoch, trans_nr, entry_nr, tx_id, schema_version, entity, op, row_key, codec, \
     payload, author, appended_at) SELECT origin, epoch, $1, $2, tx_id, schema_version, entity, op, row_key, codec, payload, \
     author, appended_at FROM {d}journal WHERE origin = 'a' AND trans_nr = 3 AND entry_nr = 2";

#[tokio::test]
async fn an_inserted_row_is_named_wherever_it_is_put() {
    for (store, rig) in rigs().await {
        populate(&rig).await;
        let seal = seal_of(&rig, 3).await;
        let mut vandal = Vandal::at(&rig, "b").await;
        // Into a transaction, at its end.
        vandal.run(COPY, vec![3.into(), Param::from(3_i64)]).await;
        expect(store, &first(&rig, "b").await, seal, Some(3), "was altered");
        vandal
            .run("DELETE FROM {d}journal WHERE origin = 'a' AND trans_nr = 3 AND entry_nr = 3", vec![])
            .await;
        // Beyond all seals, and before the first, at a peer, where nothing is ever appended.
        for trans_nr in [4711_i64, -1] {
            vandal.run(COPY, vec![trans_nr.into(), Param::from(2_i64)]).await;
            let finding = first(&rig, "b").await;
            assert_eq!(
                (finding.trans_nr.map(|nr| nr.0), finding.seal_nr),
                (Some(trans_nr), None),
                "{store}: {finding:?}"
            );
            assert!(finding.what.contains("no seal covers it"), "{store}: {finding:?}");
            vandal
                .run("DELETE FROM {d}journal WHERE origin = 'a' AND trans_nr = $1", vec![trans_nr.into()])
                .await;
        }
        assert!(look(&rig, "b").await.sound, "{store}");
    }
}

#[tokio::test]
async fn a_row_inserted_into_a_dead_hole_is_named() {
    for (store, rig) in rigs().await {
        if store != "postgres" {
            continue; // Numbers are dense elsewhere.
        }
        rig.append("a", 1, &[member(1, "ANNA BERG", None), phone(1, None)]).await;
        rig.execute("a", "SELECT nextval('{d}trans_nr')").await;
        rig.append("a", 1, &[member(2, "BERTA BERG", None), phone(2, None)]).await;
        drain(&mut rig.poster("a").await).await.unwrap();
        assert!(look(&rig, "a").await.sound);
        let copy = COPY.replace("trans_nr = 3", "trans_nr = 1");
        Vandal::at(&rig, "a").await.run(&copy, vec![2.into(), Param::from(2_i64)]).await;
        expect(store, &first(&rig, "a").await, seal_of(&rig, 2).await, Some(2), "was not there");
    }
}

#[tokio::test]
async fn what_an_origin_sealed_is_watched_in_both_of_its_forms() {
    for (store, rig) in rigs().await {
        populate(&rig).await;
        let mut vandal = Vandal::at(&rig, "a").await;
        let seal = seal_of(&rig, 3).await;
        let payloads =
            "SELECT payloads, last_nr FROM {d}run WHERE origin = 'a' AND first_nr <= 3 AND last_nr >= 3";
        let pack = rig.row("a", payloads, vec![]).await;
        let (whole, last_nr) = (pack.bytes(0).unwrap(), pack.i64(1).unwrap());
        let mut flipped = whole.clone();
        *flipped.last_mut().unwrap() ^= 1;
        let set = "UPDATE {d}run SET payloads = $1 WHERE origin = 'a' AND last_nr = $2";
        vandal.run(set, vec![flipped.into(), last_nr.into()]).await;
        expect(store, &first(&rig, "a").await, seal, Some(last_nr), "its rows are whole");
        vandal.run(set, vec![whole.into(), last_nr.into()]).await;
        assert!(look(&rig, "a").await.sound, "{store}");
        // All rows of a run: nothing is left beside the pack that could be wrong.
        let from = rig.row(
            "a",
            "SELECT first_nr FROM {d}seal WHERE origin = 'a' AND seal_nr = $1",
            vec![seal.into()],
        );
        let from = from.await.i64(0).unwrap();
        let delete = "DELETE FROM {d}journal WHERE origin = 'a' AND trans_nr >= $1 AND trans_nr <= $2";
        vandal.run(delete, vec![from.into(), last_nr.into()]).await;
        expect(store, &first(&rig, "a").await, seal, Some(from), "is missing");
    }
}

#[tokio::test]
async fn what_an_older_release_sealed_is_shipped_from_its_rows() {
    for (store, rig) in rigs().await {
        let mut posters = super::posters(&rig).await;
        for id in 1..=6 {
            rig.append("a", 1, &[member(id, &format!("FIRST{id} LAST{id}"), None), phone(id, None)]).await;
            drain(&mut posters[0].1).await.unwrap();
        }
        // Of the first, of one in the middle and of the last there are no packs.
        let sealed = rig.number("a", "SELECT count(*) FROM {d}run WHERE in_journal AND origin = 'a'").await;
        assert_eq!(sealed, 6, "{store}");
        rig.execute(
            "a",
            "DELETE FROM {d}run WHERE last_nr IN (SELECT last_nr FROM {d}seal WHERE seal_nr IN (1, 3, 6))",
        )
        .await;
        rig.settle(&mut posters).await;
        let entries = "SELECT count(*) FROM {d}entry WHERE origin = 'a'";
        assert_eq!((rig.number("a", entries).await, rig.number("b", entries).await), (12, 12), "{store}");
        assert_eq!(rig.number("b", "SELECT count(*) FROM {d}run WHERE NOT in_journal").await, 6, "{store}");
        for site in ["a", "b"] {
            assert!(look(&rig, site).await.sound, "{store} {site}");
        }
    }
}

/// A read weighs what it takes, and only the first run may be more than the limit.
#[tokio::test]
async fn runs_that_stand_as_rows_alone_come_within_limits() {
    for (store, rig) in rigs().await {
        let mut posters = super::posters(&rig).await;
        for id in 1..=4 {
            rig.append("a", 1, &[member(id, "ANNA BERG", None), phone(id, None)]).await;
            drain(&mut posters[0].1).await.unwrap();
        }
        rig.execute("a", "DELETE FROM {d}run").await;
        let mut journal = SqlJournal::open(rig.url("a"), Access::Read, "test").await.unwrap();
        let origin = journal.origin().clone();
        let all = ReadLimit { transactions: 9, bytes: usize::MAX };
        let runs = journal.read_runs(&origin, SealNr(0), all).await.unwrap();
        let weight: usize = runs[..2].iter().flat_map(|run| &run.transactions).map(|one| one.weight()).sum();
        for (bytes, expected) in [(0, 1), (weight - 1, 1), (weight, 2), (usize::MAX, 4)] {
            let limit = ReadLimit { bytes, ..all };
            let read = journal.read_runs(&origin, SealNr(0), limit).await.unwrap();
            assert_eq!(read.len(), expected, "{store}: {bytes} bytes");
        }
    }
}

#[tokio::test]
async fn two_swapped_rows_are_named_by_the_first() {
    for (store, rig) in rigs().await {
        populate(&rig).await;
        let mut vandal = Vandal::at(&rig, "a").await;
        let (second, sixth) = (vandal.payload(2, 1).await, vandal.payload(6, 1).await);
        vandal.set_payload(2, 1, sixth).await;
        vandal.set_payload(6, 1, second).await;
        let seal = seal_of(&rig, 2).await;
        expect(store, &first(&rig, "a").await, seal, Some(2), "was altered");
        // And the rows as they are, under each other's numbers.
        let mut vandal = Vandal::at(&rig, "b").await;
        let renumber =
            "UPDATE {d}journal SET trans_nr = $2 WHERE origin = 'a' AND trans_nr = $1 AND entry_nr = 2";
        for (from, to) in [(2_i64, 1000_i64), (6, 2), (1000, 6)] {
            vandal.run(renumber, vec![from.into(), Param::from(to)]).await;
        }
        let report = look(&rig, "b").await;
        expect(store, &report.findings[0], seal, Some(2), "has another header");
    }
}

#[tokio::test]
async fn an_altered_seal_is_named_and_so_is_a_missing_one() {
    for (store, rig) in rigs().await {
        populate(&rig).await;
        rig.append("a", 1, &[renamed(2, "ONE MORE SEAL")]).await;
        let mut posters = super::posters(&rig).await;
        rig.settle(&mut posters).await;
        let mut vandal = Vandal::at(&rig, "b").await;
        let seal = seal_of(&rig, 3).await;
        for column in ["sealed_at", "hlc", "rejected_count", "schema"] {
            let add = |sign: &str| {
                format!(
                    "UPDATE {{d}}seal SET \"{column}\" = \"{column}\" {sign} 1 WHERE origin = 'a' AND seal_nr = $1"
                )
            };
            vandal.run(&add("+"), vec![seal.into()]).await;
            expect(store, &first(&rig, "b").await, seal, None, "the seal itself");
            vandal.run(&add("-"), vec![seal.into()]).await;
        }
        let rejection = "INSERT INTO {d}rejection (origin, epoch, trans_nr, code, detail) VALUES ('a', 1, 3, 'D0201', '')";
        vandal.run(rejection, vec![]).await;
        expect(store, &first(&rig, "b").await, seal, None, "its rejections were altered");
        vandal.run("DELETE FROM {d}rejection WHERE origin = 'a'", vec![]).await;
        assert!(look(&rig, "b").await.sound, "{store}");
        vandal.run("DELETE FROM {d}seal WHERE origin = 'a' AND seal_nr = $1", vec![seal.into()]).await;
        expect(store, &first(&rig, "b").await, seal, None, "the seal is missing");
    }
}

#[tokio::test]
async fn a_journal_cut_off_at_its_end_is_found_by_head_and_checkpoint() {
    for (store, rig) in rigs().await {
        populate(&rig).await;
        // A second seal of a's, for the head to go back to; whether it acknowledged b's depends on the time.
        rig.append("a", 1, &[renamed(2, "ONE MORE SEAL")]).await;
        let mut posters = super::posters(&rig).await;
        rig.settle(&mut posters).await;
        let last = rig.number("b", "SELECT max(seal_nr) FROM {d}seal WHERE origin = 'a'").await;
        let mut vandal = Vandal::at(&rig, "b").await;
        vandal.run("DELETE FROM {d}seal WHERE origin = 'a' AND seal_nr = $1", vec![last.into()]).await;
        expect(store, &first(&rig, "b").await, last, None, "is missing");
        let back = "UPDATE {d}received SET seal_nr = seal_nr - 1, \
             hash = (SELECT hash FROM {d}seal s WHERE s.origin = 'a' AND s.seal_nr = $1), \
             last_nr = (SELECT last_nr FROM {d}seal s WHERE s.origin = 'a' AND s.seal_nr = $1) WHERE origin = 'a'";
        vandal.run(back, vec![(last - 1).into()]).await;
        let finding = first(&rig, "b").await;
        assert!(finding.what.contains("missing at the end"), "{store}: {finding:?}");
    }
}

#[tokio::test]
async fn a_database_that_is_no_site_is_nothing_to_audit_and_stays_empty() {
    let (empty, _directory) = crate::club::empty_database("sqlite");
    Conn::open(&empty, Access::Create, "make").await.unwrap().close().await;
    let error = audit(&empty, &mut unwatched).await.unwrap_err().to_string();
    assert!(error.contains("is no site yet"), "{error}");
    let mut conn = Conn::open(&empty, Access::Read, "look").await.unwrap();
    let tables = conn.lend().fetch_one("SELECT count(*) FROM sqlite_master", vec![]).await.unwrap();
    assert_eq!(tables.i64(0).unwrap(), 0);
}
