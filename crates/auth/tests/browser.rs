//! An agent whose calls come to the browser: no phone to choose, a pass for SIP, one tab that speaks, and whose WebSocket
//! an upgrade asks for.

mod world;

use auth::SeatNow;
use axum::body::Body;
use http::request::Parts;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;
use store::Store;
use terms::{Activity, Audience, BrowserAdmission, Notice, Place, WallTime};
use world::{Browser, ORIGIN, START, World, world};

const TAB_1: &str = "0b9d2c9e-44a8-4f5c-9a35-1f2d3c4b5a69";
const TAB_2: &str = "7c1f1f6e-1111-4222-8333-944455556666";

/// Shows the password and sits in the browser by that alone.
async fn sits_in_browser(w: &World) -> (Browser, Value) {
    let answer = w.try_login("webby", "right").await.ok();
    assert_eq!(answer.body["state"], "ready", "{answer:?}");
    let csrf = answer.body["csrf"].as_str().unwrap().to_owned();
    (Browser { cookie: answer.cookie(), csrf }, answer.body)
}

fn upgrade(origin: Option<&str>, browser: &Browser) -> Parts {
    let mut request = http::Request::builder().uri("/sip").header("host", "desk.example:8443");
    if let Some(origin) = origin {
        request = request.header("origin", origin);
    }
    if !browser.cookie.is_empty() {
        request = request.header("cookie", &browser.cookie);
    }
    request.body(()).unwrap().into_parts().0
}

#[tokio::test]
async fn the_password_is_enough_and_the_page_gets_what_sip_needs() {
    let w = world().await;
    let (webby, answer) = sits_in_browser(&w).await;
    assert_eq!((&answer["login"]["place"], &answer["phone"]), (&json!("browser"), &json!(null)));
    let row = w.store.logins().await.unwrap().remove(0);
    assert_eq!(row.place, Place::Browser);
    let me = w.get("/api/me", &webby).await.ok();
    assert_eq!((&me.body["state"], &me.body["login"]["place"]), (&json!("ready"), &json!("browser")));

    let sip = w.get("/api/sip", &webby).await.ok().body;
    let user = format!("web-{}", row.id);
    assert_eq!(sip["aor"], format!("sip:{user}@hotseat.test"));
    assert_eq!((&sip["username"], &sip["realm"]), (&json!(user), &json!("hotseat.test")));
    assert_eq!(sip["ws"], "wss://desk.example:8443/sip");
    assert_eq!((&sip["ice_servers"], &sip["owner"]), (&json!([]), &json!(true)));
    assert_eq!(sip["expires_in_s"], 16 * 3600);
    assert_eq!(sip["codecs"], json!(["PCMA", "opus"]));
    assert!(sip["ticket"].as_str().unwrap().starts_with(&format!("{}.{}.", row.id, row.epoch)));
    assert_eq!(w.get("/api/sip", &webby).await.ok().body["ticket"], sip["ticket"], "made, not drawn");

    // A second password in the same browser changes nothing; agents at phones have no such thing.
    let again = w.post("/api/login", &webby, json!({ "username": "webby", "password": "right" })).await.ok();
    assert_eq!(again.body["login"], answer["login"]);
    let ann = w.sits("ann", "desk-17").await;
    w.get("/api/sip", &ann).await.is(409, "not_in_browser");
    w.get("/api/sip", &Browser::default()).await.is(401, "no_session");
}

#[tokio::test]
async fn elsewhere_in_a_browser_already_she_is_asked_and_says_yes() {
    let w = world().await;
    let (old, first) = sits_in_browser(&w).await;
    w.passes(60_000);
    let asked = w.try_login("webby", "right").await.ok();
    assert_eq!(
        (&asked.body["state"], &asked.body["sentence"]),
        (&json!("held"), &json!("User already logged. Do you want to continue?"))
    );
    assert_eq!((&asked.body["held"]["device"], &asked.body["held"]["epoch"]), (&json!(null), &json!(1)));
    let new = Browser { cookie: asked.cookie(), csrf: asked.body["csrf"].as_str().unwrap().into() };
    // No, or a yes to something else: the first goes on.
    w.post("/api/login/device", &new, json!({})).await.is(409, "already_logged_in");
    w.post("/api/login/device", &new, json!({ "take_over_epoch": 9 })).await.is(409, "already_logged_in");
    w.get("/api/me", &old).await.ok();
    // In a call the policy may say no.
    w.core.refuse.store(true, Ordering::SeqCst);
    let agent = w.store.logins().await.unwrap()[0].agent;
    w.core.activity.lock().unwrap().insert(agent, (Activity::InCall, WallTime(START)));
    w.post("/api/login/device", &new, json!({ "take_over_epoch": 1 })).await.is(409, "call_in_progress");
    w.core.refuse.store(false, Ordering::SeqCst);

    let seated = w.post("/api/login/device", &new, json!({ "take_over_epoch": 1 })).await.ok();
    assert_eq!(
        (&seated.body["state"], &seated.body["login"]["epoch"], &seated.body["login"]["place"]),
        (&json!("ready"), &json!(2), &json!("browser"))
    );
    assert_ne!(seated.body["login"]["id"], first["login"]["id"], "another login, another address of record");
    w.get("/api/me", &old).await.is(401, "login_ended");
    w.get("/api/sip", &old).await.is(401, "login_ended");
}

#[tokio::test]
async fn one_tab_speaks_and_another_may_take_over() {
    let w = world().await;
    let (webby, _) = sits_in_browser(&w).await;
    let of = |tab: &str| format!("/api/sip?tab={tab}");
    assert_eq!(w.get(&of(TAB_1), &webby).await.ok().body["owner"], true);
    *w.core.seat.lock().unwrap() = Some(SeatNow { owner: Some(TAB_1.into()), live: true });
    assert_eq!(w.get(&of(TAB_1), &webby).await.ok().body["owner"], true, "a reload asks again");
    let second = w.get(&of(TAB_2), &webby).await.ok().body;
    assert_eq!(second, json!({ "owner": false }), "and no pass");

    let mut notices = w.core.notices.subscribe();
    w.post("/api/sip/take", &Browser { csrf: "wrong".into(), ..webby.clone() }, json!({ "tab": TAB_2 }))
        .await
        .is(403, "csrf_failed");
    let taken = w.post("/api/sip/take", &webby, json!({ "tab": TAB_2 })).await.ok().body;
    assert_eq!(taken["owner"], true);
    assert!(taken["ticket"].is_string());
    let (to, notice) = notices.recv().await.unwrap();
    let Notice::TabLost { login, tab } = notice else { panic!("{notice:?}") };
    assert_eq!((to, &*tab), (Audience::Login(login), TAB_1));

    // The tab that had it is closed: whoever comes next has it.
    *w.core.seat.lock().unwrap() = Some(SeatNow { owner: Some(TAB_1.into()), live: false });
    assert_eq!(w.get(&of(TAB_2), &webby).await.ok().body["owner"], true);
    for bad in ["a%20b", "%22", ""] {
        w.get(&of(bad), &webby).await.is(400, "bad_request");
    }
    w.post("/api/sip/take", &webby, json!({})).await.is(400, "bad_request");
    // A core that does not know the login yet is busy, and nothing worse.
    *w.core.seat.lock().unwrap() = None;
    w.get("/api/sip", &webby).await.is(503, "busy");
}

#[tokio::test]
async fn a_websocket_belongs_to_whoever_s_cookie_came_with_it_from_our_own_page() {
    let w = world().await;
    let (webby, _) = sits_in_browser(&w).await;
    let row = w.store.logins().await.unwrap().remove(0);
    let admit = async |origin: Option<&str>, browser: &Browser| w.auth.admit(&upgrade(origin, browser)).await;
    let BrowserAdmission::Browser(flow) = admit(Some(ORIGIN), &webby).await else { panic!("not admitted") };
    assert_eq!((flow.login, flow.agent, flow.epoch), (row.id, row.agent, row.epoch));
    // A softphone of somebody else's making has no cookie, wherever its page is from.
    assert_eq!(admit(None, &Browser::default()).await, BrowserAdmission::Anonymous);
    assert_eq!(admit(Some("https://other.example"), &Browser::default()).await, BrowserAdmission::Anonymous);
    assert_eq!(admit(Some("https://evil.example"), &webby).await, BrowserAdmission::Refused(403));
    assert_eq!(admit(None, &webby).await, BrowserAdmission::Refused(403));
    // Somebody at a phone, somebody who only showed a password, and somebody whose login is over.
    let ann = w.sits("ann", "desk-17").await;
    assert_eq!(admit(Some(ORIGIN), &ann).await, BrowserAdmission::Refused(409));
    let (bob, _) = w.shows_password("bob").await;
    assert_eq!(admit(Some(ORIGIN), &bob).await, BrowserAdmission::Refused(401));
    w.send(w.request("DELETE", "/api/login", &webby).body(Body::empty()).unwrap()).await;
    assert_eq!(admit(Some(ORIGIN), &webby).await, BrowserAdmission::Refused(401));
}
