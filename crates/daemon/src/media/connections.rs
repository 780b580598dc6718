//! Browsers that come over TCP, because their network lets nothing else through (RFC 6544, passive candidates). Each
//! packet is a frame with its length before it (RFC 4571); voice that cannot leave at once is not worth keeping.

use super::sys::{Epoll, PACKET_MAX};
use socket2::{Domain, Protocol, Socket, Type};
use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant as Clock};

/// Of one worker.
const CONNECTIONS_MAX: usize = 256;
/// A browser opens one per candidate; an office behind one address has several browsers.
const PER_HOST_MAX: usize = 32;
/// Nobody who means it stays this long without a check.
const UNPROVEN_MAX: Duration = Duration::from_secs(10);
/// What may wait to be written: a handshake's flight and a little voice.
const WAITING_MAX: usize = 16 * 1024;
/// Read from one connection before the others have their turn.
const READS_MAX: usize = 4;
const READ_SIZE: usize = 4096;
const BACKLOG: i32 = 64;

/// Tokens beyond all ports: the listener's, and from `FIRST` on those of the connections.
pub const LISTENER: u64 = 1 << 32;
const FIRST: u64 = LISTENER + 1;

#[derive(Default)]
pub struct Connections {
    listener: Option<TcpListener>,
    list: Vec<Option<Connection>>,
    by_peer: HashMap<SocketAddr, usize, ahash::RandomState>,
    swept: Option<Clock>,
}

struct Connection {
    stream: TcpStream,
    peer: SocketAddr,
    since: Clock,
    proven: bool,
    unread: Vec<u8>,
    waiting: Vec<u8>,
}

/// What reading a connection led to.
pub enum Heard {
    /// This many bytes of a frame are in the buffer; ask again.
    Frame(SocketAddr, usize),
    Nothing,
    Closed(SocketAddr),
}

impl Connections {
    pub fn listen(&mut self, bind: IpAddr, port: u16, epoll: &Epoll) -> std::io::Result<()> {
        let address = SocketAddr::new(bind, port);
        let socket =
            Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
        if bind.is_ipv6() {
            socket.set_only_v6(!bind.is_unspecified())?;
        }
        // A restart need not wait for the connections of the last life to be forgotten.
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        epoll.add(socket.as_raw_fd(), LISTENER)?;
        self.listener = Some(socket.into());
        Ok(())
    }

    /// The connection a token means.
    pub fn index(token: u64) -> Option<usize> {
        usize::try_from(token.checked_sub(FIRST)?).ok()
    }

    pub fn accept(&mut self, epoll: &Epoll) {
        let Some(listener) = &self.listener else { return };
        // As many as fit into the backlog; the rest is reported again.
        for _ in 0..BACKLOG {
            let Ok((stream, peer)) = listener.accept() else { return };
            let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
            let same = self.list.iter().flatten().filter(|c| c.peer.ip() == peer.ip()).count();
            let free = match self.list.iter().position(Option::is_none) {
                Some(free) => free,
                None if self.list.len() < CONNECTIONS_MAX => {
                    self.list.push(None);
                    self.list.len() - 1
                }
                None => continue,
            };
            let ready = stream.set_nonblocking(true).is_ok() && stream.set_nodelay(true).is_ok();
            if same >= PER_HOST_MAX || !ready || epoll.add(stream.as_raw_fd(), FIRST + free as u64).is_err() {
                continue;
            }
            if let Some(place) = self.list.get_mut(free) {
                let since = Clock::now();
                let (unread, waiting) = (Vec::new(), Vec::new());
                *place = Some(Connection { stream, peer, since, proven: false, unread, waiting });
                self.by_peer.insert(peer, free);
            }
        }
    }

    /// Reads what is there, at most `READS_MAX` times.
    pub fn read(&mut self, index: usize) -> Option<SocketAddr> {
        let connection = self.list.get_mut(index)?.as_mut()?;
        let mut buf = [0; READ_SIZE];
        for _ in 0..READS_MAX {
            match connection.stream.read(&mut buf) {
                Ok(0) => return self.close(index),
                Ok(n) => connection.unread.extend_from_slice(buf.get(..n).unwrap_or_default()),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => return None,
                Err(_) => return self.close(index),
            }
        }
        None
    }

    /// The next frame of what was read, into `buf`.
    pub fn frame(&mut self, index: usize, buf: &mut [u8; PACKET_MAX]) -> Heard {
        let Some(Some(connection)) = self.list.get_mut(index) else { return Heard::Nothing };
        let Some((&[high, low], rest)) = connection.unread.split_first_chunk::<2>() else {
            return Heard::Nothing;
        };
        let len = usize::from(u16::from_be_bytes([high, low]));
        let Some(place) = buf.get_mut(..len) else {
            // Longer than anything a browser has to say: not a browser.
            return self.close(index).map_or(Heard::Nothing, Heard::Closed);
        };
        let Some(bytes) = rest.get(..len) else { return Heard::Nothing };
        place.copy_from_slice(bytes);
        connection.unread.drain(..2 + len);
        Heard::Frame(connection.peer, len)
    }

    /// Sends a frame. What does not fit is dropped whole; what has begun is finished.
    pub fn send(&mut self, to: SocketAddr, bytes: &[u8]) {
        let Some(Some(connection)) = self.by_peer.get(&to).and_then(|i| self.list.get_mut(*i)) else {
            return;
        };
        let Ok(len) = u16::try_from(bytes.len()) else { return };
        if connection.waiting.len() + 2 + bytes.len() <= WAITING_MAX {
            connection.waiting.extend_from_slice(&len.to_be_bytes());
            connection.waiting.extend_from_slice(bytes);
        }
        while !connection.waiting.is_empty() {
            match connection.stream.write(&connection.waiting) {
                Ok(n) if n > 0 => drop(connection.waiting.drain(..n)),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                // Full, or broken, which reading will tell.
                _ => return,
            }
        }
    }

    /// Closes those that have proved nothing for too long; `knows` says who has.
    pub fn sweep(&mut self, knows: impl Fn(SocketAddr) -> bool) {
        let now = Clock::now();
        if self.list.is_empty() || self.swept.is_some_and(|at| now - at < Duration::from_secs(1)) {
            return;
        }
        self.swept = Some(now);
        for index in 0..self.list.len() {
            let Some(Some(connection)) = self.list.get_mut(index) else { continue };
            let known = knows(connection.peer);
            if known {
                connection.proven = true;
            } else if connection.proven || now - connection.since > UNPROVEN_MAX {
                // Never proved, or its call is over.
                self.close(index);
            }
        }
    }

    /// Closing takes the socket out of the epoll set as well.
    fn close(&mut self, index: usize) -> Option<SocketAddr> {
        let connection = self.list.get_mut(index)?.take()?;
        self.by_peer.remove(&connection.peer);
        Some(connection.peer)
    }

    pub fn is_empty(&self) -> bool {
        self.by_peer.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    const HOME: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    /// A listener on a port the system picked, and a browser connected to it.
    fn met() -> (Connections, TcpStream, SocketAddr) {
        let epoll = Epoll::new().unwrap();
        let mut c = Connections::default();
        c.listen(HOME, 0, &epoll).unwrap();
        let at = c.listener.as_ref().unwrap().local_addr().unwrap();
        let browser = TcpStream::connect(at).unwrap();
        let peer = browser.local_addr().unwrap();
        c.accept(&epoll);
        assert!(c.by_peer.contains_key(&peer));
        (c, browser, peer)
    }

    /// Reads until a frame is whole or the connection is closed.
    fn heard(c: &mut Connections, buf: &mut [u8; PACKET_MAX]) -> Option<(SocketAddr, usize)> {
        for _ in 0..500 {
            match c.frame(0, buf) {
                Heard::Frame(from, len) => return Some((from, len)),
                Heard::Closed(_) => return None,
                Heard::Nothing => {}
            }
            if c.read(0).is_some() {
                return None;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        None
    }

    #[test]
    fn frames_arrive_whole_however_they_are_cut() {
        let (mut c, mut browser, peer) = met();
        let mut buf = [0; PACKET_MAX];
        browser.write_all(&[0, 3, 1, 2, 3, 0, 2, 4]).unwrap();
        assert_eq!(heard(&mut c, &mut buf), Some((peer, 3)));
        assert_eq!(buf[..3], [1, 2, 3]);
        assert!(matches!(c.frame(0, &mut buf), Heard::Nothing), "the second is not whole yet");
        browser.write_all(&[5]).unwrap();
        assert_eq!(heard(&mut c, &mut buf), Some((peer, 2)));
        assert_eq!(buf[..2], [4, 5]);
        c.send(peer, &[9, 8]);
        let mut back = [0; 4];
        browser.read_exact(&mut back).unwrap();
        assert_eq!(back, [0, 2, 9, 8]);
    }

    #[test]
    fn who_sends_nonsense_or_hangs_up_is_let_go() {
        let mut buf = [0; PACKET_MAX];
        let (mut c, mut browser, _) = met();
        browser.write_all(&[0xff, 0xff, 1]).unwrap();
        assert_eq!(heard(&mut c, &mut buf), None);
        assert!(c.is_empty());
        let (mut c, browser, _) = met();
        drop(browser);
        assert_eq!(heard(&mut c, &mut buf), None);
        assert!(c.is_empty());
    }

    #[test]
    fn a_connection_ends_with_what_it_proved() {
        let (mut c, _browser, _) = met();
        c.sweep(|_| true);
        assert!(!c.is_empty());
        c.swept = None;
        c.sweep(|_| false);
        assert!(c.is_empty(), "its call is over");
        let (mut c, _browser, _) = met();
        c.sweep(|_| false);
        assert!(!c.is_empty(), "it has a moment to prove itself");
    }
}
