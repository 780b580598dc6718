//! What a command wrote counts from the moment it returns: the running service knows the phone, or no longer knows it.

use crate::client::Client;
use crate::lab::Hotseat;
use crate::lab::web::Web;

const SECRET: &str = "a-long-random-secret-0001";
const PASSWORD: &str = "Correct-Horse-7";

fn state(hotseat: &Hotseat, name: &str) -> String {
    let list = hotseat.cli(&["phones", "list"], "");
    let row = list.as_array().and_then(|rows| rows.iter().find(|p| p["name"] == name).cloned());
    row.and_then(|p| p["state"].as_str().map(str::to_owned)).unwrap_or_default()
}

#[test]
fn a_phone_registers_the_moment_it_was_added() {
    let hotseat = Hotseat::start();
    for n in 0..20 {
        let name = format!("desk-{n}");
        hotseat.add_phone(&name, SECRET);
        let status = Client::new(hotseat.sip).registers(&name, SECRET).map(|r| r.status());
        assert_eq!(status, Some(200), "{name}\n{}", hotseat.log());
    }
    hotseat.cli(&["phones", "remove", "desk-3"], "");
    let status = Client::new(hotseat.sip).registers("desk-3", SECRET).map(|r| r.status());
    assert_eq!(status, Some(401), "a removed phone is unknown at once");
}

#[test]
fn a_disabled_phone_is_out_at_once_and_comes_back_when_enabled() {
    let hotseat = Hotseat::start();
    hotseat.add_phone("desk-1", SECRET);
    hotseat.add_agent("ann", "2001", PASSWORD);
    let phone = Client::new(hotseat.sip);
    assert_eq!(phone.registers("desk-1", SECRET).map(|r| r.status()), Some(200));
    let mut page = Web::new(&hotseat, "ann");
    page.sits_at("ann", PASSWORD, "desk-1");

    let done = hotseat.cli(&["phones", "disable", "desk-1"], "");
    assert_eq!(done["login_ended"], true, "{done}");
    assert_eq!(state(&hotseat, "desk-1"), "disabled");
    assert_eq!(page.get("/api/me").status, 401, "the login at it ended");
    assert_eq!(phone.registers("desk-1", SECRET).map(|r| r.status()), Some(401));

    hotseat.cli(&["phones", "enable", "desk-1"], "");
    assert_eq!(state(&hotseat, "desk-1"), "never_registered", "its old binding does not return");
    assert_eq!(phone.registers("desk-1", SECRET).map(|r| r.status()), Some(200));
    assert_eq!(state(&hotseat, "desk-1"), "registered");
}

#[test]
fn a_disabled_agent_is_out_at_once_and_comes_back_when_enabled() {
    let hotseat = Hotseat::start();
    hotseat.add_phone("desk-1", SECRET);
    hotseat.add_agent("ann", "2001", PASSWORD);
    assert_eq!(Client::new(hotseat.sip).registers("desk-1", SECRET).map(|r| r.status()), Some(200));
    let mut page = Web::new(&hotseat, "ann");
    page.sits_at("ann", PASSWORD, "desk-1");

    let done = hotseat.cli(&["agents", "disable", "ann"], "");
    assert_eq!(done["login_ended"], true, "{done}");
    assert_eq!(page.get("/api/me").status, 401, "the login ended");
    let wrong = Web::new(&hotseat, "stranger").login("nobody", PASSWORD);
    let again = Web::new(&hotseat, "again").login("ann", PASSWORD);
    assert_eq!((again.status, &again.json["reason"]), (wrong.status, &wrong.json["reason"]), "{again:?}");
    let logins = hotseat.cli(&["logins"], "");
    assert_eq!(logins.as_array().map(Vec::len), Some(0), "{logins}");

    hotseat.cli(&["agents", "enable", "ann"], "");
    Web::new(&hotseat, "back").sits_at("ann", PASSWORD, "desk-1");
}
