//! Keeps the core's picture of agents, phones and logins equal to the rows: at start as a whole, then change by change.

use crate::core::wall_now;
use crate::core::{CoreHandle, Post};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use store::{Changes, Store};
use terms::{AgentId, DeviceId, DirectoryChange, Login, LoginId, StoreError, Trunk};
use tokio::sync::{Notify, mpsc, oneshot};

/// A row changed by another process is known to the core after this long at the latest.
const POLL_EVERY: Duration = Duration::from_millis(100);
/// While the store fails, it is asked less often.
const POLL_FAILED: Duration = Duration::from_secs(1);
/// Logins looked through for those that ended out of sight.
const HISTORY_MAX: u32 = 10_000;

/// Commands that wait to be told that the core knows what they wrote; more of them wait for their turn to ask.
const ASKING_MAX: usize = 64;

/// Whoever wrote a row asks here when it must be known before they go on.
#[derive(Clone)]
pub struct Sync {
    asking: mpsc::Sender<oneshot::Sender<()>>,
}

impl Sync {
    pub fn new() -> (Sync, mpsc::Receiver<oneshot::Sender<()>>) {
        let (asking, asked) = mpsc::channel(ASKING_MAX);
        (Sync { asking }, asked)
    }

    /// True once everything that was in the store before the call is in the core; false where the store does not tell.
    pub async fn up_to_now(&self) -> bool {
        let (done, told) = oneshot::channel();
        self.asking.send(done).await.is_ok() && told.await.is_ok()
    }
}

/// The ids the core knows of, so that a full listing tells what is gone.
#[derive(Default)]
struct Known {
    agents: HashSet<AgentId>,
    devices: HashSet<DeviceId>,
    logins: HashSet<LoginId>,
}

/// Where the core's picture stands.
#[derive(Default)]
pub struct Picture {
    seq: u64,
    known: Known,
}

/// Puts everything the store knows before the core, so that the first message finds it.
pub async fn restore(store: &impl Store, core: &CoreHandle, trunks: &[Trunk]) -> Result<Picture, StoreError> {
    let lost = store.close_lost_records(wall_now()).await?;
    if lost > 0 {
        tracing::warn!(calls = lost, "calls were lost when the service was interrupted");
    }
    let all = store.changes_since(0).await?;
    let bindings = store.bindings().await?;
    tracing::info!(
        agents = all.agents.len(),
        phones = all.devices.len(),
        bindings = bindings.len(),
        logins = all.logins.len(),
        "state restored"
    );
    let trunks = trunks.iter().cloned().map(DirectoryChange::Trunk).collect();
    core.post(Post::Directory(trunks)).await;
    let mut picture = Picture::default();
    // Phones before their bindings, bindings before the logins that route to them.
    let (directory, logins) = picture.take(all);
    core.post(Post::Directory(directory)).await;
    core.post(Post::Restored(bindings)).await;
    core.post(Post::Logins(logins)).await;
    Ok(picture)
}

/// Follows the rows until the process ends. `poked` makes it look at once.
pub async fn follow(
    store: Arc<impl Store>,
    core: CoreHandle,
    mut picture: Picture,
    poked: Arc<Notify>,
    mut asked: mpsc::Receiver<oneshot::Sender<()>>,
) {
    let mut failing = false;
    loop {
        let mut waiting = Vec::new();
        let wait = if failing { POLL_FAILED } else { POLL_EVERY };
        tokio::select! {
            _ = poked.notified() => {}
            Some(done) = asked.recv() => waiting.push(done),
            _ = tokio::time::sleep(wait) => {}
        }
        // Who asked before this look is answered by it.
        while let Ok(done) = asked.try_recv() {
            waiting.push(done);
        }
        match store.changes_since(picture.seq).await {
            Ok(changes) => {
                if failing {
                    tracing::info!("store answers again");
                    failing = false;
                }
                let lost = picture.lost_logins(&changes);
                let (directory, mut logins) = picture.take(changes);
                logins.extend(ended_rows(&*store, lost).await);
                // Logins before removals: a removed agent's login ends first, so that its end is told with its reason.
                let (gone, come): (Vec<_>, Vec<_>) = directory.into_iter().partition(|c| {
                    matches!(c, DirectoryChange::AgentGone(_) | DirectoryChange::DeviceGone(_))
                });
                post_some(&core, come, Post::Directory).await;
                post_some(&core, logins, Post::Logins).await;
                post_some(&core, gone, Post::Directory).await;
                // Posts are taken in order: when this question is answered, everything above is known.
                if !waiting.is_empty() && core.query(|_, _| ()).await.is_ok() {
                    waiting.into_iter().for_each(|done| _ = done.send(()));
                }
            }
            Err(error) => {
                if !failing {
                    tracing::error!(%error, "store does not tell what changed");
                }
                failing = true;
            }
        }
    }
}

async fn post_some<T>(core: &CoreHandle, what: Vec<T>, post: impl Fn(Vec<T>) -> Post) {
    if !what.is_empty() {
        core.post(post(what)).await;
    }
}

impl Picture {
    /// Logins a full listing should have shown and did not: they ended out of sight.
    fn lost_logins(&self, changes: &Changes) -> Vec<LoginId> {
        if !changes.full {
            return Vec::new();
        }
        let open: HashSet<_> = changes.logins.iter().map(|l| l.id).collect();
        self.known.logins.difference(&open).copied().collect()
    }

    /// Moves the picture on; what the core must be told comes back.
    fn take(&mut self, changes: Changes) -> (Vec<DirectoryChange>, Vec<Login>) {
        self.seq = changes.seq;
        let known = &mut self.known;
        let (mut agents_gone, mut devices_gone) = (changes.agents_gone, changes.devices_gone);
        if changes.full {
            let agents: HashSet<_> = changes.agents.iter().map(|a| a.id).collect();
            let devices: HashSet<_> = changes.devices.iter().map(|d| d.id).collect();
            agents_gone.extend(known.agents.difference(&agents).copied());
            devices_gone.extend(known.devices.difference(&devices).copied());
        }
        known.agents.extend(changes.agents.iter().map(|a| a.id));
        known.devices.extend(changes.devices.iter().map(|d| d.id));
        agents_gone.iter().for_each(|id| _ = known.agents.remove(id));
        devices_gone.iter().for_each(|id| _ = known.devices.remove(id));
        for login in &changes.logins {
            match login.ended {
                None => known.logins.insert(login.id),
                Some(_) => known.logins.remove(&login.id),
            };
        }
        let mut directory: Vec<DirectoryChange> = Vec::new();
        directory.extend(changes.agents.into_iter().map(DirectoryChange::Agent));
        directory.extend(changes.devices.into_iter().map(DirectoryChange::Device));
        directory.extend(agents_gone.into_iter().map(DirectoryChange::AgentGone));
        directory.extend(devices_gone.into_iter().map(DirectoryChange::DeviceGone));
        (directory, changes.logins)
    }
}

/// The rows of logins that ended while the list of changes did not reach back far enough.
async fn ended_rows(store: &impl Store, lost: Vec<LoginId>) -> Vec<Login> {
    if lost.is_empty() {
        return Vec::new();
    }
    match store.login_history(HISTORY_MAX).await {
        Ok(rows) => rows.into_iter().filter(|l| lost.contains(&l.id)).collect(),
        Err(_) => Vec::new(),
    }
}
