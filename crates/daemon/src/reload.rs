//! Configuration while we run: the folder is read and checked whole; what may change under running calls changes, and
//! for the rest the answer says that it waits for a restart. One mistake anywhere, and nothing changes.

use crate::config::{Config, ConfigError, ConfigErrors};
use crate::core::{CoreHandle, Post};
use gateway::Command;
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;
use terms::{DirectoryChange, Rights, TakeoverPolicy, Trunk, TrunkId};
use tokio::sync::{Mutex, watch};

/// Reads the folder again when asked. Cheap to clone; one reload at a time.
#[derive(Clone)]
pub struct Reloader {
    running: Arc<Mutex<Running>>,
    core: CoreHandle,
    takeover: watch::Sender<TakeoverPolicy>,
    mailer: auth::mail::Mailer,
    ways: auth::ways::Ways,
    policies: watch::Sender<auth::Policies>,
    rights: watch::Sender<Rights>,
}

/// What the files say now, for whoever has to look: the receivers always hold what is in force.
#[derive(Clone)]
pub struct InForce {
    pub takeover: watch::Receiver<TakeoverPolicy>,
    pub policies: watch::Receiver<auth::Policies>,
    /// What roles may do.
    pub rights: watch::Receiver<Rights>,
}

/// What the service runs with now.
struct Running {
    config: Config,
    /// Ids of trunks are never used twice while we run: a record or a call of the old one must not become the new one's.
    trunk_last: TrunkId,
}

/// What a reload did.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Reloaded {
    /// Took effect: trunks by name, and the parts of the other files.
    pub changed: Vec<String>,
    /// Read, right, and without effect until the next start.
    pub waits: Vec<&'static str>,
}

impl Reloaded {
    /// One line for the log and for people.
    pub fn sentence(&self) -> String {
        let mut text = match self.changed.as_slice() {
            [] => "Nothing changed.".to_owned(),
            list => format!("Changed: {}.", list.join(", ")),
        };
        if !self.waits.is_empty() {
            text.push_str(&format!(" Waits for a restart: {}.", self.waits.join(", ")));
        }
        text
    }
}

impl Reloader {
    pub fn new(
        config: Config,
        core: CoreHandle,
        mailer: auth::mail::Mailer,
        ways: auth::ways::Ways,
    ) -> (Reloader, InForce) {
        let takeover = watch::Sender::new(config.security.takeover);
        let policies = watch::Sender::new(config.security.policies.clone());
        let rights = watch::Sender::new(config.security.rights.clone());
        let now = InForce {
            takeover: takeover.subscribe(),
            policies: policies.subscribe(),
            rights: rights.subscribe(),
        };
        let trunk_last = config.trunks.iter().map(|trunk| trunk.id).max().unwrap_or(TrunkId(0));
        let running = Arc::new(Mutex::new(Running { config, trunk_last }));
        (Reloader { running, core, takeover, policies, rights, mailer, ways }, now)
    }

    /// Reads, checks, applies. When it returns, the next call is routed by the new plan.
    pub async fn reload(&self) -> Result<Reloaded, ConfigErrors> {
        let mut running = self.running.lock().await;
        let Some(folder) = running.config.folder.clone() else {
            let sentence =
                "this service runs without a configuration folder; there is nothing to read again.";
            return Err(ConfigErrors(vec![whole("", sentence)]));
        };
        let read = tokio::task::spawn_blocking(move || Config::load(&folder)).await;
        let mut new =
            read.unwrap_or_else(|_| Err(ConfigErrors(vec![whole("", "the files were not read.")])))?;
        let keep_last = running.trunk_last;
        let (put, gone, last) = trunk_changes(&running.config.trunks, &mut new.trunks, keep_last);
        running.trunk_last = last;
        let done = differences(&running.config, &new, &put, &gone);

        // New trunks before the rules that name them, old ones after. Calls that are up hold what they need.
        self.directory(put.into_iter().map(DirectoryChange::Trunk).collect()).await;
        let command = Command::Reload {
            dial_plan: Box::new(new.dial_plan.clone()),
            takeover: new.security.takeover,
            digest_no_md5: new.security.digest_no_md5,
        };
        self.core.post(Post::Command(command)).await;
        self.directory(gone.into_iter().map(|trunk| DirectoryChange::TrunkGone(trunk.id)).collect()).await;
        self.takeover.send_replace(new.security.takeover);
        self.mailer.change(new.mail.clone());
        self.ways.set(new.directory.clone(), new.oidc.clone());
        self.policies.send_replace(new.security.policies.clone());
        self.rights.send_replace(new.security.rights.clone());
        // Posts are taken in order; this question is answered after all of them.
        let _ = self.core.query(|_, _| ()).await;

        let old = &mut running.config;
        old.trunks = new.trunks;
        old.dial_plan = new.dial_plan;
        old.mail = new.mail;
        old.directory = new.directory;
        old.oidc = new.oidc;
        old.security.takeover = new.security.takeover;
        old.security.policies = new.security.policies;
        old.security.digest_no_md5 = new.security.digest_no_md5;
        old.security.rights = new.security.rights;
        Ok(done)
    }

    /// The same, told to the log: for SIGHUP.
    pub async fn reload_and_log(&self) {
        match self.reload().await {
            Ok(done) => {
                tracing::info!(changed = ?done.changed, waits = ?done.waits, "configuration read again")
            }
            Err(errors) => {
                for error in &errors.0 {
                    tracing::error!(%error, "configuration has a mistake; nothing was changed");
                }
            }
        }
    }

    /// The same as one value, for `hotseat reload`.
    pub async fn answer(&self) -> serde_json::Value {
        match self.reload().await {
            Ok(done) => {
                json!({ "reloaded": true, "changed": done.changed, "waits": done.waits, "sentence": done.sentence() })
            }
            Err(errors) => {
                let one = |e: &ConfigError| json!({ "file": e.file, "line": e.line, "sentence": e.sentence });
                json!({ "reloaded": false, "errors": errors.0.iter().map(one).collect::<Vec<_>>() })
            }
        }
    }

    async fn directory(&self, changes: Vec<DirectoryChange>) {
        if !changes.is_empty() {
            self.core.post(Post::Directory(changes)).await;
        }
    }
}

fn whole(file: &str, sentence: &str) -> ConfigError {
    ConfigError { file: file.to_owned(), line: 0, sentence: sentence.to_owned() }
}

/// A trunk is who its name says: it keeps its id, a new name gets a new one. What is to be put, what is gone, and the
/// last id used.
fn trunk_changes(old: &[Trunk], new: &mut [Trunk], last: TrunkId) -> (Vec<Trunk>, Vec<Trunk>, TrunkId) {
    let mut last = last;
    for trunk in new.iter_mut() {
        trunk.id = match old.iter().find(|one| one.name == trunk.name) {
            Some(known) => known.id,
            None => {
                last = TrunkId(last.0 + 1);
                last
            }
        };
    }
    let put = new.iter().filter(|trunk| !old.contains(trunk)).cloned().collect();
    let gone = old.iter().filter(|one| !new.iter().any(|trunk| trunk.id == one.id)).cloned().collect();
    (put, gone, last)
}

fn differences(old: &Config, new: &Config, put: &[Trunk], gone: &[Trunk]) -> Reloaded {
    let mut done = Reloaded::default();
    let names: BTreeSet<&str> = put.iter().chain(gone).map(|trunk| trunk.name.as_str()).collect();
    done.changed.extend(names.into_iter().map(|name| format!("trunk {name}")));
    let mut changed = |differs: bool, what: &str| {
        if differs {
            done.changed.push(what.to_owned());
        }
    };
    changed(old.dial_plan != new.dial_plan, "dialplan.toml");
    changed(old.security.takeover != new.security.takeover, "takeover");
    changed(old.mail != new.mail, "mail.toml");
    changed(old.directory != new.directory, "directory.toml");
    changed(old.oidc != new.oidc, "oidc.toml");
    changed(old.security.policies.passwords != new.security.policies.passwords, "[passwords]");
    changed(old.security.policies.lockout != new.security.policies.lockout, "[lockout]");
    changed(old.security.policies.sessions != new.security.policies.sessions, "[session]");
    changed(old.security.policies.factors != new.security.policies.factors, "[factors]");
    changed(old.security.digest_no_md5 != new.security.digest_no_md5, "digest_no_md5");
    changed(old.security.rights != new.security.rights, "roles");

    // What is left when everything above is made equal needs sockets, tables or threads of another size.
    let mut rest = new.clone();
    rest.security.takeover = old.security.takeover;
    rest.security.policies = old.security.policies.clone();
    rest.security.digest_no_md5 = old.security.digest_no_md5;
    rest.security.rights = old.security.rights.clone();
    if rest.security.contact != old.security.contact {
        done.waits.push("contact of security.toml");
    }
    rest.security.contact.clone_from(&old.security.contact);
    if rest.security != old.security {
        done.waits.push("[limits] of security.toml");
    }
    rest.security = old.security.clone();
    rest.trunks.clone_from(&old.trunks);
    rest.dial_plan = old.dial_plan.clone();
    rest.mail = old.mail.clone();
    rest.directory = old.directory.clone();
    rest.oidc = old.oidc.clone();
    // The command line may have named another data folder than the file does.
    rest.data_dir.clone_from(&old.data_dir);
    // No file of the folder has it.
    rest.pass_key.clone_from(&old.pass_key);
    if rest != *old {
        done.waits.push("gateway.toml");
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trunk(id: u64, name: &str, max_calls: u32) -> Trunk {
        Trunk {
            id: TrunkId(id),
            name: name.into(),
            addresses: Vec::new(),
            accept_from: Vec::new(),
            domain: None,
            default_number: None,
            max_calls,
            codecs: Vec::new(),
            srtp: terms::Srtp::Off,
        }
    }

    #[test]
    fn a_trunk_keeps_its_id_by_name_and_no_id_comes_twice() {
        let old = [trunk(0, "main", 10), trunk(1, "second", 10)];
        let mut new = [trunk(0, "first", 5), trunk(1, "main", 20)];
        let (put, gone, last) = trunk_changes(&old, &mut new, TrunkId(1));
        assert_eq!(put, [trunk(2, "first", 5), trunk(0, "main", 20)]);
        assert_eq!((gone, last), (vec![trunk(1, "second", 10)], TrunkId(2)));
        let mut back = [trunk(0, "second", 10)];
        let (put, gone, last) = trunk_changes(&new, &mut back, last);
        assert_eq!((put, gone.len(), last), (vec![trunk(3, "second", 10)], 2, TrunkId(3)));
    }

    #[test]
    fn what_takes_effect_and_what_waits_are_told_apart() {
        let old = Config::development("data".into(), None);
        let mut new = old.clone();
        assert_eq!(differences(&old, &new, &[], &[]).sentence(), "Nothing changed.");
        new.security.takeover = TakeoverPolicy::Refuse;
        new.security.policies.lockout.wrong = 7;
        new.security.policies.sessions.rules.idle = Some(std::time::Duration::from_secs(60));
        new.security.policies.factors.required = vec![terms::Role::Agent];
        new.security.logins_per_minute += 1;
        new.domain = "other.test".into();
        new.data_dir = "elsewhere".into();
        let done = differences(&old, &new, &[trunk(1, "main", 1)], &[]);
        assert_eq!(done.changed, ["trunk main", "takeover", "[lockout]", "[session]", "[factors]"]);
        assert_eq!(done.waits, ["[limits] of security.toml", "gateway.toml"]);
    }
}
