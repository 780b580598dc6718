//! `[session]` of `security.toml`: how long a session lives, and when a login ends by itself.

use super::read::Section;
use auth::{SessionRules, Sessions, ShiftEnds};
use jiff::civil::Time;
use jiff::tz::{Offset, TimeZone};
use std::time::Duration;

/// Ends of shifts a day; three is common.
const SHIFT_ENDS_MAX: usize = 24;

/// A page may still be asked about a call that goes on after its login's time is over.
const CALL: Duration = Duration::from_secs(4 * 3600);

pub(super) fn read(mut s: Section<'_>) -> Sessions {
    let minutes = |n: u64| Duration::from_secs(60 * n);
    let hours = |n: u64| Duration::from_secs(3600 * n);
    let mut sessions = Sessions::default();
    sessions.pending = s.number("pending_minutes", 1, 60).map_or(sessions.pending, minutes);
    sessions.idle = s.number("hours", 1, 168).map_or(sessions.idle, hours);
    let d = SessionRules::default();
    sessions.rules = SessionRules {
        idle: s.number("idle_minutes", 0, 24 * 60).filter(|n| *n > 0).map(minutes),
        longest: s.number("longest_hours", 0, 168).filter(|n| *n > 0).map(hours),
        warn: s.number("warn_minutes", 1, 60).map_or(d.warn, minutes),
        shifts: shifts(&mut s),
    };
    let stay = sessions.rules.longest.map_or(Duration::ZERO, |longest| longest + CALL);
    sessions.longest = sessions.longest.max(sessions.idle).max(stay);
    s.finish();
    sessions
}

fn shifts(s: &mut Section<'_>) -> ShiftEnds {
    let zone = match s.text("shift_zone") {
        None => TimeZone::system(),
        Some((word, at)) => zone(&word).unwrap_or_else(|| {
            s.error(
                at,
                format!(
                    "shift_zone is {word:?}; write \"local\" for this machine's time, a distance from UTC such as \"+01:00\", or a zone such as \"Europe/Berlin\"."
                ),
            );
            TimeZone::UTC
        }),
    };
    let mut times = Vec::new();
    for (word, at) in s.texts("shift_ends").unwrap_or_default() {
        match time(&word) {
            Some(time) if times.len() < SHIFT_ENDS_MAX => times.push(time),
            Some(_) => s.error(at, format!("shift_ends has more than {SHIFT_ENDS_MAX} times; remove some.")),
            None => s.error(
                at,
                format!(
                    "shift_ends has {word:?}; write times of day as hours and minutes, for example \"14:00\"."
                ),
            ),
        }
    }
    ShiftEnds { times, zone }
}

/// `14:00`, and nothing looser.
fn time(word: &str) -> Option<Time> {
    let (hour, minute) = word.split_once(':')?;
    // Digits alone: `parse` would take a sign.
    let digits = |text: &str| text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
    let two = |text: &str| digits(text).then(|| text.parse::<i8>().ok()).flatten();
    Time::new(two(hour)?, two(minute)?, 0, 0).ok()
}

fn zone(word: &str) -> Option<TimeZone> {
    if word == "local" {
        return Some(TimeZone::system());
    }
    let Some(sign) = word.chars().next().filter(|c| matches!(c, '+' | '-')) else {
        return TimeZone::get(word).ok();
    };
    let offset = time(word.get(1..)?)?;
    let seconds = i32::from(offset.hour()) * 3600 + i32::from(offset.minute()) * 60;
    let seconds = if sign == '-' { -seconds } else { seconds };
    Some(TimeZone::fixed(Offset::from_seconds(seconds).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_zones_are_read_as_they_are_written_and_nothing_looser() {
        assert_eq!(time("14:00"), Time::new(14, 0, 0, 0).ok());
        assert_eq!(time("00:05"), Time::new(0, 5, 0, 0).ok());
        for wrong in ["", "14", "14:0", "24:00", "14:60", "14:00:00", "2pm", "-1:00", "+1:00", "١٤:٠٠"] {
            assert_eq!(time(wrong), None, "{wrong}");
        }
        let fixed = |s| TimeZone::fixed(Offset::from_seconds(s).unwrap());
        assert_eq!(zone("+01:00"), Some(fixed(3600)));
        assert_eq!(zone("-09:30"), Some(fixed(-34_200)));
        assert_eq!(
            zone("Europe/Berlin").and_then(|z| z.iana_name().map(str::to_owned)).as_deref(),
            Some("Europe/Berlin")
        );
        for wrong in ["", "Europe/Nowhere", "+1", "+99:00", "UTC+1", "+é1:00"] {
            assert_eq!(zone(wrong), None, "{wrong}");
        }
    }
}
