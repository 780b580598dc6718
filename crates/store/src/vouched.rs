//! People for whom somebody else vouches: who they are at a provider of OpenID Connect, and which of them a directory has to be
//! asked about while they are in.

use crate::accounts::Way;
use crate::memory::Memory;
use crate::sqlite::{Sqlite, db, failure, rows, sql};
use crate::{Account, input};
use sqlx::Row;
use terms::{AgentId, LoginId, Role, StoreError, Typology, WallTime};

/// An agent of the directory who sits somewhere, or is on the way in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Present {
    pub agent: AgentId,
    pub login_name: String,
    /// `None`: there is only a session.
    pub login: Option<LoginId>,
}

/// Which agent a proved identity is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Identified {
    Agent(AgentId),
    /// No agent of this way has the address.
    Unknown,
    /// The agent with this address is somebody else at the provider.
    AnotherIdentity,
}

/// What a provider proved.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    pub issuer: String,
    pub subject: String,
    /// Verified by the provider.
    pub email: String,
}

/// Verbs about them.
pub trait Vouched {
    fn directory_people(
        &self,
        now: WallTime,
    ) -> impl Future<Output = Result<Vec<Present>, StoreError>> + Send;
    /// What the directory says about an agent of its own; `None` leaves things as they are.
    fn put_from_directory(
        &self,
        id: AgentId,
        role: Option<Role>,
        typology: Option<Typology>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
    /// The agent this identity is bound to. An agent without a bond, or whose address was changed since, is found by address
    /// and bound. One transaction: of two that come at once one is bound.
    fn identify(
        &self,
        identity: Identity,
        at: WallTime,
    ) -> impl Future<Output = Result<Identified, StoreError>> + Send;
    /// The next login is by address again; false where there was no bond.
    fn forget_identity(&self, id: AgentId) -> impl Future<Output = Result<bool, StoreError>> + Send;
}

/// Who is bound to whom, in the twin without a disk.
pub(crate) struct Bond {
    issuer: String,
    subject: String,
    email_key: String,
}

/// A bond holds as long as the agent keeps the way and the address it was made with.
fn holds(account: &Account, email_key: &str) -> bool {
    account.way == Way::Oidc && account.email.as_deref().is_some_and(|own| input::email_key(own) == email_key)
}

impl Vouched for Memory {
    async fn directory_people(&self, now: WallTime) -> Result<Vec<Present>, StoreError> {
        Ok(self.present(now, |account| account.way == Way::Directory))
    }

    async fn put_from_directory(
        &self,
        id: AgentId,
        role: Option<Role>,
        typology: Option<Typology>,
    ) -> Result<(), StoreError> {
        self.change_agent(id, |account| {
            account.role = role.unwrap_or(account.role);
            account.agent.typology = typology.unwrap_or(account.agent.typology);
        })
    }

    async fn identify(&self, identity: Identity, _at: WallTime) -> Result<Identified, StoreError> {
        let mut tables = self.writable()?;
        let Identity { issuer, subject, email } = identity;
        let bound =
            tables.identities.iter().find(|(_, bond)| bond.issuer == issuer && bond.subject == subject);
        let bound = bound.map(|(agent, bond)| (*agent, bond.email_key.clone()));
        if let Some((agent, key)) = bound
            && tables.agents.get(&agent).is_some_and(|person| holds(&person.account, &key))
        {
            return Ok(Identified::Agent(agent));
        }
        let key = input::email_key(&email);
        let of_address = tables.agents.values().map(|person| &person.account).find(|a| holds(a, &key));
        let Some(agent) = of_address.map(|account| account.agent.id) else { return Ok(Identified::Unknown) };
        if tables.identities.get(&agent).is_some_and(|bond| bond.email_key == key) {
            return Ok(Identified::AnotherIdentity);
        }
        tables.identities.retain(|_, bond| bond.issuer != issuer || bond.subject != subject);
        tables.identities.insert(agent, Bond { issuer, subject, email_key: key });
        Ok(Identified::Agent(agent))
    }

    async fn forget_identity(&self, id: AgentId) -> Result<bool, StoreError> {
        Ok(self.writable()?.identities.remove(&id).is_some())
    }
}

impl Vouched for Sqlite {
    async fn directory_people(&self, now: WallTime) -> Result<Vec<Present>, StoreError> {
        let ask = sqlx::query(sql::DIRECTORY_PRESENT).bind(now.0);
        let found = ask.fetch_all(&self.readers).await.map_err(failure)?;
        let id =
            |row: &sqlx::sqlite::SqliteRow, at: usize| row.get::<Option<i64>, _>(at).map(i64::cast_unsigned);
        let one = |row: &sqlx::sqlite::SqliteRow| Present {
            agent: AgentId(id(row, 0).unwrap_or_default()),
            login_name: row.get(1),
            login: id(row, 2).map(LoginId),
        };
        Ok(found.iter().map(one).collect())
    }

    async fn put_from_directory(
        &self,
        id: AgentId,
        role: Option<Role>,
        typology: Option<Typology>,
    ) -> Result<(), StoreError> {
        let put = sqlx::query(sql::AGENT_FROM_DIRECTORY)
            .bind(role.map(|role| rows::spelled(&role)))
            .bind(typology.map(|typology| rows::spelled(&typology)))
            .bind(db(id.0));
        let mut writer = self.begin().await?;
        let done = put.execute(&mut writer.connection).await.map_err(failure);
        writer.finish(done.map(drop)).await
    }

    async fn identify(&self, identity: Identity, at: WallTime) -> Result<Identified, StoreError> {
        let mut writer = self.begin().await?;
        let done = identify(&mut writer.connection, &identity, at).await.map_err(failure);
        writer.finish(done).await
    }

    async fn forget_identity(&self, id: AgentId) -> Result<bool, StoreError> {
        let mut writer = self.begin().await?;
        let forget = sqlx::query(sql::IDENTITY_FORGET).bind(db(id.0));
        let done = forget.execute(&mut writer.connection).await.map_err(failure);
        writer.finish(done.map(|done| done.rows_affected() > 0)).await
    }
}

async fn identify(
    connection: &mut sqlx::sqlite::SqliteConnection,
    identity: &Identity,
    at: WallTime,
) -> Result<Identified, sqlx::Error> {
    let Identity { issuer, subject, email } = identity;
    let agent = |row: sqlx::sqlite::SqliteRow| AgentId(row.get::<i64, _>(0).cast_unsigned());
    let bound = sqlx::query(sql::IDENTITY_OF_SUBJECT).bind(issuer).bind(subject);
    if let Some(row) = bound.fetch_optional(&mut *connection).await? {
        return Ok(Identified::Agent(agent(row)));
    }
    let key = input::email_key(email);
    let of_address = sqlx::query(sql::AGENT_OF_IDENTITY).bind(&key).fetch_optional(&mut *connection).await?;
    let Some(row) = of_address else { return Ok(Identified::Unknown) };
    if row.get::<bool, _>(1) {
        return Ok(Identified::AnotherIdentity);
    }
    let agent = agent(row);
    sqlx::query(sql::IDENTITY_LOOSEN).bind(issuer).bind(subject).execute(&mut *connection).await?;
    let bind =
        sqlx::query(sql::IDENTITY_BIND).bind(db(agent.0)).bind(issuer).bind(subject).bind(key).bind(at.0);
    bind.execute(connection).await?;
    Ok(Identified::Agent(agent))
}
