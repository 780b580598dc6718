//! The four machines joined into one: SIP, registrations, logins and calls. It knows everything about them and touches
//! nothing outside itself; the daemon, or the simulated world, feeds it one input at a time.

use ahash::AHashMap;
use b2bua::{Act, Calls};
use hotdesk::Seats;
use hotdesk::pass::PassKey;
use registrar::Registrar;
use sip::ua::{Expired, Local, Received, Timers, Ua, UaConfig};
use std::collections::VecDeque;
use std::time::Duration;
use terms::{
    Activity, AgentId, Audience, Binding, BrowserFlow, CallId, Codecs, DeviceId, DirectoryChange, EndReason,
    Flow, Instant, Login, LoginId, MediaCommand, MediaEvent, Notice, Now, PhoneState, Srtp, StoreError,
    StoreTicket, StoreWrite, TakeoverPolicy, WallTime, WhyClosed,
};

mod auth;
mod browser;
mod calls;
mod directory;
mod invite;
mod limits;
mod logins;
mod phones;
pub mod plan;
mod register;
mod store;
mod transfer;
mod watch;

pub use browser::BrowserSeat;
pub use directory::{Directory, Phone};
pub use plan::DialPlan;

/// One thing that happened outside.
#[derive(Debug)]
pub enum Input<'a> {
    /// `deadline()` has come.
    Timeout,
    /// A stream is open. `browser` where it is a WebSocket that came with the session of a login.
    FlowOpened {
        flow: Flow,
        browser: Option<BrowserFlow>,
    },
    FlowClosed {
        flow: Flow,
        why: WhyClosed,
    },
    /// One whole SIP message (streams are framed by the daemon with `sip::framing`), or a keep-alive.
    Received {
        flow: Flow,
        bytes: &'a [u8],
    },
    Media(MediaEvent),
    /// A login row as it stands in the store now. Applied by epoch; the same or an older one changes nothing.
    Login(Login),
    Stored(StoreTicket, Result<(), StoreError>),
    Directory(DirectoryChange),
    /// A binding read from the store at start, before the sockets open.
    Restored(Binding),
    Command(Command),
}

#[derive(Debug)]
pub enum Command {
    /// Ask the phone whether it is there (OPTIONS); the answer shows in its `PhoneState`.
    Probe(DeviceId),
    HangUp(CallId),
    /// This tab of a login in the browser has the sound from now on.
    TakeSeat {
        login: LoginId,
        tab: String,
    },
    /// New dial plan and policies, read from changed files. Calls that are up are not touched.
    Reload {
        dial_plan: Box<DialPlan>,
        takeover: TakeoverPolicy,
        /// As in `GatewayConfig`.
        digest_no_md5: bool,
    },
    /// No new calls (503); `is_drained` tells when the last one ended. Phones may go on registering.
    Drain,
    /// End what is still up, with `EndReason::Shutdown`.
    EndAll,
}

/// One thing to be done outside, in the order it was decided.
#[derive(Debug)]
pub enum Output {
    Send {
        flow: Flow,
        bytes: Vec<u8>,
    },
    /// Open a stream; sends to this flow may follow at once and wait in its queue. Answered by `FlowOpened` or `FlowClosed`.
    Connect {
        flow: Flow,
    },
    CloseFlow {
        flow: Flow,
        why: WhyClosed,
    },
    Media(MediaCommand),
    Notice {
        to: Audience,
        notice: Notice,
    },
    Store(StoreTicket, StoreWrite),
}

#[derive(Clone, Debug)]
pub struct GatewayConfig {
    /// SIP domain of our devices and the realm of their digest.
    pub domain: String,
    pub realm: String,
    pub locals: Vec<Local>,
    pub product: String,
    pub dial_plan: DialPlan,
    pub takeover: TakeoverPolicy,
    pub expires_min: Duration,
    pub expires_default: Duration,
    pub expires_max: Duration,
    /// How long a phone rings before `no_answer`.
    pub ring_max: Duration,
    /// How long a trunk's address that said 100 may take to ring before the trunk's next one is tried.
    pub progress_max: Duration,
    /// Keys nonces, tags and branches; drawn by the daemon at start.
    pub seed: [u8; 32],
    /// Upper half of call ids, different at every start.
    pub incarnation: u32,
    pub calls_max: usize,
    pub bindings_max: usize,
    /// Offer only SHA-256, refuse MD5 (SPEC G2).
    pub digest_no_md5: bool,
    /// How the voice of desk phones travels. `Offer` holds for phones that speak SIP over TLS: on an open wire the key
    /// in the description would be as good as none.
    pub phone_srtp: Srtp,
    /// What desk phones may be offered, preferred first; empty: everything.
    pub phone_codecs: Codecs,
    /// How often a phone where somebody sits is asked whether it is there (OPTIONS); zero: never.
    pub watch_every: Duration,
    /// By which pages prove their login; the same as whoever hands out tickets has.
    pub pass_key: PassKey,
}

/// How a phone stands, for lists.
#[derive(Clone, Debug, PartialEq)]
pub struct PhoneStatus {
    pub device: DeviceId,
    pub state: PhoneState,
    pub since: WallTime,
    /// Of the best binding, where there is one.
    pub contact: Option<String>,
    pub flow: Option<Flow>,
    pub user_agent: Option<String>,
    pub expires: Option<WallTime>,
}

/// A call as it stands now, for lists and the takeover dialog.
#[derive(Clone, Debug, PartialEq)]
pub struct CallStatus {
    pub call: CallId,
    pub agent: Option<AgentId>,
    pub device: Option<DeviceId>,
    pub from: terms::Pii,
    pub to: terms::Pii,
    pub started: WallTime,
    pub answered: Option<WallTime>,
}

/// What happened since the start, for the metrics page. Only ever grows.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct Counters {
    pub messages: u64,
    /// Messages that could not be read as SIP.
    pub malformed: u64,
    pub registered: u64,
    pub challenged: u64,
    /// Wrong passwords, replayed or foreign nonces.
    pub auth_failures: u64,
    /// Requests dropped because their source or account asked too often.
    pub silenced: u64,
    /// Words of logins that are over, dropped or refused.
    pub late: u64,
    pub calls: u64,
    pub calls_refused: u64,
    pub calls_answered: u64,
    pub store_failures: u64,
}

/// The machine. Everything it owns is a table with a limit; everything it decides leaves by `poll_output`.
pub struct Gateway {
    config: GatewayConfig,
    ua: Ua,
    registrar: Registrar,
    seats: Seats,
    directory: Directory,
    calls: Calls,
    /// What the calls of the machine below mean up here; one entry per call that has not ended.
    contexts: AHashMap<CallId, calls::Context>,
    by_agent: AHashMap<AgentId, calls::CallIds>,
    by_device: AHashMap<DeviceId, calls::CallIds>,
    activities: AHashMap<AgentId, (Activity, WallTime)>,
    limits: limits::CallLimits,
    strangers: limits::Strangers,
    auth: auth::Auth,
    browsers: browser::Browsers,
    phones: phones::Phones,
    watches: watch::Watches,
    store: store::Store,
    queued: register::Queued,
    /// Streams towards trunks by their address, and whether the connection was asked for yet.
    trunk_flows: AHashMap<std::net::SocketAddr, (Flow, bool)>,
    next_connection: u64,
    draining: bool,
    counters: Counters,
    acts: VecDeque<Act>,
    out: VecDeque<Output>,
}

/// Transactions at once; a transaction is about a kilobyte and lives 32 s at most when nobody answers.
const TRANSACTIONS_MAX: usize = 262_144;

impl Gateway {
    pub fn new(config: GatewayConfig) -> Gateway {
        let ua = Ua::new(UaConfig {
            locals: config.locals.clone(),
            product: config.product.clone(),
            seed: config.seed,
            timers: Timers::default(),
            transactions_max: TRANSACTIONS_MAX,
            dialogs_max: config.calls_max.saturating_mul(8).max(64),
        });
        let registrar = Registrar::new(registrar::Limits {
            expires_min: config.expires_min,
            expires_default: config.expires_default,
            expires_max: config.expires_max,
            bindings_max: config.bindings_max,
        });
        Gateway {
            ua,
            registrar,
            seats: Seats::new(),
            directory: Directory::new(&config.domain),
            calls: Calls::new(config.incarnation, config.calls_max),
            contexts: AHashMap::new(),
            by_agent: AHashMap::new(),
            by_device: AHashMap::new(),
            activities: AHashMap::new(),
            limits: limits::CallLimits::default(),
            strangers: limits::Strangers::default(),
            auth: auth::Auth::new(&config),
            browsers: browser::Browsers::default(),
            phones: phones::Phones::default(),
            watches: watch::Watches::default(),
            store: store::Store::default(),
            queued: register::Queued::default(),
            trunk_flows: AHashMap::new(),
            next_connection: 1,
            draining: false,
            counters: Counters::default(),
            acts: VecDeque::new(),
            out: VecDeque::new(),
            config,
        }
    }

    pub fn handle(&mut self, now: Now, input: Input<'_>) {
        match input {
            Input::Timeout => self.timeout(now),
            Input::FlowOpened { flow, browser } => {
                self.watches.opened(flow);
                self.flow_opened(flow, browser);
            }
            Input::FlowClosed { flow, .. } => self.flow_closed(now, flow),
            Input::Received { flow, bytes } => self.received(now, flow, bytes),
            Input::Media(MediaEvent::Quality { call, leg, quality }) => self.quality(call, leg, quality),
            Input::Media(event) => self.calls.media(now, &mut self.ua, &mut self.acts, event),
            Input::Login(row) => self.login(now, &row),
            Input::Stored(ticket, result) => self.stored(now, ticket, result),
            Input::Directory(change) => self.directory_changed(now, change),
            Input::Restored(binding) => self.restored(now, binding),
            Input::Command(command) => self.command(now, command),
        }
        self.settle(now);
    }

    pub fn poll_output(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// When `Input::Timeout` next has something to do: the earliest of all parts.
    pub fn deadline(&self) -> Option<Instant> {
        let parts = [
            self.ua.deadline(),
            self.registrar.deadline(),
            self.calls.deadline(),
            self.phones.deadline(),
            self.watches.deadline(),
            self.store.deadline(),
        ];
        parts.into_iter().flatten().min()
    }

    fn received(&mut self, now: Now, flow: Flow, bytes: &[u8]) {
        self.counters.messages += 1;
        if !self.browsers.may_speak(flow) {
            // SPEC C5: sent before the page knew that its login is over.
            self.counters.late += 1;
            return;
        }
        let received = self.ua.receive(now, flow, bytes);
        // What the rules refuse by themselves is an answer as any other: a scanner gets its share, then silence.
        if self.ua.has_refused()
            && self.directory.trunk_at(flow.peer).is_none()
            && !self.strangers.may(now, flow.peer.ip())
        {
            self.ua.take_back_refusal();
            self.counters.silenced += 1;
        }
        let received = match received {
            Ok(received) => received,
            Err(_) => {
                self.counters.malformed += 1;
                return;
            }
        };
        let (ua, acts) = (&mut self.ua, &mut self.acts);
        match received {
            Received::Handled => {}
            Received::Request { key, request } => self.request(now, flow, key, &request),
            Received::InDialog { key, dialog, request } if request.method() == Some(sip::Method::Refer) => {
                self.refer(now, flow, key, dialog, &request)
            }
            Received::InDialog { key, dialog, request } => {
                if !self.calls.in_dialog(now, ua, acts, key, dialog, &request) {
                    let _ = self.ua.respond(now, key, sip::Draft::response(481));
                }
            }
            Received::Cancelled { invite, .. } => {
                if !self.calls.cancelled(now, ua, acts, invite) {
                    let _ = self.ua.respond(now, invite, sip::Draft::response(487));
                }
            }
            Received::Acked { dialog, invite, request } => {
                self.calls.acked(now, ua, acts, dialog, invite, &request)
            }
            Received::Response { key, dialog, response } => {
                if !self.calls.response(now, ua, acts, key, dialog, &response) {
                    self.probe_answered(now, key, response.status());
                }
            }
        }
    }

    fn timeout(&mut self, now: Now) {
        self.ua.timeout(now);
        self.calls.timeout(now, &mut self.ua, &mut self.acts);
        self.expire_bindings(now);
        self.probes_timeout(now);
        self.watch_timeout(now);
        self.store_timeout(now);
    }

    /// Carries out what the parts decided, until nobody has anything left to say.
    fn settle(&mut self, now: Now) {
        loop {
            self.settle_parts(now);
            while let Some((flow, bytes)) = self.ua.poll_output() {
                if flow.transport.is_reliable() {
                    self.connect_where_needed(flow);
                }
                self.out.push_back(Output::Send { flow, bytes });
            }
            // Last words first, then the door.
            if !self.close_flows(now) {
                return;
            }
        }
    }

    fn settle_parts(&mut self, now: Now) {
        loop {
            if let Some(expired) = self.ua.poll_expired() {
                self.expired(now, expired);
            } else if let Some(act) = self.acts.pop_front() {
                self.act(now, act);
            } else {
                break;
            }
        }
    }

    fn expired(&mut self, now: Now, expired: Expired) {
        let (ua, acts) = (&mut self.ua, &mut self.acts);
        match expired {
            Expired::NoResponse { key, flow_failed } => {
                if !self.calls.no_response(now, ua, acts, key, flow_failed) {
                    self.probe_unanswered(now, key);
                }
            }
            Expired::NotAcked { dialog, invite } => self.calls.not_acked(now, ua, acts, dialog, invite),
        }
    }

    fn flow_closed(&mut self, now: Now, flow: Flow) {
        self.watches.closed(flow);
        if self.trunk_flows.get(&flow.peer).is_some_and(|(known, _)| *known == flow) {
            self.trunk_flows.remove(&flow.peer);
        }
        self.stream_gone(now, flow);
        self.browsers.gone(flow);
    }

    /// Nothing can be sent there any more.
    fn stream_gone(&mut self, now: Now, flow: Flow) {
        self.page_lost(now, flow);
        self.ua.flow_closed(now, flow);
        self.forget_queued(now, flow);
        for aor in self.registrar.flow_closed(flow) {
            self.suspect(now, &aor, flow);
        }
    }

    fn command(&mut self, now: Now, command: Command) {
        match command {
            Command::Probe(device) => self.probe(now, device),
            Command::TakeSeat { login, tab } => self.take_seat(now, login, tab),
            Command::HangUp(call) => self.end_call(now, call, EndReason::HungUpByAdministrator),
            Command::Reload { dial_plan, takeover, digest_no_md5 } => {
                self.config.dial_plan = *dial_plan;
                self.config.takeover = takeover;
                self.config.digest_no_md5 = digest_no_md5;
                self.auth.allow_md5(!digest_no_md5);
            }
            Command::Drain => self.draining = true,
            Command::EndAll => {
                let all: Vec<CallId> = self.contexts.keys().copied().collect();
                for call in all {
                    self.end_call(now, call, EndReason::Shutdown);
                }
            }
        }
    }

    fn notice(&mut self, to: Audience, notice: Notice) {
        self.out.push_back(Output::Notice { to, notice });
    }

    /// Where a call from this device to this number would go now, and why. `hotseat route` prints it.
    pub fn route(&self, now: Now, caller: plan::Caller, dialled: &str) -> plan::Plan {
        plan::plan(&self.view(now), caller, dialled)
    }

    fn view(&self, now: Now) -> plan::View<'_> {
        plan::View {
            now,
            directory: &self.directory,
            seats: &self.seats,
            registrar: &self.registrar,
            dial_plan: &self.config.dial_plan,
        }
    }

    /// Who and what exists, as the core knows it.
    pub fn directory(&self) -> &Directory {
        &self.directory
    }
    /// Who sits where, as the core knows it.
    pub fn seats(&self) -> &Seats {
        &self.seats
    }
    pub fn registrar(&self) -> &Registrar {
        &self.registrar
    }
    /// Transactions and dialogs held right now.
    pub fn ua_holds(&self) -> sip::ua::Holds {
        self.ua.holds()
    }
    /// Sizes of the call tables, for the checker that they return to nothing.
    pub fn call_tables(&self) -> [usize; 5] {
        self.calls.table_sizes()
    }
    /// Flows and seats of browsers held right now, for tests that end at rest.
    pub fn browser_tables(&self) -> [usize; 2] {
        self.browsers.sizes()
    }
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// True once draining and no call is left.
    pub fn is_drained(&self) -> bool {
        self.draining && self.calls.is_empty() && self.store.records_waiting() == 0
    }
}
