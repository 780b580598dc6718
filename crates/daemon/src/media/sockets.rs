//! The open ports of one worker.

use super::sys::Epoll;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, RawFd};

/// Room for a second of voice and a burst behind it; the kernel doubles it for its own bookkeeping.
const RECEIVE_BUFFER: usize = 128 * 1024;

/// DSCP Expedited Forwarding (RFC 3246), what switches and access points know voice by.
const EXPEDITED: u32 = 46 << 2;

/// The port browsers share carries all of them.
const SHARED_BUFFER: usize = 4 * 1024 * 1024;

pub struct Sockets {
    bind: IpAddr,
    first: u16,
    open: Vec<Option<Socket>>,
    /// The port browsers share, which may lie outside the range.
    shared: Option<u16>,
    shared_open: Option<Socket>,
}

impl Sockets {
    pub fn new(bind: IpAddr, first: u16, last: u16, shared: Option<u16>) -> Sockets {
        let span = usize::from(last.saturating_sub(first)) + 1;
        let open = std::iter::repeat_with(|| None).take(span).collect();
        Sockets { bind, first, open, shared, shared_open: None }
    }

    /// Sockets of the other family get addresses in their own way of writing.
    pub fn is_v6(&self) -> bool {
        self.bind.is_ipv6()
    }

    pub fn open(&mut self, port: u16, epoll: &Epoll) -> io::Result<()> {
        let address = SocketAddr::new(self.bind, port);
        let socket =
            Socket::new(Domain::for_address(address), Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
        if self.bind.is_ipv6() {
            socket.set_only_v6(!self.bind.is_unspecified())?;
            // Marks are a courtesy to the network; a kernel that refuses them still carries voice.
            let _ = socket.set_tclass_v6(EXPEDITED);
        } else {
            let _ = socket.set_tos_v4(EXPEDITED);
        }
        let room = if self.shared == Some(port) { SHARED_BUFFER } else { RECEIVE_BUFFER };
        let _ = socket.set_recv_buffer_size(room);
        socket.bind(&address.into())?;
        epoll.add(socket.as_raw_fd(), u64::from(port))?;
        *self.place(port).ok_or(io::ErrorKind::InvalidInput)? = Some(socket);
        Ok(())
    }

    /// Closing takes the socket out of the epoll set as well.
    pub fn close(&mut self, port: u16) {
        if let Some(place) = self.place(port) {
            *place = None;
        }
    }

    #[inline]
    pub fn fd(&self, port: u16) -> Option<RawFd> {
        self.socket(port).map(|s| s.as_raw_fd())
    }

    /// One datagram of our own. One that the kernel refuses is lost, as any network might lose it.
    pub fn send(&self, port: u16, to: SocketAddr, bytes: &[u8]) {
        let to = match to {
            SocketAddr::V4(v4) if self.bind.is_ipv6() => {
                SocketAddr::new(v4.ip().to_ipv6_mapped().into(), v4.port())
            }
            to => to,
        };
        if let Some(socket) = self.socket(port) {
            let _ = socket.send_to(bytes, &to.into());
        }
    }

    #[inline]
    fn socket(&self, port: u16) -> Option<&Socket> {
        if self.shared == Some(port) {
            return self.shared_open.as_ref();
        }
        self.open.get(self.at(port)?)?.as_ref()
    }

    fn place(&mut self, port: u16) -> Option<&mut Option<Socket>> {
        if self.shared == Some(port) {
            return Some(&mut self.shared_open);
        }
        let at = self.at(port)?;
        self.open.get_mut(at)
    }

    fn at(&self, port: u16) -> Option<usize> {
        port.checked_sub(self.first).map(usize::from)
    }
}
