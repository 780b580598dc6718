//! Choosing a password: at the first login, when the old one ran out, while sitting; and that nothing else goes before.

mod world;

use auth::suite::{Policy, Profile};
use serde_json::{Value, json};
use store::{Accounts, Store};
use terms::WallTime;
use world::{Answer, Browser, START, World, world};

const DAY: i64 = 24 * 3600 * 1000;
const GOOD: &str = "Kx7#mQ2p";
const BETTER: &str = "Wq4_zN8v";

async fn suite() -> World {
    let w = world().await;
    w.core.policies.lock().unwrap().passwords = Policy { profile: Profile::Suite, ..Policy::default() };
    w
}

fn session(answer: &Answer) -> Browser {
    Browser { cookie: answer.cookie(), csrf: answer.body["csrf"].as_str().unwrap().to_owned() }
}

async fn change(w: &World, browser: &Browser, new: &str) -> Answer {
    w.post("/api/password", browser, json!({ "new": new })).await
}

/// The owner's own choice, made at the beginning.
async fn own(w: &World, password: &str) {
    let hash = auth::password::hash(&terms::Secret::new(password)).unwrap();
    w.store.put_password(w.ann, hash, Some(WallTime(START)), false).await.unwrap();
}

#[tokio::test]
async fn a_first_login_leads_to_the_change_and_to_nothing_else() {
    let w = suite().await;
    let answer = w.try_login("ann", "right").await.ok();
    assert_eq!((&answer.body["state"], &answer.body["why"]), (&json!("change_password"), &json!("first")));
    let ids: Vec<&str> =
        answer.body["rules"].as_array().unwrap().iter().map(|rule| rule["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["length", "lower", "upper", "digit", "special", "not_old", "not_common", "not_recent"]);
    let browser = session(&answer);
    for path in ["/api/phones", "/api/sip"] {
        w.get(path, &browser).await.is(403, "password_change_required");
    }
    w.tries(&browser, "desk-17", None).await.is(403, "password_change_required");
    w.post("/api/sip/take", &browser, json!({ "tab": "x" })).await.is(403, "password_change_required");
    assert_eq!(w.store.logins().await.unwrap(), []);
    // A reload in the middle.
    let me = w.get("/api/me", &browser).await.ok();
    assert_eq!((&me.body["state"], &me.body["why"]), (&json!("change_password"), &json!("first")));
    assert_eq!(me.body["rules"], answer.body["rules"]);

    let changed = change(&w, &browser, GOOD).await.ok();
    assert_eq!(changed.body["state"], "choose_phone");
    let next = session(&changed);
    assert_ne!(next.cookie, browser.cookie);
    w.get("/api/me", &browser).await.is(401, "no_session");
    w.tries(&next, "desk-17", None).await.ok();
    // The old password is none any more, the new one asks for nothing.
    w.try_login("ann", "right").await.is(401, "wrong_credentials");
    let log = w.store.audit_log(50).await.unwrap();
    assert!(log.iter().any(|line| line.what == "password" && line.outcome == "changed"));
}

#[tokio::test]
async fn an_agent_of_the_browser_does_not_sit_down_before_the_change() {
    let w = suite().await;
    let answer = w.try_login("webby", "right").await.ok();
    assert_eq!(answer.body["state"], "change_password");
    assert_eq!(w.store.logins().await.unwrap(), []);
    let changed = change(&w, &session(&answer), GOOD).await.ok();
    assert_eq!(changed.body["state"], "ready");
    assert_eq!(w.store.logins().await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_last_days_are_counted_and_after_ninety_the_change_comes_first() {
    for (days, ms, notice, state) in [
        (74, DAY - 1, None, "choose_phone"),
        (75, 0, Some(15), "choose_phone"),
        (89, DAY - 1, Some(1), "choose_phone"),
        (90, 0, None, "change_password"),
    ] {
        let w = suite().await;
        own(&w, GOOD).await;
        w.passes(days * DAY + ms);
        let answer = w.try_login("ann", GOOD).await.ok();
        assert_eq!(answer.body["state"], state, "{days}");
        let told = answer.body["notices"].as_array().unwrap();
        let told = told.iter().find(|notice| notice["kind"] == "password_expires");
        assert_eq!(told.map(|told| told["days"].clone()), notice.map(|days: i64| json!(days)), "{days}");
        if state == "change_password" {
            assert_eq!(answer.body["why"], "expired");
            change(&w, &session(&answer), GOOD).await.is(422, "password_rules");
            let changed = change(&w, &session(&answer), BETTER).await.ok();
            assert_eq!(changed.body["state"], "choose_phone");
            let again = w.try_login("ann", BETTER).await.ok();
            assert_eq!((&again.body["state"], &again.body["notices"]), (&json!("choose_phone"), &json!([])));
        }
    }
}

#[tokio::test]
async fn every_rule_is_told_by_its_name_and_nothing_changes_until_all_hold() {
    let w = suite().await;
    let browser = session(&w.try_login("ann", "right").await.ok());
    for (new, failed) in [
        ("sh#1A", &["length"][..]),
        ("alllower#1", &["upper"]),
        ("Password1!", &["not_common"]),
        ("aaaaaaaa", &["upper", "digit", "special", "not_common"]),
    ] {
        let answer = change(&w, &browser, new).await;
        answer.is(422, "password_rules");
        assert_eq!(answer.body["failed"], json!(failed), "{new}");
    }
    for body in [
        json!({}),
        json!({ "new": 1 }),
        json!({ "new": null }),
        json!([GOOD]),
        json!({ "new": "" }),
        json!({ "new": "x".repeat(1025) }),
    ] {
        w.post("/api/password", &browser, body).await.is(400, "bad_request");
    }
    assert_eq!(w.get("/api/me", &browser).await.ok().body["state"], "change_password");
    w.try_login("ann", "right").await.ok();
}

#[tokio::test]
async fn the_last_passwords_do_not_come_back() {
    let w = suite().await;
    w.core.policies.lock().unwrap().passwords.history = 2;
    let words = ["Kx7#mQ2p", "Wq4_zN8v", "Rt6+bH3y", "Lp9=cJ5u"];
    own(&w, words[0]).await;
    let mut browser = session(&w.try_login("ann", words[0]).await.ok());
    let seated = w.tries(&browser, "desk-17", None).await.ok();
    browser = session(&seated);
    for pair in words.windows(2) {
        let body = json!({ "old": pair[0], "new": pair[1] });
        assert_eq!(w.post("/api/password", &browser, body).await.ok().body["state"], "ready");
    }
    for (new, failed) in
        [(words[3], json!(["not_old"])), (words[2], json!(["not_recent"])), (words[1], json!(["not_recent"]))]
    {
        let answer = w.post("/api/password", &browser, json!({ "old": words[3], "new": new })).await;
        answer.is(422, "password_rules");
        assert_eq!(answer.body["failed"], failed);
    }
    w.post("/api/password", &browser, json!({ "old": words[3], "new": words[0] })).await.ok();
}

#[tokio::test]
async fn who_sits_shows_the_old_password_and_other_ways_in_end() {
    let w = world().await;
    let (elsewhere, _) = w.shows_password("ann").await;
    let sitting = w.sits("ann", "desk-17").await;
    let ask = async |body: Value| w.post("/api/password", &sitting, body).await;
    ask(json!({ "new": GOOD })).await.is(400, "bad_request");
    ask(json!({ "old": "wrong", "new": GOOD })).await.is(422, "old_password_wrong");
    let no_csrf = Browser { csrf: String::new(), ..sitting.clone() };
    let body = json!({ "old": "right", "new": GOOD });
    w.post("/api/password", &no_csrf, body.clone()).await.is(403, "csrf_failed");
    w.post("/api/password", &Browser::default(), body.clone()).await.is(401, "no_session");
    assert_eq!(ask(body).await.ok().body["state"], "ready");
    w.get("/api/me", &sitting).await.ok();
    w.get("/api/me", &elsewhere).await.is(401, "no_session");
    // Guessing the old one at a page that was left open is as slow as anywhere.
    let mut limited = 0;
    for _ in 0..15 {
        limited += usize::from(ask(json!({ "old": "wrong", "new": BETTER })).await.status == 429);
    }
    assert!(limited >= 4, "{limited}");
}

#[tokio::test]
async fn off_asks_for_no_change_and_switching_on_takes_effect_at_the_next_login() {
    let w = world().await;
    let rules = w.get("/api/password/rules", &Browser::default()).await.ok();
    let ids: Vec<Option<&str>> =
        rules.body["rules"].as_array().unwrap().iter().map(|rule| rule["id"].as_str()).collect();
    assert_eq!(
        (&rules.body["profile"], ids),
        (&json!("off"), vec![Some("length"), Some("not_common")]),
        "the floor"
    );
    w.passes(4000 * DAY);
    let (pending, answer) = w.shows_password("ann").await;
    assert_eq!((&answer["state"], &answer["notices"]), (&json!("choose_phone"), &json!([])));
    w.core.policies.lock().unwrap().passwords.profile = Profile::Suite;
    w.get("/api/phones", &pending).await.ok();
    w.tries(&pending, "desk-17", None).await.ok();
    let next = w.try_login("ann", "right").await.ok();
    assert_eq!(next.body["state"], "change_password");
}

#[tokio::test]
async fn modern_wants_length_and_no_password_grows_old() {
    let w = world().await;
    w.core.policies.lock().unwrap().passwords.profile = Profile::Modern;
    own(&w, "shoulder-lamps!").await;
    w.passes(4000 * DAY);
    let (_, answer) = w.shows_with("ann", "shoulder-lamps!").await;
    assert_eq!((&answer["state"], &answer["notices"]), (&json!("choose_phone"), &json!([])));
    let rules = w.get("/api/password/rules", &Browser::default()).await.ok();
    assert_eq!(rules.body["profile"], "modern");
    assert_eq!(
        rules.body["rules"][0],
        json!({ "id": "length", "text": "At least 15 characters", "min": 15 })
    );
    let bob = session(&w.try_login("bob", "right").await.ok());
    for (new, failed) in [("fourteen chars", "length"), ("passwordpassword", "not_common")] {
        assert_eq!(change(&w, &bob, new).await.body["failed"], json!([failed]));
    }
    change(&w, &bob, "as long as I like, in small letters").await.ok();
}

#[tokio::test]
async fn who_has_the_password_elsewhere_does_not_change_it_here() {
    let w = suite().await;
    let sitting = {
        own(&w, GOOD).await;
        let (pending, _) = w.shows_with("ann", GOOD).await;
        session(&w.tries(&pending, "desk-17", None).await.ok())
    };
    w.store.set_way(w.ann, store::Way::Directory).await.unwrap();
    let answer = w.post("/api/password", &sitting, json!({ "old": GOOD, "new": BETTER })).await;
    answer.is(409, "password_elsewhere");
}
