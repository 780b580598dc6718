//! Phones where somebody sits are asked again and again whether they are there, so that an agent learns within seconds that
//! nothing will ring, and not from the first caller who was lost. Phones where nobody sits are asked only when somebody
//! wants them.

use crate::Gateway;
use crate::phones::Why;
use ahash::AHashSet;
use std::collections::BTreeSet;
use std::time::Duration;
use terms::{Flow, Instant, Login, LoginId, Now};

/// When which login's phone is asked next. One entry per login at a phone; a login that ended is forgotten when its turn
/// comes.
#[derive(Default)]
pub(crate) struct Watches {
    due: BTreeSet<(Instant, LoginId)>,
    /// Streams that are open, as far as we were told. One that closed carries no question; the phone that had it comes back
    /// by registering.
    streams: AHashSet<Flow>,
}

impl Watches {
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }
    pub(crate) fn opened(&mut self, flow: Flow) {
        if flow.transport.is_reliable() {
            self.streams.insert(flow);
        }
    }
    pub(crate) fn closed(&mut self, flow: Flow) {
        self.streams.remove(&flow);
    }
    /// Whether something sent there has a way to go.
    fn carries(&self, flow: Flow) -> bool {
        !flow.transport.is_reliable() || self.streams.contains(&flow)
    }
    pub(crate) fn len(&self) -> usize {
        self.due.len()
    }
}

impl Gateway {
    /// Somebody sat down at a phone. The first question comes within one round, each login's at a moment of its own: after
    /// a restart thousands of logins arrive at once, and their phones must not all be asked at once.
    pub(crate) fn watch_begins(&mut self, now: Now, login: &Login) {
        let every = self.config.watch_every;
        if every.is_zero() || login.place.device().is_none() {
            return;
        }
        self.watches.due.insert((now.instant + share(every, login.id), login.id));
    }

    pub(crate) fn watch_timeout(&mut self, now: Now) {
        while let Some((at, id)) = self.watches.due.first().copied() {
            if at > now.instant {
                return;
            }
            self.watches.due.pop_first();
            let Some(device) = self.seats.login(id).and_then(|login| login.place.device()) else { continue };
            let Some(aor) = self.directory.phone(device).map(|phone| phone.aor.clone()) else { continue };
            for (binding, _) in self.registrar.contacts(now, &aor) {
                if self.watches.carries(binding.flow) {
                    self.ask(now, &binding, Why::Watched);
                }
            }
            self.watches.due.insert((now.instant + self.config.watch_every, id));
        }
    }

    /// Phones being watched right now, for tests that end at rest.
    pub fn watched(&self) -> usize {
        self.watches.len()
    }
}

/// A login's moment within a round, spread evenly over neighbouring logins (Fibonacci hashing).
fn share(every: Duration, login: LoginId) -> Duration {
    let spread = login.0.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    let ms = u64::try_from(every.as_millis()).unwrap_or(u64::MAX).max(1);
    Duration::from_millis(spread % ms)
}
