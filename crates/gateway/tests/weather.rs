//! Random days: phones, a trunk and logins do whatever comes to mind, in an order drawn from a seed. Whatever happened, every
//! request gets its answer, no call survives its login, and in the end nothing is left.

mod common;
use common::*;
use gateway::{Command, Input};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use terms::*;

/// Days in an everyday run; `SEEDS=5000` for a long one.
const SEEDS: u64 = 50;

struct Dice(u64);
impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % sides
    }
    fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        if from.is_empty() { None } else { from.get(self.roll(from.len() as u64) as usize) }
    }
}

const PHONES: [(&str, &str); 2] = [("desk-17", "203.0.113.17:5060"), ("desk-18", "203.0.113.18:5060")];

#[derive(Default)]
struct Day {
    /// INVITEs of ours that peers have not answered finally.
    open: Vec<(Flow, String)>,
    /// INVITEs of peers, for CANCEL.
    theirs: Vec<(Flow, String)>,
    /// Our 2xx to them.
    answered: Vec<(Flow, String)>,
    /// Their 2xx to our INVITEs.
    taken: Vec<(Flow, String, String)>,
    /// Branches of requests that peers sent, and those that got a final answer.
    asked: BTreeSet<String>,
    told: BTreeSet<String>,
    epoch: u64,
    cseq: u32,
}

fn branch(text: &str) -> String {
    let via = field(text, "Via");
    let branch = via.split("branch=").nth(1).unwrap_or("").split(';').next().unwrap_or("");
    format!("{branch} {}", field(text, "CSeq"))
}

fn send(t: &mut Table, day: &mut Day, flow: Flow, text: &str) {
    if head(text) != "ACK" && !text.starts_with("SIP/2.0") {
        day.asked.insert(branch(text));
    }
    t.receive(flow, text);
}

/// Everybody looks at what came and does something about it, or not.
fn react(t: &mut Table, day: &mut Day, dice: &mut Dice) {
    for _ in 0..20 {
        let sent = std::mem::take(&mut t.sent);
        if sent.is_empty() {
            return;
        }
        for (flow, text) in sent {
            let what = head(&text);
            match what.as_str() {
                "INVITE" => {
                    if !day.open.iter().any(|(_, one)| branch(one) == branch(&text)) {
                        day.open.push((flow, text));
                    }
                }
                "BYE" | "OPTIONS" | "INFO" => {
                    let status = *dice.pick(&[200, 200, 200, 481, 0]).unwrap();
                    if status > 0 {
                        t.receive(flow, &reply(&text, status, "x", None, ""));
                    }
                }
                "CANCEL" => {
                    t.receive(flow, &reply(&text, 200, "x", None, ""));
                    let invite = |(_, one): &(Flow, String)| field(one, "Via") == field(&text, "Via");
                    if let Some(at) = day.open.iter().position(invite) {
                        let (_, invite) = day.open.remove(at);
                        // Sometimes the person was quicker.
                        let (status, sdp) = if dice.roll(4) == 0 { (200, ANSWER) } else { (487, "") };
                        t.receive(flow, &reply(&invite, status, "x", Some(flow), sdp));
                    }
                }
                "ACK" => {}
                status => {
                    let status: u16 = status.parse().unwrap();
                    if status >= 200 {
                        assert!(day.asked.contains(&branch(&text)), "an answer to nothing: {text}");
                        let first = day.told.insert(branch(&text));
                        if status < 300 && field(&text, "CSeq").ends_with("INVITE") {
                            if dice.roll(10) > 0 {
                                let n = field(&text, "CSeq").split(' ').next().unwrap().parse().unwrap();
                                let sdp = if body(&text).starts_with(ANSWER) { "" } else { ANSWER };
                                t.receive(flow, &in_dialog("ACK", &text, flow, n, fresh(), sdp));
                            }
                            if first {
                                day.answered.push((flow, text));
                            }
                        } else if status >= 300 && field(&text, "CSeq").ends_with("INVITE") {
                            let same = |(_, one): &&(Flow, String)| branch(one) == branch(&text);
                            if let Some((_, invite)) = day.theirs.iter().find(same) {
                                t.receive(flow, &ack_of(invite, &text));
                            }
                        }
                    }
                }
            }
        }
    }
}

fn step(t: &mut Table, day: &mut Day, dice: &mut Dice) {
    let (name, peer) = *dice.pick(&PHONES).unwrap();
    let phone = udp(peer);
    match dice.roll(20) {
        0 | 1 => {
            let expires = if dice.roll(6) == 0 { 0 } else { 600 };
            let n = fresh();
            let request = |cseq: u32, authorization: &str| {
                format!(
                    "REGISTER sip:hotseat.test SIP/2.0\r\nVia: SIP/2.0/UDP {peer};branch=z9hG4bKw{n}c{cseq}\r\n\
                     Max-Forwards: 70\r\nFrom: <sip:{name}@hotseat.test>;tag=f{n}\r\nTo: <sip:{name}@hotseat.test>\r\n\
                     Call-ID: reg-{name}\r\nCSeq: {} REGISTER\r\nContact: <sip:{name}@{peer}>;expires={expires}\r\n\
                     {authorization}Content-Length: 0\r\n\r\n",
                    n * 2 + cseq
                )
            };
            react(t, day, dice);
            send(t, day, phone, &request(0, ""));
            let challenge = t.sent.iter().find(|(_, one)| head(one) == "401").map(|(_, one)| one.clone());
            if let Some(challenge) = challenge {
                let answer = answer_challenge(&challenge, name, "REGISTER", "sip:hotseat.test");
                send(t, day, phone, &request(1, &answer));
            }
        }
        2 => {
            day.epoch += 1;
            let (agent, device) = (1 + dice.roll(2), 17 + dice.roll(2));
            let mut row = seated(day.epoch, agent, day.epoch, device);
            if dice.roll(3) == 0 {
                row.ended =
                    Some(LoginEnd { at: t.now.wall, why: LoginEndReason::LoggedOut, from: String::new() });
            }
            t.login(row);
        }
        3..=6 => {
            let number = *dice.pick(&["2001", "2002", "+496920002001", "9999"]).unwrap();
            let sdp = if dice.roll(5) == 0 { "" } else { OFFER };
            let from = udp(TRUNK);
            let request =
                invite(&format!("sip:{number}@192.0.2.1"), from, "+4917012345", fresh(), 1, "", sdp);
            day.theirs.push((from, request.clone()));
            send(t, day, from, &request);
        }
        7 | 8 => {
            let number = *dice.pick(&["2001", "2002", "06912345", "112", "desk-18"]).unwrap();
            let uri = format!("sip:{number}@hotseat.test");
            let n = fresh();
            react(t, day, dice);
            let first = invite(&uri, phone, name, n, 1, "", OFFER);
            day.theirs.push((phone, first.clone()));
            send(t, day, phone, &first);
            let challenge = t.sent.iter().find(|(_, one)| head(one) == "401").map(|(_, one)| one.clone());
            if let Some(challenge) = challenge {
                let second = invite(
                    &uri,
                    phone,
                    name,
                    n,
                    2,
                    &answer_challenge(&challenge, name, "INVITE", &uri),
                    OFFER,
                );
                day.theirs.push((phone, second.clone()));
                send(t, day, phone, &second);
            }
        }
        9..=12 => {
            if day.open.is_empty() {
                return;
            }
            let at = dice.roll(day.open.len() as u64) as usize;
            let (flow, request) = day.open[at].clone();
            let status = *dice.pick(&[100, 180, 183, 200, 200, 200, 486, 503, 480, 603, 491, 481]).unwrap();
            let offers = body(&request).is_empty();
            let sdp = match status {
                183 if !offers => ANSWER,
                200 => [ANSWER, OFFER][usize::from(offers)],
                _ => "",
            };
            let answer = reply(&request, status, &format!("t{}", dice.roll(2)), Some(flow), sdp);
            if status >= 200 {
                day.open.remove(at);
            }
            if status == 200 {
                day.taken.push((flow, request, answer.clone()));
            }
            t.receive(flow, &answer);
            if dice.roll(3) == 0 {
                t.receive(flow, &answer);
            }
        }
        13 => {
            if let Some((flow, request)) = dice.pick(&day.theirs).cloned() {
                send(t, day, flow, &cancel_of(&request));
            }
        }
        14 | 15 => {
            day.cseq += 1;
            let method = *dice.pick(&["BYE", "INVITE", "UPDATE", "INFO", "OPTIONS"]).unwrap();
            let sdp = if matches!(method, "INVITE" | "UPDATE") && dice.roll(3) > 0 { OFFER } else { "" };
            let cseq = 100 + day.cseq;
            let (flow, request) = if dice.roll(2) == 0 {
                let Some((flow, ok)) = dice.pick(&day.answered) else { return };
                (*flow, in_dialog(method, ok, *flow, cseq, fresh(), sdp))
            } else {
                let Some((flow, invite, ok)) = dice.pick(&day.taken) else { return };
                (*flow, in_dialog_of_called(method, invite, ok, *flow, cseq, fresh(), sdp))
            };
            if method == "INVITE" {
                day.theirs.push((flow, request.clone()));
            }
            send(t, day, flow, &request);
        }
        16 => {
            let calls = t.gateway.calls();
            let Some(call) = dice.pick(&calls).map(|call| call.call) else { return };
            let leg = if dice.roll(2) == 0 { Leg::A } else { Leg::B };
            match dice.roll(4) {
                0 => t.command(Command::HangUp(call)),
                1 => t.input(Input::Media(MediaEvent::Flowing { call, leg })),
                _ => t.input(Input::Media(MediaEvent::Silent { call, leg, from_start: false })),
            }
        }
        17 => t.media_fails = (dice.roll(8) == 0).then_some(MediaFailure::NothingInCommon),
        18 => {
            t.store_error = [None, None, Some(StoreError::Busy("busy".into()))][dice.roll(3) as usize].clone()
        }
        _ => t.run(Duration::from_millis([50, 400, 3_000, 12_000, 70_000][dice.roll(5) as usize])),
    }
}

/// What must hold at every moment.
fn check(t: &Table, seed: u64, at: u64) {
    let calls = t.gateway.calls();
    assert_eq!(calls.len(), t.gateway.calls_alive(), "seed {seed} step {at}");
    for agent in [AgentId(1), AgentId(2)] {
        let busy = t.gateway.activity(agent).0 != Activity::Idle;
        let has = !t.gateway.calls_of(agent).is_empty();
        assert_eq!(busy, has, "seed {seed} step {at}: {agent:?}");
        for call in t.gateway.calls_of(agent) {
            let emergency = calls.iter().any(|one| one.call == *call && one.to.reveal() == "112");
            let current = t.gateway.seats().login_of(agent).is_some();
            assert!(current || emergency, "seed {seed} step {at}: a call outlived its login");
        }
    }
    t.gateway.registrar().check_indexes().unwrap_or_else(|why| panic!("seed {seed} step {at}: {why}"));
}

#[test]
fn random_days_end_at_rest() {
    let seeds = std::env::var("SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(SEEDS);
    let mut answered = 0;
    for seed in 0..seeds {
        let mut dice = Dice(seed * 7919 + 1);
        let mut t = Table::new();
        let mut day = Day::default();
        for (name, peer) in PHONES {
            t.register(name, peer);
        }
        for agent in [1, 2] {
            day.epoch += 1;
            t.login(seated(day.epoch, agent, day.epoch, 16 + agent));
        }
        for at in 0..120 {
            step(&mut t, &mut day, &mut dice);
            if dice.roll(5) > 0 {
                react(&mut t, &mut day, &mut dice);
            }
            check(&t, seed, at);
        }
        // The weather clears; whoever still talks hangs up or is silent for good.
        t.store_error = None;
        t.media_fails = None;
        react(&mut t, &mut day, &mut dice);
        for call in t.gateway.calls() {
            let end = if dice.roll(2) == 0 { Command::EndAll } else { Command::HangUp(call.call) };
            t.command(end);
        }
        for _ in 0..6 {
            react(&mut t, &mut day, &mut dice);
            t.run_s(40);
        }
        assert!(t.gateway.calls().is_empty(), "seed {seed}");
        assert_eq!(t.gateway.call_tables(), [0; 5], "seed {seed}");
        let holds = t.gateway.ua_holds();
        assert_eq!((holds.servers, holds.clients, holds.dialogs), (0, 0, 0), "seed {seed}");

        let mut ends: BTreeMap<CallId, u32> = BTreeMap::new();
        for record in &t.records {
            *ends.entry(record.call).or_default() += u32::from(record.ended.is_some());
        }
        assert!(ends.values().all(|count| *count == 1), "seed {seed}: one end per call {ends:?}");
        let mut released: BTreeMap<CallId, u32> = BTreeMap::new();
        for command in &t.media {
            match command {
                MediaCommand::Release { call } => *released.entry(*call).or_default() += 1,
                MediaCommand::Dtmf { .. } | MediaCommand::Away { .. } | MediaCommand::Back { .. } => {}
                MediaCommand::Offer { call, .. } | MediaCommand::Echo { call, .. } => {
                    released.entry(*call).or_default();
                }
                MediaCommand::Answer { .. } => {}
            }
        }
        assert!(released.values().all(|count| *count == 1), "seed {seed}: {released:?}");
        // INVITEs that were challenged or absorbed have been answered as well.
        let silent: Vec<_> = day.asked.difference(&day.told).filter(|one| !one.contains("ACK")).collect();
        assert!(silent.is_empty(), "seed {seed}: never answered {silent:?}");
        answered += t.gateway.counters().calls_answered;
    }
    // Weather without calls in it would prove nothing.
    assert!(answered > 2 * seeds, "{answered} calls were up in {seeds} days");
}

#[test]
fn mangled_messages_stop_nothing() {
    let mut dice = Dice(4711);
    let mut t = Table::new();
    let up = t.call_up();
    let uri = "sip:06912345@hotseat.test";
    let corpus = [
        up.a_invite.clone(),
        up.b_ok.clone(),
        in_dialog("BYE", &up.a_ok, udp(TRUNK), 2, fresh(), ""),
        in_dialog("INVITE", &up.a_ok, udp(TRUNK), 3, fresh(), OFFER),
        in_dialog("INFO", &up.a_ok, udp(TRUNK), 4, fresh(), OFFER),
        cancel_of(&up.a_invite),
        invite(uri, up.phone, "desk-17", fresh(), 1, "Authorization: Digest username=\"desk-17\"\r\n", OFFER),
        "REGISTER sip:hotseat.test SIP/2.0\r\nVia: SIP/2.0/UDP 203.0.113.17;branch=z9hG4bKm\r\nFrom: <sip:desk-17@hotseat.test>;tag=1\r\n\
         To: <sip:desk-17@hotseat.test>\r\nCall-ID: m\r\nCSeq: 1 REGISTER\r\nContact: *\r\nExpires: 0\r\nContent-Length: 0\r\n\r\n"
            .to_owned(),
    ];
    for round in 0..20_000 {
        let mut bytes = dice.pick(&corpus).unwrap().clone().into_bytes();
        for _ in 0..=dice.roll(4) {
            let at = dice.roll(bytes.len() as u64) as usize;
            match dice.roll(4) {
                0 => bytes[at] = dice.roll(256) as u8,
                1 => bytes.truncate(at.max(1)),
                2 => bytes.insert(at, *dice.pick(b"\0\r\n <>;,\"%@:=9").unwrap()),
                _ => {
                    let end = (at + 1 + dice.roll(12) as usize).min(bytes.len());
                    bytes.drain(at..end);
                    bytes.push(b'x');
                }
            }
        }
        let flow = if round % 2 == 0 { udp(TRUNK) } else { up.phone };
        t.input(Input::Received { flow, bytes: &bytes });
        t.sent.clear();
        if round % 500 == 0 {
            t.run_s(40);
        }
    }
    t.command(Command::EndAll);
    t.run_s(200);
    assert_eq!(t.gateway.call_tables(), [0; 5]);
}
