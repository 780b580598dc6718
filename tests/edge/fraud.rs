//! What the toll-fraud gang tries within the hour: relays, reflections, raw addresses, calls without a name.

use crate::client::{Client, DOMAIN};
use crate::lab::Hotseat;
use std::time::Duration;

const SECRET: &str = "a-long-random-secret-0001";

#[test]
fn a_made_up_dialog_is_481_and_goes_nowhere() {
    let hotseat = Hotseat::start();
    let victim = Client::new(hotseat.sip);
    let attacker = Client::new(hotseat.sip);
    let route = format!("Route: <sip:{};lr>\r\n", victim.address());
    for method in ["INVITE", "BYE", "INFO", "UPDATE", "REFER", "NOTIFY", "MESSAGE"] {
        let uri = format!("sip:x@{}", victim.address());
        let reply = attacker
            .ask(&attacker.request(method, "desk-1", &uri, &format!("<sip:x@{DOMAIN}>;tag=made-up"), &route))
            .unwrap_or_else(|| panic!("{method}: no answer"));
        assert!(matches!(reply.status(), 481 | 405 | 501), "{method}: {reply:?}");
    }
    attacker.send(&attacker.request(
        "ACK",
        "desk-1",
        "sip:x",
        &format!("<sip:x@{DOMAIN}>;tag=made-up"),
        &route,
    ));
    assert_eq!(victim.receive(Duration::from_millis(700)), None, "nothing was passed on");
}

#[test]
fn a_response_to_nothing_is_not_passed_on() {
    let hotseat = Hotseat::start();
    let victim = Client::new(hotseat.sip);
    let attacker = Client::new(hotseat.sip);
    attacker.send(&format!(
        "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP {gw};branch=z9hG4bKx\r\nVia: SIP/2.0/UDP {v};branch=z9hG4bKy\r\n\
         From: <sip:a@{DOMAIN}>;tag=1\r\nTo: <sip:b@{DOMAIN}>;tag=2\r\nCall-ID: stray\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n",
        gw = hotseat.sip,
        v = victim.address()
    ));
    assert_eq!(victim.receive(Duration::from_millis(700)), None);
    assert_eq!(attacker.receive(Duration::from_millis(100)), None);
}

#[test]
fn a_stranger_is_challenged_and_a_route_of_others_is_not_followed() {
    let hotseat = Hotseat::start();
    let victim = Client::new(hotseat.sip);
    let attacker = Client::new(hotseat.sip);
    for (uri, more) in [
        (format!("sip:069123456@{DOMAIN}"), String::new()),
        (format!("sip:x@{}", victim.address()), String::new()),
        (format!("sip:069123456@{DOMAIN}"), format!("Route: <sip:{};lr>\r\n", victim.address())),
    ] {
        let reply = attacker
            .ask(&attacker.request("INVITE", "desk-1", &uri, &format!("<{uri}>"), &more))
            .expect("an answer");
        assert!(matches!(reply.status(), 401 | 403 | 404 | 407), "{uri}: {reply:?}");
    }
    assert_eq!(victim.receive(Duration::from_millis(700)), None, "nothing was passed on");
}

#[test]
fn a_known_phone_cannot_dial_a_raw_address() {
    let hotseat = Hotseat::start();
    hotseat.add_phone("desk-1", SECRET);
    let victim = Client::new(hotseat.sip);
    let phone = Client::new(hotseat.sip);
    assert_eq!(phone.registers("desk-1", SECRET).map(|r| r.status()), Some(200));
    let uri = format!("sip:069123@{}", victim.address());
    let first = phone.request("INVITE", "desk-1", &uri, &format!("<{uri}>"), "");
    let mut reply = phone.ask(&first).expect("an answer");
    if matches!(reply.status(), 401 | 407) {
        let credentials = reply.credentials("desk-1", SECRET, "INVITE", &uri, 1).expect("an MD5 challenge");
        reply = phone
            .ask(&phone.request("INVITE", "desk-1", &uri, &format!("<{uri}>"), &credentials))
            .expect("an answer");
    }
    assert!((400..700).contains(&reply.status()), "{reply:?}");
    assert_eq!(victim.receive(Duration::from_millis(700)), None, "nothing was dialled");
}

#[test]
fn a_registered_phone_may_not_call_under_another_name() {
    let hotseat = Hotseat::start();
    hotseat.add_phone("desk-1", SECRET);
    hotseat.add_phone("desk-2", "another-long-secret-0002");
    hotseat.add_agent("ann", "2001", "Correct-Horse-7");
    let phone = Client::new(hotseat.sip);
    assert_eq!(phone.registers("desk-1", SECRET).map(|r| r.status()), Some(200));
    let uri = format!("sip:2001@{DOMAIN}");
    let mut reply =
        phone.ask(&phone.request("INVITE", "desk-2", &uri, &format!("<{uri}>"), "")).expect("an answer");
    if matches!(reply.status(), 401 | 407) {
        let credentials = reply.credentials("desk-1", SECRET, "INVITE", &uri, 1).expect("an MD5 challenge");
        reply = phone
            .ask(&phone.request("INVITE", "desk-2", &uri, &format!("<{uri}>"), &credentials))
            .expect("an answer");
    }
    assert!(matches!(reply.status(), 401 | 403), "{reply:?}");
}

#[test]
fn rubbish_by_the_thousand_leaves_the_service_as_it_was() {
    let hotseat = Hotseat::start();
    let client = Client::new(hotseat.sip);
    let seed =
        client.register("desk-1", "rubbish", 1, "Authorization: Digest username=\"desk-1\", nonce=\"x\"\r\n");
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for n in 0..4000 {
        let mut bytes = seed.clone().into_bytes();
        for _ in 0..1 + n % 6 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let at = (state >> 16) as usize % bytes.len();
            match state % 3 {
                0 => bytes[at] = (state >> 40) as u8,
                1 => bytes.truncate(at.max(1)),
                _ => bytes.insert(at, (state >> 48) as u8),
            }
        }
        let _ = client.socket.send_to(&bytes, client.gateway);
        if n % 500 == 0 {
            while client.receive(Duration::from_millis(10)).is_some() {}
        }
    }
    while client.receive(Duration::from_millis(100)).is_some() {}
    assert_eq!(Client::new(hotseat.sip).options().map(|r| r.status()), Some(200), "{}", hotseat.log());
    assert!(!hotseat.log().contains("panicked"), "{}", hotseat.log());
}
