//! The checkers: what must hold after every step, whatever happened. A violation is a sentence; the first one is the
//! one to read.

use super::Inner;
use sip::{Message, Name};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;
use terms::{AgentId, CallId, DeviceId, Flow, Instant};

/// A login row must have taken effect on calls within this (DESIGN: no leg of a stale epoch beyond a second).
const STALE_MAX: Duration = Duration::from_secs(1);
/// Between the end of a call and the return of its ports.
const PORTS_MAX: Duration = Duration::from_secs(1);
/// Answered transactions that are remembered, so that a doubled datagram opens no new question.
const ANSWERED_MAX: usize = 4_096;

/// A request by what tells it apart at the gateway: who sent it, its branch, its method.
type Question = (SocketAddr, String, String);

#[derive(Default)]
pub struct Watch {
    /// When a row about this agent last reached the gateway.
    pub news: BTreeMap<AgentId, Instant>,
    /// Streams that are open as far as the gateway was told.
    pub streams: BTreeSet<Flow>,
    asked: BTreeMap<Question, Instant>,
    answered: BTreeSet<Question>,
    answered_order: VecDeque<Question>,
    /// Every call the gateway ever listed.
    pub calls: BTreeSet<CallId>,
    /// Calls that media still holds and the gateway does not, since when.
    orphans: BTreeMap<CallId, Instant>,
    /// Calls that are where their agent is not, since when.
    stale: BTreeMap<(CallId, AgentId), Instant>,
    pub media_calls: BTreeSet<CallId>,
    pub violations: Vec<String>,
}

impl Watch {
    pub fn violate(&mut self, what: String) {
        if self.violations.len() < 100 {
            self.violations.push(what);
        }
    }

    /// The gateway was handed a request.
    pub fn asked(&mut self, now: Instant, flow: Flow, bytes: &[u8]) {
        let Ok(message) = Message::parse(bytes) else { return };
        if !message.is_request() || message.method_text() == "ACK" {
            return;
        }
        let Some(question) = question(flow, &message, message.method_text()) else { return };
        if !self.answered.contains(&question) {
            self.asked.entry(question).or_insert(now);
        }
    }

    /// The gateway sent something.
    pub fn sent(&mut self, flow: Flow, bytes: &[u8]) {
        if flow.transport.is_reliable() && !self.streams.contains(&flow) {
            let line = super::ladder::sip_line(bytes);
            self.violate(format!("sent on the closed flow {flow}: {line}"));
        }
        let Ok(message) = Message::parse(bytes) else {
            self.violate(format!(
                "the gateway sent what it cannot read: {:?}",
                String::from_utf8_lossy(bytes)
            ));
            return;
        };
        if message.is_request() || message.status() < 200 {
            return;
        }
        let Some(method) = message.cseq().map(|c| c.method) else { return };
        let Some(question) = question(flow, &message, method) else { return };
        if self.asked.remove(&question).is_some() {
            self.answered.insert(question.clone());
            self.answered_order.push_back(question);
            if self.answered_order.len() > ANSWERED_MAX
                && let Some(old) = self.answered_order.pop_front()
            {
                self.answered.remove(&old);
            }
        }
    }

    /// A stream closed: whoever asked over it can no longer be answered.
    pub fn closed(&mut self, flow: Flow) {
        self.streams.remove(&flow);
        self.asked.retain(|(peer, ..), _| *peer != flow.peer);
    }

    /// The gateway died, and its promises with it.
    pub fn crashed(&mut self) {
        self.asked.clear();
        self.streams.clear();
        self.orphans.clear();
        self.stale.clear();
        self.media_calls.clear();
    }

    pub fn questions(&self) -> impl Iterator<Item = String> + '_ {
        self.asked.iter().map(|((from, _, method), _)| format!("{method} from {from}"))
    }
}

fn question(flow: Flow, message: &Message<'_>, method: &str) -> Option<Question> {
    let via = message.header(Name::Via)?;
    let branch = via.split(';').find_map(|p| p.trim().strip_prefix("branch="))?;
    Some((flow.peer, branch.split(',').next()?.trim().to_owned(), method.to_owned()))
}

impl Inner {
    /// After every step.
    pub fn check(&mut self) {
        self.check_rows();
        self.check_answers();
        let Some(gateway) = &self.gateway else { return };
        let calls = gateway.calls();
        let now = self.now.instant;
        let mut found = Vec::new();

        // No leg of a stale epoch beyond a second after its row.
        let mut stale = BTreeMap::new();
        for call in &calls {
            self.watch.calls.insert(call.call);
            let (Some(agent), Some(device)) = (call.agent, call.device) else { continue };
            // Nobody's login ends a call for help.
            if call.to.reveal() == "112" {
                continue;
            }
            let sits = self.twin.open_login(agent).and_then(|l| l.place.device());
            if sits != Some(device) {
                let since = self.watch.stale.get(&(call.call, agent)).copied().unwrap_or(now);
                stale.insert((call.call, agent), since);
                let told = self.watch.news.get(&agent).copied().unwrap_or(now).max(since);
                if now.since(told) > STALE_MAX {
                    found.push(format!("call {} of agent {agent} is still at device {device}", call.call));
                }
            }
        }
        self.watch.stale = stale;

        // A port exists exactly while its call does.
        let live: BTreeSet<CallId> = calls.iter().map(|c| c.call).collect();
        let held: Vec<CallId> =
            self.watch.media_calls.iter().copied().filter(|c| self.media.has_call(*c)).collect();
        self.watch.media_calls.retain(|c| self.media.has_call(*c));
        self.watch.orphans.retain(|c, _| held.contains(c) && !live.contains(c));
        for call in held.into_iter().filter(|c| !live.contains(c)) {
            let since = *self.watch.orphans.entry(call).or_insert(now);
            if now.since(since) > PORTS_MAX {
                found.push(format!("the ports of call {call} outlive it"));
            }
        }
        if self.media.ports_in_use().count() > 2 * self.media.calls() {
            found.push("ports are out that belong to no call".into());
        }

        // Bounded tables, and indexes equal a rebuild.
        if gateway.registrar().len() > self.phones.len() * registrar::BINDINGS_PER_AOR_MAX {
            found.push(format!("{} bindings for {} phones", gateway.registrar().len(), self.phones.len()));
        }
        if let Err(why) = gateway.registrar().check_indexes() {
            found.push(format!("registrar: {why}"));
        }
        let mut seen: BTreeMap<DeviceId, AgentId> = BTreeMap::new();
        for login in gateway.seats().iter() {
            let Some(device) = login.place.device() else { continue };
            if let Some(other) = seen.insert(device, login.agent) {
                found.push(format!("the gateway seats {other} and {} at {device}", login.agent));
            }
        }
        for what in found {
            self.watch.violate(what);
        }
    }

    /// One login per agent and device, in the rows.
    fn check_rows(&mut self) {
        let (mut agents, mut devices) = (BTreeSet::new(), BTreeSet::new());
        let mut found = std::mem::take(&mut self.twin.violations);
        for login in self.twin.logins.iter().filter(|l| l.ended.is_none()) {
            if !agents.insert(login.agent) {
                found.push(format!("agent {} is logged in twice", login.agent));
            }
            if login.place.device().is_some_and(|d| !devices.insert(d)) {
                found.push(format!("two agents sit at {:?}", login.place));
            }
        }
        for what in found {
            self.watch.violate(what);
        }
    }

    /// Every server transaction is answered: an INVITE when ringing is over at the latest, all else before the peer gives up.
    fn check_answers(&mut self) {
        let (now, ring) = (self.now.instant, self.options.ring_max);
        let late: Vec<Question> = self
            .watch
            .asked
            .iter()
            .filter(|((_, _, method), at)| {
                let max = if method == "INVITE" {
                    ring * 3 + Duration::from_secs(70)
                } else {
                    Duration::from_secs(32)
                };
                now.since(**at) > max
            })
            .map(|(question, _)| question.clone())
            .collect();
        for question in late {
            self.watch.asked.remove(&question);
            self.watch.violate(format!("{} from {} was never answered", question.2, question.0));
        }
    }

    /// When everybody has hung up and two minutes have passed, nothing is left.
    pub fn check_rest(&mut self) {
        self.check();
        let mut found: Vec<String> = self.watch.questions().map(|q| format!("{q} still waits")).collect();
        if let Some(gateway) = &self.gateway {
            for call in gateway.calls() {
                found.push(format!("call {} is still there", call.call));
            }
            if gateway.call_tables().iter().any(|n| *n != 0) {
                found.push(format!("call tables are not empty: {:?}", gateway.call_tables()));
            }
        }
        if self.media.calls() != 0 || self.media.ports_in_use().next().is_some() {
            found.push(format!("media still holds {} calls", self.media.calls()));
        }
        if !self.open_ports.is_empty() {
            found.push(format!("{} sockets are still open", self.open_ports.len()));
        }
        for (name, call) in
            self.peers().flat_map(|(name, p)| p.live().map(move |c| (name.to_owned(), c.phase)))
        {
            found.push(format!("{name} still has a call ({call:?})"));
        }
        // One record per call, complete.
        for call in &self.watch.calls {
            match self.twin.records.get(call) {
                None => found.push(format!("call {call} has no record")),
                Some(r) if r.end.is_none() || r.ended.is_none() => {
                    found.push(format!("the record of call {call} has no end"));
                }
                Some(r) if r.answered.is_some_and(|a| a < r.started || r.ended.is_some_and(|e| e < a)) => {
                    found.push(format!("the times of the record of call {call} are out of order"));
                }
                Some(_) => {}
            }
        }
        for record in self.twin.records.values().filter(|r| r.end.is_none()) {
            found.push(format!("the record of call {} has no end", record.call));
        }
        for what in found {
            self.watch.violate(what);
        }
    }
}
