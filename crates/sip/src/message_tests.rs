use super::*;
use crate::Contacts;

const REGISTER: &str = "REGISTER sip:hotseat.test SIP/2.0\r\n\
    v: SIP/2.0/WSS df7jal23ls0d.invalid;branch=z9hG4bKnashds7;rport , SIP / 2.0 / UDP [2001:db8::9] : 5070;received=192.0.2.1\r\n\
    From : \"Ann \\\"A\\\"\" <sip:2001@hotseat.test>\r\n ;tag=fx\r\n\
    t: <sip:2001@hotseat.test>\r\n\
    i: 1@x\r\n\
    CSeq: 0009\t REGISTER\r\n\
    m: <sip:2001@x.invalid;transport=ws>;+sip.instance=\"<urn:uuid:1>\";reg-id=1;expires=600, sip:a@b;q=0.5\r\n\
    X-Odd: one\r\n\
    Max-Forwards: 70\r\n\
    x-odd: two\r\n\
    Supported: path, outbound\r\n\
    Content-Length: 3\r\n\r\nabcdef";

#[test]
fn everything_a_phone_says_is_found() {
    let m = Message::parse(REGISTER.as_bytes()).unwrap();
    m.check_request().unwrap();
    assert_eq!((m.method(), m.uri(), m.body()), (Some(Method::Register), "sip:hotseat.test", &b"abc"[..]));
    let vias: Vec<_> = m.vias().collect();
    assert_eq!(vias.len(), 2);
    assert_eq!((vias[0].transport, vias[0].host, vias[0].port), ("WSS", "df7jal23ls0d.invalid", None));
    assert_eq!((vias[0].branch(), vias[0].rport()), (Some("z9hG4bKnashds7"), Some(None)));
    assert_eq!((vias[1].host, vias[1].port), ("2001:db8::9", Some(5070)));
    assert_eq!(vias[1].received(), Some("192.0.2.1".parse().unwrap()));
    let from = m.from().unwrap();
    assert_eq!(
        (from.name().as_ref(), from.uri, from.tag()),
        ("Ann \"A\"", "sip:2001@hotseat.test", Some("fx"))
    );
    assert_eq!(m.to_tag(), None);
    assert_eq!(m.cseq().map(|c| (c.number, c.method())), Some((9, Some(Method::Register))));
    let Contacts::List(contacts) = m.contacts().unwrap() else { panic!("a list") };
    assert_eq!(contacts[0].instance(), Some("<urn:uuid:1>"));
    assert_eq!((contacts[0].reg_id(), contacts[0].expires()), (Some(1), Some(600)));
    assert_eq!((contacts[1].uri, contacts[1].q_milli()), ("sip:a@b", 500));
    assert_eq!(m.headers_named("X-ODD").collect::<Vec<_>>(), ["one", "two"]);
    assert_eq!(m.header_named("call-id"), Some("1@x"));
    assert!(m.has_token(Name::Supported, "OUTBOUND") && !m.has_token(Name::Supported, "gruu"));
    assert_eq!(m.unfolded(Name::From).unwrap(), "\"Ann \\\"A\\\"\" <sip:2001@hotseat.test> ;tag=fx");
    assert_eq!(m.all().count(), 11);
}

#[test]
fn a_display_name_in_latin_1_does_not_lose_the_address() {
    let mut bytes =
        b"INVITE sip:1@x SIP/2.0\r\nFrom: \"M\xfcller\" <sip:2@x>;tag=1\r\nCall-ID: a\r\n\r\n".to_vec();
    let m = Message::parse(&bytes).unwrap();
    assert_eq!(m.header(Name::From), None);
    assert_eq!(m.from().map(|f| (f.uri, f.tag(), f.display)), Some(("sip:2@x", Some("1"), "")));
    assert_eq!(m.call_id(), Some("a"));
    bytes.extend_from_slice(b"\xff\xfe");
    assert_eq!(Message::parse(&bytes).unwrap().body(), b"\xff\xfe");
}

#[test]
fn what_is_no_message_is_refused_with_the_right_voice() {
    let with = |head: &str| {
        format!(
            "{head}\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n\r\n"
        )
    };
    for (head, status) in [
        ("OPTIONS sip:a@b SIP/7.0", Some(505)),
        ("OPTIONS  sip:a@b SIP/2.0", Some(400)),
        ("OPTIONS sip:a@b SIP/2.0 ", Some(400)),
        ("OPTIONS sip:a@b\tx SIP/2.0", Some(400)),
        ("OPT(IONS sip:a@b SIP/2.0", Some(400)),
        ("OPTIONS sip:a@b SIP/2.0\r\nName\0: x", Some(400)),
        ("OPTIONS sip:a@b SIP/2.0\r\nNa me: x", Some(400)),
        ("OPTIONS sip:a@b SIP/2.0\r\nnocolon", Some(400)),
        ("OPTIONS sip:a@b SIP/2.0\r\nContent-Length: -1", Some(400)),
        ("OPTIONS sip:a@b SIP/2.0\r\nContent-Length: 1", Some(400)),
        ("OPTIONS sip:a@b SIP/2.0\r\nl: 0\r\nContent-Length: 00", None),
        ("OPTIONS sip:a@b SIP/2.0\r\nl: 1\r\nContent-Length: 0", Some(400)),
    ] {
        let text = with(head);
        match (Message::parse(text.as_bytes()), status) {
            (Err(error), Some(_)) => {
                assert_eq!(error.status, status, "{head}");
                assert!(Message::salvage(text.as_bytes()).is_some(), "{head}");
            }
            (Ok(_), None) => {}
            (other, _) => panic!("{head}: {other:?}"),
        }
    }
    for silent in [
        "",
        "\r\n\r\n",
        "hello",
        "GET / HTTP/1.1\r\n\r\n",
        "SIP/2.0 99 x\r\n\r\n",
        "SIP/2.0 4294967301 x\r\n\r\n",
        "SIP/2.0 200 OK\r\nl: 5\r\n\r\n",
    ] {
        assert_eq!(Message::parse(silent.as_bytes()).unwrap_err().status, None, "{silent}");
    }
    let lone = with("OPTIONS sip:a@b SIP/2.0").replace("Call-ID: 1\r\n", "Call-ID: 1\n");
    assert!(Message::parse(lone.as_bytes()).is_err());
    let many = with(&format!("OPTIONS sip:a@b SIP/2.0{}", "\r\nX: y".repeat(HEADERS_MAX)));
    assert_eq!(Message::parse(many.as_bytes()).unwrap_err().status, Some(400));
}
