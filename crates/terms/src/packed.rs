//! A binding in few bytes, as the registrar remembers it and as the store writes it down: about a hundred where the value
//! takes four, and read without touching the heap.
//!
//! A byte that names the layout, then the fields in the order of [`PackedRef`]. Numbers are written seven bits a byte, lowest
//! first; texts with their length before them. What was packed is durable: a new layout gets a new first byte, and the
//! old one is still read.

use crate::{Aor, Binding, ConnectionId, Flow, Transport, WallTime};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

/// The layout written today.
const LAYOUT: u8 = 1;
const TRANSPORTS: [Transport; 5] =
    [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Ws, Transport::Wss];

/// A binding without its address of record, which is the key wherever bindings are kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Packed(Box<[u8]>);

/// A packed binding, open to be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PackedRef<'a> {
    pub contact: &'a str,
    pub instance: Option<&'a str>,
    pub reg_id: u32,
    pub call_id: &'a str,
    pub cseq: u32,
    pub q: u16,
    pub expires: WallTime,
    pub registered: WallTime,
    pub flow: Flow,
    pub user_agent: &'a str,
    /// How many Path values, and they themselves.
    paths: usize,
    path: &'a [u8],
}

impl Packed {
    pub fn of(binding: &Binding) -> Packed {
        let mut bytes = Vec::with_capacity(256);
        pack(binding, &mut bytes);
        Packed(bytes.into_boxed_slice())
    }

    pub fn get(&self) -> PackedRef<'_> {
        PackedRef::read(&self.0).expect("only `of` makes one, and what it writes reads back")
    }
}

/// Appends the packed binding.
pub fn pack(binding: &Binding, out: &mut Vec<u8>) {
    out.push(LAYOUT);
    text(out, &binding.contact);
    match &binding.instance {
        None => out.push(0),
        Some(instance) => {
            out.push(1);
            text(out, instance);
        }
    }
    number(out, u64::from(binding.reg_id));
    text(out, &binding.call_id);
    number(out, u64::from(binding.cseq));
    number(out, u64::from(binding.q));
    number(out, binding.expires.0 as u64);
    number(out, binding.registered.0 as u64);
    out.push(binding.flow.transport as u8);
    address(out, binding.flow.local);
    address(out, binding.flow.peer);
    number(out, binding.flow.connection.0);
    text(out, &binding.user_agent);
    number(out, binding.path.len() as u64);
    binding.path.iter().for_each(|one| text(out, one));
}

fn number(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

fn text(out: &mut Vec<u8>, text: &str) {
    number(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

fn address(out: &mut Vec<u8>, address: SocketAddr) {
    match address {
        SocketAddr::V4(v4) => {
            out.push(4);
            out.extend_from_slice(&v4.ip().octets());
        }
        SocketAddr::V6(v6) => {
            out.push(6);
            out.extend_from_slice(&v6.ip().octets());
            number(out, u64::from(v6.flowinfo()));
            number(out, u64::from(v6.scope_id()));
        }
    }
    out.extend_from_slice(&address.port().to_be_bytes());
}

impl<'a> PackedRef<'a> {
    /// `None` where the bytes are not one whole packed binding and nothing else: a file may have been changed by anybody.
    pub fn read(bytes: &'a [u8]) -> Option<PackedRef<'a>> {
        let mut from = Reader(bytes);
        if from.byte()? != LAYOUT {
            return None;
        }
        let mut read = PackedRef {
            contact: from.text()?,
            instance: match from.byte()? {
                0 => None,
                1 => Some(from.text()?),
                _ => return None,
            },
            reg_id: from.small()?,
            call_id: from.text()?,
            cseq: from.small()?,
            q: u16::try_from(from.number()?).ok()?,
            expires: WallTime(from.number()? as i64),
            registered: WallTime(from.number()? as i64),
            flow: from.flow()?,
            user_agent: from.text()?,
            paths: 0,
            path: &[],
        };
        read.paths = usize::try_from(from.number()?).ok()?;
        read.path = from.0;
        for _ in 0..read.paths {
            from.text()?;
        }
        from.0.is_empty().then_some(read)
    }

    pub fn path(&self) -> impl Iterator<Item = &'a str> {
        let mut from = Reader(self.path);
        (0..self.paths).map_while(move |_| from.text())
    }

    pub fn binding(&self, aor: Aor) -> Binding {
        Binding {
            aor,
            contact: self.contact.to_owned(),
            instance: self.instance.map(str::to_owned),
            reg_id: self.reg_id,
            call_id: self.call_id.to_owned(),
            cseq: self.cseq,
            q: self.q,
            expires: self.expires,
            registered: self.registered,
            flow: self.flow,
            path: self.path().map(str::to_owned).collect(),
            user_agent: self.user_agent.to_owned(),
        }
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn number(&mut self) -> Option<u64> {
        let mut n = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            // The tenth byte has room for one bit.
            if shift == 63 && bits > 1 {
                return None;
            }
            n |= bits << shift;
            if byte & 0x80 == 0 {
                return Some(n);
            }
        }
        None
    }

    fn small(&mut self) -> Option<u32> {
        u32::try_from(self.number()?).ok()
    }

    fn text(&mut self) -> Option<&'a str> {
        let length = usize::try_from(self.number()?).ok()?;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        std::str::from_utf8(text).ok()
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*array)
    }

    fn flow(&mut self) -> Option<Flow> {
        Some(Flow {
            transport: TRANSPORTS.get(usize::from(self.byte()?)).copied()?,
            local: self.address()?,
            peer: self.address()?,
            connection: ConnectionId(self.number()?),
        })
    }

    fn address(&mut self) -> Option<SocketAddr> {
        let (ip, flowinfo, scope_id) = match self.byte()? {
            4 => (IpAddr::V4(Ipv4Addr::from(self.array::<4>()?)), 0, 0),
            6 => (IpAddr::V6(Ipv6Addr::from(self.array::<16>()?)), self.small()?, self.small()?),
            _ => return None,
        };
        let port = u16::from_be_bytes(self.array()?);
        Some(match ip {
            IpAddr::V4(ip) => SocketAddr::from((ip, port)),
            IpAddr::V6(ip) => SocketAddrV6::new(ip, port, flowinfo, scope_id).into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bindings() -> [Binding; 3] {
        let plain = Binding {
            aor: Aor::new("desk-17", "hotseat.test"),
            contact: "sip:desk-17@198.51.100.7:5060".into(),
            instance: None,
            reg_id: 0,
            call_id: "a84b4c76e66710".into(),
            cseq: 1,
            q: 1000,
            expires: WallTime(1_795_444_325_120),
            registered: WallTime(1_795_444_025_120),
            flow: Flow::udp("192.0.2.1:5060".parse().unwrap(), "198.51.100.7:40312".parse().unwrap()),
            path: vec![],
            user_agent: String::new(),
        };
        let rich = Binding {
            contact: "sip:jürgen@[2001:db8::9]:5071;transport=tls".into(),
            instance: Some("urn:uuid:00000000-0000-1000-8000-000a95a0e128".into()),
            reg_id: u32::MAX,
            cseq: u32::MAX,
            q: 0,
            expires: WallTime(i64::MAX),
            registered: WallTime(-1),
            flow: Flow {
                transport: Transport::Wss,
                local: SocketAddrV6::new("fe80::1".parse().unwrap(), 443, 7, 3).into(),
                peer: "[2001:db8::9]:5071".parse().unwrap(),
                connection: ConnectionId(u64::MAX),
            },
            path: vec!["<sip:edge.test;lr>".into(), "<sip:b.test;lr>".into()],
            user_agent: "A Desk Phone 4.2.0".into(),
            ..plain.clone()
        };
        // An instance of no characters is not the same as none.
        let named = Binding { instance: Some(String::new()), ..plain.clone() };
        [plain, rich, named]
    }

    #[test]
    fn a_binding_comes_back_as_it_went_in() {
        for binding in bindings() {
            let packed = Packed::of(&binding);
            assert_eq!(packed.get().binding(binding.aor.clone()), binding);
        }
        assert!(Packed::of(&bindings()[0]).0.len() < 100);
    }

    #[test]
    fn every_transport_keeps_its_number() {
        for (at, transport) in TRANSPORTS.into_iter().enumerate() {
            assert_eq!(transport as usize, at);
        }
    }

    #[test]
    fn what_was_cut_or_changed_never_panics_and_nothing_cut_reads() {
        for binding in bindings() {
            let whole = Packed::of(&binding).0.into_vec();
            for cut in 0..whole.len() {
                assert_eq!(PackedRef::read(&whole[..cut]), None, "{cut}");
            }
            for at in 0..whole.len() {
                for bit in 0..8 {
                    let mut changed = whole.clone();
                    changed[at] ^= 1 << bit;
                    if let Some(read) = PackedRef::read(&changed) {
                        let _ = read.binding(binding.aor.clone());
                    }
                }
            }
            let mut longer = whole.clone();
            longer.push(0);
            assert_eq!(PackedRef::read(&longer), None);
        }
    }
}
