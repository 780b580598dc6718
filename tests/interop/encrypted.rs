//! A desk phone that keeps its calls to itself: SIP over TLS, and SRTP with the keys in its descriptions (RFC 4568) or no call.

use crate::audio::melody;
use crate::calls::{TALK_MS, assert_both_heard, trunk_calls, trunk_waits};
use crate::desk::{agent_at, phone_state, phone_with};
use crate::lab::{Hotseat, eventually};
use crate::rtp::Endpoint;
use crate::sipp::caller;
use std::time::Duration;

#[test]
fn a_phone_registers_over_tls_and_is_in_doubt_when_its_cable_is_pulled() {
    let hotseat = Hotseat::start();
    let mut desk = phone_with(&hotseat, "desk-17", "auto", &melody(1, 60), "tls", "srtp-mand");
    let registered = || phone_state(&hotseat, "desk-17").as_deref() == Some("registered");
    assert!(eventually(Duration::from_secs(3), registered), "{}\n{}", desk.log(), hotseat.log());
    let list = hotseat.cli(&["phones", "list"], "").to_string();
    assert!(list.contains("tls/"), "the way back is the TLS connection: {list}");
    desk.kill();
    assert!(eventually(Duration::from_secs(3), || !registered()), "{}", hotseat.log());
    assert_ne!(phone_state(&hotseat, "desk-17").as_deref(), Some("expired"), "its contact stays for a while");
}

#[test]
fn an_encrypted_phone_calls_a_plain_trunk_and_both_hear_each_other() {
    let hotseat = Hotseat::start();
    let (phone_plays, trunk_plays) = (melody(3, 60), melody(4, 60));
    let mut desk = phone_with(&hotseat, "desk-17", "auto", &phone_plays, "tls", "srtp-mand");
    let _ann = agent_at(&hotseat, "ann", "2001", "desk-17");
    let ear = Endpoint::open(trunk_plays.clone());
    let mut trunk = trunk_waits(&hotseat, ear.address.port());
    desk.command("dial", "sip:069123456@hotseat.test");
    assert!(desk.until("CALL_ESTABLISHED", 1, Duration::from_secs(10)), "{}\n{}", desk.log(), hotseat.log());
    assert!(desk.until("CALL_MENC", 1, Duration::from_secs(5)), "the phone calls it secure\n{}", desk.log());
    std::thread::sleep(Duration::from_millis(u64::from(TALK_MS)));
    desk.command("hangup", "");
    assert!(trunk.succeeded(Duration::from_secs(10)), "{}", trunk.log());
    assert_both_heard(&desk.heard(), &trunk_plays, &ear.finish(), &phone_plays);
    let told = trunk.log();
    assert!(told.contains("RTP/AVP") && !told.contains("a=crypto"), "plain outside\n{told}");
}

/// A call from the plain trunk to a phone over TLS that encrypts this way, with this setting for phones.
fn called(setting: &str, mediaenc: &str) {
    let mut hotseat = Hotseat::start();
    if !setting.is_empty() {
        hotseat.kill();
        let file = hotseat.config.join("gateway.toml");
        let text = std::fs::read_to_string(&file).expect("the configuration");
        std::fs::write(&file, format!("{text}[phones]\nsrtp = \"{setting}\"\n"))
            .expect("a configuration file");
        hotseat.run();
    }
    let (phone_plays, trunk_plays) = (melody(1, 60), melody(2, 60));
    let mut desk = phone_with(&hotseat, "desk-17", "auto", &phone_plays, "tls", mediaenc);
    let _ann = agent_at(&hotseat, "ann", "2001", "desk-17");
    let ear = Endpoint::open(trunk_plays.clone());
    let mut trunk = trunk_calls(&hotseat, &caller("+49301234", TALK_MS, true), "2001", ear.address.port());
    assert!(trunk.succeeded(Duration::from_secs(20)), "{}\n{}\n{}", trunk.log(), desk.log(), hotseat.log());
    assert!(desk.until("CALL_CLOSED", 1, Duration::from_secs(5)), "{}", desk.log());
    assert!(desk.count("CALL_MENC") >= 1, "the phone calls it secure\n{}", desk.log());
    assert_both_heard(&desk.heard(), &trunk_plays, &ear.finish(), &phone_plays);
}

#[test]
fn a_plain_trunk_calls_a_phone_that_insists_on_encryption() {
    called("require", "srtp-mand");
}

#[test]
fn a_phone_that_can_encrypt_does_so_without_being_told() {
    called("", "srtp");
}
