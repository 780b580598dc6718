//! Any bytes as a protected packet: never opened, for nobody guesses a tag, and never a panic. Sealed first, it opens to
//! what it was.
#![no_main]

use libfuzzer_sys::fuzz_target;
use media::srtp::{GROWTH_MAX, Keys, Opener, Sealer, Suite};

fuzz_target!(|bytes: &[u8]| {
    for suite in [Suite::AesCm128HmacSha1_80, Suite::AeadAes128Gcm] {
        let material = [7; 30];
        let keys = Keys::of_bytes(suite, &material[..16 + suite.salt_len()]).expect("the suite's own length");
        let (mut sealer, mut opener) = (Sealer::new(&keys), Opener::new(&keys));
        let mut buf = bytes.to_vec();
        assert!(opener.open_rtp(&mut buf.clone(), bytes.len()).is_err());
        assert!(opener.open_rtcp(&mut buf.clone(), bytes.len()).is_err());
        buf.resize(bytes.len() + GROWTH_MAX, 0);
        let mut control = buf.clone();
        if let Some(len) = sealer.seal_rtp(&mut buf, bytes.len()) {
            assert_eq!(opener.open_rtp(&mut buf, len), Ok(bytes.len()));
            assert_eq!(buf[..bytes.len()], *bytes);
        }
        if let Some(len) = sealer.seal_rtcp(&mut control, bytes.len()) {
            assert_eq!(opener.open_rtcp(&mut control, len), Ok(bytes.len()));
            assert_eq!(control[..bytes.len()], *bytes);
        }
    }
});
