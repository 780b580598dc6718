//! A real mail server for tests: Debian's `python3-aiosmtpd`, with STARTTLS and a login required, on a free port.

use super::free_port;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub const USER: &str = "hotseat";
pub const PASSWORD: &str = "letters-out";

/// The server, and the letters it took.
pub struct MailServer {
    child: Child,
    folder: PathBuf,
    pub port: u16,
    /// Its certificate, which stands for itself.
    pub ca: PathBuf,
}

/// A letter as it came.
#[derive(Debug)]
pub struct Mail {
    pub to: Vec<String>,
    pub tls: bool,
    pub user: String,
    /// Headers and text, transfer encoding undone as far as ASCII needs it.
    pub content: String,
}

impl MailServer {
    /// In a folder below this one. `slow_s`: seconds before a letter is answered.
    pub fn start(folder: &Path, slow_s: u32) -> MailServer {
        let port = free_port();
        let folder = folder.join(format!("mail-{port}"));
        std::fs::create_dir_all(&folder).expect("a folder for letters");
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned(), "localhost".to_owned()])
            .expect("a certificate");
        let (ca, key) = (folder.join("mail-ca.pem"), folder.join("mail-key.pem"));
        std::fs::write(&ca, made.cert.pem()).expect("a certificate file");
        std::fs::write(&key, made.signing_key.serialize_pem()).expect("a key file");
        // Debian's own: another Python on the path does not know its packages.
        let mut child = Command::new("/usr/bin/python3")
            .args(["-c", include_str!("smtp.py"), &port.to_string()])
            .args([&folder, &ca, &key])
            .args([USER, PASSWORD, &slow_s.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(folder.join("log")).expect("a log"))
            .spawn()
            .expect("python3 with aiosmtpd (Debian: python3-aiosmtpd)");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("a pipe was asked for");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        assert_eq!(line.trim(), "ready", "the mail server did not start; is python3-aiosmtpd installed?");
        MailServer { child, folder, port, ca }
    }

    /// `mail.toml` for this server.
    pub fn toml(&self) -> String {
        format!(
            "host = \"127.0.0.1\"\nport = {}\ntls = \"starttls\"\nusername = \"{USER}\"\npassword = \"{PASSWORD}\"\n\
             from = \"hotseat@example.com\"\nca = \"{}\"\ntimeout_s = 3\n",
            self.port,
            self.ca.display()
        )
    }

    /// What came so far, in order.
    pub fn letters(&self) -> Vec<Mail> {
        let found = std::fs::read_dir(&self.folder).expect("the folder of letters").filter_map(Result::ok);
        let mut files: Vec<PathBuf> = found
            .map(|entry| entry.path())
            .filter(|file| file.extension().is_some_and(|e| e == "json"))
            .collect();
        files.sort();
        files.iter().map(|file| read(file)).collect()
    }

    /// The first letters, once there are so many.
    pub fn wait_for(&self, count: usize, within: Duration) -> Vec<Mail> {
        let deadline = Instant::now() + within;
        loop {
            let letters = self.letters();
            if letters.len() >= count {
                return letters;
            }
            assert!(Instant::now() < deadline, "{} letters instead of {count}: {letters:?}", letters.len());
            std::thread::sleep(Duration::from_millis(30));
        }
    }
}

fn read(file: &Path) -> Mail {
    let text = std::fs::read_to_string(file).expect("a letter");
    let json: serde_json::Value = serde_json::from_str(&text).expect("a letter as JSON");
    let content = json["content"].as_str().unwrap_or_default();
    // Quoted-printable folds long lines and writes `=` as `=3D` (RFC 2045 §6.7).
    let quoted = content.contains("quoted-printable");
    let content = match quoted {
        true => content.replace("=\r\n", "").replace("=3D", "="),
        false => content.to_owned(),
    };
    Mail {
        to: json["to"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|to| Some(to.as_str()?.to_owned()))
            .collect(),
        tls: json["tls"] == true,
        user: json["user"].as_str().unwrap_or_default().to_owned(),
        content,
    }
}

impl Mail {
    /// The token of the link in it, and what stands before it.
    pub fn link(&self) -> Option<(String, String)> {
        let at = self.content.find("/reset#")?;
        let before = self.content[..at].rsplit(char::is_whitespace).next()?;
        let after = &self.content[at + "/reset#".len()..];
        Some((before.to_owned(), after.split(char::is_whitespace).next()?.to_owned()))
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
