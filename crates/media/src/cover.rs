//! What protects a leg's packets: nothing on a plain leg; SRTP with the keys of the description or of the handshake;
//! and on a leg that still waits for its keys a closed door.

use crate::srtp::{Keys, Opener, Sealer};

pub enum Cover {
    Plain,
    /// Keys are agreed to be used and not there yet: nothing passes either way.
    Closed,
    Srtp(Box<Contexts>),
}

/// Rollover counters and replay windows live here, so this is made anew only with new keys.
pub struct Contexts {
    opener: Opener,
    sealer: Sealer,
}

impl Cover {
    /// `theirs` protects what the peer sends, `ours` what we send.
    pub fn of_keys(theirs: &Keys, ours: &Keys) -> Cover {
        Cover::Srtp(Box::new(Contexts { opener: Opener::new(theirs), sealer: Sealer::new(ours) }))
    }

    /// Other keys for one direction or both; what is not named goes on as it was.
    pub fn rekey(&mut self, theirs: Option<&Keys>, ours: Option<&Keys>) {
        let Cover::Srtp(contexts) = self else { return };
        if let Some(theirs) = theirs {
            contexts.opener = Opener::new(theirs);
        }
        if let Some(ours) = ours {
            contexts.sealer = Sealer::new(ours);
        }
    }

    /// No keys are in force.
    pub fn is_open(&self) -> bool {
        !matches!(self, Cover::Srtp(_))
    }

    pub fn is_closed(&self) -> bool {
        matches!(self, Cover::Closed)
    }

    /// The length of the packet once its cover is off; nothing if it does not prove itself.
    #[inline]
    pub fn open_rtp(&mut self, buf: &mut [u8], len: usize) -> Option<usize> {
        match self {
            Cover::Plain => Some(len),
            Cover::Closed => None,
            Cover::Srtp(contexts) => contexts.opener.open_rtp(buf, len).ok(),
        }
    }

    pub fn open_rtcp(&mut self, buf: &mut [u8], len: usize) -> Option<usize> {
        match self {
            Cover::Plain => Some(len),
            Cover::Closed => None,
            Cover::Srtp(contexts) => contexts.opener.open_rtcp(buf, len).ok(),
        }
    }

    #[inline]
    pub fn seal_rtp(&mut self, buf: &mut [u8], len: usize) -> Option<usize> {
        match self {
            Cover::Plain => Some(len),
            Cover::Closed => None,
            Cover::Srtp(contexts) => contexts.sealer.seal_rtp(buf, len),
        }
    }

    pub fn seal_rtcp(&mut self, buf: &mut [u8], len: usize) -> Option<usize> {
        match self {
            Cover::Plain => Some(len),
            Cover::Closed => None,
            Cover::Srtp(contexts) => contexts.sealer.seal_rtcp(buf, len),
        }
    }
}
