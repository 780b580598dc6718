//! Who wants to hear or be heard in somebody else's call: sound from strangers before and during it, reports and rubbish that
//! should silence it, ports that should be gone or can be guessed, and handshakes nobody asked for.

use crate::lab::{Hotseat, eventually};
use crate::talk::{Ear, Talk, Up};
use crate::web_phone::{a_shift, echoing_trunk};
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// What a stranger says; nobody else uses this word.
const FOREIGN: u8 = 0xEE;
/// A host that neither SDP nor SIP names.
const ELSEWHERE: &str = "127.0.0.3";

/// Every port a call may have, RTP and RTCP.
fn all_ports(near: SocketAddr) -> impl Iterator<Item = SocketAddr> {
    let first = near.port() / 1000 * 1000;
    (first..first + 1000).map(move |port| SocketAddr::new(near.ip(), port))
}

#[test]
fn a_stranger_who_sprays_every_port_hears_nothing_and_is_not_heard() {
    let talk = Talk::start("");
    let mut stranger = Ear::new(ELSEWHERE);
    // Before the phone has answered, when nobody else has spoken yet.
    let mut up = talk.up(|at_desk| {
        for _ in 0..10 {
            all_ports(at_desk).for_each(|to| stranger.says(to, FOREIGN));
        }
    });
    // Before the phone has spoken: the caller's voice goes where the phone said it listens.
    for _ in 0..20 {
        stranger.says(up.at_desk, FOREIGN);
        stranger.says(up.at_trunk, FOREIGN);
    }
    talk.hear_each_other(&mut up, 0..40);
    // While they talk, with the stream's own name and the numbers that come next, and from another port of the phone's host.
    let mut neighbour = Ear::new("127.0.0.1");
    for thief in [&mut stranger, &mut neighbour] {
        (thief.ssrc, thief.sent) = (up.desk.ssrc, up.desk.sent);
        for _ in 0..50 {
            thief.says(up.at_desk, FOREIGN);
        }
        (thief.ssrc, thief.sent) = (up.outside.ssrc, up.outside.sent);
        for _ in 0..50 {
            thief.says(up.at_trunk, FOREIGN);
        }
    }
    talk.hear_each_other(&mut up, 40..80);
    for thief in [&stranger, &neighbour] {
        assert_eq!(thief.hears(Duration::from_millis(100)), [0u16; 0], "a voice went to a stranger");
    }
    talk.hangs_up(&up);
}

/// What is no voice, among it what would end a stream if it were believed.
fn rubbish(ssrc: u32) -> Vec<Vec<u8>> {
    let report = |kind: u8, words: &[u32]| {
        let mut p = vec![0x81, kind];
        p.extend_from_slice(&(words.len() as u16).to_be_bytes());
        words.iter().for_each(|w| p.extend_from_slice(&w.to_be_bytes()));
        p
    };
    let goodbye = report(203, &[ssrc]);
    vec![
        vec![],
        vec![0x80],
        vec![0xff; 12],
        vec![0x00; 1400],
        b"OPTIONS sip:x SIP/2.0\r\n\r\n".to_vec(),
        // A goodbye in the name of the phone, alone and behind an empty report, and one that says it is longer than it is.
        goodbye.clone(),
        [report(201, &[ssrc, 0, 0, 0, 0, 0, 0]), goodbye].concat(),
        vec![0x81, 203, 0xff, 0xff],
        // A sender report of another time.
        report(200, &[ssrc, u32::MAX, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        // RTP: a kind of payload nobody agreed to, too many sources, an extension that is longer than the packet.
        [&[0x80, 0x7f, 0, 1, 0, 0, 0, 1][..], &ssrc.to_be_bytes(), &[1; 20]].concat(),
        [&[0x8f, 0, 0, 1, 0, 0, 0, 1][..], &ssrc.to_be_bytes()].concat(),
        [&[0x90, 0, 0, 1, 0, 0, 0, 1][..], &ssrc.to_be_bytes(), &[0xbe, 0xde, 0xff, 0xff]].concat(),
        client_hello(1),
    ]
}

#[test]
fn rubbish_and_foreign_reports_do_not_silence_the_call() {
    let talk = Talk::start("");
    let mut up = talk.up(|_| {});
    talk.hear_each_other(&mut up, 0..20);
    let (stranger, neighbour) = (Ear::new(ELSEWHERE), Ear::new("127.0.0.1"));
    // The worst source is the phone's own address, forged.
    let sources = [&stranger.socket, &neighbour.socket, &up.desk.socket];
    for piece in rubbish(up.desk.ssrc) {
        for source in sources {
            for at in [up.at_desk, up.at_trunk] {
                let rtcp = SocketAddr::new(at.ip(), at.port() + 1);
                for _ in 0..5 {
                    let _ = source.send_to(&piece, at);
                    let _ = source.send_to(&piece, rtcp);
                }
            }
        }
    }
    // Some of it may have been for the ears that follow: they begin with what is said from now on.
    for ear in [&up.desk, &up.outside] {
        ear.hears(Duration::from_millis(100));
    }
    talk.hear_each_other(&mut up, 20..60);
    for thief in [&stranger, &neighbour] {
        assert_eq!(thief.hears(Duration::from_millis(100)), [0u16; 0], "somebody answered a stranger");
    }
    assert!(!talk.hotseat.log().contains("panicked"), "{}", talk.hotseat.log());
    talk.hangs_up(&up);
}

#[test]
fn after_the_bye_the_ports_are_closed_and_nothing_is_relayed() {
    let talk = Talk::start("");
    let mut up = talk.up(|_| {});
    talk.hear_each_other(&mut up, 0..20);
    talk.hangs_up(&up);
    // Nobody is there any more: the kernel says so to who speaks.
    let began = std::time::Instant::now();
    for at in [up.at_desk, up.at_trunk] {
        let knocks = UdpSocket::bind("127.0.0.1:0").expect("a UDP port");
        knocks.connect(at).expect("loopback");
        let closed = eventually(Duration::from_secs(2), || {
            let _ = knocks.send(&[0x80; 12]);
            knocks.take_error().expect("a socket").is_some_and(refused)
                || knocks.send(&[0x80; 12]).is_err_and(refused)
        });
        assert!(closed, "{at} is still open");
    }
    println!("closed within {:?} of the answer to BYE", began.elapsed());
    for word in 20..40 {
        up.desk.says(up.at_desk, word);
        up.outside.says(up.at_trunk, word);
    }
    assert_eq!(up.outside.hears(Duration::from_millis(200)), [0u16; 0], "a call that is over is relayed");
    assert_eq!(up.desk.hears(Duration::from_millis(50)), [0u16; 0], "a call that is over is relayed");
}

fn refused(error: std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::ConnectionRefused
}

#[test]
fn the_next_port_cannot_be_guessed_from_the_last() {
    let talk = Talk::start("");
    let ports: Vec<u16> = (0..10)
        .flat_map(|_| {
            let up: Up = talk.up(|_| {});
            talk.hangs_up(&up);
            [up.at_desk.port(), up.at_trunk.port()]
        })
        .collect();
    // Counting up or down, or the same again and again. Chance does not do that twenty times in a row.
    let rising = ports.windows(2).filter(|two| two[0] < two[1]).count();
    assert!((2..=17).contains(&rising), "{ports:?}");
    let mut steps: Vec<i32> = ports.windows(2).map(|two| i32::from(two[1]) - i32::from(two[0])).collect();
    steps.sort_unstable();
    steps.dedup();
    assert!(steps.len() > 9, "{ports:?}");
}

/// What begins a DTLS 1.2 handshake (RFC 6347 §4.2, RFC 5764 §4.1), with suites and curves that everybody has.
fn client_hello(n: u32) -> Vec<u8> {
    let extension =
        |kind: u16, body: &[u8]| [&kind.to_be_bytes()[..], &(body.len() as u16).to_be_bytes(), body].concat();
    let extensions = [
        extension(10, &[0, 4, 0, 0x1d, 0, 0x17]),
        extension(11, &[1, 0]),
        extension(13, &[0, 6, 4, 3, 4, 1, 8, 4]),
        extension(14, &[0, 2, 0, 1, 0]),
        extension(23, &[]),
    ]
    .concat();
    let mut hello = vec![0xfe, 0xfd];
    hello.extend((0..32u32).map(|i| (n.wrapping_mul(2_654_435_761) >> (i % 24)) as u8));
    // No session, no cookie, two suites, no compression.
    hello.extend_from_slice(&[0, 0, 0, 4, 0xc0, 0x2b, 0xc0, 0x2f, 1, 0]);
    hello.extend_from_slice(&(extensions.len() as u16).to_be_bytes());
    hello.extend_from_slice(&extensions);
    let length = (hello.len() as u32).to_be_bytes();
    let handshake = [&[1][..], &length[1..], &[0, 0, 0, 0, 0], &length[1..], &hello].concat();
    let size = (handshake.len() as u16).to_be_bytes();
    [&[22, 0xfe, 0xff, 0, 0][..], &[0, 0, 0, 0, 0, 0], &size, &handshake].concat()
}

/// `HOTSEAT_CALLS=100` makes as many as the issue asks for.
#[tokio::test(flavor = "multi_thread")]
async fn a_spray_of_handshakes_from_unchecked_addresses_loses_no_call() {
    let calls = std::env::var("HOTSEAT_CALLS").ok().and_then(|n| n.parse().ok()).unwrap_or(8usize);
    let hotseat =
        Hotseat::start_with("[limits]\nlogins_per_minute = 100000\nconnections_per_source = 1000\n");
    let mut csv = String::from("login_name,extension,typology,password\n");
    (0..4).for_each(|n| csv.push_str(&format!("agent-{n},{},webrtc,handed-out-0001\n", 3000 + n)));
    hotseat.cli(&["agents", "import", "-"], &csv);
    echoing_trunk(hotseat.trunk).await;
    let hotseat = Arc::new(hotseat);
    // All browsers share the first port of the range.
    let text = std::fs::read_to_string(hotseat.config.join("gateway.toml")).expect("a configuration");
    let port = text.lines().find_map(|l| l.strip_prefix("port_first = ")?.trim().parse().ok());
    let shared = SocketAddr::from(([127, 0, 0, 1], port.expect("a range")));
    let stop = Arc::new(AtomicBool::new(false));
    // From other hosts, and from other ports of the browsers' own.
    let sprayers = ["127.0.0.3", "127.0.0.4", "127.0.0.1"].map(|ip| {
        let stop = stop.clone();
        std::thread::spawn(move || {
            let socket = UdpSocket::bind((ip, 0)).expect("a UDP port");
            socket.set_read_timeout(Some(Duration::from_millis(1))).expect("a read timeout");
            let (mut sent, mut answers, mut buffer) = (0u32, 0u32, [0u8; 2048]);
            while !stop.load(Ordering::Relaxed) {
                for _ in 0..10 {
                    sent += 1;
                    let _ = socket.send_to(&client_hello(sent), shared);
                }
                answers += u32::from(socket.recv_from(&mut buffer).is_ok());
            }
            (sent, answers)
        })
    });
    let agents = (0..4).map(|n| {
        let hotseat = hotseat.clone();
        tokio::spawn(async move {
            for _ in 0..calls.div_ceil(4) {
                a_shift(&hotseat, &format!("agent-{n}"), "handed-out-0001", 25).await;
            }
        })
    });
    for agent in agents.collect::<Vec<_>>() {
        agent.await.expect("a call in which every word is heard");
    }
    stop.store(true, Ordering::Relaxed);
    for sprayer in sprayers {
        let (sent, answers) = sprayer.join().expect("a sprayer");
        println!("{sent} handshakes begun, {answers} answered");
        assert!(sent > 500, "only {sent}");
        assert_eq!(answers, 0, "somebody nobody checked was answered");
    }
    assert!(!hotseat.log().contains("panicked"), "{}", hotseat.log());
}
