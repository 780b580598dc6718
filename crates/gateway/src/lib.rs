//! The four machines joined into one: SIP, registrations, logins and calls. It knows everything about them and touches
//! nothing outside itself; the daemon, or the simulated world, feeds it one input at a time.

use sip::ua::Local;
use std::time::Duration;
use terms::{
    Activity, AgentId, Audience, Binding, CallId, DeviceId, DirectoryChange, Flow, Instant, Login,
    MediaCommand, MediaEvent, Notice, Now, PhoneState, StoreError, StoreTicket, StoreWrite, TakeoverPolicy,
    WallTime, WhyClosed,
};

pub mod plan;
pub use plan::DialPlan;

/// One thing that happened outside.
#[derive(Debug)]
pub enum Input<'a> {
    /// `deadline()` has come.
    Timeout,
    FlowOpened {
        flow: Flow,
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
    /// New dial plan and policies, read from changed files. Calls that are up are not touched.
    Reload {
        dial_plan: Box<DialPlan>,
        takeover: TakeoverPolicy,
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
    /// Keys nonces, tags and branches; drawn by the daemon at start.
    pub seed: [u8; 32],
    /// Upper half of call ids, different at every start.
    pub incarnation: u32,
    pub calls_max: usize,
    pub bindings_max: usize,
    /// Offer only SHA-256, refuse MD5 (SPEC G2).
    pub digest_no_md5: bool,
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

pub struct Gateway {}

impl Gateway {
    pub fn new(_config: GatewayConfig) -> Gateway {
        todo!()
    }
    pub fn handle(&mut self, _now: Now, _input: Input<'_>) {
        todo!()
    }
    pub fn poll_output(&mut self) -> Option<Output> {
        todo!()
    }
    pub fn deadline(&self) -> Option<Instant> {
        todo!()
    }

    /// How each phone stands.
    pub fn phones(&self, _now: Now) -> Vec<PhoneStatus> {
        todo!()
    }
    /// What the agent does now and since when.
    pub fn activity(&self, _agent: AgentId) -> (Activity, WallTime) {
        todo!()
    }
    pub fn calls(&self) -> Vec<CallStatus> {
        todo!()
    }
    /// True once draining and no call is left.
    pub fn is_drained(&self) -> bool {
        todo!()
    }
}
