//! Chance from a seed: ports, SSRCs and first sequence numbers that an outsider cannot foresee (ChaCha20, RFC 8439
//! §2.3, as a keyed generator). The same seed gives the same run, which is what tests live on.

/// A stream of numbers keyed by a seed.
pub struct Chance {
    key: [u32; 8],
    counter: u64,
    block: [u32; 16],
    used: usize,
}

impl Chance {
    pub fn new(seed: [u8; 32]) -> Chance {
        let mut key = [0u32; 8];
        for (word, four) in key.iter_mut().zip(seed.as_chunks::<4>().0) {
            *word = u32::from_le_bytes(*four);
        }
        Chance { key, counter: 0, block: [0; 16], used: 16 }
    }

    pub fn next_u32(&mut self) -> u32 {
        if self.used >= self.block.len() {
            self.block = block(&self.key, self.counter);
            self.counter = self.counter.wrapping_add(1);
            self.used = 0;
        }
        let word = self.block[self.used];
        self.used += 1;
        word
    }

    pub fn next_u16(&mut self) -> u16 {
        (self.next_u32() >> 16) as u16
    }

    /// A number in `0..bound`, zero if `bound` is zero. The bias of the multiplication is below 2^-16 for our tables.
    pub fn below(&mut self, bound: usize) -> usize {
        ((u64::from(self.next_u32()) * bound as u64) >> 32) as usize
    }
}

/// RFC 8439 §2.3: the block function, with a 64-bit counter and no nonce.
fn block(key: &[u32; 8], counter: u64) -> [u32; 16] {
    let mut start = [0u32; 16];
    start[..4].copy_from_slice(&[0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574]);
    start[4..12].copy_from_slice(key);
    start[12] = counter as u32;
    start[13] = (counter >> 32) as u32;
    let mut s = start;
    for _ in 0..10 {
        for [a, b, c, d] in [
            [0, 4, 8, 12],
            [1, 5, 9, 13],
            [2, 6, 10, 14],
            [3, 7, 11, 15],
            [0, 5, 10, 15],
            [1, 6, 11, 12],
            [2, 7, 8, 13],
            [3, 4, 9, 14],
        ] {
            s[a] = s[a].wrapping_add(s[b]);
            s[d] = (s[d] ^ s[a]).rotate_left(16);
            s[c] = s[c].wrapping_add(s[d]);
            s[b] = (s[b] ^ s[c]).rotate_left(12);
            s[a] = s[a].wrapping_add(s[b]);
            s[d] = (s[d] ^ s[a]).rotate_left(8);
            s[c] = s[c].wrapping_add(s[d]);
            s[b] = (s[b] ^ s[c]).rotate_left(7);
        }
    }
    for (word, first) in s.iter_mut().zip(start) {
        *word = word.wrapping_add(first);
    }
    s
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_block_function_is_chacha20() {
        // RFC 8439 appendix A.1, test vector 1: all zero key, nonce and counter.
        let first = block(&[0; 8], 0);
        assert_eq!(first[..4], [0xade0_b876, 0x903d_f1a0, 0xe56a_5d40, 0x28bd_8653]);
    }

    #[test]
    fn below_stays_below_and_reaches_everything() {
        let mut chance = Chance::new([3; 32]);
        let mut seen = [false; 7];
        for _ in 0..500 {
            seen[chance.below(7)] = true;
        }
        assert!(seen.iter().all(|s| *s));
        assert_eq!(chance.below(0), 0);
    }
}
