//! The registrar's row: at this contact, over this flow, the address of record can be reached until then.

use crate::{Aor, Flow, WallTime};
use serde::{Deserialize, Serialize};

/// One contact of one address of record (RFC 3261 §10.3), as it is stored and as calls use it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Binding {
    pub aor: Aor,
    /// The contact URI exactly as the device sent it, without angle brackets; the Request-URI of its calls.
    pub contact: String,
    /// `+sip.instance` of RFC 5626, without quotes and angle brackets.
    pub instance: Option<String>,
    /// `reg-id` of RFC 5626; 0 where the device sent none.
    pub reg_id: u32,
    /// Call-ID and CSeq of the REGISTER that made it: older requests of the same Call-ID are out of order.
    pub call_id: String,
    pub cseq: u32,
    /// Preference in thousandths, 0 to 1000 (`q=` of RFC 3261 §20.10).
    pub q: u16,
    pub expires: WallTime,
    pub registered: WallTime,
    pub flow: Flow,
    /// `Path` header values (RFC 3327), nearest first; the route set of requests to this contact.
    pub path: Vec<String>,
    pub user_agent: String,
}

/// What we believe about a binding right now (SPEC G4). Not stored: after a restart UDP is believed, streams are suspect.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Liveness {
    #[default]
    Live,
    /// Its connection closed or a request went unanswered; a probe is under way.
    Suspect,
    /// The probe found nobody. It stays until it expires, and no call goes there.
    Unreachable,
}
