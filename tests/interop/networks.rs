//! Browsers in hard networks: one that lets through only what a TURN server relays (RFC 8656, coturn), and one without UDP
//! (RFC 6544). The page calls the trunk, each hears the other's tone, and the browser says which way the sound took. And one
//! whose address is another in the middle of the call: ICE begins anew (RFC 8445 §9), the call goes on.

use crate::audio::{RATE, speaking_ms};
use crate::calls::trunk_waits;
use crate::desk::PASSWORD;
use crate::lab::{Hotseat, eventually, free_port};
use crate::page::Page;
use crate::rtp::Endpoint;
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// What the trunk plays; what the page's microphone plays is the browser scripts' `TONE_HZ`.
const TRUNK_HZ: f64 = 700.0;
const PAGE_HZ: f64 = 1234.0;
const TURN_SECRET: &str = "relay-secret-0123456789abcdef";
/// Ports that relayed packets come from: above those of every laboratory, below those the system hands out by itself.
const RELAY_PORTS: (u16, u16) = (32_100, 32_199);

/// coturn on a free port, for credentials made of a shared secret.
struct Turn {
    child: Child,
    port: u16,
    log: std::path::PathBuf,
}

impl Turn {
    fn start(folder: &Path) -> Turn {
        let port = free_port();
        let log = folder.join("turn.log");
        let out = std::fs::File::create(&log).expect("a log");
        let child = Command::new("turnserver")
            .current_dir(folder)
            .args(["-n", "--no-cli", "--no-tls", "--no-dtls", "--lt-cred-mech", "--use-auth-secret"])
            .args(["--static-auth-secret", TURN_SECRET, "--realm", "turn.test", "--allow-loopback-peers"])
            .args(["--listening-ip", "127.0.0.1", "--relay-ip", "127.0.0.1", "--listening-port"])
            .args([port.to_string(), "--min-port".to_owned(), RELAY_PORTS.0.to_string()])
            .args(["--max-port".to_owned(), RELAY_PORTS.1.to_string()])
            .args(["--verbose", "--simple-log", "--log-file", "stdout", "--pidfile"])
            .arg(folder.join("turn.pid"))
            .arg("--userdb")
            .arg(folder.join("turn.db"))
            .stdin(Stdio::null())
            .stdout(out.try_clone().expect("the log twice"))
            .stderr(out)
            .spawn()
            .expect("turnserver is installed (scripts/test installs it)");
        let turn = Turn { child, port, log };
        let listens =
            eventually(Duration::from_secs(10), || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok());
        assert!(listens, "the TURN server listens\n{}", turn.log());
        turn
    }

    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A steady tone as long as any call here.
fn tone(hz: f64) -> Vec<i16> {
    let sample = |n: usize| (std::f64::consts::TAU * hz * n as f64 / RATE as f64).sin() * 9000.0;
    (0..60 * RATE).map(|n| sample(n) as i16).collect()
}

/// Milliseconds of what was heard in which this pitch has more than half of the power (Goertzel, in pieces of 100 ms).
fn tone_ms(heard: &[i16], hz: f64) -> usize {
    const PIECE: usize = RATE / 10;
    let turn = 2.0 * (std::f64::consts::TAU * hz / RATE as f64).cos();
    let is_tone = |piece: &&[i16]| {
        let (mut a, mut b, mut power) = (0f64, 0f64, 0f64);
        for sample in *piece {
            let sample = f64::from(*sample);
            (a, b) = (sample + turn * a - b, a);
            power += sample * sample;
        }
        let share = (a * a + b * b - turn * a * b) * 2.0 / (PIECE as f64 * power.max(1.0));
        power > 1e4 * PIECE as f64 && share > 0.5
    };
    heard.chunks_exact(PIECE).filter(is_tone).count() * 100
}

/// Writes this below the configuration of a world that has not begun to matter, and starts it again.
fn restart_with(hotseat: &mut Hotseat, more: &str) {
    hotseat.kill();
    let file = hotseat.config.join("gateway.toml");
    let text = std::fs::read_to_string(&file).expect("the configuration");
    std::fs::write(&file, format!("{text}{more}")).expect("a configuration file");
    hotseat.run();
}

/// Bea sits in the browser, in this network, and calls the trunk; both hear each other.
fn calls_from(hotseat: &Hotseat, network: &str) {
    calls_and_moves(hotseat, network, None);
}

/// The same; with two addresses, the first is taken from this thread's network in the call and the second put there.
fn calls_and_moves(hotseat: &Hotseat, network: &str, moves: Option<[&str; 2]>) {
    let more = ["--password-stdin", "--outbound-number", "+49692002"];
    let agent = ["agents", "add", "bea", "--extension", "2002", "--typology", "webrtc"];
    hotseat.cli(&[&agent[..], &more[..]].concat(), &format!("{PASSWORD}\n"));
    std::thread::sleep(Duration::from_millis(400));
    let ear = Endpoint::open(tone(TRUNK_HZ));
    let mut trunk = trunk_waits(hotseat, ear.address.port());
    let mut page = Page::run(
        "hard.mjs",
        &serde_json::json!({
            "base": hotseat.https, "username": "bea", "password": PASSWORD, "number": "069123456", "hz": TRUNK_HZ,
            "network": network, "moves": moves.map(|[from, to]| serde_json::json!({"from": from, "to": to})),
        }),
    );
    page.until("ready");
    page.go_on();
    if let Some([from, to]) = moves {
        page.until("moves");
        assert!(ip(&["addr", "del", &format!("{from}/24"), "dev", DEVICE]), "the address goes");
        assert!(ip(&["addr", "add", &format!("{to}/24"), "dev", DEVICE]), "another comes");
        page.go_on();
    }
    page.until("called");
    let ended = trunk.succeeded(Duration::from_secs(10));
    page.go_on();
    eprintln!("{}", page.ends_well());
    assert!(ended, "{}\n{}", trunk.log(), hotseat.log());
    let asked = trunk.log().lines().filter(|line| line.starts_with("INVITE sip:")).count();
    assert_eq!(asked, 1, "an ICE restart is between the page and us: {}", trunk.log());
    let heard = ear.finish();
    let (speaking, page_tone) = (speaking_ms(&heard), tone_ms(&heard, PAGE_HZ));
    eprintln!("the trunk heard {speaking} ms, {page_tone} ms of them the page's tone");
    assert!(page_tone > 2500 && page_tone * 10 > speaking * 7, "{page_tone} ms of {speaking} ms");
}

#[test]
fn a_browser_that_may_only_use_a_relay_talks_over_coturn() {
    let mut hotseat = Hotseat::start();
    let turn = Turn::start(&hotseat.folder);
    let more = format!(
        "[browser]\nturn = [\"turn:127.0.0.1:{}?transport=udp\"]\nturn_secret = \"{TURN_SECRET}\"\n",
        turn.port
    );
    restart_with(&mut hotseat, &more);
    calls_from(&hotseat, "relay");
    let log = turn.log();
    assert!(log.contains("ALLOCATE processed, success"), "the credentials open an allocation\n{log}");
    assert!(!hotseat.log().contains(TURN_SECRET), "no secret in our log");
}

#[test]
fn a_browser_without_udp_talks_over_tcp() {
    let hotseat = Hotseat::start();
    calls_from(&hotseat, "tcp");
}

/// The only network card of a namespace made here.
const DEVICE: &str = "card0";

/// Changes the network of this thread.
fn ip(args: &[&str]) -> bool {
    Command::new("ip").args(args).status().is_ok_and(|s| s.success())
}

/// Gives this thread, and whatever it starts, a network of its own with one card; false where that is not allowed.
fn own_network(address: &str) -> bool {
    // SAFETY: unshare(2) takes no pointers, and a network namespace concerns the calling thread alone.
    let alone = unsafe { libc::unshare(libc::CLONE_NEWNET) } == 0;
    alone
        && ip(&["link", "set", "lo", "up"])
        && ip(&["link", "add", DEVICE, "type", "veth", "peer", "name", "card1"])
        // No addresses of IPv6 that come by themselves a second later: the browser would take them for a move.
        && ip(&["link", "set", DEVICE, "addrgenmode", "none"])
        && ip(&["addr", "add", &format!("{address}/24"), "dev", DEVICE])
        && ip(&["link", "set", DEVICE, "up"])
        && ip(&["link", "set", "card1", "up"])
}

#[test]
fn a_browser_whose_address_changes_in_a_call_is_heard_again() {
    let moves = ["192.0.2.10", "192.0.2.11"];
    // A thread of its own: the network it leaves is the one of the tests after this.
    let ran = std::thread::spawn(move || {
        if !own_network(moves[0]) {
            return false;
        }
        calls_and_moves(&Hotseat::start(), "moving", Some(moves));
        true
    });
    match ran.join() {
        Ok(true) => {}
        Ok(false) => eprintln!("SKIPPED: a network of its own needs root (CAP_NET_ADMIN) and the program ip"),
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

#[test]
fn a_tone_is_known_from_another() {
    assert_eq!(tone_ms(&tone(PAGE_HZ)[..RATE], PAGE_HZ), 1000);
    assert_eq!(tone_ms(&tone(TRUNK_HZ)[..RATE], PAGE_HZ), 0);
    assert_eq!(tone_ms(&[0; RATE], PAGE_HZ), 0);
}
