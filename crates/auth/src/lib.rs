//! HTTP for agents: log in, choose a device, be told, be thrown out. It changes rows; the gateway notices.

use terms::{Activity, AgentId, Audience, DeviceId, Notice, PhoneState, TakeoverPolicy, WallTime};

/// What `auth` asks of the running core. The daemon implements it over a channel to the core thread.
pub trait Core: Send + Sync + 'static {
    /// How each phone stands right now.
    fn phones(&self) -> impl Future<Output = Vec<PhoneNow>> + Send;
    fn activity(&self, agent: AgentId) -> impl Future<Output = (Activity, WallTime)> + Send;
    /// Asks the phone whether it is there and waits for the answer, two seconds at most (SPEC B7).
    fn probe(&self, device: DeviceId) -> impl Future<Output = bool> + Send;
    /// Notices from now on. A receiver that lags is told so and asks for a snapshot.
    fn notices(&self) -> tokio::sync::broadcast::Receiver<(Audience, Notice)>;
    /// Login rows changed in the store: look now rather than at the next poll.
    fn poke(&self);
    fn takeover_policy(&self) -> TakeoverPolicy;
}

#[derive(Clone, Debug, PartialEq)]
pub struct PhoneNow {
    pub device: DeviceId,
    pub state: PhoneState,
    pub since: WallTime,
}
