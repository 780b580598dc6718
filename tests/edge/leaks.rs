//! Agents come, call and go home, over and over: what the program holds afterwards is what it held before. The browsers' media
//! are the `webrtc` crate's. The full count of the issue runs when asked for:
//! `HOTSEAT_SHIFTS=2000 cargo test -p rings --test edge leaks -- --nocapture`.

use crate::lab::Hotseat;
use crate::web_phone::{a_shift, echoing_trunk};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const PASSWORD: &str = "handed-out-0001";
/// So many at once, each an agent of their own.
const AGENTS: usize = 6;
/// What fits into the suite.
const SHIFTS: usize = 80;
/// Caches fill and pools grow before this many shifts of a hundred are over.
const WARM_PERCENT: usize = 40;
/// Packets each way in a call.
const PACKETS: u16 = 10;
/// A transaction is remembered for 32 s (RFC 3261 §17), so memory keeps growing for so long and then no more.
const REMEMBERED: Duration = Duration::from_secs(34);
/// Resident memory a shift may leave for as long as its transactions are remembered, and thereafter.
const REMEMBERED_KB: f64 = 160.0;
const LEFT_KB: f64 = 4.0;

/// What the pool of database connections may open later than at the first shift.
const FILES_MORE: usize = 16;

/// What the process holds now.
#[derive(Debug)]
struct Held {
    resident_kb: usize,
    sockets: usize,
    /// Files, among them those of the pool of database connections, which opens one when it needs it.
    files: usize,
    tasks: u64,
    tables: Value,
}

fn held(hotseat: &Hotseat) -> Held {
    let pid = hotseat.pid();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
    let resident = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).expect("a line");
    let open: Vec<_> = std::fs::read_dir(format!("/proc/{pid}/fd"))
        .expect("a process")
        .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
        .collect();
    let sockets = open.iter().filter(|to| to.to_string_lossy().starts_with("socket:")).count();
    let counters = daemon_counters(hotseat);
    Held {
        resident_kb: resident.trim().trim_end_matches(" kB").parse().expect("a number"),
        sockets,
        files: open.len() - sockets,
        tasks: counters["tasks"].as_u64().expect("a number"),
        tables: counters["held"].clone(),
    }
}

/// Asks over the control socket, as the commands of the program do.
fn daemon_counters(hotseat: &Hotseat) -> Value {
    use std::io::{Read, Write};
    let path = hotseat.folder.join("data/control.sock");
    let mut stream = std::os::unix::net::UnixStream::connect(path).expect("a control socket");
    stream.write_all(b"counters\n").expect("an open socket");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    serde_json::from_str(&answer).expect("JSON")
}

/// So many shifts, `AGENTS` at once.
async fn shifts(hotseat: &Arc<Hotseat>, many: usize) {
    let done = Arc::new(AtomicUsize::new(0));
    let agents = (0..AGENTS).map(|n| {
        let (hotseat, done) = (hotseat.clone(), done.clone());
        tokio::spawn(async move {
            while done.fetch_add(1, Ordering::Relaxed) < many {
                a_shift(&hotseat, &format!("agent-{n}"), PASSWORD, PACKETS).await;
            }
        })
    });
    for agent in agents.collect::<Vec<_>>() {
        agent.await.expect("a shift without a mishap");
    }
}

/// Waits until nobody is left in any table, for the first look.
async fn at_first(hotseat: &Hotseat) -> Held {
    until(hotseat, |now| is_empty(&now.tables)).await
}

fn is_empty(tables: &Value) -> bool {
    match tables {
        Value::Array(each) => each.iter().all(is_empty),
        Value::Object(each) => each.values().all(is_empty),
        count => count.as_u64() == Some(0),
    }
}

/// Waits until everybody has gone, then says what is held.
async fn at_rest(hotseat: &Hotseat, before: &Held) -> Held {
    let same = |now: &Held| {
        now.tables == before.tables && now.sockets <= before.sockets && now.tasks <= before.tasks
    };
    until(hotseat, same).await
}

/// What is held when it is so, or when it will not be.
async fn until(hotseat: &Hotseat, so: impl Fn(&Held) -> bool) -> Held {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let now = held(hotseat);
        if so(&now) || Instant::now() > deadline {
            return now;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_who_come_call_and_go_leave_nothing_behind() {
    let asked = std::env::var("HOTSEAT_SHIFTS").ok().and_then(|n| n.parse().ok());
    let many: usize = asked.unwrap_or(SHIFTS);
    let hotseat =
        Hotseat::start_with("[limits]\nlogins_per_minute = 100000\nconnections_per_source = 1000\n");
    let mut csv = String::from("login_name,extension,typology,password\n");
    for n in 0..AGENTS {
        csv.push_str(&format!("agent-{n},{},webrtc,{PASSWORD}\n", 3000 + n));
    }
    hotseat.cli(&["agents", "import", "-"], &csv);
    echoing_trunk(hotseat.trunk).await;
    let hotseat = Arc::new(hotseat);

    // Once each, so that what is opened on first use is open.
    shifts(&hotseat, AGENTS).await;
    let before = at_first(&hotseat).await;
    println!("before: {before:?}");
    let warm_up = many * WARM_PERCENT / 100;
    let began = Instant::now();
    shifts(&hotseat, warm_up).await;
    let patient = began.elapsed() > REMEMBERED;
    let warm = at_rest(&hotseat, &before).await;
    println!("after {warm_up} shifts in {:.1?}: {warm:?}", began.elapsed());
    shifts(&hotseat, many - warm_up).await;
    let after = at_rest(&hotseat, &before).await;
    println!("after {many} shifts in {:.1?}: {after:?}", began.elapsed());

    assert!(is_empty(&before.tables), "{before:?}");
    assert_eq!(after.tables, before.tables, "the gateway's tables\n{}", hotseat.log());
    assert!(after.sockets <= before.sockets, "sockets: {after:?}, before {before:?}");
    assert!(after.files <= before.files + FILES_MORE, "files: {after:?}, before {before:?}");
    assert!(after.tasks <= before.tasks, "tasks: {after:?}, before {before:?}");
    let grown = after.resident_kb.saturating_sub(warm.resident_kb) as f64 / (many - warm_up) as f64;
    println!("{grown:.2} KB a shift");
    let most = if patient { LEFT_KB } else { REMEMBERED_KB };
    assert!(grown <= most, "{grown:.1} KB a shift: {after:?}, before {warm:?}");
}
