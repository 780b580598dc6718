//! `hotseat agents`: add, list, remove, enable, disable, give a role, an address or a password, import.

use crate::cli::{AddAgent, Agents, Place};
use crate::given::{self, Given};
use crate::{audit, out, place};
use anyhow::{Context, bail};
use auth::suite::{Owner, Policy};
use daemon::core::wall_now;
use serde::{Deserialize, Serialize};
use std::io::Read;
use std::path::Path;
use store::{Account, Accounts, Attempts, Factors, NewAgent, Sqlite, Store, Way};
use terms::{Agent, EmailAddress, Role, Secret, Typology};

pub async fn run(place: &Place, json: bool, what: Agents) -> anyhow::Result<()> {
    let found = place::find(place)?;
    // A data folder alone does not know which rules its service was given.
    let policy = found.config.map_or_else(Policy::default, |config| config.security.policies.passwords);
    let data = found.data_dir;
    let store = place::open_store(&data).await?;
    match what {
        Agents::Add(agent) => add(&store, &data, json, policy, agent).await,
        Agents::List => list(&store, json).await,
        Agents::Remove { login_name } => remove(&store, &data, json, &login_name).await,
        Agents::Enable { login_name } => enable(&store, &data, json, &login_name, true).await,
        Agents::Disable { login_name } => enable(&store, &data, json, &login_name, false).await,
        Agents::Unlock { login_name } => unlock(&store, json, &login_name).await,
        Agents::Role { login_name, role: new } => role(&store, json, &login_name, new.into()).await,
        Agents::Email { login_name, email: new } => email(&store, json, &login_name, new).await,
        Agents::Password { login_name, password_stdin } => {
            password(&store, json, policy, &login_name, password_stdin).await
        }
        Agents::ResetFactors { login_name } => reset_factors(&store, json, &login_name).await,
        Agents::Import { file } => import(&store, &data, json, policy, &file).await,
    }
}

/// What `add` prints. The password is there only when it was made here.
#[derive(Serialize)]
struct Added {
    id: u64,
    login_name: String,
    extension: String,
    typology: Typology,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<String>,
}

async fn add(store: &Sqlite, data: &Path, json: bool, policy: Policy, a: AddAgent) -> anyhow::Result<()> {
    let display_name = a.name.unwrap_or_else(|| a.login_name.clone());
    let owner = Owner { login_name: &a.login_name, display_name: &display_name, second_factor: false };
    let (password, shown) = given::typed_or_made(a.password_stdin, policy, owner)?;
    let agent = NewAgent {
        display_name,
        login_name: a.login_name.clone(),
        extension: a.extension.clone(),
        typology: a.typology.into(),
        dids: a.did,
        outbound_number: a.outbound_number,
        password_hash: Some(given::hash(password).await?),
        role: a.role.into(),
        email: a.email,
        way: Way::Local,
    };
    let role = agent.role;
    let ids = store.add_agents(vec![agent]).await?;
    audit::note(store, "agent_added", &a.login_name, Some(serde_json::json!({ "role": role }))).await?;
    place::tell_service(data);
    let id = ids.first().context("the store gave no id")?.0;
    let added = Added {
        id,
        login_name: a.login_name,
        extension: a.extension,
        typology: a.typology.into(),
        password: shown,
    };
    out::one(json, &added, || match &added.password {
        Some(password) => format!(
            "{} (extension {}) added. Password, shown only now: {password}",
            added.login_name, added.extension
        ),
        None => format!("{} (extension {}) added.", added.login_name, added.extension),
    });
    Ok(())
}

async fn find(store: &Sqlite, login_name: &str) -> anyhow::Result<Agent> {
    match store.account(login_name).await? {
        Some(account) => Ok(account.agent),
        None => bail!("there is no agent with the login name \"{login_name}\""),
    }
}

/// An agent as `list` prints it.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    agent: Agent,
    role: Role,
    email: Option<String>,
    way: Way,
    must_change: bool,
    /// Whether a block holds now, and until when; `null` with a block: until somebody unlocks it.
    blocked: bool,
    blocked_until: Option<String>,
}

async fn list(store: &Sqlite, json: bool) -> anyhow::Result<()> {
    let now = wall_now();
    let show = |a: Account| {
        let blocked = a.blocked.filter(|blocked| blocked.holds(now));
        let blocked_until = blocked.and_then(|blocked| blocked.until).map(|until| until.to_string());
        let (role, email, way, must_change) = (a.role, a.email, a.way, a.must_change);
        Shown { agent: a.agent, role, email, way, must_change, blocked: blocked.is_some(), blocked_until }
    };
    let agents: Vec<Shown> = store.accounts().await?.into_iter().map(show).collect();
    let columns = ["LOGIN", "NAME", "EXTENSION", "TYPOLOGY", "DIDS", "ENABLED", "ROLE", "EMAIL", "BLOCKED"];
    out::list(json, &agents, &columns, |shown| {
        let a = &shown.agent;
        vec![
            a.login_name.clone(),
            a.display_name.clone(),
            a.extension.clone(),
            word(a.typology).into(),
            a.dids.join(" "),
            if a.enabled { "yes" } else { "no" }.into(),
            shown.role.word().into(),
            shown.email.clone().unwrap_or_default(),
            match (&shown.blocked_until, shown.blocked) {
                (Some(until), _) => format!("until {until}"),
                (None, true) => "until unlocked".into(),
                (None, false) => "no".into(),
            },
        ]
    });
    Ok(())
}

async fn role(store: &Sqlite, json: bool, login_name: &str, role: Role) -> anyhow::Result<()> {
    let agent = find(store, login_name).await?;
    store.set_role(agent.id, role).await?;
    // Whoever may do more shows who they are once more.
    store.drop_pending_sessions(agent.id).await?;
    audit::note(store, "role_changed", &agent.login_name, Some(serde_json::json!({ "role": role }))).await?;
    let value = serde_json::json!({ "login_name": agent.login_name, "role": role });
    out::one(json, &value, || format!("{} has the role {} now.", agent.login_name, role.word()));
    Ok(())
}

async fn email(store: &Sqlite, json: bool, login_name: &str, email: Option<String>) -> anyhow::Result<()> {
    let agent = find(store, login_name).await?;
    if let Some(email) = &email {
        email.parse::<EmailAddress>()?;
    }
    store.set_email(agent.id, email.clone()).await?;
    let detail = serde_json::json!({ "email": email });
    audit::note(store, "email_changed", &agent.login_name, Some(detail)).await?;
    let value = serde_json::json!({ "login_name": agent.login_name, "email": email });
    out::one(json, &value, || match &email {
        Some(email) => format!("Mails for {} go to {email}.", agent.login_name),
        None => format!("{} has no mail address any more.", agent.login_name),
    });
    Ok(())
}

pub fn word(typology: Typology) -> &'static str {
    match typology {
        Typology::Webrtc => "webrtc",
        Typology::External => "external",
        Typology::Phonebar => "phonebar",
    }
}

async fn enable(
    store: &Sqlite,
    data: &Path,
    json: bool,
    login_name: &str,
    enabled: bool,
) -> anyhow::Result<()> {
    let agent = find(store, login_name).await?;
    let ended = store.enable_agent(agent.id, enabled, wall_now()).await?;
    let what = if enabled { "agent_enabled" } else { "agent_disabled" };
    audit::note(store, what, &agent.login_name, None).await?;
    place::tell_service(data);
    let value =
        serde_json::json!({ "login_name": login_name, "enabled": enabled, "login_ended": ended.is_some() });
    out::one(json, &value, || match (enabled, ended) {
        (true, _) => format!("{login_name} may log in again."),
        (false, Some(_)) => format!("{login_name} disabled; the login ended."),
        (false, None) => format!("{login_name} disabled."),
    });
    Ok(())
}

async fn unlock(store: &Sqlite, json: bool, login_name: &str) -> anyhow::Result<()> {
    let agent = find(store, login_name).await?;
    let was = store.unlock_agent(agent.id, wall_now()).await?;
    let who = terms::Pii::new(login_name);
    store
        .audit(wall_now(), &who, "command line", "unlock", if was { "unlocked" } else { "was_not_blocked" })
        .await?;
    out::one(json, &serde_json::json!({ "login_name": login_name, "was_blocked": was }), || match was {
        true => format!("{login_name} may log in again."),
        false => format!("{login_name} was not blocked; wrong passwords counted so far are forgotten."),
    });
    Ok(())
}

async fn remove(store: &Sqlite, data: &Path, json: bool, login_name: &str) -> anyhow::Result<()> {
    let agent = find(store, login_name).await?;
    let ended = store.remove_agent(agent.id, wall_now()).await?;
    audit::note(store, "agent_removed", &agent.login_name, None).await?;
    place::tell_service(data);
    let value = serde_json::json!({ "removed": login_name, "login_ended": ended.is_some() });
    out::one(json, &value, || match ended {
        Some(_) => format!("{login_name} removed; the login ended."),
        None => format!("{login_name} removed."),
    });
    Ok(())
}

async fn reset_factors(store: &Sqlite, json: bool, login_name: &str) -> anyhow::Result<()> {
    let agent = find(store, login_name).await?;
    let gone = store.drop_factors(agent.id).await?;
    let who = terms::Pii::new(agent.login_name.clone());
    store.audit(wall_now(), &who, "command line", "factors_reset", "done").await?;
    let value = serde_json::json!({ "login_name": agent.login_name, "factors_removed": gone });
    out::one(json, &value, || match gone {
        0 => format!("{login_name} had no second factor."),
        _ => format!(
            "{login_name} logs in with the password alone now, or sets up another second factor where the role demands one."
        ),
    });
    Ok(())
}

async fn password(
    store: &Sqlite,
    json: bool,
    policy: Policy,
    login_name: &str,
    from_stdin: bool,
) -> anyhow::Result<()> {
    let agent = find(store, login_name).await?;
    let owner = Owner {
        login_name: &agent.login_name,
        display_name: &agent.display_name,
        second_factor: !store.factors(agent.id).await?.is_empty(),
    };
    let (password, shown) = given::typed_or_made(from_stdin, policy, owner)?;
    // Handed out, not chosen: where passwords follow rules, the next login asks for another one.
    store.put_password(agent.id, given::hash(password).await?, None, false).await?;
    audit::note(store, "password_set", &agent.login_name, None).await?;
    let value = serde_json::json!({ "login_name": login_name, "password": shown });
    out::one(json, &value, || match &shown {
        Some(password) => format!("New password of {login_name}, shown only now: {password}"),
        None => format!("New password of {login_name} set."),
    });
    Ok(())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    login_name: String,
    extension: String,
    typology: Typology,
    #[serde(default)]
    display_name: String,
    #[serde(default)]
    outbound_number: String,
    #[serde(default)]
    dids: String,
    #[serde(default)]
    email: String,
    #[serde(default)]
    password: String,
}

async fn import(store: &Sqlite, data: &Path, json: bool, policy: Policy, file: &Path) -> anyhow::Result<()> {
    let rows: Vec<Row> = read_csv(file)?;
    let given = |r: &Row| Given {
        login_name: r.login_name.clone(),
        display_name: r.display_name.clone(),
        password: Secret::new(r.password.as_str()),
    };
    let given: Vec<Given> = rows.iter().map(given).collect();
    let hashes = tokio::task::spawn_blocking(move || given::hash_all(policy, &given)).await??;
    let agents: Vec<NewAgent> = rows
        .into_iter()
        .zip(hashes)
        .map(|(r, password_hash)| NewAgent {
            display_name: if r.display_name.is_empty() { r.login_name.clone() } else { r.display_name },
            login_name: r.login_name,
            extension: r.extension,
            typology: r.typology,
            dids: r.dids.split(';').map(str::trim).filter(|d| !d.is_empty()).map(str::to_owned).collect(),
            outbound_number: Some(r.outbound_number).filter(|n| !n.is_empty()),
            password_hash,
            role: Role::Agent,
            email: Some(r.email).filter(|email| !email.is_empty()),
            way: Way::Local,
        })
        .collect();
    let without = agents.iter().filter(|a| a.password_hash.is_none()).count();
    let added = store.add_agents(agents).await.map_err(with_line)?.len();
    place::tell_service(data);
    let value = serde_json::json!({ "added": added, "without_password": without });
    out::one(json, &value, || match without {
        0 => format!("{added} agents added."),
        n => {
            format!("{added} agents added; {n} of them have no password yet (hotseat agents password LOGIN).")
        }
    });
    Ok(())
}

/// Reads a CSV file with a header line; an error names the line and what is wrong with it.
pub fn read_csv<T: for<'de> Deserialize<'de>>(file: &Path) -> anyhow::Result<Vec<T>> {
    let mut text = String::new();
    match file.as_os_str() == "-" {
        true => std::io::stdin().read_to_string(&mut text)?,
        false => std::fs::File::open(file)
            .and_then(|mut f| f.read_to_string(&mut text))
            .with_context(|| format!("reading {}", file.display()))?,
    };
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let rows: Result<Vec<T>, csv::Error> = reader.deserialize().collect();
    rows.with_context(|| format!("{} cannot be read as CSV with a header line", file.display()))
}

/// The store counts rows from one; the file has a header line above them.
pub fn with_line(error: store::AddError) -> anyhow::Error {
    match error {
        store::AddError::Conflict { line, sentence, .. }
        | store::AddError::Invalid { line, sentence, .. }
            if line > 0 =>
        {
            anyhow::anyhow!("line {}: {sentence}", line + 1)
        }
        other => other.into(),
    }
}
