//! Looks that the invariants need: the ledger beside the reference, journals beside one another, who clashes with whom.

use std::rc::Rc;

use applier::ledger::Release;
use journal_core::model::{Name, Origin, Row, SealNr, TransactionId};

use crate::checks::{ensure, runs};
use crate::forms::{cells_at, table_names};
use crate::oracle::{Cells, Table, clash};
use crate::world::{Broken, World};

impl World {
    /// S4, S5, S7: the ledger holds what the reference holds, in the forms of its version.
    pub(crate) fn compare(&mut self, at: usize) -> Result<(), Broken> {
        let (evolution, site) = (self.plan.evolution, &mut self.sites[at]);
        let version = site.version();
        site.changed = false;
        let tables = Table::ALL.into_iter().flat_map(|table| {
            let names = table_names(table, version, evolution).iter().enumerate();
            names.map(move |(at, name)| (table, at, name))
        });
        for (table, at, name) in tables {
            let held = site.door.memory.shared_rows(&Name::from(*name));
            let mine: Vec<_> = site.books.table(table).collect();
            let form =
                |(id, cells): &(i64, &Rc<Cells>)| cells_at(cells, at, version, evolution).with("id", *id);
            let mut pairs = mine.iter().zip(&held);
            let same = pairs.all(|(mine, held)| {
                let place = ((table, mine.0), at);
                site.compared.same(version, place, (mine.1, held), || form(mine))
            });
            if !same || mine.len() != held.len() {
                let expected: Vec<Row> = mine.iter().map(form).collect();
                let odd: Vec<_> = held.iter().filter(|row| !expected.contains(row)).collect();
                let lacking = expected.iter().filter(|row| !held.iter().any(|held| **held == **row));
                let lacking: Vec<&Row> = lacking.collect();
                return Err(format!(
                    "S4: {} at version {version} holds in {name} {odd:?}, not {lacking:?}",
                    site.origin
                ));
            }
        }
        Ok(())
    }

    /// S8: what arrived at a site is what its origin sealed.
    pub(crate) fn compare_received(&mut self, at: usize) -> Result<(), Broken> {
        for from in (0..self.sites.len()).filter(|from| *from != at) {
            let origin = self.sites[from].origin.clone();
            let mut journal = self.sites[at].door.memory.journal();
            let head = journal.head(&origin).seal_nr;
            let known = self.sites[at].received.insert(origin.clone(), head).unwrap_or_default();
            if head > known {
                let mut theirs = runs(&mut self.sites[from].door.memory.journal(), &origin, known);
                theirs.truncate(usize::try_from(head.0 - known.0).unwrap_or(usize::MAX));
                let mine = runs(&mut journal, &origin, known);
                ensure!(
                    mine == theirs,
                    "S2: {} holds other runs of {origin} than it sealed",
                    self.sites[at].origin
                );
            }
        }
        Ok(())
    }

    pub(crate) fn seal_of(&self, tx: usize) -> SealNr {
        self.transactions[tx].verdict.as_ref().map_or(SealNr(0), |verdict| verdict.seal_nr)
    }

    /// A held transaction, here earlier, that clashes.
    pub(crate) fn held_before(&self, at: usize, tx: usize, id: &TransactionId) -> Option<usize> {
        let earlier = self.sites[at].aside.iter().take_while(|each| each.transaction.id != *id);
        let mut held = earlier.filter(|each| each.ended.is_none());
        held.find_map(|each| {
            let other = self.transaction(&each.transaction.id)?;
            clash(&self.transactions[tx].claims, &self.transactions[other].claims).then_some(other)
        })
    }

    /// A transaction posted here that clashes, and that the other one's origin had not seen.
    pub(crate) fn concurrent(&self, at: usize, tx: usize) -> Option<usize> {
        let (site, tx) = (&self.sites[at], &self.transactions[tx]);
        let origin = &self.sites[tx.site].origin;
        let seen = &tx.verdict.as_ref()?.seen;
        let unseen = |other: &Origin, seal_nr: SealNr| seal_nr > seen.get(other).copied().unwrap_or_default();
        let clashes = |other: usize| clash(&tx.claims, &self.transactions[other].claims).then_some(other);
        let others = site.done.iter().filter(|(other, _)| *other != origin);
        let in_order = others.flat_map(|(other, done)| {
            done.iter().rev().take_while(move |(seal_nr, _)| unseen(other, *seal_nr)).map(|(_, tx)| *tx)
        });
        let late = site.late.iter().filter(|(other, seal_nr, _)| other != origin && unseen(other, *seal_nr));
        in_order.chain(late.map(|(_, _, tx)| *tx)).find_map(clashes)
    }

    /// A poster that opens takes what was discarded for posted: it may find a conflict too many, never one too few.
    pub(crate) fn clashes_with_discarded(&self, at: usize, tx: usize) -> bool {
        let mut discarded = self.sites[at].aside.iter().filter(|each| each.ended == Some(Release::Discarded));
        discarded.any(|each| {
            let other = self.transaction(&each.transaction.id).expect("it is sealed");
            clash(&self.transactions[tx].claims, &self.transactions[other].claims)
        })
    }
}
