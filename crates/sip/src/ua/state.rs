//! What the `Ua` keeps of each transaction besides its machine.

use super::chance::Word;
use super::echo::Echo;
use super::reliable::Reliable;
use crate::Method;
use crate::transaction::key::MatchKey;
use crate::transaction::{ClientInvite, ClientOther, ServerInvite, ServerOther};
use smallvec::SmallVec;
use terms::{Flow, Instant};

#[derive(Debug)]
pub(super) enum ServerMachine {
    Invite(ServerInvite),
    Other(ServerOther),
}

#[derive(Debug)]
pub(super) struct Server {
    pub machine: ServerMachine,
    pub flow: Flow,
    pub flow_open: bool,
    pub method: Method,
    pub matched: MatchKey,
    pub merged: Option<u128>,
    pub echo: Echo,
    /// The last response, for when the request comes again; empty before the first.
    pub last: Vec<u8>,
    /// Our tag in its responses, where the request had none.
    pub tag: Word,
    /// The dialog it came in or made.
    pub dialog: Option<u64>,
    /// What a dialog would be made of; only with an INVITE outside dialogs, until its final response.
    pub opening: Option<Box<Opening>>,
    pub cancelled: bool,
    /// With an INVITE that requires reliable provisional responses (RFC 3262).
    pub reliable: Option<Box<Reliable>>,
    /// The moment the timer queue knows of.
    pub queued_at: Option<Instant>,
}

impl Server {
    pub fn due(&self) -> Option<Instant> {
        let machine = match &self.machine {
            ServerMachine::Invite(machine) => machine.due(),
            ServerMachine::Other(machine) => machine.due(),
        };
        let again = self.reliable.as_deref().and_then(Reliable::due);
        match (machine, again) {
            (Some(machine), Some(again)) => Some(machine.min(again)),
            (machine, again) => machine.or(again),
        }
    }
    pub fn forget_ack(&mut self) {
        if let ServerMachine::Invite(machine) = &mut self.machine {
            machine.forget_ack();
        }
    }
    pub fn is_open_invite(&self) -> bool {
        matches!(&self.machine, ServerMachine::Invite(machine) if machine.is_proceeding())
    }
    pub fn waits_for_ack(&self) -> bool {
        matches!(&self.machine, ServerMachine::Invite(machine) if machine.waits_for_ack())
    }
}

/// An INVITE that may become a dialog (RFC 3261 §12.1.1).
#[derive(Debug)]
pub(super) struct Opening {
    pub call_id: Box<str>,
    /// Their From value.
    pub remote: Box<str>,
    pub remote_tag: Box<str>,
    /// Our To value, still without a tag.
    pub local: Box<str>,
    pub remote_target: Box<str>,
    pub routes: Vec<Box<str>>,
    pub cseq: u32,
    pub contact_user: Box<str>,
}

#[derive(Debug)]
pub(super) enum ClientMachine {
    Invite(ClientInvite),
    Other(ClientOther),
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Cancel {
    No,
    /// Asked for before the first provisional response (RFC 3261 §9.1); with the Reason it will carry.
    Wanted(Option<String>),
    Sent,
}

/// A dialog an INVITE of ours made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Fork {
    pub id: u128,
    pub dialog: u64,
    /// Its 2xx was handed up.
    pub answered: bool,
    /// The last reliable provisional response of it (RFC 3262); 0 before the first.
    pub rseq: u32,
}

#[derive(Debug)]
pub(super) struct Client {
    pub machine: ClientMachine,
    pub flow: Flow,
    pub method: Method,
    pub cseq: u32,
    /// The number in our branch.
    pub branch: u64,
    /// The request as sent: to send again, and to build ACK, CANCEL and dialogs from.
    pub request: Vec<u8>,
    /// The dialog it was sent in.
    pub dialog: Option<u64>,
    pub forks: SmallVec<[Fork; 1]>,
    pub cancel: Cancel,
    pub contact_user: Box<str>,
    pub queued_at: Option<Instant>,
}

impl Client {
    pub fn due(&self) -> Option<Instant> {
        match &self.machine {
            ClientMachine::Invite(machine) => machine.due(),
            ClientMachine::Other(machine) => machine.due(),
        }
    }
    /// Our CANCELs are our own business; their answers tell the owner nothing.
    pub fn is_cancel(&self) -> bool {
        self.method == Method::Cancel
    }
}
