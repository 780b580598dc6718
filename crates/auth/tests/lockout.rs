//! Wrong passwords: who is blocked, for how long, who never is, and that nobody can tell from outside whose name exists.

mod world;

use axum::body::Body;
use axum::extract::ConnectInfo;
use hotdesk::lockout::Limit;
use http::header;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;
use store::{Accounts, Attempts, BlockReason, Blocked, Store};
use terms::WallTime;
use world::{Answer, Browser, START, World, world};

const SECOND: i64 = 1000;
const MINUTE: i64 = 60 * SECOND;

async fn strict(wrong: u32, minutes: u64) -> World {
    let w = world().await;
    let block = (minutes > 0).then(|| Duration::from_secs(60 * minutes));
    w.core.policies.lock().unwrap().lockout = Limit { wrong, block };
    w
}

/// One attempt from this address, with this cookie.
async fn attempt(w: &World, from: &str, cookie: &str, name: &str, password: &str) -> Answer {
    let browser = Browser { cookie: cookie.to_owned(), ..Browser::default() };
    let request = w
        .request("POST", "/api/login", &browser)
        .header("content-type", "application/json")
        .extension(ConnectInfo::<SocketAddr>(format!("{from}:40000").parse().unwrap()))
        .body(Body::from(json!({ "username": name, "password": password }).to_string()))
        .unwrap();
    w.send(request).await
}

/// The cookie by which the browser is known from now on.
fn known(answer: &Answer) -> String {
    let set = answer.headers.get_all(header::SET_COOKIE).iter().filter_map(|value| value.to_str().ok());
    let ours = set.filter_map(|text| text.split_once(';')).find(|(pair, _)| pair.contains("hotseat-known="));
    let (pair, flags) = ours.expect("a cookie");
    assert_eq!(flags, " Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=31536000");
    pair.to_owned()
}

#[tokio::test]
async fn at_the_limit_the_account_is_blocked_also_for_the_right_password_and_the_minutes_unlock() {
    let w = strict(3, 60).await;
    for from in ["192.0.2.1", "192.0.2.2"] {
        attempt(&w, from, "", "ann", "guess").await.is(401, "wrong_credentials");
    }
    let third = attempt(&w, "192.0.2.3", "", "ann", "guess").await;
    third.is(403, "blocked");
    assert!(third.body["sentence"].as_str().unwrap().contains("administrator"), "{third:?}");
    attempt(&w, "192.0.2.4", "", "ann", "right").await.is(403, "blocked");
    w.passes(59 * MINUTE + 59 * SECOND);
    attempt(&w, "192.0.2.5", "", "ann", "right").await.is(403, "blocked");
    w.passes(2 * SECOND);
    attempt(&w, "192.0.2.5", "", "ann", "right").await.ok();
    let log = w.store.audit_log(50).await.unwrap();
    assert_eq!(log.iter().filter(|line| line.what == "login" && line.outcome == "blocked").count(), 3);
}

#[tokio::test]
async fn without_minutes_only_an_administrator_unlocks() {
    let w = strict(2, 0).await;
    attempt(&w, "192.0.2.1", "", "ann", "guess").await.is(401, "wrong_credentials");
    attempt(&w, "192.0.2.1", "", "ann", "guess").await.is(403, "blocked");
    w.passes(400 * 24 * 60 * MINUTE);
    attempt(&w, "192.0.2.1", "", "ann", "right").await.is(403, "blocked");
    let account = w.store.account_by_id(w.ann).await.unwrap().unwrap();
    assert!(account.blocked.is_some_and(|b| b.until.is_none() && b.why == BlockReason::WrongPasswords));
    assert!(w.store.unlock_agent(w.ann, WallTime(START)).await.unwrap());
    attempt(&w, "192.0.2.1", "", "ann", "right").await.ok();
}

#[tokio::test]
async fn a_right_password_begins_the_count_anew_and_zero_is_no_limit() {
    let w = strict(3, 60).await;
    for _ in 0..4 {
        attempt(&w, "192.0.2.1", "", "ann", "guess").await.is(401, "wrong_credentials");
        attempt(&w, "192.0.2.1", "", "ann", "guess").await.is(401, "wrong_credentials");
        attempt(&w, "192.0.2.1", "", "ann", "right").await.ok();
    }
    let w = strict(0, 60).await;
    for n in 0..30 {
        attempt(&w, &format!("192.0.2.{n}"), "", "ann", "guess").await.is(401, "wrong_credentials");
    }
    attempt(&w, "192.0.2.99", "", "ann", "right").await.ok();
}

#[tokio::test]
async fn unknown_disabled_passwordless_and_known_names_are_told_the_same_step_by_step() {
    let w = strict(3, 60).await;
    w.store.enable_agent(w.bob, false, WallTime(START)).await.unwrap();
    let mut told: Vec<Vec<(u16, Value)>> = Vec::new();
    for (name, password) in
        [("ann", "guess"), ("nobody", "right"), ("bob", "right"), ("nopass", "right"), ("webby", "guess")]
    {
        let mut steps = Vec::new();
        for n in 0..6 {
            let before = w.auth.passwords_checked();
            let answer = attempt(&w, &format!("192.0.2.{n}"), "", name, password).await;
            assert_eq!(w.auth.passwords_checked() - before, 1, "{name}: one hash each time");
            assert!(!answer.headers.contains_key(header::SET_COOKIE));
            steps.push((answer.status.as_u16(), answer.body));
        }
        told.push(steps);
    }
    assert!(told.iter().all(|steps| *steps == told[0]), "{told:#?}");
    let reasons: Vec<&str> = told[0].iter().map(|(_, body)| body["reason"].as_str().unwrap()).collect();
    let (wrong, blocked) = ("wrong_credentials", "blocked");
    assert_eq!(reasons, [wrong, wrong, blocked, blocked, blocked, blocked]);
    // Blocked and right is as blocked and wrong.
    let before = w.auth.passwords_checked();
    let right = attempt(&w, "192.0.2.77", "", "ann", "right").await;
    assert_eq!((right.status.as_u16(), right.body), told[0][5].clone());
    assert_eq!(w.auth.passwords_checked() - before, 1);
}

#[tokio::test]
async fn guessing_from_everywhere_is_stopped_for_one_account_and_for_many() {
    let w = strict(5, 60).await;
    let mut looked_at = 0;
    for n in 0..200 {
        // Even a lucky guess comes too late.
        let password = if n >= 5 { "right" } else { "guess" };
        let answer = attempt(&w, &format!("198.51.{}.{}", n / 250, n % 250), "", "ann", password).await;
        looked_at += usize::from(answer.body["reason"] == "wrong_credentials");
        assert!(answer.status.is_client_error(), "{n}: {answer:?}");
    }
    assert_eq!(looked_at, 4, "the fifth says that it was the last");

    // Many accounts from many places, one password after the other for all of them.
    let mut through = std::collections::BTreeMap::<&str, usize>::new();
    for n in 0..20 {
        for name in ["bob", "webby", "nobody", "somebody"] {
            let answer = attempt(&w, &format!("203.0.113.{n}"), "", name, &format!("guess {n}")).await;
            *through.entry(name).or_default() += usize::from(answer.body["reason"] == "wrong_credentials");
        }
    }
    assert!(through.values().all(|count| *count == 4), "{through:?}");
}

#[tokio::test]
async fn a_stranger_cannot_lock_a_shift_out_and_a_live_session_is_not_touched() {
    let w = strict(3, 0).await;
    let shift: Vec<String> = (0..50).map(|n| format!("agent-{n}")).collect();
    w.add_people(&shift).await;
    let mut cookies = Vec::new();
    for name in &shift {
        cookies.push(known(&attempt(&w, "192.0.2.10", "", name, "right").await.ok()));
    }
    let sitting = w.sits("ann", "desk-17").await;
    // Names are no secret. The stranger has all the time in the world.
    for name in shift.iter().chain([&"ann".to_owned()]) {
        for n in 0..4 {
            attempt(&w, &format!("203.0.{n}.66"), "", name, "guess").await;
        }
        attempt(&w, "203.0.113.67", "", name, "right").await.is(403, "blocked");
    }
    for (name, cookie) in shift.iter().zip(&cookies) {
        let again = attempt(&w, "192.0.2.10", cookie, name, "right").await.ok();
        assert_eq!(known(&again), *cookie, "the browser keeps its cookie");
    }
    w.get("/api/me", &sitting).await.ok();
    w.get("/api/phones", &sitting).await.ok();
    // The cookie is the browser's and the agent's: at another account it opens nothing.
    attempt(&w, "192.0.2.10", &cookies[0], "ann", "right").await.is(403, "blocked");
    // Made up, too long, not ours: a stranger's.
    let made_up = "A".repeat(43);
    for odd in [made_up.as_str(), "", "x", "../../etc", &"A".repeat(4000)] {
        let cookie = format!("__Host-hotseat-known={odd}");
        attempt(&w, "192.0.2.10", &cookie, "agent-1", "right").await.is(403, "blocked");
    }
}

#[tokio::test]
async fn a_known_browser_has_a_limit_too_and_unlocking_opens_everything() {
    let w = strict(3, 60).await;
    let cookie = known(&attempt(&w, "192.0.2.10", "", "ann", "right").await.ok());
    for _ in 0..2 {
        attempt(&w, "192.0.2.10", &cookie, "ann", "typo").await.is(401, "wrong_credentials");
    }
    attempt(&w, "192.0.2.10", &cookie, "ann", "typo").await.is(403, "blocked");
    attempt(&w, "192.0.2.10", &cookie, "ann", "right").await.is(403, "blocked");
    // The administrator sees it and lifts it.
    let account = w.store.account_by_id(w.ann).await.unwrap().unwrap();
    assert!(account.blocked.is_some());
    assert!(w.store.unlock_agent(w.ann, WallTime(START)).await.unwrap());
    attempt(&w, "192.0.2.10", &cookie, "ann", "right").await.ok();
}

#[tokio::test]
async fn a_block_on_purpose_holds_for_every_browser() {
    let w = strict(0, 0).await;
    let cookie = known(&attempt(&w, "192.0.2.10", "", "ann", "right").await.ok());
    for why in [BlockReason::NotMe, BlockReason::Administrator] {
        let until = Some(WallTime(START + MINUTE));
        w.store.block(w.ann, Some(Blocked { since: WallTime(START), until, why })).await.unwrap();
        attempt(&w, "192.0.2.10", &cookie, "ann", "right").await.is(403, "blocked");
        attempt(&w, "192.0.2.10", "", "ann", "wrong").await.is(403, "blocked");
    }
    w.passes(MINUTE);
    attempt(&w, "192.0.2.10", &cookie, "ann", "right").await.ok();
}

#[tokio::test]
async fn a_storm_of_guesses_at_once_is_not_more_than_the_limit() {
    let w = std::sync::Arc::new(strict(3, 60).await);
    let mut tasks = Vec::new();
    for n in 0..40 {
        let w = std::sync::Arc::clone(&w);
        tasks.push(tokio::spawn(async move {
            attempt(&w, &format!("192.0.2.{n}"), "", "ann", "guess").await.body["reason"].clone()
        }));
    }
    let mut wrong = 0;
    for task in tasks {
        wrong += usize::from(task.await.unwrap() == "wrong_credentials");
    }
    assert!(wrong <= 2, "{wrong}");
}
