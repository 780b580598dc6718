//! Provisional responses that must not get lost (RFC 3262): ours are sent again until their PRACK comes, theirs get one.

use super::state::Fork;
use super::time::Due;
use super::{DialogKey, Ua, UaError};
use crate::{Draft, Message, Method, Name};
use std::time::Duration;
use terms::Instant;

/// The option tag of both directions.
pub(super) const TAG: &str = "100rel";

/// The reliable responses of one INVITE whose sender requires them.
#[derive(Debug)]
pub(super) struct Reliable {
    /// Of the last one sent.
    rseq: u32,
    open: Option<Open>,
    /// Said when the open one is acknowledged: the newest provisional, or the 2xx that must not overtake it.
    waiting: Option<Draft>,
}

/// One that waits for its PRACK.
#[derive(Debug)]
struct Open {
    bytes: Vec<u8>,
    next: Instant,
    wait: Duration,
    until: Instant,
    carries_sdp: bool,
}

impl Reliable {
    /// §3: the first number is drawn between 1 and 2^31 − 1; the lower half leaves room to count.
    pub fn new(drawn: u64) -> Reliable {
        let rseq = u32::try_from(drawn & 0x3fff_ffff).unwrap_or(0);
        Reliable { rseq, open: None, waiting: None }
    }
    pub fn due(&self) -> Option<Instant> {
        self.open.as_ref().map(|open| open.next.min(open.until))
    }
}

/// What becomes of a response to an INVITE that requires reliable ones.
pub(super) enum Say {
    Now,
    /// With this number.
    Reliably(Draft),
    /// After the PRACK of the one before.
    Later,
}

impl Ua {
    /// §3: one reliable response at a time, and no 2xx before the PRACK of one that carried a session.
    pub(super) fn reliably(&mut self, key: u64, status: u16, draft: &Draft) -> Say {
        let Some(reliable) = self.servers.get_mut(key).and_then(|server| server.reliable.as_deref_mut())
        else {
            return Say::Now;
        };
        let sdp_open = reliable.open.as_ref().is_some_and(|open| open.carries_sdp);
        match status {
            101..=199 if reliable.open.is_some() => {
                reliable.waiting = Some(draft.clone());
                Say::Later
            }
            101..=199 => {
                reliable.rseq = reliable.rseq.wrapping_add(1);
                let draft = draft.clone().header("Require", TAG).header("RSeq", reliable.rseq.to_string());
                Say::Reliably(draft)
            }
            200..=299 if sdp_open => {
                reliable.waiting = Some(draft.clone());
                Say::Later
            }
            200.. => {
                reliable.open = None;
                reliable.waiting = None;
                Say::Now
            }
            _ => Say::Now,
        }
    }

    /// It is on the wire: from T1 on it is sent again, each time after twice as long, for 64·T1.
    pub(super) fn said_reliably(&mut self, now: Instant, key: u64, bytes: &[u8], carries_sdp: bool) {
        let t1 = Duration::from_millis(self.config.timers.t1_ms);
        let Some(reliable) = self.servers.get_mut(key).and_then(|server| server.reliable.as_deref_mut())
        else {
            return;
        };
        let open = Open {
            bytes: bytes.to_vec(),
            next: now + t1,
            wait: t1,
            until: now + t1.saturating_mul(64),
            carries_sdp,
        };
        reliable.open = Some(open);
        self.arm(Due::Server(key));
    }

    /// Sends it again where it is time. §3 would refuse the INVITE when no PRACK comes at all; a phone that hears us and
    /// whose PRACKs get lost is better served by going on without.
    pub(super) fn reliable_fired(&mut self, now: Instant, key: u64) {
        let Some(server) = self.servers.get_mut(key) else { return };
        let (flow, flow_open) = (server.flow, server.flow_open);
        let Some(reliable) = server.reliable.as_deref_mut() else { return };
        let Some(open) = reliable.open.as_mut().filter(|open| open.next.min(open.until) <= now) else {
            return;
        };
        if open.until <= now {
            return self.settled(now, key);
        }
        open.wait = open.wait.saturating_mul(2);
        open.next = now + open.wait;
        let bytes = open.bytes.clone();
        if flow_open {
            self.send(flow, bytes);
        }
    }

    /// PRACK: the response it names is known to have come, and what waited for it may be said.
    pub(super) fn pracked(&mut self, now: Instant, prack: u64, dialog: u64, request: &Message<'_>) {
        let invite = self.dialogs.get(dialog).and_then(|dialog| dialog.their_invite);
        let named = invite.filter(|(key, cseq)| {
            let reliable = self.servers.get(*key).and_then(|server| server.reliable.as_deref());
            reliable.is_some_and(|one| {
                one.open.is_some()
                    && request.rack().is_some_and(|rack| {
                        rack.rseq == one.rseq && rack.cseq == *cseq && rack.method == "INVITE"
                    })
            })
        });
        let Some((invite, _)) = named else {
            // §3: a PRACK that matches nothing.
            let _ = self.respond_now(now, prack, &Draft::response(481));
            return;
        };
        // §5: an offer in a PRACK would need its answer here; nobody above is asked, so it is declined.
        let status = if request.body().is_empty() { 200 } else { 488 };
        let _ = self.respond_now(now, prack, &Draft::response(status));
        self.settled(now, invite);
    }

    fn settled(&mut self, now: Instant, invite: u64) {
        let Some(reliable) = self.servers.get_mut(invite).and_then(|server| server.reliable.as_deref_mut())
        else {
            return;
        };
        reliable.open = None;
        if let Some(waiting) = reliable.waiting.take() {
            let _ = self.respond_now(now, invite, &waiting);
        }
    }

    /// A reliable response to our INVITE (§4). False where it is a copy or came before its turn and is to be ignored.
    pub(super) fn take_reliable(
        &mut self,
        now: Instant,
        key: u64,
        fork: Fork,
        response: &Message<'_>,
    ) -> bool {
        if !response.has_token(Name::Require, TAG) {
            return true;
        }
        let Some(rseq) = response.header(Name::RSeq).and_then(|text| text.trim().parse::<u32>().ok()) else {
            return true;
        };
        let in_turn = fork.rseq == 0 || fork.rseq.checked_add(1) == Some(rseq);
        let Some(client) = self.clients.get_mut(key).filter(|_| in_turn) else { return false };
        let cseq = client.cseq;
        if let Some(known) = client.forks.iter_mut().find(|one| one.id == fork.id) {
            known.rseq = rseq;
        }
        let draft = Draft::request(Method::PRack).header("RAck", format!("{rseq} {cseq} INVITE"));
        let _: Result<_, UaError> = self.send_in_dialog(now, DialogKey(fork.dialog), draft);
        true
    }

    /// A state for the INVITE of a peer that requires reliable responses.
    pub(super) fn reliable_for(&mut self, request: &Message<'_>) -> Option<Box<Reliable>> {
        let wanted = request.has_token(Name::Require, TAG);
        wanted.then(|| Box::new(Reliable::new(self.chance.number())))
    }
}
