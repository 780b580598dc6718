//! The one port all browsers of a machine share. What arrives is told apart by its first byte (RFC 7983), then by the
//! address it comes from; only an authenticated check makes an address known, and nothing else is believed from one
//! that is not.

use crate::chance::Chance;
use crate::cover::Cover;
use crate::dtls::{self, Identity, Session, State};
use crate::ice::{Agent, Checked, Ufrag, Way};
use crate::machine::{Forward, Machine, MediaConfig, Owner, Transmit, Via};
use crate::negotiate::{Agreement, Secured, WebRtcPair};
use crate::sdp::{self, Candidate, Credentials, OurSide, Ours, Setup};
use crate::stun::{self, Class};
use ahash::RandomState;
use smallvec::SmallVec;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::net::SocketAddr;
use terms::{CallId, Instant, Leg, Secret};

/// What was dropped at the shared port, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// From addresses no check has made known: strangers, and the late packets of calls that are over.
    pub unknown: u64,
    /// Checks that name nobody here or do not know the password.
    pub unproven: u64,
    /// No STUN, DTLS or RTP.
    pub rubbish: u64,
    /// Things we had to say and no room for.
    pub unsaid: u64,
}

/// A machine's side of the port.
pub(crate) struct SharedPort {
    pub port: Option<u16>,
    pub identity: Option<Identity>,
    /// Stands for `Instant(0)` towards the handshakes, whose clock has no zero of its own. The only look at a clock, and
    /// what it shows does not matter.
    origin: std::time::Instant,
    /// At most two names a leg, and eight addresses: both end with the call.
    by_ufrag: HashMap<Ufrag, Owner, RandomState>,
    by_way: HashMap<Way, Owner, RandomState>,
    timers: BinaryHeap<Reverse<(Instant, CallId, Leg)>>,
    pub dropped: Dropped,
}

/// What a leg has that ends in a browser.
pub(crate) struct Browser {
    pub agent: Agent,
    pub session: Session,
    /// Media was heard since the association began.
    pub heard: bool,
    /// When its entry among the timers is due.
    due: Option<Instant>,
}

impl Browser {
    fn next_due(&self) -> Option<Instant> {
        self.session.deadline().into_iter().chain(self.agent.consent_until()).min()
    }
}

impl SharedPort {
    pub fn new(port: Option<u16>, identity: Option<Identity>, hasher: RandomState) -> SharedPort {
        // Without a certificate there are no browsers; a machine that was given a port but none makes its own.
        let identity = port.and_then(|_| identity.or_else(|| Identity::generate().ok()));
        SharedPort {
            port: port.filter(|_| identity.is_some()),
            identity,
            origin: std::time::Instant::now(),
            by_ufrag: HashMap::with_hasher(hasher.clone()),
            by_way: HashMap::with_hasher(hasher),
            timers: BinaryHeap::new(),
            dropped: Dropped::default(),
        }
    }

    pub fn next_due(&self) -> Option<Instant> {
        self.timers.peek().map(|Reverse((at, _, _))| *at)
    }

    /// Names and addresses known; both are zero when no browser is in a call.
    pub fn sizes(&self) -> (usize, usize) {
        (self.by_ufrag.len(), self.by_way.len())
    }

    /// A browser's part of a leg, with its name entered. Nothing where there is no port for browsers.
    pub fn begin(&mut self, now: Instant, owner: Owner, chance: &mut Chance) -> Option<Box<Browser>> {
        let agent = Agent::new(now, chance);
        let session = Session::new(self.identity.as_ref()?, self.origin, now, false);
        self.name(owner, &agent);
        Some(Box::new(Browser { agent, session, heard: false, due: None }))
    }

    fn name(&mut self, owner: Owner, agent: &Agent) {
        for key in agent.keys() {
            self.by_ufrag.insert(key, owner);
        }
    }

    /// What we say of ourselves to a browser. Who begins the handshake is filled in when it is said.
    pub fn our_side(&self, browser: &Browser, config: &MediaConfig) -> Option<Ours> {
        let (port, identity, ours) = (self.port?, self.identity.as_ref()?, browser.agent.ours());
        let places = config.candidates();
        let mut candidates = Vec::with_capacity(places.len() * 2);
        for (rank, ip) in (0..=u8::MAX).zip(&places) {
            candidates.push(Candidate::host(sdp::Via::Udp, SocketAddr::new(*ip, port), rank));
        }
        if config.webrtc_tcp {
            for (rank, ip) in (0..=u8::MAX).zip(&places) {
                candidates.push(Candidate::host(sdp::Via::TcpPassive, SocketAddr::new(*ip, port), rank));
            }
        }
        Some(Ours::WebRtc(Box::new(OurSide {
            ice: Credentials { ufrag: ours.ufrag().to_owned(), pwd: Secret::new(ours.pwd()) },
            fingerprint: *identity.fingerprint(),
            setup: Setup::ActPass,
            candidates,
            bundle: true,
        })))
    }

    /// The browser named itself and its certificate. What has changed begins anew, and only that: another certificate
    /// is another association (RFC 8842 §4), and so is another role.
    pub fn describe(&self, now: Instant, browser: &mut Browser, pair: &WebRtcPair) {
        browser.agent.heard(&pair.peer.ice.ufrag);
        let fingerprints = &pair.peer.fingerprints;
        let is_other = browser.session.expected().is_some_and(|known| known != fingerprints);
        if (is_other || browser.session.is_client() != pair.we_are_client)
            && let Some(identity) = &self.identity
        {
            browser.session = Session::new(identity, self.origin, now, pair.we_are_client);
            browser.heard = false;
        }
        browser.session.expect(fingerprints.clone());
    }

    /// The leg is over or no browser any more: its names and addresses are nobody's.
    pub fn end(&mut self, browser: &Browser) {
        for key in browser.agent.keys() {
            self.by_ufrag.remove(&key);
        }
        for way in browser.agent.paths() {
            self.by_way.remove(&way);
        }
    }

    /// Enters the next thing to do for a browser, if it comes before what is entered.
    pub fn arm(&mut self, call: CallId, leg: Leg, browser: &mut Browser) {
        let Some(at) = browser.next_due() else { return };
        if browser.due.is_none_or(|due| at < due) {
            browser.due = Some(at);
            self.timers.push(Reverse((at, call, leg)));
        }
    }
}

impl Machine {
    /// The browser offers itself under another name: so do we (RFC 8839 §4.4.1.1.1), and keep the association.
    pub(crate) fn restart(&mut self, now: Instant, owner: Owner) {
        let Some(Some(call)) = self.calls.get_mut(owner.slot as usize) else { return };
        let Some(browser) = call.leg(owner.leg).browser.as_deref_mut() else { return };
        for key in browser.agent.keys() {
            self.shared.by_ufrag.remove(&key);
        }
        browser.agent.restart(now, &mut self.chance);
        self.shared.name(owner, &browser.agent);
    }

    /// What an answered offer says of the browsers at both ends.
    pub(crate) fn handshakes(&mut self, now: Instant, slot: u32, offerer: Leg, agreement: &Agreement) {
        for (leg, secured) in [(offerer, &agreement.offerer), (offerer.other(), &agreement.answerer)] {
            self.handshake(now, Owner { slot, leg }, secured);
        }
    }

    pub(crate) fn handshake(&mut self, now: Instant, owner: Owner, secured: &Secured) {
        let Secured::WebRtc(pair) = secured else { return };
        let Some(Some(call)) = self.calls.get_mut(owner.slot as usize) else { return };
        let Some(browser) = call.leg(owner.leg).browser.as_deref_mut() else { return };
        self.shared.describe(now, browser, pair);
        self.handshake_went_on(owner);
    }

    /// A frame arrived on a connection to the shared port (RFC 6544, RFC 4571).
    pub fn received_frame(
        &mut self,
        now: Instant,
        from: SocketAddr,
        buf: &mut [u8],
        len: usize,
    ) -> Option<Forward> {
        self.at_shared_port(now, Way { via: Via::Tcp, address: from }, buf, len)
    }

    /// A connection to the shared port is gone.
    pub fn connection_closed(&mut self, from: SocketAddr) {
        let way = Way { via: Via::Tcp, address: from };
        let Some(owner) = self.shared.by_way.remove(&way) else { return };
        if let Some(browser) = self.browser(owner) {
            browser.agent.lose(way);
        }
    }

    /// Has an authenticated check come over this connection? One that stays without is not kept.
    pub fn knows_connection(&self, from: SocketAddr) -> bool {
        self.shared.by_way.contains_key(&Way { via: Via::Tcp, address: from })
    }

    /// What was dropped at the shared port.
    pub fn dropped(&self) -> Dropped {
        self.shared.dropped
    }

    /// Names and addresses of browsers it knows, for whoever checks that they end with their calls.
    pub fn browsers_known(&self) -> (usize, usize) {
        self.shared.sizes()
    }

    /// RFC 7983 §7: the first byte says what it is.
    pub(crate) fn at_shared_port(
        &mut self,
        now: Instant,
        from: Way,
        buf: &mut [u8],
        len: usize,
    ) -> Option<Forward> {
        let packet = buf.get(..len)?;
        match packet.first() {
            Some(first) if stun::is_stun(*first) => {
                self.check_received(now, from, packet);
                None
            }
            Some(first) if dtls::is_dtls(*first) => {
                let Some(owner) = self.shared.by_way.get(&from).copied() else {
                    self.shared.dropped.unknown += 1;
                    return None;
                };
                self.handshake_received(now, owner, from, packet);
                None
            }
            Some(128..=191) => {
                let Some(owner) = self.shared.by_way.get(&from).copied() else {
                    self.shared.dropped.unknown += 1;
                    return None;
                };
                self.media_received(now, owner, from.address, true, true, buf, len)
            }
            _ => {
                self.shared.dropped.rubbish += 1;
                None
            }
        }
    }

    fn browser(&mut self, owner: Owner) -> Option<&mut Browser> {
        self.calls.get_mut(owner.slot as usize)?.as_mut()?.leg(owner.leg).browser.as_deref_mut()
    }

    /// A connectivity check. Whoever does not know a password gets no answer: an answer to everybody would be a
    /// mirror to shine on others with.
    fn check_received(&mut self, now: Instant, from: Way, packet: &[u8]) {
        let Ok(request) = stun::read(packet) else {
            self.shared.dropped.rubbish += 1;
            return;
        };
        if request.method != stun::BINDING || request.class != Class::Request {
            // Indications keep a NAT open and want no answer (RFC 8445 §11); responses are to nothing we asked.
            self.shared.dropped.rubbish += u64::from(request.class != Class::Indication);
            return;
        }
        let name = request.fragments().and_then(|(ours, _)| Ufrag::try_from(ours).ok());
        let Some(owner) = name.and_then(|name| self.shared.by_ufrag.get(&name).copied()) else {
            self.shared.dropped.unproven += 1;
            return;
        };
        let Some(Some(call)) = self.calls.get_mut(owner.slot as usize) else { return };
        let id = call.id;
        let Some(browser) = call.leg(owner.leg).browser.as_deref_mut() else { return };
        let before: SmallVec<[Way; 8]> = browser.agent.paths().collect();
        let keys: SmallVec<[Ufrag; 2]> = browser.agent.keys().collect();
        let mut answer = Vec::new();
        let checked = browser.agent.check(now, from, &request, &mut answer);
        if checked == Checked::Stranger {
            self.shared.dropped.unproven += 1;
            return;
        }
        if let Checked::Fine { .. } = checked {
            // A restart that was completed, or a path that had to make room.
            for way in before.iter().filter(|w| !browser.agent.is_checked(**w)) {
                self.shared.by_way.remove(way);
            }
            for key in keys.iter().filter(|k| !browser.agent.keys().any(|known| known == **k)) {
                self.shared.by_ufrag.remove(key);
            }
            self.shared.arm(id, owner.leg, browser);
            if browser.agent.is_checked(from) {
                // Whoever proved itself there last has the address: a NAT gives it to another browser in time.
                let was = self.shared.by_way.insert(from, owner);
                if let Some(was) = was.filter(|was| *was != owner)
                    && let Some(browser) = self.browser(was)
                {
                    browser.agent.lose(from);
                }
            }
        }
        self.say(from, answer);
    }

    fn handshake_received(&mut self, now: Instant, owner: Owner, from: Way, datagram: &[u8]) {
        let mut flight: SmallVec<[Vec<u8>; 4]> = SmallVec::new();
        let Some(browser) = self.browser(owner) else { return };
        browser.session.received(now, datagram, |bytes| flight.push(bytes.to_vec()));
        // Back to where it came from: that path is checked, and the nomination may still be on its way.
        for bytes in flight {
            self.say(from, bytes);
        }
        self.handshake_went_on(owner);
    }

    /// Takes the keys when there are any, and sees to the next timer.
    pub(crate) fn handshake_went_on(&mut self, owner: Owner) {
        let Some(Some(call)) = self.calls.get_mut(owner.slot as usize) else { return };
        let id = call.id;
        let leg = call.leg(owner.leg);
        let Some(browser) = leg.browser.as_deref_mut() else { return };
        if let Some(material) = browser.session.take_material() {
            leg.cover = Cover::of_keys(&material.theirs, &material.ours);
        } else if browser.session.state() != State::Secure {
            leg.cover = Cover::Closed;
        }
        self.shared.arm(id, owner.leg, browser);
    }

    fn say(&mut self, to: Way, bytes: Vec<u8>) {
        let Some(port) = self.shared.port.filter(|_| !bytes.is_empty()) else { return };
        if !self.transmit(Transmit { port, to: to.address, via: to.via, bytes }) {
            self.shared.dropped.unsaid += 1;
        }
    }

    /// Flights to repeat, consent that ran out.
    pub(crate) fn browsers_timeout(&mut self, now: Instant) {
        while self.shared.next_due().is_some_and(|at| at <= now) {
            let Some(Reverse((at, id, leg))) = self.shared.timers.pop() else { return };
            let Some(slot) = self.slot_of(id) else { continue };
            let owner = Owner { slot, leg };
            let Some(browser) = self.browser(owner) else { continue };
            if browser.due != Some(at) {
                continue;
            }
            browser.due = None;
            let mut flight: SmallVec<[Vec<u8>; 4]> = SmallVec::new();
            if browser.session.deadline().is_some_and(|d| d <= now) {
                browser.session.timeout(now, |bytes| flight.push(bytes.to_vec()));
            }
            let before: SmallVec<[Way; 8]> = browser.agent.paths().collect();
            browser.agent.expire(now);
            let target = browser.agent.target();
            let gone: SmallVec<[Way; 8]> =
                before.into_iter().filter(|w| !browser.agent.is_checked(*w)).collect();
            for way in gone {
                self.shared.by_way.remove(&way);
            }
            for bytes in flight {
                if let Some(to) = target {
                    self.say(to, bytes);
                }
            }
            self.handshake_went_on(owner);
        }
    }
}
