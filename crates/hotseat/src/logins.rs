//! `hotseat logins` and `hotseat calls`: who sits where, and what remained of the calls.

use crate::cli::{Logins, Place};
use crate::{audit, out, place};
use anyhow::bail;
use daemon::core::wall_now;
use serde::Serialize;
use std::collections::HashMap;
use std::path::Path;
use store::{Sqlite, Store};
use terms::{AgentId, CallRecord, DeviceId, LoginEndReason};

async fn names(store: &Sqlite) -> anyhow::Result<(HashMap<AgentId, String>, HashMap<DeviceId, String>)> {
    let agents = store.agents().await?.into_iter().map(|a| (a.id, a.login_name)).collect();
    let devices = store.devices().await?.into_iter().map(|d| (d.id, d.name)).collect();
    Ok((agents, devices))
}

#[derive(Serialize)]
struct ShownLogin {
    id: u64,
    agent: Option<String>,
    /// The phone's name; none for a browser.
    phone: Option<String>,
    epoch: u64,
    since: String,
    from: String,
}

pub async fn run(place: &Place, json: bool, what: Option<Logins>) -> anyhow::Result<()> {
    let data = place::find(place)?.data_dir;
    let store = place::open_store(&data).await?;
    match what.unwrap_or(Logins::List) {
        Logins::List => list(&store, json).await,
        Logins::End { login_name } => end(&store, &data, json, &login_name).await,
    }
}

async fn list(store: &Sqlite, json: bool) -> anyhow::Result<()> {
    let (agents, devices) = names(store).await?;
    let logins: Vec<ShownLogin> = store
        .logins()
        .await?
        .into_iter()
        .map(|l| ShownLogin {
            id: l.id.0,
            agent: agents.get(&l.agent).cloned(),
            phone: l.place.device().and_then(|d| devices.get(&d).cloned()),
            epoch: l.epoch.0,
            since: l.since.to_string(),
            from: l.from,
        })
        .collect();
    out::list(json, &logins, &["AGENT", "PHONE", "EPOCH", "SINCE", "FROM"], |l| {
        vec![
            l.agent.clone().unwrap_or_default(),
            l.phone.clone().unwrap_or_else(|| "(browser)".into()),
            l.epoch.to_string(),
            l.since.clone(),
            l.from.clone(),
        ]
    });
    Ok(())
}

async fn end(store: &Sqlite, data: &Path, json: bool, login_name: &str) -> anyhow::Result<()> {
    let Some(account) = store.account(login_name).await? else {
        bail!("there is no agent with the login name \"{login_name}\"");
    };
    let Some(login) = store.logins().await?.into_iter().find(|l| l.agent == account.agent.id) else {
        bail!("{login_name} is not logged in");
    };
    let why = LoginEndReason::ReleasedByAdministrator;
    let ended = store.end_login(login.id, why, wall_now(), "command line").await?.is_some();
    place::tell_service(data);
    audit::note(store, "login_ended", &account.agent.login_name, None).await?;
    out::one(json, &serde_json::json!({ "login_name": login_name, "ended": ended }), || {
        format!("The login of {login_name} ended.")
    });
    Ok(())
}

#[derive(Serialize)]
struct ShownCall {
    call: String,
    agent_name: Option<String>,
    phone_name: Option<String>,
    to_agent_name: Option<String>,
    to_phone_name: Option<String>,
    /// Whether it has not ended yet.
    up: bool,
    #[serde(flatten)]
    record: serde_json::Value,
}

pub async fn calls(place: &Place, json: bool, limit: u32) -> anyhow::Result<()> {
    let store = place::open_store(&place::find(place)?.data_dir).await?;
    let (agents, devices) = names(&store).await?;
    let records = store.records(limit).await?;
    let agent = |id: Option<AgentId>| id.and_then(|id| agents.get(&id).cloned());
    let device = |id: Option<DeviceId>| id.and_then(|id| devices.get(&id).cloned());
    let show = |r: &CallRecord| -> anyhow::Result<ShownCall> {
        let mut record = serde_json::to_value(r)?;
        if let Some(fields) = record.as_object_mut() {
            fields.remove("call");
            for (name, time) in [("started", Some(r.started)), ("answered", r.answered), ("ended", r.ended)] {
                fields.insert(name.into(), time.map(|t| t.to_string()).into());
            }
            let sentence = r.end.map(|e| e.sentence());
            fields.insert("end_sentence".into(), sentence.into());
        }
        Ok(ShownCall {
            call: r.call.to_string(),
            agent_name: agent(r.agent),
            phone_name: device(r.device),
            to_agent_name: agent(r.to_agent),
            to_phone_name: device(r.to_device),
            up: r.ended.is_none(),
            record,
        })
    };
    let shown: Vec<ShownCall> = records.iter().map(show).collect::<Result<_, _>>()?;
    if json {
        println!("{}", serde_json::to_string(&shown)?);
        return Ok(());
    }
    let columns = ["CALL", "STARTED", "FROM", "TO", "AGENT", "PHONE", "SECONDS", "END"];
    out::list(false, &records, &columns, |r| {
        let seconds = match (r.answered, r.ended) {
            (Some(a), Some(e)) => e.since(a).as_secs().to_string(),
            (Some(a), None) => format!("{}…", wall_now().since(a).as_secs()),
            _ => String::new(),
        };
        vec![
            r.call.to_string(),
            r.started.to_string(),
            r.from.to_string(),
            r.to.to_string(),
            agent(r.agent).or_else(|| agent(r.to_agent)).unwrap_or_default(),
            device(r.device).or_else(|| device(r.to_device)).unwrap_or_default(),
            seconds,
            r.end.map_or("up", |e| e.code()).into(),
        ]
    });
    Ok(())
}
