//! The call itself: what it holds in each stage of its life. Every stage has its own shape, so that what exists only
//! after the answer lives only in `Up`.

use crate::{Cx, Index, Role, order::Order};
use bytes::Bytes;
use sip::ua::{ClientKey, DialogKey, ServerKey};
use smallvec::SmallVec;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;
use terms::{CallId, CallRecord, Codecs, EndReason, Instant, Leg, MediaEvent, MediaFailure, PortKind, Turn};

/// Answers that may be outstanding at the media side for one call: early answers of a handful of forks.
pub(crate) const EXPECTED_MAX: usize = 16;

/// The media side answers within a millisecond; one that has not answered by then has died.
pub(crate) const MEDIA_WAIT: Duration = Duration::from_secs(4);

pub struct Call {
    pub(crate) id: CallId,
    pub(crate) record: CallRecord,
    pub(crate) phase: Phase,
    pub(crate) turn: Turn,
    /// What the next words of the media side answer, oldest first: they come in order.
    pub(crate) expected: VecDeque<(Turn, Expected)>,
    /// The media side holds ports for us.
    pub(crate) media_held: bool,
    /// Leg B is ourselves, until then (`alone`).
    pub(crate) alone_until: Option<Instant>,
    /// The timer as it stands in the table of timers.
    pub(crate) timer: Option<Instant>,
    pub(crate) keys: Keys,
}

/// Past this many noted keys those that left the tables are forgotten, so that a day of re-INVITEs costs nothing.
const KEYS_KEPT: usize = 16;

/// Every key this call put into the tables, so that it can take them out without looking at other calls.
#[derive(Default)]
pub(crate) struct Keys {
    servers: SmallVec<[ServerKey; 2]>,
    clients: SmallVec<[ClientKey; 4]>,
    dialogs: SmallVec<[DialogKey; 4]>,
}

pub(crate) enum Phase {
    /// Leg A's offer is with the media side; nobody is ringing.
    Setup(Setup),
    /// INVITEs are out on leg B.
    Ringing(Ringing),
    /// Leg B answered; the media side makes the answer for leg A.
    Answered(Answered),
    Up(Up),
    Ending(Ending),
}

/// Where a call stands, for others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    Setup,
    Ringing,
    Up,
    Ending,
}

/// One of the two sides as far as media and dialogs go. `dialog` is gone once that side said or got BYE.
#[derive(Clone, Copy)]
pub(crate) struct Side {
    pub dialog: Option<DialogKey>,
    pub source: IpAddr,
    pub kind: PortKind,
    pub codecs: Codecs,
}

pub(crate) struct Setup {
    /// When the media side must have answered.
    pub media_until: Instant,
    pub invite: ServerKey,
    pub a: Side,
    pub order: Order,
}

pub(crate) struct Ringing {
    pub invite: ServerKey,
    pub a: Side,
    /// Our offer to leg B; `None` where leg A made none (late offer).
    pub offer: Option<Bytes>,
    pub rounds: std::vec::IntoIter<Vec<crate::Attempt>>,
    pub forks: SmallVec<[Fork; 1]>,
    pub ring_until: Instant,
    /// When the present round must have given a sign; `None` once it has.
    pub sign_until: Option<Instant>,
    /// When a round that said 100 must have said more; `None` once it has, or where there is no other to try.
    pub progress_until: Option<Instant>,
    pub attempt_max: Duration,
    pub progress_max: Duration,
    pub outside: bool,
    /// The most telling refusal so far (RFC 3261 §16.7 step 6).
    pub best: Option<u16>,
    /// The phone is known to ring: told to leg A.
    pub told_ringing: bool,
}

/// One INVITE of leg B.
pub(crate) struct Fork {
    pub key: ClientKey,
    pub source: IpAddr,
    pub kind: PortKind,
    pub codecs: Codecs,
    pub uri: String,
    pub gave_sign: bool,
    /// The last session it described before its answer. A reliable one is the answer, and the 2xx need not repeat it (RFC
    /// 3262 §5).
    pub early_sdp: Option<Bytes>,
    pub early: SmallVec<[DialogKey; 1]>,
}

pub(crate) struct Answered {
    /// When the media side must have answered.
    pub media_until: Instant,
    pub invite: ServerKey,
    pub a: Side,
    pub b: Side,
    /// Leg B's offer awaits leg A's answer, so leg B's 2xx is not acknowledged yet.
    pub late: bool,
}

pub(crate) struct Up {
    pub a: Side,
    pub b: Side,
    /// Leg A's INVITE until its ACK came: no BYE before (RFC 3261 §15).
    pub unacked: Option<ServerKey>,
    pub modify: Option<Modify>,
    pub a_watch: Watch,
    pub b_watch: Watch,
    pub transfer: Option<Box<crate::transfer::Transfer>>,
}

/// Whether a leg can be heard, and whether it was asked if it is still there.
#[derive(Clone, Copy, Default)]
pub(crate) struct Watch {
    pub silent_since: Option<Instant>,
    /// The connection its SIP came over is gone.
    pub flow_lost: bool,
    /// The other leg hears the tone.
    pub away: bool,
    /// The peer is gone for a moment; the call ends if it is not back by then.
    pub lost_until: Option<Instant>,
    pub probe: Option<Probe>,
}

#[derive(Clone, Copy)]
pub(crate) enum Probe {
    /// OPTIONS is out; without an answer by then the leg is dead.
    Asked { until: Instant },
    /// It answered although it is silent; ask again then.
    Rest { until: Instant },
}

/// A change of the session under way, asked by one leg.
pub(crate) struct Modify {
    pub by: Leg,
    /// The asker's re-INVITE or UPDATE; `None` where a transfer's new leg asked by its 2xx.
    pub server: Option<ServerKey>,
    pub stage: ModifyStage,
    /// Our re-INVITE to the other leg while it is out.
    pub client: Option<ClientKey>,
    /// The asker sent CANCEL: the other leg's answer concerns nobody.
    pub cancelled: bool,
    /// When it is given up: a leg that said 100 and nothing more must not block every later change.
    pub until: Instant,
    /// The asker's request is an INVITE that takes the place of its dialog (RFC 3891), with what the new peer is.
    pub replaces: Option<(IpAddr, PortKind, Codecs)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ModifyStage {
    /// The asker's offer is with the media side.
    Offering,
    /// Our re-INVITE is out; `late` where it carries no offer.
    Asking { late: bool },
    /// The answer is with the media side.
    Answering,
    /// Late: the other leg's offer is with the media side.
    LateOffering,
    /// Late: the asker has our 2xx with the offer; its ACK brings the answer.
    LateAcking,
    /// Late: the asker's answer is with the media side; the other leg's ACK waits for it.
    LateAnswering,
}

#[derive(Default)]
pub(crate) struct Ending {
    /// Leg A, whose BYE waits for its ACK (RFC 3261 §15).
    pub bye_on_ack: Option<(DialogKey, ServerKey)>,
    /// The media side has not given its figures yet; written without them then.
    pub released_until: Option<Instant>,
    pub reason: Option<EndReason>,
}

/// What an answer of the media side is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Expected {
    FirstOffer,
    /// An early answer, to be told with this status (180 still rings, 183 does not say).
    Early(u16),
    FinalAnswer,
    LateOffer,
    ModifyOffer,
    ModifyAnswer,
    ModifyLateOffer,
    LateAnswer,
}

impl Call {
    pub(crate) fn new(record: CallRecord, phase: Phase) -> Call {
        Call {
            id: record.call,
            record,
            phase,
            turn: Turn(1),
            expected: VecDeque::new(),
            media_held: false,
            alone_until: None,
            timer: None,
            keys: Keys::default(),
        }
    }
    pub fn id(&self) -> CallId {
        self.id
    }
    pub fn record(&self) -> &CallRecord {
        &self.record
    }
    pub fn stage(&self) -> Stage {
        match self.phase {
            Phase::Setup(_) => Stage::Setup,
            Phase::Ringing(_) | Phase::Answered(_) => Stage::Ringing,
            Phase::Up(_) => Stage::Up,
            Phase::Ending(_) => Stage::Ending,
        }
    }
    pub(crate) fn is_ending(&self) -> bool {
        matches!(self.phase, Phase::Ending(_))
    }
    /// Nothing is left to wait for.
    pub(crate) fn is_done(&self) -> bool {
        match &self.phase {
            Phase::Ending(ending) => ending.bye_on_ack.is_none() && ending.released_until.is_none(),
            _ => false,
        }
    }

    pub(crate) fn own_server(&mut self, cx: &mut Cx<'_>, key: ServerKey) {
        cx.index.servers.insert(key, self.id);
        self.keys.servers.push(key);
        if self.keys.servers.len() > KEYS_KEPT {
            self.keys.servers.retain(|key| cx.index.servers.contains_key(key));
        }
    }
    pub(crate) fn disown_server(&mut self, cx: &mut Cx<'_>, key: ServerKey) {
        cx.index.servers.remove(&key);
    }
    pub(crate) fn own_client(&mut self, cx: &mut Cx<'_>, key: ClientKey, role: Role) {
        cx.index.clients.insert(key, (self.id, role));
        self.keys.clients.push(key);
        if self.keys.clients.len() > KEYS_KEPT {
            self.keys.clients.retain(|key| cx.index.clients.contains_key(key));
        }
    }
    pub(crate) fn own_dialog(&mut self, cx: &mut Cx<'_>, key: DialogKey, leg: Leg) {
        if cx.index.dialogs.insert(key, (self.id, leg)).is_none() {
            self.keys.dialogs.push(key);
        }
        if self.keys.dialogs.len() > KEYS_KEPT {
            self.keys.dialogs.retain(|key| cx.index.dialogs.contains_key(key));
        }
    }

    /// Takes the call's keys out of the tables. The last thing that happens to a call.
    pub(crate) fn leave(self, index: &mut Index) {
        for key in &self.keys.servers {
            index.servers.remove(key);
        }
        for key in &self.keys.clients {
            index.clients.remove(key);
        }
        for key in &self.keys.dialogs {
            index.dialogs.remove(key);
        }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Setup(Setup { media_until, .. }) | Phase::Answered(Answered { media_until, .. }) => {
                Some(*media_until)
            }
            Phase::Ringing(r) => Some(r.sign_until.map_or(r.ring_until, |at| at.min(r.ring_until))),
            Phase::Up(up) => up.deadline().into_iter().chain(self.alone_until).min(),
            Phase::Ending(ending) => ending.released_until,
        }
    }

    pub(crate) fn timeout(&mut self, cx: &mut Cx<'_>) {
        match &self.phase {
            Phase::Setup(Setup { media_until, .. }) | Phase::Answered(Answered { media_until, .. }) => {
                if cx.now.instant >= *media_until {
                    self.end(cx, EndReason::NoMediaPorts);
                }
            }
            Phase::Ringing(_) => self.ringing_timeout(cx),
            Phase::Up(_) => self.up_timeout(cx),
            Phase::Ending(_) => self.ending_timeout(cx),
        }
    }

    pub(crate) fn expect(&mut self, what: Expected) -> Turn {
        if self.expected.len() >= EXPECTED_MAX {
            // The media side has fallen silent; the oldest question is not worth waiting for.
            self.expected.pop_front();
        }
        self.expected.push_back((self.turn, what));
        self.turn
    }
    /// The turn of a change of the session that begins with an offer.
    pub(crate) fn expect_change(&mut self) -> Turn {
        self.next_turn();
        self.expect(Expected::ModifyOffer)
    }
    pub(crate) fn next_turn(&mut self) {
        self.turn = Turn(self.turn.0.wrapping_add(1));
    }

    pub(crate) fn media(&mut self, cx: &mut Cx<'_>, event: MediaEvent) {
        match event {
            MediaEvent::Sdp { turn, to, sdp, .. } => match self.answered_by_media(turn) {
                Some(Expected::FirstOffer) => self.offer_ready(cx, sdp),
                Some(Expected::Early(status)) => self.early_ready(cx, status, sdp),
                Some(Expected::FinalAnswer) => self.answer_ready(cx, sdp),
                Some(Expected::LateOffer) => self.late_offer_ready(cx, sdp),
                Some(Expected::LateAnswer) => self.late_answer_ready(cx, sdp),
                Some(Expected::ModifyOffer) => self.modify_offer_ready(cx, to, sdp),
                Some(Expected::ModifyAnswer) => self.modify_answer_ready(cx, sdp),
                Some(Expected::ModifyLateOffer) => self.modify_late_offer_ready(cx, sdp),
                None => {}
            },
            MediaEvent::Failed { turn, why, .. } => match self.answered_by_media(turn) {
                // Early media that cannot be had is no loss: the phone still rings.
                Some(Expected::Early(_)) | None => {}
                Some(
                    Expected::FirstOffer | Expected::FinalAnswer | Expected::LateOffer | Expected::LateAnswer,
                ) => self.end(cx, reason_of(why)),
                Some(Expected::ModifyOffer | Expected::ModifyAnswer | Expected::ModifyLateOffer) => {
                    self.modify_refused(cx, 488)
                }
            },
            MediaEvent::Flowing { leg, .. } => self.flowing(cx, leg),
            MediaEvent::Silent { leg, from_start, .. } => self.silent(cx, leg, from_start),
            // Relayed by the media side; nobody here listens to digits yet.
            MediaEvent::DtmfByInfo { leg, digit, duration_ms, .. } => {
                self.digit_by_info(cx, leg, digit, duration_ms)
            }
            MediaEvent::Dtmf { .. } | MediaEvent::Quality { .. } => {}
            MediaEvent::Released { a, b, .. } => self.released(cx, a, b),
        }
    }

    /// What this answer is for; what was asked before it and never answered is forgotten.
    fn answered_by_media(&mut self, turn: Turn) -> Option<Expected> {
        while let Some((asked, what)) = self.expected.pop_front() {
            if asked == turn {
                return Some(what);
            }
            if asked > turn {
                self.expected.push_front((asked, what));
                return None;
            }
        }
        None
    }
}

fn reason_of(why: MediaFailure) -> EndReason {
    match why {
        MediaFailure::BadSdp | MediaFailure::NothingInCommon => EndReason::NothingInCommon,
        MediaFailure::NoPorts => EndReason::NoMediaPorts,
        MediaFailure::NoOffer => EndReason::ProtocolError,
    }
}
