//! Responses from the network, matched to the client transaction that waits for them (RFC 3261 §17.1.3) and to the
//! dialogs they make (§12.1.2, §13.2.2). A response nobody waits for goes nowhere.

use super::chance;
use super::state::{Cancel, ClientMachine, Fork};
use super::time::Due;
use super::{ClientKey, DialogKey, Expired, Received, Ua};
use crate::dialog::{Ack, Dialog, Phase, credentials, one_line, record_routes, refreshes_target, target_of};
use crate::transaction::key::MAGIC_COOKIE;
use crate::{Message, Method, Name};
use terms::{Flow, Instant};

/// Early dialogs one INVITE may make by forking (RFC 3261 §13.2.2.4). Further ones are ignored; twice as many may be
/// made by 2xx, so that ringing phones do not shut out the one that answers.
pub const FORKS_MAX: usize = 16;

impl Ua {
    pub(super) fn response<'m>(&mut self, now: Instant, _flow: Flow, response: Message<'m>) -> Received<'m> {
        let Some(key) = self.client_of(&response) else {
            self.late_2xx(&response);
            return Received::Handled;
        };
        let Some(client) = self.clients.get_mut(key) else { return Received::Handled };
        let pace = crate::transaction::Pace::new(self.config.timers, client.flow.transport.is_reliable());
        let status = response.status();
        let method = client.method;
        let first = matches!(&client.machine, ClientMachine::Invite(machine) if !machine.is_final());
        let acts = match &mut client.machine {
            ClientMachine::Invite(machine) => machine.response(now, pace, status),
            ClientMachine::Other(machine) => machine.response(now, pace, status),
        };
        let received = match (method, status) {
            (Method::Invite, ..=199) if acts.pass => self.provisional(now, key, response),
            (Method::Invite, 200..=299) if acts.pass => self.accepted(key, response, first),
            (Method::Invite, 300..) => {
                if acts.ack {
                    self.ack_refusal(key, &response);
                }
                if acts.pass { self.refused(key, response) } else { Received::Handled }
            }
            (Method::Cancel | Method::Invite, _) => Received::Handled,
            _ if acts.pass && status > 100 => self.other(now, key, response),
            _ => Received::Handled,
        };
        if acts.over {
            self.end_client(key);
        } else {
            self.arm(Due::Client(key));
        }
        received
    }

    /// §17.1.3: the branch is ours, the CSeq is the request's. §8.1.3.3: more than one Via means it was not for us.
    fn client_of(&self, response: &Message<'_>) -> Option<u64> {
        let mut vias = response.vias();
        let branch = vias.next()?.branch()?.strip_prefix(MAGIC_COOKIE).and_then(chance::number_of)?;
        if vias.next().is_some() {
            return None;
        }
        let cseq = response.cseq()?;
        let key = *self.by_branch.get(&(branch, cseq.method == "CANCEL"))?;
        let client = self.clients.get(key)?;
        (client.cseq == cseq.number && cseq.method() == Some(client.method)).then_some(key)
    }

    /// A 2xx after its transaction is forgotten: its ACK was lost again and again. It gets it once more (§13.2.2.4).
    fn late_2xx(&mut self, response: &Message<'_>) {
        let Some(cseq) = response.cseq().filter(|c| c.method == "INVITE") else { return };
        if !(200..300).contains(&response.status()) {
            return;
        }
        let (Some(call_id), Some(from)) = (response.call_id(), response.from_tag()) else { return };
        let id = self.keys.dialog(call_id, from, response.to_tag().unwrap_or(""));
        if let Some(dialog) = self.by_dialog.get(&id).copied() {
            self.ack_again(dialog, cseq.number);
        }
    }

    /// `false` where there is no ACK to this number yet.
    fn ack_again(&mut self, dialog: u64, number: u32) -> bool {
        let Some(dialog) = self.dialogs.get(dialog) else { return false };
        match &dialog.ack {
            Ack::Sent { cseq, bytes } if *cseq == number => {
                if dialog.flow_open {
                    let (flow, bytes) = (dialog.flow, bytes.clone());
                    self.send(flow, bytes);
                }
                true
            }
            _ => false,
        }
    }

    /// 100–199 to our INVITE.
    fn provisional<'m>(&mut self, now: Instant, key: u64, response: Message<'m>) -> Received<'m> {
        // §9.1: now that something came, the CANCEL that waited may go.
        if let Some(client) = self.clients.get_mut(key)
            && let Cancel::Wanted(reason) = &mut client.cancel
        {
            let reason = reason.take();
            self.send_cancel(now, key, reason);
        }
        if response.status() == 100 {
            return Received::Handled;
        }
        let dialog = match self.clients.get(key).and_then(|c| c.dialog) {
            Some(known) => Some(known),
            // §12.1: only a response with a tag makes a dialog.
            None if response.to_tag().is_none() => None,
            None => match self.fork(key, &response) {
                Some(fork) if self.take_reliable(now, key, fork, &response) => Some(fork.dialog),
                Some(_) | None => return Received::Handled,
            },
        };
        Received::Response { key: ClientKey(key), dialog: dialog.map(DialogKey), response }
    }

    /// 2xx to our INVITE, the `first`, from another fork, or the same once more.
    fn accepted<'m>(&mut self, key: u64, response: Message<'m>, first: bool) -> Received<'m> {
        let Some(client) = self.clients.get(key) else { return Received::Handled };
        let (number, in_dialog) = (client.cseq, client.dialog);
        let credentials = Message::parse(&client.request).map(|r| credentials(&r)).unwrap_or_default();
        let dialog_key = match in_dialog {
            Some(known) => known,
            None => match self.fork(key, &response) {
                Some(fork) => fork.dialog,
                None => return self.accepted_too_late(key, first),
            },
        };
        let again = match self.dialogs.get(dialog_key).map(|d| &d.ack) {
            Some(Ack::Sent { cseq, .. } | Ack::Owed { cseq, .. }) => *cseq == number,
            Some(Ack::None) => false,
            None => return self.accepted_too_late(key, first),
        };
        if again {
            self.ack_again(dialog_key, number);
            return Received::Handled;
        }
        if let Some(client) = self.clients.get_mut(key)
            && let Some(fork) = client.forks.iter_mut().find(|f| f.dialog == dialog_key)
        {
            fork.answered = true;
        }
        if let Some(dialog) = self.dialogs.get_mut(dialog_key) {
            if dialog.phase == Phase::Early {
                // §13.2.2.4: the route set is the one of the 2xx.
                if let Some(routes) = record_routes(&response) {
                    dialog.routes = routes.into_iter().rev().collect();
                }
                dialog.phase = Phase::Confirmed;
            }
            dialog.refresh_target(&response);
            dialog.ack = Ack::Owed { cseq: number, credentials };
            if dialog.our_invite == Some(key) {
                dialog.our_invite = None;
            }
        }
        Received::Response { key: ClientKey(key), dialog: Some(DialogKey(dialog_key)), response }
    }

    /// A 2xx whose dialog is over (our BYE overtook it) or that is one fork too many. Nobody can acknowledge it; the
    /// owner, if it waits for a final response still, is told that none will come.
    fn accepted_too_late(&mut self, key: u64, first: bool) -> Received<'static> {
        if first {
            self.expired.push_back(Expired::NoResponse { key: ClientKey(key), flow_failed: false });
        }
        Received::Handled
    }

    /// 300–699 to our INVITE, acknowledged already. §12.3: its early dialogs are over.
    fn refused<'m>(&mut self, key: u64, response: Message<'m>) -> Received<'m> {
        let Some(client) = self.clients.get_mut(key) else { return Received::Handled };
        let in_dialog = client.dialog;
        let forks = std::mem::take(&mut client.forks);
        for fork in forks.iter().filter(|f| !f.answered) {
            self.end_dialog(fork.dialog);
        }
        if let Some(dialog) = in_dialog.and_then(|d| self.dialogs.get_mut(d))
            && dialog.our_invite == Some(key)
        {
            dialog.our_invite = None;
        }
        Received::Response { key: ClientKey(key), dialog: in_dialog.map(DialogKey), response }
    }

    /// A response to anything but INVITE and CANCEL.
    fn other<'m>(&mut self, now: Instant, key: u64, response: Message<'m>) -> Received<'m> {
        let Some(client) = self.clients.get(key) else { return Received::Handled };
        let (method, dialog_key) = (client.method, client.dialog);
        let status = response.status();
        if let Some(dialog) = dialog_key.and_then(|d| self.dialogs.get_mut(d)) {
            if refreshes_target(method) && (200..300).contains(&status) {
                dialog.refresh_target(&response);
            }
            // §15.1.1: any answer to BYE ends the dialog, but one that asks who we are may be tried again.
            if method == Method::Bye && status >= 200 {
                if matches!(status, 401 | 407) {
                    let patience = crate::transaction::Pace::new(self.config.timers, false).patience();
                    dialog.phase = Phase::Ending { until: now + patience };
                    self.arm(Due::Dialog(dialog_key.unwrap_or(0)));
                } else if let Some(dialog) = dialog_key {
                    self.end_dialog(dialog);
                }
            }
        }
        Received::Response { key: ClientKey(key), dialog: dialog_key.map(DialogKey), response }
    }

    /// The dialog of this fork, made where it is new (§12.1.2). `None` where there are too many or it is over.
    fn fork(&mut self, key: u64, response: &Message<'_>) -> Option<Fork> {
        let client = self.clients.get(key)?;
        let request = Message::parse(&client.request).ok()?;
        let (call_id, local_tag) = (request.call_id()?, request.from_tag()?);
        // §12.1.2: a peer of RFC 2543 may give no tag; that is a tag of its own.
        let remote_tag = response.to_tag().unwrap_or("");
        let id = self.keys.dialog(call_id, local_tag, remote_tag);
        let known = client.forks.iter().position(|f| f.id == id);
        if let Some(fork) = known.and_then(|at| client.forks.get(at)) {
            // One the owner forgot while it rang comes to life again when it is heard of again.
            if fork.answered || self.dialogs.get(fork.dialog).is_some() {
                return Some(*fork);
            }
        }
        let max = if response.status() < 200 { FORKS_MAX } else { 2 * FORKS_MAX };
        if known.is_none() && client.forks.len() >= max {
            return None;
        }
        let target = response.contact().map_or(request.uri(), |contact| contact.uri);
        let dialog = Dialog {
            id,
            call_id: call_id.into(),
            local: one_line(request.header(Name::From)?),
            remote: one_line(response.header(Name::To)?),
            local_tag: local_tag.into(),
            remote_tag: remote_tag.into(),
            remote_target: target_of(target),
            routes: record_routes(response)?.into_iter().rev().collect(),
            local_cseq: client.cseq,
            remote_cseq: None,
            flow: client.flow,
            flow_open: true,
            contact_user: client.contact_user.clone(),
            phase: Phase::Early,
            our_invite: Some(key),
            their_invite: None,
            ack: Ack::None,
            queued_at: None,
        };
        let flow = client.flow;
        let made = self.dialogs.insert(dialog);
        self.by_dialog.insert(id, made);
        self.count_up(flow);
        let fork = Fork { id, dialog: made, answered: false, rseq: 0 };
        let forks = &mut self.clients.get_mut(key)?.forks;
        match known.and_then(|at| forks.get_mut(at)) {
            Some(place) => *place = fork,
            None => forks.push(fork),
        }
        Some(fork)
    }
}
