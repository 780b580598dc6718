//! SIP as values: messages, digest, transactions, dialogs, and the `Ua` that says whose message this is.
//!
//! Nothing here touches a socket, a clock or a random source. Bytes and time come in as arguments; what must be sent
//! or waited for comes out of `poll_output` and `deadline`.

pub mod digest;
pub mod draft;
pub mod framing;
pub mod message;
pub mod ua;

pub use draft::Draft;
pub use message::{Message, Name, ParseError};
pub use rsip::Method;
