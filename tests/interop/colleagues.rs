//! Agents in the browser among colleagues: with one at a desk phone, with one in another browser, and handing a caller on
//! (SPEC F1, F3). Heard on every end.

use crate::audio::{melody, read_wav, share_heard, speaking_ms, write_wav};
use crate::calls::trunk_calls;
use crate::desk::{PASSWORD, agent_at, phone, records};
use crate::lab::{Hotseat, eventually};
use crate::page::Page;
use crate::rtp::Endpoint;
use crate::sipp::caller_who_agrees;
use std::path::PathBuf;
use std::time::Duration;

const TALK_MS: &str = "4000";
/// As in `browser`: jitter buffers and the recorder of a page leave some windows that do not match.
const SHARE: f64 = 0.5;

/// An agent in Chromium who is ready, with a melody for a microphone.
fn in_chromium(hotseat: &Hotseat, name: &str, extension: &str, plays: &[i16]) -> Page {
    hotseat.add_agent_of(name, extension, PASSWORD, "webrtc");
    let microphone = hotseat.folder.join(format!("{name}.wav"));
    write_wav(&microphone, plays).expect("a file for the microphone");
    let shots = std::env::var("HOTSEAT_SHOTS").ok();
    let mut page = Page::run(
        "agent.mjs",
        &serde_json::json!({
            "base": hotseat.https, "username": name, "password": PASSWORD, "plays": microphone, "shots": shots,
        }),
    );
    page.does(&["ready"]);
    page
}

fn file(hotseat: &Hotseat, name: &str) -> (PathBuf, String) {
    let path = hotseat.folder.join(format!("{name}-heard.wav"));
    let text = path.to_string_lossy().into_owned();
    (path, text)
}

#[track_caller]
fn heard(who: &str, heard: &[i16], played: &[i16]) {
    let (ms, share) = (speaking_ms(heard), share_heard(played, heard));
    eprintln!("{who} heard {ms} ms, {share:.2} of it as it was played");
    assert!(ms > 2000 && share > SHARE, "{who}");
}

#[test]
fn a_browser_and_a_desk_phone_hear_each_other_and_digits_arrive_once() {
    let hotseat = Hotseat::start();
    let (desk_plays, page_plays) = (melody(1, 60), melody(2, 60));
    let mut desk = phone(&hotseat, "desk-17", "auto", &desk_plays);
    let _ann = agent_at(&hotseat, "ann", "2001", "desk-17");
    let mut page = in_chromium(&hotseat, "bea", "2002", &page_plays);
    let (path, text) = file(&hotseat, "bea");

    page.does(&["call", "2001"]);
    page.does(&["record", &text, TALK_MS]);
    page.does(&["press", "42#9"]);
    page.does(&["hangUp"]);
    assert!(desk.until("CALL_CLOSED", 1, Duration::from_secs(5)), "{}\n{}", desk.log(), hotseat.log());
    heard("the page", &read_wav(&path).expect("a recording"), &desk_plays);
    heard("the desk", &desk.heard(), &page_plays);
    let begun = desk.said.iter().filter(|e| e["type"] == "CALL_DTMF_START");
    let digits: String = begun.filter_map(|e| e["param"].as_str()).collect();
    assert_eq!(digits, "42#9", "every digit once: {:?}", desk.said);

    // And the other way round: the desk calls.
    desk.command("dial", "sip:2002@hotseat.test");
    page.does(&["answer"]);
    page.does(&["record", &text, TALK_MS]);
    desk.command("hangup", "");
    page.does(&["state", "Ready"]);
    heard("the page that was called", &read_wav(&path).expect("a recording"), &desk_plays);
}

#[test]
fn two_browsers_hear_each_other() {
    let hotseat = Hotseat::start();
    let (bea_plays, cid_plays) = (melody(3, 60), melody(4, 60));
    let mut bea = in_chromium(&hotseat, "bea", "2002", &bea_plays);
    let mut cid = in_chromium(&hotseat, "cid", "2003", &cid_plays);
    let ((bea_file, bea_text), (cid_file, cid_text)) = (file(&hotseat, "bea"), file(&hotseat, "cid"));
    bea.begins(&["call", "2003"]);
    cid.does(&["answer"]);
    bea.has_done();
    bea.begins(&["record", &bea_text, TALK_MS]);
    cid.does(&["record", &cid_text, TALK_MS]);
    bea.has_done();
    cid.does(&["hangUp"]);
    bea.does(&["state", "Ready"]);
    heard("bea", &read_wav(&bea_file).expect("a recording"), &cid_plays);
    heard("cid", &read_wav(&cid_file).expect("a recording"), &bea_plays);
}

#[test]
fn the_page_hands_a_caller_on_and_is_free_again() {
    let hotseat = Hotseat::start();
    let (desk_plays, page_plays, trunk_plays) = (melody(5, 60), melody(6, 60), melody(7, 60));
    let mut desk = phone(&hotseat, "desk-17", "auto", &desk_plays);
    let _ann = agent_at(&hotseat, "ann", "2001", "desk-17");
    let mut page = in_chromium(&hotseat, "bea", "2002", &page_plays);
    let ear = Endpoint::open(trunk_plays.clone());
    let mut trunk = trunk_calls(&hotseat, &caller_who_agrees("+49301234"), "2002", ear.address.port());

    page.does(&["answer"]);
    std::thread::sleep(Duration::from_secs(3));
    page.does(&["transfer", "2001"]);
    let before = ear.heard();
    assert!(desk.until("CALL_ESTABLISHED", 1, Duration::from_secs(10)), "{}\n{}", desk.log(), hotseat.log());
    std::thread::sleep(Duration::from_secs(4));
    desk.command("hangup", "");
    assert!(trunk.succeeded(Duration::from_secs(10)), "{}\n{}", trunk.log(), hotseat.log());
    let all = ear.finish();
    heard("the trunk, before", &before, &page_plays);
    heard("the trunk, after", &all[before.len()..], &desk_plays);
    heard("the desk", &desk.heard(), &trunk_plays);
    page.does(&["state", "Ready"]);
    let one = eventually(Duration::from_secs(3), || {
        let rows = records(&hotseat);
        rows.len() == 1 && !rows[0]["ended"].is_null()
    });
    assert!(one, "one call for the caller: {:?}", records(&hotseat));
}
