//! Links for a new password: one that works per account, counted over the hour, used up in the same transaction that changes
//! the password. The token itself is stored only as SHA-256.

use crate::memory::Memory;
use crate::sqlite::{Sqlite, claim, db, failure, sql};
use sqlx::Row;
use sqlx::sqlite::SqliteConnection;
use std::time::Duration;
use terms::{AgentId, Login, LoginEndReason, StoreError, WallTime};

/// Letters about a forgotten password that one account gets within an hour, whoever asks for them.
pub const RESETS_PER_HOUR: usize = 3;
const HOUR: Duration = Duration::from_secs(3600);

/// A link that is about to go out.
#[derive(Clone, Debug, PartialEq)]
pub struct NewReset {
    pub token_sha256: [u8; 32],
    pub agent: AgentId,
    pub made: WallTime,
    pub expires: WallTime,
    /// False where the letter has no link, because the password is kept elsewhere: it is only counted.
    pub live: bool,
}

/// A link that works.
#[derive(Clone, Debug, PartialEq)]
pub struct Reset {
    pub agent: AgentId,
    pub expires: WallTime,
}

/// What using a link up did.
#[derive(Clone, Debug, PartialEq)]
pub struct UsedReset {
    pub agent: AgentId,
    /// The login that was standing.
    pub ended: Option<Login>,
}

/// Verbs about forgotten passwords.
pub trait Resets {
    /// Writes the link down; an older one of the account stops working. False where the account had its letters of this hour:
    /// then nothing was written, and the older link still works.
    fn make_reset(&self, reset: NewReset) -> impl Future<Output = Result<bool, StoreError>> + Send;
    /// The link, while it works. Looking does not use it up.
    fn reset(
        &self,
        token_sha256: [u8; 32],
        now: WallTime,
    ) -> impl Future<Output = Result<Option<Reset>, StoreError>> + Send;
    /// In one transaction: the link is used up, the password is this one and its owner's own choice, a block is lifted, the
    /// login ends and every session with it. `None`, and nothing is written, where the link does not work any more or its agent
    /// may not log in.
    fn use_reset(
        &self,
        token_sha256: [u8; 32],
        now: WallTime,
        hash: String,
        from: &str,
    ) -> impl Future<Output = Result<Option<UsedReset>, StoreError>> + Send;
}

/// A link as it is kept in memory.
pub(crate) struct Link {
    agent: AgentId,
    made: WallTime,
    expires: WallTime,
    dead: bool,
}

impl Link {
    fn works(&self, now: WallTime) -> bool {
        !self.dead && now < self.expires
    }
}

impl Resets for Memory {
    async fn make_reset(&self, new: NewReset) -> Result<bool, StoreError> {
        let mut tables = self.writable()?;
        let NewReset { token_sha256, agent, made, expires, live } = new;
        tables.resets.retain(|_, row| made.since(row.made) < HOUR);
        let of_agent = tables.resets.values_mut().filter(|row| row.agent == agent);
        let of_agent: Vec<&mut Link> = of_agent.collect();
        if of_agent.len() >= RESETS_PER_HOUR {
            return Ok(false);
        }
        of_agent.into_iter().for_each(|row| row.dead = true);
        tables.resets.insert(token_sha256, Link { agent, made, expires, dead: !live });
        Ok(true)
    }

    async fn reset(&self, token: [u8; 32], now: WallTime) -> Result<Option<Reset>, StoreError> {
        let tables = self.tables();
        let row = tables.resets.get(&token).filter(|row| row.works(now));
        Ok(row.map(|row| Reset { agent: row.agent, expires: row.expires }))
    }

    async fn use_reset(
        &self,
        token: [u8; 32],
        now: WallTime,
        hash: String,
        from: &str,
    ) -> Result<Option<UsedReset>, StoreError> {
        let mut tables = self.writable()?;
        let Some(agent) = tables.resets.get(&token).filter(|row| row.works(now)).map(|row| row.agent) else {
            return Ok(None);
        };
        let Some(person) = tables.agents.get_mut(&agent).filter(|person| person.account.agent.enabled) else {
            return Ok(None);
        };
        let account = &mut person.account;
        let old = account.password_hash.replace(hash);
        let login_name = account.agent.login_name.clone();
        account.password_at = Some(now);
        account.must_change = false;
        account.blocked = None;
        tables.attempts.replaced(agent, old);
        tables.attempts.unlocked(&login_name);
        tables.resets.values_mut().filter(|row| row.agent == agent).for_each(|row| row.dead = true);
        let ended = tables.end_all_of(agent, LoginEndReason::PasswordReset, now, from);
        Ok(Some(UsedReset { agent, ended }))
    }
}

impl Resets for Sqlite {
    async fn make_reset(&self, new: NewReset) -> Result<bool, StoreError> {
        let mut writer = self.begin().await?;
        let outcome = make(&mut writer.connection, &new).await;
        writer.finish(outcome).await
    }

    async fn reset(&self, token: [u8; 32], now: WallTime) -> Result<Option<Reset>, StoreError> {
        let ask = sqlx::query(sql::RESET).bind(token.to_vec()).bind(now.0);
        let row = ask.fetch_optional(&self.readers).await.map_err(failure)?;
        Ok(row
            .map(|row| Reset { agent: AgentId(row.get::<i64, _>(0) as u64), expires: WallTime(row.get(1)) }))
    }

    async fn use_reset(
        &self,
        token: [u8; 32],
        now: WallTime,
        hash: String,
        from: &str,
    ) -> Result<Option<UsedReset>, StoreError> {
        let mut writer = self.begin().await?;
        let outcome = use_up(&mut writer.connection, token, now, &hash, from).await;
        writer.finish(outcome).await
    }
}

async fn make(connection: &mut SqliteConnection, new: &NewReset) -> Result<bool, StoreError> {
    let hour_ago = new.made.0.saturating_sub(i64::try_from(HOUR.as_millis()).unwrap_or(i64::MAX));
    let prune = sqlx::query(sql::RESETS_PRUNE).bind(hour_ago);
    prune.execute(&mut *connection).await.map_err(failure)?;
    let count = sqlx::query(sql::RESETS_COUNT).bind(db(new.agent.0));
    let count: i64 = count.fetch_one(&mut *connection).await.map_err(failure)?.get(0);
    if usize::try_from(count).unwrap_or(usize::MAX) >= RESETS_PER_HOUR {
        return Ok(false);
    }
    let kill = sqlx::query(sql::RESETS_KILL).bind(db(new.agent.0));
    kill.execute(&mut *connection).await.map_err(failure)?;
    let add = sqlx::query(sql::RESET_ADD)
        .bind(new.token_sha256.to_vec())
        .bind(db(new.agent.0))
        .bind(new.made.0)
        .bind(new.expires.0)
        .bind(!new.live);
    add.execute(&mut *connection).await.map_err(failure)?;
    Ok(true)
}

async fn use_up(
    connection: &mut SqliteConnection,
    token: [u8; 32],
    now: WallTime,
    hash: &str,
    from: &str,
) -> Result<Option<UsedReset>, StoreError> {
    let ask = sqlx::query(sql::RESET).bind(token.to_vec()).bind(now.0);
    let Some(row) = ask.fetch_optional(&mut *connection).await.map_err(failure)? else { return Ok(None) };
    let agent = AgentId(row.get::<i64, _>(0) as u64);
    let put = sqlx::query(sql::RESET_PASSWORD).bind(hash).bind(now.0).bind(db(agent.0));
    if put.execute(&mut *connection).await.map_err(failure)?.rows_affected() == 0 {
        return Ok(None);
    }
    let ended = claim::end_of_agent_from(connection, agent, LoginEndReason::PasswordReset, now, from).await?;
    for statement in [sql::RESETS_KILL, sql::SESSIONS_OF_AGENT_DROP] {
        sqlx::query(statement).bind(db(agent.0)).execute(&mut *connection).await.map_err(failure)?;
    }
    Ok(Some(UsedReset { agent, ended }))
}
