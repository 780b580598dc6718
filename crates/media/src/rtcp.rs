//! RTCP between the legs (RFC 3550 §6): reports are passed on in the terms of the stream the other side knows, our
//! own round trip is read from them, and everything that names a host or a person stays here.

use crate::leg::LegState;
use crate::machine::Forward;
use std::net::SocketAddr;
use terms::Instant;

pub const SR: u8 = 200;
pub const RR: u8 = 201;
pub const SDES: u8 = 202;
pub const BYE: u8 = 203;
/// RFC 4585 §6.1: wishes of a video receiver, of a congestion control. They concern one leg's stream and never cross.
const FEEDBACK: std::ops::RangeInclusive<u8> = 205..=206;

/// Packets of one compound that are looked at.
const COMPOUND_MAX: usize = 16;
/// A sender report with one block and our SDES is all that ever leaves.
const OUT_MAX: usize = 28 + 24 + 16;
const BLOCK: usize = 24;
const CNAME: &[u8; 5] = b"media";

/// What a compound says, as far as it concerns us.
#[derive(Default)]
pub struct Compound {
    pub sender: u32,
    /// NTP time, RTP timestamp, packets, octets.
    pub report: Option<[u8; 20]>,
    /// The block about the stream we send.
    pub block: Option<[u8; BLOCK]>,
    sdes: bool,
}

/// Judges, translates and rewrites one compound packet.
pub fn relay(
    now: Instant,
    me: &mut LegState,
    other: &mut LegState,
    from: SocketAddr,
    muxed: bool,
    buf: &mut [u8],
    len: usize,
) -> Option<Forward> {
    let packet = buf.get(..len)?;
    if !may_come_from(me, from, muxed) {
        me.inbound.strangers += 1;
        return None;
    }
    // RFC 5506: feedback may travel without a report before it.
    if packet.get(1).is_some_and(|kind| FEEDBACK.contains(kind)) {
        return None;
    }
    let Some(compound) = read(packet, me.out.ssrc) else {
        me.inbound.rubbish += 1;
        return None;
    };
    // Foreign: a sender that is not the one whose voice we take, and that does not speak of our stream either.
    let speaks = me.inbound.ssrc == Some(compound.sender);
    if !speaks && (compound.report.is_some() || compound.block.is_none()) {
        me.inbound.strangers += 1;
        return None;
    }
    if !muxed {
        me.rtcp_learned = Some(from);
    }
    if let Some(block) = &compound.block {
        round_trip(now, me, block);
        let jitter = u32::from_be_bytes([block[12], block[13], block[14], block[15]]);
        me.inbound.reported = Some((block[4], jitter));
        if let Some(coder) = &mut other.coder {
            coder.loss_reported((u32::from(block[4]) * 100 / 256) as u8);
        }
    }
    if let Some(reports) = &mut me.own_reports {
        // What it says is for us alone.
        reports.take(now, &compound);
        return None;
    }
    let (port, to) = other.rtcp_target()?;
    let mut out = [0u8; OUT_MAX];
    let len = write(&compound, me, other, &mut out);
    if let Some(report) = &compound.report {
        other.report_sent(u32::from_be_bytes([report[2], report[3], report[4], report[5]]), now);
    }
    buf.get_mut(..len)?.copy_from_slice(out.get(..len)?);
    Some(Forward::datagram(port, to, len))
}

/// The signalled RTCP address, or the host the RTP is locked to. The SSRC is checked on top of that.
fn may_come_from(me: &LegState, from: SocketAddr, muxed: bool) -> bool {
    if me.browser.is_some() {
        // ICE knows the address, and SRTCP proves the rest.
        return true;
    }
    if muxed {
        return me.latch.is_locked_to(from);
    }
    me.rtcp_signalled == Some(from) || me.latch.locked().is_some_and(|l| l.ip() == from.ip())
}

/// RFC 3550 appendix A.2: a compound begins with SR or RR, all versions are 2 and the lengths add up.
fn read(packet: &[u8], ours: u32) -> Option<Compound> {
    let mut found = Compound::default();
    let mut rest = packet;
    let mut first = true;
    for _ in 0..COMPOUND_MAX {
        let Some((&[head, kind, high, low], _)) = rest.split_first_chunk::<4>() else { break };
        let len = (usize::from(u16::from_be_bytes([high, low])) + 1) * 4;
        if head >> 6 != 2 || len > rest.len() || first && (!matches!(kind, SR | RR) || head & 0x20 != 0) {
            return None;
        }
        let (this, next) = rest.split_at(len);
        match kind {
            SR | RR => {
                let body = this.get(4..)?;
                let (sender, mut body) = body.split_first_chunk::<4>()?;
                if first {
                    found.sender = u32::from_be_bytes(*sender);
                }
                if kind == SR {
                    let (report, blocks) = body.split_first_chunk::<20>()?;
                    if first {
                        found.report = Some(*report);
                    }
                    body = blocks;
                }
                let blocks = body.as_chunks::<BLOCK>().0.iter().take(usize::from(head & 0x1f));
                if body.len() / BLOCK < usize::from(head & 0x1f) {
                    return None;
                }
                for block in blocks {
                    if block[..4] == ours.to_be_bytes() {
                        found.block = Some(*block);
                    }
                }
            }
            SDES => found.sdes = true,
            // BYE of a source is not the end of our stream; APP, feedback and XR speak of what we did not agree to.
            _ => {}
        }
        first = false;
        rest = next;
        if rest.is_empty() {
            break;
        }
    }
    (!first && rest.is_empty()).then_some(found)
}

/// RFC 3550 §6.4.1: now less DLSR less when that sender report left us.
fn round_trip(now: Instant, me: &mut LegState, block: &[u8; BLOCK]) {
    let lsr = u32::from_be_bytes([block[16], block[17], block[18], block[19]]);
    let dlsr = u32::from_be_bytes([block[20], block[21], block[22], block[23]]);
    if lsr == 0 {
        return;
    }
    let Some(sent) = me.report_sent_at(lsr) else { return };
    let passed_us = now.since(sent).as_micros();
    let held_us = (u128::from(dlsr) * 1_000_000) >> 16;
    if let Ok(us) = u32::try_from(passed_us.saturating_sub(held_us)) {
        me.inbound.round_trip_us = Some(us);
    }
}

const SDES_LEN: usize = 16;

/// The compound as `other` is to see it: our SSRC, its own sequence numbers, no names.
fn write(compound: &Compound, me: &LegState, other: &LegState, out: &mut [u8; OUT_MAX]) -> usize {
    let mut w = Writer { out, len: 4 };
    let ssrc = other.out.ssrc;
    w.put(&ssrc.to_be_bytes());
    if let Some(report) = &compound.report {
        let ts = u32::from_be_bytes([report[8], report[9], report[10], report[11]]);
        w.put(&report[..8]);
        w.put(&other.out.timestamp_of(ts).to_be_bytes());
        w.put(&report[12..]);
    }
    let mut blocks = 0;
    if let (Some(block), Some(source)) = (&compound.block, other.inbound.ssrc) {
        let highest = u32::from_be_bytes([block[8], block[9], block[10], block[11]]);
        w.put(&source.to_be_bytes());
        w.put(&block[4..8]);
        w.put(&me.out.source_sequence(highest, other.inbound.max()).to_be_bytes());
        w.put(&block[12..]);
        blocks = 1;
    }
    let words = (w.len / 4 - 1) as u8;
    w.out[..4].copy_from_slice(&[0x80 | blocks, if compound.report.is_some() { SR } else { RR }, 0, words]);
    if compound.sdes {
        // One chunk: SSRC, CNAME, a null and padding to a word (RFC 3550 §6.5).
        w.put(&[0x81, SDES, 0, (SDES_LEN / 4 - 1) as u8]);
        w.put(&ssrc.to_be_bytes());
        w.put(&[1, CNAME.len() as u8]);
        w.put(CNAME);
        w.put(&[0]);
    }
    w.len
}

struct Writer<'a> {
    out: &'a mut [u8; OUT_MAX],
    len: usize,
}

impl Writer<'_> {
    /// The parts are fixed and add up to `OUT_MAX` at most.
    fn put(&mut self, bytes: &[u8]) {
        if let Some(place) = self.out.get_mut(self.len..self.len + bytes.len()) {
            place.copy_from_slice(bytes);
            self.len += bytes.len();
        }
    }
}
