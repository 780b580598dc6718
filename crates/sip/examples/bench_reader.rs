//! What one message costs to read, the way the gateway reads it. Prints one JSON line a message: median nanoseconds of
//! processor time and allocations for parse, check and the usual questions. An argument sets the rounds of a run.

use sip::{Contacts, Message, Name};
use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};

struct Counting;
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call goes to the system allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What the two messages weigh, so that figures of different days compare.
const BYTES: (usize, usize) = (900, 1400);
/// Runs of which the median counts.
const RUNS: usize = 21;
const ROUNDS: u64 = 20_000;

fn register() -> String {
    format!(
        "REGISTER sip:hotseat.example.test SIP/2.0\r\n\
         Via: SIP/2.0/UDP 192.168.17.44:5060;branch=z9hG4bK-524287-1---8d3f6b0e5c2f4a11;rport\r\n\
         Max-Forwards: 70\r\n\
         Contact: <sip:desk-017@192.168.17.44:5060;transport=udp;ob>;+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-0004F2AB1C17>\";reg-id=1;expires=300\r\n\
         To: \"Desk 17\" <sip:desk-017@hotseat.example.test>\r\n\
         From: \"Desk 17\" <sip:desk-017@hotseat.example.test>;tag=4fa1b2c3\r\n\
         Call-ID: ZTQ0ZGI1N2EzYjU5NzQ2ZTFlM2RkNGY0YjVhZDkxYjk\r\n\
         CSeq: 1027 REGISTER\r\n\
         Expires: 300\r\n\
         Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, NOTIFY, MESSAGE, SUBSCRIBE, INFO, PRACK, UPDATE\r\n\
         Supported: path, outbound, gruu, replaces, timer\r\n\
         User-Agent: Example Phone T46/96.86.0.45 0004f2ab1c17\r\n\
         Allow-Events: talk, hold, conference, refer, check-sync\r\n\
         X-Site: {}\r\n\
         Content-Length: 0\r\n\r\n",
        "f".repeat(110)
    )
}

fn invite() -> String {
    let sdp = "v=0\r\no=- 20517 20517 IN IP4 192.168.17.44\r\ns=call\r\nc=IN IP4 192.168.17.44\r\nt=0 0\r\n\
        m=audio 11804 RTP/AVP 9 0 8 18 101\r\na=rtpmap:9 G722/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n\
        a=rtpmap:18 G729/8000\r\na=fmtp:18 annexb=no\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n";
    format!(
        "INVITE sip:+4969123456@hotseat.example.test;user=phone SIP/2.0\r\n\
         Via: SIP/2.0/TCP 192.168.17.44:5071;branch=z9hG4bK-524287-1---8d3f6b0e5c2f4a12;rport;alias\r\n\
         Via: SIP/2.0/UDP 10.20.30.40:5060;branch=z9hG4bKa3b8.77ab1;received=10.20.30.40\r\n\
         Max-Forwards: 70\r\n\
         Route: <sip:edge.hotseat.example.test;lr>\r\n\
         Contact: <sip:2001@192.168.17.44:5071;transport=tcp>;+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-0004F2AB1C17>\"\r\n\
         To: <sip:+4969123456@hotseat.example.test;user=phone>\r\n\
         From: \"Ann Example\" <sip:2001@hotseat.example.test>;tag=9be1d4a7\r\n\
         Call-ID: MmY3ZTBhNjQ3NjRjYjQ1M2E4NzA2YzgxN2ZlZjQ0ZDc\r\n\
         CSeq: 1 INVITE\r\n\
         Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, NOTIFY, MESSAGE, SUBSCRIBE, INFO, PRACK, UPDATE\r\n\
         Content-Type: application/sdp\r\n\
         Supported: replaces, timer, 100rel\r\n\
         Session-Expires: 1800\r\n\
         User-Agent: Example Phone T46/96.86.0.45 0004f2ab1c17\r\n\
         X-Site: {}\r\n\
         Content-Length: {}\r\n\r\n{sdp}",
        "f".repeat(213),
        sdp.len()
    )
}

/// Start line, Via, From, To, Call-ID, CSeq, Contact, Max-Forwards, length and body: what routing needs.
fn read(bytes: &[u8], check: bool) -> usize {
    let Ok(m) = Message::parse(bytes) else { return 0 };
    if check && m.check_request().is_err() {
        return 0;
    }
    let via = m.via().map_or(0, |v| v.branch().map_or(0, str::len) + v.host.len());
    let from = m.from().map_or(0, |a| a.uri.len() + a.tag().map_or(0, str::len));
    let to = m.to().map_or(0, |a| a.uri.len() + a.tag().map_or(0, str::len));
    let contact = match m.contacts() {
        Ok(Contacts::List(list)) => {
            list.first().map_or(0, |c| c.uri.len() + c.expires().unwrap_or(0) as usize)
        }
        _ => 0,
    };
    let rest = m.call_id().map_or(0, str::len) + m.cseq().map_or(0, |c| c.number as usize);
    let hops = usize::from(m.max_forwards().unwrap_or(0)) + m.header(Name::ContentLength).map_or(0, str::len);
    m.method_text().len() + m.uri().len() + via + from + to + contact + rest + hops + m.body().len()
}

/// Processor time of this thread in nanoseconds (user and system), from the scheduler's own account.
fn cpu_ns() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or(0)
}

fn measure(rounds: u64, name: &str, message: &str, what: &str, work: impl Fn(&[u8]) -> usize) {
    let mut times: Vec<u64> = Vec::with_capacity(RUNS);
    assert!(work(message.as_bytes()) > 0, "{name} is read");
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    work(black_box(message.as_bytes()));
    let allocations = ALLOCATIONS.load(Ordering::Relaxed) - before;
    for _ in 0..RUNS {
        let from = cpu_ns();
        for _ in 0..rounds {
            black_box(work(black_box(message.as_bytes())));
        }
        times.push((cpu_ns() - from) / rounds);
    }
    times.sort_unstable();
    println!(
        "{{\"bench\":\"sip_reader\",\"message\":\"{name}\",\"bytes\":{},\"work\":\"{what}\",\"ns_per_op\":{},\"allocations_per_op\":{allocations}}}",
        message.len(),
        times[RUNS / 2],
    );
}

fn main() {
    let rounds = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(ROUNDS).max(1);
    assert_eq!((register().len(), invite().len()), BYTES);
    for (name, message) in [("register", register()), ("invite", invite())] {
        measure(rounds, name, &message, "parse", |bytes| {
            Message::parse(bytes).map_or(0, |m| m.header_count())
        });
        measure(rounds, name, &message, "parse+read", |bytes| read(bytes, false));
        measure(rounds, name, &message, "parse+check+read", |bytes| read(bytes, true));
    }
}
