//! What protection costs: one packet of 20 ms G.711 (172 bytes) sealed and opened again, in nanoseconds of processor
//! time, medians of several runs.

use media::srtp::{GROWTH_MAX, Keys, Opener, Sealer, Suite};
use std::hint::black_box;

const PACKETS: u32 = 200_000;
const RUNS: usize = 7;
const PACKET: usize = 172;

fn main() {
    for suite in [Suite::AesCm128HmacSha1_80, Suite::AesCm128HmacSha1_32, Suite::AeadAes128Gcm] {
        let mut runs: Vec<[f64; 2]> = (0..RUNS).map(|_| run(suite)).collect();
        let mut median = |which: usize| {
            runs.sort_by(|a, b| a[which].total_cmp(&b[which]));
            runs[RUNS / 2][which]
        };
        let (seal, open) = (median(0), median(1));
        println!(
            "{{\"bench\":\"srtp\",\"suite\":\"{}\",\"bytes\":{PACKET},\"seal_ns\":{seal:.0},\"open_ns\":{open:.0},\"both_ns\":{:.0}}}",
            suite.name(),
            seal + open
        );
    }
}

fn run(suite: Suite) -> [f64; 2] {
    let bytes: Vec<u8> = (0..30).collect();
    let keys = Keys::of_bytes(suite, &bytes[..16 + suite.salt_len()]).expect("the suite's own length");
    let (mut sealer, mut opener) = (Sealer::new(&keys), Opener::new(&keys));
    let mut packets: Vec<[u8; PACKET + GROWTH_MAX]> = Vec::with_capacity(PACKETS as usize);
    for i in 0..PACKETS {
        let mut packet = [i as u8; PACKET + GROWTH_MAX];
        packet[..2].copy_from_slice(&[0x80, 8]);
        packet[2..4].copy_from_slice(&(i as u16).to_be_bytes());
        packet[8..12].copy_from_slice(&[1, 2, 3, 4]);
        packets.push(packet);
    }
    let begun = processor_ns();
    let mut len = 0;
    for packet in &mut packets {
        len = black_box(sealer.seal_rtp(packet, PACKET)).expect("it is RTP");
    }
    let sealed = processor_ns();
    for packet in &mut packets {
        black_box(opener.open_rtp(packet, len)).expect("it was sealed with this key");
    }
    let opened = processor_ns();
    [sealed - begun, opened - sealed].map(|ns| ns as f64 / f64::from(PACKETS))
}

/// What this thread has had of a processor; what others take from it does not count.
fn processor_ns() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").expect("a Linux");
    stat.split(' ').next().and_then(|ns| ns.parse().ok()).expect("nanoseconds first")
}
