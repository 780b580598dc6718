//! Rows into values. A row that does not read is a broken file and says which column.

use super::failure;
use crate::seal::Sealer;
use crate::{Account, AuditLine, BlockReason, Blocked, WebSession};
use serde::de::DeserializeOwned;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use terms::{
    Agent, AgentId, CallId, CallRecord, Device, DeviceId, EndReason, Epoch, Login, LoginEnd, LoginId, Pii,
    Place, StoreError, TrunkId, WallTime,
};

fn broken(what: &str) -> StoreError {
    StoreError::Failed(format!("a row of the database does not read: {what}"))
}

fn get<'r, T>(row: &'r SqliteRow, column: usize) -> Result<T, StoreError>
where
    T: sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
{
    row.try_get(column).map_err(failure)
}

fn id(row: &SqliteRow, column: usize) -> Result<u64, StoreError> {
    Ok(get::<i64>(row, column)? as u64)
}

fn maybe_id(row: &SqliteRow, column: usize) -> Result<Option<u64>, StoreError> {
    Ok(get::<Option<i64>>(row, column)?.map(|id| id as u64))
}

pub(crate) fn json<T: DeserializeOwned>(row: &SqliteRow, column: usize) -> Result<T, StoreError> {
    serde_json::from_str(get(row, column)?).map_err(|error| broken(&error.to_string()))
}

/// A word of one of our own lists, spelled as serde spells it.
fn word<T: DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    serde_json::from_value(serde_json::Value::String(text.to_owned()))
        .map_err(|error| broken(&error.to_string()))
}

/// The other way round.
pub(crate) fn spelled<T: serde::Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(text)) => text,
        other => unreachable!("only unit variants are spelled, not {other:?}"),
    }
}

pub(crate) fn agent(row: &SqliteRow) -> Result<Agent, StoreError> {
    Ok(Agent {
        id: AgentId(id(row, 0)?),
        login_name: get(row, 1)?,
        display_name: get(row, 2)?,
        extension: get(row, 3)?,
        typology: word(get(row, 4)?)?,
        dids: json(row, 5)?,
        outbound_number: get(row, 6)?,
        enabled: get(row, 7)?,
    })
}

pub(crate) fn account(row: &SqliteRow) -> Result<Account, StoreError> {
    Ok(Account {
        agent: agent(row)?,
        password_hash: get(row, 8)?,
        last_device: maybe_id(row, 9)?.map(DeviceId),
        role: word(get(row, 10)?)?,
        email: get(row, 11)?,
        way: word(get(row, 12)?)?,
        password_at: get::<Option<i64>>(row, 13)?.map(WallTime),
        must_change: get(row, 14)?,
        blocked: blocked(row)?,
    })
}

fn blocked(row: &SqliteRow) -> Result<Option<Blocked>, StoreError> {
    let Some(since) = get::<Option<i64>>(row, 15)?.map(WallTime) else { return Ok(None) };
    let until = get::<Option<i64>>(row, 16)?.map(WallTime);
    let why = get::<Option<&str>>(row, 17)?.map_or(Ok(BlockReason::Administrator), word)?;
    Ok(Some(Blocked { since, until, why }))
}

pub(crate) fn device(row: &SqliteRow, sealer: &Sealer) -> Result<Device, StoreError> {
    let name: String = get(row, 1)?;
    let ha1 = sealer
        .open_ha1(&name, get(row, 5)?)
        .ok_or_else(|| broken(&format!("the sealed digest hash of {name} does not open")))?;
    Ok(Device {
        id: DeviceId(id(row, 0)?),
        label: get(row, 2)?,
        site: get(row, 3)?,
        floor: get(row, 4)?,
        ha1,
        enabled: get(row, 6)?,
        name,
    })
}

pub(crate) fn login(row: &SqliteRow) -> Result<Login, StoreError> {
    let ended = match get::<Option<i64>>(row, 6)? {
        None => None,
        Some(at) => Some(LoginEnd { at: WallTime(at), why: word(get(row, 7)?)?, from: get(row, 8)? }),
    };
    Ok(Login {
        id: LoginId(id(row, 0)?),
        agent: AgentId(id(row, 1)?),
        epoch: Epoch(id(row, 2)?),
        place: maybe_id(row, 3)?.map_or(Place::Browser, |device| Place::Phone(DeviceId(device))),
        since: WallTime(get(row, 4)?),
        from: get(row, 5)?,
        ended,
    })
}

pub(crate) fn session(row: &SqliteRow) -> Result<WebSession, StoreError> {
    let token: &[u8] = get(row, 0)?;
    Ok(WebSession {
        token_sha256: token.try_into().map_err(|_| broken("a token of another length"))?,
        agent: AgentId(id(row, 1)?),
        login: maybe_id(row, 2)?.map(LoginId),
        csrf: get(row, 3)?,
        created: WallTime(get(row, 4)?),
        expires: WallTime(get(row, 5)?),
        seen: WallTime(get(row, 6)?),
        from: get(row, 7)?,
        stage: word(get(row, 8)?)?,
    })
}

pub(crate) fn record(row: &SqliteRow) -> Result<CallRecord, StoreError> {
    let end = match get::<Option<&str>>(row, 16)? {
        None => None,
        Some(code) => Some(EndReason::from_code(code).ok_or_else(|| broken(code))?),
    };
    Ok(CallRecord {
        call: CallId(id(row, 0)?),
        direction: word(get(row, 1)?)?,
        from: Pii::new(get::<String>(row, 2)?),
        to: Pii::new(get::<String>(row, 3)?),
        started: WallTime(get(row, 4)?),
        answered: get::<Option<i64>>(row, 5)?.map(WallTime),
        ended: get::<Option<i64>>(row, 6)?.map(WallTime),
        agent: maybe_id(row, 7)?.map(AgentId),
        login: maybe_id(row, 8)?.map(LoginId),
        device: maybe_id(row, 9)?.map(DeviceId),
        to_agent: maybe_id(row, 10)?.map(AgentId),
        to_login: maybe_id(row, 11)?.map(LoginId),
        to_device: maybe_id(row, 12)?.map(DeviceId),
        trunk: maybe_id(row, 13)?.map(TrunkId),
        a_call_id: get(row, 14)?,
        b_call_id: get(row, 15)?,
        end,
        peer_status: get(row, 17)?,
        a: json(row, 18)?,
        b: json(row, 19)?,
    })
}

pub(crate) fn audit(row: &SqliteRow) -> Result<AuditLine, StoreError> {
    Ok(AuditLine {
        id: id(row, 0)?,
        at: WallTime(get(row, 1)?),
        who: Pii::new(get::<String>(row, 2)?),
        from: get(row, 3)?,
        what: get(row, 4)?,
        outcome: get(row, 5)?,
        whom: Pii::new(get::<String>(row, 6)?),
        detail: get::<Option<String>>(row, 7)?.and_then(|text| serde_json::from_str(&text).ok()),
    })
}
