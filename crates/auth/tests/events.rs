//! The event stream over a real socket: the list first, then every change, and the end of one's own login.

mod world;

use futures_util::StreamExt;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;
use store::Store;
use terms::{Activity, Audience, CallId, LoginId, Notice, PhoneState, Quality, WallTime};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use world::{Browser, World, world, world_under};

struct Page(WebSocketStream<MaybeTlsStream<TcpStream>>);

async fn serve(w: &World) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = w.app.clone().into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

async fn dial(at: SocketAddr, browser: &Browser, origin: Option<&str>, query: &str) -> Result<Page, u16> {
    let mut request = format!("ws://{at}/api/events{query}").into_client_request().unwrap();
    if let Some(origin) = origin {
        request.headers_mut().insert("origin", origin.parse().unwrap());
    }
    if !browser.cookie.is_empty() {
        request.headers_mut().insert("cookie", browser.cookie.parse().unwrap());
    }
    match connect_async(request).await {
        Ok((socket, _)) => Ok(Page(socket)),
        Err(Error::Http(response)) => Err(response.status().as_u16()),
        Err(other) => panic!("{other}"),
    }
}

async fn open(at: SocketAddr, browser: &Browser) -> Page {
    dial(at, browser, Some(&format!("https://{at}")), "").await.unwrap()
}

impl Page {
    async fn next(&mut self) -> Option<Message> {
        tokio::time::timeout(Duration::from_secs(5), self.0.next()).await.expect("a frame in time")?.ok()
    }
    async fn frame(&mut self) -> Value {
        match self.next().await {
            Some(Message::Text(text)) => serde_json::from_str(&text).unwrap(),
            other => panic!("{other:?}"),
        }
    }
    async fn frame_of(&mut self, kind: &str) -> Value {
        loop {
            let frame = self.frame().await;
            if frame["type"] == kind {
                return frame;
            }
        }
    }
    /// Nothing but the close remains.
    async fn closed_with(&mut self) -> Option<u16> {
        match self.next().await {
            Some(Message::Close(Some(close))) => Some(close.code.into()),
            None => None,
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn strangers_and_foreign_pages_hear_nothing() {
    let w = world().await;
    let at = serve(&w).await;
    let ann = w.sits("ann", "desk-17").await;
    let own = format!("https://{at}");
    assert_eq!(dial(at, &Browser::default(), Some(&own), "").await.err(), Some(401));
    assert_eq!(dial(at, &ann, None, "").await.err(), Some(403));
    assert_eq!(dial(at, &ann, Some("https://evil.example"), "").await.err(), Some(403));
    assert_eq!(dial(at, &ann, Some(&own), "?after=soon").await.err(), Some(400));
    w.get("/api/events", &ann).await.is(400, "bad_request");
    assert!(dial(at, &ann, Some(&own), "").await.is_ok());
}

#[tokio::test]
async fn every_change_of_the_list_is_seen_at_once_and_nothing_twice() {
    let w = world().await;
    let at = serve(&w).await;
    let (pending, _) = w.shows_password("ann").await;
    let mut page = open(at, &pending).await;
    let first = page.frame().await;
    assert_eq!((&first["type"], first["phones"].as_array().unwrap().len()), (&json!("snapshot"), 5));
    assert_eq!(first["phones"][0]["name"], "desk-9");

    let since = WallTime(world::START + 7);
    let back = Notice::Phone { device: w.desks[3], state: PhoneState::Registered, since };
    w.core.notices.send((Audience::Everyone, back.clone())).unwrap();
    let frame = page.frame().await;
    assert_eq!(
        frame,
        json!({ "seq": first["seq"].as_u64().unwrap() + 1, "type": "phone", "name": "desk-18", "label": "Label desk-18",
                "site": "Main", "floor": "2", "state": "free", "by": null, "since": since })
    );
    w.core.notices.send((Audience::Everyone, back)).unwrap();

    w.sits("bob", "desk-10").await;
    let taken = page.frame().await;
    assert_eq!(
        (&taken["name"], &taken["state"], &taken["by"]),
        (&json!("desk-10"), &json!("in_use"), &json!("BOB Example"))
    );

    // Somebody at the command line, that is in another process, adds a phone: everyone gets the new list.
    let ha1 = terms::Ha1 { md5: [0; 16], sha256: [0; 32] };
    let new = store::NewDevice {
        name: "desk-1".into(),
        label: String::new(),
        site: String::new(),
        floor: String::new(),
        ha1,
    };
    w.store.add_devices(vec![new]).await.unwrap();
    let again = page.frame().await;
    assert_eq!((&again["type"], again["phones"].as_array().unwrap().len()), (&json!("snapshot"), 6));
}

#[tokio::test]
async fn the_old_page_is_told_and_its_door_closes() {
    let w = world().await;
    let at = serve(&w).await;
    let old = w.sits("ann", "desk-17").await;
    let bob = w.sits("bob", "desk-10").await;
    let (mut olds, mut bobs) = (open(at, &old).await, open(at, &bob).await);
    olds.frame_of("snapshot").await;
    bobs.frame_of("snapshot").await;
    let (new, _) = w.shows_password("ann").await;
    w.passes(1000);
    w.tries(&new, "desk-9", Some(1)).await.ok();
    let told = olds.frame_of("login_ended").await;
    assert_eq!(
        (&told["why"], &told["at"], &told["from"]),
        (&json!("taken_over"), &json!(world::START + 1000), &json!("192.0.2.7"))
    );
    assert_eq!(
        told["sentence"],
        "Another user has logged with your credentials. Multiple logins not allowed."
    );
    assert_eq!(olds.closed_with().await, Some(4001));
    // Bob sees phones change hands and nothing about ann's login.
    let (mut seen, mut kinds) = (Vec::new(), Vec::new());
    for _ in 0..2 {
        let frame = bobs.frame().await;
        kinds.push(frame["type"].clone());
        seen.push((
            frame["name"].as_str().unwrap_or("").to_owned(),
            frame["state"].as_str().unwrap_or("").to_owned(),
        ));
    }
    seen.sort();
    assert_eq!(kinds, ["phone", "phone"]);
    assert_eq!(seen, [("desk-17".into(), "free".into()), ("desk-9".into(), "in_use".into())]);
    // Too late is told as well.
    assert_eq!(dial(at, &old, Some(&format!("https://{at}")), "").await.err(), Some(401));
}

#[tokio::test]
async fn the_agent_hears_of_calls_and_of_the_own_phone() {
    let w = world().await;
    let at = serve(&w).await;
    let ann = w.sits("ann", "desk-17").await;
    let mut page = open(at, &ann).await;
    page.frame_of("snapshot").await;
    let login = w.store.logins().await.unwrap()[0].id;
    let notice = |login, peer: &str| {
        let since = WallTime(world::START + 9);
        let peer = Some(peer.to_owned());
        let call = Some(CallId(35));
        (Audience::Login(login), Notice::Activity { login, activity: Activity::Ringing, call, peer, since })
    };
    w.core.notices.send(notice(LoginId(999), "+49691")).unwrap();
    w.core.notices.send(notice(login, "+49692")).unwrap();
    let ringing = page.frame().await;
    assert_eq!(
        (&ringing["type"], &ringing["activity"], &ringing["peer"]),
        (&json!("activity"), &json!("ringing"), &json!("+49692"))
    );
    for to in [LoginId(999), login] {
        let quality = Quality { mos_x100: 310, loss_x100: 600, jitter_us: 9_000, round_trip_us: None };
        let told = Notice::Quality { login: to, call: CallId(35), quality, from_agent: to == login };
        w.core.notices.send((Audience::Login(to), told)).unwrap();
    }
    let sound = page.frame().await;
    assert_eq!(
        (&sound["type"], &sound["from_agent"], &sound["mos_x100"], &sound["loss_x100"], &sound["jitter_us"]),
        (&json!("quality"), &json!(true), &json!(310), &json!(600), &json!(9_000))
    );
    for (state, kind) in [
        (PhoneState::Suspect, ""),
        (PhoneState::Unreachable, "phone_unreachable"),
        (PhoneState::Registered, "phone_back"),
    ] {
        let since = WallTime(world::START + 20);
        w.core
            .notices
            .send((Audience::Everyone, Notice::Phone { device: w.desks[2], state, since }))
            .unwrap();
        if !kind.is_empty() {
            assert_eq!(page.frame_of(kind).await["phone"]["name"], "desk-17");
        }
    }
    let me = w.get("/api/me", &ann).await.ok();
    assert_eq!(me.body["phone"]["state"], "in_use");
}

#[tokio::test]
async fn a_page_that_comes_back_gets_what_it_missed() {
    let w = world().await;
    let at = serve(&w).await;
    let ann = w.sits("ann", "desk-17").await;
    let mut page = open(at, &ann).await;
    let seq = page.frame_of("snapshot").await["seq"].as_u64().unwrap();
    drop(page);
    w.sits("bob", "desk-10").await;
    let own = format!("https://{at}");
    let mut back = dial(at, &ann, Some(&own), &format!("?after={seq}")).await.unwrap();
    let missed = back.frame().await;
    assert_eq!(
        (&missed["type"], &missed["name"], &missed["seq"]),
        (&json!("phone"), &json!("desk-10"), &json!(seq + 1))
    );
    let mut lost = dial(at, &ann, Some(&own), "?after=12").await.unwrap();
    assert_eq!(lost.frame().await["type"], "snapshot");
}

#[tokio::test]
async fn a_session_has_a_handful_of_streams_and_gives_them_back() {
    let w = world().await;
    let at = serve(&w).await;
    let ann = w.sits("ann", "desk-17").await;
    let own = format!("https://{at}");
    let mut pages = Vec::new();
    for _ in 0..8 {
        pages.push(open(at, &ann).await);
    }
    assert_eq!(dial(at, &ann, Some(&own), "").await.err(), Some(503));
    drop(pages.pop());
    for _ in 0..50 {
        if dial(at, &ann, Some(&own), "").await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the place was never given back");
}

#[tokio::test]
async fn an_agent_whose_phone_dies_is_told_that_they_are_not_ready_and_when_they_are_again() {
    let w = world().await;
    let at = serve(&w).await;
    let (ann, bob) = (w.sits("ann", "desk-17").await, w.sits("bob", "desk-10").await);
    let ready = w.get("/api/me", &ann).await.ok().body["presence"].clone();
    assert_eq!((&ready["state"], &ready["reason"]), (&json!("ready"), &json!(null)));
    let (mut anns, mut bobs) = (open(at, &ann).await, open(at, &bob).await);
    anns.frame_of("snapshot").await;
    bobs.frame_of("snapshot").await;
    for (state, expected) in [
        (PhoneState::Unreachable, json!({ "state": "not_ready", "reason": "phone_unreachable" })),
        (PhoneState::Registered, json!({ "state": "ready", "reason": null })),
    ] {
        w.passes(1000);
        let since = WallTime(w.clock.load(std::sync::atomic::Ordering::SeqCst));
        w.core.phones.lock().unwrap().insert(w.desks[2], (state, since));
        let notice = Notice::Phone { device: w.desks[2], state, since };
        w.core.notices.send((Audience::Everyone, notice)).unwrap();
        let told = anns.frame_of("presence").await;
        let me = w.get("/api/me", &ann).await.ok().body["presence"].clone();
        for word in ["state", "reason"] {
            assert_eq!((&told[word], &me[word]), (&expected[word], &expected[word]));
        }
        assert_eq!((&told["since"], &me["since"]), (&json!(since), &json!(since)));
    }
    w.core
        .notices
        .send((Audience::Login(LoginId(2)), Notice::TabLost { login: LoginId(2), tab: "t".into() }))
        .unwrap();
    loop {
        let frame = bobs.frame().await;
        assert_ne!(frame["type"], "presence", "of somebody else");
        if frame["type"] == "tab_lost" {
            break;
        }
    }
}

#[tokio::test]
async fn whoever_does_nothing_is_warned_and_stays_by_a_word() {
    let minutes = |n: u64| Duration::from_secs(60 * n);
    let w = world_under(|p| p.sessions.rules.idle = Some(minutes(30))).await;
    let at = serve(&w).await;
    let ann = w.sits("ann", "desk-17").await;
    let mut page = open(at, &ann).await;
    page.frame_of("snapshot").await;
    w.passes(25 * 60_000);
    w.auth.end_logins_that_ran_out().await.unwrap();
    let warned = page.frame_of("login_ends_soon").await;
    assert_eq!((&warned["why"], &warned["at"]), (&json!("idle"), &json!(world::START + 30 * 60_000)));
    assert_eq!(w.post("/api/me/active", &ann, json!({})).await.status, 204);
    page.frame_of("login_goes_on").await;
    w.passes(29 * 60_000);
    w.auth.end_logins_that_ran_out().await.unwrap();
    page.frame_of("login_ends_soon").await;
    w.passes(60_000);
    w.auth.end_logins_that_ran_out().await.unwrap();
    let told = page.frame_of("login_ended").await;
    assert_eq!(told["why"], "idle");
    assert_eq!(page.closed_with().await, Some(4001));
}
