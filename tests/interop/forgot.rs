//! A forgotten password against a real mail server: STARTTLS and a login required, the link of the letter followed.

use crate::lab::smtp::MailServer;
use crate::lab::web::Web;
use crate::lab::{Hotseat, eventually, free_port};
use serde_json::json;
use std::time::{Duration, Instant};

const WAIT: Duration = Duration::from_secs(15);
const OLD: &str = "Old-Passw0rd!";
const NEW: &str = "New-Passw0rd!";

/// A world with ann at desk-1's side, and letters that go out by this server.
fn world(slow_s: u32) -> (Hotseat, MailServer) {
    let hotseat = Hotseat::start();
    let mail = MailServer::start(&hotseat.folder, slow_s);
    std::fs::write(hotseat.config.join("mail.toml"), mail.toml()).expect("mail.toml");
    hotseat.cli(&["reload"], "");
    let csv = format!(
        "login_name,extension,typology,email,password\nann,2001,webrtc,Ann@Example.com,{OLD}\nben,2002,webrtc,,{OLD}\n"
    );
    hotseat.cli(&["agents", "import", "-"], &csv);
    (hotseat, mail)
}

fn refused(web: &mut Web, path: &str, body: serde_json::Value, status: u16, reason: &str) {
    let answer = web.send("POST", path, Some(body));
    assert_eq!((answer.status, answer.json["reason"].as_str()), (status, Some(reason)), "{answer:?}");
}

#[test]
fn ann_asks_for_a_new_password_and_the_letter_takes_her_there() {
    let (hotseat, mail) = world(0);
    let mut page = Web::new(&hotseat, "ann");
    assert_eq!(page.get("/api/site").json["forgot_password"], "mail");
    let sits = page.login("ann", OLD);
    assert_eq!((sits.status, sits.json["state"].as_str()), (200, Some("ready")), "{sits:?}");

    let mut stranger = Web::new(&hotseat, "stranger");
    let unknown = stranger.send("POST", "/api/forgot", Some(json!({ "email": "nobody@example.org" })));
    let known = stranger.send("POST", "/api/forgot", Some(json!({ "email": "ann@example.com" })));
    assert_eq!((known.status, &known.json), (202, &unknown.json), "{unknown:?}");
    let letter = mail.wait_for(1, WAIT).remove(0);
    assert!(letter.tls && letter.user == "hotseat", "{letter:?}");
    assert_eq!(letter.to, ["Ann@Example.com"]);
    assert!(letter.content.contains("Auto-Submitted: auto-generated"), "{}", letter.content);
    let (base, token) = letter.link().expect("a link in the letter");
    assert_eq!((base.as_str(), token.len()), (hotseat.https.as_str(), 43), "{}", letter.content);

    // The page of the link is a page like any other: asking for it, as mail scanners do, uses nothing up.
    for _ in 0..2 {
        assert_eq!(stranger.get("/reset").status, 200);
        let look = stranger.send("POST", "/api/reset/look", Some(json!({ "token": token })));
        assert_eq!(look.status, 200, "{look:?}");
    }
    let done = stranger.send("POST", "/api/reset", Some(json!({ "token": token, "new": NEW })));
    assert_eq!(done.status, 204, "{done:?}");
    let gone = page.get("/api/me");
    assert_eq!((gone.status, gone.json["why"].as_str()), (401, Some("password_reset")), "{gone:?}");
    assert_eq!(hotseat.cli(&["logins"], "").as_array().map(Vec::len), Some(0));
    refused(
        &mut stranger,
        "/api/reset",
        json!({ "token": token, "new": "Third-Passw0rd!" }),
        410,
        "link_expired",
    );
    refused(
        &mut stranger,
        "/api/login",
        json!({ "username": "ann", "password": OLD }),
        401,
        "wrong_credentials",
    );
    assert_eq!(Web::new(&hotseat, "again").login("ann", NEW).status, 200);
    let told = mail.wait_for(2, WAIT).remove(1);
    assert!(told.content.contains("Subject: Your password was changed"), "{}", told.content);
    let log = hotseat.log();
    for secret in [token.as_str(), NEW, crate::lab::smtp::PASSWORD] {
        assert!(!log.contains(secret), "{log}");
    }
}

#[test]
fn an_administrator_tries_the_mail_server_and_is_told_what_it_said() {
    let (hotseat, mail) = world(0);
    let sent = hotseat.cli(&["mail", "test", "admin@example.com"], "");
    assert_eq!(sent["said"], "250 2.0.0 kept as 1", "{sent}");
    assert_eq!(mail.letters().len(), 1);
    let say = |args: &[&str]| hotseat.cli_refused(args)["error"].as_str().unwrap_or_default().to_owned();
    let nobody = say(&["mail", "test", "nobody@example.com"]);
    assert!(nobody.contains("refused the letter: 550 5.1.1 There is nobody of that name"), "{nobody}");
    let later = say(&["mail", "test", "later@example.com"]);
    assert!(later.contains("451 4.7.1 Greylisted"), "{later}");
    assert!(say(&["mail", "test", "a@b\r\nRCPT TO:<c@d>"]).contains("not an e-mail address"));

    let with = |from: &str, to: &str| {
        std::fs::write(hotseat.config.join("mail.toml"), mail.toml().replace(from, to)).expect("mail.toml");
        say(&["mail", "test", "admin@example.com"])
    };
    let wrong = with("letters-out", "letters-in");
    assert!(wrong.contains("refused the username or the password: 535"), "{wrong}");
    let strangers = with("ca = ", "# ca = ");
    assert!(strangers.contains("no trusted connection"), "{strangers}");
    let nobodys = with("username = \"hotseat\"\npassword = \"letters-out\"\n", "");
    assert!(nobodys.contains("530 5.7.0 Authentication required"), "{nobodys}");
    let open = with("tls = \"starttls\"", "tls = \"none\"");
    assert!(open.contains("offers no way to log in") || open.contains("530"), "{open}");
    let away = with(&format!("port = {}", mail.port), &format!("port = {}", free_port()));
    assert!(away.contains("cannot be reached"), "{away}");
    assert_eq!(mail.letters().len(), 1, "only the right way is a way");
}

#[test]
fn a_slow_mail_server_keeps_nobody_waiting() {
    let (hotseat, mail) = world(30);
    let mut stranger = Web::new(&hotseat, "stranger");
    let began = Instant::now();
    for _ in 0..3 {
        assert_eq!(
            stranger.send("POST", "/api/forgot", Some(json!({ "email": "ann@example.com" }))).status,
            202
        );
    }
    assert_eq!(Web::new(&hotseat, "ben").login("ben", OLD).status, 200);
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    let told = || hotseat.log().contains("did not finish within 3 seconds");
    assert!(eventually(WAIT, told), "{}", hotseat.log());
    assert_eq!(mail.letters().len(), 0);
}
