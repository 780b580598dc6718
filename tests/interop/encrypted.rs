//! A desk phone that keeps its calls to itself: SIP over TLS, and SRTP with the keys in its descriptions (RFC 4568) or no call.

use crate::audio::melody;
use crate::desk::{phone_over, phone_state};
use crate::lab::{Hotseat, eventually};
use std::time::Duration;

#[test]
fn a_phone_registers_over_tls_and_is_in_doubt_when_its_cable_is_pulled() {
    let hotseat = Hotseat::start();
    let mut desk = phone_over(&hotseat, "desk-17", "auto", &melody(1, 60), "tls");
    let registered = || phone_state(&hotseat, "desk-17").as_deref() == Some("registered");
    assert!(eventually(Duration::from_secs(3), registered), "{}\n{}", desk.log(), hotseat.log());
    let list = hotseat.cli(&["phones", "list"], "").to_string();
    assert!(list.contains("tls/"), "the way back is the TLS connection: {list}");
    desk.kill();
    assert!(eventually(Duration::from_secs(3), || !registered()), "{}", hotseat.log());
    assert_ne!(phone_state(&hotseat, "desk-17").as_deref(), Some("expired"), "its contact stays for a while");
}
