//! Our request other than INVITE: RFC 3261 §17.1.2, figure 6.

use super::{Acts, Pace, due, earlier};
use std::time::Duration;
use terms::Instant;

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ClientOther {
    /// Sent, nothing heard. Timer E sends again, timer F gives up.
    Trying { e_at: Option<Instant>, e: Duration, f_at: Instant },
    /// Something provisional came; sent again each T2 only.
    Proceeding { e_at: Option<Instant>, f_at: Instant },
    /// Answered. Timer K absorbs retransmissions of the answer.
    Completed { k_at: Instant },
}

impl ClientOther {
    pub fn start(now: Instant, pace: Pace) -> ClientOther {
        ClientOther::Trying { e_at: pace.first_resend(now), e: pace.t1, f_at: now + pace.patience() }
    }

    pub fn due(&self) -> Option<Instant> {
        match *self {
            ClientOther::Trying { e_at, f_at, .. } | ClientOther::Proceeding { e_at, f_at } => {
                earlier(e_at, Some(f_at))
            }
            ClientOther::Completed { k_at } => Some(k_at),
        }
    }

    pub fn response(&mut self, now: Instant, pace: Pace, status: u16) -> Acts {
        match (&*self, status) {
            (ClientOther::Completed { .. }, _) => Acts::NONE,
            (&ClientOther::Trying { e_at, f_at, .. }, ..=199) => {
                *self = ClientOther::Proceeding { e_at, f_at };
                Acts::PASS
            }
            (ClientOther::Proceeding { .. }, ..=199) => Acts::PASS,
            (ClientOther::Trying { .. } | ClientOther::Proceeding { .. }, _) => {
                *self = ClientOther::Completed { k_at: now + pace.linger(pace.t4) };
                Acts { pass: true, over: pace.reliable, ..Acts::NONE }
            }
        }
    }

    pub fn fired(&mut self, now: Instant, pace: Pace) -> Acts {
        match self {
            ClientOther::Trying { f_at, .. } | ClientOther::Proceeding { f_at, .. } if *f_at <= now => {
                Acts::TIMED_OUT
            }
            ClientOther::Trying { e_at, e, .. } if due(*e_at, now) => {
                // §17.1.2.2: 500 ms, 1 s, 2 s, 4 s, 4 s, 4 s …
                *e = e.saturating_mul(2).min(pace.t2);
                *e_at = Some(now + *e);
                Acts::RESEND
            }
            ClientOther::Proceeding { e_at, .. } if due(*e_at, now) => {
                *e_at = Some(now + pace.t2);
                Acts::RESEND
            }
            ClientOther::Completed { k_at } if *k_at <= now => Acts::OVER,
            _ => Acts::NONE,
        }
    }

    /// Whether a final response has been seen.
    pub fn is_final(&self) -> bool {
        matches!(self, ClientOther::Completed { .. })
    }
}
