//! The media of the trunk's side: SIPp signals, this socket speaks and listens, so that what arrives is kept as sound. It
//! speaks G.711 by the law it hears, as the answer says it should.

use crate::audio::{alaw_decode, alaw_encode, ulaw_decode, ulaw_encode};
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Plays samples as G.711 in packets of 20 ms and records what comes back, until it is dropped by `finish`.
pub struct Endpoint {
    pub address: SocketAddr,
    heard: Arc<Mutex<Vec<i16>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Endpoint {
    /// Listens on an even port and speaks to the first who speaks to it.
    pub fn open(play: Vec<i16>) -> Endpoint {
        let socket = std::iter::repeat_with(|| UdpSocket::bind("127.0.0.1:0").expect("a UDP port"))
            .find(|s| s.local_addr().is_ok_and(|a| a.port() % 2 == 0))
            .expect("an even port among many");
        socket.set_read_timeout(Some(Duration::from_millis(2))).expect("a read timeout");
        let address = socket.local_addr().expect("a bound socket");
        let heard = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let thread = std::thread::spawn({
            let (heard, stop) = (heard.clone(), stop.clone());
            move || run(socket, &play, &heard, &stop)
        });
        Endpoint { address, heard, stop, thread: Some(thread) }
    }

    /// Samples heard so far.
    pub fn heard(&self) -> Vec<i16> {
        self.heard.lock().unwrap().clone()
    }

    pub fn finish(mut self) -> Vec<i16> {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        self.heard()
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn run(socket: UdpSocket, play: &[i16], heard: &Mutex<Vec<i16>>, stop: &AtomicBool) {
    let (mut sequence, mut timestamp) = (7u16, 160u32);
    let mut frames = play.chunks_exact(160).cycle();
    let mut next = Instant::now();
    let mut packet = [0u8; 2048];
    let mut peer: Option<SocketAddr> = None;
    let mut a_law = false;
    while !stop.load(Ordering::Relaxed) {
        if let Ok((len, from)) = socket.recv_from(&mut packet) {
            peer.get_or_insert(from);
            a_law = match packet[1] & 0x7f {
                0 => false,
                8 => true,
                _ => continue,
            };
            let decode = if a_law { alaw_decode } else { ulaw_decode };
            if len > 12 && packet[0] >> 6 == 2 {
                heard.lock().unwrap().extend(packet[12..len].iter().map(|b| decode(*b)));
            }
        }
        if Instant::now() < next {
            continue;
        }
        next += Duration::from_millis(20);
        let (Some(to), Some(frame)) = (peer, frames.next()) else { continue };
        let (encode, pt) =
            if a_law { (alaw_encode as fn(i16) -> u8, 8) } else { (ulaw_encode as fn(i16) -> u8, 0) };
        let mut out = vec![0x80, pt];
        out.extend_from_slice(&sequence.to_be_bytes());
        out.extend_from_slice(&timestamp.to_be_bytes());
        out.extend_from_slice(&0x5150_u32.to_be_bytes());
        out.extend(frame.iter().map(|s| encode(*s)));
        let _ = socket.send_to(&out, to);
        sequence = sequence.wrapping_add(1);
        timestamp = timestamp.wrapping_add(160);
    }
}
