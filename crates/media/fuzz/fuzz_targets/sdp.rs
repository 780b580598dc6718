//! Any bytes as an offer, and the rest of them as the answer: heard, offered on, agreed. What we write ourselves must
//! read back with as many streams as it was meant to have.
#![no_main]

use libfuzzer_sys::fuzz_target;
use media::negotiate::{History, Toward, hear, relay_answer, relay_offer};
use media::sdp::{Ours, read, write};
use terms::{Codecs, PortKind};

fuzz_target!(|bytes: &[u8]| {
    let (offer, answer) = match bytes.windows(4).position(|four| four == b"\n\nv=") {
        Some(at) => (&bytes[..at], &bytes[at + 2..]),
        None => (bytes, bytes),
    };
    let Ok(offer) = hear(offer, None) else { return };
    let history = History::default();
    let toward = Toward {
        history: &history,
        kind: PortKind::Rtp,
        codecs: Codecs::default(),
        transcodes: true,
        ours: Ours::Plain,
    };
    let Ok(told) = relay_offer(&offer, &toward) else { return };
    let address = "192.0.2.1".parse().expect("an address");
    let text = write(&told, 1, 1, address, 9);
    let own = hear(&text, Some(0)).expect("our own words are heard");
    for answer in [hear(answer, Some(told.at)), Ok(own)].into_iter().flatten() {
        if let Ok(agreed) = relay_answer(&offer, &told, &answer, &history, &Ours::Plain) {
            let back = read(&write(&agreed.answer, 1, 1, address, 9)).expect("our answer reads");
            assert_eq!(back.streams.len(), offer.lines.len());
        }
    }
});
