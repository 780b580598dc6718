//! The control socket in the data folder: the commands of the same machine ask the running service here. Only the
//! service's own user can open it.

use crate::core::CoreHandle;
use crate::reload::Reloader;
use crate::sync::Sync;
use crate::tap::Tap;
use serde_json::json;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::broadcast::error::RecvError;

/// Who connects says what it wants within this.
const ASK_MAX: Duration = Duration::from_secs(5);

pub fn path(data_dir: &Path) -> PathBuf {
    data_dir.join("control.sock")
}

/// Opens the socket. A file left over from a killed service is replaced; one that answers means two services on one
/// data folder, which must not be.
pub fn listen(data_dir: &Path) -> anyhow::Result<UnixListener> {
    let path = path(data_dir);
    if std::os::unix::net::UnixStream::connect(&path).is_ok() {
        anyhow::bail!(
            "another Hotseat is running on {}; stop it, or choose another data folder.",
            data_dir.display()
        );
    }
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// What questions are answered with.
#[derive(Clone)]
pub struct Desk {
    pub core: CoreHandle,
    pub tap: Tap,
    pub sync: Sync,
    pub reloader: Reloader,
}

pub async fn serve(listener: UnixListener, desk: Desk) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let desk = desk.clone();
                tokio::spawn(async move {
                    // Whoever asked has gone; there is nobody to tell.
                    let _ = answer(stream, desk).await;
                });
            }
            Err(error) => {
                tracing::warn!(%error, "control socket does not accept");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

async fn answer(mut stream: UnixStream, desk: Desk) -> std::io::Result<()> {
    let Desk { core, tap, sync, reloader } = desk;
    let (read, mut write) = stream.split();
    let mut word = String::new();
    let mut reader = BufReader::new(read.take(64));
    tokio::time::timeout(ASK_MAX, reader.read_line(&mut word)).await??;
    let answer = match word.trim() {
        "trace" => {
            let mut passed = tap.listen();
            loop {
                let line = match passed.recv().await {
                    Ok(passed) => serde_json::to_string(&passed)?,
                    Err(RecvError::Lagged(missed)) => json!({ "missed": missed }).to_string(),
                    Err(RecvError::Closed) => return Ok(()),
                };
                write.write_all(line.as_bytes()).await?;
                write.write_all(b"\n").await?;
            }
        }
        // A command wrote rows: it returns when the core knows them.
        "sync" => match tokio::time::timeout(ASK_MAX, sync.up_to_now()).await {
            Ok(true) => Some(json!({ "known": true })),
            Ok(false) | Err(_) => Some(json!({ "error": "the store does not tell what changed" })),
        },
        "reload" => Some(reloader.answer().await),
        "calls" => core.query(|gateway, _| calls_json(gateway)).await.ok(),
        "phones" => core.query(phones_json).await.ok(),
        "counters" => {
            let count = |c: &std::sync::atomic::AtomicU64| c.load(std::sync::atomic::Ordering::Relaxed);
            let c = &core.counters;
            let held = core.query(|gateway, _| held_json(gateway)).await.unwrap_or_default();
            let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
            Some(json!({
                "tasks": tasks, "held": held,
                "udp_received": count(&c.udp_received), "udp_sent": count(&c.udp_sent), "udp_lost": count(&c.udp_lost),
                "stream_dropped": count(&c.stream_dropped), "store_busy": count(&c.store_busy),
            }))
        }
        _ => Some(json!({ "error": "unknown question" })),
    };
    let answer = answer.unwrap_or_else(|| json!({ "error": "the core does not answer" }));
    write.write_all(format!("{answer}\n").as_bytes()).await
}

/// How many entries the gateway's tables have now: after everybody has gone they are what they were before.
fn held_json(gateway: &gateway::Gateway) -> serde_json::Value {
    json!({
        "calls": gateway.calls_alive(), "call_tables": gateway.call_tables(),
        "browser_tables": gateway.browser_tables(), "bindings": gateway.registrar().len(),
        "watched": gateway.watched(),
    })
}

fn calls_json(gateway: &gateway::Gateway) -> serde_json::Value {
    let calls = gateway.calls().into_iter().map(|c| {
        json!({
            "call": c.call.to_string(), "agent": c.agent, "device": c.device,
            "from": c.from.reveal(), "to": c.to.reveal(),
            "started": c.started.to_string(), "answered": c.answered.map(|t| t.to_string()),
        })
    });
    calls.collect()
}

fn phones_json(gateway: &gateway::Gateway, now: terms::Now) -> serde_json::Value {
    let phones = gateway.phones(now).into_iter().map(|p| {
        json!({
            "device": p.device, "state": p.state, "since": p.since.to_string(), "contact": p.contact,
            "flow": p.flow.map(|f| f.to_string()), "user_agent": p.user_agent,
            "expires": p.expires.map(|t| t.to_string()),
        })
    });
    phones.collect()
}

/// Waits until the service on this data folder, where one is running, knows the rows that were just written.
pub fn sync(data_dir: &Path) -> Result<(), String> {
    match ask(data_dir, "sync") {
        Some(answer) if answer["known"] != true => {
            Err(answer["error"].as_str().unwrap_or("it does not answer").to_owned())
        }
        _ => Ok(()),
    }
}

/// Asks a running service one question; `None` when none is running on this data folder.
pub fn ask(data_dir: &Path, question: &str) -> Option<serde_json::Value> {
    use std::io::{Read, Write};
    let mut stream = std::os::unix::net::UnixStream::connect(path(data_dir)).ok()?;
    // A little more than the service takes at most to say that it cannot.
    stream.set_read_timeout(Some(ASK_MAX + Duration::from_secs(1))).ok()?;
    stream.write_all(format!("{question}\n").as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    serde_json::from_str(&answer).ok()
}
