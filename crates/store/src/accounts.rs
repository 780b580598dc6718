//! What an account is beside an agent: its role, where mail reaches its owner, who vouches for the password, and how far a
//! session is on its way in.

use crate::memory::Memory;
use crate::sqlite::{Sqlite, db, failure, rows, sql};
use crate::{AddError, WebSession, input};
use serde::{Deserialize, Serialize};
use terms::{Agent, AgentId, DeviceId, Role, StoreError, WallTime};

/// Who says whether a password is right.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    #[default]
    Local,
    /// An LDAP directory. There is no password of ours then, and none is ever tried.
    Directory,
    /// A provider of OpenID Connect.
    Oidc,
}

/// The way in, in the order it is gone. Whoever passed one has passed all before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    SecondFactor,
    ChangePassword,
    EnrolFactor,
    #[default]
    In,
}

/// Why an account is blocked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlockReason {
    /// Too many wrong passwords.
    WrongPasswords,
    /// Its owner said that somebody else had logged in.
    NotMe,
    Administrator,
}

/// A block; over when `until` has passed or somebody unlocks the account.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Blocked {
    pub since: WallTime,
    /// `None`: until somebody unlocks it.
    pub until: Option<WallTime>,
    pub why: BlockReason,
}

impl Blocked {
    pub fn holds(&self, now: WallTime) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

/// What `auth` needs to check a password and keep a session.
#[derive(Clone, Debug)]
pub struct Account {
    pub agent: Agent,
    pub password_hash: Option<String>,
    pub last_device: Option<DeviceId>,
    pub role: Role,
    pub email: Option<String>,
    pub way: Way,
    /// When the owner set the password; `None`: somebody else did.
    pub password_at: Option<WallTime>,
    /// The password was handed out and is good for choosing another one only.
    pub must_change: bool,
    /// The block as it was written; whether it still holds says `Blocked::holds`.
    pub blocked: Option<Blocked>,
}

/// Verbs about accounts.
pub trait Accounts {
    fn accounts(&self) -> impl Future<Output = Result<Vec<Account>, StoreError>> + Send;
    /// By mail address, case-insensitively.
    fn account_by_email(
        &self,
        email: &str,
    ) -> impl Future<Output = Result<Option<Account>, StoreError>> + Send;
    fn set_role(&self, id: AgentId, role: Role) -> impl Future<Output = Result<(), StoreError>> + Send;
    /// `AddError::Conflict` where another account has it.
    fn set_email(
        &self,
        id: AgentId,
        email: Option<String>,
    ) -> impl Future<Output = Result<(), AddError>> + Send;
    fn set_way(&self, id: AgentId, way: Way) -> impl Future<Output = Result<(), StoreError>> + Send;
    /// The owner's own choice where `by_owner` says when; otherwise handed out by somebody, and `must_change` where it has to
    /// be changed at the next login.
    fn put_password(
        &self,
        id: AgentId,
        hash: String,
        by_owner: Option<WallTime>,
        must_change: bool,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
    /// `None` lifts the block. Sessions and logins are not touched.
    fn block(
        &self,
        id: AgentId,
        blocked: Option<Blocked>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
    /// A stage was passed: the session goes on under another token, and the old one is worth nothing. False where the old one
    /// was not there any more; then nothing was written.
    fn advance_session(
        &self,
        old: [u8; 32],
        session: WebSession,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;
    /// Sessions of the agent that sit nowhere.
    fn drop_pending_sessions(&self, agent: AgentId) -> impl Future<Output = Result<(), StoreError>> + Send;
}

fn nobody(id: AgentId) -> StoreError {
    StoreError::Failed(format!("there is no agent {id}"))
}

impl Accounts for Memory {
    async fn accounts(&self) -> Result<Vec<Account>, StoreError> {
        Ok(self.tables().agents.values().map(|person| person.account.clone()).collect())
    }

    async fn account_by_email(&self, email: &str) -> Result<Option<Account>, StoreError> {
        let key = input::email_key(email);
        let tables = self.tables();
        let mut found = tables.agents.values().map(|person| &person.account);
        Ok(found.find(|a| a.email.as_deref().is_some_and(|own| input::email_key(own) == key)).cloned())
    }

    async fn set_role(&self, id: AgentId, role: Role) -> Result<(), StoreError> {
        self.change_account(id, |account| account.role = role)
    }

    async fn set_email(&self, id: AgentId, email: Option<String>) -> Result<(), AddError> {
        if let Some(email) = &email {
            input::check_email(0, email)?;
            if let Some(holder) = self.account_by_email(email).await?
                && holder.agent.id != id
            {
                return Err(input::taken(0, "email", email, &holder.agent.login_name));
            }
        }
        Ok(self.change_account(id, |account| account.email = email)?)
    }

    async fn set_way(&self, id: AgentId, way: Way) -> Result<(), StoreError> {
        self.change_account(id, |account| account.way = way)
    }

    async fn put_password(
        &self,
        id: AgentId,
        hash: String,
        by_owner: Option<WallTime>,
        must_change: bool,
    ) -> Result<(), StoreError> {
        let mut old = None;
        self.change_account(id, |account| {
            old = account.password_hash.replace(hash);
            account.password_at = by_owner;
            account.must_change = must_change;
        })?;
        self.writable()?.attempts.replaced(id, old);
        Ok(())
    }

    async fn block(&self, id: AgentId, blocked: Option<Blocked>) -> Result<(), StoreError> {
        let mut name = String::new();
        self.change_account(id, |account| {
            account.blocked = blocked;
            name.clone_from(&account.agent.login_name);
        })?;
        if blocked.is_none() {
            self.writable()?.attempts.unlocked(&name);
        }
        Ok(())
    }

    async fn advance_session(&self, old: [u8; 32], session: WebSession) -> Result<bool, StoreError> {
        self.swap_session(old, session)
    }

    async fn drop_pending_sessions(&self, agent: AgentId) -> Result<(), StoreError> {
        self.forget_pending(agent, None)
    }
}

impl Accounts for Sqlite {
    async fn accounts(&self) -> Result<Vec<Account>, StoreError> {
        let rows = sqlx::query(sql::AGENTS_ALL).fetch_all(&self.readers).await.map_err(failure)?;
        rows.iter().map(rows::account).collect()
    }

    async fn account_by_email(&self, email: &str) -> Result<Option<Account>, StoreError> {
        let ask = sqlx::query(sql::AGENT_BY_EMAIL).bind(input::email_key(email));
        let row = ask.fetch_optional(&self.readers).await.map_err(failure)?;
        row.as_ref().map(rows::account).transpose()
    }

    async fn set_role(&self, id: AgentId, role: Role) -> Result<(), StoreError> {
        self.change(id, sqlx::query(sql::AGENT_ROLE).bind(rows::spelled(&role)).bind(db(id.0))).await
    }

    async fn set_email(&self, id: AgentId, email: Option<String>) -> Result<(), AddError> {
        if let Some(email) = &email {
            input::check_email(0, email)?;
            if let Some(holder) = self.account_by_email(email).await?
                && holder.agent.id != id
            {
                return Err(input::taken(0, "email", email, &holder.agent.login_name));
            }
        }
        let key = email.as_deref().map(input::email_key);
        Ok(self.change(id, sqlx::query(sql::AGENT_EMAIL).bind(email).bind(key).bind(db(id.0))).await?)
    }

    async fn set_way(&self, id: AgentId, way: Way) -> Result<(), StoreError> {
        self.change(id, sqlx::query(sql::AGENT_WAY).bind(rows::spelled(&way)).bind(db(id.0))).await
    }

    async fn put_password(
        &self,
        id: AgentId,
        hash: String,
        by_owner: Option<WallTime>,
        must_change: bool,
    ) -> Result<(), StoreError> {
        let put = sqlx::query(sql::AGENT_PASSWORD_PUT)
            .bind(hash)
            .bind(by_owner.map(|at| at.0))
            .bind(must_change)
            .bind(db(id.0));
        self.change(id, put).await
    }

    async fn block(&self, id: AgentId, blocked: Option<Blocked>) -> Result<(), StoreError> {
        let put = sqlx::query(sql::AGENT_BLOCK)
            .bind(blocked.map(|b| b.since.0))
            .bind(blocked.and_then(|b| b.until).map(|until| until.0))
            .bind(blocked.map(|b| rows::spelled(&b.why)))
            .bind(db(id.0));
        self.change(id, put).await
    }

    async fn advance_session(&self, old: [u8; 32], session: WebSession) -> Result<bool, StoreError> {
        self.swap_session(old, session).await
    }

    async fn drop_pending_sessions(&self, agent: AgentId) -> Result<(), StoreError> {
        let mut writer = self.begin().await?;
        let drop_them = sqlx::query(sql::SESSIONS_OF_AGENT_DROP).bind(db(agent.0));
        let done = drop_them.execute(&mut writer.connection).await.map_err(failure);
        writer.finish(done.map(drop)).await
    }
}

impl Sqlite {
    /// One row of `agents`, which has to be there.
    async fn change(
        &self,
        id: AgentId,
        put: sqlx::query::Query<'_, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>,
    ) -> Result<(), StoreError> {
        let mut writer = self.begin().await?;
        let done = put.execute(&mut writer.connection).await.map_err(failure);
        let done = done.and_then(|done| match done.rows_affected() {
            0 => Err(nobody(id)),
            _ => Ok(()),
        });
        writer.finish(done).await
    }
}

impl Memory {
    pub(crate) fn change_account(
        &self,
        id: AgentId,
        change: impl FnOnce(&mut Account),
    ) -> Result<(), StoreError> {
        match self.writable()?.agents.get_mut(&id) {
            Some(person) => change(&mut person.account),
            None => return Err(nobody(id)),
        }
        Ok(())
    }
}
