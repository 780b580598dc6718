//! The page in Chromium, driven by the scripts of `tests/browser` while real phones ring beside it.

use crate::audio::melody;
use crate::baresip::Baresip;
use crate::desk::{PASSWORD, SECRET, phone, records};
use crate::lab::{Hotseat, eventually};
use crate::rtp::Endpoint;
use crate::sip_client::Client;
use crate::sipp::{Run, Sipp, caller};
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The folder of the browser scripts, with its modules installed (scripts/test does).
fn scripts() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("browser")
}

/// A script in Chromium and the turns it takes with us.
pub struct Page {
    child: Child,
    go_on: ChildStdin,
    lines: std::sync::mpsc::Receiver<String>,
    said: Vec<String>,
}

impl Page {
    fn open(hotseat: &Hotseat, script: &str, phones: &[&str]) -> Page {
        let shots = std::env::var("HOTSEAT_SHOTS").ok();
        let config = serde_json::json!({
            "base": hotseat.https, "username": "ann", "password": PASSWORD, "phones": phones, "shots": shots,
        });
        Page::run(script, &config)
    }

    /// Any script of that folder, told what it needs to know.
    pub fn run(script: &str, told: &serde_json::Value) -> Page {
        let mut child = Command::new("node")
            .arg(script)
            .current_dir(scripts())
            .env("HOTSEAT_E2E", told.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node is installed");
        let go_on = child.stdin.take().expect("a pipe was asked for");
        let stdout = BufReader::new(child.stdout.take().expect("a pipe was asked for"));
        let (send, lines) = std::sync::mpsc::channel();
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).all(|line| send.send(line).is_ok()));
        Page { child, go_on, lines, said: Vec::new() }
    }

    /// Waits until the page says this word; what follows the word on its line.
    pub fn until(&mut self, word: &str) -> String {
        loop {
            match self.lines.recv_timeout(Duration::from_secs(60)) {
                Ok(line) => {
                    let found = line.strip_prefix("> ").and_then(|l| l.strip_prefix(word)).map(str::to_owned);
                    self.said.push(line);
                    if let Some(rest) = found {
                        return rest.trim().to_owned();
                    }
                }
                Err(e) => panic!("the page does not get to {word:?} ({e})\n{}", self.said.join("\n")),
            }
        }
    }

    /// Everything it said so far, for the report of a failure.
    pub fn said(&mut self) -> String {
        self.said.extend(self.lines.try_iter());
        self.said.join("\n")
    }

    /// Has an `agent.mjs` do something, and waits until it is done.
    #[track_caller]
    pub fn does(&mut self, deed: &[&str]) {
        self.begins(deed);
        self.has_done();
    }

    /// The same without waiting; `has_done` does.
    pub fn begins(&mut self, deed: &[&str]) {
        writeln!(self.go_on, "{}", serde_json::json!(deed)).expect("the page listens");
    }

    #[track_caller]
    pub fn has_done(&mut self) {
        let said = self.until("");
        assert_eq!(said, "done", "{}", self.said());
    }

    pub fn go_on(&mut self) {
        writeln!(self.go_on, "go on").expect("the page listens");
    }

    pub fn ends_well(mut self) -> String {
        let status = self.child.wait().expect("an end");
        self.said.extend(self.lines.try_iter());
        let text = self.said.join("\n");
        assert!(status.success(), "{text}");
        text
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        // Asked first: a script that is killed leaves its browser behind.
        if let Ok(pid) = i32::try_from(self.child.id()) {
            // SAFETY: kill(2) takes no pointers, and a child nobody has waited for keeps its number.
            unsafe { libc::kill(pid, libc::SIGTERM) };
        }
        if !eventually(Duration::from_secs(5), || matches!(self.child.try_wait(), Ok(Some(_)))) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn call_in(hotseat: &Hotseat, ear: &Endpoint) -> Sipp {
    Sipp::start(
        &hotseat.folder,
        &Run {
            scenario: &caller("+49301234", 0, false),
            port: hotseat.trunk.port(),
            remote: &hotseat.sip.to_string(),
            service: "2001",
            keys: &[("media", ear.address.port().to_string())],
            calls: 1,
        },
    )
}

fn in_call(desk: &mut Baresip, hotseat: &Hotseat) {
    assert!(desk.until("CALL_ESTABLISHED", 1, Duration::from_secs(10)), "{}\n{}", desk.log(), hotseat.log());
}

#[test]
fn a_day_at_the_page_beside_ringing_phones() {
    let hotseat = Hotseat::start();
    hotseat.add_agent("ann", "2001", PASSWORD);
    hotseat.add_phone("desk-19", SECRET);
    let mut desk_17 = phone(&hotseat, "desk-17", "auto", &melody(1, 60));
    let mut desk_18 = phone(&hotseat, "desk-18", "auto", &melody(2, 60));
    let ear = Endpoint::open(melody(3, 60));
    let mut page = Page::open(&hotseat, "day.mjs", &["desk-17", "desk-18", "desk-19"]);

    page.until("list");
    std::thread::sleep(Duration::from_millis(300));
    let late = Client::new(hotseat.sip);
    assert_eq!(late.registers("desk-19", SECRET).map(|r| r.status()), Some(200));
    let registered = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64);
    let seen: i64 = page.until("seen").parse().expect("a time in milliseconds");
    eprintln!("from the 200 at the phone to the page: {} ms", seen - registered);
    assert!(seen - registered < 2000, "the list is live");

    page.until("in");
    let mut first_call = call_in(&hotseat, &ear);
    in_call(&mut desk_17, &hotseat);
    page.go_on();

    page.until("no");
    desk_17.look();
    assert_eq!(desk_17.count("CALL_CLOSED"), 0, "saying no changes nothing");
    page.go_on();

    page.until("taken");
    assert!(desk_17.until("CALL_CLOSED", 1, Duration::from_secs(2)), "{}", hotseat.log());
    assert!(first_call.succeeded(Duration::from_secs(5)), "{}", first_call.log());
    let mut next_call = call_in(&hotseat, &ear);
    in_call(&mut desk_18, &hotseat);
    page.go_on();

    page.until("calling");
    desk_18.command("hangup", "");
    assert!(next_call.succeeded(Duration::from_secs(5)), "{}", next_call.log());
    page.go_on();
    page.until("out");
    page.go_on();
    eprintln!("{}", page.ends_well());
    assert!(eventually(Duration::from_secs(3), || {
        let ends: Vec<_> = records(&hotseat).iter().map(|r| r["end"].clone()).collect();
        ends.contains(&"logged_out_elsewhere".into()) && ends.contains(&"hung_up_by_callee".into())
    }));
}

#[test]
fn the_whole_road_in_a_browser() {
    let hotseat = Hotseat::start();
    hotseat.add_agent("ann", "2001", PASSWORD);
    let _desk_17 = phone(&hotseat, "desk-17", "auto", &melody(1, 60));
    let _desk_18 = phone(&hotseat, "desk-18", "auto", &melody(2, 60));
    eprintln!("{}", Page::open(&hotseat, "e2e.mjs", &["desk-17", "desk-18"]).ends_well());
}
