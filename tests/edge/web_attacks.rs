//! What a hostile page, a stolen cookie or a careless client tries on the web side of the shipped program: planted cookies,
//! requests from elsewhere, nonsense in every body, a session that has shown half of what it must, and what the log gives away.

use crate::lab::Hotseat;
use crate::secure::tls;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

const PASSWORD: &str = "Correct-Horse-1";

/// An answer as it came over the wire.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or(Value::Null)
    }
    fn reason(&self) -> String {
        self.json()["reason"].as_str().unwrap_or_default().to_owned()
    }
    fn header(&self, name: &str) -> Option<&str> {
        let named = |line: &&str| line.to_ascii_lowercase().starts_with(&format!("{name}:"));
        self.head.lines().find(named).and_then(|line| line.split_once(':')).map(|(_, value)| value.trim())
    }
    fn cookie(&self) -> Option<String> {
        self.header("set-cookie").and_then(|set| set.split(';').next()).map(str::to_owned)
    }
    #[track_caller]
    fn is(&self, status: u16, reason: &str) {
        assert_eq!((self.status, self.reason().as_str()), (status, reason), "{self:?}");
    }
}

/// A page at an origin, with what it knows.
#[derive(Clone, Default)]
struct Page {
    cookie: String,
    csrf: String,
    /// Sent as they are, beside the host.
    headers: Vec<(&'static str, String)>,
}

struct World {
    hotseat: Hotseat,
    web: SocketAddr,
}

impl World {
    fn new(security: &str) -> World {
        let hotseat = Hotseat::start_with(security);
        let web = hotseat.https.trim_start_matches("https://").parse().expect("an address");
        World { hotseat, web }
    }

    fn own(&self) -> Page {
        Page { headers: vec![("Origin", self.hotseat.https.clone())], ..Page::default() }
    }

    async fn send(&self, method: &str, path: &str, page: &Page, body: &[u8]) -> Answer {
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", self.web);
        for (name, value) in &page.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !page.cookie.is_empty() {
            head.push_str(&format!("Cookie: {}\r\n", page.cookie));
        }
        if !page.csrf.is_empty() {
            head.push_str(&format!("X-Hotseat-Csrf: {}\r\n", page.csrf));
        }
        if method != "GET" {
            head.push_str(&format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        let mut stream = tls(self.web, &["http/1.1"]).await;
        stream.write_all(head.as_bytes()).await.expect("an open connection");
        // A body that is too large may be refused before it is all there.
        let _ = stream.write_all(body).await;
        let mut bytes = Vec::new();
        let read = timeout(Duration::from_secs(20), stream.read_to_end(&mut bytes)).await;
        // Closing without the farewell of TLS is no matter here.
        let _ = read.expect("an answer within twenty seconds");
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Answer { status, head: head.to_owned(), body: unchunked(head, body) }
    }

    async fn post(&self, path: &str, page: &Page, body: Value) -> Answer {
        self.send("POST", path, page, body.to_string().as_bytes()).await
    }

    /// Shows name and password at our own page.
    async fn shows(&self, page: &Page, name: &str) -> (Page, Answer) {
        let answer = self.post("/api/login", page, json!({ "username": name, "password": PASSWORD })).await;
        assert_eq!(answer.status, 200, "{answer:?}\n{}", self.hotseat.log());
        (self.after(&answer), answer)
    }

    fn after(&self, answer: &Answer) -> Page {
        let csrf = answer.json()["csrf"].as_str().expect("a word against foreign pages").to_owned();
        Page { cookie: answer.cookie().expect("a cookie"), csrf, ..self.own() }
    }

    /// Status of an upgrade to a WebSocket.
    async fn upgrade(&self, path: &str, page: &Page) -> u16 {
        let mut page = page.clone();
        for (name, value) in [
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("Sec-WebSocket-Protocol", "sip"),
        ] {
            page.headers.push((name, value.to_owned()));
        }
        let mut head = format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\n", self.web);
        for (name, value) in &page.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("Cookie: {}\r\n\r\n", page.cookie));
        let mut stream = tls(self.web, &["http/1.1"]).await;
        stream.write_all(head.as_bytes()).await.expect("an open connection");
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            let byte = timeout(Duration::from_secs(10), stream.read_u8()).await.expect("an answer");
            line.push(byte.expect("an open connection"));
        }
        String::from_utf8_lossy(&line).split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0)
    }
}

/// The body of an answer that came in chunks (RFC 9112 §7.1), or as it is.
fn unchunked(head: &str, body: &str) -> String {
    if !head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        return body.to_owned();
    }
    let (mut whole, mut rest) = (String::new(), body);
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
        if size == 0 || after.len() < size {
            break;
        }
        whole.push_str(after.get(..size).unwrap_or_default());
        rest = after.get(size + 2..).unwrap_or_default();
    }
    whole
}

/// The six digits an app shows now, or some steps of thirty seconds later (RFC 6238).
fn app_code(secret: &str, steps_later: u64) -> String {
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let bits: String = secret.chars().map(|c| format!("{:05b}", alphabet.find(c).expect("base32"))).collect();
    let key: Vec<u8> = (0..bits.len() / 8)
        .map(|at| u8::from_str_radix(&bits[at * 8..at * 8 + 8], 2).expect("eight bits"))
        .collect();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970").as_secs();
    let mut mac = Hmac::<sha1::Sha1>::new_from_slice(&key).expect("a key of any length");
    mac.update(&(now / 30 + steps_later).to_be_bytes());
    let hash = mac.finalize().into_bytes();
    let at = usize::from(hash[19] & 15);
    let four: [u8; 4] = hash[at..at + 4].try_into().expect("four bytes");
    format!("{:06}", (u32::from_be_bytes(four) & 0x7fff_ffff) % 1_000_000)
}

/// Every endpoint that changes something and is for somebody.
const FOR_SOMEBODY: &[(&str, &str)] = &[
    ("DELETE", "/api/login"),
    ("POST", "/api/login/device"),
    ("POST", "/api/login/factor"),
    ("POST", "/api/login/passkey/begin"),
    ("POST", "/api/login/passkey/finish"),
    ("POST", "/api/factor/totp/begin"),
    ("POST", "/api/factor/totp/confirm"),
    ("POST", "/api/factor/passkey/begin"),
    ("POST", "/api/factor/passkey/finish"),
    ("POST", "/api/factor/recovery"),
    ("DELETE", "/api/factors/1"),
    ("POST", "/api/sip/take"),
];
/// And those for anybody.
const FOR_ANYBODY: &[(&str, &str)] =
    &[("POST", "/api/login"), ("POST", "/api/forgot"), ("POST", "/api/reset"), ("POST", "/api/reset/look")];

#[tokio::test]
async fn a_cookie_that_was_planted_before_the_login_is_worth_nothing_after_it() {
    let w = World::new("");
    w.hotseat.add_agent("ann", "2001", PASSWORD);
    w.hotseat.add_agent("bob", "2002", PASSWORD);
    let planted = "__Host-hotseat=cGxhbnRlZCBieSBhIHN0cmFuZ2VyIHdobyBrbm93cyBpdA";
    let page = Page { cookie: planted.into(), ..w.own() };
    let (ann, answer) = w.shows(&page, "ann").await;
    assert_ne!(ann.cookie, planted);
    w.send("GET", "/api/me", &page, b"").await.is(401, "no_session");
    // A stranger's own session, planted in her browser, does not become hers.
    let (bob, _) = w.shows(&w.own(), "bob").await;
    let (ann, _) = w.shows(&Page { cookie: bob.cookie.clone(), ..w.own() }, "ann").await;
    assert_ne!(ann.cookie, bob.cookie);
    assert_eq!(w.send("GET", "/api/me", &bob, b"").await.json()["agent"]["name"], "bob");
    assert_eq!(w.send("GET", "/api/me", &ann, b"").await.json()["agent"]["name"], "ann");
    let set = answer.header("set-cookie").expect("a cookie");
    for word in ["__Host-hotseat=", "Path=/", "Secure", "HttpOnly", "SameSite=Lax"] {
        assert!(set.contains(word), "{set}");
    }
}

#[tokio::test]
async fn a_foreign_page_with_her_cookie_changes_nothing() {
    let w = World::new("");
    w.hotseat.add_agent("ann", "2001", PASSWORD);
    let (ann, _) = w.shows(&w.own(), "ann").await;
    for (method, path) in FOR_SOMEBODY.iter().chain(FOR_ANYBODY) {
        for origin in ["https://evil.example", "null", "http://127.0.0.1", "https://127.0.0.1:1"] {
            let page = Page { headers: vec![("Origin", origin.to_owned())], ..ann.clone() };
            w.send(method, path, &page, b"{}").await.is(403, "foreign_origin");
        }
        for site in ["cross-site", "same-site"] {
            let page = Page { headers: vec![("Sec-Fetch-Site", site.to_owned())], ..ann.clone() };
            w.send(method, path, &page, b"{}").await.is(403, "foreign_origin");
        }
    }
    // Without the word that only our page was told, with and without an origin.
    for (method, path) in FOR_SOMEBODY {
        for csrf in ["", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
            for headers in [w.own().headers, Vec::new()] {
                let page = Page { csrf: csrf.into(), headers, ..ann.clone() };
                w.send(method, path, &page, b"{}").await.is(403, "csrf_failed");
            }
        }
    }
    assert_eq!(w.send("GET", "/api/me", &ann, b"").await.status, 200, "she is still there");
    let evil = Page { headers: vec![("Origin", "https://evil.example".into())], ..ann.clone() };
    for path in ["/api/events", "/sip"] {
        assert_eq!(w.upgrade(path, &evil).await, 403, "{path}");
    }
    assert_eq!(w.upgrade("/api/events", &ann).await, 101);
}

#[tokio::test]
async fn whoever_has_not_shown_the_second_factor_gets_nothing_from_the_running_program() {
    let w = World::new("[factors]\nrequired = [\"agent\"]\n");
    w.hotseat.add_agent_of("webby", "2003", PASSWORD, "webrtc");
    let (first, answer) = w.shows(&w.own(), "webby").await;
    assert_eq!(answer.json()["state"], "enrol_factor");
    let nothing = async |page: &Page, reason: &str| {
        for path in ["/api/phones", "/api/sip", "/api/factors"] {
            w.send("GET", path, page, b"").await.is(403, reason);
        }
        w.post("/api/login/device", page, json!({})).await.is(403, reason);
        w.post("/api/sip/take", page, json!({ "tab": "a" })).await.is(403, reason);
        for path in ["/api/events", "/sip"] {
            assert_eq!(w.upgrade(path, page).await, 403, "{path}");
        }
        assert_eq!(w.hotseat.cli(&["logins", "list"], "").as_array().map(Vec::len), Some(0));
    };
    nothing(&first, "factor_enrolment_required").await;
    let begun = w.post("/api/factor/totp/begin", &first, json!({})).await.json();
    let secret = begun["secret"].as_str().expect("a secret").to_owned();
    let code = app_code(&secret, 0);
    let done = w.post("/api/factor/totp/confirm", &first, json!({ "code": code })).await;
    assert_eq!((done.status, &done.json()["state"]), (200, &json!("ready")), "{done:?}");
    let sheet: Vec<String> = serde_json::from_value(done.json()["recovery_codes"].clone()).expect("a sheet");
    let sits = w.after(&done);
    assert_eq!(w.send("DELETE", "/api/login", &sits, b"").await.status, 204);

    let (second, answer) = w.shows(&w.own(), "webby").await;
    assert_eq!(answer.json()["state"], "second_factor");
    nothing(&second, "second_factor_required").await;
    let show = async |kind: &str, code: &str| {
        w.post("/api/login/factor", &second, json!({ "kind": kind, "code": code })).await
    };
    show("totp", &code).await.is(422, "wrong_code");
    let next = app_code(&secret, 1);
    let right = show("totp", &next).await;
    assert_eq!((right.status, &right.json()["state"]), (200, &json!("ready")), "{right:?}");
    let full = w.after(&right);
    assert_eq!(w.upgrade("/sip", &full).await, 101);
    // Lost with phone and sheet: the command line helps, and it begins anew.
    let reset = w.hotseat.cli(&["agents", "reset-factors", "webby"], "");
    assert_eq!(reset["factors_removed"], 1);
    let (third, answer) = w.shows(&w.own(), "webby").await;
    assert_eq!(answer.json()["state"], "enrol_factor");

    // Nothing of all this is in the log or lies open in the data folder's files.
    let token = |page: &Page| page.cookie.split_once('=').expect("a cookie").1.to_owned();
    let mut secrets = vec![PASSWORD.to_owned(), secret, code, next];
    secrets.extend(sheet);
    for page in [&first, &sits, &second, &full, &third] {
        secrets.extend([token(page), page.csrf.clone()]);
    }
    let log = w.hotseat.log();
    assert!(log.contains("second_factor"), "the log was written: {log}");
    for secret in secrets.iter().filter(|secret| secret.len() > 6) {
        assert!(!log.contains(secret.as_str()), "{secret} is in the log");
    }
    let data = w.hotseat.folder.join("data");
    for entry in std::fs::read_dir(data).expect("a data folder").flatten() {
        let bytes = std::fs::read(entry.path()).unwrap_or_default();
        // The word against foreign pages is no secret without the cookie and is kept as it is.
        for secret in secrets.iter().filter(|s| s.len() > 6 && *s != &first.csrf) {
            let csrf = [&sits, &second, &full, &third].iter().any(|page| page.csrf == *secret);
            let there = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(csrf || !there, "{secret} lies open in {:?}", entry.file_name());
        }
    }
}

/// Bodies no page of ours sends.
fn nonsense() -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = [
        "",
        "{",
        "null",
        "[]",
        "true",
        "17",
        "\"text\"",
        "{}",
        "{\"\":{}}",
        "\u{0}",
        "{\"a\":1e999}",
        "{\"username\":}",
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .collect();
    let fields = [
        "username",
        "password",
        "way",
        "phone",
        "take_over_epoch",
        "kind",
        "code",
        "credential",
        "name",
        "tab",
        "email",
        "token",
        "new",
        "old",
        "confirm",
        "ticket",
    ];
    let long = "x".repeat(3000);
    let odd: Vec<Value> = vec![
        json!(null),
        json!(-1),
        json!(u64::MAX),
        json!(1.5),
        json!([]),
        json!({}),
        json!({ "response": {} }),
        json!(long),
        json!("\u{202e}gnp.exe\u{0}"),
        json!("<script>alert(1)</script>"),
        json!("'; DROP TABLE agents; --"),
        json!("=cmd|' /C calc'!A0"),
        json!("*)(uid=*"),
        json!("🦀\u{fffd}\r\nSet-Cookie: a=b"),
    ];
    for value in odd {
        let body: serde_json::Map<String, Value> =
            fields.iter().map(|field| ((*field).to_owned(), value.clone())).collect();
        all.push(Value::Object(body).to_string().into_bytes());
    }
    all.push(b"{\"username\":\"\xff\xfe\",\"password\":\"\xc0\x80\"}".to_vec());
    all.push([&b"["[..]].concat().repeat(10_000));
    all.push(format!("{{\"username\":\"ann\",\"password\":\"{}\"}}", "x".repeat(20_000)).into_bytes());
    all.push(vec![b' '; 200_000]);
    all
}

#[tokio::test]
async fn nonsense_in_every_body_gets_a_known_reason_and_a_sentence() {
    let w = World::new("[limits]\nlogins_per_minute = 10000\n");
    w.hotseat.add_agent("ann", "2001", PASSWORD);
    let known: Vec<&str> = auth::Reason::ALL.iter().map(|reason| reason.word()).collect();
    let (ann, _) = w.shows(&w.own(), "ann").await;
    let nobody = w.own();
    for (method, path) in FOR_SOMEBODY.iter().chain(FOR_ANYBODY).filter(|(method, _)| *method == "POST") {
        for body in nonsense() {
            for page in [&ann, &nobody] {
                let shown = String::from_utf8_lossy(&body[..body.len().min(120)]).into_owned();
                let answer = w.send(method, path, page, &body).await;
                if answer.status == 0 && body.len() > 64 * 1024 {
                    // The connection may be gone before the refusal was read.
                    continue;
                }
                assert!(answer.status < 500, "{path} {shown}: {answer:?}\n{}", w.hotseat.log());
                if answer.status < 300 {
                    // Some take nothing, or answer everybody alike.
                    assert!(
                        matches!(*path, "/api/forgot" | "/api/login/passkey/begin"),
                        "{path} {shown}: {answer:?}"
                    );
                    continue;
                }
                if answer.status == 413 && answer.json().is_null() {
                    // Far beyond any limit it is the server itself that refuses.
                    assert!(body.len() > 64 * 1024, "{path} {shown}: {answer:?}");
                    continue;
                }
                let json = answer.json();
                let reason = json["reason"].as_str().unwrap_or_default();
                assert!(known.contains(&reason), "{path} {shown}: {answer:?}");
                assert!(
                    json["sentence"].as_str().is_some_and(|s| s.ends_with(['.', '?'])),
                    "{path}: {answer:?}"
                );
                for inside in ["panicked", "src/", ".rs:", "sqlx", "serde", "expected", "line 1 column"] {
                    assert!(!answer.body.contains(inside), "{path} {shown}: {answer:?}");
                }
                assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}: {answer:?}");
            }
        }
    }
    assert!(!w.hotseat.log().contains("panicked"), "{}", w.hotseat.log());
    assert_eq!(w.send("GET", "/api/me", &ann, b"").await.status, 200, "and she is still there");
}

#[tokio::test]
async fn a_name_that_is_a_script_a_formula_or_runs_backwards_stays_a_name() {
    let w = World::new("");
    let names = ["<script>alert(1)</script>", "=cmd|' /C calc'!A0", "\"><img src=x onerror=alert(1)>"];
    for (at, name) in names.iter().enumerate() {
        let (login, extension) = (format!("odd-{at}"), format!("20{at}0"));
        let add = [
            "agents",
            "add",
            &login,
            "--extension",
            &extension,
            "--typology",
            "external",
            "--password-stdin",
            "--name",
            name,
        ];
        w.hotseat.cli(&add, &format!("{PASSWORD}\n"));
        let (page, answer) = w.shows(&w.own(), &login).await;
        assert_eq!(answer.json()["agent"]["display_name"], *name, "kept as it is");
        let me = w.send("GET", "/api/me", &page, b"").await;
        assert_eq!(me.header("content-type"), Some("application/json"));
        assert_eq!(me.header("x-content-type-options"), Some("nosniff"));
        let policy = me.header("content-security-policy").unwrap_or_default();
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    }
    // In the log such a name is one line, whatever it brings along.
    let forged = "eve\u{202e}\r\n2026-01-01 INFO auth: who=ann outcome=granted";
    let body = json!({ "username": forged, "password": "x" });
    w.post("/api/login", &w.own(), body).await.is(401, "wrong_credentials");
    assert!(
        !w.hotseat.log().lines().any(|line| line.starts_with("2026-01-01 INFO auth")),
        "{}",
        w.hotseat.log()
    );
}

#[tokio::test]
async fn nobody_is_sent_elsewhere() {
    let w = World::new("");
    let config = std::fs::read_to_string(w.hotseat.config.join("gateway.toml")).expect("the configuration");
    let plain =
        config.lines().find_map(|line| line.strip_prefix("http = \"")).expect("a port").trim_end_matches('"');
    for target in
        ["/", "//evil.example/", "/\\evil.example", "/login?next=//evil.example", "http://evil.example/login"]
    {
        let mut stream = tokio::net::TcpStream::connect(plain).await.expect("a listener");
        let request = format!("GET {target} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("an open connection");
        let mut text = String::new();
        let read = timeout(Duration::from_secs(10), stream.read_to_string(&mut text)).await;
        read.expect("an answer").expect("text");
        let location = text.lines().find_map(|line| line.strip_prefix("location: "));
        let stays = format!("{}/", w.hotseat.https);
        assert!(location.is_none_or(|to| to.starts_with(&stays)), "{target}: {text}");
    }
    for next in [
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "%0d%0aLocation:%20https://evil.example",
    ] {
        let answer = w.send("GET", &format!("/api/login/oidc?next={next}"), &w.own(), b"").await;
        let to = answer.header("location").unwrap_or_default();
        assert!(!to.contains("evil") && !to.contains("javascript"), "{next}: {answer:?}");
    }
}
