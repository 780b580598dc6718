//! Group commit: what the core wants kept, many writes in one transaction and in as few statements as there are kinds.

use super::binding_log::{self, FOLD_AT_BYTES, Ops};
use super::{Sqlite, Writer, failure, rows::spelled, sql};
use serde::Serialize;
use sqlx::sqlite::SqliteConnection;
use terms::{CallRecord, StoreError, StoreWrite};

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

impl Writer {
    /// Two statements at most, whatever the size of the batch. Bindings alone are one, which is its own transaction: two
    /// hops to the connection's thread less.
    async fn write(&mut self, batch: &[StoreWrite]) -> Result<(), StoreError> {
        let (ops, records) = gather(batch)?;
        if records.is_empty() {
            if self.open {
                self.rollback().await;
            }
            self.log_bytes += ops.append(&mut self.connection).await?;
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

/// The batch as the log of bindings writes it, and its records as rows.
fn gather(batch: &[StoreWrite]) -> Result<(Ops, Vec<serde_json::Value>), StoreError> {
    let mut ops = Ops::default();
    let mut records = Vec::new();
    for write in batch {
        match write {
            StoreWrite::Bindings { aor, put, drop } => {
                drop.iter().for_each(|contact| ops.drop_contact(aor, contact));
                put.iter().try_for_each(|binding| ops.put(binding))?;
            }
            StoreWrite::Record(record) => records.push(record_row(record)?),
        }
    }
    Ok((ops, records))
}

/// How many bytes the log of bindings grew by.
async fn apply(
    connection: &mut SqliteConnection,
    ops: Ops,
    records: &[serde_json::Value],
) -> Result<usize, StoreError> {
    let put = sqlx::query(sql::RECORDS_PUT).bind(text(&records)?);
    put.execute(&mut *connection).await.map_err(failure)?;
    ops.append(connection).await
}

fn text<T: Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Failed(error.to_string()))
}

/// The columns in the order of `sql::RECORDS_PUT`.
fn record_row(record: &CallRecord) -> Result<serde_json::Value, StoreError> {
    Ok(serde_json::json!([
        record.call.0 as i64,
        spelled(&record.direction),
        record.from.reveal(),
        record.to.reveal(),
        record.started,
        record.answered,
        record.ended,
        record.agent,
        record.login,
        record.device,
        record.to_agent,
        record.to_login,
        record.to_device,
        record.trunk,
        record.a_call_id,
        record.b_call_id,
        record.end.map(|end| end.code()),
        record.peer_status,
        text(&record.a)?,
        text(&record.b)?,
    ]))
}
