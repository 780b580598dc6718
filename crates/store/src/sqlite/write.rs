//! Group commit: what the core wants kept, many writes in one transaction and in as few statements as there are kinds.

use super::{Sqlite, Writer, failure, rows::spelled, sql};
use serde::Serialize;
use sqlx::sqlite::SqliteConnection;
use terms::{Binding, CallRecord, StoreError, StoreWrite};

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
    async fn write(&mut self, batch: &[StoreWrite]) -> Result<(), StoreError> {
        self.begin().await?;
        let outcome = apply(&mut self.connection, batch).await;
        self.finish(outcome).await
    }
}

/// Writes of one batch are independent of each other but for two of the same address of record: then the later one must
/// find what the earlier one left, so a run ends where an address comes again with something to drop.
async fn apply(connection: &mut SqliteConnection, batch: &[StoreWrite]) -> Result<(), StoreError> {
    let mut run = Run::default();
    for write in batch {
        match write {
            StoreWrite::Bindings { aor, put, drop } => {
                if !drop.is_empty() && run.puts_to(aor.as_str()) {
                    run.execute(connection).await?;
                    run = Run::default();
                }
                run.drops.extend(drop.iter().map(|contact| (aor.as_str(), contact.as_str())));
                for binding in put {
                    run.puts.push(PutRow::new(binding)?);
                }
            }
            StoreWrite::Record(record) => run.records.push(record),
        }
    }
    run.execute(connection).await
}

#[derive(Default)]
struct Run<'a> {
    drops: Vec<(&'a str, &'a str)>,
    puts: Vec<PutRow<'a>>,
    records: Vec<&'a CallRecord>,
}

/// Address of record, contact, instance, reg-id, body: the columns in the order of `sql::BINDINGS_PUT`.
#[derive(Serialize)]
struct PutRow<'a>(&'a str, &'a str, &'a str, u32, String);

impl<'a> PutRow<'a> {
    fn new(binding: &'a Binding) -> Result<PutRow<'a>, StoreError> {
        let instance = binding.instance.as_deref().unwrap_or("");
        Ok(PutRow(binding.aor.as_str(), &binding.contact, instance, binding.reg_id, text(binding)?))
    }
}

impl Run<'_> {
    fn puts_to(&self, aor: &str) -> bool {
        self.puts.iter().any(|row| row.0 == aor)
    }

    async fn execute(&self, connection: &mut SqliteConnection) -> Result<(), StoreError> {
        if !self.drops.is_empty() {
            let drop = sqlx::query(sql::BINDINGS_DROP).bind(text(&self.drops)?);
            drop.execute(&mut *connection).await.map_err(failure)?;
        }
        if !self.puts.is_empty() {
            let put = sqlx::query(sql::BINDINGS_PUT).bind(text(&self.puts)?);
            put.execute(&mut *connection).await.map_err(failure)?;
        }
        if !self.records.is_empty() {
            let rows = self.records.iter().map(|record| record_row(record)).collect::<Result<Vec<_>, _>>()?;
            let put = sqlx::query(sql::RECORDS_PUT).bind(text(&rows)?);
            put.execute(&mut *connection).await.map_err(failure)?;
        }
        Ok(())
    }
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
