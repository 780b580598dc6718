//! A trunk called over TLS: its certificate is verified, and a wrong one gets no call.

use crate::client::{Client, DOMAIN, unique};
use crate::lab::Hotseat;
use crate::secure::SECRET;
use rustls::ServerConfig;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

/// A certificate for this name that is its own root, and a server that shows it.
fn trunk(name: &str) -> (String, TlsAcceptor) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
    let key = rustls_pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    (made.cert.pem(), TlsAcceptor::from(Arc::new(config)))
}

/// A world whose trunk is called over TLS at this port under this domain, trusting these roots.
fn world(port: u16, domain: &str, roots: &str) -> Hotseat {
    let mut hotseat = Hotseat::start();
    hotseat.add_phone("desk-1", SECRET);
    hotseat.kill();
    let file = |name: &str| hotseat.config.join(name);
    std::fs::write(hotseat.folder.join("roots.pem"), roots).unwrap();
    let gateway = std::fs::read_to_string(file("gateway.toml")).unwrap();
    std::fs::write(file("gateway.toml"), gateway + "[tls]\ntrust = \"../roots.pem\"\n").unwrap();
    std::fs::write(
        file("trunks.toml"),
        format!(
            "[[trunk]]\nname = \"main\"\naddresses = [\"tls:127.0.0.1:{port}\"]\ndomain = \"{domain}\"\naccept_from = [\"127.0.0.1:{port}\"]\n"
        ),
    )
    .unwrap();
    hotseat.run();
    hotseat
}

/// desk-1, where nobody sits, calls for help, which it always may. The final response where one came soon.
fn calls_for_help(hotseat: &Hotseat) -> Option<u16> {
    let phone = Client::new(hotseat.sip);
    assert_eq!(phone.registers("desk-1", SECRET).map(|r| r.status()), Some(200), "{}", hotseat.log());
    let me = phone.address();
    let sdp = format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {} RTP/AVP 0 8\r\n",
        me.port()
    );
    let invite = |cseq: u32, more: &str| {
        format!(
            "INVITE sip:112@{DOMAIN} SIP/2.0\r\nVia: SIP/2.0/UDP {me};branch=z9hG4bK{b};rport\r\nMax-Forwards: 70\r\n\
             From: <sip:desk-1@{DOMAIN}>;tag=help\r\nTo: <sip:112@{DOMAIN}>\r\nCall-ID: help-{p}\r\nCSeq: {cseq} INVITE\r\n\
             Contact: <sip:desk-1@{me}>\r\n{more}Content-Type: application/sdp\r\nContent-Length: {l}\r\n\r\n{sdp}",
            b = unique(),
            p = me.port(),
            l = sdp.len()
        )
    };
    let challenge = phone.ask(&invite(1, "")).expect("a challenge");
    assert_eq!(challenge.status(), 401, "{challenge:?}\n{}", hotseat.log());
    let uri = format!("sip:112@{DOMAIN}");
    let credentials = challenge.credentials("desk-1", SECRET, "INVITE", &uri, 1).expect("an MD5 challenge");
    phone.ask(&invite(2, &credentials)).map(|reply| reply.status())
}

#[tokio::test]
async fn a_trunk_with_the_right_certificate_is_called_over_tls() {
    let (roots, acceptor) = trunk("sip.carrier.example");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let hotseat = world(port, "sip.carrier.example", &roots);
    let sip_tls = hotseat.sip_tls;
    let carrier = tokio::spawn(async move {
        let (stream, _) = timeout(Duration::from_secs(20), listener.accept()).await.unwrap().unwrap();
        let mut stream = acceptor.accept(stream).await.unwrap();
        crate::secure::message(&mut stream).await
    });
    let calling = tokio::task::spawn_blocking(move || {
        calls_for_help(&hotseat);
        hotseat
    });
    let invite = carrier.await.unwrap();
    let hotseat = calling.await.unwrap();
    assert!(
        invite.starts_with("INVITE sip:112@sip.carrier.example;transport=tls SIP/2.0"),
        "{invite}\n{}",
        hotseat.log()
    );
    assert!(invite.contains(&format!("Via: SIP/2.0/TLS {sip_tls}")), "{invite}");
}

#[tokio::test]
async fn a_trunk_with_another_names_certificate_gets_no_call_and_the_log_says_why() {
    let (roots, acceptor) = trunk("sip.somebody-else.example");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let hotseat = world(port, "sip.carrier.example", &roots);
    let carrier = tokio::spawn(async move {
        let mut heard = Vec::new();
        while let Ok(Ok((stream, _))) = timeout(Duration::from_secs(8), listener.accept()).await {
            if let Ok(mut stream) = acceptor.accept(stream).await {
                let _ = stream.read_to_end(&mut heard).await;
            }
        }
        heard
    });
    let (status, log) =
        tokio::task::spawn_blocking(move || (calls_for_help(&hotseat), hotseat.log())).await.unwrap();
    assert!(status.is_some_and(|s| s >= 480), "the caller is told: {status:?}");
    assert!(log.contains("TLS to the trunk failed") && log.contains("sip.carrier.example"), "{log}");
    assert!(carrier.await.unwrap().is_empty(), "not a byte of SIP went to the wrong one");
}
