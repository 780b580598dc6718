//! Media: who hears whom, over which ports, in which codec. SDP is read here and nowhere else, and every packet of a
//! call passes through [`Machine`], which owns no socket and no clock: it is told what arrived and says what to send.
//!
//! A leg's media comes from one address, learned from the signalling and at most five packets, then locked. What
//! leaves us towards a leg is one stream with one SSRC and unbroken sequence numbers and timestamps for as long as
//! the call lives, whoever speaks at the other side.

#![forbid(unsafe_code)]

mod agenda;
mod browsers;
mod chance;
mod code;
pub mod codec;
mod command;
mod cover;
pub mod dtls;
mod dtmf;
mod echo;
mod figures;
mod ice;
mod latch;
mod leg;
mod machine;
pub mod negotiate;
mod packet;
mod play;
mod ports;
mod press;
mod quality;
mod rate;
mod report;
mod rtcp;
pub mod sdp;
pub mod srtp;
mod stream;
pub mod stun;
mod tone;
mod watch;

pub use browsers::Dropped;
pub use machine::{Forward, Machine, MediaConfig, Share, SocketOp, Transmit, Via};
