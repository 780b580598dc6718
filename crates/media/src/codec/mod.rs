//! Sound as the codecs of telephones carry it: G.711, G.722 and Opus, into samples and out of them again.
//!
//! A [`Transcoder`] stands in one direction between two legs that have no codec in common. Everybody else's packets
//! are relayed as they are and never come here. Opus is run at the rate of the other side (8 or 16 kHz, RFC 6716
//! §2.1.1: its decoder works at any of them), so that only G.722 against G.711 needs a filter between the rates.
//!
//! What costs memory: an Opus encoder and decoder are some 40 KB together, made when a direction is agreed. Nothing
//! here allocates per packet after the first few, except G.722, whose library returns a `Vec` per frame.

mod conceal;
pub mod g711;
mod half;
mod opus;
mod transcode;

pub use transcode::{Coded, Incoming, Transcoder};

use ezk_g722::libg722::{Bitrate, decoder::Decoder as G722Decoder, encoder::Encoder as G722Encoder};
use opus::{OpusDecoder, OpusEncoder};

/// The longest packet that is decoded; Opus has none longer (RFC 6716 §2.1.4), and what a telephone sends is shorter.
pub const PACKET_MS_MAX: u32 = 120;

/// A voice codec as far as sound is concerned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Pcmu,
    Pcma,
    G722,
    Opus,
}

impl Kind {
    /// Ticks a second of the RTP timestamp: 8000 also for G.722 (RFC 3551 §4.5.2), 48000 for Opus (RFC 7587 §4.1).
    pub fn clock(self) -> u32 {
        if self == Kind::Opus { 48_000 } else { 8000 }
    }

    /// Samples a second when it is coded for or from `other`.
    pub fn rate_beside(self, other: Kind) -> u32 {
        match (self, other) {
            (Kind::G722, _) | (Kind::Opus, Kind::G722 | Kind::Opus) => 16_000,
            _ => 8000,
        }
    }

    /// Milliseconds a packet we make may hold, next to what the peer asked for.
    pub fn packet_ms(self, wanted: Option<u16>) -> u32 {
        match (self, wanted.unwrap_or(20)) {
            (_, 0..20) => 10,
            (_, 20..30) => 20,
            // RFC 6716 §2.1.4: Opus knows no 30 and no 50 ms.
            (Kind::Opus, 30..40) => 20,
            (_, 30..40) => 30,
            (_, 40..60) => 40,
            _ => 60,
        }
    }
}

/// A payload that its codec cannot read: empty, too long or broken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a payload that is no sound")]
pub struct Rubbish;

/// The library has no room for another coder.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("no {0:?} coder can be made")]
pub struct NoCoder(pub Kind);

/// Payloads into samples.
pub struct Decoder {
    rate: u32,
    inner: Decoding,
}

enum Decoding {
    G711(&'static [i16; 256]),
    G722(Box<G722Decoder>),
    Opus(OpusDecoder),
}

impl Decoder {
    pub fn new(kind: Kind, rate: u32) -> Result<Decoder, NoCoder> {
        let inner = match kind {
            Kind::Pcmu => Decoding::G711(&g711::FROM_U),
            Kind::Pcma => Decoding::G711(&g711::FROM_A),
            Kind::G722 => Decoding::G722(Box::new(G722Decoder::new(Bitrate::Mode1_64000, false, false))),
            Kind::Opus => Decoding::Opus(OpusDecoder::new(rate).ok_or(NoCoder(kind))?),
        };
        Ok(Decoder { rate, inner })
    }

    /// Appends the samples of one payload.
    pub fn decode(&mut self, payload: &[u8], pcm: &mut Vec<i16>) -> Result<(), Rubbish> {
        let per_ms = self.rate as usize / 1000;
        let longest = PACKET_MS_MAX as usize * per_ms;
        match &mut self.inner {
            // One octet is a sample of G.711 and two of G.722: eight in a millisecond of either.
            _ if payload.is_empty() => Err(Rubbish),
            Decoding::G711(_) | Decoding::G722(_) if payload.len() > PACKET_MS_MAX as usize * 8 => {
                Err(Rubbish)
            }
            Decoding::G711(table) => {
                pcm.extend(payload.iter().map(|octet| table[usize::from(*octet)]));
                Ok(())
            }
            Decoding::G722(inner) => {
                pcm.extend_from_slice(&inner.decode(payload));
                Ok(())
            }
            Decoding::Opus(inner) => inner.decode(payload, longest, pcm),
        }
    }

    /// Another source begins.
    fn reset(&mut self) {
        match &mut self.inner {
            Decoding::G711(_) => {}
            Decoding::G722(inner) => **inner = G722Decoder::new(Bitrate::Mode1_64000, false, false),
            Decoding::Opus(inner) => inner.reset(),
        }
    }

    fn opus(&mut self) -> Option<&mut OpusDecoder> {
        match &mut self.inner {
            Decoding::Opus(inner) => Some(inner),
            _ => None,
        }
    }
}

/// Samples into payloads.
pub struct Encoder {
    inner: Encoding,
}

enum Encoding {
    Pcmu,
    Pcma,
    G722(Box<G722Encoder>),
    Opus(OpusEncoder),
}

impl Encoder {
    pub fn new(kind: Kind, rate: u32) -> Result<Encoder, NoCoder> {
        let inner = match kind {
            Kind::Pcmu => Encoding::Pcmu,
            Kind::Pcma => Encoding::Pcma,
            Kind::G722 => Encoding::G722(Box::new(G722Encoder::new(Bitrate::Mode1_64000, false, false))),
            Kind::Opus => Encoding::Opus(OpusEncoder::new(rate).ok_or(NoCoder(kind))?),
        };
        Ok(Encoder { inner })
    }

    /// Writes the payload of one packet over `out`. False if the codec has no frame of that length.
    pub fn encode(&mut self, pcm: &[i16], out: &mut Vec<u8>) -> bool {
        out.clear();
        match &mut self.inner {
            Encoding::Pcmu => out.extend(pcm.iter().map(|s| g711::to_u(*s))),
            Encoding::Pcma => out.extend(pcm.iter().map(|s| g711::to_a(*s))),
            Encoding::G722(inner) => out.extend_from_slice(&inner.encode(pcm)),
            Encoding::Opus(inner) => return inner.encode(pcm, out),
        }
        true
    }

    /// The listener reports this share of our packets lost, in percent.
    pub fn loss_reported(&mut self, percent: u8) {
        if let Encoding::Opus(inner) = &mut self.inner {
            inner.loss_reported(percent);
        }
    }
}

/// Turns a payload of one G.711 law into the other in place, the whole of that transcoding. False for other pairs.
#[inline]
pub fn swap_law(from: Kind, to: Kind, payload: &mut [u8]) -> bool {
    let table = match (from, to) {
        (Kind::Pcmu, Kind::Pcma) => &g711::U_TO_A,
        (Kind::Pcma, Kind::Pcmu) => &g711::A_TO_U,
        _ => return false,
    };
    for octet in payload {
        *octet = table[usize::from(*octet)];
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_sound_is_refused_and_nothing_panics() {
        let mut seed = 1u32;
        let mut noise = |n: usize| -> Vec<u8> {
            (0..n)
                .map(|_| {
                    seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (seed >> 24) as u8
                })
                .collect()
        };
        for kind in [Kind::Pcmu, Kind::Pcma, Kind::G722, Kind::Opus] {
            let rate = kind.rate_beside(Kind::G722);
            let mut decoder = Decoder::new(kind, rate).unwrap();
            let mut pcm = Vec::new();
            assert_eq!(decoder.decode(&[], &mut pcm), Err(Rubbish));
            // To Opus: seven frames of 20 ms, one more than a packet may hold.
            let long = [0x0b, 7].into_iter().chain([9; 1400]).collect::<Vec<u8>>();
            assert_eq!(decoder.decode(&long, &mut pcm), Err(Rubbish), "{kind:?}");
            assert!(pcm.is_empty());
            for n in 1..600 {
                pcm.clear();
                let _ = decoder.decode(&noise(n), &mut pcm);
                assert!(pcm.len() <= (PACKET_MS_MAX * rate / 1000) as usize);
            }
        }
    }

    #[test]
    fn packets_have_lengths_their_codec_knows() {
        assert_eq!(Kind::Pcmu.packet_ms(None), 20);
        assert_eq!(Kind::Pcmu.packet_ms(Some(30)), 30);
        assert_eq!(Kind::Opus.packet_ms(Some(30)), 20);
        assert_eq!(Kind::Opus.packet_ms(Some(3)), 10);
        assert_eq!(Kind::G722.packet_ms(Some(500)), 60);
    }
}
