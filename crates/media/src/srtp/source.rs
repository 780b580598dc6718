//! Where each sender stands: the highest index that proved itself and the window of those before it (RFC 3711 §3.3).

/// Sources of one direction under one key. A transfer behind a PBX brings another SSRC, a phone that restarts too;
/// past this many the rest is not opened: forgetting one would let its old packets be played again.
pub const SOURCES_MAX: usize = 64;

/// RFC 3711 §3.3.2 asks for 64 at least; a browser on a bad radio link needs a little more.
const WINDOW: u64 = 128;

/// RFC 3711 §9.2: 2^48 packets, then the key is used up.
const INDEX_END: u64 = 1 << 48;

#[derive(Clone, Copy)]
pub struct Source {
    ssrc: u32,
    /// Rollover counter and sequence number, 48 bits.
    highest: u64,
    /// Bit n: `highest - n` was heard.
    heard: u128,
}

impl Source {
    /// RFC 3711 §3.3.1: the index nearest to the highest one. `None` before the first and past the last.
    #[inline]
    pub fn index_of(&self, seq: u16) -> Option<u64> {
        let step = i64::from(seq.wrapping_sub(self.highest as u16) as i16);
        self.highest.checked_add_signed(step).filter(|index| *index < INDEX_END)
    }

    /// RFC 3711 §3.3.2.
    #[inline]
    pub fn is_new(&self, index: u64) -> bool {
        match self.highest.checked_sub(index) {
            None => true,
            Some(behind) => behind < WINDOW && self.heard >> behind & 1 == 0,
        }
    }

    #[inline]
    pub fn heard(&mut self, index: u64) {
        match index.checked_sub(self.highest) {
            Some(ahead) => {
                self.heard = if ahead < WINDOW { self.heard << ahead | 1 } else { 1 };
                self.highest = index;
            }
            None => {
                let behind = self.highest - index;
                if behind < WINDOW {
                    self.heard |= 1 << behind;
                }
            }
        }
    }

    #[inline]
    pub fn sent(&mut self, index: u64) {
        self.highest = self.highest.max(index);
    }
}

/// Few, and nearly always one: looked for in a row.
#[derive(Default)]
pub struct Sources(Vec<Source>);

impl Sources {
    #[inline]
    pub fn find(&self, ssrc: u32) -> Option<usize> {
        self.0.iter().position(|source| source.ssrc == ssrc)
    }

    #[inline]
    pub fn get(&self, at: usize) -> Option<&Source> {
        self.0.get(at)
    }

    #[inline]
    pub fn get_mut(&mut self, at: usize) -> Option<&mut Source> {
        self.0.get_mut(at)
    }

    /// False if there are too many.
    pub fn add(&mut self, ssrc: u32, index: u64) -> bool {
        let room = self.0.len() < SOURCES_MAX;
        if room {
            self.0.push(Source { ssrc, highest: index, heard: 1 });
        }
        room
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.0.len()
    }
}
