//! `hotseat route`: a machine with today's rows is asked where a call would go; nothing is sent.

use crate::cli::Place;
use crate::{out, place};
use anyhow::bail;
use daemon::Config;
use daemon::core::{Clock, wall_now};
use gateway::plan::{Caller, Plan, Route};
use gateway::{Gateway, GatewayConfig, Input};
use store::Store;
use terms::DirectoryChange;

pub async fn run(place: &Place, json: bool, number: &str, from: &str) -> anyhow::Result<()> {
    let found = place::find(place)?;
    let config = match found.config {
        Some(config) => config,
        None => crate::dev::config(found.data_dir.clone(), None),
    };
    let store = place::open_store(&found.data_dir).await?;
    let now = Clock::default().now();
    let mut gateway = machine(&config);
    let tell = |gateway: &mut Gateway, change| gateway.handle(now, Input::Directory(change));
    let agents = store.agents().await?;
    let logins = store.logins().await?;
    for trunk in config.trunks.clone() {
        tell(&mut gateway, DirectoryChange::Trunk(trunk));
    }
    for agent in agents.clone() {
        tell(&mut gateway, DirectoryChange::Agent(agent));
    }
    let devices = store.devices().await?;
    for device in devices.clone() {
        tell(&mut gateway, DirectoryChange::Device(device));
    }
    for binding in store.bindings().await?.into_iter().filter(|b| b.expires > wall_now()) {
        gateway.handle(now, Input::Restored(binding));
    }
    for login in logins.clone() {
        gateway.handle(now, Input::Login(login));
    }
    let place_of_agent = agents
        .iter()
        .find(|a| a.extension == from || a.login_name.eq_ignore_ascii_case(from))
        .map(|a| (a.id, logins.iter().find(|l| l.agent == a.id).map(|l| l.place)));
    let caller = match place_of_agent {
        Some((_, Some(terms::Place::Phone(device)))) => Caller::Device(device),
        Some((agent, Some(terms::Place::Browser))) => Caller::Browser(agent),
        Some((_, None)) => bail!("{from} is not logged in, so no call can come from there"),
        None => match devices.iter().find(|d| d.name == from) {
            Some(device) => Caller::Device(device.id),
            None => match config.trunks.iter().find(|t| t.name == from) {
                Some(trunk) => Caller::Trunk(trunk.id),
                None => bail!("\"{from}\" is no extension, no phone and no trunk"),
            },
        },
    };
    show(json, number, from, &gateway.route(now, caller, number), &config);
    Ok(())
}

fn show(json: bool, number: &str, from: &str, plan: &Plan, config: &Config) {
    let trunk_name = |id| config.trunks.iter().find(|t| t.id == id).map(|t| t.name.as_str()).unwrap_or("?");
    let (kind, text) = match &plan.route {
        Route::Phone(phone) => {
            let contacts: Vec<_> =
                phone.contacts.iter().map(|c| format!("{} at {}", c.aor, c.contact)).collect();
            ("phone", contacts.join(", then "))
        }
        Route::Trunk(trunk) => ("trunk", format!("{} as {}", trunk_name(trunk.trunk), trunk.number)),
        Route::SelfTest => ("self_test", "the gateway itself: the caller hears its own voice".to_owned()),
        Route::Refused(why) => ("refused", format!("{} ({})", why.sentence(), why.sip_status())),
    };
    let value = serde_json::json!({
        "number": number, "from": from, "route": kind, "to": text, "steps": plan.steps,
        "reason": match &plan.route { Route::Refused(why) => Some(why.code()), _ => None },
    });
    out::one(json, &value, || {
        let mut lines: Vec<String> = plan.steps.iter().map(|s| format!("  {s}")).collect();
        lines.push(format!("{kind}: {text}"));
        lines.join("\n")
    });
}

/// A gateway that is only asked; its addresses and keys do not matter.
fn machine(config: &Config) -> Gateway {
    Gateway::new(GatewayConfig {
        domain: config.domain.clone(),
        realm: config.realm.clone(),
        locals: Vec::new(),
        product: "hotseat route".into(),
        dial_plan: config.dial_plan.clone(),
        takeover: config.security.takeover,
        expires_min: config.registration.expires_min,
        expires_default: config.registration.expires_default,
        expires_max: config.registration.expires_max,
        ring_max: config.calls.ring_max,
        progress_max: config.calls.progress_max,
        seed: [0; 32],
        incarnation: 0,
        calls_max: config.calls.calls_max,
        bindings_max: config.registration.bindings_max,
        pass_key: config.pass_key.clone(),
        digest_no_md5: config.security.digest_no_md5,
        phone_srtp: config.phones.srtp,
        phone_codecs: config.phones.codecs,
        watch_every: config.phones.watch_every,
    })
}
