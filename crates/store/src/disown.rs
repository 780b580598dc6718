//! «That wasn't me»: whoever was thrown out by a takeover says that it was somebody else. One transaction ends the login that
//! stands, puts every way of the account out, and blocks it until somebody unlocks it.

use crate::memory::Memory;
use crate::sqlite::{Sqlite, db, failure, rows, sql};
use crate::{BlockReason, Blocked};
use sqlx::Row;
use sqlx::sqlite::SqliteConnection;
use std::collections::BTreeSet;
use std::time::Duration;
use terms::{Login, LoginEndReason, LoginId, StoreError, WallTime};

/// What is left of a session whose login has ended: enough to tell its page why, and to hear that page once more.
#[derive(Clone, Debug, PartialEq)]
pub struct Tombstone {
    pub login: Login,
    /// The word the page was told while it lived.
    pub csrf: String,
}

/// The page of an ended login says that it was not its owner who took over.
#[derive(Clone, Debug, PartialEq)]
pub struct Disown {
    pub token_sha256: [u8; 32],
    pub at: WallTime,
    pub from: String,
    /// How long after the takeover this can be said.
    pub within: Duration,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Disowned {
    /// The account is blocked from now on; the login that stood, where one did.
    Done {
        ended: Option<Login>,
    },
    /// This login has said so before; nothing was written, whatever happened to the account since.
    Already,
    /// The cookie is of no ended login, or its time is over.
    NoTombstone,
    /// It ended in another way; there is nobody to disown.
    NotTakenOver,
    TooLate,
}

/// Verbs for what an ended login may still say.
pub trait Disowning {
    /// Authenticates nothing but what `disown` asks for.
    fn tombstone(
        &self,
        token_sha256: [u8; 32],
        now: WallTime,
    ) -> impl Future<Output = Result<Option<Tombstone>, StoreError>> + Send;
    fn disown(&self, said: Disown) -> impl Future<Output = Result<Disowned, StoreError>> + Send;
}

/// Whether the ended login may say so; `None`: it may.
fn judge(login: &Login, said: &Disown, before: bool) -> Option<Disowned> {
    let end = login.ended.as_ref().filter(|end| end.why == LoginEndReason::TakenOver);
    let Some(end) = end else { return Some(Disowned::NotTakenOver) };
    if before {
        return Some(Disowned::Already);
    }
    (said.at.since(end.at) > said.within).then_some(Disowned::TooLate)
}

fn block(said: &Disown) -> Blocked {
    Blocked { since: said.at, until: None, why: BlockReason::NotMe }
}

/// The twin's table.
pub(crate) type InMemory = BTreeSet<LoginId>;

impl Disowning for Memory {
    async fn tombstone(&self, token: [u8; 32], now: WallTime) -> Result<Option<Tombstone>, StoreError> {
        let tables = self.tables();
        let Some(session) = tables.sessions.get(&token).filter(|s| s.dead && s.row.expires > now) else {
            return Ok(None);
        };
        let login = session.row.login.and_then(|id| tables.logins.get(&id)).filter(|l| l.ended.is_some());
        Ok(login.map(|login| Tombstone { login: login.clone(), csrf: session.row.csrf.clone() }))
    }

    async fn disown(&self, said: Disown) -> Result<Disowned, StoreError> {
        let Some(Tombstone { login, .. }) = self.tombstone(said.token_sha256, said.at).await? else {
            return Ok(Disowned::NoTombstone);
        };
        let mut tables = self.writable()?;
        if let Some(answer) = judge(&login, &said, tables.disowned.contains(&login.id)) {
            return Ok(answer);
        }
        tables.disowned.insert(login.id);
        let stands = tables.login_of(login.agent).map(|login| login.id);
        let ended = stands.and_then(|id| tables.end(id, LoginEndReason::Disowned, said.at, &said.from));
        tables.sessions.retain(|_, session| session.row.agent != login.agent || session.row.login.is_some());
        if let Some(person) = tables.agents.get_mut(&login.agent) {
            person.account.blocked = Some(block(&said));
        }
        Ok(Disowned::Done { ended })
    }
}

const TOMBSTONE: &str = "SELECT login, csrf FROM web_sessions
    WHERE token = ? AND dead = 1 AND login IS NOT NULL AND expires > ?";
const SAID: &str = "SELECT 1 FROM disowned WHERE login = ?";
const SAY: &str = "INSERT INTO disowned (login, at) VALUES (?, ?)";

impl Disowning for Sqlite {
    async fn tombstone(&self, token: [u8; 32], now: WallTime) -> Result<Option<Tombstone>, StoreError> {
        let mut reader = self.readers.acquire().await.map_err(failure)?;
        find(&mut reader, token, now).await
    }

    async fn disown(&self, said: Disown) -> Result<Disowned, StoreError> {
        let mut writer = self.begin().await?;
        let outcome = disown(&mut writer.connection, &said).await;
        writer.finish(outcome).await
    }
}

async fn find(
    connection: &mut SqliteConnection,
    token: [u8; 32],
    now: WallTime,
) -> Result<Option<Tombstone>, StoreError> {
    let ask = sqlx::query(TOMBSTONE).bind(token.to_vec()).bind(now.0);
    let Some(row) = ask.fetch_optional(&mut *connection).await.map_err(failure)? else { return Ok(None) };
    let ask = sqlx::query(sql::LOGIN).bind(row.get::<i64, _>(0));
    let login = ask.fetch_optional(&mut *connection).await.map_err(failure)?;
    let login = login.as_ref().map(rows::login).transpose()?.filter(|login| login.ended.is_some());
    Ok(login.map(|login| Tombstone { login, csrf: row.get(1) }))
}

async fn disown(connection: &mut SqliteConnection, said: &Disown) -> Result<Disowned, StoreError> {
    let Some(Tombstone { login, .. }) = find(connection, said.token_sha256, said.at).await? else {
        return Ok(Disowned::NoTombstone);
    };
    let before = sqlx::query(SAID).bind(db(login.id.0)).fetch_optional(&mut *connection).await;
    if let Some(answer) = judge(&login, said, before.map_err(failure)?.is_some()) {
        return Ok(answer);
    }
    let say = sqlx::query(SAY).bind(db(login.id.0)).bind(said.at.0);
    say.execute(&mut *connection).await.map_err(failure)?;
    let ask = sqlx::query(sql::LOGIN_OF_AGENT).bind(db(login.agent.0));
    let stands = ask.fetch_optional(&mut *connection).await.map_err(failure)?;
    let ended = match stands.as_ref().map(rows::login).transpose()? {
        Some(stands) => {
            let why = LoginEndReason::Disowned;
            crate::sqlite::claim::end(connection, stands.id, why, said.at, &said.from).await?
        }
        None => None,
    };
    let pending = sqlx::query(sql::SESSIONS_OF_AGENT_DROP).bind(db(login.agent.0));
    pending.execute(&mut *connection).await.map_err(failure)?;
    let block = block(said);
    sqlx::query(sql::AGENT_BLOCK)
        .bind(block.since.0)
        .bind(block.until.map(|until| until.0))
        .bind(rows::spelled(&block.why))
        .bind(db(login.agent.0))
        .execute(connection)
        .await
        .map_err(failure)?;
    Ok(Disowned::Done { ended })
}
