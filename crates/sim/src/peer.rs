//! A SIP peer without a socket: it takes and makes calls on our own `Ua` and talks RTP. Phones and trunks are made of it.
//!
//! Bytes go in by `handle` and `handle_rtp`, come out of `poll_output`; `deadline` says when `timeout` has something to
//! do. What happened is told by `poll_event` and read from `calls`.

mod call;
mod receive;

pub use call::{Manner, PeerCall, Phase};
pub use receive::user_of;

use crate::audio::{Sound, Stream};
use crate::chance::Chance;
use crate::sdp::{self, Direction};
use bytes::Bytes;
use sip::digest::Answerer;
use sip::ua::{ClientKey, DialogKey, Local, Parties, Target, Timers, Ua, UaConfig};
use sip::{Draft, Method};
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;
use terms::{Flow, Instant, Now, Secret, Transport};

/// Ended calls that are remembered for questions.
const ENDED_MAX: usize = 32;

#[derive(Clone, Debug)]
pub struct PeerConfig {
    /// User part of From and Contact; the digest user too.
    pub user: String,
    pub password: Secret,
    /// Host part of From and of the numbers called.
    pub domain: String,
    /// Where SIP is sent.
    pub server: SocketAddr,
    pub sip: SocketAddr,
    /// One address for the audio of all calls; streams are told apart by where they come from.
    pub rtp: SocketAddr,
    pub transport: Transport,
    pub product: String,
    pub sound: Sound,
    /// Between RTP packets; 20 ms in life.
    pub pace: Duration,
    pub timers: Timers,
    /// Keys tags, branches and stream ids.
    pub seed: u64,
    /// Calls at once; one more is busy.
    pub calls_max: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub enum PeerOutput {
    Sip(Flow, Vec<u8>),
    Rtp { to: SocketAddr, bytes: Vec<u8> },
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PeerCallId(pub u32);

#[derive(Clone, Debug, PartialEq)]
pub enum PeerEvent {
    Registered,
    /// The status of the refusal; 408 where nobody answered.
    NotRegistered(u16),
    /// A call came in and rings here.
    Rings(PeerCallId),
    /// The far end rings or speaks before the answer.
    Progress(PeerCallId, u16),
    Answered(PeerCallId),
    Ended(PeerCallId),
}

pub struct Peer {
    pub config: PeerConfig,
    pub(crate) ua: Ua,
    pub(crate) flow: Flow,
    pub(crate) calls: Vec<PeerCall>,
    out: VecDeque<PeerOutput>,
    pub(crate) events: VecDeque<PeerEvent>,
    pub(crate) chance: Chance,
    next_call: u32,
    alive: bool,
    manner: Manner,
    /// By the number called, or by its end where the key begins with `*`.
    manners: BTreeMap<String, Manner>,
    pub(crate) answerer: Answerer,
}

impl Peer {
    pub fn new(config: PeerConfig) -> Peer {
        let mut chance = Chance::new(config.seed);
        let flow = Flow {
            transport: config.transport,
            local: config.sip,
            peer: config.server,
            connection: terms::ConnectionId(u64::from(config.transport.is_reliable())),
        };
        let ua = new_ua(&config, &mut chance);
        let answerer = Answerer::new(config.user.clone(), config.password.clone());
        Peer {
            config,
            ua,
            flow,
            calls: Vec::new(),
            out: VecDeque::new(),
            events: VecDeque::new(),
            chance,
            next_call: 1,
            alive: true,
            manner: Manner::rings(),
            manners: BTreeMap::new(),
            answerer,
        }
    }

    pub fn calls(&self) -> &[PeerCall] {
        &self.calls
    }
    pub fn call(&self, id: PeerCallId) -> Option<&PeerCall> {
        self.calls.iter().find(|c| c.id == id)
    }
    pub(crate) fn call_mut(&mut self, id: PeerCallId) -> Option<&mut PeerCall> {
        self.calls.iter_mut().find(|c| c.id == id)
    }
    /// Calls that are not over.
    pub fn live(&self) -> impl Iterator<Item = &PeerCall> {
        self.calls.iter().filter(|c| c.phase != Phase::Ended)
    }
    pub fn is_alive(&self) -> bool {
        self.alive
    }

    /// The plug is pulled: nothing is sent any more, nothing heard.
    pub fn dies(&mut self) {
        self.alive = false;
        self.out.clear();
        for call in &mut self.calls {
            call.phase = Phase::Ended;
            call.stream = None;
            // The next life of the phone counts its transactions anew.
            (call.invite_sent, call.invite_got, call.reinvite, call.dialog) = (None, None, None, None);
        }
    }

    /// Comes up again and remembers nothing of its calls.
    pub fn boots(&mut self) {
        self.dies();
        self.alive = true;
        self.ua = new_ua(&self.config, &mut self.chance);
    }

    /// One SIP message from `from`.
    pub fn handle(&mut self, now: Now, from: SocketAddr, bytes: &[u8]) -> Option<Answer> {
        if !self.alive || self.swallows(bytes) {
            return None;
        }
        let flow = Flow { peer: from, ..self.flow };
        let answer = self.receive(now, flow, bytes);
        self.drain();
        answer
    }

    pub fn handle_rtp(&mut self, now: Now, from: SocketAddr, packet: &[u8]) {
        if !self.alive {
            return;
        }
        for call in &mut self.calls {
            if let Some(stream) = call.stream.as_mut().filter(|s| s.remote == from) {
                stream.hear(now.instant, packet);
            }
        }
    }

    pub fn poll_output(&mut self) -> Option<PeerOutput> {
        self.out.pop_front()
    }
    pub fn poll_event(&mut self) -> Option<PeerEvent> {
        self.events.pop_front()
    }

    pub fn deadline(&self) -> Option<Instant> {
        if !self.alive {
            return None;
        }
        let calls = self.live().filter_map(PeerCall::deadline);
        calls.chain(self.ua.deadline()).min()
    }

    /// Lets time pass. Returns requests of the owner that nobody answered.
    pub fn timeout(&mut self, now: Now) -> Vec<ClientKey> {
        if !self.alive {
            return Vec::new();
        }
        self.ua.timeout(now);
        let strange = self.expired(now);
        let due: Vec<PeerCallId> = self.calls.iter().map(|c| c.id).collect();
        for id in due {
            self.call_timeout(now, id);
        }
        self.drain();
        strange
    }

    fn call_timeout(&mut self, now: Now, id: PeerCallId) {
        let Some(call) = self.call_mut(id).filter(|c| c.phase != Phase::Ended) else { return };
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now.instant);
        if is_due(call.answer_at) {
            call.answer_at = None;
            self.answer(now, id);
            return self.call_timeout(now, id);
        }
        if is_due(call.hang_up_at) {
            call.hang_up_at = None;
            return self.hang_up(now, id);
        }
        if let Some(stream) = &mut call.stream {
            let to = stream.remote;
            if let Some(bytes) = stream.poll(now.instant) {
                self.out.push_back(PeerOutput::Rtp { to, bytes });
            }
        }
    }

    /// Calls a number of the server's domain, or a whole URI.
    pub fn dial(&mut self, now: Now, number: &str) -> PeerCallId {
        let from = self.config.user.clone();
        self.dial_as(now, number, &from)
    }

    /// The same with another From user, as trunks do.
    pub fn dial_as(&mut self, now: Now, number: &str, from: &str) -> PeerCallId {
        let id = PeerCallId(self.next_call);
        self.next_call += 1;
        self.forget_old();
        let call = PeerCall::outgoing(id, number, from);
        self.calls.push(call);
        self.invite(now, id, None);
        self.drain();
        id
    }

    /// Sends the INVITE, again with credentials after a challenge.
    pub(crate) fn invite(&mut self, now: Now, id: PeerCallId, auth: Option<(&str, String)>) {
        let (domain, server) = (self.config.domain.clone(), self.flow);
        let call_id = format!("{:016x}@{}", self.chance.next_u64(), self.config.sip.ip());
        self.with_call(id, |c| c.call_id = call_id.clone());
        let Some(call) = self.call(id) else { return };
        let uri = if call.with.starts_with("sip:") {
            call.with.clone()
        } else {
            format!("sip:{}@{domain}", call.with)
        };
        let parties = Parties {
            from: format!("<sip:{}@{domain}>", call.from),
            to: format!("<{uri}>"),
            call_id: Some(call_id),
            contact_user: self.config.user.clone(),
            max_forwards: 70,
        };
        let sdp = sdp::write(self.config.rtp, 1, Direction::SendRecv);
        let mut draft = Draft::request(Method::Invite).sdp(Bytes::from(sdp));
        if let Some((name, value)) = auth {
            draft = draft.header(name, value);
        }
        let target = Target { flow: server, uri, route: Vec::new() };
        match self.ua.request(now, target, parties, draft) {
            Ok(key) => self.with_call(id, |c| c.invite_sent = Some(key)),
            Err(_) => self.ended(id, 503, None),
        }
    }

    /// Hangs up, cancels or declines, whichever it is time for.
    pub fn hang_up(&mut self, now: Now, id: PeerCallId) {
        let Some(call) = self.call_mut(id) else { return };
        call.hung_up_here = true;
        let (invite_sent, invite_got) = (call.invite_sent, call.invite_got);
        match (call.phase, call.dialog) {
            (Phase::Up, Some(dialog)) => {
                let _ = self.ua.request_in_dialog(now, dialog, Draft::request(Method::Bye));
                self.ended(id, 200, None);
            }
            (Phase::Calling | Phase::Ringing, _) => match (invite_sent, invite_got) {
                // The call ends when the 487 comes, or as a call that was answered too late.
                (Some(invite), _) => self.ua.cancel(now, invite, None),
                (_, Some(key)) => {
                    let _ = self.ua.respond(now, key, Draft::response(603));
                    self.ended(id, 603, None);
                }
                _ => self.ended(id, 487, None),
            },
            _ => {}
        }
        self.drain();
    }

    /// Takes a call that rings.
    pub fn answer(&mut self, now: Now, id: PeerCallId) {
        let rtp = self.config.rtp;
        let Some(call) = self.call_mut(id).filter(|c| c.phase == Phase::Ringing) else { return };
        let Some(key) = call.invite_got else { return };
        call.answer_at = None;
        let way = call.remote.as_ref().map_or(Direction::SendRecv, |r| r.direction.answered());
        call.version += 1;
        let sdp = sdp::write(rtp, call.version, way);
        match self.ua.respond(now, key, Draft::response(200).sdp(Bytes::from(sdp))) {
            Ok(dialog) => {
                let talk_s = self.call(id).and_then(|c| c.manner.hang_up_after);
                self.with_call(id, |c| {
                    c.phase = Phase::Up;
                    c.dialog = dialog.or(c.dialog);
                    c.answered = Some(now.instant);
                    c.hang_up_at = talk_s.map(|d| now.instant + d);
                });
                self.start_stream(now, id);
                self.events.push_back(PeerEvent::Answered(id));
            }
            Err(_) => self.ended(id, 408, None),
        }
        self.drain();
    }

    /// Puts the far end on hold, or takes it back, by re-INVITE (RFC 3264 §8.4).
    pub fn hold(&mut self, now: Now, id: PeerCallId, held: bool) {
        let rtp = self.config.rtp;
        let way = if held { Direction::SendOnly } else { Direction::SendRecv };
        let Some(call) = self.call_mut(id).filter(|c| c.phase == Phase::Up) else { return };
        let Some(dialog) = call.dialog else { return };
        call.version += 1;
        call.way_asked = way;
        let sdp = sdp::write(rtp, call.version, way);
        let draft = Draft::request(Method::Invite).sdp(Bytes::from(sdp));
        if let Ok(key) = self.ua.request_in_dialog(now, dialog, draft) {
            self.with_call(id, |c| c.reinvite = Some(key));
        }
        self.drain();
    }

    /// Asks that `number` take this phone's place in the call (RFC 5589 §6).
    pub fn refer(&mut self, now: Now, id: PeerCallId, number: &str) {
        let to = format!("<sip:{number}@{}>", self.config.domain);
        let Some(dialog) = self.call(id).filter(|c| c.phase == Phase::Up).and_then(|c| c.dialog) else {
            return;
        };
        let _ = self.ua.request_in_dialog(now, dialog, Draft::request(Method::Refer).header("Refer-To", to));
        self.drain();
    }

    /// Presses a key during a call (RFC 4733).
    pub fn press(&mut self, id: PeerCallId, digit: char) {
        if let Some(stream) = self.call_mut(id).and_then(|c| c.stream.as_mut()) {
            stream.press(digit);
        }
    }

    pub(crate) fn start_stream(&mut self, now: Now, id: PeerCallId) {
        let (pace, ssrc, own) = (self.config.pace, self.chance.next_u64() as u32, self.config.sound);
        let Some(call) = self.call_mut(id) else { return };
        let Some(remote) = call.remote.clone() else { return };
        let sound = call.manner.sound.unwrap_or(own);
        match &mut call.stream {
            Some(stream) => stream.update(&remote, remote.direction.answered()),
            None => call.stream = Some(Stream::new(now.instant, &remote, sound, pace, ssrc)),
        }
    }

    pub(crate) fn with_call(&mut self, id: PeerCallId, change: impl FnOnce(&mut PeerCall)) {
        if let Some(call) = self.call_mut(id) {
            change(call);
        }
    }

    /// The one way out of a call. Harmless to call again.
    pub(crate) fn ended(&mut self, id: PeerCallId, status: u16, reason: Option<String>) {
        let Some(call) = self.call_mut(id).filter(|c| c.phase != Phase::Ended) else { return };
        call.phase = Phase::Ended;
        call.status = status;
        call.reason = call.reason.take().or(reason);
        call.deaf();
        self.events.push_back(PeerEvent::Ended(id));
    }

    pub(crate) fn add_call(&mut self, build: impl FnOnce(PeerCallId) -> PeerCall) -> PeerCallId {
        let id = PeerCallId(self.next_call);
        self.next_call += 1;
        self.forget_old();
        self.calls.push(build(id));
        id
    }

    fn forget_old(&mut self) {
        while self.calls.iter().filter(|c| c.phase == Phase::Ended).count() > ENDED_MAX {
            if let Some(oldest) = self.calls.iter().position(|c| c.phase == Phase::Ended) {
                self.calls.remove(oldest);
            }
        }
    }

    pub(crate) fn of_dialog(&self, dialog: DialogKey) -> Option<PeerCallId> {
        self.calls.iter().find(|c| c.dialog == Some(dialog)).map(|c| c.id)
    }

    pub(crate) fn drain(&mut self) {
        while let Some((flow, bytes)) = self.ua.poll_output() {
            self.out.push_back(PeerOutput::Sip(flow, bytes));
        }
    }
}

/// A response to a request that the owner of the peer made (REGISTER), handed back to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub key: ClientKey,
    pub status: u16,
    pub expires: Option<u32>,
    pub min_expires: Option<u32>,
    pub retry_after: Option<u32>,
    /// It was a challenge, and our credentials can answer it.
    pub challenged: bool,
    pub contacts: Vec<String>,
}

fn new_ua(config: &PeerConfig, chance: &mut Chance) -> Ua {
    Ua::new(UaConfig {
        locals: vec![Local { transport: config.transport, bound: config.sip, advertised: config.sip }],
        product: config.product.clone(),
        seed: chance.key(),
        timers: config.timers,
        transactions_max: 1_000,
        dialogs_max: 1_000,
    })
}
