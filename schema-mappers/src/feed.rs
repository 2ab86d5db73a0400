//! Which rows of a ledger belong together on the way to another version, for those who carry a ledger in chunks.

use journal_core::model::Name;

/// Tables of one version whose rows go together to another version, one root row at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feed {
    /// The table that is read in the order of its key. The way maps the rows of one root row, and of the members' rows
    /// that hold its key, as a whole: [`Registry::map_rows`](crate::Registry::map_rows).
    pub root: Source,
    /// The other tables. Each of their rows belongs to the root row whose key it holds.
    pub members: Vec<Source>,
    /// The tables at the other version in which the rows arrive, by name.
    pub targets: Vec<Name>,
    /// Whether the rows arrive as they are: one table, of the same name and with the same columns, and no operation or
    /// mapper on the way. Their complements stay as well.
    pub identity: bool,
}

/// A table of a feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its name in the ledger.
    pub table: Name,
    /// Its columns that hold the root's key, in the order of the root's key; they are the beginning of its own key.
    pub columns: Vec<Name>,
}
