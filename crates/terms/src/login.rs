//! The login: this agent sits at this place, since then, in this epoch. Where it stops being true, the end says why.

use crate::{AgentId, DeviceId, Epoch, LoginId, WallTime};
use serde::{Deserialize, Serialize};

/// Where a login's calls go.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// A desk phone, which registered as itself.
    Phone(DeviceId),
    /// The agent's browser.
    Browser,
}

impl Place {
    pub fn device(self) -> Option<DeviceId> {
        match self {
            Place::Phone(device) => Some(device),
            Place::Browser => None,
        }
    }
}

/// One stay of an agent at a place. An agent's rows carry rising epochs and at most one of them has no end.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Login {
    pub id: LoginId,
    pub agent: AgentId,
    pub epoch: Epoch,
    pub place: Place,
    pub since: WallTime,
    /// The address the agent's browser came from, for the sentence «from where».
    pub from: String,
    pub ended: Option<LoginEnd>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct LoginEnd {
    pub at: WallTime,
    pub why: LoginEndReason,
    /// For a takeover: the address the new login came from.
    pub from: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoginEndReason {
    LoggedOut,
    TakenOver,
    ReleasedByAdministrator,
    /// Somebody with that right gave the phone back to everybody.
    PhoneFreed,
    /// All logins at the phones of a site were ended at once.
    SiteLogout,
    Expired,
    /// The owner chose a new password by a link from a letter.
    PasswordReset,
    AgentRemoved,
    PhoneRemoved,
    /// Whoever was thrown out by this login said that it was somebody else.
    Disowned,
    /// Nothing was done for as long as the administrator allows.
    Idle,
    /// The longest time a login may last is over.
    TooLong,
    ShiftEnd,
    /// The directory that vouches for the agent does so no longer.
    DirectoryRefused,
}

impl LoginEndReason {
    /// What the page of the ended login says. The takeover sentence is SPEC C2's, to the letter.
    pub fn sentence(self) -> &'static str {
        match self {
            LoginEndReason::LoggedOut => "You logged out.",
            LoginEndReason::TakenOver => {
                "Another user has logged with your credentials. Multiple logins not allowed."
            }
            LoginEndReason::ReleasedByAdministrator => "An administrator ended your login.",
            LoginEndReason::PhoneFreed => {
                "The phone you were logged in at was freed by an administrator or engineer."
            }
            LoginEndReason::SiteLogout => "An administrator logged out everybody at your site.",
            LoginEndReason::Expired => "Your login expired.",
            LoginEndReason::PasswordReset => {
                "Your password was changed by a link that was sent to your mail address. Please log in with the new one."
            }
            LoginEndReason::AgentRemoved => "Your account was removed or disabled by an administrator.",
            LoginEndReason::DirectoryRefused => {
                "Your account can no longer be used: it was disabled, has expired or was removed in the company's directory."
            }
            LoginEndReason::PhoneRemoved => {
                "The phone you were logged in at was removed or disabled by an administrator."
            }
            LoginEndReason::Disowned => {
                "Whoever was logged in before said that this login was not theirs. The account is blocked; please contact the administrator."
            }
            LoginEndReason::Idle => "You were logged out because nothing was done for a while.",
            LoginEndReason::TooLong => "You were logged out because your login reached its longest time.",
            LoginEndReason::ShiftEnd => "You were logged out because the shift has ended.",
        }
    }
}

/// What happens to live calls when a login is taken over (SPEC C4). `Move` needs a place to move to and comes later.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TakeoverPolicy {
    /// The call ends with BYE at the old device.
    #[default]
    End,
    /// No takeover while a call is up.
    Refuse,
}
