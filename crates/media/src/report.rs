//! Our own RTCP (RFC 3550 §6): where a voice is coded here, or a leg ends in a browser, each leg gets reports about the
//! stream it hears from us and about its own as it arrived here. Nothing of one leg's RTCP reaches the other then.

use crate::agenda::Task;
use crate::chance::Chance;
use crate::leg::LegState;
use crate::machine::{Machine, Transmit};
use crate::play::COVER_MAX;
use crate::rtcp::{BYE, Compound, RR, SDES, SR};
use std::time::Duration;
use terms::{Instant, Leg};

/// RFC 3550 §6.2: the minimum between two of them; a telephone call never needs more.
const EVERY_MS: u64 = 5000;
/// RFC 3550 §6.3.1: what the randomness makes of the average, e - 3/2, times a thousand.
const COMPENSATION: u64 = 1218;
/// Seconds between the epochs do not matter to anyone; a time of zero would mean "no sender report" (§6.4.1).
const NTP_BASE_S: u64 = 1 << 20;
/// A compound of ours: sender report, one block, a name, a goodbye, and what protects it.
const LEN_MAX: usize = 160;

/// What a leg's reports need from one to the next.
pub struct Reports {
    /// RFC 7022 §4.2: 96 bits at random, for this leg of this call only.
    cname: [u8; 16],
    /// The middle of the NTP time of the peer's last sender report, and when it came.
    last_heard: Option<(u32, Instant)>,
    /// Packets we had sent and heard when we reported last.
    sent: u32,
    heard: u64,
}

impl Reports {
    pub fn new(chance: &mut Chance) -> Reports {
        const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut cname = [b'A'; 16];
        for letter in &mut cname {
            *letter = LETTERS.get(chance.below(64)).copied().unwrap_or(b'A');
        }
        Reports { cname, last_heard: None, sent: 0, heard: 0 }
    }

    /// What the peer's compound says, as far as it has not been read already.
    pub fn take(&mut self, now: Instant, compound: &Compound) {
        if let Some(report) = &compound.report {
            self.last_heard = Some((u32::from_be_bytes([report[2], report[3], report[4], report[5]]), now));
        }
    }
}

/// RFC 3550 §6.3.1: half to one and a half times the interval, half of that for the first.
fn pause(chance: &mut Chance, first: bool) -> Duration {
    let least = if first { EVERY_MS / 2 } else { EVERY_MS };
    let ms = least / 2 + chance.below(least as usize + 1) as u64;
    Duration::from_millis(ms * 1000 / COMPENSATION)
}

impl Machine {
    /// Sees to it that both legs are reported to, if that is ours to do.
    pub(crate) fn report_legs(&mut self, now: Instant, slot: u32) {
        let Some(Some(call)) = self.calls.get_mut(slot as usize) else { return };
        if !call.a.coded && !call.b.coded && !call.a.is_browser() && !call.b.is_browser() {
            // Back to two legs that understand each other: theirs are passed on again.
            call.a.own_reports = None;
            call.b.own_reports = None;
            return;
        }
        let id = call.id;
        for leg in [Leg::A, Leg::B] {
            let state = call.leg(leg);
            if state.own_reports.is_none() {
                state.own_reports = Some(Box::new(Reports::new(&mut self.chance)));
                if !std::mem::replace(&mut state.reporting, true) {
                    self.agenda.set(now + pause(&mut self.chance, true), id, leg, Task::Report);
                }
            }
        }
    }

    pub(crate) fn report(&mut self, now: Instant, slot: u32, leg: Leg) {
        let Some(Some(call)) = self.calls.get_mut(slot as usize) else { return };
        let id = call.id;
        let state = call.leg(leg);
        if state.own_reports.is_none() {
            state.reporting = false;
            return;
        }
        let packet = compound(now, state, false);
        self.agenda.set(now + pause(&mut self.chance, false), id, leg, Task::Report);
        if let Some(packet) = packet {
            self.transmit(packet);
        }
    }

    /// RFC 3550 §6.6: the last we say to both legs.
    pub(crate) fn say_goodbye(&mut self, now: Instant, slot: u32) {
        let Some(Some(call)) = self.calls.get_mut(slot as usize) else { return };
        let a = call.a.own_reports.is_some().then(|| compound(now, &mut call.a, true)).flatten();
        let b = call.b.own_reports.is_some().then(|| compound(now, &mut call.b, true)).flatten();
        for packet in [a, b].into_iter().flatten() {
            self.transmit(packet);
        }
    }
}

/// RFC 3550 §6.1: a report first, then the name, at the end the goodbye.
fn compound(now: Instant, leg: &mut LegState, bye: bool) -> Option<Transmit> {
    let (port, to) = leg.rtcp_target()?;
    let reports = leg.own_reports.as_mut()?;
    let ssrc = leg.out.ssrc.to_be_bytes();
    let mut bytes = Vec::with_capacity(LEN_MAX);
    let sender = leg.out.packets != reports.sent;
    let block = leg.inbound.packets != reports.heard;
    let blocks = u8::from(block);
    // RFC 3550 §6.4: a sender report if we have sent anything since the last one.
    let ntp = ntp(now);
    let rtp = leg.out.timestamp_at(now).filter(|_| sender);
    let words: u8 = if rtp.is_some() { 6 } else { 1 } + blocks * 6;
    bytes.extend([0x80 | blocks, if rtp.is_some() { SR } else { RR }, 0, words]);
    bytes.extend(ssrc);
    if let Some(rtp) = rtp {
        bytes.extend(ntp.to_be_bytes());
        bytes.extend(rtp.to_be_bytes());
        bytes.extend(leg.out.packets.to_be_bytes());
        bytes.extend(leg.out.octets.to_be_bytes());
    }
    if block && let Some(source) = leg.inbound.ssrc {
        let (share, _, from) = leg.inbound.lost_since(leg.inbound.report_from);
        leg.inbound.report_from = from;
        bytes.extend(source.to_be_bytes());
        // 24 bits, signed (RFC 3550 §6.4.1).
        let lost = leg.inbound.lost().min(0x7f_ffff) as u32;
        bytes.extend((u32::from(share) << 24 | lost).to_be_bytes());
        bytes.extend(leg.inbound.max().to_be_bytes());
        bytes.extend(leg.inbound.jitter_ticks().to_be_bytes());
        let (lsr, dlsr) = match reports.last_heard {
            // In 65536ths of a second.
            Some((ntp, at)) => (ntp, (now.since(at).as_micros() << 16).checked_div(1_000_000).unwrap_or(0)),
            None => (0, 0),
        };
        bytes.extend(lsr.to_be_bytes());
        bytes.extend(u32::try_from(dlsr).unwrap_or(u32::MAX).to_be_bytes());
    }
    // RFC 3550 §6.5: one chunk of SSRC, CNAME, and zeros up to a word.
    bytes.extend([0x81, SDES, 0, 6]);
    bytes.extend(ssrc);
    bytes.extend([1, reports.cname.len() as u8]);
    bytes.extend(reports.cname);
    bytes.extend([0, 0]);
    if bye {
        bytes.extend([0x81, BYE, 0, 1]);
        bytes.extend(ssrc);
    }
    reports.sent = leg.out.packets;
    reports.heard = leg.inbound.packets;
    if rtp.is_some() {
        leg.report_sent((ntp >> 16) as u32, now);
    }
    let len = bytes.len();
    bytes.resize(len + COVER_MAX, 0);
    let len = leg.cover.seal_rtcp(&mut bytes, len)?;
    bytes.truncate(len);
    Some(Transmit { port, to, via: leg.via(), bytes })
}

/// RFC 3550 §4: our clock has no date, only its differences are used.
fn ntp(now: Instant) -> u64 {
    let (seconds, nanos) = (now.0 / 1_000_000_000, now.0 % 1_000_000_000);
    ((NTP_BASE_S + seconds) << 32) | ((nanos << 32) / 1_000_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_vary_around_five_seconds_and_the_first_is_short() {
        let mut chance = Chance::new([1; 32]);
        let many: Vec<u128> = (0..2000).map(|_| pause(&mut chance, false).as_millis()).collect();
        assert!(many.iter().all(|ms| (2052..=6160).contains(ms)));
        let average = many.iter().sum::<u128>() / 2000;
        assert!((4000..4250).contains(&average), "{average}");
        assert!((0..100).all(|_| pause(&mut chance, true).as_millis() <= 3080));
    }

    #[test]
    fn names_are_random_letters() {
        let mut chance = Chance::new([1; 32]);
        let (a, b) = (Reports::new(&mut chance), Reports::new(&mut chance));
        assert_ne!(a.cname, b.cname);
        assert!(a.cname.iter().all(|c| c.is_ascii_alphanumeric() || b"+/".contains(c)));
    }

    #[test]
    fn ntp_time_counts_seconds_and_fractions() {
        assert_eq!(ntp(Instant(1_500_000_000)), (NTP_BASE_S + 1) << 32 | 1 << 31);
    }
}
