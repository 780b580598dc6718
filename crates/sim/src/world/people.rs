//! Those who act in a story: a desk, an agent, a page, a line to the outside, a call. Each is a handle to the world.

use super::{Claimed, Inner, PageState};
use crate::audio::{Sound, Voice};
use crate::peer::{Manner, Peer, PeerCall, PeerCallId, Phase};
use hotdesk::claim::{Claim, Decision, policy_allows};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;
use terms::{CallRecord, EndReason, Epoch, LoginEndReason, LoginId, Notice, Place};

type W = Rc<RefCell<Inner>>;

/// Who of the peers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Who {
    Desk(usize),
    Line(usize),
}

fn peer<T>(w: &W, who: Who, look: impl FnOnce(&Peer) -> T) -> T {
    let inner = w.borrow();
    match who {
        Who::Desk(at) => look(&inner.phones[at].phone.peer),
        Who::Line(at) => look(&inner.lines[at].trunk.peer),
    }
}

fn act<T>(w: &W, who: Who, act: impl FnOnce(&mut Peer, terms::Now) -> T) -> T {
    let mut inner = w.borrow_mut();
    let now = inner.now;
    let result = match who {
        Who::Desk(at) => act(&mut inner.phones[at].phone.peer, now),
        Who::Line(at) => act(&mut inner.lines[at].trunk.peer, now),
    };
    inner.drain();
    result
}

/// What desks and lines have in common.
macro_rules! peer_verbs {
    () => {
        /// Calls a number and goes on at once.
        pub fn calls(&self, number: &str) -> Call {
            let id = act(&self.w, self.who(), |p, now| p.dial(now, number));
            Call { w: Rc::clone(&self.w), who: self.who(), id }
        }
        pub fn behaves(&self, manner: Manner) {
            act(&self.w, self.who(), |p, _| p.behaves(None, manner));
        }
        /// The youngest call here, over or not.
        pub fn call(&self) -> Option<Call> {
            let id = peer(&self.w, self.who(), |p| p.calls().last().map(|c| c.id))?;
            Some(Call { w: Rc::clone(&self.w), who: self.who(), id })
        }
        /// A call came in and rings here now.
        pub fn rings(&self) -> bool {
            peer(&self.w, self.who(), |p| p.live().any(|c| c.incoming && c.phase == Phase::Ringing))
        }
        pub fn is_up(&self) -> bool {
            peer(&self.w, self.who(), |p| p.live().any(|c| c.phase == Phase::Up))
        }
        pub fn is_idle(&self) -> bool {
            peer(&self.w, self.who(), |p| p.live().next().is_none())
        }
        /// Takes the call that rings.
        pub fn answers(&self) -> Call {
            let ringing =
                peer(&self.w, self.who(), |p| p.live().find(|c| c.phase == Phase::Ringing).map(|c| c.id));
            let id = ringing.expect("something rings");
            act(&self.w, self.who(), |p, now| p.answer(now, id));
            Call { w: Rc::clone(&self.w), who: self.who(), id }
        }
        pub fn hangs_up(&self) {
            act(&self.w, self.who(), |p, now| {
                let live: Vec<_> = p.live().map(|c| c.id).collect();
                for id in live {
                    p.hang_up(now, id);
                }
            });
        }
        /// The tone that is heard here now.
        pub fn hears(&self) -> Option<Voice> {
            let inner = self.w.borrow();
            let now = inner.now.instant;
            drop(inner);
            peer(&self.w, self.who(), |p| {
                let call = p.live().find(|c| c.phase == Phase::Up)?;
                let heard = &call.stream.as_ref()?.heard;
                heard.within(now, Duration::from_millis(500)).then(|| heard.voice())?
            })
        }
        /// The tone this one speaks with.
        pub fn voice(&self) -> Option<Voice> {
            peer(&self.w, self.who(), |p| match p.config.sound {
                Sound::Tone(voice) => Some(voice),
                _ => None,
            })
        }
        /// Invites nobody any more and hears nobody: dead, not gone.
        pub fn is_alive(&self) -> bool {
            peer(&self.w, self.who(), Peer::is_alive)
        }
    };
}

/// A desk phone.
#[derive(Clone)]
pub struct Desk {
    pub(super) w: W,
    pub(super) at: usize,
}

impl Desk {
    fn who(&self) -> Who {
        Who::Desk(self.at)
    }
    peer_verbs!();

    fn phone<T>(&self, act: impl FnOnce(&mut crate::phone::Phone, terms::Now) -> T) -> T {
        let mut inner = self.w.borrow_mut();
        let now = inner.now;
        let result = act(&mut inner.phones[self.at].phone, now);
        inner.drain();
        result
    }
    pub fn name(&self) -> String {
        self.w.borrow().phones[self.at].name.clone()
    }
    pub fn device(&self) -> terms::DeviceId {
        self.w.borrow().phones[self.at].device
    }
    pub fn registers(&self) {
        self.phone(|p, now| p.register(now));
    }
    pub fn unregisters(&self) {
        self.phone(|p, now| p.unregister(now));
    }
    pub fn is_registered(&self) -> bool {
        self.phone(|p, now| p.is_registered(now))
    }
    pub fn registration(&self) -> crate::phone::Registration {
        self.phone(|p, _| p.registration())
    }
    /// The contacts of the last 200 to its REGISTER.
    pub fn contacts(&self) -> Vec<String> {
        self.phone(|p, _| p.contacts.clone())
    }
    /// Pulls the plug. A TCP connection is not even closed.
    pub fn dies(&self) {
        self.phone(|p, _| p.dies());
    }
    /// Loses power and comes back, with another SIP port where one is given.
    pub fn reboots(&self, port: Option<u16>) {
        self.w.borrow_mut().hang_up_stream(self.at);
        self.phone(|p, now| p.reboots(now, port));
    }
    pub fn loses_its_connection(&self) {
        self.w.borrow_mut().hang_up_stream(self.at);
    }
}

/// One address of the trunk.
#[derive(Clone)]
pub struct Line {
    pub(super) w: W,
    pub(super) at: usize,
}

impl Line {
    fn who(&self) -> Who {
        Who::Line(self.at)
    }
    peer_verbs!();

    /// Calls with a caller's number.
    pub fn calls_from(&self, number: &str, from: &str) -> Call {
        let id = act(&self.w, self.who(), |p, now| p.dial_as(now, number, from));
        Call { w: Rc::clone(&self.w), who: self.who(), id }
    }
    /// How one of its numbers behaves.
    pub fn number_behaves(&self, number: &str, manner: Manner) {
        act(&self.w, self.who(), |p, _| p.behaves(Some(number), manner));
    }
    pub fn dies(&self) {
        act(&self.w, self.who(), |p, _| p.dies());
    }
}

/// A call as one end of it sees it.
#[derive(Clone)]
pub struct Call {
    w: W,
    who: Who,
    id: PeerCallId,
}

impl Call {
    fn look<T>(&self, look: impl FnOnce(&PeerCall) -> T) -> T {
        peer(&self.w, self.who, |p| look(p.call(self.id).expect("ended calls are remembered")))
    }
    fn run_until(&self, what: &str, is_so: impl Fn(&PeerCall) -> bool) -> &Call {
        for _ in 0..4_000 {
            if self.look(&is_so) {
                return self;
            }
            self.w.borrow_mut().run(Duration::from_millis(10));
        }
        panic!("never: {what}\n{}", self.w.borrow().ladder.text());
    }
    pub fn until_answered(self) -> Call {
        self.run_until("the call is answered", |c| c.phase == Phase::Up);
        self
    }
    pub fn until_ringing(self) -> Call {
        self.run_until("the call rings", |c| c.phase == Phase::Ringing);
        self
    }
    pub fn until_over(self) -> Call {
        self.run_until("the call ends", |c| c.phase == Phase::Ended);
        self
    }
    pub fn phase(&self) -> Phase {
        self.look(|c| c.phase)
    }
    pub fn is_up(&self) -> bool {
        self.phase() == Phase::Up
    }
    pub fn is_over(&self) -> bool {
        self.phase() == Phase::Ended
    }
    /// The final status of the INVITE; 200 after a BYE.
    pub fn status(&self) -> u16 {
        self.look(|c| c.status)
    }
    pub fn reason(&self) -> String {
        self.look(|c| c.reason.clone().unwrap_or_default())
    }
    /// Whom this end believes to be talking with.
    pub fn with(&self) -> String {
        self.look(|c| c.with.clone())
    }
    pub fn caller(&self) -> String {
        self.look(|c| c.caller.clone())
    }
    pub fn is_held(&self) -> bool {
        self.look(|c| c.held)
    }
    pub fn digits(&self) -> String {
        self.look(|c| c.stream.as_ref().map_or(String::new(), |s| s.heard.digits.clone()))
    }
    /// Packets that did not follow the one before, and how many senders there were.
    pub fn gaps_and_senders(&self) -> (u64, usize) {
        self.look(|c| c.stream.as_ref().map_or((0, 0), |s| (s.heard.gaps, s.heard.ssrcs.len())))
    }
    pub fn reinvite_status(&self) -> u16 {
        self.look(|c| c.reinvite_status)
    }
    pub fn answers(&self) {
        act(&self.w, self.who, |p, now| p.answer(now, self.id));
    }
    pub fn hangs_up(&self) {
        act(&self.w, self.who, |p, now| p.hang_up(now, self.id));
    }
    pub fn holds(&self) {
        act(&self.w, self.who, |p, now| p.hold(now, self.id, true));
    }
    pub fn resumes(&self) {
        act(&self.w, self.who, |p, now| p.hold(now, self.id, false));
    }
    /// Hands the call over to `number`.
    pub fn refers(&self, number: &str) {
        act(&self.w, self.who, |p, now| p.refer(now, self.id, number));
    }
    pub fn presses(&self, digit: char) {
        act(&self.w, self.who, |p, _| p.press(self.id, digit));
    }
    /// What remains of it.
    pub fn record(&self) -> Option<CallRecord> {
        let call_id = self.look(|c| c.call_id.clone());
        let inner = self.w.borrow();
        let mine = |r: &&CallRecord| r.a_call_id == call_id || r.b_call_id == call_id;
        inner.twin.records.values().find(mine).cloned()
    }
    pub fn ended_with(&self, reason: EndReason) -> bool {
        self.is_over() && self.record().is_some_and(|r| r.end == Some(reason) && r.ended.is_some())
    }
}

/// What came of sitting down.
pub enum Sat {
    Granted(Page),
    /// Logged in elsewhere: the dialog would open, with this epoch.
    Held(Epoch),
    PhoneInUse,
    TooManyTakeovers,
    /// The policy forbids a takeover during a call.
    InCall,
}

/// A person.
#[derive(Clone)]
pub struct Agent {
    pub(super) w: W,
    pub(super) at: usize,
}

impl Agent {
    pub fn id(&self) -> terms::AgentId {
        self.w.borrow().agents[self.at].id
    }
    /// The epoch of the login that stands.
    pub fn epoch(&self) -> Option<Epoch> {
        let id = self.id();
        self.w.borrow().twin.open_login(id).map(|l| l.epoch)
    }

    /// Sits down at a free desk, logged in nowhere else.
    pub fn sits_at(&self, desk: &Desk) -> Page {
        match self.tries(desk, None) {
            Sat::Granted(page) => page,
            _ => panic!("the seat was not granted\n{}", self.w.borrow().ladder.text()),
        }
    }

    /// Logged in elsewhere, is asked, says yes.
    pub fn takes_over_at(&self, desk: &Desk) -> Page {
        let Sat::Held(epoch) = self.tries(desk, None) else { panic!("nothing to take over") };
        match self.tries(desk, Some(epoch)) {
            Sat::Granted(page) => page,
            _ => panic!("the takeover was not granted\n{}", self.w.borrow().ladder.text()),
        }
    }

    /// One submit of the login page; `yes_to` is the epoch the dialog showed.
    pub fn tries(&self, desk: &Desk, yes_to: Option<Epoch>) -> Sat {
        let mut inner = self.w.borrow_mut();
        let (id, name) = (inner.agents[self.at].id, inner.agents[self.at].name.clone());
        let (device, desk_name) = (inner.phones[desk.at].device, inner.phones[desk.at].name.clone());
        let (now, policy) = (inner.now, inner.options.takeover);
        if yes_to.is_some()
            && let Some(gateway) = &inner.gateway
            && !policy_allows(policy, gateway.activity(id).0)
        {
            inner.note(&name, "store", "wants to take over, but is in a call");
            return Sat::InCall;
        }
        let from = format!("198.51.100.{}", self.at + 1);
        let claim = Claim { agent: id, place: Place::Phone(device), take_over: yes_to, from, at: now.wall };
        let claimed = inner.twin.claim(&claim);
        match claimed {
            Claimed::Granted { login, rows } => {
                let verb = if rows.len() > 1 { "takes over at" } else { "sits down at" };
                inner.note(&name, "store", &format!("{verb} {desk_name}"));
                inner.pages.push(PageState { login: login.id, agent: name, told: Vec::new() });
                for row in rows {
                    inner.news(row);
                }
                drop(inner);
                Sat::Granted(Page { w: Rc::clone(&self.w), login: login.id })
            }
            Claimed::Refused(decision) => {
                let (sat, word) = match decision {
                    Decision::Held { by } => (Sat::Held(by.epoch), "is asked whether to continue"),
                    Decision::PhoneInUse { .. } => (Sat::PhoneInUse, "finds the phone taken"),
                    _ => (Sat::TooManyTakeovers, "has taken over too often"),
                };
                inner.note(&name, "store", word);
                sat
            }
        }
    }

    pub fn logs_out(&self) {
        self.ends(LoginEndReason::LoggedOut);
    }

    /// The login ends, by whomever. False where none stood.
    pub fn ends(&self, why: LoginEndReason) -> bool {
        let mut inner = self.w.borrow_mut();
        let (id, name) = (inner.agents[self.at].id, inner.agents[self.at].name.clone());
        let now = inner.now;
        let Some(open) = inner.twin.open_login(id).map(|l| l.id) else { return false };
        let Some(row) = inner.twin.end_login(open, why, now.wall, "") else { return false };
        inner.note(&name, "store", &format!("login ends: {why:?}"));
        inner.news(row);
        true
    }
}

/// The page of one login.
#[derive(Clone)]
pub struct Page {
    w: W,
    login: LoginId,
}

impl Page {
    pub fn told(&self) -> Vec<Notice> {
        let inner = self.w.borrow();
        inner.pages.iter().find(|p| p.login == self.login).map(|p| p.told.clone()).unwrap_or_default()
    }
    /// The sentence it ended with.
    pub fn ended_with(&self) -> Option<(LoginEndReason, &'static str)> {
        self.told().into_iter().find_map(|n| match n {
            Notice::LoginEnded { why, sentence, .. } => Some((why, sentence)),
            _ => None,
        })
    }
    /// What the agent does, as the page was last told.
    pub fn activity(&self) -> Option<terms::Activity> {
        self.told().into_iter().rev().find_map(|n| match n {
            Notice::Activity { activity, .. } => Some(activity),
            _ => None,
        })
    }
}
