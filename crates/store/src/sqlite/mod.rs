//! The store in one SQLite file: one writer, a few readers, and every commit on the disk before it is acknowledged.

mod audit;
mod binding_log;
pub(crate) mod claim;
mod directory;
pub(crate) mod rows;
pub(crate) mod sessions;
pub(crate) mod sql;
mod write;

use crate::seal::Sealer;
use crate::{
    Account, AddError, AuditEntry, AuditFilter, AuditLine, AuditLog, Changes, Claim, Claimed, NewAgent,
    NewDevice, SealingKey, Store, Upgrade, WebSession,
};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{ConnectOptions, Row};
use std::path::Path;
use std::time::Duration;
use terms::{
    Agent, AgentId, Binding, CallId, CallRecord, Device, DeviceId, Login, LoginEndReason, LoginId, Pii,
    StoreError, StoreWrite, WallTime,
};
use tokio::sync::{Mutex, MutexGuard};

/// Readers beside the one writer. They serve pages and polls; SIP never waits for them.
const READERS: u32 = 4;
/// How long a statement waits for another process (the command line, a backup) before it is `Busy`.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);
/// Pages (4 KiB) in the log before it is folded into the file. Four times SQLite's own: a page that changes often is then
/// written back once for many commits, and a restart still reads 16 MiB in a blink.
const WAL_PAGES: u32 = 4000;
/// Prepared statements a connection keeps.
const STATEMENTS: usize = 128;

/// The store in one SQLite file.
pub struct Sqlite {
    writer: Mutex<Writer>,
    pub(crate) readers: SqlitePool,
    pub(crate) sealer: Sealer,
}

/// The one connection that writes. Whoever holds it either finishes its transaction or leaves `open` behind, which the
/// next holder rolls back: a request that is dropped half-way (its browser went away) leaves nothing half done.
pub(crate) struct Writer {
    pub(crate) connection: SqliteConnection,
    open: bool,
    /// Bytes the log of bindings has grown to since it was folded last.
    log_bytes: usize,
}

impl Sqlite {
    /// Opens the file, making it and its folder (readable by the owner only) where they do not exist, and brings its
    /// tables up to date.
    pub async fn open(path: impl AsRef<Path>, key: SealingKey) -> Result<Sqlite, StoreError> {
        let path = path.as_ref();
        make_private(path)
            .map_err(|error| StoreError::Failed(format!("cannot make {}: {error}", path.display())))?;
        let sealer = Sealer::new(&key).map_err(|error| StoreError::Failed(error.to_string()))?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            // What is acknowledged survives power loss, not only a crash of the process.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT)
            .statement_cache_capacity(STATEMENTS)
            .pragma("wal_autocheckpoint", WAL_PAGES.to_string())
            .disable_statement_logging();
        let mut connection = options.connect().await.map_err(failure)?;
        sqlx::migrate!("migrations/sqlite").run(&mut connection).await.map_err(|error| {
            StoreError::Failed(format!("cannot bring {} up to date: {error}", path.display()))
        })?;
        check_key(&mut connection, &sealer, path).await?;
        directory::prune_changes(&mut connection).await?;
        let log_bytes = binding_log::length(&mut connection).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(BUSY_TIMEOUT)
            .connect_with(options.pragma("query_only", "ON"))
            .await
            .map_err(failure)?;
        Ok(Sqlite { writer: Mutex::new(Writer { connection, open: false, log_bytes }), readers, sealer })
    }

    /// Waits for writes under way and closes the file; its log is folded in.
    pub async fn close(&self) {
        self.readers.close().await;
        let mut writer = self.writer.lock().await;
        let _ = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut writer.connection).await;
    }

    pub(crate) async fn begin(&self) -> Result<MutexGuard<'_, Writer>, StoreError> {
        let mut writer = self.writer.lock().await;
        writer.begin().await?;
        Ok(writer)
    }
}

impl Writer {
    async fn begin(&mut self) -> Result<(), StoreError> {
        if self.open {
            self.rollback().await;
        }
        self.open = true;
        sqlx::query(sql::BEGIN).execute(&mut self.connection).await.map_err(failure)?;
        Ok(())
    }

    /// Commits on `Ok`, rolls back on `Err`; a failed commit is an error too.
    pub(crate) async fn finish<T, E: From<StoreError>>(&mut self, outcome: Result<T, E>) -> Result<T, E> {
        if outcome.is_ok()
            && let Err(error) = sqlx::query(sql::COMMIT).execute(&mut self.connection).await
        {
            self.rollback().await;
            return Err(failure(error).into());
        }
        match outcome {
            Ok(_) => self.open = false,
            Err(_) => self.rollback().await,
        }
        outcome
    }

    async fn rollback(&mut self) {
        // Without a transaction under way this is an error that says just that.
        let _ = sqlx::query(sql::ROLLBACK).execute(&mut self.connection).await;
        self.open = false;
    }
}

fn make_private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    // SQLite gives its -wal and -shm files the mode of the main file.
    std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    Ok(())
}

/// A database opened with the wrong key would refuse every phone's password; better to say so at once.
async fn check_key(
    connection: &mut SqliteConnection,
    sealer: &Sealer,
    path: &Path,
) -> Result<(), StoreError> {
    const NAME: &str = "key_check";
    let held =
        sqlx::query(sql::META_GET).bind(NAME).fetch_optional(&mut *connection).await.map_err(failure)?;
    match held {
        Some(row) if sealer.open(NAME, row.get::<&[u8], _>(0)).is_some() => Ok(()),
        Some(_) => Err(StoreError::Failed(format!(
            "{} was sealed with another key than the one in secret.key",
            path.display()
        ))),
        None => {
            let sealed = sealer.seal(NAME, NAME.as_bytes()).ok_or_else(no_chance)?;
            let put = sqlx::query(sql::META_PUT).bind(NAME).bind(sealed);
            put.execute(&mut *connection).await.map_err(failure)?;
            Ok(())
        }
    }
}

fn no_chance() -> StoreError {
    StoreError::Failed("the system gives no random bytes".into())
}

/// SQLite's primary result codes that may go away by themselves (sqlite.org/rescode.html).
const SQLITE_BUSY: u32 = 5;
const SQLITE_LOCKED: u32 = 6;

pub(crate) fn failure(error: sqlx::Error) -> StoreError {
    let busy = match &error {
        // The low byte of an extended code is the primary one.
        sqlx::Error::Database(inner) => inner
            .code()
            .and_then(|code| code.parse::<u32>().ok())
            .is_some_and(|code| matches!(code & 0xff, SQLITE_BUSY | SQLITE_LOCKED)),
        sqlx::Error::PoolTimedOut => true,
        _ => false,
    };
    if busy { StoreError::Busy(error.to_string()) } else { StoreError::Failed(error.to_string()) }
}

/// Row ids are positive and far below 2^63; call ids use all bits and are only ever compared for equality.
pub(crate) fn db(id: u64) -> i64 {
    id as i64
}

impl Store for Sqlite {
    async fn write(&self, batch: Vec<StoreWrite>) -> Vec<Result<(), StoreError>> {
        self.write_batch(batch).await
    }
    async fn add_agents(&self, agents: Vec<NewAgent>) -> Result<Vec<AgentId>, AddError> {
        self.insert_agents(agents).await
    }
    async fn add_devices(&self, devices: Vec<NewDevice>) -> Result<Vec<DeviceId>, AddError> {
        self.insert_devices(devices).await
    }
    async fn remove_agent(&self, id: AgentId, at: WallTime) -> Result<Option<Login>, StoreError> {
        self.delete_agent(id, at).await
    }
    async fn remove_device(&self, id: DeviceId, at: WallTime) -> Result<Option<Login>, StoreError> {
        self.delete_device(id, at).await
    }
    async fn enable_agent(
        &self,
        id: AgentId,
        enabled: bool,
        at: WallTime,
    ) -> Result<Option<Login>, StoreError> {
        let mut writer = self.begin().await?;
        let outcome = directory::enable_agent(&mut writer.connection, id, enabled, at).await;
        writer.finish(outcome).await
    }
    async fn enable_device(
        &self,
        id: DeviceId,
        enabled: bool,
        at: WallTime,
    ) -> Result<Option<Login>, StoreError> {
        let mut writer = self.begin().await?;
        let outcome = directory::enable_device(&mut writer.connection, id, enabled, at).await;
        writer.finish(outcome).await
    }
    async fn set_password(&self, id: AgentId, hash: String) -> Result<(), StoreError> {
        let mut writer = self.begin().await?;
        let put = sqlx::query(sql::AGENT_PASSWORD).bind(hash).bind(db(id.0));
        let done = put.execute(&mut writer.connection).await.map_err(failure);
        let done = done.and_then(|done| match done.rows_affected() {
            0 => Err(StoreError::Failed(format!("there is no agent {id}"))),
            _ => Ok(()),
        });
        writer.finish(done).await
    }
    async fn agents(&self) -> Result<Vec<Agent>, StoreError> {
        let rows = sqlx::query(sql::AGENTS_ALL).fetch_all(&self.readers).await.map_err(failure)?;
        rows.iter().map(rows::agent).collect()
    }
    async fn devices(&self) -> Result<Vec<Device>, StoreError> {
        let rows = sqlx::query(sql::DEVICES_ALL).fetch_all(&self.readers).await.map_err(failure)?;
        rows.iter().map(|row| rows::device(row, &self.sealer)).collect()
    }
    async fn account(&self, login_name: &str) -> Result<Option<Account>, StoreError> {
        let ask = sqlx::query(sql::AGENT_BY_KEY).bind(crate::input::login_key(login_name));
        let row = ask.fetch_optional(&self.readers).await.map_err(failure)?;
        row.as_ref().map(rows::account).transpose()
    }
    async fn account_by_id(&self, id: AgentId) -> Result<Option<Account>, StoreError> {
        let ask = sqlx::query(sql::AGENT_BY_ID).bind(db(id.0));
        let row = ask.fetch_optional(&self.readers).await.map_err(failure)?;
        row.as_ref().map(rows::account).transpose()
    }
    async fn bindings(&self) -> Result<Vec<Binding>, StoreError> {
        self.read_bindings().await
    }
    async fn logins(&self) -> Result<Vec<Login>, StoreError> {
        let rows = sqlx::query(sql::LOGINS_OPEN).fetch_all(&self.readers).await.map_err(failure)?;
        rows.iter().map(rows::login).collect()
    }
    async fn login_history(&self, limit: u32) -> Result<Vec<Login>, StoreError> {
        let ask = sqlx::query(sql::LOGINS_NEWEST).bind(limit);
        ask.fetch_all(&self.readers).await.map_err(failure)?.iter().map(rows::login).collect()
    }
    async fn records(&self, limit: u32) -> Result<Vec<CallRecord>, StoreError> {
        let ask = sqlx::query(sql::RECORDS_NEWEST).bind(limit);
        ask.fetch_all(&self.readers).await.map_err(failure)?.iter().map(rows::record).collect()
    }
    async fn record(&self, call: CallId) -> Result<Option<CallRecord>, StoreError> {
        let ask = sqlx::query(sql::RECORD).bind(db(call.0));
        ask.fetch_optional(&self.readers).await.map_err(failure)?.as_ref().map(rows::record).transpose()
    }
    async fn close_lost_records(&self, at: WallTime) -> Result<u64, StoreError> {
        let mut writer = self.begin().await?;
        let lost = terms::EndReason::ServerLost.code();
        let close = sqlx::query(sql::RECORDS_CLOSE_LOST).bind(at.0).bind(lost);
        let done = close.execute(&mut writer.connection).await.map_err(failure);
        writer.finish(done.map(|done| done.rows_affected())).await
    }
    async fn claim_login(&self, claim: Claim, session: Option<Upgrade>) -> Result<Claimed, StoreError> {
        self.claim(claim, session).await
    }
    async fn end_login(
        &self,
        login: LoginId,
        why: LoginEndReason,
        at: WallTime,
        from: &str,
    ) -> Result<Option<Login>, StoreError> {
        let mut writer = self.begin().await?;
        let ended = claim::end(&mut writer.connection, login, why, at, from).await;
        writer.finish(ended).await
    }
    async fn put_session(&self, session: WebSession) -> Result<(), StoreError> {
        self.insert_session(session).await
    }
    async fn session(&self, token_sha256: [u8; 32], now: WallTime) -> Result<Option<WebSession>, StoreError> {
        let ask = sqlx::query(sql::SESSION).bind(token_sha256.to_vec()).bind(now.0);
        ask.fetch_optional(&self.readers).await.map_err(failure)?.as_ref().map(rows::session).transpose()
    }
    async fn touch_session(&self, token_sha256: [u8; 32], seen: WallTime) -> Result<(), StoreError> {
        let mut writer = self.begin().await?;
        let touch = sqlx::query(sql::SESSION_TOUCH).bind(seen.0).bind(token_sha256.to_vec());
        let done = touch.execute(&mut writer.connection).await.map_err(failure);
        writer.finish(done.map(drop)).await
    }
    async fn drop_session(&self, token_sha256: [u8; 32]) -> Result<(), StoreError> {
        let mut writer = self.begin().await?;
        let remove = sqlx::query(sql::SESSION_DROP).bind(token_sha256.to_vec());
        let done = remove.execute(&mut writer.connection).await.map_err(failure);
        writer.finish(done.map(drop)).await
    }
    async fn ended_session(&self, token_sha256: [u8; 32]) -> Result<Option<Login>, StoreError> {
        let ask = sqlx::query(sql::SESSION_ENDED).bind(token_sha256.to_vec());
        ask.fetch_optional(&self.readers).await.map_err(failure)?.as_ref().map(rows::login).transpose()
    }
    async fn expired_logins(&self, now: WallTime) -> Result<Vec<Login>, StoreError> {
        let ask = sqlx::query(sql::LOGINS_EXPIRED).bind(now.0);
        ask.fetch_all(&self.readers).await.map_err(failure)?.iter().map(rows::login).collect()
    }
    async fn changes_since(&self, seq: u64) -> Result<Changes, StoreError> {
        self.read_changes(seq).await
    }
    async fn audit(
        &self,
        at: WallTime,
        who: &Pii,
        from: &str,
        what: &str,
        outcome: &str,
    ) -> Result<(), StoreError> {
        self.audit_entry(AuditEntry {
            at,
            who: who.clone(),
            from: from.to_owned(),
            what: what.to_owned(),
            outcome: outcome.to_owned(),
            whom: Pii::default(),
            detail: None,
        })
        .await
    }
    async fn audit_log(&self, limit: u32) -> Result<Vec<AuditLine>, StoreError> {
        self.read_audit(&AuditFilter::default(), None, limit).await
    }
}
