//! The suite that holds every store to [`JournalStore`]: the cases live beside the trait,
//! a store says how it is set up, and [`journal_conformance!`](crate::journal_conformance) makes a test of each case.

mod append;
mod cut;
mod idempotency;
mod material;
mod read;
mod receive;
mod seal;
mod sql_rig;

use std::future::Future;

use crate::journal::JournalStore;
use crate::model::{Origin, SealedRun};
use crate::sql::SqlError;

pub use append::*;
pub use cut::*;
pub use idempotency::*;
pub use material::{UNLIMITED, content, new_transaction, origin, seal_next};
pub use read::*;
pub use receive::*;
pub use seal::*;
pub use sql_rig::{SqlRig, initialise};

/// How the suite gets at stores of one kind.
pub trait Rig {
    /// The store.
    type Store: JournalStore;

    /// A new, empty journal of a site.
    fn create(&mut self, origin: &Origin) -> impl Future<Output = Self::Store>;

    /// Another handle on the journal of `store`, as another process or a restart would open it.
    fn reopen(&mut self, store: &Self::Store) -> impl Future<Output = Self::Store>;

    /// Seals a run of the site's own in a commit of its own, as a ledger does in the one it shares.
    fn seal(
        &mut self,
        store: &mut Self::Store,
        run: &SealedRun,
    ) -> impl Future<Output = Result<(), SqlError>>;
}

/// Makes a test of every case of the suite. The argument is an expression that gives `Option` of a [`Rig`], evaluated
/// anew in each test, inside its runtime; `None` skips the test (no server here).
#[macro_export]
macro_rules! journal_conformance {
    ($rig:expr) => {
        $crate::journal_conformance!(@cases $rig,
            numbers_rise_in_the_order_of_a_batch,
            a_transaction_reads_back_byte_for_byte,
            a_batch_of_any_size_is_taken_whole,
            an_empty_batch_appends_nothing,
            what_no_journal_may_hold_is_refused,
            an_append_survives_its_handle,
            a_repeated_key_gives_its_first_number,
            a_retry_appends_only_what_is_new,
            a_key_twice_in_one_batch_is_one_transaction,
            a_key_with_other_content_is_refused_with_its_whole_batch,
            the_tail_begins_after_the_number_asked_for,
            a_read_stops_at_its_limits_but_gives_at_least_one,
            a_tail_reads_the_same_however_long_and_heavy_it_is,
            a_look_gives_what_heads_and_tail_give,
            an_empty_journal_reads_as_empty,
            a_sealed_run_reads_back_and_verifies,
            a_seal_moves_the_head,
            a_seal_that_does_not_follow_is_refused,
            an_empty_run_seals_what_was_seen,
            rejections_come_with_their_run,
            runs_come_in_order_and_within_limits,
            a_seal_may_cover_dead_numbers,
            received_runs_read_back_as_they_were_sent,
            a_transaction_larger_than_a_row_is_received_whole,
            what_was_received_is_no_part_of_the_tail,
            runs_received_again_change_nothing,
            a_gap_between_runs_is_refused,
            another_history_is_refused,
            an_altered_run_is_refused_and_nothing_of_its_batch_is_kept,
            own_runs_are_refused,
            rows_of_another_origin_are_refused,
            two_receivers_of_the_same_runs_keep_them_once,
            an_append_cut_at_any_await_is_whole_or_absent,
            a_receive_cut_at_any_await_is_whole_or_absent,
        );
    };
    (@cases $rig:expr, $($case:ident,)*) => {
        $(
            #[tokio::test]
            async fn $case() {
                let Some(mut rig) = $rig else { return };
                $crate::conformance::$case(&mut rig).await;
            }
        )*
    };
}
