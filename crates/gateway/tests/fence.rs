//! Forced logouts in every order: somebody says yes elsewhere, perhaps two at once, and everything the old place can still say
//! or do comes before, between and after, with lost, doubled and late news, a crash in the middle and «That wasn't me» at the
//! end. Once the gateway has heard of the newer row, nothing of the old login is honoured. `FENCES=10000` tries more orders,
//! `FENCE=42` only one.

mod common;
use common::*;
use gateway::{Input, Output};
use hotdesk::claim::{Claim, Decision, Rows, decide};
use hotdesk::pass::PassKey;
use std::collections::BTreeSet;
use terms::*;

/// Orders that every build tries.
const FENCES: u64 = 400;
const DESK_17: &str = "203.0.113.17:5060";
const DESK_18: &str = "203.0.113.18:5060";
const OUTSIDE: &str = "0691234567";

#[derive(Clone, Copy, Debug, PartialEq)]
enum Act {
    /// Yes at this place, to the login everybody saw at the beginning.
    Confirms(Place),
    /// The gateway looks at the rows; all that is new, or the last row only.
    News {
        all: bool,
    },
    /// A row it knows already, or an older one, comes again.
    OldNews,
    OldRegisters,
    OldInvites,
    OldAnswers,
    OldSpeaksInItsCall,
    /// Another WebSocket with the old cookie, whose session was looked at a moment too early.
    OldComesAnew,
    /// The old password, over a WebSocket without a cookie.
    OldPassword,
    /// What media says about calls that may be over.
    LateMedia,
    TrunkCalls,
    NotMe,
    Crash,
}

/// Somebody's dice.
struct Chance(u64);

impl Chance {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % n.max(1)
    }
}

/// What was tried, to see that something was.
#[derive(Clone, Copy, Debug, Default)]
struct Tried {
    takeovers: u64,
    in_calls: u64,
    /// Words of the old login that came after the fence.
    late: u64,
    crashes: u64,
    second_yes: u64,
    disowned: u64,
}

struct Round {
    t: Table,
    tried: Tried,
    /// The store: every row there ever was.
    rows: Vec<Login>,
    told: usize,
    blocked: bool,
    /// The highest epoch the gateway was told of, and whether that login is over too.
    fence: u64,
    old: Place,
    /// The old page's connection, while the process that it was opened to lives.
    page: Option<Flow>,
    connections: u64,
    /// An INVITE that rings at the old place.
    ringing: Option<String>,
    /// INVITE and answer of a call at the old place.
    up: Option<(String, String)>,
    /// Calls that were answered at the old place.
    talks: BTreeSet<CallId>,
}

fn web(connection: u64) -> Flow {
    let (local, peer) = (address("192.0.2.1:8443"), address("203.0.113.50:41000"));
    Flow { transport: Transport::Wss, local, peer, connection: ConnectionId(connection) }
}

fn bearer() -> String {
    format!("Authorization: Bearer {}\r\n", PassKey::new([7; 32]).ticket(LoginId(1), Epoch(1)).expose())
}

fn statuses(texts: &[String]) -> Vec<u16> {
    texts.iter().filter_map(|text| head(text).parse().ok()).collect()
}

/// Whether one of these answers means yes, or not yet.
fn honoured(texts: &[String]) -> bool {
    statuses(texts).iter().any(|status| (101..300).contains(status))
}

impl Round {
    fn begin(chance: &mut Chance) -> Round {
        let old = [Place::Browser, Place::Phone(DeviceId(17))][chance.below(2)];
        let first = Login { place: old, ..seated(1, 1, 1, 17) };
        let mut round = Round {
            t: Table::new(),
            tried: Tried::default(),
            rows: vec![first],
            told: 0,
            blocked: false,
            fence: 0,
            old,
            page: None,
            connections: 2,
            ringing: None,
            up: None,
            talks: BTreeSet::new(),
        };
        round.phones_register();
        round.act(Act::News { all: true });
        if old == Place::Browser {
            let page = web(2);
            round.page = Some(page);
            let browser = BrowserFlow { login: LoginId(1), agent: AgentId(1), epoch: Epoch(1) };
            round.t.input(Input::FlowOpened { flow: page, browser: Some(browser) });
            assert_eq!(statuses(&round.registers(page, &bearer())), [200]);
        }
        // Nothing yet, a call that rings, a call that is up.
        match chance.below(4) {
            0 => {}
            1 => round.act(Act::TrunkCalls),
            _ => {
                round.act(Act::TrunkCalls);
                round.act(Act::OldAnswers);
                assert_eq!(round.talks.len(), 1, "the call is up");
                round.tried.in_calls += 1;
            }
        }
        round
    }

    fn phones_register(&mut self) {
        for (name, at) in [("desk-17", DESK_17), ("desk-18", DESK_18)] {
            self.t.register(name, at);
        }
    }

    fn old_flow(&self) -> Option<Flow> {
        if self.old == Place::Browser { self.page } else { Some(udp(DESK_17)) }
    }

    fn stands(&self) -> Option<&Login> {
        self.rows.iter().find(|row| row.ended.is_none())
    }

    /// The gateway knows that the old login is over.
    fn fenced(&self) -> bool {
        self.fence > 1
    }

    /// Whether the old place is, as far as the gateway knows, the new one too: then its phone speaks for the new login.
    fn same_place(&self) -> bool {
        let now = self.t.gateway.seats().login_of(AgentId(1));
        self.old != Place::Browser && now.is_some_and(|login| login.place == self.old)
    }

    fn registers(&mut self, flow: Flow, authorization: &str) -> Vec<String> {
        let n = fresh();
        self.t.at(flow);
        let request = format!(
            "REGISTER sip:hotseat.test SIP/2.0\r\nVia: SIP/2.0/WSS p{n}.invalid;branch=z9hG4bKw{n}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:web-1@hotseat.test>;tag=f{n}\r\nTo: <sip:web-1@hotseat.test>\r\n\
             Call-ID: w{n}\r\nCSeq: {n} REGISTER\r\n\
             Contact: <sip:x{n}@p.invalid;transport=ws>;+sip.instance=\"<urn:uuid:one>\";reg-id=1;expires=600\r\n\
             {authorization}Content-Length: 0\r\n\r\n"
        );
        self.t.receive(flow, &request);
        self.t.at(flow)
    }

    /// A request of the old login, and what must not have come of it behind the fence.
    fn late(&mut self, what: &str, said: impl FnOnce(&mut Round) -> Vec<String>) {
        self.t.at(udp(TRUNK));
        let answers = said(self);
        let outside = self.t.heads(udp(TRUNK));
        if self.fenced() && !self.same_place() {
            self.tried.late += 1;
            assert!(!honoured(&answers), "{what} is honoured: {answers:#?}");
            let gone_out = outside.iter().any(|head| matches!(head.as_str(), "INVITE" | "200" | "INFO"));
            assert!(!gone_out, "{what} reaches the trunk: {outside:?}");
        }
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Confirms(place) => self.confirms(place),
            Act::News { all } => {
                let news = self.rows.split_off(0);
                let from = if all { self.told } else { news.len() - 1 };
                news[from..].iter().for_each(|row| self.tell(row));
                (self.told, self.rows) = (news.len(), news);
            }
            Act::OldNews => {
                // As it stands now, or as it stood once.
                let first = self.rows[0].clone();
                self.tell_quietly(&first);
                self.tell_quietly(&Login { ended: None, ..first });
            }
            Act::OldRegisters => {
                if let (Place::Browser, Some(page)) = (self.old, self.page) {
                    self.late("a REGISTER", |round| round.registers(page, &bearer()));
                }
            }
            Act::OldInvites => self.old_invites(),
            Act::OldAnswers => self.old_answers(),
            Act::OldSpeaksInItsCall => {
                let (Some((invite, ok)), Some(flow)) = (self.up.clone(), self.old_flow()) else { return };
                for method in ["INVITE", "INFO", "UPDATE"] {
                    let sdp = if method == "INVITE" { OFFER } else { "" };
                    let cseq = 100 + fresh();
                    let request = in_dialog_of_called(method, &invite, &ok, flow, cseq, fresh(), sdp);
                    self.t.at(flow);
                    self.late(method, |round| {
                        round.t.receive(flow, &request);
                        round.t.at(flow)
                    });
                }
            }
            Act::OldComesAnew => {
                if self.old == Place::Browser {
                    self.connections += 2;
                    let flow = web(self.connections);
                    let browser = BrowserFlow { login: LoginId(1), agent: AgentId(1), epoch: Epoch(1) };
                    self.t.input(Input::FlowOpened { flow, browser: Some(browser) });
                    self.late("another connection", |round| round.registers(flow, &bearer()));
                }
            }
            Act::OldPassword => {
                if self.old == Place::Browser {
                    self.connections += 2;
                    let flow = web(self.connections);
                    self.t.input(Input::FlowOpened { flow, browser: None });
                    let challenge = self.registers(flow, "").pop().unwrap_or_default();
                    if head(&challenge) == "401" {
                        let password = PassKey::new([7; 32]).password(LoginId(1), Epoch(1));
                        let (name, uri) = ("web-1", "sip:hotseat.test");
                        let digest =
                            answer_challenge_with(&challenge, name, password.expose(), "REGISTER", uri);
                        self.late("the old password", |round| round.registers(flow, &digest));
                    }
                }
            }
            Act::LateMedia => {
                let fenced = self.fenced();
                for call in self.talks.clone() {
                    self.t.sent.clear();
                    self.t.input(Input::Media(MediaEvent::Dtmf {
                        call,
                        leg: Leg::B,
                        digit: '7',
                        duration_ms: 100,
                    }));
                    self.t.input(Input::Media(MediaEvent::Silent { call, leg: Leg::B, from_start: false }));
                    if fenced {
                        assert!(self.t.sent.is_empty(), "media of an old call says: {:?}", self.t.sent);
                    }
                }
            }
            Act::TrunkCalls => self.trunk_calls(),
            Act::NotMe => {
                let Some(stands) =
                    self.rows.iter().position(|row| row.ended.is_none() && row.epoch > Epoch(1))
                else {
                    return;
                };
                self.end(stands, LoginEndReason::Disowned);
                self.blocked = true;
                self.tried.disowned += 1;
            }
            Act::Crash => self.crash(),
        }
        self.check();
    }

    fn end(&mut self, at: usize, why: LoginEndReason) {
        // The row changes: it is news again, behind everything else.
        let mut row = self.rows.remove(at);
        self.told -= usize::from(at < self.told);
        row.ended = Some(LoginEnd { at: WallTime(2_000_000), why, from: "192.0.2.78".into() });
        self.rows.push(row);
    }

    /// The one transaction: the pure decision, and what it says is written.
    fn confirms(&mut self, place: Place) {
        if self.blocked {
            return;
        }
        let rows = Rows {
            of_agent: self.stands().cloned(),
            at_device: self.stands().filter(|row| row.place == place).cloned(),
            last_epoch: self.rows.iter().map(|row| row.epoch).max().unwrap_or(Epoch(0)),
            takeovers_last_hour: 0,
        };
        let (agent, take_over) = (AgentId(1), Some(Epoch(1)));
        let claim = Claim { agent, place, take_over, from: "192.0.2.78".into(), at: WallTime(2_000_000) };
        match decide(&rows, &claim) {
            Decision::Grant { epoch, end: Some((old, why)) } => {
                let at = self.rows.iter().position(|row| row.id == old.id).expect("it stands");
                self.end(at, why);
                let id = self.rows.len() as u64 + 1;
                self.rows.push(Login { place, ..seated(id, 1, epoch.0, 0) });
                self.tried.takeovers += 1;
            }
            Decision::Grant { end: None, .. } => panic!("nobody was thrown out"),
            // Somebody else said yes to the same question first.
            _ => self.tried.second_yes += 1,
        }
    }

    fn tell(&mut self, row: &Login) {
        let over = row.ended.is_some() || row.epoch > Epoch(1);
        if over {
            self.fence = self.fence.max(row.epoch.0.max(2));
        }
        self.t.login(row.clone());
    }

    /// News that are none.
    fn tell_quietly(&mut self, row: &Login) {
        if self.fenced() {
            self.t.login(row.clone());
        }
    }

    fn old_invites(&mut self) {
        let Some(flow) = self.old_flow() else { return };
        self.t.at(flow);
        match self.old {
            Place::Browser => {
                let uri = format!("sip:{OUTSIDE}@hotseat.test");
                let request = invite(&uri, flow, "web-1", fresh(), 1, &bearer(), OFFER);
                self.late("an INVITE", |round| {
                    round.t.receive(flow, &request);
                    round.t.at(flow)
                });
            }
            Place::Phone(_) => self.late("an INVITE", |round| {
                round.t.device_invites("desk-17", flow, OUTSIDE, OFFER);
                round.t.at(flow)
            }),
        }
    }

    /// The phone that rang at the old place is picked up, perhaps too late.
    fn old_answers(&mut self) {
        let (Some(invite), Some(flow)) = (self.ringing.take(), self.old_flow()) else { return };
        let fenced = self.fenced();
        let ok = reply(&invite, 200, "b", Some(flow), ANSWER);
        self.t.at(udp(TRUNK));
        self.t.receive(flow, &ok);
        let trunk = self.t.at(udp(TRUNK));
        if fenced {
            self.tried.late += 1;
            assert!(!statuses(&trunk).contains(&200), "a late answer of the old place counts: {trunk:#?}");
            return;
        }
        if let Some(ok_to_trunk) = trunk.iter().find(|text| head(text) == "200") {
            let ack = in_dialog("ACK", ok_to_trunk, udp(TRUNK), 1, fresh(), "");
            self.t.receive(udp(TRUNK), &ack);
            self.talks.extend(self.t.gateway.calls().iter().filter(|c| c.answered.is_some()).map(|c| c.call));
            self.up = Some((invite, ok));
        }
    }

    fn trunk_calls(&mut self) {
        let old = self.old_flow();
        let before = old.map(|flow| self.t.at(flow));
        drop(before);
        self.t.trunk_invites("2001", OFFER);
        let Some(flow) = old else { return };
        let there = self.t.at(flow);
        let rings = there.iter().find(|text| head(text) == "INVITE");
        if self.fenced() && !self.same_place() {
            assert!(rings.is_none(), "a call rings at the old place: {there:#?}");
        } else if let Some(invite) = rings.filter(|_| !self.fenced()) {
            self.ringing = Some(invite.clone());
        }
    }

    /// kill -9 and a start: what the rows say is all that is left.
    fn crash(&mut self) {
        self.tried.crashes += 1;
        self.t = Table::new();
        (self.page, self.ringing, self.up) = (None, None, None);
        self.talks.clear();
        let open = self.stands().cloned();
        let last = self.rows.iter().map(|row| row.epoch.0).max().unwrap_or(0);
        self.fence = if open.as_ref().is_some_and(|row| row.epoch == Epoch(1)) { 1 } else { last.max(2) };
        self.told = self.rows.len();
        if let Some(row) = open {
            self.t.login(row);
        }
        self.phones_register();
    }

    fn check(&mut self) {
        let seats = self.t.gateway.seats();
        let at_most_one = seats.iter().filter(|login| login.agent == AgentId(1)).count() <= 1;
        assert!(at_most_one, "ann is logged in twice");
        if !self.fenced() {
            return;
        }
        assert!(seats.login(LoginId(1)).is_none(), "the old login stands again");
        let aor = Aor::new("web-1", "hotseat.test");
        let contacts = self.t.gateway.registrar().contacts(self.t.now, &aor);
        assert!(contacts.is_empty(), "the old page can be reached: {contacts:?}");
        for call in &self.talks {
            let released =
                self.t.media.iter().any(|m| matches!(m, MediaCommand::Release { call: c } if c == call));
            assert!(released, "media of the old call goes on");
        }
        if let (Place::Browser, Some(page)) = (self.old, self.page) {
            let closed =
                self.t.other.iter().any(|o| matches!(o, Output::CloseFlow { flow, .. } if *flow == page));
            assert!(closed, "the old page's connection is open");
        }
    }
}

fn live(seed: u64) -> Tried {
    let mut chance = Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    (0..8).for_each(|_| _ = chance.below(2));
    let mut round = Round::begin(&mut chance);
    let places = [Place::Browser, Place::Phone(DeviceId(17)), Place::Phone(DeviceId(18))];
    let mut acts = vec![Act::Confirms(places[chance.below(3)]), Act::News { all: chance.below(3) > 0 }];
    let more = [
        Act::Confirms(places[chance.below(3)]),
        Act::News { all: true },
        Act::OldNews,
        Act::OldRegisters,
        Act::OldInvites,
        Act::OldAnswers,
        Act::OldSpeaksInItsCall,
        Act::OldComesAnew,
        Act::OldPassword,
        Act::LateMedia,
        Act::TrunkCalls,
        Act::NotMe,
        Act::Crash,
    ];
    for _ in 0..3 + chance.below(6) {
        acts.push(more[chance.below(more.len())]);
    }
    // Every order is as likely as any other.
    for at in (1..acts.len()).rev() {
        acts.swap(at, chance.below(at + 1));
    }
    for act in &acts {
        round.act(*act);
    }
    // In the end everybody has heard, and the old place tries everything once more.
    for act in [Act::Confirms(places[0]), Act::News { all: true }, Act::OldNews] {
        round.act(act);
    }
    assert!(round.fenced(), "{acts:?}");
    for act in more.iter().filter(|act| format!("{act:?}").starts_with("Old") || **act == Act::LateMedia) {
        round.act(*act);
    }
    let (stands, seated) = (round.stands().cloned(), round.t.gateway.seats().login_of(AgentId(1)).cloned());
    assert_eq!(stands.map(|row| row.id), seated.map(|row| row.id), "rows and gateway agree");
    // Whoever was called and whoever called gives up; nothing may be left.
    round.t.run_s(300);
    assert!(round.t.gateway.calls().is_empty(), "{:?}", round.t.gateway.calls());
    round.tried
}

#[test]
fn behind_the_fence_nothing_of_the_old_login_is_honoured() {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    if let Some(seed) = number("FENCE") {
        println!("{:?}", live(seed));
        return;
    }
    let mut total = Tried::default();
    for seed in 1..=number("FENCES").unwrap_or(FENCES) {
        let tried = std::panic::catch_unwind(|| live(seed)).unwrap_or_else(|_| panic!("FENCE={seed}"));
        total.takeovers += tried.takeovers;
        total.in_calls += tried.in_calls;
        total.late += tried.late;
        total.crashes += tried.crashes;
        total.second_yes += tried.second_yes;
        total.disowned += tried.disowned;
    }
    println!("{total:?}");
    // Orders in which nothing happens prove nothing.
    assert!(total.takeovers >= FENCES && total.late > 2 * FENCES && total.in_calls > FENCES / 4, "{total:?}");
    assert!(total.crashes > 50 && total.second_yes > 100 && total.disowned > 20, "{total:?}");
}
