//! A browser without a window: one cookie jar, the API of the login page, by curl.

use super::Hotseat;
use std::path::PathBuf;
use std::process::Command;

pub struct Web {
    base: String,
    jar: PathBuf,
    csrf: String,
    /// The address it comes from, where that matters.
    pub from: Option<String>,
    /// Sent with everything, as they are.
    pub headers: Vec<String>,
}

/// Status and body of an answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub json: serde_json::Value,
}

impl Web {
    pub fn new(hotseat: &Hotseat, name: &str) -> Web {
        Web {
            base: hotseat.https.clone(),
            jar: hotseat.folder.join(format!("{name}.cookies")),
            csrf: String::new(),
            from: None,
            headers: Vec::new(),
        }
    }

    pub fn send(&mut self, method: &str, path: &str, body: Option<serde_json::Value>) -> Answer {
        let mut curl = Command::new("curl");
        curl.args(["-sk", "--max-time", "20", "-X", method, "-w", "\n%{http_code}", "-b"])
            .arg(&self.jar)
            .arg("-c")
            .arg(&self.jar)
            .args(["-H", &format!("X-Hotseat-Csrf: {}", self.csrf)]);
        if let Some(from) = &self.from {
            curl.args(["--interface", from]);
        }
        for header in &self.headers {
            curl.args(["-H", header]);
        }
        if let Some(body) = body {
            curl.args(["-H", "Content-Type: application/json", "-d", &body.to_string()]);
        }
        let out = curl.arg(format!("{}{path}", self.base)).output().expect("curl is installed");
        let text = String::from_utf8_lossy(&out.stdout);
        let (body, status) = text.rsplit_once('\n').unwrap_or(("", "0"));
        let json: serde_json::Value = serde_json::from_str(body).unwrap_or(serde_json::Value::Null);
        if let Some(csrf) = json["csrf"].as_str() {
            self.csrf = csrf.to_owned();
        }
        Answer { status: status.parse().unwrap_or(0), json }
    }

    pub fn get(&mut self, path: &str) -> Answer {
        self.send("GET", path, None)
    }

    /// Shows the password.
    pub fn login(&mut self, name: &str, password: &str) -> Answer {
        self.send("POST", "/api/login", Some(serde_json::json!({"username": name, "password": password})))
    }

    /// Sits down; `epoch` is the one of the takeover dialog where there was one.
    pub fn choose(&mut self, phone: &str, epoch: Option<u64>) -> Answer {
        self.send(
            "POST",
            "/api/login/device",
            Some(serde_json::json!({"phone": phone, "take_over_epoch": epoch})),
        )
    }

    /// The Cookie header this browser would send.
    pub fn cookie(&self) -> String {
        let jar = std::fs::read_to_string(&self.jar).unwrap_or_default();
        // Netscape's format: seven columns; HttpOnly ones begin with a mark that looks like a comment.
        let pairs = jar.lines().filter_map(|line| {
            let columns: Vec<&str> = line.split('\t').collect();
            Some(format!("{}={}", columns.get(5)?, columns.get(6)?))
        });
        pairs.collect::<Vec<_>>().join("; ")
    }

    pub fn logout(&mut self) -> Answer {
        self.send("DELETE", "/api/login", None)
    }

    /// Password and phone in one; the login's answer.
    pub fn sits_at(&mut self, name: &str, password: &str, phone: &str) -> Answer {
        let shown = self.login(name, password);
        assert_eq!(shown.status, 200, "{shown:?}");
        let sits = self.choose(phone, None);
        assert_eq!(sits.status, 200, "{sits:?}");
        sits
    }

    /// The row of a phone in the list this browser sees.
    pub fn phone(&mut self, name: &str) -> Option<serde_json::Value> {
        let list = self.get("/api/phones").json;
        list["phones"].as_array()?.iter().find(|p| p["name"] == name).cloned()
    }
}
