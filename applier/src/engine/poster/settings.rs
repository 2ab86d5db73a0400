//! What a poster is told besides its stores.

use journal_core::journal::ReadLimit;
use journal_core::model::SiteName;
use schema_mappers::Registry;

use super::LookAhead;

/// What a poster works with besides its stores.
#[derive(Debug, Clone)]
pub struct Settings {
    /// All sites of the group.
    pub sites: Vec<SiteName>,
    /// Every schema version this process knows.
    pub registry: Registry,
    /// Most of a batch: what one database transaction decides or posts.
    pub batch: ReadLimit,
    /// What a batch of a peer's may grow to while there is more and it goes quickly.
    pub largest_batch: ReadLimit,
    /// At least this long between two acknowledging seals, in microseconds.
    pub acknowledge_every_micros: i64,
    /// At least this long between two looks for what operators asked of the quarantine, in microseconds.
    pub ask_every_micros: i64,
    /// Where the next batch is prepared.
    pub look_ahead: LookAhead,
}

/// Most transactions of a batch: enough to make a commit's cost small, few enough that a pause waits well below 1 s.
pub const BATCH_TRANSACTIONS: usize = 1000;
/// Most bytes of a batch, as stored; decoded and mapped they take some twenty times the room.
pub const BATCH_BYTES: usize = 1024 * 1024;
/// How many times as large batches may grow.
pub const BATCH_GROWTH: usize = 4;
/// The same of their transactions alone, where appends need not wait until a batch is posted: of small transactions more rows
/// of a page are then written by one batch. The bytes are what bounds the memory.
pub const BATCH_GROWTH_BESIDE_APPENDS: usize = 32;
/// Between two acknowledging seals.
pub const ACKNOWLEDGE_EVERY_MICROS: i64 = 50_000;

impl Settings {
    /// The defaults for a group: it looks at every turn for what operators asked.
    pub fn new(sites: Vec<SiteName>, registry: Registry) -> Self {
        let batch = ReadLimit { transactions: BATCH_TRANSACTIONS, bytes: BATCH_BYTES };
        Self {
            sites,
            registry,
            batch,
            largest_batch: ReadLimit {
                transactions: BATCH_TRANSACTIONS * BATCH_GROWTH,
                bytes: BATCH_BYTES * BATCH_GROWTH,
            },
            acknowledge_every_micros: ACKNOWLEDGE_EVERY_MICROS,
            ask_every_micros: 0,
            look_ahead: LookAhead::Here,
        }
    }
}
