//! Offers and answers as telephones and browsers really write them, between legs of every kind.

use super::*;
use crate::chance::Chance;
use crate::sdp::{Candidate, Codec, Crypto, OurSide, Setup, Via, read, write};
use crate::srtp::Suite;
use std::path::Path as File;
use terms::{CodecName, Secret};

const KINDS: [PortKind; 4] = [PortKind::Rtp, PortKind::OptionalSrtp, PortKind::Srtp, PortKind::WebRtc];

fn ours(kind: PortKind) -> Ours {
    let mut chance = Chance::new([8; 32]);
    match kind {
        PortKind::Rtp => Ours::Plain,
        PortKind::OptionalSrtp | PortKind::Srtp => Ours::Sdes(Crypto::ours(&mut chance)),
        PortKind::WebRtc => {
            let at = "192.0.2.1:3478".parse().unwrap();
            let pwd = Secret::new("ourpasswordourpassword00");
            Ours::WebRtc(Box::new(OurSide {
                ice: Credentials { ufrag: "ourufrag".into(), pwd },
                fingerprint: [0xa5; 32],
                setup: Setup::Passive,
                candidates: vec![Candidate::host(Via::Udp, at, 0), Candidate::host(Via::TcpPassive, at, 0)],
                bundle: false,
            }))
        }
    }
}

fn toward(history: &History, kind: PortKind) -> Toward<'_> {
    Toward {
        history,
        kind,
        codecs: Codecs::default(),
        transcodes: true,
        ours: ours(history.kind.unwrap_or(kind)),
    }
}

fn written(draft: &Draft) -> String {
    String::from_utf8(write(draft, 7, 1, "192.0.2.1".parse().unwrap(), 9).to_vec()).unwrap()
}

/// What we wrote as a full ICE agent would have written it: two that are lite never meet.
fn full(text: &str) -> Vec<u8> {
    text.replace("a=ice-lite\r\n", "").into_bytes()
}

/// A peer that takes the first of `codecs` it was offered, and the digits beside it, under our own rules of reading.
fn taking(told: &Draft, codecs: &[Codec]) -> Said {
    let mut said = hear(&full(&written(told)), Some(told.at)).expect("our own words read");
    let voice =
        codecs.iter().find_map(|c| said.voice.formats.iter().find(|f| f.codec == *c)).unwrap().clone();
    said.voice.formats.retain(|f| *f == voice || !f.codec.is_voice() && f.clock == voice.clock);
    said.voice.direction = said.voice.direction.reversed();
    if let Carriage::Sdes(lines) = &mut said.carriage {
        lines.truncate(1);
    }
    if let Carriage::WebRtc(side) = &mut said.carriage {
        side.setup = Some(Setup::Active);
    }
    said
}

fn numbers(formats: &[Format]) -> String {
    let one = |f: &Format| format!("{} {}/{}", f.pt, f.codec.name(), f.clock);
    formats.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn heard(said: &Said) -> String {
    let kind = match said.kind() {
        PortKind::Rtp => "rtp",
        PortKind::OptionalSrtp => "optional_srtp",
        PortKind::Srtp => "srtp",
        PortKind::WebRtc => "web_rtc",
    };
    let mut text = format!("{kind} {}", said.voice.direction.name());
    match &said.carriage {
        Carriage::Plain => {}
        Carriage::Sdes(lines) => {
            for line in lines {
                text += &format!(" {}/{}", line.keys.suite.name(), line.tag);
            }
        }
        Carriage::WebRtc(side) => {
            text += &side.mid.as_ref().map_or(String::new(), |mid| format!(" mid={mid}"));
            text += if side.bundle { " bundle" } else { "" };
            text += &side.setup.map_or(String::new(), |setup| format!(" setup={}", setup.name()));
            text += &format!(" candidates={}", side.candidates.len());
        }
    }
    format!("{text} | {}", numbers(&said.voice.formats))
}

/// `audio RTP/AVP 8 101; video 0 RTP/AVP 96`, the port of the voice left as it is written.
fn m_lines(text: &str) -> String {
    text.lines().filter_map(|l| l.strip_prefix("m=")).collect::<Vec<_>>().join("; ")
}

struct Sample {
    name: String,
    want: Vec<(String, String)>,
    body: String,
}

impl Sample {
    fn want(&self, what: &str) -> Option<&str> {
        self.want.iter().find(|(name, _)| name == what).map(|(_, value)| value.as_str())
    }
}

fn samples() -> Vec<Sample> {
    let folder = File::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/sdp");
    let mut samples: Vec<Sample> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "sdp"))
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            let (head, body) = text.split_once("\n\n").unwrap();
            Sample {
                name: path.file_stem().unwrap().to_string_lossy().into_owned(),
                want: head
                    .lines()
                    .map(|l| l.split_once(": ").map(|(n, v)| (n.to_owned(), v.to_owned())).unwrap())
                    .collect(),
                body: body.replace('\n', "\r\n"),
            }
        })
        .collect();
    samples.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(samples.len() > 20);
    samples
}

#[test]
fn what_each_of_them_says_is_heard_offered_on_and_answered() {
    let none = History::default();
    for sample in samples() {
        let name = &sample.name;
        let said = match hear(sample.body.as_bytes(), None) {
            Ok(said) => said,
            Err(why) => {
                assert_eq!(sample.want("heard"), Some(why.to_string().as_str()), "{name}");
                continue;
            }
        };
        assert_eq!(sample.want("heard"), Some(heard(&said).as_str()), "{name}");
        for kind in KINDS {
            let told = relay_offer(&said, &toward(&none, kind)).unwrap();
            let text = written(&told);
            if kind == PortKind::Rtp {
                assert_eq!(
                    sample.want("phone"),
                    Some(m_lines(&text).replace("audio 9 ", "audio ").as_str()),
                    "{name}"
                );
            }
            let again =
                hear(&full(&text), Some(told.at)).unwrap_or_else(|why| panic!("{name}: {why}: {text}"));
            assert_eq!(again.kind(), kind, "{name}: {text}");
            assert_eq!(again.voice.formats.len(), told.voice.formats.len(), "{name}: {text}");
            let answer = taking(&told, &[Codec::Pcma]);
            let agreed = relay_answer(&said, &told, &answer, &none, &ours(said.kind())).unwrap();
            let back = written(&agreed.answer);
            assert_eq!(sample.want("back"), Some(m_lines(&back).as_str()), "{name} {kind:?}: {back}");
            assert!(agreed.to_answerer.iter().all(super::Path::is_relay), "{name}: PCMA is common");
            let back = hear(&full(&back), Some(said.at)).unwrap();
            assert_eq!(back.kind(), said.kind(), "{name}");
            assert_eq!(back.voice.direction, answer.voice.direction.and(said.voice.direction.reversed()));
            for text in [&text, &written(&agreed.answer)] {
                nothing_leaks(name, &sample.body, text);
            }
            let mut history = History::default();
            history.settle(&agreed.answer, &agreed.offerer, true);
            assert_eq!(history.kind, Some(said.kind()), "{name}");
            assert!(!said.restarted(&history), "{name}");
        }
    }
}

/// No address, key or name of the peer is in what we write to anybody.
fn nothing_leaks(name: &str, theirs: &str, ours: &str) {
    let secrets = theirs.lines().flat_map(|line| {
        let hide =
            ["c=", "o=", "a=ice-", "a=candidate", "a=fingerprint", "a=ssrc", "a=msid", "a=crypto", "a=tool"];
        let words: Vec<&str> = if hide.iter().any(|start| line.starts_with(start)) {
            line.split([' ', ':', '=']).skip(2).collect()
        } else {
            Vec::new()
        };
        words
    });
    let telling = |word: &&str| word.len() > 7 && word.bytes().any(|b| !b.is_ascii_digit());
    for word in secrets.filter(telling).filter(|word| Suite::of_name(word).is_none() && *word != "127.0.0.1")
    {
        assert!(!ours.contains(word), "{name}: {word} leaks: {ours}");
    }
}

#[test]
fn refused_streams_keep_their_place_and_their_names() {
    let sample = samples().into_iter().find(|s| s.name == "chromium-video-and-data-offer").unwrap();
    let said = hear(sample.body.as_bytes(), None).unwrap();
    let told = relay_offer(&said, &toward(&History::default(), PortKind::Rtp)).unwrap();
    let answer = taking(&told, &[Codec::Opus]);
    let agreed = relay_answer(&said, &told, &answer, &History::default(), &ours(PortKind::WebRtc)).unwrap();
    let back = written(&agreed.answer);
    assert!(back.contains("a=group:BUNDLE 0\r\n"), "{back}");
    assert!(back.contains("m=video 0 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\na=inactive\r\n"), "{back}");
    assert!(back.contains("m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:2\r\n"), "{back}");
    for line in ["a=ice-lite", "a=setup:passive", "a=rtcp-mux", "a=mid:0", "a=msid:hotseat voice"] {
        assert!(back.contains(&format!("{line}\r\n")), "{line}: {back}");
    }
    assert!(
        back.contains("a=candidate:2 1 tcp 1526726655 192.0.2.1 3478 typ host tcptype passive\r\n"),
        "{back}"
    );
    assert!(
        back.contains("a=rtpmap:111 opus/48000/2\r\n")
            && back.contains("a=fmtp:111 minptime=10;useinbandfec=1\r\n")
    );
    for none in ["extmap", "rtcp-fb", "red", "CN", "ssrc"] {
        assert!(!back.contains(none), "{none}: {back}");
    }
}

fn voice(formats: &str, more: &str) -> Said {
    let text = format!(
        "v=0\r\nc=IN IP4 10.0.0.5\r\nm=audio 4000 RTP/AVP {formats}\r\na=rtpmap:96 opus/48000/2\r\n\
         a=rtpmap:101 telephone-event/8000\r\na=rtpmap:100 telephone-event/48000\r\n{more}"
    );
    hear(text.as_bytes(), None).unwrap()
}

fn paths(paths: &[super::Path]) -> Vec<(u8, u8, bool)> {
    paths.iter().map(|p| (p.arrives.pt, p.leaves.pt, p.is_relay())).collect()
}

fn between(offer: &Said, takes: &[Codec], kind: PortKind) -> (Draft, Agreement) {
    let none = History::default();
    let told = relay_offer(offer, &toward(&none, kind)).unwrap();
    let answer = taking(&told, takes);
    let agreed = relay_answer(offer, &told, &answer, &none, &Ours::Plain).unwrap();
    (told, agreed)
}

#[test]
fn what_is_common_is_relayed_and_only_the_rest_is_changed() {
    // A phone with PCMU only, a browser that would rather have Opus but was asked for PCMU first.
    let phone = voice("0 101", "");
    let (told, agreed) = between(&phone, &[Codec::Pcmu], PortKind::WebRtc);
    assert_eq!(
        numbers(&told.voice.formats),
        "0 PCMU/8000, 111 opus/48000, 9 G722/8000, 8 PCMA/8000, 101 telephone-event/8000, 110 telephone-event/48000"
    );
    assert_eq!(paths(&agreed.to_answerer), [(0, 0, true), (101, 101, true)]);
    // A peer that insists on Opus: voice is changed both ways, and digits change their clock.
    let (_, agreed) = between(&phone, &[Codec::Opus], PortKind::WebRtc);
    assert_eq!(numbers(&agreed.answer.voice.formats), "0 PCMU/8000, 101 telephone-event/8000");
    assert_eq!(paths(&agreed.to_answerer), [(0, 111, false), (101, 110, false)]);
    assert_eq!(paths(&agreed.to_offerer)[..2], [(111, 0, false), (110, 101, false)]);
    assert_eq!(agreed.to_answerer[1].leaves.clock, 48_000);
    // Opus alone against a phone.
    let browser = voice("96 100", "");
    let (told, agreed) = between(&browser, &[Codec::G722, Codec::Pcma], PortKind::Rtp);
    assert_eq!(
        numbers(&told.voice.formats),
        "96 opus/48000, 9 G722/8000, 8 PCMA/8000, 0 PCMU/8000, 100 telephone-event/48000, 101 telephone-event/8000"
    );
    assert_eq!(paths(&agreed.to_answerer), [(96, 9, false), (100, 101, false)]);
    // Wide meets wide, narrow meets narrow, whatever stands first.
    let both = voice("0 96 101 100", "");
    let (_, agreed) = between(&both, &[Codec::G722], PortKind::Rtp);
    assert_eq!(numbers(&agreed.answer.voice.formats), "96 opus/48000, 100 telephone-event/48000");
    let both = voice("96 0 101 100", "");
    let (_, agreed) = between(&both, &[Codec::Pcma], PortKind::Rtp);
    assert_eq!(numbers(&agreed.answer.voice.formats), "0 PCMU/8000, 101 telephone-event/8000");
    // Firefox: Opus with digits at 8 kHz only.
    let firefox = voice("96 101", "");
    let (_, agreed) = between(&firefox, &[Codec::Opus], PortKind::WebRtc);
    assert_eq!(numbers(&agreed.answer.voice.formats), "96 opus/48000, 101 telephone-event/8000");
    assert_eq!(paths(&agreed.to_answerer), [(96, 96, true), (101, 110, false)]);
}

#[test]
fn a_browser_that_sends_what_its_answer_left_out_is_heard() {
    // Chromium that was told to answer with one codec sends what the offer named first, here PCMU. The trunk was
    // promised PCMA, G.722 became PCMU: either way no packet goes to nobody.
    let trunk = voice("0 8 101", "");
    let (_, agreed) = between(&trunk, &[Codec::Pcma], PortKind::WebRtc);
    assert_eq!(numbers(&agreed.answer.voice.formats), "8 PCMA/8000, 101 telephone-event/8000");
    let sent = paths(&agreed.to_offerer);
    assert_eq!(sent[..2], [(8, 8, true), (101, 101, true)]);
    for unsaid in [(0, 8, false), (111, 8, false), (9, 8, false), (110, 101, false)] {
        assert!(sent.contains(&unsaid), "{unsaid:?} of {sent:?}");
    }
}

#[test]
fn digits_are_promised_only_where_they_can_go() {
    let without = voice("0", "");
    let (told, _) = between(&without, &[Codec::Pcmu], PortKind::Rtp);
    assert!(told.voice.formats.iter().all(|f| f.codec.is_voice()));
    // The answerer has none: then the offerer is promised none.
    let phone = voice("0 101", "");
    let none = History::default();
    let told = relay_offer(&phone, &toward(&none, PortKind::Rtp)).unwrap();
    let mut answer = taking(&told, &[Codec::Pcmu]);
    answer.voice.formats.truncate(1);
    let agreed = relay_answer(&phone, &told, &answer, &none, &Ours::Plain).unwrap();
    assert_eq!(numbers(&agreed.answer.voice.formats), "0 PCMU/8000");
}

#[test]
fn both_clocks_of_digits_go_where_their_voice_goes() {
    let browser = voice("96 0 100 101", "");
    let none = History::default();
    let told = relay_offer(&browser, &toward(&none, PortKind::WebRtc)).unwrap();
    let mut answer = taking(&told, &[Codec::Opus]);
    answer.voice.formats = told
        .voice
        .formats
        .iter()
        .filter(|f| f.codec != Codec::Pcma && f.codec != Codec::G722)
        .cloned()
        .collect();
    let agreed = relay_answer(&browser, &told, &answer, &none, &Ours::Plain).unwrap();
    assert_eq!(
        paths(&agreed.to_answerer),
        [(96, 96, true), (0, 0, true), (100, 100, true), (101, 101, true)]
    );
    // A peer that takes all four voices sends whichever it likes: what the offerer lacks is changed.
    let answer = Said { voice: told.voice.clone(), ..taking(&told, &[Codec::Opus]) };
    let agreed = relay_answer(&browser, &told, &answer, &none, &Ours::Plain).unwrap();
    assert_eq!(
        numbers(&agreed.answer.voice.formats),
        "96 opus/48000, 0 PCMU/8000, 100 telephone-event/48000, 101 telephone-event/8000"
    );
    let from_g722 = agreed.to_offerer.iter().find(|p| p.arrives.codec == Codec::G722).unwrap();
    assert_eq!((from_g722.leaves.codec, from_g722.is_relay()), (Codec::Opus, false));
}

#[test]
fn a_configured_list_rules_what_is_offered() {
    let phone = voice("9 0 8 96 101 100", "");
    let none = History::default();
    let list = |names: &[CodecName], transcodes| {
        let toward = Toward { codecs: Codecs::new(names), transcodes, ..toward(&none, PortKind::Rtp) };
        relay_offer(&phone, &toward).map(|told| numbers(&told.voice.formats))
    };
    use CodecName::*;
    assert_eq!(list(&[Pcma, Pcmu], true).unwrap(), "8 PCMA/8000, 0 PCMU/8000, 101 telephone-event/8000");
    assert_eq!(list(&[Opus], true).unwrap(), "96 opus/48000, 100 telephone-event/48000");
    let narrow = voice("0 101", "");
    let only = |transcodes| {
        let toward = Toward { codecs: Codecs::new(&[Pcma]), transcodes, ..toward(&none, PortKind::Rtp) };
        relay_offer(&narrow, &toward).map(|told| numbers(&told.voice.formats))
    };
    assert_eq!(only(true).unwrap(), "8 PCMA/8000, 101 telephone-event/8000");
    assert_eq!(only(false), Err(MediaFailure::NothingInCommon));
}

#[test]
fn numbers_never_change_their_meaning_on_a_leg() {
    let mut history = History::default();
    let browser = voice("96 0 100 101", "");
    let told = relay_offer(&browser, &toward(&History::default(), PortKind::Rtp)).unwrap();
    history.settle(&told, &Secured::Plain, false);
    // Another peer comes to the offerer's place and numbers everything otherwise (a transfer).
    let text = "v=0\r\nc=IN IP4 10.0.0.6\r\nm=audio 4 RTP/AVP 8 100 96 97\r\na=rtpmap:100 opus/48000/2\r\n\
                a=rtpmap:96 telephone-event/8000\r\na=rtpmap:97 telephone-event/48000\r\n";
    let told = relay_offer(&hear(text.as_bytes(), None).unwrap(), &toward(&history, PortKind::Rtp)).unwrap();
    for f in &told.voice.formats {
        let known = history.formats.iter().find(|known| known.pt == f.pt).unwrap();
        assert!(known.is_like(f), "{} was {}", f.pt, known.codec.name());
    }
    // A number below 96 is only ever what RFC 3551 says.
    let odd = "v=0\r\nc=IN IP4 10.0.0.6\r\nm=audio 4 RTP/AVP 0 8\r\na=rtpmap:0 opus/48000/2\r\n";
    let told = relay_offer(&hear(odd.as_bytes(), None).unwrap(), &toward(&History::default(), PortKind::Rtp))
        .unwrap();
    assert_eq!(told.voice.formats[0].pt, 111);
}

#[test]
fn a_voice_given_up_is_on_hold_at_the_other_side_and_comes_back() {
    let phone = voice("8 101", "");
    let (told, agreed) = between(&phone, &[Codec::Pcma], PortKind::Rtp);
    let (mut a, mut b) = (History::default(), History::default());
    a.settle(&agreed.answer, &agreed.offerer, false);
    b.settle(&told, &agreed.answerer, false);
    let text = "v=0\r\nc=IN IP4 10.0.0.5\r\nm=audio 0 RTP/AVP 8 101\r\n";
    assert_eq!(hear(text.as_bytes(), None).unwrap_err(), MediaFailure::NothingInCommon, "no call begins so");
    let off = hear(text.as_bytes(), Some(a.at)).unwrap();
    let told = relay_offer(&off, &toward(&b, PortKind::Rtp)).unwrap();
    assert_eq!((told.voice.direction, told.voice.off), (Direction::NONE, false));
    let answer = taking(&told, &[Codec::Pcma]);
    let agreed = relay_answer(&off, &told, &answer, &a, &Ours::Plain).unwrap();
    assert_eq!(m_lines(&written(&agreed.answer)), "audio 0 RTP/AVP 8");
    assert!(!agreed.offerer_sends && !agreed.answerer_sends);
    a.settle(&agreed.answer, &agreed.offerer, false);
    let told = relay_offer(&voice("8 101", ""), &toward(&b, PortKind::Rtp)).unwrap();
    let agreed =
        relay_answer(&voice("8 101", ""), &told, &taking(&told, &[Codec::Pcma]), &a, &Ours::Plain).unwrap();
    assert_eq!(m_lines(&written(&agreed.answer)), "audio 9 RTP/AVP 8 101");
    // Who refuses what is offered with port 0 has nothing in common with it.
    let refused = hear(text.as_bytes(), Some(0)).unwrap();
    assert_eq!(
        relay_answer(&phone, &told, &refused, &a, &Ours::Plain).unwrap_err(),
        MediaFailure::NothingInCommon
    );
}

fn keyed(proto: &str, lines: &str) -> Said {
    let text = format!("v=0\r\nc=IN IP4 10.0.0.5\r\nm=audio 4000 {proto} 8\r\n{lines}");
    hear(text.as_bytes(), None).unwrap()
}

const KEY: &str = "inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";

#[test]
fn keys_are_chosen_by_the_offerer_and_nothing_weaker_is_taken() {
    let none = History::default();
    let offer = keyed(
        "RTP/SAVP",
        &format!("a=crypto:5 AES_CM_128_HMAC_SHA1_32 {KEY}\r\na=crypto:6 AES_CM_128_HMAC_SHA1_80 {KEY}\r\n"),
    );
    let told = relay_offer(&offer, &toward(&none, PortKind::Rtp)).unwrap();
    let answer = taking(&told, &[Codec::Pcma]);
    let agreed = relay_answer(&offer, &told, &answer, &none, &ours(PortKind::Srtp)).unwrap();
    let text = written(&agreed.answer);
    assert_eq!(text.matches("a=crypto").count(), 1);
    assert!(text.contains("a=crypto:5 AES_CM_128_HMAC_SHA1_32 inline:") && !text.contains(KEY), "{text}");
    let Secured::Srtp(pair) = &agreed.offerer else { panic!() };
    assert_ne!(pair.ours, pair.theirs);
    assert_eq!(agreed.answerer, Secured::Plain);
    // We are asked for keys and have none: no call in the clear.
    assert!(relay_answer(&offer, &told, &answer, &none, &Ours::Plain).is_err());

    // The other way round: what we offer, and what may come back.
    let phone = voice("8 101", "");
    let told = relay_offer(&phone, &toward(&none, PortKind::Srtp)).unwrap();
    let text = written(&told);
    assert!(text.contains("m=audio 9 RTP/SAVP 8 ") && !text.contains("SHA1_32"), "{text}");
    assert!(
        text.contains("a=crypto:1 AES_CM_128_HMAC_SHA1_80") && text.contains("a=crypto:2 AEAD_AES_128_GCM")
    );
    let answered = |told: &Draft, answer: &Said| {
        relay_answer(&phone, told, answer, &none, &Ours::Plain).map(|agreed| agreed.answerer)
    };
    let fine = keyed("RTP/SAVP", &format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 {KEY}\r\n"));
    assert!(matches!(answered(&told, &fine), Ok(Secured::Srtp(_))));
    let renumbered = keyed("RTP/SAVP", &format!("a=crypto:9 AES_CM_128_HMAC_SHA1_80 {KEY}\r\n"));
    assert!(matches!(answered(&told, &renumbered), Ok(Secured::Srtp(_))));
    for weaker in
        [keyed("RTP/SAVP", &format!("a=crypto:1 AES_CM_128_HMAC_SHA1_32 {KEY}\r\n")), keyed("RTP/AVP", "")]
    {
        assert_eq!(answered(&told, &weaker), Err(MediaFailure::NothingInCommon));
    }
    // An invitation may be taken or left (RFC 8643).
    let told = relay_offer(&phone, &toward(&none, PortKind::OptionalSrtp)).unwrap();
    assert!(written(&told).contains("m=audio 9 RTP/AVP 8 "));
    assert_eq!(answered(&told, &keyed("RTP/AVP", "")), Ok(Secured::Plain));
    let taken = keyed("RTP/AVP", &format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 {KEY}\r\n"));
    assert!(matches!(answered(&told, &taken), Ok(Secured::Srtp(_))));
}

fn browser(more: &str) -> Said {
    let sample = samples().into_iter().find(|s| s.name == "chromium-offer").unwrap();
    hear(format!("{}{more}", sample.body).as_bytes(), None).unwrap()
}

#[test]
fn who_begins_the_handshake_is_settled_once() {
    let none = History::default();
    for (setup, before, client, word) in [
        ("active", false, false, "passive"),
        ("active", true, false, "passive"),
        ("passive", false, true, "active"),
        ("actpass", false, false, "passive"),
        ("actpass", true, true, "active"),
    ] {
        let offer = browser(&format!("a=setup:{setup}\r\n"));
        let told = relay_offer(&offer, &toward(&none, PortKind::Rtp)).unwrap();
        let history = History { we_are_client: before, ..History::default() };
        let answer = taking(&told, &[Codec::Opus]);
        let agreed = relay_answer(&offer, &told, &answer, &history, &ours(PortKind::WebRtc)).unwrap();
        let Secured::WebRtc(pair) = &agreed.offerer else { panic!() };
        assert_eq!(pair.we_are_client, client, "{setup} {before}");
        assert!(written(&agreed.answer).contains(&format!("a=setup:{word}\r\n")));
    }
    let phone = voice("8 101", "");
    let told = relay_offer(&phone, &toward(&none, PortKind::WebRtc)).unwrap();
    assert!(
        written(&told).contains("a=setup:actpass\r\n") && written(&told).contains("a=group:BUNDLE 0\r\n")
    );
    for (setup, client) in [(Setup::Active, false), (Setup::Passive, true), (Setup::ActPass, false)] {
        let mut answer = taking(&told, &[Codec::Pcma]);
        let Carriage::WebRtc(side) = &mut answer.carriage else { panic!() };
        side.setup = Some(setup);
        let agreed = relay_answer(&phone, &told, &answer, &none, &Ours::Plain).unwrap();
        let Secured::WebRtc(pair) = agreed.answerer else { panic!() };
        assert_eq!(pair.we_are_client, client);
    }
}

#[test]
fn other_credentials_are_a_restart_and_the_same_are_not() {
    let none = History::default();
    let first = browser("");
    let told = relay_offer(&first, &toward(&none, PortKind::Rtp)).unwrap();
    let answer = taking(&told, &[Codec::Opus]);
    let agreed = relay_answer(&first, &told, &answer, &none, &ours(PortKind::WebRtc)).unwrap();
    let mut history = History::default();
    assert!(!first.restarted(&history));
    history.settle(&agreed.answer, &agreed.offerer, true);
    assert!(!browser("a=sendonly\r\n").restarted(&history));
    assert!(browser("a=ice-ufrag:NeWu\r\na=ice-pwd:0123456789012345678901xx\r\n").restarted(&history));
    // What was agreed with a browser stays a browser's, whatever somebody thinks the leg is.
    let told = relay_offer(&voice("8", ""), &toward(&history, PortKind::Rtp)).unwrap();
    assert!(m_lines(&written(&told)).starts_with("audio 9 UDP/TLS/RTP/SAVPF"));
}

/// What was written once stays within the rules, however it is bent.
#[test]
fn bent_descriptions_are_refused_or_understood() {
    let mut chance = Chance::new([21; 32]);
    let samples = samples();
    let none = History::default();
    let (mut understood, mut answered) = (0, 0);
    let own: Vec<Ours> = KINDS.iter().map(|kind| ours(*kind)).collect();
    for round in 0..6000 {
        let mut body = samples[chance.below(samples.len())].body.clone().into_bytes();
        bend(&mut body, &mut chance, &samples);
        let prefer = (round % 3 == 0).then_some(0);
        let Ok(said) = hear(&body, prefer) else { continue };
        understood += 1;
        let at = chance.below(4);
        let toward = Toward {
            history: &none,
            kind: KINDS[at],
            codecs: Codecs::default(),
            transcodes: round % 2 == 0,
            ours: own[at].clone(),
        };
        let Ok(told) = relay_offer(&said, &toward) else { continue };
        let text = written(&told);
        assert!(read(text.as_bytes()).is_ok() && text.is_ascii(), "{text}");
        // Another bent one answers, or a peer that does as it was told.
        let mut body = samples[chance.below(samples.len())].body.clone().into_bytes();
        bend(&mut body, &mut chance, &samples);
        let answer = match hear(&body, Some(told.at)) {
            Ok(answer) if round % 5 == 0 => answer,
            _ => taking(&told, &Codec::VOICES),
        };
        let back = KINDS.iter().position(|kind| *kind == said.kind()).unwrap();
        let Ok(agreed) = relay_answer(&said, &told, &answer, &none, &own[back]) else { continue };
        answered += 1;
        let text = written(&agreed.answer);
        assert!(read(text.as_bytes()).is_ok() && text.is_ascii(), "{text}");
        let lines = text.lines().filter(|l| l.starts_with("m=")).count();
        assert_eq!(lines, said.lines.len(), "{text}");
    }
    assert!(understood > 1500 && answered > 1000, "{understood} {answered}");
}

fn bend(body: &mut Vec<u8>, chance: &mut Chance, samples: &[Sample]) {
    for _ in 0..=chance.below(4) {
        let at = chance.below(body.len().max(1)).min(body.len());
        match chance.below(6) {
            0 => body.iter_mut().skip(at).take(1).for_each(|byte| *byte = chance.next_u32() as u8),
            1 => body.truncate(at),
            2 => drop(body.drain(at..(at + chance.below(40)).min(body.len()))),
            3 => {
                // A line of somebody else.
                let other = &samples[chance.below(samples.len())].body;
                let lines: Vec<&str> = other.lines().collect();
                let line = lines[chance.below(lines.len())];
                let start = body[..at].iter().rposition(|b| *b == b'\n').map_or(0, |n| n + 1);
                body.splice(start..start, format!("{line}\r\n").into_bytes());
            }
            4 => {
                let again = body[at..(at + chance.below(200)).min(body.len())].to_vec();
                body.splice(at..at, again);
            }
            _ => {
                // Numbers are where limits are.
                let number = [b"0".as_slice(), b"65536", b"-1", b"4294967296", b"9", b"127", b"255"];
                let number = number[chance.below(number.len())];
                if let Some(digit) = body[at..].iter().position(u8::is_ascii_digit) {
                    let from = at + digit;
                    let len = body[from..].iter().take_while(|b| b.is_ascii_digit()).count();
                    body.splice(from..from + len, number.iter().copied());
                }
            }
        }
    }
}
