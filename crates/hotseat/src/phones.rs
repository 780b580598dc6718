//! `hotseat phones`: add, list, remove, enable, disable, import.

use crate::agents::{read_csv, with_line};
use crate::cli::{AddPhone, Phones, Place};
use crate::place::Identity;
use crate::{chance, out, place};
use anyhow::{Context, bail};
use daemon::core::wall_now;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::Path;
use store::{NewDevice, Sqlite, Store};
use terms::{Device, Secret};

pub async fn run(place: &Place, json: bool, what: Option<Phones>) -> anyhow::Result<()> {
    let found = place::find(place)?;
    let store = place::open_store(&found.data_dir).await?;
    match what.unwrap_or(Phones::List) {
        Phones::Add(phone) => add(&store, &found, json, phone).await,
        Phones::List => list(&store, &found, json).await,
        Phones::Remove { name } => remove(&store, &found, json, &name).await,
        Phones::Enable { name } => enable(&store, &found, json, &name, true).await,
        Phones::Disable { name } => enable(&store, &found, json, &name, false).await,
        Phones::Import { file } => import(&store, &found, json, &file).await,
    }
}

/// What goes into the phone's menu. The secret is there only when it was made here.
#[derive(Serialize)]
struct Credentials {
    name: String,
    username: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
    domain: String,
    realm: String,
    server: Option<String>,
    server_tcp: Option<String>,
    server_tls: Option<String>,
}

fn credentials(identity: &Identity, name: &str, secret: Option<&Secret>) -> Credentials {
    Credentials {
        name: name.to_owned(),
        username: name.to_owned(),
        secret: secret.map(|s| s.expose().to_owned()),
        domain: identity.domain.clone(),
        realm: identity.realm.clone(),
        server: identity.sip_udp.clone(),
        server_tcp: identity.sip_tcp.clone(),
        server_tls: identity.sip_tls.clone(),
    }
}

pub fn device(identity: &Identity, name: &str, secret: &Secret, row: (String, String, String)) -> NewDevice {
    let (label, site, floor) = row;
    NewDevice {
        label: if label.is_empty() { name.to_owned() } else { label },
        name: name.to_owned(),
        site,
        floor,
        // Only the hashes are kept: the secret itself cannot be read back by anybody.
        ha1: sip::digest::ha1(name, &identity.realm, secret),
    }
}

async fn add(store: &Sqlite, found: &place::Found, json: bool, phone: AddPhone) -> anyhow::Result<()> {
    let secret = if phone.secret_stdin { chance::from_stdin("secret")? } else { chance::secret()? };
    let identity = &found.identity;
    let new = device(identity, &phone.name, &secret, (phone.label, phone.site, phone.floor));
    store.add_devices(vec![new]).await?;
    place::tell_service(&found.data_dir);
    let shown = credentials(identity, &phone.name, (!phone.secret_stdin).then_some(&secret));
    out::one(json, &shown, || {
        let mut text = format!("{} added.\n  domain    {}\n", shown.name, shown.domain);
        if let Some(server) = &shown.server {
            text.push_str(&format!("  server    {server} (UDP)\n"));
        }
        if let Some(server) = &shown.server_tcp {
            text.push_str(&format!("  server    {server} (TCP)\n"));
        }
        text.push_str(&format!("  realm     {}\n  username  {}\n", shown.realm, shown.username));
        match &shown.secret {
            Some(secret) => text.push_str(&format!("  secret    {secret}   (shown only now)")),
            None => text.push_str("  secret    as given"),
        }
        text
    });
    Ok(())
}

/// A phone as `hotseat phones` shows it.
#[derive(Serialize)]
struct Shown {
    id: u64,
    name: String,
    label: String,
    site: String,
    floor: String,
    /// `registered`, `suspect`, `unreachable`, `expired`, `never_registered` or `disabled`.
    state: String,
    registered: bool,
    /// `hotseat phones disable` keeps it out.
    enabled: bool,
    contact: Option<String>,
    flow: Option<String>,
    user_agent: Option<String>,
    expires: Option<String>,
    /// Login name of who sits there.
    agent: Option<String>,
    since: Option<String>,
}

async fn list(store: &Sqlite, found: &place::Found, json: bool) -> anyhow::Result<()> {
    let devices = store.devices().await?;
    let agents: HashMap<_, _> = store.agents().await?.into_iter().map(|a| (a.id, a.login_name)).collect();
    let logins = store.logins().await?;
    let live = Live::ask(&found.data_dir);
    let mut best = HashMap::new();
    let now = wall_now();
    for binding in store.bindings().await? {
        if binding.expires > now && binding.aor.domain().eq_ignore_ascii_case(&found.identity.domain) {
            best.insert(binding.aor.user().to_owned(), binding);
        }
    }
    let shown: Vec<Shown> = devices
        .into_iter()
        .map(|d| {
            let binding = best.get(&d.name);
            let login = logins.iter().find(|l| l.place.device() == Some(d.id));
            // The running service knows more than the rows: whether the phone still answers.
            let state = live.state(d.id.0).filter(|_| d.enabled).unwrap_or_else(|| match binding {
                _ if !d.enabled => "disabled".into(),
                Some(_) => "registered".into(),
                None => "not_registered".into(),
            });
            Shown {
                id: d.id.0,
                registered: state == "registered",
                enabled: d.enabled,
                state,
                contact: binding.map(|b| b.contact.clone()),
                flow: binding.map(|b| b.flow.to_string()),
                user_agent: binding.map(|b| b.user_agent.clone()),
                expires: binding.map(|b| b.expires.to_string()),
                agent: login.and_then(|l| agents.get(&l.agent).cloned()),
                since: login.map(|l| l.since.to_string()),
                name: d.name,
                label: d.label,
                site: d.site,
                floor: d.floor,
            }
        })
        .collect();
    out::list(json, &shown, &["NAME", "LABEL", "SITE", "FLOOR", "STATE", "AGENT", "CONTACT", "PHONE"], |p| {
        vec![
            p.name.clone(),
            p.label.clone(),
            p.site.clone(),
            p.floor.clone(),
            p.state.clone(),
            p.agent.clone().unwrap_or_default(),
            p.contact.clone().unwrap_or_default(),
            p.user_agent.clone().unwrap_or_default(),
        ]
    });
    Ok(())
}

/// What the running service says about its phones; empty when none runs.
struct Live(HashMap<u64, String>);

impl Live {
    fn ask(data_dir: &Path) -> Live {
        let answer = daemon::control::ask(data_dir, "phones");
        let phones = answer.as_ref().and_then(|a| a.as_array()).into_iter().flatten();
        Live(phones.filter_map(|p| Some((p["device"].as_u64()?, p["state"].as_str()?.to_owned()))).collect())
    }
    fn state(&self, device: u64) -> Option<String> {
        self.0.get(&device).cloned()
    }
}

async fn named(store: &Sqlite, name: &str) -> anyhow::Result<Device> {
    match store.devices().await?.into_iter().find(|d| d.name == name) {
        Some(device) => Ok(device),
        None => bail!("there is no phone with the name \"{name}\""),
    }
}

async fn enable(
    store: &Sqlite,
    found: &place::Found,
    json: bool,
    name: &str,
    enabled: bool,
) -> anyhow::Result<()> {
    let device = named(store, name).await?;
    let ended = store.enable_device(device.id, enabled, wall_now()).await?;
    place::tell_service(&found.data_dir);
    let value = serde_json::json!({ "name": name, "enabled": enabled, "login_ended": ended.is_some() });
    out::one(json, &value, || match (enabled, ended) {
        (true, _) => format!("{name} may register again."),
        (false, Some(_)) => format!("{name} disabled; the login at it ended."),
        (false, None) => format!("{name} disabled."),
    });
    Ok(())
}

async fn remove(store: &Sqlite, found: &place::Found, json: bool, name: &str) -> anyhow::Result<()> {
    let device = named(store, name).await?;
    let ended = store.remove_device(device.id, wall_now()).await.context("removing the phone")?;
    place::tell_service(&found.data_dir);
    let value = serde_json::json!({ "removed": name, "login_ended": ended.is_some() });
    out::one(json, &value, || match ended {
        Some(_) => format!("{name} removed; the login at it ended."),
        None => format!("{name} removed."),
    });
    Ok(())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    #[serde(default)]
    label: String,
    #[serde(default)]
    site: String,
    #[serde(default)]
    floor: String,
    #[serde(default)]
    secret: String,
}

async fn import(store: &Sqlite, found: &place::Found, json: bool, file: &Path) -> anyhow::Result<()> {
    let rows: Vec<Row> = read_csv(file)?;
    let identity = &found.identity;
    let mut devices = Vec::with_capacity(rows.len());
    let mut made = Vec::new();
    for row in rows {
        let given = !row.secret.is_empty();
        let secret = if given { Secret::new(row.secret) } else { chance::secret()? };
        devices.push(device(identity, &row.name, &secret, (row.label, row.site, row.floor)));
        if !given {
            made.push(credentials(identity, &row.name, Some(&secret)));
        }
    }
    let added = store.add_devices(devices).await.map_err(with_line)?.len();
    place::tell_service(&found.data_dir);
    let value = serde_json::json!({ "added": added, "credentials": made });
    if json {
        println!("{value}");
        return Ok(());
    }
    eprintln!("{added} phones added.");
    let mut writer = csv::Writer::from_writer(std::io::stdout());
    if !made.is_empty() {
        eprintln!("Credentials made here, shown only now:");
        writer.write_record(["username", "secret", "domain", "realm", "server"])?;
    }
    for c in &made {
        let server = c.server.as_deref().unwrap_or("");
        writer.write_record([&c.username, c.secret.as_deref().unwrap_or(""), &c.domain, &c.realm, server])?;
    }
    writer.flush()?;
    Ok(())
}
