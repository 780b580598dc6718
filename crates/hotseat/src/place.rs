//! Finds configuration and data, and opens the store.

use crate::cli::Place;
use anyhow::{Context, bail};
use daemon::Config;
use hotdesk::pass::PassKey;
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use store::{SealingKey, Sqlite};

pub const DEV_DATA: &str = ".hotseat-dev";
pub const CONFIG_DIR: &str = "sip-config";

/// What phones of this data folder are told. Written by `serve` and `dev`, so that `phones add --data DIR` needs no
/// configuration.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Identity {
    pub domain: String,
    pub realm: String,
    pub sip_udp: Option<String>,
    pub sip_tcp: Option<String>,
    /// Files of earlier versions do not have it.
    #[serde(default)]
    pub sip_tls: Option<String>,
}

pub struct Found {
    pub data_dir: PathBuf,
    pub identity: Identity,
    /// Where a configuration folder was given or found.
    pub config: Option<Config>,
}

/// The configuration folder that is meant: given, or `sip-config` here.
pub fn config(place: &Place) -> anyhow::Result<Config> {
    let dir = place.config.clone().unwrap_or_else(|| CONFIG_DIR.into());
    let mut config =
        Config::load(&dir).with_context(|| format!("the configuration in {} has mistakes", dir.display()))?;
    if let Some(data) = &place.data {
        config.data_dir = data.clone();
    }
    Ok(config)
}

/// Data folder and identity for the commands that work on a store.
pub fn find(place: &Place) -> anyhow::Result<Found> {
    let dev = Path::new(DEV_DATA);
    if place.config.is_none() && place.data.is_none() && daemon::control::ask(dev, "counters").is_some() {
        return Ok(Found { data_dir: dev.into(), identity: read_identity(dev)?, config: None });
    }
    match (&place.config, &place.data) {
        (None, Some(data)) => {
            Ok(Found { data_dir: data.clone(), identity: read_identity(data)?, config: None })
        }
        (None, None) if !Path::new(CONFIG_DIR).join("gateway.toml").exists() => bail!(
            "where is the data? Name a configuration with --config DIR or a data folder with --data DIR \
             (or set HOTSEAT_CONFIG or HOTSEAT_DATA)."
        ),
        _ => {
            let config = config(place)?;
            Ok(Found { data_dir: config.data_dir.clone(), identity: identity(&config), config: Some(config) })
        }
    }
}

pub fn identity(config: &Config) -> Identity {
    let told = |list: &[std::net::SocketAddr]| list.first().map(|a| config.advertised(*a).to_string());
    Identity {
        domain: config.domain.clone(),
        realm: config.realm.clone(),
        sip_udp: told(&config.listen.sip_udp),
        sip_tcp: told(&config.listen.sip_tcp),
        sip_tls: told(&config.listen.sip_tls),
    }
}

pub fn write_identity(data_dir: &Path, identity: &Identity) -> anyhow::Result<()> {
    std::fs::write(data_dir.join("identity.json"), serde_json::to_vec_pretty(identity)?)?;
    Ok(())
}

fn read_identity(data_dir: &Path) -> anyhow::Result<Identity> {
    match std::fs::read(data_dir.join("identity.json")) {
        Ok(text) => serde_json::from_slice(&text).context("identity.json in the data folder cannot be read"),
        // A folder no service ever ran on belongs to a development world to come.
        Err(_) => Ok(identity(&Config::development(data_dir.into(), None))),
    }
}

/// Opens the database of a data folder, making both where they are missing.
pub async fn open_store(data_dir: &Path) -> anyhow::Result<Sqlite> {
    // Passwords and keys live here: nobody else looks in.
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data_dir)
        .with_context(|| format!("making the data folder {}", data_dir.display()))?;
    let key = sealing_key(&data_dir.join("secret.key"))?;
    let file = data_dir.join("hotseat.db");
    Sqlite::open(&file, key).await.with_context(|| format!("opening {}", file.display()))
}

/// After rows were written: a service that runs on the folder knows them when this returns, so that the phone or agent
/// may come at once. Where none runs there is nobody to tell.
pub fn tell_service(data_dir: &Path) {
    if let Err(why) = daemon::control::sync(data_dir) {
        eprintln!(
            "hotseat: written, but the running service has not taken it up yet ({why}); it tries by itself."
        );
    }
}

/// The key by which seats in browsers are proved: from the same file, so that pages go on after a restart.
pub fn pass_key(data_dir: &Path) -> anyhow::Result<PassKey> {
    let key = sealing_key(&data_dir.join("secret.key"))?;
    Ok(PassKey::new(key.derive("passes of seats in browsers")?))
}

fn sealing_key(file: &Path) -> anyhow::Result<SealingKey> {
    if let Ok(text) = std::fs::read_to_string(file) {
        return SealingKey::parse(&text).with_context(|| format!("{} is not what it was", file.display()));
    }
    let mut bytes = [0u8; 32];
    getrandom::fill(&mut bytes).map_err(|e| anyhow::anyhow!("the system has no randomness: {e}"))?;
    let key = SealingKey::generate(bytes);
    let made = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
    match made {
        Ok(mut made) => {
            made.write_all(key.0.expose().as_bytes())?;
            made.sync_all()?;
            Ok(key)
        }
        // Another command made it this instant; theirs counts.
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
            let text = std::fs::read_to_string(file)?;
            SealingKey::parse(&text).with_context(|| format!("{} is not what it was", file.display()))
        }
        Err(e) => Err(e).with_context(|| format!("making {}", file.display())),
    }
}
