//! Opus (RFC 6716, RFC 7587) for one voice: mono, complexity 5, no DTX, forward error correction while the listener
//! reports losses.

use super::Rubbish;
use opusic_c::{Application, Bitrate, Channels, Decoder, Encoder, InbandFec, SampleRate, Signal};

/// Good speech for little work; ten costs a quarter more and is hardly heard.
const COMPLEXITY: u8 = 5;
/// Bits a second for 4 kHz of speech, and for 8 kHz.
const NARROW: u32 = 24_000;
const WIDE: u32 = 32_000;
/// RFC 6716 §3.4 R2: no frame is longer; we make one frame a packet, or several of 20 ms.
const PAYLOAD_MAX: usize = 1275;
/// Losses in percent from which on redundancy pays for itself.
const FEC_FROM: u8 = 2;

fn rate_of(rate: u32) -> SampleRate {
    if rate == 8000 { SampleRate::Hz8000 } else { SampleRate::Hz16000 }
}

pub struct OpusDecoder {
    inner: Decoder,
    /// The library writes unsigned words.
    words: Vec<u16>,
}

impl OpusDecoder {
    pub fn new(rate: u32) -> Option<OpusDecoder> {
        Some(OpusDecoder { inner: Decoder::new(Channels::Mono, rate_of(rate)).ok()?, words: Vec::new() })
    }

    /// `longest`: samples of the longest packet.
    pub fn decode(&mut self, payload: &[u8], longest: usize, pcm: &mut Vec<i16>) -> Result<(), Rubbish> {
        let samples = self.samples(payload).ok_or(Rubbish)?;
        if samples == 0 || samples > longest {
            return Err(Rubbish);
        }
        self.run(payload, samples, false, pcm)
    }

    /// How many samples a payload stands for.
    pub fn samples(&self, payload: &[u8]) -> Option<usize> {
        self.inner.get_nb_samples(payload).ok()
    }

    /// What the library makes up for `samples` of silence, a multiple of 2.5 ms.
    pub fn conceal(&mut self, samples: usize, pcm: &mut Vec<i16>) {
        if self.run(&[], samples, false, pcm).is_err() {
            pcm.resize(pcm.len() + samples, 0);
        }
    }

    /// The packet before `next`, from the redundancy in it; concealed if there is none (RFC 6716 §2.1.7).
    pub fn recover(&mut self, next: &[u8], samples: usize, pcm: &mut Vec<i16>) {
        if self.run(next, samples, true, pcm).is_err() {
            self.conceal(samples, pcm);
        }
    }

    pub fn reset(&mut self) {
        // It fails only for a decoder that was never made.
        let _ = self.inner.reset();
    }

    fn run(&mut self, payload: &[u8], samples: usize, fec: bool, pcm: &mut Vec<i16>) -> Result<(), Rubbish> {
        self.words.clear();
        self.words.resize(samples, 0);
        let made = self.inner.decode_to_slice(payload, &mut self.words, fec).map_err(|_| Rubbish)?;
        pcm.extend(self.words.iter().take(made).map(|w| *w as i16));
        Ok(())
    }
}

pub struct OpusEncoder {
    inner: Encoder,
    words: Vec<u16>,
    fec: bool,
}

impl OpusEncoder {
    pub fn new(rate: u32) -> Option<OpusEncoder> {
        let mut inner = Encoder::new(Channels::Mono, rate_of(rate), Application::Voip).ok()?;
        inner.set_bitrate(Bitrate::Value(if rate == 8000 { NARROW } else { WIDE })).ok()?;
        inner.set_complexity(COMPLEXITY).ok()?;
        inner.set_signal(Signal::Voice).ok()?;
        inner.set_dtx(false).ok()?;
        inner.set_inband_fec(InbandFec::Off).ok()?;
        Some(OpusEncoder { inner, words: Vec::new(), fec: false })
    }

    /// False if the number of samples is no frame of Opus.
    pub fn encode(&mut self, pcm: &[i16], out: &mut Vec<u8>) -> bool {
        self.words.clear();
        self.words.extend(pcm.iter().map(|s| *s as u16));
        out.resize(PAYLOAD_MAX, 0);
        let len = self.inner.encode_to_slice(&self.words, out).unwrap_or(0);
        out.truncate(len);
        len > 0
    }

    pub fn loss_reported(&mut self, percent: u8) {
        let wanted = percent >= FEC_FROM;
        if wanted != self.fec {
            self.fec = wanted;
            let mode = if wanted { InbandFec::Mode1 } else { InbandFec::Off };
            // Settings within their range are not refused.
            let _ = self.inner.set_inband_fec(mode);
        }
        if wanted {
            let _ = self.inner.set_packet_loss(percent.min(30));
        }
    }
}
