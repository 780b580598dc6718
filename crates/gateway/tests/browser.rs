//! An agent in the browser: the page proves its login, calls and is called, goes away and comes back, and has nothing left
//! the moment its login is over.

mod common;
use common::*;
use gateway::{Command, Input, Output};
use hotdesk::pass::PassKey;
use terms::*;

fn web(connection: u64) -> Flow {
    Flow {
        transport: Transport::Wss,
        local: address("192.0.2.1:8443"),
        peer: address("203.0.113.50:41000"),
        connection: ConnectionId(connection),
    }
}

fn in_browser(id: u64, epoch: u64) -> Login {
    Login { place: Place::Browser, ..seated(id, 1, epoch, 0) }
}

/// A WebSocket with the cookie of ann's login.
fn opens(t: &mut Table, flow: Flow, login: u64, epoch: u64) {
    let browser = BrowserFlow { login: LoginId(login), agent: AgentId(1), epoch: Epoch(epoch) };
    t.input(Input::FlowOpened { flow, browser: Some(browser) });
}

fn bearer(login: u64, epoch: u64) -> String {
    let ticket = PassKey::new([7; 32]).ticket(LoginId(login), Epoch(epoch));
    format!("Authorization: Bearer {}\r\n", ticket.expose())
}

fn register(t: &mut Table, flow: Flow, login: u64, authorization: &str, tab: &str) -> String {
    let n = fresh();
    let request = format!(
        "REGISTER sip:hotseat.test SIP/2.0\r\nVia: SIP/2.0/WSS p{n}.invalid;branch=z9hG4bKw{n}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:web-{login}@hotseat.test>;tag=f{n}\r\nTo: <sip:web-{login}@hotseat.test>\r\n\
         Call-ID: w{n}\r\nCSeq: {n} REGISTER\r\n\
         Contact: <sip:x{n}@p.invalid;transport=ws>;+sip.instance=\"<urn:uuid:{tab}>\";reg-id=1;expires=600\r\n\
         {authorization}Content-Length: 0\r\n\r\n"
    );
    t.receive(flow, &request);
    t.at(flow).pop().unwrap_or_default()
}

/// Ann is logged in (1, epoch 1) and her page is registered.
fn ready() -> (Table, Flow) {
    let mut t = Table::new();
    t.login(in_browser(1, 1));
    let page = web(2);
    opens(&mut t, page, 1, 1);
    assert_eq!(head(&register(&mut t, page, 1, &bearer(1, 1), "one")), "200");
    (t, page)
}

/// A call from the trunk, answered in the page; the INVITE the page got.
fn talking() -> (Table, Flow, String) {
    let (mut t, page) = ready();
    t.trunk_invites("2001", OFFER);
    let invite = t.one(page);
    t.receive(page, &reply(&invite, 200, "b", Some(page), ANSWER));
    assert_eq!(t.heads(page), ["ACK"]);
    let ok = t.at(udp(TRUNK)).pop().unwrap();
    assert_eq!(head(&ok), "200");
    t.receive(udp(TRUNK), &in_dialog("ACK", &ok, udp(TRUNK), 1, fresh(), ""));
    (t, page, invite)
}

fn closed(t: &Table, flow: Flow) -> bool {
    t.other.iter().any(|one| matches!(one, Output::CloseFlow { flow: closed, .. } if *closed == flow))
}

#[test]
fn the_ticket_counts_only_with_its_own_cookie_and_the_password_over_any_websocket() {
    let (mut t, _) = ready();
    t.input(Input::FlowOpened { flow: web(4), browser: None });
    assert_eq!(head(&register(&mut t, web(4), 1, &bearer(1, 1), "one")), "401", "overheard");
    opens(&mut t, web(6), 1, 1);
    assert_eq!(head(&register(&mut t, web(6), 1, "Authorization: Bearer 1.1.00\r\n", "one")), "401");
    assert_eq!(head(&register(&mut t, web(6), 1, &bearer(1, 1), "one")), "200");
    // A softphone that knows nothing of tickets.
    let challenge = register(&mut t, web(4), 1, "", "one");
    assert!(field(&challenge, "WWW-Authenticate").contains("MD5"), "{challenge}");
    let password = PassKey::new([7; 32]).password(LoginId(1), Epoch(1));
    let digest =
        answer_challenge_with(&challenge, "web-1", password.expose(), "REGISTER", "sip:hotseat.test");
    assert_eq!(head(&register(&mut t, web(4), 1, &digest, "one")), "200");
}

#[test]
fn a_call_for_ann_rings_in_her_browser_and_ends_with_her_login() {
    let (mut t, page, invite) = talking();
    assert!(invite.starts_with("INVITE sip:x"), "{invite}");
    assert!(t.media.iter().any(|m| matches!(m, MediaCommand::Offer { to_kind: PortKind::WebRtc, .. })));
    t.login(in_browser(2, 2));
    assert_eq!(t.heads(page), ["BYE"]);
    assert!(closed(&t, page), "its connection is gone at once");
    assert_eq!(t.heads(udp(TRUNK)), ["BYE"]);
    assert_eq!((t.releases(), t.last_record().end), (1, Some(EndReason::LoggedOutElsewhere)));
    // What still comes over it was sent before the page knew, and whoever comes anew is told.
    assert_eq!(register(&mut t, page, 1, &bearer(1, 1), "one"), "");
    assert_eq!(t.gateway.counters().late, 1);
    let password = PassKey::new([7; 32]).password(LoginId(1), Epoch(1));
    t.input(Input::FlowOpened { flow: web(8), browser: None });
    let challenge = register(&mut t, web(8), 1, "", "one");
    let digest =
        answer_challenge_with(&challenge, "web-1", password.expose(), "REGISTER", "sip:hotseat.test");
    assert_eq!(head(&register(&mut t, web(8), 1, &digest, "one")), "403");
    assert_eq!(t.gateway.registrar().len(), 0);
}

#[test]
fn a_page_that_comes_back_on_another_connection_keeps_its_call() {
    let (mut t, page, _) = talking();
    t.input(Input::FlowClosed { flow: page, why: WhyClosed::ByPeer });
    t.run_s(20);
    opens(&mut t, web(4), 1, 1);
    assert_eq!(head(&register(&mut t, web(4), 1, &bearer(1, 1), "one")), "200");
    t.run_s(60);
    assert_eq!(t.gateway.calls_alive(), 1);
    t.command(Command::EndAll);
    assert_eq!(t.heads(web(4)), ["BYE"], "over the new connection");
}

#[test]
fn a_page_that_does_not_come_back_is_waited_for_thirty_seconds() {
    let (mut t, page, _) = talking();
    let call = t.gateway.calls()[0].call;
    t.input(Input::FlowClosed { flow: page, why: WhyClosed::ByPeer });
    t.input(Input::Media(MediaEvent::Silent { call, leg: Leg::B, from_start: false }));
    assert!(t.media.iter().any(|m| matches!(m, MediaCommand::Away { leg: Leg::B, .. })), "the tone");
    t.run_s(29);
    assert_eq!(t.gateway.calls_alive(), 1);
    t.run_s(2);
    assert_eq!(t.gateway.calls_alive(), 0);
    assert_eq!(t.last_record().end, Some(EndReason::MediaLost));
}

#[test]
fn a_page_that_was_gone_before_its_login_ended_leaves_nothing_behind() {
    let (mut t, page) = ready();
    t.input(Input::FlowClosed { flow: page, why: WhyClosed::ByPeer });
    t.login(in_browser(2, 2));
    assert_eq!(t.gateway.browser_tables(), [0, 0], "nobody will say once more that it is closed");
    assert_eq!(t.gateway.registrar().len(), 0);
}

#[test]
fn a_reloaded_page_takes_the_place_of_its_old_dialog() {
    let (mut t, page, invite) = talking();
    t.input(Input::FlowClosed { flow: page, why: WhyClosed::ByPeer });
    let again = web(4);
    opens(&mut t, again, 1, 1);
    register(&mut t, again, 1, &bearer(1, 1), "one");
    // Its old dialog: our tag is in From of our INVITE, theirs was `b`.
    let (call_id, from) = (field(&invite, "Call-ID").to_owned(), field(&invite, "From").to_owned());
    let ours = from.rsplit_once("tag=").unwrap().1.to_owned();
    let replaces = |tag: &str| {
        format!("Replaces: {call_id};to-tag={tag};from-tag=b\r\nRequire: replaces\r\n{}", bearer(1, 1))
    };
    let from = "web-1";
    let stranger = self::invite("sip:2001@hotseat.test", again, from, fresh(), 1, &replaces("nobody"), OFFER);
    t.receive(again, &stranger);
    assert_eq!(t.heads(again).last().unwrap(), "481");
    let anew = self::invite("sip:2001@hotseat.test", again, from, fresh(), 1, &replaces(&ours), OFFER);
    t.receive(again, &anew);
    let asked = t.one(udp(TRUNK));
    assert_eq!(head(&asked), "INVITE", "for the trunk it is a change like any other");
    t.receive(udp(TRUNK), &reply(&asked, 200, "", Some(udp(TRUNK)), ANSWER));
    let answers = t.heads(again);
    assert!(answers.contains(&"200".to_owned()) && answers.contains(&"BYE".to_owned()), "{answers:?}");
    t.run_s(31);
    assert_eq!(t.gateway.calls_alive(), 1, "nobody is missed any more");
}

#[test]
fn an_ice_restart_is_answered_by_us_and_the_trunk_hears_nothing_of_it() {
    let (mut t, page, invite) = talking();
    let ok = reply(&invite, 200, "b", Some(page), ANSWER);
    t.media_settles = true;
    t.receive(page, &in_dialog_of_called("INVITE", &invite, &ok, page, 1, fresh(), OFFER));
    let settled = t.at(page).pop().unwrap();
    assert_eq!((head(&settled).as_str(), body(&settled)), ("200", &*format!("{OFFER}by the gateway\r\n")));
    assert_eq!(t.heads(udp(TRUNK)), [""; 0]);
    t.receive(page, &in_dialog_of_called("ACK", &invite, &ok, page, 1, fresh(), ""));
    // And the next change is one for both again.
    t.media_settles = false;
    t.receive(page, &in_dialog_of_called("INVITE", &invite, &ok, page, 2, fresh(), OFFER));
    let asked = t.one(udp(TRUNK));
    t.receive(udp(TRUNK), &reply(&asked, 200, "", Some(udp(TRUNK)), ANSWER));
    assert_eq!(t.heads(page).last().unwrap(), "200");
}

#[test]
fn one_tab_speaks_and_the_other_may_take_over() {
    let (mut t, first) = ready();
    let second = web(4);
    opens(&mut t, second, 1, 1);
    assert_eq!(head(&register(&mut t, second, 1, &bearer(1, 1), "two")), "403");
    t.command(Command::TakeSeat { login: LoginId(1), tab: "two".into() });
    assert!(closed(&t, first));
    let lost =
        |(_, notice): &(Audience, Notice)| matches!(notice, Notice::TabLost { tab, .. } if tab == "one");
    assert!(t.notices.iter().any(lost));
    assert_eq!(head(&register(&mut t, second, 1, &bearer(1, 1), "two")), "200");
    assert_eq!(t.gateway.registrar().len(), 1);
}

/// Ann's page dials the self-test.
fn tests_itself(t: &mut Table, page: Flow) -> String {
    let invite = self::invite("sip:self-test@hotseat.test", page, "web-1", fresh(), 1, &bearer(1, 1), OFFER);
    t.receive(page, &invite);
    let ok = t.at(page).pop().unwrap();
    assert_eq!(head(&ok), "200", "{ok}");
    ok
}

#[test]
fn a_page_tests_itself_with_the_gateway_and_changes_its_way_meanwhile() {
    let (mut t, page) = ready();
    let ok = tests_itself(&mut t, page);
    assert!(body(&ok).contains("by the gateway"), "{ok}");
    t.receive(page, &in_dialog("ACK", &ok, page, 1, fresh(), ""));
    // Hold or an ICE restart: answered by media alone. Without an offer there is nothing to answer.
    t.receive(page, &in_dialog("INVITE", &ok, page, 2, fresh(), ANSWER));
    let changed = t.at(page).pop().unwrap();
    assert_eq!((head(&changed).as_str(), body(&changed)), ("200", &*format!("{ANSWER}by the gateway\r\n")));
    t.receive(page, &in_dialog("ACK", &ok, page, 2, fresh(), ""));
    t.receive(page, &in_dialog("INVITE", &ok, page, 3, fresh(), ""));
    assert_eq!(t.heads(page).last().unwrap(), "488");
    t.receive(page, &in_dialog("BYE", &ok, page, 4, fresh(), ""));
    assert_eq!(t.heads(page), ["200"]);
    let record = t.last_record();
    assert_eq!((record.direction, record.to.reveal()), (Direction::Internal, "self-test"));
    assert_eq!((record.login, record.end), (Some(LoginId(1)), Some(EndReason::HungUpByCaller)));
    let echoes = t.media.iter().filter(|m| matches!(m, MediaCommand::Echo { .. })).count();
    assert_eq!((echoes, t.releases()), (2, 1));
    assert!(t.at(udp(TRUNK)).is_empty());
    t.at_rest();
}

#[test]
fn a_self_test_ends_after_a_minute_and_with_its_login() {
    let (mut t, page) = ready();
    let ok = tests_itself(&mut t, page);
    t.receive(page, &in_dialog("ACK", &ok, page, 1, fresh(), ""));
    t.run_s(59);
    assert!(t.heads(page).is_empty());
    t.run_s(2);
    assert_eq!(t.heads(page), ["BYE"]);
    let ok = tests_itself(&mut t, page);
    t.receive(page, &in_dialog("ACK", &ok, page, 1, fresh(), ""));
    t.login(in_browser(2, 2));
    assert_eq!(t.heads(page), ["BYE"]);
    assert_eq!(t.last_record().end, Some(EndReason::LoggedOutElsewhere));
}

#[test]
fn nobody_else_gets_the_self_test() {
    let (mut t, page) = ready();
    t.trunk_invites("self-test", OFFER);
    assert_eq!(t.heads(udp(TRUNK)), ["404"]);
    let stranger = udp("203.0.113.99:5060");
    t.receive(stranger, &invite("sip:self-test@hotseat.test", stranger, "x", fresh(), 1, "", OFFER));
    assert_ne!(t.heads(stranger), ["200"]);
    // An offer nobody understands, and none at all.
    t.media_fails = Some(MediaFailure::BadSdp);
    for sdp in [OFFER, ""] {
        let asks = invite("sip:self-test@hotseat.test", page, "web-1", fresh(), 1, &bearer(1, 1), sdp);
        t.receive(page, &asks);
        assert_eq!(t.heads(page).last().unwrap(), "488");
    }
    assert!(t.gateway.calls().is_empty());
}

#[test]
fn the_page_is_told_how_well_both_sides_are_connected() {
    let (mut t, _, _) = talking();
    let call = t.gateway.calls()[0].call;
    let quality = Quality { mos_x100: 310, loss_x100: 600, jitter_us: 9_000, round_trip_us: Some(40_000) };
    t.input(Input::Media(MediaEvent::Quality { call, leg: Leg::B, quality }));
    let told = Notice::Quality { login: LoginId(1), call, quality, from_agent: true };
    assert_eq!(t.notices.last(), Some(&(Audience::Login(LoginId(1)), told)));
    t.input(Input::Media(MediaEvent::Quality { call, leg: Leg::A, quality }));
    assert!(matches!(t.notices.last(), Some((_, Notice::Quality { from_agent: false, .. }))));
    t.command(Command::EndAll);
    let before = t.notices.len();
    t.input(Input::Media(MediaEvent::Quality { call, leg: Leg::A, quality }));
    assert_eq!(t.notices.len(), before);
}
