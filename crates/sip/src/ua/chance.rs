//! Tags, branches and Call-IDs: numbers nobody can guess who does not know the seed, and the same ones for the same
//! seed, so that a simulated day can be told again.

use sha2::{Digest, Sha256};

pub(super) struct Chance {
    seed: [u8; 32],
    /// Blocks drawn so far.
    drawn: u64,
    block: [u8; 32],
    /// Bytes of the block that are used up.
    used: usize,
}

/// Sixteen hexadecimal digits.
pub(super) type Word = [u8; 16];

impl Chance {
    pub fn new(seed: [u8; 32]) -> Chance {
        Chance { seed, drawn: 0, block: [0; 32], used: 32 }
    }

    pub fn number(&mut self) -> u64 {
        if self.used >= self.block.len() {
            self.drawn = self.drawn.wrapping_add(1);
            let hash = Sha256::new().chain_update(self.seed).chain_update(b"draw");
            self.block = hash.chain_update(self.drawn.to_be_bytes()).finalize().into();
            self.used = 0;
        }
        let mut eight = [0; 8];
        for (to, from) in eight.iter_mut().zip(self.block.iter().skip(self.used)) {
            *to = *from;
        }
        self.used += 8;
        u64::from_be_bytes(eight)
    }

    pub fn word(&mut self) -> Word {
        word(self.number())
    }

    /// RFC 3261 §8.2.7: a stateless response carries the same tag each time the same request comes.
    pub fn tag_of(&self, parts: [&[u8]; 4]) -> Word {
        let mut hash = Sha256::new().chain_update(self.seed).chain_update(b"tag");
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let digest: [u8; 32] = hash.finalize().into();
        let mut eight = [0; 8];
        for (to, from) in eight.iter_mut().zip(digest) {
            *to = from;
        }
        word(u64::from_be_bytes(eight))
    }
}

pub(super) fn word(number: u64) -> Word {
    let mut out = [0; 16];
    for (i, digit) in out.iter_mut().enumerate() {
        let nibble = (number >> (60 - 4 * i)) & 15;
        *digit = if nibble < 10 { b'0' + nibble as u8 } else { b'a' + (nibble - 10) as u8 };
    }
    out
}

/// The number of a word; `None` for anything but sixteen lower-case hexadecimal digits.
pub(super) fn number_of(text: &str) -> Option<u64> {
    let plain = text.len() == 16 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    plain.then(|| u64::from_str_radix(text, 16).ok()).flatten()
}

pub(super) fn text(word: &Word) -> &str {
    std::str::from_utf8(word).unwrap_or("0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_draws_the_same_words_and_no_two_alike() {
        let draw = |seed| {
            let mut chance = Chance::new([seed; 32]);
            (0..100).map(|_| chance.word()).collect::<Vec<_>>()
        };
        let (one, again, other) = (draw(1), draw(1), draw(2));
        assert_eq!(one, again);
        assert!(one.iter().zip(&other).all(|(a, b)| a != b));
        assert_eq!(one.iter().collect::<std::collections::BTreeSet<_>>().len(), 100);
        assert_eq!(number_of(text(&word(0x0123_4567_89ab_cdef))), Some(0x0123_4567_89ab_cdef));
        assert_eq!(number_of("0123456789ABCDEF"), None);
    }
}
