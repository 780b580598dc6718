//! What a login costs, beside its hash; what phones notice of two hundred at once; whether time tells who exists. Against the
//! running program, over HTTPS. Prints JSON lines; `scripts/bench login` runs it.
//!
//! usage: bench_login [--tries N] [--people N]

#[path = "server/mod.rs"]
mod server;

use serde_json::json;
use server::web::Browser;
use server::{Server, World};
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use terms::Secret;

const PASSWORD: &str = "handed-out-0001";
/// What the machine does by itself, before anybody logs in.
const QUIET: Duration = Duration::from_secs(6);
/// As a page that was told to come again does.
const AGAIN: Duration = Duration::from_secs(2);
/// Nobody is turned away for asking often, and ten names stand forty wrong tries each.
const LIMITS: &str = "[limits]\nlogins_per_minute = 100000\nconnections_per_source = 100000\n[lockout]\nattempts = 40\nminutes = 60\n";

fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |name: &str, default: usize| {
        let at = args.iter().position(|a| a == name);
        at.and_then(|at| args.get(at + 1)).and_then(|n| n.parse().ok()).unwrap_or(default)
    };
    let (tries, people) = (number("--tries", 200), number("--people", 200));
    let world =
        World { agents: people.max(20), password: Some(PASSWORD), security: LIMITS, ..World::default() };
    let server = Server::start_in(&world)?;
    let web = server.web.ok_or_else(|| anyhow::anyhow!("no web door"))?;
    alone(web, tries)?;
    enumeration(web, tries)?;
    at_once(web, server.sip, people)?;
    server.stop()
}

fn ms(sorted: &[Duration], share: f64) -> f64 {
    let index = (sorted.len().saturating_sub(1) as f64 * share).round() as usize;
    let value = sorted.get(index).map_or(0.0, |took| took.as_secs_f64() * 1000.0);
    (value * 100.0).round() / 100.0
}

/// One login after the other, and in between its hash alone.
fn alone(web: SocketAddr, tries: usize) -> anyhow::Result<()> {
    let phc = auth::password::hash(&Secret::new(PASSWORD))?;
    let (mut logins, mut hashes) = (Vec::new(), Vec::new());
    for _ in 0..tries {
        let mut browser = Browser::open(web)?;
        let answer = browser.login("a0", PASSWORD)?;
        anyhow::ensure!(answer.status == 200, "a login got {}", answer.status);
        logins.push(answer.took);
        let began = Instant::now();
        anyhow::ensure!(auth::password::verify(&Secret::new(PASSWORD), &phc), "the hash is another's");
        hashes.push(began.elapsed());
    }
    logins.sort_unstable();
    hashes.sort_unstable();
    let times = ms(&logins, 0.5) / ms(&hashes, 0.5);
    println!(
        "{}",
        json!({ "bench": "login", "p50_ms": ms(&logins, 0.5), "p99_ms": ms(&logins, 0.99), "argon2id_p50_ms": ms(&hashes, 0.5),
            "times": (times * 100.0).round() / 100.0, "aim_times": 1.2, "tries": tries })
    );
    Ok(())
}

/// Medians of those who exist and those who do not, in turn, so that what else the machine does hits all alike. How much one
/// kind differs from itself is what a difference between two has to stand out from.
fn enumeration(web: SocketAddr, tries: usize) -> anyhow::Result<()> {
    let mut kinds: [(&str, u16, Vec<Duration>); 3] =
        [("unknown", 401, vec![]), ("wrong", 401, vec![]), ("blocked", 403, vec![])];
    // The same network every time is blocked too; each browser comes from one of its own.
    for _ in 0..41 {
        Browser::open(web)?.login("a19", "guess")?;
    }
    for n in 0..tries {
        for (kind, expected, taken) in &mut kinds {
            let name = match *kind {
                "unknown" => format!("nobody-{}", n % 10),
                "wrong" => format!("a{}", 1 + n % 10),
                _ => "a19".to_owned(),
            };
            let answer = Browser::open(web)?.login(&name, "guess")?;
            anyhow::ensure!(answer.status == *expected, "{kind} {n} got {}", answer.status);
            taken.push(answer.took);
        }
    }
    let (mut noise, mut medians) = (0.0f64, serde_json::Map::new());
    let (mut least, mut most) = (f64::MAX, f64::MIN);
    for (kind, _, taken) in &mut kinds {
        let half = |odd: usize| {
            let mut half: Vec<Duration> = taken.iter().copied().skip(odd).step_by(2).collect();
            half.sort_unstable();
            ms(&half, 0.5)
        };
        noise = noise.max((half(0) - half(1)).abs());
        taken.sort_unstable();
        let median = ms(taken, 0.5);
        (least, most) = (least.min(median), most.max(median));
        medians.insert((*kind).to_owned(), json!(median));
    }
    let round = |value: f64| (value * 100.0).round() / 100.0;
    println!(
        "{}",
        json!({ "bench": "login_enumeration", "median_ms": medians, "differ_by_ms": round(most - least),
            "halves_of_one_kind_differ_by_ms": round(noise), "tries": tries })
    );
    Ok(())
}

/// A shift begins: everybody at once, while a phone asks all the time.
fn at_once(web: SocketAddr, sip: SocketAddr, people: usize) -> anyhow::Result<()> {
    let phone = Asking::begin(sip)?;
    std::thread::sleep(QUIET);
    let quiet = phone.stop()?;
    let browsers = (0..people).map(|_| Browser::open(web)).collect::<Result<Vec<_>, _>>()?;
    let phone = Asking::begin(sip)?;
    let began = Instant::now();
    let threads: Vec<_> = browsers
        .into_iter()
        .enumerate()
        .map(|(n, mut browser)| {
            std::thread::spawn(move || -> anyhow::Result<(u32, Duration)> {
                let mut again = 0;
                loop {
                    match browser.login(&format!("a{n}"), PASSWORD)?.status {
                        200 => return Ok((again, began.elapsed())),
                        503 => again += 1,
                        // Blocked by the measurement before this one.
                        403 if n == 19 => return Ok((again, began.elapsed())),
                        other => anyhow::bail!("a{n} got {other}"),
                    }
                    std::thread::sleep(AGAIN);
                }
            })
        })
        .collect();
    let (mut again, mut waited) = (0, Vec::new());
    for thread in threads {
        let (refused, took) = thread.join().map_err(|_| anyhow::anyhow!("a browser died"))??;
        again += refused;
        waited.push(took);
    }
    let meanwhile = phone.stop()?;
    waited.sort_unstable();
    println!(
        "{}",
        json!({ "bench": "logins_at_once", "people": people, "p50_ms": ms(&waited, 0.5), "last_ms": ms(&waited, 1.0),
            "told_to_come_again": again })
    );
    for (when, taken) in [("before", quiet), ("meanwhile", meanwhile)] {
        println!(
            "{}",
            json!({ "bench": "options", "when": when, "p50_ms": ms(&taken, 0.5), "p99_ms": ms(&taken, 0.99),
                "worst_ms": ms(&taken, 1.0), "aim_worst_ms": 50, "asked": taken.len() })
        );
    }
    Ok(())
}

/// A phone that asks every two milliseconds and notes how long each answer took.
struct Asking {
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<anyhow::Result<Vec<Duration>>>,
}

impl Asking {
    fn begin(sip: SocketAddr) -> anyhow::Result<Asking> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.connect(sip)?;
        socket.set_read_timeout(Some(Duration::from_secs(2)))?;
        let (us, stop) = (socket.local_addr()?, Arc::new(AtomicBool::new(false)));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let (mut taken, mut buffer) = (Vec::new(), [0; 4096]);
            for n in 0u64.. {
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
                let request = format!(
                    "OPTIONS sip:{sip} SIP/2.0\r\nVia: SIP/2.0/UDP {us};branch=z9hG4bKo{p}-{n};rport\r\nMax-Forwards: 70\r\n\
                     From: <sip:o@{us}>;tag=o{n}\r\nTo: <sip:{sip}>\r\nCall-ID: o{p}-{n}@bench\r\nCSeq: 1 OPTIONS\r\n\
                     Content-Length: 0\r\n\r\n",
                    p = us.port()
                );
                let began = Instant::now();
                socket.send(request.as_bytes())?;
                let len = socket.recv(&mut buffer)?;
                taken.push(began.elapsed());
                anyhow::ensure!(
                    buffer[..len].starts_with(b"SIP/2.0 200"),
                    "OPTIONS was not answered with 200"
                );
                std::thread::sleep(Duration::from_millis(2));
            }
            taken.sort_unstable();
            Ok(taken)
        });
        Ok(Asking { stop, thread })
    }

    fn stop(self) -> anyhow::Result<Vec<Duration>> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow::anyhow!("the phone died"))?
    }
}
