//! A flow is the way back to a peer: for UDP a pair of addresses, for a stream one connection (RFC 5626 §3.1).

use crate::{AgentId, Epoch, LoginId};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    Udp,
    Tcp,
    Tls,
    Ws,
    Wss,
}

impl Transport {
    /// The token in a Via header (RFC 3261 §20.42, RFC 7118 §5.1).
    pub fn via_token(self) -> &'static str {
        match self {
            Transport::Udp => "UDP",
            Transport::Tcp => "TCP",
            Transport::Tls => "TLS",
            Transport::Ws => "WS",
            Transport::Wss => "WSS",
        }
    }
    /// The value of a `transport=` parameter. RFC 7118 §5.2 knows `ws` alone, whether there is TLS around it or not.
    pub fn uri_param(self) -> &'static str {
        match self {
            Transport::Wss => "ws",
            other => other.param(),
        }
    }
    /// The word for it in flows and files.
    pub fn param(self) -> &'static str {
        match self {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
            Transport::Tls => "tls",
            Transport::Ws => "ws",
            Transport::Wss => "wss",
        }
    }
    /// Streams deliver or fail; only UDP needs retransmissions (RFC 3261 §17).
    pub fn is_reliable(self) -> bool {
        self != Transport::Udp
    }
}

impl FromStr for Transport {
    type Err = FlowParseError;
    fn from_str(text: &str) -> Result<Transport, FlowParseError> {
        [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Ws, Transport::Wss]
            .into_iter()
            .find(|t| t.param().eq_ignore_ascii_case(text))
            .ok_or_else(|| FlowParseError(text.to_owned()))
    }
}

/// Counts stream connections since the process started. Zero for UDP, which has none. The daemon numbers accepted
/// connections from 1 with even numbers, the core numbers those it asks for (`Output::Connect`) with odd ones.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConnectionId(pub u64);

/// Where a message came from and where its answer goes. A small value; two equal flows are the same way.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Flow {
    pub transport: Transport,
    /// Our socket's address.
    pub local: SocketAddr,
    /// Where the peer's packets come from, as we see it.
    pub peer: SocketAddr,
    pub connection: ConnectionId,
}

impl Flow {
    pub fn udp(local: SocketAddr, peer: SocketAddr) -> Flow {
        Flow { transport: Transport::Udp, local, peer, connection: ConnectionId(0) }
    }
}

impl fmt::Display for Flow {
    /// `udp/192.0.2.1:5060/198.51.100.7:40312`, with `/17` behind it for connection 17. Reads back with `parse`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.transport.param(), self.local, self.peer)?;
        if self.connection.0 != 0 {
            write!(f, "/{}", self.connection.0)?;
        }
        Ok(())
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a flow (transport/local/peer[/connection])")]
pub struct FlowParseError(pub String);

impl FromStr for Flow {
    type Err = FlowParseError;
    fn from_str(text: &str) -> Result<Flow, FlowParseError> {
        let bad = || FlowParseError(text.to_owned());
        let mut parts = text.split('/');
        let transport = parts.next().ok_or_else(bad)?.parse().map_err(|_| bad())?;
        let local = parts.next().and_then(|p| p.parse().ok()).ok_or_else(bad)?;
        let peer = parts.next().and_then(|p| p.parse().ok()).ok_or_else(bad)?;
        let connection = match parts.next() {
            Some(n) => ConnectionId(n.parse().map_err(|_| bad())?),
            None => ConnectionId(0),
        };
        Ok(Flow { transport, local, peer, connection })
    }
}

/// The login whose session cookie came with a WebSocket. Good for as long as that login's row has no end.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct BrowserFlow {
    pub login: LoginId,
    pub agent: AgentId,
    pub epoch: Epoch,
}

/// What the headers of a WebSocket's upgrade are worth.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BrowserAdmission {
    /// No session came along: whoever it is must authenticate by digest, like a phone.
    Anonymous,
    Browser(BrowserFlow),
    /// A session that is over, or a page that is not ours: this HTTP status, and no WebSocket.
    Refused(u16),
}

/// Why a flow ended, for the log and for whoever waited on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhyClosed {
    /// The peer closed or reset it.
    ByPeer,
    /// We could not open it.
    ConnectFailed,
    /// The peer broke the framing (RFC 3261 §18.3) and got 400.
    BadFraming,
    /// Nothing came for too long, or a message did not end.
    TimedOut,
    /// The peer did not read; its queue was full.
    QueueFull,
    /// The core asked for it: the login behind it ended, or we shut down.
    ByUs,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flows_survive_being_written_down() {
        for text in ["udp/192.0.2.1:5060/198.51.100.7:40312", "tcp/[::1]:5060/[2001:db8::9]:5071/17"] {
            let flow: Flow = text.parse().unwrap();
            assert_eq!(flow.to_string(), text);
        }
        assert!("udp/nonsense".parse::<Flow>().is_err());
    }
}
