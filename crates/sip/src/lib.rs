//! SIP as values: messages, digest, transactions, dialogs, and the `Ua` that says whose message this is.
//!
//! Nothing here touches a socket, a clock or a random source. Bytes and time come in as arguments; what must be sent
//! or waited for comes out of `poll_output` and `deadline`.

mod check;
pub mod dialog;
pub mod digest;
pub mod draft;
pub mod framing;
pub mod headers;
pub mod message;
mod name;
mod nonce;
mod phrase;
pub mod transaction;
mod typed;
pub mod ua;
pub mod uri;
pub mod values;
pub mod write;

pub use draft::Draft;
pub use headers::{CSeq, Contacts, NameAddr, Via};
pub use message::{Message, ParseError, is_keep_alive, method_of, method_text, unfold};
pub use name::Name;
pub use nonce::{NonceWindow, WINDOW_MAX};
pub use phrase::phrase;
pub use rsip::Method;
pub use uri::{Scheme, Uri};
pub use values::{Params, Values};
pub use write::{Writer, name_addr, quoted, refusal, sip_uri};
