//! Calls in, out and refused, heard with an ear on both ends.

use crate::audio::{melody, share_heard, speaking_ms};
use crate::desk::{agent_at, phone, phone_over, record, records};
use crate::lab::{Hotseat, eventually};
use crate::rtp::Endpoint;
use crate::sipp::{Run, Sipp, callee, caller, refused};
use std::time::Duration;

pub const TALK_MS: u32 = 4000;

pub fn trunk_calls(hotseat: &Hotseat, scenario: &str, number: &str, media: u16) -> Sipp {
    Sipp::start(
        &hotseat.folder,
        &Run {
            scenario,
            port: hotseat.trunk.port(),
            remote: &hotseat.sip.to_string(),
            service: number,
            keys: &[("media", media.to_string())],
            calls: 1,
        },
    )
}

pub fn trunk_waits(hotseat: &Hotseat, media: u16) -> Sipp {
    let sipp = trunk_calls(hotseat, &callee(), "waits", media);
    // SIPp says nothing when it listens; its port is taken then.
    let listening = eventually(Duration::from_secs(5), || std::net::UdpSocket::bind(hotseat.trunk).is_err());
    assert!(listening, "the trunk listens");
    sipp
}

/// Both heard what the other played, nearly all of it, and nothing else.
pub fn assert_both_heard(phone_heard: &[i16], trunk_plays: &[i16], trunk_heard: &[i16], phone_plays: &[i16]) {
    let at_phone = (speaking_ms(phone_heard), share_heard(trunk_plays, phone_heard));
    let at_trunk = (speaking_ms(trunk_heard), share_heard(phone_plays, trunk_heard));
    assert!(at_phone.0 > 2500 && at_phone.1 > 0.85, "the phone heard {at_phone:?} (ms, share)");
    assert!(at_trunk.0 > 2500 && at_trunk.1 > 0.85, "the trunk heard {at_trunk:?} (ms, share)");
}

#[test]
fn a_caller_reaches_the_agent_and_both_hear_each_other() {
    for transport in ["udp", "tcp"] {
        let hotseat = Hotseat::start();
        let (phone_plays, trunk_plays) = (melody(1, 60), melody(2, 60));
        let mut desk = phone_over(&hotseat, "desk-17", "auto", &phone_plays, transport);
        let _ann = agent_at(&hotseat, "ann", "2001", "desk-17");
        let ear = Endpoint::open(trunk_plays.clone());
        let mut trunk =
            trunk_calls(&hotseat, &caller("+49301234", TALK_MS, true), "2001", ear.address.port());
        assert!(
            trunk.succeeded(Duration::from_secs(20)),
            "{}\n{}\n{}",
            trunk.log(),
            desk.log(),
            hotseat.log()
        );
        assert!(
            desk.until("CALL_CLOSED", 1, Duration::from_secs(5)),
            "the desk leg ends too\n{}",
            desk.log()
        );
        assert_both_heard(&desk.heard(), &trunk_plays, &ear.finish(), &phone_plays);
        let record = record(&hotseat);
        assert_eq!(record["end"], "hung_up_by_caller", "{record}");
        assert!(!record["answered"].is_null() && !record["login"].is_null(), "{record}");
    }
}

#[test]
fn the_agent_hangs_up_and_the_trunk_is_told() {
    let hotseat = Hotseat::start();
    let mut desk = phone(&hotseat, "desk-17", "auto", &melody(1, 60));
    let _ann = agent_at(&hotseat, "ann", "2001", "desk-17");
    let ear = Endpoint::open(melody(2, 60));
    let mut trunk = trunk_calls(&hotseat, &caller("+49301234", 0, false), "2001", ear.address.port());
    assert!(desk.until("CALL_ESTABLISHED", 1, Duration::from_secs(10)), "{}\n{}", desk.log(), hotseat.log());
    std::thread::sleep(Duration::from_millis(800));
    desk.command("hangup", "");
    assert!(trunk.succeeded(Duration::from_secs(10)), "{}", trunk.log());
    assert_eq!(record(&hotseat)["end"], "hung_up_by_callee");
}

#[test]
fn a_call_out_carries_the_agents_number() {
    let hotseat = Hotseat::start();
    let (phone_plays, trunk_plays) = (melody(3, 60), melody(4, 60));
    let mut desk = phone(&hotseat, "desk-17", "auto", &phone_plays);
    let _ann = agent_at(&hotseat, "ann", "2001", "desk-17");
    let ear = Endpoint::open(trunk_plays.clone());
    let mut trunk = trunk_waits(&hotseat, ear.address.port());
    desk.command("dial", "sip:069123456@hotseat.test");
    assert!(desk.until("CALL_ESTABLISHED", 1, Duration::from_secs(10)), "{}\n{}", desk.log(), hotseat.log());
    std::thread::sleep(Duration::from_millis(u64::from(TALK_MS)));
    desk.command("hangup", "");
    assert!(trunk.succeeded(Duration::from_secs(10)), "{}", trunk.log());
    assert_both_heard(&desk.heard(), &trunk_plays, &ear.finish(), &phone_plays);
    let log = trunk.log();
    let invite = log.split("INVITE sip:").nth(1).unwrap_or_default();
    assert!(invite.starts_with("+4969123456@"), "rewritten by the dial plan: {invite}");
    let from = invite.lines().find(|l| l.starts_with("From:")).unwrap_or_default();
    assert!(from.contains("+49692001"), "the agent's own number: {from}");
    assert!(!invite.contains("desk-17"), "no trace of the device outside: {invite}");
    let record = record(&hotseat);
    assert_eq!(
        (&record["end"], &record["direction"]),
        (&"hung_up_by_caller".into(), &"out".into()),
        "{record}"
    );
}

#[test]
fn a_phone_with_nobody_at_it_reaches_only_colleagues_and_help() {
    let hotseat = Hotseat::start();
    let mut vacant = phone(&hotseat, "desk-30", "auto", &melody(5, 60));
    let mut desk = phone(&hotseat, "desk-17", "auto", &melody(6, 60));
    let _ann = agent_at(&hotseat, "ann", "2001", "desk-17");

    vacant.command("dial", "sip:069123456@hotseat.test");
    assert!(vacant.until("CALL_CLOSED", 1, Duration::from_secs(10)), "outside is refused\n{}", vacant.log());
    assert_eq!(vacant.count("CALL_ESTABLISHED"), 0);

    vacant.command("dial", "sip:2001@hotseat.test");
    assert!(
        vacant.until("CALL_ESTABLISHED", 1, Duration::from_secs(10)),
        "{}\n{}",
        vacant.log(),
        hotseat.log()
    );
    assert!(desk.until("CALL_ESTABLISHED", 1, Duration::from_secs(5)), "{}", desk.log());
    vacant.command("hangup", "");
    assert!(desk.until("CALL_CLOSED", 1, Duration::from_secs(5)), "{}", desk.log());

    let ear = Endpoint::open(melody(7, 60));
    let mut help = trunk_waits(&hotseat, ear.address.port());
    vacant.command("dial", "sip:112@hotseat.test");
    assert!(
        vacant.until("CALL_ESTABLISHED", 2, Duration::from_secs(10)),
        "{}\n{}",
        vacant.log(),
        hotseat.log()
    );
    vacant.command("hangup", "");
    assert!(help.succeeded(Duration::from_secs(10)), "{}", help.log());
    assert!(eventually(Duration::from_secs(3), || {
        let rows = records(&hotseat);
        rows.iter().any(|r| r["end"] == "not_allowed") && rows.iter().all(|r| !r["ended"].is_null())
    }));
}

#[test]
fn nobody_is_logged_in_and_the_caller_hears_why() {
    let hotseat = Hotseat::start();
    hotseat.add_agent("ann", "2001", crate::desk::PASSWORD);
    std::thread::sleep(Duration::from_millis(300));
    let mut trunk = trunk_calls(&hotseat, &refused("+49301234", 480), "2001", 9);
    assert!(trunk.succeeded(Duration::from_secs(10)), "{}", trunk.log());
    assert!(trunk.log().contains("Reason: Q.850;cause=20"), "{}", trunk.log());
    assert_eq!(record(&hotseat)["end"], "not_logged_in");
}

#[test]
fn a_killed_gateway_comes_back_and_calls_work_without_a_register() {
    let mut hotseat = Hotseat::start();
    let (phone_plays, trunk_plays) = (melody(1, 60), melody(2, 60));
    let mut desk = phone(&hotseat, "desk-17", "auto", &phone_plays);
    let mut ann = agent_at(&hotseat, "ann", "2001", "desk-17");
    // Its first REGISTER_OK may have come before we could listen, or still be on its way to us.
    std::thread::sleep(Duration::from_secs(1));
    desk.look();
    let registered_before = desk.count("REGISTER_OK");
    hotseat.crash_and_restart();
    let ear = Endpoint::open(trunk_plays.clone());
    let mut trunk = trunk_calls(&hotseat, &caller("+49301234", TALK_MS, true), "2001", ear.address.port());
    assert!(trunk.succeeded(Duration::from_secs(20)), "{}\n{}", trunk.log(), hotseat.log());
    desk.look();
    assert_eq!(desk.count("REGISTER_OK"), registered_before, "nobody registered again");
    assert_both_heard(&desk.heard(), &trunk_plays, &ear.finish(), &phone_plays);
    let me = ann.get("/api/me");
    assert_eq!((me.status, &me.json["phone"]["name"]), (200, &"desk-17".into()), "{me:?}");
}
