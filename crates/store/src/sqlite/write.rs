//! Group commit: what the core wants kept, many writes in one transaction and in as few statements as there are kinds.

use super::binding_log::{self, FOLD_AT_BYTES, Ops};
use super::{Sqlite, Writer, db, failure, rows::spelled, sql};
use serde::Serialize;
use sqlx::AssertSqlSafe;
use sqlx::sqlite::SqliteConnection;
use std::collections::BTreeMap;
use terms::{CallId, CallRecord, StoreError, StoreWrite};

impl Sqlite {
    pub(super) async fn write_batch(&self, batch: Vec<StoreWrite>) -> Vec<Result<(), StoreError>> {
        if batch.is_empty() {
            return Vec::new();
        }
        let mut writer = self.writer.lock().await;
        match writer.write(&batch).await {
            Ok(()) => batch.iter().map(|_| Ok(())).collect(),
            // Waiting again for each of them would only hold everybody up.
            Err(error @ StoreError::Busy(_)) => batch.iter().map(|_| Err(error.clone())).collect(),
            Err(error) if batch.len() == 1 => vec![Err(error)],
            Err(error) => {
                tracing::warn!(writes = batch.len(), %error, "a batch of writes failed, retrying them one by one");
                let mut outcomes = Vec::with_capacity(batch.len());
                for write in &batch {
                    outcomes.push(writer.write(std::slice::from_ref(write)).await);
                }
                outcomes
            }
        }
    }
}

/// Records in one statement. Each length is a statement of its own that the connection keeps.
const RECORDS_MAX: usize = 32;

impl Writer {
    /// As few statements as there are kinds, for each is a hop to the connection's thread and back. A single one is its own
    /// transaction, which saves two more.
    async fn write(&mut self, batch: &[StoreWrite]) -> Result<(), StoreError> {
        let (ops, records) = gather(batch);
        let alone = records.is_empty() || (ops.is_empty() && records.len() <= RECORDS_MAX);
        if alone {
            if self.open {
                self.rollback().await;
            }
            self.log_bytes += apply(&mut self.connection, ops, &records).await?;
        } else {
            self.begin().await?;
            let outcome = apply(&mut self.connection, ops, &records).await;
            self.log_bytes += self.finish(outcome).await?;
        }
        if self.log_bytes >= FOLD_AT_BYTES {
            self.fold().await;
        }
        Ok(())
    }

    /// What was written is safe in the log already; a fold that fails is tried again after as much again.
    async fn fold(&mut self) {
        let bytes = std::mem::take(&mut self.log_bytes);
        let folded = match self.begin().await {
            Ok(()) => {
                let outcome = binding_log::fold(&mut self.connection).await;
                self.finish(outcome).await
            }
            Err(error) => Err(error),
        };
        match folded {
            Ok(()) => tracing::debug!(bytes, "log of bindings folded"),
            Err(error) => tracing::error!(bytes, %error, "log of bindings not folded"),
        }
    }
}

/// The batch as the log of bindings writes it, and its records. Of a call that began and ended in one batch the end is
/// enough.
fn gather(batch: &[StoreWrite]) -> (Ops, Vec<&CallRecord>) {
    let mut ops = Ops::default();
    let mut records: BTreeMap<CallId, &CallRecord> = BTreeMap::new();
    for write in batch {
        match write {
            StoreWrite::Bindings { aor, put, drop } => {
                drop.iter().for_each(|contact| ops.drop_contact(aor, contact));
                put.iter().for_each(|binding| ops.put(binding));
            }
            StoreWrite::Record(record) => _ = records.insert(record.call, record),
        }
    }
    (ops, records.into_values().collect())
}

/// How many bytes the log of bindings grew by.
async fn apply(
    connection: &mut SqliteConnection,
    ops: Ops,
    records: &[&CallRecord],
) -> Result<usize, StoreError> {
    for some in records.chunks(RECORDS_MAX) {
        put_records(connection, some).await?;
    }
    ops.append(connection).await
}

/// The columns in the order of `sql::RECORDS_PUT`.
async fn put_records(connection: &mut SqliteConnection, records: &[&CallRecord]) -> Result<(), StoreError> {
    let mut statement = String::from(sql::RECORDS_PUT);
    for row in 0..records.len() {
        statement.push_str(if row == 0 { sql::RECORDS_PUT_ROW } else { sql::RECORDS_PUT_NEXT });
    }
    // Made of constants only.
    let mut put = sqlx::query(AssertSqlSafe(statement));
    for record in records {
        put = put
            .bind(db(record.call.0))
            .bind(spelled(&record.direction))
            .bind(record.from.reveal())
            .bind(record.to.reveal())
            .bind(record.started.0)
            .bind(record.answered.map(|at| at.0))
            .bind(record.ended.map(|at| at.0))
            .bind(record.agent.map(|id| db(id.0)))
            .bind(record.login.map(|id| db(id.0)))
            .bind(record.device.map(|id| db(id.0)))
            .bind(record.to_agent.map(|id| db(id.0)))
            .bind(record.to_login.map(|id| db(id.0)))
            .bind(record.to_device.map(|id| db(id.0)))
            .bind(record.trunk.map(|id| db(id.0)))
            .bind(&record.a_call_id)
            .bind(&record.b_call_id)
            .bind(record.end.map(|end| end.code()))
            .bind(record.peer_status)
            .bind(text(&record.a)?)
            .bind(text(&record.b)?);
    }
    put.execute(connection).await.map_err(failure)?;
    Ok(())
}

fn text<T: Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Failed(error.to_string()))
}
