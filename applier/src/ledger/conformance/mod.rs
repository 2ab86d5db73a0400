//! The suite that holds every ledger to [`Ledger`](super::Ledger), [`LedgerReader`](super::LedgerReader) and
//! [`ControlStore`](crate::control::ControlStore): the cases live beside the traits, a ledger says how it is set up, and
//! [`ledger_conformance!`](crate::ledger_conformance) makes a test of each case.

mod changes;
mod checkpoint;
mod complement;
mod control;
mod ddl;
mod faults;
mod fetch;
mod material;
mod quarantine;
mod sql_rig;
mod together;
mod values;

use std::future::Future;

use journal_core::journal::JournalStore;
use journal_core::model::{Origin, Value};

use super::{Ledger, LedgerReader};
use crate::control::ControlStore;

pub use changes::*;
pub use checkpoint::*;
pub use complement::*;
pub use control::*;
pub use faults::*;
pub use fetch::*;
pub use material::{MemoryRig, draft_seal_without, memory_rig, schema};
pub use quarantine::*;
pub use sql_rig::{SqlRig, initialise};
pub use together::*;
pub use values::*;

/// How the suite gets at one site of one kind: a new one for each case, its ledger empty at version 1 of [`schema`].
pub trait Rig: Sync {
    /// Its ledger.
    type Ledger: Ledger + LedgerReader + 'static;
    /// Its control state.
    type Control: ControlStore + 'static;
    /// Its journal.
    type Journal: JournalStore;

    /// The site.
    fn origin(&self) -> Origin;

    /// Another handle on the ledger, as another process or a restart would open it.
    fn ledger(&self) -> impl Future<Output = Self::Ledger> + Send;

    /// Another handle on the control state.
    fn control(&self) -> impl Future<Output = Self::Control> + Send;

    /// Another handle on the journal.
    fn journal(&self) -> impl Future<Output = Self::Journal> + Send;

    /// Values of the model that this database has no exact place for, with the column of table `every`.
    fn without_place(&self) -> Vec<(&'static str, Value)>;

    /// Whether the table `checked` has its CHECK, that `amount` is not negative.
    fn checks(&self) -> bool;

    /// Random batches that the suite tries.
    fn batches(&self) -> usize;

    /// Returns once another session waits for a lock of the open transaction, or surely would if it did not pass it.
    fn someone_waits(&self) -> impl Future<Output = ()> + Send;
}

/// Makes a test of every case of the suite. The argument is an expression that gives `Option` of a [`Rig`], evaluated
/// anew in each test, inside its runtime; `None` skips the test (no server here).
#[macro_export]
macro_rules! ledger_conformance {
    ($rig:expr) => {
        $crate::ledger_conformance!(@cases $rig,
            an_insert_writes_the_whole_row_with_null_in_absent_cells,
            an_update_sets_what_it_names_and_leaves_the_rest,
            an_update_without_cells_asks_only_that_the_row_stands,
            an_update_may_move_the_row_to_another_key,
            a_delete_ends_its_row_and_no_other,
            an_upsert_inserts_or_updates,
            an_upsert_of_a_key_alone_leaves_what_stands,
            an_upsert_may_have_a_row_of_its_own_for_new_ones,
            deltas_are_added_exactly,
            deltas_reach_the_ends_of_the_range_and_not_beyond,
            expected_values_are_compared_exactly_and_null_is_a_value,
            a_row_may_be_its_own_parent,
            a_change_of_many_rows_is_carried_out_in_order,
            a_batch_put_together_comes_to_what_one_by_one_comes_to,
            a_second_row_of_a_primary_key_is_a_duplicate,
            a_second_row_of_a_unique_key_is_a_duplicate_and_nulls_are_not,
            a_row_without_its_parent_is_refused,
            a_row_that_is_referred_to_stays,
            a_change_of_a_row_that_is_not_there_is_refused,
            an_unexpected_row_is_refused,
            null_where_none_may_stand_is_refused,
            what_has_no_exact_place_is_refused,
            a_sum_out_of_range_or_on_null_is_refused,
            what_does_not_fit_the_schema_is_refused,
            a_check_of_the_ledger_is_heard,
            a_fault_names_table_and_key_and_holds_no_sql,
            a_transaction_with_a_fault_cannot_be_committed,
            a_rollback_leaves_nothing,
            a_dropped_ledger_leaves_nothing,
            effect_checkpoint_and_seal_appear_together,
            a_checkpoint_moves_only_from_where_it_stands,
            a_checkpoint_never_steps_back,
            checkpoints_of_origins_and_epochs_are_apart,
            a_seal_that_does_not_follow_moves_nothing,
            a_second_poster_waits_for_the_first_and_is_refused,
            a_transaction_may_begin_by_moving_its_checkpoint,
            a_snapshot_sees_one_state,
            a_posting_transaction_cut_at_any_moment_is_there_whole_or_not_at_all,
            a_pause_waits_for_the_posting_transaction_and_stops_the_next,
            a_pause_and_a_resume_said_twice_are_said_once,
            a_takeover_waits_and_fences_the_old_holder,
            a_lease_is_taken_only_from_the_state_that_was_seen,
            a_released_lease_shows_no_holder_and_takes_no_beat,
            quarantined_transactions_come_in_the_order_of_arrival,
            what_is_asked_for_a_quarantined_transaction_shows_until_it_is_carried_out,
            a_retry_that_fails_is_held_again_in_its_place,
            a_quarantine_that_has_ended_does_not_begin_again,
            only_what_is_asked_last_is_carried_out,
            a_complement_lives_and_ends_with_its_row,
            a_complement_is_merged_and_cleared_by_updates,
            a_complement_moves_with_the_key_of_its_row,
            an_upsert_keeps_the_complement_of_what_it_did,
            a_complement_may_change_alone,
            rows_are_fetched_by_the_beginning_of_their_key,
            rows_are_fetched_by_any_columns_and_null_is_a_value,
            a_value_that_no_column_holds_is_found_in_no_row,
            a_fetch_sees_what_its_own_transaction_did,
            values_of_every_type_come_back_as_they_were,
            values_without_an_exact_place_are_refused_and_never_altered,
            every_type_is_expected_exactly,
            rows_come_in_the_order_of_their_keys_page_by_page,
            a_page_may_come_after_all_rows_whose_key_begins_so,
        );
    };
    (@cases $rig:expr, $($case:ident),+ $(,)?) => {
        $(
            #[tokio::test]
            async fn $case() {
                let rig = $rig;
                if let Some(rig) = rig {
                    $crate::ledger::conformance::$case(&rig).await;
                }
            }
        )+
    };
}

#[cfg(test)]
mod tests {
    use super::memory_rig;

    mod memory {
        crate::ledger_conformance!(Some(super::memory_rig("a")));
    }
}
