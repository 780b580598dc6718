//! When is what sent again, and when does it end? Each timer of RFC 3261 table 4 and RFC 6026, on UDP and on TCP.

mod ua_world;

use sip::{Draft, Method};
use ua_world::*;

/// Nothing this one sends arrives.
fn deaf(w: &mut World, from: usize) {
    w.drop_if = Some(Box::new(move |at, _| at == from));
}

#[test]
fn timers_a_and_b_an_invite_into_silence() {
    let mut w = World::new(2);
    deaf(&mut w, 0);
    let key = w.send(0, 1, Method::Invite);
    w.run_ms(31_999);
    assert!(w.told[0].is_empty());
    w.run_ms(1);
    assert_eq!(w.times(0, "INVITE"), [0, 500, 1500, 3500, 7500, 15_500, 31_500]);
    assert_eq!(w.one(0), Told::NoResponse { key, flow_failed: false });
    w.assert_at_rest();
}

#[test]
fn timers_e_and_f_a_request_into_silence() {
    let mut w = World::new(2);
    deaf(&mut w, 0);
    let key = w.send(0, 1, Method::Options);
    w.run_ms(32_000);
    let steady: Vec<u64> = (0..7).map(|i| 7500 + 4000 * i).collect();
    let expected: Vec<u64> = [0, 500, 1500, 3500].into_iter().chain(steady).collect();
    assert_eq!(w.times(0, "OPTIONS"), expected);
    assert_eq!(w.one(0), Told::NoResponse { key, flow_failed: false });
    w.assert_at_rest();
}

#[test]
fn a_provisional_response_slows_a_request_to_t2() {
    let mut w = World::new(2);
    w.send(0, 1, Method::Options);
    w.run_ms(5);
    let key = w.request_at(1);
    w.respond(1, key, 183);
    w.run_ms(5);
    assert_eq!(w.response_at(0), (183, None));
    w.run_ms(31_990);
    assert_eq!(w.times(0, "OPTIONS"), [0, 500, 4500, 8500, 12_500, 16_500, 20_500, 24_500, 28_500]);
    // Each copy got the provisional response again.
    assert_eq!(w.times(1, "SIP/2.0 183").len(), 9);
    let told = w.take(0);
    assert!(matches!(told.last(), Some(Told::NoResponse { flow_failed: false, .. })));
    w.respond(1, key, 200);
    w.run_ms(40_000);
    w.assert_at_rest();
}

#[test]
fn streams_send_once_and_still_give_up() {
    for method in [Method::Invite, Method::Options] {
        let mut w = World::new(2);
        deaf(&mut w, 0);
        let flow = w.tcp(0, 1, 1);
        let key = w.send_on(0, flow, method);
        w.run_ms(32_000);
        assert_eq!(w.log.len(), 1);
        assert_eq!(w.one(0), Told::NoResponse { key, flow_failed: false });
        w.assert_at_rest();
    }
}

#[test]
fn timer_j_and_k_a_request_is_answered_once_and_repeated() {
    let mut w = World::new(2);
    let mut lost = 3;
    w.drop_if = Some(Box::new(move |at, _| {
        lost -= i32::from(at == 1);
        at == 1 && lost >= 0
    }));
    w.send(0, 1, Method::Register);
    w.run_ms(5);
    let key = w.request_at(1);
    w.respond(1, key, 200);
    w.run_ms(10_000);
    assert_eq!(w.times(0, "REGISTER"), [0, 500, 1500, 3500]);
    assert_eq!(w.times(1, "SIP/2.0 200").len(), 4);
    assert_eq!(w.response_at(0).0, 200);
    assert!(w.take(1).is_empty(), "the owner saw one request");
    assert_eq!(w.uas[0].holds().clients, 0, "timer K is T4");
    assert_eq!(w.uas[1].holds().servers, 1);
    w.run_ms(22_006);
    w.assert_at_rest();
}

#[test]
fn on_a_stream_an_answered_request_is_over_at_once() {
    let mut w = World::new(2);
    let flow = w.tcp(0, 1, 1);
    w.send_on(0, flow, Method::Register);
    w.run_ms(5);
    let key = w.request_at(1);
    w.respond(1, key, 200);
    w.run_ms(5);
    assert_eq!(w.response_at(0).0, 200);
    w.assert_at_rest();
}

#[test]
fn timers_g_and_h_a_refusal_nobody_acknowledges() {
    let mut w = World::new(2);
    w.drop_if = Some(Box::new(|at, text| at == 0 && text.starts_with("ACK")));
    w.send(0, 1, Method::Invite);
    w.run_ms(100);
    let key = w.request_at(1);
    w.respond(1, key, 486);
    w.run_ms(33_000);
    let times: Vec<u64> = w.times(1, "SIP/2.0 486").iter().map(|t| t - 100).collect();
    assert_eq!(times, [0, 500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]);
    assert_eq!(w.times(0, "ACK").len(), 11, "each got its ACK");
    assert_eq!(w.response_at(0), (486, None));
    assert!(w.take(1).is_empty());
    w.run_ms(10_000);
    w.assert_at_rest();
}

#[test]
fn timers_i_and_d_an_acknowledged_refusal_lingers() {
    let mut w = World::new(2);
    w.send(0, 1, Method::Invite);
    w.run_ms(10);
    let key = w.request_at(1);
    w.respond(1, key, 404);
    w.run_ms(10);
    assert_eq!(w.response_at(0).0, 404);
    assert_eq!((w.uas[0].holds().clients, w.uas[1].holds().servers), (1, 1));
    w.run_ms(5_000);
    assert_eq!(w.uas[1].holds().servers, 0, "timer I is T4");
    w.run_ms(27_000);
    w.assert_at_rest();
    assert_eq!((w.times(1, "SIP/2.0 404").len(), w.times(0, "ACK").len()), (1, 1));
}

#[test]
fn timer_l_a_2xx_is_repeated_until_its_ack() {
    for stream in [false, true] {
        let mut w = World::new(2);
        w.drop_if = Some(Box::new(|at, text| at == 0 && text.starts_with("ACK")));
        let flow = if stream { w.tcp(0, 1, 4) } else { w.udp(0, 1) };
        w.send_on(0, flow, Method::Invite);
        w.run_ms(100);
        let invite = w.request_at(1);
        let theirs = w.respond(1, invite, 200).unwrap();
        w.run_ms(10);
        let (_, ours) = w.response_at(0);
        w.ack(0, ours.unwrap());
        w.run_ms(32_000);
        let times: Vec<u64> = w.times(1, "SIP/2.0 200").iter().map(|t| t - 100).collect();
        assert_eq!(times, [0, 500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]);
        assert_eq!(w.times(0, "ACK").len(), 11, "our ACK went again for each");
        assert!(w.take(0).is_empty(), "the owner saw one 2xx");
        assert_eq!(w.one(1), Told::NotAcked { dialog: theirs, invite });
        w.drop_if = None;
        w.hang_up(ours.unwrap());
    }
}

#[test]
fn an_ack_that_comes_twice_is_told_once() {
    let mut w = World::new(2);
    w.weather = Weather { doubled_percent: 100, ..Weather::default() };
    let (ours, _, _) = w.call();
    w.run_ms(1000);
    assert!(w.take(1).is_empty());
    assert_eq!(w.times(1, "SIP/2.0 200").len(), 1);
    w.hang_up(ours);
}

#[test]
fn timer_m_a_2xx_after_the_transaction_is_forgotten_gets_its_ack_again() {
    let mut w = World::new(2);
    let (ours, _, _) = w.call();
    let ok = w.bytes.iter().find(|(at, b)| *at == 1 && b.starts_with(b"SIP/2.0 200")).unwrap().1.clone();
    w.run_ms(60_000);
    assert_eq!(w.uas[0].holds(), sip::ua::Holds { dialogs: 1, ..Default::default() });
    let before = w.times(0, "ACK").len();
    let flow = w.udp(0, 1);
    w.deliver(flow, &ok);
    assert_eq!(w.times(0, "ACK").len(), before + 1);
    assert!(w.take(0).is_empty());
    w.hang_up(ours);
    let acks = w.times(0, "ACK").len();
    w.deliver(flow, &ok);
    assert_eq!(w.times(0, "ACK").len(), acks, "without a dialog it goes nowhere");
}

#[test]
fn an_invite_is_told_100_after_200_ms_and_reminded_each_minute() {
    let mut w = World::new(2);
    w.send(0, 1, Method::Invite);
    w.run_ms(1000);
    assert_eq!(w.times(1, "SIP/2.0 100"), [201]);
    assert_eq!(w.times(0, "INVITE"), [0]);
    assert!(w.take(0).is_empty(), "100 is nobody's news");
    let key = w.request_at(1);
    w.respond(1, key, 180);
    w.run_ms(130_000);
    assert_eq!(w.times(1, "SIP/2.0 180"), [1000, 61_000, 121_000]);
    w.respond(1, key, 480);
    w.run_ms(40_000);
    w.assert_at_rest();
}

#[test]
fn a_quick_answer_makes_100_needless() {
    let mut w = World::new(2);
    w.send(0, 1, Method::Invite);
    w.run_ms(100);
    let key = w.request_at(1);
    w.respond(1, key, 180);
    w.run_ms(1000);
    assert!(w.times(1, "SIP/2.0 100").is_empty());
    w.respond(1, key, 480);
    w.run_ms(40_000);
    w.assert_at_rest();
}

#[test]
fn other_timer_values_are_followed() {
    let mut w = World::new(2);
    let mut config = config(w.addrs[0], 9);
    config.timers = sip::ua::Timers { t1_ms: 100, t2_ms: 400, t4_ms: 500 };
    w.uas[0] = sip::ua::Ua::new(config);
    deaf(&mut w, 0);
    w.send(0, 1, Method::Options);
    w.run_ms(6_400);
    assert_eq!(w.times(0, "OPTIONS").get(..5), Some(&[0, 100, 300, 700, 1100][..]));
    assert!(matches!(w.one(0), Told::NoResponse { .. }));
    w.assert_at_rest();
}

#[test]
fn the_timer_queue_stays_small_however_often_its_entries_go_stale() {
    let mut w = World::new(2);
    let flow = w.tcp(0, 1, 1);
    for _ in 0..20_000 {
        let (target, parties) = (w.target(flow), w.parties(0, 1));
        let draft = Draft::request(Method::Options);
        w.uas[0].request(w.now, target, parties, draft).unwrap();
        let (_, request) = w.uas[0].poll_output().unwrap();
        let back = w.tcp(1, 0, 1);
        let Ok(sip::ua::Received::Request { key, .. }) = w.uas[1].receive(w.now, back, &request) else {
            panic!("no request")
        };
        w.uas[1].respond(w.now, key, Draft::response(200)).unwrap();
        let (_, response) = w.uas[1].poll_output().unwrap();
        w.uas[0].receive(w.now, flow, &response).unwrap();
        assert!(w.uas[0].holds().timers < 2000);
    }
    w.assert_at_rest();
}
