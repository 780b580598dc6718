//! Any bytes as a datagram: read, checked, asked everything, answered. What is fit to be worked with must give an answer
//! that reads back with the same transaction in it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sip::{Contacts, Message, Name, Uri, Writer};

fuzz_target!(|bytes: &[u8]| {
    let m = match Message::parse(bytes) {
        Ok(m) => m,
        Err(error) => {
            if let Some(m) = Message::salvage(bytes) {
                Message::parse(&sip::refusal(&m, &error)).expect("a refusal reads");
            }
            return;
        }
    };
    let fit = if m.is_request() { m.check_request() } else { m.check_response() };
    for name in Name::ALL {
        let _ = (m.header(*name).map(sip::unfold), m.values(*name).count());
    }
    let contacts = match m.contacts() {
        Ok(Contacts::List(list)) => list.into_vec(),
        _ => Vec::new(),
    };
    let others = m.routes().chain(m.record_routes()).chain(m.paths()).chain(m.diversions());
    for a in others.chain(m.from()).chain(m.to()).chain(m.refer_to()).chain(contacts) {
        let _ = (a.name(), a.tag(), a.instance(), a.reg_id(), a.expires(), a.q_milli());
        if let Some(uri) = a.uri() {
            let _ = (uri.number(), uri.user_unescaped(), uri.host_ip(), uri.headers_unescaped().count());
            let again = Uri::parse(uri.text).expect("a URI reads twice");
            assert!(uri == again, "a URI equals itself");
        }
    }
    let _ = (m.via().map(|v| (v.received(), v.rport(), v.host_ip())), m.rack(), m.session_expires(), m.reason());
    let _ = (m.retry_after(), m.replaces(), m.event(), m.min_se(), m.rseq(), m.content_type());
    if fit.is_ok() && m.is_request() {
        let mut w = Writer::response(200, None, 0);
        for name in [Name::Via, Name::From, Name::To, Name::CallId, Name::CSeq] {
            w.copy(&m, name);
        }
        let answer = w.finish(None, b"");
        let answer = Message::parse(&answer).expect("an answer reads");
        assert_eq!(answer.cseq(), m.cseq());
        assert_eq!(answer.vias().count(), m.vias().count());
    }
});
