//! Logging in, sitting down, being taken over, getting up: every endpoint, asked the right way and the wrong ones.

mod world;

use axum::body::Body;
use http::header;
use serde_json::json;
use std::sync::atomic::Ordering;
use store::{Accounts, Store};
use terms::{Activity, StoreError, WallTime};
use world::{Answer, Browser, ORIGIN, START, world};

#[tokio::test]
async fn ann_shows_her_password_picks_a_phone_and_is_in() {
    let w = world().await;
    let site = w.get("/api/site", &Browser::default()).await.ok();
    assert_eq!(site.body["name"], "Hotseat");
    assert_eq!(site.body["login_methods"], json!(["password"]));

    let (pending, answer) = w.shows_password("ANN").await;
    assert_eq!(answer["state"], "choose_phone");
    assert_eq!(
        answer["agent"],
        json!({
            "name": "ann", "display_name": "ANN Example", "extension": "2001", "typology": "external",
            "role": "agent",
        })
    );
    assert_eq!(
        (&answer["held"], &answer["sentence"], &answer["last_phone"]),
        (&json!(null), &json!(null), &json!(null))
    );
    let me = w.get("/api/me", &pending).await.ok();
    assert_eq!((&me.body["state"], &me.body["csrf"]), (&answer["state"], &answer["csrf"]));

    let seated = w.tries(&pending, "desk-17", None).await.ok();
    assert_eq!(seated.body["state"], "ready");
    assert_eq!((&seated.body["login"]["epoch"], &seated.body["login"]["since"]), (&json!(1), &json!(START)));
    assert_eq!(seated.body["phone"]["name"], "desk-17");
    assert_eq!(seated.body["phone"]["label"], "Label desk-17");
    assert_eq!(w.core.pokes.load(Ordering::SeqCst), 1);
    let full = Browser { cookie: seated.cookie(), csrf: seated.body["csrf"].as_str().unwrap().into() };
    assert_ne!(full.cookie, pending.cookie, "the id changes when the privilege rises");
    assert_ne!(full.csrf, pending.csrf);
    w.get("/api/me", &pending).await.is(401, "no_session");

    let me = w.get("/api/me", &full).await.ok();
    assert_eq!((&me.body["state"], &me.body["phone"]["state"]), (&json!("ready"), &json!("in_use")));
    assert_eq!(me.body["activity"], json!({ "activity": "idle", "peer": null, "since": START }));
    assert_eq!(me.body["csrf"], full.csrf);

    // The next login remembers the phone.
    let out = w.send(w.request("DELETE", "/api/login", &full).body(Body::empty()).unwrap()).await;
    assert_eq!(out.status, 204);
    assert!(out.headers[header::SET_COOKIE].to_str().unwrap().contains("Max-Age=0"));
    assert_eq!(w.store.logins().await.unwrap(), []);
    let gone = w.get("/api/me", &full).await;
    gone.is(401, "login_ended");
    assert_eq!(
        (&gone.body["why"], &gone.body["sentence"]),
        (&json!("logged_out"), &json!("You logged out."))
    );
    let (_, answer) = w.shows_password("ann").await;
    assert_eq!((&answer["state"], &answer["last_phone"]), (&json!("choose_phone"), &json!("desk-17")));
}

#[tokio::test]
async fn the_cookie_is_for_us_alone() {
    let w = world().await;
    let answer = w.try_login("ann", "right").await.ok();
    let set = answer.headers[header::SET_COOKIE].to_str().unwrap();
    let (pair, flags) = set.split_once("; ").unwrap();
    let token = pair.strip_prefix("__Host-hotseat=").unwrap();
    assert_eq!(token.len(), 43, "256 bits in base64");
    assert_eq!(flags, "Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=300");
    assert!(!format!("{:?}", answer.headers).contains(token), "the header is marked sensitive");
    assert!(!answer.body.to_string().contains(token));
    assert_ne!(w.try_login("ann", "right").await.ok().cookie(), answer.cookie());
}

#[tokio::test]
async fn unknown_wrong_and_passwordless_get_one_answer_for_one_hash() {
    let w = world().await;
    w.sits("bob", "desk-9").await;
    let mut answers = Vec::new();
    for (name, password) in
        [("ann", "wrong"), ("nobody", "right"), ("nopass", "right"), ("bob", "wrong"), ("ann", ""), ("", "")]
    {
        let before = w.auth.passwords_checked();
        let answer = w.try_login(name, password).await;
        answer.is(401, "wrong_credentials");
        assert_eq!(w.auth.passwords_checked() - before, 1, "{name}");
        assert!(!answer.headers.contains_key(header::SET_COOKIE));
        answers.push(answer.body);
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    let log = w.store.audit_log(10).await.unwrap();
    assert!(log.iter().any(|line| line.who.reveal() == "nobody" && line.outcome == "wrong_credentials"));
    assert!(log.iter().all(|line| line.from == "192.0.2.7"));
}

#[tokio::test]
async fn guessing_is_slow_and_locks_nobody_out() {
    let w = world().await;
    for _ in 0..10 {
        w.try_login("ann", "guess").await.is(401, "wrong_credentials");
    }
    let before = w.auth.passwords_checked();
    let limited = w.try_login("Ann", "right").await;
    limited.is(429, "too_many_attempts");
    assert_eq!(w.auth.passwords_checked(), before, "not even looked at");
    let wait = limited.body["retry_after_s"].as_u64().unwrap();
    assert!((1..=60).contains(&wait));
    assert_eq!(limited.headers[header::RETRY_AFTER], wait.to_string());
    w.try_login("bob", "right").await.ok();
    // Ann herself, elsewhere.
    let elsewhere = w
        .request("POST", "/api/login", &Browser::default())
        .header("content-type", "application/json")
        .extension(axum::extract::ConnectInfo::<std::net::SocketAddr>("198.51.100.1:1".parse().unwrap()))
        .body(Body::from(r#"{"username":"ann","password":"right"}"#))
        .unwrap();
    w.send(elsewhere).await.ok();
    let told = w.store.audit_log(100).await.unwrap();
    assert_eq!(told.iter().filter(|line| line.outcome == "too_many_attempts").count(), 1);
}

#[tokio::test]
async fn nonsense_gets_a_sentence_and_never_more() {
    let w = world().await;
    let raw = async |content: &str, body: &str| -> Answer {
        let mut request = w.request("POST", "/api/login", &Browser::default());
        if !content.is_empty() {
            request = request.header("content-type", content);
        }
        w.send(request.body(Body::from(body.to_owned())).unwrap()).await
    };
    let json = "application/json";
    for (content, body) in [
        (json, ""),
        (json, "{"),
        (json, "[]"),
        (json, "null"),
        (json, r#"{"username":"ann"}"#),
        (json, r#"{"username":1,"password":"x"}"#),
        (json, r#"{"username":"ann","password":null}"#),
        (json, r#"{"username":"ann","password":["right"]}"#),
        (json, "\u{0}\u{ff}"),
        ("", r#"{"username":"ann","password":"right"}"#),
        ("text/plain", r#"{"username":"ann","password":"right"}"#),
        ("application/x-www-form-urlencoded", "username=ann&password=right"),
    ] {
        raw(content, body).await.is(400, "bad_request");
    }
    let long = "x".repeat(2000);
    raw(json, &format!(r#"{{"username":"ann","password":"{long}"}}"#)).await.is(400, "bad_request");
    let huge = "x".repeat(100_000);
    raw(json, &format!(r#"{{"username":"ann","password":"{huge}"}}"#)).await.is(413, "too_large");
    assert_eq!(w.auth.passwords_checked(), 0);

    w.get("/api/nothing/here", &Browser::default()).await.is(404, "not_found");
    w.get("/api", &Browser::default()).await.is(404, "not_found");
    w.get("/api/login", &Browser::default()).await.is(405, "method_not_allowed");
    w.post("/api/me", &Browser::default(), json!({})).await.is(405, "method_not_allowed");
    let (pending, _) = w.shows_password("ann").await;
    for body in
        [json!({ "phone": 17 }), json!({ "phone": "desk-17", "take_over_epoch": "1" }), json!([1, 2, 3])]
    {
        w.post("/api/login/device", &pending, body).await.is(400, "bad_request");
    }
    let odd = Browser { cookie: "__Host-hotseat=%00'; DROP TABLE".into(), ..Browser::default() };
    w.get("/api/me", &odd).await.is(401, "no_session");
    w.get("/api/phones", &odd).await.is(401, "login_expired");
}

#[tokio::test]
async fn a_foreign_page_changes_nothing() {
    let w = world().await;
    let from = async |headers: &[(&str, &str)]| {
        let mut request = http::Request::builder()
            .method("POST")
            .uri("/api/login")
            .header("host", "desk.example:8443")
            .header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = r#"{"username":"ann","password":"right"}"#;
        w.send(request.body(Body::from(body)).unwrap()).await
    };
    from(&[("origin", "https://evil.example")]).await.is(403, "foreign_origin");
    from(&[("origin", "null")]).await.is(403, "foreign_origin");
    from(&[("sec-fetch-site", "cross-site")]).await.is(403, "foreign_origin");
    from(&[("origin", ORIGIN), ("sec-fetch-site", "same-site")]).await.is(403, "foreign_origin");
    assert_eq!(w.auth.passwords_checked(), 0);
    let told = async |outcome: &str| {
        let log = w.store.audit_log(100).await.unwrap();
        log.iter().filter(|line| line.what == "page" && line.outcome == outcome).count()
    };
    assert_eq!((told("foreign_origin").await, told("csrf_failed").await), (4, 0));
    from(&[]).await.ok();

    let (pending, _) = w.shows_password("ann").await;
    for csrf in ["", "wrong", &format!("{}x", pending.csrf)] {
        let page = Browser { csrf: csrf.to_owned(), ..pending.clone() };
        w.tries(&page, "desk-17", None).await.is(403, "csrf_failed");
    }
    let full = w.sits("bob", "desk-9").await;
    let page = Browser { csrf: pending.csrf.clone(), ..full.clone() };
    let out = w.send(w.request("DELETE", "/api/login", &page).body(Body::empty()).unwrap()).await;
    out.is(403, "csrf_failed");
    assert_eq!(w.store.logins().await.unwrap().len(), 1);
    w.get("/api/me", &full).await.ok();
    assert_eq!((told("foreign_origin").await, told("csrf_failed").await), (4, 4));
    // A hostile page that tries all day does not push everything else out of the log.
    for _ in 0..200 {
        from(&[("origin", "null")]).await.is(403, "foreign_origin");
    }
    assert!(told("foreign_origin").await < 100);
}

#[tokio::test]
async fn the_list_has_free_phones_first_and_says_why_not_of_the_others() {
    let w = world().await;
    w.get("/api/phones", &Browser::default()).await.is(401, "no_session");
    w.sits("bob", "desk-10").await;
    let (pending, _) = w.shows_password("ann").await;
    let list = w.get("/api/phones", &pending).await.ok();
    let rows: Vec<_> = list.body["phones"].as_array().unwrap().iter().collect();
    let short: Vec<_> =
        rows.iter().map(|row| (row["name"].as_str().unwrap(), row["state"].as_str().unwrap())).collect();
    assert_eq!(
        short,
        [
            ("desk-9", "free"),
            ("desk-17", "free"),
            ("desk-10", "in_use"),
            ("desk-18", "unreachable"),
            ("desk-19", "never_registered")
        ]
    );
    assert_eq!(
        *rows[2],
        json!({ "name": "desk-10", "label": "Label desk-10", "site": "Main", "floor": "2", "state": "in_use",
                "by": "BOB Example", "since": START })
    );
    assert_eq!((&rows[4]["by"], &rows[4]["since"]), (&json!(null), &json!(null)));
    assert_eq!(rows[3]["since"], json!(START - 500));
    assert_eq!(list.headers[header::CONTENT_TYPE], "application/json");
}

#[tokio::test]
async fn only_a_phone_that_is_there_and_free_can_be_taken() {
    let w = world().await;
    w.sits("bob", "desk-10").await;
    let (ann, _) = w.shows_password("ann").await;
    for body in [json!({}), json!({ "phone": null }), json!({ "phone": "" }), json!({ "phone": "  " })] {
        w.post("/api/login/device", &ann, body).await.is(422, "phone_required");
    }
    w.tries(&ann, "desk-99", None).await.is(422, "phone_unknown");
    w.tries(&ann, "desk-10", None).await.is(409, "phone_in_use");
    w.tries(&ann, "desk-10", Some(1)).await.is(409, "phone_in_use");
    w.tries(&ann, "desk-19", None).await.is(422, "phone_unreachable");
    assert_eq!(w.core.probes.load(Ordering::SeqCst), 0, "nobody can be asked at a phone that never came");
    w.tries(&ann, "desk-18", None).await.is(422, "phone_unreachable");
    assert_eq!(w.core.probes.load(Ordering::SeqCst), 1);
    w.core.answers_probe.store(true, Ordering::SeqCst);
    w.tries(&ann, "desk-18", None).await.ok();
    assert_eq!(w.core.probes.load(Ordering::SeqCst), 2);

    w.tries(&Browser::default(), "desk-9", None).await.is(401, "no_session");
}

#[tokio::test]
async fn ann_takes_over_from_herself_and_her_old_page_is_told() {
    let w = world().await;
    let old = w.sits("ann", "desk-17").await;
    w.core.activity.lock().unwrap().insert(w.ann, (Activity::InCall, WallTime(START + 5)));
    w.try_login("ann", "wrong").await.is(401, "wrong_credentials");
    w.passes(60_000);
    let (new, answer) = w.shows_password("ann").await;
    assert_eq!(
        (&answer["state"], &answer["sentence"]),
        (&json!("held"), &json!("User already logged. Do you want to continue?"))
    );
    let held = json!({
        "epoch": 1, "device": { "name": "desk-17", "label": "Label desk-17" }, "activity": "in_call",
        "activity_since": START + 5, "since": START, "from": "192.0.2.7",
        "takeover": "end",
    });
    assert_eq!(answer["held"], held);
    let asked = w.tries(&new, "desk-9", None).await;
    assert_eq!(asked.is(409, "already_logged_in").body["held"], held);
    assert_eq!(asked.body["sentence"], "User already logged. Do you want to continue?");
    w.tries(&new, "desk-9", Some(7)).await.is(409, "already_logged_in");
    w.get("/api/me", &old).await.ok();

    w.core.refuse.store(true, Ordering::SeqCst);
    let refused = w.tries(&new, "desk-9", Some(1)).await;
    assert_eq!(
        refused.is(409, "call_in_progress").body["held"]["takeover"],
        "refuse",
        "and the page is told so"
    );
    w.core.refuse.store(false, Ordering::SeqCst);
    let seated = w.tries(&new, "desk-9", Some(1)).await.ok();
    assert_eq!(seated.body["login"]["epoch"], 2);

    for late in
        [w.get("/api/me", &old).await, w.get("/api/phones", &old).await, w.tries(&old, "desk-10", None).await]
    {
        late.is(401, "login_ended");
        assert_eq!(
            late.body["sentence"],
            "Another user has logged with your credentials. Multiple logins not allowed."
        );
        assert_eq!((&late.body["why"], &late.body["at"]), (&json!("taken_over"), &json!(START + 60_000)));
        assert_eq!(late.body["from"], "192.0.2.7");
    }
    let out = w.send(w.request("DELETE", "/api/login", &old).body(Body::empty()).unwrap()).await;
    assert_eq!(out.status, 204);
    assert_eq!(w.store.logins().await.unwrap().len(), 1, "a late logout of the old page ends nothing");
    let log = w.store.audit_log(20).await.unwrap();
    assert!(log.iter().any(|line| line.outcome == "granted_by_takeover"));
}

#[tokio::test]
async fn of_many_who_confirm_at_once_one_wins_and_the_others_are_asked_again() {
    let w = std::sync::Arc::new(world().await);
    w.sits("ann", "desk-17").await;
    let mut pages = Vec::new();
    for _ in 0..5 {
        pages.push(w.shows_password("ann").await.0);
    }
    let confirms = pages.into_iter().enumerate().map(|(at, page)| {
        let w = std::sync::Arc::clone(&w);
        tokio::spawn(async move { w.tries(&page, ["desk-9", "desk-10"][at % 2], Some(1)).await })
    });
    let mut statuses = Vec::new();
    for confirm in confirms.collect::<Vec<_>>() {
        let answer = confirm.await.unwrap();
        if answer.status != 200 {
            assert_eq!(answer.is(409, "already_logged_in").body["held"]["epoch"], 2);
        }
        statuses.push(answer.status.as_u16());
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409, 409, 409, 409]);
    assert_eq!(w.store.logins().await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_sixth_takeover_of_an_hour_waits() {
    let w = world().await;
    w.sits("ann", "desk-17").await;
    for epoch in 1..=5 {
        let (page, _) = w.shows_password("ann").await;
        w.tries(&page, "desk-17", Some(epoch)).await.ok();
    }
    let (page, _) = w.shows_password("ann").await;
    let limited = w.tries(&page, "desk-17", Some(6)).await;
    limited.is(429, "too_many_takeovers");
    assert!(limited.headers.contains_key(header::RETRY_AFTER));
    w.passes(3_600_001);
    let (page, _) = w.shows_password("ann").await;
    w.tries(&page, "desk-17", Some(6)).await.ok();
}

#[tokio::test]
async fn time_runs_out_for_pages_too() {
    let w = world().await;
    let (pending, _) = w.shows_password("ann").await;
    w.passes(300_000);
    w.tries(&pending, "desk-17", None).await.is(401, "login_expired");
    w.get("/api/me", &pending).await.is(401, "no_session");
    assert_eq!(w.store.logins().await.unwrap(), []);

    let full = w.sits("ann", "desk-17").await;
    w.passes(7 * 3_600_000);
    w.get("/api/me", &full).await.ok();
    w.passes(7 * 3_600_000);
    w.get("/api/me", &full).await.ok();
    w.passes(2 * 3_600_000);
    w.get("/api/me", &full).await.is(401, "no_session");

    let idle = w.sits("bob", "desk-9").await;
    w.passes(12 * 3_600_000);
    w.get("/api/me", &idle).await.is(401, "no_session");
    assert!(
        w.store.logins().await.unwrap().iter().any(|login| login.agent == w.bob),
        "bob's phone still rings"
    );
}

#[tokio::test]
async fn a_second_tab_is_in_already_and_another_agent_is_not() {
    let w = world().await;
    let full = w.sits("ann", "desk-17").await;
    let again = w.post("/api/login", &full, json!({ "username": "ann", "password": "right" })).await.ok();
    assert_eq!((&again.body["state"], &again.body["phone"]["name"]), (&json!("ready"), &json!("desk-17")));
    assert_eq!(again.body["csrf"], full.csrf);
    // The browser is known from now on; its session stays the one it has.
    let mut cookies = again.headers.get_all(header::SET_COOKIE).iter();
    assert!(cookies.all(|cookie| cookie.to_str().unwrap().starts_with("__Host-hotseat-known=")));
    let other = w.post("/api/login", &full, json!({ "username": "bob", "password": "right" })).await.ok();
    assert_eq!(other.body["state"], "choose_phone");
    w.tries(&full, "desk-9", Some(1)).await.is(409, "already_logged_in");
}

#[tokio::test]
async fn giving_up_and_logging_out_twice_are_fine() {
    let w = world().await;
    let out = async |browser: &Browser| {
        w.send(w.request("DELETE", "/api/login", browser).body(Body::empty()).unwrap()).await.status.as_u16()
    };
    assert_eq!(out(&Browser::default()).await, 204);
    let (pending, _) = w.shows_password("ann").await;
    assert_eq!(out(&pending).await, 204);
    w.tries(&pending, "desk-17", None).await.is(401, "login_expired");
    let full = w.sits("ann", "desk-17").await;
    assert_eq!(out(&full).await, 204);
    assert_eq!(out(&full).await, 204);
    w.sits("bob", "desk-17").await;
}

#[tokio::test]
async fn a_store_in_trouble_is_no_answer_about_a_password() {
    let w = world().await;
    let (pending, _) = w.shows_password("ann").await;
    w.store.refuse_writes(Some(StoreError::Busy("locked".into())));
    let busy = w.try_login("ann", "right").await;
    busy.is(503, "busy");
    assert!(busy.headers.contains_key(header::RETRY_AFTER));
    assert!(!busy.headers.contains_key(header::SET_COOKIE));
    w.tries(&pending, "desk-17", None).await.is(503, "busy");
    w.store.refuse_writes(Some(StoreError::Failed("disk full at /var/lib".into())));
    let failed = w.try_login("ann", "right").await;
    failed.is(503, "store_unavailable");
    assert!(!failed.body.to_string().contains("/var"), "the inside stays inside");
    w.store.refuse_writes(None);
    w.tries(&pending, "desk-17", None).await.ok();
}

#[tokio::test]
async fn an_agent_removed_while_choosing_does_not_sit_down() {
    let w = world().await;
    let full = w.sits("ann", "desk-17").await;
    let (pending, _) = w.shows_password("bob").await;
    w.store.remove_agent(w.ann, WallTime(START)).await.unwrap();
    w.store.remove_agent(w.bob, WallTime(START)).await.unwrap();
    let gone = w.get("/api/me", &full).await;
    assert_eq!(gone.is(401, "login_ended").body["why"], "agent_removed");
    w.tries(&pending, "desk-9", None).await.is(401, "login_expired");
    w.try_login("ann", "right").await.is(401, "wrong_credentials");
}

#[tokio::test]
async fn a_login_whose_sessions_ran_out_ends_but_not_in_a_call() {
    let w = world().await;
    let session = store::WebSession {
        token_sha256: [1; 32],
        agent: w.ann,
        login: None,
        csrf: "x".into(),
        created: WallTime(START),
        expires: WallTime(START + 1000),
        seen: WallTime(START),
        from: String::new(),
        stage: store::Stage::In,
    };
    w.store.put_session(session).await.unwrap();
    let claim = store::Claim {
        agent: w.ann,
        place: terms::Place::Phone(w.desks[0]),
        take_over: None,
        from: String::new(),
        at: WallTime(START),
    };
    let upgrade = store::Upgrade {
        pending: [1; 32],
        token_sha256: [2; 32],
        csrf: "y".into(),
        expires: WallTime(START + 60_000),
    };
    w.store.claim_login(claim, Some(upgrade)).await.unwrap();
    w.core.activity.lock().unwrap().insert(w.ann, (Activity::InCall, WallTime(START)));
    w.passes(60_000);
    w.auth.end_expired_logins().await.unwrap();
    assert_eq!(w.store.logins().await.unwrap().len(), 1, "never during a call");
    w.core.activity.lock().unwrap().clear();
    w.auth.end_expired_logins().await.unwrap();
    assert_eq!(w.store.logins().await.unwrap(), []);
    let ended = w.store.ended_session([2; 32]).await.unwrap().unwrap().ended.unwrap();
    assert_eq!(ended.why, terms::LoginEndReason::Expired);
}

#[tokio::test]
async fn whoever_has_a_handed_out_password_can_change_it_or_go_and_nothing_else() {
    let w = world().await;
    let kept = w.store.account("ann").await.unwrap().unwrap().password_hash.unwrap();
    w.store.put_password(w.ann, kept, None, true).await.unwrap();
    let (browser, answer) = w.shows_password("ann").await;
    assert_eq!(answer["state"], "change_password");
    assert_eq!(answer["login"], json!(null));
    let me = w.get("/api/me", &browser).await.ok();
    assert_eq!((&me.body["state"], &me.body["csrf"]), (&json!("change_password"), &answer["csrf"]));
    for path in ["/api/phones", "/api/sip", "/api/events"] {
        let answer = w.get(path, &browser).await;
        assert_ne!(answer.status, 200, "{path}");
    }
    w.get("/api/phones", &browser).await.is(403, "password_change_required");
    w.get("/api/sip", &browser).await.is(403, "password_change_required");
    w.tries(&browser, "desk-17", None).await.is(403, "password_change_required");
    w.post("/api/sip/take", &browser, json!({ "tab": "a" })).await.is(403, "password_change_required");
    assert_eq!(w.store.logins().await.unwrap(), []);
    let out = w.send(w.request("DELETE", "/api/login", &browser).body(Body::empty()).unwrap()).await;
    assert_eq!(out.status, 204);
    w.get("/api/me", &browser).await.is(401, "no_session");
}

#[tokio::test]
async fn a_supervisor_need_not_sit_down_and_an_agent_has_five_minutes() {
    let w = world().await;
    w.store.set_role(w.ann, terms::Role::Supervisor).await.unwrap();
    let (ann, answer) = w.shows_password("ann").await;
    assert_eq!(answer["agent"]["role"], "supervisor");
    let (ben, _) = w.shows_password("bob").await;
    w.clock.fetch_add(6 * 60_000, Ordering::SeqCst);
    w.get("/api/me", &ann).await.ok();
    w.get("/api/me", &ben).await.is(401, "no_session");
}
