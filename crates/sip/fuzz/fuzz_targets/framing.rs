//! Any bytes as a stream, cut anywhere: the frames must not depend on the cuts, and nothing comes after an error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sip::framing::{Frame, Framer, Limits};
use terms::Instant;

const LIMITS: Limits = Limits { header_max: 2048, message_max: 4096 };

/// The messages of this stream, and whether it broke.
fn cut(bytes: &[u8], size: usize) -> (Vec<Vec<u8>>, bool) {
    let mut framer = Framer::new(LIMITS);
    let (mut messages, mut broken) = (Vec::new(), false);
    for piece in bytes.chunks(size.max(1)) {
        framer.feed(Instant(0), piece);
        loop {
            match framer.poll() {
                Ok(Some(Frame::Message(message))) => {
                    assert!(!broken, "nothing comes after an error");
                    messages.push(message.to_vec());
                }
                Ok(Some(_)) => assert!(!broken, "nothing comes after an error"),
                Ok(None) => break,
                Err(_) => broken = true,
            }
        }
        assert!(framer.held() <= LIMITS.message_max + bytes.len());
    }
    (messages, broken)
}

fuzz_target!(|bytes: &[u8]| {
    let Some((size, stream)) = bytes.split_first() else { return };
    let whole = cut(stream, stream.len());
    let pieces = cut(stream, usize::from(*size) % 67 + 1);
    assert_eq!(whole.0, pieces.0, "cuts change nothing");
    assert_eq!(whole.1, pieces.1, "cuts change nothing");
});
