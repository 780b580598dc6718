//! Digits pressed at a leg (RFC 4733): seen as they are relayed, told once each.

use std::time::Duration;
use terms::Instant;

/// Voice again this long after the last packet of a digit whose end we never saw means that it ended.
pub const END_LOST_AFTER: Duration = Duration::from_millis(100);

/// A digit and how long it was held, in milliseconds.
pub type Digit = (char, u32);

#[derive(Clone, Copy)]
struct Press {
    ts: u32,
    code: u8,
    /// Ticks of earlier segments of a very long press (RFC 4733 §2.5.1.3).
    carried: u32,
    ticks: u16,
    /// Ticks a millisecond.
    per_ms: u32,
    at: Instant,
    told: bool,
}

impl Press {
    fn digit(&self) -> Option<Digit> {
        let ticks = self.carried.saturating_add(u32::from(self.ticks));
        // RFC 4733 §3.2: events 0 to 15 are the DTMF digits; flash and the rest are relayed, not told.
        let digit = *b"0123456789*#ABCD".get(usize::from(self.code))?;
        Some((char::from(digit), ticks / self.per_ms.max(1)))
    }
}

#[derive(Default)]
pub struct Dtmf {
    press: Option<Press>,
}

impl Dtmf {
    /// A telephone-event packet of a stream with `clock` ticks a second. Returns what there is to tell: a digit whose end was lost, and one that ends here.
    pub fn heard(&mut self, now: Instant, clock: u32, ts: u32, payload: &[u8]) -> [Option<Digit>; 2] {
        let &[code, flags, high, low, ..] = payload else { return [None, None] };
        let (end, ticks) = (flags & 0x80 != 0, u16::from_be_bytes([high, low]));
        let mut lost = None;
        let mut carried = 0;
        match self.press {
            Some(p) if p.ts == ts => carried = p.carried,
            // Retransmitted ends of an older digit that were overtaken.
            Some(p) if (ts.wrapping_sub(p.ts) as i32) < 0 => return [None, None],
            Some(p)
                if !p.told
                    && p.code == code
                    && p.ticks == u16::MAX
                    && ts.wrapping_sub(p.ts) == u32::from(p.ticks) =>
            {
                carried = p.carried.saturating_add(u32::from(p.ticks));
            }
            _ => lost = self.flush(),
        }
        let same = self.press.filter(|p| p.ts == ts);
        let mut press = Press {
            ts,
            code: same.map_or(code, |p| p.code),
            carried,
            per_ms: clock / 1000,
            ticks: same.map_or(ticks, |p| p.ticks.max(ticks)),
            at: now,
            told: same.is_some_and(|p| p.told),
        };
        let ended = if end && !press.told {
            press.told = true;
            press.digit()
        } else {
            None
        };
        self.press = Some(press);
        [lost, ended]
    }

    /// Voice goes on: a digit left open must have ended.
    #[inline]
    pub fn voice(&mut self, now: Instant) -> Option<Digit> {
        match &self.press {
            Some(p) if !p.told && now.since(p.at) >= END_LOST_AFTER => self.flush(),
            _ => None,
        }
    }

    /// Tells a digit whose end never came. The press stays, told, so that late packets of it are known.
    pub fn flush(&mut self) -> Option<Digit> {
        let press = self.press.as_mut().filter(|p| !p.told)?;
        press.told = true;
        press.digit()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(code: u8, end: bool, ticks: u16) -> [u8; 4] {
        let [h, l] = ticks.to_be_bytes();
        [code, if end { 0x8a } else { 0x0a }, h, l]
    }

    fn told(dtmf: &mut Dtmf, packets: &[(u32, u8, bool, u16)]) -> Vec<Digit> {
        packets
            .iter()
            .flat_map(|(ts, code, end, ticks)| {
                dtmf.heard(Instant(0), 8000, *ts, &packet(*code, *end, *ticks))
            })
            .flatten()
            .collect()
    }

    #[test]
    fn each_press_is_told_once() {
        let mut d = Dtmf::default();
        let one = [
            (1000, 1, false, 160),
            (1000, 1, false, 320),
            (1000, 1, true, 480),
            (1000, 1, true, 480),
            (1000, 1, true, 480),
        ];
        assert_eq!(told(&mut d, &one), [('1', 60)]);
        assert_eq!(
            told(&mut d, &[(9000, 1, false, 160), (9000, 1, true, 800)]),
            [('1', 100)],
            "pressed again"
        );
        assert_eq!(told(&mut d, &[(1000, 1, true, 480)]), [], "an overtaken end of the first");
    }

    #[test]
    fn a_lost_end_is_noticed_by_the_next_digit_or_by_voice() {
        let mut d = Dtmf::default();
        assert_eq!(told(&mut d, &[(0, 10, false, 400), (5000, 11, false, 160)]), [('*', 50)]);
        assert_eq!(d.voice(Instant(1)), None);
        assert_eq!(d.voice(Instant(100_000_000)), Some(('#', 20)));
        assert_eq!(d.voice(Instant(900_000_000)), None);
    }

    #[test]
    fn a_press_of_many_seconds_comes_in_segments() {
        let mut d = Dtmf::default();
        let got = told(&mut d, &[(0, 5, false, 65_535), (65_535, 5, false, 160), (65_535, 5, true, 465)]);
        assert_eq!(got, [('5', 8250)]);
    }

    #[test]
    fn a_browser_counts_six_times_as_fast() {
        let mut d = Dtmf::default();
        let got: Vec<Digit> = [4800u16, 9600]
            .iter()
            .flat_map(|t| d.heard(Instant(0), 48_000, 7, &packet(11, *t == 9600, *t)))
            .flatten()
            .collect();
        assert_eq!(got, [('#', 200)]);
    }

    #[test]
    fn short_and_foreign_events_are_no_digits() {
        let mut d = Dtmf::default();
        assert_eq!(d.heard(Instant(0), 8000, 0, &[1, 0x80]), [None, None]);
        assert_eq!(told(&mut d, &[(7, 16, true, 160)]), [], "flash");
    }
}
