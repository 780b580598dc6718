//! A phone dies under the agent who sits there: her page says so within seconds, calls are answered at once instead of ringing
//! nowhere, her login stays, and with the phone she is back.

use crate::audio::melody;
use crate::baresip::{Account, Baresip};
use crate::desk::{SECRET, agent_at, phone};
use crate::lab::web::Web;
use crate::lab::{DOMAIN, Hotseat, eventually};
use crate::sip_client::{Client, Reply, unique};
use std::net::UdpSocket;
use std::time::Duration;

/// Silence is asked about every five seconds and believed after five more; the rest is for a busy machine.
const NOTICED: Duration = Duration::from_secs(20);

/// The trunk calls the agent and gives up when it rings: the first word that says something.
fn calls(hotseat: &Hotseat, trunk: &Client) -> u16 {
    let (us, n, gw) = (trunk.address(), unique(), hotseat.sip);
    let sdp = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 39998 RTP/AVP 0\r\n";
    let request = |method: &str, body: &str| {
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        format!(
            "{method} sip:2001@{gw} SIP/2.0\r\nVia: SIP/2.0/UDP {us};branch=z9hG4bKi{n}\r\nMax-Forwards: 70\r\n\
             From: <sip:+4930777@{us}>;tag=f{n}\r\nTo: <sip:2001@{gw}>\r\nCall-ID: dead-{n}\r\nCSeq: 1 {method}\r\n\
             Contact: <sip:trunk@{us}>\r\n{kind}Content-Length: {}\r\n\r\n{body}",
            body.len(),
        )
    };
    trunk.send(&request("INVITE", sdp));
    let mut status = 0;
    eventually(Duration::from_secs(5), || {
        // What an earlier call still hears is not this one's.
        let reply =
            trunk.receive(Duration::from_millis(200)).filter(|text| text.contains(&format!("dead-{n}")));
        status = reply.map_or(0, |text| Reply(text).status());
        status > 100
    });
    if status < 200 {
        trunk.send(&request("CANCEL", ""));
        while trunk.receive(Duration::from_millis(300)).is_some() {}
    }
    status
}

fn presence(web: &mut Web) -> String {
    let me = web.get("/api/me");
    assert_eq!(me.status, 200, "the login stays: {me:?}");
    me.json["presence"]["state"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_phone_that_is_killed_makes_its_agent_not_ready_until_it_is_back() {
    let hotseat = Hotseat::start();
    let mut desk = phone(&hotseat, "desk-17", "manual", &melody(1, 10));
    let mut ann = agent_at(&hotseat, "ann", "2001", "desk-17");
    let socket = UdpSocket::bind(hotseat.trunk).expect("the trunk's port");
    socket.set_read_timeout(Some(Duration::from_millis(50))).expect("a read timeout");
    let trunk = Client { socket, gateway: hotseat.sip };
    assert_eq!(presence(&mut ann), "ready");
    assert_eq!(calls(&hotseat, &trunk), 180, "it rings\n{}", hotseat.log());
    // It has been asked once at least, and answered.
    std::thread::sleep(Duration::from_secs(6));
    assert_eq!(presence(&mut ann), "ready");

    desk.kill();
    let began = std::time::Instant::now();
    assert!(eventually(NOTICED, || presence(&mut ann) == "not_ready"), "{}", hotseat.log());
    println!("not ready {:?} after the phone was killed", began.elapsed());
    assert_eq!(calls(&hotseat, &trunk), 480, "{}", hotseat.log());

    let server = hotseat.sip.to_string();
    let account = Account {
        name: "desk-17",
        secret: SECRET,
        domain: DOMAIN,
        server: &server,
        transport: "udp",
        mediaenc: "",
        answer: "manual",
    };
    let _back = Baresip::start(&hotseat.folder, &account, &melody(1, 10));
    assert!(eventually(NOTICED, || presence(&mut ann) == "ready"), "{}", hotseat.log());
    assert_eq!(calls(&hotseat, &trunk), 180, "it rings where it rang before\n{}", hotseat.log());
}
