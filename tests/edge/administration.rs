//! Administrators at work on the shipped program: a login is ended, a phone freed, a site logged out. The call at the phone
//! ends with a BYE, the page is told why, and the audit log knows who did it.

use crate::client::{Client, DOMAIN, Reply, unique};
use crate::lab::web::Web;
use crate::lab::{Hotseat, eventually};
use serde_json::json;
use std::time::Duration;

const SECRET: &str = "a-long-random-secret-0001";
const PASSWORD: &str = "Correct-Horse-7";

/// ann talks at desk-1, and bob may do what his role allows.
struct Floor {
    hotseat: Hotseat,
    phone: Client,
    ann: Web,
    bob: Web,
}

fn floor(role: &str) -> Floor {
    let hotseat = Hotseat::start();
    let add = ["phones", "add", "desk-1", "--secret-stdin", "--label", "By the door", "--site", "Main"];
    hotseat.cli(&add, &format!("{SECRET}\n"));
    hotseat.add_agent("ann", "2001", PASSWORD);
    hotseat.add_agent("bob", "2002", PASSWORD);
    hotseat.cli(&["agents", "role", "bob", role], "");
    let phone = Client::new(hotseat.sip);
    assert_eq!(phone.registers("desk-1", SECRET).map(|reply| reply.status()), Some(200));
    let (mut ann, mut bob) = (Web::new(&hotseat, "ann"), Web::new(&hotseat, "bob"));
    ann.sits_at("ann", PASSWORD, "desk-1");
    assert_eq!(bob.login("bob", PASSWORD).status, 200);
    talks(&phone, &hotseat);
    Floor { hotseat, phone, ann, bob }
}

/// desk-1 hears itself: a call that stays up until somebody ends it.
fn talks(phone: &Client, hotseat: &Hotseat) {
    let (me, id, uri) = (phone.address(), format!("talk-{}", unique()), format!("sip:self-test@{DOMAIN}"));
    let sdp = format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {} RTP/AVP 0 8\r\n",
        me.port()
    );
    let request = |method: &str, uri: &str, cseq: u32, to: &str, more: &str, body: &str| {
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {me};branch=z9hG4bK{b};rport\r\nMax-Forwards: 70\r\n\
             From: <sip:desk-1@{DOMAIN}>;tag=talk\r\nTo: {to}\r\nCall-ID: {id}\r\nCSeq: {cseq} {method}\r\n\
             Contact: <sip:desk-1@{me}>\r\n{more}Content-Type: application/sdp\r\nContent-Length: {l}\r\n\r\n{body}",
            b = unique(),
            l = body.len()
        )
    };
    let to = format!("<{uri}>");
    let challenge = phone.ask(&request("INVITE", &uri, 1, &to, "", &sdp)).expect("a challenge");
    let credentials = challenge.credentials("desk-1", SECRET, "INVITE", &uri, 1).expect("an MD5 challenge");
    let up = phone.ask(&request("INVITE", &uri, 2, &to, &credentials, &sdp)).expect("an answer");
    assert_eq!(up.status(), 200, "{up:?}\n{}", hotseat.log());
    let contact = up.header("Contact").unwrap_or_default().trim_matches(['<', '>']).to_owned();
    phone.send(&request("ACK", &contact, 2, up.header("To").unwrap_or_default(), "", ""));
}

impl Floor {
    /// The phone is told that the call is over.
    fn hears_bye(&self) {
        let mut bye = None;
        eventually(Duration::from_secs(3), || {
            bye =
                self.phone.receive(Duration::from_millis(200)).map(Reply).filter(|m| m.0.starts_with("BYE "));
            bye.is_some()
        });
        assert!(bye.is_some(), "no BYE came\n{}", self.hotseat.log());
    }

    fn page_is_told(&mut self, why: &str) {
        let told = self.ann.get("/api/me");
        assert_eq!((told.status, &told.json["why"]), (401, &json!(why)), "{told:?}");
    }

    fn written_down(&self, what: &str, outcome: &str) -> serde_json::Value {
        let lines = self.hotseat.cli(&["audit", "--what", what, "--outcome", outcome], "");
        let line = lines.as_array().and_then(|lines| lines.first().cloned());
        line.unwrap_or_else(|| panic!("no line {what} {outcome}"))
    }
}

#[test]
fn a_supervisor_ends_a_login_and_the_phones_call_with_it() {
    let mut f = floor("supervisor");
    let logins = f.bob.get("/api/admin/logins");
    assert_eq!(logins.status, 200, "{logins:?}");
    let row = &logins.json["logins"][0];
    assert_eq!((&row["agent"], &row["activity"]), (&json!("ann"), &json!("in_call")), "{logins:?}");
    let refused = f.bob.send("POST", "/api/admin/phones/desk-1/free", Some(json!({})));
    assert_eq!((refused.status, &refused.json["reason"]), (403, &json!("right_missing")));
    let done = f.bob.send("POST", &format!("/api/admin/logins/{}/end", row["id"]), Some(json!({})));
    assert_eq!((done.status, &done.json["effect"]["in_call"]), (200, &json!(true)), "{done:?}");
    f.hears_bye();
    f.page_is_told("released_by_administrator");
    let line = f.written_down("login_ended", "done");
    assert_eq!((&line["who"], &line["whom"]), (&json!("bob"), &json!("ann")));
    let own = f.hotseat.cli(&["audit", "--who", "bob", "--from", "2001-01-01"], "");
    assert!(own.as_array().is_some_and(|lines| lines.len() >= 2), "{own}");
}

#[test]
fn an_engineer_frees_a_phone_and_ends_no_login_otherwise() {
    let mut f = floor("engineer");
    let id = f.bob.get("/api/admin/logins").json["logins"][0]["id"].clone();
    let refused = f.bob.send("POST", &format!("/api/admin/logins/{id}/end"), Some(json!({})));
    assert_eq!((refused.status, &refused.json["reason"]), (403, &json!("right_missing")));
    let done = f.bob.send("POST", "/api/admin/phones/desk-1/free", Some(json!({})));
    assert_eq!(done.status, 200, "{done:?}");
    f.hears_bye();
    f.page_is_told("phone_freed");
    // The phone is everybody's again.
    Web::new(&f.hotseat, "again").sits_at("ann", PASSWORD, "desk-1");
}

#[test]
fn an_administrator_logs_a_site_out_after_seeing_whom_it_meets() {
    let mut f = floor("administrator");
    let path = "/api/admin/sites/Main/logout";
    let shown = f.bob.send("POST", path, Some(json!({ "dry_run": true })));
    assert_eq!((&shown.json["logins"], &shown.json["in_call"]), (&json!(1), &json!(1)), "{shown:?}");
    assert_eq!(f.ann.get("/api/me").status, 200, "a rehearsal ends nothing");
    let done = f.bob.send("POST", path, Some(json!({ "confirm": shown.json["confirm"] })));
    assert_eq!((done.status, &done.json["effect"]["logins"]), (200, &json!(1)), "{done:?}");
    f.hears_bye();
    f.page_is_told("site_logout");
    assert_eq!(f.written_down("site_logout", "done")["detail"]["site"], "Main");
    let again = f.bob.send("POST", path, Some(json!({ "confirm": shown.json["confirm"] })));
    assert_eq!((again.status, &again.json["reason"]), (410, &json!("confirm_expired")));
}
