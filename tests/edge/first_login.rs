//! Before a first password is changed nothing of the running program opens; wrong passwords stay counted through a crash, and
//! the command line unlocks.

use crate::client::{Client, DOMAIN};
use crate::lab::Hotseat;
use crate::lab::web::Web;
use crate::secure::{SECRET, register};
use crate::websocket::{SIP, open_at};
use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use std::time::Duration;
use tokio_tungstenite::tungstenite::Message;

const FIRST: &str = "Handed-Out-0001";
const OWN: &str = "Kx7#mQ2p";

#[tokio::test(flavor = "multi_thread")]
async fn before_the_first_change_no_request_no_register_no_websocket_and_no_phone() {
    let hotseat = Hotseat::start_with("[passwords]\nprofile = \"suite\"\n");
    hotseat.add_phone("desk-1", SECRET);
    hotseat.add_agent("ann", "2001", FIRST);
    hotseat.add_agent_of("webby", "2002", FIRST, "webrtc");
    let desk = Client::new(hotseat.sip);
    assert_eq!(desk.registers("desk-1", SECRET).map(|r| r.status()), Some(200));

    for name in ["ann", "webby"] {
        let mut web = Web::new(&hotseat, name);
        let login = web.login(name, FIRST);
        assert_eq!((login.status, &login.json["state"]), (200, &json!("change_password")), "{login:?}");
        let first = json!("password_change_required");

        // The API, and with it the only place where a browser's SIP credentials come from.
        for path in ["/api/phones", "/api/sip"] {
            let refused = web.get(path);
            assert_eq!((refused.status, &refused.json["reason"]), (403, &first), "{path}");
        }
        let take = web.send("POST", "/api/sip/take", Some(json!({ "tab": "x" })));
        assert_eq!((take.status, &take.json["reason"]), (403, &first));
        let sit = web.choose("desk-1", None);
        assert_eq!((sit.status, &sit.json["reason"]), (403, &first), "no phone");

        // Both WebSockets, with the cookie and from the right page.
        let cookie = web.cookie();
        assert!(cookie.contains("__Host-hotseat="), "{cookie}");
        let ours = [("origin", hotseat.https.as_str()), ("cookie", cookie.as_str())];
        assert_eq!(open_at(&hotseat, "/api/events", &ours).await.err(), Some(403));
        let sip = [SIP, ours[0], ours[1]];
        assert_eq!(open_at(&hotseat, "/sip", &sip).await.err(), Some(403));

        // A REGISTER for the seat it would have, over UDP and over a WebSocket that came without a cookie: with no
        // credentials, with the password, with the cookie as a ticket.
        let token = cookie.split_once("__Host-hotseat=").map_or("", |(_, rest)| rest).split(';').next();
        for seat in ["web-1", "web-2"] {
            let client = Client::new(hotseat.sip);
            assert_ne!(client.registers(seat, FIRST).map(|r| r.status()), Some(200), "{seat} over UDP");
            let mut socket = open_at(&hotseat, "/sip", &[SIP]).await.expect("open to anybody");
            for more in [String::new(), format!("Authorization: Bearer {}\r\n", token.unwrap_or(""))] {
                let contact = "sip:x@x.invalid;transport=ws";
                let asks = register("WSS", seat, contact, "early", 1, &more);
                socket.send(Message::text(asks)).await.expect("an open socket");
                let next = tokio::time::timeout(Duration::from_secs(5), socket.next()).await;
                let Ok(Some(Ok(Message::Text(answer)))) = next else { panic!("{seat}: {next:?}") };
                let refused = answer.starts_with("SIP/2.0 401") || answer.starts_with("SIP/2.0 403");
                assert!(refused, "{seat}: {answer}");
            }
        }
        assert_eq!(hotseat.cli(&["logins", "list"], ""), json!([]), "nobody sits anywhere");

        // The door opens with the change, and the one behind the old cookie is closed for good.
        let changed = web.send("POST", "/api/password", Some(json!({ "new": OWN })));
        assert_eq!(changed.status, 200, "{changed:?}");
        if name == "ann" {
            assert_eq!(web.choose("desk-1", None).status, 200);
        } else {
            assert_eq!(changed.json["state"], "ready");
        }
        let old = [ours[0], ours[1]];
        assert_eq!(open_at(&hotseat, "/api/events", &old).await.err(), Some(401));
        assert_eq!(web.logout().status, 204);
        assert_ne!(web.login(name, OWN).json["state"], "change_password");
        web.logout();
    }
    assert!(!hotseat.log().contains(OWN), "{DOMAIN}: a password stands in the log");
}

#[test]
fn wrong_passwords_survive_a_crash_and_the_command_line_unlocks() {
    let mut hotseat = Hotseat::start_with("[lockout]\nattempts = 3\nminutes = 0\n");
    hotseat.add_agent("ann", "2001", FIRST);
    let wrong = |hotseat: &Hotseat, n: u32| Web::new(hotseat, &format!("stranger-{n}")).login("ann", "guess");
    assert_eq!(wrong(&hotseat, 1).status, 401);
    assert_eq!(wrong(&hotseat, 2).status, 401);
    hotseat.crash_and_restart();
    let third = wrong(&hotseat, 3);
    assert_eq!((third.status, &third.json["reason"]), (403, &json!("blocked")), "{third:?}");
    hotseat.crash_and_restart();
    let mut ann = Web::new(&hotseat, "ann");
    assert_eq!(ann.login("ann", FIRST).json["reason"], "blocked");
    assert_eq!(hotseat.cli(&["agents", "unlock", "ann"], "")["was_blocked"], true);
    assert_eq!(ann.login("ann", FIRST).status, 200);
}

#[test]
fn rules_and_limits_are_read_again_while_the_service_runs() {
    let hotseat = Hotseat::start_with("[passwords]\nprofile = \"off\"\n");
    hotseat.add_agent("ann", "2001", FIRST);
    let mut before = Web::new(&hotseat, "before");
    assert_eq!(before.login("ann", FIRST).json["state"], "choose_phone");
    let text = "[passwords]\nprofile = \"modern\"\n[lockout]\nattempts = 1\nminutes = 5\n";
    std::fs::write(hotseat.config.join("security.toml"), text).expect("a configuration file");
    let done = hotseat.cli(&["reload"], "");
    assert_eq!(done["changed"], json!(["[passwords]", "[lockout]"]), "{done}");
    assert_eq!(before.get("/api/phones").status, 200, "only the next login is concerned");
    let mut after = Web::new(&hotseat, "after");
    assert_eq!(after.login("ann", FIRST).json["state"], "change_password");
    assert_eq!(after.get("/api/password/rules").json["profile"], "modern");
    assert_eq!(Web::new(&hotseat, "stranger").login("ann", "guess").json["reason"], "blocked");
}
