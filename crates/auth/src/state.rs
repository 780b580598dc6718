//! What every request shares: the store, the core, the board, the limits, and how a cookie becomes a session.

use crate::board::Board;
use crate::forgot::Forgotten;
use crate::limits::{AttemptLimits, Limits};
use crate::mail::{self, MailError, Mailer};
use crate::password::Hasher;
use crate::refusal::{Reason, Refusal};
use crate::request::{self, Network};
use crate::runs_out::Uses;
use crate::sip::{IceServers, SipSettings};
use crate::ways::Ways;
use crate::{Core, Policies, Standing, request::cookie};
use dashmap::DashMap;
use hotdesk::pass::PassKey;
use http::HeaderMap;
use http::request::Parts;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use store::{Stage, Store, WebSession};
use terms::{EmailAddress, Login, Pii, WallTime};
use tokio::sync::{Notify, Semaphore};

/// Event streams of all pages together.
const STREAMS_MAX: usize = 20_000;
/// A session's use is written down at most this often.
const TOUCH_EVERY: Duration = Duration::from_secs(60);

/// How the pages are served. `Default` suits tests and the development world.
#[derive(Clone)]
pub struct Settings {
    pub version: String,
    /// Shown on the login page where set, so that nobody takes a trial system for the real one.
    pub environment: Option<String>,
    /// Whom people are to ask who cannot get in; told to everybody who opens the login page.
    pub contact: Option<String>,
    /// Origins our pages are served from (`https://hotseat.example:8443`). Where empty, the request's own host counts.
    pub origins: Vec<String>,
    /// Whose `X-Forwarded-For` is believed.
    pub proxies: Vec<Network>,
    pub limits: AttemptLimits,
    /// Password hashes computed at once.
    pub hash_slots: usize,
    pub sip: SipSettings,
    /// How people reach us, without a slash at the end. Links in letters are made of it and of nothing else; without it none
    /// are sent.
    pub public_url: Option<String>,
    pub mailer: Mailer,
    /// How licence and certificates stand.
    pub standing: Standing,
    /// Ways in beside our own passwords.
    pub ways: Ways,
    pub clock: Arc<dyn Fn() -> WallTime + Send + Sync>,
}

impl Default for Settings {
    fn default() -> Settings {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Settings {
            version: env!("CARGO_PKG_VERSION").into(),
            environment: None,
            contact: None,
            origins: Vec::new(),
            proxies: Vec::new(),
            limits: AttemptLimits::default(),
            // One core stays for calls, whatever logs in.
            hash_slots: cores.saturating_sub(1).clamp(1, 4),
            sip: SipSettings {
                domain: "hotseat.test".into(),
                realm: "hotseat.test".into(),
                key: PassKey::new([0; 32]),
                ice: IceServers::default(),
                codecs: terms::Codecs::default(),
            },
            public_url: None,
            mailer: Mailer::default(),
            standing: Standing::default(),
            ways: Ways::default(),
            clock: Arc::new(system_clock),
        }
    }
}

fn system_clock() -> WallTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    WallTime(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// The state of the router; cheap to clone.
pub struct Auth<S, C>(Arc<Inner<S, C>>);

/// Behind `Auth`; nothing of it is for anybody else.
pub struct Inner<S, C> {
    pub(crate) store: Arc<S>,
    pub(crate) core: Arc<C>,
    pub(crate) settings: Settings,
    pub(crate) hasher: Hasher,
    pub(crate) limits: Limits,
    pub(crate) forgotten: Forgotten,
    board: Mutex<Board>,
    pub(crate) uses: Uses,
    /// One reader of changes at a time, so that an older answer is never applied after a newer one.
    refreshing: tokio::sync::Mutex<()>,
    pub(crate) look_now: Notify,
    pub(crate) streams: Arc<Semaphore>,
    pub(crate) streams_of: DashMap<[u8; 32], Arc<Semaphore>>,
}

impl<S, C> Clone for Auth<S, C> {
    fn clone(&self) -> Self {
        Auth(Arc::clone(&self.0))
    }
}

impl<S, C> std::ops::Deref for Auth<S, C> {
    type Target = Inner<S, C>;
    fn deref(&self) -> &Inner<S, C> {
        &self.0
    }
}

impl<S: Store, C: Core> Auth<S, C> {
    pub fn new(store: Arc<S>, core: Arc<C>, settings: Settings) -> Auth<S, C> {
        let now = (settings.clock)();
        let board = Mutex::new(Board::new(now));
        Auth(Arc::new(Inner {
            store,
            core,
            hasher: Hasher::new(settings.hash_slots),
            limits: Limits::new(settings.limits),
            forgotten: Forgotten::default(),
            board,
            uses: Uses::new(now),
            refreshing: tokio::sync::Mutex::new(()),
            look_now: Notify::new(),
            streams: Arc::new(Semaphore::new(STREAMS_MAX)),
            streams_of: DashMap::new(),
            settings,
        }))
    }

    /// Passwords looked at since the start, right or wrong or of nobody: each costs one hash.
    pub fn passwords_checked(&self) -> u64 {
        self.hasher.verified()
    }

    /// A letter that says that mail works; what the mail server said, or why it did not take it.
    pub async fn test_mail(&self, to: &EmailAddress) -> Result<String, MailError> {
        self.settings.mailer.try_now(&mail::test_letter(to.clone())).await
    }

    /// Whom people are told to ask.
    pub fn contact(&self) -> Option<&str> {
        self.settings.contact.as_deref()
    }

    /// Where letters go out, without secrets.
    pub fn describe_mail(&self) -> Option<serde_json::Value> {
        self.settings.mailer.describe()
    }

    /// The directory and the provider of OpenID Connect, without secrets.
    pub fn describe_ways(&self) -> (Option<serde_json::Value>, Option<serde_json::Value>) {
        self.settings.ways.describe()
    }

    /// How licence and certificates stand, for administrators.
    pub async fn describe_licence(&self) -> Result<serde_json::Value, terms::StoreError> {
        let agents = self.store.agents().await?;
        let seats_used = agents.iter().filter(|agent| agent.enabled).count();
        Ok(self.settings.standing.describe(self.now(), seats_used))
    }

    /// Login rows changed and somebody knows: look at the store now rather than at the next poll.
    pub fn poke(&self) {
        self.look_now.notify_one();
    }
}

impl<S: Store, C: Core> Inner<S, C> {
    pub fn now(&self) -> WallTime {
        (self.settings.clock)()
    }

    pub(crate) fn policies(&self) -> Policies {
        self.core.policies()
    }

    pub(crate) fn origins(&self) -> &[String] {
        &self.settings.origins
    }

    pub(crate) fn proxies(&self) -> &[Network] {
        &self.settings.proxies
    }

    pub(crate) fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Brings the board up to what the store has now. Cheap when nothing changed.
    pub async fn refresh(&self) -> Result<(), terms::StoreError> {
        let turn = self.refreshing.lock().await;
        let seq = self.board().changes_seq;
        let changes = self.store.changes_since(seq).await?;
        let first = seq == 0 && changes.seq > 0;
        self.board().changes(changes);
        if first {
            let phones = self.core.phones().await;
            self.board().phones(phones);
        }
        drop(turn);
        Ok(())
    }

    pub async fn audit(&self, who: &str, from: impl ToString, what: &str, outcome: &str) {
        let (who, from) = (Pii::new(who), from.to_string());
        tracing::info!(%who, from, what, outcome, "auth");
        if let Err(error) = self.store.audit(self.now(), &who, &from, what, outcome).await {
            tracing::error!(%error, what, outcome, "audit line not written");
        }
    }

    /// The session of the cookie, or why there is none: `unknown` is said of a cookie that is none of ours any more; a login
    /// that was ended says so itself.
    pub async fn session(&self, headers: &HeaderMap, unknown: Reason) -> Result<WebSession, Refusal> {
        let session = self.session_any(headers, unknown).await?;
        in_at(&session, Stage::In)?;
        Ok(session)
    }

    /// As `session`, wherever its owner is on the way in. Only for what every stage may do: ask where it is, and give up.
    pub(crate) async fn session_any(
        &self,
        headers: &HeaderMap,
        unknown: Reason,
    ) -> Result<WebSession, Refusal> {
        let Some(token) = cookie(headers) else { return Err(Reason::NoSession.into()) };
        let now = self.now();
        if let Some(session) = self.store.session(token, now).await? {
            if now.since(session.seen) < self.policies().sessions.idle {
                if now.since(session.seen) >= TOUCH_EVERY {
                    self.store.touch_session(token, now).await?;
                }
                return Ok(session);
            }
            return Err(unknown.into());
        }
        match self.store.ended_session(token).await? {
            Some(login) => Err(ended(&login)),
            None => Err(unknown.into()),
        }
    }

    /// As `session`, for requests that change something: the page must know the session's CSRF word.
    pub async fn session_to_change(
        &self,
        headers: &HeaderMap,
        unknown: Reason,
    ) -> Result<WebSession, Refusal> {
        let session = self.session_to_change_any(headers, unknown).await?;
        in_at(&session, Stage::In)?;
        Ok(session)
    }

    /// As `session_to_change`, for what belongs to one stage of the way in and is good for nothing else.
    pub(crate) async fn session_to_change_at(
        &self,
        stage: Stage,
        headers: &HeaderMap,
    ) -> Result<WebSession, Refusal> {
        let session = self.session_to_change_any(headers, Reason::LoginExpired).await?;
        match session.stage == stage {
            true => Ok(session),
            false if session.stage == Stage::In => Err(Reason::NotNow.into()),
            false => Err(stage_refusal(session.stage)),
        }
    }

    /// As `session_any`, and the page must know the session's CSRF word.
    pub(crate) async fn session_to_change_any(
        &self,
        headers: &HeaderMap,
        unknown: Reason,
    ) -> Result<WebSession, Refusal> {
        let session = self.session_any(headers, unknown).await?;
        if let Err(refusal) = request::check_csrf(headers, &session.csrf) {
            // Of the browser that logged in; a page elsewhere that has its cookie is what this line is for.
            let source = session.from.parse().unwrap_or(IpAddr::from([0, 0, 0, 0]));
            if self.limits.tells(std::time::Instant::now(), source) {
                let account = self.store.account_by_id(session.agent).await?;
                let who = account.map_or_else(String::new, |account| account.agent.login_name);
                self.audit(&who, &session.from, "page", Reason::CsrfFailed.word()).await;
            }
            return Err(refusal);
        }
        if let Some(login) = session.login {
            self.used(login);
        }
        Ok(session)
    }

    /// A page of another site was refused: who stands behind it nobody knows, from where they do (SPEC D10).
    pub(crate) async fn foreign_page(&self, parts: &Parts) {
        let from = self.client(parts);
        tracing::warn!(%from, path = parts.uri.path(), "request from a foreign origin refused");
        if self.limits.tells(std::time::Instant::now(), from) {
            self.audit("", from, "page", Reason::ForeignOrigin.word()).await;
        }
    }

    pub fn client(&self, parts: &Parts) -> IpAddr {
        request::client(parts, self.proxies())
    }
}

fn in_at(session: &WebSession, stage: Stage) -> Result<(), Refusal> {
    if session.stage == stage { Ok(()) } else { Err(stage_refusal(session.stage)) }
}

/// What has to be done first.
pub(crate) fn stage_refusal(stage: Stage) -> Refusal {
    match stage {
        Stage::SecondFactor => Reason::SecondFactorRequired,
        Stage::ChangePassword => Reason::PasswordChangeRequired,
        Stage::EnrolFactor => Reason::FactorEnrolmentRequired,
        Stage::In => Reason::NoSession,
    }
    .into()
}

/// What a late request of an ended login is told (SPEC C2).
pub(crate) fn ended(login: &Login) -> Refusal {
    let refusal = Refusal::from(Reason::LoginEnded);
    match &login.ended {
        None => refusal,
        Some(end) => {
            refusal.saying(end.why.sentence()).with("why", end.why).with("at", end.at).with("from", &end.from)
        }
    }
}
