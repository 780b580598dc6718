//! The scenes of the contract, generic over the store.

mod accounts;
mod attempts;
mod audit;
mod claims;
mod factors;
mod resets;
mod rows;
mod twins;
mod vouched;
mod ways_out;

pub use accounts::*;
pub use attempts::*;
pub use audit::*;
pub use claims::*;
pub use factors::*;
pub use resets::*;
pub use rows::*;
pub use twins::*;
pub use vouched::*;
pub use ways_out::*;

use std::path::PathBuf;
use std::sync::Arc;
use store::{
    Claim, Claimed, NewAgent, NewDevice, SealingKey, Sqlite, Stage, Store, Upgrade, Way, WebSession,
};
use terms::{AgentId, Aor, Binding, DeviceId, Epoch, Flow, Ha1, Login, Place, Role, Typology, WallTime};

/// A store and shorthand for what scenes do with it.
pub struct Kit<S> {
    pub store: Arc<S>,
}

pub fn kit<S: Store>(store: S) -> Kit<S> {
    Kit { store: Arc::new(store) }
}

/// A folder of its own for each test, removed at its end.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new(name: &str) -> Folder {
        let folder = std::env::temp_dir().join(format!("hotseat-store-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        Folder(folder)
    }
    pub fn file(&self) -> PathBuf {
        self.0.join("hotseat.db")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub async fn open(folder: &Folder) -> Sqlite {
    Sqlite::open(folder.file(), SealingKey::generate([7; 32])).await.unwrap()
}

pub fn person(login_name: &str, extension: &str) -> NewAgent {
    NewAgent {
        login_name: login_name.into(),
        display_name: format!("{login_name} of {extension}"),
        extension: extension.into(),
        typology: Typology::External,
        dids: vec!["+4969100".into()],
        outbound_number: None,
        password_hash: Some("$argon2id$…".into()),
        role: Role::Agent,
        email: None,
        way: Way::Local,
    }
}

pub fn phone(name: &str) -> NewDevice {
    NewDevice {
        name: name.into(),
        label: format!("Phone {name}"),
        site: "Main".into(),
        floor: "2".into(),
        ha1: Ha1 { md5: [0xA1; 16], sha256: [0xA2; 32] },
    }
}

pub fn binding(device: &str, contact: &str, cseq: u32) -> Binding {
    Binding {
        aor: Aor::new(device, "hotseat.example"),
        contact: contact.into(),
        instance: Some("urn:uuid:00000000-0000-1000-8000-000A95A0E128".into()),
        reg_id: 1,
        call_id: "a84b4c76e66710@pc33".into(),
        cseq,
        q: 1000,
        expires: WallTime(3_600_000),
        registered: WallTime(1_000),
        flow: Flow::udp("192.0.2.1:5060".parse().unwrap(), "198.51.100.7:40312".parse().unwrap()),
        path: vec!["<sip:edge.example;lr>".into()],
        user_agent: "Desk/1.0 \"quoted\" Ünicode".into(),
    }
}

pub fn token(number: u8) -> [u8; 32] {
    [number; 32]
}

impl<S: Store> Kit<S> {
    pub async fn agents(&self, names: &[&str]) -> Vec<AgentId> {
        let list =
            names.iter().enumerate().map(|(at, name)| person(name, &(2001 + at).to_string())).collect();
        self.store.add_agents(list).await.unwrap()
    }
    pub async fn phones(&self, names: &[&str]) -> Vec<DeviceId> {
        self.store.add_devices(names.iter().map(|name| phone(name)).collect()).await.unwrap()
    }
    pub async fn pending(&self, agent: AgentId, number: u8, at: i64) {
        let session = WebSession {
            token_sha256: token(number),
            agent,
            login: None,
            csrf: "pending".into(),
            created: WallTime(at),
            expires: WallTime(at + 300_000),
            seen: WallTime(at),
            from: "192.0.2.44".into(),
            stage: Stage::In,
        };
        self.store.put_session(session).await.unwrap();
    }
    /// Sits down without a browser.
    pub async fn sit(&self, agent: AgentId, device: DeviceId, take_over: Option<u64>, at: i64) -> Claimed {
        self.store.claim_login(claim(agent, device, take_over, at), None).await.unwrap()
    }
    /// Sits down from a browser that has shown a password.
    pub async fn sit_from(
        &self,
        agent: AgentId,
        device: DeviceId,
        take_over: Option<u64>,
        at: i64,
        tokens: (u8, u8),
    ) -> Claimed {
        let upgrade = Upgrade {
            pending: token(tokens.0),
            token_sha256: token(tokens.1),
            csrf: "full".into(),
            expires: WallTime(at + 1_000_000),
        };
        self.store.claim_login(claim(agent, device, take_over, at), Some(upgrade)).await.unwrap()
    }
}

pub fn claim(agent: AgentId, device: DeviceId, take_over: Option<u64>, at: i64) -> Claim {
    Claim {
        agent,
        place: Place::Phone(device),
        take_over: take_over.map(Epoch),
        from: format!("192.0.2.{}", agent.0),
        at: WallTime(at),
    }
}

#[track_caller]
pub fn granted(claimed: Claimed) -> (Login, Option<Login>) {
    match claimed {
        Claimed::Granted { login, ended } => (login, ended),
        other => panic!("expected a grant, got {other:?}"),
    }
}
