//! STUN messages (RFC 8489) as ICE uses them: read without copying, checked, and written with integrity and
//! fingerprint. Nothing here believes a message; whoever asks [`Message::is_signed_by`] does.

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use smallvec::SmallVec;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// RFC 8489 §5: type, length, cookie, transaction.
const HEADER: usize = 20;
/// RFC 8489 §5: what tells STUN from everything else on a port.
const COOKIE: u32 = 0x2112_a442;
/// RFC 8489 §14.7.
const FINGERPRINT_XOR: u32 = 0x5354_554e;
/// A check has about eight attributes; nobody needs more than this many.
const ATTRIBUTES_MAX: usize = 32;
/// Unknown attributes named in a 420.
const UNKNOWN_MAX: usize = 8;

/// The only method ICE uses (RFC 8489 §3).
pub const BINDING: u16 = 1;

/// Attribute types (RFC 8489 §18.3, RFC 8445 §16.1).
pub mod attribute {
    pub const MAPPED_ADDRESS: u16 = 0x0001;
    pub const USERNAME: u16 = 0x0006;
    pub const MESSAGE_INTEGRITY: u16 = 0x0008;
    pub const ERROR_CODE: u16 = 0x0009;
    pub const UNKNOWN_ATTRIBUTES: u16 = 0x000a;
    pub const MESSAGE_INTEGRITY_SHA256: u16 = 0x001c;
    pub const XOR_MAPPED_ADDRESS: u16 = 0x0020;
    pub const PRIORITY: u16 = 0x0024;
    pub const USE_CANDIDATE: u16 = 0x0025;
    pub const FINGERPRINT: u16 = 0x8028;
    pub const ICE_CONTROLLED: u16 = 0x8029;
    pub const ICE_CONTROLLING: u16 = 0x802a;
}
use attribute::*;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    Request,
    Indication,
    Success,
    Error,
}

/// Names a request and its response.
pub type Transaction = [u8; 12];

/// Why bytes are no STUN message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("no STUN header")]
    NoHeader,
    #[error("the length in the header is not that of the datagram")]
    Length,
    #[error("attribute {0:#06x} reaches beyond the message or has no valid length")]
    Attribute(u16),
    #[error("more than {ATTRIBUTES_MAX} attributes")]
    TooMany,
    #[error("the fingerprint does not fit or is not at the end")]
    Fingerprint,
}

/// A message as it was read. What stands behind its integrity is not taken over (RFC 8489 §14.5).
#[derive(Clone, Debug)]
pub struct Message<'a> {
    bytes: &'a [u8],
    pub class: Class,
    pub method: u16,
    pub transaction: Transaction,
    pub username: Option<&'a [u8]>,
    pub priority: Option<u32>,
    pub use_candidate: bool,
    /// The tie-breaker of a peer that says it is controlling, or controlled (RFC 8445 §7.1.2).
    pub controlling: Option<u64>,
    pub controlled: Option<u64>,
    pub mapped: Option<SocketAddr>,
    pub error: Option<u16>,
    /// Attributes that must be understood and are not (RFC 8489 §5).
    pub unknown: SmallVec<[u16; UNKNOWN_MAX]>,
    /// Where MESSAGE-INTEGRITY begins.
    integrity: Option<usize>,
    pub has_fingerprint: bool,
}

/// Does a datagram look like STUN? Told by its first byte beside DTLS and RTP (RFC 7983 §7).
pub fn is_stun(first: u8) -> bool {
    first < 4
}

/// Reads one message; the datagram must be nothing else.
pub fn read(bytes: &[u8]) -> Result<Message<'_>, Fault> {
    let (head, _) = bytes.split_first_chunk::<HEADER>().ok_or(Fault::NoHeader)?;
    let kind = u16::from_be_bytes([head[0], head[1]]);
    if kind & 0xc000 != 0 || u32::from_be_bytes([head[4], head[5], head[6], head[7]]) != COOKIE {
        return Err(Fault::NoHeader);
    }
    let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
    if length % 4 != 0 || HEADER + length != bytes.len() {
        return Err(Fault::Length);
    }
    let mut transaction = [0; 12];
    transaction.copy_from_slice(&head[8..20]);
    let mut message = Message {
        bytes,
        // RFC 8489 §5, figure 3: the class sits in bits 4 and 8.
        class: match (kind >> 8 & 1, kind >> 4 & 1) {
            (0, 0) => Class::Request,
            (0, _) => Class::Indication,
            (_, 0) => Class::Success,
            _ => Class::Error,
        },
        method: kind & 0x000f | kind >> 1 & 0x0070 | kind >> 2 & 0x0f80,
        transaction,
        username: None,
        priority: None,
        use_candidate: false,
        controlling: None,
        controlled: None,
        mapped: None,
        error: None,
        unknown: SmallVec::new(),
        integrity: None,
        has_fingerprint: false,
    };
    let mut at = HEADER;
    for _ in 0..ATTRIBUTES_MAX {
        let Some(&[t1, t0, l1, l0]) = bytes.get(at..at + 4) else {
            // The length is a multiple of four, so there is either a head or nothing.
            return Ok(message);
        };
        let (kind, len) = (u16::from_be_bytes([t1, t0]), usize::from(u16::from_be_bytes([l1, l0])));
        let value = bytes.get(at + 4..at + 4 + len).ok_or(Fault::Attribute(kind))?;
        let next = at + 4 + len.next_multiple_of(4);
        if message.has_fingerprint || next > bytes.len() {
            return Err(if message.has_fingerprint { Fault::Fingerprint } else { Fault::Attribute(kind) });
        }
        match kind {
            FINGERPRINT => {
                let crc = <[u8; 4]>::try_from(value).map_err(|_| Fault::Attribute(kind))?;
                let sum = crc32fast::hash(bytes.get(..at).unwrap_or_default()) ^ FINGERPRINT_XOR;
                if sum != u32::from_be_bytes(crc) {
                    return Err(Fault::Fingerprint);
                }
                message.has_fingerprint = true;
            }
            _ if message.integrity.is_some() => {}
            MESSAGE_INTEGRITY => {
                if len != 20 {
                    return Err(Fault::Attribute(kind));
                }
                message.integrity = Some(at);
            }
            _ => message.take(kind, value)?,
        }
        at = next;
    }
    if at == bytes.len() { Ok(message) } else { Err(Fault::TooMany) }
}

impl<'a> Message<'a> {
    fn take(&mut self, kind: u16, value: &'a [u8]) -> Result<(), Fault> {
        let bad = Fault::Attribute(kind);
        let eight = || <[u8; 8]>::try_from(value).map(u64::from_be_bytes).map_err(|_| bad);
        match kind {
            // The first of several is the one that counts.
            USERNAME => self.username = self.username.or(Some(value)),
            PRIORITY => {
                self.priority = Some(<[u8; 4]>::try_from(value).map(u32::from_be_bytes).map_err(|_| bad)?);
            }
            USE_CANDIDATE => self.use_candidate = true,
            ICE_CONTROLLING => self.controlling = Some(eight()?),
            ICE_CONTROLLED => self.controlled = Some(eight()?),
            XOR_MAPPED_ADDRESS => self.mapped = Some(unxor(value, &self.transaction).ok_or(bad)?),
            ERROR_CODE => {
                let &[_, _, hundreds, rest, ..] = value else { return Err(bad) };
                self.error = Some(u16::from(hundreds & 7) * 100 + u16::from(rest));
            }
            MAPPED_ADDRESS | UNKNOWN_ATTRIBUTES | MESSAGE_INTEGRITY_SHA256 => {}
            // RFC 8489 §5: types below 0x8000 must be understood.
            0..0x8000 if self.unknown.len() < UNKNOWN_MAX => self.unknown.push(kind),
            _ => {}
        }
        Ok(())
    }

    /// RFC 8489 §14.5: the HMAC covers everything before it, with a length that ends behind it. Compared in constant
    /// time.
    pub fn is_signed_by(&self, key: &[u8]) -> bool {
        let Some(at) = self.integrity else { return false };
        let (Some(covered), Some(tag)) = (self.bytes.get(..at), self.bytes.get(at + 4..at + 24)) else {
            return false;
        };
        sign(key, covered).is_some_and(|mac| mac.verify_slice(tag).is_ok())
    }

    /// The halves of `ours:theirs` (RFC 8445 §7.2.2).
    pub fn fragments(&self) -> Option<(&'a [u8], &'a [u8])> {
        let name = self.username?;
        let colon = name.iter().position(|b| *b == b':')?;
        Some((name.get(..colon)?, name.get(colon + 1..)?))
    }
}

/// The HMAC over `covered` as if MESSAGE-INTEGRITY were its last attribute.
fn sign(key: &[u8], covered: &[u8]) -> Option<Hmac<Sha1>> {
    let mut mac = Hmac::<Sha1>::new_from_slice(key).ok()?;
    let length = u16::try_from(covered.len().checked_sub(HEADER)? + 24).ok()?;
    mac.update(covered.get(..2)?);
    mac.update(&length.to_be_bytes());
    mac.update(covered.get(4..)?);
    Some(mac)
}

/// RFC 8489 §14.2: an address mixed with the cookie, so that no clever router rewrites it.
fn unxor(value: &[u8], transaction: &Transaction) -> Option<SocketAddr> {
    let (&[_, family, p1, p0], rest) = value.split_first_chunk::<4>()?;
    let port = u16::from_be_bytes([p1, p0]) ^ (COOKIE >> 16) as u16;
    let ip = match family {
        1 => IpAddr::V4(Ipv4Addr::from(u32::from_be_bytes(rest.try_into().ok()?) ^ COOKIE)),
        2 => IpAddr::V6(Ipv6Addr::from(u128::from_be_bytes(rest.try_into().ok()?) ^ mask(transaction))),
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// Cookie and transaction, what an IPv6 address is mixed with.
fn mask(transaction: &Transaction) -> u128 {
    let mut all = [0; 16];
    all[..4].copy_from_slice(&COOKIE.to_be_bytes());
    all[4..].copy_from_slice(transaction);
    u128::from_be_bytes(all)
}

/// Writes a message, attribute by attribute, the length always right.
pub struct Writer {
    bytes: Vec<u8>,
    transaction: Transaction,
}

impl Writer {
    pub fn new(class: Class, method: u16, transaction: Transaction) -> Writer {
        let bits = match class {
            Class::Request => 0,
            Class::Indication => 0x0010,
            Class::Success => 0x0100,
            Class::Error => 0x0110,
        };
        let kind = bits | method & 0x000f | (method & 0x0070) << 1 | (method & 0x0f80) << 2;
        let mut bytes = Vec::with_capacity(128);
        bytes.extend_from_slice(&kind.to_be_bytes());
        bytes.extend_from_slice(&[0, 0]);
        bytes.extend_from_slice(&COOKIE.to_be_bytes());
        bytes.extend_from_slice(&transaction);
        Writer { bytes, transaction }
    }

    /// An attribute with its padding. Values longer than a datagram are ours to avoid.
    pub fn put(mut self, kind: u16, value: &[u8]) -> Writer {
        debug_assert!(value.len() < 1024);
        self.bytes.extend_from_slice(&kind.to_be_bytes());
        self.bytes.extend_from_slice(&(value.len() as u16).to_be_bytes());
        self.bytes.extend_from_slice(value);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        let length = (self.bytes.len() - HEADER) as u16;
        self.bytes[2..4].copy_from_slice(&length.to_be_bytes());
        self
    }

    pub fn mapped(self, address: SocketAddr) -> Writer {
        let port = address.port() ^ (COOKIE >> 16) as u16;
        let mut value = vec![0, if address.is_ipv4() { 1 } else { 2 }];
        value.extend_from_slice(&port.to_be_bytes());
        match address.ip() {
            IpAddr::V4(ip) => value.extend_from_slice(&(u32::from(ip) ^ COOKIE).to_be_bytes()),
            IpAddr::V6(ip) => {
                value.extend_from_slice(&(u128::from(ip) ^ mask(&self.transaction)).to_be_bytes());
            }
        }
        self.put(XOR_MAPPED_ADDRESS, &value)
    }

    /// RFC 8489 §14.8.
    pub fn error(self, code: u16, reason: &str) -> Writer {
        let mut value = vec![0, 0, (code / 100) as u8, (code % 100) as u8];
        value.extend_from_slice(reason.as_bytes());
        self.put(ERROR_CODE, &value)
    }

    /// RFC 8489 §14.9.
    pub fn unknown(self, kinds: &[u16]) -> Writer {
        let value: Vec<u8> = kinds.iter().flat_map(|k| k.to_be_bytes()).collect();
        self.put(UNKNOWN_ATTRIBUTES, &value)
    }

    /// Integrity and fingerprint, which come last in this order (RFC 8489 §14.7).
    pub fn finish(self, key: &[u8]) -> Vec<u8> {
        let tag = sign(key, &self.bytes).map(|mac| mac.finalize().into_bytes()).unwrap_or_default();
        let signed = self.put(MESSAGE_INTEGRITY, &tag);
        // The length counts the fingerprint while it is computed.
        let mut all = signed.put(FINGERPRINT, &[0; 4]).bytes;
        let at = all.len() - 8;
        let sum = crc32fast::hash(&all[..at]) ^ FINGERPRINT_XOR;
        all[at + 4..].copy_from_slice(&sum.to_be_bytes());
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        digits.chunks(2).map(|d| u8::from_str_radix(std::str::from_utf8(d).unwrap(), 16).unwrap()).collect()
    }

    const PASSWORD: &[u8] = b"VOkJxbRl1RmTxUk/WvJxBt";

    /// RFC 5769 §2.1.
    const REQUEST: &str = "00010058 2112a442 b7e7a701bc34d686fa87dfae
        80220010 5354554e207465737420636c69656e74 00240004 6e0001ff 80290008 932ff9b151263b36
        00060009 6576746a3a68367659202020 00080014 9aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2 80280004 e57a3bcf";
    /// RFC 5769 §2.2 and §2.3.
    const RESPONSE_V4: &str = "0101003c 2112a442 b7e7a701bc34d686fa87dfae 8022000b 7465737420766563746f7220
        00200008 0001a147e112a643 00080014 2b91f599fd9e90c38c7489f92af9ba53f06be7d7 80280004 c07d4c96";
    const RESPONSE_V6: &str = "01010048 2112a442 b7e7a701bc34d686fa87dfae 8022000b 7465737420766563746f7220
        00200014 0002a1470113a9faa5d3f179bc25f4b5bed2b9d9 00080014 a382954e4be67bf11784c97c8292c275bfe3ed41
        80280004 c8fb0b4c";

    #[test]
    fn the_sample_request_of_rfc_5769_is_understood() {
        let bytes = hex(REQUEST);
        let m = read(&bytes).unwrap();
        assert_eq!((m.class, m.method), (Class::Request, BINDING));
        assert_eq!(m.fragments(), Some((&b"evtj"[..], &b"h6vY"[..])));
        assert_eq!((m.priority, m.controlled), (Some(0x6e00_01ff), Some(0x932f_f9b1_5126_3b36)));
        assert!(m.has_fingerprint && m.is_signed_by(PASSWORD) && !m.is_signed_by(b"VOkJxbRl1RmTxUk/WvJxBu"));
        assert!(m.unknown.is_empty() && !m.use_candidate);
    }

    #[test]
    fn the_sample_responses_of_rfc_5769_are_understood() {
        for (text, address) in
            [(RESPONSE_V4, "192.0.2.1:32853"), (RESPONSE_V6, "[2001:db8:1234:5678:11:2233:4455:6677]:32853")]
        {
            let bytes = hex(text);
            let m = read(&bytes).unwrap();
            assert_eq!((m.class, m.mapped), (Class::Success, Some(address.parse().unwrap())));
            assert!(m.is_signed_by(PASSWORD));
        }
    }

    #[test]
    fn a_changed_bit_anywhere_is_noticed() {
        let bytes = hex(REQUEST);
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut b = bytes.clone();
                b[at] ^= 1 << bit;
                assert!(
                    !read(&b).is_ok_and(|m| m.has_fingerprint && m.is_signed_by(PASSWORD)),
                    "byte {at} bit {bit}"
                );
            }
        }
        for len in 0..bytes.len() {
            assert!(read(&bytes[..len]).is_err(), "cut at {len}");
        }
    }

    #[test]
    fn what_we_write_can_be_read() {
        let all = [Class::Request, Class::Indication, Class::Success, Class::Error];
        for class in all {
            for address in ["192.0.2.1:1", "[2001:db8::1]:65535"] {
                let address = address.parse().unwrap();
                let bytes = Writer::new(class, BINDING, [7; 12])
                    .put(USERNAME, b"a:b")
                    .put(USE_CANDIDATE, &[])
                    .put(ICE_CONTROLLING, &9u64.to_be_bytes())
                    .mapped(address)
                    .error(487, "Role Conflict")
                    .finish(b"key");
                let m = read(&bytes).unwrap();
                assert_eq!((m.class, m.method, m.transaction), (class, BINDING, [7; 12]));
                assert_eq!((m.mapped, m.error, m.controlling), (Some(address), Some(487), Some(9)));
                assert!(m.use_candidate && m.has_fingerprint && m.is_signed_by(b"key"));
            }
        }
    }

    #[test]
    fn what_stands_behind_the_integrity_is_not_believed() {
        let mut signed = Writer::new(Class::Request, BINDING, [1; 12]).put(USERNAME, b"a:b");
        let tag = sign(b"k", &signed.bytes).unwrap().finalize().into_bytes();
        signed = signed.put(MESSAGE_INTEGRITY, &tag).put(USE_CANDIDATE, &[]);
        let m = read(&signed.bytes).unwrap();
        assert!(m.is_signed_by(b"k") && !m.use_candidate);
    }

    #[test]
    fn odd_messages() {
        let unknown = Writer::new(Class::Request, BINDING, [1; 12]).put(0x7f00, b"x").put(0xff00, b"y").bytes;
        assert_eq!(read(&unknown).unwrap().unknown.as_slice(), [0x7f00]);
        let mut many = Writer::new(Class::Request, BINDING, [1; 12]);
        for _ in 0..=ATTRIBUTES_MAX {
            many = many.put(0xff00, &[]);
        }
        assert_eq!(read(&many.bytes).unwrap_err(), Fault::TooMany);
        let mut behind = Writer::new(Class::Request, BINDING, [1; 12]).finish(b"k");
        behind.extend_from_slice(&[0xff, 0, 0, 0]);
        let length = (behind.len() - HEADER) as u16;
        behind[2..4].copy_from_slice(&length.to_be_bytes());
        assert_eq!(read(&behind).unwrap_err(), Fault::Fingerprint);
        for (kind, len) in
            [(PRIORITY, 3), (ICE_CONTROLLING, 7), (MESSAGE_INTEGRITY, 19), (XOR_MAPPED_ADDRESS, 3)]
        {
            let bytes = Writer::new(Class::Request, BINDING, [1; 12]).put(kind, &vec![1; len]).bytes;
            assert_eq!(read(&bytes).unwrap_err(), Fault::Attribute(kind));
        }
    }
}
