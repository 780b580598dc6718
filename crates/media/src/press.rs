//! Digits as we send them ourselves (RFC 4733): in any clock, at any length, with three ends.

use terms::Instant;

/// RFC 4733 §2.3.2: -10 dBm0, what phones send.
const VOLUME: u8 = 10;
const END: u8 = 0x80;
/// RFC 4733 §2.5.1.4: the last packet goes out three times.
pub const ENDS: u8 = 3;
/// The number of events of which we know the digit.
const DIGITS: &[u8; 16] = b"0123456789*#ABCD";

/// The event code of a digit.
pub fn code_of(digit: char) -> Option<u8> {
    let digit = u8::try_from(digit.to_ascii_uppercase()).ok()?;
    DIGITS.iter().position(|d| *d == digit).map(|at| at as u8)
}

/// The two frequencies of an event code, in hertz (ITU-T Q.23).
pub fn tones_of(code: u8) -> Option<(u32, u32)> {
    const LOW: [u32; 4] = [697, 770, 852, 941];
    const HIGH: [u32; 4] = [1209, 1336, 1477, 1633];
    // By code: row and column of the keypad.
    const AT: [(u8, u8); 16] = [
        (3, 1),
        (0, 0),
        (0, 1),
        (0, 2),
        (1, 0),
        (1, 1),
        (1, 2),
        (2, 0),
        (2, 1),
        (2, 2),
        (3, 0),
        (3, 2),
        (0, 3),
        (1, 3),
        (2, 3),
        (3, 3),
    ];
    let (row, column) = *AT.get(usize::from(code))?;
    Some((*LOW.get(usize::from(row))?, *HIGH.get(usize::from(column))?))
}

/// One packet of an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Event {
    pub ts: u32,
    pub marker: bool,
    pub payload: [u8; 4],
}

/// One press as it goes out.
#[derive(Clone, Copy, Debug)]
pub struct Press {
    pub code: u8,
    volume: u8,
    /// Where the segment that is being sent began.
    ts: u32,
    /// Ticks of the segments before it.
    carried: u32,
    begun: bool,
    pub ended: bool,
}

impl Press {
    pub fn new(code: u8, ts: u32) -> Press {
        Press { code, volume: VOLUME, ts, carried: 0, begun: false, ended: false }
    }

    /// The press as of `ticks` since it began. `end`: and no longer. The timestamp stands still; a press longer than
    /// sixteen bits can say goes on in another segment that begins where this one ends (RFC 4733 §2.5.1.3).
    pub fn at(&mut self, ticks: u32, end: bool, emit: &mut impl FnMut(Event)) {
        let mut ticks = ticks.saturating_sub(self.carried);
        while ticks > u32::from(u16::MAX) {
            self.emit(u16::MAX, 0, emit);
            self.ts = self.ts.wrapping_add(u32::from(u16::MAX));
            self.carried = self.carried.saturating_add(u32::from(u16::MAX));
            ticks -= u32::from(u16::MAX);
        }
        self.emit(ticks as u16, if end { END } else { 0 }, emit);
        self.ended |= end;
    }

    fn emit(&mut self, ticks: u16, end: u8, emit: &mut impl FnMut(Event)) {
        let [high, low] = ticks.to_be_bytes();
        // RFC 4733 §2.5.1.1: the first packet of an event is marked, not that of a segment.
        let marker = !std::mem::replace(&mut self.begun, true);
        emit(Event { ts: self.ts, marker, payload: [self.code, end | self.volume & 0x3f, high, low] });
    }
}

/// A digit on its way from a leg with one clock to a leg with another: what is pressed is measured there and told anew
/// here, never copied.
#[derive(Default)]
pub struct Carry {
    press: Option<Carried>,
}

struct Carried {
    /// The segment's timestamp as it comes in, and the ticks of segments before.
    ts: u32,
    before: u32,
    ticks: u16,
    out: Press,
    ends: u8,
    at: Instant,
}

/// How the clocks of both sides compare, in ticks a millisecond.
#[derive(Clone, Copy)]
pub struct Clocks {
    pub from: u32,
    pub to: u32,
}

impl Carry {
    /// An event packet came in. `place` says what its timestamp is at the other side, if it begins a press.
    pub fn heard(
        &mut self,
        now: Instant,
        clocks: Clocks,
        ts: u32,
        payload: &[u8],
        place: impl FnOnce(u32) -> u32,
        emit: &mut impl FnMut(Event),
    ) {
        let &[code, flags, high, low, ..] = payload else { return };
        let (end, ticks) = (flags & END != 0, u16::from_be_bytes([high, low]));
        match &mut self.press {
            Some(p) if p.ts == ts => {}
            // An older press that was overtaken.
            Some(p) if (ts.wrapping_sub(p.ts) as i32) < 0 => return,
            // The next segment of the same press.
            Some(p)
                if p.out.code == code
                    && !p.out.ended
                    && ts.wrapping_sub(p.ts) == u32::from(p.ticks)
                    && p.ticks == u16::MAX =>
            {
                p.before = p.before.saturating_add(u32::from(p.ticks));
                p.ts = ts;
                p.ticks = 0;
            }
            _ => {
                self.finish(clocks, emit);
                let mut out = Press::new(code, place(ts));
                out.volume = flags & 0x3f;
                self.press = Some(Carried { ts, before: 0, ticks: 0, out, ends: 0, at: now });
            }
        }
        let Some(p) = &mut self.press else { return };
        p.at = now;
        p.ticks = p.ticks.max(ticks);
        // Ends are passed on as often as they come, at least once and no more than a sender should repeat them.
        if p.ends >= ENDS || p.out.ended && !end {
            return;
        }
        p.ends += u8::from(end);
        let total = p.before.saturating_add(u32::from(p.ticks));
        p.out.at(scaled(total, clocks), end, emit);
    }

    /// Voice goes on: a press whose end was lost is ended for the listener as well. True if there was one.
    pub fn voice(&mut self, now: Instant, clocks: Clocks, emit: &mut impl FnMut(Event)) {
        let late = self.press.as_ref().is_some_and(|p| now.since(p.at) >= crate::dtmf::END_LOST_AFTER);
        if late {
            self.finish(clocks, emit);
        }
    }

    /// Ends whatever is pressed.
    pub fn finish(&mut self, clocks: Clocks, emit: &mut impl FnMut(Event)) {
        if let Some(p) = self.press.as_mut().filter(|p| !p.out.ended) {
            let total = p.before.saturating_add(u32::from(p.ticks));
            for _ in 0..ENDS {
                p.out.at(scaled(total, clocks), true, emit);
            }
        }
    }

    /// A press has begun and not ended.
    #[cfg(test)]
    fn is_open(&self) -> bool {
        self.press.as_ref().is_some_and(|p| !p.out.ended)
    }

    /// Another source: what comes has nothing to do with what came.
    pub fn restart(&mut self) {
        self.press = None;
    }
}

fn scaled(ticks: u32, clocks: Clocks) -> u32 {
    let ticks = u64::from(ticks) * u64::from(clocks.to) / u64::from(clocks.from.max(1));
    u32::try_from(ticks).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtmf::Dtmf;

    const TO_BROWSER: Clocks = Clocks { from: 8, to: 48 };
    const TO_PHONE: Clocks = Clocks { from: 48, to: 8 };

    fn packet(code: u8, end: bool, ticks: u16) -> [u8; 4] {
        let [h, l] = ticks.to_be_bytes();
        [code, if end { 0x8a } else { 0x0a }, h, l]
    }

    /// What a listener makes of the packets.
    fn read(clock: u32, events: &[Event]) -> Vec<(char, u32)> {
        let mut dtmf = Dtmf::default();
        let mut all: Vec<_> =
            events.iter().flat_map(|e| dtmf.heard(Instant(0), clock, e.ts, &e.payload)).flatten().collect();
        all.extend(dtmf.flush());
        all
    }

    fn carry(c: &mut Carry, clocks: Clocks, packets: &[(u32, u8, bool, u16)]) -> Vec<Event> {
        let mut out = Vec::new();
        for (ts, code, end, ticks) in packets {
            let place = |ts: u32| ts.wrapping_mul(clocks.to) / clocks.from;
            c.heard(Instant(0), clocks, *ts, &packet(*code, *end, *ticks), place, &mut |e| out.push(e));
        }
        out
    }

    #[test]
    fn every_digit_has_its_code_and_its_tones() {
        for (n, digit) in "0123456789*#ABCD".chars().enumerate() {
            assert_eq!(code_of(digit), Some(n as u8));
        }
        assert_eq!((code_of('a'), code_of('x'), code_of('é')), (Some(12), None, None));
        assert_eq!(
            (tones_of(5), tones_of(11), tones_of(0)),
            (Some((770, 1336)), Some((941, 1477)), Some((941, 1336)))
        );
        assert_eq!(tones_of(16), None);
    }

    #[test]
    fn a_press_keeps_its_timestamp_and_grows() {
        let mut out = Vec::new();
        let mut p = Press::new(5, 1000);
        for n in 1..=4u32 {
            p.at(n * 160, false, &mut |e| out.push(e));
        }
        for _ in 0..ENDS {
            p.at(640, true, &mut |e| out.push(e));
        }
        assert_eq!(out.len(), 7);
        assert!(out.iter().all(|e| e.ts == 1000));
        assert_eq!(
            out.iter().map(|e| e.marker).collect::<Vec<_>>(),
            [true, false, false, false, false, false, false]
        );
        assert_eq!(out.iter().filter(|e| e.payload[1] & 0x80 != 0).count(), 3);
        assert_eq!(read(8000, &out), [('5', 80)]);
    }

    #[test]
    fn durations_cross_clocks_in_both_directions() {
        let phone = [
            (700, 1, false, 160),
            (700, 1, false, 320),
            (700, 1, true, 480),
            (700, 1, true, 480),
            (700, 1, true, 480),
        ];
        let out = carry(&mut Carry::default(), TO_BROWSER, &phone);
        assert_eq!(out.len(), 5);
        assert_eq!(out[2], Event { ts: 4200, marker: false, payload: packet(1, true, 2880) });
        assert_eq!(read(48_000, &out), [('1', 60)]);
        let back: Vec<_> = out
            .iter()
            .map(|e| (e.ts, 1u8, e.payload[1] & 0x80 != 0, u16::from_be_bytes([e.payload[2], e.payload[3]])))
            .collect();
        let again = carry(&mut Carry::default(), TO_PHONE, &back);
        assert_eq!(again[4], Event { ts: 700, marker: false, payload: packet(1, true, 480) });
    }

    #[test]
    fn ten_seconds_become_segments_where_the_clock_is_fast() {
        let mut phone: Vec<_> =
            (1..=500u32).filter(|n| n * 160 <= 65_535).map(|n| (0, 9, false, (n * 160) as u16)).collect();
        phone.push((0, 9, false, u16::MAX));
        phone.extend((1..=90u32).map(|n| (65_535, 9, false, (n * 160) as u16)));
        phone.extend([(65_535, 9, true, 14_465); 3]);
        let out = carry(&mut Carry::default(), TO_BROWSER, &phone);
        assert_eq!(read(48_000, &out), [('9', 10_000)]);
        assert_eq!(out.iter().filter(|e| e.marker).count(), 1);
        let starts: std::collections::BTreeSet<u32> = out.iter().map(|e| e.ts).collect();
        assert_eq!(starts.len(), 480_000 / 65_535 + 1);
        // And back into the two segments of the slow clock.
        let fast: Vec<_> = out
            .iter()
            .map(|e| (e.ts, 9u8, e.payload[1] & 0x80 != 0, u16::from_be_bytes([e.payload[2], e.payload[3]])))
            .collect();
        let again = carry(&mut Carry::default(), TO_PHONE, &fast);
        assert_eq!(read(8000, &again), [('9', 10_000)]);
    }

    #[test]
    fn lost_starts_lost_ends_and_late_repeats_are_one_digit_each() {
        let mut c = Carry::default();
        // Only one end arrives at all.
        assert_eq!(read(48_000, &carry(&mut c, TO_BROWSER, &[(100, 3, true, 800)])), [('3', 100)]);
        // No end arrives; the next press says so.
        let out =
            carry(&mut c, TO_BROWSER, &[(5000, 4, false, 160), (5000, 4, false, 320), (9000, 7, false, 160)]);
        assert_eq!(read(48_000, &out), [('4', 40), ('7', 20)]);
        // Nor of the seven; voice says so.
        assert!(c.is_open());
        let mut out = Vec::new();
        c.voice(Instant(1), TO_BROWSER, &mut |e| out.push(e));
        assert!(out.is_empty());
        c.voice(Instant(200_000_000), TO_BROWSER, &mut |e| out.push(e));
        assert_eq!((out.len(), c.is_open()), (3, false));
        // Ends of presses long gone, and more ends than there should be.
        assert!(carry(&mut c, TO_BROWSER, &[(5000, 4, true, 320), (9000, 7, false, 160)]).is_empty());
        let ends = [(20_000, 1, true, 400); 9];
        assert_eq!(carry(&mut c, TO_BROWSER, &ends).len(), 3);
    }

    #[test]
    fn rubbish_is_nothing() {
        assert!(carry(&mut Carry::default(), TO_BROWSER, &[]).is_empty());
        let mut c = Carry::default();
        c.heard(Instant(0), TO_BROWSER, 0, &[1, 2], |ts| ts, &mut |_| panic!("too short"));
        c.heard(Instant(0), Clocks { from: 0, to: 8 }, 0, &[1, 0x80, 1, 1], |ts| ts, &mut |_| {});
    }
}
