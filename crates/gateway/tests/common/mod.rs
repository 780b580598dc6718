//! A gateway on a table: raw SIP goes in by hand, what comes out is laid out to read, and the clock is ours. Store and media
//! answer at once unless a test says otherwise.
#![allow(dead_code)]

use gateway::{Command, DialPlan, Gateway, GatewayConfig, Input, Output, plan::Rule};
use sip::digest::Answerer;
use sip::ua::Local;
use sip::{Message, Name};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use terms::*;

pub const HERE: &str = "192.0.2.1:5060";
pub const TRUNK: &str = "198.51.100.1:5060";
pub const TRUNK_2: &str = "198.51.100.2:5060";
pub const OFFER: &str = "v=0\r\nfrom the caller\r\n";
pub const ANSWER: &str = "v=0\r\nfrom the called\r\n";

pub fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}
pub fn udp(peer: &str) -> Flow {
    Flow::udp(address(HERE), address(peer))
}

pub struct Table {
    pub gateway: Gateway,
    pub now: Now,
    pub sent: Vec<(Flow, String)>,
    pub media: Vec<MediaCommand>,
    pub notices: Vec<(Audience, Notice)>,
    pub records: Vec<CallRecord>,
    pub other: Vec<Output>,
    /// Writes that wait because the store is slow.
    pub held: Option<Vec<(StoreTicket, StoreWrite)>>,
    pub store_error: Option<StoreError>,
    /// The media side answers nothing by itself.
    pub media_held: bool,
    pub media_fails: Option<MediaFailure>,
    /// Media answers what may be settled without the other leg.
    pub media_settles: bool,
}

pub fn config() -> GatewayConfig {
    let rule = |prefix: &str, trunk: &str, strip, add: &str| Rule {
        prefix: prefix.into(),
        min_digits: Some(3),
        max_digits: None,
        trunk: trunk.into(),
        strip,
        add: add.into(),
    };
    GatewayConfig {
        domain: "hotseat.test".into(),
        realm: "hotseat.test".into(),
        locals: vec![Local { transport: Transport::Udp, bound: address(HERE), advertised: address(HERE) }],
        product: "Hotseat".into(),
        dial_plan: DialPlan {
            rules: vec![rule("0", "main", 1, "+49"), rule("+", "main", 0, "")],
            ..DialPlan::default()
        },
        takeover: TakeoverPolicy::End,
        expires_min: Duration::from_secs(60),
        expires_default: Duration::from_secs(600),
        expires_max: Duration::from_secs(3600),
        ring_max: Duration::from_secs(60),
        progress_max: Duration::from_secs(20),
        seed: [7; 32],
        incarnation: 1,
        calls_max: 1000,
        bindings_max: 1000,
        digest_no_md5: false,
        phone_srtp: terms::Srtp::Off,
        phone_codecs: terms::Codecs::default(),
        watch_every: Duration::ZERO,
        pass_key: hotdesk::pass::PassKey::new([7; 32]),
    }
}

pub fn device(id: u64, name: &str) -> Device {
    Device {
        id: DeviceId(id),
        name: name.into(),
        label: name.into(),
        site: String::new(),
        floor: String::new(),
        ha1: sip::digest::ha1(name, "hotseat.test", &Secret::new(format!("secret of {name}"))),
        enabled: true,
    }
}
pub fn agent(id: u64, name: &str, extension: &str) -> Agent {
    Agent {
        id: AgentId(id),
        login_name: name.into(),
        display_name: format!("{name} Example"),
        extension: extension.into(),
        typology: Typology::External,
        dids: vec![format!("+49692000{extension}")],
        outbound_number: None,
        enabled: true,
    }
}
pub fn trunk() -> Trunk {
    let net = |ip: &str| TrunkMatch { network: ip.parse().unwrap(), prefix: 32, port: None };
    let to = |text| TrunkAddress { address: address(text), transport: Transport::Udp };
    Trunk {
        id: TrunkId(1),
        name: "main".into(),
        addresses: vec![to(TRUNK), to(TRUNK_2)],
        accept_from: vec![net("198.51.100.1"), net("198.51.100.2")],
        domain: Some("carrier.test".into()),
        default_number: Some("+496920000".into()),
        max_calls: 10,
        codecs: vec![CodecName::Pcma],
        srtp: terms::Srtp::Off,
    }
}
pub fn seated(id: u64, agent: u64, epoch: u64, device: u64) -> Login {
    Login {
        id: LoginId(id),
        agent: AgentId(agent),
        epoch: Epoch(epoch),
        place: Place::Phone(DeviceId(device)),
        since: WallTime(1_000_000 + id as i64),
        from: "192.0.2.77".into(),
        ended: None,
    }
}

impl Table {
    /// Phones desk-17 and desk-18, agents ann (2001) and bob (2002), one trunk with two addresses.
    pub fn new() -> Table {
        Table::with(config())
    }
    pub fn with(config: GatewayConfig) -> Table {
        let mut table = Table {
            gateway: Gateway::new(config),
            now: Now { instant: Instant(1_000_000_000), wall: WallTime(1_795_000_000_000) },
            sent: vec![],
            media: vec![],
            notices: vec![],
            records: vec![],
            other: vec![],
            held: None,
            store_error: None,
            media_held: false,
            media_fails: None,
            media_settles: false,
        };
        for change in [
            DirectoryChange::Device(device(17, "desk-17")),
            DirectoryChange::Device(device(18, "desk-18")),
            DirectoryChange::Agent(agent(1, "ann", "2001")),
            DirectoryChange::Agent(agent(2, "bob", "2002")),
            DirectoryChange::Trunk(trunk()),
        ] {
            table.input(Input::Directory(change));
        }
        table
    }

    pub fn input(&mut self, input: Input<'_>) {
        self.gateway.handle(self.now, input);
        self.drain();
    }
    pub fn command(&mut self, command: Command) {
        self.input(Input::Command(command));
    }
    pub fn login(&mut self, row: Login) {
        self.input(Input::Login(row));
    }

    fn drain(&mut self) {
        while let Some(output) = self.gateway.poll_output() {
            match output {
                Output::Send { flow, bytes } => {
                    // A 400 gives back what it was sent, also what cannot be read.
                    let text = String::from_utf8_lossy(&bytes).into_owned();
                    if head(&text) != "400" {
                        Message::parse(&bytes).expect("we write what we can read");
                    }
                    self.sent.push((flow, text));
                }
                Output::Media(command) => {
                    self.media.push(command.clone());
                    if let Some(event) = self.media_answer(command) {
                        self.gateway.handle(self.now, Input::Media(event));
                    }
                }
                Output::Notice { to, notice } => self.notices.push((to, notice)),
                Output::Store(ticket, write) => self.store(ticket, write),
                other => self.other.push(other),
            }
        }
    }

    fn store(&mut self, ticket: StoreTicket, write: StoreWrite) {
        if let Some(held) = &mut self.held {
            held.push((ticket, write));
            return;
        }
        let result = self.store_error.clone().map_or(Ok(()), Err);
        if let (Ok(()), StoreWrite::Record(record)) = (&result, &write) {
            self.records.push((**record).clone());
        }
        self.gateway.handle(self.now, Input::Stored(ticket, result));
    }
    /// The slow store answers what it was asked so far.
    pub fn stored(&mut self, result: Result<(), StoreError>) {
        for (ticket, _) in self.held.replace(vec![]).unwrap_or_default() {
            self.input(Input::Stored(ticket, result.clone()));
        }
    }

    fn media_answer(&mut self, command: MediaCommand) -> Option<MediaEvent> {
        let settled = self.media_settles && matches!(command, MediaCommand::Offer { may_settle: true, .. });
        let (call, turn, from, sdp) = match command {
            MediaCommand::Release { call } => {
                let figures = |packets| LegFigures { packets, ..LegFigures::default() };
                return Some(MediaEvent::Released { call, a: figures(11), b: figures(22) });
            }
            _ if self.media_held => return None,
            MediaCommand::Offer { call, turn, from, sdp, .. } => (call, turn, from, sdp),
            MediaCommand::Answer { call, turn, from, sdp, .. } => (call, turn, from, sdp),
            MediaCommand::Echo { call, turn, sdp, .. } => (call, turn, Leg::B, sdp),
            // These phones have agreed to no digits in their media.
            MediaCommand::Dtmf { call, leg, digit, duration_ms } => {
                return Some(MediaEvent::DtmfByInfo { call, leg, digit, duration_ms });
            }
            MediaCommand::Away { .. } | MediaCommand::Back { .. } => return None,
        };
        if let Some(why) = self.media_fails {
            return Some(MediaEvent::Failed { call, turn, why });
        }
        let sdp = [&sdp[..], b"by the gateway\r\n"].concat().into();
        let to = if settled { from } else { from.other() };
        Some(MediaEvent::Sdp { call, turn, to, sdp })
    }

    /// Lets time pass, firing every deadline on its way.
    pub fn run(&mut self, duration: Duration) {
        let end = self.now.instant + duration;
        while let Some(at) = self.gateway.deadline().filter(|at| *at <= end) {
            let step = at.since(self.now.instant);
            self.now = self.now.plus(step);
            self.gateway.handle(self.now, Input::Timeout);
            self.drain();
        }
        self.now = self.now.plus(end.since(self.now.instant));
        self.gateway.handle(self.now, Input::Timeout);
        self.drain();
    }
    pub fn run_s(&mut self, s: u64) {
        self.run(Duration::from_secs(s));
    }

    pub fn receive(&mut self, flow: Flow, text: &str) {
        self.input(Input::Received { flow, bytes: text.as_bytes() });
    }
    /// What was sent there since somebody last looked.
    pub fn at(&mut self, flow: Flow) -> Vec<String> {
        let (there, rest) = std::mem::take(&mut self.sent).into_iter().partition(|(to, _)| *to == flow);
        self.sent = rest;
        let there: Vec<(Flow, String)> = there;
        there.into_iter().map(|(_, text)| text).collect()
    }
    /// The one message that was sent there.
    pub fn one(&mut self, flow: Flow) -> String {
        let mut all = self.at(flow);
        assert_eq!(all.len(), 1, "at {flow}: {all:#?}");
        all.pop().unwrap()
    }
    /// The first lines of what was sent there, without addresses.
    pub fn heads(&mut self, flow: Flow) -> Vec<String> {
        self.at(flow).iter().map(|text| head(text)).collect()
    }

    /// A phone registers with digest; returns its flow.
    pub fn register(&mut self, name: &str, peer: &str) -> Flow {
        let flow = udp(peer);
        let ok = self.register_as(name, peer, 600, &format!("<sip:{name}@{peer}>"));
        assert_eq!(head(&ok), "200", "{ok}");
        flow
    }
    pub fn register_as(&mut self, name: &str, peer: &str, expires: u32, contact: &str) -> String {
        let flow = udp(peer);
        let n = fresh();
        let request = |cseq: u32, authorization: &str| {
            format!(
                "REGISTER sip:hotseat.test SIP/2.0\r\nVia: SIP/2.0/UDP {peer};branch=z9hG4bKr{n}c{cseq};rport\r\n\
                 Max-Forwards: 70\r\nFrom: <sip:{name}@hotseat.test>;tag=f{n}\r\nTo: <sip:{name}@hotseat.test>\r\n\
                 Call-ID: reg-{name}\r\nCSeq: {} REGISTER\r\nContact: {contact}\r\nExpires: {expires}\r\n\
                 {authorization}Content-Length: 0\r\n\r\n",
                n * 2 + cseq
            )
        };
        self.receive(flow, &request(0, ""));
        let challenge = self.one(flow);
        assert_eq!(head(&challenge), "401", "{challenge}");
        let authorization = answer_challenge(&challenge, name, "REGISTER", "sip:hotseat.test");
        self.receive(flow, &request(1, &authorization));
        self.at(flow).pop().unwrap_or_default()
    }

    /// An INVITE of a device, challenged and sent again. Returns the second request as sent.
    pub fn device_invites(&mut self, name: &str, flow: Flow, dialled: &str, sdp: &str) -> String {
        let n = fresh();
        let uri = format!("sip:{dialled}@hotseat.test");
        let first = invite(&uri, flow, name, n, 1, "", sdp);
        self.receive(flow, &first);
        let challenge = self.one(flow);
        assert_eq!(head(&challenge), "401", "{challenge}");
        self.receive(flow, &ack_of(&first, &challenge));
        let authorization = answer_challenge(&challenge, name, "INVITE", &uri);
        let second = invite(&uri, flow, name, n, 2, &authorization, sdp);
        self.receive(flow, &second);
        second
    }
    pub fn trunk_invites(&mut self, number: &str, sdp: &str) -> String {
        let n = fresh();
        let request = invite(&format!("sip:{number}@192.0.2.1"), udp(TRUNK), "+4917012345", n, 1, "", sdp);
        self.receive(udp(TRUNK), &request);
        request
    }

    /// Ann sits at desk-17, registered; a call from the trunk is up. Returns INVITE at both ends, and the trunk's 200.
    pub fn call_up(&mut self) -> Up {
        let phone = self.register("desk-17", "203.0.113.17:5060");
        self.login(seated(1, 1, 1, 17));
        let a_invite = self.trunk_invites("2001", OFFER);
        let b_invite = self.one(phone);
        self.receive(phone, &reply(&b_invite, 180, "b", Some(phone), ""));
        assert_eq!(self.heads(udp(TRUNK)), ["180"]);
        let b_ok = reply(&b_invite, 200, "b", Some(phone), ANSWER);
        self.receive(phone, &b_ok);
        assert_eq!(self.heads(phone), ["ACK"]);
        let a_ok = self.one(udp(TRUNK));
        assert_eq!(head(&a_ok), "200");
        let ack = in_dialog("ACK", &a_ok, udp(TRUNK), 1, fresh(), "");
        self.receive(udp(TRUNK), &ack);
        Up { phone, a_invite, a_ok, b_invite, b_ok }
    }

    pub fn last_record(&self) -> &CallRecord {
        self.records.last().expect("a record")
    }
    pub fn releases(&self) -> usize {
        self.media.iter().filter(|command| matches!(command, MediaCommand::Release { .. })).count()
    }
    /// Nothing is left: no call, no key.
    pub fn at_rest(&mut self) {
        self.run_s(70);
        assert!(self.gateway.calls().is_empty());
        assert_eq!(self.gateway.call_tables(), [0; 5]);
        let holds = self.gateway.ua_holds();
        assert_eq!((holds.servers, holds.clients, holds.dialogs), (0, 0, 0));
    }
}

/// A number nobody had before, for branches, tags and Call-IDs.
pub fn fresh() -> u32 {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    COUNT.fetch_add(1, Ordering::Relaxed)
}

pub struct Up {
    pub phone: Flow,
    pub a_invite: String,
    pub a_ok: String,
    pub b_invite: String,
    pub b_ok: String,
}

/// `200` of a response, `INVITE` of a request.
pub fn head(text: &str) -> String {
    let first = text.lines().next().unwrap_or("");
    match first.strip_prefix("SIP/2.0 ") {
        Some(rest) => rest.split(' ').next().unwrap_or("").to_owned(),
        None => first.split(' ').next().unwrap_or("").to_owned(),
    }
}
pub fn body(text: &str) -> &str {
    text.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}
pub fn field<'a>(text: &'a str, name: &str) -> &'a str {
    let find = |line: &'a str| {
        let (n, value) = line.split_once(':')?;
        n.eq_ignore_ascii_case(name).then(|| value.trim())
    };
    text.split_once("\r\n\r\n").map_or(text, |(head, _)| head).lines().find_map(find).unwrap_or("")
}
pub fn fields<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    let find = |line: &'a str| {
        let (n, value) = line.split_once(':')?;
        n.eq_ignore_ascii_case(name).then(|| value.trim())
    };
    text.split_once("\r\n\r\n").map_or(text, |(head, _)| head).lines().filter_map(find).collect()
}

pub fn answer_challenge(challenge: &str, name: &str, method: &str, uri: &str) -> String {
    answer_challenge_with(challenge, name, &format!("secret of {name}"), method, uri)
}
pub fn answer_challenge_with(challenge: &str, name: &str, secret: &str, method: &str, uri: &str) -> String {
    let mut answerer = Answerer::new(name, Secret::new(secret));
    let message = Message::parse(challenge.as_bytes()).unwrap();
    assert!(message.header(Name::WwwAuthenticate).is_some());
    answerer.challenged(&message).unwrap();
    let (header, value) = answerer.authorization(method, uri, b"", "0123456789abcdef").unwrap();
    format!("{header}: {value}\r\n")
}

pub fn invite(uri: &str, flow: Flow, from: &str, n: u32, cseq: u32, more: &str, sdp: &str) -> String {
    let peer = flow.peer;
    let to = uri.split(';').next().unwrap();
    let kind = if sdp.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    format!(
        "INVITE {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {peer};branch=z9hG4bKi{n}c{cseq};rport\r\nMax-Forwards: 70\r\n\
         From: \"Caller\" <sip:{from}@hotseat.test>;tag=a{n}\r\nTo: <{to}>\r\nCall-ID: call-{n}\r\n\
         CSeq: {cseq} INVITE\r\nContact: <sip:{from}@{peer}>\r\nAlert-Info: <http://x/>;answer-after=0\r\n\
         {more}{kind}Content-Length: {}\r\n\r\n{sdp}",
        sdp.len()
    )
}

/// A response to a request of the gateway, as a phone makes it.
pub fn reply(request: &str, status: u16, tag: &str, contact: Option<Flow>, sdp: &str) -> String {
    let mut out = format!("SIP/2.0 {status} Because\r\n");
    for name in ["Via", "Record-Route"] {
        for value in fields(request, name) {
            out.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    let to = field(request, "To");
    let to = if to.contains("tag=") || status == 100 { to.to_owned() } else { format!("{to};tag={tag}") };
    out.push_str(&format!("From: {}\r\nTo: {to}\r\n", field(request, "From")));
    out.push_str(&format!("Call-ID: {}\r\nCSeq: {}\r\n", field(request, "Call-ID"), field(request, "CSeq")));
    if let Some(flow) = contact {
        out.push_str(&format!("Contact: <sip:phone@{}>\r\n", flow.peer));
    }
    if !sdp.is_empty() {
        out.push_str("Content-Type: application/sdp\r\n");
    }
    out.push_str(&format!("Content-Length: {}\r\n\r\n{sdp}", sdp.len()));
    out
}

/// ACK to a refusal: same branch.
pub fn ack_of(invite: &str, refusal: &str) -> String {
    let uri = invite.split(' ').nth(1).unwrap();
    format!(
        "ACK {uri} SIP/2.0\r\nVia: {}\r\nMax-Forwards: 70\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {} ACK\r\n\
         Content-Length: 0\r\n\r\n",
        field(invite, "Via"),
        field(invite, "From"),
        field(refusal, "To"),
        field(invite, "Call-ID"),
        field(invite, "CSeq").split(' ').next().unwrap()
    )
}
pub fn cancel_of(invite: &str) -> String {
    let uri = invite.split(' ').nth(1).unwrap();
    format!(
        "CANCEL {uri} SIP/2.0\r\nVia: {}\r\nMax-Forwards: 70\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\n\
         CSeq: {} CANCEL\r\nContent-Length: 0\r\n\r\n",
        field(invite, "Via"),
        field(invite, "From"),
        field(invite, "To"),
        field(invite, "Call-ID"),
        field(invite, "CSeq").split(' ').next().unwrap()
    )
}

/// A request of the caller inside the dialog that the gateway's 200 made.
pub fn in_dialog(method: &str, ok: &str, flow: Flow, cseq: u32, n: u32, sdp: &str) -> String {
    in_dialog_as(method, field(ok, "From"), field(ok, "To"), ok, flow, cseq, n, sdp)
}
/// A request of the called side inside the dialog that its own 200 made.
pub fn in_dialog_of_called(
    method: &str,
    invite: &str,
    ok: &str,
    flow: Flow,
    cseq: u32,
    n: u32,
    sdp: &str,
) -> String {
    in_dialog_as(method, field(ok, "To"), field(ok, "From"), invite, flow, cseq, n, sdp)
}
#[allow(clippy::too_many_arguments)]
fn in_dialog_as(
    method: &str,
    from: &str,
    to: &str,
    contact_of: &str,
    flow: Flow,
    cseq: u32,
    n: u32,
    sdp: &str,
) -> String {
    let target = field(contact_of, "Contact").trim_start_matches('<').split('>').next().unwrap();
    let kind = if sdp.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    format!(
        "{method} {target} SIP/2.0\r\nVia: SIP/2.0/UDP {};branch=z9hG4bKd{n};rport\r\nMax-Forwards: 70\r\n\
         From: {from}\r\nTo: {to}\r\nCall-ID: {}\r\nCSeq: {cseq} {method}\r\nContact: <sip:x@{}>\r\n\
         {kind}Content-Length: {}\r\n\r\n{sdp}",
        flow.peer,
        field(contact_of, "Call-ID"),
        flow.peer,
        sdp.len()
    )
}
