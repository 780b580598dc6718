//! One call as a simulated peer sees it, and how the peer behaves when it is called.

use super::PeerCallId;
use crate::audio::{Sound, Stream};
use crate::sdp::{Direction, Remote};
use sip::ua::{ClientKey, DialogKey, ServerKey};
use std::time::Duration;
use terms::Instant;

/// What a peer does when a call comes.
#[derive(Clone, PartialEq, Debug)]
pub struct Manner {
    /// Final refusal instead of ringing.
    pub refuse: Option<u16>,
    /// How long it rings before it is answered; `None` rings until somebody gives up or answers by hand.
    pub answer_after: Option<Duration>,
    /// 183 with SDP instead of 180: speaks before the answer.
    pub early_media: bool,
    pub hang_up_after: Option<Duration>,
    /// Another sound than the peer's own.
    pub sound: Option<Sound>,
    /// Says nothing at all, not even 100.
    pub silent: bool,
}

impl Manner {
    pub fn rings() -> Manner {
        Manner {
            refuse: None,
            answer_after: None,
            early_media: false,
            hang_up_after: None,
            sound: None,
            silent: false,
        }
    }
    pub fn answers(after: Duration) -> Manner {
        Manner { answer_after: Some(after), ..Manner::rings() }
    }
    pub fn refuses(status: u16) -> Manner {
        Manner { refuse: Some(status), ..Manner::rings() }
    }
    pub fn silent() -> Manner {
        Manner { silent: true, ..Manner::rings() }
    }
    pub fn hangs_up(mut self, after: Duration) -> Manner {
        self.hang_up_after = Some(after);
        self
    }
    pub fn sounds(mut self, sound: Sound) -> Manner {
        self.sound = Some(sound);
        self
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// We called and nothing came back but 100.
    Calling,
    /// The far end rings, or we do.
    Ringing,
    Up,
    Ended,
}

#[derive(Clone, Debug)]
pub struct PeerCall {
    pub id: PeerCallId,
    pub incoming: bool,
    /// The number we called, or the user part of who calls us.
    pub with: String,
    /// Our user part: of From where we call, of the Request-URI where we are called.
    pub from: String,
    /// The whole From header value of a call that came in.
    pub caller: String,
    pub asserted: Option<String>,
    /// SIP Call-ID of the INVITE, the thread to the record.
    pub call_id: String,
    pub phase: Phase,
    /// The final status of the INVITE, or 200 after a BYE.
    pub status: u16,
    /// The Reason header it ended with, if one came.
    pub reason: Option<String>,
    pub hung_up_here: bool,
    pub answered: Option<Instant>,
    /// The far end put us on hold.
    pub held: bool,
    pub stream: Option<Stream>,
    pub manner: Manner,
    pub(crate) remote: Option<Remote>,
    pub(crate) invite_sent: Option<ClientKey>,
    pub(crate) invite_got: Option<ServerKey>,
    pub(crate) reinvite: Option<ClientKey>,
    /// The final status of the last re-INVITE from here; 0 while none came.
    pub reinvite_status: u16,
    pub(crate) dialog: Option<DialogKey>,
    pub(crate) version: u32,
    pub(crate) way_asked: Direction,
    pub(crate) tried_credentials: bool,
    pub(crate) answer_at: Option<Instant>,
    pub(crate) hang_up_at: Option<Instant>,
}

impl PeerCall {
    pub(crate) fn outgoing(id: PeerCallId, number: &str, from: &str) -> PeerCall {
        PeerCall {
            id,
            incoming: false,
            with: number.to_owned(),
            from: from.to_owned(),
            caller: String::new(),
            asserted: None,
            call_id: String::new(),
            phase: Phase::Calling,
            status: 0,
            reason: None,
            hung_up_here: false,
            answered: None,
            held: false,
            stream: None,
            manner: Manner::rings(),
            remote: None,
            invite_sent: None,
            invite_got: None,
            reinvite: None,
            reinvite_status: 0,
            dialog: None,
            version: 1,
            way_asked: Direction::SendRecv,
            tried_credentials: false,
            answer_at: None,
            hang_up_at: None,
        }
    }

    pub(crate) fn incoming(id: PeerCallId, key: ServerKey, from: &str, to: &str, manner: Manner) -> PeerCall {
        PeerCall {
            incoming: true,
            phase: Phase::Ringing,
            invite_got: Some(key),
            manner,
            version: 0,
            ..PeerCall::outgoing(id, from, to)
        }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        let stream = self.stream.as_ref().map(Stream::deadline);
        [self.answer_at, self.hang_up_at, stream].into_iter().flatten().min()
    }

    /// The stream stops; what was heard stays.
    pub(crate) fn deaf(&mut self) {
        (self.answer_at, self.hang_up_at) = (None, None);
        if let Some(stream) = &mut self.stream {
            stream.direction = Direction::Inactive;
        }
    }
}
