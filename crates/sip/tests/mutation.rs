//! A hundred thousand broken messages from a seed: whatever the network sends, the readers answer or refuse, and never
//! panic. The fuzz targets in `fuzz/` look deeper; this runs with every test.

mod corpus;

use sip::framing::{Framer, Limits};
use sip::{Message, Name, Writer};

/// xorshift64*: the same mutants on every machine.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }
    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }
}

/// Pieces that mean something to one reader or another.
const PIECES: &[&[u8]] = &[
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b" ",
    b"\t",
    b",",
    b";",
    b":",
    b"\"",
    b"<",
    b">",
    b"\\",
    b"%",
    b"=",
    b"@",
    b"[",
    b"]",
    b"::",
    b"?",
    b"*",
    b"\xff",
    b"\xc3\xbc",
    b"\r\n ",
    b"\r\n\r\n",
    b"l: 0\r\n",
    b"l: 99999999999999999999\r\n",
    b"SIP/2.0",
    b"sip:",
    b"tel:",
    b"Contact: *\r\n",
    b"Via: ",
    b"%00",
    b"expires=",
    b"q=1.0001",
    b"4294967296",
    b"-1",
    b";lr",
    b"Digest ",
    b"realm=\"",
];

fn mutate(chance: &mut Chance, from: &[u8], other: &[u8]) -> Vec<u8> {
    let mut bytes = from.to_vec();
    for _ in 0..=chance.below(4) {
        let at = chance.below(bytes.len() + 1);
        let end = (at + chance.below(12)).min(bytes.len());
        match chance.below(7) {
            0 => drop(bytes.drain(at..end)),
            1 => drop(bytes.splice(at..at, PIECES[chance.below(PIECES.len())].iter().copied())),
            2 => drop(bytes.splice(at..end, PIECES[chance.below(PIECES.len())].iter().copied())),
            3 if at < bytes.len() => bytes[at] = chance.next() as u8,
            4 if at < bytes.len() => bytes[at] ^= 1 << chance.below(8),
            5 => bytes.truncate(at),
            _ => {
                let cut = chance.below(other.len() + 1);
                let end = (cut + chance.below(80)).min(other.len());
                drop(bytes.splice(at..at, other[cut..end].iter().copied()));
            }
        }
    }
    bytes
}

/// Asks everything a gateway could ask.
fn ask_everything(m: &Message<'_>) -> usize {
    let mut sum = 0;
    let uri = |text: &str| {
        sip::Uri::parse(text).map_or(0, |u| {
            let other = sip::Uri::parse("sip:a@b;transport=tcp?x=y").unwrap();
            assert!(sip::Uri::parse(u.text).as_ref() == Ok(&u), "a URI equals itself");
            u.user_unescaped().len()
                + u.headers_unescaped().count()
                + usize::from(u == other)
                + u.number().map_or(0, |n| n.len())
                + u.params.iter().count()
                + usize::from(u.port_or_default())
        })
    };
    sum += uri(m.uri()) + m.phrase().len() + m.method_text().len();
    for name in Name::ALL {
        sum += m.header(*name).map_or(0, |h| h.len() + sip::unfold(h).len()) + m.values(*name).count();
    }
    let addresses = m.routes().chain(m.record_routes()).chain(m.paths()).chain(m.diversions());
    let contacts = match m.contacts() {
        Ok(sip::Contacts::List(list)) => list.into_vec(),
        _ => Vec::new(),
    };
    for a in addresses.chain(contacts).chain(m.from()).chain(m.to()).chain(m.refer_to()) {
        sum += a.name().len() + uri(a.uri) + usize::from(a.q_milli()) + a.tag().map_or(0, str::len);
        sum += a.expires().unwrap_or(0) as usize + a.reg_id().unwrap_or(0) as usize;
    }
    for v in m.vias() {
        sum += usize::from(v.port_or_default()) + v.host.len() + usize::from(v.has_rfc3261_branch());
        sum += usize::from(v.received().is_some()) + usize::from(v.rport().is_some());
    }
    sum += usize::from(m.cseq().is_some()) + usize::from(m.rack().is_some()) + usize::from(m.has_sdp());
    sum += m.expires().unwrap_or(0) as usize + m.session_expires().map_or(0, |s| s.seconds as usize);
    sum += m.reason().and_then(|r| r.cause()).map_or(0, usize::from) + m.retry_after().unwrap_or(0) as usize;
    sum + m.body().len() + m.all().count()
}

#[test]
fn a_hundred_thousand_mutants_are_survived() {
    let cases = corpus::all();
    let mut chance = Chance(0x0068_6f74_7365_6174);
    let (mut accepted, mut refused, mut silent, mut sum) = (0u32, 0u32, 0u32, 0usize);
    for _ in 0..100_000 {
        let (a, b) = (chance.below(cases.len()), chance.below(cases.len()));
        let mutant = mutate(&mut chance, &cases[a].bytes, &cases[b].bytes);
        match Message::parse(&mutant) {
            Ok(m) => {
                sum = sum.wrapping_add(ask_everything(&m));
                let fit = if m.is_request() { m.check_request() } else { m.check_response() };
                accepted += u32::from(fit.is_ok());
                if fit.is_ok() && m.is_request() {
                    // What is fit to be worked with can be answered, and the answer is fit too.
                    let mut w = Writer::response(200, None, 0);
                    for name in [Name::Via, Name::From, Name::To, Name::CallId, Name::CSeq] {
                        w.copy(&m, name);
                    }
                    let answer = w.finish(None, b"");
                    let answer = Message::parse(&answer).expect("an answer that reads");
                    assert_eq!(answer.cseq(), m.cseq());
                    assert_eq!(answer.from_tag().map(str::len), m.from_tag().map(str::len));
                    assert_eq!(answer.vias().count(), m.vias().count());
                }
            }
            Err(error) if error.status.is_none() => silent += 1,
            Err(error) => {
                refused += 1;
                if let Some(m) = Message::salvage(&mutant) {
                    sum = sum.wrapping_add(ask_everything(&m));
                    Message::parse(&sip::refusal(&m, &error)).expect("a refusal that reads");
                }
            }
        }
        let mut framer = Framer::new(Limits { header_max: 4096, message_max: 8192 });
        let mut rest = mutant.as_slice();
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at(chance.below(rest.len()) + 1);
            framer.feed(terms::Instant(0), piece);
            while let Ok(Some(_)) = framer.poll() {}
            rest = behind;
        }
    }
    // The mix must stay interesting: enough that reads on, enough that is refused.
    assert!(accepted > 5_000 && refused > 15_000 && silent > 1_000, "{accepted} {refused} {silent} {sum}");
}
