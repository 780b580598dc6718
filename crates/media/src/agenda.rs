//! What is to be done for a leg at a time of its own, without a packet from anyone: play a tone or a digit, send a
//! report, say how well it goes. As with the watch list an entry that became pointless falls out when it is due.

use crate::machine::Machine;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use terms::{CallId, Instant, Leg};

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Task {
    /// The next twenty milliseconds of what we play to the leg.
    Play,
    /// Our own RTCP.
    Report,
    /// How good the last seconds were.
    Rate,
}

/// One entry per leg and kind of task.
#[derive(Default)]
pub struct Agenda(BinaryHeap<Reverse<(Instant, CallId, Leg, Task)>>);

impl Agenda {
    pub fn next(&self) -> Option<Instant> {
        self.0.peek().map(|Reverse((at, ..))| *at)
    }

    pub fn set(&mut self, at: Instant, call: CallId, leg: Leg, task: Task) {
        self.0.push(Reverse((at, call, leg, task)));
    }

    fn due(&mut self, now: Instant) -> Option<(Instant, CallId, Leg, Task)> {
        if self.next()? > now {
            return None;
        }
        self.0.pop().map(|Reverse(entry)| entry)
    }
}

impl Machine {
    pub(crate) fn perform(&mut self, now: Instant) {
        while let Some((at, id, leg, task)) = self.agenda.due(now) {
            let Some(slot) = self.slot_of(id) else { continue };
            match task {
                Task::Play => self.play(now, at, slot, leg),
                Task::Report => self.report(now, slot, leg),
                Task::Rate => self.rate(now, slot, leg),
            }
        }
    }
}
