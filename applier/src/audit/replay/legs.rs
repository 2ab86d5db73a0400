//! A replay in legs: a site's journal posted into one ledger after another, or into one that changes its version between,
//! each leg from where the one before ended. Reads the site only.

use std::collections::BTreeMap;

use journal_core::model::{Hlc, Origin, SchemaVersion};
use journal_core::sql::{Access, DbUrl};
use journal_core::store::sql::{Site, SqlJournal};
use schema_mappers::Registry;

use super::lanes::{Bound, Lanes, Takes};
use super::post::Posting;
use super::{Listed, ReplayError, Until};
use crate::audit::balance::Standings;
use crate::audit::progress::Watch;
use crate::ledger::Posted;
use crate::ledger::sql::SqlLedger;

/// The journal on its way.
#[derive(Debug)]
pub(crate) struct Legs<'r> {
    journal: SqlJournal,
    registry: &'r Registry,
    standings: Standings,
    lanes: Lanes,
    came_to: BTreeMap<Origin, Posted>,
}

/// What a leg came to.
#[derive(Debug)]
pub(crate) struct Leg {
    /// Transactions posted.
    pub(crate) posted: u64,
    /// Transactions that the ledger refused.
    pub(crate) refused: Listed,
    /// The same, counted by code.
    pub(crate) refused_by: BTreeMap<&'static str, u64>,
    /// Transactions left out as they are at the site, in quarantine or discarded.
    pub(crate) left_out: u64,
}

impl<'r> Legs<'r> {
    /// Takes into account what is sealed now, up to `until`.
    pub(crate) async fn open(
        from: &DbUrl,
        registry: &'r Registry,
        until: Option<&Until>,
    ) -> Result<Self, ReplayError> {
        let mut journal = SqlJournal::open(from, Access::Read, "replay").await?.by_row();
        let mut conn = journal.connection().await?;
        let standings = Standings::load(conn.lend()).await?;
        journal.give_back(conn);
        let lanes = Lanes::open(&mut journal, until).await?;
        Ok(Self { journal, registry, standings, lanes, came_to: BTreeMap::new() })
    }

    /// The site whose journal it is.
    pub(crate) fn site(&self) -> &Site {
        self.journal.site()
    }

    /// At most so many transactions come in all legs.
    pub(crate) fn total(&self) -> u64 {
        self.lanes.total()
    }

    /// The clock reading of the last one.
    pub(crate) fn newest(&self) -> Hlc {
        self.lanes.newest()
    }

    /// The place that an operator named.
    pub(crate) async fn place(&mut self, at: &Until) -> Result<Bound, ReplayError> {
        Bound::at(&mut self.journal, at).await
    }

    /// Posts what comes next into a ledger that stands where the leg before left it, as long as `takes` says yes.
    pub(crate) async fn leg(
        &mut self,
        ledger: &mut SqlLedger,
        version: SchemaVersion,
        takes: &mut Takes<'_>,
        watch: &mut Watch<'_>,
    ) -> Result<Leg, ReplayError> {
        let posting = Posting::new(self.registry, version, &self.standings).after(&self.came_to);
        let done = posting.run(&mut self.journal, ledger, &mut self.lanes, takes, watch).await?;
        self.came_to = done.up_to;
        let (posted, refused, refused_by) = (done.posted, done.refused, done.refused_by);
        Ok(Leg { posted, refused, refused_by, left_out: done.left_out.count })
    }
}
