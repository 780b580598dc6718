//! The claim decision. The store reads the rows inside a transaction, asks `decide`, and writes what it says.

use terms::{AgentId, Epoch, Login, LoginEndReason, Place, WallTime};

/// An agent, whose password was right, wants to sit down.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    pub agent: AgentId,
    pub place: Place,
    /// The epoch the agent was shown in the takeover dialog and said yes to; `None` where no dialog was.
    pub take_over: Option<Epoch>,
    /// The address the browser came from.
    pub from: String,
    pub at: WallTime,
}

/// What the transaction sees.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    /// The agent's login without an end, if any.
    pub of_agent: Option<Login>,
    /// The login without an end at the wanted device, if any (perhaps the same row).
    pub at_device: Option<Login>,
    /// The highest epoch this agent ever had.
    pub last_epoch: Epoch,
    /// Takeovers of this account within the last hour (SPEC C9).
    pub takeovers_last_hour: u32,
}

/// At most this many takeovers an hour and account (SPEC C9).
pub const TAKEOVERS_PER_HOUR_MAX: u32 = 5;

#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// Insert a row with this epoch, after ending the old one where there is one.
    Grant { epoch: Epoch, end: Option<(Login, LoginEndReason)> },
    /// The agent is logged in elsewhere and has not confirmed, or confirmed another epoch: ask (again).
    Held { by: Login },
    /// Somebody else sits at the device.
    PhoneInUse { by: Login },
    /// Nothing to do: the agent already sits exactly there and confirmed nothing.
    TooManyTakeovers,
}

/// Decides. Pure; the unique indexes of the store stand behind it.
pub fn decide(_rows: &Rows, _claim: &Claim) -> Decision {
    todo!()
}
