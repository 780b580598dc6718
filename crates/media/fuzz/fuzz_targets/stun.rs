//! Whatever bytes arrive: read or refused, and what was read and signed can be written again to the same meaning.
#![no_main]

use libfuzzer_sys::fuzz_target;
use media::stun::{self, Writer, attribute};

fuzz_target!(|bytes: &[u8]| {
    let Ok(m) = stun::read(bytes) else { return };
    assert!(!m.is_signed_by(b"a password nobody has") || bytes.len() > 44);
    let _ = m.fragments();
    let mut w = Writer::new(m.class, m.method, m.transaction);
    if let Some(name) = m.username.filter(|n| n.len() < 512) {
        w = w.put(attribute::USERNAME, name);
    }
    if let Some(address) = m.mapped {
        w = w.mapped(address);
    }
    let again = w.finish(b"key");
    let n = stun::read(&again).expect("what we write can be read");
    assert_eq!((n.class, n.method, n.transaction, n.mapped), (m.class, m.method, m.transaction, m.mapped));
    assert!(n.has_fingerprint && n.is_signed_by(b"key"));
});
