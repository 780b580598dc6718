//! What does it cost to relay a packet? 200 calls as in life: each side one packet every 20 ms, sent from another
//! process, so that the processor time read here is the worker's alone. Beside it, the same traffic through a bare
//! loop of batched system calls that judges and rewrites nothing. Prints one JSON line per run and one of medians.
//!
//! `bench_relay [--calls N] [--seconds N] [--runs N]`

#[path = "common/mod.rs"]
mod common;

use bytes::Bytes;
use common::{processor_time, take, wall_ns, want_stamps};
use daemon::media::MediaHandle;
use media::MediaConfig;
use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};
use terms::{CallId, Leg, MediaCommand, MediaEvent, PortKind, Turn};

const HOME: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const PACKET: Duration = Duration::from_millis(20);
/// Twelve bytes of header and 20 ms of G.711.
const SIZE: usize = 172;

fn main() {
    let mut args = std::env::args().skip(1);
    let (mut calls, mut seconds, mut runs, mut peer) = (200usize, 5u64, 3usize, false);
    while let Some(arg) = args.next() {
        let mut number = || args.next().and_then(|v| v.parse::<u64>().ok()).expect("a number");
        match arg.as_str() {
            "--calls" => calls = number() as usize,
            "--seconds" => seconds = number(),
            "--runs" => runs = number() as usize,
            "--peers" => peer = true,
            "--json" => {}
            other => panic!("unknown option {other}; see the first lines of this file"),
        }
    }
    if peer {
        return peers::run(calls, seconds);
    }
    let mut all: Vec<(&str, Vec<Figures>)> = vec![("relay", Vec::new()), ("bare_loop", Vec::new())];
    for _ in 0..runs {
        for (what, figures) in &mut all {
            let f = if *what == "relay" { relay(calls, seconds) } else { bare(calls, seconds) };
            println!("{}", f.line(&format!("rtp_{what}"), calls));
            figures.push(f);
        }
    }
    for (what, figures) in &all {
        let mid = |of: fn(&Figures) -> f64| {
            let mut v: Vec<f64> = figures.iter().map(of).collect();
            v.sort_by(f64::total_cmp);
            v[v.len() / 2]
        };
        let median = Figures {
            packets: mid(|f| f.packets as f64) as u64,
            cpu_us: mid(|f| f.cpu_us),
            p50_us: mid(|f| f.p50_us),
            p99_us: mid(|f| f.p99_us),
            lost: mid(|f| f.lost),
        };
        println!("{}", median.line(&format!("rtp_{what}_median"), calls));
    }
}

struct Figures {
    packets: u64,
    cpu_us: f64,
    p50_us: f64,
    p99_us: f64,
    lost: f64,
}

impl Figures {
    fn line(&self, what: &str, calls: usize) -> String {
        format!(
            "{{\"bench\":\"{what}\",\"calls\":{calls},\"packets\":{},\"cpu_us_per_packet\":{:.2},\"delay_p50_us\":{:.0},\"delay_p99_us\":{:.0},\"lost_share\":{:.6}}}",
            self.packets, self.cpu_us, self.p50_us, self.p99_us, self.lost
        )
    }
}

/// The other process: it owns all phones of all calls.
struct Peers {
    child: Child,
    say: ChildStdin,
    hear: BufReader<ChildStdout>,
    ports: Vec<u16>,
}

impl Peers {
    fn start(calls: usize, seconds: u64) -> Peers {
        let mut child = Command::new(std::env::current_exe().expect("our own name"))
            .args(["--peers", "--calls", &calls.to_string(), "--seconds", &seconds.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("ourselves a second time");
        let say = child.stdin.take().expect("piped");
        let mut hear = BufReader::new(child.stdout.take().expect("piped"));
        let mut line = String::new();
        hear.read_line(&mut line).expect("the phones' ports");
        let ports = line.split_whitespace().map(|p| p.parse().expect("a port")).collect();
        Peers { child, say, hear, ports }
    }

    /// Lets them talk to `gateway` (one port per phone); processor time is read around the middle part.
    fn talk(mut self, gateway: &[u16]) -> Figures {
        let list: Vec<String> = gateway.iter().map(u16::to_string).collect();
        writeln!(self.say, "{}", list.join(" ")).expect("the phones listen");
        let mut line = String::new();
        self.hear.read_line(&mut line).expect("begun");
        let before = processor_time();
        line.clear();
        self.hear.read_line(&mut line).expect("their figures");
        let used = processor_time() - before;
        let _ = self.child.wait();
        let n: Vec<f64> = line.split_whitespace().map(|f| f.parse().expect("a figure")).collect();
        let (sent, got) = (n[0], n[1]);
        Figures {
            packets: got as u64,
            cpu_us: used.as_secs_f64() * 1e6 / got.max(1.0),
            p50_us: n[2],
            p99_us: n[3],
            lost: (sent - got) / sent,
        }
    }
}

fn relay(calls: usize, seconds: u64) -> Figures {
    let (tx, events) = channel();
    let config = MediaConfig::new(HOME);
    let handle = MediaHandle::start(config, HOME, 1, move |e| tx.send(e).unwrap_or(())).expect("workers");
    let peers = Peers::start(calls, seconds);
    let sdp = |port: u16| {
        Bytes::from(format!(
            "v=0\r\no=- 1 1 IN IP4 {HOME}\r\ns=-\r\nc=IN IP4 {HOME}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0 8\r\n"
        ))
    };
    let told = || loop {
        if let MediaEvent::Sdp { sdp, .. } = events.recv_timeout(Duration::from_secs(5)).expect("an event") {
            let text = String::from_utf8(sdp.to_vec()).expect("ours");
            let port =
                text.lines().find_map(|l| l.strip_prefix("m=audio ")).and_then(|l| l.split(' ').next());
            return port.and_then(|p| p.parse::<u16>().ok()).expect("a port");
        }
    };
    let mut gateway = vec![0; peers.ports.len()];
    for i in 0..calls {
        let (call, turn, source) = (CallId(i as u64), Turn(1), HOME);
        let sdp_a = sdp(peers.ports[2 * i]);
        handle.send(MediaCommand::Offer {
            call,
            turn,
            from: Leg::A,
            sdp: sdp_a,
            source,
            to_kind: PortKind::Rtp,
            to_codecs: Default::default(),
            may_settle: false,
        });
        gateway[2 * i + 1] = told();
        handle.send(MediaCommand::Answer {
            call,
            turn,
            from: Leg::B,
            sdp: sdp(peers.ports[2 * i + 1]),
            source,
        });
        gateway[2 * i] = told();
    }
    let figures = peers.talk(&gateway);
    handle.stop();
    figures
}

/// epoll, recvmmsg, sendmmsg and nothing else: what the kernel alone costs on this machine.
fn bare(calls: usize, seconds: u64) -> Figures {
    let peers = Peers::start(calls, seconds);
    let sockets: Vec<UdpSocket> =
        (0..calls * 2).map(|_| UdpSocket::bind((HOME, 0)).expect("a port")).collect();
    let gateway: Vec<u16> = sockets.iter().map(|s| s.local_addr().expect("bound").port()).collect();
    let to: Vec<SocketAddr> = peers.ports.iter().map(|p| SocketAddr::new(HOME, *p)).collect();
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = stop.clone();
    let loops = Arc::new(AtomicU64::new(0));
    let counted = loops.clone();
    let thread = std::thread::spawn(move || bare_loop(&sockets, &to, &stopped, &counted));
    let figures = peers.talk(&gateway);
    stop.store(true, Ordering::Relaxed);
    let _ = thread.join();
    figures
}

fn bare_loop(sockets: &[UdpSocket], to: &[SocketAddr], stop: &AtomicBool, loops: &AtomicU64) {
    const N: usize = 16;
    // SAFETY: every pointer handed to the kernel points to an array of this function that outlives the call, with its
    // true length; the structs are plain data that may be zero.
    unsafe {
        let epoll = libc::epoll_create1(0);
        for (i, s) in sockets.iter().enumerate() {
            let mut e = libc::epoll_event { events: libc::EPOLLIN as u32, u64: i as u64 };
            libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, s.as_raw_fd(), &mut e);
        }
        let mut events = vec![libc::epoll_event { events: 0, u64: 0 }; 256];
        let mut buffers = vec![[0u8; 1536]; N];
        let mut names: Vec<libc::sockaddr_in> = vec![std::mem::zeroed(); N];
        while !stop.load(Ordering::Relaxed) {
            let n = libc::epoll_wait(epoll, events.as_mut_ptr(), 256, 100);
            loops.fetch_add(1, Ordering::Relaxed);
            for e in events.iter().take(n.max(0) as usize) {
                let i = e.u64 as usize;
                let mut parts: [libc::iovec; N] = std::mem::zeroed();
                let mut heads: [libc::mmsghdr; N] = std::mem::zeroed();
                for k in 0..N {
                    parts[k] = libc::iovec { iov_base: buffers[k].as_mut_ptr().cast(), iov_len: 1536 };
                    heads[k].msg_hdr.msg_iov = &mut parts[k];
                    heads[k].msg_hdr.msg_iovlen = 1;
                }
                let got = libc::recvmmsg(
                    sockets[i].as_raw_fd(),
                    heads.as_mut_ptr(),
                    N as u32,
                    libc::MSG_DONTWAIT,
                    std::ptr::null_mut(),
                );
                if got <= 0 {
                    continue;
                }
                let SocketAddr::V4(v4) = to[i ^ 1] else { continue };
                for k in 0..got as usize {
                    names[k].sin_family = libc::AF_INET as u16;
                    names[k].sin_port = v4.port().to_be();
                    names[k].sin_addr.s_addr = u32::from(*v4.ip()).to_be();
                    parts[k].iov_len = heads[k].msg_len as usize;
                    heads[k].msg_hdr.msg_name = (&raw mut names[k]).cast();
                    heads[k].msg_hdr.msg_namelen = size_of::<libc::sockaddr_in>() as u32;
                }
                libc::sendmmsg(sockets[i ^ 1].as_raw_fd(), heads.as_mut_ptr(), got as u32, 0);
            }
        }
        libc::close(epoll);
    }
}

/// The process with the phones.
mod peers {
    use super::*;

    pub fn run(calls: usize, seconds: u64) {
        let sockets: Vec<UdpSocket> = (0..calls * 2)
            .map(|_| {
                let s = UdpSocket::bind((HOME, 0)).expect("a port");
                want_stamps(&s);
                s
            })
            .collect();
        let ports: Vec<String> =
            sockets.iter().map(|s| s.local_addr().expect("bound").port().to_string()).collect();
        println!("{}", ports.join(" "));
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).expect("the gateway's ports");
        let gateway: Vec<u16> = line.split_whitespace().map(|p| p.parse().expect("a port")).collect();
        println!("begun");
        let (sent, got, mut delays) = talk(&sockets, &gateway, seconds);
        delays.sort_unstable();
        let at = |share: f64| {
            delays.get((delays.len() as f64 * share) as usize).copied().unwrap_or(0) as f64 / 1000.0
        };
        println!("{sent} {got} {} {}", at(0.5), at(0.99));
    }

    /// Every phone sends each 20 ms, the phones spread evenly over that time; delays in nanoseconds.
    fn talk(sockets: &[UdpSocket], gateway: &[u16], seconds: u64) -> (u64, u64, Vec<u64>) {
        let begun = Instant::now();
        let rounds = seconds * 1000 / PACKET.as_millis() as u64;
        let step = PACKET / sockets.len() as u32;
        let (mut sent, mut got) = (0u64, 0u64);
        let mut delays = Vec::with_capacity((rounds as usize + 10) * sockets.len());
        for round in 0..rounds {
            for (i, s) in sockets.iter().enumerate() {
                let due = PACKET * round as u32 + step * i as u32;
                if let Some(early) = due.checked_sub(begun.elapsed())
                    && early > Duration::from_micros(200)
                {
                    std::thread::sleep(early);
                }
                let mut p = [0u8; SIZE];
                p[0] = 0x80;
                p[2..4].copy_from_slice(&(round as u16).to_be_bytes());
                p[4..8].copy_from_slice(&(round as u32 * 160).to_be_bytes());
                p[8..12].copy_from_slice(&(i as u32 + 1).to_be_bytes());
                p[12..20].copy_from_slice(&wall_ns().to_be_bytes());
                sent += u64::from(s.send_to(&p, (HOME, gateway[i])).is_ok());
                got += all(s, &mut delays);
            }
        }
        std::thread::sleep(Duration::from_millis(200));
        for s in sockets {
            got += all(s, &mut delays);
        }
        (sent, got, delays)
    }

    /// Everything a phone has got.
    fn all(s: &UdpSocket, delays: &mut Vec<u64>) -> u64 {
        let (mut got, mut buf) = (0, [0u8; 2048]);
        while let Some((SIZE, came)) = take(s, &mut buf) {
            got += 1;
            let stamp = buf[12..].first_chunk::<8>().map_or(came, |b| u64::from_be_bytes(*b));
            delays.push(came.saturating_sub(stamp));
        }
        got
    }
}
