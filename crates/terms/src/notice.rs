//! Notices: what people looking at a page are told the moment it happens.

use crate::{AgentId, CallId, DeviceId, LoginEndReason, LoginId, Quality, WallTime};
use serde::Serialize;

/// Who is told.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Audience {
    /// The page of this login.
    Login(LoginId),
    /// Everyone who looks at a list of phones.
    Everyone,
}

/// Whether a phone could ring now, as the registrar knows it. Who sits there is the logins' business.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PhoneState {
    NeverRegistered,
    Registered,
    /// Its connection closed or a request went unanswered; being probed.
    Suspect,
    Unreachable,
    /// It was registered once and is not now.
    Expired,
}

/// What an agent does right now, for the takeover dialog (SPEC C1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Activity {
    Idle,
    Ringing,
    InCall,
}

#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Notice {
    /// A phone registered, died or came back.
    Phone { device: DeviceId, state: PhoneState, since: WallTime },
    /// A phone was taken or became free.
    Seat { device: DeviceId, agent: Option<AgentId>, since: WallTime },
    /// This login is over; the page shows the sentence and forgets the session.
    LoginEnded { login: LoginId, why: LoginEndReason, sentence: &'static str, at: WallTime, from: String },
    /// The agent's calls changed.
    Activity {
        login: LoginId,
        activity: Activity,
        call: Option<CallId>,
        peer: Option<String>,
        since: WallTime,
    },
    /// Another tab of this login has the sound from now on; this one lets go (SPEC C7).
    TabLost { login: LoginId, tab: String },
    /// One direction of the agent's call is silent, or speaks again (SPEC I5).
    Audio { login: LoginId, call: CallId, silent: bool, from_agent: bool },
    /// How well one side of the agent's call is connected has changed.
    Quality { login: LoginId, call: CallId, quality: Quality, from_agent: bool },
}
