//! Our INVITE, from sending to the last echo of its answers: RFC 3261 §17.1.1, figure 5, with RFC 6026 §7.2.

use super::{Acts, Pace, due, earlier};
use std::time::Duration;
use terms::Instant;

/// Responses to a cancelled INVITE may take this many times T1; then it counts as cancelled (RFC 3261 §9.1).
const CANCEL_PATIENCE_T1: u32 = 64;
/// RFC 3261 §17.1.1.2: timer D is at least 32 s on UDP.
const TIMER_D: Duration = Duration::from_secs(32);

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ClientInvite {
    /// Sent, nothing heard. Timer A sends again, timer B gives up.
    Calling { a_at: Option<Instant>, a: Duration, b_at: Instant },
    /// Something provisional came. No timer but the one a CANCEL starts.
    Proceeding { give_up_at: Option<Instant> },
    /// Refused and acknowledged. Timer D absorbs retransmissions of the refusal.
    Completed { d_at: Instant },
    /// RFC 6026: answered by 2xx. Timer M waits for more of them, from other forks.
    Accepted { m_at: Instant },
}

impl ClientInvite {
    pub fn start(now: Instant, pace: Pace) -> ClientInvite {
        ClientInvite::Calling { a_at: pace.first_resend(now), a: pace.t1, b_at: now + pace.patience() }
    }

    pub fn due(&self) -> Option<Instant> {
        match *self {
            ClientInvite::Calling { a_at, b_at, .. } => earlier(a_at, Some(b_at)),
            ClientInvite::Proceeding { give_up_at } => give_up_at,
            ClientInvite::Completed { d_at } => Some(d_at),
            ClientInvite::Accepted { m_at } => Some(m_at),
        }
    }

    pub fn response(&mut self, now: Instant, pace: Pace, status: u16) -> Acts {
        match (&*self, status) {
            (ClientInvite::Calling { .. }, ..=199) => {
                *self = ClientInvite::Proceeding { give_up_at: None };
                Acts::PASS
            }
            (ClientInvite::Proceeding { .. }, ..=199) => Acts::PASS,
            (ClientInvite::Calling { .. } | ClientInvite::Proceeding { .. }, 200..=299) => {
                // RFC 6026 §7.2: the transaction stays so that each further 2xx finds its user.
                *self = ClientInvite::Accepted { m_at: now + pace.patience() };
                Acts::PASS
            }
            (ClientInvite::Calling { .. } | ClientInvite::Proceeding { .. }, _) => {
                // RFC 3261 §17.1.1.2: the ACK is generated before the response is passed up.
                *self = ClientInvite::Completed { d_at: now + pace.linger(TIMER_D) };
                Acts { ack: true, pass: true, over: pace.reliable, ..Acts::NONE }
            }
            // Figure 5: a retransmitted refusal is acknowledged again and not passed up.
            (ClientInvite::Completed { .. }, 300..) => Acts { ack: true, ..Acts::NONE },
            (ClientInvite::Accepted { .. }, 200..=299) => Acts::PASS,
            // RFC 6026 §8.4: what comes after the end of the story is dropped.
            (ClientInvite::Completed { .. } | ClientInvite::Accepted { .. }, _) => Acts::NONE,
        }
    }

    /// A CANCEL was sent: from now on patience is limited (RFC 3261 §9.1).
    pub fn cancelled(&mut self, now: Instant, pace: Pace) {
        if let ClientInvite::Proceeding { give_up_at } = self {
            give_up_at.get_or_insert(now + pace.t1.saturating_mul(CANCEL_PATIENCE_T1));
        }
    }

    pub fn fired(&mut self, now: Instant) -> Acts {
        match self {
            ClientInvite::Calling { b_at, .. } if *b_at <= now => Acts::TIMED_OUT,
            ClientInvite::Calling { a_at, a, .. } if due(*a_at, now) => {
                // §17.1.1.2: timer A doubles each time it fires, without a ceiling.
                *a = a.saturating_mul(2);
                *a_at = Some(now + *a);
                Acts::RESEND
            }
            ClientInvite::Proceeding { give_up_at } if due(*give_up_at, now) => Acts::TIMED_OUT,
            ClientInvite::Completed { d_at: at } | ClientInvite::Accepted { m_at: at } if *at <= now => {
                Acts::OVER
            }
            _ => Acts::NONE,
        }
    }

    /// Whether a final response has been seen.
    pub fn is_final(&self) -> bool {
        matches!(self, ClientInvite::Completed { .. } | ClientInvite::Accepted { .. })
    }
    pub fn is_proceeding(&self) -> bool {
        matches!(self, ClientInvite::Proceeding { .. })
    }
}
