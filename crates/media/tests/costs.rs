//! What costs nothing, counted: a packet of a call and a flood of strangers need no memory, and strangers get no answer.

mod common;
use common::browser::*;
use common::*;
use media::Dropped;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::SocketAddr;
use terms::Leg;

/// The system's allocator, with a count for each thread: other tests run beside this one.
struct Counted;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: everything is handed to the system's allocator as it came; only a number is kept beside it.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // A thread that ends has no count any more, and nobody who asks.
        let _ = ALLOCATIONS.try_with(|n| n.set(n.get() + 1));
        // SAFETY: the caller's promise is the one that is asked for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static COUNTED: Counted = Counted;

/// Of this thread so far. There have been some before any scene, or nobody counts.
fn allocations() -> u64 {
    let n = ALLOCATIONS.with(Cell::get);
    assert!(n > 0);
    n
}

/// Hands one datagram to the machine; the buffer has room, as the workers' buffers have.
fn arrives(d: &mut Desk, buf: &mut [u8; 1536], port: u16, from: SocketAddr, bytes: &[u8]) -> bool {
    buf[..bytes.len()].copy_from_slice(bytes);
    d.m.received(d.now, port, from, buf, bytes.len()).is_some()
}

#[test]
fn a_flood_of_checks_from_strangers_costs_no_memory_and_gets_no_answer() {
    const STRANGERS: u32 = 20_000;
    let (mut d, mut b) = talking();
    let (known, due) = (d.m.browsers_known(), d.m.deadline());
    let mut guesser = Browser::new(1150);
    guesser.theirs = (b.theirs.0.clone(), "a guess".into());
    let unknown = guesser.check_as("nobodyyy", "a guess", true);
    let guess = guesser.check_as(&b.theirs.0, "a guess that is not the password", true);
    let cut = guess[..20].to_vec();
    let mut bent = guess.clone();
    *bent.last_mut().expect("a fingerprint") ^= 1;
    let before = d.m.dropped();
    let mut buf = [0; 1536];
    let counted = allocations();
    for n in 0..STRANGERS {
        // Another address each time: nothing about them is remembered.
        let from = SocketAddr::from(([100, 64 | (n >> 16) as u8, (n >> 8) as u8, n as u8], 5000));
        for bytes in [&unknown, &guess, &cut, &bent] {
            assert!(!arrives(&mut d, &mut buf, WEB, from, bytes));
        }
    }
    assert_eq!(allocations() - counted, 0, "memory for strangers");
    assert_eq!(d.m.poll_transmit(), None, "an answer to a stranger");
    assert!(d.m.poll_event().is_none());
    assert_eq!((d.m.browsers_known(), d.m.deadline()), (known, due), "something was remembered");
    let after = d.m.dropped();
    let n = u64::from(STRANGERS);
    let expected = Dropped { unproven: before.unproven + 2 * n, rubbish: before.rubbish + 2 * n, ..before };
    assert_eq!(after, expected);
    both_ways(&mut d, &mut b, HERE, 2);
}

#[test]
fn a_packet_of_a_call_with_a_browser_needs_no_memory() {
    const PACKETS: u16 = 500;
    let (mut d, mut b) = talking();
    let port = d.port(Leg::B);
    let sealed: Vec<Vec<u8>> = (2..PACKETS).map(|seq| sealed(&mut b, seq)).collect();
    let plain: Vec<Vec<u8>> =
        (2..PACKETS).map(|seq| packet(8, 99, seq, u32::from(seq) * 160, &[7; 160])).collect();
    let (web, phone) = (at(HERE), at(B));
    let mut buf = [0; 1536];
    let counted = allocations();
    for (from_browser, from_phone) in sealed.iter().zip(&plain) {
        d.now.0 += 20_000_000;
        assert!(arrives(&mut d, &mut buf, WEB, web, from_browser));
        assert!(arrives(&mut d, &mut buf, port, phone, from_phone));
    }
    assert_eq!(allocations() - counted, 0);
}

/// A packet as the browser would send it, kept back.
fn sealed(b: &mut Browser, seq: u16) -> Vec<u8> {
    let mut p = packet(8, 11, seq, u32::from(seq) * 160, &[seq as u8; 160]);
    let len = p.len();
    p.resize(len + 100, 0);
    let len = b.keys.as_mut().expect("a handshake").0.seal_rtp(&mut p, len).expect("RTP");
    p.truncate(len);
    p
}
