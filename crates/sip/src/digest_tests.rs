use super::*;

const KEY: [u8; 32] = [7; 32];
const NOW: WallTime = WallTime(1_700_000_000_000);

fn flow(port: u16) -> Flow {
    Flow::udp("192.0.2.1:5060".parse().unwrap(), format!("198.51.100.7:{port}").parse().unwrap())
}

fn request(uri: &str, authorization: Option<&str>) -> String {
    let credentials = authorization.map(|a| format!("Authorization: {a}\r\n")).unwrap_or_default();
    format!(
        "REGISTER {uri} SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\n\
         To: <sip:a@b>\r\nCall-ID: 1\r\nCSeq: 1 REGISTER\r\n{credentials}\r\n"
    )
}

/// A guard, a phone that knows its secret, and what the guard says to it.
struct Scene {
    guard: Guard,
    window: NonceWindow,
    phone: Answerer,
}

impl Scene {
    fn new() -> Scene {
        Scene {
            guard: Guard::new("hotseat.test", KEY),
            window: NonceWindow::new(100, [1, 2, 3, 4]),
            phone: Answerer::new("desk \"17\"", Secret::new("s3cret")),
        }
    }
    fn challenge(&mut self, now: WallTime, stale: bool) -> Result<(), NoAnswer> {
        let lines = self.guard.challenges(now, &flow(1), stale, false);
        self.hear(&lines)
    }
    fn hear(&mut self, lines: &[String]) -> Result<(), NoAnswer> {
        let lines: String = lines.iter().map(|l| format!("WWW-Authenticate: {l}\r\n")).collect();
        let text = format!("SIP/2.0 401 Unauthorized\r\n{lines}\r\n");
        self.phone.challenged(&Message::parse(text.as_bytes()).unwrap())
    }
    fn answer(&mut self) -> String {
        self.phone.authorization("REGISTER", "sip:hotseat.test", b"", "0a4f113b").unwrap().1
    }
    fn check(&mut self, now: WallTime, flow: &Flow, authorization: &str) -> Verdict {
        let text = request("sip:hotseat.test", Some(authorization));
        let request = Message::parse(text.as_bytes()).unwrap();
        self.guard.check(now, flow, &request, Role::Server, &mut self.window, |user| {
            (user == "desk \"17\"").then(|| ha1(user, "hotseat.test", &Secret::new("s3cret")))
        })
    }
}

fn is_ok(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Ok { username } if username == "desk \"17\"")
}

/// RFC 7616 §3.9.1 and RFC 2617 §3.5.
#[test]
fn the_examples_of_the_rfcs_come_out() {
    let ask = Ask {
        method: "GET",
        uri: "/dir/index.html",
        nonce: "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
        nc: "00000001",
        cnonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
        qop: Some("auth"),
        body: None,
    };
    let secret = ha1("Mufasa", "http-auth@example.org", &Secret::new("Circle of Life"));
    assert_eq!(response(Algorithm::Md5, &secret, &ask).as_str(), "8ca523f5e9506fed4657c9700eebdbec");
    assert_eq!(
        response(Algorithm::Sha256, &secret, &ask).as_str(),
        "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"
    );
    let ask = Ask { nonce: "dcd98b7102dd2f0e8b11d0f600bfb0c093", cnonce: "0a4f113b", ..ask };
    let secret = ha1("Mufasa", "testrealm@host.com", &Secret::new("Circle Of Life"));
    assert_eq!(response(Algorithm::Md5, &secret, &ask).as_str(), "6629fae49393a05397450978507c4ef1");
    // RFC 2069 form, by the errata of that RFC.
    let ask = Ask { qop: None, ..ask };
    assert_eq!(response(Algorithm::Md5, &secret, &ask).as_str(), "670fd8c2df070c60b045671b8b24ff02");
}

#[test]
fn a_phone_that_knows_its_secret_comes_in_and_may_stay_on_one_nonce() {
    let mut s = Scene::new();
    s.challenge(NOW, false).unwrap();
    // Beyond 0x0a and beyond 0x100: the count is hexadecimal and 32 bits wide.
    for n in 1..=0x120 {
        let answer = s.answer();
        assert!(answer.contains(&format!("nc={n:08x}")) && answer.contains("algorithm=SHA-256"), "{answer}");
        assert!(is_ok(&s.check(NOW, &flow(1), &answer)), "{answer}");
        assert!(matches!(s.check(NOW, &flow(1), &answer), Verdict::Replayed { .. }), "{answer}");
    }
    assert_eq!(s.window.len(), 1);
}

#[test]
fn md5_comes_alone_for_browsers_and_last_or_never_for_others() {
    let mut guard = Guard::new("r", KEY);
    let algorithms = |guard: &mut Guard, transport| {
        let lines = guard.challenges(NOW, &Flow { transport, ..flow(1) }, false, false);
        let algorithm = |l: &String| AuthHeader::parse(l).unwrap().get("algorithm").unwrap().to_owned();
        lines.iter().map(algorithm).collect::<Vec<_>>()
    };
    assert_eq!(algorithms(&mut guard, Transport::Udp), ["SHA-256", "MD5"]);
    assert_eq!(algorithms(&mut guard, Transport::Wss), ["MD5"]);
    guard.allow_md5 = false;
    assert_eq!(algorithms(&mut guard, Transport::Wss), ["SHA-256"]);
}

#[test]
fn an_old_nonce_or_another_flow_is_stale_for_those_who_know_and_wrong_for_the_rest() {
    let mut s = Scene::new();
    s.challenge(NOW, false).unwrap();
    let answer = s.answer();
    let later = WallTime(NOW.0 + 301_000);
    assert!(matches!(s.check(later, &flow(1), &answer), Verdict::Stale { .. }));
    assert!(matches!(s.check(NOW, &flow(2), &answer), Verdict::Stale { .. }));
    let forged = answer.replacen("response=\"", "response=\"0", 1);
    assert!(matches!(s.check(later, &flow(1), &forged), Verdict::Wrong { .. }));
    assert!(is_ok(&s.check(NOW, &flow(1), &answer)));
    // Stale: the phone tries again by itself.
    s.challenge(later, true).unwrap();
    let answer = s.answer();
    assert!(is_ok(&s.check(later, &flow(1), &answer)));
    // A nonce of another key or with one digit turned is not ours.
    s.guard.maker = NonceMaker::new([8; 32]);
    let answer = s.answer();
    assert!(matches!(s.check(later, &flow(1), &answer), Verdict::Stale { .. }));
}

#[test]
fn a_wrong_secret_and_an_unknown_name_are_told_the_same() {
    let mut s = Scene::new();
    s.challenge(NOW, false).unwrap();
    s.phone.password = Secret::new("guess");
    s.challenge(NOW, false).unwrap();
    let answer = s.answer();
    assert!(matches!(s.check(NOW, &flow(1), &answer), Verdict::Wrong { .. }));
    s.phone = Answerer::new("nobody", Secret::new("s3cret"));
    s.challenge(NOW, false).unwrap();
    let answer = s.answer();
    assert_eq!(s.check(NOW, &flow(1), &answer), Verdict::Wrong { username: "nobody".into() });
    // The same nonce again without `stale` means no; the phone does not go on guessing.
    let lines = vec![s.guard.challenges(NOW, &flow(1), false, false).remove(0)];
    s.hear(&lines).unwrap();
    s.answer();
    assert_eq!(s.hear(&lines), Err(NoAnswer::Refused));
}

#[test]
fn what_would_weaken_the_answer_is_refused() {
    let mut s = Scene::new();
    s.challenge(NOW, false).unwrap();
    let answer = s.answer();
    for (from, to) in [
        ("qop=auth, ", ""),
        ("qop=auth,", "qop=auth-int,"),
        ("algorithm=SHA-256", "algorithm=SHA-256-sess"),
        ("algorithm=SHA-256", "algorithm=NONE"),
        ("uri=\"sip:hotseat.test\"", "uri=\"sip:elsewhere.test\""),
        ("nc=00000001", "nc=1"),
        ("nc=00000001", "nc=0000000g"),
        ("nc=00000001", "nc=+0000001"),
        ("nc=00000001", "nc=00000000"),
        ("nc=00000001, ", ""),
        ("cnonce=\"0a4f113b\"", "cnonce=\"\""),
        ("username=", "username=\"x\", username="),
        ("username=", "username*="),
        ("response=", "respond="),
    ] {
        let changed = answer.replacen(from, to, 1);
        assert_ne!(changed, answer, "{from}");
        assert!(matches!(s.check(NOW, &flow(1), &changed), Verdict::Malformed(_)), "{changed}");
    }
    for missing in
        ["Bearer abc", "Digest realm=\"other\", username=\"x\"", "NoOneKnowsThisScheme opaque-data=here"]
    {
        assert_eq!(s.check(NOW, &flow(1), missing), Verdict::Missing, "{missing}");
    }
    // An algorithm that was offered but not used for this answer does not fit.
    let changed = answer.replacen("algorithm=SHA-256", "algorithm=MD5", 1);
    assert!(matches!(s.check(NOW, &flow(1), &changed), Verdict::Wrong { .. }));
    assert!(is_ok(&s.check(NOW, &flow(1), &answer)));
    s.guard.allow_md5 = false;
    assert!(matches!(s.check(NOW, &flow(1), &changed), Verdict::Malformed(_)));
}

#[test]
fn a_trunk_answers_its_own_realm_only_and_the_strongest_it_knows() {
    let mut s = Scene::new();
    s.phone.realm = Some("carrier.test".into());
    assert_eq!(s.challenge(NOW, false), Err(NoAnswer::NothingUsable));
    let md5 = "Digest realm=\"carrier.test\", nonce=\"n1\", opaque=\"o\"".to_owned();
    let odd = "Digest realm=\"carrier.test\", nonce=\"n2\", algorithm=SHA-512-256, qop=\"auth\"".to_owned();
    let sha =
        "Digest realm=\"carrier.test\", nonce=\"n3\", algorithm=SHA-256, qop=\"auth-int,auth\"".to_owned();
    s.hear(&[md5.clone(), odd.clone(), sha]).unwrap();
    let answer = s.answer();
    assert!(answer.contains("nonce=\"n3\"") && answer.contains("qop=auth,"), "{answer}");
    s.hear(&[odd.clone(), md5]).unwrap();
    let answer = s.answer();
    assert!(answer.contains("opaque=\"o\"") && !answer.contains("qop="), "{answer}");
    assert_eq!(s.hear(&[odd]), Err(NoAnswer::NothingUsable));
}

#[test]
fn a_peer_that_trips_over_sha_256_is_offered_md5_alone_unless_md5_is_forbidden() {
    let mut guard = Guard::new("hotseat.test", [7; 32]);
    let lines = guard.challenges(NOW, &flow(1), false, true);
    assert!(lines.len() == 1 && lines[0].contains("algorithm=MD5"), "{lines:?}");
    guard.allow_md5 = false;
    let lines = guard.challenges(NOW, &flow(1), false, true);
    assert!(lines.len() == 1 && lines[0].contains("algorithm=SHA-256"), "{lines:?}");
}
