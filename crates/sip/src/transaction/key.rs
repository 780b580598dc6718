//! Which transaction a message belongs to: RFC 3261 §17.1.3 and §17.2.3, as numbers.
//!
//! What the sections compare is hashed to 128 bits under a key nobody outside knows, so a table lookup compares one
//! number and nobody can aim for a collision.

use crate::Message;
use ahash::RandomState;
use std::hash::{BuildHasher, Hasher};

/// RFC 3261 §8.1.1.7: a branch that begins so is unique by itself.
pub const MAGIC_COOKIE: &str = "z9hG4bK";

/// The number under which a server transaction is found.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct MatchKey(pub u128);

/// Hashes what is compared.
pub struct Keyring {
    high: RandomState,
    low: RandomState,
}

impl Keyring {
    pub fn new(seeds: [u64; 8]) -> Keyring {
        let [a, b, c, d, e, f, g, h] = seeds;
        Keyring { high: RandomState::with_seeds(a, b, c, d), low: RandomState::with_seeds(e, f, g, h) }
    }

    /// One number for a list of texts; their borders count.
    pub fn key(&self, parts: &[&[u8]]) -> u128 {
        let one = |state: &RandomState| {
            let mut hasher = state.build_hasher();
            for part in parts {
                hasher.write_usize(part.len());
                hasher.write(part);
            }
            hasher.finish()
        };
        u128::from(one(&self.high)) << 64 | u128::from(one(&self.low))
    }

    /// The server transaction of a request, or of the INVITE it acknowledges or cancels where `method` says `INVITE`
    /// in its place (RFC 3261 §17.2.3, §9.2). `None` without a readable Via, Call-ID or CSeq.
    pub fn server(&self, request: &Message<'_>, method: &str) -> Option<MatchKey> {
        let via = request.via()?;
        let branch = via.params.get("branch").unwrap_or("");
        if branch.len() > MAGIC_COOKIE.len()
            && branch.get(..MAGIC_COOKIE.len()).is_some_and(|b| b.eq_ignore_ascii_case(MAGIC_COOKIE))
        {
            let port = via.port.unwrap_or(0).to_be_bytes();
            let parts: [&[u8]; 5] =
                [b"3261", branch.as_bytes(), via.host.as_bytes(), &port, method.as_bytes()];
            return Some(MatchKey(self.key(&parts)));
        }
        // RFC 2543 peers, and a branch that is nothing but the cookie: Request-URI, From tag, Call-ID, CSeq number and
        // the topmost Via as it stands. The To tag is compared by nobody: an ACK carries one its INVITE had not.
        let number = request.cseq()?.number.to_be_bytes();
        let top = crate::values::Values::of(request.header(crate::Name::Via)?).next()?;
        let parts: [&[u8]; 7] = [
            b"2543",
            request.uri().as_bytes(),
            request.from_tag().unwrap_or("").as_bytes(),
            request.call_id()?.as_bytes(),
            &number,
            top.as_bytes(),
            method.as_bytes(),
        ];
        Some(MatchKey(self.key(&parts)))
    }

    /// A request outside a dialog that reached us twice on different ways has another branch and the same of these
    /// (RFC 3261 §8.2.2.2).
    pub fn merged(&self, request: &Message<'_>, from_tag: &str) -> Option<u128> {
        let number = request.cseq()?.number.to_be_bytes();
        let parts: [&[u8]; 5] = [
            b"merged",
            from_tag.as_bytes(),
            request.call_id()?.as_bytes(),
            &number,
            request.method_text().as_bytes(),
        ];
        Some(self.key(&parts))
    }

    /// RFC 3261 §12: Call-ID, local tag, remote tag.
    pub fn dialog(&self, call_id: &str, local_tag: &str, remote_tag: &str) -> u128 {
        self.key(&[b"dialog", call_id.as_bytes(), local_tag.as_bytes(), remote_tag.as_bytes()])
    }
}
