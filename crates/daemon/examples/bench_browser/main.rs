//! What does a call between a browser (ICE, DTLS-SRTP) and a phone (RTP) cost? The workers as the service runs them, on
//! real sockets; browsers and phones live in another process and speak every 20 ms, so that the processor time read here
//! is the workers' alone. One JSON line per run, then one of medians that names the aim.
//!
//! `bench_browser [--calls N] [--seconds N] [--runs N] [--only packet|coded|setup|memory|strangers]`

mod browser;
#[path = "../common/mod.rs"]
mod common;
mod peers;
mod server;

use server::{Calls, Talked};
use std::alloc::{GlobalAlloc, Layout, System};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

pub const HOME: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Packets a second of a call, both ways.
const PER_SECOND: f64 = 100.0;
/// Calls of which each is coded here, and of which the memory is counted.
const CODED_CALLS: usize = 20;
const MEMORY_CALLS: usize = 400;
/// Calls that go on while strangers knock.
const KNOCKED_CALLS: usize = 20;
/// A handshake's machinery is kept for twenty seconds, for whoever lost our last flight.
const LET_GO: Duration = Duration::from_secs(22);

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Work {
    Plain,
    /// The browser speaks Opus, the phone PCMU.
    Coded,
}

impl Work {
    pub fn name(self) -> &'static str {
        match self {
            Work::Plain => "plain",
            Work::Coded => "coded",
        }
    }
}

fn main() {
    let mut args = std::env::args().skip(1);
    let (mut calls, mut seconds, mut runs, mut peer, mut only) = (200usize, 5u64, 3usize, None, None);
    while let Some(arg) = args.next() {
        let mut value = || args.next().expect("a value");
        let number = |v: String| v.parse::<u64>().expect("a number");
        match arg.as_str() {
            "--calls" => calls = number(value()) as usize,
            "--seconds" => seconds = number(value()),
            "--runs" => runs = number(value()).max(1) as usize,
            "--only" => only = Some(value()),
            "--peers" => peer = Some(if value() == "coded" { Work::Coded } else { Work::Plain }),
            "--json" => {}
            other => panic!("unknown option {other}; see the first lines of this file"),
        }
    }
    if let Some(work) = peer {
        return peers::run(work, calls, seconds);
    }
    let wanted = |name: &str| only.as_deref().is_none_or(|o| o == name);
    if wanted("packet") || wanted("setup") {
        packet(calls, seconds, runs);
    }
    if wanted("coded") {
        coded(seconds, runs);
    }
    if wanted("memory") {
        memory();
    }
    if wanted("strangers") {
        strangers(seconds, runs);
    }
}

/// The middle one.
fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    of.get(of.len() / 2).copied().unwrap_or(f64::NAN)
}

fn us(d: Duration) -> f64 {
    d.as_secs_f64() * 1e6
}

/// One figure and what it should be at most.
fn aim(what: &str, figure: &str, value: f64, below: f64) {
    println!(
        "{{\"bench\":\"{what}\",\"median\":true,\"{figure}\":{value:.3},\"aim_below\":{below},\"met\":{}}}",
        value < below
    );
}

fn packet(calls: usize, seconds: u64, runs: usize) {
    let (mut cost, mut p99, mut lost, mut set_up) = (vec![], vec![], vec![], vec![]);
    for _ in 0..runs {
        let mut up = Calls::begin(Work::Plain, calls, seconds);
        let each = us(up.set_up) / calls as f64;
        println!(
            "{{\"bench\":\"browser_setup\",\"calls\":{calls},\"cpu_us_per_leg\":{each:.0},\"includes\":\"check, DTLS handshake, keys\"}}"
        );
        let t = up.talk("talk");
        up.end();
        let per_packet = us(t.used) / t.got;
        println!(
            "{{\"bench\":\"browser_packet\",\"calls\":{calls},\"packets\":{},\"cpu_us_per_packet\":{per_packet:.2},\"two_way_calls_per_core\":{:.0},\"delay_p50_us\":{:.0},\"delay_p99_us\":{:.0},\"lost_share\":{:.6},\"allocations_per_packet\":{:.4}}}",
            t.got,
            1e6 / (per_packet * PER_SECOND),
            t.p50_us,
            t.p99_us,
            lost_share(&t),
            t.allocations as f64 / t.got
        );
        cost.push(per_packet);
        p99.push(t.p99_us / 1000.0);
        lost.push(lost_share(&t));
        set_up.push(each);
    }
    aim("browser_packet", "cpu_us_per_packet", median(cost.clone()), 8.0);
    let per_core = 1e6 / (median(cost) * PER_SECOND);
    println!(
        "{{\"bench\":\"browser_packet\",\"median\":true,\"two_way_calls_per_core\":{per_core:.0},\"aim_over\":1250,\"met\":{}}}",
        per_core > 1250.0
    );
    aim("browser_packet", "delay_p99_ms", median(p99), 2.0);
    // A single packet in a million would show.
    aim("browser_packet", "lost_share", median(lost), 1e-6);
    aim("browser_setup", "cpu_us_per_leg", median(set_up), 1000.0);
}

fn lost_share(t: &Talked) -> f64 {
    (t.sent - t.got) / t.sent
}

fn coded(seconds: u64, runs: usize) {
    let mut all = vec![];
    for _ in 0..runs {
        let mut up = Calls::begin(Work::Coded, CODED_CALLS, seconds);
        let t = up.talk("talk");
        up.end();
        // Of the time in which packets came, not of the rest at its end.
        let talked = t.sent / (CODED_CALLS as f64 * PER_SECOND);
        let percent = t.used.as_secs_f64() / talked * 100.0 / CODED_CALLS as f64;
        println!(
            "{{\"bench\":\"browser_opus_pcmu\",\"calls\":{CODED_CALLS},\"packets\":{},\"core_percent_per_call\":{percent:.3},\"lost_share\":{:.6},\"allocations_per_packet\":{:.4}}}",
            t.got,
            lost_share(&t),
            t.allocations as f64 / t.got
        );
        all.push(percent);
    }
    aim("browser_opus_pcmu", "core_percent_per_call", median(all), 0.8);
}

fn memory() {
    let resident = || {
        let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
        let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).expect("a line");
        line.trim().trim_end_matches(" kB").parse::<f64>().expect("a number")
    };
    // One call before, so that what there is once is there.
    let mut first = Calls::begin(Work::Plain, 1, 1);
    first.talk("talk");
    first.release();
    first.end();
    let (heap, rss) = (live_kb(), resident());
    let mut up = Calls::begin(Work::Plain, MEMORY_CALLS, 1);
    up.talk("talk");
    let each = |now: f64, before: f64| (now - before) / MEMORY_CALLS as f64;
    let (fresh_heap, fresh_rss) = (each(live_kb(), heap), each(resident(), rss));
    std::thread::sleep(LET_GO);
    let settled = each(live_kb(), heap);
    up.release();
    let left = each(live_kb(), heap);
    up.end();
    println!(
        "{{\"bench\":\"browser_memory\",\"calls\":{MEMORY_CALLS},\"resident_kb_per_call\":{fresh_rss:.1},\"heap_kb_per_call\":{fresh_heap:.1},\"heap_kb_per_call_22_s_later\":{settled:.1},\"heap_kb_per_call_after_release\":{left:.2}}}"
    );
    aim("browser_memory", "resident_kb_per_call", fresh_rss, 64.0);
}

fn strangers(seconds: u64, runs: usize) {
    let (mut unknown, mut guessed) = (vec![], vec![]);
    for _ in 0..runs {
        let mut up = Calls::begin(Work::Plain, KNOCKED_CALLS, seconds);
        for (word, what, all) in [
            ("strangers", "browser_stun_unknown_name", &mut unknown),
            ("guessers", "browser_stun_wrong_password", &mut guessed),
        ] {
            let t = up.talk(word);
            let each = us(t.used) / t.sent;
            println!(
                "{{\"bench\":\"{what}\",\"packets\":{},\"per_second\":{:.0},\"cpu_us_per_packet\":{each:.2},\"answered\":{},\"allocations_per_packet\":{:.4}}}",
                t.sent,
                t.sent / t.wall.as_secs_f64(),
                t.got,
                t.allocations as f64 / t.sent
            );
            all.push(each);
        }
        let t = up.talk("talk among strangers");
        println!(
            "{{\"bench\":\"browser_among_strangers\",\"calls\":{KNOCKED_CALLS},\"packets\":{},\"delay_p50_us\":{:.0},\"delay_p99_us\":{:.0},\"lost_share\":{:.6},\"core_percent\":{:.1}}}",
            t.got,
            t.p50_us,
            t.p99_us,
            lost_share(&t),
            t.used.as_secs_f64() / t.wall.as_secs_f64() * 100.0
        );
        up.end();
    }
    for (what, all) in [("browser_stun_unknown_name", unknown), ("browser_stun_wrong_password", guessed)] {
        println!("{{\"bench\":\"{what}\",\"median\":true,\"cpu_us_per_packet\":{:.2}}}", median(all));
    }
}

/// The system's allocator, counted: what a call holds, and that a packet needs none.
struct Counted;

static LIVE: AtomicI64 = AtomicI64::new(0);
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: everything is handed to the system's allocator as it came; only numbers are kept beside it.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size() as i64, Ordering::Relaxed);
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise is the one that is asked for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size() as i64, Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static COUNTED: Counted = Counted;

/// Allocations since the start.
pub fn allocations() -> u64 {
    ALLOCATIONS.load(Ordering::Relaxed)
}

/// Kilobytes held now.
fn live_kb() -> f64 {
    LIVE.load(Ordering::Relaxed) as f64 / 1024.0
}
