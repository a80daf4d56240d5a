//! One contract, two databases: every rule that leans on SQL, on SQLite and on a PostgreSQL of the test's own.

mod access;
mod attest;
mod federation;
mod feed;
mod guards;
mod keep;
mod model;
mod peer;
mod received;
mod replica;
mod runs;
mod shares;
mod tree;
mod uploads;
mod world;

use stitchbox_tests::{Postgres, skip};
use world::World;

macro_rules! contract {
    ($($module:ident :: $rule:ident)*) => {
        mod sqlite {
            use super::*;
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $rule() {
                $module::$rule(World::on_sqlite().await).await;
            })*
        }

        /// One cluster for all rules: starting it takes longer than any of them.
        #[test]
        fn postgres() {
            // Unoptimised, every rule has a place of its own on the stack of this function.
            let rules = std::thread::Builder::new().stack_size(64 << 20).spawn(all_on_postgres);
            if let Err(panic) = rules.expect("a thread").join() {
                std::panic::resume_unwind(panic);
            }
        }

        fn all_on_postgres() {
            let cluster = match Postgres::start() {
                Ok(cluster) => cluster,
                Err(why) => skip!("contract on PostgreSQL", "{why}"),
            };
            let runtime = tokio::runtime::Runtime::new().expect("a runtime");
            // `STITCHBOX_RULES=received`: only the rules of this file.
            let only = std::env::var("STITCHBOX_RULES").unwrap_or_default();
            $(if stringify!($module).contains(&only) {
                eprintln!("postgres: {}", stringify!($rule));
                let url = cluster.database(&stringify!($rule).to_lowercase());
                runtime.block_on(async { $module::$rule(World::on(&url).await).await });
            })*
        }
    };
}

contract! {
    attest::a_repetition_is_leased_and_ended_once
    attest::an_outcome_stands_beside_the_results_until_they_go
    attest::a_peers_word_is_believed_if_it_may_say_it
    attest::a_folder_is_run_into_another_and_the_trigger_lets_it_be
    tree::a_change_moves_the_etags_up_to_the_root_and_no_others
    tree::sizes_follow_everything_that_is_put_moved_copied_and_removed
    tree::names_are_taken_once_whoever_comes_first
    tree::a_copy_shares_the_bytes_and_lives_on_its_own
    tree::between_spaces_an_item_keeps_its_id_and_content
    tree::what_is_deleted_can_be_restored_where_it_lay
    tree::a_full_space_says_so_and_keeps_what_it_has
    guards::conditions_are_tested_where_they_guard
    guards::a_lock_stops_everybody_who_does_not_show_it
    guards::a_lock_ends_by_itself
    guards::strangers_and_viewers_are_kept_out
    tree::many_at_once_lose_nothing_and_the_journal_has_no_gaps
    tree::two_processes_on_one_database_are_as_one
    tree::an_upload_that_was_given_up_cannot_commit
    tree::a_refused_transaction_undoes_itself_alone
    tree::broken_and_damaged_bodies_change_nothing
    tree::verify_finds_what_was_damaged
    model::any_sequence_of_changes_agrees_with_a_model
    access::who_follows_a_share_ends_with_what_is_shared
    access::what_ends_in_the_middle_of_an_upload_takes_nothing
    access::a_share_ends_with_its_time_and_so_does_what_was_made_through_it
    access::who_leaves_a_group_sees_nothing_of_it_any_more
    access::a_disabled_owner_closes_links_and_not_what_colleagues_have
    access::a_place_above_or_beside_the_top_is_none_by_the_share
    feed::a_client_that_follows_the_feed_ends_with_the_tree
    feed::each_way_to_change_a_tree_is_told_in_its_own_way
    feed::results_of_a_run_are_told_as_derived
    feed::a_folder_that_moves_during_a_walk_is_not_lost
    feed::followers_wake_for_their_space_alone
    keep::a_squeezed_journal_tells_the_same
    keep::a_journal_that_was_cut_says_so
    keep::after_a_restored_backup_nothing_old_is_believed
    keep::deleted_things_go_in_their_time_and_shared_bytes_stay
    keep::what_was_given_up_goes_at_once_and_in_small_steps
    keep::what_a_run_has_read_stays_as_long_as_the_run_is_shown
    keep::earlier_versions_become_fewer_and_the_shown_one_stays
    keep::bytes_that_another_blob_is_made_of_stay
    keep::a_tree_is_safe_when_nothing_is_missing_or_arriving
    uploads::chunks_become_a_file_without_a_byte_being_copied
    uploads::any_order_of_chunks_agrees_with_a_model
    uploads::many_ends_at_once_make_one_version
    uploads::a_silent_session_is_swept_and_its_file_is_not
    uploads::what_a_new_version_shares_with_an_old_one_stays
    uploads::chunks_count_for_the_quota
    uploads::an_open_session_holds_a_series_back_but_not_for_ever
    runs::the_expected_count_makes_exactly_one_run
    runs::a_quiet_folder_makes_a_run_and_an_open_upload_holds_it_back
    runs::a_marker_makes_a_run
    runs::a_later_file_supersedes
    runs::moving_a_folder_starts_nothing_and_copying_it_does
    runs::a_dead_worker_loses_the_lease_and_another_finishes
    runs::after_too_many_attempts_the_reason_lies_beside_the_series
    runs::results_appear_in_one_commit_and_trigger_nothing
    runs::removed_results_are_not_made_again
    runs::a_run_follows_its_folder
    runs::one_folders_trouble_keeps_no_other_waiting
    runs::a_folder_of_the_users_own_is_left_alone
    runs::derived_items_are_read_only_but_may_be_deleted
    runs::a_wrong_recipe_is_said_with_its_line
    received::what_a_peer_has_is_listed_and_read_through
    received::a_piece_of_a_remote_file_costs_a_piece
    received::one_changed_file_in_ten_thousand_costs_few_requests
    received::any_edits_on_both_sides_end_in_equal_trees
    received::our_changes_are_made_there_first
    received::who_is_late_changes_nothing_there
    received::a_lost_answer_is_understood
    received::the_letters_of_the_peer_and_our_role_both_count
    received::a_viewer_of_a_received_space_changes_nothing
    received::a_dead_peer_costs_its_readers_nothing_but_uncached_bytes
    received::lies_of_a_peer_are_never_kept
    received::strange_trees_are_taken_as_far_as_they_can_be
    received::without_etags_of_folders_everything_is_listed
    received::a_share_that_seems_gone_keeps_what_was_seen
    received::the_cache_is_bounded_and_copies_are_no_cache
    received::a_peer_without_room_says_so
    received::a_listing_older_than_our_change_is_not_believed
    runs::a_passing_trouble_is_tried_again_later
    shares::a_share_opens_what_lies_below_it_and_ends_at_once
    shares::nobody_gives_more_than_they_have
    shares::what_was_passed_on_ends_with_its_reason
    shares::groups_are_joined_and_left
    shares::names_in_shares_are_taken_once
    shares::a_share_follows_its_item_and_goes_with_it
    shares::shares_that_make_no_sense_are_refused
    shares::managers_decide_and_others_do_not
    shares::people_and_groups_are_found
    federation::the_outbox_keeps_the_order_of_a_subject_and_one_call_to_a_peer
    federation::a_resting_peer_is_not_called
    federation::a_federated_share_waits_in_the_outbox_and_is_cancelled_with_it
    federation::a_share_of_a_peer_is_one_share_however_often_it_comes
    federation::keys_are_made_once_for_all_processes
}
