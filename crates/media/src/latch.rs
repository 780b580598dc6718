//! Whose packets are these. A leg's media is accepted from the address its SDP names, or from an address learned from
//! at most five packets that come from the host of the SDP or of the SIP; then that address is locked, and nobody
//! else can take the stream, speak into it or silence it. Only the very port that was signalled still beats another one
//! of its host.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use terms::Instant;

/// Packets looked at before the best candidate is locked: 100 ms of ordinary voice.
pub const LEARN_PACKETS_MAX: usize = 5;

/// A phone whose NAT gave it a new port is let in again after this much silence.
pub const ROAM_AFTER: Duration = Duration::from_secs(2);

/// How far a sequence may have gone on during that silence (RFC 3550 appendix A.1, MAX_DROPOUT).
const ROAM_SEQUENCE_MAX: u16 = 3000;

/// What was last heard on the locked stream.
#[derive(Clone, Copy, Debug)]
pub struct Heard {
    pub at: Instant,
    pub ssrc: u32,
    pub seq: u16,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// From the locked address.
    Ours,
    /// From the best candidate so far; take the packet, but the address is not locked yet.
    Candidate,
    /// This packet locked the address.
    LockedNow,
    /// Not ours: drop and count.
    Stranger,
}

/// How well an address fits; higher is better.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Fit {
    /// The host the SIP comes from: a phone behind a NAT.
    SipHost,
    /// The host of the SDP, another port.
    SdpHost,
    /// Exactly as signalled.
    Signalled,
}

#[derive(Clone, Copy, Debug)]
struct Candidate {
    from: SocketAddr,
    fit: Fit,
    packets: u8,
}

#[derive(Debug)]
pub struct Latch {
    signalled: Option<SocketAddr>,
    sip: Option<IpAddr>,
    locked: Option<SocketAddr>,
    candidates: [Option<Candidate>; LEARN_PACKETS_MAX],
    looked_at: usize,
    roam_24: bool,
}

impl Latch {
    /// `roam_24`: a phone may also come back from another host of the same /24 (off by default).
    pub fn new(roam_24: bool) -> Latch {
        Latch {
            signalled: None,
            sip: None,
            locked: None,
            candidates: [None; LEARN_PACKETS_MAX],
            looked_at: 0,
            roam_24,
        }
    }

    /// A new description is in force. True if it names another address, so that learning begins anew. A hold that
    /// names no address keeps what is locked.
    pub fn expect(&mut self, signalled: Option<SocketAddr>, sip: IpAddr) -> bool {
        let sip = Some(sip.to_canonical());
        let named_anew = signalled.is_some() && signalled != self.signalled;
        // Where media was found at the host of the SIP and that host is another now, it has to be found again. A
        // trunk whose SIP comes from several hosts keeps the media address it signalled.
        let beside_sdp = self.locked.is_none_or(|l| self.signalled.is_none_or(|s| s.ip() != l.ip()));
        let moved = sip != self.sip && beside_sdp;
        self.sip = sip;
        if !named_anew && !moved {
            return false;
        }
        let signalled = signalled.or(self.signalled);
        self.signalled = signalled;
        self.locked = None;
        self.candidates = [None; LEARN_PACKETS_MAX];
        self.looked_at = 0;
        true
    }

    /// Where to send: the locked address, until then the signalled one.
    pub fn target(&self) -> Option<SocketAddr> {
        self.locked.or(self.signalled)
    }

    pub fn locked(&self) -> Option<SocketAddr> {
        self.locked
    }

    /// Might a packet from `ip` be this leg's at all? Asked before anything in the packet is looked at.
    pub fn might_be(&self, ip: IpAddr) -> bool {
        match self.locked {
            Some(locked) => locked.ip() == ip || self.roam_24 && same_24(ip, locked.ip()),
            None => self.sip == Some(ip) || self.signalled.is_some_and(|s| s.ip() == ip),
        }
    }

    /// Is the packet from the locked address? The only question asked of most packets.
    #[inline]
    pub fn is_locked_to(&self, from: SocketAddr) -> bool {
        self.locked == Some(from)
    }

    /// Judges a packet that is valid RTP with an agreed payload type.
    pub fn judge(
        &mut self,
        now: Instant,
        from: SocketAddr,
        ssrc: u32,
        seq: u16,
        last: Option<Heard>,
    ) -> Verdict {
        match self.locked {
            Some(locked) if locked == from => Verdict::Ours,
            // Another program on the phone's own host was quicker than the phone: the port that was signalled wins. A
            // stream found at another host than the signalled one is not given up like this; there the signalled
            // address is a private one that anybody may have in another network.
            Some(locked) if self.signalled == Some(from) && locked.ip() == from.ip() => {
                self.locked = Some(from);
                Verdict::LockedNow
            }
            Some(locked) if self.roams(now, locked, from, ssrc, seq, last) => {
                self.locked = Some(from);
                Verdict::LockedNow
            }
            Some(_) => Verdict::Stranger,
            None => self.learn(from),
        }
    }

    fn roams(
        &self,
        now: Instant,
        locked: SocketAddr,
        from: SocketAddr,
        ssrc: u32,
        seq: u16,
        last: Option<Heard>,
    ) -> bool {
        let Some(last) = last else { return false };
        let ahead = seq.wrapping_sub(last.seq);
        now.since(last.at) >= ROAM_AFTER
            && ssrc == last.ssrc
            && (1..=ROAM_SEQUENCE_MAX).contains(&ahead)
            && (from.ip() == locked.ip() || self.roam_24 && same_24(from.ip(), locked.ip()))
    }

    fn learn(&mut self, from: SocketAddr) -> Verdict {
        let Some(fit) = self.fit(from) else { return Verdict::Stranger };
        if fit == Fit::Signalled {
            self.locked = Some(from);
            return Verdict::LockedNow;
        }
        self.looked_at += 1;
        // Five packets name at most five candidates, so there is always a place.
        for place in &mut self.candidates {
            match place {
                Some(c) if c.from == from => {
                    c.packets += 1;
                    break;
                }
                Some(_) => {}
                None => {
                    *place = Some(Candidate { from, fit, packets: 1 });
                    break;
                }
            }
        }
        let Some(best) = self.best() else { return Verdict::Stranger };
        if self.looked_at >= LEARN_PACKETS_MAX {
            self.locked = Some(best);
            return if best == from { Verdict::LockedNow } else { Verdict::Stranger };
        }
        if best == from { Verdict::Candidate } else { Verdict::Stranger }
    }

    /// The better fit, then the more packets, then who came first.
    fn best(&self) -> Option<SocketAddr> {
        let mut best: Option<Candidate> = None;
        for c in self.candidates.iter().flatten() {
            if best.is_none_or(|b| (c.fit, c.packets) > (b.fit, b.packets)) {
                best = Some(*c);
            }
        }
        best.map(|b| b.from)
    }

    fn fit(&self, from: SocketAddr) -> Option<Fit> {
        if self.signalled == Some(from) {
            Some(Fit::Signalled)
        } else if self.signalled.is_some_and(|s| s.ip() == from.ip()) {
            Some(Fit::SdpHost)
        } else if self.sip == Some(from.ip()) {
            Some(Fit::SipHost)
        } else {
            None
        }
    }
}

fn same_24(a: IpAddr, b: IpAddr) -> bool {
    match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => a.octets()[..3] == b.octets()[..3],
        // The same idea where a site has a /64.
        (IpAddr::V6(a), IpAddr::V6(b)) => a.segments()[..4] == b.segments()[..4],
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn latch() -> Latch {
        let mut l = Latch::new(false);
        assert!(l.expect(Some(at("10.0.0.5:4000")), "192.0.2.9".parse().unwrap()));
        l
    }

    const T0: Instant = Instant(0);

    #[test]
    fn the_signalled_address_locks_at_once() {
        let mut l = latch();
        assert_eq!(l.judge(T0, at("10.0.0.5:4000"), 1, 1, None), Verdict::LockedNow);
        assert_eq!(l.judge(T0, at("10.0.0.5:4002"), 1, 2, None), Verdict::Stranger);
        assert_eq!(l.judge(T0, at("192.0.2.9:4000"), 1, 2, None), Verdict::Stranger);
        assert_eq!(l.judge(T0, at("10.0.0.5:4000"), 1, 2, None), Verdict::Ours);
    }

    #[test]
    fn a_phone_behind_a_nat_is_learned_in_five_packets() {
        let mut l = latch();
        for seq in 0..4 {
            assert_eq!(l.judge(T0, at("192.0.2.9:61000"), 1, seq, None), Verdict::Candidate);
            assert_eq!(
                l.target(),
                Some(at("10.0.0.5:4000")),
                "not locked yet, media goes where it was signalled"
            );
        }
        assert_eq!(l.judge(T0, at("192.0.2.9:61000"), 1, 4, None), Verdict::LockedNow);
        assert_eq!(l.target(), Some(at("192.0.2.9:61000")));
    }

    #[test]
    fn the_better_fit_wins_over_more_packets() {
        let mut l = latch();
        for _ in 0..3 {
            assert_eq!(l.judge(T0, at("192.0.2.9:7"), 9, 1, None), Verdict::Candidate);
        }
        assert_eq!(l.judge(T0, at("10.0.0.5:61000"), 1, 1, None), Verdict::Candidate);
        assert_eq!(l.judge(T0, at("192.0.2.9:7"), 9, 2, None), Verdict::Stranger, "the fifth packet decides");
        assert_eq!(l.locked(), Some(at("10.0.0.5:61000")));
    }

    #[test]
    fn another_program_on_the_host_of_the_phone_loses_to_the_port_that_was_signalled() {
        let mut l = latch();
        for seq in 0..20 {
            l.judge(T0, at("10.0.0.5:9999"), 9, seq, None);
        }
        assert_eq!(l.locked(), Some(at("10.0.0.5:9999")), "the phone has not spoken yet");
        assert_eq!(l.judge(T0, at("10.0.0.5:4000"), 1, 1, None), Verdict::LockedNow);
        for seq in 20..40 {
            assert_eq!(l.judge(T0, at("10.0.0.5:9999"), 9, seq, None), Verdict::Stranger);
        }
        // Behind a NAT the signalled address is not the phone's, and nobody takes the stream with it.
        let mut l = latch();
        for seq in 0..5 {
            l.judge(T0, at("192.0.2.9:61000"), 1, seq, None);
        }
        assert_eq!(l.judge(T0, at("10.0.0.5:4000"), 9, 1, None), Verdict::Stranger);
        assert_eq!(l.locked(), Some(at("192.0.2.9:61000")));
    }

    #[test]
    fn strangers_do_not_use_up_the_five() {
        let mut l = latch();
        for seq in 0..1000 {
            assert_eq!(l.judge(T0, at("203.0.113.1:4000"), 1, seq, None), Verdict::Stranger);
        }
        assert_eq!(l.judge(T0, at("10.0.0.5:4000"), 1, 1, None), Verdict::LockedNow);
    }

    #[test]
    fn a_new_nat_port_needs_silence_the_ssrc_and_the_sequence() {
        let heard = Some(Heard { at: T0, ssrc: 7, seq: 65_530 });
        let late = T0 + ROAM_AFTER;
        for (now, from, ssrc, seq, want) in [
            (late, "10.0.0.5:9999", 7, 90, Verdict::LockedNow),
            (Instant(1), "10.0.0.5:9999", 7, 90, Verdict::Stranger),
            (late, "10.0.0.5:9999", 8, 90, Verdict::Stranger),
            (late, "10.0.0.5:9999", 7, 65_530, Verdict::Stranger),
            (late, "10.0.0.5:9999", 7, 9000, Verdict::Stranger),
            (late, "10.0.0.6:9999", 7, 90, Verdict::Stranger),
        ] {
            let mut l = latch();
            l.judge(T0, at("10.0.0.5:4000"), 7, 1, None);
            assert_eq!(l.judge(now, at(from), ssrc, seq, heard), want, "{from} {ssrc} {seq}");
        }
        let mut l = Latch::new(true);
        l.expect(Some(at("10.0.0.5:4000")), "192.0.2.9".parse().unwrap());
        l.judge(T0, at("10.0.0.5:4000"), 7, 1, None);
        assert_eq!(
            l.judge(late, at("10.0.0.6:9"), 7, 90, heard),
            Verdict::LockedNow,
            "where roaming is switched on"
        );
    }

    #[test]
    fn only_a_new_address_begins_anew() {
        let mut l = latch();
        l.judge(T0, at("10.0.0.5:4000"), 1, 1, None);
        let sip = "192.0.2.9".parse().unwrap();
        assert!(!l.expect(Some(at("10.0.0.5:4000")), sip));
        assert!(!l.expect(None, sip), "hold");
        assert_eq!(l.locked(), Some(at("10.0.0.5:4000")));
        assert!(l.expect(Some(at("10.0.0.7:4000")), sip));
        assert_eq!(l.judge(T0, at("10.0.0.5:4000"), 1, 1, None), Verdict::Stranger);
    }
}
