//! What is written: drawn once for a round and written on both sides, so that both end with the same rows.

use journal_core::client::Transaction;
use journal_core::model::{Row, SchemaVersion, Value};
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use schema_mappers::VersionSource;

use crate::cases::BRANCHES;
use crate::servers::Mark;
use crate::store::Store;

/// The schema set of these workloads.
pub(crate) fn schema_set() -> [VersionSource; 1] {
    [VersionSource::new(SchemaVersion(1), [("schema.toml", include_str!("schema.toml"))])]
}

/// Tellers of a branch.
const TELLERS: i64 = 10;
/// 2026-01-01 in microseconds: times are reckoned, so that both sides write the same.
const TIME_ZERO: i64 = 1_767_225_600_000_000;

/// A kind of transaction, and how many rows it finds or brings.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Workload {
    /// An account, a teller and a branch change by an amount, and history gets a row.
    Tpcb,
    /// So many new rows.
    Insert { rows: i64 },
    /// One row of so many gets another amount.
    Update { rows: i64 },
    /// One counter of so many goes up.
    Add { rows: i64 },
    /// One row goes.
    Delete,
}

/// One transaction's numbers; what they mean, [`Workload::transaction`] and the procedures of `native.sql` say.
pub(crate) type Draw = [i64; 5];

/// A workload with its sizes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) workload: Workload,
    /// Transactions of a round.
    pub(crate) transactions: i64,
    /// Rounds that will be written in all.
    pub(crate) rounds: i64,
    /// Accounts of TPC-B.
    pub(crate) accounts: i64,
}

impl Plan {
    /// The transactions of a round, the same each time.
    pub(crate) fn draws(&self, round: i64) -> Vec<Draw> {
        let mut rng = ChaCha8Rng::seed_from_u64(round.unsigned_abs());
        let first = round * self.transactions + 1;
        let numbers = first..first + self.transactions;
        match self.workload {
            Workload::Tpcb => numbers.map(|hid| self.tpcb(&mut rng, hid)).collect(),
            Workload::Insert { rows } => numbers.map(|nr| [(nr - 1) * rows + 1, rows, 0, 0, 0]).collect(),
            Workload::Update { rows } => numbers
                .map(|_| [rng.random_range(1..=rows), rng.random_range(0..1_000_000), 0, 0, 0])
                .collect(),
            Workload::Add { rows } => {
                numbers.map(|_| [rng.random_range(1..=rows), rng.random_range(1..=100), 0, 0, 0]).collect()
            }
            Workload::Delete => {
                let mut draws: Vec<Draw> = numbers.map(|id| [id, 0, 0, 0, 0]).collect();
                draws.shuffle(&mut rng);
                draws
            }
        }
    }

    /// A round's transactions as Daybook takes them, and the row by which its end is seen.
    pub(crate) fn backlog(&self, round: i64) -> (impl Iterator<Item = Transaction> + use<>, Mark) {
        let workload = self.workload;
        let last = Transaction::new().insert("finish", Row::new().with("id", round));
        let backlog =
            self.draws(round).into_iter().map(move |draw| workload.transaction(&draw)).chain([last]);
        (backlog, Mark::finish(round))
    }

    /// TPC-B's numbers: account, teller, branch, amount, and the id of the row of history.
    pub(crate) fn tpcb(&self, rng: &mut ChaCha8Rng, hid: i64) -> Draw {
        [
            rng.random_range(1..=self.accounts),
            rng.random_range(1..=BRANCHES * TELLERS),
            rng.random_range(1..=BRANCHES),
            rng.random_range(-5_000..=5_000),
            hid,
        ]
    }

    /// What both sides hold before the first round, as new rows of tables.
    pub(crate) fn stock(&self) -> Box<dyn Iterator<Item = (&'static str, Row)>> {
        match self.workload {
            Workload::Tpcb => Box::new(tpcb_stock(self.accounts)),
            Workload::Insert { .. } => Box::new(std::iter::empty()),
            Workload::Update { rows } => Box::new((1..=rows).map(|id| ("item", item(id)))),
            Workload::Add { rows } => {
                Box::new((1..=rows).map(|id| ("counter", Row::new().with("id", id).with("total", 0_i64))))
            }
            Workload::Delete => Box::new((1..=self.transactions * self.rounds).map(|id| ("item", item(id)))),
        }
    }

    /// The same rows as [`stock`](Self::stock), as SQL.
    pub(crate) fn stock_sql(&self, store: Store) -> String {
        let numbers = |rows: i64| match store {
            Store::Postgres => format!("generate_series(1, {rows}) id"),
            Store::MariaDb => format!("(SELECT seq AS id FROM seq_1_to_{rows}) AS numbers"),
        };
        let items = |rows: i64| {
            let item = "id, id % 97, id % 1009, concat('item ', id, ' of its kind')";
            format!("INSERT INTO item SELECT {item} FROM {}", numbers(rows))
        };
        match self.workload {
            Workload::Tpcb => format!(
                "INSERT INTO branch SELECT id, 0, repeat(' ', 88) FROM {branches}; \
                 INSERT INTO teller SELECT id, floor((id - 1) / {TELLERS}) + 1, 0, repeat(' ', 84) FROM {tellers}; \
                 INSERT INTO account SELECT id, floor((id - 1) / {each}) + 1, 0, repeat(' ', 84) FROM {accounts}",
                branches = numbers(BRANCHES),
                tellers = numbers(BRANCHES * TELLERS),
                each = accounts_each(self.accounts),
                accounts = numbers(self.accounts),
            ),
            // A statement that does nothing: MariaDB takes no empty one.
            Workload::Insert { .. } => "SELECT 1".to_owned(),
            Workload::Update { rows } => items(rows),
            Workload::Add { rows } => format!("INSERT INTO counter SELECT id, 0 FROM {}", numbers(rows)),
            Workload::Delete => items(self.transactions * self.rounds),
        }
    }
}

impl Workload {
    /// A draw as a transaction of Daybook's journal.
    pub(crate) fn transaction(self, draw: &Draw) -> Transaction {
        let new = Transaction::new();
        match (self, *draw) {
            (Self::Tpcb, draw) => tpcb_transaction(draw),
            (Self::Insert { .. }, [first, rows, ..]) => {
                (first..first + rows).fold(new, |transaction, id| transaction.insert("item", item(id)))
            }
            (Self::Update { .. }, [id, amount, ..]) => {
                new.update("item", Row::new().with("id", id), Row::new().with("amount", amount))
            }
            (Self::Add { .. }, [id, delta, ..]) => {
                new.add("counter", Row::new().with("id", id), Row::new().with("total", delta))
            }
            (Self::Delete, [id, ..]) => new.delete("item", Row::new().with("id", id)),
        }
    }

    /// The procedure that writes draws directly, one transaction each.
    pub(crate) fn procedure(self) -> &'static str {
        match self {
            Self::Tpcb => "write_tpcb",
            Self::Insert { .. } => "write_insert",
            Self::Update { .. } => "write_update",
            Self::Add { .. } => "write_add",
            Self::Delete => "write_delete",
        }
    }

    /// What must be the same at all ends of both sides after a round.
    pub(crate) fn digest(self) -> &'static str {
        match self {
            Self::Tpcb => {
                "SELECT concat_ws(' ', (SELECT sum(abalance * (aid % 997)) FROM account), \
                 (SELECT sum(tbalance * tid) FROM teller), (SELECT sum(bbalance * bid) FROM branch), \
                 (SELECT concat_ws(' ', count(*), sum(delta * (hid % 997)), max(mtime)) FROM history))"
            }
            Self::Add { .. } => "SELECT concat_ws(' ', count(*), sum(total * id)) FROM counter",
            Self::Insert { .. } | Self::Update { .. } | Self::Delete => {
                "SELECT concat_ws(' ', count(*), sum(id), sum(amount * (id % 997)), sum(length(note))) FROM item"
            }
        }
    }
}

/// A TPC-B transaction: three amounts change by a delta, and history gets a row.
pub(crate) fn tpcb_transaction([aid, tid, bid, delta, hid]: Draw) -> Transaction {
    let add = |column: &'static str| Row::new().with(column, delta);
    let history = Row::new().with("hid", hid).with("tid", tid).with("bid", bid).with("aid", aid);
    let history = history.with("delta", delta).with("mtime", Value::Timestamp(TIME_ZERO + hid));
    Transaction::new()
        .add("account", Row::new().with("aid", aid), add("abalance"))
        .add("teller", Row::new().with("tid", tid), add("tbalance"))
        .add("branch", Row::new().with("bid", bid), add("bbalance"))
        .insert("history", history)
}

fn tpcb_stock(accounts: i64) -> impl Iterator<Item = (&'static str, Row)> {
    let branches = (1..=BRANCHES).map(|bid| {
        let row = Row::new().with("bid", bid).with("bbalance", 0_i64);
        ("branch", row.with("filler", " ".repeat(88)))
    });
    let tellers = (1..=BRANCHES * TELLERS).map(|tid| {
        let row = Row::new().with("tid", tid).with("bid", (tid - 1) / TELLERS + 1);
        ("teller", row.with("tbalance", 0_i64).with("filler", " ".repeat(84)))
    });
    let accounts = (1..=accounts).map(move |aid| {
        let row = Row::new().with("aid", aid).with("bid", (aid - 1) / accounts_each(accounts) + 1);
        ("account", row.with("abalance", 0_i64).with("filler", " ".repeat(84)))
    });
    branches.chain(tellers).chain(accounts)
}

/// Accounts of a branch.
fn accounts_each(accounts: i64) -> i64 {
    (accounts / BRANCHES).max(1)
}

fn item(id: i64) -> Row {
    let row = Row::new().with("id", id).with("kind", id % 97).with("amount", id % 1009);
    row.with("note", format!("item {id} of its kind"))
}
