//! The system calls the core thread lives on: batched UDP, epoll, eventfd. The only unsafe code of this crate.

use std::io;
use std::mem::{MaybeUninit, size_of, zeroed};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicU8, Ordering};

/// Datagrams per `recvmmsg` and `sendmmsg`.
pub const BATCH: usize = 64;
/// The largest UDP payload there is; a SIP message cannot be longer on this transport.
const DATAGRAM_MAX: usize = 65_535;

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Receives up to [`BATCH`] datagrams at once into buffers of its own.
pub struct Receiver {
    buffers: Box<[u8]>,
    names: Box<[libc::sockaddr_storage]>,
    lengths: Vec<(usize, Option<SocketAddr>)>,
}

impl Default for Receiver {
    fn default() -> Receiver {
        // SAFETY: `sockaddr_storage` is plain integers; all zeroes is a valid value of it.
        let name: libc::sockaddr_storage = unsafe { zeroed() };
        Receiver {
            buffers: vec![0; BATCH * DATAGRAM_MAX].into_boxed_slice(),
            names: vec![name; BATCH].into_boxed_slice(),
            lengths: Vec::with_capacity(BATCH),
        }
    }
}

impl Receiver {
    /// How many datagrams came; `Ok(0)` when there are none. Never blocks. Read them with [`Receiver::datagrams`].
    pub fn receive(&mut self, fd: RawFd) -> io::Result<usize> {
        self.lengths.clear();
        let mut vectors: [MaybeUninit<libc::iovec>; BATCH] = [const { MaybeUninit::uninit() }; BATCH];
        // SAFETY: `mmsghdr` is plain integers and pointers; all zeroes is a valid value of it.
        let mut headers: [libc::mmsghdr; BATCH] = unsafe { zeroed() };
        let buffers = self.buffers.chunks_exact_mut(DATAGRAM_MAX);
        for (((buffer, name), vector), header) in
            buffers.zip(self.names.iter_mut()).zip(vectors.iter_mut()).zip(headers.iter_mut())
        {
            let vector =
                vector.write(libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: DATAGRAM_MAX });
            header.msg_hdr.msg_iov = vector;
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_name = std::ptr::from_mut(name).cast();
            header.msg_hdr.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
        }
        // SAFETY: every header points at one iovec, one buffer of DATAGRAM_MAX bytes and one sockaddr_storage, all of
        // which outlive the call and are not aliased; BATCH is the length of `headers`.
        let got = unsafe {
            libc::recvmmsg(
                fd,
                headers.as_mut_ptr(),
                BATCH as libc::c_uint,
                libc::MSG_DONTWAIT as _,
                std::ptr::null_mut(),
            )
        };
        let got = match check(got) {
            Ok(got) => usize::try_from(got).unwrap_or(0).min(BATCH),
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => 0,
            Err(e) => return Err(e),
        };
        for (header, name) in headers.iter().zip(self.names.iter()).take(got) {
            // A datagram that was cut is not a message; length 0 makes the caller skip it.
            let cut = header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0;
            let len = if cut { 0 } else { (header.msg_len as usize).min(DATAGRAM_MAX) };
            self.lengths.push((len, socket_addr(name)));
        }
        Ok(got)
    }

    /// What the last `receive` brought, in order of arrival.
    pub fn datagrams(&self) -> impl Iterator<Item = (SocketAddr, &[u8])> {
        self.lengths.iter().zip(self.buffers.chunks_exact(DATAGRAM_MAX)).filter_map(
            |((len, peer), buffer)| {
                let peer = (*peer)?;
                (*len > 0).then(|| (peer, &buffer[..*len]))
            },
        )
    }
}

/// Sends what is in `batch`, at most [`BATCH`] a call, and empties it. Returns how many could not be sent: SIP over UDP
/// retransmits, so a full socket buffer costs a delay and no message.
pub fn send_all(fd: RawFd, batch: &mut Vec<(SocketAddr, Vec<u8>)>) -> usize {
    let mut lost = 0;
    let mut rest: &[(SocketAddr, Vec<u8>)] = batch;
    while !rest.is_empty() {
        match send_some(fd, rest) {
            Ok(sent) => rest = rest.get(sent.max(1)..).unwrap_or(&[]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => {
                // The first one is what failed (no route, too long, buffer full); the others have their chance.
                lost += 1;
                rest = rest.get(1..).unwrap_or(&[]);
            }
        }
    }
    batch.clear();
    lost
}

fn send_some(fd: RawFd, batch: &[(SocketAddr, Vec<u8>)]) -> io::Result<usize> {
    let count = batch.len().min(BATCH);
    // SAFETY: these three are plain integers and pointers; all zeroes is a valid value of each.
    let (mut names, mut vectors, mut headers): (
        [libc::sockaddr_storage; BATCH],
        [libc::iovec; BATCH],
        [libc::mmsghdr; BATCH],
    ) = unsafe { (zeroed(), zeroed(), zeroed()) };
    for ((((peer, bytes), name), vector), header) in
        batch.iter().zip(names.iter_mut()).zip(vectors.iter_mut()).zip(headers.iter_mut())
    {
        let len = write_socket_addr(*peer, name);
        // `sendmmsg` does not write through iov_base; the cast only follows the C type.
        *vector = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
        header.msg_hdr.msg_iov = vector;
        header.msg_hdr.msg_iovlen = 1;
        header.msg_hdr.msg_name = std::ptr::from_mut(name).cast();
        header.msg_hdr.msg_namelen = len;
    }
    // SAFETY: the first `count` headers point at one iovec, one message and one address each, all alive during the call.
    let sent =
        unsafe { libc::sendmmsg(fd, headers.as_mut_ptr(), count as libc::c_uint, libc::MSG_DONTWAIT as _) };
    check(sent).map(|n| usize::try_from(n).unwrap_or(0))
}

fn socket_addr(name: &libc::sockaddr_storage) -> Option<SocketAddr> {
    match libc::c_int::from(name.ss_family) {
        libc::AF_INET => {
            // SAFETY: the family says that the kernel wrote a `sockaddr_in`, which is smaller than and no stricter
            // aligned than `sockaddr_storage`.
            let v4: &libc::sockaddr_in = unsafe { &*std::ptr::from_ref(name).cast() };
            let ip = Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr));
            Some(SocketAddrV4::new(ip, u16::from_be(v4.sin_port)).into())
        }
        libc::AF_INET6 => {
            // SAFETY: as above, for `sockaddr_in6`.
            let v6: &libc::sockaddr_in6 = unsafe { &*std::ptr::from_ref(name).cast() };
            let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
            Some(SocketAddrV6::new(ip, u16::from_be(v6.sin6_port), 0, v6.sin6_scope_id).into())
        }
        _ => None,
    }
}

fn write_socket_addr(address: SocketAddr, name: &mut libc::sockaddr_storage) -> libc::socklen_t {
    match address {
        SocketAddr::V4(a) => {
            // SAFETY: `sockaddr_storage` is large and aligned enough for every address family.
            let v4: &mut libc::sockaddr_in = unsafe { &mut *std::ptr::from_mut(name).cast() };
            v4.sin_family = libc::AF_INET as libc::sa_family_t;
            v4.sin_port = a.port().to_be();
            v4.sin_addr.s_addr = u32::from(*a.ip()).to_be();
            size_of::<libc::sockaddr_in>() as libc::socklen_t
        }
        SocketAddr::V6(a) => {
            // SAFETY: as above.
            let v6: &mut libc::sockaddr_in6 = unsafe { &mut *std::ptr::from_mut(name).cast() };
            v6.sin6_family = libc::AF_INET6 as libc::sa_family_t;
            v6.sin6_port = a.port().to_be();
            v6.sin6_addr.s6_addr = a.ip().octets();
            v6.sin6_scope_id = a.scope_id();
            size_of::<libc::sockaddr_in6>() as libc::socklen_t
        }
    }
}

/// Nobody has rung since the thread looked last, and it is about its work.
const AWAKE: u8 = 0;
/// The thread sleeps, or is about to; whoever rings now has to wake it.
const ASLEEP: u8 = 1;
/// Somebody rang; the thread will look before it sleeps.
const RUNG: u8 = 2;

/// Wakes a thread that sleeps in [`Poll::wait`]. While it is awake, ringing costs no system call. [`Poll`] hears of each
/// ring once (edge-triggered), so nothing has to be read back either.
pub struct Bell {
    fd: OwnedFd,
    state: AtomicU8,
}

impl Bell {
    pub fn new() -> io::Result<Bell> {
        // SAFETY: no pointers; the descriptor it returns is nobody else's.
        let fd = unsafe { check(libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC)) }?;
        // SAFETY: `fd` was just opened and is owned by nobody.
        Ok(Bell { fd: unsafe { OwnedFd::from_raw_fd(fd) }, state: AtomicU8::new(AWAKE) })
    }

    pub fn ring(&self) {
        if self.state.swap(RUNG, Ordering::AcqRel) != ASLEEP {
            return;
        }
        let one: u64 = 1;
        // SAFETY: eight bytes are read from `one`. It fails only when 2^64 rings were counted, which no process lives to see.
        unsafe { libc::write(self.fd.as_raw_fd(), std::ptr::from_ref(&one).cast(), 8) };
    }

    /// To be called before looking at what was rung for, so that no ring is lost.
    pub fn listen(&self) {
        self.state.swap(AWAKE, Ordering::AcqRel);
    }

    /// True when nobody rang since `listen`; from now on ringing wakes. False: look again first.
    pub fn may_sleep(&self) -> bool {
        self.state.compare_exchange(AWAKE, ASLEEP, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

/// Descriptors that one [`Poll::wait`] may report; more have their turn at the next.
const READY_MAX: usize = 16;

/// What can be read, after a [`Poll::wait`].
#[derive(Default)]
pub struct Ready {
    fds: [RawFd; READY_MAX],
    count: usize,
}

impl Ready {
    pub fn has(&self, fd: RawFd) -> bool {
        self.fds.iter().take(self.count).any(|ready| *ready == fd)
    }
}

/// Waits until one of a few descriptors can be read.
pub struct Poll {
    fd: OwnedFd,
}

impl Poll {
    pub fn new(bell: &Bell) -> io::Result<Poll> {
        // SAFETY: no pointers; the descriptor it returns is nobody else's.
        let fd = unsafe { check(libc::epoll_create1(libc::EPOLL_CLOEXEC)) }?;
        // SAFETY: `fd` was just opened and is owned by nobody.
        let poll = Poll { fd: unsafe { OwnedFd::from_raw_fd(fd) } };
        poll.watch(bell.fd.as_raw_fd(), libc::EPOLLIN | libc::EPOLLET)?;
        Ok(poll)
    }

    pub fn add(&self, fd: RawFd) -> io::Result<()> {
        self.watch(fd, libc::EPOLLIN)
    }

    fn watch(&self, fd: RawFd, events: libc::c_int) -> io::Result<()> {
        let mut event = libc::epoll_event { events: events as u32, u64: fd as u64 };
        // SAFETY: `event` outlives the call; the kernel copies it.
        unsafe { check(libc::epoll_ctl(self.fd.as_raw_fd(), libc::EPOLL_CTL_ADD, fd, &mut event)) }?;
        Ok(())
    }

    /// Sleeps until something is readable or `timeout_ms` went by; -1 waits for ever.
    pub fn wait(&self, timeout_ms: i32) -> Ready {
        // SAFETY: `epoll_event` is plain integers; all zeroes is a valid value of it.
        let mut events: [libc::epoll_event; READY_MAX] = unsafe { zeroed() };
        // SAFETY: `events` has room for READY_MAX. An error (EINTR) is like waking early, which callers must bear anyway.
        let count = unsafe {
            libc::epoll_wait(self.fd.as_raw_fd(), events.as_mut_ptr(), READY_MAX as libc::c_int, timeout_ms)
        };
        let mut ready = Ready { count: usize::try_from(count).unwrap_or(0), ..Ready::default() };
        for (fd, event) in ready.fds.iter_mut().zip(&events) {
            *fd = event.u64 as RawFd;
        }
        ready
    }
}

/// Lets a command end quietly when its reader has seen enough (`hotseat calls | head`), as other programs do.
pub fn end_with_the_reader() {
    // SAFETY: restores the system's own reaction to SIGPIPE; no handler of ours is involved.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;

    fn pair(bind: &str) -> (UdpSocket, UdpSocket) {
        (UdpSocket::bind(bind).unwrap(), UdpSocket::bind(bind).unwrap())
    }

    #[test]
    fn a_hundred_datagrams_travel_in_batches_with_their_addresses() {
        for bind in ["127.0.0.1:0", "[::1]:0"] {
            let (a, b) = pair(bind);
            let (from, to) = (a.local_addr().unwrap(), b.local_addr().unwrap());
            let mut batch: Vec<_> = (0..100u8).map(|i| (to, vec![i; usize::from(i) + 1])).collect();
            assert_eq!(send_all(a.as_raw_fd(), &mut batch), 0);
            let mut receiver = Receiver::default();
            let mut seen = 0u8;
            while seen < 100 {
                assert!(receiver.receive(b.as_raw_fd()).unwrap() > 0);
                for (peer, bytes) in receiver.datagrams() {
                    assert_eq!((peer, bytes), (from, vec![seen; usize::from(seen) + 1].as_slice()));
                    seen += 1;
                }
            }
            assert_eq!(receiver.receive(b.as_raw_fd()).unwrap(), 0);
        }
    }

    #[test]
    fn one_address_that_cannot_be_reached_does_not_hold_up_the_others() {
        let (a, b) = pair("127.0.0.1:0");
        let to = b.local_addr().unwrap();
        // An IPv6 address on an IPv4 socket is refused by the kernel.
        let mut batch = vec![("[2001:db8::1]:9".parse().unwrap(), vec![1]), (to, vec![2])];
        assert_eq!(send_all(a.as_raw_fd(), &mut batch), 1);
        let mut receiver = Receiver::default();
        assert_eq!(receiver.receive(b.as_raw_fd()).unwrap(), 1);
        assert_eq!(receiver.datagrams().next().unwrap().1, [2]);
    }

    #[test]
    fn a_bell_wakes_the_sleeper_and_only_once() {
        let bell = std::sync::Arc::new(Bell::new().unwrap());
        let poll = Poll::new(&bell).unwrap();
        assert!(bell.may_sleep());
        let ringer = bell.clone();
        let thread = std::thread::spawn(move || (0..3).for_each(|_| ringer.ring()));
        // Without the ring this would wait for ever.
        assert!(poll.wait(-1).has(bell.fd.as_raw_fd()));
        thread.join().unwrap();
        bell.listen();
        assert!(!poll.wait(0).has(bell.fd.as_raw_fd()));
    }

    #[test]
    fn whoever_is_awake_is_not_woken_but_looks_again_before_sleeping() {
        let bell = Bell::new().unwrap();
        let poll = Poll::new(&bell).unwrap();
        bell.listen();
        bell.ring();
        assert!(!bell.may_sleep(), "something came after the last look");
        assert!(!poll.wait(0).has(bell.fd.as_raw_fd()));
        bell.listen();
        assert!(bell.may_sleep());
    }

    #[test]
    fn only_the_socket_that_has_something_is_named() {
        let (a, b) = pair("127.0.0.1:0");
        let poll = Poll::new(&Bell::new().unwrap()).unwrap();
        poll.add(a.as_raw_fd()).unwrap();
        poll.add(b.as_raw_fd()).unwrap();
        a.send_to(b"x", b.local_addr().unwrap()).unwrap();
        let ready = poll.wait(-1);
        assert!(ready.has(b.as_raw_fd()) && !ready.has(a.as_raw_fd()));
    }
}
