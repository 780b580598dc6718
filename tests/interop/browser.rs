//! An agent who works in the browser: Chromium and Firefox with a microphone that plays a melody, SIPp as the trunk, and an
//! ear on both ends (SPEC I1). Called and calling, in each codec a browser speaks; the trunk speaks G.711.

use crate::audio::{melody, read_wav, share_heard, speaking_ms, write_wav};
use crate::desk::{PASSWORD, records};
use crate::lab::{Hotseat, eventually};
use crate::page::Page;
use crate::rtp::Endpoint;
use crate::sipp::{Run, Sipp, callee, caller};
use std::path::PathBuf;
use std::time::Duration;

const TALK_MS: u32 = 5000;
/// A jitter buffer stretches and squeezes what it plays, on a busy machine more often; the windows it touched do not match.
/// Something else than the melody would match in less than a fifth.
const SHARE: f64 = 0.5;

struct Turn {
    word: &'static str,
    codec: &'static str,
    dials: Option<&'static str>,
}

const CALLED: Option<&str> = None;
const CALLS: Option<&str> = Some("069123456");

const IN_CHROMIUM: [Turn; 8] = [
    Turn { word: "called in PCMU", codec: "pcmu", dials: CALLED },
    Turn { word: "calls in PCMU", codec: "pcmu", dials: CALLS },
    Turn { word: "called in PCMA", codec: "pcma", dials: CALLED },
    Turn { word: "calls in PCMA", codec: "pcma", dials: CALLS },
    Turn { word: "called in G722", codec: "g722", dials: CALLED },
    Turn { word: "calls in G722", codec: "g722", dials: CALLS },
    Turn { word: "called in Opus", codec: "opus", dials: CALLED },
    Turn { word: "calls in Opus", codec: "opus", dials: CALLS },
];

/// Firefox cannot be told which codec to speak; it speaks what the gateway and its page agree upon.
const IN_FIREFOX: [Turn; 2] = [
    Turn { word: "is called", codec: "PCMU", dials: CALLED },
    Turn { word: "calls", codec: "PCMU", dials: CALLS },
];

fn trunk(hotseat: &Hotseat, turn: &Turn, ear: &Endpoint) -> Sipp {
    let (scenario, service) = match turn.dials {
        Some(_) => (callee(), "waits"),
        None => (caller("+49301234", 0, false), "2001"),
    };
    let sipp = Sipp::start(
        &hotseat.folder,
        &Run {
            scenario: &scenario,
            port: hotseat.trunk.port(),
            remote: &hotseat.sip.to_string(),
            service,
            keys: &[("media", ear.address.port().to_string())],
            calls: 1,
        },
    );
    let there = eventually(Duration::from_secs(5), || std::net::UdpSocket::bind(hotseat.trunk).is_err());
    assert!(there, "the trunk listens");
    sipp
}

#[test]
fn an_agent_in_chromium_calls_and_is_called_and_both_hear_each_other() {
    both_hear_each_other("melody.mjs", &IN_CHROMIUM);
}

#[test]
fn an_agent_in_firefox_calls_and_is_called_and_both_hear_each_other() {
    both_hear_each_other("firefox.mjs", &IN_FIREFOX);
}

fn both_hear_each_other(script: &str, turns: &[Turn]) {
    let hotseat = Hotseat::start();
    hotseat.add_agent_of("bea", "2001", PASSWORD, "webrtc");
    let (browser_plays, trunk_plays) = (melody(1, 60), melody(2, 60));
    let microphone = hotseat.folder.join("microphone.wav");
    write_wav(&microphone, &browser_plays).expect("a file for the microphone");
    let heard_at = |turn: &Turn| -> PathBuf { hotseat.folder.join(format!("{}.wav", turn.word)) };
    let told: Vec<_> = turns
        .iter()
        .map(|t| {
            serde_json::json!({
                "word": t.word, "codec": t.codec, "dials": t.dials, "hears": heard_at(t), "ms": TALK_MS,
            })
        })
        .collect();
    let mut page = Page::run(
        script,
        &serde_json::json!({
            "base": hotseat.https, "username": "bea", "password": PASSWORD, "plays": microphone, "turns": told,
            "shots": std::env::var("HOTSEAT_SHOTS").ok(),
        }),
    );
    page.until("ready");
    for turn in turns {
        let ear = Endpoint::open(trunk_plays.clone());
        let mut trunk = if turn.dials.is_some() {
            // It listens before the page dials.
            let trunk = trunk(&hotseat, turn, &ear);
            page.go_on();
            trunk
        } else {
            page.go_on();
            page.until(&format!("{} waits", turn.word));
            let trunk = trunk(&hotseat, turn, &ear);
            page.go_on();
            trunk
        };
        page.until(&format!("{} done", turn.word));
        let ended = trunk.succeeded(Duration::from_secs(10));
        assert!(ended, "{}: {}\n{}\n{}", turn.word, trunk.log(), hotseat.log(), page.said());
        let at_trunk = ear.finish();
        let at_browser = read_wav(&heard_at(turn)).expect("what the browser heard");
        let browser = (speaking_ms(&at_browser), share_heard(&trunk_plays, &at_browser));
        let carrier = (speaking_ms(&at_trunk), share_heard(&browser_plays, &at_trunk));
        eprintln!("{}: the browser heard {browser:?}, the trunk {carrier:?} (ms, share)", turn.word);
        assert!(browser.0 > 2500 && browser.1 > SHARE, "{}: the browser heard {browser:?}", turn.word);
        assert!(carrier.0 > 2500 && carrier.1 > SHARE, "{}: the trunk heard {carrier:?}", turn.word);
    }
    page.go_on();
    eprintln!("{}", page.ends_well());
    assert_eq!(records(&hotseat).len(), turns.len(), "one record a call");
}
