//! The timer queue: a heap with one living entry for each thing that waits, and now and then a stale one.

use super::state::{ClientMachine, ServerMachine};
use super::{ClientKey, DialogKey, Expired, ServerKey, Ua};
use crate::Method;
use crate::dialog::Phase;
use crate::transaction::Acts;
use std::cmp::Reverse;
use terms::{Instant, Now};

/// Stale entries are swept when they outnumber the living by this many.
const STALE_MAX: usize = 1024;

/// What a moment in the queue is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Due {
    Server(u64),
    Client(u64),
    Dialog(u64),
}

impl Ua {
    /// Lets timers fire up to `now`.
    pub fn timeout(&mut self, now: Now) {
        while let Some(&Reverse((at, due))) = self.timers.peek() {
            if at > now.instant {
                break;
            }
            self.timers.pop();
            let (wanted, mut queued) = self.clock(due);
            if queued.as_deref() != Some(&at) {
                continue; // stale
            }
            queued.clear();
            if wanted.is_some_and(|wanted| wanted <= now.instant) {
                self.fire(now.instant, due);
            }
            self.arm(due);
        }
        while let Some(answer) = self.answered.take_due(now.instant) {
            if let Some(merged) = answer.merged {
                self.by_merge.remove(&merged);
            }
        }
        self.settle();
    }

    /// When `timeout` next has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        let timer = self.timers.peek().map(|Reverse((at, _))| *at);
        crate::transaction::earlier(timer, self.answered.deadline())
    }

    /// When this thing wants to be woken, and the moment the queue holds for it.
    fn clock(&mut self, due: Due) -> (Option<Instant>, Queued<'_>) {
        match due {
            Due::Server(key) => match self.servers.get_mut(key) {
                Some(server) => (server.due(), Queued(Some(&mut server.queued_at))),
                None => (None, Queued(None)),
            },
            Due::Client(key) => match self.clients.get_mut(key) {
                Some(client) => (client.due(), Queued(Some(&mut client.queued_at))),
                None => (None, Queued(None)),
            },
            Due::Dialog(key) => match self.dialogs.get_mut(key) {
                Some(dialog) => {
                    let until = match dialog.phase {
                        Phase::Ending { until } => Some(until),
                        Phase::Early | Phase::Confirmed => None,
                    };
                    (until, Queued(Some(&mut dialog.queued_at)))
                }
                None => (None, Queued(None)),
            },
        }
    }

    /// Puts a thing's next moment into the queue, unless an earlier entry will look after it.
    pub(super) fn arm(&mut self, due: Due) {
        let (wanted, mut queued) = self.clock(due);
        let Some(wanted) = wanted else { return };
        if queued.as_deref().is_some_and(|at| *at <= wanted) || !queued.set(wanted) {
            return;
        }
        self.timers.push(Reverse((wanted, due)));
    }

    /// Takes stale and early entries from the top, so that `deadline` names a moment with something to do, and sweeps
    /// the whole queue when stale ones gather.
    pub(super) fn settle(&mut self) {
        while let Some(&Reverse((at, due))) = self.timers.peek() {
            let (wanted, mut queued) = self.clock(due);
            let living = queued.as_deref() == Some(&at);
            if living && wanted == Some(at) {
                break;
            }
            if living {
                queued.clear();
            }
            self.timers.pop();
            if living {
                self.arm(due);
            }
        }
        let things = self.servers.len() + self.clients.len() + self.dialogs.len();
        if self.timers.len() > things.saturating_mul(2).saturating_add(STALE_MAX) {
            let mut all = std::mem::take(&mut self.timers).into_vec();
            all.retain(|Reverse((at, due))| self.clock(*due).1.as_deref() == Some(at));
            self.timers = all.into();
        }
    }

    fn fire(&mut self, now: Instant, due: Due) {
        match due {
            Due::Server(key) => self.server_fired(now, key),
            Due::Client(key) => self.client_fired(now, key),
            // The BYE was answered by nothing but silence, or the credentials it wanted never came.
            Due::Dialog(key) => self.end_dialog(key),
        }
    }

    fn server_fired(&mut self, now: Instant, key: u64) {
        self.reliable_fired(now, key);
        let Some(server) = self.servers.get_mut(key) else { return };
        let pace = crate::transaction::Pace::new(self.config.timers, server.flow.transport.is_reliable());
        let acts = match &mut server.machine {
            ServerMachine::Invite(machine) => machine.fired(now, pace),
            // Once it is answered `answered` looks after it.
            ServerMachine::Other(_) => Acts::NONE,
        };
        if acts.trying {
            self.say_trying(now, key);
        }
        if acts.resend {
            self.repeat(key);
        }
        if acts.timed_out
            && let Some(dialog) = self.servers.get(key).and_then(|s| s.dialog)
            && self.dialogs.get(dialog).is_some_and(|d| !d.is_ending())
        {
            self.expired.push_back(Expired::NotAcked { dialog: DialogKey(dialog), invite: ServerKey(key) });
        }
        if acts.over {
            self.end_server(key);
        }
    }

    fn client_fired(&mut self, now: Instant, key: u64) {
        let Some(client) = self.clients.get_mut(key) else { return };
        let pace = crate::transaction::Pace::new(self.config.timers, client.flow.transport.is_reliable());
        let acts = match &mut client.machine {
            ClientMachine::Invite(machine) => machine.fired(now),
            ClientMachine::Other(machine) => machine.fired(now, pace),
        };
        if acts.resend {
            let (flow, bytes) = (client.flow, client.request.clone());
            self.send(flow, bytes);
        }
        match acts {
            Acts { timed_out: true, .. } => self.client_failed(key, false),
            Acts { over: true, .. } => self.end_client(key),
            _ => {}
        }
    }

    /// No final response will come. The owner is told, unless it had one before or never knew of the request.
    pub(super) fn client_failed(&mut self, key: u64, flow_failed: bool) {
        let Some(client) = self.clients.get(key) else { return };
        let waiting = match &client.machine {
            ClientMachine::Invite(machine) => !machine.is_final(),
            ClientMachine::Other(machine) => !machine.is_final(),
        };
        let tell = waiting && !client.is_cancel();
        let ended = client.dialog.filter(|_| client.method == Method::Bye);
        self.end_client(key);
        if let Some(dialog) = ended {
            self.end_dialog(dialog);
        }
        if tell {
            self.expired.push_back(Expired::NoResponse { key: ClientKey(key), flow_failed });
        }
    }
}

/// The place where a thing remembers its entry in the queue; nothing where the thing is gone.
struct Queued<'a>(Option<&'a mut Option<Instant>>);

impl Queued<'_> {
    fn as_deref(&self) -> Option<&Instant> {
        self.0.as_ref().and_then(|place| place.as_ref())
    }
    fn set(&mut self, at: Instant) -> bool {
        match &mut self.0 {
            Some(place) => {
                **place = Some(at);
                true
            }
            None => false,
        }
    }
    fn clear(&mut self) {
        if let Some(place) = &mut self.0 {
            **place = None;
        }
    }
}
