//! 100,000 bindings in under 100 MB, counted at the allocator and not guessed.

use registrar::{ContactAsk, Contacts, Limits, Register, Registered, Registrar};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use terms::{Aor, Flow, Now};

struct Counting;
static HELD: AtomicUsize = AtomicUsize::new(0);

/// What malloc adds to a block: its header, and rounding to 16 bytes.
fn real_size(layout: Layout) -> usize {
    (layout.size() + 8).next_multiple_of(16)
}

// Safety: every call goes to the system allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.fetch_add(real_size(layout), Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        HELD.fetch_sub(real_size(layout), Ordering::Relaxed);
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

#[test]
fn a_hundred_thousand_bindings_fit_in_100_mb() {
    let hour = Duration::from_secs(3_600);
    let mut r = Registrar::new(Limits {
        expires_min: Duration::from_secs(60),
        expires_default: hour,
        expires_max: hour,
        bindings_max: 100_000,
    });
    let before = HELD.load(Ordering::Relaxed);
    for n in 0..100_000u32 {
        let port = 1_024 + n % 60_000;
        let peer = format!("10.{}.{}.7:{port}", n >> 16, n >> 8 & 255);
        let register = Register {
            aor: Aor::new(&format!("desk-{n:06}"), "hotseat.example.com"),
            call_id: format!("{n:032x}@10.20.30.40"),
            cseq: 2,
            expires: None,
            contacts: Contacts::List(vec![ContactAsk {
                uri: format!("sip:desk-{n:06}@{peer};transport=udp"),
                expires: None,
                q: 1000,
                instance: Some(format!("urn:uuid:{n:08x}-0000-1000-8000-000a95a0e128")),
                reg_id: 1,
            }]),
            path: vec![],
            user_agent: "Yealink SIP-T46U 108.86.0.20".into(),
            flow: Flow::udp("192.0.2.1:5060".parse().unwrap(), peer.parse().unwrap()),
            alone: false,
        };
        let Registered::AfterWrite(write) = r.register(Now::default(), &register) else { panic!("refused") };
        r.commit(Now::default(), &write);
    }
    let held = HELD.load(Ordering::Relaxed) - before;
    println!("100,000 bindings hold {:.1} MB", held as f64 / 1e6);
    assert_eq!(r.len(), 100_000);
    assert!(held < 100_000_000, "{held} bytes");
}
