//! How long the old place keeps a call after somebody said yes elsewhere: from the first octet of the confirming POST over
//! HTTPS to the BYE on the wire at the old phone. Against the running program, while other phones register and other calls come
//! and go, and two browsers log in all the time. Prints JSON lines; `scripts/bench takeover` runs it.
//!
//! usage: bench_takeover [--takeovers N] [--live N] [--registers PER_S] [--calls PER_S]

#[path = "server/mod.rs"]
mod server;
#[path = "takeover/wire.rs"]
mod wire;

use serde_json::json;
use server::web::Browser;
use server::{Server, World};
use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use wire::Wire;

const PASSWORD: &str = "handed-out-0001";
/// Nobody is turned away for asking often.
const LIMITS: &str = "[limits]\nlogins_per_minute = 100000\nconnections_per_source = 100000\n";
/// Agents whose calls come and go meanwhile.
const OTHERS: usize = 50;
/// Phones where nobody sits yet. Who is thrown out leaves one for the next.
const SPARE: usize = 8;
/// So many browsers at once: while one confirms, the hash of the other's password is made.
const BROWSERS: usize = 2;
/// A BYE later than this is none.
const BYE_MAX: Duration = Duration::from_secs(10);

/// One forced logout.
struct Seen {
    bye: Duration,
    answer: Duration,
}

fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |name: &str, default: usize| {
        let at = args.iter().position(|a| a == name);
        at.and_then(|at| args.get(at + 1)).and_then(|n| n.parse().ok()).unwrap_or(default)
    };
    let (takeovers, live) = (number("--takeovers", 1_000), number("--live", 100));
    let (registers, calls) = (number("--registers", 500), number("--calls", 50));
    // Five takeovers an hour are an agent's share, so each agent here is thrown out once.
    let agents = takeovers + OTHERS;
    let world =
        World { phones: agents + SPARE, agents, seated: agents, password: Some(PASSWORD), security: LIMITS };
    let server = Server::start_in(&world)?;
    let wire = Wire::open(&server, world.phones)?;
    wire.register_all()?;
    let began = Instant::now();
    let load = wire.load(takeovers..agents, registers, calls)?;
    let free = Mutex::new((agents..agents + SPARE).collect::<VecDeque<_>>());
    let mut seen = Vec::new();
    for first in (0..takeovers).step_by(live.max(1)) {
        let wave = first..(first + live).min(takeovers);
        wire.talk(wave.clone())?;
        seen.extend(throw_out(&server, &wire, wave, &free)?);
    }
    let took = began.elapsed().as_secs_f64();
    let load = load.stop()?;
    let sorted = |of: fn(&Seen) -> Duration| {
        let mut all: Vec<f64> = seen.iter().map(|s| of(s).as_secs_f64() * 1000.0).collect();
        all.sort_by(f64::total_cmp);
        all
    };
    let at = |sorted: &[f64], share: f64| {
        let index = (sorted.len().saturating_sub(1) as f64 * share).round() as usize;
        (sorted.get(index).copied().unwrap_or(0.0) * 100.0).round() / 100.0
    };
    let bye = sorted(|s| s.bye);
    let answer = sorted(|s| s.answer);
    println!(
        "{}",
        json!({ "bench": "takeover", "from": "confirm", "to": "bye at the old phone", "p50_ms": at(&bye, 0.5),
            "p99_ms": at(&bye, 0.99), "max_ms": at(&bye, 1.0), "aim_p99_ms": 100, "takeovers": seen.len(), "in_calls": live })
    );
    println!(
        "{}",
        json!({ "bench": "takeover_answer", "p50_ms": at(&answer, 0.5), "p99_ms": at(&answer, 0.99),
            "max_ms": at(&answer, 1.0) })
    );
    println!(
        "{}",
        json!({ "bench": "takeover_load", "registers_per_s": (load.registers as f64 / took).round(),
            "calls_per_s": (load.calls as f64 / took).round(), "took_s": took.round() })
    );
    server.stop()
}

/// Everybody of this wave is thrown out of a call that is up, by a browser that says yes.
fn throw_out(
    server: &Server,
    wire: &Wire,
    wave: std::ops::Range<usize>,
    free: &Mutex<VecDeque<usize>>,
) -> anyhow::Result<Vec<Seen>> {
    let web = server.web.ok_or_else(|| anyhow::anyhow!("no web door"))?;
    let next = AtomicUsize::new(wave.start);
    let lock = || free.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let browser = || -> anyhow::Result<Vec<Seen>> {
        let mut seen = Vec::new();
        loop {
            let agent = next.fetch_add(1, Ordering::Relaxed);
            if agent >= wave.end {
                return Ok(seen);
            }
            let mut browser = Browser::open(web)?;
            let asked = browser.login(&format!("a{agent}"), PASSWORD)?;
            anyhow::ensure!(asked.json["state"] == "held", "a{agent} got {}", asked.json);
            let phone = lock().pop_front().ok_or_else(|| anyhow::anyhow!("no phone is free"))?;
            let yes = json!({ "phone": format!("p{phone}"), "take_over_epoch": asked.json["held"]["epoch"] });
            let began = Instant::now();
            let taken = browser.post("/api/login/device", &yes)?;
            anyhow::ensure!(taken.status == 200, "a{agent} got {} {}", taken.status, taken.json);
            let bye = wire.bye_at(agent, BYE_MAX);
            let bye = bye.ok_or_else(|| anyhow::anyhow!("the old phone of a{agent} heard no BYE"))?;
            // A BYE before the yes would be of another cause.
            let bye = bye.checked_duration_since(began);
            let bye = bye.ok_or_else(|| anyhow::anyhow!("the call of a{agent} ended before the yes"))?;
            seen.push(Seen { bye, answer: taken.took });
            lock().push_back(agent);
        }
    };
    std::thread::scope(|scope| {
        let browsers: Vec<_> = (0..BROWSERS).map(|_| scope.spawn(browser)).collect();
        let mut all = Vec::new();
        for one in browsers {
            all.extend(one.join().map_err(|_| anyhow::anyhow!("a browser died"))??);
        }
        Ok(all)
    })
}
