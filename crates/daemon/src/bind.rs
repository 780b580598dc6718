//! Opens the ports. A port that is taken is named, with the two ways out.

use crate::config::Config;
use anyhow::Context;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};

/// Room for a burst of registrations after a power cut. The kernel grants what `net.core.rmem_max` allows.
const RECEIVE_BUFFER: usize = 8 * 1024 * 1024;

pub struct Sockets {
    pub sip_udp: Vec<UdpSocket>,
    pub sip_tcp: Vec<TcpListener>,
    pub sip_tls: Vec<TcpListener>,
    pub sip_ws: Option<TcpListener>,
    pub https: Option<TcpListener>,
    pub http: Option<TcpListener>,
}

pub fn open(config: &Config) -> anyhow::Result<Sockets> {
    let listen = &config.listen;
    let udp = |a: &SocketAddr| bind_udp(*a).with_context(|| taken("sip_udp", "UDP", *a));
    let tcp = |name: &'static str, a: SocketAddr| {
        TcpListener::bind(a)
            .and_then(|l| l.set_nonblocking(true).map(|()| l))
            .with_context(|| taken(name, "TCP", a))
    };
    Ok(Sockets {
        sip_udp: listen.sip_udp.iter().map(udp).collect::<Result<_, _>>()?,
        sip_tcp: listen.sip_tcp.iter().map(|a| tcp("sip_tcp", *a)).collect::<Result<_, _>>()?,
        sip_tls: listen.sip_tls.iter().map(|a| tcp("sip_tls", *a)).collect::<Result<_, _>>()?,
        sip_ws: listen.sip_ws.map(|a| tcp("sip_ws", a)).transpose()?,
        https: listen.https.map(|a| tcp("https", a)).transpose()?,
        http: listen.http.map(|a| tcp("http", a)).transpose()?,
    })
}

fn bind_udp(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        // IPv4 has its own socket; mapped addresses would be a second name for every peer.
        socket.set_only_v6(true)?;
    }
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    socket.set_send_buffer_size(RECEIVE_BUFFER)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}

fn taken(name: &str, protocol: &str, address: SocketAddr) -> String {
    format!(
        "{protocol} port {} on {} cannot be opened: stop the program that uses it, change `{name}` in gateway.toml, or \
         move all ports of a development world with `hotseat dev --base-port N`",
        address.port(),
        address.ip()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_taken_is_named_with_the_way_out() {
        let holder = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut config = Config::development(std::env::temp_dir(), None);
        let any = "127.0.0.1:0".parse().unwrap();
        config.listen.sip_udp = vec![any];
        config.listen.sip_tcp = vec![any];
        config.listen.sip_tls = vec![any];
        config.listen.http = None;
        config.listen.https = Some(holder.local_addr().unwrap());
        let error = format!("{:#}", open(&config).err().unwrap());
        let port = holder.local_addr().unwrap().port().to_string();
        assert!(
            error.contains(&port) && error.contains("`https`") && error.contains("--base-port"),
            "{error}"
        );
    }
}
