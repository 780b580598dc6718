//! A small reader of classic capture files: Ethernet (with VLAN tags), Linux cooked (v1, v2), raw IP and loopback.
//! It finds SIP in UDP datagrams and in TCP segments, and nothing else.

use anyhow::{bail, ensure};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use terms::WallTime;

pub struct Packet {
    pub at: WallTime,
    pub from: SocketAddr,
    pub to: SocketAddr,
    pub payload: Vec<u8>,
}

/// All SIP messages of a capture, in its order. A cut-off end is where it ends.
pub fn read(file: &[u8]) -> anyhow::Result<Vec<Packet>> {
    ensure!(file.len() >= 24, "the file is shorter than a capture's header");
    // The magic number tells byte order and whether fractions are micro- or nanoseconds.
    let (big, per_ms) = match (&file[..4], ()) {
        ([0xd4, 0xc3, 0xb2, 0xa1], ()) => (false, 1_000),
        ([0xa1, 0xb2, 0xc3, 0xd4], ()) => (true, 1_000),
        ([0x4d, 0x3c, 0xb2, 0xa1], ()) => (false, 1_000_000),
        ([0xa1, 0xb2, 0x3c, 0x4d], ()) => (true, 1_000_000),
        ([0x0a, 0x0d, 0x0d, 0x0a], ()) => {
            bail!(
                "this is pcapng; convert it with `editcap -F pcap in.pcapng out.pcap` or capture with `tcpdump -w`"
            )
        }
        _ => bail!("this is no capture file"),
    };
    let u32_at = |at: usize| -> Option<u32> {
        let bytes: [u8; 4] = file.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(if big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    };
    let link = u32_at(20).unwrap_or(0) & 0xffff;
    let mut packets = Vec::new();
    let mut at = 24;
    while let (Some(seconds), Some(fraction), Some(len)) = (u32_at(at), u32_at(at + 4), u32_at(at + 8)) {
        let Some(frame) = file.get(at + 16..(at + 16).saturating_add(len as usize)) else { break };
        at += 16 + len as usize;
        let wall = WallTime(i64::from(seconds) * 1_000 + i64::from(fraction / per_ms));
        if let Some((from, to, payload)) = ip_of(link, frame).and_then(transport)
            && is_sip(payload)
        {
            packets.push(Packet { at: wall, from, to, payload: payload.to_vec() });
        }
    }
    Ok(packets)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

/// The IP packet inside a frame of this link type (numbers of tcpdump.org/linktypes).
fn ip_of(link: u32, frame: &[u8]) -> Option<&[u8]> {
    match link {
        // Ethernet, with up to two VLAN tags.
        1 => {
            let mut at = 12;
            while matches!(u16_at(frame, at)?, 0x8100 | 0x88a8) {
                at += 4;
            }
            frame.get(at + 2..)
        }
        12 | 14 | 101 => Some(frame),
        // BSD loopback: four bytes of address family.
        0 | 108 => frame.get(4..),
        113 => frame.get(16..),
        276 => frame.get(20..),
        _ => None,
    }
}

fn transport(ip: &[u8]) -> Option<(SocketAddr, SocketAddr, &[u8])> {
    let (protocol, from, to, rest): (u8, IpAddr, IpAddr, &[u8]) = match ip.first()? >> 4 {
        4 => {
            let header = usize::from(ip.first()? & 15) * 4;
            let total = usize::from(u16_at(ip, 2)?);
            // A later fragment has no ports in it.
            if u16_at(ip, 6)? & 0x1fff != 0 {
                return None;
            }
            let address =
                |at: usize| Some(IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(ip.get(at..at + 4)?).ok()?)));
            let end = total.clamp(header, ip.len().max(header));
            (*ip.get(9)?, address(12)?, address(16)?, ip.get(header..end)?)
        }
        6 => {
            let address = |at: usize| {
                Some(IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(ip.get(at..at + 16)?).ok()?)))
            };
            let end = (40 + usize::from(u16_at(ip, 4)?)).min(ip.len());
            (*ip.get(6)?, address(8)?, address(24)?, ip.get(40..end)?)
        }
        _ => return None,
    };
    let ports = (u16_at(rest, 0)?, u16_at(rest, 2)?);
    let payload = match protocol {
        17 => rest.get(8..)?,
        6 => rest.get(usize::from(rest.get(12)? >> 4) * 4..)?,
        _ => return None,
    };
    Some((SocketAddr::new(from, ports.0), SocketAddr::new(to, ports.1), payload))
}

/// A start line of SIP; RTP and everything else does not have one.
fn is_sip(payload: &[u8]) -> bool {
    let line = payload.split(|b| *b == b'\n').next().unwrap_or(&[]);
    line.starts_with(b"SIP/2.0 ") || line.strip_suffix(b"\r").unwrap_or(line).ends_with(b" SIP/2.0")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capture(link: u32, prefix: &[u8]) -> Vec<u8> {
        let payload = b"OPTIONS sip:x SIP/2.0\r\n\r\n";
        let mut ip = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2];
        ip.extend([0x13, 0xc4, 0x13, 0xc5, 0, 0, 0, 0]);
        ip.extend(payload);
        let total = (ip.len() as u16).to_be_bytes();
        ip[2..4].copy_from_slice(&total);
        let mut file = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0];
        file.extend([0; 8]);
        file.extend(65_535u32.to_le_bytes());
        file.extend(link.to_le_bytes());
        let len = (prefix.len() + ip.len()) as u32;
        for n in [7, 500_000, len, len] {
            file.extend(n.to_le_bytes());
        }
        file.extend(prefix);
        file.extend(ip);
        file
    }

    #[test]
    fn sip_is_found_in_every_kind_of_frame() {
        let vlan = [[0u8; 12].as_slice(), &[0x81, 0, 0, 5, 8, 0]].concat();
        for (link, prefix) in [(1, vlan), (101, vec![]), (113, vec![0; 16]), (276, vec![0; 20])] {
            let packets = read(&capture(link, &prefix)).unwrap();
            assert_eq!(packets.len(), 1, "link {link}");
            assert_eq!(packets[0].from.to_string(), "192.0.2.1:5060");
            assert_eq!(packets[0].to.to_string(), "192.0.2.2:5061");
            assert_eq!(packets[0].at, WallTime(7_500));
        }
    }

    #[test]
    fn a_cut_file_gives_what_is_whole_and_rubbish_is_told() {
        let whole = capture(101, &[]);
        for cut in 24..whole.len() {
            assert_eq!(read(&whole[..cut]).unwrap().len(), 0);
        }
        assert!(read(b"this is not a capture file at all").is_err());
    }
}
