//! Their request other than INVITE: RFC 3261 §17.2.2, figure 8.

use super::{Acts, Pace};
use terms::Instant;

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ServerOther {
    /// The owner decides; nothing was said yet.
    Trying,
    /// Something provisional was said.
    Proceeding,
    /// Answered. Timer J repeats the answer when the request comes again.
    Completed { j_at: Instant },
}

impl ServerOther {
    pub fn due(&self) -> Option<Instant> {
        match self {
            ServerOther::Completed { j_at } => Some(*j_at),
            ServerOther::Trying | ServerOther::Proceeding => None,
        }
    }

    /// The request came again.
    pub fn request(&self) -> Acts {
        match self {
            ServerOther::Trying => Acts::NONE,
            ServerOther::Proceeding | ServerOther::Completed { .. } => Acts::RESEND,
        }
    }

    /// The owner responds. `None` where a final response was given before.
    pub fn respond(&mut self, now: Instant, pace: Pace, status: u16) -> Option<Acts> {
        if matches!(self, ServerOther::Completed { .. }) {
            return None;
        }
        if status < 200 {
            *self = ServerOther::Proceeding;
            return Some(Acts::NONE);
        }
        *self = ServerOther::Completed { j_at: now + pace.linger(pace.patience()) };
        Some(Acts { over: pace.reliable, ..Acts::NONE })
    }
}
