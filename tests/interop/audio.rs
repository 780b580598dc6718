//! A signal we know and the question whether it arrived: by content, never by counting packets.

use std::path::Path;

/// Samples a second of everything here; G.711's own rate.
pub const RATE: usize = 8000;

/// Hops between eight pitches every 160 ms in an order the seed decides. Two seeds share no order, so a signal is not
/// taken for another's, and a piece that is missing, doubled or out of place shows.
pub fn melody(seed: u32, seconds: usize) -> Vec<i16> {
    const PITCHES_HZ: [f64; 8] = [420.0, 560.0, 740.0, 910.0, 1150.0, 1400.0, 1720.0, 2100.0];
    const NOTE: usize = RATE * 160 / 1000;
    let mut state = seed.wrapping_mul(2_654_435_761).max(1);
    let mut phase = 0f64;
    let mut samples = Vec::with_capacity(seconds * RATE);
    let mut pitch = 0usize;
    for n in 0..seconds * RATE {
        if n % NOTE == 0 {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            // Never the same pitch twice in a row, or a lost note could hide.
            pitch = (pitch + 1 + (state as usize % 7)) % 8;
        }
        phase += std::f64::consts::TAU * PITCHES_HZ[pitch] / RATE as f64;
        samples.push((phase.sin() * 9000.0) as i16);
    }
    samples
}

/// How much of `heard` is `played`: the share of 400 ms windows of `heard` that correlate above 0.9 with some place of
/// `played`, silence left out. 1.0 is all of it; a wrong signal gives about 0.
pub fn share_heard(played: &[i16], heard: &[i16]) -> f64 {
    const WINDOW: usize = RATE * 400 / 1000;
    let (mut speaking, mut matched) = (0u32, 0u32);
    let mut expected_at: Option<usize> = None;
    for window in heard.chunks_exact(WINDOW) {
        let level: f64 = window.iter().map(|s| f64::from(*s).abs()).sum::<f64>() / WINDOW as f64;
        if level < 400.0 {
            continue;
        }
        speaking += 1;
        // Where the last window matched, the next one follows; a jitter buffer may slip by a few milliseconds.
        let near = expected_at.and_then(|at| best(played, window, at.saturating_sub(480), at + 480));
        let found = near.or_else(|| best(played, window, 0, played.len()));
        if let Some(at) = found {
            matched += 1;
            expected_at = Some(at + WINDOW);
        }
    }
    if speaking == 0 { 0.0 } else { f64::from(matched) / f64::from(speaking) }
}

/// The place in `played[from..to]` where `window` correlates above 0.9, if there is one.
fn best(played: &[i16], window: &[i16], from: usize, to: usize) -> Option<usize> {
    let energy = |s: &[i16]| s.iter().map(|v| f64::from(*v) * f64::from(*v)).sum::<f64>().sqrt();
    let window_energy = energy(window);
    let last = to.min(played.len().saturating_sub(window.len()));
    (from..last).find(|&at| {
        // A coarse look at every eighth sample first; the full sum only where that is promising.
        let coarse: f64 =
            (0..window.len()).step_by(8).map(|i| f64::from(window[i]) * f64::from(played[at + i])).sum();
        if coarse * 8.0 < 0.8 * window_energy * window_energy * 0.5 {
            return false;
        }
        let piece = &played[at..at + window.len()];
        let dot: f64 = piece.iter().zip(window).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
        dot / (window_energy * energy(piece)).max(1.0) > 0.9
    })
}

/// Longest stretch, in milliseconds, that carries sound.
pub fn speaking_ms(heard: &[i16]) -> usize {
    heard.chunks(80).filter(|c| c.iter().any(|s| s.unsigned_abs() > 400)).count() * 10
}

/// A mono 16-bit WAV file.
pub fn write_wav(path: &Path, samples: &[i16]) -> std::io::Result<()> {
    let data = samples.len() as u32 * 2;
    let mut out = Vec::with_capacity(44 + data as usize);
    out.extend_from_slice(b"RIFF");
    out.extend_from_slice(&(36 + data).to_le_bytes());
    out.extend_from_slice(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    out.extend_from_slice(&(RATE as u32).to_le_bytes());
    out.extend_from_slice(&(RATE as u32 * 2).to_le_bytes());
    out.extend_from_slice(b"\x02\0\x10\0data");
    out.extend_from_slice(&data.to_le_bytes());
    samples.iter().for_each(|s| out.extend_from_slice(&s.to_le_bytes()));
    std::fs::write(path, out)
}

/// The samples of a WAV file at 8 kHz mono, read to its end (recorders that are killed leave wrong lengths).
pub fn read_wav(path: &Path) -> std::io::Result<Vec<i16>> {
    let bytes = std::fs::read(path)?;
    let channels = bytes.get(22..24).map_or(1, |b| u16::from_le_bytes([b[0], b[1]])).max(1) as usize;
    let rate = bytes.get(24..28).map_or(8000, |b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])) as usize;
    let start = bytes.windows(4).position(|w| w == b"data").map_or(44, |at| at + 8);
    let all: Vec<i16> =
        bytes.get(start..).unwrap_or(&[]).chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect();
    let step = (rate / RATE).max(1) * channels;
    Ok(all
        .chunks(step)
        .map(|c| (c.iter().map(|s| i32::from(*s)).sum::<i32>() / c.len() as i32) as i16)
        .collect())
}

/// µ-law, ITU-T G.711 table 2a: both directions.
pub fn ulaw_encode(sample: i16) -> u8 {
    let sign = if sample < 0 { 0x80 } else { 0 };
    let magnitude = (i32::from(sample).abs() + 132).min(32_767);
    let exponent = (magnitude >> 7).ilog2().min(7) as i32;
    let mantissa = (magnitude >> (exponent + 3)) & 0x0f;
    !(sign | (exponent << 4) | mantissa) as u8
}

pub fn ulaw_decode(code: u8) -> i16 {
    let code = !code;
    let exponent = i32::from(code >> 4) & 7;
    let magnitude = (((i32::from(code) & 0x0f) << 3) + 132) << exponent;
    let sample = magnitude - 132;
    (if code & 0x80 != 0 { -sample } else { sample }) as i16
}

/// A-law, ITU-T G.711 table 1a.
pub fn alaw_decode(code: u8) -> i16 {
    let code = code ^ 0x55;
    let (exponent, mantissa) = (i32::from(code >> 4) & 7, i32::from(code) & 0x0f);
    let magnitude = match exponent {
        0 => (mantissa << 4) + 8,
        _ => ((mantissa << 4) + 264) << (exponent - 1),
    };
    (if code & 0x80 != 0 { magnitude } else { -magnitude }) as i16
}

/// The code whose sample is nearest.
pub fn alaw_encode(sample: i16) -> u8 {
    let off = |code: &u8| alaw_decode(*code).abs_diff(sample);
    (0..=u8::MAX).min_by_key(off).unwrap_or_default()
}

#[test]
fn the_ear_knows_its_melody_from_another() {
    let (mine, other) = (melody(1, 10), melody(2, 10));
    let through: Vec<i16> = mine[12_345..50_000].iter().map(|s| ulaw_decode(ulaw_encode(*s))).collect();
    assert!(share_heard(&mine, &through) > 0.95);
    assert!(share_heard(&other, &through) < 0.2);
    let mut holes = through.clone();
    let mut noise = 1u32;
    for hole in holes.chunks_mut(8000) {
        for sample in hole.iter_mut().take(4000) {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *sample = (noise >> 18) as i16 - 8192;
        }
    }
    let share = share_heard(&mine, &holes);
    assert!(share < 0.8, "noise in half of every second is noticed, not {share}");
}
