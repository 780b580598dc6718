//! Transactions, RFC 3261 §17 with RFC 6026: four small machines, each a figure of the RFC turned into an enum. They
//! hold phases and timers only; the `Ua` owns the messages and carries out what they ask for.

pub mod client_invite;
pub mod client_other;
pub mod key;
pub mod server_invite;
pub mod server_other;

pub use client_invite::ClientInvite;
pub use client_other::ClientOther;
pub use server_invite::ServerInvite;
pub use server_other::ServerOther;

use crate::ua::Timers;
use std::time::Duration;
use terms::Instant;

/// The clockwork of one transaction: the values of RFC 3261 table 4 and whether the transport delivers by itself.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    pub t1: Duration,
    pub t2: Duration,
    pub t4: Duration,
    pub reliable: bool,
}

impl Pace {
    pub fn new(timers: Timers, reliable: bool) -> Pace {
        let ms = Duration::from_millis;
        // A zero would retransmit without end at one instant.
        let t1 = ms(timers.t1_ms.max(1));
        Pace { t1, t2: ms(timers.t2_ms).max(t1), t4: ms(timers.t4_ms), reliable }
    }
    /// 64·T1, how long anything is waited for (timers B, F, H, J, L, M).
    pub fn patience(self) -> Duration {
        self.t1.saturating_mul(64)
    }
    /// How long retransmissions are still absorbed afterwards: nothing on streams, which bring none.
    pub fn linger(self, on_udp: Duration) -> Duration {
        if self.reliable { Duration::ZERO } else { on_udp }
    }
    /// The first retransmission, or never on a stream.
    pub fn first_resend(self, now: Instant) -> Option<Instant> {
        (!self.reliable).then(|| now + self.t1)
    }
}

/// What a machine asks for after an event. Done in the order of the fields.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Acts {
    /// Put the stored message (the request, or the last response) on the wire once more.
    pub resend: bool,
    /// Client INVITE: acknowledge this final response (RFC 3261 §17.1.1.3).
    pub ack: bool,
    /// Server INVITE: nobody answered within 200 ms, say 100.
    pub trying: bool,
    /// The transaction user is to be told of this message.
    pub pass: bool,
    /// Nothing came in time (timers B, F, H, or L without an ACK).
    pub timed_out: bool,
    /// The transaction is over; its place in the table is free.
    pub over: bool,
}

impl Acts {
    pub const NONE: Acts =
        Acts { resend: false, ack: false, trying: false, pass: false, timed_out: false, over: false };
    pub const RESEND: Acts = Acts { resend: true, ..Acts::NONE };
    pub const PASS: Acts = Acts { pass: true, ..Acts::NONE };
    pub const OVER: Acts = Acts { over: true, ..Acts::NONE };
    pub const TIMED_OUT: Acts = Acts { timed_out: true, over: true, ..Acts::NONE };
}

/// The earlier of two moments, either of which may be never.
pub(crate) fn earlier(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// Whether a moment has come.
fn due(at: Option<Instant>, now: Instant) -> bool {
    at.is_some_and(|at| at <= now)
}
