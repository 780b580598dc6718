//! Who sits where: granted and taken here and nowhere else, each time in one transaction.

use super::{Sqlite, db, failure, rows, sql};
use crate::{Claim, Claimed, Decision, Stage, TAKEOVER_WINDOW_MS, Upgrade};
use hotdesk::claim::{Rows, decide};
use sqlx::Row;
use sqlx::sqlite::SqliteConnection;
use terms::{AgentId, Epoch, Login, LoginEndReason, LoginId, StoreError, WallTime};

/// A claim that lost against a unique index is decided again on the rows that beat it. `BEGIN IMMEDIATE` lets nobody in
/// between, so this is for the day somebody edits the file by hand.
const TRIES_MAX: usize = 3;
/// The list of changes is shortened once in so many logins.
const PRUNE_EVERY: u64 = 1024;

impl Sqlite {
    pub(super) async fn claim(&self, claim: Claim, session: Option<Upgrade>) -> Result<Claimed, StoreError> {
        let mut lost = None;
        for _ in 0..TRIES_MAX {
            let mut writer = self.begin().await?;
            let outcome = attempt(&mut writer.connection, &claim, session.as_ref()).await;
            match writer.finish(outcome).await {
                Ok(claimed) => return Ok(claimed),
                Err(Lost::ToIndex(error)) => lost = Some(error),
                Err(Lost::Store(error)) => return Err(error),
            }
        }
        Err(lost.unwrap_or_else(|| StoreError::Busy("claims kept colliding".into())))
    }
}

enum Lost {
    ToIndex(StoreError),
    Store(StoreError),
}

impl From<StoreError> for Lost {
    fn from(error: StoreError) -> Lost {
        Lost::Store(error)
    }
}

impl From<sqlx::Error> for Lost {
    fn from(error: sqlx::Error) -> Lost {
        let unique = error.as_database_error().is_some_and(|inner| inner.is_unique_violation());
        if unique { Lost::ToIndex(failure(error)) } else { Lost::Store(failure(error)) }
    }
}

async fn attempt(
    connection: &mut SqliteConnection,
    claim: &Claim,
    session: Option<&Upgrade>,
) -> Result<Claimed, Lost> {
    let device = claim.place.device();
    let agent =
        sqlx::query(sql::AGENT_CLAIM).bind(db(claim.agent.0)).fetch_optional(&mut *connection).await?;
    let Some(agent) = agent else { return Ok(Claimed::UnknownAgent) };
    let mut rows = Rows { last_epoch: Epoch(agent.get::<i64, _>(0) as u64), ..Rows::default() };
    if let Some(device) = device {
        let ask = sqlx::query(sql::DEVICE_CLAIM).bind(db(device.0));
        if ask.fetch_optional(&mut *connection).await?.is_none() {
            return Ok(Claimed::UnknownDevice);
        }
        let ask = sqlx::query(sql::LOGIN_AT_DEVICE).bind(db(device.0));
        let row = ask.fetch_optional(&mut *connection).await?;
        rows.at_device = row.as_ref().map(rows::login).transpose()?;
    }
    let ask = sqlx::query(sql::LOGIN_OF_AGENT).bind(db(claim.agent.0));
    rows.of_agent = ask.fetch_optional(&mut *connection).await?.as_ref().map(rows::login).transpose()?;
    if rows.of_agent.is_some() {
        let since = claim.at.0.saturating_sub(TAKEOVER_WINDOW_MS);
        let ask = sqlx::query(sql::LOGIN_TAKEOVERS).bind(db(claim.agent.0)).bind(since);
        rows.takeovers_last_hour = ask.fetch_one(&mut *connection).await?.get(0);
    }

    let (epoch, end_first) = match decide(&rows, claim) {
        Decision::Grant { epoch, end } => (epoch, end),
        refused => return Ok(Claimed::Refused(refused)),
    };
    // The pending session is used up by exactly one grant.
    let pending = match session {
        None => None,
        Some(session) => {
            let take = sqlx::query(sql::SESSION_TAKE_PENDING)
                .bind(session.pending.to_vec())
                .bind(db(claim.agent.0))
                .bind(claim.at.0);
            let Some(row) = take.fetch_optional(&mut *connection).await? else {
                return Ok(Claimed::NoSession);
            };
            Some((session, row.get::<String, _>("source")))
        }
    };
    let ended = match end_first {
        Some((old, why)) => end(connection, old.id, why, claim.at, &claim.from).await?,
        None => None,
    };
    let login = insert(connection, claim, epoch).await?;
    if let Some((session, source)) = pending {
        sqlx::query(sql::SESSION_PUT)
            .bind(session.token_sha256.to_vec())
            .bind(db(claim.agent.0))
            .bind(db(login.id.0))
            .bind(&session.csrf)
            .bind(claim.at.0)
            .bind(session.expires.0)
            .bind(claim.at.0)
            .bind(source)
            .bind(rows::spelled(&Stage::In))
            .execute(&mut *connection)
            .await?;
    }
    sqlx::query(sql::AGENT_SAT_DOWN)
        .bind(db(epoch.0))
        .bind(device.map(|device| db(device.0)))
        .bind(db(claim.agent.0))
        .execute(&mut *connection)
        .await?;
    if login.id.0.is_multiple_of(PRUNE_EVERY) {
        super::directory::prune_changes(connection).await?;
    }
    Ok(Claimed::Granted { login, ended })
}

async fn insert(connection: &mut SqliteConnection, claim: &Claim, epoch: Epoch) -> Result<Login, Lost> {
    let row = sqlx::query(sql::LOGIN_ADD)
        .bind(db(claim.agent.0))
        .bind(db(epoch.0))
        .bind(claim.place.device().map(|device| db(device.0)))
        .bind(claim.at.0)
        .bind(&claim.from)
        .fetch_one(&mut *connection)
        .await?;
    Ok(Login {
        id: LoginId(row.get::<i64, _>(0) as u64),
        agent: claim.agent,
        epoch,
        place: claim.place,
        since: claim.at,
        from: claim.from.clone(),
        ended: None,
    })
}

/// Ends the login if it has no end yet and buries its web sessions; the row as it is then.
pub(crate) async fn end(
    connection: &mut SqliteConnection,
    login: LoginId,
    why: LoginEndReason,
    at: WallTime,
    from: &str,
) -> Result<Option<Login>, StoreError> {
    let done = sqlx::query(sql::LOGIN_END)
        .bind(at.0)
        .bind(rows::spelled(&why))
        .bind(from)
        .bind(db(login.0))
        .execute(&mut *connection)
        .await
        .map_err(failure)?;
    if done.rows_affected() == 0 {
        return Ok(None);
    }
    let bury = sqlx::query(sql::SESSIONS_BURY).bind(db(login.0));
    bury.execute(&mut *connection).await.map_err(failure)?;
    let row = sqlx::query(sql::LOGIN).bind(db(login.0)).fetch_one(&mut *connection).await.map_err(failure)?;
    rows::login(&row).map(Some)
}

/// The agent's login without an end, ended now.
pub(super) async fn end_of_agent(
    connection: &mut SqliteConnection,
    agent: AgentId,
    why: LoginEndReason,
    at: WallTime,
) -> Result<Option<Login>, StoreError> {
    end_of_agent_from(connection, agent, why, at, "").await
}

/// The same, with the address it was ended from.
pub(crate) async fn end_of_agent_from(
    connection: &mut SqliteConnection,
    agent: AgentId,
    why: LoginEndReason,
    at: WallTime,
    from: &str,
) -> Result<Option<Login>, StoreError> {
    let ask = sqlx::query(sql::LOGIN_OF_AGENT).bind(db(agent.0));
    match ask.fetch_optional(&mut *connection).await.map_err(failure)? {
        Some(row) => end(connection, rows::login(&row)?.id, why, at, from).await,
        None => Ok(None),
    }
}
