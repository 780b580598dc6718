//! Softphones of others: plain JsSIP and plain SIP.js in Chromium, on a page of another site, with nothing but a name and a
//! secret (SPEC F4).

use crate::audio::{melody, share_heard, speaking_ms, write_wav};
use crate::calls::{TALK_MS, trunk_calls, trunk_waits};
use crate::desk::{SECRET, agent_at, phone_state};
use crate::lab::{DOMAIN, Hotseat, eventually};
use crate::page::Page;
use crate::rtp::Endpoint;
use crate::sipp::caller;
use std::time::Duration;

fn registers(hotseat: &Hotseat, name: &str) -> bool {
    eventually(Duration::from_secs(3), || phone_state(hotseat, name).as_deref() == Some("registered"))
}

#[test]
fn softphones_of_others_register_over_websocket() {
    let hotseat = Hotseat::start();
    for name in ["soft-1", "soft-2"] {
        hotseat.add_phone(name, SECRET);
    }
    std::thread::sleep(Duration::from_millis(400));
    let ws = format!("{}/sip", hotseat.https.replace("https", "wss"));
    let mut page = Page::run(
        "thirdparty.mjs",
        &serde_json::json!({"ws": ws, "domain": DOMAIN, "phones": [["soft-1", SECRET], ["soft-2", SECRET]]}),
    );
    for (kind, name) in [("jssip", "soft-1"), ("sipjs", "soft-2")] {
        page.until(&format!("{kind} registered"));
        assert!(registers(&hotseat, name), "{kind}\n{}", hotseat.log());
        page.go_on();
        page.until(&format!("{kind} gone"));
        let gone =
            eventually(Duration::from_secs(3), || phone_state(&hotseat, name).as_deref() == Some("expired"));
        assert!(gone, "{kind} took its contact back: {:?}\n{}", phone_state(&hotseat, name), hotseat.log());
        page.go_on();
    }
    page.until("back");
    assert!(registers(&hotseat, "soft-1"), "{}", hotseat.log());
    page.go_on();
    eprintln!("{}", page.ends_well());
}

/// Ann sits at a softphone of this kind; it calls the trunk and the trunk calls her, and both hear each other.
fn talks(kind: &str) {
    let hotseat = Hotseat::start();
    hotseat.add_phone("soft-1", SECRET);
    std::thread::sleep(Duration::from_millis(400));
    let (page_plays, trunk_plays) = (melody(1, 60), melody(2, 60));
    let play = hotseat.folder.join("play.wav");
    write_wav(&play, &page_plays).expect("the softphone's sound");
    let mut page = Page::run(
        "talk.mjs",
        &serde_json::json!({
            "ws": format!("{}/sip", hotseat.https.replace("https", "wss")), "domain": DOMAIN, "kind": kind,
            "user": "soft-1", "secret": SECRET, "number": "069123456", "play": play, "heard": hotseat.folder,
        }),
    );
    page.until("registered");
    assert!(registers(&hotseat, "soft-1"), "{}", hotseat.log());
    let _ann = agent_at(&hotseat, "ann", "2001", "soft-1");
    let ear = Endpoint::open(trunk_plays.clone());
    let mut trunk = trunk_waits(&hotseat, ear.address.port());
    page.go_on();
    page.until("called");
    assert!(trunk.succeeded(Duration::from_secs(10)), "{}\n{}", trunk.log(), hotseat.log());
    both_heard(&heard(&hotseat, "out"), &trunk_plays, &ear.finish(), &page_plays);
    page.go_on();
    let ear = Endpoint::open(trunk_plays.clone());
    let mut trunk = trunk_calls(&hotseat, &caller("+49301234", TALK_MS, true), "2001", ear.address.port());
    page.until("was called");
    assert!(trunk.succeeded(Duration::from_secs(10)), "{}\n{}", trunk.log(), hotseat.log());
    both_heard(&heard(&hotseat, "in"), &trunk_plays, &ear.finish(), &page_plays);
    page.go_on();
    eprintln!("{}", page.ends_well());
}

/// Both heard what the other played. A browser's jitter buffer stretches and squeezes sound until it has found its depth, so
/// that some windows of a short call match nothing; another's sound would match in none.
fn both_heard(page_heard: &[i16], trunk_plays: &[i16], trunk_heard: &[i16], page_plays: &[i16]) {
    let at_page = (speaking_ms(page_heard), share_heard(trunk_plays, page_heard));
    let at_trunk = (speaking_ms(trunk_heard), share_heard(page_plays, trunk_heard));
    eprintln!("the page heard {at_page:?}, the trunk {at_trunk:?} (ms, share)");
    assert!(at_page.0 > 2500 && at_page.1 > 0.5, "the page heard {at_page:?} (ms, share)");
    assert!(at_trunk.0 > 2500 && at_trunk.1 > 0.5, "the trunk heard {at_trunk:?} (ms, share)");
}

/// What the page kept: samples of 16 bits.
fn heard(hotseat: &Hotseat, name: &str) -> Vec<i16> {
    let bytes = std::fs::read(hotseat.folder.join(name)).expect("what the softphone heard");
    bytes.chunks_exact(2).map(|two| i16::from_le_bytes([two[0], two[1]])).collect()
}

#[test]
fn a_jssip_and_a_plain_trunk_hear_each_other() {
    talks("jssip");
}

#[test]
fn a_sip_js_and_a_plain_trunk_hear_each_other() {
    talks("sipjs");
}
