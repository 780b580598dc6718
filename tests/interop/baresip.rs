//! baresip as a desk phone: its configuration, its control socket, its recordings.

use crate::audio;
use crate::lab::free_port;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub struct Baresip {
    child: Child,
    control: TcpStream,
    pending: Vec<u8>,
    /// Every event and response it gave, oldest first, as JSON text.
    pub said: Vec<serde_json::Value>,
    pub folder: PathBuf,
}

pub struct Account<'a> {
    pub name: &'a str,
    pub secret: &'a str,
    /// SIP domain, and where it is served: `127.0.0.1:5060`.
    pub domain: &'a str,
    pub server: &'a str,
    pub transport: &'a str,
    /// `srtp` (SDES where the other side can), `srtp-mand` (or no call), empty (none).
    pub mediaenc: &'a str,
    /// `auto` answers at once; `manual` rings until `answer()`.
    pub answer: &'a str,
}

const MODULES: [&str; 9] =
    ["stdio", "g711", "aufile", "aubridge", "ausine", "sndfile", "uuid", "stun", "srtp"];

impl Baresip {
    /// Starts one that plays `play` when in a call and records both directions.
    pub fn start(folder: &Path, account: &Account<'_>, play: &[i16]) -> Baresip {
        // A port that was free when it was looked up may be somebody's a moment later: another try has others.
        (0..3)
            .find_map(|_| Baresip::try_start(folder, account, play))
            .unwrap_or_else(|| panic!("baresip does not answer at its control port, three times"))
    }

    fn try_start(folder: &Path, account: &Account<'_>, play: &[i16]) -> Option<Baresip> {
        let folder = folder.join(format!("{}-{}", account.name, std::process::id()));
        std::fs::create_dir_all(folder.join("rec")).expect("a folder for the phone");
        let wav = folder.join("play.wav");
        audio::write_wav(&wav, play).expect("the phone's sound");
        let sip_port = free_port();
        let control_port = std::iter::repeat_with(free_port)
            .find(|port| port.abs_diff(sip_port) > 1)
            .expect("an endless supply of ports");
        let mut config = format!(
            "sip_listen 127.0.0.1:{sip_port}\nnet_interface 127.0.0.1\naudio_source aufile,{}\n\
             audio_player aubridge,{}\nausrc_srate 8000\nausrc_channels 1\nauplay_srate 8000\nauplay_channels 1\n\
             audio_buffer 20-160\nrtp_timeout 0\nmodule_path /usr/lib/baresip/modules\n",
            wav.display(),
            account.name,
        );
        MODULES.iter().for_each(|m| config.push_str(&format!("module {m}.so\n")));
        config.push_str("module_tmp account.so\nmodule_app menu.so\nmodule_app ctrl_tcp.so\n");
        config.push_str(&format!(
            "ctrl_tcp_listen 127.0.0.1:{control_port}\nsnd_path {}\n",
            folder.join("rec").display()
        ));
        let line = format!(
            "<sip:{n}@{d}>;auth_user={n};auth_pass={s};outbound=\"sip:{srv};transport={t}\";regint=60;\
             answermode={a};audio_codecs=PCMU,PCMA;ptime=20{e}\n",
            n = account.name,
            d = account.domain,
            s = account.secret,
            srv = account.server,
            t = account.transport,
            a = account.answer,
            e = if account.mediaenc.is_empty() {
                String::new()
            } else {
                format!(";mediaenc={}", account.mediaenc)
            },
        );
        std::fs::write(folder.join("config"), config).expect("the phone's configuration");
        std::fs::write(folder.join("accounts"), line).expect("the phone's account");
        std::fs::write(folder.join("contacts"), "").expect("an empty contact list");
        let log = std::fs::File::create(folder.join("log")).expect("a log");
        let mut child = Command::new("baresip")
            .arg("-f")
            .arg(&folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("the log twice"))
            .stderr(log)
            .spawn()
            .expect("baresip is installed (scripts/test installs it)");
        let Some(control) = connect(control_port) else {
            let _ = child.kill();
            let _ = child.wait();
            return None;
        };
        control.set_read_timeout(Some(Duration::from_millis(50))).expect("a read timeout");
        Some(Baresip { child, control, pending: Vec::new(), said: Vec::new(), folder })
    }

    /// Sends one command of its menu, such as `dial`, `hangup`, `hold`, `accept`.
    pub fn command(&mut self, command: &str, params: &str) {
        let body = serde_json::json!({"command": command, "params": params, "token": "t"}).to_string();
        let _ = self.control.write_all(format!("{}:{body},", body.len()).as_bytes());
    }

    /// Waits until an event of this type has come `count` times since the start.
    pub fn until(&mut self, event: &str, count: usize, within: Duration) -> bool {
        let deadline = Instant::now() + within;
        while self.count(event) < count {
            if Instant::now() > deadline {
                return false;
            }
            self.read();
        }
        true
    }

    /// How often an event of this type came.
    pub fn count(&self, event: &str) -> usize {
        self.said.iter().filter(|e| e["type"] == event).count()
    }

    /// Reads what has come by now.
    pub fn look(&mut self) {
        self.read();
    }

    fn read(&mut self) {
        let mut buffer = [0u8; 8192];
        if let Ok(n) = self.control.read(&mut buffer) {
            self.pending.extend_from_slice(&buffer[..n]);
        }
        // Netstrings: length, colon, JSON, comma.
        while let Some(colon) = self.pending.iter().position(|b| *b == b':') {
            let Some(len) =
                std::str::from_utf8(&self.pending[..colon]).ok().and_then(|t| t.parse::<usize>().ok())
            else {
                self.pending.clear();
                return;
            };
            if self.pending.len() < colon + len + 2 {
                return;
            }
            if let Ok(value) = serde_json::from_slice(&self.pending[colon + 1..=colon + len]) {
                self.said.push(value);
            }
            self.pending.drain(..colon + len + 2);
        }
    }

    /// What this phone heard in its calls (all recordings of the received direction, in order of time).
    pub fn heard(&self) -> Vec<i16> {
        let mut files: Vec<PathBuf> = std::fs::read_dir(self.folder.join("rec"))
            .map(|dir| dir.flatten().map(|f| f.path()).collect())
            .unwrap_or_default();
        files.retain(|f| f.to_string_lossy().ends_with("-dec.wav"));
        files.sort();
        files.iter().filter_map(|f| audio::read_wav(f).ok()).flatten().collect()
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// The end of a phone whose cable is pulled.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Baresip {
    fn drop(&mut self) {
        self.kill();
    }
}

fn connect(port: u16) -> Option<TcpStream> {
    let deadline = Instant::now() + Duration::from_secs(5);
    while Instant::now() < deadline {
        if let Ok(stream) = TcpStream::connect(("127.0.0.1", port)) {
            return Some(stream);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    None
}
