//! The ways things travel: connections that open and close, requests that come round again, calls for those who are away.

mod common;
use common::*;
use gateway::{Input, Output};
use sip::ua::Local;
use std::time::Duration;
use terms::*;

fn tcp(peer: &str, connection: u64) -> Flow {
    Flow { transport: Transport::Tcp, connection: ConnectionId(connection), ..udp(peer) }
}
fn with_tcp() -> Table {
    let mut config = config();
    config.locals.push(Local { transport: Transport::Tcp, bound: address(HERE), advertised: address(HERE) });
    Table::with(config)
}

#[test]
fn a_trunk_over_tcp_is_connected_to_once_and_the_next_address_tried_when_that_fails() {
    let mut t = with_tcp();
    let mut over_tcp = trunk();
    for address in &mut over_tcp.addresses {
        address.transport = Transport::Tcp;
    }
    t.input(Input::Directory(DirectoryChange::Trunk(over_tcp)));
    let phone = t.register("desk-17", "203.0.113.17:5060");
    t.login(seated(1, 1, 1, 17));
    t.device_invites("desk-17", phone, "06912345", OFFER);
    let asked = |t: &Table| -> Vec<Flow> {
        let connects = t.other.iter().filter_map(|output| match output {
            Output::Connect { flow } => Some(*flow),
            _ => None,
        });
        connects.collect()
    };
    let [first] = asked(&t)[..] else { panic!("the standby address is left alone: {:?}", asked(&t)) };
    let invite = t.one(first);
    assert!(
        invite.starts_with("INVITE sip:+496912345@carrier.test;transport=tcp SIP/2.0\r\nVia: SIP/2.0/TCP"),
        "{invite}"
    );
    t.input(Input::FlowClosed { flow: first, why: WhyClosed::ConnectFailed });
    let [_, second] = asked(&t)[..] else { panic!("{:?}", asked(&t)) };
    assert!(first.connection.0 % 2 == 1 && first.connection != second.connection);
    assert_eq!(t.heads(second), ["INVITE"]);
    t.input(Input::FlowClosed { flow: second, why: WhyClosed::ConnectFailed });
    assert_eq!(t.heads(phone), ["503"]);
    assert_eq!(t.last_record().end, Some(EndReason::TrunkUnavailable));
    // A closed connection is asked for again, not used.
    t.other.clear();
    t.device_invites("desk-17", phone, "06912345", OFFER);
    assert_eq!(asked(&t).len(), 1);
}

/// A response to the INVITE that stands at this address of the trunk.
fn says(t: &mut Table, at: &str, invite: &str, status: &str) {
    let lines = ["Via", "From", "Call-ID", "CSeq"].map(|name| format!("{name}: {}\r\n", field(invite, name)));
    let to = field(invite, "To");
    let tag = if status.starts_with("100") { "" } else { ";tag=far" };
    let text = format!("SIP/2.0 {status}\r\n{}To: {to}{tag}\r\nContent-Length: 0\r\n\r\n", lines.concat());
    t.receive(udp(at), &text);
}

#[test]
fn a_trunk_that_only_says_trying_is_left_for_the_next_address_after_twenty_seconds() {
    let mut t = Table::new();
    let phone = t.register("desk-17", "203.0.113.17:5060");
    t.login(seated(1, 1, 1, 17));
    t.device_invites("desk-17", phone, "06912345", OFFER);
    let invite = t.one(udp(TRUNK));
    says(&mut t, TRUNK, &invite, "100 Trying");
    t.run_s(19);
    assert!(t.at(udp(TRUNK_2)).is_empty(), "a trunk may think for a while");
    t.run_s(2);
    assert!(t.heads(udp(TRUNK)).iter().all(|head| head == "CANCEL"));
    let second = t.at(udp(TRUNK_2)).swap_remove(0);
    assert_eq!(head(&second), "INVITE");
    // The last one has all the time there is: nobody stands behind it.
    says(&mut t, TRUNK_2, &second, "100 Trying");
    t.run_s(30);
    assert!(t.heads(phone).iter().all(|head| head == "100"), "the call still stands");
}

#[test]
fn a_trunk_that_rings_may_ring() {
    let mut t = Table::new();
    let phone = t.register("desk-17", "203.0.113.17:5060");
    t.login(seated(1, 1, 1, 17));
    t.device_invites("desk-17", phone, "06912345", OFFER);
    let invite = t.one(udp(TRUNK));
    says(&mut t, TRUNK, &invite, "100 Trying");
    t.run_s(15);
    says(&mut t, TRUNK, &invite, "180 Ringing");
    t.run_s(30);
    assert!(t.at(udp(TRUNK)).is_empty() && t.at(udp(TRUNK_2)).is_empty());
}

#[test]
fn a_scanner_gets_its_share_of_refusals_and_then_silence() {
    let mut t = Table::new();
    let scanner = udp("203.0.113.99:5060");
    let junk = |n: u32| match n % 3 {
        0 => format!(
            "BYE sip:x@hotseat.test SIP/2.0\r\nVia: SIP/2.0/UDP 203.0.113.99;branch=z9hG4bK{n}\r\nFrom: <sip:x@y>;tag=1\r\nTo: <sip:x@y>;tag=2\r\nCall-ID: {n}\r\nCSeq: 1 BYE\r\n\r\n"
        ),
        1 => format!(
            "PUBLISH sip:x@hotseat.test SIP/2.0\r\nVia: SIP/2.0/UDP 203.0.113.99;branch=z9hG4bK{n}\r\nFrom: <sip:x@y>;tag=1\r\nTo: <sip:x@y>\r\nCall-ID: {n}\r\nCSeq: 1 PUBLISH\r\n\r\n"
        ),
        _ => format!(
            "OPTIONS sip:x@hotseat.test SIP/2.0\r\nVia: SIP/2.0/UDP 203.0.113.99;branch=z9hG4bK{n}\r\nFrom: <<sip:x@y\r\nTo: <sip:x@y>\r\nCall-ID: {n}\r\nCSeq: 1 OPTIONS\r\n\r\n"
        ),
    };
    let mut heads = std::collections::BTreeMap::new();
    for n in 0..9_000 {
        t.receive(scanner, &junk(n));
        for text in t.at(scanner) {
            *heads.entry(head(&text).to_owned()).or_insert(0u32) += 1;
        }
    }
    assert_eq!(heads.keys().collect::<Vec<_>>(), ["400", "405", "481"], "{heads:?}");
    assert_eq!(heads.values().sum::<u32>(), 8_192);
    assert_eq!(t.gateway.counters().silenced, 9_000 - 8_192);
    // The neighbour is heard, and so is the trunk, whatever it asks.
    t.receive(udp("203.0.113.98:5060"), &junk(0));
    assert_eq!(t.heads(udp("203.0.113.98:5060")), ["481"]);
}

#[test]
fn a_phone_whose_connection_closed_has_a_moment_to_come_back() {
    let mut t = with_tcp();
    let flow = tcp("203.0.113.17:40000", 2);
    let request = |cseq: u32, authorization: &str| {
        format!(
            "REGISTER sip:hotseat.test SIP/2.0\r\nVia: SIP/2.0/TCP 203.0.113.17:40000;branch=z9hG4bKt{cseq}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:desk-17@hotseat.test>;tag=t\r\nTo: <sip:desk-17@hotseat.test>\r\n\
             Call-ID: tcp\r\nCSeq: {cseq} REGISTER\r\nContact: <sip:desk-17@203.0.113.17:5060;transport=tcp>\r\n\
             {authorization}Content-Length: 0\r\n\r\n"
        )
    };
    t.receive(flow, &request(1, ""));
    let challenge = t.one(flow);
    t.receive(flow, &request(2, &answer_challenge(&challenge, "desk-17", "REGISTER", "sip:hotseat.test")));
    assert_eq!(t.heads(flow), ["200"]);
    t.login(seated(1, 1, 1, 17));
    let state = |t: &Table| t.gateway.phone(t.now, DeviceId(17)).unwrap().state;

    t.input(Input::FlowClosed { flow, why: WhyClosed::ByPeer });
    assert_eq!(state(&t), PhoneState::Suspect);
    // Nothing can be sent there, so nobody is kept waiting.
    t.trunk_invites("2001", OFFER);
    assert_eq!(t.heads(udp(TRUNK)), ["480"]);
    assert!(t.at(flow).is_empty());
    t.run_s(6);
    assert_eq!(state(&t), PhoneState::Unreachable);

    let again = tcp("203.0.113.17:40001", 4);
    t.receive(again, &request(3, ""));
    let challenge = t.one(again);
    t.receive(again, &request(4, &answer_challenge(&challenge, "desk-17", "REGISTER", "sip:hotseat.test")));
    assert_eq!(t.heads(again), ["200"]);
    assert_eq!(state(&t), PhoneState::Registered);
    t.trunk_invites("2001", OFFER);
    assert_eq!(t.heads(again), ["INVITE"]);
}

#[test]
fn a_call_that_goes_round_in_circles_is_stopped() {
    let mut t = Table::new();
    t.register("desk-17", "203.0.113.17:5060");
    t.login(seated(1, 1, 1, 17));
    let via = |n| format!("Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKold{n}\r\n");
    for (rounds, told) in [(3, "INVITE"), (4, "482")] {
        let more: String = (0..rounds).map(via).collect();
        let request = invite("sip:2001@192.0.2.1", udp(TRUNK), "+49", fresh(), 1, &more, OFFER);
        t.receive(udp(TRUNK), &request);
        let heads: Vec<String> = t.sent.drain(..).map(|(_, text)| head(&text)).collect();
        assert_eq!(heads, [told]);
    }
    let request = invite("sip:2001@192.0.2.1", udp(TRUNK), "+49", fresh(), 1, "", OFFER);
    t.receive(udp(TRUNK), &request.replace("Max-Forwards: 70", "Max-Forwards: 0"));
    assert_eq!(t.heads(udp(TRUNK)), ["483"]);
}

#[test]
fn calls_for_an_absent_agent_go_where_the_dial_plan_says() {
    let mut config = config();
    config.dial_plan.not_logged_in = Some("2002".into());
    let mut t = Table::with(config);
    let bob = t.register("desk-18", "203.0.113.18:5060");
    t.trunk_invites("2001", OFFER);
    let refused = t.one(udp(TRUNK));
    assert_eq!(head(&refused), "480");
    assert!(field(&refused, "Reason").contains("not logged in"));
    let record = t.last_record();
    assert_eq!(
        (record.end, record.agent, record.answered),
        (Some(EndReason::NotLoggedIn), Some(AgentId(1)), None)
    );
    t.login(seated(1, 2, 1, 18));
    t.trunk_invites("2001", OFFER);
    assert_eq!(t.heads(bob), ["INVITE"]);
}

#[test]
fn pages_hear_what_their_agent_does() {
    let mut t = Table::new();
    let up = t.call_up();
    t.receive(udp(TRUNK), &in_dialog("BYE", &up.a_ok, udp(TRUNK), 2, fresh(), ""));
    let heard: Vec<(Activity, Option<String>)> = t
        .notices
        .iter()
        .filter_map(|(to, notice)| match notice {
            Notice::Activity { login: LoginId(1), activity, peer, .. }
                if *to == Audience::Login(LoginId(1)) =>
            {
                Some((*activity, peer.clone()))
            }
            _ => None,
        })
        .collect();
    let caller = Some("+4917012345".to_owned());
    assert_eq!(
        heard,
        [(Activity::Ringing, caller.clone()), (Activity::InCall, caller), (Activity::Idle, None)]
    );
}

#[test]
fn a_record_that_found_the_store_busy_is_written_later() {
    let mut t = Table::new();
    let up = t.call_up();
    t.store_error = Some(StoreError::Busy("busy".into()));
    t.receive(udp(TRUNK), &in_dialog("BYE", &up.a_ok, udp(TRUNK), 2, fresh(), ""));
    t.run(Duration::from_secs(3));
    assert!(t.last_record().ended.is_none());
    t.store_error = None;
    t.run(Duration::from_secs(2));
    assert_eq!(t.last_record().end, Some(EndReason::HungUpByCaller));
    assert_eq!(t.records.iter().filter(|record| record.ended.is_some()).count(), 1);
}

#[test]
fn how_media_goes_follows_from_how_the_phone_came_and_what_was_configured() {
    let offered = |srtp: Srtp, transport: Transport| {
        let mut config = config();
        config.phone_srtp = srtp;
        config.phone_codecs = Codecs::new(&[CodecName::G722]);
        config.locals.push(Local { transport, bound: address(HERE), advertised: address(HERE) });
        let mut t = Table::with(config);
        let flow = Flow { transport, connection: ConnectionId(2), ..udp("203.0.113.17:40000") };
        let flow = if transport == Transport::Udp { udp("203.0.113.17:40000") } else { flow };
        let request = |cseq: u32, authorization: &str| {
            format!(
                "REGISTER sip:hotseat.test SIP/2.0\r\nVia: SIP/2.0/{} 203.0.113.17:40000;branch=z9hG4bKm{cseq}\r\n\
                 Max-Forwards: 70\r\nFrom: <sip:desk-17@hotseat.test>;tag=t\r\nTo: <sip:desk-17@hotseat.test>\r\n\
                 Call-ID: media\r\nCSeq: {cseq} REGISTER\r\nContact: <sip:desk-17@203.0.113.17:40000>\r\n\
                 {authorization}Content-Length: 0\r\n\r\n",
                transport.via_token()
            )
        };
        t.receive(flow, &request(1, ""));
        let challenge = t.one(flow);
        t.receive(
            flow,
            &request(2, &answer_challenge(&challenge, "desk-17", "REGISTER", "sip:hotseat.test")),
        );
        assert_eq!(t.heads(flow), ["200"]);
        t.login(seated(1, 1, 1, 17));
        t.trunk_invites("2001", OFFER);
        t.media.iter().find_map(|command| match command {
            MediaCommand::Offer { to_kind, to_codecs, .. } => Some((*to_kind, *to_codecs)),
            _ => None,
        })
    };
    let phone = |kind| Some((kind, Codecs::new(&[CodecName::G722])));
    assert_eq!(offered(Srtp::Off, Transport::Tls), phone(PortKind::Rtp));
    assert_eq!(offered(Srtp::Offer, Transport::Tls), phone(PortKind::OptionalSrtp));
    assert_eq!(offered(Srtp::Offer, Transport::Udp), phone(PortKind::Rtp), "the key would be there to read");
    assert_eq!(offered(Srtp::Require, Transport::Udp), phone(PortKind::Srtp));
    assert_eq!(offered(Srtp::Off, Transport::Wss), Some((PortKind::WebRtc, Codecs::default())));
}

#[test]
fn a_trunk_is_offered_what_it_was_configured_for() {
    let mut t = Table::new();
    let row = Trunk { srtp: Srtp::Require, codecs: vec![CodecName::Pcmu, CodecName::Pcma], ..trunk() };
    t.input(Input::Directory(DirectoryChange::Trunk(row)));
    let phone = t.register("desk-17", "203.0.113.17:5060");
    t.login(seated(1, 1, 1, 17));
    t.device_invites("desk-17", phone, "06912345", OFFER);
    let offer = t.media.iter().find_map(|command| match command {
        MediaCommand::Offer { to_kind, to_codecs, .. } => Some((*to_kind, *to_codecs)),
        _ => None,
    });
    assert_eq!(offer, Some((PortKind::Srtp, Codecs::new(&[CodecName::Pcmu, CodecName::Pcma]))));
}
