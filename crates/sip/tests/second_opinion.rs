//! What both our reader and `rsip` accept must mean the same. `rsip` refuses much of what phones send; where it
//! answers, it was written by somebody else and does not share our mistakes.

mod corpus;

use rsip::headers::ToTypedHeader;
use rsip::prelude::{HasHeaders, HeadersExt, UntypedHeader};
use sip::Message;

const EVERYDAY: &[&str] = &[
    "REGISTER sip:hotseat.test SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.5:5060;branch=z9hG4bK1;rport\r\nMax-Forwards: 70\r\n\
     From: <sip:desk-17@hotseat.test>;tag=a1\r\nTo: <sip:desk-17@hotseat.test>\r\nCall-ID: r1@192.0.2.5\r\nCSeq: 2 REGISTER\r\n\
     Contact: <sip:desk-17@192.0.2.5:5060>\r\nExpires: 300\r\nContent-Length: 0\r\n\r\n",
    "INVITE sip:2001@hotseat.test SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.5:5070;branch=z9hG4bK2\r\nMax-Forwards: 70\r\n\
     From: \"Ann\" <sip:2002@hotseat.test>;tag=b2\r\nTo: <sip:2001@hotseat.test>\r\nCall-ID: i1\r\nCSeq: 17 INVITE\r\n\
     Contact: <sip:2002@192.0.2.5:5070;transport=tcp>\r\nContent-Length: 5\r\n\r\nv=0\r\n",
    "SIP/2.0 180 Ringing\r\nVia: SIP/2.0/UDP 192.0.2.5:5060;branch=z9hG4bK2\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=2\r\n\
     Call-ID: i2\r\nCSeq: 18 INVITE\r\nContent-Length: 0\r\n\r\n",
    "SIP/2.0 486 Busy Here\r\nVia: SIP/2.0/UDP 192.0.2.5:5060;branch=z9hG4bK3\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=2\r\n\
     Call-ID: i3\r\nCSeq: 4294967 INVITE\r\nContent-Length: 0\r\n\r\n",
];

/// Compares one message; how many facts were compared.
fn compare(name: &str, bytes: &[u8]) -> usize {
    let Ok(ours) = Message::parse(bytes) else { return 0 };
    let fit = if ours.is_request() { ours.check_request() } else { ours.check_response() };
    let Ok(theirs) = rsip::SipMessage::try_from(bytes) else { return 0 };
    if fit.is_err() {
        return 0;
    }
    let mut compared = 1;
    match &theirs {
        rsip::SipMessage::Request(request) => {
            assert_eq!(ours.method(), Some(request.method), "{name}");
            let uri = sip::Uri::parse(ours.uri()).unwrap();
            let their_uri = request.uri.to_string();
            assert_eq!(uri, sip::Uri::parse(&their_uri).unwrap(), "{name}: {their_uri}");
        }
        rsip::SipMessage::Response(response) => {
            assert_eq!(ours.status(), response.status_code.code(), "{name}");
        }
    }
    if let Ok(call_id) = theirs.call_id_header() {
        assert_eq!(ours.call_id(), Some(call_id.value()), "{name}");
        compared += 1;
    }
    if let Ok(cseq) = theirs.cseq_header().and_then(|h| h.typed()) {
        let our = ours.cseq().unwrap();
        assert_eq!((our.number, our.method()), (cseq.seq, Some(cseq.method)), "{name}");
        compared += 1;
    }
    if let Ok(from) = theirs.from_header().and_then(|h| h.typed()) {
        assert_eq!(ours.from_tag(), from.tag().map(|t| t.value()), "{name}");
        let uri = from.uri.to_string();
        assert_eq!(ours.from().unwrap().uri(), sip::Uri::parse(&uri).ok(), "{name}");
        compared += 2;
    }
    if let Ok(to) = theirs.to_header().and_then(|h| h.typed()) {
        assert_eq!(ours.to_tag(), to.tag().map(|t| t.value()), "{name}");
        compared += 1;
    }
    assert!(theirs.headers().iter().count() > 0);
    compared
}

#[test]
fn what_both_accept_means_the_same() {
    let mut compared = 0;
    for text in EVERYDAY {
        let facts = compare("everyday", text.as_bytes());
        assert_eq!(facts, 6, "rsip reads all of\n{text}");
        compared += facts;
    }
    let mut both = 0;
    for case in corpus::all() {
        let facts = compare(&case.name, &case.bytes);
        both += usize::from(facts > 0);
        compared += facts;
    }
    assert!(both >= 5 && compared >= 40, "{both} torture messages, {compared} facts");
}
