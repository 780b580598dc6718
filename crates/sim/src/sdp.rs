//! What a simulated phone says and understands of SDP (RFC 4566, RFC 3264): one audio stream, PCMU, telephone-event.
//! Written apart from the gateway's own reader on purpose, as a second opinion.

use std::net::{IpAddr, SocketAddr};

/// Which way audio flows, as the one who says it sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    SendRecv,
    SendOnly,
    RecvOnly,
    Inactive,
}

impl Direction {
    fn word(self) -> &'static str {
        match self {
            Direction::SendRecv => "sendrecv",
            Direction::SendOnly => "sendonly",
            Direction::RecvOnly => "recvonly",
            Direction::Inactive => "inactive",
        }
    }
    /// What we may answer to it (RFC 3264 §6.1) when we ourselves want both ways.
    pub fn answered(self) -> Direction {
        match self {
            Direction::SendOnly => Direction::RecvOnly,
            Direction::RecvOnly => Direction::SendOnly,
            same => same,
        }
    }
    pub fn sends(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::SendOnly)
    }
}

/// The other side's description, as far as a phone needs it.
#[derive(Clone, PartialEq, Debug)]
pub struct Remote {
    pub rtp: SocketAddr,
    pub direction: Direction,
    /// PCMU is among the formats.
    pub pcmu: bool,
    pub telephone_event: Option<u8>,
}

/// `None` where there is no audio stream we could use.
pub fn read(body: &[u8]) -> Option<Remote> {
    let text = std::str::from_utf8(body).ok()?;
    let (mut session_ip, mut media_ip) = (None, None);
    let (mut port, mut formats) = (None, "");
    let (mut direction, mut telephone_event) = (Direction::SendRecv, None);
    for line in text.lines() {
        let Some((kind, value)) = line.split_once('=') else { continue };
        match kind {
            "c" => {
                let ip: Option<IpAddr> =
                    value.split(' ').nth(2).and_then(|a| a.split('/').next()?.parse().ok());
                if port.is_none() { session_ip = ip } else { media_ip = ip }
            }
            "m" if port.is_some() => break,
            "m" => {
                let rest = value.strip_prefix("audio ")?;
                let (number, rest) = rest.split_once(' ')?;
                port = number.parse::<u16>().ok();
                formats = rest.split_once(' ').map_or("", |(_, formats)| formats);
            }
            "a" => match value {
                "sendrecv" => direction = Direction::SendRecv,
                "sendonly" => direction = Direction::SendOnly,
                "recvonly" => direction = Direction::RecvOnly,
                "inactive" => direction = Direction::Inactive,
                _ => {
                    let map = value.strip_prefix("rtpmap:").and_then(|m| m.split_once(' '));
                    if let Some((number, name)) = map
                        && name.to_ascii_lowercase().starts_with("telephone-event/8000")
                    {
                        telephone_event = number.parse().ok();
                    }
                }
            },
            _ => {}
        }
    }
    let rtp = SocketAddr::new(media_ip.or(session_ip)?, port?);
    Some(Remote { rtp, direction, pcmu: formats.split(' ').any(|f| f == "0"), telephone_event })
}

/// Our own description. `version` rises with each change (RFC 3264 §8).
pub fn write(rtp: SocketAddr, version: u32, direction: Direction) -> Vec<u8> {
    let family = if rtp.is_ipv4() { "IP4" } else { "IP6" };
    let (ip, port, way) = (rtp.ip(), rtp.port(), direction.word());
    format!(
        "v=0\r\no=- 1 {version} IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n\
         a=fmtp:101 0-15\r\na=ptime:20\r\na={way}\r\n"
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phone_understands_what_it_says() {
        let rtp: SocketAddr = "10.0.0.7:16384".parse().unwrap();
        for direction in [Direction::SendRecv, Direction::SendOnly, Direction::RecvOnly, Direction::Inactive]
        {
            let remote = read(&write(rtp, 1, direction)).unwrap();
            assert_eq!(remote, Remote { rtp, direction, pcmu: true, telephone_event: Some(101) });
        }
        assert_eq!(read(b"v=0\r\nm=video 9 RTP/AVP 96\r\n"), None);
        assert_eq!(read(b"\xff"), None);
    }
}
