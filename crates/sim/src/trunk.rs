//! A toy trunk: it calls us, and its numbers behave on request. `hotseat dev` runs one over UDP.

use crate::audio::Sound;
use crate::peer::{Manner, Peer, PeerCallId, PeerConfig, PeerEvent, PeerOutput};
use std::net::SocketAddr;
use std::time::Duration;
use terms::{Instant, Now};

/// What the last digits of a number do, for people who try.
pub const NUMBERS: &[(&str, &str)] = &[
    ("100", "answers and echoes what you say"),
    ("101", "is busy"),
    ("102", "rings and nobody answers"),
    ("103", "answers and hangs up after 5 seconds"),
    ("104", "cannot be reached (503)"),
    ("105", "speaks before it answers (early media)"),
    ("106", "declines"),
    ("…", "any other number answers after a second with a tone"),
];

pub struct Trunk {
    pub peer: Peer,
}

impl Trunk {
    pub fn new(config: PeerConfig) -> Trunk {
        let mut peer = Peer::new(config);
        let soon = Duration::from_millis(500);
        peer.behaves(None, Manner::answers(Duration::from_secs(1)));
        for (end, manner) in [
            ("*100", Manner::answers(soon).sounds(Sound::Echo)),
            ("*101", Manner::refuses(486)),
            ("*102", Manner::rings()),
            ("*103", Manner::answers(soon).hangs_up(Duration::from_secs(5))),
            ("*104", Manner::refuses(503)),
            ("*105", Manner { early_media: true, ..Manner::answers(Duration::from_secs(2)) }),
            ("*106", Manner::refuses(603)),
        ] {
            peer.behaves(Some(end), manner);
        }
        Trunk { peer }
    }

    /// Calls a number of ours; `from` is the caller's number.
    pub fn calls(&mut self, now: Now, to: &str, from: &str) -> PeerCallId {
        self.peer.dial_as(now, to, from)
    }

    pub fn handle(&mut self, now: Now, from: SocketAddr, bytes: &[u8]) {
        self.peer.handle(now, from, bytes);
    }
    pub fn handle_rtp(&mut self, now: Now, from: SocketAddr, packet: &[u8]) {
        self.peer.handle_rtp(now, from, packet);
    }
    pub fn timeout(&mut self, now: Now) {
        self.peer.timeout(now);
    }
    pub fn poll_output(&mut self) -> Option<PeerOutput> {
        self.peer.poll_output()
    }
    pub fn poll_event(&mut self) -> Option<PeerEvent> {
        self.peer.poll_event()
    }
    pub fn deadline(&self) -> Option<Instant> {
        self.peer.deadline()
    }
}
