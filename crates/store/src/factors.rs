//! What somebody has beside a password: an authenticator app, passkeys, recovery codes. The store keeps them, lets each be
//! used once, and counts tries before they are looked at; what a code or a signature is worth `auth` knows.

use crate::memory::Memory;
use crate::seal::Sealer;
use crate::sqlite::{Sqlite, db, failure};
use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use std::collections::{BTreeMap, BTreeSet};
use terms::{AgentId, StoreError, WallTime};

/// An app, a phone, a spare key in the drawer, one at home … more is no second factor but a habit.
pub const FACTORS_PER_AGENT_MAX: usize = 10;
/// Tries older than this are forgotten.
const TRIES_KEPT_MS: i64 = 24 * 3_600_000;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FactorKind {
    /// Codes of an authenticator app (RFC 6238). One per agent.
    Totp,
    /// A key of Web Authentication.
    Passkey,
}

impl FactorKind {
    pub fn word(self) -> &'static str {
        match self {
            FactorKind::Totp => "totp",
            FactorKind::Passkey => "passkey",
        }
    }
}

#[derive(Clone, PartialEq, Debug)]
pub struct Factor {
    pub id: u64,
    pub agent: AgentId,
    pub kind: FactorKind,
    pub name: String,
    pub since: WallTime,
    pub used: Option<WallTime>,
    /// A passkey's credential id.
    pub credential: Option<Vec<u8>>,
    /// Only rises: the last time step of an app, the signature counter of a passkey.
    pub counter: u64,
    pub body: FactorBody,
}

/// The app's secret, or the passkey's public key. Sealed at rest; never printed.
#[derive(Clone, PartialEq, Default)]
pub struct FactorBody(pub Vec<u8>);

impl std::fmt::Debug for FactorBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FactorBody(…)")
    }
}

#[derive(Clone, Debug)]
pub struct NewFactor {
    pub agent: AgentId,
    pub kind: FactorKind,
    pub name: String,
    pub since: WallTime,
    pub credential: Option<Vec<u8>>,
    pub counter: u64,
    pub body: FactorBody,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FactorAdded {
    Added(u64),
    /// Somebody has this passkey already.
    Known,
    /// `FACTORS_PER_AGENT_MAX` are there.
    TooMany,
    /// The agent is gone.
    NoAgent,
}

/// What is waited for from a browser. One of each per session.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Ceremony {
    /// The first code of a new app; the body is its secret.
    NewTotp,
    /// The body is the challenge.
    NewPasskey,
    ShowPasskey,
}

impl Ceremony {
    fn word(self) -> &'static str {
        match self {
            Ceremony::NewTotp => "new_totp",
            Ceremony::NewPasskey => "new_passkey",
            Ceremony::ShowPasskey => "show_passkey",
        }
    }
}

/// Whether one more code is looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FactorTry {
    /// It is counted already. How many of this session are left after it.
    Counted { left: u32 },
    /// This session has had its tries.
    SessionSpent,
    /// This agent's sessions together have had theirs for the while.
    AgentSpent,
}

/// How many tries there are.
#[derive(Clone, Copy, Debug)]
pub struct TryLimits {
    pub per_session: u32,
    /// Of all sessions since `since`; `None`: not limited.
    pub per_agent: Option<u32>,
    pub since: WallTime,
}

/// Verbs about second factors.
pub trait Factors {
    /// Of one agent, oldest first.
    fn factors(&self, agent: AgentId) -> impl Future<Output = Result<Vec<Factor>, StoreError>> + Send;
    /// How many each agent has; those with none are not listed.
    fn factor_counts(&self) -> impl Future<Output = Result<BTreeMap<AgentId, u32>, StoreError>> + Send;
    /// A new app takes the place of the old one.
    fn add_factor(&self, factor: NewFactor) -> impl Future<Output = Result<FactorAdded, StoreError>> + Send;
    /// It was shown: true once for each counter, which has to be higher than the last (or zero as ever, for passkeys that do
    /// not count).
    fn use_factor(
        &self,
        id: u64,
        counter: u64,
        at: WallTime,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;
    /// False where the agent has no such factor. Without any factor left the recovery codes go too.
    fn drop_factor(&self, agent: AgentId, id: u64) -> impl Future<Output = Result<bool, StoreError>> + Send;
    /// All of them, the recovery codes and the counted tries: the agent begins anew. How many factors there were.
    fn drop_factors(&self, agent: AgentId) -> impl Future<Output = Result<u32, StoreError>> + Send;

    /// A new sheet; the old one is worth nothing.
    fn put_recovery_codes(
        &self,
        agent: AgentId,
        hashes: Vec<[u8; 32]>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
    /// True once for each code.
    fn use_recovery_code(
        &self,
        agent: AgentId,
        hash: [u8; 32],
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;
    fn recovery_codes_left(&self, agent: AgentId) -> impl Future<Output = Result<u32, StoreError>> + Send;

    /// Replaces an earlier one of the same session and kind.
    fn begin_ceremony(
        &self,
        session: [u8; 32],
        ceremony: Ceremony,
        body: FactorBody,
        now: WallTime,
        expires: WallTime,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
    /// `None` where it was never begun, ran out or was ended.
    fn ceremony(
        &self,
        session: [u8; 32],
        ceremony: Ceremony,
        now: WallTime,
    ) -> impl Future<Output = Result<Option<FactorBody>, StoreError>> + Send;
    /// As `ceremony`, and it is over: of two who ask at once, one gets it.
    fn end_ceremony(
        &self,
        session: [u8; 32],
        ceremony: Ceremony,
        now: WallTime,
    ) -> impl Future<Output = Result<Option<FactorBody>, StoreError>> + Send;

    /// Counts a try before it is looked at.
    fn try_factor(
        &self,
        agent: AgentId,
        session: [u8; 32],
        at: WallTime,
        limits: TryLimits,
    ) -> impl Future<Output = Result<FactorTry, StoreError>> + Send;
    /// The tries of this session were right in the end.
    fn forget_tries(&self, session: [u8; 32]) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// The rows in memory.
#[derive(Default)]
pub(crate) struct Shelf {
    last: u64,
    factors: BTreeMap<u64, Factor>,
    codes: BTreeSet<(AgentId, [u8; 32])>,
    ceremonies: BTreeMap<([u8; 32], Ceremony), (FactorBody, WallTime)>,
    tries: Vec<(AgentId, [u8; 32], WallTime)>,
}

impl Shelf {
    fn of(&self, agent: AgentId) -> impl Iterator<Item = &Factor> {
        self.factors.values().filter(move |factor| factor.agent == agent)
    }

    pub(crate) fn forget(&mut self, agent: AgentId) -> u32 {
        let before = self.factors.len();
        self.factors.retain(|_, factor| factor.agent != agent);
        self.codes.retain(|(of, _)| *of != agent);
        self.tries.retain(|(of, ..)| *of != agent);
        u32::try_from(before - self.factors.len()).unwrap_or(u32::MAX)
    }
}

/// A passkey that does not count says zero for ever.
fn rises(held: u64, shown: u64, kind: FactorKind) -> bool {
    shown > held || (kind == FactorKind::Passkey && held == 0 && shown == 0)
}

fn spent(of_session: u32, of_agent: u32, limits: TryLimits) -> Option<FactorTry> {
    if of_session >= limits.per_session {
        return Some(FactorTry::SessionSpent);
    }
    limits.per_agent.is_some_and(|most| of_agent >= most).then_some(FactorTry::AgentSpent)
}

impl Factors for Memory {
    async fn factors(&self, agent: AgentId) -> Result<Vec<Factor>, StoreError> {
        Ok(self.tables().factors.of(agent).cloned().collect())
    }

    async fn factor_counts(&self) -> Result<BTreeMap<AgentId, u32>, StoreError> {
        let mut counts = BTreeMap::new();
        for factor in self.tables().factors.factors.values() {
            *counts.entry(factor.agent).or_default() += 1;
        }
        Ok(counts)
    }

    async fn add_factor(&self, new: NewFactor) -> Result<FactorAdded, StoreError> {
        let mut tables = self.writable()?;
        if !tables.agents.contains_key(&new.agent) {
            return Ok(FactorAdded::NoAgent);
        }
        let shelf = &mut tables.factors;
        if new.credential.is_some() && shelf.factors.values().any(|held| held.credential == new.credential) {
            return Ok(FactorAdded::Known);
        }
        let old_app = |held: &Factor| new.kind == FactorKind::Totp && held.kind == FactorKind::Totp;
        if shelf.of(new.agent).filter(|held| !old_app(held)).count() >= FACTORS_PER_AGENT_MAX {
            return Ok(FactorAdded::TooMany);
        }
        shelf.factors.retain(|_, held| held.agent != new.agent || !old_app(held));
        shelf.last += 1;
        let id = shelf.last;
        let NewFactor { agent, kind, name, since, credential, counter, body } = new;
        let factor = Factor { id, agent, kind, name, since, used: None, credential, counter, body };
        shelf.factors.insert(id, factor);
        Ok(FactorAdded::Added(id))
    }

    async fn use_factor(&self, id: u64, counter: u64, at: WallTime) -> Result<bool, StoreError> {
        match self.writable()?.factors.factors.get_mut(&id) {
            Some(factor) if rises(factor.counter, counter, factor.kind) => {
                factor.counter = counter;
                factor.used = Some(at);
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    async fn drop_factor(&self, agent: AgentId, id: u64) -> Result<bool, StoreError> {
        let mut tables = self.writable()?;
        let shelf = &mut tables.factors;
        if shelf.factors.get(&id).is_none_or(|factor| factor.agent != agent) {
            return Ok(false);
        }
        shelf.factors.remove(&id);
        if shelf.of(agent).next().is_none() {
            shelf.codes.retain(|(of, _)| *of != agent);
        }
        Ok(true)
    }

    async fn drop_factors(&self, agent: AgentId) -> Result<u32, StoreError> {
        Ok(self.writable()?.factors.forget(agent))
    }

    async fn put_recovery_codes(&self, agent: AgentId, hashes: Vec<[u8; 32]>) -> Result<(), StoreError> {
        let mut tables = self.writable()?;
        tables.factors.codes.retain(|(of, _)| *of != agent);
        tables.factors.codes.extend(hashes.into_iter().map(|hash| (agent, hash)));
        Ok(())
    }

    async fn use_recovery_code(&self, agent: AgentId, hash: [u8; 32]) -> Result<bool, StoreError> {
        Ok(self.writable()?.factors.codes.remove(&(agent, hash)))
    }

    async fn recovery_codes_left(&self, agent: AgentId) -> Result<u32, StoreError> {
        let left = self.tables().factors.codes.iter().filter(|(of, _)| *of == agent).count();
        Ok(u32::try_from(left).unwrap_or(u32::MAX))
    }

    async fn begin_ceremony(
        &self,
        session: [u8; 32],
        ceremony: Ceremony,
        body: FactorBody,
        now: WallTime,
        expires: WallTime,
    ) -> Result<(), StoreError> {
        let mut tables = self.writable()?;
        let held = &mut tables.factors.ceremonies;
        held.retain(|_, (_, expires)| *expires > now);
        held.insert((session, ceremony), (body, expires));
        Ok(())
    }

    async fn ceremony(
        &self,
        session: [u8; 32],
        ceremony: Ceremony,
        now: WallTime,
    ) -> Result<Option<FactorBody>, StoreError> {
        let tables = self.tables();
        let held = tables.factors.ceremonies.get(&(session, ceremony));
        Ok(held.filter(|(_, expires)| *expires > now).map(|(body, _)| body.clone()))
    }

    async fn end_ceremony(
        &self,
        session: [u8; 32],
        ceremony: Ceremony,
        now: WallTime,
    ) -> Result<Option<FactorBody>, StoreError> {
        let held = self.writable()?.factors.ceremonies.remove(&(session, ceremony));
        Ok(held.filter(|(_, expires)| *expires > now).map(|(body, _)| body))
    }

    async fn try_factor(
        &self,
        agent: AgentId,
        session: [u8; 32],
        at: WallTime,
        limits: TryLimits,
    ) -> Result<FactorTry, StoreError> {
        let mut tables = self.writable()?;
        let tries = &mut tables.factors.tries;
        tries.retain(|(.., tried)| tried.0 > at.0.saturating_sub(TRIES_KEPT_MS));
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let of_session = count(tries.iter().filter(|(_, of, _)| *of == session).count());
        let of_agent = count(tries.iter().filter(|(of, _, at)| *of == agent && *at > limits.since).count());
        if let Some(spent) = spent(of_session, of_agent, limits) {
            return Ok(spent);
        }
        tries.push((agent, session, at));
        Ok(FactorTry::Counted { left: limits.per_session.saturating_sub(of_session + 1) })
    }

    async fn forget_tries(&self, session: [u8; 32]) -> Result<(), StoreError> {
        self.writable()?.factors.tries.retain(|(_, of, _)| *of != session);
        Ok(())
    }
}

mod sql {
    pub(super) const OF_AGENT: &str = "SELECT id, agent, kind, name, since, used, credential, counter, body
        FROM factors WHERE agent = ? ORDER BY id";
    pub(super) const COUNTS: &str = "SELECT agent, count(*) FROM factors GROUP BY agent";
    pub(super) const AGENT: &str = "SELECT 1 FROM agents WHERE id = ?";
    pub(super) const KNOWN: &str = "SELECT 1 FROM factors WHERE credential = ?";
    pub(super) const COUNT_OTHERS: &str =
        "SELECT count(*) FROM factors WHERE agent = ?1 AND NOT (kind = 'totp' AND ?2 = 'totp')";
    pub(super) const DROP_APP: &str = "DELETE FROM factors WHERE agent = ? AND kind = 'totp'";
    pub(super) const ADD: &str = "INSERT INTO factors (agent, kind, name, since, credential, counter, body)
        VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING id";
    pub(super) const USE: &str = "UPDATE factors SET counter = ?1, used = ?2
        WHERE id = ?3 AND (counter < ?1 OR (kind = 'passkey' AND counter = 0 AND ?1 = 0))";
    pub(super) const DROP: &str = "DELETE FROM factors WHERE agent = ? AND id = ?";
    pub(super) const DROP_ALL: &str = "DELETE FROM factors WHERE agent = ?";
    pub(super) const CODES_ORPHANED: &str = "DELETE FROM recovery_codes
        WHERE agent = ?1 AND NOT EXISTS (SELECT 1 FROM factors WHERE agent = ?1)";
    pub(super) const CODES_DROP: &str = "DELETE FROM recovery_codes WHERE agent = ?";
    pub(super) const CODE_ADD: &str = "INSERT OR IGNORE INTO recovery_codes (agent, hash) VALUES (?, ?)";
    pub(super) const CODE_USE: &str = "DELETE FROM recovery_codes WHERE agent = ? AND hash = ?";
    pub(super) const CODES_LEFT: &str = "SELECT count(*) FROM recovery_codes WHERE agent = ?";
    pub(super) const CEREMONIES_PRUNE: &str = "DELETE FROM factor_ceremonies WHERE expires <= ?";
    pub(super) const CEREMONY_PUT: &str =
        "INSERT OR REPLACE INTO factor_ceremonies (session, purpose, body, expires) VALUES (?, ?, ?, ?)";
    pub(super) const CEREMONY: &str =
        "SELECT body FROM factor_ceremonies WHERE session = ? AND purpose = ? AND expires > ?";
    pub(super) const CEREMONY_TAKE: &str =
        "DELETE FROM factor_ceremonies WHERE session = ? AND purpose = ? RETURNING body, expires";
    pub(super) const TRIES_PRUNE: &str = "DELETE FROM factor_tries WHERE at <= ?";
    pub(super) const TRIES: &str = "SELECT
        (SELECT count(*) FROM factor_tries WHERE agent = ?1 AND session = ?2),
        (SELECT count(*) FROM factor_tries WHERE agent = ?1 AND at > ?3)";
    pub(super) const TRY: &str = "INSERT INTO factor_tries (agent, session, at) VALUES (?, ?, ?)";
    pub(super) const TRIES_FORGET: &str = "DELETE FROM factor_tries WHERE session = ?";
    pub(super) const TRIES_OF_AGENT: &str = "DELETE FROM factor_tries WHERE agent = ?";
}

fn broken(what: &str) -> StoreError {
    StoreError::Failed(format!("a row of the second factors does not read: {what}"))
}

fn no_chance() -> StoreError {
    StoreError::Failed("the system gives no random bytes".into())
}

/// Bound to its owner and kind, so that a row moved to somebody else does not open.
fn bound(agent: AgentId, kind: FactorKind) -> String {
    format!("factor {agent} {}", kind.word())
}

fn bound_to_session(session: [u8; 32], ceremony: Ceremony) -> String {
    let session: String = session.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("ceremony {session} {}", ceremony.word())
}

fn factor(row: &SqliteRow, sealer: &Sealer) -> Result<Factor, StoreError> {
    let number = |column: usize| row.try_get::<i64, _>(column).map_err(failure);
    let agent = AgentId(number(1)? as u64);
    let kind = match row.try_get::<&str, _>(2).map_err(failure)? {
        "totp" => FactorKind::Totp,
        "passkey" => FactorKind::Passkey,
        other => return Err(broken(&format!("there is no kind {other:?}"))),
    };
    let sealed = row.try_get::<&[u8], _>(8).map_err(failure)?;
    let body = sealer.open(&bound(agent, kind), sealed).ok_or_else(|| broken("the seal does not open"))?;
    Ok(Factor {
        id: number(0)? as u64,
        agent,
        kind,
        name: row.try_get(3).map_err(failure)?,
        since: WallTime(number(4)?),
        used: row.try_get::<Option<i64>, _>(5).map_err(failure)?.map(WallTime),
        credential: row.try_get(6).map_err(failure)?,
        counter: number(7)? as u64,
        body: FactorBody(body),
    })
}

async fn add(
    connection: &mut SqliteConnection,
    new: &NewFactor,
    sealed: Vec<u8>,
) -> Result<FactorAdded, StoreError> {
    let agent = db(new.agent.0);
    let there =
        sqlx::query(sql::AGENT).bind(agent).fetch_optional(&mut *connection).await.map_err(failure)?;
    if there.is_none() {
        return Ok(FactorAdded::NoAgent);
    }
    if let Some(credential) = &new.credential {
        let ask = sqlx::query(sql::KNOWN).bind(credential.clone());
        if ask.fetch_optional(&mut *connection).await.map_err(failure)?.is_some() {
            return Ok(FactorAdded::Known);
        }
    }
    let ask = sqlx::query(sql::COUNT_OTHERS).bind(agent).bind(new.kind.word());
    let others = ask.fetch_one(&mut *connection).await.map_err(failure)?;
    let others = others.try_get::<i64, _>(0).map_err(failure)?;
    if usize::try_from(others).unwrap_or(usize::MAX) >= FACTORS_PER_AGENT_MAX {
        return Ok(FactorAdded::TooMany);
    }
    if new.kind == FactorKind::Totp {
        sqlx::query(sql::DROP_APP).bind(agent).execute(&mut *connection).await.map_err(failure)?;
    }
    let put = sqlx::query(sql::ADD)
        .bind(agent)
        .bind(new.kind.word())
        .bind(&new.name)
        .bind(new.since.0)
        .bind(new.credential.clone())
        .bind(db(new.counter))
        .bind(sealed);
    let row = put.fetch_one(&mut *connection).await.map_err(failure)?;
    Ok(FactorAdded::Added(row.try_get::<i64, _>(0).map_err(failure)? as u64))
}

async fn run(
    connection: &mut SqliteConnection,
    query: &'static str,
    agent: AgentId,
) -> Result<u64, StoreError> {
    let done = sqlx::query(query).bind(db(agent.0)).execute(connection).await.map_err(failure)?;
    Ok(done.rows_affected())
}

async fn put_codes(
    connection: &mut SqliteConnection,
    agent: AgentId,
    hashes: &[[u8; 32]],
) -> Result<(), StoreError> {
    run(connection, sql::CODES_DROP, agent).await?;
    for hash in hashes {
        let add = sqlx::query(sql::CODE_ADD).bind(db(agent.0)).bind(hash.to_vec());
        add.execute(&mut *connection).await.map_err(failure)?;
    }
    Ok(())
}

async fn count_try(
    connection: &mut SqliteConnection,
    agent: AgentId,
    session: [u8; 32],
    at: WallTime,
    limits: TryLimits,
) -> Result<FactorTry, StoreError> {
    let prune = sqlx::query(sql::TRIES_PRUNE).bind(at.0.saturating_sub(TRIES_KEPT_MS));
    prune.execute(&mut *connection).await.map_err(failure)?;
    let ask = sqlx::query(sql::TRIES).bind(db(agent.0)).bind(session.to_vec()).bind(limits.since.0);
    let row = ask.fetch_one(&mut *connection).await.map_err(failure)?;
    let count = |column: usize| {
        let count = row.try_get::<i64, _>(column).map_err(failure)?;
        Ok::<u32, StoreError>(u32::try_from(count).unwrap_or(u32::MAX))
    };
    let (of_session, of_agent) = (count(0)?, count(1)?);
    if let Some(spent) = spent(of_session, of_agent, limits) {
        return Ok(spent);
    }
    let put = sqlx::query(sql::TRY).bind(db(agent.0)).bind(session.to_vec()).bind(at.0);
    put.execute(connection).await.map_err(failure)?;
    Ok(FactorTry::Counted { left: limits.per_session.saturating_sub(of_session + 1) })
}

impl Factors for Sqlite {
    async fn factors(&self, agent: AgentId) -> Result<Vec<Factor>, StoreError> {
        let ask = sqlx::query(sql::OF_AGENT).bind(db(agent.0));
        let rows = ask.fetch_all(&self.readers).await.map_err(failure)?;
        rows.iter().map(|row| factor(row, &self.sealer)).collect()
    }

    async fn factor_counts(&self) -> Result<BTreeMap<AgentId, u32>, StoreError> {
        let rows = sqlx::query(sql::COUNTS).fetch_all(&self.readers).await.map_err(failure)?;
        let count = |row: &SqliteRow| {
            let number = |column: usize| row.try_get::<i64, _>(column).map_err(failure);
            Ok((AgentId(number(0)? as u64), u32::try_from(number(1)?).unwrap_or(u32::MAX)))
        };
        rows.iter().map(count).collect()
    }

    async fn add_factor(&self, new: NewFactor) -> Result<FactorAdded, StoreError> {
        let sealed = self.sealer.seal(&bound(new.agent, new.kind), &new.body.0).ok_or_else(no_chance)?;
        let mut writer = self.begin().await?;
        let outcome = add(&mut writer.connection, &new, sealed).await;
        writer.finish(outcome).await
    }

    async fn use_factor(&self, id: u64, counter: u64, at: WallTime) -> Result<bool, StoreError> {
        let mut writer = self.begin().await?;
        let put = sqlx::query(sql::USE).bind(db(counter)).bind(at.0).bind(db(id));
        let done = put.execute(&mut writer.connection).await.map_err(failure);
        writer.finish(done.map(|done| done.rows_affected() == 1)).await
    }

    async fn drop_factor(&self, agent: AgentId, id: u64) -> Result<bool, StoreError> {
        let mut writer = self.begin().await?;
        let remove = sqlx::query(sql::DROP).bind(db(agent.0)).bind(db(id));
        let mut done =
            remove.execute(&mut writer.connection).await.map_err(failure).map(|d| d.rows_affected());
        if let Ok(gone) = done {
            let codes = run(&mut writer.connection, sql::CODES_ORPHANED, agent).await;
            done = codes.map(|_| gone);
        }
        writer.finish(done.map(|gone| gone == 1)).await
    }

    async fn drop_factors(&self, agent: AgentId) -> Result<u32, StoreError> {
        let mut writer = self.begin().await?;
        let all = async |connection: &mut SqliteConnection| {
            let gone = run(connection, sql::DROP_ALL, agent).await?;
            run(connection, sql::CODES_DROP, agent).await?;
            run(connection, sql::TRIES_OF_AGENT, agent).await?;
            Ok(u32::try_from(gone).unwrap_or(u32::MAX))
        };
        let outcome = all(&mut writer.connection).await;
        writer.finish(outcome).await
    }

    async fn put_recovery_codes(&self, agent: AgentId, hashes: Vec<[u8; 32]>) -> Result<(), StoreError> {
        let mut writer = self.begin().await?;
        let outcome = put_codes(&mut writer.connection, agent, &hashes).await;
        writer.finish(outcome).await
    }

    async fn use_recovery_code(&self, agent: AgentId, hash: [u8; 32]) -> Result<bool, StoreError> {
        let mut writer = self.begin().await?;
        let take = sqlx::query(sql::CODE_USE).bind(db(agent.0)).bind(hash.to_vec());
        let done = take.execute(&mut writer.connection).await.map_err(failure);
        writer.finish(done.map(|done| done.rows_affected() == 1)).await
    }

    async fn recovery_codes_left(&self, agent: AgentId) -> Result<u32, StoreError> {
        let ask = sqlx::query(sql::CODES_LEFT).bind(db(agent.0));
        let row = ask.fetch_one(&self.readers).await.map_err(failure)?;
        Ok(u32::try_from(row.try_get::<i64, _>(0).map_err(failure)?).unwrap_or(u32::MAX))
    }

    async fn begin_ceremony(
        &self,
        session: [u8; 32],
        ceremony: Ceremony,
        body: FactorBody,
        now: WallTime,
        expires: WallTime,
    ) -> Result<(), StoreError> {
        let sealed = self.sealer.seal(&bound_to_session(session, ceremony), &body.0).ok_or_else(no_chance)?;
        let mut writer = self.begin().await?;
        let prune = sqlx::query(sql::CEREMONIES_PRUNE).bind(now.0);
        let mut done = prune.execute(&mut writer.connection).await;
        if done.is_ok() {
            let put = sqlx::query(sql::CEREMONY_PUT)
                .bind(session.to_vec())
                .bind(ceremony.word())
                .bind(sealed)
                .bind(expires.0);
            done = put.execute(&mut writer.connection).await;
        }
        writer.finish(done.map(drop).map_err(failure)).await
    }

    async fn ceremony(
        &self,
        session: [u8; 32],
        ceremony: Ceremony,
        now: WallTime,
    ) -> Result<Option<FactorBody>, StoreError> {
        let ask = sqlx::query(sql::CEREMONY).bind(session.to_vec()).bind(ceremony.word()).bind(now.0);
        let Some(row) = ask.fetch_optional(&self.readers).await.map_err(failure)? else { return Ok(None) };
        let sealed = row.try_get::<&[u8], _>(0).map_err(failure)?;
        Ok(self.sealer.open(&bound_to_session(session, ceremony), sealed).map(FactorBody))
    }

    async fn end_ceremony(
        &self,
        session: [u8; 32],
        ceremony: Ceremony,
        now: WallTime,
    ) -> Result<Option<FactorBody>, StoreError> {
        let mut writer = self.begin().await?;
        let take = sqlx::query(sql::CEREMONY_TAKE).bind(session.to_vec()).bind(ceremony.word());
        let taken = take.fetch_optional(&mut writer.connection).await.map_err(failure);
        let Some(row) = writer.finish(taken).await? else { return Ok(None) };
        if row.try_get::<i64, _>(1).map_err(failure)? <= now.0 {
            return Ok(None);
        }
        let sealed = row.try_get::<&[u8], _>(0).map_err(failure)?;
        Ok(self.sealer.open(&bound_to_session(session, ceremony), sealed).map(FactorBody))
    }

    async fn try_factor(
        &self,
        agent: AgentId,
        session: [u8; 32],
        at: WallTime,
        limits: TryLimits,
    ) -> Result<FactorTry, StoreError> {
        let mut writer = self.begin().await?;
        let outcome = count_try(&mut writer.connection, agent, session, at, limits).await;
        writer.finish(outcome).await
    }

    async fn forget_tries(&self, session: [u8; 32]) -> Result<(), StoreError> {
        let mut writer = self.begin().await?;
        let forget = sqlx::query(sql::TRIES_FORGET).bind(session.to_vec());
        let done = forget.execute(&mut writer.connection).await.map_err(failure);
        writer.finish(done.map(drop)).await
    }
}
