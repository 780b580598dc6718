//! SIP over WebSocket on the web port (RFC 7118): who is let in, what a frame may be, and how it ends.

use crate::client::{Client, DOMAIN, Reply};
use crate::lab::web::Web;
use crate::lab::{Hotseat, eventually};
use crate::secure::{SECRET, register, state, tls};
use futures_util::{SinkExt, StreamExt};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

pub type Socket = WebSocketStream<TlsStream<TcpStream>>;

/// Opens `/sip` with these further headers; the HTTP status where it is refused.
async fn open(hotseat: &Hotseat, headers: &[(&'static str, &str)]) -> Result<Socket, u16> {
    open_at(hotseat, "/sip", headers).await
}

/// The same for another WebSocket of the web port.
pub async fn open_at(hotseat: &Hotseat, path: &str, headers: &[(&'static str, &str)]) -> Result<Socket, u16> {
    let web: SocketAddr = hotseat.https.trim_start_matches("https://").parse().expect("an address");
    let stream = tls(web, &["http/1.1"]).await;
    let mut request = format!("wss://{web}{path}").into_client_request().expect("a request");
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().expect("a header"));
    }
    match timeout(Duration::from_secs(10), client_async(request, stream)).await.expect("an answer") {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(response)) => Err(response.status().as_u16()),
        Err(other) => panic!("neither open nor refused: {other}"),
    }
}

pub const SIP: (&str, &str) = ("sec-websocket-protocol", "sip");

async fn says(socket: &mut Socket, text: String) -> Reply {
    socket.send(Message::text(text)).await.expect("an open socket");
    answer(socket).await
}

async fn answer(socket: &mut Socket) -> Reply {
    loop {
        let frame = timeout(Duration::from_secs(10), socket.next()).await.expect("an answer");
        match frame.expect("an open socket").expect("a frame") {
            Message::Text(text) => return Reply(text.to_string()),
            Message::Ping(_) | Message::Pong(_) => {}
            other => panic!("no text: {other:?}"),
        }
    }
}

/// The code of the close frame that ends it.
async fn closed_with(socket: &mut Socket) -> u16 {
    loop {
        match timeout(Duration::from_secs(10), socket.next()).await.expect("an end") {
            Some(Ok(Message::Close(Some(frame)))) => return frame.code.into(),
            Some(Ok(_)) => {}
            other => panic!("ended without a word: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_softphone_in_a_browser_registers_and_is_suspect_when_its_tab_closes() {
    let hotseat = Hotseat::start();
    hotseat.add_phone("soft-1", SECRET);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut socket =
        open(&hotseat, &[SIP, ("origin", "https://elsewhere.example")]).await.expect("open to anybody");
    let contact = "sip:k3v0@df7jal23ls0d.invalid;transport=ws";
    let challenge = says(&mut socket, register("WSS", "soft-1", contact, "w", 1, "")).await;
    assert_eq!(challenge.status(), 401);
    let order: Vec<bool> = challenge.headers("WWW-Authenticate").map(|c| c.contains("SHA-256")).collect();
    assert_eq!(order, [false], "MD5 alone: JsSIP and SIP.js keep one challenge, and know no other algorithm");
    let credentials =
        challenge.credentials("soft-1", SECRET, "REGISTER", &format!("sip:{DOMAIN}"), 1).unwrap();
    let granted = says(&mut socket, register("WSS", "soft-1", contact, "w", 2, &credentials)).await;
    assert_eq!(granted.status(), 200, "{granted:?}\n{}", hotseat.log());
    assert!(granted.header("Contact").is_some_and(|c| c.contains(contact)), "{granted:?}");
    assert_eq!(state(&hotseat, "soft-1"), "registered");
    assert_eq!(says(&mut socket, "\r\n\r\n".to_owned()).await.0, "\r\n", "RFC 5626's keep-alive");
    drop(socket);
    let suspect = || matches!(state(&hotseat, "soft-1").as_str(), "suspect" | "unreachable");
    assert!(eventually(Duration::from_secs(2), suspect), "{}", hotseat.log());
}

#[tokio::test]
async fn who_does_not_ask_for_sip_or_comes_from_a_foreign_page_with_our_cookie_stays_outside() {
    let hotseat = Hotseat::start();
    hotseat.add_phone("desk-1", SECRET);
    hotseat.add_agent("ann", "2001", "Correct-Horse-1");
    let phone = Client::new(hotseat.sip);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(phone.registers("desk-1", SECRET).map(|r| r.status()), Some(200));
    let mut ann = Web::new(&hotseat, "ann");
    ann.sits_at("ann", "Correct-Horse-1", "desk-1");
    assert_eq!(open(&hotseat, &[]).await.err(), Some(400), "no subprotocol");
    assert_eq!(open(&hotseat, &[("sec-websocket-protocol", "mqtt, xmpp")]).await.err(), Some(400));
    assert!(open(&hotseat, &[("sec-websocket-protocol", "xmpp, sip")]).await.is_ok());
    let cookie = ann.cookie();
    assert!(cookie.contains("__Host-hotseat="), "{cookie}");
    for origin in ["https://elsewhere.example", "http://127.0.0.1:1", "null"] {
        let refused = open(&hotseat, &[SIP, ("origin", origin), ("cookie", &cookie)]).await.err();
        assert_eq!(refused, Some(403), "{origin}");
    }
    let plain = ann.get("/sip");
    assert_eq!(plain.status, 426, "a browser that only looks is told what this is");
}

#[tokio::test]
async fn garbage_and_giants_end_their_own_connection_and_nobody_elses() {
    let hotseat = Hotseat::start();
    let mut bystander = open(&hotseat, &[SIP]).await.unwrap();
    let mut garbage = open(&hotseat, &[SIP]).await.unwrap();
    garbage.send(Message::text("{\"op\":\"subscribe\"}")).await.unwrap();
    assert_eq!(closed_with(&mut garbage).await, 1003);
    let mut giant = open(&hotseat, &[SIP]).await.unwrap();
    // The gateway may be gone before all of it is written.
    let _ = giant.send(Message::binary(vec![b'a'; 65 * 1024])).await;
    let end = timeout(Duration::from_secs(10), giant.next()).await.expect("an end");
    assert!(!matches!(end, Some(Ok(Message::Text(_) | Message::Binary(_)))), "{end:?}");
    // What is SIP but wrong is answered as SIP, and the connection stays.
    let broken = register("WSS", "a", "sip:a@x.invalid;transport=ws", "b", 1, "")
        .replace("CSeq: 1 REGISTER", "CSeq: x");
    assert_eq!(says(&mut bystander, broken).await.status(), 400);
    let fine = register("WSS", "a", "sip:a@x.invalid;transport=ws", "b", 1, "");
    assert_eq!(says(&mut bystander, fine).await.status(), 401);
}

#[tokio::test]
async fn websockets_are_counted_with_all_other_sip_connections_and_told_when_it_is_over() {
    let mut hotseat = Hotseat::start_with("[limits]\nconnections_per_source = 8\n");
    let mut sockets = Vec::new();
    for _ in 0..8 {
        sockets.push(open(&hotseat, &[SIP]).await.expect("room for eight"));
    }
    assert_eq!(open(&hotseat, &[SIP]).await.err(), Some(503));
    assert_eq!(Web::new(&hotseat, "page").get("/api/site").status, 200, "the pages are not concerned");
    drop(sockets.pop());
    let since = Instant::now();
    let mut last = loop {
        match open(&hotseat, &[SIP]).await {
            Ok(socket) => break socket,
            Err(_) => assert!(since.elapsed() < Duration::from_secs(3), "the place is not given back"),
        }
    };
    let stopping = tokio::task::spawn_blocking(move || hotseat.terminate());
    assert_eq!(closed_with(&mut last).await, 1001);
    assert_eq!(stopping.await.unwrap(), Some(0));
}
