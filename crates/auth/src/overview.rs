//! What those who look after everybody need of us: all logins and all phones at once, out of the board's memory, and the few
//! things they do to an account.

use crate::Core;
use crate::change;
use crate::refusal::{Reason, Refusal};
use crate::state::{Auth, Inner};
use std::net::IpAddr;
use std::sync::Arc;
use store::{Account, AuditEntry, Store, WebSession};
use terms::{Activity, Agent, AgentId, Device, DeviceId, Login, LoginId, PhoneState, Secret, WallTime};

/// A login as it stands.
#[derive(Clone, Debug)]
pub struct Seated {
    pub login: Login,
    pub agent: Option<Agent>,
    /// None: in the browser.
    pub phone: Option<PhoneName>,
    pub activity: Activity,
}

/// What people call a phone and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhoneName {
    pub name: String,
    pub label: String,
    pub site: String,
    pub floor: String,
}

impl From<&Device> for PhoneName {
    fn from(device: &Device) -> PhoneName {
        let Device { name, label, site, floor, .. } = device.clone();
        PhoneName { name, label, site, floor }
    }
}

/// A phone and who sits there.
#[derive(Clone, Debug)]
pub struct PhoneSeat {
    pub phone: PhoneName,
    pub enabled: bool,
    pub state: PhoneState,
    pub since: Option<WallTime>,
    pub seated: Option<Seated>,
}

impl<S: Store, C: Core> Inner<S, C> {
    /// Every login without an end, as of the last `refresh`.
    pub fn seated(&self) -> Vec<Seated> {
        self.board().seated()
    }

    pub fn seated_agent(&self, agent: AgentId) -> Option<Seated> {
        let board = self.board();
        board.login_of(agent).and_then(|login| board.seated_login(login.id))
    }

    pub fn seated_login(&self, login: LoginId) -> Option<Seated> {
        self.board().seated_login(login)
    }

    /// Every phone in the natural order of names, disabled ones too.
    pub fn phone_seats(&self) -> Vec<PhoneSeat> {
        let board = self.board();
        board.in_order().filter_map(|id| seat(&board, id)).collect()
    }

    pub fn phone_seat(&self, name: &str) -> Option<PhoneSeat> {
        let board = self.board();
        board.named(name).and_then(|id| seat(&board, id))
    }

    pub fn store(&self) -> &S {
        &self.store
    }

    /// For what goes on after the request is answered.
    pub fn store_shared(&self) -> Arc<S> {
        Arc::clone(&self.store)
    }

    pub fn core(&self) -> &C {
        &self.core
    }

    /// The account behind a session; one that was removed or disabled since has none.
    pub async fn account_of(&self, session: &WebSession) -> Result<Account, Refusal> {
        let account = self.store.account_by_id(session.agent).await?;
        account.filter(|account| account.agent.enabled).ok_or_else(|| Reason::LoginExpired.into())
    }

    /// Whether one more refusal from there is written to the audit log: whoever tries a thousand times does not fill it.
    pub fn tells(&self, from: IpAddr) -> bool {
        self.limits.tells(std::time::Instant::now(), from)
    }

    /// A line of the audit log; where it cannot be written the log of the service has it.
    pub async fn audit_entry(&self, entry: AuditEntry) {
        let AuditEntry { who, whom, from, what, outcome, .. } = &entry;
        tracing::info!(%who, %whom, from, what, outcome, "administration");
        if let Err(error) = self.store.audit_entry(entry.clone()).await {
            tracing::error!(%error, what, outcome, "audit line not written");
        }
    }

    /// A password handed out by somebody else: good for one login, which asks for another. Whoever is on the way in with the
    /// old one begins again; a login that stands goes on.
    pub async fn give_password(&self, account: &Account, password: Secret) -> Result<(), Refusal> {
        let hash = self.hasher.hash(password).await.map_err(|_| Reason::Busy)?.ok_or(Reason::Busy)?;
        self.store.put_password(account.agent.id, hash, None, true).await?;
        self.store.drop_pending_sessions(account.agent.id).await?;
        Ok(())
    }
}

impl<S: Store, C: Core> Auth<S, C> {
    /// Whether somebody may choose this password for the account's owner; otherwise 422 `password_rules`, with the rules that
    /// are in its way.
    pub async fn may_give(&self, account: &Account, password: Secret) -> Result<(), Refusal> {
        change::accept_for_another(self, account, password).await
    }
}

fn seat(board: &crate::board::Board, id: DeviceId) -> Option<PhoneSeat> {
    let device = board.device(id)?;
    Some(PhoneSeat {
        phone: PhoneName::from(device),
        enabled: device.enabled,
        state: board.phone_state(id),
        since: board.phone_since(id),
        seated: board.login_at(id).and_then(|login| board.seated_login(login.id)),
    })
}
