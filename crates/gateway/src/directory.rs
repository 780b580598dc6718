//! Who and what exists, in memory: agents, devices and trunks, each found by the words that arrive in messages.

use ahash::AHashMap;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use terms::{Agent, AgentId, Aor, Device, DeviceId, Trunk, TrunkId};

/// A device and its address of record.
#[derive(Clone, Debug)]
pub struct Phone {
    pub device: Device,
    pub aor: Aor,
}

/// The core's copy of the directory; the store has the truth and sends what changes.
#[derive(Debug, Default)]
pub struct Directory {
    domain: String,
    agents: AHashMap<AgentId, Agent>,
    by_extension: AHashMap<String, AgentId>,
    by_did: AHashMap<String, AgentId>,
    phones: AHashMap<DeviceId, Phone>,
    by_name: AHashMap<String, DeviceId>,
    trunks: BTreeMap<TrunkId, Trunk>,
}

impl Directory {
    pub fn new(domain: &str) -> Directory {
        Directory { domain: domain.to_ascii_lowercase(), ..Directory::default() }
    }
    pub fn domain(&self) -> &str {
        &self.domain
    }

    pub fn put_agent(&mut self, agent: Agent) {
        self.drop_agent(agent.id);
        self.by_extension.insert(agent.extension.clone(), agent.id);
        for did in &agent.dids {
            self.by_did.insert(did_key(did).to_owned(), agent.id);
        }
        self.agents.insert(agent.id, agent);
    }
    pub fn drop_agent(&mut self, id: AgentId) {
        let Some(old) = self.agents.remove(&id) else { return };
        // Another agent may have taken over the number in the meantime; its entry stays.
        if self.by_extension.get(&old.extension) == Some(&id) {
            self.by_extension.remove(&old.extension);
        }
        for did in &old.dids {
            if self.by_did.get(did_key(did)) == Some(&id) {
                self.by_did.remove(did_key(did));
            }
        }
    }
    pub fn put_device(&mut self, device: Device) {
        self.drop_device(device.id);
        let aor = Aor::new(&device.name, &self.domain);
        self.by_name.insert(device.name.clone(), device.id);
        self.phones.insert(device.id, Phone { device, aor });
    }
    pub fn drop_device(&mut self, id: DeviceId) -> Option<Phone> {
        let old = self.phones.remove(&id)?;
        if self.by_name.get(&old.device.name) == Some(&id) {
            self.by_name.remove(&old.device.name);
        }
        Some(old)
    }
    pub fn put_trunk(&mut self, trunk: Trunk) {
        self.trunks.insert(trunk.id, trunk);
    }
    pub fn drop_trunk(&mut self, id: TrunkId) {
        self.trunks.remove(&id);
    }

    pub fn agent(&self, id: AgentId) -> Option<&Agent> {
        self.agents.get(&id)
    }
    pub fn agent_at_extension(&self, extension: &str) -> Option<&Agent> {
        self.agents.get(self.by_extension.get(extension)?)
    }
    /// By direct number, as the trunk presents it; a leading `+` or `00` makes no difference.
    pub fn agent_at_did(&self, number: &str) -> Option<&Agent> {
        self.agents.get(self.by_did.get(did_key(number))?)
    }
    pub fn phone(&self, id: DeviceId) -> Option<&Phone> {
        self.phones.get(&id)
    }
    pub fn phone_named(&self, name: &str) -> Option<&Phone> {
        self.phones.get(self.by_name.get(name)?)
    }
    pub fn phones(&self) -> impl Iterator<Item = &Phone> {
        self.phones.values()
    }
    pub fn trunk(&self, id: TrunkId) -> Option<&Trunk> {
        self.trunks.get(&id)
    }
    pub fn trunk_named(&self, name: &str) -> Option<&Trunk> {
        self.trunks.values().find(|trunk| trunk.name == name)
    }
    pub fn first_trunk(&self) -> Option<&Trunk> {
        self.trunks.values().next()
    }
    /// Whose call this is when it comes from there. By address and by nothing else.
    pub fn trunk_at(&self, peer: SocketAddr) -> Option<&Trunk> {
        self.trunks.values().find(|trunk| trunk.accept_from.iter().any(|one| one.matches(peer)))
    }
    /// The device of this address of record, if it is one of ours.
    pub fn device_of(&self, aor: &Aor) -> Option<DeviceId> {
        if !aor.domain().eq_ignore_ascii_case(&self.domain) {
            return None;
        }
        self.by_name.get(aor.user()).copied()
    }
}

/// A direct number without what carriers write differently.
fn did_key(number: &str) -> &str {
    number.strip_prefix('+').or_else(|| number.strip_prefix("00")).unwrap_or(number)
}
