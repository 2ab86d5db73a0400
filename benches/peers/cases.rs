//! Which cases there are, in the order of their weight, and which figure each is to reach.

use crate::store::Store;
use crate::workload::Workload;

/// Branches of TPC-B: its scale.
pub(crate) const BRANCHES: i64 = 10;
/// Transactions of the rental history told twenty times.
const RENTALS: u32 = 20 * 49_555;

/// What a case does.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Work {
    /// A peer that stood still catches up with a backlog; the peer is the product's own replication.
    CatchUp(Workload),
    /// Callers write TPC-B and wait for durability; the peer is the same written directly. `served`: while the services
    /// of both sites post what is appended.
    Append { callers: u32, served: bool },
    /// Callers write TPC-B while it is posted at both sites; the peer is the same with logical replication.
    EndToEnd { callers: u32 },
    /// One transaction at a time, until it is seen at the other end.
    Latency,
    /// A site at a later version catches up; beside it one at the version that is written.
    MapCatchUp,
    /// Two SQLite sites; beside them a file that is written directly.
    SqliteCatchUp,
    /// TPC-B's backlog beside one of so many transactions.
    Growth { small: u32 },
}

/// What a case is to reach.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Goal {
    AtLeast(f64),
    AtMost(f64),
}

/// A case.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// Whose servers it needs, if it needs any.
    pub(crate) store: Store,
    pub(crate) work: Work,
    /// Transactions of a round.
    pub(crate) transactions: u32,
    /// For its ratio, or for its one figure where it has no ratio.
    pub(crate) goal: Option<Goal>,
}

const fn catch_up(name: &'static str, workload: Workload, transactions: u32, goal: f64) -> Case {
    let work = Work::CatchUp(workload);
    Case { name, store: Store::Postgres, work, transactions, goal: Some(Goal::AtLeast(goal)) }
}

const fn append(name: &'static str, callers: u32, transactions: u32, goal: f64) -> Case {
    let work = Work::Append { callers, served: false };
    Case { name, store: Store::Postgres, work, transactions, goal: Some(Goal::AtLeast(goal)) }
}

const fn growth(name: &'static str, goal: f64) -> Case {
    let work = Work::Growth { small: 100_000 };
    let goal = Some(Goal::AtMost(goal));
    Case { name, store: Store::Postgres, work, transactions: 1_000_000, goal }
}

/// The same on servers of MariaDB.
const fn on_mariadb(case: Case) -> Case {
    Case { store: Store::MariaDb, ..case }
}

/// Resident memory in MB; measured together with [`GROWTH`].
pub(crate) const RSS: Case = growth("rss", 300.0);
pub(crate) const GROWTH: Case = growth("growth", 1.15);

/// All of them.
pub(crate) const CASES: &[Case] = &[
    catch_up("tpcb_catch_up", Workload::Tpcb, 100_000, 2.5),
    catch_up("insert_1", Workload::Insert { rows: 1 }, 500_000, 3.0),
    catch_up("insert_100", Workload::Insert { rows: 100 }, 5_000, 1.5),
    catch_up("update_uniform", Workload::Update { rows: 500_000 }, 300_000, 3.0),
    catch_up("update_hot", Workload::Add { rows: 100 }, 300_000, 10.0),
    catch_up("delete_1", Workload::Delete, 300_000, 3.0),
    append("append_32", 32, 64_000, 8.0),
    append("append_1", 1, 10_000, 1.5),
    // Without a goal: what an append costs while both services post what is appended, on the same cores.
    Case {
        name: "append_32_served",
        store: Store::Postgres,
        work: Work::Append { callers: 32, served: true },
        transactions: 64_000,
        goal: None,
    },
    Case {
        name: "end_to_end",
        store: Store::Postgres,
        work: Work::EndToEnd { callers: 32 },
        transactions: 200_000,
        goal: Some(Goal::AtLeast(3.0)),
    },
    Case {
        name: "visible_latency",
        store: Store::Postgres,
        work: Work::Latency,
        transactions: 300,
        goal: Some(Goal::AtMost(2.5)),
    },
    Case {
        name: "map_catch_up",
        store: Store::Postgres,
        work: Work::MapCatchUp,
        transactions: RENTALS,
        goal: Some(Goal::AtLeast(0.7)),
    },
    Case {
        name: "sqlite_catch_up",
        store: Store::Postgres,
        work: Work::SqliteCatchUp,
        transactions: RENTALS,
        goal: Some(Goal::AtLeast(0.4)),
    },
    GROWTH,
    RSS,
    on_mariadb(catch_up("mariadb_tpcb_catch_up", Workload::Tpcb, 100_000, 5.0)),
    on_mariadb(catch_up("mariadb_insert_1", Workload::Insert { rows: 1 }, 500_000, 5.0)),
    on_mariadb(catch_up("mariadb_update_uniform", Workload::Update { rows: 500_000 }, 300_000, 4.0)),
    on_mariadb(append("mariadb_append_32", 32, 64_000, 5.0)),
];

impl Case {
    /// The same with counts divided, for trying the programme.
    pub(crate) fn scaled_down(mut self, by: u32) -> Self {
        self.transactions = (self.transactions / by).max(1);
        match &mut self.work {
            Work::CatchUp(Workload::Update { rows }) => *rows = (*rows / i64::from(by)).max(1),
            Work::Growth { small } => *small = (*small / by).max(1),
            _ => {}
        }
        self
    }
}
