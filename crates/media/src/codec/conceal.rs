//! What is heard where a packet is missing and the codec has no idea of its own (G.711, G.722): the last period of the
//! voice again, fading away within 60 ms (after G.711 appendix I, much simplified).

/// Full strength for this long, then falling.
const HOLD_MS: usize = 10;
/// Silent from here on.
const FADE_MS: usize = 60;
/// What is remembered: two of the longest periods.
const PAST_MS: usize = 40;
/// A voice's period: 66 to 400 Hz.
const LAG_MS: (usize, usize) = (15, 2);
/// The seam when the voice comes back.
const SEAM_MS: usize = 4;

pub struct Conceal {
    per_ms: usize,
    past: Vec<i16>,
    /// The period that is repeated.
    lag: usize,
    /// Samples made up since the voice broke off.
    made: usize,
}

impl Conceal {
    pub fn new(rate: u32) -> Conceal {
        let per_ms = rate as usize / 1000;
        Conceal { per_ms, past: vec![0; PAST_MS * per_ms], lag: 0, made: 0 }
    }

    /// The voice as it was decoded; its first milliseconds after a gap are blended with what was made up.
    pub fn heard(&mut self, pcm: &mut [i16]) {
        if self.made > 0 {
            let seam = (SEAM_MS * self.per_ms).min(pcm.len());
            for (i, s) in pcm.iter_mut().take(seam).enumerate() {
                let made = i32::from(self.next());
                let (i, seam) = (i as i32, seam as i32);
                *s = ((i32::from(*s) * i + made * (seam - i)) / seam) as i16;
            }
            self.made = 0;
        }
        let keep = self.past.len();
        if pcm.len() >= keep {
            self.past.clear();
            self.past.extend_from_slice(&pcm[pcm.len() - keep..]);
        } else {
            self.past.drain(..pcm.len());
            self.past.extend_from_slice(pcm);
        }
    }

    /// Appends `samples` in place of what is missing.
    pub fn fill(&mut self, samples: usize, pcm: &mut Vec<i16>) {
        if self.made == 0 {
            self.lag = self.period();
        }
        for _ in 0..samples {
            let s = self.next();
            pcm.push(s);
        }
    }

    /// Another source: nothing of the old one is heard again.
    pub fn reset(&mut self) {
        self.past.fill(0);
        self.made = 0;
    }

    fn next(&mut self) -> i16 {
        let (hold, fade) = (HOLD_MS * self.per_ms, FADE_MS * self.per_ms);
        let gone = self.made.saturating_sub(hold);
        let lag = self.lag.max(1);
        let at = self.past.len().saturating_sub(lag) + self.made % lag;
        self.made += 1;
        let left = (fade - hold).saturating_sub(gone);
        let sample = self.past.get(at).copied().unwrap_or(0);
        (i64::from(sample) * left as i64 / (fade - hold) as i64) as i16
    }

    /// The lag at which the last milliseconds look most like those before.
    fn period(&self) -> usize {
        let (longest, shortest) = (LAG_MS.0 * self.per_ms, LAG_MS.1 * self.per_ms);
        let window = 10 * self.per_ms;
        let end = self.past.len();
        let now = &self.past[end - window..];
        let mut best = (f32::MIN, longest);
        for lag in shortest..=longest {
            let then = &self.past[end - window - lag..end - lag];
            let (mut like, mut power) = (0f32, 1f32);
            for (a, b) in now.iter().zip(then) {
                like += f32::from(*a) * f32::from(*b);
                power += f32::from(*b) * f32::from(*b);
            }
            let score = like / power.sqrt();
            if score > best.0 {
                best = (score, lag);
            }
        }
        best.1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::PI;

    fn wave(from: usize, n: usize) -> Vec<i16> {
        (from..from + n).map(|i| ((2.0 * PI * 150.0 * i as f64 / 8000.0).sin() * 8000.0) as i16).collect()
    }

    #[test]
    fn a_voice_goes_on_in_its_own_pitch_and_fades() {
        let mut c = Conceal::new(8000);
        for i in 0..5 {
            c.heard(&mut wave(i * 160, 160));
        }
        let mut made = Vec::new();
        c.fill(480, &mut made);
        for (made, real) in made.iter().zip(wave(800, 80)) {
            assert!((i32::from(*made) - i32::from(real)).abs() < 1500, "{made} for {real}");
        }
        let loud = |part: &[i16]| part.iter().map(|s| s.unsigned_abs()).max().unwrap();
        assert!(loud(&made[160..240]) < 7500);
        assert!(loud(&made[400..]) < 1800);
        made.clear();
        c.fill(160, &mut made);
        assert_eq!(loud(&made), 0, "after 60 ms there is silence");
    }

    #[test]
    fn the_voice_comes_back_without_a_step() {
        let mut c = Conceal::new(8000);
        c.heard(&mut wave(0, 480));
        let mut gap = Vec::new();
        c.fill(160, &mut gap);
        let mut back = wave(640, 160);
        c.heard(&mut back);
        let step = (i32::from(back[0]) - i32::from(gap[159])).abs();
        assert!(step < 1500, "{step}");
    }

    #[test]
    fn nothing_heard_is_nothing_made() {
        let mut c = Conceal::new(16_000);
        let mut made = Vec::new();
        c.fill(1600, &mut made);
        assert!(made.iter().all(|s| *s == 0));
    }
}
