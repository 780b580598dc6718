//! Web sessions and the audit log: what HTTP leaves behind.

use super::{Sqlite, db, failure, sql};
use crate::{AUDIT_LINES_MAX, WebSession};
use sqlx::Row;
use sqlx::sqlite::SqliteConnection;
use terms::{Pii, StoreError, WallTime};

/// The audit log is shortened once in so many lines.
const PRUNE_EVERY: u64 = 4096;

impl Sqlite {
    pub(super) async fn insert_session(&self, session: WebSession) -> Result<(), StoreError> {
        let mut writer = self.begin().await?;
        let outcome = put(&mut writer.connection, &session).await;
        writer.finish(outcome).await
    }

    pub(super) async fn insert_audit(
        &self,
        at: WallTime,
        who: &Pii,
        from: &str,
        what: &str,
        outcome: &str,
    ) -> Result<(), StoreError> {
        let mut writer = self.begin().await?;
        let line =
            sqlx::query(sql::AUDIT_ADD).bind(at.0).bind(who.reveal()).bind(from).bind(what).bind(outcome);
        let mut done = line.fetch_one(&mut writer.connection).await.map(|row| row.get::<i64, _>(0) as u64);
        if let Ok(id) = done
            && id.is_multiple_of(PRUNE_EVERY)
            && id > AUDIT_LINES_MAX
        {
            let prune = sqlx::query(sql::AUDIT_PRUNE).bind(db(id - AUDIT_LINES_MAX));
            done = prune.execute(&mut writer.connection).await.map(|_| id);
        }
        writer.finish(done.map(drop).map_err(failure)).await
    }
}

async fn put(connection: &mut SqliteConnection, session: &WebSession) -> Result<(), StoreError> {
    // Each new session clears out those that ran out, so the table stays as large as the people at work.
    sqlx::query(sql::SESSIONS_PRUNE)
        .bind(session.created.0)
        .execute(&mut *connection)
        .await
        .map_err(failure)?;
    sqlx::query(sql::SESSION_PUT)
        .bind(session.token_sha256.to_vec())
        .bind(db(session.agent.0))
        .bind(session.login.map(|login| db(login.0)))
        .bind(&session.csrf)
        .bind(session.created.0)
        .bind(session.expires.0)
        .bind(session.seen.0)
        .bind(&session.from)
        .execute(connection)
        .await
        .map_err(failure)?;
    Ok(())
}
