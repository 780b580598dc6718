//! SRTP and SRTCP (RFC 3711, RFC 7714): a packet is opened and sealed where it lies, without a lock and without an
//! allocation. A packet that does not prove itself leaves no trace: no source, no rollover, no place in the window.
//!
//! One [`Sealer`] for what we send and one [`Opener`] for what we hear, each with the keys of one direction. They live
//! as long as their keys: a new description that repeats a key keeps its context, for the rollover counter is nowhere
//! else.

mod cipher;
mod keys;
mod source;

pub use keys::{KEY_LEN, Keys, SALT_MAX, Suite};

use cipher::Cipher;
use source::Sources;

/// How much longer a packet can become: the longest tag and SRTCP's index.
pub const GROWTH_MAX: usize = cipher::TAG_MAX + INDEX_LEN;

/// RFC 3550 §5.1: the fixed RTP header.
const RTP_HEAD: usize = 12;
/// RFC 3711 §3.4: the first eight octets of RTCP stay in the clear.
const RTCP_HEAD: usize = 8;
/// RFC 3711 §3.4: E-flag and 31-bit index.
const INDEX_LEN: usize = 4;
const ENCRYPTED: u32 = 1 << 31;

/// Why a packet was not opened. It is dropped and counted, whatever the reason.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Why {
    #[error("it is no packet: too short, or its header points outside of it")]
    Malformed,
    #[error("its index was seen before, or is too old to know")]
    Replayed,
    #[error("its tag does not fit")]
    Forged,
    #[error("its control data is not encrypted")]
    Unencrypted,
    #[error("more sources than anyone needs")]
    TooManySources,
}

/// Seals what we send.
pub struct Sealer {
    rtp: Cipher,
    rtcp: Cipher,
    sources: Sources,
    /// RFC 3711 §3.4: one count for all our SRTCP; the keystream differs by SSRC on top.
    rtcp_next: u32,
}

impl Sealer {
    pub fn new(keys: &Keys) -> Sealer {
        Sealer {
            rtp: Cipher::for_rtp(keys),
            rtcp: Cipher::for_rtcp(keys),
            sources: Sources::default(),
            rtcp_next: 0,
        }
    }

    /// Seals the RTP packet in the first `len` bytes and returns its new length. `None` if it is no RTP, if `buf` has
    /// no room for the tag, or if the key is used up (2^48 packets).
    #[inline]
    pub fn seal_rtp(&mut self, buf: &mut [u8], len: usize) -> Option<usize> {
        let (head, seq, ssrc) = rtp_head(buf.get(..len)?)?;
        let at = self.sources.find(ssrc);
        let index = match at {
            Some(at) => self.sources.get(at)?.index_of(seq)?,
            None => u64::from(seq),
        };
        let sealed = self.rtp.seal_rtp(buf, head, len, ssrc, index)?;
        match at {
            Some(at) => self.sources.get_mut(at)?.sent(index),
            None => self.sources.add(ssrc, index).then_some(())?,
        }
        Some(sealed)
    }

    /// Seals the RTCP compound in the first `len` bytes and returns its new length.
    pub fn seal_rtcp(&mut self, buf: &mut [u8], len: usize) -> Option<usize> {
        let ssrc = rtcp_head(buf.get(..len)?)?;
        let index = self.rtcp_next;
        if index & ENCRYPTED != 0 {
            // RFC 3711 §9.2: after 2^31 control packets the key is used up.
            return None;
        }
        let sealed = self.rtcp.seal_rtcp(buf, len, ssrc, index)?;
        self.rtcp_next = index + 1;
        Some(sealed)
    }
}

/// Opens what we hear.
pub struct Opener {
    rtp: Cipher,
    rtcp: Cipher,
    sources: Sources,
    rtcp_sources: Sources,
}

impl Opener {
    pub fn new(keys: &Keys) -> Opener {
        Opener {
            rtp: Cipher::for_rtp(keys),
            rtcp: Cipher::for_rtcp(keys),
            sources: Sources::default(),
            rtcp_sources: Sources::default(),
        }
    }

    /// Opens the SRTP packet in the first `len` bytes and returns the length of the RTP packet that lies there now.
    /// After an error the bytes are worthless and nothing has been learned from them.
    #[inline]
    pub fn open_rtp(&mut self, buf: &mut [u8], len: usize) -> Result<usize, Why> {
        let packet = buf.get_mut(..len).ok_or(Why::Malformed)?;
        let (head, seq, ssrc) = rtp_head(packet).ok_or(Why::Malformed)?;
        let at = self.sources.find(ssrc);
        let index = match at.and_then(|at| self.sources.get(at)) {
            // RFC 3711 §3.3.2: known replays are turned away before anything is computed.
            Some(source) => source.index_of(seq).filter(|i| source.is_new(*i)).ok_or(Why::Replayed)?,
            None => u64::from(seq),
        };
        let opened = self.rtp.open_rtp(packet, head, ssrc, index)?;
        remember(&mut self.sources, at, ssrc, index)?;
        Ok(opened)
    }

    /// Opens the SRTCP compound in the first `len` bytes and returns the length of the RTCP compound.
    pub fn open_rtcp(&mut self, buf: &mut [u8], len: usize) -> Result<usize, Why> {
        let packet = buf.get_mut(..len).ok_or(Why::Malformed)?;
        let ssrc = rtcp_head(packet).ok_or(Why::Malformed)?;
        let word = self.rtcp.index_word(packet).ok_or(Why::Malformed)?;
        if word & ENCRYPTED == 0 {
            // RFC 3711 §3.4 allows it where UNENCRYPTED_SRTCP was agreed; we never agree to it.
            return Err(Why::Unencrypted);
        }
        let index = word & !ENCRYPTED;
        let at = self.rtcp_sources.find(ssrc);
        if at.and_then(|at| self.rtcp_sources.get(at)).is_some_and(|s| !s.is_new(u64::from(index))) {
            return Err(Why::Replayed);
        }
        let opened = self.rtcp.open_rtcp(packet, ssrc, index)?;
        remember(&mut self.rtcp_sources, at, ssrc, u64::from(index))?;
        Ok(opened)
    }
}

/// Only a packet that proved itself comes here.
fn remember(sources: &mut Sources, at: Option<usize>, ssrc: u32, index: u64) -> Result<(), Why> {
    match at {
        Some(at) => sources.get_mut(at).map(|source| source.heard(index)),
        None => sources.add(ssrc, index).then_some(()),
    }
    .ok_or(Why::TooManySources)
}

/// Where the payload begins, the sequence number and the SSRC.
#[inline]
fn rtp_head(packet: &[u8]) -> Option<(usize, u16, u32)> {
    let (fixed, _) = packet.split_first_chunk::<RTP_HEAD>()?;
    if fixed[0] >> 6 != 2 {
        return None;
    }
    let mut head = RTP_HEAD + usize::from(fixed[0] & 0x0f) * 4;
    if fixed[0] & 0x10 != 0 {
        // RFC 3550 §5.3.1: profile and length in words. RFC 3711 §3.1: extensions are not encrypted.
        let &[_, _, high, low] = packet.get(head..head + 4)? else { return None };
        head += 4 + usize::from(u16::from_be_bytes([high, low])) * 4;
    }
    let seq = u16::from_be_bytes([fixed[2], fixed[3]]);
    let ssrc = u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]);
    (head <= packet.len()).then_some((head, seq, ssrc))
}

/// The sender's SSRC.
fn rtcp_head(packet: &[u8]) -> Option<u32> {
    let (head, _) = packet.split_first_chunk::<RTCP_HEAD>()?;
    (head[0] >> 6 == 2).then(|| u32::from_be_bytes([head[4], head[5], head[6], head[7]]))
}

#[cfg(test)]
mod tests;
