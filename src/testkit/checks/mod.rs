//! The checks of the suite. Each is a promise of [`AccountStore`](crate::AccountStore), and panics when a store
//! does not keep it.
//!
//! They are run by [`conformance!`](crate::testkit::conformance) and [`run`](crate::testkit::run); each can be
//! called by itself, too, to look into one that fails.

mod atomic;
mod cancel;
mod durable;
mod failure;
mod feed;
mod history;
mod keys;
mod listing;
mod minutes;
mod order;
mod restore;
mod revisions;
mod unique;

/// The list of the checks, by the file they are in: the only one, so that no backend can miss one. A check that is
/// not here is not public, which the compiler reports.
///
/// Hands the list to [`__conformance_list`], for what is asked.
#[doc(hidden)]
#[macro_export]
macro_rules! __conformance {
    ($($what:tt)*) => {
        $crate::__conformance_list! { $($what)*
            atomic {
                a_batch_applies_whole_or_not_at_all
                the_writes_of_a_batch_take_effect_in_order
                readers_never_see_half_a_batch
                an_empty_batch_is_a_commit
                a_large_batch_applies_whole
            }
            durable {
                what_was_acknowledged_is_there_after_reopening
                concurrent_commits_are_there_after_reopening
            }
            unique {
                sid_name_and_realm_are_unique
                accounts_are_found_by_sid_name_and_realm
                what_an_account_gives_up_is_free
                one_of_many_racers_gets_a_sid_a_name_and_a_realm
            }
            revisions {
                each_write_gives_the_next_revision
                stale_writes_are_refused
                writes_of_missing_accounts_are_refused
                one_of_many_racers_wins_a_revision
                no_edit_is_lost
            }
            order {
                commits_are_numbered_without_gaps
                a_read_sees_what_was_committed_before
                one_order_explains_what_concurrent_callers_see
                every_field_comes_back_as_it_was
            }
            feed {
                the_feed_gives_each_change_once_and_in_order
                following_the_feed_gives_the_accounts
                the_feed_ends_at_the_latest_change
                a_trimmed_feed_says_so
                a_wait_ends_with_the_next_commit
                a_wait_that_is_given_up_wakes_the_others
            }
            history {
                a_history_is_complete_and_newest_first
                a_history_goes_on_where_it_was
                a_trimmed_history_says_so
            }
            keys {
                keys_are_found_by_id_and_by_owner
                the_id_of_a_key_is_unique
                a_key_needs_its_account
                each_write_of_a_key_gives_the_next_revision
                stale_writes_of_keys_are_refused
                a_key_stays_its_owners
                no_owner_has_more_keys_than_it_may
                a_use_changes_nothing_but_when_it_was
                a_replaced_key_keeps_its_last_use
                deleting_an_account_revokes_its_keys
                no_key_outlives_its_account
                accounts_and_keys_are_written_together
                following_the_feed_gives_the_keys
                a_history_tells_of_the_keys_of_the_account
                a_history_that_ends_with_a_key_was_trimmed
                keys_are_there_after_reopening
            }
            minutes {
                minutes_used_change_nothing_else
                an_edit_leaves_the_minutes_used
                minutes_used_are_there_after_reopening
            }
            restore {
                a_restored_account_is_as_it_was
                a_restored_key_is_as_it_was
                what_is_restored_takes_nobodys_place
                what_was_restored_is_in_the_feed
                what_was_restored_is_there_after_reopening
            }
            listing {
                pages_are_complete_and_in_order
                a_listing_goes_on_where_it_was
                a_listing_has_what_is_there_throughout
            }
            cancel {
                a_commit_that_is_given_up_happens_whole_or_not_at_all
                a_read_that_is_given_up_leaves_the_store_working
            }
            failure {
                a_failed_commit_happened_whole_or_not_at_all
                the_front_desk_never_claims_what_is_not_there
            }
        }
    };
}

/// What is made of the list.
#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_list {
    (tests of [$backend:expr] $($file:ident { $($check:ident)* })*) => {
        $($(
            #[test]
            fn $check() {
                $crate::testkit::checks::$check(&$backend);
            }
        )*)*
    };
    (names and functions over [$backend:ty] $($file:ident { $($check:ident)* })*) => {
        [$($((stringify!($check), $crate::testkit::checks::$check::<$backend> as fn(&$backend))),*),*]
    };
    (exports $($file:ident { $($check:ident)* })*) => {
        $(pub use $file::{$($check),*};)*
    };
}

crate::__conformance! { exports }
