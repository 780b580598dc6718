//! What a call is told to do before it begins: whom to ring, in which order, for how long, and with which words.

use bytes::Bytes;
use sip::ua::{Parties, ServerKey, Target};
use std::net::IpAddr;
use std::time::Duration;
use terms::{CallRecord, Codecs, PortKind};

/// One place to ring.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub target: Target,
    pub parties: Parties,
    /// Written on the INVITE as they are. Nothing else of leg A's headers crosses: our topology is ours.
    pub headers: Vec<(String, String)>,
    pub kind: PortKind,
    /// What may be offered there, preferred first; empty: whatever legs of its kind usually speak.
    pub codecs: Codecs,
}

/// Whom to ring. Rounds follow one another when a round failed in a way another address may mend; the attempts of a
/// round ring together.
#[derive(Clone, Debug)]
pub struct Order {
    pub rounds: Vec<Vec<Attempt>>,
    /// How long all of it may ring before `NoAnswer`.
    pub ring_max: Duration,
    /// How long one round may stay without any sign of life before the next one is tried.
    pub attempt_max: Duration,
    /// How long a round that said 100 may go on saying nothing more, where another round could be tried instead.
    pub progress_max: Duration,
    /// Leg B is a trunk, not a phone of ours: failures carry other words.
    pub outside: bool,
}

/// A call about to begin.
#[derive(Debug)]
pub struct Start {
    /// Leg A's INVITE, waiting for its answer.
    pub invite: ServerKey,
    /// Where leg A's SIP came from.
    pub source: IpAddr,
    pub a_kind: PortKind,
    /// What may be offered to leg A when it makes no offer itself, and later.
    pub a_codecs: Codecs,
    /// Leg A's offer; `None` is a late offer (RFC 3261 §13.2.1).
    pub offer: Option<Bytes>,
    pub order: Order,
    /// Filled in by whoever knows agents and trunks; the call adds times, Call-IDs, end and figures.
    pub record: CallRecord,
}
