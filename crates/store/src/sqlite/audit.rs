//! The audit log's rows: added one by one, shortened now and then, read backwards a page at a time.

use super::{Sqlite, db, failure, rows, sql};
use crate::{AUDIT_LINES_MAX, AuditCount, AuditEntry, AuditFilter, AuditLine};
use sqlx::Row;
use terms::{StoreError, WallTime};

/// The audit log is shortened once in so many lines.
const PRUNE_EVERY: u64 = 4096;

impl Sqlite {
    pub(crate) async fn insert_audit(&self, entry: &AuditEntry) -> Result<(), StoreError> {
        let mut writer = self.begin().await?;
        let line = sqlx::query(sql::AUDIT_ADD)
            .bind(entry.at.0)
            .bind(entry.who.reveal())
            .bind(&entry.from)
            .bind(&entry.what)
            .bind(&entry.outcome)
            .bind(entry.whom.reveal())
            .bind(entry.detail.as_ref().map(ToString::to_string));
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

    pub(crate) async fn read_audit(
        &self,
        filter: &AuditFilter,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<AuditLine>, StoreError> {
        let ask = sqlx::query(sql::AUDIT_PAGE)
            .bind(before.map_or(i64::MAX, |before| i64::try_from(before).unwrap_or(i64::MAX)))
            .bind(&filter.who)
            .bind(&filter.what)
            .bind(&filter.outcome)
            .bind(filter.from.map(|from| from.0))
            .bind(filter.to.map(|to| to.0))
            .bind(limit);
        ask.fetch_all(&self.readers).await.map_err(failure)?.iter().map(rows::audit).collect()
    }

    pub(crate) async fn count_audit(&self, since: WallTime) -> Result<Vec<AuditCount>, StoreError> {
        let ask = sqlx::query(sql::AUDIT_COUNTS).bind(since.0);
        let rows = ask.fetch_all(&self.readers).await.map_err(failure)?;
        let count = |row: &sqlx::sqlite::SqliteRow| AuditCount {
            what: row.get(0),
            outcome: row.get(1),
            count: row.get::<i64, _>(2) as u64,
        };
        Ok(rows.iter().map(count).collect())
    }
}
