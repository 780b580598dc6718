//! A laboratory: the shipped program, started on free ports with a folder of its own, and what a test may ask of it.

// Each ring uses its part of the laboratory.
#![allow(dead_code)]

pub mod smtp;
pub mod web;

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// The program under test and its folder, which goes with it.
pub struct Hotseat {
    child: Option<Child>,
    pub folder: PathBuf,
    pub config: PathBuf,
    pub sip: SocketAddr,
    pub sip_tls: SocketAddr,
    pub https: String,
    pub trunk: SocketAddr,
}

pub const DOMAIN: &str = "hotseat.test";

impl Hotseat {
    /// A new world: SIP over UDP and TCP, HTTPS, one trunk at a free address of 127.0.0.1.
    pub fn start() -> Hotseat {
        Hotseat::start_with("")
    }

    /// The same, with these lines in `security.toml`.
    pub fn start_with(security: &str) -> Hotseat {
        // A port that was free when it was looked up may be somebody's a moment later: another try has others.
        let mut hotseat = Hotseat::prepare(security);
        while let Err(why) = hotseat.try_run() {
            static TRIES: AtomicU32 = AtomicU32::new(0);
            assert!(TRIES.fetch_add(1, Ordering::Relaxed) < 3, "{why}");
            hotseat = Hotseat::prepare(security);
        }
        hotseat
    }

    /// The folder and the ports, before anything runs.
    fn prepare(security: &str) -> Hotseat {
        let folder = fresh_folder();
        let config = folder.join("sip-config");
        std::fs::create_dir_all(&config).expect("a configuration folder");
        let (sip, https, http, trunk) = (free_port(), free_port(), free_port(), free_port());
        // The neighbour of a free port is free too.
        let sip_tls = sip + 1;
        let write = |name: &str, text: String| {
            std::fs::write(config.join(name), text).expect("a configuration file");
        };
        let rtp = free_rtp_range();
        write(
            "gateway.toml",
            format!(
                "domain = \"{DOMAIN}\"\ndata_dir = \"../data\"\npublic_url = \"https://127.0.0.1:{https}\"\nworkers = 1\n\
                 drain_s = 2\n[listen]\nsip_udp = [\"127.0.0.1:{sip}\"]\nsip_tcp = [\"127.0.0.1:{sip}\"]\nsip_tls = [\"127.0.0.1:{sip_tls}\"]\n\
                 https = \"127.0.0.1:{https}\"\nhttp = \"127.0.0.1:{http}\"\n[rtp]\nport_first = {rtp}\nport_last = {}\n\
                 [calls]\nring_s = 20\n",
                rtp + 998
            ),
        );
        write(
            "trunks.toml",
            format!(
                "[[trunk]]\nname = \"main\"\naddresses = [\"127.0.0.1:{trunk}\"]\naccept_from = [\"127.0.0.1:{trunk}\"]\n\
                 default_number = \"+4969000000\"\nmax_calls = 100\ncodecs = [\"PCMU\", \"PCMA\"]\n"
            ),
        );
        write(
            "dialplan.toml",
            "emergency = [\"112\"]\nemergency_trunk = \"main\"\nvacant_phone_internal = true\n\
             external_calls_per_agent = 2\nexternal_calls_per_minute = 100\nbarred = [\"+979\"]\n\
             [[rules]]\nprefix = \"0\"\nmin_digits = 5\nmax_digits = 15\ntrunk = \"main\"\nstrip = 1\nadd = \"+49\"\n"
                .to_owned(),
        );
        write("security.toml", security.to_owned());
        Hotseat {
            child: None,
            folder,
            config,
            sip: SocketAddr::from(([127, 0, 0, 1], sip)),
            sip_tls: SocketAddr::from(([127, 0, 0, 1], sip_tls)),
            https: format!("https://127.0.0.1:{https}"),
            trunk: SocketAddr::from(([127, 0, 0, 1], trunk)),
        }
    }

    /// Starts the process and waits for its ready line.
    pub fn run(&mut self) {
        self.try_run().unwrap_or_else(|why| panic!("{why}"));
    }

    fn try_run(&mut self) -> Result<(), String> {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.folder.join("log"))
            .expect("a log");
        let mut child = Command::new(binary())
            .args(["serve", "--config"])
            .arg(&self.config)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("hotseat starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("a pipe was asked for");
        BufReader::new(stdout).read_line(&mut line).expect("a ready line");
        self.child = Some(child);
        match serde_json::from_str::<serde_json::Value>(&line) {
            Ok(ready) if ready["ready"] == true => Ok(()),
            _ => {
                self.kill();
                Err(format!("no ready line but {line:?}\n{}", self.log()))
            }
        }
    }

    /// kill -9, and a new process on the same folder.
    pub fn crash_and_restart(&mut self) {
        self.kill();
        self.run();
    }

    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// SIGTERM; the exit code once it has drained.
    pub fn terminate(&mut self) -> Option<i32> {
        let mut child = self.child.take()?;
        // SAFETY: plain kill(2) on the child we started and have not reaped yet.
        unsafe { libc::kill(child.id() as i32, libc::SIGTERM) };
        child.wait().ok().and_then(|s| s.code())
    }

    /// The process, for who looks at it from outside.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("a running process").id()
    }

    /// Sends the process a signal.
    pub fn signal(&self, signal: i32) {
        let child = self.child.as_ref().expect("a running process");
        // SAFETY: plain kill(2) on the child we started and have not reaped yet.
        unsafe { libc::kill(child.id() as i32, signal) };
    }

    /// Runs a command of the program on this world's folder; its JSON answer.
    pub fn cli(&self, args: &[&str], stdin: &str) -> serde_json::Value {
        self.command(args, stdin, true)
    }

    /// The same for a command that must fail.
    pub fn cli_refused(&self, args: &[&str]) -> serde_json::Value {
        self.command(args, "", false)
    }

    fn command(&self, args: &[&str], stdin: &str, succeeds: bool) -> serde_json::Value {
        let mut child = Command::new(binary())
            .args(args)
            .arg("--json")
            .arg("--config")
            .arg(&self.config)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("hotseat starts");
        child.stdin.take().expect("a pipe was asked for").write_all(stdin.as_bytes()).expect("a reader");
        let out = child.wait_with_output().expect("an end");
        assert!(
            out.status.success() == succeeds,
            "hotseat {args:?}: {}{}",
            String::from_utf8_lossy(&out.stdout),
            String::from_utf8_lossy(&out.stderr)
        );
        serde_json::from_slice(&out.stdout).unwrap_or_else(|e| {
            panic!("hotseat {args:?} printed no JSON ({e}): {}", String::from_utf8_lossy(&out.stdout))
        })
    }

    pub fn add_phone(&self, name: &str, secret: &str) {
        self.cli(&["phones", "add", name, "--secret-stdin", "--label", name], &format!("{secret}\n"));
    }

    pub fn add_agent(&self, name: &str, extension: &str, password: &str) {
        self.add_agent_of(name, extension, password, "external");
    }

    pub fn add_agent_of(&self, name: &str, extension: &str, password: &str, typology: &str) {
        self.cli(
            &[
                "agents",
                "add",
                name,
                "--extension",
                extension,
                "--typology",
                typology,
                "--password-stdin",
                "--outbound-number",
                &format!("+4969{extension}"),
            ],
            &format!("{password}\n"),
        );
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

impl Drop for Hotseat {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("the world of this failure is kept in {}", self.folder.display());
        } else {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

/// A folder of its own for each world.
pub fn fresh_folder() -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let folder = std::env::temp_dir().join(format!(
        "hotseat-lab-{}-{}",
        std::process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed)
    ));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}

/// A port that is free for UDP and TCP on 127.0.0.1, and its neighbour too.
pub fn free_port() -> u16 {
    for _ in 0..200 {
        let Ok(first) = TcpListener::bind("127.0.0.1:0") else { continue };
        let Ok(port) = first.local_addr().map(|a| a.port()) else { continue };
        if let Some(above) = port.checked_add(1)
            && UdpSocket::bind(("127.0.0.1", port)).is_ok()
            && TcpListener::bind(("127.0.0.1", above)).is_ok()
            && UdpSocket::bind(("127.0.0.1", above)).is_ok()
        {
            return port;
        }
    }
    panic!("no free pair of ports on 127.0.0.1")
}

/// A thousand ports for media, below those the system hands out by itself, that no other world has taken: its first port,
/// which all browsers share, is free for datagrams and for connections.
fn free_rtp_range() -> u16 {
    const RANGES: u16 = 12;
    let mine = (std::process::id() % u32::from(RANGES)) as u16;
    (0..RANGES)
        .map(|next| 20_000 + (mine + next) % RANGES * 1000)
        .find(|first| {
            UdpSocket::bind(("127.0.0.1", *first)).is_ok() && TcpListener::bind(("127.0.0.1", *first)).is_ok()
        })
        .expect("a range of media ports that nobody uses")
}

/// The program beside this test: same profile, same target folder.
pub fn binary() -> PathBuf {
    let me = std::env::current_exe().expect("this test's own path");
    let profile = me.parent().and_then(Path::parent).expect("target/PROFILE/deps");
    let binary = profile.join("hotseat");
    assert!(binary.exists(), "build it first: cargo build -p hotseat ({})", binary.display());
    binary
}

/// Asks again until it holds, at most so long.
pub fn eventually(within: Duration, mut holds: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + within;
    loop {
        if holds() {
            return true;
        }
        if Instant::now() > deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
