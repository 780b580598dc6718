//! `hotseat sim`: random worlds from seeds, each lived through in simulated time with every checker on. Quiet means that
//! nothing was found; what is found is told with its seed and the ladder that led there.

use crate::out;
use sim::swarm::{self, Failure, Stats};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};

/// Lives seeds `from..from + count` on all cores. Fails when any world did.
pub fn run(json: bool, count: u64, from: u64) -> ExitCode {
    let next = AtomicU64::new(from);
    let end = from.saturating_add(count);
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    // A panic inside a world is one of its findings and is told with the seed.
    std::panic::set_hook(Box::new(|_| {}));
    let lived: Vec<Result<Stats, Failure>> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    let seeds = std::iter::from_fn(|| Some(next.fetch_add(1, Ordering::Relaxed)));
                    seeds.take_while(|seed| *seed < end).map(swarm::run).collect::<Vec<_>>()
                })
            })
            .collect();
        workers.into_iter().flat_map(|w| w.join().expect("a world catches its own panics")).collect()
    });
    let _ = std::panic::take_hook();
    let mut total = Stats::default();
    let mut failures = Vec::new();
    for one in lived {
        match one {
            Ok(stats) => {
                total.calls += stats.calls;
                total.logins += stats.logins;
                total.takeovers += stats.takeovers;
                total.restarts += stats.restarts;
                total.seconds += stats.seconds;
            }
            Err(failure) => failures.push(failure),
        }
    }
    failures.sort_by_key(|failure| failure.seed);
    failures.iter().for_each(|failure| eprintln!("{failure}"));
    let seeds: Vec<u64> = failures.iter().map(|failure| failure.seed).collect();
    let value = serde_json::json!({
        "seeds": count, "failed": seeds, "calls": total.calls, "logins": total.logins, "takeovers": total.takeovers,
        "restarts": total.restarts, "simulated_s": total.seconds,
    });
    out::one(json, &value, || {
        format!(
            "{count} worlds from seed {from}: {} failed; {} calls, {} logins, {} takeovers, {} restarts in {} simulated hours.",
            seeds.len(),
            total.calls,
            total.logins,
            total.takeovers,
            total.restarts,
            total.seconds / 3600
        )
    });
    if seeds.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
