//! SIP over TLS: a phone that registers, a certificate that is replaced, and four thousand who say nothing.

use crate::client::{Client, DOMAIN, Reply, unique};
use crate::lab::Hotseat;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub const SECRET: &str = "a-long-random-secret-0001";

/// Looks at any certificate and believes it: the development one is nobody's.
#[derive(Debug)]
struct Anyone;

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }
    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

/// A TLS connection that believes any certificate and names this protocol, where one is given.
pub async fn tls(to: SocketAddr, alpn: &[&str]) -> TlsStream<TcpStream> {
    tls_over(TcpStream::connect(to).await.expect("a listener"), to, alpn).await
}

/// The same over a connection that is there already.
pub async fn tls_over(stream: TcpStream, to: SocketAddr, alpn: &[&str]) -> TlsStream<TcpStream> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut config = ClientConfig::builder()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone))
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|p| p.as_bytes().to_vec()).collect();
    let name = ServerName::from(to.ip());
    let connecting = TlsConnector::from(Arc::new(config)).connect(name, stream);
    timeout(Duration::from_secs(10), connecting).await.expect("a handshake that ends").expect("a handshake")
}

/// The certificate that was shown.
fn shown(stream: &TlsStream<TcpStream>) -> Vec<u8> {
    let certificates = stream.get_ref().1.peer_certificates().expect("a certificate");
    certificates.first().expect("one at least").to_vec()
}

/// The next message without a body.
pub async fn message(stream: &mut (impl AsyncReadExt + Unpin)) -> String {
    let read = async {
        let mut text = Vec::new();
        while !text.ends_with(b"\r\n\r\n") {
            text.push(stream.read_u8().await.expect("an open connection"));
        }
        String::from_utf8_lossy(&text).into_owned()
    };
    timeout(Duration::from_secs(10), read).await.expect("a message within ten seconds")
}

/// A REGISTER over a stream.
pub fn register(transport: &str, user: &str, contact: &str, call_id: &str, cseq: u32, more: &str) -> String {
    format!(
        "REGISTER sip:{DOMAIN} SIP/2.0\r\nVia: SIP/2.0/{transport} df7jal23ls0d.invalid;branch=z9hG4bK{b}\r\nMax-Forwards: 70\r\n\
         From: <sip:{user}@{DOMAIN}>;tag=f{b}\r\nTo: <sip:{user}@{DOMAIN}>\r\nCall-ID: {call_id}\r\nCSeq: {cseq} REGISTER\r\n\
         Supported: path, outbound\r\n\
         Contact: <{contact}>;reg-id=1;+sip.instance=\"<urn:uuid:0000-{user}>\";expires=300\r\n{more}Content-Length: 0\r\n\r\n",
        b = unique()
    )
}

fn options(transport: &str) -> String {
    format!(
        "OPTIONS sip:{DOMAIN} SIP/2.0\r\nVia: SIP/2.0/{transport} x.invalid;branch=z9hG4bK{b}\r\nMax-Forwards: 70\r\n\
         From: <sip:a@{DOMAIN}>;tag=f{b}\r\nTo: <sip:{DOMAIN}>\r\nCall-ID: c{b}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
        b = unique()
    )
}

/// The state of a phone as the program tells it.
pub fn state(hotseat: &Hotseat, name: &str) -> String {
    let list = hotseat.cli(&["phones", "list"], "");
    let rows = list.as_array().or_else(|| list["phones"].as_array()).cloned().unwrap_or_default();
    let row = rows.into_iter().find(|p| p["name"] == name).unwrap_or_default();
    row["state"].as_str().unwrap_or("unknown").to_owned()
}

#[tokio::test]
async fn a_phone_registers_over_tls_and_is_suspect_when_its_connection_closes() {
    let hotseat = Hotseat::start();
    hotseat.add_phone("desk-1", SECRET);
    tokio::time::sleep(Duration::from_millis(300)).await;
    // A phone that names its protocol is served like one that does not.
    let mut phone = tls(hotseat.sip_tls, &["sip/2"]).await;
    let contact = "sip:desk-1@127.0.0.1:9;transport=tls";
    phone.write_all(register("TLS", "desk-1", contact, "t", 1, "").as_bytes()).await.unwrap();
    let challenge = Reply(message(&mut phone).await);
    assert_eq!(challenge.status(), 401);
    let order: Vec<bool> = challenge.headers("WWW-Authenticate").map(|c| c.contains("SHA-256")).collect();
    assert_eq!(order, [true, false], "SHA-256 first where the peer is no browser");
    let credentials =
        challenge.credentials("desk-1", SECRET, "REGISTER", &format!("sip:{DOMAIN}"), 1).unwrap();
    phone.write_all(register("TLS", "desk-1", contact, "t", 2, &credentials).as_bytes()).await.unwrap();
    let granted = Reply(message(&mut phone).await);
    assert_eq!(granted.status(), 200, "{granted:?}\n{}", hotseat.log());
    assert_eq!(granted.header("Require"), Some("outbound"), "{granted:?}");
    phone.write_all(b"\r\n\r\n").await.unwrap();
    let mut pong = [0u8; 2];
    timeout(Duration::from_secs(5), phone.read_exact(&mut pong)).await.unwrap().unwrap();
    assert_eq!(&pong, b"\r\n");
    assert_eq!(state(&hotseat, "desk-1"), "registered");
    drop(phone);
    let since = Instant::now();
    while state(&hotseat, "desk-1") == "registered" {
        assert!(since.elapsed() < Duration::from_secs(2), "{}", hotseat.log());
    }
    assert_ne!(state(&hotseat, "desk-1"), "expired", "suspect, not gone");
}

#[tokio::test]
async fn a_new_certificate_is_shown_and_old_connections_stay() {
    let hotseat = Hotseat::start();
    let mut old = tls(hotseat.sip_tls, &[]).await;
    let first = shown(&old);
    let web: SocketAddr = hotseat.https.trim_start_matches("https://").parse().unwrap();
    assert_eq!(shown(&tls(web, &["http/1.1"]).await), first, "one certificate for all");
    let fresh = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let data = hotseat.folder.join("data");
    // One file at a time, as in life: in between certificate and key do not fit, and the old ones stay.
    std::fs::write(data.join("dev-cert.pem"), fresh.cert.pem()).unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(shown(&tls(hotseat.sip_tls, &[]).await), first);
    std::fs::write(data.join("dev-key.pem"), fresh.signing_key.serialize_pem()).unwrap();
    let since = Instant::now();
    while shown(&tls(hotseat.sip_tls, &[]).await) == first {
        assert!(since.elapsed() < Duration::from_secs(15), "{}", hotseat.log());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(shown(&tls(hotseat.sip_tls, &[]).await), fresh.cert.der().to_vec());
    assert_eq!(shown(&tls(web, &["http/1.1"]).await), fresh.cert.der().to_vec());
    old.write_all(options("TLS").as_bytes()).await.unwrap();
    assert!(message(&mut old).await.starts_with("SIP/2.0 200"));
}

#[tokio::test]
async fn four_thousand_who_say_nothing_cost_a_bounded_number_of_places() {
    let hotseat = Hotseat::start_with("[limits]\nconnections_per_source = 300\n");
    let mut served = tls(hotseat.sip_tls, &[]).await;
    let mut crowd = Vec::new();
    for _ in 0..4_000 {
        crowd.push(TcpStream::connect(hotseat.sip_tls).await.expect("the system takes them"));
    }
    // Those beyond the limit are closed at once; the others are in their handshake.
    let mut open = 0;
    for stream in &mut crowd {
        let mut byte = [0u8; 1];
        if timeout(Duration::from_millis(5), stream.read(&mut byte)).await.is_err() {
            open += 1;
        }
    }
    assert!(open <= 300, "{open} of 4,000 hold a place");
    served.write_all(options("TLS").as_bytes()).await.unwrap();
    assert!(message(&mut served).await.starts_with("SIP/2.0 200"), "who was there is served");
    let since = Instant::now();
    assert_eq!(Client::new(hotseat.sip).options().map(|r| r.status()), Some(200), "and so are others");
    assert!(since.elapsed() < Duration::from_secs(1), "{:?}", since.elapsed());
    // A handshake that does not end is ended, and the place is free again while the crowd still stands there.
    let since = Instant::now();
    loop {
        let mut late = TcpStream::connect(hotseat.sip_tls).await.unwrap();
        let mut byte = [0u8; 1];
        if timeout(Duration::from_millis(300), late.read(&mut byte)).await.is_err() {
            break;
        }
        assert!(since.elapsed() < Duration::from_secs(20), "places are not given back");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
