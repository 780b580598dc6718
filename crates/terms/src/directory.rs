//! Who and what exists: agents, devices, trunks. The core keeps these in memory and is told of changes.

use crate::{AgentId, DeviceId, Srtp, Transport, TrunkId};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// How an agent works; only an administrator sets it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Typology {
    /// Takes calls in the browser.
    Webrtc,
    /// Chooses a desk phone when logging in.
    External,
    /// Uses the compact softphone window.
    Phonebar,
}

/// What a person may do beside taking calls. Which rights that means is configured.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    #[default]
    Agent,
    /// Looks after the people of a shift.
    Supervisor,
    /// Looks after phones.
    Engineer,
    Administrator,
}

impl Role {
    /// As in rows, the configuration and the API.
    pub fn word(self) -> &'static str {
        match self {
            Role::Agent => "agent",
            Role::Supervisor => "supervisor",
            Role::Engineer => "engineer",
            Role::Administrator => "administrator",
        }
    }
}

/// A person with a login name and an extension. The password lives with `auth`, not here.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Agent {
    pub id: AgentId,
    /// Unique, compared case-insensitively (SPEC A9).
    pub login_name: String,
    pub display_name: String,
    pub extension: String,
    pub typology: Typology,
    /// Direct numbers that ring this agent, as the trunk presents them.
    pub dids: Vec<String>,
    /// Caller id for calls to the outside; the trunk's number where empty.
    pub outbound_number: Option<String>,
    pub enabled: bool,
}

/// H(username:realm:password) of RFC 7616 §3.4.2, once per algorithm. As good as the password: never prints.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ha1 {
    pub md5: [u8; 16],
    pub sha256: [u8; 32],
}

impl fmt::Debug for Ha1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ha1(…)")
    }
}

/// Something that registers. Its name is the user part of its address of record and its digest username.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Device {
    pub id: DeviceId,
    pub name: String,
    pub label: String,
    pub site: String,
    pub floor: String,
    pub ha1: Ha1,
    pub enabled: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum CodecName {
    Pcmu,
    Pcma,
    G722,
    Opus,
}

/// Codecs in the order somebody prefers them, each once. Empty means that nobody said.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Codecs([Option<CodecName>; 4]);

impl Codecs {
    pub fn new(names: &[CodecName]) -> Codecs {
        let mut list = Codecs::default();
        for name in names {
            // There are four names and none comes twice, so there is always room.
            if !list.iter().any(|known| known == *name)
                && let Some(place) = list.0.iter_mut().find(|place| place.is_none())
            {
                *place = Some(*name);
            }
        }
        list
    }

    pub fn iter(&self) -> impl Iterator<Item = CodecName> + '_ {
        self.0.iter().flatten().copied()
    }

    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }
}

/// One address of a trunk; several are tried in order.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TrunkAddress {
    pub address: SocketAddr,
    pub transport: Transport,
}

/// Requests from this network belong to the trunk. `port` narrows it to one source port (several peers on one host).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TrunkMatch {
    pub network: IpAddr,
    pub prefix: u8,
    pub port: Option<u16>,
}

impl TrunkMatch {
    pub fn matches(&self, peer: SocketAddr) -> bool {
        if self.port.is_some_and(|port| port != peer.port()) {
            return false;
        }
        match (self.network, peer.ip()) {
            (IpAddr::V4(a), IpAddr::V4(b)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix.min(32))).unwrap_or(0);
                u32::from(a) & mask == u32::from(b) & mask
            }
            (IpAddr::V6(a), IpAddr::V6(b)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix.min(128))).unwrap_or(0);
                u128::from(a) & mask == u128::from(b) & mask
            }
            _ => false,
        }
    }
}

/// A carrier or PBX, authenticated by address.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Trunk {
    pub id: TrunkId,
    pub name: String,
    /// Where our calls go, tried in order (failover on 503, timeout or transport error).
    pub addresses: Vec<TrunkAddress>,
    /// Whose calls we take as this trunk's.
    pub accept_from: Vec<TrunkMatch>,
    /// Host part of From, To and Request-URI towards it; the address itself where empty.
    pub domain: Option<String>,
    /// Caller id where the agent has none.
    pub default_number: Option<String>,
    /// Calls at once, both directions together; 0 refuses all.
    pub max_calls: u32,
    /// What may be offered to it, preferred first.
    pub codecs: Vec<CodecName>,
    #[serde(default)]
    pub srtp: Srtp,
}

/// What changed in the directory; applying one twice changes nothing.
#[derive(Clone, PartialEq, Debug)]
pub enum DirectoryChange {
    Agent(Agent),
    AgentGone(AgentId),
    Device(Device),
    DeviceGone(DeviceId),
    Trunk(Trunk),
    TrunkGone(TrunkId),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trunk_is_known_by_network_and_if_asked_by_port() {
        let net = TrunkMatch { network: "192.0.2.0".parse().unwrap(), prefix: 24, port: None };
        assert!(net.matches("192.0.2.77:5060".parse().unwrap()));
        assert!(!net.matches("192.0.3.77:5060".parse().unwrap()));
        assert!(!net.matches("[2001:db8::1]:5060".parse().unwrap()));
        let one = TrunkMatch { port: Some(5080), ..net.clone() };
        assert!(one.matches("192.0.2.77:5080".parse().unwrap()));
        assert!(!one.matches("192.0.2.77:5060".parse().unwrap()));
        let all = TrunkMatch { network: "0.0.0.0".parse().unwrap(), prefix: 0, port: None };
        assert!(all.matches("203.0.113.9:1".parse().unwrap()));
    }
}
