//! Softphones of others: plain JsSIP and plain SIP.js in Chromium, on a page of another site, with nothing but a name and a
//! secret (SPEC F4).

use crate::desk::{SECRET, phone_state};
use crate::lab::{DOMAIN, Hotseat, eventually};
use crate::page::Page;
use std::time::Duration;

fn registers(hotseat: &Hotseat, name: &str) -> bool {
    eventually(Duration::from_secs(3), || phone_state(hotseat, name).as_deref() == Some("registered"))
}

#[test]
fn softphones_of_others_register_over_websocket() {
    let hotseat = Hotseat::start();
    for name in ["soft-1", "soft-2"] {
        hotseat.add_phone(name, SECRET);
    }
    std::thread::sleep(Duration::from_millis(400));
    let ws = format!("{}/sip", hotseat.https.replace("https", "wss"));
    let mut page = Page::run(
        "thirdparty.mjs",
        &serde_json::json!({"ws": ws, "domain": DOMAIN, "phones": [["soft-1", SECRET], ["soft-2", SECRET]]}),
    );
    for (kind, name) in [("jssip", "soft-1"), ("sipjs", "soft-2")] {
        page.until(&format!("{kind} registered"));
        assert!(registers(&hotseat, name), "{kind}\n{}", hotseat.log());
        page.go_on();
        page.until(&format!("{kind} gone"));
        let gone =
            eventually(Duration::from_secs(3), || phone_state(&hotseat, name).as_deref() == Some("expired"));
        assert!(gone, "{kind} took its contact back: {:?}\n{}", phone_state(&hotseat, name), hotseat.log());
        page.go_on();
    }
    page.until("back");
    assert!(registers(&hotseat, "soft-1"), "{}", hotseat.log());
    page.go_on();
    eprintln!("{}", page.ends_well());
}
