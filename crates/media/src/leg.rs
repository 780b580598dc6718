//! One side of a call as media sees it: its ports, what is agreed, whom we listen to, what we send, how it arrives.

use crate::browsers::Browser;
use crate::chance::Chance;
use crate::code::Coder;
use crate::codec::Kind;
use crate::cover::Cover;
use crate::dtmf::Dtmf;
use crate::figures::Inbound;
use crate::latch::Latch;
use crate::machine::Via;
use crate::negotiate::{End, History, Said, Secured, SrtpPair};
use crate::play::{Echo, Player};
use crate::quality;
use crate::report::Reports;
use crate::sdp::{self, Codec, Crypto, Draft};
use crate::stream::Out;
use bytes::Bytes;
use std::net::{IpAddr, SocketAddr};
use terms::{Instant, LegFigures, Quality};

/// No payload type of the other leg corresponds.
pub const NO_ROUTE: u8 = 0xff;

/// Sender reports remembered for the round trip; a peer answers the latest or the one before.
const REPORTS_MAX: usize = 4;

/// What a payload type of this leg becomes at the other.
#[derive(Clone, Copy)]
pub struct Route {
    pub pt: u8,
    pub codec: Codec,
    /// Ticks a second of this leg's timestamps under that number.
    pub clock: u32,
    /// And of what it becomes.
    pub to_clock: u32,
    /// More than the number changes: the law, a digit's duration, or the whole voice.
    pub changed: bool,
    /// The voice is decoded and said again in the other leg's codec.
    pub coded: bool,
}

impl Route {
    pub const NONE: Route =
        Route { pt: NO_ROUTE, codec: Codec::Pcmu, clock: 8000, to_clock: 8000, changed: false, coded: false };
}

/// What a leg is sent: the voice and its payload type, how long a packet of it should be, and the payload type and clock
/// of events.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Heard {
    pub kind: Kind,
    pub pt: u8,
    pub ptime: Option<u16>,
    pub events: Option<(u8, u32)>,
}

impl Heard {
    pub fn clock(&self) -> u32 {
        self.kind.clock()
    }
}

pub struct LegState {
    /// The even port, and RTCP is on the odd one above; or the one browsers share. Zero until it is known what the leg is.
    pub port: u16,
    /// A leg that ends in a browser has its address from ICE and its keys from a handshake.
    pub browser: Option<Box<Browser>>,
    pub cover: Cover,
    /// The keys we name to a phone that speaks SDES, and those in force.
    pub cryptos: Vec<Crypto>,
    srtp: Option<Box<SrtpPair>>,
    pub history: History,
    /// Family of the peer's last description; our address to it is of the same.
    pub v6: Option<bool>,
    session: u32,
    version: u32,
    said: Bytes,

    /// By incoming payload type.
    pub routes: [Route; 128],
    /// An answer is in force.
    pub agreed: bool,
    /// Agreed that this leg sends and the other receives.
    pub sends: bool,
    pub mux: bool,
    pub codec: Option<Codec>,

    /// What this leg is told to hear; nothing before an answer.
    pub heard: Option<Heard>,
    /// The voice this leg speaks now, or will speak first, is turned into another codec for the other one; and what does
    /// it.
    pub coded: bool,
    pub coder: Option<Box<Coder>>,
    /// The voice this leg spoke last, and the ticks a millisecond of its digits.
    pub voice_kind: Option<Kind>,
    pub event_clock: u32,
    /// Our own RTCP to this leg; an entry of the agenda stands for it.
    pub own_reports: Option<Box<Reports>>,
    pub reporting: bool,
    /// What we say to this leg ourselves, instead of the other one.
    pub player: Option<Box<Player>>,
    /// An entry of the agenda stands for it, and how many there have been.
    pub playing: bool,
    pub played: u32,
    /// It hears itself, later.
    pub echo: Option<Box<Echo>>,
    /// It has gone for a moment: what it sends is not heard.
    pub away: bool,
    /// What was told last of its quality; an entry of the agenda stands for it.
    pub rated: bool,
    pub quality: Option<Quality>,

    pub latch: Latch,
    pub rtcp_signalled: Option<SocketAddr>,
    pub rtcp_learned: Option<SocketAddr>,
    pub out: Out,
    pub inbound: Inbound,
    pub dtmf: Dtmf,
    reports: [Option<(u32, Instant)>; REPORTS_MAX],
    next_report: usize,

    /// When the last accepted packet came, or when it was agreed that some should.
    pub alive_at: Instant,
    pub silent: bool,
    /// An entry of the watch list stands for this leg.
    pub watched: bool,
}

impl LegState {
    pub fn new(roam_24: bool, chance: &mut Chance) -> LegState {
        LegState {
            port: 0,
            browser: None,
            cover: Cover::Plain,
            cryptos: Vec::new(),
            srtp: None,
            history: History::default(),
            v6: None,
            // RFC 8866 §5.2: a number nobody else uses; 31 bits, since some phones read it into an int.
            session: chance.next_u32() >> 1,
            version: 0,
            said: Bytes::new(),
            routes: [Route::NONE; 128],
            agreed: false,
            sends: false,
            mux: false,
            codec: None,
            heard: None,
            coded: false,
            coder: None,
            voice_kind: None,
            event_clock: 8,
            own_reports: None,
            reporting: false,
            player: None,
            playing: false,
            played: 0,
            echo: None,
            away: false,
            rated: false,
            quality: None,
            latch: Latch::new(roam_24),
            rtcp_signalled: None,
            rtcp_learned: None,
            out: Out::new(chance),
            inbound: Inbound::default(),
            dtmf: Dtmf::default(),
            reports: [None; REPORTS_MAX],
            next_report: 0,
            alive_at: Instant::default(),
            silent: false,
            watched: false,
        }
    }

    /// Our description for this leg. The version rises by one whenever anything else in it differs from what this leg
    /// was told last (RFC 3264 §8), and only then.
    pub fn say(&mut self, draft: &Draft, address: IpAddr) -> Bytes {
        let same = sdp::write(draft, self.session, self.version, address, self.port);
        if self.version > 0 && same == self.said {
            return same;
        }
        self.version = self.version.wrapping_add(1);
        self.said = sdp::write(draft, self.session, self.version, address, self.port);
        self.said.clone()
    }

    /// Takes over where this leg is to be found. True if it has to be learned anew.
    pub fn expect(&mut self, said: &Said, source: IpAddr) -> bool {
        self.v6 = Some(said.family_is_v6);
        let anew = self.latch.expect(said.rtp, source);
        if anew || said.rtcp.is_some() && said.rtcp != self.rtcp_signalled {
            self.rtcp_signalled = said.rtcp;
            self.rtcp_learned = None;
        }
        anew
    }

    /// Takes over what protects this leg's packets. A key that was in force already stays, and with it the rollover
    /// counter (RFC 3711 §3.3.1): begun anew under the same key, it would use the same keystream twice (§9.1). So a leg
    /// that goes on in the clear gets other keys next time. A browser's come from its handshake.
    pub fn protect(&mut self, secured: &Secured) {
        match secured {
            Secured::WebRtc(_) => self.srtp = None,
            Secured::Plain => {
                if self.srtp.take().is_some() {
                    self.cryptos.clear();
                }
                if self.browser.is_none() {
                    self.cover = Cover::Plain;
                }
            }
            Secured::Srtp(pair) => {
                let before = self.srtp.as_ref();
                let new_theirs = before.is_none_or(|before| before.theirs != pair.theirs);
                let new_ours = before.is_none_or(|before| before.ours != pair.ours);
                self.cover.rekey(new_theirs.then_some(&pair.theirs), new_ours.then_some(&pair.ours));
                if self.cover.is_open() {
                    self.cover = Cover::of_keys(&pair.theirs, &pair.ours);
                }
                self.srtp = Some(pair.clone());
            }
        }
    }

    /// Takes over what this leg is to be sent: the first voice of what was agreed, and the events beside it.
    pub fn hear(&mut self, ends: impl Iterator<Item = End> + Clone, ptime: Option<u16>) {
        let voice = ends.clone().find_map(|end| Some((end.codec.kind()?, end.pt)));
        let clock = voice.map_or(8000, |(kind, _)| kind.clock());
        let mut events = ends.filter(|end| !end.codec.is_voice()).map(|end| (end.pt, end.clock));
        // RFC 4733 §2.1: those in the clock of the voice, where there are several.
        let events = events.clone().find(|(_, c)| *c == clock).or_else(|| events.next());
        self.heard = voice.map(|(kind, pt)| Heard { kind, pt, ptime, events });
        self.out.set_clock(self.heard.map_or(8000, |h| h.clock()));
    }

    /// Takes over what this leg may send. `at` is when it was agreed.
    pub fn allow(&mut self, at: Instant, sends: bool, anew: bool) {
        if sends && (anew || !self.sends || !self.agreed) {
            self.alive_at = at;
            self.silent = false;
        }
        self.sends = sends;
        self.agreed = true;
    }

    /// It ends in a browser.
    pub fn is_browser(&self) -> bool {
        self.browser.is_some()
    }

    /// Where RTP for this leg goes. Nowhere while its keys are not there.
    #[inline]
    pub fn target(&self) -> Option<SocketAddr> {
        match &self.browser {
            None => self.latch.target(),
            Some(browser) => browser.agent.target().map(|way| way.address),
        }
        .filter(|_| !self.cover.is_closed())
    }

    #[inline]
    pub fn via(&self) -> Via {
        self.browser.as_ref().and_then(|b| b.agent.target()).map_or(Via::Udp, |way| way.via)
    }

    /// Where RTCP for this leg goes and from which of our ports (RFC 5761 §5.1.1).
    pub fn rtcp_target(&self) -> Option<(u16, SocketAddr)> {
        if self.mux {
            return Some((self.port, self.target()?));
        }
        let to = match (self.rtcp_learned, self.rtcp_signalled, self.latch.locked()) {
            (Some(learned), _, _) => learned,
            (None, Some(signalled), Some(locked)) if signalled.ip() == locked.ip() => signalled,
            (None, Some(signalled), None) => signalled,
            // Behind a NAT we do not know its RTCP port until it speaks.
            _ => return None,
        };
        Some((self.port.saturating_add(1), to))
    }

    /// Remembers a sender report passed on to this leg, by the middle of its NTP time (RFC 3550 §6.4.1, LSR).
    pub fn report_sent(&mut self, ntp_middle: u32, at: Instant) {
        if let Some(place) = self.reports.get_mut(self.next_report) {
            *place = Some((ntp_middle, at));
        }
        self.next_report = (self.next_report + 1) % REPORTS_MAX;
    }

    pub fn report_sent_at(&self, ntp_middle: u32) -> Option<Instant> {
        self.reports.iter().flatten().find(|(ntp, _)| *ntp == ntp_middle).map(|(_, at)| *at)
    }

    pub fn figures(&self) -> LegFigures {
        LegFigures {
            codec: self.codec.map(|c| c.name().to_owned()).unwrap_or_default(),
            packets: self.inbound.packets,
            octets: self.inbound.octets,
            lost: self.inbound.lost(),
            jitter_us: self.inbound.jitter_us(),
            round_trip_us: self.inbound.round_trip_us,
            strangers: self.inbound.strangers,
            rubbish: self.inbound.rubbish,
            mos_x100: quality::of_call(&self.inbound, self.codec),
        }
    }
}
