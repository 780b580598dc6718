//! Agents who log in with their Windows password: a real domain says who may, the gateway lets them sit, and lets go of them when
//! the domain does.

use crate::desk::{PASSWORD as LOCAL_PASSWORD, SECRET};
use crate::lab::web::{Answer, Web};
use crate::lab::{Hotseat, eventually};
use crate::samba::{BASE, PASSWORD, Samba, alone};
use crate::sip_client::Client;
use serde_json::json;
use std::time::{Duration, Instant};

/// The button of the directory.
fn login(hotseat: &Hotseat, name: &str, password: &str) -> Answer {
    Web::new(hotseat, "directory").send("POST", "/api/login", Some(asked(name, password)))
}

fn asked(name: &str, password: &str) -> serde_json::Value {
    json!({"username": name, "password": password, "way": "directory"})
}

fn reason(answer: &Answer) -> (u16, String) {
    (answer.status, answer.json["reason"].as_str().unwrap_or_default().to_owned())
}

fn of_directory(hotseat: &Hotseat, name: &str, extension: &str) {
    hotseat.add_agent(name, extension, LOCAL_PASSWORD);
    hotseat.cli(&["way", name, "directory"], "");
}

fn skipped() {
    eprintln!("SKIPPED: a network of its own needs root (CAP_NET_ADMIN) and the program ip");
}

const WRONG: (u16, &str) = (401, "wrong_credentials");

fn is(answer: &Answer, wanted: (u16, &str)) {
    assert_eq!(reason(answer), (wanted.0, wanted.1.to_owned()), "{answer:?}");
}

#[test]
fn the_domain_says_who_may_come_in() {
    if !alone(who_may_come_in) {
        skipped();
    }
}

fn who_may_come_in() {
    let mut samba = Samba::start();
    for name in ["ann", "bob", "cay", "dan", "eve", "fay", "gus"] {
        samba.person(name);
    }
    samba.tool(&["user", "disable", "cay"]);
    samba.tool(&["user", "setexpiry", "dan", "--days=-1"]);
    samba.tool(&["user", "setpassword", "fay", "--newpassword=Passw0rd!y", "--must-change-at-next-login"]);
    samba.tool(&["group", "add", "leads"]);
    samba.tool(&["group", "add", "night"]);
    samba.tool(&["group", "add", "home"]);
    samba.tool(&["group", "addmembers", "night", "bob"]);
    samba.tool(&["group", "addmembers", "leads", "night"]);
    samba.tool(&["group", "addmembers", "home", "gus"]);

    let hotseat = Hotseat::start_with("[limits]\nlogins_per_minute = 1000\n");
    hotseat.add_agent("loc", "2000", LOCAL_PASSWORD);
    is(&login(&hotseat, "ann", PASSWORD), (404, "not_found"));
    let site = Web::new(&hotseat, "site").get("/api/site").json;
    assert_eq!(site["login_methods"], json!(["password"]));

    std::fs::write(hotseat.config.join("directory.toml"), samba.toml("ldaps")).expect("a file");
    hotseat.cli(&["reload"], "");
    let site = Web::new(&hotseat, "site").get("/api/site").json;
    assert_eq!(site["login_methods"], json!(["password", "directory"]));
    for (name, extension) in [
        ("ann", "2001"),
        ("bob", "2002"),
        ("cay", "2003"),
        ("dan", "2004"),
        ("eve", "2005"),
        ("fay", "2006"),
        ("gus", "2007"),
    ] {
        of_directory(&hotseat, name, extension);
    }

    // Right, in all three ways to write a name; the local password that is still there opens nothing.
    for name in ["ann", "CC\\ann", "ANN@cc.test.local"] {
        let answer = login(&hotseat, name, PASSWORD);
        assert_eq!(
            (answer.status, &answer.json["state"]),
            (200, &json!("choose_phone")),
            "{name}: {answer:?}"
        );
        assert_eq!(answer.json["agent"]["role"], "agent");
    }
    is(&login(&hotseat, "ann", LOCAL_PASSWORD), WRONG);
    is(&Web::new(&hotseat, "local").login("ann", LOCAL_PASSWORD), WRONG);
    is(&Web::new(&hotseat, "local").login("ann", PASSWORD), WRONG);
    // A right Windows password of somebody who is no agent here, or another kind of one.
    is(&login(&hotseat, "svc.hotseat", "Passw0rd!svc"), WRONG);
    is(&login(&hotseat, "loc", LOCAL_PASSWORD), WRONG);
    is(&login(&hotseat, "nobody", PASSWORD), WRONG);
    // Nothing that is typed becomes a part of the search, and nothing is not a password.
    for name in
        ["*", "a*", "ann)(objectClass=*", "ann)(|(cn=*", "*)(sAMAccountName=ann", "ann\u{0}", "\\61nn"]
    {
        is(&login(&hotseat, name, PASSWORD), WRONG);
    }
    is(&login(&hotseat, "ann", ""), WRONG);

    // Accounts that may not be used look like a wrong password, whatever password is shown.
    is(&login(&hotseat, "cay", PASSWORD), WRONG);
    is(&login(&hotseat, "dan", PASSWORD), WRONG);
    is(&login(&hotseat, "fay", "wrong"), WRONG);
    is(&login(&hotseat, "fay", "Passw0rd!y"), (403, "directory_password"));
    // Three wrong ones, and the domain locks the account.
    for _ in 0..3 {
        is(&login(&hotseat, "eve", "wrong"), WRONG);
    }
    is(&login(&hotseat, "eve", PASSWORD), WRONG);
    let words =
        |what: &str| hotseat.log().contains(&format!("outcome=\"{what}\"")) || hotseat.log().contains(what);
    for outcome in [
        "disabled_in_directory",
        "expired_in_directory",
        "locked_in_directory",
        "directory_password_must_change",
        "empty_password",
    ] {
        assert!(words(outcome), "{outcome} is in the log\n{}", hotseat.log());
    }

    // Groups in groups are a role, and another group a kind of work.
    let bob = login(&hotseat, "bob", PASSWORD);
    assert_eq!((bob.status, &bob.json["agent"]["role"]), (200, &json!("supervisor")), "{bob:?}");
    let gus = login(&hotseat, "gus", PASSWORD);
    assert_eq!((gus.status, &gus.json["agent"]["typology"]), (200, &json!("webrtc")), "{gus:?}");
    samba.tool(&["group", "removemembers", "night", "bob"]);
    assert_eq!(
        login(&hotseat, "bob", PASSWORD).json["agent"]["role"],
        "agent",
        "whoever left the group is an agent"
    );

    // What the command line says.
    let told = hotseat.cli(&["directory", "test", "ann", "--password-stdin"], &format!("{PASSWORD}\n"));
    assert_eq!(told["ok"], true, "{told}");
    assert!(told.to_string().contains(&format!("CN=ann,CN=Users,{BASE}")), "{told}");
    let told = hotseat.cli_refused(&["directory", "test", "cay"]);
    assert!(told.to_string().contains("disabled in the directory"), "{told}");

    // StartTLS on the plain port; plain itself is refused by the file's reader.
    std::fs::write(hotseat.config.join("directory.toml"), samba.toml("starttls")).expect("a file");
    hotseat.cli(&["reload"], "");
    assert_eq!(login(&hotseat, "ann", PASSWORD).status, 200);
    is(&login(&hotseat, "ann", "wrong"), WRONG);
    // A certificate of somebody else is no directory.
    let other = samba.folder().join("other");
    std::fs::create_dir_all(&other).expect("a folder");
    crate::samba::certificates(&other);
    let foreign = samba.toml("ldaps").replace("/ca.pem", "/other/ca.pem");
    std::fs::write(hotseat.config.join("directory.toml"), foreign).expect("a file");
    hotseat.cli(&["reload"], "");
    is(&login(&hotseat, "ann", PASSWORD), (503, "directory_unavailable"));

    // The server is gone: said within three seconds, and whoever has a password of ours comes in.
    std::fs::write(hotseat.config.join("directory.toml"), samba.toml("ldaps")).expect("a file");
    hotseat.cli(&["reload"], "");
    samba.down();
    for _ in 0..5 {
        let began = Instant::now();
        is(&login(&hotseat, "gus", PASSWORD), (503, "directory_unavailable"));
        assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    }
    assert_eq!(Web::new(&hotseat, "loc").login("loc", LOCAL_PASSWORD).status, 200);
    samba.up();
    assert!(
        eventually(Duration::from_secs(20), || login(&hotseat, "gus", PASSWORD).status == 200),
        "it is asked again"
    );
    for secret in [PASSWORD, "Passw0rd!svc", "Passw0rd!y"] {
        assert!(!hotseat.log().contains(secret), "a password lies in the log");
    }
}

#[test]
fn whom_the_domain_disables_gets_up() {
    if !alone(disabled_while_sitting) {
        skipped();
    }
}

fn disabled_while_sitting() {
    let mut samba = Samba::start();
    samba.person("ann");
    samba.person("bob");
    let hotseat = Hotseat::start();
    std::fs::write(hotseat.config.join("directory.toml"), samba.toml("ldaps")).expect("a file");
    hotseat.cli(&["reload"], "");
    of_directory(&hotseat, "ann", "2001");
    of_directory(&hotseat, "bob", "2002");
    let mut phones = Vec::new();
    for phone in ["desk-17", "desk-18"] {
        hotseat.add_phone(phone, SECRET);
        let client = Client::new(hotseat.sip);
        assert_eq!(client.registers(phone, SECRET).map(|r| r.status()), Some(200));
        phones.push(client);
    }
    let sits = |name: &str, phone: &str| {
        let mut web = Web::new(&hotseat, name);
        let shown = web.send("POST", "/api/login", Some(asked(name, PASSWORD)));
        assert_eq!(shown.status, 200, "{shown:?}");
        let sat = web.choose(phone, None);
        assert_eq!((sat.status, &sat.json["state"]), (200, &json!("ready")), "{sat:?}");
        web
    };
    let mut ann = sits("ann", "desk-17");
    let mut bob = sits("bob", "desk-18");

    // A directory that is away ends nobody.
    samba.down();
    std::thread::sleep(Duration::from_secs(12));
    assert_eq!((ann.get("/api/me").status, bob.get("/api/me").status), (200, 200));
    samba.up();

    samba.tool(&["user", "disable", "ann"]);
    let began = Instant::now();
    let out = eventually(Duration::from_secs(60), || ann.get("/api/me").status == 401);
    assert!(out, "within a minute\n{}", hotseat.log());
    eprintln!("from disabled in the domain to logged out: {} ms", began.elapsed().as_millis());
    let said = ann.get("/api/me").json;
    assert_eq!(
        (&said["reason"], &said["why"]),
        (&json!("login_ended"), &json!("directory_refused")),
        "{said}"
    );
    assert!(said["sentence"].as_str().is_some_and(|s| s.contains("directory")), "{said}");
    let free = eventually(Duration::from_secs(5), || {
        bob.phone("desk-17")
            .is_some_and(|row| row["available"] == true || row["state"] == "free" || row["login"].is_null())
    });
    assert!(free, "{:?}", bob.phone("desk-17"));
    assert_eq!(bob.get("/api/me").status, 200, "nobody else is touched");
    is(&login(&hotseat, "ann", PASSWORD), WRONG);

    // Removed is out as well.
    samba.tool(&["user", "delete", "bob"]);
    assert!(eventually(Duration::from_secs(60), || bob.get("/api/me").status == 401), "{}", hotseat.log());
}
