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

pub struct Sockets {
    bind: IpAddr,
    first: u16,
    open: Vec<Option<Socket>>,
}

impl Sockets {
    pub fn new(bind: IpAddr, first: u16, last: u16) -> Sockets {
        let span = usize::from(last.saturating_sub(first)) + 1;
        Sockets { bind, first, open: std::iter::repeat_with(|| None).take(span).collect() }
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
        let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
        socket.bind(&address.into())?;
        epoll.add(socket.as_raw_fd(), u64::from(port))?;
        let place = self.at(port).and_then(|at| self.open.get_mut(at)).ok_or(io::ErrorKind::InvalidInput)?;
        *place = Some(socket);
        Ok(())
    }

    /// Closing takes the socket out of the epoll set as well.
    pub fn close(&mut self, port: u16) {
        if let Some(place) = self.at(port).and_then(|at| self.open.get_mut(at)) {
            *place = None;
        }
    }

    #[inline]
    pub fn fd(&self, port: u16) -> Option<RawFd> {
        self.open.get(self.at(port)?)?.as_ref().map(|s| s.as_raw_fd())
    }

    fn at(&self, port: u16) -> Option<usize> {
        port.checked_sub(self.first).map(usize::from)
    }
}
