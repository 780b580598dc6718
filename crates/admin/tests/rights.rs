//! Every door of the administrators, tried by everybody who must not come in, and by everything that is no request.

mod house;

use axum::body::Body;
use house::world::Browser;
use house::{House, house};
use serde_json::{Value, json};
use store::{Accounts, Store};
use terms::{Right, Role};

/// Method, path with something that exists in it, a body that is right, and the rights of which one is needed.
type Door = (&'static str, &'static str, &'static str, &'static [Right]);

use Right::*;
const DOORS: &[Door] = &[
    ("GET", "/api/admin/me", "", &[]),
    ("GET", "/api/admin/agents", "", &[ManageAgents, UnlockAgents]),
    ("POST", "/api/admin/agents/ann/unlock", "{}", &[UnlockAgents]),
    ("POST", "/api/admin/agents/ann/disable", "{}", &[ManageAgents]),
    ("POST", "/api/admin/agents/ann/enable", "{}", &[ManageAgents]),
    ("POST", "/api/admin/agents/ann/role", r#"{"role":"agent"}"#, &[ManageAgents]),
    ("POST", "/api/admin/agents/ann/email", r#"{"email":"ann@example.com"}"#, &[ManageAgents]),
    ("POST", "/api/admin/agents/ann/password", "{}", &[ManageAgents]),
    ("POST", "/api/admin/agents/ann/factors/reset", "{}", &[ManageAgents]),
    ("GET", "/api/admin/logins", "", &[SeeLogins]),
    ("POST", "/api/admin/logins/1/end", "{}", &[EndLogins]),
    ("GET", "/api/admin/phones", "", &[SeeLogins, FreePhones]),
    ("POST", "/api/admin/phones/desk-17/free", "{}", &[FreePhones]),
    ("GET", "/api/admin/sites", "", &[SeeLogins]),
    ("POST", "/api/admin/sites/Main/logout", r#"{"dry_run":true}"#, &[SiteLogout]),
    ("GET", "/api/admin/audit", "", &[SeeAudit]),
    ("GET", "/api/admin/audit.csv", "", &[SeeAudit]),
    ("GET", "/api/admin/security", "", &[SeeSecurity]),
    ("GET", "/api/admin/licence", "", &[SeeSecurity]),
    ("POST", "/api/admin/mail/test", r#"{"to":"ann@example.com"}"#, &[SendTestMail]),
];

async fn knocks(h: &House, door: &Door, browser: &Browser, body: &str) -> (u16, Value) {
    let (method, path, _, _) = *door;
    let mut request = h.request(method, path, browser);
    if method == "POST" {
        request = request.header("content-type", "application/json");
    }
    raw(h, request.body(Body::from(body.to_owned())).unwrap()).await
}

async fn raw(h: &House, request: house::Raw) -> (u16, Value) {
    use tower::ServiceExt;
    let answer = h.app.clone().oneshot(request).await.unwrap();
    let status = answer.status().as_u16();
    let bytes = axum::body::to_bytes(answer.into_body(), 16 << 20).await.unwrap();
    (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
}

fn is(answer: &(u16, Value), status: u16, reason: &str) -> bool {
    answer.0 == status && answer.1["reason"] == reason && answer.1["sentence"].is_string()
}

#[tokio::test]
async fn every_door_is_in_the_description_and_the_other_way_round() {
    let described: Value = serde_json::to_value(admin::openapi::document()).unwrap();
    let mut described: Vec<String> = described["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, item)| item.as_object().unwrap().keys().map(move |m| format!("{m} {path}")))
        .filter(|line| line.contains("/api/admin/"))
        .collect();
    let known = [("/ann/", "/{name}/"), ("/desk-17/", "/{name}/"), ("/1/", "/{id}/"), ("/Main/", "/{site}/")];
    let mut doors: Vec<String> = DOORS
        .iter()
        .map(|(method, path, ..)| {
            let path = known.iter().fold((*path).to_owned(), |path, (one, name)| path.replace(one, name));
            format!("{} {path}", method.to_lowercase())
        })
        .collect();
    described.sort();
    doors.sort();
    assert_eq!(doors, described);
}

#[tokio::test]
async fn without_a_session_nobody_comes_in() {
    let h = house().await;
    for door in DOORS {
        let nobody = knocks(&h, door, &Browser::default(), door.2).await;
        assert!(is(&nobody, 401, "no_session"), "{door:?}: {nobody:?}");
        let made_up = Browser { cookie: "__Host-hotseat=made-up".into(), csrf: "made-up".into() };
        let stranger = knocks(&h, door, &made_up, door.2).await;
        assert!(is(&stranger, 401, "no_session"), "{door:?}: {stranger:?}");
    }
}

#[tokio::test]
async fn an_agent_comes_in_nowhere_and_is_written_down() {
    let h = house().await;
    let ann = h.sits("ann", "desk-17").await;
    for door in DOORS.iter().filter(|door| !door.3.is_empty()) {
        let agent = knocks(&h, door, &ann, door.2).await;
        assert!(is(&agent, 403, "right_missing"), "{door:?}: {agent:?}");
    }
    let me = h.get("/api/admin/me", &ann).await.ok();
    assert_eq!((&me.body["rights"], &me.body["agent"]["name"]), (&json!([]), &json!("ann")));
    let lines = h.audit_lines("administration").await;
    assert!(lines.iter().all(|line| line.who.reveal() == "ann" && line.outcome == "right_missing"));
    // Once is enough for the log; a page that tries a thousand times does not fill it.
    assert!((1..DOORS.len()).contains(&lines.len()), "{}", lines.len());
    assert_eq!(h.store.logins().await.unwrap().len(), 1, "nothing happened");
}

#[tokio::test]
async fn each_right_opens_its_own_doors_and_no_other() {
    for right in Right::ALL {
        let h = house().await;
        h.sits("ann", "desk-17").await;
        let boss = h.boss().await;
        h.only(&[*right]);
        for door in DOORS.iter().filter(|door| !door.3.is_empty()) {
            let (status, body) = knocks(&h, door, &boss, door.2).await;
            let refused = status == 403 && body["reason"] == "right_missing";
            assert_eq!(refused, !door.3.contains(right), "{right:?} at {door:?}: {status} {body}");
        }
    }
}

#[tokio::test]
async fn a_right_taken_away_is_gone_with_the_next_request_and_so_is_a_role() {
    let h = house().await;
    let boss = h.boss().await;
    h.get("/api/admin/logins", &boss).await.ok();
    h.only(&[SeeAudit]);
    h.get("/api/admin/logins", &boss).await.is(403, "right_missing");
    h.only(Right::ALL);
    h.get("/api/admin/logins", &boss).await.ok();
    h.store.enable_agent(h.bob, false, terms::WallTime(1)).await.unwrap();
    let gone = h.get("/api/admin/logins", &boss).await;
    assert_eq!(gone.status, 401, "{gone:?}");
}

#[tokio::test]
async fn a_foreign_page_and_an_old_page_change_nothing() {
    let h = house().await;
    let ann = h.sits("ann", "desk-17").await;
    let boss = h.boss().await;
    for door in DOORS.iter().filter(|door| door.0 == "POST") {
        let (method, path, body, _) = *door;
        for (header, value) in [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")] {
            let request = http::Request::builder()
                .method(method)
                .uri(path)
                .header("host", "desk.example:8443")
                .header("content-type", "application/json")
                .header("cookie", &boss.cookie)
                .header("x-hotseat-csrf", &boss.csrf)
                .header(header, value);
            let foreign = raw(&h, request.body(Body::from(body)).unwrap()).await;
            assert!(is(&foreign, 403, "foreign_origin"), "{door:?}: {foreign:?}");
        }
        for csrf in ["", "wrong", ann.csrf.as_str()] {
            let old = Browser { cookie: boss.cookie.clone(), csrf: csrf.into() };
            let old = knocks(&h, door, &old, body).await;
            assert!(is(&old, 403, "csrf_failed"), "{door:?} with {csrf:?}: {old:?}");
        }
    }
    assert_eq!(h.store.logins().await.unwrap().len(), 1, "ann still sits");
}

#[tokio::test]
async fn what_is_no_request_is_told_so_and_nothing_breaks() {
    let h = house().await;
    let boss = h.boss().await;
    let bodies = [
        "",
        "null",
        "[]",
        "7",
        "\"x\"",
        "{\"role\":7}",
        "{\"role\":\"king\"}",
        "{\"role\":null}",
        "{\"email\":{}}",
        "{\"password\":[]}",
        "{\"dry_run\":\"yes\"}",
        "{\"dry_run\":true,\"confirm\":\"x\"}",
        "{\"confirm\":17}",
        "{not json",
        "{\"role\":\"\u{202e}\u{0}\"}",
        "\u{feff}{}",
    ];
    for door in DOORS
        .iter()
        .filter(|door| ["role", "email", "password", "logout"].iter().any(|w| door.1.ends_with(w)))
    {
        for body in bodies {
            let (status, answer) = knocks(&h, door, &boss, body).await;
            assert!(matches!(status, 200 | 400 | 403 | 410 | 422), "{door:?} {body:?}: {status} {answer}");
            assert!(status == 200 || answer["reason"].is_string(), "{door:?} {body:?}: {answer}");
        }
        let huge = format!("{{\"role\":\"{}\"}}", "x".repeat(20_000));
        let (status, answer) = knocks(&h, door, &boss, &huge).await;
        assert!(status == 413 && answer["reason"] == "too_large", "{door:?}: {status} {answer}");
    }
    let long = "x".repeat(5000);
    for name in
        ["nobody", "%20", "%00", "%ff", "%F0%9F%98%80", "..%2f..%2fetc", "'%20OR%201=1--", long.as_str()]
    {
        for path in [
            format!("/api/admin/agents/{name}/unlock"),
            format!("/api/admin/agents/{name}/disable"),
            format!("/api/admin/logins/{name}/end"),
            "/api/admin/logins/-1/end".to_owned(),
            "/api/admin/logins/99999999999999999999999/end".to_owned(),
            format!("/api/admin/phones/{name}/free"),
        ] {
            let answer = h.does(&boss, &path).await;
            assert!(matches!(answer.status.as_u16(), 400 | 404), "{path}: {answer:?}");
            assert!(answer.body["reason"].is_string(), "{path}: {answer:?}");
        }
    }
    for query in [
        "audit?before=x",
        "audit?limit=-1",
        "audit?from=yesterday",
        "audit?to=99999999999999999999999",
        "audit.csv?from=x",
        "agents?limit=x",
    ] {
        let answer = h.get(&format!("/api/admin/{query}"), &boss).await;
        answer.is(400, "bad_request");
    }
    h.get(&format!("/api/admin/agents?find={}", "x".repeat(300)), &boss).await.is(400, "bad_request");
    h.get("/api/admin/nothing", &boss).await.is(404, "not_found");
    h.does(&boss, "/api/admin/logins").await.is(405, "method_not_allowed");
    h.store.set_role(h.ann, Role::Agent).await.unwrap();
}
