//! The sounds we make ourselves: two soft notes for somebody whose peer is away, and the tones of a keypad.
//!
//! The comfort tone is meant to say "wait, somebody is coming back" without startling anyone: a fifth upwards (A4, E5),
//! each note swelling and fading, 24 dB below full scale, then three seconds of silence, from the top.

use crate::press;
use std::f32::consts::TAU;

/// The two notes: hertz, begin and length in milliseconds.
const NOTES: [(f32, u32, u32); 2] = [(440.0, 0, 240), (659.26, 260, 340)];
const ROUND_MS: u32 = 3600;
/// 24 dB below full scale.
const SOFT: f32 = 2066.0;
/// Each of the two tones of a key, 12 dB below full scale (ITU-T Q.24 receivers take much less).
const KEY: f32 = 8231.0;
/// A key's tone rises and falls this long, so that it does not click.
const EDGE_MS: f32 = 4.0;

/// The comfort tone from where it is: `at` counts samples and is moved on.
pub fn comfort(rate: u32, at: &mut u64, pcm: &mut [i16]) {
    let rate_hz = rate as f32;
    for sample in pcm {
        let ms = (*at * 1000 / u64::from(rate.max(1)) % u64::from(ROUND_MS)) as u32;
        let in_round = (*at % (u64::from(ROUND_MS) * u64::from(rate) / 1000).max(1)) as f32 / rate_hz;
        let note = NOTES.iter().find(|(_, begin, len)| ms >= *begin && ms < begin + len);
        *sample = note.map_or(0, |(hz, begin, len)| {
            let t = in_round - *begin as f32 / 1000.0;
            let swell = (t * 1000.0 / *len as f32 * TAU / 2.0).sin();
            (SOFT * swell * swell * (TAU * hz * t).sin()) as i16
        });
        *at += 1;
    }
}

/// Part of a key's tone of `length` samples, beginning at sample `at`; silence after its end.
pub fn key(code: u8, rate: u32, at: u32, length: u32, pcm: &mut [i16]) {
    let Some((low, high)) = press::tones_of(code) else { return pcm.fill(0) };
    let edge = EDGE_MS * rate as f32 / 1000.0;
    for (sample, n) in pcm.iter_mut().zip(at..) {
        if n >= length {
            *sample = 0;
            continue;
        }
        let t = n as f32 / rate as f32;
        let gain = (n as f32 / edge).min((length - n) as f32 / edge).min(1.0);
        let sum = (TAU * low as f32 * t).sin() + (TAU * high as f32 * t).sin();
        *sample = (KEY * gain * sum) as i16;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amplitude(pcm: &[i16], rate: u32, hz: f32) -> f32 {
        let (mut re, mut im) = (0f32, 0f32);
        for (i, s) in pcm.iter().enumerate() {
            let at = TAU * hz * i as f32 / rate as f32;
            re += f32::from(*s) * at.cos();
            im += f32::from(*s) * at.sin();
        }
        2.0 * re.hypot(im) / pcm.len() as f32
    }

    #[test]
    fn the_comfort_tone_is_soft_two_notes_and_mostly_silence() {
        for rate in [8000, 16_000] {
            let mut pcm = vec![0i16; rate as usize * ROUND_MS as usize / 1000];
            let mut at = 0;
            // In pieces, as packets ask for it.
            for piece in pcm.chunks_mut(rate as usize / 50) {
                comfort(rate, &mut at, piece);
            }
            let loudest = pcm.iter().map(|s| s.unsigned_abs()).max().unwrap();
            assert!((1500..=2066).contains(&loudest), "{loudest}");
            let part = |from: u32, to: u32| &pcm[(from * rate / 1000) as usize..(to * rate / 1000) as usize];
            assert!(amplitude(part(40, 200), rate, 440.0) > 800.0);
            assert!(amplitude(part(300, 560), rate, 659.26) > 800.0);
            assert!(part(620, ROUND_MS).iter().all(|s| *s == 0));
            let mut again = vec![0i16; rate as usize / 5];
            comfort(rate, &mut at, &mut again);
            assert_eq!(&again[..], &pcm[..again.len()], "and from the top");
        }
    }

    #[test]
    fn a_key_has_its_two_tones_and_ends() {
        let mut pcm = [0i16; 1600];
        for (n, piece) in pcm.chunks_mut(160).enumerate() {
            key(11, 8000, n as u32 * 160, 800, piece);
        }
        assert!(amplitude(&pcm[..800], 8000, 941.0) > 7000.0);
        assert!(amplitude(&pcm[..800], 8000, 1477.0) > 7000.0);
        assert!(amplitude(&pcm[..800], 8000, 697.0) < 700.0);
        assert!(pcm[800..].iter().all(|s| *s == 0));
    }
}
