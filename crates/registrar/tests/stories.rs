//! REGISTER as RFC 3261 §10.3 tells it, story by story, without a wire or a store: a write is durable when the test says.

use registrar::{BINDINGS_PER_AOR_MAX, ContactAsk, Contacts, Limits, Register, Registered, Registrar};
use std::time::Duration;
use terms::{Aor, Binding, ConnectionId, Flow, Instant, Liveness, Now, StoreWrite, Transport, WallTime};

fn limits() -> Limits {
    Limits {
        expires_min: Duration::from_secs(60),
        expires_default: Duration::from_secs(600),
        expires_max: Duration::from_secs(7_200),
        bindings_max: 1_000,
    }
}
fn at(s: u64) -> Now {
    Now { instant: Instant(s * 1_000_000_000), wall: WallTime(1_700_000_000_000 + s as i64 * 1_000) }
}
fn aor() -> Aor {
    Aor::new("desk-17", "hotseat.test")
}
fn flow(peer: &str) -> Flow {
    Flow::udp("192.0.2.1:5060".parse().unwrap(), peer.parse().unwrap())
}
fn stream(n: u64) -> Flow {
    Flow { transport: Transport::Tcp, connection: ConnectionId(n), ..flow("198.51.100.7:5062") }
}
fn ask(uri: &str) -> ContactAsk {
    ContactAsk { uri: uri.into(), expires: None, q: 1000, instance: None, reg_id: 0 }
}
fn device(uri: &str, reg_id: u32) -> ContactAsk {
    ContactAsk { instance: Some("urn:uuid:17".into()), reg_id, ..ask(uri) }
}
fn request(call_id: &str, cseq: u32, contacts: Vec<ContactAsk>) -> Register {
    Register {
        aor: aor(),
        call_id: call_id.into(),
        cseq,
        expires: Some(3_600),
        contacts: Contacts::List(contacts),
        path: vec![],
        user_agent: "Desk 1.0".into(),
        flow: flow("198.51.100.7:5062"),
        alone: false,
    }
}

/// Registers and makes it durable at once; the contacts of the 200.
fn ok(r: &mut Registrar, now: Now, request: &Register) -> Vec<String> {
    let bindings = match r.register(now, request) {
        Registered::Now(bindings) => bindings,
        Registered::AfterWrite(write) => r.commit(now, &write),
        other => panic!("{other:?}"),
    };
    r.check_indexes().unwrap();
    bindings.into_iter().map(|b| b.contact).collect()
}
fn status(r: &mut Registrar, now: Now, request: &Register) -> u16 {
    let before = r.contacts(now, &request.aor);
    let status = match r.register(now, request) {
        Registered::Refused { status, .. } => status,
        Registered::IntervalTooBrief { .. } => 423,
        other => panic!("{other:?}"),
    };
    assert_eq!(r.contacts(now, &request.aor), before, "a refusal changes nothing");
    r.check_indexes().unwrap();
    status
}
fn left(r: &Registrar, now: Now, contact: &str) -> u64 {
    let found = r.contacts(now, &aor()).into_iter().find(|(b, _)| b.contact == contact).expect("bound");
    found.0.expires.since(now.wall).as_secs()
}

#[test]
fn a_phone_registers_refreshes_asks_and_leaves() {
    let mut r = Registrar::new(limits());
    let me = "sip:desk-17@198.51.100.7:5062";
    assert_eq!(ok(&mut r, at(0), &request("a", 1, vec![ask(me)])), [me]);
    assert_eq!(left(&r, at(0), me), 3_600);
    assert_eq!(ok(&mut r, at(3_000), &request("a", 2, vec![ask(me)])), [me]);
    assert_eq!(left(&r, at(3_000), me), 3_600);
    let query = Register { contacts: Contacts::None, ..request("q", 1, vec![]) };
    assert_eq!(ok(&mut r, at(3_100), &query), [me]);
    let bye = Register { expires: Some(0), ..request("a", 3, vec![ask(me)]) };
    assert!(ok(&mut r, at(3_200), &bye).is_empty());
    assert!(r.is_empty() && r.deadline().is_none());
    assert!(ok(&mut r, at(3_200), &bye).is_empty(), "leaving twice is fine");
}

#[test]
fn lifetimes_come_from_parameter_header_and_default_within_what_we_grant() {
    for (param, header, granted) in [
        (Some(90), Some(3_600), Some(90)),
        (None, Some(120), Some(120)),
        (None, None, Some(600)),
        (Some(86_400), None, Some(7_200)),
        (Some(u32::MAX), None, Some(7_200)),
        (Some(59), None, None),
        (None, Some(1), None),
        (Some(60), Some(1), Some(60)),
    ] {
        let mut r = Registrar::new(limits());
        let ask = ContactAsk { expires: param, ..ask("sip:a@h") };
        let request = Register { expires: header, ..request("a", 1, vec![ask]) };
        match granted {
            Some(seconds) => {
                ok(&mut r, at(0), &request);
                assert_eq!(left(&r, at(0), "sip:a@h"), seconds, "{param:?} {header:?}");
            }
            None => assert_eq!(r.register(at(0), &request), Registered::IntervalTooBrief { min_s: 60 }),
        }
    }
}

#[test]
fn an_hour_is_never_too_brief() {
    let mut r = Registrar::new(Limits {
        expires_min: Duration::from_secs(10_000),
        expires_max: Duration::from_secs(20_000),
        ..limits()
    });
    ok(&mut r, at(0), &request("a", 1, vec![ask("sip:a@h")]));
    assert_eq!(left(&r, at(0), "sip:a@h"), 3_600);
}

#[test]
fn several_contacts_in_one_request_all_or_nothing() {
    let mut r = Registrar::new(limits());
    let pair = vec![ask("sip:a@h"), ContactAsk { q: 500, ..ask("sip:b@h") }];
    assert_eq!(ok(&mut r, at(0), &request("a", 5, pair)), ["sip:a@h", "sip:b@h"]);
    let first: Vec<_> = r.lookup(at(0), &aor()).into_iter().map(|(b, _)| b.q).collect();
    assert_eq!(first, [1000, 500]);

    let short = vec![ask("sip:c@h"), ContactAsk { expires: Some(5), ..ask("sip:a@h") }];
    assert_eq!(status(&mut r, at(1), &request("a", 6, short)), 423);
    let star = vec![ask("*"), ask("sip:a@h")];
    assert_eq!(status(&mut r, at(1), &request("a", 6, star)), 400);
    // One removed, one refreshed, one new.
    let mixed = vec![ContactAsk { expires: Some(0), ..ask("sip:a@h") }, ask("sip:b@h"), ask("sip:c@h")];
    assert_eq!(ok(&mut r, at(2), &request("a", 7, mixed)), ["sip:b@h", "sip:c@h"]);
    // The same contact twice in one request is one contact.
    assert_eq!(ok(&mut r, at(3), &request("a", 8, vec![ask("sip:b@h"), ask("sip:b@H")])).len(), 2);
}

#[test]
fn a_star_removes_everything_but_only_with_expires_0() {
    let mut r = Registrar::new(limits());
    ok(&mut r, at(0), &request("a", 5, vec![ask("sip:a@h")]));
    ok(&mut r, at(0), &request("b", 1, vec![ask("sip:b@h")]));
    let star = |call_id: &str, cseq, expires| Register {
        contacts: Contacts::Star,
        expires,
        ..request(call_id, cseq, vec![])
    };
    assert_eq!(status(&mut r, at(1), &star("c", 1, Some(60))), 400);
    assert_eq!(status(&mut r, at(1), &star("c", 1, None)), 400);
    assert_eq!(status(&mut r, at(1), &star("a", 4, Some(0))), 500, "an old one of a");
    assert!(ok(&mut r, at(1), &star("a", 6, Some(0))).is_empty());
    assert!(ok(&mut r, at(2), &star("a", 7, Some(0))).is_empty());
}

#[test]
fn an_old_request_arriving_late_changes_nothing() {
    let mut r = Registrar::new(limits());
    ok(&mut r, at(0), &request("a", 5, vec![ask("sip:a@h")]));
    let late = Register { expires: Some(0), ..request("a", 4, vec![ask("sip:a@h")]) };
    assert_eq!(status(&mut r, at(1), &late), 500);
    assert_eq!(status(&mut r, at(1), &request("a", 4, vec![ask("sip:new@h"), ask("sip:a@h")])), 500);
    // The very same request once more: it was carried out, its 200 was lost.
    let again = request("a", 5, vec![ask("sip:a@h")]);
    assert!(matches!(r.register(at(9), &again), Registered::Now(b) if b.len() == 1));
    // A new Call-ID may count from anywhere.
    ok(&mut r, at(10), &request("b", 1, vec![ask("sip:a@h")]));
    assert_eq!(r.contacts(at(10), &aor())[0].0.call_id, "b");
}

#[test]
fn a_reboot_is_one_binding_and_not_two() {
    // With an instance: new Call-ID, new port, with and without reg-id.
    for reg_id in [0, 1] {
        let mut r = Registrar::new(limits());
        ok(&mut r, at(0), &request("a", 70, vec![device("sip:x@198.51.100.7:5062", reg_id)]));
        let mut reboot = request("b", 1, vec![device("sip:y@198.51.100.7:49152", reg_id)]);
        reboot.flow = flow("198.51.100.7:49152");
        let Registered::AfterWrite(write) = r.register(at(60), &reboot) else { panic!() };
        let StoreWrite::Bindings { put, drop, .. } = &write else { panic!() };
        assert_eq!((put.len(), &drop[..]), (1, &["sip:x@198.51.100.7:5062".to_owned()][..]));
        r.commit(at(60), &write);
        let rows = r.lookup(at(60), &aor());
        assert_eq!((rows.len(), rows[0].0.flow), (1, flow("198.51.100.7:49152")));
        r.check_indexes().unwrap();
    }
    // Without one: the same contact and a new Call-ID.
    let mut r = Registrar::new(limits());
    ok(&mut r, at(0), &request("a", 70, vec![ask("sip:x@198.51.100.7:5062")]));
    assert_eq!(ok(&mut r, at(60), &request("b", 1, vec![ask("sip:x@198.51.100.7:5062")])).len(), 1);
    // And a phone that learned a new instance from its factory reset.
    assert_eq!(ok(&mut r, at(90), &request("c", 1, vec![device("sip:x@198.51.100.7:5062", 1)])).len(), 1);
}

#[test]
fn two_flows_of_one_instance_live_side_by_side_with_one_uri() {
    let mut r = Registrar::new(limits());
    let uri = "sip:x@192.168.1.7";
    ok(&mut r, at(0), &Register { flow: stream(2), ..request("a", 1, vec![device(uri, 1)]) });
    assert_eq!(
        ok(&mut r, at(0), &Register { flow: stream(4), ..request("b", 1, vec![device(uri, 2)]) }).len(),
        2
    );
    assert_eq!(
        status(&mut r, at(1), &request("c", 1, vec![device(uri, 1), device("sip:y@h", 2)])),
        400,
        "one request is one flow"
    );
    // The first leaves: its contact is dropped, so its twin is put again and keeps its lifetime.
    let bye = Register { expires: Some(0), ..request("a", 2, vec![device(uri, 1)]) };
    let Registered::AfterWrite(write) = r.register(at(100), &bye) else { panic!() };
    assert!(matches!(&write, StoreWrite::Bindings { put, drop, .. } if put.len() == 1 && drop.len() == 1));
    let rest = r.commit(at(100), &write);
    assert_eq!((rest.len(), rest[0].reg_id), (1, 2));
    assert_eq!(left(&r, at(100), uri), 3_500);
    r.check_indexes().unwrap();
}

#[test]
fn a_refresh_from_behind_another_nat_port_moves_the_flow_and_keeps_the_path() {
    let mut r = Registrar::new(limits());
    let mut first = request("a", 1, vec![ask("sip:x@10.0.0.7")]);
    first.path = vec!["<sip:edge.test;lr>".into()];
    ok(&mut r, at(0), &first);
    let mut second = request("a", 2, vec![ask("sip:x@10.0.0.7")]);
    second.flow = flow("203.0.113.5:61000");
    second.path = vec!["<sip:edge2.test;lr>".into()];
    ok(&mut r, at(50), &second);
    let rows = r.lookup(at(50), &aor());
    assert_eq!((rows.len(), rows[0].0.flow), (1, flow("203.0.113.5:61000")));
    assert_eq!(rows[0].0.path, ["<sip:edge2.test;lr>"]);
}

#[test]
fn a_fifth_contact_is_refused_unless_a_stale_one_of_the_same_phone_gives_way() {
    let mut r = Registrar::new(limits());
    for n in 0..BINDINGS_PER_AOR_MAX {
        let mut boot = request(&format!("boot-{n}"), 1, vec![ask(&format!("sip:x{n}@10.0.0.7"))]);
        boot.flow = flow(&format!("198.51.100.7:{}", 5062 + n));
        ok(&mut r, at(n as u64), &boot);
    }
    let mut stranger = request("other", 1, vec![ask("sip:other@10.9.9.9")]);
    stranger.flow = flow("203.0.113.5:5060");
    assert_eq!(status(&mut r, at(10), &stranger), 403);
    // The same phone boots for the fifth time: its oldest contact goes.
    let boot = request("boot-4", 1, vec![ask("sip:x4@10.0.0.7")]);
    let contacts = ok(&mut r, at(11), &boot);
    assert_eq!(contacts, ["sip:x1@10.0.0.7", "sip:x2@10.0.0.7", "sip:x3@10.0.0.7", "sip:x4@10.0.0.7"]);
    // Five in one request is too many whoever asks.
    let many = (0..5).map(|n| ask(&format!("sip:y{n}@h"))).collect();
    assert_eq!(status(&mut r, at(12), &request("many", 1, many)), 403);
}

#[test]
fn a_full_table_is_503_and_counts_what_is_being_written() {
    let mut r = Registrar::new(Limits { bindings_max: 2, ..limits() });
    let phone =
        |n: u32| Register { aor: Aor::new(&format!("d{n}"), "h"), ..request("a", 1, vec![ask("sip:a@h")]) };
    ok(&mut r, at(0), &phone(1));
    let Registered::AfterWrite(_) = r.register(at(0), &phone(2)) else { panic!() };
    assert_eq!(status(&mut r, at(0), &phone(3)), 503);
    r.abandon(&phone(2).aor);
    ok(&mut r, at(1), &phone(3));
    assert_eq!(ok(&mut r, at(2), &Register { cseq: 2, ..phone(1) }).len(), 1, "a refresh needs no room");
}

#[test]
fn two_registers_of_one_phone_are_written_one_after_the_other() {
    let mut r = Registrar::new(limits());
    let first = request("a", 1, vec![ask("sip:a@h")]);
    let Registered::AfterWrite(write) = r.register(at(0), &first) else { panic!() };
    assert!(r.lookup(at(0), &aor()).is_empty(), "nothing is true before it is durable");
    assert_eq!(r.register(at(0), &request("a", 2, vec![ask("sip:a@h")])), Registered::InProgress);
    let query = Register { contacts: Contacts::None, ..first.clone() };
    assert_eq!(r.register(at(0), &query), Registered::Now(vec![]), "a question waits for nobody");
    // Two seconds at the disk do not prolong the binding.
    assert_eq!(r.commit(at(2), &write).len(), 1);
    assert_eq!(left(&r, at(2), "sip:a@h"), 3_598);
    let Registered::AfterWrite(_) = r.register(at(3), &request("a", 2, vec![ask("sip:a@h")])) else {
        panic!()
    };
    r.abandon(&aor());
    assert_eq!(left(&r, at(3), "sip:a@h"), 3_597, "a failed write leaves what was");
    ok(&mut r, at(4), &request("a", 2, vec![ask("sip:a@h")]));
}

#[test]
fn bindings_expire_to_the_moment_and_refreshes_in_flight_are_safe() {
    let mut r = Registrar::new(limits());
    ok(
        &mut r,
        at(0),
        &request("a", 1, vec![ContactAsk { expires: Some(60), ..ask("sip:a@h") }, ask("sip:b@h")]),
    );
    assert_eq!(r.deadline(), Some(at(60).instant));
    assert!(r.expire(at(59)).is_empty());
    // What lives on is not written again, wherever the wall clock went meanwhile.
    let writes = r.expire(Now { wall: at(90).wall, ..at(60) });
    assert!(
        matches!(&writes[..], [StoreWrite::Bindings { put, drop, .. }] if put.is_empty() && drop == &["sip:a@h"]),
        "{writes:?}"
    );
    assert_eq!(r.len(), 1);
    r.check_indexes().unwrap();
    // A refresh is on its way to the disk when the binding runs out: no expiry may overtake it.
    let Registered::AfterWrite(write) = r.register(at(3_599), &request("a", 2, vec![ask("sip:b@h")])) else {
        panic!()
    };
    assert!(r.expire(at(3_601)).is_empty());
    assert!(r.lookup(at(3_601), &aor()).is_empty());
    r.check_indexes().unwrap();
    assert_eq!(r.commit(at(3_602), &write).len(), 1);
    assert_eq!(r.deadline(), Some(at(7_199).instant));
    // The same, but the write fails: now it has expired.
    let Registered::AfterWrite(_) = r.register(at(7_198), &request("a", 3, vec![ask("sip:b@h")])) else {
        panic!()
    };
    assert!(r.expire(at(7_200)).is_empty());
    r.abandon(&aor());
    assert_eq!(r.expire(at(7_200)).len(), 1);
    assert!(r.is_empty());
    r.check_indexes().unwrap();
}

#[test]
fn a_wall_clock_that_jumps_neither_drops_nor_prolongs() {
    let mut r = Registrar::new(limits());
    ok(&mut r, at(0), &request("a", 1, vec![ask("sip:a@h")]));
    for jump_s in [-86_400i64, 86_400] {
        let now = Now { wall: WallTime(at(100).wall.0 + jump_s * 1_000), ..at(100) };
        assert!(r.expire(now).is_empty());
        assert_eq!(left(&r, now, "sip:a@h"), 3_500);
    }
}

#[test]
fn after_a_restart_udp_is_believed_streams_are_suspect_and_the_dead_are_cleared_away() {
    let row = |contact: &str, flow: Flow, expires: Now| Binding {
        aor: aor(),
        contact: contact.into(),
        instance: None,
        reg_id: 0,
        call_id: "a".into(),
        cseq: 1,
        q: 1000,
        expires: expires.wall,
        registered: at(0).wall,
        flow,
        path: vec![],
        user_agent: String::new(),
    };
    let mut r = Registrar::new(limits());
    // The monotonic clock begins anew with the process.
    let start = Now { instant: Instant(5), wall: at(1_000).wall };
    r.restore(start, row("sip:udp@h", flow("198.51.100.7:5062"), at(2_000)));
    r.restore(start, row("sip:tcp@h", stream(2), at(2_000)));
    r.restore(start, row("sip:dead@h", flow("198.51.100.8:5062"), at(900)));
    r.restore(start, row("sip:far@h", flow("198.51.100.9:5062"), at(9_000_000)));
    r.check_indexes().unwrap();
    let states: Vec<_> = r.contacts(start, &aor()).into_iter().map(|(b, l)| (b.contact, l)).collect();
    assert_eq!(
        states,
        [
            ("sip:udp@h".to_owned(), Liveness::Live),
            ("sip:tcp@h".to_owned(), Liveness::Suspect),
            ("sip:far@h".to_owned(), Liveness::Live)
        ]
    );
    assert_eq!(left(&r, start, "sip:far@h"), 7_200, "a lifetime from a broken clock is cut to ours");
    let writes = r.expire(start);
    assert!(matches!(&writes[..], [StoreWrite::Bindings { drop, .. }] if drop == &["sip:dead@h"]));
    assert_eq!(r.deadline(), Some(start.instant + Duration::from_secs(1_000)));
}

#[test]
fn a_closed_stream_is_suspected_probed_and_either_heals_or_is_left_out() {
    let mut r = Registrar::new(limits());
    ok(&mut r, at(0), &Register { flow: stream(2), ..request("a", 1, vec![ask("sip:a@h")]) });
    ok(&mut r, at(1), &request("b", 1, vec![ask("sip:b@h")]));
    let state = |r: &Registrar, contact: &str| {
        r.contacts(at(9), &aor()).into_iter().find(|(b, _)| b.contact == contact).map(|(_, l)| l)
    };
    assert_eq!(r.flow_closed(stream(2)), [aor()]);
    assert!(r.flow_closed(stream(4)).is_empty());
    assert_eq!((state(&r, "sip:a@h"), state(&r, "sip:b@h")), (Some(Liveness::Suspect), Some(Liveness::Live)));
    assert_eq!(r.lookup(at(9), &aor()).len(), 2, "suspects are still worth a try");
    r.set_liveness(&aor(), "sip:a@h", Liveness::Unreachable);
    assert_eq!(r.lookup(at(9), &aor()).len(), 1);
    assert_eq!(r.flow_closed(stream(2)), [aor()]);
    assert_eq!(state(&r, "sip:a@h"), Some(Liveness::Unreachable), "closing again does not raise the dead");
    // A new registration over a new connection is life itself.
    ok(&mut r, at(9), &Register { flow: stream(6), ..request("a", 2, vec![ask("sip:a@h")]) });
    assert_eq!(state(&r, "sip:a@h"), Some(Liveness::Live));
    assert!(r.flow_closed(stream(2)).is_empty());
}

#[test]
fn a_stream_that_closes_while_its_register_is_written_leaves_a_suspect() {
    let mut r = Registrar::new(limits());
    for (n, closes) in [(2, stream(2)), (4, stream(99))] {
        let request = Register { flow: stream(n), ..request("a", n as u32, vec![ask("sip:a@h")]) };
        let Registered::AfterWrite(write) = r.register(at(n), &request) else { panic!() };
        r.flow_closed(closes);
        r.commit(at(n), &write);
        let suspect = r.lookup(at(n), &aor()).iter().any(|(_, liveness)| *liveness == Liveness::Suspect);
        assert_eq!(suspect, closes == stream(n));
    }
    r.check_indexes().unwrap();
}

/// Thousands of random requests, expiries, failures and closed streams: after each, indexes equal a rebuild, the limits
/// hold, and a second table fed only with the writes (as the store is) holds the same rows.
#[test]
fn indexes_equal_a_rebuild_and_the_store_equals_the_memory() {
    let mut seed = 0x00C0_FFEE_u64;
    let mut chance = move |below: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed >> 20) % below
    };
    let mut r = Registrar::new(Limits { bindings_max: 12, ..limits() });
    let mut stored: Vec<Binding> = Vec::new();
    let apply = |stored: &mut Vec<Binding>, write: &StoreWrite| {
        let StoreWrite::Bindings { aor, put, drop } = write else { panic!() };
        stored.retain(|b| b.aor != *aor || !drop.contains(&b.contact));
        for p in put {
            stored.retain(|b| {
                (&b.aor, &b.contact, &b.instance, b.reg_id) != (&p.aor, &p.contact, &p.instance, p.reg_id)
            });
            stored.push(p.clone());
        }
    };
    let (mut now, mut writes, mut refused) = (at(0), 0, 0);
    let mut open: Vec<(Aor, StoreWrite)> = Vec::new();
    for step in 0..20_000u32 {
        now = now.plus(Duration::from_millis(chance(40_000)));
        match chance(10) {
            0 => {
                for write in r.expire(now) {
                    apply(&mut stored, &write);
                }
            }
            1 => {
                r.flow_closed(stream(chance(6)));
            }
            2 | 3 if !open.is_empty() => {
                let (aor, write) = open.remove(chance(open.len() as u64) as usize);
                if chance(4) == 0 {
                    r.abandon(&aor);
                } else {
                    apply(&mut stored, &write);
                    r.commit(now, &write);
                }
            }
            _ => {
                let contact = |n: u64, chance: &mut dyn FnMut(u64) -> u64| ContactAsk {
                    uri: format!("sip:p@10.0.0.{n}"),
                    expires: [None, Some(0), Some(60), Some(600)][chance(4) as usize],
                    q: chance(1_000) as u16,
                    instance: (chance(2) == 0).then(|| format!("urn:uuid:{}", chance(3))),
                    reg_id: chance(3) as u32,
                };
                let list = (0..=chance(3)).map(|_| contact(chance(6), &mut chance)).collect();
                let request = Register {
                    aor: Aor::new(&format!("d{}", chance(6)), "h"),
                    flow: if chance(2) == 0 { stream(chance(6)) } else { flow("198.51.100.7:5062") },
                    contacts: if chance(20) == 0 { Contacts::Star } else { Contacts::List(list) },
                    expires: [Some(0), Some(120), None][chance(3) as usize],
                    ..request(&format!("c{}", chance(3)), step, vec![])
                };
                match r.register(now, &request) {
                    Registered::AfterWrite(write) => {
                        writes += 1;
                        open.push((request.aor.clone(), write));
                    }
                    Registered::Refused { .. } => refused += 1,
                    _ => {}
                }
            }
        }
        r.check_indexes().unwrap_or_else(|why| panic!("step {step}: {why}"));
        assert!(r.len() <= 12);
        let mut mine: Vec<_> = Vec::new();
        for aor in r.aors() {
            let rows = r.contacts(now, aor);
            assert!(rows.len() <= BINDINGS_PER_AOR_MAX);
            mine.extend(rows.into_iter().map(|(b, _)| (b.aor, b.contact, b.instance, b.reg_id, b.cseq)));
        }
        let wall = now.wall;
        let mut theirs: Vec<_> = stored
            .iter()
            .filter(|b| b.expires > wall)
            .map(|b| (b.aor.clone(), b.contact.clone(), b.instance.clone(), b.reg_id, b.cseq))
            .collect();
        mine.sort();
        theirs.sort();
        assert_eq!(mine, theirs, "step {step}");
    }
    assert!(writes > 1_000 && refused > 1_000, "{writes} {refused}");
}
