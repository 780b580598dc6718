//! The swarm: random worlds from seeds, with faults; see `sim::swarm`. `SEEDS=1000` tries more, `SEED=42` only one.

use sim::swarm::{self, Stats};

/// Worlds that every build lives through.
const SEEDS: u64 = 200;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Seeds that failed once, with what they found behind a `#`.
fn seeds_of_old() -> Vec<u64> {
    let lines = include_str!("seeds.txt").lines();
    let seeds = lines.map(|l| l.split('#').next().unwrap_or("").trim()).filter(|l| !l.is_empty());
    seeds.map(|l| l.parse().expect("seeds.txt holds a number a line")).collect()
}

/// All seeds on as many threads as there are cores; every failure is told, with its ladder.
fn live(seeds: Vec<u64>) -> Stats {
    std::panic::set_hook(Box::new(|_| {}));
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let lived: Vec<_> = std::thread::scope(|scope| {
        let parts: Vec<_> = (0..threads)
            .map(|n| {
                let mine: Vec<u64> = seeds.iter().copied().skip(n).step_by(threads).collect();
                scope.spawn(move || mine.into_iter().map(swarm::run).collect::<Vec<_>>())
            })
            .collect();
        parts.into_iter().flat_map(|part| part.join().expect("panics are caught inside")).collect()
    });
    let _ = std::panic::take_hook();
    let mut total = Stats::default();
    let mut failed = Vec::new();
    for one in lived {
        match one {
            Ok(stats) => {
                total.calls += stats.calls;
                total.answered += stats.answered;
                total.logins += stats.logins;
                total.takeovers += stats.takeovers;
                total.restarts += stats.restarts;
                total.reboots += stats.reboots;
                total.seconds += stats.seconds;
            }
            Err(failure) => failed.push(failure),
        }
    }
    for failure in failed.iter().skip(1) {
        eprintln!("seed {}: {}", failure.seed, failure.why.first().map_or("", String::as_str));
    }
    assert!(
        failed.is_empty(),
        "{} of {} worlds failed; the first:\n{}",
        failed.len(),
        seeds.len(),
        failed[0]
    );
    total
}

#[test]
fn worlds_with_faults_come_to_rest() {
    let first = number("SEED");
    let seeds = match first {
        Some(seed) => vec![seed],
        None => seeds_of_old().into_iter().chain(1..=number("SEEDS").unwrap_or(SEEDS)).collect(),
    };
    let total = live(seeds);
    println!("{total:?}");
    // A swarm in which nothing happens proves nothing.
    if first.is_none() {
        assert!(total.answered > 500 && total.takeovers > 100 && total.restarts > 50, "{total:?}");
    }
}

#[test]
fn the_same_seed_lives_the_same_life() {
    let lives: Vec<_> = (0..2).map(|_| swarm::run(7).map_err(|f| f.to_string())).collect();
    assert_eq!(lives[0], lives[1]);
}
