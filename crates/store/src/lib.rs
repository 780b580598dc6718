//! What must survive a restart, as a few verbs over SQL, with an in-memory twin. One contract test holds for all.

mod accounts;
mod attempts;
mod audit;
mod disown;
mod factors;
mod input;
mod memory;
mod people;
mod resets;
mod seal;
mod sqlite;
mod tickets;
mod vouched;

pub use accounts::{Account, Accounts, BlockReason, Blocked, Stage, Way};
pub use attempts::{Attempt, Attempts, Charged, KNOWN_BROWSERS_MAX, OLD_PASSWORDS_MAX, Verdict};
pub use audit::{AuditCount, AuditEntry, AuditFilter, AuditLine, AuditLog};
pub use disown::{Disown, Disowned, Disowning, Tombstone};
pub use factors::{
    Ceremony, FACTORS_PER_AGENT_MAX, Factor, FactorAdded, FactorBody, FactorKind, FactorTry, Factors,
    NewFactor, TryLimits,
};
pub use hotdesk::claim::{Claim, Decision};
pub use memory::Memory;
pub use people::{Listed, People};
pub use resets::{NewReset, RESETS_PER_HOUR, Reset, Resets, UsedReset};
pub use seal::{KeyError, SealingKey};
pub use sqlite::Sqlite;
pub use tickets::{
    SESSIONS_PER_LOGIN_MAX, TICKETS_PER_LOGIN_MAX, Ticket, TicketRefusal, TicketUse, TicketUsed, Tickets,
};
pub use vouched::{Identified, Identity, Present, Vouched};

use terms::{
    Agent, AgentId, Binding, CallId, CallRecord, Device, DeviceId, Ha1, Login, LoginEndReason, LoginId, Pii,
    Role, StoreError, StoreWrite, Typology, WallTime,
};

/// Takeovers are counted within this many milliseconds before the claim (SPEC C9).
pub const TAKEOVER_WINDOW_MS: i64 = 3_600_000;
/// Lines of the audit log that are kept; the oldest go first.
pub const AUDIT_LINES_MAX: u64 = 1_000_000;

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
    pub role: Role,
    /// Where mail reaches the owner; no two accounts share one.
    pub email: Option<String>,
    pub way: Way,
}

#[derive(Clone, Debug)]
pub struct NewDevice {
    pub name: String,
    pub label: String,
    pub site: String,
    pub floor: String,
    pub ha1: Ha1,
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
    /// The longest this session may live, used or not.
    pub expires: WallTime,
    /// Last used, as `touch_session` says; idle expiry is counted from here by whoever reads it.
    pub seen: WallTime,
    pub from: String,
    /// How far its owner is on the way in; anything but `Stage::In` opens nothing but that stage.
    pub stage: Stage,
}

/// A granted claim turns the pending session into a full one under a new token: an id that was known before the
/// privilege rose is worth nothing afterwards (session fixation).
#[derive(Clone, Debug, PartialEq)]
pub struct Upgrade {
    pub pending: [u8; 32],
    pub token_sha256: [u8; 32],
    pub csrf: String,
    pub expires: WallTime,
}

/// The outcome of a claim, with the rows as they are after it.
#[derive(Clone, Debug, PartialEq)]
pub enum Claimed {
    Granted {
        login: Login,
        ended: Option<Login>,
    },
    Refused(Decision),
    /// The agent was removed or disabled since the password was shown.
    UnknownAgent,
    /// The phone does not exist or is disabled.
    UnknownDevice,
    /// The pending session ran out or was used up by another claim; nothing was written.
    NoSession,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddError {
    /// Line of the input, 1-based; 0 where only the database knew. `field` is the column of the input, the sentence
    /// names what holds the value.
    #[error("{sentence}")]
    Conflict { line: usize, field: &'static str, sentence: String },
    /// The value could never be right: empty, too long, or with characters that do not belong there.
    #[error("{sentence}")]
    Invalid { line: usize, field: &'static str, sentence: String },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Everything that changed since `seq`, for the core's directory and logins. The next poll asks with `seq`.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    pub seq: u64,
    /// Everything there is was listed (also where `seq` was older than what is remembered): what is not listed is gone.
    pub full: bool,
    pub agents: Vec<Agent>,
    pub agents_gone: Vec<AgentId>,
    pub devices: Vec<Device>,
    pub devices_gone: Vec<DeviceId>,
    /// Changed logins as they are now, ended ones too; a full listing has only those without an end.
    pub logins: Vec<Login>,
}

/// The verbs. `Sqlite` and `Memory` implement them, PostgreSQL will; all are `Send` so that any task may call.
pub trait Store:
    Accounts
    + Attempts
    + AuditLog
    + Disowning
    + Factors
    + People
    + Resets
    + Tickets
    + Vouched
    + Send
    + Sync
    + 'static
{
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
    /// A disabled agent cannot log in; the login they had ends, and comes back.
    fn enable_agent(
        &self,
        id: AgentId,
        enabled: bool,
        at: WallTime,
    ) -> impl Future<Output = Result<Option<Login>, StoreError>> + Send;
    /// A disabled phone cannot register: its bindings go, a login at it ends and comes back.
    fn enable_device(
        &self,
        id: DeviceId,
        enabled: bool,
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

    /// The only place a login is granted or taken: one transaction, `hotdesk::claim::decide` inside it. A grant leaves
    /// only tombstones of the web sessions of the ended login and turns the pending session into one of the new login.
    /// `session` is `None` for a login without a browser.
    fn claim_login(
        &self,
        claim: Claim,
        session: Option<Upgrade>,
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
    /// Remembers that the session was used at `seen`.
    fn touch_session(
        &self,
        token_sha256: [u8; 32],
        seen: WallTime,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
    fn drop_session(&self, token_sha256: [u8; 32]) -> impl Future<Output = Result<(), StoreError>> + Send;
    /// The ended login a dead session belonged to, so that its page can be told why. Authenticates nothing.
    fn ended_session(
        &self,
        token_sha256: [u8; 32],
    ) -> impl Future<Output = Result<Option<Login>, StoreError>> + Send;
    /// Logins without an end whose web sessions have all run out by `now`. Logins that never had one do not expire.
    fn expired_logins(&self, now: WallTime) -> impl Future<Output = Result<Vec<Login>, StoreError>> + Send;

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
    /// The audit log, newest first.
    fn audit_log(&self, limit: u32) -> impl Future<Output = Result<Vec<AuditLine>, StoreError>> + Send;
}
