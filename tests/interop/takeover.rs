//! Ann logs in a second time while she talks: the dialog, yes and no, and what each place sees.

use crate::audio::melody;
use crate::desk::{PASSWORD, agent_at, phone, records};
use crate::lab::web::Web;
use crate::lab::{Hotseat, eventually};
use crate::rtp::Endpoint;
use crate::sipp::{Run, Sipp, caller};
use std::time::Duration;

fn call_in(hotseat: &Hotseat, media: u16) -> Sipp {
    Sipp::start(
        &hotseat.folder,
        &Run {
            scenario: &caller("+49301234", 0, false),
            port: hotseat.trunk.port(),
            remote: &hotseat.sip.to_string(),
            service: "2001",
            keys: &[("media", media.to_string())],
            calls: 1,
        },
    )
}

#[test]
fn the_old_place_lets_go_and_the_next_call_rings_at_the_new_one() {
    let hotseat = Hotseat::start();
    let mut desk_17 = phone(&hotseat, "desk-17", "auto", &melody(1, 60));
    let mut desk_18 = phone(&hotseat, "desk-18", "auto", &melody(2, 60));
    let mut first = agent_at(&hotseat, "ann", "2001", "desk-17");
    let ear = Endpoint::open(melody(3, 60));
    let mut trunk = call_in(&hotseat, ear.address.port());
    assert!(desk_17.until("CALL_ESTABLISHED", 1, Duration::from_secs(10)), "{}", hotseat.log());

    // A wrong password learns nothing of the login.
    let mut second = Web::new(&hotseat, "second");
    let wrong = second.login("ann", "Wrong-Horse-7");
    assert_eq!((wrong.status, &wrong.json["reason"]), (401, &"wrong_credentials".into()), "{wrong:?}");
    assert!(wrong.json["held"].is_null());

    // The right one is asked, and told where she is.
    let asked = second.login("ann", PASSWORD);
    assert_eq!(asked.json["state"], "held", "{asked:?}");
    assert_eq!(asked.json["sentence"], "User already logged. Do you want to continue?");
    assert_eq!(asked.json["held"]["device"]["name"], "desk-17");
    assert_eq!(asked.json["held"]["activity"], "in_call");
    let epoch = asked.json["held"]["epoch"].as_u64();

    // No: nothing changes.
    assert_eq!(second.choose("desk-18", None).status, 409);
    second.logout();
    assert_eq!(first.get("/api/me").status, 200);
    desk_17.look();
    assert_eq!(desk_17.count("CALL_CLOSED"), 0, "the call goes on");

    // Yes: the call ends with BYE, the old page knows why, a late request of it is refused.
    let mut third = Web::new(&hotseat, "third");
    third.login("ann", PASSWORD);
    let taken = third.choose("desk-18", epoch);
    assert_eq!(taken.status, 200, "{taken:?}");
    assert!(desk_17.until("CALL_CLOSED", 1, Duration::from_secs(2)), "{}\n{}", desk_17.log(), hotseat.log());
    assert!(trunk.succeeded(Duration::from_secs(5)), "the far leg ends too: {}", trunk.log());
    let late = first.get("/api/me");
    assert_eq!((late.status, &late.json["reason"]), (401, &"login_ended".into()), "{late:?}");
    assert_eq!(
        late.json["sentence"],
        "Another user has logged with your credentials. Multiple logins not allowed."
    );
    assert_ne!(first.choose("desk-17", None).status, 200, "the old session takes nothing back");

    // The next call rings at the new place only.
    let again = call_in(&hotseat, ear.address.port());
    assert!(desk_18.until("CALL_ESTABLISHED", 1, Duration::from_secs(10)), "{}", hotseat.log());
    desk_17.look();
    assert_eq!(desk_17.count("CALL_ESTABLISHED"), 1, "the old phone stays quiet");
    drop(again);
    assert!(eventually(Duration::from_secs(3), || {
        records(&hotseat).iter().any(|r| r["end"] == "logged_out_elsewhere")
    }));
}

#[test]
fn a_house_that_refuses_takeovers_in_a_call_keeps_the_call() {
    let hotseat = Hotseat::start_with("takeover = \"refuse\"\n");
    let mut desk_17 = phone(&hotseat, "desk-17", "auto", &melody(1, 60));
    let _desk_18 = phone(&hotseat, "desk-18", "auto", &melody(2, 60));
    let _first = agent_at(&hotseat, "ann", "2001", "desk-17");
    let ear = Endpoint::open(melody(3, 60));
    let mut trunk = call_in(&hotseat, ear.address.port());
    assert!(desk_17.until("CALL_ESTABLISHED", 1, Duration::from_secs(10)), "{}", hotseat.log());
    let mut second = Web::new(&hotseat, "second");
    let epoch = second.login("ann", PASSWORD).json["held"]["epoch"].as_u64();
    let refused = second.choose("desk-18", epoch);
    assert_eq!((refused.status, &refused.json["reason"]), (409, &"call_in_progress".into()), "{refused:?}");
    desk_17.look();
    assert_eq!(desk_17.count("CALL_CLOSED"), 0);
    desk_17.command("hangup", "");
    assert!(trunk.succeeded(Duration::from_secs(5)), "{}", trunk.log());
    // After the call the same yes is taken.
    assert!(eventually(Duration::from_secs(3), || second.choose("desk-18", epoch).status == 200));
}
