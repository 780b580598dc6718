//! A small world for the tests of the HTTP side: the store in memory, and a core that does what a test tells it.

// Each test file is a program of its own and uses its own share of this.
#![allow(dead_code)]

use auth::{Auth, Core, PhoneNow, Policies, SeatNow, Settings};
use axum::body::Body;
use axum::extract::ConnectInfo;
use http::{HeaderMap, Request, StatusCode, header};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use store::{Memory, NewAgent, NewDevice, Store};
use terms::{
    Activity, AgentId, Audience, DeviceId, Ha1, LoginId, Notice, PhoneState, Secret, TakeoverPolicy,
    Typology, WallTime,
};
use tokio::sync::broadcast;
use tower::ServiceExt;

pub const ORIGIN: &str = "https://desk.example:8443";
pub const START: i64 = 1_795_444_000_000;

/// A core that does as it is told.
pub struct Script {
    pub phones: Mutex<HashMap<DeviceId, (PhoneState, WallTime)>>,
    pub activity: Mutex<HashMap<AgentId, (Activity, WallTime)>>,
    pub answers_probe: AtomicBool,
    pub probes: AtomicUsize,
    pub pokes: AtomicUsize,
    pub refuse: AtomicBool,
    /// Of every login in a browser; `None`: the core knows of no login.
    pub seat: Mutex<Option<SeatNow>>,
    pub notices: broadcast::Sender<(Audience, Notice)>,
    pub policies: Mutex<Policies>,
}

impl Core for Script {
    fn policies(&self) -> Policies {
        self.policies.lock().unwrap().clone()
    }
    async fn phones(&self) -> Vec<PhoneNow> {
        let phones = self.phones.lock().unwrap();
        phones
            .iter()
            .map(|(device, (state, since))| PhoneNow { device: *device, state: *state, since: *since })
            .collect()
    }
    async fn activity(&self, agent: AgentId) -> (Activity, WallTime) {
        self.activity.lock().unwrap().get(&agent).copied().unwrap_or((Activity::Idle, WallTime(START)))
    }
    async fn probe(&self, _: DeviceId) -> bool {
        self.probes.fetch_add(1, Ordering::SeqCst);
        self.answers_probe.load(Ordering::SeqCst)
    }
    fn notices(&self) -> broadcast::Receiver<(Audience, Notice)> {
        self.notices.subscribe()
    }
    fn poke(&self) {
        self.pokes.fetch_add(1, Ordering::SeqCst);
    }
    async fn seat(&self, _: LoginId) -> Option<SeatNow> {
        self.seat.lock().unwrap().clone()
    }
    async fn take_seat(&self, login: LoginId, tab: String) {
        let mut seat = self.seat.lock().unwrap();
        let old = seat.replace(SeatNow { owner: Some(tab), live: false });
        if let Some(tab) = old.and_then(|seat| seat.owner) {
            let _ = self.notices.send((Audience::Login(login), Notice::TabLost { login, tab }));
        }
    }
    fn takeover_policy(&self) -> TakeoverPolicy {
        if self.refuse.load(Ordering::SeqCst) { TakeoverPolicy::Refuse } else { TakeoverPolicy::End }
    }
}

pub struct World {
    pub app: axum::Router,
    pub auth: Auth<Memory, Script>,
    pub store: Arc<Memory>,
    pub core: Arc<Script>,
    pub clock: Arc<AtomicI64>,
    pub ann: AgentId,
    pub bob: AgentId,
    /// Both are shared with what runs: a test may set a mail server, or let a licence end.
    pub mailer: auth::mail::Mailer,
    pub standing: auth::Standing,
    /// desk-9, desk-10, desk-17: there; desk-18: unreachable; desk-19: never seen.
    pub desks: Vec<DeviceId>,
}

/// Everybody's password is `right`; hashing it once is enough.
fn hashed() -> String {
    static HASH: OnceLock<String> = OnceLock::new();
    HASH.get_or_init(|| auth::password::hash(&Secret::new("right")).unwrap()).clone()
}

fn person(name: &str, extension: &str, typology: Typology) -> NewAgent {
    NewAgent {
        login_name: name.into(),
        display_name: format!("{} Example", name.to_uppercase()),
        extension: extension.into(),
        typology,
        dids: vec![],
        outbound_number: None,
        password_hash: (name != "nopass").then(hashed),
        role: terms::Role::Agent,
        email: None,
        way: store::Way::Local,
    }
}

fn phone(name: &str) -> NewDevice {
    let ha1 = Ha1 { md5: [1; 16], sha256: [2; 32] };
    NewDevice {
        name: name.into(),
        label: format!("Label {name}"),
        site: "Main".into(),
        floor: "2".into(),
        ha1,
    }
}

pub async fn world() -> World {
    world_with(|_| {}).await
}

/// The same with other settings.
pub async fn world_with(change: impl FnOnce(&mut Settings)) -> World {
    world_of(change, Policies::default()).await
}

/// The same under other rules.
pub async fn world_under(change: impl FnOnce(&mut Policies)) -> World {
    let mut policies = Policies::default();
    change(&mut policies);
    world_of(|_| {}, policies).await
}

async fn world_of(change: impl FnOnce(&mut Settings), policies: Policies) -> World {
    let store = Arc::new(Memory::new());
    let people = vec![
        person("ann", "2001", Typology::External),
        person("bob", "2002", Typology::External),
        person("webby", "2003", Typology::Webrtc),
        person("nopass", "2004", Typology::External),
    ];
    let people = store.add_agents(people).await.unwrap();
    let names = ["desk-17", "desk-9", "desk-10", "desk-18", "desk-19"];
    let ids = store.add_devices(names.iter().map(|name| phone(name)).collect()).await.unwrap();
    let desks = vec![ids[1], ids[2], ids[0], ids[3], ids[4]];
    let state = |at: usize| match at {
        0..=2 => (desks[at], (PhoneState::Registered, WallTime(START - 1000 - at as i64))),
        _ => (desks[at], (PhoneState::Unreachable, WallTime(START - 500))),
    };
    let core = Arc::new(Script {
        phones: Mutex::new((0..4).map(state).collect()),
        activity: Mutex::default(),
        answers_probe: AtomicBool::new(false),
        probes: AtomicUsize::new(0),
        pokes: AtomicUsize::new(0),
        refuse: AtomicBool::new(false),
        seat: Mutex::new(Some(SeatNow::default())),
        notices: broadcast::channel(64).0,
        policies: Mutex::new(policies),
    });
    let clock = Arc::new(AtomicI64::new(START));
    let hands = Arc::clone(&clock);
    let clock_of_the_test = Arc::new(move || WallTime(hands.load(Ordering::SeqCst)));
    let mut settings = Settings { clock: clock_of_the_test, ..Settings::default() };
    settings.sip.codecs = terms::Codecs::new(&[terms::CodecName::Pcma, terms::CodecName::Opus]);
    settings.public_url = Some(ORIGIN.into());
    change(&mut settings);
    let (mailer, standing) = (settings.mailer.clone(), settings.standing.clone());
    let auth = Auth::new(Arc::clone(&store), Arc::clone(&core), settings);
    let app = auth::router(auth.clone());
    World { app, auth, store, core, clock, ann: people[0], bob: people[1], mailer, standing, desks }
}

#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Answer {
    #[track_caller]
    pub fn is(&self, status: u16, reason: &str) -> &Answer {
        assert_eq!((self.status.as_u16(), self.body["reason"].as_str()), (status, Some(reason)), "{self:?}");
        assert!(self.body["sentence"].as_str().is_some_and(|sentence| !sentence.is_empty()));
        assert_eq!(self.headers[header::CACHE_CONTROL], "no-store");
        self
    }
    #[track_caller]
    pub fn ok(self) -> Answer {
        assert_eq!(self.status, 200, "{self:?}");
        self
    }
    /// The `name=value` a browser would send back.
    #[track_caller]
    pub fn cookie(&self) -> String {
        let set = self.headers[header::SET_COOKIE].to_str().unwrap();
        set.split(';').next().unwrap().to_owned()
    }
}

/// A browser: its cookie and the CSRF word it was told.
#[derive(Clone, Default, Debug)]
pub struct Browser {
    pub cookie: String,
    pub csrf: String,
}

impl World {
    pub fn passes(&self, ms: i64) {
        self.clock.fetch_add(ms, Ordering::SeqCst);
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        let mut request = request;
        let peer: SocketAddr = "192.0.2.7:50000".parse().unwrap();
        if request.extensions().get::<ConnectInfo<SocketAddr>>().is_none() {
            request.extensions_mut().insert(ConnectInfo(peer));
        }
        let response = self.app.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, 10 << 20).await.unwrap();
        let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() };
        Answer { status: parts.status, headers: parts.headers, body }
    }

    pub fn request(&self, method: &str, path: &str, browser: &Browser) -> http::request::Builder {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "desk.example:8443")
            .header("origin", ORIGIN)
            .header("sec-fetch-site", "same-origin");
        if !browser.cookie.is_empty() {
            request = request.header("cookie", format!("theme=dark; {}", browser.cookie));
        }
        if !browser.csrf.is_empty() {
            request = request.header("x-hotseat-csrf", &browser.csrf);
        }
        request
    }

    pub async fn get(&self, path: &str, browser: &Browser) -> Answer {
        self.send(self.request("GET", path, browser).body(Body::empty()).unwrap()).await
    }

    pub async fn post(&self, path: &str, browser: &Browser, body: Value) -> Answer {
        let request = self.request("POST", path, browser).header("content-type", "application/json");
        self.send(request.body(Body::from(body.to_string())).unwrap()).await
    }

    pub async fn try_login(&self, name: &str, password: &str) -> Answer {
        self.post("/api/login", &Browser::default(), json!({ "username": name, "password": password })).await
    }

    /// More agents, all with the same password.
    pub async fn add_people(&self, names: &[String]) {
        let all = names.iter().enumerate();
        let all = all.map(|(at, name)| person(name, &(5000 + at).to_string(), Typology::External));
        self.store.add_agents(all.collect()).await.unwrap();
    }

    /// Shows the password; the browser may choose a phone then.
    pub async fn shows_password(&self, name: &str) -> (Browser, Value) {
        self.shows_with(name, "right").await
    }

    pub async fn shows_with(&self, name: &str, password: &str) -> (Browser, Value) {
        let answer = self.try_login(name, password).await.ok();
        let csrf = answer.body["csrf"].as_str().unwrap().to_owned();
        (Browser { cookie: answer.cookie(), csrf }, answer.body)
    }

    pub async fn tries(&self, browser: &Browser, phone: &str, take_over: Option<u64>) -> Answer {
        let body = json!({ "phone": phone, "take_over_epoch": take_over });
        self.post("/api/login/device", browser, body).await
    }

    /// Logs in and sits down.
    pub async fn sits(&self, name: &str, phone: &str) -> Browser {
        let (browser, _) = self.shows_password(name).await;
        let answer = self.tries(&browser, phone, None).await.ok();
        Browser { cookie: answer.cookie(), csrf: answer.body["csrf"].as_str().unwrap().to_owned() }
    }
}
