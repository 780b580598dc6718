//! The configuration is read again while a call is up: new rules count, mistakes change nothing, the call goes on.

use crate::client::{Client, DOMAIN, Reply, unique};
use crate::lab::web::Web;
use crate::lab::{Hotseat, eventually};
use std::net::UdpSocket;
use std::time::Duration;

const SECRET: &str = "a-long-random-secret-0001";
const WAIT: Duration = Duration::from_secs(5);

fn trunk(hotseat: &Hotseat) -> Client {
    let socket = UdpSocket::bind(hotseat.trunk).expect("the trunk's port is free");
    socket.set_read_timeout(Some(Duration::from_millis(50))).expect("a read timeout");
    Client { socket, gateway: hotseat.sip }
}

fn sdp(me: &Client) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {} RTP/AVP 0\r\n",
        me.address().port()
    )
}

fn with_sdp(head: &str, me: &Client) -> String {
    let body = sdp(me);
    let length = format!("Content-Type: application/sdp\r\nContent-Length: {}\r\n", body.len());
    head.replace("Content-Length: 0\r\n", &length) + &body
}

/// INVITE of `desk-1` to this number with the answer to its challenge; what it sent.
fn dials(phone: &Client, number: &str) -> String {
    let uri = format!("sip:{number}@{DOMAIN}");
    let first = phone.request("INVITE", "desk-1", &uri, &format!("<{uri}>"), "");
    let challenge = phone.ask(&with_sdp(&first, phone)).expect("a challenge");
    let credentials = challenge.credentials("desk-1", SECRET, "INVITE", &uri, 1).expect("an MD5 challenge");
    let invite = phone.request("INVITE", "desk-1", &uri, &format!("<{uri}>"), &credentials);
    phone.send(&with_sdp(&invite, phone));
    invite
}

/// The next request of this method at the trunk.
fn arrives(at: &Client, method: &str) -> Option<Reply> {
    let mut found = None;
    eventually(WAIT, || {
        found = at.receive(Duration::from_millis(200)).map(Reply).filter(|m| m.0.starts_with(method));
        found.is_some()
    });
    found
}

fn answer(to: &Reply, from: &Client, body: bool) -> String {
    let header = |name| to.headers(name).map(|v| format!("{name}: {v}\r\n")).collect::<String>();
    let tag = if to.header("To").is_some_and(|t| t.contains("tag=")) { "" } else { ";tag=far" };
    let head = format!(
        "SIP/2.0 200 OK\r\n{}{}To: {}{tag}\r\n{}{}Contact: <sip:x@{}>\r\nContent-Length: 0\r\n\r\n",
        header("Via"),
        header("From"),
        to.header("To").unwrap_or(""),
        header("Call-ID"),
        header("CSeq"),
        from.address()
    );
    if body { with_sdp(&head, from) } else { head }
}

#[test]
fn new_rules_count_and_the_call_that_is_up_goes_on() {
    let hotseat = Hotseat::start();
    hotseat.add_phone("desk-1", SECRET);
    let (phone, far) = (Client::new(hotseat.sip), trunk(&hotseat));
    assert_eq!(phone.registers("desk-1", SECRET).map(|r| r.status()), Some(200));

    // A call that is up: nobody sits there, so the number of the fire brigade it is.
    let invite = dials(&phone, "112");
    let asked = arrives(&far, "INVITE").expect("the emergency call reaches the trunk");
    far.send(&answer(&asked, &far, true));
    let ok = phone.answer().expect("the call is answered");
    assert_eq!(ok.status(), 200, "{ok:?}");
    let in_dialog = |method: &str, cseq: u32| {
        let invite = Reply(invite.clone());
        let cseq = format!("CSeq: {cseq} {method}");
        let contact = ok.header("Contact").unwrap_or("").trim_matches(['<', '>']);
        format!(
            "{method} {contact} SIP/2.0\r\nVia: SIP/2.0/UDP {};branch=z9hG4bK{};rport\r\nMax-Forwards: 70\r\n\
             From: {}\r\nTo: {}\r\nCall-ID: {}\r\n{cseq}\r\nContent-Length: 0\r\n\r\n",
            phone.address(),
            unique(),
            invite.header("From").unwrap_or(""),
            ok.header("To").unwrap_or(""),
            invite.header("Call-ID").unwrap_or("")
        )
    };
    phone.send(&in_dialog("ACK", 1));
    assert!(arrives(&far, "ACK").is_some());

    // A mistake is told with its place, and nothing changes.
    let plan = hotseat.config.join("dialplan.toml");
    let old = std::fs::read_to_string(&plan).unwrap();
    let new = old.replace("emergency = [\"112\"]", "emergency = [\"112\", \"999\"]");
    std::fs::write(&plan, new.clone() + "[[rules]]\nprefix = \"5\"\ntrunk = \"mian\"\n").unwrap();
    let refused = hotseat.cli_refused(&["reload"]);
    assert_eq!(refused["reloaded"], false, "{refused}");
    assert_eq!(refused["errors"][0]["file"], "dialplan.toml");
    assert!(refused["errors"][0]["line"].as_u64().is_some_and(|line| line > 5), "{refused}");
    let other = Client::new(hotseat.sip);
    dials(&other, "999");
    let not_yet = other.answer().expect("an answer");
    assert!(not_yet.status() >= 400, "{not_yet:?}");

    // Right, and it counts at once.
    std::fs::write(&plan, &new).unwrap();
    let done = hotseat.cli(&["reload"], "");
    assert_eq!(done["changed"], serde_json::json!(["dialplan.toml"]), "{done}");
    dials(&other, "999");
    let second = arrives(&far, "INVITE").expect("the new number reaches the trunk");
    assert!(second.0.contains("999"), "{second:?}");
    far.send(&answer(&second, &far, false).replacen("200 OK", "486 Busy Here", 1));

    // The trunk goes out of the files; the call on it does not end for that.
    std::fs::write(&plan, "vacant_phone_internal = true\n").unwrap();
    std::fs::write(hotseat.config.join("trunks.toml"), "").unwrap();
    let done = hotseat.cli(&["reload"], "");
    assert_eq!(done["changed"], serde_json::json!(["trunk main", "dialplan.toml"]), "{done}");
    let calls = hotseat.cli(&["calls"], "");
    let up = calls.as_array().map(|rows| rows.iter().filter(|c| c["up"] == true).count());
    assert_eq!(up, Some(1), "{calls}");
    phone.send(&in_dialog("BYE", 2));
    let bye = arrives(&far, "BYE").expect("the BYE crosses");
    far.send(&answer(&bye, &far, false));
    assert_eq!(phone.answer().map(|r| r.status()), Some(200));
}

#[test]
fn a_hangup_signal_reads_the_files_again() {
    let hotseat = Hotseat::start();
    std::fs::write(
        hotseat.config.join("security.toml"),
        "takeover = \"refuse\"\n[limits]\nconnections = 7\n",
    )
    .unwrap();
    hotseat.signal(libc::SIGHUP);
    let told =
        || hotseat.log().lines().any(|l| l.contains("configuration read again") && l.contains("takeover"));
    assert!(eventually(WAIT, told), "{}", hotseat.log());
    assert!(hotseat.log().contains("[limits] of security.toml"), "what waits is told\n{}", hotseat.log());
    std::fs::write(hotseat.config.join("security.toml"), "takeover = \"ask\"\n").unwrap();
    hotseat.signal(libc::SIGHUP);
    assert!(eventually(WAIT, || hotseat.log().contains("security.toml:1:")), "{}", hotseat.log());
    assert_eq!(Client::new(hotseat.sip).options().map(|r| r.status()), Some(200));
}

#[test]
fn who_needs_a_second_factor_and_how_long_a_login_lives_change_while_we_run() {
    let security = |more: &str| format!("[session]\npending_minutes = 5\n{more}");
    let hotseat = Hotseat::start_with(&security(""));
    hotseat.add_agent("ann", "2001", "Correct-Horse-7");
    let asked = |name: &str| Web::new(&hotseat, name).login("ann", "Correct-Horse-7").json["state"].clone();
    assert_eq!(asked("before"), "choose_phone");

    let file = hotseat.config.join("security.toml");
    std::fs::write(&file, security("idle_minutes = 30\n[factors]\nrequired = [\"agent\"]\n")).unwrap();
    let done = hotseat.cli(&["reload"], "");
    let wanted = serde_json::json!(["[session]", "[factors]"]);
    assert_eq!((&done["changed"], &done["waits"]), (&wanted, &serde_json::json!([])), "{done}");
    assert_eq!(asked("after"), "enrol_factor");

    // A policy that is not there yet is a mistake with its line, and nothing changes.
    std::fs::write(&file, format!("takeover = \"move\"\n{}", security(""))).unwrap();
    let refused = hotseat.cli_refused(&["reload"]);
    assert_eq!(refused["errors"][0]["line"], 1, "{refused}");
    let sentence = refused["errors"][0]["sentence"].as_str().unwrap_or("");
    assert!(sentence.contains("\"end\"") && sentence.contains("\"refuse\""), "{sentence}");
    assert_eq!(asked("still"), "enrol_factor");
}
