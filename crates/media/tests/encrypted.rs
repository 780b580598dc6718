//! A phone whose packets are encrypted with the keys of its description (SDES), on one side of a call.

mod common;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::*;
use media::srtp::{GROWTH_MAX, Keys, Opener, Sealer, Suite};
use terms::Leg;

const SUITE: Suite = Suite::AesCm128HmacSha1_80;

fn keys(fill: u8) -> Keys {
    Keys::of_bytes(SUITE, &[fill; 30]).unwrap()
}

/// The phone's description with a key of its own.
fn phone(fill: u8) -> String {
    let key = STANDARD.encode([fill; 30]);
    let line = format!("a=crypto:4 AES_CM_128_HMAC_SHA1_80 inline:{key}\r\n");
    sdp(A, "8 101", &line).replace("RTP/AVP", "RTP/SAVP")
}

/// The key we told it.
fn ours(told: &str) -> Keys {
    let line = told.lines().find(|l| l.starts_with("a=crypto:4 AES_CM_128_HMAC_SHA1_80 ")).expect(told);
    Keys::of_bytes(SUITE, &STANDARD.decode(line.split("inline:").nth(1).unwrap()).unwrap()).unwrap()
}

#[test]
fn its_voice_crosses_and_forgeries_and_replays_do_not() {
    let mut d = desk();
    d.offer(Leg::A, &phone(7), "10.0.0.5");
    let back = d.answer(Leg::B, &sdp(B, "8 101", ""), "198.51.100.2");
    assert!(back.contains("RTP/SAVP 8 101\r\n"), "{back}");
    let (mut sealer, mut opener) = (Sealer::new(&keys(7)), Opener::new(&ours(&back)));
    let plain = packet(8, 1, 500, 0, &[5; 160]);
    let mut there = plain.clone();
    there.resize(plain.len() + GROWTH_MAX, 0);
    let len = sealer.seal_rtp(&mut there, plain.len()).unwrap();
    there.truncate(len);
    let replay = there.clone();
    for bad in [plain.clone(), Sealer::new(&keys(8)).seal(&plain)] {
        assert_eq!(d.send(Leg::A, A, &mut bad.clone()), None, "neither in the clear nor under another key");
    }
    let f = d.send(Leg::A, A, &mut there).unwrap();
    assert_eq!(parse(&there[..f.len]).1, [5; 160], "the other leg is in the clear");
    assert_eq!(d.send(Leg::A, A, &mut replay.clone()), None);
    let mut to_phone = packet(8, 2, 9, 0, &[6; 160]);
    let f = d.send(Leg::B, B, &mut to_phone).unwrap();
    assert!(f.len > 172 && to_phone[12..f.len] != [6; 160][..]);
    let len = opener.open_rtp(&mut to_phone, f.len).unwrap();
    assert_eq!(parse(&to_phone[..len]).1, [6; 160]);
}

#[test]
fn another_key_of_the_phone_leaves_ours_where_it_stands() {
    let mut d = desk();
    d.offer(Leg::A, &phone(7), "10.0.0.5");
    let back = d.answer(Leg::B, &sdp(B, "8 101", ""), "198.51.100.2");
    let first = ours(&back);
    let mut opener = Opener::new(&first);
    let hears = |d: &mut Desk, opener: &mut Opener, seq: u16| {
        let mut p = packet(8, 2, seq, u32::from(seq) * 160, &[6; 20]);
        let f = d.send(Leg::B, B, &mut p).unwrap();
        d.take();
        opener.open_rtp(&mut p, f.len)
    };
    // Over the end of the sequence numbers, so that the rollover counter is not zero any more.
    for n in 0..70_000u32 {
        assert!(hears(&mut d, &mut opener, n as u16).is_ok(), "packet {n}");
    }
    d.offer(Leg::A, &phone(9), "10.0.0.5");
    let back = d.answer(Leg::B, &sdp(B, "8 101", ""), "198.51.100.2");
    assert_eq!(ours(&back), first);
    assert!(hears(&mut d, &mut opener, 70_000u32 as u16).is_ok(), "the counter goes on");
    // It hears the phone under the new key, and under the old one no more.
    let plain = packet(8, 1, 500, 0, &[5; 160]);
    assert_eq!(d.send(Leg::A, A, &mut Sealer::new(&keys(7)).seal(&plain)), None);
    assert!(d.send(Leg::A, A, &mut Sealer::new(&keys(9)).seal(&plain)).is_some());
    d.take();
    // It goes on in the clear and comes back: under the same key the same keystream would come again.
    d.offer(Leg::A, &sdp(A, "8 101", ""), "10.0.0.5");
    d.answer(Leg::B, &sdp(B, "8 101", ""), "198.51.100.2");
    d.offer(Leg::A, &phone(10), "10.0.0.5");
    let back = d.answer(Leg::B, &sdp(B, "8 101", ""), "198.51.100.2");
    assert_ne!(ours(&back), first);
}

trait Seals {
    fn seal(&mut self, plain: &[u8]) -> Vec<u8>;
}

impl Seals for Sealer {
    fn seal(&mut self, plain: &[u8]) -> Vec<u8> {
        let mut buf = plain.to_vec();
        buf.resize(plain.len() + GROWTH_MAX, 0);
        let len = self.seal_rtp(&mut buf, plain.len()).unwrap();
        buf.truncate(len);
        buf
    }
}
