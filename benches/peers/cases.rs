//! Which cases there are, in the order of their weight, and which ratio each is to reach.

use crate::workload::Workload;

/// Branches of TPC-B: its scale.
pub(crate) const BRANCHES: i64 = 10;

/// What a case does.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Work {
    /// A peer that stood still catches up with a backlog; the peer is PostgreSQL's logical replication.
    CatchUp(Workload),
    /// Callers write TPC-B and wait for durability; the peer is the same written directly. `served`: while the services
    /// of both sites post what is appended.
    Append { callers: u32, served: bool },
}

/// A case.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) work: Work,
    /// Transactions of a round.
    pub(crate) transactions: u32,
    /// Daybook's rate over its peer's, at least.
    pub(crate) goal: Option<f64>,
}

const fn catch_up(name: &'static str, workload: Workload, transactions: u32, goal: f64) -> Case {
    Case { name, work: Work::CatchUp(workload), transactions, goal: Some(goal) }
}

const fn append(name: &'static str, callers: u32, transactions: u32, goal: f64) -> Case {
    Case { name, work: Work::Append { callers, served: false }, transactions, goal: Some(goal) }
}

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
        work: Work::Append { callers: 32, served: true },
        transactions: 64_000,
        goal: None,
    },
];

impl Case {
    /// The same with counts divided, for trying the programme.
    pub(crate) fn scaled_down(mut self, by: u32) -> Self {
        self.transactions = (self.transactions / by).max(1);
        if let Work::CatchUp(Workload::Update { rows }) = &mut self.work {
            *rows = (*rows / i64::from(by)).max(1);
        }
        self
    }
}
