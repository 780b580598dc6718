//! The other process: it owns the browsers and phones of all calls, and strangers.

use crate::browser::{Browser, ROOM, Told, UFRAG};
use crate::common::{take, wall_ns, want_stamps};
use crate::{HOME, Work};
use media::codec::{Encoder, Kind};
use media::dtls::Identity;
use media::stun::{self, Class, attribute};
use std::io::BufRead;
use std::net::UdpSocket;
use std::time::{Duration, Instant as Clock};

const PACKET: Duration = Duration::from_millis(20);
/// Before anything is counted: the first packets find addresses out and caches cold.
const WARM: u32 = 50;
/// What is still under way is waited for.
const REST: Duration = Duration::from_millis(300);
/// Rounds between two checks of a browser: two and a half seconds.
const CONSENT_EVERY: u32 = 125;
/// Set-ups do not come closer than this.
const SET_UP_EVERY: Duration = Duration::from_millis(5);
/// Strangers send so many in a row, and pause so that it is twenty thousand a second.
const STRANGERS: usize = 20;
const STRANGERS_EVERY: Duration = Duration::from_millis(1);
const HEAD: usize = 12;

enum Party {
    Browser(Box<Browser>),
    Phone(UdpSocket),
}

pub fn run(work: Work, calls: usize, seconds: u64) {
    let socket = || {
        let s = UdpSocket::bind((HOME, 0)).expect("a port");
        want_stamps(&s);
        s
    };
    let identity = Identity::generate().expect("a certificate");
    let phones: Vec<UdpSocket> = (0..calls).map(|_| socket()).collect();
    let ports: Vec<String> =
        phones.iter().map(|s| s.local_addr().expect("bound").port().to_string()).collect();
    println!("{} {}", hex(identity.fingerprint()), ports.join(" "));
    let mut lines = std::io::stdin().lock().lines();
    let mut next = || lines.next().and_then(Result::ok);
    let told = next().expect("what the gateway says");
    let mut words = told.split(' ');
    let mut word = || words.next().expect("a word").to_owned();
    let web: u16 = word().parse().expect("a port");
    let server = unhex(&word());
    let mut parties = Vec::new();
    for phone in phones {
        let port: u16 = word().parse().expect("a port");
        phone.connect((HOME, port)).expect("loopback");
        phone.set_nonblocking(true).expect("a socket");
        let browser = socket();
        browser.connect((HOME, web)).expect("loopback");
        parties.push(Party::Browser(Box::new(Browser::new(browser, Told { ufrag: word(), pwd: word() }))));
        parties.push(Party::Phone(phone));
    }
    let began = Clock::now();
    for party in &mut parties {
        if let Party::Browser(b) = party {
            b.connect(&identity, began, &server);
            std::thread::sleep(SET_UP_EVERY);
        }
    }
    std::thread::sleep(REST);
    println!("up");
    // The gateway names what comes next, until it has nothing more to say.
    while let Some(line) = next() {
        let (sent, got, mut delays) = match line.as_str() {
            "talk" => talk(work, &mut parties, seconds, None),
            "strangers" => strangers(web, "nobodyyy", seconds),
            "guessers" => strangers(web, &name_of(&parties), seconds),
            "talk among strangers" => {
                let name = name_of(&parties);
                let flood = move || strangers(web, &name, seconds).0;
                talk(work, &mut parties, seconds, Some(Box::new(flood)))
            }
            other => panic!("{other}?"),
        };
        delays.sort_unstable();
        let at = |share: f64| {
            delays.get((delays.len() as f64 * share) as usize).copied().unwrap_or(0) as f64 / 1000.0
        };
        println!("{sent} {got} {} {}", at(0.5), at(0.99));
    }
}

fn name_of(parties: &[Party]) -> String {
    let name = parties.iter().find_map(|p| match p {
        Party::Browser(b) => Some(b.told.ufrag.clone()),
        Party::Phone(_) => None,
    });
    name.expect("a call")
}

/// What is said: 20 ms each, and the number and clock of its codec.
struct Voice {
    pt: u8,
    ticks: u32,
    frames: Vec<Vec<u8>>,
}

impl Voice {
    fn of(kind: Kind, beside: Kind, pt: u8) -> Voice {
        let rate = kind.rate_beside(beside);
        let mut encoder = Encoder::new(kind, rate).expect("a coder");
        let (mut phase, mut out) = (0f64, Vec::new());
        // Two seconds of a gliding pitch with overtones, in syllables.
        let pcm: Vec<i16> = (0..rate * 2)
            .map(|i| {
                let t = f64::from(i) / f64::from(rate);
                phase += (120.0 + 30.0 * (t * 3.0).sin()) / f64::from(rate);
                let tones: f64 = (1..12)
                    .map(|k| (phase * f64::from(k) * std::f64::consts::TAU).sin() / f64::from(k))
                    .sum();
                (tones * (t * 4.0 * std::f64::consts::PI).sin().abs() * 5000.0) as i16
            })
            .collect();
        let frames = pcm.chunks_exact(rate as usize / 50).map(|frame| {
            assert!(encoder.encode(frame, &mut out), "20 ms is a frame of every codec");
            out.clone()
        });
        Voice { pt, ticks: kind.clock() / 50, frames: frames.collect() }
    }
}

type Flood = Box<dyn FnOnce() -> u64 + Send>;

/// Everybody sends each 20 ms, spread evenly over that time. What was sent, what was heard, and how much later, in
/// nanoseconds, where the voice is not coded.
fn talk(work: Work, parties: &mut [Party], seconds: u64, flood: Option<Flood>) -> (u64, u64, Vec<u64>) {
    let (web, desk) = match work {
        Work::Coded => (Voice::of(Kind::Opus, Kind::Pcmu, 111), Voice::of(Kind::Pcmu, Kind::Opus, 0)),
        _ => (Voice::of(Kind::Pcmu, Kind::Pcmu, 0), Voice::of(Kind::Pcmu, Kind::Pcmu, 0)),
    };
    let mut seqs = 0u32;
    let mut delays = Vec::with_capacity((seconds as usize * 50 + 10) * parties.len());
    rounds(parties, WARM, &mut seqs, [&web, &desk], work, &mut delays);
    delays.clear();
    println!("begun");
    let flood = flood.map(std::thread::spawn);
    let count = (seconds * 1000 / PACKET.as_millis() as u64) as u32;
    let (sent, got) = rounds(parties, count, &mut seqs, [&web, &desk], work, &mut delays);
    if let Some(flood) = flood {
        flood.join().expect("the strangers");
    }
    (sent, got, delays)
}

fn rounds(
    parties: &mut [Party],
    count: u32,
    seqs: &mut u32,
    voices: [&Voice; 2],
    work: Work,
    delays: &mut Vec<u64>,
) -> (u64, u64) {
    let begun = Clock::now();
    let step = PACKET / parties.len() as u32;
    let (mut sent, mut got) = (0u64, 0u64);
    for round in 0..count {
        let seq = *seqs;
        *seqs += 1;
        for (i, party) in parties.iter_mut().enumerate() {
            let due = PACKET * round + step * i as u32;
            if let Some(early) = due.checked_sub(begun.elapsed())
                && early > Duration::from_micros(200)
            {
                std::thread::sleep(early);
            }
            let voice = voices[i % 2];
            let mut p = [0u8; ROOM];
            let frame = &voice.frames[seq as usize % voice.frames.len()];
            let len = HEAD + frame.len();
            p[..2].copy_from_slice(&[0x80, voice.pt]);
            p[2..4].copy_from_slice(&(seq as u16).to_be_bytes());
            p[4..8].copy_from_slice(&(seq * voice.ticks).to_be_bytes());
            p[8..12].copy_from_slice(&(i as u32 + 1).to_be_bytes());
            p[HEAD..len].copy_from_slice(frame);
            if work != Work::Coded {
                p[HEAD..HEAD + 8].copy_from_slice(&wall_ns().to_be_bytes());
            }
            sent += u64::from(match party {
                Party::Phone(s) => s.send(&p[..len]).is_ok(),
                Party::Browser(b) => {
                    if seq % CONSENT_EVERY == i as u32 % CONSENT_EVERY {
                        b.consent();
                    }
                    b.speak(&mut p, len)
                }
            });
            got += heard(party, delays);
        }
    }
    std::thread::sleep(REST);
    got += parties.iter_mut().map(|party| heard(party, delays)).sum::<u64>();
    (sent, got)
}

/// Everything that came to one of them and is voice.
fn heard(party: &mut Party, delays: &mut Vec<u64>) -> u64 {
    let (mut got, mut buf) = (0, [0u8; 2048]);
    loop {
        let socket = match party {
            Party::Phone(s) => &*s,
            Party::Browser(b) => &b.socket,
        };
        let Some((len, came)) = take(socket, &mut buf) else { return got };
        let len = match party {
            Party::Phone(_) => Some(len),
            Party::Browser(b) => b.hear(&mut buf, len),
        };
        if len.is_some_and(|len| len > HEAD) {
            got += 1;
            let stamp = buf[HEAD..].first_chunk::<8>().map_or(came, |b| u64::from_be_bytes(*b));
            delays.push(came.saturating_sub(stamp));
        }
    }
}

/// Checks from people who do not know the password. What they got in answer is counted; it should be nothing.
fn strangers(web: u16, name: &str, seconds: u64) -> (u64, u64, Vec<u64>) {
    let sockets: Vec<UdpSocket> = (0..STRANGERS)
        .map(|_| {
            let s = UdpSocket::bind((HOME, 0)).expect("a port");
            s.connect((HOME, web)).expect("loopback");
            s.set_nonblocking(true).expect("a socket");
            s
        })
        .collect();
    let check = stun::Writer::new(Class::Request, stun::BINDING, [9; 12])
        .put(attribute::USERNAME, format!("{name}:{UFRAG}").as_bytes())
        .put(attribute::PRIORITY, &[110, 0, 1, 255])
        .put(attribute::ICE_CONTROLLING, &[1; 8])
        .put(attribute::USE_CANDIDATE, &[])
        .finish(b"a guess that is not the password");
    let begun = Clock::now();
    let rounds = (seconds * 1000 / STRANGERS_EVERY.as_millis() as u64) as u32;
    let mut sent = 0;
    for round in 0..rounds {
        if let Some(early) = (STRANGERS_EVERY * round).checked_sub(begun.elapsed()) {
            std::thread::sleep(early);
        }
        sent += sockets.iter().filter(|s| s.send(&check).is_ok()).count() as u64;
    }
    std::thread::sleep(REST);
    let mut buf = [0; 2048];
    let answered = sockets.iter().filter(|s| s.recv(&mut buf).is_ok()).count() as u64;
    (sent, answered, Vec::new())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn unhex(text: &str) -> [u8; 32] {
    std::array::from_fn(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).expect("hexadecimal"))
}
