//! What the measurements share: processor time, and sockets whose packets say when they came.

use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Of this process, in user and system mode.
pub fn processor_time() -> Duration {
    // SAFETY: getrusage fills the struct we own.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut usage);
        usage
    };
    let part = |t: libc::timeval| Duration::new(t.tv_sec as u64, t.tv_usec as u32 * 1000);
    part(usage.ru_utime) + part(usage.ru_stime)
}

pub fn wall_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos() as u64)
}

/// From now on the kernel notes of each packet when it came, so that it does not matter when we look.
pub fn want_stamps(s: &UdpSocket) {
    let on: libc::c_int = 1;
    // SAFETY: the kernel reads one int.
    unsafe {
        let size = size_of::<libc::c_int>() as u32;
        libc::setsockopt(s.as_raw_fd(), libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, (&raw const on).cast(), size);
    }
}

/// The next packet that waits: its length, and when it came (zero if nobody noted it).
pub fn take(s: &UdpSocket, buf: &mut [u8]) -> Option<(usize, u64)> {
    let mut control = [0u64; 16];
    // SAFETY: the message points to locals that outlive the call, with their true lengths; the control message is only
    // read after its header and type have been checked.
    unsafe {
        let mut part = libc::iovec { iov_base: buf.as_mut_ptr().cast(), iov_len: buf.len() };
        let mut head: libc::msghdr = std::mem::zeroed();
        head.msg_iov = &mut part;
        head.msg_iovlen = 1;
        head.msg_control = control.as_mut_ptr().cast();
        head.msg_controllen = size_of_val(&control) as _;
        let len = usize::try_from(libc::recvmsg(s.as_raw_fd(), &mut head, libc::MSG_DONTWAIT)).ok()?;
        let c = libc::CMSG_FIRSTHDR(&head);
        if c.is_null() || (*c).cmsg_type != libc::SCM_TIMESTAMPNS {
            return Some((len, 0));
        }
        let at = libc::CMSG_DATA(c).cast::<libc::timespec>().read_unaligned();
        Some((len, at.tv_sec as u64 * 1_000_000_000 + at.tv_nsec as u64))
    }
}
