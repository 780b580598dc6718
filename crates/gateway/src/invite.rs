//! A new call comes in: whose is it, what was dialled, where does it go, and may it. Then the call machine begins.

use crate::auth::Sender;
use crate::calls::{Context, Party};
use crate::plan::{self, Caller, Identity, PhoneRoute, Route, TrunkRoute};
use crate::{Gateway, Output};
use b2bua::{Alone, Attempt, Order, Replacement, Start, refusal};
use sip::headers::NameAddr;
use sip::ua::{Parties, ServerKey, Target};
use sip::uri::{Uri, escape};
use sip::{Draft, Message, Name};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use terms::{
    Agent, CallId, CallRecord, Codecs, ConnectionId, Direction, EndReason, Flow, LegFigures, Login, Now, Pii,
    PortKind, Srtp, Transport, Trunk, TrunkAddress, TrunkId,
};

/// How long an address may stay without any sign before the next one is tried.
const ATTEMPT_MAX: Duration = Duration::from_secs(6);
/// How often a request may have passed through us: a carrier may send an agent's call to another agent back to us.
const HOPS_OF_OURS_MAX: usize = 3;
/// RFC 3261 §8.1.1.6.
pub(crate) const MAX_FORWARDS: u8 = 70;
/// Longest display name that crosses.
const DISPLAY_MAX: usize = 64;

/// An INVITE, or a REFER, whose sender is known.
pub(crate) struct Incoming<'a> {
    pub key: ServerKey,
    pub flow: Flow,
    pub request: &'a Message<'a>,
    pub caller: Caller,
    pub dialled: String,
    pub max_forwards: u8,
}

/// A way to what was dialled, and what the call means that goes it.
pub(crate) struct Way {
    pub order: Order,
    pub context: Context,
    direction: Direction,
    shown: Identity,
}

impl Gateway {
    pub(crate) fn invite(&mut self, now: Now, flow: Flow, key: ServerKey, request: &Message<'_>) {
        let caller = match self.directory.trunk_at(flow.peer) {
            Some(trunk) => Caller::Trunk(trunk.id),
            None => match self.authenticated(now, flow, key, request) {
                Some(Sender::Device(device)) => Caller::Device(device),
                Some(Sender::Browser(seat)) => Caller::Browser(seat.agent),
                None => return,
            },
        };
        if let Err(draft) = self.check(flow, request) {
            self.respond(now, key, draft);
            return;
        }
        if request.header(Name::Replaces).is_some() {
            return self.replaces(now, flow, key, caller, request);
        }
        let Some(dialled) = self.dialled(flow, request) else {
            // RFC 3261 §16.5: another domain is not ours to serve, and nobody's open relay.
            return self.refuse(now, key, EndReason::UnknownNumber);
        };
        let max_forwards = request.max_forwards().unwrap_or(MAX_FORWARDS).min(MAX_FORWARDS);
        let incoming = Incoming { key, flow, request, caller, dialled, max_forwards };
        if let Err(reason) = self.begin(now, &incoming) {
            self.refuse(now, key, reason);
            self.write_refused(now, &incoming, reason);
        }
    }

    /// RFC 3891 §3: a page that was reloaded, or a phone, takes the place of its own leg. Nobody takes anybody else's.
    fn replaces(&mut self, now: Now, flow: Flow, key: ServerKey, caller: Caller, request: &Message<'_>) {
        let Some(replaces) = request.replaces() else {
            return self.respond(now, key, Draft::response(400).phrase("Bad Replaces"));
        };
        // The tags are the other way round here: the to-tag is the one we gave.
        let dialog = self.ua.dialog_named(replaces.call_id, replaces.to_tag, replaces.from_tag);
        let own = dialog.and_then(|dialog| {
            let (call, leg) = self.calls.leg_of(dialog)?;
            let party = *self.contexts.get(&call)?.party(leg);
            let asks = self.party_of(caller);
            (party != Party::default() && party == asks).then_some(dialog)
        });
        let Some(dialog) = own else { return self.respond(now, key, Draft::response(481)) };
        if replaces.early_only {
            // §3: the dialog is not early any more.
            return self.respond(now, key, Draft::response(486));
        }
        if !request.has_sdp() || request.body().is_empty() {
            return self.respond(now, key, Draft::response(488));
        }
        let (kind, codecs) = self.phone_port(flow.transport);
        let by = Replacement {
            invite: key,
            offer: bytes::Bytes::copy_from_slice(request.body()),
            source: flow.peer.ip(),
            kind,
            codecs,
        };
        self.calls.replaced(now, &mut self.ua, &mut self.acts, dialog, by);
    }

    fn refuse(&mut self, now: Now, key: ServerKey, reason: EndReason) {
        self.counters.calls_refused += 1;
        self.respond(now, key, refusal(reason));
    }

    pub(crate) fn respond(&mut self, now: Now, key: ServerKey, draft: Draft) {
        // The transaction may be gone by now; then so is whoever waited.
        let _ = self.ua.respond(now, key, draft);
    }

    /// What RFC 3261 §8.2 asks of a request before it is understood.
    fn check(&self, flow: Flow, request: &Message<'_>) -> Result<(), Draft> {
        if request.max_forwards() == Some(0) {
            return Err(Draft::response(483));
        }
        let ours = request.vias().skip(1).filter(|via| self.is_ours(flow, via.host, via.host_ip())).count();
        if ours > HOPS_OF_OURS_MAX {
            return Err(refusal(EndReason::LoopDetected));
        }
        // §8.2.3: only a session description.
        if !request.body().is_empty() && !request.has_sdp() {
            return Err(Draft::response(415).header("Accept", "application/sdp"));
        }
        Ok(())
    }

    /// The user part of a Request-URI that is ours.
    fn dialled(&self, flow: Flow, request: &Message<'_>) -> Option<String> {
        self.dialled_in(flow, Uri::parse(request.uri()).ok()?)
    }

    /// What a URI dials that names us, or nobody's domain.
    pub(crate) fn dialled_in(&self, flow: Flow, uri: Uri<'_>) -> Option<String> {
        if uri.scheme.eq_ignore_ascii_case("tel") {
            return uri.number();
        }
        if !uri.is_sip() || !self.is_ours(flow, uri.host, uri.host_ip()) {
            return None;
        }
        let user = uri.user_unescaped();
        // RFC 3261 §19.1.6: what follows a semicolon in a number are parameters of its own.
        let user = user.split(';').next().unwrap_or("");
        (!user.is_empty()).then(|| user.to_owned())
    }

    /// Our domain, or an address of ours as the peer sees it.
    pub(crate) fn is_ours(&self, flow: Flow, host: &str, ip: Option<IpAddr>) -> bool {
        let local =
            |ip| self.config.locals.iter().any(|one| one.advertised.ip() == ip || one.bound.ip() == ip);
        host.eq_ignore_ascii_case(self.directory.domain())
            || ip.is_some_and(|ip| ip == flow.local.ip() || local(ip))
    }

    /// The way to what was dialled, where the plan and the limits allow it. `None` leads back to the caller.
    pub(crate) fn way(&mut self, now: Now, incoming: &Incoming<'_>) -> Result<Option<Way>, EndReason> {
        let view = self.view(now);
        let route = plan::route(&view, incoming.caller, &incoming.dialled, &mut |_| {});
        let emergency = matches!(&route, Route::Trunk(TrunkRoute { emergency: true, .. }));
        if self.draining && !emergency {
            return Err(EndReason::Shutdown);
        }
        if self.calls.is_full() {
            return Err(EndReason::OverLimit);
        }
        match route {
            Route::Refused(reason) => Err(reason),
            Route::Phone(to) => self.way_to_phone(incoming, to).map(Some),
            Route::Trunk(to) => self.way_to_trunk(now, incoming, to).map(Some),
            Route::SelfTest => Ok(None),
        }
    }

    fn begin(&mut self, now: Now, incoming: &Incoming<'_>) -> Result<(), EndReason> {
        match self.way(now, incoming)? {
            Some(way) => {
                self.start(now, incoming, way);
                Ok(())
            }
            None => self.begin_alone(now, incoming),
        }
    }

    fn way_to_phone(&mut self, incoming: &Incoming<'_>, to: PhoneRoute) -> Result<Way, EndReason> {
        let (a, trunk, identity) = match incoming.caller {
            Caller::Trunk(trunk) => {
                self.trunk_may(trunk)?;
                (Party::default(), Some(trunk), caller_of_trunk(incoming.request))
            }
            Caller::Device(_) | Caller::Browser(_) => {
                let identity = plan::identity_inside(self.agent_of(incoming.caller));
                let hidden = wants_privacy(incoming.request);
                (self.party_of(incoming.caller), None, if hidden { Identity::ANONYMOUS } else { identity })
            }
        };
        let b = Party { seat: to.seat, device: to.device };
        let domain = self.directory.domain();
        let from = from_header(&identity, domain);
        let to_header = format!("<sip:{}@{domain}>", escape(&incoming.dialled));
        let mut headers = Vec::new();
        if let Some(number) = &identity.number {
            let asserted = sip::write::name_addr(&identity.name, &number_uri(number.reveal(), domain));
            headers.push(("P-Asserted-Identity".to_owned(), asserted));
        }
        headers.push(("Allow".to_owned(), b2bua::ALLOW.to_owned()));
        let contact_user = identity.number.as_ref().map_or("anonymous", |number| number.reveal()).to_owned();
        let attempts =
            to.contacts.into_iter().map(|binding| (self.phone_port(binding.flow.transport), binding));
        let attempts = attempts.map(|((kind, codecs), binding)| Attempt {
            target: Target { flow: binding.flow, uri: binding.contact, route: binding.path },
            parties: Parties {
                from: from.clone(),
                to: to_header.clone(),
                call_id: None,
                contact_user: contact_user.clone(),
                max_forwards: incoming.max_forwards.saturating_sub(1),
            },
            headers: headers.clone(),
            kind,
            codecs,
        });
        let order = Order {
            rounds: vec![attempts.collect()],
            ring_max: self.config.ring_max,
            attempt_max: ATTEMPT_MAX,
            progress_max: self.config.progress_max,
            outside: false,
        };
        let direction = if trunk.is_some() { Direction::In } else { Direction::Internal };
        let shown = match incoming.caller {
            // The record names who called even where the called phone must not.
            Caller::Device(_) | Caller::Browser(_) => plan::identity_inside(self.agent_of(incoming.caller)),
            Caller::Trunk(_) => identity,
        };
        let context = Context { a, b, trunk, counted: None, emergency: false, second: None, referred: None };
        Ok(Way { order, context, direction, shown })
    }

    fn way_to_trunk(&mut self, now: Now, incoming: &Incoming<'_>, to: TrunkRoute) -> Result<Way, EndReason> {
        if matches!(incoming.caller, Caller::Trunk(_)) {
            return Err(EndReason::UnknownNumber);
        }
        let a = self.party_of(incoming.caller);
        let counted = a.seat.map(|(agent, _, _)| agent);
        if !to.emergency {
            let plan = &self.config.dial_plan;
            let (at_once, a_minute) = (plan.external_calls_per_agent, plan.external_calls_per_minute);
            if let Some(agent) = counted
                && !self.limits.agent_may(now, agent, at_once, a_minute)
            {
                return Err(EndReason::OverLimit);
            }
            self.trunk_may(to.trunk)?;
        }
        let trunk = self.directory.trunk(to.trunk).ok_or(EndReason::TrunkUnavailable)?.clone();
        let mut identity = plan::identity_outside(self.agent_of(incoming.caller), &trunk);
        let asserted = identity.number.clone().or_else(|| {
            // Whoever answers an emergency call must be able to call back, also to a phone where nobody sits.
            to.emergency.then(|| trunk.default_number.clone().map(Pii::new)).flatten()
        });
        let hidden = wants_privacy(incoming.request) && !to.emergency;
        let name = std::mem::take(&mut identity.name);
        if hidden {
            identity.number = None;
        } else {
            identity.name.clone_from(&name);
        }
        let mut rounds = Vec::with_capacity(trunk.addresses.len());
        for address in &trunk.addresses {
            let Some(flow) = self.trunk_flow(address) else { continue };
            rounds.push(vec![trunk_attempt(
                &trunk,
                address,
                flow,
                &to,
                &identity,
                asserted.as_ref(),
                incoming,
            )]);
        }
        if rounds.is_empty() {
            return Err(EndReason::TrunkUnavailable);
        }
        let order = Order {
            rounds,
            ring_max: self.config.ring_max,
            attempt_max: ATTEMPT_MAX,
            progress_max: self.config.progress_max,
            outside: true,
        };
        let shown = Identity { number: asserted, name };
        let context = Context {
            a,
            b: Party::default(),
            trunk: Some(trunk.id),
            counted,
            emergency: to.emergency,
            second: None,
            referred: None,
        };
        Ok(Way { order, context, direction: Direction::Out, shown })
    }

    /// A self-test is an internal call of its agent, without anybody called: it shows in the records, ends with the login,
    /// and counts towards no trunk.
    fn begin_alone(&mut self, now: Now, incoming: &Incoming<'_>) -> Result<(), EndReason> {
        if !incoming.request.has_sdp() || incoming.request.body().is_empty() {
            return Err(EndReason::NothingInCommon);
        }
        let a = self.party_of(incoming.caller);
        let context = Context {
            a,
            b: Party::default(),
            trunk: None,
            counted: None,
            emergency: false,
            second: None,
            referred: None,
        };
        let call = self.calls.next_id();
        let shown = plan::identity_inside(self.agent_of(incoming.caller));
        let record = record(call, Direction::Internal, &context, incoming, shown);
        self.begin_context(now, call, context);
        let (kind, codecs) = self.phone_port(incoming.flow.transport);
        let alone = Alone {
            invite: incoming.key,
            source: incoming.flow.peer.ip(),
            kind,
            codecs,
            offer: bytes::Bytes::copy_from_slice(incoming.request.body()),
            record,
        };
        self.calls.start_alone(now, &mut self.ua, &mut self.acts, alone);
        self.activity_changed(now, a);
        Ok(())
    }

    fn start(&mut self, now: Now, incoming: &Incoming<'_>, way: Way) {
        let Way { order, context, direction, shown } = way;
        let call = self.calls.next_id();
        let record = record(call, direction, &context, incoming, shown);
        let offer =
            incoming.request.has_sdp().then(|| bytes::Bytes::copy_from_slice(incoming.request.body()));
        let (a, b) = (context.a, context.b);
        self.begin_context(now, call, context);
        let (a_kind, a_codecs) = match incoming.caller {
            Caller::Trunk(trunk) => {
                self.directory.trunk(trunk).map_or((PortKind::Rtp, Codecs::default()), trunk_port)
            }
            Caller::Device(_) | Caller::Browser(_) => self.phone_port(incoming.flow.transport),
        };
        let start = Start {
            invite: incoming.key,
            source: incoming.flow.peer.ip(),
            a_kind,
            a_codecs,
            offer: offer.filter(|sdp| !sdp.is_empty()),
            order,
            record,
        };
        self.calls.start(now, &mut self.ua, &mut self.acts, start);
        self.activity_changed(now, a);
        self.activity_changed(now, b);
    }

    /// A call that never began is a record too: who tried to reach whom, and why it came to nothing.
    fn write_refused(&mut self, now: Now, incoming: &Incoming<'_>, reason: EndReason) {
        let call = self.calls.next_id();
        let number = plan::clean(&incoming.dialled);
        let called = self.directory.agent_at_extension(&number);
        let called = called.or_else(|| self.directory.agent_at_did(&number)).map(|agent| agent.id);
        let (a, direction, shown, trunk) = match incoming.caller {
            Caller::Trunk(trunk) => {
                (Party::default(), Direction::In, caller_of_trunk(incoming.request), Some(trunk))
            }
            caller @ (Caller::Device(_) | Caller::Browser(_)) => {
                let direction = if called.is_some() { Direction::Internal } else { Direction::Out };
                (self.party_of(caller), direction, plan::identity_inside(self.agent_of(caller)), None)
            }
        };
        let context = Context {
            a,
            b: Party::default(),
            trunk,
            counted: None,
            emergency: false,
            second: None,
            referred: None,
        };
        let mut record = record(call, direction, &context, incoming, shown);
        match direction {
            Direction::In => record.agent = called,
            Direction::Internal => record.to_agent = called,
            Direction::Out => {}
        }
        (record.started, record.ended, record.end) = (now.wall, Some(now.wall), Some(reason));
        self.write_record(now, Box::new(record));
    }

    fn login_of_caller(&self, caller: Caller) -> Option<&Login> {
        match caller {
            Caller::Trunk(_) => None,
            Caller::Device(device) => self.seats.at_device(device),
            Caller::Browser(agent) => self.seats.login_of(agent),
        }
    }
    fn agent_of(&self, caller: Caller) -> Option<&Agent> {
        self.directory.agent(self.login_of_caller(caller)?.agent)
    }
    pub(crate) fn party_of(&self, caller: Caller) -> Party {
        let login = self.login_of_caller(caller);
        let device = match caller {
            Caller::Device(device) => Some(device),
            Caller::Trunk(_) | Caller::Browser(_) => None,
        };
        Party { seat: login.map(|one| (one.agent, one.id, one.epoch)), device }
    }
    fn trunk_may(&self, trunk: TrunkId) -> Result<(), EndReason> {
        let max = self.directory.trunk(trunk).map_or(0, |trunk| trunk.max_calls);
        if self.limits.trunk_calls(trunk) < max { Ok(()) } else { Err(EndReason::OverLimit) }
    }

    /// How media goes to whoever speaks SIP over this transport: over a WebSocket it is a browser.
    fn phone_port(&self, transport: Transport) -> (PortKind, Codecs) {
        let kind = match (transport, self.config.phone_srtp) {
            (Transport::Ws | Transport::Wss, _) => return (PortKind::WebRtc, Codecs::default()),
            (Transport::Tls, srtp) => srtp.port(),
            (Transport::Udp | Transport::Tcp, Srtp::Require) => PortKind::Srtp,
            (Transport::Udp | Transport::Tcp, _) => PortKind::Rtp,
        };
        (kind, self.config.phone_codecs)
    }

    /// The way to an address of a trunk: for UDP it is there, a stream is asked for when something is sent on it.
    fn trunk_flow(&mut self, address: &TrunkAddress) -> Option<Flow> {
        let to = address.address;
        let fits =
            |one: &&sip::ua::Local| one.transport == address.transport && one.bound.is_ipv4() == to.is_ipv4();
        let local = self.config.locals.iter().find(fits)?.bound;
        if address.transport == Transport::Udp {
            return Some(Flow::udp(local, to));
        }
        if let Some((flow, _)) = self.trunk_flows.get(&to) {
            return Some(*flow);
        }
        let connection = ConnectionId(self.next_connection);
        self.next_connection += 2;
        let flow = Flow { transport: address.transport, local, peer: to, connection };
        self.trunk_flows.insert(to, (flow, false));
        Some(flow)
    }

    /// Something is about to be sent: a trunk's connection that nobody needed so far is opened now. Standby addresses are
    /// left alone until it is their turn.
    pub(crate) fn connect_where_needed(&mut self, flow: Flow) {
        if let Some((known, asked)) = self.trunk_flows.get_mut(&flow.peer)
            && *known == flow
            && !std::mem::replace(asked, true)
        {
            self.out.push_back(Output::Connect { flow });
        }
    }
}

fn trunk_port(trunk: &Trunk) -> (PortKind, Codecs) {
    (trunk.srtp.port(), Codecs::new(&trunk.codecs))
}

fn trunk_attempt(
    trunk: &Trunk,
    address: &TrunkAddress,
    flow: Flow,
    to: &TrunkRoute,
    identity: &Identity,
    asserted: Option<&Pii>,
    incoming: &Incoming<'_>,
) -> Attempt {
    let host = trunk.domain.clone().unwrap_or_else(|| host_of(address.address));
    let transport = match address.transport {
        Transport::Udp => String::new(),
        other => format!(";transport={}", other.uri_param()),
    };
    let number = escape(&to.number);
    let mut headers = vec![("Allow".to_owned(), b2bua::ALLOW.to_owned())];
    if let Some(asserted) = asserted {
        let asserted = number_uri(asserted.reveal(), &host);
        headers.push(("P-Asserted-Identity".to_owned(), sip::write::name_addr(&identity.name, &asserted)));
        if identity.number.is_none() {
            // RFC 3325 §9.3: the trunk knows who it is and tells nobody.
            headers.push(("Privacy".to_owned(), "id".to_owned()));
        }
    }
    let contact_user = identity.number.as_ref().map_or("anonymous", |number| number.reveal()).to_owned();
    let (kind, codecs) = trunk_port(trunk);
    Attempt {
        target: Target { flow, uri: format!("sip:{number}@{host}{transport}"), route: Vec::new() },
        parties: Parties {
            from: from_header(identity, &host),
            to: format!("<sip:{number}@{host}>"),
            call_id: None,
            contact_user,
            max_forwards: incoming.max_forwards.saturating_sub(1),
        },
        headers,
        kind,
        codecs,
    }
}

fn record(
    call: CallId,
    direction: Direction,
    context: &Context,
    incoming: &Incoming<'_>,
    shown: Identity,
) -> CallRecord {
    // Of our side; for internal calls the caller's, with the called ones beside them.
    let (ours, other) = match direction {
        Direction::In => (context.b, Party::default()),
        Direction::Out => (context.a, Party::default()),
        Direction::Internal => (context.a, context.b),
    };
    CallRecord {
        call,
        direction,
        from: shown.number.unwrap_or_else(|| Pii::new("anonymous")),
        to: Pii::new(incoming.dialled.clone()),
        started: Default::default(),
        answered: None,
        ended: None,
        agent: ours.seat.map(|(agent, _, _)| agent),
        login: ours.seat.map(|(_, login, _)| login),
        device: ours.device,
        to_agent: other.seat.map(|(agent, _, _)| agent),
        to_login: other.seat.map(|(_, login, _)| login),
        to_device: other.device,
        trunk: context.trunk,
        a_call_id: incoming.request.call_id().unwrap_or_default().to_owned(),
        b_call_id: String::new(),
        end: None,
        peer_status: None,
        a: LegFigures::default(),
        b: LegFigures::default(),
    }
}

/// Who calls, as a trusted trunk says: its asserted identity before its From (RFC 3325 §9.1), unless that is private.
fn caller_of_trunk(request: &Message<'_>) -> Identity {
    let from = request.from();
    let anonymous = |from: &NameAddr<'_>| {
        from.uri().is_none_or(|uri| uri.user.is_none() || uri.host.eq_ignore_ascii_case("anonymous.invalid"))
    };
    if wants_privacy(request) || from.as_ref().is_none_or(anonymous) {
        return Identity::ANONYMOUS;
    }
    let address = request.p_asserted_identity().or(from);
    let number = address.as_ref().and_then(|address| address.uri()).and_then(|uri| {
        let user = uri.number().or_else(|| uri.user.map(|_| uri.user_unescaped().into_owned()))?;
        (!user.is_empty() && user.len() <= plan::DIALLED_MAX).then(|| Pii::new(user))
    });
    let name = address.map(|address| display(&address.name())).unwrap_or_default();
    Identity { number, name }
}

/// RFC 3323 §4.2: the caller asked not to be shown.
fn wants_privacy(request: &Message<'_>) -> bool {
    let asked = request.header(Name::Privacy).unwrap_or("");
    asked.split([';', ',']).any(|one| matches!(one.trim(), "id" | "user" | "header"))
}

/// A display name without what could make a page or a phone show something else: controls and direction marks.
fn display(name: &str) -> String {
    let plain = |c: &char| {
        !c.is_control()
            && !matches!(*c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    name.chars().filter(plain).take(DISPLAY_MAX).collect()
}

fn from_header(identity: &Identity, host: &str) -> String {
    match &identity.number {
        Some(number) => sip::write::name_addr(&identity.name, &number_uri(number.reveal(), host)),
        None => "\"Anonymous\" <sip:anonymous@anonymous.invalid>".to_owned(),
    }
}

fn number_uri(number: &str, host: &str) -> String {
    format!("sip:{}@{host}", escape(number))
}

fn host_of(address: SocketAddr) -> String {
    address.to_string()
}
