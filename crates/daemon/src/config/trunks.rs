//! `trunks.toml`: the carriers and PBXes we exchange calls with.

use super::read::{Section, Source};
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use terms::{CodecName, Transport, Trunk, TrunkAddress, TrunkId, TrunkMatch};

pub(super) fn read(source: &Source) -> Vec<Trunk> {
    let table = source.parse();
    let mut top = Section::top(source, &table);
    let mut trunks: Vec<Trunk> = Vec::new();
    for (i, mut s) in top.sections("trunk").into_iter().enumerate() {
        let (name, at) = s.text("name").unwrap_or_default();
        if name.is_empty() {
            s.missing("name", "give the trunk a short name; the dial plan points at it.");
        } else if trunks.iter().any(|t| t.name == name) {
            s.error(at, format!("there are two trunks with the name \"{name}\"; rename one."));
        }
        let addresses = s
            .parsed_list::<Address>(
                "addresses",
                "\"192.0.2.10:5060\", \"tcp:192.0.2.10:5060\" for TCP, or \"tls:192.0.2.10:5061\" for TLS",
            )
            .unwrap_or_default();
        if addresses.is_empty() {
            s.missing("addresses", "write at least one, for example addresses = [\"192.0.2.10:5060\"].");
        }
        let accept_from = s
            .parsed_list::<Network>("accept_from", "\"192.0.2.0/24\", \"192.0.2.10\" or \"192.0.2.10:5060\"");
        let accept_from = match accept_from {
            Some(list) => list.into_iter().map(|(n, _)| n.0).collect(),
            // The addresses we call are the natural ones to be called from.
            None => addresses
                .iter()
                .map(|(a, _)| TrunkMatch {
                    network: a.0.address.ip(),
                    prefix: if a.0.address.is_ipv4() { 32 } else { 128 },
                    port: None,
                })
                .collect(),
        };
        let codecs = match s.texts("codecs") {
            None => vec![CodecName::Pcma, CodecName::Pcmu, CodecName::G722],
            Some(words) => super::codecs(&s, words),
        };
        trunks.push(Trunk {
            id: TrunkId(i as u64),
            name,
            addresses: addresses.into_iter().map(|(a, _)| a.0).collect(),
            accept_from,
            domain: s.text("domain").map(|(d, _)| d),
            default_number: s.text("default_number").map(|(n, _)| n),
            max_calls: s.number("max_calls", 0, 1_000_000).unwrap_or(100) as u32,
            codecs,
            srtp: super::srtp(&mut s).unwrap_or_default(),
        });
        s.finish();
    }
    top.finish();
    trunks
}

/// `[transport:]address:port`.
struct Address(TrunkAddress);

impl FromStr for Address {
    type Err = ();
    fn from_str(text: &str) -> Result<Address, ()> {
        let (transport, rest) = match text.split_once(':') {
            Some(("udp", rest)) => (Transport::Udp, rest),
            Some(("tcp", rest)) => (Transport::Tcp, rest),
            Some(("tls", rest)) => (Transport::Tls, rest),
            _ => (Transport::Udp, text),
        };
        let address = rest.parse().map_err(|_| ())?;
        Ok(Address(TrunkAddress { address, transport }))
    }
}

/// `network/prefix`, `address` or `address:port`.
pub(super) struct Network(pub(super) TrunkMatch);

impl FromStr for Network {
    type Err = ();
    fn from_str(text: &str) -> Result<Network, ()> {
        let full = |ip: IpAddr| if ip.is_ipv4() { 32 } else { 128 };
        if let Ok(address) = text.parse::<SocketAddr>() {
            let network = address.ip();
            return Ok(Network(TrunkMatch { network, prefix: full(network), port: Some(address.port()) }));
        }
        let (network, prefix) = match text.split_once('/') {
            Some((network, prefix)) => (network, Some(prefix.parse::<u8>().map_err(|_| ())?)),
            None => (text, None),
        };
        let network: IpAddr = network.parse().map_err(|_| ())?;
        let prefix = prefix.unwrap_or(full(network));
        if prefix > full(network) {
            return Err(());
        }
        Ok(Network(TrunkMatch { network, prefix, port: None }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trunk_networks_read_with_prefix_port_or_neither() {
        let m = |t: &str| t.parse::<Network>().map(|n| (n.0.prefix, n.0.port)).ok();
        assert_eq!(m("192.0.2.0/24"), Some((24, None)));
        assert_eq!(m("192.0.2.9"), Some((32, None)));
        assert_eq!(m("192.0.2.9:5080"), Some((32, Some(5080))));
        assert_eq!(m("2001:db8::/32"), Some((32, None)));
        assert_eq!(m("192.0.2.0/33"), None);
    }
}
