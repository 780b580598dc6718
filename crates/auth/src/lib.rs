//! HTTP for agents: log in, choose a device, be told, be thrown out. It changes rows; the gateway notices.

mod board;
mod change;
mod desk;
mod entry;
mod events;
mod factor;
mod follow;
mod forgot;
mod letters;
pub mod licence;
mod limits;
mod lockout;
mod login;
pub mod mail;
mod not_me;
mod notices;
mod overview;
pub mod password;
mod refusal;
mod request;
mod runs_out;
mod sip;
mod standing;
mod state;
pub mod suite;
mod ticket;
pub mod ways;

pub use desk::agent_json;
pub use factor::FactorSettings;
pub use limits::AttemptLimits;
pub use overview::{PhoneName, PhoneSeat, Seated};
pub use refusal::{Reason, Refusal};
pub use request::{Network, random_token};
pub use runs_out::{SessionRules, Sessions, ShiftEnds};
pub use sip::{IceServers, SipSettings};
pub use standing::Standing;
pub use state::{Auth, Settings};

use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, delete, get, post};
use hotdesk::lockout::Limit;
use http::{HeaderValue, header};
use std::time::Duration;
use store::Store;
use terms::{Activity, AgentId, Audience, DeviceId, LoginId, Notice, PhoneState, TakeoverPolicy, WallTime};

/// Bytes of a request body. A username and a password need a fraction of it.
const BODY_MAX: usize = 16 * 1024;

/// What administrators decide and a reload may change while we run. As it comes: the floor for passwords, no limit.
#[derive(Clone, Debug, PartialEq)]
pub struct Policies {
    pub passwords: suite::Policy,
    pub lockout: Limit,
    pub sessions: Sessions,
    /// Who needs a second factor. Who is in stays in.
    pub factors: FactorSettings,
}

impl Default for Policies {
    fn default() -> Policies {
        let lockout = Limit { wrong: 0, block: Some(Duration::from_secs(15 * 60)) };
        Policies {
            passwords: suite::Policy::default(),
            lockout,
            sessions: Sessions::default(),
            factors: FactorSettings::default(),
        }
    }
}

/// What `auth` asks of the running core. The daemon implements it over a channel to the core thread.
pub trait Core: Send + Sync + 'static {
    /// How each phone stands right now.
    fn phones(&self) -> impl Future<Output = Vec<PhoneNow>> + Send;
    fn activity(&self, agent: AgentId) -> impl Future<Output = (Activity, WallTime)> + Send;
    /// Asks the phone whether it is there and waits for the answer, two seconds at most (SPEC B7).
    fn probe(&self, device: DeviceId) -> impl Future<Output = bool> + Send;
    /// Notices from now on. A receiver that lags is told so and asks for a snapshot.
    fn notices(&self) -> tokio::sync::broadcast::Receiver<(Audience, Notice)>;
    /// Login rows changed in the store: look now rather than at the next poll.
    fn poke(&self);
    fn takeover_policy(&self) -> TakeoverPolicy;
    fn policies(&self) -> Policies {
        Policies::default()
    }
    /// How this login's seat in the browser stands. Waits a moment for a login that was granted just now; `None` where the
    /// core does not know it even then.
    fn seat(&self, login: LoginId) -> impl Future<Output = Option<SeatNow>> + Send;
    /// This tab has the login's sound from now on.
    fn take_seat(&self, login: LoginId, tab: String) -> impl Future<Output = ()> + Send;
}

/// A seat in the browser, which several tabs may look at and one speaks for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SeatNow {
    /// The tab that has the sound.
    pub owner: Option<String>,
    /// It is registered, and its connection is there.
    pub live: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct PhoneNow {
    pub device: DeviceId,
    pub state: PhoneState,
    pub since: WallTime,
}

/// Everything under `/api`. Must be called inside a tokio runtime: it starts the task that keeps the phone list true. Serve it
/// with `into_make_service_with_connect_info::<SocketAddr>()`, or every browser looks like one source.
pub fn router<S: Store, C: Core>(auth: Auth<S, C>) -> axum::Router {
    tokio::spawn(follow::run(auth.clone()));
    tokio::spawn(ways::watch::run(auth.clone()));
    let routes = axum::Router::new()
        .route("/api/site", get(desk::site::<S, C>))
        .route("/api/login", post(login::credentials::<S, C>).delete(login::out::<S, C>))
        .route("/api/login/oidc", get(ways::enter::go::<S, C>))
        .route("/api/login/oidc/back", get(ways::enter::back::<S, C>))
        .route("/api/login/device", post(login::device::<S, C>))
        .route("/api/login/factor", post(factor::code::<S, C>))
        .route("/api/login/passkey/begin", post(factor::passkey_begin::<S, C>))
        .route("/api/login/passkey/finish", post(factor::passkey_finish::<S, C>))
        .route("/api/factors", get(factor::list::<S, C>))
        .route("/api/factors/{id}", delete(factor::remove::<S, C>))
        .route("/api/factor/totp/begin", post(factor::totp_begin::<S, C>))
        .route("/api/factor/totp/confirm", post(factor::totp_confirm::<S, C>))
        .route("/api/factor/passkey/begin", post(factor::new_passkey_begin::<S, C>))
        .route("/api/factor/passkey/finish", post(factor::new_passkey_finish::<S, C>))
        .route("/api/factor/recovery", post(factor::new_recovery::<S, C>))
        .route("/api/forgot", post(forgot::forgot::<S, C>))
        .route("/api/reset", post(forgot::choose::<S, C>))
        .route("/api/reset/look", post(forgot::look::<S, C>))
        .route("/api/password", post(change::change::<S, C>))
        .route("/api/password/rules", get(change::rules::<S, C>))
        .route("/api/login/not-me", post(not_me::not_me::<S, C>))
        .route("/api/ticket", post(ticket::hand_out::<S, C>))
        .route("/api/ticket/use", post(ticket::take::<S, C>))
        .route("/api/phones", get(desk::phones::<S, C>))
        .route("/api/me", get(desk::me::<S, C>))
        .route("/api/me/active", post(runs_out::active::<S, C>))
        .route("/api/sip", get(sip::account::<S, C>))
        .route("/api/sip/take", post(sip::take::<S, C>))
        .route("/api/events", get(events::stream::<S, C>))
        .route("/api", any(not_found))
        .route("/api/{*rest}", any(not_found))
        .with_state(auth.clone());
    guarded(routes, auth)
}

/// What holds for every answer under `/api`: whatever changes something comes from our own pages, no body is larger than a
/// login needs, an unknown method is refused in our words, and no cache keeps anything.
pub fn guarded<S: Store, C: Core>(routes: axum::Router, auth: Auth<S, C>) -> axum::Router {
    routes
        .method_not_allowed_fallback(async || Refusal::from(Reason::MethodNotAllowed))
        .layer(from_fn_with_state(auth, same_origin::<S, C>))
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(from_fn(answers_are_nobody_elses))
}

async fn not_found() -> Refusal {
    Reason::NotFound.into()
}

/// Whatever is not a GET or HEAD must not have been sent by a foreign page.
async fn same_origin<S: Store, C: Core>(
    State(auth): State<Auth<S, C>>,
    request: Request,
    next: Next,
) -> Response {
    if !request.method().is_safe()
        && let Err(refusal) = request::check_origin(request.uri(), request.headers(), auth.origins())
    {
        let (parts, _) = request.into_parts();
        auth.foreign_page(&parts).await;
        return refusal.into_response();
    }
    next.run(request).await
}

/// Answers are for one agent at one moment: no cache keeps them, no browser guesses their type.
async fn answers_are_nobody_elses(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
