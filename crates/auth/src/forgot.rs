//! A forgotten password: an address comes in, a link goes out by mail, and whoever follows it chooses a new password. What
//! is answered, and when, says nothing about who has an account here: the answer is out before anybody looks.

use crate::Core;
use crate::change;
use crate::letters;
use crate::limits::network;
use crate::login::Password;
use crate::mail::{Letter, MailError};
use crate::password::PASSWORD_BYTES_MAX;
use crate::refusal::{Reason, Refusal};
use crate::request::{random_token, sha256};
use crate::state::Auth;
use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use http::request::Parts;
use http::{StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use store::{Account, NewReset, Store, Way};
use terms::{EmailAddress, Secret, WallTime};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How long a link is good (SPEC D5).
pub const LINK_LIVES: Duration = Duration::from_secs(3600);
/// Letters that one source may ask for within an hour, whatever the addresses.
const ASKS_PER_SOURCE: usize = 20;
const HOUR: Duration = Duration::from_secs(3600);
/// Sources remembered; beyond, all unknown ones share one count.
const SOURCES_MAX: usize = 10_000;
/// Questions whose accounts are being looked up.
const LOOKUPS_MAX: usize = 256;
/// A token in base64url: 256 bit.
const TOKEN_LEN: usize = 43;
/// The same for everybody who asks.
const SENT: &str =
    "If there is an account with this address, a letter is on its way. The link in it works for one hour.";

/// What is counted over the hour, and how many lookups are under way.
pub(crate) struct Forgotten {
    asks: Mutex<HashMap<Option<IpAddr>, VecDeque<WallTime>>>,
    lookups: Arc<Semaphore>,
}

impl Default for Forgotten {
    fn default() -> Forgotten {
        Forgotten { asks: Mutex::default(), lookups: Arc::new(Semaphore::new(LOOKUPS_MAX)) }
    }
}

impl Forgotten {
    /// One more letter for this source, or the seconds until there may be one.
    fn ask(&self, now: WallTime, source: IpAddr) -> Result<(), u64> {
        let mut asks = self.asks.lock().unwrap_or_else(PoisonError::into_inner);
        let mut key = Some(network(source));
        if asks.len() >= SOURCES_MAX && !asks.contains_key(&key) {
            asks.retain(|_, times| times.back().is_some_and(|last| now.since(*last) < HOUR));
            if asks.len() >= SOURCES_MAX {
                key = None;
            }
        }
        let times = asks.entry(key).or_default();
        while times.front().is_some_and(|first| now.since(*first) >= HOUR) {
            times.pop_front();
        }
        match times.front() {
            Some(first) if times.len() >= ASKS_PER_SOURCE => {
                Err(HOUR.saturating_sub(now.since(*first)).as_secs().max(1))
            }
            _ => {
                times.push_back(now);
                Ok(())
            }
        }
    }
}

/// What the login page offers to whoever forgot the password.
pub(crate) fn way<S: Store, C: Core>(auth: &Auth<S, C>) -> &'static str {
    match auth.settings.public_url.is_some() && auth.settings.mailer.is_set() {
        true => "mail",
        false => "ask_administrator",
    }
}

#[derive(Deserialize)]
pub(crate) struct Forgot {
    email: String,
}

/// `POST /api/forgot`.
pub(crate) async fn forgot<S: Store, C: Core>(
    State(auth): State<Auth<S, C>>,
    parts: Parts,
    body: Result<Json<Forgot>, JsonRejection>,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    check_host(&auth, &parts)?;
    let Json(Forgot { email }) = body?;
    let from = auth.client(&parts);
    let public_url = auth.settings.public_url.clone();
    let Some(public_url) = public_url.filter(|_| auth.settings.mailer.is_set()) else {
        return Err(Reason::MailNotSet.into());
    };
    let email: EmailAddress = email.trim().parse().map_err(|_| Reason::EmailInvalid)?;
    let now = auth.now();
    if let Err(wait_s) = auth.forgotten.ask(now, from) {
        auth.audit(email.reveal(), from, "forgot_password", Reason::TooManyAttempts.word()).await;
        return Err(Refusal::from(Reason::TooManyAttempts).retry_after(wait_s));
    }
    let place = Arc::clone(&auth.forgotten.lookups).try_acquire_owned().map_err(|_| Reason::Busy)?;
    tokio::spawn(look_up(auth.clone(), email, from, public_url, place));
    Ok((StatusCode::ACCEPTED, Json(json!({ "sentence": SENT }))))
}

/// Beside the answer, so that it took as long for those who have no account.
async fn look_up<S: Store, C: Core>(
    auth: Auth<S, C>,
    email: EmailAddress,
    from: IpAddr,
    public_url: String,
    place: OwnedSemaphorePermit,
) {
    let account = match auth.store.account_by_email(&email.key()).await {
        Ok(account) => account,
        Err(error) => {
            tracing::error!(%error, "a forgotten password was not looked up");
            auth.audit(email.reveal(), from, "forgot_password", Reason::StoreUnavailable.word()).await;
            return;
        }
    };
    let (who, outcome) = match account {
        None => (email.reveal().to_owned(), Err("unknown_address")),
        Some(account) => {
            let who = account.agent.login_name.clone();
            let letter = write(&auth, &account, from, &public_url).await;
            (who.clone(), letter.and_then(|letter| send(&auth, who, from, "forgot_password", letter)))
        }
    };
    if let Err(outcome) = outcome {
        auth.audit(&who, from, "forgot_password", outcome).await;
    }
    drop(place);
}

/// The letter to one account, its link written down; or the outcome where there is none.
async fn write<S: Store, C: Core>(
    auth: &Auth<S, C>,
    account: &Account,
    from: IpAddr,
    public_url: &str,
) -> Result<Letter, &'static str> {
    if !account.agent.enabled {
        return Err("disabled");
    }
    // To the address as its owner has it, never as the stranger wrote it.
    let to: EmailAddress = account.email.as_deref().and_then(|text| text.parse().ok()).ok_or("no_address")?;
    let (at, ours) = (auth.now(), account.way == Way::Local);
    let token = random_token().ok_or("no_randomness")?;
    let expires = at + LINK_LIVES;
    let reset =
        NewReset { token_sha256: sha256(&token), agent: account.agent.id, made: at, expires, live: ours };
    match auth.store.make_reset(reset).await {
        Ok(true) => {}
        Ok(false) => return Err("too_many_letters"),
        Err(error) => {
            tracing::error!(%error, "the link of a forgotten password was not written");
            return Err(Reason::StoreUnavailable.word());
        }
    }
    let from = from.to_string();
    if !ours {
        return Ok(letters::elsewhere(to, account, at, &from));
    }
    // What follows `#` is never sent to any server by a browser, so it stands in no log and no Referer.
    let link = Secret::new(format!("{public_url}/reset#{}", token.expose()));
    Ok(letters::reset(to, account, &link, at, expires, &from))
}

/// Hands the letter over; a task of its own brings it out and writes down how it went.
pub(crate) fn send<S: Store, C: Core>(
    auth: &Auth<S, C>,
    who: String,
    from: IpAddr,
    what: &'static str,
    letter: Letter,
) -> Result<(), &'static str> {
    let posted = auth.settings.mailer.post(letter).map_err(|error| error.word())?;
    let auth = auth.clone();
    tokio::spawn(async move {
        let delivered = posted.deliver().await;
        let outcome = delivered.outcome.as_ref().map_or_else(MailError::word, |_| "letter_sent");
        auth.audit(&who, from, what, outcome).await;
        drop(delivered);
    });
    Ok(())
}

#[derive(Deserialize)]
pub(crate) struct Look {
    token: Password,
}

/// `POST /api/reset/look`: whether the link still works. Uses nothing up.
pub(crate) async fn look<S: Store, C: Core>(
    State(auth): State<Auth<S, C>>,
    parts: Parts,
    body: Result<Json<Look>, JsonRejection>,
) -> Result<Json<Value>, Refusal> {
    check_host(&auth, &parts)?;
    let Json(Look { token }) = body?;
    let reset = auth.store.reset(hashed(&token.0)?, auth.now()).await?;
    let reset = reset.ok_or(Reason::LinkExpired)?;
    Ok(Json(json!({ "expires": reset.expires })))
}

#[derive(Deserialize)]
pub(crate) struct Choose {
    token: Password,
    new: Password,
}

/// `POST /api/reset`: the new password. Uses the link up, ends every session and the login, and logs nobody in.
pub(crate) async fn choose<S: Store, C: Core>(
    State(auth): State<Auth<S, C>>,
    parts: Parts,
    body: Result<Json<Choose>, JsonRejection>,
) -> Result<StatusCode, Refusal> {
    check_host(&auth, &parts)?;
    let Json(Choose { token, new: Password(new) }) = body?;
    let from = auth.client(&parts);
    if new.expose().len() > PASSWORD_BYTES_MAX {
        return Err(Reason::BadRequest.into());
    }
    let token = hashed(&token.0)?;
    // Rules and hash cost something; only who has a link that works makes us pay it.
    let reset = auth.store.reset(token, auth.now()).await?.ok_or(Reason::LinkExpired)?;
    let account = auth.store.account_by_id(reset.agent).await?.ok_or(Reason::LinkExpired)?;
    let who = account.agent.login_name.clone();
    let hash = change::accept(&auth, &account, new).await?;
    let now = auth.now();
    // Looked at again inside the transaction: of two that come at once, one changes the password.
    let Some(used) = auth.store.use_reset(token, now, hash, &from.to_string()).await? else {
        auth.audit(&who, from, "reset_password", Reason::LinkExpired.word()).await;
        return Err(Reason::LinkExpired.into());
    };
    if used.ended.is_some() {
        auth.core.poke();
        auth.poke();
    }
    auth.audit(&who, from, "reset_password", "changed").await;
    if let Some(to) = account.email.as_deref().and_then(|text| text.parse().ok()) {
        let letter = letters::changed(to, &account, now, &from.to_string());
        if let Err(outcome) = send(&auth, who.clone(), from, "tell_password_changed", letter) {
            auth.audit(&who, from, "tell_password_changed", outcome).await;
        }
    }
    Ok(StatusCode::NO_CONTENT)
}

fn hashed(token: &Secret) -> Result<[u8; 32], Refusal> {
    let letters = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    match token.expose().len() == TOKEN_LEN && token.expose().bytes().all(letters) {
        true => Ok(sha256(token)),
        false => Err(Reason::LinkExpired.into()),
    }
}

/// Whoever reaches us by another name than the configured one gets no letter sent (RFC 9110 §15.5.20). The link is made of the
/// configured name in any case; this stops what lies in between (a cache, a proxy) from making something of another Host.
/// This machine itself is always right: loopback addresses and `localhost`.
fn check_host<S: Store, C: Core>(auth: &Auth<S, C>, parts: &Parts) -> Result<(), Refusal> {
    let Some(public_url) = &auth.settings.public_url else { return Ok(()) };
    let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    // HTTP/2 has an authority in the request line instead.
    let host = parts.uri.authority().map(|authority| authority.as_str()).or(host).unwrap_or_default();
    let own = public_url.strip_prefix("https://").unwrap_or(public_url);
    match with_port(host).eq_ignore_ascii_case(&with_port(own)) || is_here(host) {
        true => Ok(()),
        false => Err(Reason::WrongHost.into()),
    }
}

fn with_port(host: &str) -> String {
    // The colons within the brackets of an IPv6 address are not of a port.
    let has_port = host.rsplit(']').next().unwrap_or_default().contains(':');
    if has_port { host.to_owned() } else { format!("{host}:443") }
}

fn is_here(host: &str) -> bool {
    let Ok(address) = with_port(host).parse::<SocketAddr>() else {
        return host.split(':').next().is_some_and(|name| name.eq_ignore_ascii_case("localhost"));
    };
    address.ip().to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twenty_letters_an_hour_from_one_place_and_not_one_more_at_any_moment() {
        let forgotten = Forgotten::default();
        let start = WallTime(1_000_000_000);
        let here: IpAddr = "192.0.2.1".parse().unwrap();
        for n in 0..20 {
            assert_eq!(forgotten.ask(start + Duration::from_secs(n), here), Ok(()));
        }
        assert_eq!(forgotten.ask(start + Duration::from_secs(20), here), Err(3580));
        assert_eq!(forgotten.ask(start + Duration::from_secs(20), "192.0.2.2".parse().unwrap()), Ok(()));
        assert_eq!(forgotten.ask(start + Duration::from_secs(3599), here), Err(1));
        assert_eq!(forgotten.ask(start + Duration::from_secs(3600), here), Ok(()));
        assert_eq!(forgotten.ask(start + Duration::from_secs(3600), here), Err(1));
        // Addresses of one /64 are one source.
        for n in 0..20 {
            assert_eq!(forgotten.ask(start, format!("2001:db8::{n:x}").parse().unwrap()), Ok(()));
        }
        assert!(forgotten.ask(start, "2001:db8::ffff".parse().unwrap()).is_err());
    }

    #[test]
    fn the_table_of_sources_is_bounded() {
        let forgotten = Forgotten::default();
        let now = WallTime(1_000_000_000);
        for n in 0..SOURCES_MAX as u32 + 20 {
            assert_eq!(forgotten.ask(now, IpAddr::from(n.to_be_bytes())), Ok(()), "{n}");
        }
        assert!(forgotten.ask(now, IpAddr::from([250, 0, 0, 1])).is_err(), "the strangers' share is used up");
        assert_eq!(forgotten.asks.lock().unwrap().len(), SOURCES_MAX + 1);
        assert_eq!(forgotten.ask(now + HOUR, IpAddr::from([250, 0, 0, 1])), Ok(()));
        assert_eq!(forgotten.asks.lock().unwrap().len(), 1);
    }

    #[test]
    fn names_of_this_machine_are_told_from_names_that_only_look_so() {
        for here in ["127.0.0.1", "127.0.0.1:8443", "localhost", "LOCALHOST:8443", "[::1]", "[::1]:8443"] {
            assert!(is_here(here), "{here}");
        }
        for there in [
            "",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "evil.example:127.0.0.1",
            "[::1",
            "192.0.2.1",
        ] {
            assert!(!is_here(there), "{there}");
        }
        assert_eq!(with_port("desk.example"), "desk.example:443");
        assert_eq!(with_port("[2001:db8::1]"), "[2001:db8::1]:443");
    }
}
