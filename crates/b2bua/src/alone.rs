//! The self-test: a call of one leg. We answer it ourselves, media sends back what it says three seconds late, and after a
//! while we hang up. From its answer on it is a call like any other whose leg B has no dialog.

use crate::call::{Answered, Call, Expected, MEDIA_WAIT, Modify, ModifyStage, Phase, Side};
use crate::modify::MODIFY_MAX;
use crate::{Act, Calls, Cx};
use bytes::Bytes;
use sip::Draft;
use sip::ua::{ServerKey, Ua};
use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;
use terms::{CallRecord, Codecs, EndReason, Leg, MediaCommand, Now, PortKind};

/// How long anybody may listen to themselves. The page needs eight seconds; a person at a desk phone wants to say more
/// than one sentence; one who forgot to hang up holds a media port no longer than this.
pub const ALONE_MAX: Duration = Duration::from_secs(60);

/// A self-test about to begin.
#[derive(Debug)]
pub struct Alone {
    /// The INVITE, waiting for its answer.
    pub invite: ServerKey,
    /// Where its SIP came from.
    pub source: IpAddr,
    pub kind: PortKind,
    pub codecs: Codecs,
    /// What the caller offers; it must offer something, there is nobody else here who could.
    pub offer: Bytes,
    /// As for any other call.
    pub record: CallRecord,
}

impl Calls {
    /// A self-test begins. `alone.record.call` is an id of `next_id`.
    pub fn start_alone(&mut self, now: Now, ua: &mut Ua, acts: &mut VecDeque<Act>, alone: Alone) {
        let mut cx = Cx { now, ua, acts, index: &mut self.index };
        let call = Call::alone(&mut cx, alone);
        self.add(now, call);
    }
}

impl Call {
    fn alone(cx: &mut Cx<'_>, alone: Alone) -> Call {
        let Alone { invite, source, kind, codecs, offer, record } = alone;
        let a = Side { dialog: None, source, kind, codecs };
        let b = Side { dialog: None, source, kind: PortKind::Rtp, codecs: Codecs::default() };
        let media_until = cx.now.instant + MEDIA_WAIT;
        let phase = Phase::Answered(Answered { media_until, invite, a, b, late: false });
        let mut call = Call::new(record, phase);
        call.alone_until = Some(cx.now.instant + ALONE_MAX);
        call.record.started = cx.now.wall;
        call.own_server(cx, invite);
        cx.acts.push_back(Act::Record(Box::new(call.record.clone())));
        let turn = call.expect(Expected::FinalAnswer);
        call.media_held = true;
        cx.media(MediaCommand::Echo { call: call.id, turn, sdp: offer, source });
        call
    }

    /// Leg A asks for a change, or comes anew from elsewhere (`replaces`): there is nobody to ask but media.
    pub(crate) fn changes_alone(
        &mut self,
        cx: &mut Cx<'_>,
        server: ServerKey,
        offer: Option<Bytes>,
        source: IpAddr,
        replaces: Option<(IpAddr, PortKind, Codecs)>,
    ) {
        let Some(sdp) = offer else {
            // RFC 3261 §14.2: what cannot be is refused, and all stays as it was. An echo has nothing of its own to offer.
            cx.respond(server, Draft::response(488));
            return;
        };
        let Phase::Up(up) = &mut self.phase else { return };
        up.modify = Some(Modify {
            by: Leg::A,
            server: Some(server),
            stage: ModifyStage::Answering,
            client: None,
            cancelled: false,
            until: cx.now.instant + MODIFY_MAX,
            replaces,
        });
        self.own_server(cx, server);
        self.next_turn();
        let turn = self.expect(Expected::ModifyAnswer);
        cx.media(MediaCommand::Echo { call: self.id, turn, sdp, source });
    }

    /// The time of a self-test is over: we hang up. True when it was.
    pub(crate) fn was_alone_enough(&mut self, cx: &mut Cx<'_>) -> bool {
        let over = self.alone_until.is_some_and(|at| cx.now.instant >= at);
        if over {
            self.end(cx, EndReason::HungUpByCallee);
        }
        over
    }
}
