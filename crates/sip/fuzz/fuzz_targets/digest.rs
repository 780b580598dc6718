//! Any text as credentials: never accepted, because nobody but us knows the key; and any text as a challenge.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sip::digest::{Answerer, Guard, Role, Verdict};
use sip::{Message, NonceWindow};
use terms::{Flow, Secret, WallTime};

fuzz_target!(|text: &str| {
    let line: String = text.chars().filter(|c| !c.is_control()).collect();
    let flow = Flow::udp("192.0.2.1:5060".parse().unwrap(), "192.0.2.2:5060".parse().unwrap());
    let mut guard = Guard::new("r", [1; 32]);
    let mut window = NonceWindow::new(8, [1, 2, 3, 4]);
    let now = WallTime(1_700_000_000_000);
    for authorization in [line.clone(), format!("Digest realm=\"r\", {line}")] {
        let request = format!("REGISTER sip:r SIP/2.0\r\nAuthorization: {authorization}\r\n\r\n");
        if let Ok(request) = Message::parse(request.as_bytes()) {
            let verdict = guard.check(now, &flow, &request, Role::Server, &mut window, |_| None);
            assert!(!matches!(verdict, Verdict::Ok { .. }), "an unknown user never comes in");
        }
    }
    let mut phone = Answerer::new("u", Secret::new("p"));
    let challenge = format!("SIP/2.0 401 U\r\nWWW-Authenticate: Digest realm=\"r\", {line}\r\n\r\n");
    if let Ok(response) = Message::parse(challenge.as_bytes()) {
        if phone.challenged(&response).is_ok() {
            let (_, value) = phone.authorization("REGISTER", "sip:r", b"", "0123456789abcdef").expect("an answer");
            assert!(!value.contains(['\r', '\n']));
        }
    }
    assert!(!guard.challenges(now, &flow, false, false).is_empty());
});
