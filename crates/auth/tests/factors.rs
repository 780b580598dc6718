//! The second factor over HTTP: set up, asked for, shown once, guessed at, lost, found again.

mod toy;
mod world;

use axum::body::Body;
use hotdesk::lockout::Limit;
use http::header;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;
use std::time::Duration;
use store::{Accounts, Attempts, BlockReason, Factors, Store, Way};
use terms::{Role, WallTime};
use toy::{Toy, app_code};
use world::{Answer, Browser, ORIGIN, START, World, world};

const STEP_MS: i64 = 30_000;

fn browser(answer: &Answer) -> Browser {
    Browser { cookie: answer.cookie(), csrf: answer.body["csrf"].as_str().unwrap().to_owned() }
}

impl World {
    fn app_shows(&self, secret: &str) -> String {
        let now = self.clock.load(Ordering::SeqCst);
        app_code(secret, u64::try_from(now / 1000).unwrap())
    }

    /// Sets up the app for somebody who is in; gives back its secret and the recovery codes.
    async fn enrols_app(&self, browser: &Browser) -> (String, Vec<String>) {
        let begun = self.post("/api/factor/totp/begin", browser, json!({ "password": "right" })).await.ok();
        let secret = begun.body["secret"].as_str().unwrap().to_owned();
        let code = json!({ "code": self.app_shows(&secret) });
        let done = self.post("/api/factor/totp/confirm", browser, code).await.ok();
        (secret, words(&done.body["recovery_codes"]))
    }

    async fn shows(&self, browser: &Browser, kind: &str, code: &str) -> Answer {
        self.post("/api/login/factor", browser, json!({ "kind": kind, "code": code })).await
    }

    async fn outcomes(&self, what: &str) -> Vec<String> {
        let log = self.store.audit_log(1000).await.unwrap();
        log.into_iter().rev().filter(|line| line.what == what).map(|line| line.outcome).collect()
    }
}

fn words(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().map(|word| word.as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn ann_sets_up_her_app_and_is_asked_for_it_from_then_on() {
    let w = world().await;
    let sitting = w.sits("ann", "desk-17").await;
    let none = w.get("/api/factors", &sitting).await.ok();
    assert_eq!(
        none.body,
        json!({ "factors": [], "recovery_codes_left": 0, "required": false, "confirm": "password" })
    );

    let begin = |body: Value| w.post("/api/factor/totp/begin", &sitting, body);
    begin(json!({})).await.is(403, "confirm_first");
    begin(json!({ "password": "wrong" })).await.is(422, "wrong_password");
    let begun = begin(json!({ "password": "right" })).await.ok();
    let secret = begun.body["secret"].as_str().unwrap();
    assert_eq!(secret.len(), 32, "160 bits in base32");
    let uri = begun.body["uri"].as_str().unwrap();
    assert!(uri.starts_with("otpauth://totp/Hotseat:ann?") && uri.contains(secret), "{uri}");
    assert!(begun.body["qr_svg"].as_str().unwrap().starts_with("<svg "));
    let confirm =
        async |code: &str| w.post("/api/factor/totp/confirm", &sitting, json!({ "code": code })).await;
    confirm("000000").await.is(422, "wrong_code");
    w.passes(CONFIRM_LATE_MS - 1000);
    let done = confirm(&w.app_shows(secret)).await.ok();
    let codes = words(&done.body["recovery_codes"]);
    assert_eq!(codes.len(), 10);
    assert_eq!(done.body["factor"]["kind"], "totp");
    confirm(&w.app_shows(secret)).await.is(409, "not_now");

    // Where she sits nothing changes. The next login asks; the code of the set-up is used already.
    w.get("/api/me", &sitting).await.ok();
    let (pending, answer) = w.shows_password("ann").await;
    assert_eq!((&answer["state"], &answer["kinds"]), (&json!("second_factor"), &json!(["totp", "recovery"])));
    assert_eq!(answer["held"], json!(null), "nothing is said about where she sits before it");
    let me = w.get("/api/me", &pending).await.ok();
    assert_eq!((&me.body["state"], &me.body["kinds"]), (&answer["state"], &answer["kinds"]));
    w.shows(&pending, "totp", &w.app_shows(secret)).await.is(422, "wrong_code");
    w.passes(STEP_MS);
    let code = w.app_shows(secret);
    let right = w.shows(&pending, "totp", &code).await.ok();
    assert_eq!(right.body["state"], "held");
    let full = browser(&right);
    assert!(
        full.cookie != pending.cookie && full.csrf != pending.csrf,
        "the id changes when the privilege rises"
    );
    w.get("/api/me", &pending).await.is(401, "no_session");
    w.get("/api/phones", &full).await.ok();
    let listed = w.get("/api/factors", &full).await.ok();
    assert_eq!(listed.body["recovery_codes_left"], 10);
    assert!(listed.body["factors"][0]["last_used"].is_i64());
    assert!(!listed.body.to_string().contains(secret), "never shown again");
    assert_eq!(w.outcomes("factor_added").await, ["totp"]);
    assert_eq!(w.outcomes("second_factor").await, ["wrong_totp", "right_totp"]);

    // Overheard and shown again at once, in another session: nothing.
    let (thief, _) = w.shows_password("ann").await;
    w.shows(&thief, "totp", &code).await.is(422, "wrong_code");
}

/// What was begun is waited for this long.
const CONFIRM_LATE_MS: i64 = 5 * 60_000;

#[tokio::test]
async fn a_phone_clock_may_be_one_step_off_and_a_set_up_waits_five_minutes() {
    let w = world().await;
    let sitting = w.sits("ann", "desk-17").await;
    let begun = w.post("/api/factor/totp/begin", &sitting, json!({ "password": "right" })).await.ok();
    let secret = begun.body["secret"].as_str().unwrap();
    w.passes(CONFIRM_LATE_MS);
    let late = w.post("/api/factor/totp/confirm", &sitting, json!({ "code": w.app_shows(secret) })).await;
    late.is(409, "not_now");
    let (secret, _) = w.enrols_app(&sitting).await;
    // From here on the phone's clock stands at the beginning of a step, and ours moves.
    let phone = (w.clock.load(Ordering::SeqCst) / STEP_MS + 10) * STEP_MS;
    let code = app_code(&secret, u64::try_from(phone / 1000).unwrap());
    for (ours_ahead_ms, good) in [(-STEP_MS - 1, false), (2 * STEP_MS, false), (-STEP_MS, true)] {
        w.clock.store(phone + ours_ahead_ms, Ordering::SeqCst);
        let (pending, _) = w.shows_password("ann").await;
        let answer = w.shows(&pending, "totp", &code).await;
        assert_eq!(answer.status == 200, good, "{ours_ahead_ms} {answer:?}");
    }
    let later = phone + 20 * STEP_MS;
    let code = app_code(&secret, u64::try_from(later / 1000).unwrap());
    w.clock.store(later + 2 * STEP_MS - 1, Ordering::SeqCst);
    let (pending, _) = w.shows_password("ann").await;
    w.shows(&pending, "totp", &code).await.ok();
}

#[tokio::test]
async fn five_wrong_codes_end_the_session_and_twenty_an_hour_end_guessing_but_not_the_owner() {
    let w = world().await;
    let sitting = w.sits("ann", "desk-17").await;
    let (secret, codes) = w.enrols_app(&sitting).await;
    w.passes(STEP_MS);
    for round in 0..4 {
        let (pending, _) = w.shows_password("ann").await;
        for left in (1..5).rev() {
            let wrong = w.shows(&pending, "totp", "000000").await;
            wrong.is(422, "wrong_code");
            assert_eq!(wrong.body["tries_left"], left, "round {round}");
        }
        w.shows(&pending, "totp", "000000").await.is(401, "factor_tries_spent");
        w.shows(&pending, "totp", &w.app_shows(&secret)).await.is(401, "login_expired");
        w.get("/api/me", &pending).await.is(401, "no_session");
    }
    let (pending, _) = w.shows_password("ann").await;
    let limited = w.shows(&pending, "totp", &w.app_shows(&secret)).await;
    limited.is(429, "too_many_attempts");
    assert!(limited.headers.contains_key(header::RETRY_AFTER));
    // What cannot be guessed still opens, and who sits is not bothered.
    w.get("/api/me", &sitting).await.ok();
    w.shows(&pending, "recovery", &codes[0]).await.ok();
    w.passes(3_600_000);
    let (pending, _) = w.shows_password("ann").await;
    w.shows(&pending, "totp", &w.app_shows(&secret)).await.ok();
    assert_eq!(w.outcomes("second_factor").await.iter().filter(|o| *o == "factor_tries_spent").count(), 4);
}

#[tokio::test]
async fn many_guesses_at_once_are_five_and_one_code_shown_at_once_opens_once() {
    let w = world().await;
    let sitting = w.sits("ann", "desk-17").await;
    let (secret, _) = w.enrols_app(&sitting).await;
    w.passes(STEP_MS);
    let (pending, _) = w.shows_password("ann").await;
    let wrong = futures_util::future::join_all((0..40).map(|_| w.shows(&pending, "totp", "000000"))).await;
    assert!(wrong.iter().filter(|answer| answer.body["reason"] == "wrong_code").count() <= 4, "{wrong:?}");
    let mut browsers = Vec::new();
    for _ in 0..4 {
        browsers.push(w.shows_password("ann").await.0);
    }
    let code = w.app_shows(&secret);
    let all = futures_util::future::join_all(browsers.iter().map(|b| w.shows(b, "totp", &code))).await;
    assert_eq!(all.iter().filter(|answer| answer.status == 200).count(), 1);
}

#[tokio::test]
async fn a_recovery_code_opens_once_and_a_new_sheet_ends_the_old_one() {
    let w = world().await;
    let sitting = w.sits("ann", "desk-17").await;
    let (_, codes) = w.enrols_app(&sitting).await;
    let (pending, _) = w.shows_password("ann").await;
    w.shows(&pending, "recovery", "0000-0000-0000-0000").await.is(422, "wrong_code");
    let typed = codes[3].to_lowercase().replace('-', " ");
    let right = w.shows(&pending, "recovery", &typed).await.ok();
    let left = w.get("/api/factors", &browser(&right)).await.ok();
    assert_eq!(left.body["recovery_codes_left"], 9);
    let (pending, _) = w.shows_password("ann").await;
    w.shows(&pending, "recovery", &codes[3]).await.is(422, "wrong_code");
    w.post("/api/factor/recovery", &sitting, json!({})).await.is(403, "confirm_first");
    let sheet = w.post("/api/factor/recovery", &sitting, json!({ "password": "right" })).await.ok();
    let fresh = words(&sheet.body["recovery_codes"]);
    assert_eq!(fresh.len(), 10);
    w.shows(&pending, "recovery", &codes[4]).await.is(422, "wrong_code");
    w.shows(&pending, "recovery", &fresh[0]).await.ok();
    // Bob's sheet is not Ann's.
    let bob = w.sits("bob", "desk-9").await;
    w.post("/api/factor/recovery", &bob, json!({ "password": "right" })).await.is(409, "not_now");
    w.enrols_app(&bob).await;
    let (pending, _) = w.shows_password("bob").await;
    w.shows(&pending, "recovery", &fresh[1]).await.is(422, "wrong_code");
}

/// Everything under `/api` that asks for somebody, and what it is asked with.
const FOR_SOMEBODY: &[(&str, &str)] = &[
    ("GET", "/api/phones"),
    ("GET", "/api/sip"),
    ("GET", "/api/factors"),
    ("POST", "/api/login/device"),
    ("POST", "/api/sip/take"),
    ("POST", "/api/factor/recovery"),
    ("DELETE", "/api/factors/1"),
];

async fn can_do_nothing_else(w: &World, at: &Browser, reason: &str) {
    for (method, path) in FOR_SOMEBODY {
        let request = w.request(method, path, at).header("content-type", "application/json");
        let body =
            json!({ "phone": "desk-17", "tab": "a", "password": "right", "kind": "totp", "code": "1" });
        w.send(request.body(Body::from(body.to_string())).unwrap()).await.is(403, reason);
    }
    let (parts, ()) = http::Request::builder()
        .uri("/sip")
        .header("host", "desk.example:8443")
        .header("origin", ORIGIN)
        .header("cookie", &at.cookie)
        .body(())
        .unwrap()
        .into_parts();
    assert!(matches!(w.auth.admit(&parts).await, terms::BrowserAdmission::Refused(403)));
    let ws = w
        .request("GET", "/api/events", at)
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    assert_ne!(w.send(ws.body(Body::empty()).unwrap()).await.status, 101);
    assert_eq!(w.store.logins().await.unwrap(), []);
}

#[tokio::test]
async fn whoever_has_not_shown_the_second_factor_can_do_nothing_but_that() {
    let w = world().await;
    let (chooses, _) = w.shows_password("ann").await;
    let (secret, _) = w.enrols_app(&chooses).await;
    w.passes(STEP_MS);
    let (pending, answer) = w.shows_password("ann").await;
    assert_eq!(answer["state"], "second_factor");
    can_do_nothing_else(&w, &pending, "second_factor_required").await;
    for path in ["/api/factor/totp/begin", "/api/factor/passkey/begin"] {
        w.post(path, &pending, json!({ "password": "right" })).await.is(403, "second_factor_required");
    }
    // Without the word against foreign pages nothing is even looked at.
    let blind = Browser { csrf: String::new(), ..pending.clone() };
    w.shows(&blind, "totp", &w.app_shows(&secret)).await.is(403, "csrf_failed");
    w.shows(&pending, "totp", &w.app_shows(&secret)).await.ok();
    // Shown where nothing is asked.
    let (bob, _) = w.shows_password("bob").await;
    w.shows(&bob, "totp", "123456").await.is(409, "not_now");
    w.shows(&Browser::default(), "totp", "123456").await.is(401, "no_session");
}

#[tokio::test]
async fn a_role_that_demands_one_sets_it_up_first_and_does_nothing_before() {
    let w = world().await;
    w.core.policies.lock().unwrap().factors.required = vec![Role::Supervisor, Role::Administrator];
    w.store.set_role(w.ann, Role::Supervisor).await.unwrap();
    let (pending, answer) = w.shows_password("ann").await;
    assert_eq!((&answer["state"], &answer["kinds"]), (&json!("enrol_factor"), &json!(["totp", "passkey"])));
    can_do_nothing_else(&w, &pending, "factor_enrolment_required").await;
    w.shows(&pending, "totp", "123456").await.is(403, "factor_enrolment_required");
    // The password was shown a moment ago and is not asked for again.
    let begun = w.post("/api/factor/totp/begin", &pending, json!({})).await.ok();
    let secret = begun.body["secret"].as_str().unwrap();
    w.post("/api/factor/totp/confirm", &pending, json!({ "code": "000000" })).await.is(422, "wrong_code");
    let code = json!({ "code": w.app_shows(secret) });
    let done = w.post("/api/factor/totp/confirm", &pending, code).await.ok();
    assert_eq!(done.body["state"], "choose_phone");
    assert_eq!(words(&done.body["recovery_codes"]).len(), 10);
    let full = browser(&done);
    assert_ne!(full.cookie, pending.cookie);
    w.get("/api/me", &pending).await.is(401, "no_session");
    // She cannot take away what her role demands; with a second one she can.
    let first = w.get("/api/factors", &full).await.ok().body["factors"][0]["id"].clone();
    let drop = async |id: &Value, password: &str| {
        let request = w.request("DELETE", &format!("/api/factors/{id}"), &full);
        let body = Body::from(json!({ "password": password }).to_string());
        w.send(request.header("content-type", "application/json").body(body).unwrap()).await
    };
    drop(&first, "right").await.is(409, "factor_needed");
    let key = Toy::new(b"the grey one");
    let options = w.post("/api/factor/passkey/begin", &full, json!({ "password": "right" })).await.ok();
    let made = key.creates(&options.body, ORIGIN);
    let added =
        w.post("/api/factor/passkey/finish", &full, json!({ "name": "Grey", "credential": made })).await.ok();
    assert_eq!(added.body["recovery_codes"], json!(null), "she has a sheet");
    drop(&first, "wrong").await.is(422, "wrong_password");
    assert_eq!(drop(&first, "right").await.status, 204);
    drop(&first, "right").await.is(404, "not_found");
    drop(&added.body["factor"]["id"], "right").await.is(409, "factor_needed");
    drop(&json!(999), "right").await.is(404, "not_found");
    drop(&json!("a"), "right").await.is(404, "not_found");

    // Bob's role demands none.
    let (_, answer) = w.shows_password("bob").await;
    assert_eq!(answer["state"], "choose_phone");
    // An administrator resets hers, and it begins anew.
    assert_eq!(w.store.drop_factors(w.ann).await.unwrap(), 1);
    let (_, answer) = w.shows_password("ann").await;
    assert_eq!(answer["state"], "enrol_factor");
}

#[tokio::test]
async fn a_passkey_is_the_second_factor_and_a_copy_of_it_is_noticed() {
    let w = world().await;
    let sitting = w.sits("ann", "desk-17").await;
    let mut key = Toy::new(b"the grey one");
    let begin = async || {
        w.post("/api/factor/passkey/begin", &sitting, json!({ "password": "right" })).await.ok().body
    };
    let finish = async |credential: Value| {
        w.post(
            "/api/factor/passkey/finish",
            &sitting,
            json!({ "name": "Grey\u{202e}", "credential": credential }),
        )
        .await
    };
    let options = begin().await;
    assert_eq!(options["publicKey"]["rp"]["id"], "desk.example");
    assert_eq!(options["publicKey"]["user"]["name"], "ann");
    finish(key.creates(&options, "https://evil.example")).await.is(422, "passkey_refused");
    finish(key.creates(&options, ORIGIN)).await.is(409, "not_now");
    let options = begin().await;
    let added = finish(key.creates(&options, ORIGIN)).await.ok();
    assert_eq!(added.body["factor"]["name"], "Grey");
    assert_eq!(words(&added.body["recovery_codes"]).len(), 10);
    let options = begin().await;
    assert_eq!(options["publicKey"]["excludeCredentials"][0]["id"], "dGhlIGdyZXkgb25l");
    finish(key.creates(&options, ORIGIN)).await.is(409, "passkey_known");

    let (pending, answer) = w.shows_password("ann").await;
    assert_eq!(answer["kinds"], json!(["passkey", "recovery"]));
    let ask = async |at: &Browser| w.post("/api/login/passkey/begin", at, json!({})).await;
    let show = async |at: &Browser, credential: Value| {
        w.post("/api/login/passkey/finish", at, json!({ "credential": credential })).await
    };
    let options = ask(&pending).await.ok().body;
    assert_eq!(options["publicKey"]["rpId"], "desk.example");
    assert_eq!(options["publicKey"]["allowCredentials"].as_array().unwrap().len(), 1);
    show(&pending, key.gets(&options, "https://evil.example")).await.is(422, "passkey_refused");
    show(&pending, key.gets(&options, ORIGIN)).await.is(409, "not_now");
    let options = ask(&pending).await.ok().body;
    let shown = key.gets(&options, ORIGIN);
    show(&pending, shown.clone()).await.ok();

    // The same answer again, for another session's question.
    let (pending, _) = w.shows_password("ann").await;
    show(&pending, shown.clone()).await.is(409, "not_now");
    ask(&pending).await.ok();
    show(&pending, shown).await.is(422, "passkey_refused");
    // A copy that has counted less than the one in use.
    let options = ask(&pending).await.ok().body;
    key.counter = 0;
    show(&pending, key.gets(&options, ORIGIN)).await.is(422, "passkey_refused");
    assert!(w.outcomes("second_factor").await.contains(&"passkey_copied".to_owned()));
    // Somebody else's key, with its own id and with hers.
    let options = ask(&pending).await.ok().body;
    show(&pending, Toy::new(b"the grey one").gets(&options, ORIGIN)).await.is(422, "passkey_refused");
    let options = ask(&pending).await.ok().body;
    show(&pending, Toy::new(b"another").gets(&options, ORIGIN)).await.is(401, "factor_tries_spent");
    ask(&pending).await.is(401, "login_expired");
    let (bob, _) = w.shows_password("bob").await;
    ask(&bob).await.is(409, "not_now");
}

#[tokio::test]
async fn who_has_no_password_of_ours_shows_a_code_instead() {
    let w = world().await;
    let (ann, _) = w.shows_password("ann").await;
    // From now on somebody else vouches for her: the password she had is no proof any more.
    w.store.set_way(w.ann, Way::Oidc).await.unwrap();
    let listed = w.get("/api/factors", &ann).await.ok();
    assert_eq!(listed.body["confirm"], "fresh_login");
    let begun = w.post("/api/factor/totp/begin", &ann, json!({})).await.ok();
    let secret = begun.body["secret"].as_str().unwrap();
    let code = json!({ "code": w.app_shows(secret) });
    let codes = words(&w.post("/api/factor/totp/confirm", &ann, code).await.ok().body["recovery_codes"]);
    w.passes(STEP_MS);
    let sheet = async |proof: Value| w.post("/api/factor/recovery", &ann, proof).await;
    sheet(json!({ "password": "right" })).await.is(403, "confirm_first");
    sheet(json!({ "code": "000000" })).await.is(422, "wrong_code");
    sheet(json!({ "code": w.app_shows(secret) })).await.ok();
    sheet(json!({ "code": codes[0] })).await.is(422, "wrong_code");
}

#[tokio::test]
async fn nonsense_gets_a_sentence() {
    let w = world().await;
    let sitting = w.sits("ann", "desk-17").await;
    w.enrols_app(&sitting).await;
    let (pending, _) = w.shows_password("ann").await;
    let long = "1".repeat(200);
    for body in [
        json!(null),
        json!([]),
        json!({}),
        json!({ "kind": "totp" }),
        json!({ "kind": "passkey", "code": "1" }),
        json!({ "kind": "totp", "code": 123_456 }),
        json!({ "kind": "totp", "code": null }),
        json!({ "kind": ["totp"], "code": "123456" }),
        json!({ "kind": "totp", "code": long }),
    ] {
        w.post("/api/login/factor", &pending, body).await.is(400, "bad_request");
    }
    w.post("/api/login/passkey/finish", &pending, json!({ "credential": {} })).await.is(400, "bad_request");
    for body in [json!({ "password": 1 }), json!({ "code": {} }), json!("right")] {
        w.post("/api/factor/totp/begin", &sitting, body.clone()).await.is(400, "bad_request");
        w.post("/api/factor/recovery", &sitting, body).await.is(400, "bad_request");
    }
    w.shows(&pending, "totp", "\u{0}\u{202e}🦀").await.is(422, "wrong_code");
    w.shows(&pending, "recovery", "'; DROP TABLE factors; --").await.is(422, "wrong_code");
    assert_eq!(START % 1000, 0);
}

/// The cookie by which a browser is known, where the answer has one.
fn known(answer: &Answer) -> Option<String> {
    let set = answer.headers.get_all(header::SET_COOKIE).iter().filter_map(|value| value.to_str().ok());
    let ours = set.filter_map(|text| text.split_once(';')).find(|(pair, _)| pair.contains("hotseat-known="));
    ours.map(|(pair, _)| pair.to_owned())
}

impl World {
    /// Shows the right password in a browser with this cookie.
    async fn shows_half(&self, cookie: &str) -> Answer {
        let asks = Browser { cookie: cookie.to_owned(), ..Browser::default() };
        self.post("/api/login", &asks, json!({ "username": "ann", "password": "right" })).await
    }
}

#[tokio::test]
async fn wrong_codes_behind_a_right_password_block_as_wrong_passwords_do() {
    let w = world().await;
    let sitting = w.sits("ann", "desk-17").await;
    let (secret, codes) = w.enrols_app(&sitting).await;
    w.core.policies.lock().unwrap().lockout = Limit { wrong: 4, block: Some(Duration::from_secs(3600)) };
    // Ann's own browser, known since a whole login: the password alone made it so for nobody.
    let half = w.shows_half("").await.ok();
    assert_eq!(known(&half), None, "half a proof makes no browser known");
    w.passes(STEP_MS);
    let whole = w.shows(&browser(&half), "totp", &w.app_shows(&secret)).await.ok();
    let hers = known(&whole).expect("a browser that is known now");

    // A stranger with her password: the right password between the codes does not begin the count anew.
    let (thief, _) = w.shows_password("ann").await;
    w.shows(&thief, "totp", "000000").await.is(422, "wrong_code");
    w.shows(&thief, "recovery", "aaaa-aaaa-aaaa").await.is(422, "wrong_code");
    let (thief, _) = w.shows_password("ann").await;
    w.shows(&thief, "totp", "000000").await.is(422, "wrong_code");
    w.shows(&thief, "totp", "000000").await.is(403, "blocked");
    w.get("/api/me", &thief).await.is(401, "no_session");
    assert_eq!(w.shows_half("").await.body["reason"], "blocked", "also for the right password");
    let row = w.store.account("ann").await.unwrap().unwrap();
    assert_eq!(row.blocked.map(|block| block.why), Some(BlockReason::WrongPasswords), "for administrators");
    let told = w.outcomes("second_factor").await;
    assert_eq!(told.last().map(String::as_str), Some("blocked"), "{told:?}");

    // She is not kept from working: neither where she sits nor in the browser she always uses.
    w.get("/api/me", &sitting).await.ok();
    let half = w.shows_half(&hers).await.ok();
    let mut page = browser(&half);
    page.cookie = format!("{}; {hers}", page.cookie);
    w.shows(&page, "recovery", &codes[0]).await.ok();
    // Hers has a limit of its own.
    let half = w.shows_half(&hers).await.ok();
    let mut page = browser(&half);
    page.cookie = format!("{}; {hers}", page.cookie);
    for _ in 0..3 {
        w.shows(&page, "totp", "000000").await.is(422, "wrong_code");
    }
    w.shows(&page, "totp", "000000").await.is(403, "blocked");
    assert!(w.store.unlock_agent(w.ann, WallTime(w.clock.load(Ordering::SeqCst))).await.unwrap());
    w.shows_half(&hers).await.ok();
    w.shows_half("").await.ok();
}

#[tokio::test]
async fn a_block_that_comes_while_the_code_is_typed_holds_for_the_code_too() {
    let w = world().await;
    let sitting = w.sits("ann", "desk-17").await;
    let (secret, _) = w.enrols_app(&sitting).await;
    w.core.policies.lock().unwrap().lockout = Limit { wrong: 2, block: None };
    let (pending, _) = w.shows_password("ann").await;
    for _ in 0..2 {
        w.try_login("ann", "guess").await;
    }
    w.passes(STEP_MS);
    w.shows(&pending, "totp", &w.app_shows(&secret)).await.is(403, "blocked");
    w.get("/api/me", &pending).await.is(401, "no_session");
    // The code was not looked at, so it is good once the account is open.
    w.store.unlock_agent(w.ann, WallTime(w.clock.load(Ordering::SeqCst))).await.unwrap();
    let (pending, _) = w.shows_password("ann").await;
    w.shows(&pending, "totp", &w.app_shows(&secret)).await.ok();
}
