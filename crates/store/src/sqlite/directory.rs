//! Agents and devices: added by the thousand in one transaction, removed with whatever login stood on them, and followed
//! by everybody who keeps a copy.

use super::binding_log::Ops;
use super::{Sqlite, claim, db, failure, no_chance, rows, sql};
use crate::{AddError, Changes, NewAgent, NewDevice, input};
use serde_json::json;
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use std::collections::HashMap;
use terms::{AgentId, DeviceId, Login, LoginEndReason, StoreError, WallTime};

/// Changes that are remembered; who asks for older ones gets everything.
const CHANGES_KEPT: i64 = 100_000;

impl Sqlite {
    pub(super) async fn insert_agents(&self, agents: Vec<NewAgent>) -> Result<Vec<AgentId>, AddError> {
        input::check_agents(&agents)?;
        let keys: Vec<String> = agents.iter().map(|agent| input::login_key(&agent.login_name)).collect();
        let list = agents.iter().zip(&keys).map(|(agent, key)| {
            json!({
                "login_name": agent.login_name, "key": key, "display_name": agent.display_name,
                "extension": agent.extension, "typology": rows::spelled(&agent.typology),
                "dids": json!(agent.dids).to_string(), "outbound_number": agent.outbound_number,
                "password_hash": agent.password_hash, "role": rows::spelled(&agent.role), "email": agent.email,
                "email_key": agent.email.as_deref().map(input::email_key), "way": rows::spelled(&agent.way),
            })
        });
        let list = serde_json::Value::Array(list.collect()).to_string();
        let mut writer = self.begin().await?;
        let taken = |at: usize, field: &str, by: &str| match field {
            "login_name" => input::taken(at + 1, "login_name", &agents[at].login_name, by),
            "email" => input::taken(at + 1, "email", agents[at].email.as_deref().unwrap_or_default(), by),
            _ => input::taken(at + 1, "extension", &agents[at].extension, by),
        };
        let added = add(&mut writer.connection, sql::AGENTS_TAKEN, sql::AGENTS_ADD, &list, taken).await;
        let ids = writer.finish(added).await?;
        Ok(keys.iter().filter_map(|key| ids.get(key)).map(|id| AgentId(*id)).collect())
    }

    pub(super) async fn insert_devices(&self, devices: Vec<NewDevice>) -> Result<Vec<DeviceId>, AddError> {
        input::check_devices(&devices)?;
        let mut list = Vec::with_capacity(devices.len());
        for device in &devices {
            let sealed = self.sealer.seal_ha1(&device.name, &device.ha1).ok_or_else(no_chance)?;
            list.push(json!({
                "name": device.name, "label": device.label, "site": device.site, "floor": device.floor,
                "ha1": hex(&sealed),
            }));
        }
        let list = serde_json::Value::Array(list).to_string();
        let mut writer = self.begin().await?;
        let taken = |at: usize, _: &str, by: &str| input::taken(at + 1, "name", &devices[at].name, by);
        let added = add(&mut writer.connection, sql::DEVICES_TAKEN, sql::DEVICES_ADD, &list, taken).await;
        let ids = writer.finish(added).await?;
        Ok(devices.iter().filter_map(|device| ids.get(&device.name)).map(|id| DeviceId(*id)).collect())
    }

    pub(super) async fn delete_agent(&self, id: AgentId, at: WallTime) -> Result<Option<Login>, StoreError> {
        let mut writer = self.begin().await?;
        let outcome = delete_agent(&mut writer.connection, id, at).await;
        writer.finish(outcome).await
    }

    pub(super) async fn delete_device(
        &self,
        id: DeviceId,
        at: WallTime,
    ) -> Result<Option<Login>, StoreError> {
        let mut writer = self.begin().await?;
        let outcome = delete_device(&mut writer.connection, id, at).await;
        writer.finish(outcome).await
    }

    pub(super) async fn read_changes(&self, seq: u64) -> Result<Changes, StoreError> {
        let mut reader = self.readers.acquire().await.map_err(failure)?;
        let newest = newest_change(&mut reader).await?;
        if newest == seq && seq != 0 {
            return Ok(Changes { seq, ..Changes::default() });
        }
        // One snapshot for the number and the rows, or a change in between would be skipped for ever.
        sqlx::query(sql::BEGIN_READ).execute(&mut *reader).await.map_err(failure)?;
        let changes = self.collect_changes(&mut reader, seq).await;
        if sqlx::query(sql::COMMIT).execute(&mut *reader).await.is_err() {
            // A reader that cannot end its snapshot would show the past to whoever takes it next.
            let _ = reader.close().await;
        }
        changes
    }

    async fn collect_changes(&self, reader: &mut SqliteConnection, seq: u64) -> Result<Changes, StoreError> {
        let newest = newest_change(reader).await?;
        let mut changes = Changes { seq: newest, ..Changes::default() };
        // A number ahead of ours comes from another database (a restored backup): start over.
        if seq == 0 || seq > newest || db(newest - seq) >= CHANGES_KEPT {
            changes.full = true;
            let all = sqlx::query(sql::AGENTS_ALL).fetch_all(&mut *reader).await.map_err(failure)?;
            changes.agents = all.iter().map(rows::agent).collect::<Result<_, _>>()?;
            let all = sqlx::query(sql::DEVICES_ALL).fetch_all(&mut *reader).await.map_err(failure)?;
            changes.devices =
                all.iter().map(|row| rows::device(row, &self.sealer)).collect::<Result<_, _>>()?;
            let all = sqlx::query(sql::LOGINS_OPEN).fetch_all(&mut *reader).await.map_err(failure)?;
            changes.logins = all.iter().map(rows::login).collect::<Result<_, _>>()?;
            return Ok(changes);
        }
        let (mut agents, mut devices, mut logins) = (Vec::new(), Vec::new(), Vec::new());
        let changed =
            sqlx::query(sql::CHANGES_SINCE).bind(db(seq)).fetch_all(&mut *reader).await.map_err(failure)?;
        for row in &changed {
            let id: i64 = row.get(1);
            match row.get(0) {
                "agent" => agents.push(id),
                "device" => devices.push(id),
                _ => logins.push(id),
            }
        }
        let of = async |reader: &mut SqliteConnection, sql: &'static str, ids: &[i64]| match ids {
            [] => Ok(Vec::<SqliteRow>::new()),
            ids => sqlx::query(sql).bind(json!(ids).to_string()).fetch_all(reader).await.map_err(failure),
        };
        let found = of(reader, sql::AGENTS_OF, &agents).await?;
        changes.agents = found.iter().map(rows::agent).collect::<Result<_, _>>()?;
        let found = of(reader, sql::DEVICES_OF, &devices).await?;
        changes.devices =
            found.iter().map(|row| rows::device(row, &self.sealer)).collect::<Result<_, _>>()?;
        let found = of(reader, sql::LOGINS_OF, &logins).await?;
        changes.logins = found.iter().map(rows::login).collect::<Result<_, _>>()?;
        let there: std::collections::HashSet<AgentId> = changes.agents.iter().map(|agent| agent.id).collect();
        changes.agents_gone =
            agents.into_iter().map(|id| AgentId(id as u64)).filter(|id| !there.contains(id)).collect();
        let there: std::collections::HashSet<DeviceId> =
            changes.devices.iter().map(|device| device.id).collect();
        changes.devices_gone =
            devices.into_iter().map(|id| DeviceId(id as u64)).filter(|id| !there.contains(id)).collect();
        Ok(changes)
    }
}

pub(super) async fn prune_changes(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let prune = sqlx::query(sql::CHANGES_PRUNE).bind(CHANGES_KEPT);
    prune.execute(connection).await.map_err(failure)?;
    Ok(())
}

async fn newest_change(reader: &mut SqliteConnection) -> Result<u64, StoreError> {
    let row = sqlx::query(sql::CHANGES_MAX).fetch_one(reader).await.map_err(failure)?;
    Ok(row.get::<i64, _>(0) as u64)
}

/// Looks for what is taken, then inserts; ids by their unique name.
async fn add(
    connection: &mut SqliteConnection,
    taken_sql: &'static str,
    add_sql: &'static str,
    list: &str,
    taken: impl Fn(usize, &str, &str) -> AddError,
) -> Result<HashMap<String, u64>, AddError> {
    let clash = sqlx::query(taken_sql).bind(list).fetch_optional(&mut *connection).await.map_err(failure)?;
    if let Some(row) = clash {
        let at = usize::try_from(row.get::<i64, _>(0)).unwrap_or(0);
        return Err(taken(at, row.get(1), row.get(2)));
    }
    let rows = sqlx::query(add_sql).bind(list).fetch_all(&mut *connection).await.map_err(failure)?;
    Ok(rows.iter().map(|row| (row.get(1), row.get::<i64, _>(0) as u64)).collect())
}

pub(super) async fn enable_agent(
    connection: &mut SqliteConnection,
    id: AgentId,
    enabled: bool,
    at: WallTime,
) -> Result<Option<Login>, StoreError> {
    let put = sqlx::query(sql::AGENT_ENABLE).bind(enabled).bind(db(id.0));
    if put.execute(&mut *connection).await.map_err(failure)?.rows_affected() == 0 {
        return Err(StoreError::Failed(format!("there is no agent {id}")));
    }
    if enabled {
        return Ok(None);
    }
    let ended = claim::end_of_agent(connection, id, LoginEndReason::AgentRemoved, at).await?;
    let drop = sqlx::query(sql::SESSIONS_OF_AGENT_DROP).bind(db(id.0));
    drop.execute(&mut *connection).await.map_err(failure)?;
    Ok(ended)
}

pub(super) async fn enable_device(
    connection: &mut SqliteConnection,
    id: DeviceId,
    enabled: bool,
    at: WallTime,
) -> Result<Option<Login>, StoreError> {
    let put = sqlx::query(sql::DEVICE_ENABLE).bind(enabled).bind(db(id.0));
    let Some(row) = put.fetch_optional(&mut *connection).await.map_err(failure)? else {
        return Err(StoreError::Failed(format!("there is no phone {id}")));
    };
    if enabled {
        return Ok(None);
    }
    let ended = end_at_device(connection, id, at).await?;
    forget_bindings(connection, row.get(0)).await?;
    Ok(ended)
}

/// The login at this phone without an end, ended now.
async fn end_at_device(
    connection: &mut SqliteConnection,
    id: DeviceId,
    at: WallTime,
) -> Result<Option<Login>, StoreError> {
    let ask = sqlx::query(sql::LOGIN_AT_DEVICE).bind(db(id.0));
    match ask.fetch_optional(&mut *connection).await.map_err(failure)? {
        Some(row) => {
            claim::end(connection, rows::login(&row)?.id, LoginEndReason::PhoneRemoved, at, "").await
        }
        None => Ok(None),
    }
}

async fn forget_bindings(connection: &mut SqliteConnection, user: &str) -> Result<(), StoreError> {
    let mut forget = Ops::default();
    forget.drop_user(user);
    forget.append(connection).await?;
    Ok(())
}

async fn delete_agent(
    connection: &mut SqliteConnection,
    id: AgentId,
    at: WallTime,
) -> Result<Option<Login>, StoreError> {
    let ended = claim::end_of_agent(connection, id, LoginEndReason::AgentRemoved, at).await?;
    for statement in [sql::SESSIONS_OF_AGENT_DROP, sql::AGENT_REMOVE] {
        sqlx::query(statement).bind(db(id.0)).execute(&mut *connection).await.map_err(failure)?;
    }
    Ok(ended)
}

async fn delete_device(
    connection: &mut SqliteConnection,
    id: DeviceId,
    at: WallTime,
) -> Result<Option<Login>, StoreError> {
    let ended = end_at_device(connection, id, at).await?;
    let remove = sqlx::query(sql::DEVICE_REMOVE).bind(db(id.0));
    if let Some(row) = remove.fetch_optional(&mut *connection).await.map_err(failure)? {
        forget_bindings(connection, row.get(0)).await?;
    }
    Ok(ended)
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
