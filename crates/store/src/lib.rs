//! What must survive a restart, as a few verbs over SQL, with an in-memory twin. One contract test holds for all.

use hotdesk::claim::{Claim, Decision};
use terms::{
    Agent, AgentId, Binding, CallId, CallRecord, Device, DeviceId, Ha1, Login, LoginEndReason, LoginId, Pii,
    Secret, StoreError, StoreWrite, Typology, WallTime,
};

/// A new agent, as an administrator describes one.
#[derive(Clone, Debug)]
pub struct NewAgent {
    pub login_name: String,
    pub display_name: String,
    pub extension: String,
    pub typology: Typology,
    pub dids: Vec<String>,
    pub outbound_number: Option<String>,
    /// An argon2id hash in PHC form, made by `auth::password`; the store never sees a password.
    pub password_hash: Option<String>,
}

#[derive(Clone, Debug)]
pub struct NewDevice {
    pub name: String,
    pub label: String,
    pub site: String,
    pub floor: String,
    pub ha1: Ha1,
}

/// What `auth` needs to check a password and keep a session.
#[derive(Clone, Debug)]
pub struct Account {
    pub agent: Agent,
    pub password_hash: Option<String>,
    pub last_device: Option<DeviceId>,
}

/// A cookie's row; the token itself is stored only as SHA-256.
#[derive(Clone, Debug, PartialEq)]
pub struct WebSession {
    pub token_sha256: [u8; 32],
    pub agent: AgentId,
    /// `None` while the agent has shown a password but not sat down yet (pending, five minutes).
    pub login: Option<LoginId>,
    pub csrf: String,
    pub created: WallTime,
    pub expires: WallTime,
    pub from: String,
}

/// The outcome of a claim, with the rows as they are after it.
#[derive(Clone, Debug, PartialEq)]
pub enum Claimed {
    Granted { login: Login, ended: Option<Login> },
    Refused(Decision),
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddError {
    /// Line of the input (bulk), 1-based; 0 for a single addition. The sentence names the field and what holds it.
    #[error("{sentence}")]
    Conflict { line: usize, sentence: String },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Everything that changed since `seq`, for the core's directory and logins. The next poll asks with `seq`.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    pub seq: u64,
    pub agents: Vec<Agent>,
    pub agents_gone: Vec<AgentId>,
    pub devices: Vec<Device>,
    pub devices_gone: Vec<DeviceId>,
    pub logins: Vec<Login>,
}

/// The verbs. `Sqlite` and `Memory` implement them, PostgreSQL will; all are `Send` so that any task may call.
pub trait Store: Send + Sync + 'static {
    /// Several writes in one commit (group commit); each gets its own outcome, in order.
    fn write(&self, batch: Vec<StoreWrite>) -> impl Future<Output = Vec<Result<(), StoreError>>> + Send;

    fn add_agents(
        &self,
        agents: Vec<NewAgent>,
    ) -> impl Future<Output = Result<Vec<AgentId>, AddError>> + Send;
    fn add_devices(
        &self,
        devices: Vec<NewDevice>,
    ) -> impl Future<Output = Result<Vec<DeviceId>, AddError>> + Send;
    fn remove_agent(
        &self,
        id: AgentId,
        at: WallTime,
    ) -> impl Future<Output = Result<Option<Login>, StoreError>> + Send;
    fn remove_device(
        &self,
        id: DeviceId,
        at: WallTime,
    ) -> impl Future<Output = Result<Option<Login>, StoreError>> + Send;
    fn set_password(&self, id: AgentId, hash: String) -> impl Future<Output = Result<(), StoreError>> + Send;
    fn agents(&self) -> impl Future<Output = Result<Vec<Agent>, StoreError>> + Send;
    fn devices(&self) -> impl Future<Output = Result<Vec<Device>, StoreError>> + Send;
    /// By login name, case-insensitively.
    fn account(&self, login_name: &str) -> impl Future<Output = Result<Option<Account>, StoreError>> + Send;
    fn account_by_id(&self, id: AgentId) -> impl Future<Output = Result<Option<Account>, StoreError>> + Send;

    fn bindings(&self) -> impl Future<Output = Result<Vec<Binding>, StoreError>> + Send;
    /// Logins without an end.
    fn logins(&self) -> impl Future<Output = Result<Vec<Login>, StoreError>> + Send;
    /// Logins, newest first, ended ones too.
    fn login_history(&self, limit: u32) -> impl Future<Output = Result<Vec<Login>, StoreError>> + Send;
    fn records(&self, limit: u32) -> impl Future<Output = Result<Vec<CallRecord>, StoreError>> + Send;
    fn record(&self, call: CallId) -> impl Future<Output = Result<Option<CallRecord>, StoreError>> + Send;
    /// At start: records without an end get `EndReason::ServerLost`; returns how many.
    fn close_lost_records(&self, at: WallTime) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// The only place a login is granted or taken: one transaction, `hotdesk::claim::decide` inside it. A grant deletes the
    /// web sessions of the ended login and turns the pending session `session` into one of the new login.
    fn claim_login(
        &self,
        claim: Claim,
        session: [u8; 32],
    ) -> impl Future<Output = Result<Claimed, StoreError>> + Send;
    /// Ends a login and its web sessions; `None` when it had ended already.
    fn end_login(
        &self,
        login: LoginId,
        why: LoginEndReason,
        at: WallTime,
        from: &str,
    ) -> impl Future<Output = Result<Option<Login>, StoreError>> + Send;

    fn put_session(&self, session: WebSession) -> impl Future<Output = Result<(), StoreError>> + Send;
    fn session(
        &self,
        token_sha256: [u8; 32],
        now: WallTime,
    ) -> impl Future<Output = Result<Option<WebSession>, StoreError>> + Send;
    fn drop_session(&self, token_sha256: [u8; 32]) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Cheap when nothing changed.
    fn changes_since(&self, seq: u64) -> impl Future<Output = Result<Changes, StoreError>> + Send;
    /// One line of the audit log: who, from where, what, outcome (SPEC D10).
    fn audit(
        &self,
        at: WallTime,
        who: &Pii,
        from: &str,
        what: &str,
        outcome: &str,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// Seals digest hashes at rest. Read from `secret.key` in the data folder, made at first start.
#[derive(Clone)]
pub struct SealingKey(pub Secret);
