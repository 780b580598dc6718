//! What calls mean: which agents, logins, devices and trunks they belong to, who is told, and what is counted. The call
//! machine below knows legs only.

use crate::{Act, CallStatus, Gateway, Output};
use b2bua::Stage;
use smallvec::SmallVec;
use terms::{
    Activity, AgentId, Audience, CallId, DeviceId, EndReason, Epoch, Leg, LoginId, Notice, Now, Quality,
    TrunkId, WallTime,
};

pub(crate) type CallIds = SmallVec<[CallId; 2]>;

/// One of our own at one leg.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Party {
    pub seat: Option<(AgentId, LoginId, Epoch)>,
    pub device: Option<DeviceId>,
}

/// Whom a call is being transferred to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Referred {
    /// The leg whose place is taken.
    pub leg: Leg,
    pub party: Party,
    pub trunk: Option<(TrunkId, Option<AgentId>)>,
    pub emergency: bool,
}

/// What a call means up here, from its beginning to its end.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    pub a: Party,
    pub b: Party,
    pub trunk: Option<TrunkId>,
    /// The agent whose limits an outside call counts against.
    pub counted: Option<AgentId>,
    pub emergency: bool,
    /// The second trunk of a call that was transferred from one to another, and whose limits it counts against.
    pub second: Option<(TrunkId, Option<AgentId>)>,
    pub referred: Option<Referred>,
}

impl Context {
    /// An emergency call is nobody's to cut.
    pub(crate) fn is_emergency(&self) -> bool {
        self.emergency || self.referred.is_some_and(|to| to.emergency)
    }
    pub(crate) fn parties(&self) -> SmallVec<[Party; 3]> {
        [Some(self.a), Some(self.b), self.referred.map(|to| to.party)].into_iter().flatten().collect()
    }
    /// Whether one of its legs was placed by this epoch of the agent, or an older one.
    pub(crate) fn is_of(&self, agent: AgentId, epoch: Epoch) -> bool {
        [self.a, self.b].iter().any(|party| party.seat.is_some_and(|(a, _, e)| a == agent && e <= epoch))
    }
    pub(crate) fn party(&self, leg: Leg) -> &Party {
        match leg {
            Leg::A => &self.a,
            Leg::B => &self.b,
        }
    }
}

impl Gateway {
    pub(crate) fn end_call(&mut self, now: Now, call: CallId, reason: EndReason) {
        self.calls.end(now, &mut self.ua, &mut self.acts, call, reason);
    }

    pub(crate) fn begin_context(&mut self, now: Now, call: CallId, context: Context) {
        self.counters.calls += 1;
        for party in [context.a, context.b] {
            if let Some((agent, _, _)) = party.seat {
                add(self.by_agent.entry(agent).or_default(), call);
            }
            if let Some(device) = party.device {
                add(self.by_device.entry(device).or_default(), call);
            }
        }
        if let Some(trunk) = context.trunk {
            self.limits.begin(now, trunk, context.counted);
        }
        self.contexts.insert(call, context);
    }

    /// The one place where a call gives back what it counted. Harmless to repeat.
    fn end_context(&mut self, call: CallId) -> Option<Context> {
        let context = self.contexts.remove(&call)?;
        for party in context.parties() {
            self.unlist(call, party);
        }
        let first = context.trunk.map(|trunk| (trunk, context.counted));
        let referred = context.referred.and_then(|to| to.trunk);
        for (trunk, counted) in [first, context.second, referred].into_iter().flatten() {
            self.limits.end(trunk, counted);
        }
        Some(context)
    }

    fn unlist(&mut self, call: CallId, party: Party) {
        if let Some((agent, _, _)) = party.seat
            && let Some(ids) = self.by_agent.get_mut(&agent)
        {
            ids.retain(|id| *id != call);
            if ids.is_empty() {
                self.by_agent.remove(&agent);
            }
        }
        if let Some(device) = party.device
            && let Some(ids) = self.by_device.get_mut(&device)
        {
            ids.retain(|id| *id != call);
            if ids.is_empty() {
                self.by_device.remove(&device);
            }
        }
    }

    pub(crate) fn list(&mut self, call: CallId, party: Party) {
        if let Some((agent, _, _)) = party.seat {
            add(self.by_agent.entry(agent).or_default(), call);
        }
        if let Some(device) = party.device {
            add(self.by_device.entry(device).or_default(), call);
        }
    }

    /// `party` has no part in the call any more, but where it is also at another leg.
    fn part(&mut self, now: Now, call: CallId, party: Party) {
        self.unlist(call, party);
        let left = self.contexts.get(&call).map(Context::parties).unwrap_or_default();
        for other in left {
            self.list(call, other);
        }
        self.activity_changed(now, party);
    }

    /// Whom a call was transferred to takes the place of who asked for it.
    fn transferred(&mut self, now: Now, call: CallId) {
        let Some(context) = self.contexts.get_mut(&call) else { return };
        let Some(to) = context.referred.take() else { return };
        let place = match to.leg {
            Leg::A => &mut context.a,
            Leg::B => &mut context.b,
        };
        let old = std::mem::replace(place, to.party);
        context.emergency |= to.emergency;
        match (context.trunk, to.trunk) {
            (None, Some((trunk, counted))) => {
                (context.trunk, context.counted) = (Some(trunk), counted);
            }
            (_, second) => context.second = second.or(context.second),
        }
        self.part(now, call, old);
        self.activity_changed(now, to.party);
    }

    fn transfer_failed(&mut self, now: Now, call: CallId) {
        let Some(to) = self.contexts.get_mut(&call).and_then(|context| context.referred.take()) else {
            return;
        };
        if let Some((trunk, counted)) = to.trunk {
            self.limits.end(trunk, counted);
        }
        self.part(now, call, to.party);
    }

    /// Carries out what a call decided.
    pub(crate) fn act(&mut self, now: Now, act: Act) {
        match act {
            Act::Media(command) => self.out.push_back(Output::Media(command)),
            Act::Record(record) => self.write_record(now, record),
            Act::Changed(call) => {
                if self.calls.get(call).is_some_and(|one| one.stage() == Stage::Up) {
                    self.counters.calls_answered += 1;
                }
                let Some(context) = self.contexts.get(&call) else { return };
                for party in [context.a, context.b] {
                    self.activity_changed(now, party);
                }
            }
            Act::NoSign { call, uri } => {
                let b = self.contexts.get(&call).map(|context| context.b).unwrap_or_default();
                let aor = match (b.device, b.seat) {
                    (Some(device), _) => self.directory.phone(device).map(|phone| phone.aor.clone()),
                    (None, Some((_, login, _))) => Some(self.browser_aor(login)),
                    (None, None) => None,
                };
                if let Some(aor) = aor {
                    self.doubt(now, &aor, &uri);
                }
            }
            Act::Audio { call, leg, silent } => {
                let Some(context) = self.contexts.get(&call) else { return };
                let parties = [(Leg::A, *context.party(Leg::A)), (Leg::B, *context.party(Leg::B))];
                for (side, party) in parties {
                    if let Some((_, login, _)) = party.seat {
                        let notice = Notice::Audio { login, call, silent, from_agent: side == leg };
                        self.notice(Audience::Login(login), notice);
                    }
                }
            }
            Act::Transferred { call, .. } => self.transferred(now, call),
            Act::TransferFailed { call } => self.transfer_failed(now, call),
            Act::Ended { call, .. } => {
                let Some(context) = self.end_context(call) else { return };
                for party in context.parties() {
                    self.activity_changed(now, party);
                }
            }
        }
    }

    /// Tells the pages of a call how well one of its sides is connected.
    pub(crate) fn quality(&mut self, call: CallId, leg: Leg, quality: Quality) {
        let Some(context) = self.contexts.get(&call) else { return };
        for (side, party) in [(Leg::A, context.a), (Leg::B, context.b)] {
            if let Some((_, login, _)) = party.seat {
                let notice = Notice::Quality { login, call, quality, from_agent: side == leg };
                self.out.push_back(Output::Notice { to: Audience::Login(login), notice });
            }
        }
    }

    /// Tells the agent's page when what the agent does is not what it was.
    pub(crate) fn activity_changed(&mut self, now: Now, party: Party) {
        let Some((agent, login, _)) = party.seat else { return };
        let (activity, call) = self.doing(agent);
        let known = self.activities.get(&agent).map_or(Activity::Idle, |(known, _)| *known);
        if activity == known {
            return;
        }
        self.activities.insert(agent, (activity, now.wall));
        let peer = call.and_then(|call| self.peer_of(call, agent));
        let notice = Notice::Activity { login, activity, call, peer, since: now.wall };
        self.notice(Audience::Login(login), notice);
    }

    fn doing(&self, agent: AgentId) -> (Activity, Option<CallId>) {
        let ids = self.by_agent.get(&agent).map_or(&[][..], |ids| ids.as_slice());
        // Whom a call is being transferred to is only being rung.
        let at_leg = |id: &CallId| {
            let context = self.contexts.get(id);
            context
                .is_some_and(|one| [one.a, one.b].iter().any(|p| p.seat.is_some_and(|(a, _, _)| a == agent)))
        };
        let is_up = |id: &CallId| self.calls.get(*id).is_some_and(|call| call.stage() == Stage::Up);
        let up = ids.iter().find(|id| is_up(id) && at_leg(id));
        match (up, ids.first()) {
            (Some(call), _) => (Activity::InCall, Some(*call)),
            (None, Some(call)) => (Activity::Ringing, Some(*call)),
            (None, None) => (Activity::Idle, None),
        }
    }

    /// The number at the other end, as the agent may see it.
    fn peer_of(&self, call: CallId, agent: AgentId) -> Option<String> {
        let context = self.contexts.get(&call)?;
        let record = self.calls.get(call)?.record();
        let is = |party: &Party| party.seat.is_some_and(|(a, _, _)| a == agent);
        let calls_out =
            is(&context.a) || context.referred.is_some_and(|to| to.leg == Leg::A && is(&to.party));
        let peer = if calls_out { &record.to } else { &record.from };
        Some(peer.reveal().to_owned())
    }

    /// What the agent does now and since when.
    pub fn activity(&self, agent: AgentId) -> (Activity, WallTime) {
        if let Some(known) = self.activities.get(&agent) {
            return *known;
        }
        (Activity::Idle, self.seats.login_of(agent).map_or(WallTime(0), |login| login.since))
    }

    /// Calls that have not ended, in the order they began.
    pub fn calls(&self) -> Vec<CallStatus> {
        let mut calls: Vec<CallStatus> =
            self.calls.iter().filter_map(|call| self.call_status(call)).collect();
        calls.sort_unstable_by_key(|status| status.call);
        calls
    }

    fn call_status(&self, call: &b2bua::Call) -> Option<CallStatus> {
        let context = self.contexts.get(&call.id())?;
        let ours = if context.a != Party::default() { context.a } else { context.b };
        let record = call.record();
        Some(CallStatus {
            call: call.id(),
            agent: ours.seat.map(|(agent, _, _)| agent),
            device: ours.device,
            from: record.from.clone(),
            to: record.to.clone(),
            started: record.started,
            answered: record.answered,
        })
    }

    /// How many calls have not ended.
    pub fn calls_alive(&self) -> usize {
        self.calls.alive()
    }
    /// Calls of one agent that have not ended.
    pub fn calls_of(&self, agent: AgentId) -> &[CallId] {
        self.by_agent.get(&agent).map_or(&[], |ids| ids.as_slice())
    }
    /// Calls of one device that have not ended.
    pub fn calls_at(&self, device: DeviceId) -> &[CallId] {
        self.by_device.get(&device).map_or(&[], |ids| ids.as_slice())
    }
}

fn add(ids: &mut CallIds, call: CallId) {
    if !ids.contains(&call) {
        ids.push(call);
    }
}
