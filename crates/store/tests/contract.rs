//! What every store must do, told once and held against each of them. A new backend is one more line in `stores!`.

mod scenes;

use scenes::Kit;

macro_rules! stores {
    ($($scene:ident)*) => {
        mod memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $scene() { crate::scenes::$scene(&crate::scenes::kit(store::Memory::new())).await; })*
        }
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $scene() {
                let folder = crate::scenes::Folder::new(stringify!($scene));
                let store = crate::scenes::open(&folder).await;
                crate::scenes::$scene(&crate::scenes::kit(store)).await;
            })*
        }
    };
}

stores! {
    names_and_extensions_are_unique_whatever_the_case
    a_bad_line_in_a_thousand_adds_nothing
    bindings_are_what_the_last_register_said
    a_later_write_of_a_batch_sees_the_earlier_one
    many_refreshes_leave_one_row_each
    records_begin_end_and_are_closed_after_a_crash
    a_login_is_granted_and_its_session_rotated
    a_phone_with_somebody_at_it_is_in_use
    a_takeover_needs_the_epoch_that_was_shown_and_leaves_a_tombstone
    a_pending_session_is_used_once
    no_more_than_five_takeovers_an_hour
    logging_out_frees_the_phone
    removing_a_phone_or_an_agent_ends_the_login
    whoever_is_disabled_is_out_until_enabled_again
    sessions_run_out_and_so_do_their_logins
    changes_are_told_once_in_full_and_then_one_by_one
    the_audit_log_keeps_its_order
    the_audit_log_is_filtered_and_paged_backwards
    an_account_keeps_what_was_said_of_it_and_shares_no_address
    a_stage_is_passed_once_and_under_another_token
    many_tasks_claim_at_once_and_nobody_sits_twice
    a_ticket_is_worth_one_page_of_its_login
    whoever_was_taken_over_may_say_once_that_it_was_somebody_else
    factors_are_kept_and_each_counter_is_good_once
    a_recovery_code_opens_once
    a_ceremony_ends_once_and_runs_out
    tries_are_counted_before_they_are_looked_at
    a_link_works_once_within_its_hour_and_a_new_one_kills_it
    an_account_gets_three_letters_an_hour
    a_new_password_ends_every_session_and_lifts_the_block
    whoever_may_not_log_in_gets_no_password_by_mail
    of_many_who_use_one_link_at_once_one_does
    an_identity_is_bound_once_by_address_and_afterwards_by_subject
    the_directory_is_asked_about_its_own_who_are_in
    wrong_passwords_block_whoever_the_name_belongs_to
    unlocking_forgets_what_was_counted
    a_block_set_on_purpose_is_not_written_over
    a_known_browser_is_measured_by_itself
    the_right_password_and_one_nobody_looked_at_do_not_count
    a_hundred_guesses_at_once_are_a_hundred_guesses
    browsers_and_old_passwords_are_kept_up_to_a_limit
    another_password_ends_other_ways_in_and_no_login
}

#[tokio::test]
async fn wrong_passwords_stay_counted_after_a_crash() {
    let folder = scenes::Folder::new("wrong-passwords");
    scenes::two_wrong_ones(&scenes::kit(scenes::open(&folder).await)).await;
    scenes::the_third_still_blocks(&scenes::kit(scenes::open(&folder).await)).await;
}

#[tokio::test]
async fn acknowledged_rows_are_there_after_reopening_and_hashes_need_their_key() {
    let folder = scenes::Folder::new("reopen");
    {
        let kit: Kit<_> = scenes::kit(scenes::open(&folder).await);
        scenes::logged_in_with_a_binding(&kit).await;
        // No close: as after kill -9, the log alone has the rows.
    }
    let again = scenes::kit(scenes::open(&folder).await);
    scenes::still_logged_in_with_a_binding(&again).await;
    let raw = std::fs::read(folder.file()).unwrap_or_default();
    let wal = std::fs::read(folder.file().with_extension("db-wal")).unwrap_or_default();
    assert!(
        ![raw, wal].concat().windows(16).any(|window| window == [0xA1; 16]),
        "the hash lies open in the file"
    );
    let other = store::Sqlite::open(folder.file(), store::SealingKey::generate([9; 32])).await;
    assert!(other.err().unwrap().to_string().contains("another key"));
}

#[tokio::test]
async fn only_the_owner_may_read_the_file() {
    use std::os::unix::fs::PermissionsExt;
    let folder = scenes::Folder::new("modes");
    let kit = scenes::kit(scenes::open(&folder).await);
    scenes::logged_in_with_a_binding(&kit).await;
    for entry in std::fs::read_dir(folder.file().parent().unwrap()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.file_name());
    }
    let mode = std::fs::metadata(folder.file().parent().unwrap()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_on_one_file_see_each_other() {
    let folder = scenes::Folder::new("two");
    let one = scenes::kit(scenes::open(&folder).await);
    let two = scenes::kit(scenes::open(&folder).await);
    scenes::what_one_writes_the_other_is_told(&one, &two).await;
}

#[tokio::test]
async fn a_request_dropped_half_way_leaves_nothing_half_done() {
    let folder = scenes::Folder::new("dropped");
    let kit = scenes::kit(scenes::open(&folder).await);
    scenes::dropped_claims_leave_no_transaction_open(&kit).await;
}

#[tokio::test]
async fn ten_thousand_interleavings_of_claims_never_seat_anybody_twice() {
    scenes::interleavings(&scenes::kit(store::Memory::new()), 10_000).await;
    let folder = scenes::Folder::new("interleavings");
    scenes::interleavings(&scenes::kit(scenes::open(&folder).await), 300).await;
}

/// `INTERLEAVINGS` names how many steps, `SEED` which; a thousand of one otherwise.
#[tokio::test]
async fn claims_tickets_cookies_and_disowning_in_any_order_are_told_alike_by_both() {
    let number =
        |name: &str, else_: u64| std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(else_);
    let folder = scenes::Folder::new("twins");
    let (disk, twin) = (scenes::kit(scenes::open(&folder).await), scenes::kit(store::Memory::new()));
    scenes::both_say_the_same(&disk, &twin, number("INTERLEAVINGS", 1_000) as usize, number("SEED", 41))
        .await;
}

#[tokio::test]
async fn ten_thousand_rows_come_in_at_once() {
    let folder = scenes::Folder::new("bulk");
    let kit = scenes::kit(scenes::open(&folder).await);
    scenes::bulk(&kit, 10_000).await;
}

#[tokio::test]
async fn one_write_that_cannot_be_kept_does_not_take_the_others_with_it() {
    use sqlx::ConnectOptions;
    let folder = scenes::Folder::new("poison");
    let kit = scenes::kit(scenes::open(&folder).await);
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(folder.file());
    let mut elsewhere = options.connect().await.unwrap();
    let poison =
        "CREATE TRIGGER poison BEFORE INSERT ON binding_log WHEN instr(NEW.ops, CAST('poison' AS BLOB)) > 0
        BEGIN SELECT RAISE(ABORT, 'this one cannot be kept'); END";
    sqlx::query(poison).execute(&mut elsewhere).await.unwrap();
    scenes::a_poisoned_batch(&kit).await;
}

#[tokio::test]
async fn a_store_somebody_else_holds_is_busy_and_well_again_afterwards() {
    use sqlx::ConnectOptions;
    let folder = scenes::Folder::new("busy");
    let kit = scenes::kit(scenes::open(&folder).await);
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(folder.file());
    let mut elsewhere = options.connect().await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut elsewhere).await.unwrap();
    scenes::everything_is_busy(&kit).await;
    sqlx::query("ROLLBACK").execute(&mut elsewhere).await.unwrap();
    scenes::logged_in_with_a_binding(&kit).await;
}
