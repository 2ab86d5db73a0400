//! What looking at a site would work out again at every step, kept for as long as what it was made of stays the same.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use journal_core::model::Row;

use crate::oracle::{Books, Cells, Key, Rules};
use crate::world::Tx;

/// The rows that a site's clients count on: the ledger's with all that they sent and nobody decided yet.
#[derive(Debug, Default)]
pub(crate) struct Ahead {
    books: Books,
    /// The ledger's revision and version and the number of verdicts it was made for.
    made_for: Option<(u64, i64, usize)>,
    /// How many transactions were looked at.
    known: usize,
}

impl Ahead {
    /// After `decided` verdicts of a site whose ledger holds `standing`.
    pub(crate) fn books(
        &mut self,
        site: usize,
        standing: &Books,
        decided: usize,
        rules: Rules,
        sent: &[Tx],
    ) -> &Books {
        let made_for = Some((standing.revision(), rules.version, decided));
        if self.made_for != made_for {
            *self = Self { books: standing.clone(), made_for, known: 0 };
        }
        let undecided = |tx: &&Tx| tx.site == site && tx.verdict.is_none() && tx.drawn.defect.is_none();
        for tx in sent[self.known..].iter().filter(undecided) {
            // What will be rejected changes nothing.
            let _ = self.books.post(&tx.drawn.writes, rules);
        }
        self.known = sent.len();
        &self.books
    }
}

/// Which rows of a ledger were found to be those of the reference. Neither side changes a row in place while another
/// one holds it, so two that were compared once need no second look.
#[derive(Debug, Default)]
pub(crate) struct Compared {
    version: i64,
    pairs: BTreeMap<(Key, usize), (Rc<Cells>, Arc<Row>)>,
}

impl Compared {
    /// Whether a row of a ledger at a version shows what the reference holds, which `form` puts in its form for the
    /// place of the row's table.
    pub(crate) fn same(
        &mut self,
        version: i64,
        place: (Key, usize),
        (cells, held): (&Rc<Cells>, &Arc<Row>),
        form: impl FnOnce() -> Row,
    ) -> bool {
        if self.version != version {
            *self = Self { version, pairs: BTreeMap::new() };
        }
        let known = self.pairs.get(&place);
        if known.is_some_and(|(mine, theirs)| Rc::ptr_eq(mine, cells) && Arc::ptr_eq(theirs, held)) {
            return true;
        }
        let same = **held == form();
        if same {
            self.pairs.insert(place, (cells.clone(), held.clone()));
        }
        same
    }
}
