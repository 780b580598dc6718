//! Every five seconds each leg is asked how it goes; who listens is told when that has changed enough to be noticed.

use crate::agenda::Task;
use crate::machine::Machine;
use crate::quality;
use std::time::Duration;
use terms::{Instant, Leg, MediaEvent};

const EVERY: Duration = Duration::from_secs(5);

impl Machine {
    /// Sees to it that both legs are asked.
    pub(crate) fn rate_legs(&mut self, now: Instant, slot: u32) {
        let Some(Some(call)) = self.calls.get_mut(slot as usize) else { return };
        let id = call.id;
        for leg in [Leg::A, Leg::B] {
            if !std::mem::replace(&mut call.leg(leg).rated, true) {
                self.agenda.set(now + EVERY, id, leg, Task::Rate);
            }
        }
    }

    pub(crate) fn rate(&mut self, now: Instant, slot: u32, leg: Leg) {
        let Some(Some(call)) = self.calls.get_mut(slot as usize) else { return };
        let id = call.id;
        let state = call.leg(leg);
        self.agenda.set(now + EVERY, id, leg, Task::Rate);
        if let Some(now) = quality::since_last(&mut state.inbound, state.codec)
            && quality::differs(state.quality, now)
        {
            state.quality = Some(now);
            self.event(MediaEvent::Quality { call: id, leg, quality: now });
        }
    }
}
