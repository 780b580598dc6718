//! What a durable REGISTER costs the store: processor time of the whole process per binding written, by batch size.
//!
//! `cargo run --release -p store --example bench_store [FOLDER] [WRITES]` prints one JSON line per batch size.

use std::time::Instant;
use store::{SealingKey, Sqlite, Store};
use terms::{Aor, Binding, Flow, StoreWrite, WallTime};

/// Phones that register and refresh, in random order.
const PHONES: u64 = 10_000;

#[tokio::main]
async fn main() {
    let mut args = std::env::args().skip(1);
    let folder = args.next().map_or_else(std::env::temp_dir, Into::into);
    let writes: u64 = args.next().and_then(|text| text.parse().ok()).unwrap_or(20_000);
    let folder = folder.join(format!("hotseat-bench-store-{}", std::process::id()));
    let store =
        Sqlite::open(folder.join("bench.db"), SealingKey::generate([7; 32])).await.expect("a new database");
    // Everybody is there already, as on any day but the first.
    let all = (0..PHONES).map(|phone| register(phone, 1)).collect();
    assert!(store.write(all).await.iter().all(Result::is_ok));
    let mut dice = 0x9e37_79b9_7f4a_7c15_u64;
    for (round, batch) in [1u64, 16, 64, 128].into_iter().enumerate() {
        let writes = if batch == 1 { writes / 10 } else { writes };
        let (cpu, wall) = (cpu_us(), Instant::now());
        let mut done = 0;
        while done < writes {
            let list = (0..batch).map(|n| {
                dice ^= dice << 13;
                dice ^= dice >> 7;
                dice ^= dice << 17;
                register(dice % PHONES, (done + n) as u32 + round as u32)
            });
            let outcomes = store.write(list.collect()).await;
            assert!(outcomes.iter().all(Result::is_ok));
            done += batch;
        }
        let (cpu, wall) = (cpu_us() - cpu, wall.elapsed());
        println!(
            r#"{{"bench":"store_binding_write","batch":{batch},"writes":{done},"cpu_us_per_write":{:.2},"commits_per_s":{:.0},"phones":{PHONES}}}"#,
            cpu / done as f64,
            (done / batch) as f64 / wall.as_secs_f64(),
        );
    }
    // The poll of everybody who keeps a copy, when nothing changed.
    let device = terms::Ha1 { md5: [0; 16], sha256: [0; 32] };
    let label = String::new();
    let device = store::NewDevice {
        name: "one".into(),
        site: label.clone(),
        floor: label.clone(),
        label,
        ha1: device,
    };
    store.add_devices(vec![device]).await.expect("a device");
    let seq = store.changes_since(0).await.expect("changes").seq;
    let begun = Instant::now();
    let mut polls = 0u32;
    let cpu = cpu_us();
    while begun.elapsed().as_millis() < 500 {
        store.changes_since(seq).await.expect("changes");
        polls += 1;
    }
    println!(
        r#"{{"bench":"store_changes_poll","polls":{polls},"cpu_us_per_poll":{:.2}}}"#,
        (cpu_us() - cpu) / f64::from(polls)
    );
    store.close().await;
    let _ = std::fs::remove_dir_all(&folder);
}

/// A refresh as the registrar writes it: the same contact, a new expiry.
fn register(phone: u64, cseq: u32) -> StoreWrite {
    let name = format!("desk-{phone}");
    let aor = Aor::new(&name, "hotseat.example");
    let binding = Binding {
        aor: aor.clone(),
        contact: format!("sip:{name}@10.20.{}.{}:5060;transport=udp", phone / 250, phone % 250),
        instance: Some(format!("urn:uuid:00000000-0000-1000-8000-{phone:012x}")),
        reg_id: 0,
        call_id: format!("a84b4c76e66710-{phone}@10.20.30.40"),
        cseq,
        q: 1000,
        expires: WallTime(1_795_444_325_120 + i64::from(cseq)),
        registered: WallTime(1_795_444_025_120 + i64::from(cseq)),
        flow: Flow::udp(
            "192.0.2.1:5060".parse().expect("an address"),
            std::net::SocketAddr::from(([10, 20, (phone / 250) as u8, (phone % 250) as u8], 5060)),
        ),
        path: vec![],
        user_agent: "Example Desk Phone T54 96.86.0.70".into(),
    };
    StoreWrite::Bindings { aor, put: vec![binding], drop: vec![] }
}

/// Processor time of all threads so far, in microseconds, from the scheduler's books.
fn cpu_us() -> f64 {
    let tasks = std::fs::read_dir("/proc/self/task").expect("/proc");
    let of = |entry: std::fs::DirEntry| {
        let text = std::fs::read_to_string(entry.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<f64>().ok()
    };
    tasks.flatten().filter_map(of).sum::<f64>() / 1000.0
}
