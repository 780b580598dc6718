//! Digits that come as messages instead of in the voice. They are handed to media, which presses them for the other leg
//! as that leg agreed to hear them; only what it cannot press goes on as a message.

use crate::call::{Call, Phase};
use crate::{Cx, Role};
use bytes::Bytes;
use sip::{Draft, Method};
use terms::{Leg, MediaCommand};

pub(crate) const RELAY: &str = "application/dtmf-relay";
pub(crate) const PLAIN: &str = "application/dtmf";
/// What a message without a duration means.
const USUAL_MS: u32 = 160;
/// Nobody holds a key for longer.
const LONGEST_MS: u32 = 10_000;

/// The digit of an INFO body and how long it was held. `Signal=5`, `Duration=160` on lines of their own, or the digit
/// alone; numbers from 10 on are event codes (RFC 4733 §3.2).
pub(crate) fn read(kind: &str, body: &[u8]) -> Option<(char, u32)> {
    let text = std::str::from_utf8(body).ok()?;
    let field = |name: &str| {
        text.lines().find_map(|line| {
            let (key, value) = line.split_once('=')?;
            key.trim().eq_ignore_ascii_case(name).then_some(value.trim())
        })
    };
    let signal = match field("Signal") {
        Some(signal) => signal,
        None if kind.eq_ignore_ascii_case(PLAIN) => text.trim(),
        None => return None,
    };
    let digit = match signal {
        "10" => '*',
        "11" => '#',
        "12" => 'A',
        "13" => 'B',
        "14" => 'C',
        "15" => 'D',
        one if one.len() == 1 => one.chars().next()?.to_ascii_uppercase(),
        _ => return None,
    };
    let known = matches!(digit, '0'..='9' | '*' | '#' | 'A'..='D');
    let ms = field("Duration").and_then(|ms| ms.parse().ok()).unwrap_or(USUAL_MS);
    known.then_some((digit, ms.clamp(1, LONGEST_MS)))
}

impl Call {
    /// A digit pressed at `leg`, as a message.
    pub(crate) fn digit_from(&mut self, cx: &mut Cx<'_>, leg: Leg, digit: char, duration_ms: u32) {
        cx.media(MediaCommand::Dtmf { call: self.id, leg: leg.other(), digit, duration_ms });
    }

    /// A digit for `leg` that its media cannot carry.
    pub(crate) fn digit_by_info(&mut self, cx: &mut Cx<'_>, leg: Leg, digit: char, duration_ms: u32) {
        let Phase::Up(up) = &self.phase else { return };
        let body = Bytes::from(format!("Signal={digit}\r\nDuration={duration_ms}\r\n"));
        if let Some(dialog) = up.side(leg).dialog
            && let Ok(client) =
                cx.ua.request_in_dialog(cx.now, dialog, Draft::request(Method::Info).body(RELAY, body))
        {
            self.own_client(cx, client, Role::Info(leg));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_as_phones_write_them() {
        for (kind, body, wanted) in [
            (RELAY, "Signal=5\r\nDuration=160\r\n", Some(('5', 160))),
            (RELAY, "Signal= #\nDuration= 250", Some(('#', 250))),
            (RELAY, "signal=11\r\n", Some(('#', 160))),
            (PLAIN, "*", Some(('*', 160))),
            (PLAIN, "d\r\n", Some(('D', 160))),
            (PLAIN, "Signal=7\r\nDuration=99999999\r\n", Some(('7', 10_000))),
            (RELAY, "Signal=7\r\nDuration=0\r\n", Some(('7', 1))),
            (RELAY, "Signal=hook\r\n", None),
            (RELAY, "5", None),
            (PLAIN, "", None),
            (PLAIN, "55", None),
            (PLAIN, "é", None),
        ] {
            assert_eq!(read(kind, body.as_bytes()), wanted, "{body:?}");
        }
        assert_eq!(read(PLAIN, &[0xff, 0xfe]), None);
    }
}
