//! The system calls of the media workers, and the only unsafe code of theirs: epoll, an eventfd as a bell, and
//! datagrams in batches (recvmmsg, sendmmsg).

use std::io;
use std::mem::{MaybeUninit, size_of, zeroed};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

/// Datagrams per system call. A port of one call has one or two waiting; sixteen is a burst.
pub const BATCH: usize = 16;
/// Voice packets have a few hundred bytes; nothing longer than an Ethernet frame is relayed.
pub const PACKET_MAX: usize = 1536;
/// Ports served per wake.
const READY_MAX: usize = 256;

/// Each call needs four sockets; the usual soft limit of 1024 files would end at 250 calls. The hard limit stays.
pub fn raise_open_files() {
    // SAFETY: both calls only read or write the struct we own for their duration.
    unsafe {
        let mut limit: libc::rlimit = zeroed();
        if libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) == 0 && limit.rlim_cur < limit.rlim_max {
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
        }
    }
}

/// Wakes a worker that waits for packets.
pub struct Bell(OwnedFd);

impl Bell {
    pub fn new() -> io::Result<Bell> {
        // SAFETY: eventfd takes no pointers; a non-negative result is a descriptor nobody else owns.
        unsafe {
            let fd = libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC);
            if fd < 0 { Err(io::Error::last_os_error()) } else { Ok(Bell(OwnedFd::from_raw_fd(fd))) }
        }
    }

    pub fn ring(&self) {
        let one = 1u64;
        // SAFETY: eight bytes of a local. A full counter (EAGAIN) already rings, so the result does not matter.
        let _ = unsafe { libc::write(self.fd(), (&raw const one).cast(), size_of::<u64>()) };
    }

    pub fn clear(&self) {
        let mut count = 0u64;
        // SAFETY: eight bytes of a local. EAGAIN means that it did not ring.
        let _ = unsafe { libc::read(self.fd(), (&raw mut count).cast(), size_of::<u64>()) };
    }

    pub fn fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// The set of descriptors a worker waits for; level-triggered, so that what is left over is reported again.
pub struct Epoll(OwnedFd);

/// What an `Epoll` found.
pub struct Ready {
    events: Box<[libc::epoll_event]>,
    count: usize,
}

impl Ready {
    pub fn new() -> Ready {
        Ready { events: vec![libc::epoll_event { events: 0, u64: 0 }; READY_MAX].into(), count: 0 }
    }

    pub fn tokens(&self) -> impl Iterator<Item = u64> + '_ {
        self.events.iter().take(self.count).map(|e| e.u64)
    }
}

impl Epoll {
    pub fn new() -> io::Result<Epoll> {
        // SAFETY: no pointers; a non-negative result is a descriptor nobody else owns.
        unsafe {
            let fd = libc::epoll_create1(libc::EPOLL_CLOEXEC);
            if fd < 0 { Err(io::Error::last_os_error()) } else { Ok(Epoll(OwnedFd::from_raw_fd(fd))) }
        }
    }

    pub fn add(&self, fd: RawFd, token: u64) -> io::Result<()> {
        let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: token };
        // SAFETY: the kernel copies the event; both descriptors are open.
        match unsafe { libc::epoll_ctl(self.0.as_raw_fd(), libc::EPOLL_CTL_ADD, fd, &mut event) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    pub fn wait(&self, ready: &mut Ready, patience: Duration) -> io::Result<()> {
        // Rounded up, so that a deadline less than a millisecond away is not spun for.
        let ms = i32::try_from(patience.as_micros().div_ceil(1000)).unwrap_or(i32::MAX);
        // SAFETY: the array is ours and READY_MAX long.
        let n =
            unsafe { libc::epoll_wait(self.0.as_raw_fd(), ready.events.as_mut_ptr(), READY_MAX as i32, ms) };
        ready.count = usize::try_from(n).unwrap_or(0);
        match n {
            0.. => Ok(()),
            _ => match io::Error::last_os_error() {
                e if e.kind() == io::ErrorKind::Interrupted => Ok(()),
                e => Err(e),
            },
        }
    }
}

/// Buffers for one batch in and the same packets out.
pub struct Batch {
    buffers: Box<[[u8; PACKET_MAX]]>,
    lengths: [usize; BATCH],
    from: Box<[libc::sockaddr_storage]>,
    queue: Queue,
}

/// Packets that came in at many ports and leave together by one.
pub struct Outbox {
    buffers: Box<[[u8; PACKET_MAX]]>,
    queue: Queue,
}

/// What waits to be sent from a row of `BATCH` buffers, and where to.
struct Queue {
    to: Box<[libc::sockaddr_storage]>,
    leaving: [Leaving; BATCH],
    count: usize,
    v6: bool,
}

/// A packet that waits to be sent: which buffer, how much of it, and how long its address is.
#[derive(Clone, Copy, Default)]
struct Leaving {
    buffer: usize,
    len: usize,
    name_len: libc::socklen_t,
}

/// `BATCH` addresses without a value (AF_UNSPEC).
fn addresses() -> Box<[libc::sockaddr_storage]> {
    // SAFETY: sockaddr_storage is plain data, all zero is a valid value.
    unsafe { vec![zeroed::<libc::sockaddr_storage>(); BATCH].into_boxed_slice() }
}

impl Batch {
    /// `v6`: the sockets are of that family, and IPv4 peers are written as mapped addresses.
    pub fn new(v6: bool) -> Batch {
        Batch {
            buffers: vec![[0; PACKET_MAX]; BATCH].into(),
            lengths: [0; BATCH],
            from: addresses(),
            queue: Queue::new(v6),
        }
    }

    /// Takes what waits at `fd`, at most `most` and `BATCH`. Zero when nothing does, or when the socket has an error to
    /// report, which for UDP is somebody's ICMP and of no interest.
    pub fn receive(&mut self, fd: RawFd, most: usize) -> usize {
        let most = most.min(BATCH);
        let mut parts: [MaybeUninit<libc::iovec>; BATCH] = [const { MaybeUninit::uninit() }; BATCH];
        let mut heads: [MaybeUninit<libc::mmsghdr>; BATCH] = [const { MaybeUninit::uninit() }; BATCH];
        for i in 0..most {
            let part = parts[i]
                .write(libc::iovec { iov_base: self.buffers[i].as_mut_ptr().cast(), iov_len: PACKET_MAX });
            heads[i].write(head(&mut self.from[i], size_of::<libc::sockaddr_storage>() as u32, part));
        }
        // SAFETY: the first `most` heads are written above; they point to buffers, addresses and parts that outlive the call
        // and are not touched otherwise during it.
        let n = unsafe {
            libc::recvmmsg(
                fd,
                heads.as_mut_ptr().cast(),
                most as u32,
                libc::MSG_DONTWAIT,
                std::ptr::null_mut(),
            )
        };
        let n = usize::try_from(n).unwrap_or(0).min(most);
        for (length, head) in self.lengths.iter_mut().zip(&heads).take(n) {
            // SAFETY: written above for every index below `most`, and `n` is no more.
            let head = unsafe { head.assume_init_ref() };
            let cut = head.msg_hdr.msg_flags & libc::MSG_TRUNC != 0;
            *length = if cut { 0 } else { (head.msg_len as usize).min(PACKET_MAX) };
        }
        n
    }

    /// A packet of the last `receive`, its length, and who sent it. IPv4 peers of an IPv6 socket come as IPv4. The whole
    /// buffer is handed out, because what leaves may be longer than what came.
    #[inline]
    pub fn packet(&mut self, i: usize) -> Option<(&mut [u8; PACKET_MAX], usize, SocketAddr)> {
        let from = address(self.from.get(i)?)?;
        let len = *self.lengths.get(i)?;
        Some((self.buffers.get_mut(i)?, len, from))
    }

    /// Lets the first `len` bytes of packet `i` leave with the next `send`.
    #[inline]
    pub fn queue(&mut self, i: usize, to: SocketAddr, len: usize) {
        self.queue.push(i, to, len);
    }

    /// Sends what is queued; how many left. A packet the kernel refuses is lost, as any network might lose it.
    pub fn send(&mut self, fd: RawFd) -> usize {
        self.queue.send(fd, &mut self.buffers)
    }

    /// Drops what is queued.
    pub fn forget(&mut self) {
        self.queue.count = 0;
    }
}

impl Outbox {
    pub fn new(v6: bool) -> Outbox {
        Outbox { buffers: vec![[0; PACKET_MAX]; BATCH].into(), queue: Queue::new(v6) }
    }

    /// Takes a copy, which costs a hundredth of the system call it saves. Whoever fills it sends at once.
    #[inline]
    pub fn put(&mut self, to: SocketAddr, bytes: &[u8]) {
        let at = self.queue.count;
        if let Some(place) = self.buffers.get_mut(at).and_then(|b| b.get_mut(..bytes.len())) {
            place.copy_from_slice(bytes);
            self.queue.push(at, to, bytes.len());
        }
    }

    pub fn is_empty(&self) -> bool {
        self.queue.count == 0
    }

    pub fn is_full(&self) -> bool {
        self.queue.count == BATCH
    }

    /// As `Batch::send`.
    pub fn send(&mut self, fd: RawFd) -> usize {
        self.queue.send(fd, &mut self.buffers)
    }

    pub fn forget(&mut self) {
        self.queue.count = 0;
    }
}

impl Queue {
    fn new(v6: bool) -> Queue {
        Queue { to: addresses(), leaving: [Leaving::default(); BATCH], count: 0, v6 }
    }

    #[inline]
    fn push(&mut self, buffer: usize, to: SocketAddr, len: usize) {
        if let (Some(place), Some(name)) = (self.leaving.get_mut(self.count), self.to.get_mut(self.count)) {
            *place = Leaving {
                buffer: buffer.min(BATCH - 1),
                len: len.min(PACKET_MAX),
                name_len: write(name, to, self.v6),
            };
            self.count += 1;
        }
    }

    fn send(&mut self, fd: RawFd, buffers: &mut [[u8; PACKET_MAX]]) -> usize {
        let count = std::mem::take(&mut self.count).min(BATCH);
        if count == 1 {
            return self.send_one(fd, buffers);
        }
        let mut parts: [MaybeUninit<libc::iovec>; BATCH] = [const { MaybeUninit::uninit() }; BATCH];
        let mut heads: [MaybeUninit<libc::mmsghdr>; BATCH] = [const { MaybeUninit::uninit() }; BATCH];
        for i in 0..count {
            let Leaving { buffer, len, name_len } = self.leaving[i];
            let part =
                parts[i].write(libc::iovec { iov_base: buffers[buffer].as_mut_ptr().cast(), iov_len: len });
            heads[i].write(head(&mut self.to[i], name_len, part));
        }
        let (mut at, mut left) = (0, 0);
        while at < count {
            // SAFETY: heads `at..count` are written above; they point to buffers, addresses and parts that outlive
            // the call, and the lengths are within them.
            let n = unsafe {
                let first = heads.as_mut_ptr().cast::<libc::mmsghdr>().add(at);
                libc::sendmmsg(fd, first, (count - at) as u32, libc::MSG_DONTWAIT)
            };
            match usize::try_from(n) {
                Ok(sent) if sent > 0 => {
                    at += sent;
                    left += sent;
                }
                // The first one was refused (full buffer, no route); the others may fare better.
                _ => at += 1,
            }
        }
        left
    }

    /// Most packets to phones leave alone, since each phone has a port of its own; the call for one is the cheaper one.
    fn send_one(&self, fd: RawFd, buffers: &[[u8; PACKET_MAX]]) -> usize {
        let Leaving { buffer, len, name_len } = self.leaving[0];
        // SAFETY: buffer and address outlive the call; `len` is at most the buffer's length, `name_len` the address's.
        let n = unsafe {
            libc::sendto(
                fd,
                buffers[buffer].as_ptr().cast(),
                len,
                libc::MSG_DONTWAIT,
                (&raw const self.to[0]).cast(),
                name_len,
            )
        };
        usize::from(n >= 0)
    }
}

fn head(name: &mut libc::sockaddr_storage, name_len: u32, part: &mut libc::iovec) -> libc::mmsghdr {
    // SAFETY: msghdr is plain data; some platforms have padding fields that must be zero.
    let mut head: libc::mmsghdr = unsafe { zeroed() };
    head.msg_hdr.msg_name = (&raw mut *name).cast();
    head.msg_hdr.msg_namelen = name_len;
    head.msg_hdr.msg_iov = part;
    head.msg_hdr.msg_iovlen = 1;
    head
}

/// The sender as the kernel wrote it.
#[inline]
fn address(storage: &libc::sockaddr_storage) -> Option<SocketAddr> {
    match i32::from(storage.ss_family) {
        libc::AF_INET => {
            // SAFETY: the family says it is a sockaddr_in, which is smaller than the storage and aligned like it.
            let v4 = unsafe { &*(&raw const *storage).cast::<libc::sockaddr_in>() };
            let ip = Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr));
            Some(SocketAddr::V4(SocketAddrV4::new(ip, u16::from_be(v4.sin_port))))
        }
        libc::AF_INET6 => {
            // SAFETY: the family says it is a sockaddr_in6, which is smaller than the storage and aligned like it.
            let v6 = unsafe { &*(&raw const *storage).cast::<libc::sockaddr_in6>() };
            let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
            Some(SocketAddr::new(std::net::IpAddr::V6(ip).to_canonical(), u16::from_be(v6.sin6_port)))
        }
        _ => None,
    }
}

/// Writes an address for the kernel; returns its length.
#[inline]
fn write(storage: &mut libc::sockaddr_storage, to: SocketAddr, v6: bool) -> libc::socklen_t {
    let to = match to {
        SocketAddr::V4(v4) if v6 => {
            SocketAddr::V6(SocketAddrV6::new(v4.ip().to_ipv6_mapped(), v4.port(), 0, 0))
        }
        other => other,
    };
    match to {
        SocketAddr::V4(v4) => {
            // SAFETY: storage is larger than a sockaddr_in, aligned for it, and any bytes are valid for both.
            let place = unsafe { &mut *(&raw mut *storage).cast::<libc::sockaddr_in>() };
            place.sin_family = libc::AF_INET as libc::sa_family_t;
            place.sin_port = v4.port().to_be();
            place.sin_addr.s_addr = u32::from(*v4.ip()).to_be();
            size_of::<libc::sockaddr_in>() as libc::socklen_t
        }
        SocketAddr::V6(v6) => {
            // SAFETY: storage is larger than a sockaddr_in6, aligned for it, and any bytes are valid for both.
            let place = unsafe { &mut *(&raw mut *storage).cast::<libc::sockaddr_in6>() };
            place.sin6_family = libc::AF_INET6 as libc::sa_family_t;
            place.sin6_port = v6.port().to_be();
            place.sin6_flowinfo = 0;
            place.sin6_addr.s6_addr = v6.ip().octets();
            place.sin6_scope_id = v6.scope_id();
            size_of::<libc::sockaddr_in6>() as libc::socklen_t
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_go_to_the_kernel_and_back() {
        let mut s = addresses()[0];
        assert_eq!(address(&s), None);
        for (text, v6) in [("192.0.2.1:4000", false), ("192.0.2.1:4000", true), ("[2001:db8::1]:65535", true)]
        {
            let to: SocketAddr = text.parse().unwrap();
            write(&mut s, to, v6);
            assert_eq!(address(&s), Some(to));
        }
    }
}
