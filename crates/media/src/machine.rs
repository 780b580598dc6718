//! The machine: what it is made of and how it is driven.
//!
//! Whoever drives it hands in commands, packets and time, then takes out socket changes *before* events: a port that
//! cannot be opened is reported with [`Machine::socket_failed`], and the description that would have named it is
//! written with another one.

use crate::agenda::Agenda;
use crate::browsers::SharedPort;
use crate::chance::Chance;
use crate::cover::Cover;
use crate::dtls::Identity;
use crate::leg::LegState;
use crate::negotiate::Said;
use crate::ports::Ports;
use crate::sdp::{Crypto, Draft, Ours};
use crate::watch::Watch;
use ahash::RandomState;
use smallvec::SmallVec;
use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use terms::{CallId, Instant, Leg, MediaEvent, MediaFailure, PortKind, Turn};

/// Open offers of one call: both sides at once (glare), each with one that was given up without a word.
const PENDING_MAX: usize = 4;

/// Pairs tried for one leg when other programs sit on our ports.
const SOCKET_TRIES_MAX: u8 = 8;

/// Which part of the port range a machine uses when several share it: every `of`-th pair, beginning with `index`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    pub index: u16,
    pub of: u16,
}

impl Share {
    pub const ALL: Share = Share { index: 0, of: 1 };
}

#[derive(Clone, Debug)]
pub struct MediaConfig {
    /// The address written into our descriptions.
    pub advertise: IpAddr,
    /// The same for peers of the other family, where the host has both.
    pub advertise_other: Option<IpAddr>,
    /// Even ports carry RTP, the odd ones above them RTCP.
    pub ports: RangeInclusive<u16>,
    pub share: Share,
    /// The port browsers share, for the first of several machines; the others take the numbers above it. Nothing: no
    /// browsers.
    pub webrtc_port: Option<u16>,
    /// The addresses browsers are told to come to, where it is not just `advertise` (a host with several, or behind a
    /// NAT that maps one to one).
    pub candidates: Vec<IpAddr>,
    /// They are told of the same number over TCP too, for networks that let no UDP through (RFC 6544).
    pub webrtc_tcp: bool,
    /// The certificate browsers are shown; one for all machines of a process.
    pub identity: Option<Identity>,
    /// Let a phone that fell silent come back from another host of its /24 (a NAT with several addresses).
    pub roam_24: bool,
}

impl MediaConfig {
    /// Twenty thousand ports below the ones Linux gives out for outgoing connections.
    pub fn new(advertise: IpAddr) -> MediaConfig {
        MediaConfig {
            advertise,
            advertise_other: None,
            ports: 10_000..=29_999,
            share: Share::ALL,
            webrtc_port: None,
            candidates: Vec::new(),
            webrtc_tcp: false,
            identity: None,
            roam_24: false,
        }
    }

    /// This machine's port for browsers.
    pub fn own_webrtc_port(&self) -> Option<u16> {
        self.webrtc_port?.checked_add(self.share.index)
    }

    /// Where browsers may come, as host candidates.
    pub(crate) fn candidates(&self) -> Vec<IpAddr> {
        match self.candidates.as_slice() {
            [] => [Some(self.advertise), self.advertise_other].into_iter().flatten().collect(),
            list => list.to_vec(),
        }
    }

    /// Our address for a peer of the given family.
    pub(crate) fn advertise_to(&self, v6: Option<bool>) -> IpAddr {
        match v6 {
            Some(v6) if v6 != self.advertise.is_ipv6() => {
                self.advertise_other.filter(|a| a.is_ipv6() == v6).unwrap_or(self.advertise)
            }
            _ => self.advertise,
        }
    }
}

/// How a packet travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Via {
    #[default]
    Udp,
    /// A frame of a connection a browser opened to us (RFC 6544, RFC 4571).
    Tcp,
}

/// Send the first `len` bytes of the buffer from our `port` to `to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forward {
    pub port: u16,
    pub to: SocketAddr,
    pub len: usize,
    pub via: Via,
}

impl Forward {
    pub fn datagram(port: u16, to: SocketAddr, len: usize) -> Forward {
        Forward { port, to, len, via: Via::Udp }
    }
}

/// Something we say of our own accord: an answer to a check, a flight of a handshake, a report, a tone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    pub port: u16,
    pub to: SocketAddr,
    pub via: Via,
    pub bytes: Vec<u8>,
}

/// What waits to be sent of our own accord; more is dropped, as a network would. A worker empties it after each batch,
/// so only a flood fills it.
const TRANSMITS_MAX: usize = 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketOp {
    Open(u16),
    Close(u16),
}

pub struct Machine {
    pub(crate) config: MediaConfig,
    pub(crate) chance: Chance,
    pub(crate) ports: Ports,
    pub(crate) calls: Vec<Option<Call>>,
    free: Vec<u32>,
    by_id: HashMap<CallId, u32, RandomState>,
    /// By port less the first of the range: whose it is.
    by_port: Vec<Option<Owner>>,
    pub(crate) shared: SharedPort,
    events: VecDeque<Queued>,
    transmits: VecDeque<Transmit>,
    sockets: VecDeque<SocketOp>,
    pub(crate) watch: Watch,
    pub(crate) agenda: Agenda,
}

/// Whose port it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Owner {
    pub slot: u32,
    pub leg: Leg,
}

pub(crate) struct Call {
    pub id: CallId,
    pub a: LegState,
    pub b: LegState,
    pub pending: SmallVec<[Box<Pending>; 2]>,
    pub socket_tries: u8,
}

/// An offer that waits for its answer, and for more of them from other forks.
pub(crate) struct Pending {
    pub turn: Turn,
    pub from: Leg,
    pub offer: Said,
    pub source: IpAddr,
    pub told: Draft,
}

/// An event on its way out. Descriptions are written at the last moment, when the ports are known to be open.
pub(crate) enum Queued {
    Event(MediaEvent),
    Say { call: CallId, turn: Turn, to: Leg, draft: Box<Draft> },
}

impl Call {
    pub fn leg(&mut self, leg: Leg) -> &mut LegState {
        match leg {
            Leg::A => &mut self.a,
            Leg::B => &mut self.b,
        }
    }

    /// The leg and the one opposite.
    pub fn both(&mut self, leg: Leg) -> (&mut LegState, &mut LegState) {
        match leg {
            Leg::A => (&mut self.a, &mut self.b),
            Leg::B => (&mut self.b, &mut self.a),
        }
    }

    /// A new offer; the same one again replaces itself, and the oldest makes room.
    pub fn remember(&mut self, pending: Box<Pending>) {
        self.pending.retain(|p| p.turn != pending.turn);
        if self.pending.len() >= PENDING_MAX {
            self.pending.remove(0);
        }
        self.pending.push(pending);
    }
}

impl Machine {
    /// `seed` decides ports, SSRCs and first sequence numbers; draw it from the operating system.
    pub fn new(config: MediaConfig, seed: [u8; 32]) -> Machine {
        let mut chance = Chance::new(seed);
        let mut key = || u64::from(chance.next_u32()) << 32 | u64::from(chance.next_u32());
        let hasher = RandomState::with_seeds(key(), key(), key(), key());
        let span = usize::from(config.ports.end().saturating_sub(*config.ports.start())) + 1;
        let shared = SharedPort::new(config.own_webrtc_port(), config.identity.clone(), hasher.clone());
        let mut ports = Ports::new(&config.ports, config.share);
        if let Some(first) = config.webrtc_port {
            // Those of the other machines as well.
            ports.leave_out(first..=first.saturating_add(config.share.of.saturating_sub(1)));
        }
        Machine {
            ports,
            by_port: vec![None; span],
            sockets: shared.port.map(SocketOp::Open).into_iter().collect(),
            shared,
            config,
            chance,
            calls: Vec::new(),
            free: Vec::new(),
            by_id: HashMap::with_hasher(hasher),
            events: VecDeque::new(),
            transmits: VecDeque::new(),
            watch: Watch::default(),
            agenda: Agenda::default(),
        }
    }

    /// The next socket to open or close. To be emptied before [`Machine::poll_event`].
    pub fn poll_socket(&mut self) -> Option<SocketOp> {
        self.sockets.pop_front()
    }

    pub fn poll_event(&mut self) -> Option<MediaEvent> {
        loop {
            match self.events.pop_front()? {
                Queued::Event(event) => return Some(event),
                Queued::Say { call, turn, to, draft } => {
                    // A call released meanwhile has nothing to say any more.
                    let Some(slot) = self.slot_of(call) else { continue };
                    let config = &self.config;
                    let Some(Some(found)) = self.calls.get_mut(slot as usize) else { continue };
                    let leg = found.leg(to);
                    let sdp = leg.say(&draft, config.advertise_to(leg.v6));
                    return Some(MediaEvent::Sdp { call, turn, to, sdp });
                }
            }
        }
    }

    /// The next packet that leaves of our own accord. To be emptied after every other call.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    /// False when there is no room and the packet is lost.
    pub(crate) fn transmit(&mut self, packet: Transmit) -> bool {
        let room = self.transmits.len() < TRANSMITS_MAX;
        if room {
            self.transmits.push_back(packet);
        }
        room
    }

    /// A port of an `Open` could not be opened (somebody else has it). Another pair is drawn for the leg.
    pub fn socket_failed(&mut self, now: Instant, port: u16) {
        if self.shared.port == Some(port) {
            // Without it there are no browsers; everybody else is served.
            self.shared.port = None;
            return;
        }
        let Some(owner) = self.owner(port) else { return };
        let pair = port & !1;
        self.unmap(pair);
        self.withdraw(pair, port);
        self.ports.give_broken(now, pair);
        let Some(Some(call)) = self.calls.get_mut(owner.slot as usize) else { return };
        call.socket_tries = call.socket_tries.saturating_add(1);
        let again = call.socket_tries <= SOCKET_TRIES_MAX;
        let id = call.id;
        match again.then(|| self.ports.take(now, &mut self.chance)).flatten() {
            Some(fresh) => {
                if let Some(Some(call)) = self.calls.get_mut(owner.slot as usize) {
                    call.leg(owner.leg).port = fresh;
                }
                self.open_pair(fresh, owner);
            }
            None => {
                let turns: Vec<Turn> = self.said_turns(id);
                // The failed leg keeps no port; the other one's goes back with the call.
                if let Some(Some(call)) = self.calls.get_mut(owner.slot as usize) {
                    call.leg(owner.leg).port = 0;
                }
                self.forget(owner.slot);
                for turn in turns {
                    self.event(MediaEvent::Failed { call: id, turn, why: MediaFailure::NoPorts });
                }
            }
        }
    }

    /// When [`Machine::timeout`] is to be called, if at all.
    pub fn deadline(&self) -> Option<Instant> {
        [self.watch.next(), self.agenda.next(), self.shared.next_due()].into_iter().flatten().min()
    }

    /// Calls it holds.
    pub fn calls(&self) -> usize {
        self.by_id.len()
    }

    pub fn has_call(&self, call: CallId) -> bool {
        self.by_id.contains_key(&call)
    }

    /// The even ports in use, for whoever checks that each exists exactly while its call does.
    pub fn ports_in_use(&self) -> impl Iterator<Item = u16> + '_ {
        self.ports.out()
    }

    /// Our port towards a leg, as its descriptions name it: an even one of its own, or the one browsers share.
    pub fn port_of(&self, call: CallId, leg: Leg) -> Option<u16> {
        let call = self.calls.get(self.slot_of(call)? as usize)?.as_ref()?;
        Some(match leg {
            Leg::A => call.a.port,
            Leg::B => call.b.port,
        })
    }

    pub(crate) fn slot_of(&self, call: CallId) -> Option<u32> {
        self.by_id.get(&call).copied()
    }

    pub(crate) fn event(&mut self, event: MediaEvent) {
        self.events.push_back(Queued::Event(event));
    }

    pub(crate) fn queue(&mut self, queued: Queued) {
        self.events.push_back(queued);
    }

    #[inline]
    pub(crate) fn owner(&self, port: u16) -> Option<Owner> {
        *self.by_port.get(usize::from(port.checked_sub(*self.config.ports.start())?))?
    }

    /// A new call, whose legs get their ports as they are told what they are.
    pub(crate) fn begin(&mut self, id: CallId) -> u32 {
        let roam = self.config.roam_24;
        let call = Call {
            id,
            a: LegState::new(roam, &mut self.chance),
            b: LegState::new(roam, &mut self.chance),
            pending: SmallVec::new(),
            socket_tries: 0,
        };
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => {
                self.calls.push(None);
                // There are fewer calls than ports, so a slot number always fits.
                (self.calls.len() - 1) as u32
            }
        };
        if let Some(place) = self.calls.get_mut(slot as usize) {
            *place = Some(call);
        }
        self.by_id.insert(id, slot);
        slot
    }

    /// Gives a leg what its kind needs and takes back what it had as another: a pair of ports of its own, or a name at
    /// the port all browsers share.
    pub(crate) fn provide(&mut self, now: Instant, owner: Owner, kind: PortKind) -> Result<(), MediaFailure> {
        let Some(Some(call)) = self.calls.get_mut(owner.slot as usize) else {
            return Err(MediaFailure::NoPorts);
        };
        let leg = call.leg(owner.leg);
        match (kind, &leg.browser) {
            (PortKind::WebRtc, Some(_)) => {}
            (PortKind::WebRtc, None) => {
                let begun = self.shared.begin(now, owner, &mut self.chance).ok_or(MediaFailure::NoPorts)?;
                let port = self.shared.port.ok_or(MediaFailure::NoPorts)?;
                let pair = std::mem::replace(&mut leg.port, port);
                leg.browser = Some(begun);
                leg.cover = Cover::Closed;
                if pair != 0 {
                    self.give_pair(pair);
                }
            }
            (_, None) if leg.port != 0 => {}
            (_, _) => {
                let pair = self.ports.take(now, &mut self.chance).ok_or(MediaFailure::NoPorts)?;
                leg.port = pair;
                leg.cover = Cover::Plain;
                if let Some(was) = leg.browser.take() {
                    self.shared.end(&was);
                }
                self.open_pair(pair, owner);
            }
        }
        Ok(())
    }

    /// What we are to a leg of this kind.
    pub(crate) fn ours(&mut self, owner: Owner, kind: PortKind) -> Result<Ours, MediaFailure> {
        let Some(Some(call)) = self.calls.get_mut(owner.slot as usize) else {
            return Err(MediaFailure::NoPorts);
        };
        let leg = call.leg(owner.leg);
        match kind {
            PortKind::Rtp => Ok(Ours::Plain),
            PortKind::OptionalSrtp | PortKind::Srtp => {
                if leg.cryptos.is_empty() {
                    leg.cryptos = Crypto::ours(&mut self.chance);
                }
                Ok(Ours::Sdes(leg.cryptos.clone()))
            }
            PortKind::WebRtc => {
                let browser = leg.browser.as_ref().ok_or(MediaFailure::NoPorts)?;
                self.shared.our_side(browser, &self.config).ok_or(MediaFailure::NoPorts)
            }
        }
    }

    fn give_pair(&mut self, pair: u16) {
        self.unmap(pair);
        self.withdraw(pair, 0);
        self.ports.give(pair);
    }

    /// The one place a call ends: its ports are closed and given back here and nowhere else.
    pub(crate) fn forget(&mut self, slot: u32) -> Option<Call> {
        let call = self.calls.get_mut(slot as usize)?.take()?;
        self.by_id.remove(&call.id);
        self.free.push(slot);
        self.events.retain(|q| !matches!(q, Queued::Say { call: id, .. } if *id == call.id));
        for leg in [&call.a, &call.b] {
            match &leg.browser {
                Some(browser) => self.shared.end(browser),
                None if leg.port != 0 => self.give_pair(leg.port),
                None => {}
            }
        }
        Some(call)
    }

    fn open_pair(&mut self, port: u16, owner: Owner) {
        for p in [port, port.saturating_add(1)] {
            self.map(p, Some(owner));
            self.sockets.push_back(SocketOp::Open(p));
        }
    }

    /// Closes a pair, or takes back an `Open` nobody has acted upon. `failed` was never open.
    fn withdraw(&mut self, pair: u16, failed: u16) {
        for p in [pair, pair.saturating_add(1)] {
            let waiting = self.sockets.iter().position(|op| *op == SocketOp::Open(p));
            match waiting {
                Some(at) => drop(self.sockets.remove(at)),
                None if p == failed => {}
                None => self.sockets.push_back(SocketOp::Close(p)),
            }
        }
    }

    fn unmap(&mut self, pair: u16) {
        self.map(pair, None);
        self.map(pair.saturating_add(1), None);
    }

    fn map(&mut self, port: u16, owner: Option<Owner>) {
        let at = port.checked_sub(*self.config.ports.start()).map(usize::from);
        if let Some(place) = at.and_then(|at| self.by_port.get_mut(at)) {
            *place = owner;
        }
    }

    fn said_turns(&self, call: CallId) -> Vec<Turn> {
        self.events
            .iter()
            .filter_map(|q| match q {
                Queued::Say { call: id, turn, .. } if *id == call => Some(*turn),
                _ => None,
            })
            .collect()
    }
}
