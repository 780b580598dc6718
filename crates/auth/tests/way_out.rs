//! Ways out of a login that nobody chose: «That wasn't me», tickets that end with their login, the rules of the session.

mod world;

use auth::{SessionRules, ShiftEnds};
use axum::body::Body;
use axum::extract::ConnectInfo;
use http::Request;
use jiff::civil::time;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;
use store::{Accounts, BlockReason, Store};
use terms::{Activity, LoginEndReason, WallTime};
use world::{Answer, Browser, ORIGIN, START, World, world, world_under};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

/// Ann sits at desk-17; somebody with her password takes over at desk-9.
async fn taken_over(w: &World) -> (Browser, Browser) {
    let ann = w.sits("ann", "desk-17").await;
    let (thief, _) = w.shows_password("ann").await;
    w.passes(1000);
    let answer = w.tries(&thief, "desk-9", Some(1)).await.ok();
    let csrf = answer.body["csrf"].as_str().unwrap().to_owned();
    (ann, Browser { cookie: answer.cookie(), csrf })
}

async fn not_me(w: &World, browser: &Browser) -> Answer {
    w.post("/api/login/not-me", browser, json!({})).await
}

async fn audited(w: &World) -> Vec<(String, String)> {
    let lines = w.store.audit_log(50).await.unwrap();
    lines.into_iter().map(|line| (line.what, line.outcome)).collect()
}

#[tokio::test]
async fn that_was_not_me_ends_the_new_login_and_blocks_the_account() {
    let w = world().await;
    let (ann, thief) = taken_over(&w).await;
    // The thief waits at another page with the password shown.
    let (waiting, _) = w.shows_password("ann").await;
    let told = not_me(&w, &ann).await.ok();
    assert!(told.body["sentence"].as_str().unwrap().contains("contact the administrator"));

    assert!(w.store.logins().await.unwrap().is_empty());
    let ended = w.get("/api/me", &thief).await;
    ended.is(401, "login_ended");
    assert_eq!(ended.body["why"], "disowned");
    assert_eq!(w.get("/api/phones", &waiting).await.status, 401, "also who had only shown the password");
    let account = w.store.account("ann").await.unwrap().unwrap();
    let block = account.blocked.unwrap();
    assert_eq!((block.why, block.until, block.holds(WallTime(i64::MAX))), (BlockReason::NotMe, None, true));
    assert!(audited(&w).await.contains(&("not_me".into(), "account_blocked".into())));

    // Said again it changes nothing, also after somebody unlocked the account and Ann is back.
    assert_eq!(not_me(&w, &ann).await.ok().body, told.body);
    w.store.block(w.ann, None).await.unwrap();
    let back = w.sits("ann", "desk-17").await;
    not_me(&w, &ann).await.ok();
    w.get("/api/me", &back).await.ok();
    assert!(w.store.account("ann").await.unwrap().unwrap().blocked.is_none());
}

#[tokio::test]
async fn only_the_page_that_was_taken_over_may_say_so_and_not_for_ever() {
    let w = world().await;
    let bob = w.sits("bob", "desk-10").await;
    let (ann, thief) = taken_over(&w).await;
    let without_word = Browser { csrf: String::new(), ..ann.clone() };
    not_me(&w, &without_word).await.is(403, "csrf_failed");
    not_me(&w, &Browser { csrf: thief.csrf.clone(), ..ann.clone() }).await.is(403, "csrf_failed");
    not_me(&w, &Browser { cookie: "__Host-hotseat=guessed".into(), ..ann.clone() })
        .await
        .is(401, "no_session");
    not_me(&w, &Browser::default()).await.is(401, "no_session");
    // Neither who took over nor anybody else who sits, nor one who got up.
    not_me(&w, &thief).await.is(401, "no_session");
    not_me(&w, &bob).await.is(401, "no_session");
    let foreign = Request::builder()
        .method("POST")
        .uri("/api/login/not-me")
        .header("host", "desk.example:8443")
        .header("origin", "https://evil.example")
        .header("cookie", &ann.cookie)
        .header("x-hotseat-csrf", &ann.csrf);
    assert_eq!(w.send(foreign.body(Body::empty()).unwrap()).await.status, 403);
    w.store
        .end_login(w.store.logins().await.unwrap()[0].id, LoginEndReason::LoggedOut, WallTime(START), "")
        .await
        .unwrap();
    not_me(&w, &bob).await.is(409, "not_taken_over");
    assert!(w.store.account("ann").await.unwrap().unwrap().blocked.is_none());
    assert!(w.store.account("bob").await.unwrap().unwrap().blocked.is_none());

    w.passes(HOUR + 1);
    not_me(&w, &ann).await.is(409, "not_me_too_late");
    w.get("/api/me", &thief).await.ok();
    w.passes(-1);
    not_me(&w, &ann).await.ok();
    // Whoever was thrown out that way has nothing to disown.
    not_me(&w, &thief).await.is(409, "not_taken_over");
}

#[tokio::test]
async fn after_the_cookie_has_run_out_there_is_nobody_to_believe() {
    let w = world_under(|p| p.sessions.longest = Duration::from_secs(1800)).await;
    let (ann, _) = taken_over(&w).await;
    w.passes(1801 * 1000);
    not_me(&w, &ann).await.is(401, "no_session");
}

async fn ticket(w: &World, browser: &Browser) -> String {
    let answer = w.post("/api/ticket", browser, json!({})).await.ok();
    assert_eq!(answer.body["expires_in_s"], 60);
    let url = answer.body["url"].as_str().unwrap();
    let (page, ticket) = url.split_once('#').unwrap();
    assert_eq!(page, format!("{ORIGIN}/t"), "in the fragment, which no server is told");
    assert!(ticket.len() >= 43);
    ticket.to_owned()
}

async fn uses(w: &World, ticket: &str) -> Answer {
    w.post("/api/ticket/use", &Browser::default(), json!({ "ticket": ticket })).await
}

fn browser_of(answer: &Answer) -> Browser {
    Browser { cookie: answer.cookie(), csrf: answer.body["csrf"].as_str().unwrap().to_owned() }
}

#[tokio::test]
async fn a_ticket_opens_a_second_page_of_the_same_login_once() {
    let w = world().await;
    let ann = w.sits("ann", "desk-17").await;
    let ticket = ticket(&w, &ann).await;
    let answer = uses(&w, &ticket).await.ok();
    assert_eq!((&answer.body["state"], &answer.body["login"]["epoch"]), (&json!("ready"), &json!(1)));
    let second = browser_of(&answer);
    assert_ne!(second.cookie, ann.cookie);
    for page in [&ann, &second] {
        assert_eq!(w.get("/api/me", page).await.ok().body["login"], answer.body["login"], "no takeover");
    }
    uses(&w, &ticket).await.is(403, "ticket_invalid");
    // Both pages are one login: it ends for both.
    w.send(w.request("DELETE", "/api/login", &second).body(Body::empty()).unwrap()).await;
    w.get("/api/me", &ann).await.is(401, "login_ended");
}

#[tokio::test]
async fn a_ticket_lives_a_minute_stays_at_its_address_and_ends_with_the_login() {
    let w = world().await;
    let ann = w.sits("ann", "desk-17").await;
    let early = ticket(&w, &ann).await;
    w.passes(59_000);
    uses(&w, &early).await.ok();
    let late = ticket(&w, &ann).await;
    w.passes(61_000);
    uses(&w, &late).await.is(403, "ticket_invalid");

    let carried = ticket(&w, &ann).await;
    let elsewhere = |ticket: &str| {
        let request = w.request("POST", "/api/ticket/use", &Browser::default());
        let mut request = request
            .header("content-type", "application/json")
            .body(Body::from(json!({ "ticket": ticket }).to_string()))
            .unwrap();
        let peer: SocketAddr = "198.51.100.9:50000".parse().unwrap();
        request.extensions_mut().insert(ConnectInfo(peer));
        w.send(request)
    };
    elsewhere(&carried).await.is(403, "ticket_invalid");
    uses(&w, &carried).await.is(403, "ticket_invalid");
    assert!(audited(&w).await.contains(&("ticket".into(), "from_elsewhere".into())));

    let foreign = Request::builder()
        .method("POST")
        .uri("/api/ticket/use")
        .header("host", "desk.example:8443")
        .header("content-type", "application/json");
    let open = ticket(&w, &ann).await;
    let body = Body::from(json!({ "ticket": open }).to_string());
    w.send(foreign.body(body).unwrap()).await.is(403, "foreign_origin");

    let left = ticket(&w, &ann).await;
    w.send(w.request("DELETE", "/api/login", &ann).body(Body::empty()).unwrap()).await;
    uses(&w, &left).await.is(403, "ticket_invalid");
}

#[tokio::test]
async fn tickets_that_are_none() {
    let w = world().await;
    for (body, status, reason) in [
        (json!({ "ticket": "guessed" }), 403, "ticket_invalid"),
        (json!({ "ticket": "ключ🔑\u{0}' OR 1=1 --" }), 403, "ticket_invalid"),
        (json!({ "ticket": "" }), 400, "bad_request"),
        (json!({ "ticket": "x".repeat(129) }), 400, "bad_request"),
        (json!({ "ticket": "x".repeat(1 << 20) }), 413, "too_large"),
        (json!({ "ticket": 7 }), 400, "bad_request"),
        (json!({ "ticket": null }), 400, "bad_request"),
        (json!({}), 400, "bad_request"),
        (json!([]), 400, "bad_request"),
    ] {
        w.post("/api/ticket/use", &Browser::default(), body).await.is(status, reason);
    }
    w.post("/api/ticket", &Browser::default(), json!({})).await.is(401, "no_session");
    let (pending, _) = w.shows_password("ann").await;
    w.post("/api/ticket", &pending, json!({})).await.is(401, "no_session");
    let ann = w.sits("ann", "desk-17").await;
    let without = Browser { csrf: String::new(), ..ann.clone() };
    w.post("/api/ticket", &without, json!({})).await.is(403, "csrf_failed");
    // A younger ticket puts the oldest of many out.
    let first = ticket(&w, &ann).await;
    for _ in 0..store::TICKETS_PER_LOGIN_MAX {
        w.passes(1);
        ticket(&w, &ann).await;
    }
    uses(&w, &first).await.is(403, "ticket_invalid");
}

#[tokio::test]
async fn a_softphone_asks_for_a_ticket_with_what_it_registers_with() {
    let w = world().await;
    let answer = w.try_login("webby", "right").await.ok();
    let webby = browser_of(&answer);
    let sip = w.get("/api/sip", &webby).await.ok().body;
    let word = |key: &str| sip[key].as_str().unwrap().to_owned();
    let basic = |user: &str, password: &str| {
        use base64::Engine;
        format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}")))
    };
    let asks = |authorization: String| {
        let request =
            Request::builder().method("POST").uri("/api/ticket").header("host", "desk.example:8443");
        w.send(request.header("authorization", authorization).body(Body::empty()).unwrap())
    };
    for good in [format!("Bearer {}", word("ticket")), basic(&word("username"), &word("password"))] {
        let url = asks(good).await.ok().body["url"].as_str().unwrap().to_owned();
        assert_eq!(uses(&w, url.split_once('#').unwrap().1).await.ok().body["state"], "ready");
    }
    let mut forged = word("ticket");
    forged.pop();
    for bad in [
        format!("Bearer {forged}"),
        format!("Bearer {}", word("password")),
        basic(&word("username"), "guess"),
        basic("web-99", &word("password")),
        basic("webby", "right"),
        "Basic %%%".to_owned(),
        "Digest x".to_owned(),
        "Bearer".to_owned(),
    ] {
        asks(bad.clone()).await.is(401, "wrong_credentials");
    }
    // Once the login is over they are nobody's.
    w.send(w.request("DELETE", "/api/login", &webby).body(Body::empty()).unwrap()).await;
    asks(format!("Bearer {}", word("ticket"))).await.is(401, "wrong_credentials");
    // Guessing has an end.
    let mut last = 0;
    for _ in 0..70 {
        last = asks(basic("web-1", "guess")).await.status.as_u16();
    }
    assert_eq!(last, 429);
}

async fn why_ended(w: &World, browser: &Browser) -> Option<Value> {
    w.auth.end_logins_that_ran_out().await.unwrap();
    let me = w.get("/api/events", browser).await;
    (me.body["reason"] == "login_ended").then(|| me.body["why"].clone())
}

fn busy(w: &World, activity: Activity) {
    w.core.activity.lock().unwrap().insert(w.ann, (activity, WallTime(START)));
}

#[tokio::test]
async fn an_idle_login_ends_but_not_one_whose_page_is_used_or_whose_phone_is() {
    let rules = SessionRules { idle: Some(Duration::from_secs(1800)), ..SessionRules::default() };
    let w = world_under(|p| p.sessions.rules = rules).await;
    let ann = w.sits("ann", "desk-17").await;
    w.passes(30 * MINUTE - 1);
    assert_eq!(why_ended(&w, &ann).await, None);
    assert_eq!(w.post("/api/me/active", &ann, json!({})).await.status, 204);
    w.passes(2 * MINUTE);
    assert_eq!(why_ended(&w, &ann).await, None);
    // A reload tells what was warned of; being asked is being used.
    w.passes(24 * MINUTE);
    w.auth.end_logins_that_ran_out().await.unwrap();
    assert_eq!(w.get("/api/me", &ann).await.ok().body["ends_soon"], Value::Null, "the reload itself is use");

    busy(&w, Activity::InCall);
    w.passes(3 * HOUR);
    assert_eq!(why_ended(&w, &ann).await, None);
    busy(&w, Activity::Idle);
    w.passes(29 * MINUTE);
    assert_eq!(why_ended(&w, &ann).await, None, "counted from the end of the call");
    w.passes(MINUTE);
    assert_eq!(why_ended(&w, &ann).await, Some(json!("idle")));
    assert!(w.store.logins().await.unwrap().is_empty(), "the phone is free");
    assert!(audited(&w).await.contains(&("logout".into(), "idle".into())));
    for bad in [&Browser::default(), &Browser { csrf: String::new(), ..ann.clone() }] {
        assert_eq!(w.post("/api/me/active", bad, json!({})).await.status, 401);
    }
}

#[tokio::test]
async fn the_longest_time_is_over_when_the_call_is() {
    let rules = SessionRules { longest: Some(Duration::from_secs(8 * 3600)), ..SessionRules::default() };
    let w = world_under(|p| p.sessions.rules = rules).await;
    let ann = w.sits("ann", "desk-17").await;
    w.passes(8 * HOUR - 1);
    w.auth.end_logins_that_ran_out().await.unwrap();
    let soon = w.get("/api/me", &ann).await.body["ends_soon"].clone();
    assert_eq!((&soon["why"], &soon["at"]), (&json!("longest"), &json!(START + 8 * HOUR)));
    busy(&w, Activity::InCall);
    w.passes(HOUR);
    assert_eq!(why_ended(&w, &ann).await, None, "never during a call");
    busy(&w, Activity::Idle);
    assert_eq!(why_ended(&w, &ann).await, Some(json!("too_long")));
}

#[tokio::test]
async fn the_end_of_the_shift_is_by_the_clock_of_the_site() {
    // The test's clock starts on 2026-11-23 at 14:26:40 UTC.
    let zone = TimeZone::get("Europe/Berlin").unwrap();
    let shifts = ShiftEnds { times: vec![time(14, 0, 0, 0), time(22, 0, 0, 0)], zone };
    let w = world_under(|p| p.sessions.rules.shifts = shifts).await;
    let ann = w.sits("ann", "desk-17").await;
    let end: i64 = "2026-11-23T21:00:00Z".parse::<jiff::Timestamp>().unwrap().as_millisecond();
    w.passes(end - START - 5 * MINUTE - 1);
    w.auth.end_logins_that_ran_out().await.unwrap();
    assert_eq!(w.get("/api/me", &ann).await.body["ends_soon"], Value::Null);
    w.passes(1);
    w.auth.end_logins_that_ran_out().await.unwrap();
    assert_eq!(w.get("/api/me", &ann).await.body["ends_soon"]["why"], "shift_end");
    // Bob is early for the night shift.
    let bob = w.sits("bob", "desk-10").await;
    w.passes(5 * MINUTE);
    assert_eq!(why_ended(&w, &ann).await, Some(json!("shift_end")));
    assert_eq!(why_ended(&w, &bob).await, None);
    let answer = w.try_login("ann", "right").await;
    assert_eq!(answer.body["state"], "choose_phone", "and the phone is free");
}

#[tokio::test]
async fn hours_that_come_by_a_reload_count_at_once_and_throw_nobody_out_unwarned() {
    let w = world().await;
    let ann = w.sits("ann", "desk-17").await;
    w.auth.end_logins_that_ran_out().await.unwrap();
    w.passes(3 * HOUR);
    // A house that never ended a login begins to, and she has sat longer than it allows.
    w.core.policies.lock().unwrap().sessions.rules.longest = Some(Duration::from_secs(2 * 3600));
    assert_eq!(why_ended(&w, &ann).await, None);
    let soon = w.get("/api/me", &ann).await.body["ends_soon"].clone();
    assert_eq!(
        (&soon["why"], &soon["at"]),
        (&json!("longest"), &json!(START + 3 * HOUR + 5 * MINUTE)),
        "warned first"
    );
    // The administrator thinks better of it.
    w.core.policies.lock().unwrap().sessions.rules = SessionRules::default();
    w.auth.end_logins_that_ran_out().await.unwrap();
    assert_eq!(w.get("/api/me", &ann).await.body["ends_soon"], Value::Null);
    w.passes(10 * MINUTE);
    assert_eq!(why_ended(&w, &ann).await, None);
    // Nobody counted how long she did nothing, so she has the whole time.
    w.core.policies.lock().unwrap().sessions.rules.idle = Some(Duration::from_secs(1800));
    assert_eq!(why_ended(&w, &ann).await, None);
    w.passes(30 * MINUTE - 1);
    assert_eq!(why_ended(&w, &ann).await, None);
    w.passes(1);
    assert_eq!(why_ended(&w, &ann).await, Some(json!("idle")));
    // The time for the choice of a phone is another one from the next login on.
    w.core.policies.lock().unwrap().sessions.pending = Duration::from_secs(60);
    let (pending, _) = w.shows_password("ann").await;
    w.passes(MINUTE);
    w.get("/api/me", &pending).await.is(401, "no_session");
}
