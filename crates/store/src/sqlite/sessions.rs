//! Web sessions: what a cookie stands for.

use super::{Sqlite, db, failure, sql};
use crate::WebSession;
use sqlx::sqlite::SqliteConnection;
use terms::StoreError;

impl Sqlite {
    pub(super) async fn insert_session(&self, session: WebSession) -> Result<(), StoreError> {
        let mut writer = self.begin().await?;
        let outcome = put(&mut writer.connection, &session).await;
        writer.finish(outcome).await
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
