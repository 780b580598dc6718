//! Mail: a letter is taken into a short queue and brought to one mail server by SMTP. Nobody waits for it: neither a request
//! nor a call; whoever handed it in hears later how it went.

use lettre::address::Envelope;
use lettre::message::header::{ContentType, Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{
    AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters, TlsParametersBuilder,
};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::Response;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use terms::{EmailAddress, Secret};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// Letters under way, waiting ones too. A reset that finds the queue full is written to the audit log and lost.
const LETTERS_MAX: usize = 256;
/// Conversations with the mail server at once.
const CONVERSATIONS_MAX: usize = 4;
/// How long a letter waits before it is tried again, when what stood in its way may pass. The link in it lives an hour.
const AGAIN_AFTER: [Duration; 2] = [Duration::from_secs(15), Duration::from_secs(90)];
/// Letters that are being handed over when the service stops may be finished; those that wait for another try are given up.
const LAST_WORDS_MAX: Duration = Duration::from_secs(2);
/// What a mail server said is repeated so far.
const SAID_MAX: usize = 300;

/// How the way to the mail server is protected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MailTls {
    /// STARTTLS, and no letter without it (RFC 3207).
    StartTls,
    /// TLS from the first byte (RFC 8314 §3.3).
    Tls,
    /// Nothing. For a server on this machine.
    None,
}

impl MailTls {
    /// As `mail.toml` has it.
    pub fn word(self) -> &'static str {
        match self {
            MailTls::StartTls => "starttls",
            MailTls::Tls => "tls",
            MailTls::None => "none",
        }
    }
}

/// Where letters go out. `mail.toml` as it was read.
#[derive(Clone)]
pub struct MailSettings {
    pub host: String,
    pub port: u16,
    pub tls: MailTls,
    /// Shown to the server after TLS is up.
    pub credentials: Option<(String, Secret)>,
    pub from: EmailAddress,
    /// What we call ourselves (EHLO): a host name or an address.
    pub hello: String,
    /// Roots in DER that the server's certificate is verified with; those compiled in where empty.
    pub roots: Vec<Vec<u8>>,
    /// One attempt, from the connection to the last answer.
    pub timeout: Duration,
}

impl PartialEq for MailSettings {
    fn eq(&self, other: &MailSettings) -> bool {
        let key = |s: &MailSettings| {
            let credentials =
                s.credentials.as_ref().map(|(name, secret)| (name.clone(), secret.expose().to_owned()));
            (s.host.clone(), s.port, s.tls, credentials, s.from.clone(), s.hello.clone(), s.timeout)
        };
        key(self) == key(other) && self.roots == other.roots
    }
}

impl std::fmt::Debug for MailSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MailSettings({}:{}, {:?}, from {})", self.host, self.port, self.tls, self.from)
    }
}

/// A letter to one person.
#[derive(Clone)]
pub struct Letter {
    pub to: EmailAddress,
    /// Words of ours only: nothing a stranger chose stands in a header.
    pub subject: &'static str,
    /// May carry a link that is as good as a password, so it is never printed.
    pub text: Secret,
}

/// Why a letter did not go out, as a sentence.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum MailError {
    #[error("no mail server is set; write one into mail.toml")]
    NotSet,
    #[error("too many letters are waiting for the mail server")]
    QueueFull,
    #[error("the mail server {server} did not finish within {seconds} seconds")]
    TimedOut { server: String, seconds: u64 },
    #[error("the mail server {server} cannot be reached: {why}")]
    Unreachable { server: String, why: String },
    #[error("the mail server {server} does not offer STARTTLS, and without it nothing is sent")]
    NoStartTls { server: String },
    #[error("no trusted connection to the mail server {server}: {why}")]
    Untrusted { server: String, why: String },
    #[error("the mail server {server} offers no way to log in that we know (PLAIN or LOGIN)")]
    NoWayIn { server: String },
    #[error("the mail server {server} refused the username or the password: {said}")]
    LoginRefused { server: String, said: String },
    /// It answered the letter with a number of its own (RFC 5321 §4.2).
    #[error("the mail server {server} refused the letter: {said}")]
    Refused { server: String, said: String, passing: bool },
    #[error("the mail server {server} broke off: {why}")]
    BrokeOff { server: String, why: String },
    /// A letter is kept nowhere but in memory: its link is as good as a password, and of that only a hash is ever written down.
    #[error("the service stopped before the mail server took the letter")]
    Stopped,
    #[error("the letter cannot be written: {0}")]
    Unwritable(String),
}

impl MailError {
    /// Whether the same letter may go through a little later.
    pub fn passes(&self) -> bool {
        match self {
            MailError::TimedOut { .. } | MailError::Unreachable { .. } | MailError::BrokeOff { .. } => true,
            MailError::Refused { passing, .. } => *passing,
            _ => false,
        }
    }

    /// One word for the audit log.
    pub fn word(&self) -> &'static str {
        match self {
            MailError::NotSet => "mail_not_set",
            MailError::QueueFull => "mail_queue_full",
            MailError::TimedOut { .. } => "mail_timed_out",
            MailError::Unreachable { .. } => "mail_server_unreachable",
            MailError::NoStartTls { .. } => "mail_no_starttls",
            MailError::Untrusted { .. } => "mail_server_untrusted",
            MailError::NoWayIn { .. } | MailError::LoginRefused { .. } => "mail_login_refused",
            MailError::Refused { .. } => "mail_refused",
            MailError::BrokeOff { .. } => "mail_broke_off",
            MailError::Stopped => "lost_at_stop",
            MailError::Unwritable(_) => "mail_unwritable",
        }
    }
}

/// The way out for letters. Cheap to clone; all clones share one queue and one configuration, which may change while we run.
#[derive(Clone)]
pub struct Mailer(Arc<Inner>);

struct Inner {
    settings: RwLock<Option<Arc<MailSettings>>>,
    letters: Arc<Semaphore>,
    conversations: Semaphore,
    stopping: watch::Sender<bool>,
}

impl Default for Mailer {
    fn default() -> Mailer {
        Mailer::new(None)
    }
}

impl Mailer {
    pub fn new(settings: Option<MailSettings>) -> Mailer {
        Mailer(Arc::new(Inner {
            settings: RwLock::new(settings.map(Arc::new)),
            letters: Arc::new(Semaphore::new(LETTERS_MAX)),
            conversations: Semaphore::new(CONVERSATIONS_MAX),
            stopping: watch::Sender::new(false),
        }))
    }

    /// The service stops: no further letter is taken, what is being handed over may be finished, what waits is given up, and
    /// whoever handed it in hears so before this returns. How many are still not settled: none, as a rule.
    pub async fn close(&self) -> usize {
        self.0.stopping.send_replace(true);
        let all = u32::try_from(LETTERS_MAX).unwrap_or(u32::MAX);
        let settled = tokio::time::timeout(LAST_WORDS_MAX * 2, self.0.letters.acquire_many(all)).await;
        match settled {
            Ok(_) => 0,
            Err(_) => LETTERS_MAX.saturating_sub(self.0.letters.available_permits()),
        }
    }

    async fn stops(&self) {
        let mut stopping = self.0.stopping.subscribe();
        let _ = stopping.wait_for(|stopping| *stopping).await;
    }

    /// What `mail.toml` says, without secrets; `None`: nothing.
    pub fn describe(&self) -> Option<serde_json::Value> {
        let settings = self.settings()?;
        Some(serde_json::json!({
            "server": format!("{}:{}", settings.host, settings.port),
            "tls": settings.tls.word(),
            "username": settings.credentials.as_ref().map(|(name, _)| name.clone()),
            "from": settings.from.reveal(),
            "timeout_s": settings.timeout.as_secs(),
        }))
    }

    /// From the next conversation on letters go this way.
    pub fn change(&self, settings: Option<MailSettings>) {
        *self.0.settings.write().unwrap_or_else(PoisonError::into_inner) = settings.map(Arc::new);
    }

    /// Whether there is a mail server at all.
    pub fn is_set(&self) -> bool {
        self.settings().is_some()
    }

    fn settings(&self) -> Option<Arc<MailSettings>> {
        self.0.settings.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes a place in the queue, at once or not at all. The letter goes out when somebody runs `Posted::deliver`, in a task
    /// of its own.
    pub fn post(&self, letter: Letter) -> Result<Posted, MailError> {
        if !self.is_set() {
            return Err(MailError::NotSet);
        }
        if *self.0.stopping.borrow() {
            return Err(MailError::Stopped);
        }
        let place = Arc::clone(&self.0.letters).try_acquire_owned().map_err(|_| MailError::QueueFull)?;
        Ok(Posted { mailer: self.clone(), letter, place })
    }

    /// One attempt, now; what the server said when it took the letter. For people who wait to see whether mail works.
    pub async fn try_now(&self, letter: &Letter) -> Result<String, MailError> {
        let settings = self.settings().ok_or(MailError::NotSet)?;
        let talks = self.0.conversations.acquire().await;
        let outcome = deliver(&settings, letter).await;
        drop(talks);
        outcome
    }
}

/// A letter in the queue.
pub struct Posted {
    mailer: Mailer,
    letter: Letter,
    place: OwnedSemaphorePermit,
}

impl Posted {
    /// Brings it to the server, trying again where that may help. Minutes, when nobody answers there. Whoever keeps what comes
    /// back writes down how it went before it is dropped: a stop of the service waits for that.
    pub async fn deliver(self) -> Delivered {
        let mailer = self.mailer.clone();
        let cut = async {
            mailer.stops().await;
            tokio::time::sleep(LAST_WORDS_MAX).await;
        };
        let outcome = tokio::select! {
            outcome = self.try_and_try() => outcome,
            () = cut => Err(MailError::Stopped),
        };
        match &outcome {
            Ok(_) => tracing::info!(to = %self.letter.to, subject = self.letter.subject, "letter sent"),
            Err(error) => {
                tracing::error!(to = %self.letter.to, subject = self.letter.subject, %error, "letter lost")
            }
        }
        Delivered { outcome, _place: self.place }
    }

    async fn try_and_try(&self) -> Result<String, MailError> {
        let mut again = AGAIN_AFTER.iter();
        loop {
            let error = match self.mailer.try_now(&self.letter).await {
                Ok(said) => return Ok(said),
                Err(error) => error,
            };
            let Some(wait) = again.next().filter(|_| error.passes()) else { return Err(error) };
            tracing::warn!(to = %self.letter.to, %error, again_in_s = wait.as_secs(), "letter waits");
            tokio::select! {
                () = tokio::time::sleep(*wait) => {}
                () = self.mailer.stops() => return Err(MailError::Stopped),
            }
        }
    }
}

/// How it went. The letter's place in the queue is free when this is dropped.
pub struct Delivered {
    pub outcome: Result<String, MailError>,
    _place: OwnedSemaphorePermit,
}

/// What an administrator sends to see whether mail works.
pub fn test_letter(to: EmailAddress) -> Letter {
    let text = "Hello,\n\nthis is the letter that an administrator of Hotseat sent to see whether mail works. It does.\n";
    Letter { to, subject: "Mail from Hotseat works", text: Secret::new(text) }
}

/// RFC 3834 §5: a machine wrote this, so let no machine answer.
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }
    fn parse(_: &str) -> Result<AutoSubmitted, Box<dyn std::error::Error + Send + Sync>> {
        Ok(AutoSubmitted)
    }
    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".into())
    }
}

fn address(email: &EmailAddress) -> Result<lettre::Address, MailError> {
    lettre::Address::new(email.local(), email.domain())
        .map_err(|error| MailError::Unwritable(error.to_string()))
}

fn write(settings: &MailSettings, letter: &Letter) -> Result<(Envelope, Vec<u8>), MailError> {
    let unwritable = |error: lettre::error::Error| MailError::Unwritable(error.to_string());
    let (from, to) = (address(&settings.from)?, address(&letter.to)?);
    let id = crate::request::random_token().ok_or(MailError::Unwritable("no randomness".into()))?;
    let message = Message::builder()
        .from(Mailbox::new(Some("Hotseat".into()), from.clone()))
        .to(Mailbox::new(None, to.clone()))
        .subject(letter.subject)
        .message_id(Some(format!("<{}@{}>", id.expose(), settings.from.domain())))
        .date_now()
        .header(AutoSubmitted)
        .header(ContentType::TEXT_PLAIN)
        .body(letter.text.expose().to_owned())
        .map_err(unwritable)?;
    let envelope = Envelope::new(Some(from), vec![to]).map_err(unwritable)?;
    Ok((envelope, message.formatted()))
}

/// One whole conversation within the configured time.
async fn deliver(settings: &MailSettings, letter: &Letter) -> Result<String, MailError> {
    let (envelope, bytes) = write(settings, letter)?;
    let server = format!("{}:{}", settings.host, settings.port);
    match tokio::time::timeout(settings.timeout, talk(settings, &server, &envelope, &bytes)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(MailError::TimedOut { server, seconds: settings.timeout.as_secs() }),
    }
}

async fn talk(
    settings: &MailSettings,
    server: &str,
    envelope: &Envelope,
    bytes: &[u8],
) -> Result<String, MailError> {
    let server = || server.to_owned();
    let hello = match settings.hello.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => ClientId::Ipv4(ip),
        Ok(IpAddr::V6(ip)) => ClientId::Ipv6(ip),
        Err(_) => ClientId::Domain(settings.hello.clone()),
    };
    let tls = || {
        tls(settings)
            .map_err(|error| MailError::Untrusted { server: server(), why: clean(&error.to_string()) })
    };
    let first = if settings.tls == MailTls::Tls { Some(tls()?) } else { None };
    // Every address of the name is tried in turn: a server that listens on IPv4 only is reached as `localhost` too.
    let addresses = resolve(&settings.host, settings.port)
        .await
        .map_err(|error| MailError::Unreachable { server: server(), why: error.to_string() })?;
    let connected =
        AsyncSmtpConnection::connect_tokio1(addresses.as_slice(), None, &hello, first, None).await;
    let mut talk = connected.map_err(|error| failed(server(), &error))?;
    if settings.tls == MailTls::StartTls {
        if !talk.can_starttls() {
            talk.abort().await;
            return Err(MailError::NoStartTls { server: server() });
        }
        talk.starttls(tls()?, &hello).await.map_err(|error| failed(server(), &error))?;
    }
    if let Some((name, password)) = &settings.credentials {
        let credentials = Credentials::new(name.clone(), password.expose().to_owned());
        talk.auth(&[Mechanism::Plain, Mechanism::Login], &credentials).await.map_err(|error| {
            match (error.status().is_some(), error.is_client()) {
                (true, _) => MailError::LoginRefused { server: server(), said: said_by(&error) },
                (false, true) => MailError::NoWayIn { server: server() },
                (false, false) => failed(server(), &error),
            }
        })?;
    }
    let taken = talk.send(envelope, bytes).await.map_err(|error| failed(server(), &error))?;
    // It is theirs now, whatever becomes of the farewell.
    let _ = talk.quit().await;
    Ok(said(&taken))
}

async fn resolve(host: &str, port: u16) -> std::io::Result<Vec<SocketAddr>> {
    let found: Vec<SocketAddr> = tokio::net::lookup_host((host, port)).await?.collect();
    match found.is_empty() {
        true => Err(std::io::Error::other("the name has no address")),
        false => Ok(found),
    }
}

fn tls(settings: &MailSettings) -> Result<TlsParameters, lettre::transport::smtp::Error> {
    let mut builder = TlsParametersBuilder::new(settings.host.clone());
    if !settings.roots.is_empty() {
        builder = builder.certificate_store(CertificateStore::None);
        for root in &settings.roots {
            builder = builder.add_root_certificate(Certificate::from_der(root.clone())?);
        }
    }
    builder.build()
}

fn failed(server: String, error: &lettre::transport::smtp::Error) -> MailError {
    if error.status().is_some() {
        return MailError::Refused { server, said: said_by(error), passing: error.is_transient() };
    }
    let why = clean(&root_of(error));
    // A certificate nobody trusts surfaces as an I/O error around rustls' own words.
    if error.is_tls() || why.contains("certificate") {
        return MailError::Untrusted { server, why };
    }
    let text = error.to_string();
    match text.starts_with("Connection error") {
        true => MailError::Unreachable { server, why },
        false => MailError::BrokeOff { server, why },
    }
}

/// The innermost cause: it says most.
fn root_of(error: &dyn std::error::Error) -> String {
    let mut at = error;
    while let Some(source) = at.source() {
        at = source;
    }
    at.to_string()
}

fn said_by(error: &lettre::transport::smtp::Error) -> String {
    let code = error.status().map_or_else(String::new, |code| format!("{code} "));
    clean(&format!("{code}{}", root_of(error)))
}

fn said(response: &Response) -> String {
    let words: Vec<&str> = response.message().collect();
    clean(&format!("{} {}", response.code(), words.join(" ")))
}

/// What a server says goes to logs and pages: no control characters, and no novel.
fn clean(text: &str) -> String {
    let text = text.trim();
    text.chars().take(SAID_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> MailSettings {
        MailSettings {
            host: "127.0.0.1".into(),
            port: 25,
            tls: MailTls::None,
            credentials: Some(("hotseat".into(), Secret::new("s3cret"))),
            from: "hotseat@example.com".parse().unwrap(),
            hello: "desk.example.com".into(),
            roots: Vec::new(),
            timeout: Duration::from_secs(2),
        }
    }

    fn letter() -> Letter {
        Letter {
            to: "ann@example.com".parse().unwrap(),
            subject: "A test",
            text: Secret::new("Grüße\n.\nBcc: all@example.com\n"),
        }
    }

    #[test]
    fn a_letter_has_its_headers_and_its_text_adds_none() {
        let (envelope, bytes) = write(&settings(), &letter()).unwrap();
        assert_eq!(envelope.to().len(), 1);
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        for wanted in [
            "From: Hotseat <hotseat@example.com>",
            "To: ann@example.com",
            "Subject: A test",
            "Auto-Submitted: auto-generated",
            "Message-ID: <",
            "Date: ",
            "Content-Type: text/plain; charset=utf-8",
        ] {
            assert!(head.contains(wanted), "{wanted}\n{text}");
        }
        assert!(!head.contains("Bcc") && body.contains("Bcc"), "{text}");
    }

    #[test]
    fn secrets_are_not_printed_and_a_changed_password_is_a_change() {
        let one = settings();
        assert!(!format!("{one:?}").contains("s3cret"));
        let mut other = one.clone();
        assert!(one == other);
        other.credentials = Some(("hotseat".into(), Secret::new("other")));
        assert!(one != other);
    }

    #[test]
    fn a_server_cannot_write_lines_into_our_log() {
        assert_eq!(clean("550 no\r\nauth ok\u{1b}[2J"), "550 no  auth ok [2J");
        assert_eq!(clean(&"x".repeat(5000)).len(), SAID_MAX);
    }

    #[tokio::test]
    async fn the_queue_ends_and_a_place_comes_back() {
        let mailer = Mailer::new(Some(settings()));
        let mut posted: Vec<_> = (0..LETTERS_MAX).map(|_| mailer.post(letter()).unwrap()).collect();
        assert!(matches!(mailer.post(letter()), Err(MailError::QueueFull)));
        posted.pop();
        assert!(mailer.post(letter()).is_ok());
        mailer.change(None);
        assert!(matches!(mailer.post(letter()), Err(MailError::NotSet)));
    }
}
