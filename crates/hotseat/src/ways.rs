//! Ways in beside our own passwords: whose word counts for an agent, what the directory says about one, whom a provider's
//! account is bound to.

use crate::cli::{Directory, Oidc, Place, WayArg};
use crate::{chance, out, place};
use anyhow::{Context, bail};
use daemon::core::wall_now;
use store::{Accounts, Sqlite, Store, Vouched, Way};
use terms::{Agent, EmailAddress};

/// `hotseat way`: the agent's own password, the directory's, or a provider.
pub async fn way(
    place: &Place,
    json: bool,
    login_name: &str,
    way: WayArg,
    email: Option<String>,
) -> anyhow::Result<()> {
    let store = place::open_store(&place::find(place)?.data_dir).await?;
    let agent = find(&store, login_name).await?;
    if let Some(email) = &email {
        let address: EmailAddress = email.parse()?;
        store.set_email(agent.id, Some(address.reveal().to_owned())).await?;
    }
    store.set_way(agent.id, way.into()).await?;
    // Who was on the way in by the old way begins anew.
    store.drop_pending_sessions(agent.id).await?;
    let account = store.account_by_id(agent.id).await?.context("the agent was removed meanwhile")?;
    let value =
        serde_json::json!({ "login_name": agent.login_name, "way": account.way, "email": account.email });
    out::one(json, &value, || match account.way {
        Way::Local => format!("{} logs in with a password of ours.", agent.login_name),
        Way::Directory => format!("{} logs in with the directory's password.", agent.login_name),
        Way::Oidc => match &account.email {
            Some(email) => format!("{} logs in at the provider, as {}.", agent.login_name, out::clean(email)),
            None => format!(
                "{} logs in at the provider, but has no address yet: give one with --email.",
                agent.login_name
            ),
        },
    });
    Ok(())
}

/// `hotseat directory test`: asks as the service would, and says each step.
pub async fn directory(place: &Place, json: bool, what: Directory) -> anyhow::Result<bool> {
    let Directory::Test { login_name, password_stdin } = what;
    let config = place::config(place)?;
    let Some(settings) = config.directory else {
        bail!("no directory is set; write one into directory.toml of the configuration folder");
    };
    let password = match password_stdin {
        true => Some(chance::from_stdin("password")?),
        false => None,
    };
    let directory = auth::ways::Directory::new(settings);
    let told = directory.told(&login_name, password.as_ref(), wall_now()).await;
    let good = told.iter().all(|(good, _)| *good);
    let steps: Vec<_> =
        told.iter().map(|(good, said)| serde_json::json!({ "ok": good, "said": said })).collect();
    out::one(json, &serde_json::json!({ "ok": good, "steps": steps }), || {
        let line = |(good, said): &(bool, String)| {
            format!("{}  {}", if *good { "ok" } else { "NO" }, out::clean(said))
        };
        told.iter().map(line).collect::<Vec<_>>().join("\n")
    });
    Ok(good)
}

/// `hotseat oidc forget`: the agent is found by address again.
pub async fn oidc(place: &Place, json: bool, what: Oidc) -> anyhow::Result<()> {
    let Oidc::Forget { login_name } = what;
    let store = place::open_store(&place::find(place)?.data_dir).await?;
    let agent = find(&store, &login_name).await?;
    let was_bound = store.forget_identity(agent.id).await?;
    let value = serde_json::json!({ "login_name": agent.login_name, "was_bound": was_bound });
    out::one(json, &value, || match was_bound {
        true => format!("{} is found by mail address at the next login.", agent.login_name),
        false => format!("{} was bound to nobody.", agent.login_name),
    });
    Ok(())
}

async fn find(store: &Sqlite, login_name: &str) -> anyhow::Result<Agent> {
    match store.account(login_name).await? {
        Some(account) => Ok(account.agent),
        None => bail!("there is no agent with the login name \"{login_name}\""),
    }
}
