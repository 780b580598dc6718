//! A 200 is a promise: what was acknowledged is there after kill -9, and a busy store promises nothing.

use crate::client::Client;
use crate::lab::{Hotseat, eventually};
use std::time::Duration;

const SECRET: &str = "a-long-random-secret-0001";

fn registered(hotseat: &Hotseat) -> usize {
    let list = hotseat.cli(&["phones", "list"], "");
    let rows = list.as_array().or_else(|| list["phones"].as_array()).cloned().unwrap_or_default();
    rows.iter().filter(|p| p["state"] == "registered").count()
}

#[test]
fn every_acknowledged_binding_survives_kill_nine() {
    let mut hotseat = Hotseat::start();
    let mut csv = String::from("name,secret,label,site,floor\n");
    (0..40).for_each(|n| csv.push_str(&format!("desk-{n},{SECRET},Desk {n},Hamburg,2\n")));
    let file = hotseat.folder.join("phones.csv");
    std::fs::write(&file, csv).unwrap();
    hotseat.cli(&["phones", "import", &file.to_string_lossy()], "");
    let mut acknowledged = 0;
    // Three lives of the process, each killed the moment its last 200 was seen.
    for life in 0..3usize {
        for n in life * 13..life * 13 + 13 {
            let client = Client::new(hotseat.sip);
            let reply = client.registers(&format!("desk-{n}"), SECRET).expect("an answer");
            assert_eq!(reply.status(), 200, "{reply:?}\n{}", hotseat.log());
            acknowledged += 1;
        }
        hotseat.crash_and_restart();
        assert_eq!(registered(&hotseat), acknowledged, "after life {life}");
    }
}

#[test]
fn a_binding_that_was_taken_back_does_not_return() {
    let mut hotseat = Hotseat::start();
    hotseat.add_phone("desk-1", SECRET);
    let client = Client::new(hotseat.sip);
    assert_eq!(client.registers("desk-1", SECRET).map(|r| r.status()), Some(200));
    let call_id = "gone";
    let challenge = client.ask(&client.register("desk-1", call_id, 1, "")).expect("a challenge");
    let credentials =
        challenge.credentials("desk-1", SECRET, "REGISTER", "sip:hotseat.test", 1).expect("an MD5 challenge");
    let all = client
        .register("desk-1", call_id, 2, &format!("{credentials}Expires: 0\r\n"))
        .replace(&format!("Contact: <sip:desk-1@{}>;expires=300", client.address()), "Contact: *");
    let gone = client.ask(&all).expect("an answer");
    assert_eq!((gone.status(), gone.header("Contact")), (200, None), "{gone:?}");
    hotseat.crash_and_restart();
    assert_eq!(registered(&hotseat), 0);
}

#[tokio::test]
async fn a_busy_store_is_503_and_never_a_wrong_password() {
    let hotseat = Hotseat::start();
    hotseat.add_phone("desk-1", SECRET);
    let database = std::fs::read_dir(hotseat.folder.join("data"))
        .unwrap()
        .flatten()
        .map(|f| f.path())
        .find(|p| p.extension().is_some_and(|e| e == "db" || e == "sqlite" || e == "sqlite3"))
        .expect("the database file");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&database);
    let mut lock = <sqlx::SqliteConnection as sqlx::Connection>::connect_with(&options).await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut lock).await.unwrap();
    let client = Client::new(hotseat.sip);
    let call_id = "busy";
    let challenge =
        client.ask(&client.register("desk-1", call_id, 1, "")).expect("a challenge needs no store");
    assert_eq!(challenge.status(), 401);
    let credentials = challenge.credentials("desk-1", SECRET, "REGISTER", "sip:hotseat.test", 1).unwrap();
    client.send(&client.register("desk-1", call_id, 2, &credentials));
    let mut answer = None;
    let answered = eventually(Duration::from_secs(20), || {
        answer = client.answer();
        answer.is_some()
    });
    assert!(answered, "silence is no answer\n{}", hotseat.log());
    let busy = answer.unwrap();
    assert_eq!(busy.status(), 503, "{busy:?}");
    assert!(busy.header("Retry-After").is_some(), "{busy:?}");
    assert_eq!(client.options().map(|r| r.status()), Some(200), "others are served meanwhile");
    sqlx::query("ROLLBACK").execute(&mut lock).await.unwrap();
    assert!(
        eventually(Duration::from_secs(5), || {
            client.registers("desk-1", SECRET).is_some_and(|r| r.status() == 200)
        }),
        "and it recovers by itself\n{}",
        hotseat.log()
    );
}

#[test]
fn the_service_stops_when_it_is_asked_to() {
    let mut hotseat = Hotseat::start();
    assert_eq!(hotseat.terminate(), Some(0), "{}", hotseat.log());
    hotseat.run();
    assert_eq!(Client::new(hotseat.sip).options().map(|r| r.status()), Some(200));
}
