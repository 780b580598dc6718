//! The world for tests and for `hotseat dev`: phones, trunk, lossy network, store, clock, ladders, checkers.
//!
//! Phones and trunks are real SIP peers without a socket: bytes and time go in, bytes and deadlines come out. In a
//! [`World`] they meet the real gateway over a simulated wire; in `hotseat dev` the same phones run over UDP.

pub mod audio;
pub mod chance;
pub mod peer;
pub mod phone;
pub mod sdp;
pub mod trunk;
