//! Silence is noticed within two seconds. No packet touches this list: a leg's entry is looked at when it is due and
//! set again from the time of the last packet.

use crate::machine::Machine;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;
use terms::{CallId, Instant, Leg, MediaEvent};

/// Nothing for this long, although media is agreed to flow, is silence.
pub const SILENT_AFTER: Duration = Duration::from_secs(2);

/// One entry per leg that should be heard. Entries of released calls fall out when they are due.
#[derive(Default)]
pub struct Watch(BinaryHeap<Reverse<(Instant, CallId, Leg)>>);

impl Watch {
    pub fn next(&self) -> Option<Instant> {
        self.0.peek().map(|Reverse((at, _, _))| *at)
    }

    pub fn set(&mut self, at: Instant, call: CallId, leg: Leg) {
        self.0.push(Reverse((at, call, leg)));
    }

    fn due(&mut self, now: Instant) -> Option<(CallId, Leg)> {
        if self.next()? > now {
            return None;
        }
        self.0.pop().map(|Reverse((_, call, leg))| (call, leg))
    }
}

impl Machine {
    pub fn timeout(&mut self, now: Instant) {
        self.browsers_timeout(now);
        self.perform(now);
        while let Some((id, leg)) = self.watch.due(now) {
            let Some(slot) = self.slot_of(id) else { continue };
            let Some(Some(call)) = self.calls.get_mut(slot as usize) else { continue };
            let state = call.leg(leg);
            state.watched = false;
            if !state.sends || state.silent {
                continue;
            }
            if now.since(state.alive_at) >= SILENT_AFTER {
                state.silent = true;
                let from_start = state.inbound.packets == 0;
                self.event(MediaEvent::Silent { call: id, leg, from_start });
            } else {
                state.watched = true;
                let at = state.alive_at + SILENT_AFTER;
                self.watch.set(at, id, leg);
            }
        }
    }

    /// Sees to it that both legs of a call have an entry if they should be heard.
    pub(crate) fn watch_legs(&mut self, slot: u32) {
        let Some(Some(call)) = self.calls.get_mut(slot as usize) else { return };
        for leg in [Leg::A, Leg::B] {
            let id = call.id;
            let state = call.leg(leg);
            if state.sends && !state.watched && !state.silent {
                state.watched = true;
                self.watch.set(state.alive_at + SILENT_AFTER, id, leg);
            }
        }
    }
}
