//! Their INVITE, from its arrival to the last echo of our answer: RFC 3261 §17.2.1, figure 7, with RFC 6026 §7.1. The
//! retransmission of our 2xx (RFC 3261 §13.3.1.4) lives here too, for it ends with the same ACK or the same timer.

use super::{Acts, Pace, due, earlier};
use std::time::Duration;
use terms::Instant;

/// RFC 3261 §17.2.1: 100 unless something better was said by then.
const TRYING_AFTER: Duration = Duration::from_millis(200);
/// RFC 3261 §13.3.1.1: a provisional response every minute keeps proxies from giving up.
const REMIND_AFTER: Duration = Duration::from_secs(60);

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ServerInvite {
    /// The owner decides. What was said provisionally is repeated when asked and once a minute.
    Proceeding { trying_at: Option<Instant>, remind_at: Option<Instant> },
    /// Refused. Timer G repeats it on UDP, timer H stops waiting for the ACK.
    Completed { g_at: Option<Instant>, g: Duration, h_at: Instant },
    /// The refusal is acknowledged. Timer I absorbs further ACKs.
    Confirmed { i_at: Instant },
    /// RFC 6026: accepted. Our 2xx is repeated until its ACK, on any transport, for the hops behind the first may
    /// lose it; timer L ends the wait.
    Accepted { again_at: Option<Instant>, again: Duration, l_at: Instant },
}

impl ServerInvite {
    pub fn start(now: Instant) -> ServerInvite {
        ServerInvite::Proceeding { trying_at: Some(now + TRYING_AFTER), remind_at: None }
    }

    pub fn due(&self) -> Option<Instant> {
        match *self {
            ServerInvite::Proceeding { trying_at, remind_at } => earlier(trying_at, remind_at),
            ServerInvite::Completed { g_at, h_at, .. } => earlier(g_at, Some(h_at)),
            ServerInvite::Confirmed { i_at } => Some(i_at),
            ServerInvite::Accepted { again_at, l_at, .. } => earlier(again_at, Some(l_at)),
        }
    }

    /// The INVITE came again.
    pub fn request(&self) -> Acts {
        match self {
            ServerInvite::Proceeding { .. } | ServerInvite::Completed { .. } => Acts::RESEND,
            // RFC 6026 §7.1: absorbed without a word; the 2xx has its own clock.
            ServerInvite::Confirmed { .. } | ServerInvite::Accepted { .. } => Acts::NONE,
        }
    }

    /// The owner responds. `false` where a final response was given before.
    pub fn respond(&mut self, now: Instant, pace: Pace, status: u16) -> bool {
        if !matches!(self, ServerInvite::Proceeding { .. }) {
            return false;
        }
        *self = match status {
            ..=100 => ServerInvite::Proceeding { trying_at: None, remind_at: None },
            101..=199 => ServerInvite::Proceeding { trying_at: None, remind_at: Some(now + REMIND_AFTER) },
            200..=299 => ServerInvite::Accepted {
                again_at: Some(now + pace.t1),
                again: pace.t1,
                l_at: now + pace.patience(),
            },
            _ => ServerInvite::Completed {
                g_at: pace.first_resend(now),
                g: pace.t1,
                h_at: now + pace.patience(),
            },
        };
        true
    }

    /// An ACK matched: to a refusal by its branch, to a 2xx by its dialog.
    pub fn ack(&mut self, now: Instant, pace: Pace) -> Acts {
        match self {
            ServerInvite::Completed { .. } => {
                *self = ServerInvite::Confirmed { i_at: now + pace.linger(pace.t4) };
                Acts { over: pace.reliable, ..Acts::NONE }
            }
            // RFC 6026 §7.1: the first ACK to a 2xx is the user's, retransmissions of it are nobody's.
            ServerInvite::Accepted { again_at, .. } if again_at.is_some() => {
                *again_at = None;
                Acts::PASS
            }
            _ => Acts::NONE,
        }
    }

    /// The dialog is over: nobody waits for the ACK to our 2xx any more.
    pub fn forget_ack(&mut self) {
        if let ServerInvite::Accepted { again_at, .. } = self {
            *again_at = None;
        }
    }

    pub fn fired(&mut self, now: Instant, pace: Pace) -> Acts {
        match self {
            ServerInvite::Proceeding { trying_at, .. } if due(*trying_at, now) => {
                *trying_at = None;
                Acts { trying: true, ..Acts::NONE }
            }
            ServerInvite::Proceeding { remind_at, .. } if due(*remind_at, now) => {
                *remind_at = Some(now + REMIND_AFTER);
                Acts::RESEND
            }
            // Timer H: a refusal that nobody acknowledged is over all the same; its call ended long ago.
            ServerInvite::Completed { h_at, .. } if *h_at <= now => Acts::OVER,
            ServerInvite::Completed { g_at, g, .. } if due(*g_at, now) => {
                *g = g.saturating_mul(2).min(pace.t2);
                *g_at = Some(now + *g);
                Acts::RESEND
            }
            ServerInvite::Confirmed { i_at } if *i_at <= now => Acts::OVER,
            ServerInvite::Accepted { again_at, l_at, .. } if *l_at <= now => {
                Acts { timed_out: again_at.is_some(), over: true, ..Acts::NONE }
            }
            ServerInvite::Accepted { again_at, again, .. } if due(*again_at, now) => {
                // §13.3.1.4: T1, doubling up to T2.
                *again = again.saturating_mul(2).min(pace.t2);
                *again_at = Some(now + *again);
                Acts::RESEND
            }
            _ => Acts::NONE,
        }
    }

    pub fn is_proceeding(&self) -> bool {
        matches!(self, ServerInvite::Proceeding { .. })
    }
    /// Whether our 2xx still waits for its ACK.
    pub fn waits_for_ack(&self) -> bool {
        matches!(self, ServerInvite::Accepted { again_at: Some(_), .. })
    }
}
