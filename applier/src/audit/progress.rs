//! How long work tells how far it is, for bars.

/// How far a piece of work is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Rows or transactions done, as the work says.
    pub done: u64,
    /// How many there are in all, as far as it is known before; it may be passed.
    pub total: Option<u64>,
}

/// Hears of progress now and then. Must return at once: the work waits for it.
pub type Watch<'w> = dyn FnMut(Progress) + Send + 'w;

/// A watch for callers who draw nothing.
pub fn unwatched(_: Progress) {}
