//! Who may register: the right device, once per nonce count, and nobody learns who exists.

use crate::client::{Client, param, unique};
use crate::lab::Hotseat;

const SECRET: &str = "a-long-random-secret-0001";

fn with_phones() -> Hotseat {
    let hotseat = Hotseat::start();
    hotseat.add_phone("desk-1", SECRET);
    hotseat.add_phone("desk-2", "another-long-secret-0002");
    hotseat
}

#[test]
fn the_known_and_the_unknown_get_the_same_challenge_and_the_same_refusal() {
    let hotseat = with_phones();
    let shape = |user: &str| {
        let client = Client::new(hotseat.sip);
        let id = format!("s{}", unique());
        let challenge = client.ask(&client.register(user, &id, 1, "")).expect("a challenge");
        let credentials = challenge
            .credentials(user, "wrong", "REGISTER", "sip:hotseat.test", 1)
            .expect("an MD5 challenge");
        let refusal = client.ask(&client.register(user, &id, 2, &credentials)).expect("a refusal");
        let names = |text: &str| {
            text.lines().filter_map(|l| l.split([':', ' ']).next()).map(str::to_owned).collect::<Vec<_>>()
        };
        (challenge.status(), names(&challenge.0), refusal.status(), names(&refusal.0))
    };
    assert_eq!(shape("desk-1"), shape("nobody-9"));
}

#[test]
fn both_algorithms_are_offered_the_stronger_first() {
    let hotseat = with_phones();
    let client = Client::new(hotseat.sip);
    let challenge = client.ask(&client.register("desk-1", "algorithms", 1, "")).expect("a challenge");
    let algorithms: Vec<_> =
        challenge.headers("WWW-Authenticate").filter_map(|c| param(c, "algorithm")).collect();
    assert_eq!(algorithms, ["SHA-256", "MD5"], "{challenge:?}");
    assert!(challenge.headers("WWW-Authenticate").all(|c| param(c, "qop") == Some("auth")));
}

#[test]
fn credentials_overheard_are_worth_nothing() {
    let hotseat = with_phones();
    let phone = Client::new(hotseat.sip);
    let challenge = phone.ask(&phone.register("desk-1", "own", 1, "")).expect("a challenge");
    let credentials = challenge.credentials("desk-1", SECRET, "REGISTER", "sip:hotseat.test", 1).unwrap();
    let first = phone.register("desk-1", "own", 2, &credentials);
    assert_eq!(phone.ask(&first).map(|r| r.status()), Some(200));
    // The same bytes again are a retransmission and get the same answer.
    assert_eq!(phone.ask(&first).map(|r| r.status()), Some(200));
    // The same credentials in a new request are a replay, from here or from elsewhere.
    assert_eq!(phone.ask(&phone.register("desk-1", "own", 3, &credentials)).map(|r| r.status()), Some(401));
    let thief = Client::new(hotseat.sip);
    let stolen = thief.ask(&thief.register("desk-1", "thief", 1, &credentials)).expect("an answer");
    assert_eq!(stolen.status(), 401, "{stolen:?}");
    let list = hotseat.cli(&["phones", "list"], "").to_string();
    assert!(!list.contains(&thief.address().to_string()), "{list}");
}

#[test]
fn a_phone_registers_itself_and_nobody_else() {
    let hotseat = with_phones();
    let client = Client::new(hotseat.sip);
    let challenge = client.ask(&client.register("desk-2", "foreign", 1, "")).expect("a challenge");
    let credentials = challenge.credentials("desk-1", SECRET, "REGISTER", "sip:hotseat.test", 1).unwrap();
    let foreign = client.ask(&client.register("desk-2", "foreign", 2, &credentials)).expect("an answer");
    assert_eq!(foreign.status(), 403, "{foreign:?}");
}

#[test]
fn weakened_credentials_are_refused() {
    let hotseat = with_phones();
    type Weaken = fn(&str) -> String;
    let cases: [(&str, Weaken); 4] = [
        ("without qop", |c| c.replace(", qop=auth", "")),
        ("unknown algorithm", |c| c.replace("algorithm=MD5", "algorithm=NONE")),
        ("another uri", |c| c.replace("uri=\"sip:hotseat.test\"", "uri=\"sip:elsewhere.test\"")),
        ("decimal count", |c| c.replace("nc=00000001", "nc=1")),
    ];
    for (what, weaken) in cases {
        let client = Client::new(hotseat.sip);
        let id = format!("w{}", unique());
        let challenge = client.ask(&client.register("desk-1", &id, 1, "")).expect("a challenge");
        let good = challenge.credentials("desk-1", SECRET, "REGISTER", "sip:hotseat.test", 1).unwrap();
        let reply = client.ask(&client.register("desk-1", &id, 2, &weaken(&good))).expect("an answer");
        assert!(matches!(reply.status(), 400 | 401 | 403), "{what}: {reply:?}");
    }
}
