//! The service from its first line to its last: restore, listen, say so; on a signal drain, write, leave.

use crate::bind::{self, Sockets};
use crate::carry::Edge;
use crate::config::Config;
use crate::core::{self, Clock, CoreHandle, CoreParts, MediaDoor, Post};
use crate::desk_core::DeskCore;
use crate::https::Web;
use crate::reload::Reloader;
use crate::streams::Streams;
use crate::tap::Tap;
use crate::tcp;
use crate::tls::{Incoming, Outgoing};
use crate::upgrade::{self, Door};
use crate::ws::Pace;
use crate::{certs, control, https, licence, store_task, sync};
use anyhow::Context;
use gateway::{Command, GatewayConfig};
use serde::Serialize;
use sip::ua::Local;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use store::Store;
use terms::Transport;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Notify, broadcast};

/// Notices a slow page may be behind before it is told to ask for a snapshot.
const NOTICES_MAX: usize = 4_096;
/// Between ending what is up and leaving: BYEs are sent and answered, records written.
const END_MAX: Duration = Duration::from_secs(3);
/// Commits that were asked for are finished within this, or the disk is gone.
const FLUSH_MAX: Duration = Duration::from_secs(10);
/// Connections that are told why we leave must have heard it within this.
const FAREWELL_MAX: Duration = Duration::from_secs(1);

/// What is printed when the service listens: one line of JSON, addresses as they really are.
#[derive(Clone, Debug, Serialize)]
pub struct Ready {
    pub ready: bool,
    pub https: Option<String>,
    pub http: Option<String>,
    pub sip_udp: Option<String>,
    pub sip_tcp: Option<String>,
    pub sip_tls: Option<String>,
    /// SIP over WebSocket, as a URL.
    pub sip_wss: Option<String>,
    pub sip_ws: Option<String>,
    pub data: String,
    pub pid: u32,
}

/// A running service.
pub struct Service {
    pub ready: Ready,
    pub desk: DeskCore,
    draining: Arc<AtomicBool>,
    drain_max: Duration,
    reloader: Reloader,
    web: Vec<axum_server::Handle<SocketAddr>>,
    streams: Arc<Streams>,
    writer: tokio::task::JoinHandle<()>,
    core_ended: tokio::task::JoinHandle<std::thread::Result<()>>,
    signals: Signals,
}

/// What the system may say to us. Listened for before anybody is told that we are ready: until then SIGTERM kills.
struct Signals {
    term: Signal,
    int: Signal,
    hangup: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Signals> {
        Ok(Signals {
            term: signal(SignalKind::terminate())?,
            int: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }
}

/// Starts everything. `web` makes the agents' HTTP API for the running core; `media` starts the media workers.
pub async fn start<S: Store>(
    config: Config,
    store: Arc<S>,
    web: impl FnOnce(DeskCore) -> Web,
    media: impl FnOnce(CoreHandle) -> std::io::Result<MediaDoor>,
) -> anyhow::Result<Service> {
    certs::install_provider();
    std::fs::create_dir_all(&config.data_dir)
        .with_context(|| format!("making the data folder {}", config.data_dir.display()))?;
    let control = control::listen(&config.data_dir)?;
    let sockets = bind::open(&config)?;

    let (streams, wanted) =
        Streams::new(config.security.connections_max, config.security.connections_per_source);
    let streams = Arc::new(streams);
    let (door, writer_desk) = store_task::pair();
    let (notices, _) = broadcast::channel(NOTICES_MAX);
    let tap = Tap::default();
    let clock = Clock::default();
    let parts = CoreParts {
        clock,
        gateway: gateway_config(&config, &sockets)?,
        streams: streams.clone(),
        store: door,
        notices: notices.clone(),
        tap: tap.clone(),
    };
    let (core, thread) = core::start(parts, media)?;
    let core_ended = tokio::task::spawn_blocking(move || thread.join());
    let writer = tokio::spawn(writer_desk.run(store.clone(), core.clone()));

    let picture = sync::restore(&*store, &core, &config.trunks).await.context("restoring the state")?;
    let poked = Arc::new(Notify::new());
    let mailer = auth::mail::Mailer::new(config.mail.clone());
    let standing = auth::Standing::default();
    let ways = auth::ways::Ways::default();
    ways.set(config.directory.clone(), config.oidc.clone());
    let (reloader, in_force) = Reloader::new(config.clone(), core.clone(), mailer.clone(), ways.clone());
    let (sync, asked) = sync::Sync::new();
    tokio::spawn(sync::follow(store, core.clone(), picture, poked.clone(), asked));
    tokio::spawn(control::serve(
        control,
        control::Desk { core: core.clone(), tap, sync, reloader: reloader.clone() },
    ));

    let desk =
        DeskCore { core: core.clone(), notices, poked, in_force, mailer, standing: standing.clone(), ways };
    let draining = Arc::new(AtomicBool::new(false));
    let mut ready = Ready {
        ready: true,
        https: None,
        http: None,
        sip_udp: sockets.sip_udp.first().map(|s| s.local_addr().map(|a| a.to_string())).transpose()?,
        sip_tcp: sockets.sip_tcp.first().map(|s| s.local_addr().map(|a| a.to_string())).transpose()?,
        sip_tls: sockets.sip_tls.first().map(|s| s.local_addr().map(|a| a.to_string())).transpose()?,
        sip_wss: None,
        sip_ws: None,
        data: config.data_dir.display().to_string(),
        pid: std::process::id(),
    };
    let edge = Edge { core: core.clone(), streams: streams.clone(), clock };
    let outgoing = Arc::new(Outgoing::new(&config).context("preparing TLS to the trunks")?);
    let mut servers = Vec::new();
    let mut public_url = config.public_url.clone();
    let tls = match sockets.https.is_some() || !sockets.sip_tls.is_empty() {
        true => {
            let (certificate, key) = certs::files(&config)?;
            Some(certs::watched(certificate, key, standing.clone()).await?)
        }
        false => None,
    };
    licence::watched(config.data_dir.clone(), config.trust_of_licences(), standing);
    let Web { api, admit } = web(desk.clone());
    let door = |local, transport| Door {
        edge: edge.clone(),
        admit: admit.clone(),
        local,
        transport,
        pace: Pace::default(),
    };
    if let (Some(listener), Some(tls)) = (sockets.https, tls.clone()) {
        let address = listener.local_addr()?;
        ready.https = Some(format!("https://{address}"));
        ready.sip_wss = Some(format!("wss://{address}/sip"));
        if config.listen.https.is_some_and(|a| a.port() == 0) {
            public_url = format!("https://{address}");
        }
        let readiness = https::Readiness { core: core.clone(), draining: draining.clone() };
        let sip = upgrade::router(door(address, Transport::Wss));
        let app = https::app(api, sip, desktop::router(), readiness);
        let handle = axum_server::Handle::new();
        servers.push(handle.clone());
        tokio::spawn(async move {
            if let Err(error) = https::serve(listener, tls, app, handle).await {
                tracing::error!(%error, "https stopped");
            }
        });
    }
    if let Some(listener) = sockets.http {
        ready.http = Some(format!("http://{}", listener.local_addr()?));
        let handle = axum_server::Handle::new();
        servers.push(handle.clone());
        tokio::spawn(async move {
            if let Err(error) = https::serve_insecure(listener, public_url, handle).await {
                tracing::error!(%error, "http stopped");
            }
        });
    }
    if let Some(listener) = sockets.sip_ws {
        let address = listener.local_addr()?;
        ready.sip_ws = Some(format!("ws://{address}/sip"));
        let sip = upgrade::router(door(address, Transport::Ws));
        let handle = axum_server::Handle::new();
        servers.push(handle.clone());
        tokio::spawn(async move {
            if let Err(error) = https::serve_ws(listener, sip, handle).await {
                tracing::error!(%error, "sip_ws stopped");
            }
        });
    }
    tokio::spawn(tcp::connect_wanted(wanted, outgoing, edge.clone()));
    core.post(Post::Listen(sockets.sip_udp)).await;
    for listener in sockets.sip_tcp {
        tokio::spawn(tcp::accept(tokio::net::TcpListener::from_std(listener)?, None, edge.clone()));
    }
    if let Some(tls) = tls.map(Incoming::new) {
        for listener in sockets.sip_tls {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            tokio::spawn(tcp::accept(listener, Some(tls.clone()), edge.clone()));
        }
    }
    let signals = Signals::listen().context("listening for signals")?;
    // The core has taken its sockets when it answers; only then is «ready» true.
    core.query(|_, _| ()).await.context("the core did not start")?;
    Ok(Service {
        ready,
        desk,
        draining,
        drain_max: config.drain_max,
        reloader,
        web: servers,
        streams,
        writer,
        core_ended,
        signals,
    })
}

fn gateway_config(config: &Config, sockets: &Sockets) -> anyhow::Result<GatewayConfig> {
    let mut locals = Vec::new();
    let mut local = |transport, bound: std::io::Result<SocketAddr>| -> anyhow::Result<()> {
        let bound = bound?;
        locals.push(Local { transport, bound, advertised: config.advertised(bound) });
        Ok(())
    };
    for socket in &sockets.sip_udp {
        local(Transport::Udp, socket.local_addr())?;
    }
    for listener in &sockets.sip_tcp {
        local(Transport::Tcp, listener.local_addr())?;
    }
    for listener in &sockets.sip_tls {
        local(Transport::Tls, listener.local_addr())?;
    }
    if let Some(listener) = &sockets.https {
        local(Transport::Wss, listener.local_addr())?;
    }
    if let Some(listener) = &sockets.sip_ws {
        local(Transport::Ws, listener.local_addr())?;
    }
    let (mut seed, mut incarnation) = ([0u8; 32], [0u8; 4]);
    getrandom::fill(&mut seed).map_err(|e| anyhow::anyhow!("the system has no randomness: {e}"))?;
    getrandom::fill(&mut incarnation).map_err(|e| anyhow::anyhow!("the system has no randomness: {e}"))?;
    Ok(GatewayConfig {
        domain: config.domain.clone(),
        realm: config.realm.clone(),
        locals,
        product: concat!("Hotseat/", env!("CARGO_PKG_VERSION")).into(),
        dial_plan: config.dial_plan.clone(),
        takeover: config.security.takeover,
        expires_min: config.registration.expires_min,
        expires_default: config.registration.expires_default,
        expires_max: config.registration.expires_max,
        ring_max: config.calls.ring_max,
        progress_max: config.calls.progress_max,
        seed,
        incarnation: u32::from_le_bytes(incarnation),
        calls_max: config.calls.calls_max,
        bindings_max: config.registration.bindings_max,
        pass_key: config.pass_key.clone(),
        digest_no_md5: config.security.digest_no_md5,
        phone_srtp: config.phones.srtp,
        phone_codecs: config.phones.codecs,
        watch_every: config.phones.watch_every,
    })
}

impl Service {
    /// Runs until SIGTERM or SIGINT, reading the configuration again at SIGHUP; then drains: no new calls, the present ones may end within the configured time; a
    /// second signal ends them at once. An error means that the core died.
    pub async fn until_stopped(mut self) -> anyhow::Result<()> {
        let Signals { term, int, hangup } = &mut self.signals;
        let reloader = self.reloader.clone();
        let reload = async {
            while hangup.recv().await.is_some() {
                reloader.reload_and_log().await;
            }
        };
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
            // Ends only with the process.
            () = reload => {}
            ended = &mut self.core_ended => anyhow::bail!("the core thread ended: {}", panic_text(ended)),
        }
        tracing::info!(limit_s = self.drain_max.as_secs(), "stopping: no new calls");
        self.draining.store(true, Ordering::Release);
        self.desk.core.post(Post::Command(Command::Drain)).await;
        tokio::select! {
            _ = drained(&self.desk.core) => {}
            _ = tokio::time::sleep(self.drain_max) => {}
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
        self.stop().await
    }

    /// Ends what is up, writes what is to be written, and leaves.
    pub async fn stop(self) -> anyhow::Result<()> {
        let core = self.desk.core.clone();
        core.post(Post::Command(Command::EndAll)).await;
        let _ = tokio::time::timeout(END_MAX, drained(&core)).await;
        for handle in &self.web {
            handle.graceful_shutdown(Some(Duration::from_millis(500)));
        }
        // Letters that wait are lost, and the audit log says so while there is one.
        let unsettled = self.desk.mailer.close().await;
        if unsettled > 0 {
            tracing::error!(unsettled, "letters were lost at the stop, and the audit log does not say which");
        }
        core.post(Post::Stop).await;
        let ended = self.core_ended.await;
        self.streams.close_all();
        // Those who read are told why before the process is gone.
        let _ = tokio::time::timeout(FAREWELL_MAX, self.streams.all_gone()).await;
        if !matches!(ended, Ok(Ok(()))) {
            anyhow::bail!("the core thread ended: {}", panic_text(ended));
        }
        // The core's side of the queue is gone with it; the writer ends when the last commit is done.
        if tokio::time::timeout(FLUSH_MAX, self.writer).await.is_err() {
            anyhow::bail!("the store did not finish writing within {} seconds", FLUSH_MAX.as_secs());
        }
        tracing::info!("stopped");
        Ok(())
    }
}

async fn drained(core: &CoreHandle) {
    while let Ok(false) = core.query(|gateway, _| gateway.is_drained()).await {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn panic_text(ended: Result<std::thread::Result<()>, tokio::task::JoinError>) -> String {
    match ended {
        Ok(Ok(())) => "without a reason".into(),
        Ok(Err(panic)) => match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
            (Some(text), _) => (*text).to_owned(),
            (_, Some(text)) => text.clone(),
            _ => "panicked".into(),
        },
        Err(error) => error.to_string(),
    }
}
