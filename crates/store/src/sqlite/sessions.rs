//! Web sessions: what a cookie stands for.

use super::{Sqlite, db, failure, rows, sql};
use crate::WebSession;
use sqlx::sqlite::SqliteConnection;
use terms::StoreError;

impl Sqlite {
    pub(super) async fn insert_session(&self, session: WebSession) -> Result<(), StoreError> {
        let mut writer = self.begin().await?;
        let outcome = put(&mut writer.connection, &session).await;
        writer.finish(outcome).await
    }

    pub(crate) async fn swap_session(&self, old: [u8; 32], session: WebSession) -> Result<bool, StoreError> {
        let mut writer = self.begin().await?;
        let outcome = swap(&mut writer.connection, old, &session).await;
        writer.finish(outcome).await
    }
}

async fn swap(
    connection: &mut SqliteConnection,
    old: [u8; 32],
    session: &WebSession,
) -> Result<bool, StoreError> {
    let out = sqlx::query(sql::SESSION_SWAP_OUT).bind(old.to_vec());
    if out.execute(&mut *connection).await.map_err(failure)?.rows_affected() == 0 {
        return Ok(false);
    }
    put(connection, session).await?;
    Ok(true)
}

pub(crate) async fn put(connection: &mut SqliteConnection, session: &WebSession) -> Result<(), StoreError> {
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
        .bind(rows::spelled(&session.stage))
        .execute(connection)
        .await
        .map_err(failure)?;
    Ok(())
}
