//! What remains of a call: one record, begun when the call begins, so that a crash loses its end but never the call.

use crate::{AgentId, CallId, DeviceId, EndReason, LegFigures, LoginId, Pii, TrunkId, WallTime};
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From a trunk to an agent.
    In,
    /// From an agent or phone to a trunk.
    Out,
    /// Between our own agents and phones.
    Internal,
}

/// One row per call (SPEC H7). Agent, login and device are those of our side; for internal calls those of the caller,
/// with the called ones beside them.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct CallRecord {
    pub call: CallId,
    pub direction: Direction,
    pub from: Pii,
    pub to: Pii,
    pub started: WallTime,
    pub answered: Option<WallTime>,
    pub ended: Option<WallTime>,
    pub agent: Option<AgentId>,
    pub login: Option<LoginId>,
    pub device: Option<DeviceId>,
    pub to_agent: Option<AgentId>,
    pub to_login: Option<LoginId>,
    pub to_device: Option<DeviceId>,
    pub trunk: Option<TrunkId>,
    /// SIP Call-IDs of the two legs, the thread from the record to a trace.
    pub a_call_id: String,
    pub b_call_id: String,
    pub end: Option<EndReason>,
    /// The final status leg B gave where it refused.
    pub peer_status: Option<u16>,
    pub a: LegFigures,
    pub b: LegFigures,
}
