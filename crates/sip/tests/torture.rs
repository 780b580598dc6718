//! RFC 4475 and RFC 5118: 61 messages built to break readers, each with the verdict its RFC asks for. The messages lie
//! in `data/`, the verdicts in `data/verdicts.txt`.

mod corpus;

use corpus::{Case, Verdict};
use sip::framing::{Frame, Framer, Limits};
use sip::{Contacts, Message, Name, NameAddr, refusal, unfold};

fn joined<T: ToString>(all: impl Iterator<Item = T>, between: &str) -> String {
    all.map(|t| t.to_string()).collect::<Vec<_>>().join(between)
}

fn address(address: Option<NameAddr<'_>>, part: &str) -> Option<String> {
    let address = address?;
    let params = |(name, value): (&str, Option<&str>)| match value {
        Some(value) => format!("{name}={value}"),
        None => name.to_owned(),
    };
    Some(match part {
        "name" => address.name().into_owned(),
        "uri" => address.uri.to_owned(),
        "user" => address.uri()?.user_unescaped().into_owned(),
        "host" => address.uri()?.host.to_owned(),
        "tag" => address.tag()?.to_owned(),
        "params" => joined(address.params.iter().map(params), " "),
        "headers" => joined(address.uri()?.headers_unescaped().map(|(n, v)| format!("{n}={v}")), "&"),
        other => panic!("no such part of an address: {other}"),
    })
}

/// What the message says about one fact, as text.
fn fact(m: &Message<'_>, key: &str) -> Option<String> {
    let contacts = || match m.contacts().unwrap() {
        Contacts::List(list) => list.into_vec(),
        Contacts::Star => Vec::new(),
    };
    let yes = |b: bool| Some(if b { "yes" } else { "no" }.to_owned());
    if let Some((who, part)) = key.split_once('.') {
        match who {
            "from" => return address(m.from(), part),
            "to" => return address(m.to(), part),
            "contact" => return address(contacts().first().copied(), part),
            _ => {}
        }
    }
    if let Some(name) = key.strip_prefix("header ") {
        return m.header_named(name).map(|value| unfold(value).into_owned());
    }
    let uri = || sip::Uri::parse(m.uri()).unwrap();
    let via = || m.via().unwrap();
    Some(match key {
        "method" => m.method_text().to_owned(),
        "status" => m.status().to_string(),
        "phrase" => m.phrase().to_owned(),
        "uri.user" => uri().user?.to_owned(),
        "uri.password" => uri().password?.to_owned(),
        "uri.host" => uri().host.to_owned(),
        "uri.port" => uri().port?.to_string(),
        "uri.ip" => uri().host_ip()?.to_string(),
        "uri.params" => uri().params.text().to_owned(),
        "user" => uri().user_unescaped().into_owned(),
        "call-id" => m.call_id()?.to_owned(),
        "cseq" => m.cseq().map(|c| format!("{} {}", c.number, c.method))?,
        "max-forwards" => m.max_forwards()?.to_string(),
        "vias" => joined(
            m.vias().map(|v| format!("{} {} {}", v.transport, v.host, v.branch().unwrap_or("-"))),
            ", ",
        ),
        "via-count" => m.vias().count().to_string(),
        "via.host" => via().host.to_owned(),
        "via.port" => via().port?.to_string(),
        "via.branch" => via().branch()?.to_owned(),
        "via.received" => via().received()?.to_string(),
        "via.rport" => via().rport().map(|p| p.map_or("asked".to_owned(), |p| p.to_string()))?,
        "rfc3261-branch" => return yes(via().has_rfc3261_branch()),
        "routes" => joined(m.routes().map(|r| r.uri.to_owned()), ", "),
        "record-routes" => joined(m.record_routes().map(|r| r.uri.to_owned()), ", "),
        "contacts" => joined(contacts().iter().map(|c| c.uri), ", "),
        "contacts-differ" => match contacts()[..] {
            [a, b] => return yes(a.uri() != b.uri()),
            _ => return None,
        },
        "q" => contacts().first()?.q_milli().to_string(),
        "require" => joined(m.values(Name::Require), ", "),
        "proxy-require" => joined(m.values(Name::ProxyRequire), ", "),
        "accepts" => m.values(Name::Accept).count().to_string(),
        "headers" => m.header_count().to_string(),
        "body" => m.body().len().to_string(),
        "sdp" => return yes(m.has_sdp()),
        other => panic!("no such fact: {other}"),
    })
}

fn read(bytes: &[u8]) -> Result<Message<'_>, sip::ParseError> {
    let message = Message::parse(bytes)?;
    if message.is_request() {
        message.check_request()?
    } else {
        message.check_response()?
    }
    Ok(message)
}

#[test]
fn every_message_gets_the_verdict_of_its_rfc() {
    let cases = corpus::all();
    assert_eq!(cases.iter().filter(|c| c.name.starts_with("rfc4475/")).count(), 49);
    assert_eq!(cases.iter().filter(|c| c.name.starts_with("rfc5118/")).count(), 12);
    let mut wrong = Vec::new();
    for Case { name, section, verdict, facts, bytes } in &cases {
        let found = match read(bytes) {
            Ok(_) => Verdict::Accept,
            Err(error) => error.status.map_or(Verdict::Drop, Verdict::Refuse),
        };
        if found != *verdict {
            wrong.push(format!(
                "{name} (§{section}): {verdict:?} asked, {found:?} given: {:?}",
                read(bytes).err()
            ));
            continue;
        }
        for (key, value) in facts {
            let Ok(message) = read(bytes) else { panic!("{name}: facts of a refused message") };
            let found = fact(&message, key).unwrap_or("none".to_owned());
            if found != *value {
                wrong.push(format!("{name} (§{section}): {key} is `{found}`, not `{value}`"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_refusal_can_be_answered_and_the_answer_read() {
    for Case { name, verdict, bytes, .. } in corpus::all() {
        let Verdict::Refuse(status) = verdict else { continue };
        let error = read(&bytes).unwrap_err();
        let request = Message::salvage(&bytes).unwrap_or_else(|| panic!("{name}: nothing to answer"));
        let answer = refusal(&request, &error);
        let response = Message::parse(&answer).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(response.status(), status, "{name}");
        for header in [Name::Via, Name::From, Name::CallId, Name::CSeq] {
            let was: Vec<_> = request.headers(header).map(unfold).collect();
            let is: Vec<_> = response.headers(header).map(unfold).collect();
            assert_eq!(was, is, "{name}");
        }
        assert_eq!(answer, refusal(&request, &error), "{name}: a retransmission gets the same answer");
    }
}

/// What is valid in a datagram is cut out of a stream whole, in any pieces.
#[test]
fn the_valid_ones_survive_a_stream() {
    let mut through = 0;
    for Case { name, bytes, verdict, .. } in corpus::all() {
        let Ok(message) = Message::parse(&bytes) else { continue };
        if verdict != Verdict::Accept || message.header(Name::ContentLength).is_none() {
            continue;
        }
        let end = bytes.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4 + message.body().len();
        for size in [1, 13, bytes.len()] {
            let mut framer = Framer::new(Limits::default());
            let mut frames = Vec::new();
            for piece in bytes[..end].chunks(size) {
                framer.feed(terms::Instant(0), piece);
                while let Some(frame) = framer.poll().unwrap_or_else(|e| panic!("{name}: {e}")) {
                    frames.push(frame);
                }
            }
            assert_eq!(frames, [Frame::Message(bytes::Bytes::copy_from_slice(&bytes[..end]))], "{name}");
        }
        through += 1;
    }
    assert_eq!(through, 34, "all valid ones with a Content-Length");
}
