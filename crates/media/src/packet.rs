//! One packet: whose is it, is it fit, where does it go. Nothing here allocates unless there is something to tell.

use crate::code::{Rest, change_in_place, pass_coded};
use crate::ice::Way;
use crate::latch::Verdict;
use crate::leg::{LegState, NO_ROUTE};
use crate::machine::{Forward, Machine, Owner, Via};
use crate::rtcp;
use std::net::SocketAddr;
use terms::{Instant, MediaEvent};

/// RFC 3550 §5.1: the fixed header.
pub const HEADER: usize = 12;

/// What there is to know of an RTP packet before it is believed.
#[derive(Clone, Copy)]
pub struct Rtp {
    pub marker: bool,
    pub pt: u8,
    pub seq: u16,
    pub ts: u32,
    pub ssrc: u32,
    /// Where the payload begins and how long it is without padding.
    pub payload: usize,
    pub octets: usize,
}

impl Machine {
    /// A packet of `len` bytes arrived on our `port`. It is rewritten in place; what is to be sent is said in the
    /// return value. The buffer is longer than the packet, so that what leaves may be, too (an SRTP tag, another codec).
    #[inline]
    pub fn received(
        &mut self,
        now: Instant,
        port: u16,
        from: SocketAddr,
        buf: &mut [u8],
        len: usize,
    ) -> Option<Forward> {
        if self.shared.port == Some(port) {
            return self.at_shared_port(now, Way { via: Via::Udp, address: from }, buf, len);
        }
        let owner = self.owner(port)?;
        self.media_received(now, owner, from, port & 1 == 0, false, buf, len)
    }

    /// A packet for a leg. `rtp_port`: it came where RTP belongs, and RTCP only if multiplexed. `checked`: ICE has
    /// already said that it comes from the leg.
    #[allow(clippy::too_many_arguments)]
    #[inline]
    pub(crate) fn media_received(
        &mut self,
        now: Instant,
        owner: Owner,
        from: SocketAddr,
        rtp_port: bool,
        checked: bool,
        buf: &mut [u8],
        len: usize,
    ) -> Option<Forward> {
        let call = self.calls.get_mut(owner.slot as usize)?.as_mut()?;
        let id = call.id;
        let (me, other) = call.both(owner.leg);
        if !me.agreed {
            return None;
        }
        // RFC 5761 §4: on a multiplexed port the second byte tells RTCP from RTP.
        let rtcp_byte = buf.get(1).is_some_and(|b| (192..=223).contains(b));
        if !rtp_port || me.mux && rtcp_byte {
            return reports_received(now, me, other, from, rtp_port, buf, len);
        }
        if !checked && !me.latch.is_locked_to(from) && !me.latch.might_be(from.ip()) {
            me.inbound.strangers += 1;
            return None;
        }
        let opened = me.cover.open_rtp(buf, len);
        let Some((len, packet)) = opened.and_then(|len| Some((len, buf.get(..len)?))) else {
            me.inbound.rubbish += 1;
            return None;
        };
        let Some((rtp, route)) = read(packet)
            .and_then(|rtp| Some((rtp, *me.routes.get(usize::from(rtp.pt))?)))
            .filter(|(_, route)| route.pt != NO_ROUTE)
        else {
            me.inbound.rubbish += 1;
            return None;
        };
        let mut locked_now = false;
        if let Some(browser) = &mut me.browser {
            locked_now = !std::mem::replace(&mut browser.heard, true);
        } else if !me.latch.is_locked_to(from) {
            match me.latch.judge(now, from, rtp.ssrc, rtp.seq, me.inbound.last()) {
                Verdict::Stranger => {
                    me.inbound.strangers += 1;
                    return None;
                }
                Verdict::LockedNow => locked_now = true,
                Verdict::Ours | Verdict::Candidate => {}
            }
        }
        let voice = route.codec.is_voice();
        let new_source = me.inbound.ssrc != Some(rtp.ssrc);
        me.inbound.heard(now, rtp.ssrc, rtp.seq, rtp.ts, rtp.octets, voice);
        me.alive_at = now;
        let back = std::mem::take(&mut me.silent);
        let mut digits = [None, None];
        if new_source {
            digits[0] = me.dtmf.flush();
            me.dtmf = Default::default();
        }
        if voice {
            me.codec = Some(route.codec);
            me.inbound.set_clock(route.clock);
            // A phone that agreed to several may change at any time.
            me.coded = route.coded;
            digits[0] = digits[0].or_else(|| me.dtmf.voice(now));
        } else if let Some(payload) = packet.get(rtp.payload..rtp.payload + rtp.octets).filter(|_| me.sends) {
            // On hold a digit reaches nobody, so nobody is told of it.
            let [lost, ended] = me.dtmf.heard(now, route.clock, rtp.ts, payload);
            digits = [digits[0].or(lost), ended];
        }
        if voice
            && me.sends
            && let Some(echo) = &mut me.echo
        {
            if new_source {
                echo.restart();
            }
            let payload = buf.get(rtp.payload..rtp.payload + rtp.octets).unwrap_or_default();
            if echo.keep(now, rtp.marker, rtp.pt, rtp.ts, payload)
                && let Some(at) = echo.next()
            {
                self.begin_echo(id, owner.leg, at);
            }
            if locked_now || back {
                self.event(MediaEvent::Flowing { call: id, leg: owner.leg });
            }
            return None;
        }
        let mut rest = Rest::new();
        // A press that the other leg has no events for is heard there as a tone.
        let as_tone = me.coded && other.heard.is_some_and(|h| h.events.is_none());
        let forward = match other.target() {
            Some(_) if me.coded && me.sends && !me.away && other.player.is_none() => {
                pass_coded(now, me, other, &rtp, route, buf, &mut rest)
            }
            Some(to) if me.sends && !me.away && other.player.is_none() => {
                if let Some(coder) = me.coder.as_mut().filter(|_| voice) {
                    coder.pause();
                }
                if route.changed
                    && let Some(payload) = buf.get_mut(rtp.payload..rtp.payload + rtp.octets)
                {
                    change_in_place(route, other.heard, payload);
                }
                let place = other.out.place(now, rtp.ssrc, rtp.seq, rtp.ts);
                let marker = rtp.marker || place.fresh && voice;
                rewrite(buf, marker, route.pt, place.seq, place.ts, other.out.ssrc);
                other.out.sent(rtp.octets);
                let sealed = other.cover.seal_rtp(buf, len);
                sealed.map(|len| Forward { port: other.port, to, len, via: other.via() })
            }
            _ => {
                // Held back, not lost: the listener's sequence goes on without a gap when it resumes.
                if other.player.is_none() {
                    other.out.pause();
                }
                if let Some(coder) = &mut me.coder {
                    coder.pause();
                }
                None
            }
        };
        let watch = back && me.sends && !me.watched;
        let unreported = me.coded && me.own_reports.is_none();
        for packet in rest {
            self.transmit(packet);
        }
        if unreported {
            self.report_legs(now, owner.slot);
        }
        if locked_now || back || digits != [None, None] {
            for (digit, duration_ms) in digits.into_iter().flatten() {
                if as_tone {
                    self.press(now, id, owner.leg.other(), digit, duration_ms);
                }
                self.event(MediaEvent::Dtmf { call: id, leg: owner.leg, digit, duration_ms });
            }
            if locked_now || back {
                self.event(MediaEvent::Flowing { call: id, leg: owner.leg });
            }
            if watch {
                self.watch_legs(owner.slot);
            }
        }
        forward
    }
}

/// RTCP: opened, translated, sealed.
fn reports_received(
    now: Instant,
    me: &mut LegState,
    other: &mut LegState,
    from: SocketAddr,
    muxed: bool,
    buf: &mut [u8],
    len: usize,
) -> Option<Forward> {
    let Some(len) = me.cover.open_rtcp(buf, len) else {
        me.inbound.rubbish += 1;
        return None;
    };
    let forward = rtcp::relay(now, me, other, from, muxed, buf, len)?;
    let len = other.cover.seal_rtcp(buf, forward.len)?;
    Some(Forward { len, via: other.via(), ..forward })
}

/// RFC 3550 §5.1 and appendix A.1: version 2, and CSRC list, extension and padding lie within the packet.
#[inline]
fn read(packet: &[u8]) -> Option<Rtp> {
    let (head, rest) = packet.split_first_chunk::<HEADER>()?;
    if head[0] >> 6 != 2 {
        return None;
    }
    let mut payload = HEADER + usize::from(head[0] & 0x0f) * 4;
    if head[0] & 0x10 != 0 {
        // RFC 3550 §5.3.1: profile and length in words.
        let &[_, _, high, low] = packet.get(payload..payload + 4)? else { return None };
        payload += 4 + usize::from(u16::from_be_bytes([high, low])) * 4;
    }
    let mut octets = packet.len().checked_sub(payload)?;
    if head[0] & 0x20 != 0 {
        let padding = usize::from(*rest.last()?);
        if padding == 0 {
            return None;
        }
        octets = octets.checked_sub(padding)?;
    }
    Some(Rtp {
        marker: head[1] & 0x80 != 0,
        pt: head[1] & 0x7f,
        seq: u16::from_be_bytes([head[2], head[3]]),
        ts: u32::from_be_bytes([head[4], head[5], head[6], head[7]]),
        ssrc: u32::from_be_bytes([head[8], head[9], head[10], head[11]]),
        payload,
        octets,
    })
}

#[inline]
fn rewrite(packet: &mut [u8], marker: bool, pt: u8, seq: u16, ts: u32, ssrc: u32) {
    if let Some((head, _)) = packet.split_first_chunk_mut::<HEADER>() {
        head[1] = u8::from(marker) << 7 | pt & 0x7f;
        head[2..4].copy_from_slice(&seq.to_be_bytes());
        head[4..8].copy_from_slice(&ts.to_be_bytes());
        head[8..12].copy_from_slice(&ssrc.to_be_bytes());
    }
}
