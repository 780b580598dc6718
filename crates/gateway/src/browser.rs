//! Seats in browsers: whose page is behind a flow, how a page proves its login, and which of several tabs speaks. A login
//! that is over has nothing left here within the same input that ended it.

use crate::{Gateway, Output};
use ahash::AHashMap;
use hotdesk::pass::{browser_user, login_named};
use registrar::{Contacts, Register, Registered};
use sip::Message;
use sip::ua::ServerKey;
use smallvec::SmallVec;
use std::collections::VecDeque;
use terms::{
    Aor, Audience, Binding, BrowserFlow, CallId, Epoch, Flow, Liveness, Login, LoginId, Notice, Now, Place,
    StoreWrite, Transport, WhyClosed,
};

/// Ended logins that are remembered, so that a late word of one is told 403 rather than asked who it is.
const ENDED_MAX: usize = 4_096;
/// Flows of one login at once: a page and its twin while the network changes, and those of tabs that take over.
const FLOWS_PER_LOGIN_MAX: usize = 8;

/// How a login's seat in the browser stands.
#[derive(Clone, Debug, PartialEq)]
pub struct BrowserSeat {
    /// The tab that speaks, by its instance.
    pub owner: Option<String>,
    /// It is registered over a connection that is there.
    pub live: bool,
}

#[derive(Default)]
pub(crate) struct Browsers {
    /// One entry per open WebSocket that belongs to a login, and per closed one until the daemon says that it is gone.
    flows: AHashMap<Flow, FlowOf>,
    /// One entry per login that has a flow or an owner; goes with the login.
    seats: AHashMap<LoginId, Seat>,
    ended: AHashMap<LoginId, Epoch>,
    ended_order: VecDeque<LoginId>,
    /// Closed as soon as what is to be said on them is said.
    closing: Vec<Flow>,
}

struct FlowOf {
    login: LoginId,
    /// The session's cookie came with it: a ticket is believed here.
    by_cookie: bool,
    /// We closed it; what still comes was sent before the page knew.
    closed: bool,
}

#[derive(Default)]
struct Seat {
    owner: Option<String>,
    flows: SmallVec<[Flow; 2]>,
}

impl Browsers {
    /// False for what comes late over a flow that we closed.
    pub(crate) fn may_speak(&self, flow: Flow) -> bool {
        self.flows.is_empty() || self.flows.get(&flow).is_none_or(|one| !one.closed)
    }
    fn cookie_of(&self, flow: Flow) -> Option<LoginId> {
        self.flows.get(&flow).filter(|one| one.by_cookie && !one.closed).map(|one| one.login)
    }
    /// The login a flow belongs to.
    pub(crate) fn login_of(&self, flow: Flow) -> Option<LoginId> {
        self.flows.get(&flow).filter(|one| !one.closed).map(|one| one.login)
    }
    fn add(&mut self, flow: Flow, login: LoginId, by_cookie: bool) {
        self.flows.entry(flow).or_insert(FlowOf { login, by_cookie, closed: false });
        let seat = self.seats.entry(login).or_default();
        if !seat.flows.contains(&flow) {
            seat.flows.push(flow);
        }
        if seat.flows.len() > FLOWS_PER_LOGIN_MAX {
            let oldest = seat.flows.remove(0);
            self.close(oldest);
        }
    }
    fn close(&mut self, flow: Flow) {
        if let Some(one) = self.flows.get_mut(&flow).filter(|one| !one.closed) {
            one.closed = true;
            self.closing.push(flow);
        }
    }
    pub(crate) fn gone(&mut self, flow: Flow) {
        let Some(one) = self.flows.remove(&flow) else { return };
        if let Some(seat) = self.seats.get_mut(&one.login) {
            seat.flows.retain(|other| *other != flow);
            if seat.flows.is_empty() && seat.owner.is_none() {
                self.seats.remove(&one.login);
            }
        }
    }
    /// Everything of a login closes; nothing of it is known afterwards but that it was.
    fn end(&mut self, login: LoginId, epoch: Epoch) {
        if let Some(seat) = self.seats.remove(&login) {
            for flow in seat.flows {
                self.close(flow);
            }
        }
        if self.ended.insert(login, epoch).is_none() {
            self.ended_order.push_back(login);
            if self.ended_order.len() > ENDED_MAX
                && let Some(oldest) = self.ended_order.pop_front()
            {
                self.ended.remove(&oldest);
            }
        }
    }
    /// Flows whose last words are said.
    pub(crate) fn take_closing(&mut self) -> Vec<Flow> {
        std::mem::take(&mut self.closing)
    }
    /// Sizes of the tables, for tests that end at rest.
    pub(crate) fn sizes(&self) -> [usize; 2] {
        [self.flows.len(), self.seats.len()]
    }
}

/// The transports a browser's address of record may be used over: those that nobody listens in on, and WebSockets.
pub(crate) fn carries_browsers(transport: Transport) -> bool {
    matches!(transport, Transport::Ws | Transport::Wss | Transport::Tls)
}

/// A tab as everybody names it: the UUID of its `+sip.instance`.
fn tab_of(instance: Option<&str>) -> String {
    let instance = instance.unwrap_or_default();
    instance.strip_prefix("urn:uuid:").unwrap_or(instance).to_owned()
}

/// What a page shows as `Authorization: Bearer` (RFC 8898 §2.1), of the first such header.
fn bearer<'m>(request: &Message<'m>) -> Option<&'m str> {
    request.headers(sip::Name::Authorization).find_map(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("Bearer").then(|| token.trim())
    })
}

/// What came of a ticket.
pub(crate) enum Shown {
    /// None was shown.
    Nothing,
    Good(BrowserFlow),
    /// Ours, of a login that is over.
    Over,
    /// Not ours, or not on this flow.
    Forged,
}

impl Gateway {
    pub(crate) fn flow_opened(&mut self, flow: Flow, browser: Option<BrowserFlow>) {
        let Some(BrowserFlow { login, agent, epoch }) = browser else { return };
        self.browsers.add(flow, login, true);
        // The login may have ended between the look at its cookie and now.
        let newer = self.seats.login_of(agent).is_some_and(|stands| stands.epoch > epoch);
        if newer || self.browsers.ended.contains_key(&login) {
            self.browsers.close(flow);
        }
    }

    /// The browser login that stands under this id.
    pub(crate) fn browser_login(&self, login: LoginId) -> Option<&Login> {
        self.seats.login(login).filter(|row| row.place == Place::Browser)
    }

    /// The epoch whose password still proves something: that of the login, standing or just over.
    pub(crate) fn browser_epoch(&self, login: LoginId) -> Option<Epoch> {
        let stands = self.browser_login(login).map(|row| row.epoch);
        stands.or_else(|| self.browsers.ended.get(&login).copied())
    }

    pub(crate) fn ticket_shown(&self, flow: Flow, login: LoginId, request: &Message<'_>) -> Shown {
        let Some(ticket) = bearer(request) else { return Shown::Nothing };
        match self.config.pass_key.read(ticket) {
            // A ticket alone is a word anybody may have overheard; it counts where its own session's cookie came along.
            Some((of, epoch)) if of == login && self.browsers.cookie_of(flow) == Some(login) => {
                match self.browser_login(login).filter(|row| row.epoch == epoch) {
                    Some(row) => Shown::Good(BrowserFlow { login, agent: row.agent, epoch }),
                    None => Shown::Over,
                }
            }
            _ => Shown::Forged,
        }
    }

    /// Whoever proved this login by digest has this flow from now on.
    pub(crate) fn flow_belongs(&mut self, flow: Flow, login: LoginId) {
        self.browsers.add(flow, login, false);
    }

    pub(crate) fn browser_aor(&self, login: LoginId) -> Aor {
        Aor::new(&browser_user(login), self.directory.domain())
    }

    /// The browser login of an address of record, whether it stands or not.
    pub(crate) fn login_of_aor(&self, aor: &Aor) -> Option<LoginId> {
        login_named(aor.user())
    }

    /// SPEC C7: one tab speaks. Another may only where that one is not there, or was taken over from.
    pub(crate) fn tab_may(&self, now: Now, login: LoginId, instance: Option<&str>) -> bool {
        let owner = self.browsers.seats.get(&login).and_then(|seat| seat.owner.as_ref());
        owner.is_none_or(|owner| *owner == tab_of(instance)) || !self.seat_is_live(now, login)
    }

    fn seat_is_live(&self, now: Now, login: LoginId) -> bool {
        let contacts = self.registrar.contacts(now, &self.browser_aor(login));
        contacts.iter().any(|(_, liveness)| *liveness == Liveness::Live)
    }

    /// `None` while no such login stands, as far as the core has heard.
    pub fn browser_seat(&self, now: Now, login: LoginId) -> Option<BrowserSeat> {
        self.browser_login(login)?;
        let owner = self.browsers.seats.get(&login).and_then(|seat| seat.owner.clone());
        Some(BrowserSeat { owner, live: self.seat_is_live(now, login) })
    }

    /// This tab speaks from now on; the connection of the other closes, and it is told.
    pub(crate) fn take_seat(&mut self, now: Now, login: LoginId, tab: String) {
        if self.browser_login(login).is_none() {
            return;
        }
        let aor = self.browser_aor(login);
        let old: Vec<Binding> = self.registrar.contacts(now, &aor).into_iter().map(|(one, _)| one).collect();
        for gone in old.iter().filter(|one| tab_of(one.instance.as_deref()) != tab) {
            self.browsers.close(gone.flow);
        }
        self.owned_by(login, tab);
    }

    fn owned_by(&mut self, login: LoginId, tab: String) {
        let seat = self.browsers.seats.entry(login).or_default();
        let old = seat.owner.replace(tab.clone());
        if let Some(old) = old.filter(|old| *old != tab) {
            self.notice(Audience::Login(login), Notice::TabLost { login, tab: old });
        }
    }

    /// A page's REGISTER became true: older contacts are gone and their connections close; calls it already has go on over
    /// the new one (RFC 5626 §5.3).
    pub(crate) fn browser_registered(&mut self, now: Now, aor: &Aor, before: &[Binding], after: &[Binding]) {
        let Some(login) = self.login_of_aor(aor) else { return };
        let Some(row) = self.browser_login(login).cloned() else {
            // It ended while the row was being written.
            return self.forget_browser(now, login);
        };
        for old in before.iter().filter(|old| !after.iter().any(|one| one.flow == old.flow)) {
            self.browsers.close(old.flow);
        }
        let Some(binding) = after.iter().max_by_key(|one| one.registered) else { return };
        self.owned_by(login, tab_of(binding.instance.as_deref()));
        let same = before.iter().any(|old| old.instance.is_some() && old.instance == binding.instance);
        let moved = !before.iter().any(|old| old.flow == binding.flow);
        if same && moved {
            for (call, leg) in self.legs_of(row.agent, login) {
                let (flow, contact) = (binding.flow, &binding.contact);
                self.calls.reached_again(now, &mut self.ua, &mut self.acts, call, leg, flow, contact);
            }
        }
    }

    /// The legs at which this login's page is.
    pub(crate) fn legs_of(&self, agent: terms::AgentId, login: LoginId) -> Vec<(CallId, terms::Leg)> {
        let mut legs = Vec::new();
        for call in self.calls_of(agent) {
            let Some(context) = self.contexts.get(call) else { continue };
            for (leg, party) in [(terms::Leg::A, context.a), (terms::Leg::B, context.b)] {
                if party.device.is_none() && party.seat.is_some_and(|(_, of, _)| of == login) {
                    legs.push((*call, leg));
                }
            }
        }
        legs
    }

    /// A WebSocket closed: the calls of its page wait for it to come back (SPEC F5).
    pub(crate) fn page_lost(&mut self, now: Now, flow: Flow) {
        // Also where we closed it ourselves, because another tab speaks now.
        let Some(login) = self.browsers.flows.get(&flow).map(|one| one.login) else { return };
        let Some(agent) = self.browser_login(login).map(|row| row.agent) else { return };
        for (call, leg) in self.legs_of(agent, login) {
            self.calls.flow_lost(now, &mut self.ua, &mut self.acts, call, leg, flow);
        }
    }

    /// The login is over: its connections close, its contacts go, and what still comes of it is nobody's.
    pub(crate) fn browser_left(&mut self, now: Now, login: &Login) {
        if login.place != Place::Browser {
            return;
        }
        self.browsers.end(login.id, login.epoch);
        self.forget_browser(now, login.id);
    }

    fn forget_browser(&mut self, now: Now, login: LoginId) {
        let aor = self.browser_aor(login);
        for (gone, _) in self.registrar.contacts(now, &aor) {
            // One whose connection is gone already is not known any more, and stays so: nobody would say again that it closed.
            self.browsers.close(gone.flow);
        }
        self.browsers.seats.remove(&login);
        let star = Register {
            aor,
            call_id: String::new(),
            cseq: 0,
            expires: Some(0),
            contacts: Contacts::Star,
            path: Vec::new(),
            user_agent: String::new(),
            flow: Flow::udp(([0, 0, 0, 0], 0).into(), ([0, 0, 0, 0], 0).into()),
            alone: false,
        };
        // One that is being written right now is forgotten as soon as it is.
        if let Registered::AfterWrite(write) = self.registrar.register(now, &star) {
            self.registrar.commit(now, &write);
            self.write(write, crate::store::Waiting::Expiry);
        }
    }

    /// What was to be said on these flows is said.
    pub(crate) fn close_flows(&mut self, now: Now) -> bool {
        let closing = self.browsers.take_closing();
        for flow in &closing {
            self.out.push_back(Output::CloseFlow { flow: *flow, why: WhyClosed::ByUs });
            // Nobody answers there any more; whoever waits for it need not.
            self.stream_gone(now, *flow);
        }
        !closing.is_empty()
    }

    /// Bindings a write removes or replaces, where it is a browser's.
    pub(crate) fn browser_bindings(&self, now: Now, write: &StoreWrite) -> Vec<Binding> {
        let StoreWrite::Bindings { aor, .. } = write else { return Vec::new() };
        match self.login_of_aor(aor) {
            Some(_) => self.registrar.contacts(now, aor).into_iter().map(|(one, _)| one).collect(),
            None => Vec::new(),
        }
    }

    /// A page that asks for something in the name of a login that is over.
    pub(crate) fn too_late(&mut self, now: Now, key: ServerKey) {
        self.counters.late += 1;
        self.respond(now, key, sip::Draft::response(403).phrase("Login Ended"));
    }
}
