//! A shift's beginning, for every story here: a gateway, phones that register, an agent who sits down.

use crate::baresip::{Account, Baresip};
use crate::lab::web::Web;
use crate::lab::{DOMAIN, Hotseat, eventually};
use std::time::Duration;

pub const PASSWORD: &str = "Correct-Horse-7";
pub const SECRET: &str = "desk-secret-0123456789abcdef";

/// Adds the phone and starts a baresip for it; returns once it is registered.
pub fn phone(hotseat: &Hotseat, name: &str, answer: &str, plays: &[i16]) -> Baresip {
    phone_over(hotseat, name, answer, plays, "udp")
}

pub fn phone_over(hotseat: &Hotseat, name: &str, answer: &str, plays: &[i16], transport: &str) -> Baresip {
    phone_with(hotseat, name, answer, plays, transport, "")
}

/// A phone that keeps its signalling to itself, and its sound too as far as `mediaenc` says.
pub fn phone_with(
    hotseat: &Hotseat,
    name: &str,
    answer: &str,
    plays: &[i16],
    transport: &str,
    mediaenc: &str,
) -> Baresip {
    hotseat.add_phone(name, SECRET);
    // The running gateway reads what the command line added within a tenth of a second.
    std::thread::sleep(Duration::from_millis(400));
    let mut phone = Baresip::start(
        &hotseat.folder,
        &Account {
            name,
            secret: SECRET,
            domain: DOMAIN,
            server: &(if transport == "tls" { hotseat.sip_tls } else { hotseat.sip }).to_string(),
            transport,
            mediaenc,
            answer,
        },
        plays,
    );
    let registered = eventually(Duration::from_secs(20), || {
        phone.look();
        phone.count("REGISTER_OK") > 0 || phone_state(hotseat, name).as_deref() == Some("registered")
    });
    assert!(registered, "{name} registers\n{}\n{}", phone.log(), hotseat.log());
    phone
}

/// `state` of the phone as `hotseat phones --json` prints it.
pub fn phone_state(hotseat: &Hotseat, name: &str) -> Option<String> {
    let list = hotseat.cli(&["phones", "list"], "");
    let rows = list.as_array().or_else(|| list["phones"].as_array())?;
    rows.iter().find(|p| p["name"] == name).and_then(|p| p["state"].as_str()).map(str::to_owned)
}

/// An agent with this extension, sitting at this phone, and their browser.
pub fn agent_at(hotseat: &Hotseat, name: &str, extension: &str, phone: &str) -> Web {
    hotseat.add_agent(name, extension, PASSWORD);
    let mut web = Web::new(hotseat, name);
    // The running gateway reads what the command line added within a tenth of a second.
    let known = eventually(Duration::from_secs(5), || web.login(name, PASSWORD).status == 200);
    assert!(known, "{name} is known\n{}", hotseat.log());
    let free = eventually(Duration::from_secs(5), || web.phone(phone).is_some_and(|p| p["state"] == "free"));
    assert!(free, "{phone} is offered: {:?}", web.phone(phone));
    let sits = web.choose(phone, None);
    assert_eq!(sits.status, 200, "{sits:?}");
    web
}

/// The only call record there is, once it has ended.
pub fn record(hotseat: &Hotseat) -> serde_json::Value {
    let mut found = serde_json::Value::Null;
    eventually(Duration::from_secs(5), || {
        let rows = records(hotseat);
        assert!(rows.len() <= 1, "one record for one call: {rows:?}");
        found = rows.first().cloned().unwrap_or_default();
        !found["ended"].is_null()
    });
    found
}

pub fn records(hotseat: &Hotseat) -> Vec<serde_json::Value> {
    let list = hotseat.cli(&["calls"], "");
    list.as_array().or_else(|| list["calls"].as_array()).cloned().unwrap_or_default()
}
