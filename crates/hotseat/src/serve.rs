//! `hotseat serve`: the service on a configuration folder.

use crate::cli::Place;
use crate::place;
use daemon::core::{CoreHandle, MediaDoor, Post};
use daemon::desk_core::DeskCore;
use daemon::media::MediaHandle;
use daemon::{Config, Service, Web};
use media::MediaConfig;
use std::io::Write;
use std::sync::Arc;
use store::Sqlite;

pub async fn run(place: &Place) -> anyhow::Result<()> {
    let config = place::config(place)?;
    let store = Arc::new(place::open_store(&config.data_dir).await?);
    let service = start(config, store.clone(), None).await?;
    announce(&service)?;
    service.until_stopped().await?;
    Ok(())
}

/// Starts the daemon with everything that belongs to it.
pub async fn start(
    mut config: Config,
    store: Arc<Sqlite>,
    environment: Option<String>,
) -> anyhow::Result<Service> {
    config.pass_key = place::pass_key(&config.data_dir)?;
    place::write_identity(&config.data_dir, &place::identity(&config))?;
    let settings = auth::Settings {
        environment,
        contact: config.security.contact.clone(),
        // Only our own pages may change anything; the address people are told is the one they use.
        origins: vec![config.public_url.clone()],
        sip: sip_settings(&config),
        public_url: Some(config.public_url.clone()),
        proxies: config.security.proxies.clone(),
        limits: auth::AttemptLimits { source: config.security.logins_per_minute, ..Default::default() },
        ..auth::Settings::default()
    };
    let media = media_config(&config);
    let (bind, _) = config.media_addresses();
    let workers = config.workers;
    let rows = store.clone();
    daemon::start(
        config,
        store,
        |desk: DeskCore| {
            let settings = auth::Settings {
                mailer: desk.mailer.clone(),
                standing: desk.standing.clone(),
                ways: desk.ways.clone(),
                ..settings
            };
            let rights = desk.in_force.rights.clone();
            let auth = auth::Auth::new(rows, Arc::new(desk), settings);
            let asked = auth.clone();
            let admit = move |parts: http::request::Parts| {
                let auth = asked.clone();
                async move { auth.admit(&parts).await }
            };
            let api = auth::router(auth.clone()).merge(admin::router(auth, rights));
            Web { api, admit: Arc::new(move |parts| Box::pin(admit(parts))) }
        },
        move |core: CoreHandle| -> std::io::Result<MediaDoor> {
            let tell = core.clone();
            let workers =
                MediaHandle::start(media, bind, workers, move |e| tell.post_blocking(Post::Media(e)))?;
            Ok(Box::new(move |command| workers.send(command)))
        },
    )
    .await
}

/// What pages are told about SIP over WebSocket.
fn sip_settings(config: &Config) -> auth::SipSettings {
    auth::SipSettings {
        domain: config.domain.clone(),
        realm: config.realm.clone(),
        key: config.pass_key.clone(),
        ice: auth::IceServers {
            stun: config.browser.stun.clone(),
            turn: config.browser.turn.clone(),
            turn_secret: config.browser.turn_secret.clone(),
            turn_life: config.browser.turn_life,
        },
        codecs: config.browser.codecs,
    }
}

fn media_config(config: &Config) -> MediaConfig {
    let (_, advertise) = config.media_addresses();
    // Browsers share one port a worker: the first ones of the range, so that no firewall needs another rule.
    let webrtc_port = Some(*config.rtp_ports.start());
    MediaConfig {
        ports: config.rtp_ports.clone(),
        webrtc_port,
        webrtc_tcp: true,
        ..MediaConfig::new(advertise)
    }
}

/// The one line on stdout.
pub fn announce(service: &Service) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", serde_json::to_string(&service.ready)?)?;
    out.flush()?;
    Ok(())
}
