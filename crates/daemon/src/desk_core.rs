//! What the web side asks of the running core, answered over the core thread's door.

use crate::core::{CoreHandle, Post, wall_now};
use crate::reload::InForce;
use auth::{Core, PhoneNow, SeatNow};
use gateway::Command;
use std::sync::Arc;
use std::time::Duration;
use terms::{Activity, AgentId, Audience, DeviceId, LoginId, Notice, PhoneState, TakeoverPolicy, WallTime};
use tokio::sync::{Notify, broadcast};

/// A phone that does not answer within this is not there (SPEC B7).
const PROBE_MAX: Duration = Duration::from_secs(2);
const PROBE_LOOK_EVERY: Duration = Duration::from_millis(20);
/// A row the store granted is known to the core after its next look, some milliseconds later.
const SEAT_MAX: Duration = Duration::from_secs(2);
const SEAT_LOOK_EVERY: Duration = Duration::from_millis(5);

#[derive(Clone)]
pub struct DeskCore {
    pub core: CoreHandle,
    pub notices: broadcast::Sender<(Audience, Notice)>,
    pub poked: Arc<Notify>,
    /// As the configuration says now; a reload may change it.
    pub in_force: InForce,
    /// The way out for letters, as the configuration says now.
    pub mailer: auth::mail::Mailer,
    /// How licence and certificates stand, as their files say now.
    pub standing: auth::Standing,
    /// The directory and the provider, as the configuration says now.
    pub ways: auth::ways::Ways,
}

impl DeskCore {
    async fn state(&self, device: DeviceId) -> Option<PhoneState> {
        let ask = move |gateway: &gateway::Gateway, now| gateway.phone(now, device);
        self.core.query(ask).await.ok().flatten().map(|p| p.state)
    }
}

impl Core for DeskCore {
    async fn phones(&self) -> Vec<PhoneNow> {
        let phones = self.core.query(|gateway, now| gateway.phones(now)).await.unwrap_or_default();
        phones.into_iter().map(|p| PhoneNow { device: p.device, state: p.state, since: p.since }).collect()
    }

    async fn activity(&self, agent: AgentId) -> (Activity, WallTime) {
        let asked = self.core.query(move |gateway, _| gateway.activity(agent)).await;
        asked.unwrap_or((Activity::Idle, wall_now()))
    }

    async fn probe(&self, device: DeviceId) -> bool {
        self.core.post(Post::Command(Command::Probe(device))).await;
        // A phone in doubt becomes registered when it answers, and stays what it was when it does not.
        let answered = async {
            while self.state(device).await != Some(PhoneState::Registered) {
                tokio::time::sleep(PROBE_LOOK_EVERY).await;
            }
        };
        tokio::time::timeout(PROBE_MAX, answered).await.is_ok()
    }

    fn notices(&self) -> broadcast::Receiver<(Audience, Notice)> {
        self.notices.subscribe()
    }

    fn poke(&self) {
        self.poked.notify_one();
    }

    async fn seat(&self, login: LoginId) -> Option<SeatNow> {
        let look = move |gateway: &gateway::Gateway, now| gateway.browser_seat(now, login);
        let known = async {
            loop {
                if let Some(seat) = self.core.query(look).await.ok().flatten() {
                    return SeatNow { owner: seat.owner, live: seat.live };
                }
                tokio::time::sleep(SEAT_LOOK_EVERY).await;
            }
        };
        tokio::time::timeout(SEAT_MAX, known).await.ok()
    }

    async fn take_seat(&self, login: LoginId, tab: String) {
        self.core.post(Post::Command(Command::TakeSeat { login, tab })).await;
    }

    fn takeover_policy(&self) -> TakeoverPolicy {
        *self.in_force.takeover.borrow()
    }

    fn policies(&self) -> auth::Policies {
        self.in_force.policies.borrow().clone()
    }
}
