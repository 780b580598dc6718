//! The words on the wall. Every other crate speaks with these and none of them owns them.
//!
//! *Agent*: a person with a login name, a password and an extension. *Device*: something that registers: a desk
//! phone or one browser tab. *Login*: the row agent → device, with an epoch. *Binding*: address of record → contact,
//! the registrar's row. *Trunk*: a carrier or PBX we exchange calls with. *Flow*: the way back to a peer (RFC 5626).
//! *Leg*: one of the two sides of a call. *Record*: what remains of a call when it is over.

mod aor;
mod binding;
mod directory;
mod email;
mod end;
mod flow;
mod ids;
mod login;
mod media;
mod notice;
mod packed;
mod pii;
mod record;
mod right;
mod store;
mod time;

pub use aor::Aor;
pub use binding::{Binding, Liveness};
pub use directory::{
    Agent, CodecName, Codecs, Device, DirectoryChange, Ha1, Role, Trunk, TrunkAddress, TrunkMatch, Typology,
};
pub use email::{EmailAddress, NotAnAddress};
pub use end::EndReason;
pub use flow::{BrowserAdmission, BrowserFlow, ConnectionId, Flow, FlowParseError, Transport, WhyClosed};
pub use ids::{AgentId, CallId, DeviceId, Epoch, LoginId, StoreTicket, TrunkId};
pub use login::{Login, LoginEnd, LoginEndReason, Place, TakeoverPolicy};
pub use media::{Leg, LegFigures, MediaCommand, MediaEvent, MediaFailure, PortKind, Quality, Srtp, Turn};
pub use notice::{Activity, Audience, Notice, PhoneState};
pub use packed::{Packed, PackedRef, pack};
pub use pii::{Pii, Secret};
pub use record::{CallRecord, Direction};
pub use right::{Right, Rights};
pub use store::{StoreError, StoreWrite};
pub use time::{Instant, Now, WallTime};
