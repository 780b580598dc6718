//! Active Directory: one question at a time over LDAPS or StartTLS, never without. Who is it, is the password right, may the
//! account be used, which groups is it in. A server that does not answer within seconds is none.

use super::account::{ATTRIBUTES, Entry, Why, refused_bind};
use crate::request::random_token;
use ldap3::{
    Ldap, LdapConnAsync, LdapConnSettings, LdapError, LdapResult, Scope, SearchOptions, ldap_escape,
};
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use terms::{Role, Secret, Typology, WallTime};
use tokio::sync::Semaphore;

/// Questions under way at once; each has a connection of its own.
const QUESTIONS_MAX: usize = 32;
/// So many failures in a row and nobody waits for the server any more, for a while.
const FAILURES_MAX: u32 = 3;
const REST: Duration = Duration::from_secs(10);
/// Names in one question of the watcher: far below the thousand entries a server gives without paging.
const NAMES_AT_ONCE: usize = 50;
/// «Member, also by groups in groups» (MS-ADTS §3.1.1.3.4.4.3, LDAP_MATCHING_RULE_TRANSITIVE_EVAL).
const IN_CHAIN: &str = "1.2.840.113556.1.4.1941";
/// Longest login name that is asked for; Windows allows 20 characters, a UPN 1024 bytes.
const NAME_BYTES_MAX: usize = 256;

/// How a connection to the directory is protected. There is no third way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Protection {
    Ldaps,
    /// Plain until the server agreed to StartTLS (RFC 4513 §3); one that does not agree is not spoken to.
    StartTls,
}

/// Whoever may search, where names alone do not say whom to bind as.
#[derive(Clone)]
pub struct Service {
    pub dn: String,
    pub password: Secret,
}

impl PartialEq for Service {
    fn eq(&self, other: &Service) -> bool {
        self.dn == other.dn && self.password.expose() == other.password.expose()
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Service({})", self.dn)
    }
}

/// What `directory.toml` says.
#[derive(Clone, PartialEq, Debug)]
pub struct DirectorySettings {
    /// `ldaps://host[:port]` or `ldap://host[:port]` as the protection asks; tried in this order.
    pub servers: Vec<String>,
    pub protection: Protection,
    pub base: String,
    /// The attribute that holds the login name.
    pub login_attribute: String,
    /// Whom to look among, in LDAP's words (RFC 4515).
    pub user_filter: String,
    /// `cc.example.com`: people may write `ann@cc.example.com`; and they bind so where nobody may search for them.
    pub upn_suffix: Option<String>,
    /// `CC`: people may write `CC\ann`.
    pub netbios: Option<String>,
    pub service: Option<Service>,
    /// Groups by DN; the first that somebody is in, also by groups in groups, is their role. Where empty, roles are ours.
    pub roles: Vec<(String, Role)>,
    pub typologies: Vec<(String, Typology)>,
    pub typology_attribute: Option<String>,
    /// Whether a login also ends when wrong passwords locked the account in the directory.
    pub locked_ends_login: bool,
    /// Whose certificates are believed, in DER.
    pub roots: Vec<Vec<u8>>,
    /// For a whole question, all servers together.
    pub timeout: Duration,
    /// How often the accounts that sit are asked for.
    pub watch_every: Duration,
}

/// The server could not be asked. Nobody is let in for it and nobody thrown out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unavailable(pub String);

/// Somebody whose password was right and whose account may be used.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Person {
    pub dn: String,
    /// `None` where no groups are configured for it.
    pub role: Option<Role>,
    pub typology: Option<Typology>,
}

/// The way to ask. Counts failures: when the server is gone, the fourth asker is told at once.
pub struct Directory {
    pub settings: DirectorySettings,
    tls: Arc<rustls::ClientConfig>,
    slots: Semaphore,
    /// The server that answered last is asked first.
    first: AtomicUsize,
    breaker: Mutex<Breaker>,
}

#[derive(Default)]
struct Breaker {
    failures: u32,
    rests_until: Option<Instant>,
}

impl Breaker {
    fn rests(&self, now: Instant) -> bool {
        self.rests_until.is_some_and(|until| now < until)
    }

    fn heard(&mut self, now: Instant, answered: bool) {
        if answered {
            *self = Breaker::default();
            return;
        }
        self.failures = self.failures.saturating_add(1);
        if self.failures >= FAILURES_MAX {
            self.rests_until = Some(now + REST);
        }
    }
}

impl Directory {
    pub fn new(settings: DirectorySettings) -> Directory {
        Directory {
            tls: super::client(&settings.roots),
            settings,
            slots: Semaphore::new(QUESTIONS_MAX),
            first: AtomicUsize::new(0),
            breaker: Mutex::default(),
        }
    }

    /// The login name in what somebody typed: `ann`, `CC\ann` or `ann@cc.example.com`.
    pub fn login_name<'n>(&self, typed: &'n str) -> &'n str {
        let typed = typed.trim();
        if let (Some(netbios), Some((domain, name))) = (&self.settings.netbios, typed.split_once('\\'))
            && domain.eq_ignore_ascii_case(netbios)
        {
            return name;
        }
        match (&self.settings.upn_suffix, typed.rsplit_once('@')) {
            (Some(suffix), Some((name, domain))) if domain.eq_ignore_ascii_case(suffix) => name,
            _ => typed,
        }
    }

    /// Whether this name has this password and may be used. `ours` is whether there is such an agent: if not, the same
    /// questions are asked, so that the time tells nothing, but the password is tried on nobody.
    pub async fn check(
        &self,
        name: &str,
        password: &Secret,
        ours: bool,
        now: WallTime,
    ) -> Result<Result<Person, Why>, Unavailable> {
        // RFC 4513 §5.1.2: a bind with a name and no password succeeds and proves nothing.
        if password.expose().is_empty() || password.expose().contains('\0') {
            return Ok(Err(Why::EmptyPassword));
        }
        if !is_name(name) {
            return Ok(Err(Why::Unknown));
        }
        self.ask(async |ldap| match &self.settings.service {
            Some(service) => self.found_then_bound(ldap, service, name, password, ours, now).await,
            None => self.bound_then_found(ldap, name, password, ours, now).await,
        })
        .await
    }

    async fn found_then_bound(
        &self,
        ldap: &mut Ldap,
        service: &Service,
        name: &str,
        password: &Secret,
        ours: bool,
        now: WallTime,
    ) -> Result<Result<Person, Why>, Unavailable> {
        self.serve(ldap, service).await?;
        let found = self.find(ldap, name).await?;
        let entry = match found {
            Ok(entry) if ours => entry,
            other => {
                self.bind_nobody(ldap).await?;
                return Ok(Err(other.err().unwrap_or(Why::Unknown)));
            }
        };
        if let Err(why) = bind(ldap, &entry.dn, password).await? {
            return Ok(Err(why));
        }
        // As the person now. Read again: a right password is what ends a lock, and what was read before was before.
        self.person(ldap, &entry.dn, now).await
    }

    async fn bound_then_found(
        &self,
        ldap: &mut Ldap,
        name: &str,
        password: &Secret,
        ours: bool,
        now: WallTime,
    ) -> Result<Result<Person, Why>, Unavailable> {
        let suffix = self.settings.upn_suffix.as_deref().unwrap_or_default();
        if !ours {
            self.bind_nobody(ldap).await?;
            return Ok(Err(Why::Unknown));
        }
        if let Err(why) = bind(ldap, &format!("{name}@{suffix}"), password).await? {
            return Ok(Err(why));
        }
        match self.find(ldap, name).await? {
            Ok(entry) => self.person(ldap, &entry.dn, now).await,
            Err(why) => Ok(Err(why)),
        }
    }

    /// As many steps as a wrong password takes, on a name that nobody has.
    async fn bind_nobody(&self, ldap: &mut Ldap) -> Result<(), Unavailable> {
        let words = random_token().zip(random_token());
        let (name, password) = words.ok_or_else(|| Unavailable("the system gives no random bytes".into()))?;
        let dn = format!("CN={},{}", name.expose(), self.settings.base);
        bind(ldap, &dn, &password).await.map(drop)
    }

    async fn serve(&self, ldap: &mut Ldap, service: &Service) -> Result<(), Unavailable> {
        match bind(ldap, &service.dn, &service.password).await? {
            Ok(()) => Ok(()),
            Err(why) => Err(Unavailable(format!(
                "the service account {} is not let in: {}",
                service.dn,
                why.sentence()
            ))),
        }
    }

    /// The one entry of this name.
    async fn find(&self, ldap: &mut Ldap, name: &str) -> Result<Result<Entry, Why>, Unavailable> {
        let mut found =
            self.search(ldap, &self.filter(&[name]), Scope::Subtree, &self.settings.base, 2).await?;
        let Some(entry) = found.pop() else { return Ok(Err(Why::Unknown)) };
        if !found.is_empty() {
            return Ok(Err(Why::Ambiguous));
        }
        // Directories compare more loosely than we do: accents, widths of letters.
        let its = entry.text(&self.settings.login_attribute).unwrap_or_default();
        match its.to_lowercase() == name.to_lowercase() {
            true => Ok(Ok(entry)),
            false => Ok(Err(Why::AnotherName)),
        }
    }

    async fn person(
        &self,
        ldap: &mut Ldap,
        dn: &str,
        now: WallTime,
    ) -> Result<Result<Person, Why>, Unavailable> {
        let mut found = self.search(ldap, "(objectClass=*)", Scope::Base, dn, 1).await?;
        let Some(entry) = found.pop() else { return Ok(Err(Why::Unknown)) };
        if let Err(why) = entry.standing(now) {
            return Ok(Err(why));
        }
        let typology = match self.first_group(ldap, dn, &self.settings.typologies).await? {
            Some(typology) => Some(typology),
            None => self.settings.typology_attribute.as_ref().and_then(|name| typology(entry.text(name)?)),
        };
        let role = match self.settings.roles.is_empty() {
            true => None,
            // The directory is who says: whoever left the group is an agent again.
            false => Some(self.first_group(ldap, dn, &self.settings.roles).await?.unwrap_or(Role::Agent)),
        };
        Ok(Ok(Person { dn: entry.dn, role, typology }))
    }

    /// The first of these groups that `dn` is a member of, directly or by groups in groups.
    async fn first_group<T: Copy>(
        &self,
        ldap: &mut Ldap,
        dn: &str,
        groups: &[(String, T)],
    ) -> Result<Option<T>, Unavailable> {
        for (group, what) in groups {
            let filter = format!("(memberOf:{IN_CHAIN}:={})", ldap_escape(group.as_str()));
            if !self.search(ldap, &filter, Scope::Base, dn, 1).await?.is_empty() {
                return Ok(Some(*what));
            }
        }
        Ok(None)
    }

    /// How these names stand, by the service account: in the order of the names, `Unknown` for whom it does not find.
    pub async fn standings(
        &self,
        names: &[String],
        now: WallTime,
    ) -> Result<Vec<Result<(), Why>>, Unavailable> {
        let Some(service) = &self.settings.service else {
            return Err(Unavailable("without a service account nobody can be asked for".into()));
        };
        let mut standings = Vec::with_capacity(names.len());
        for names in names.chunks(NAMES_AT_ONCE) {
            let found = self.ask(async |ldap| {
                self.serve(ldap, service).await?;
                // A base that is not there finds nobody: that would say everybody is gone.
                if self.search(ldap, "(objectClass=*)", Scope::Base, &self.settings.base, 1).await?.is_empty()
                {
                    return Err(Unavailable(format!("there is no {}", self.settings.base)));
                }
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                self.search(ldap, &self.filter(&names), Scope::Subtree, &self.settings.base, 0).await
            });
            let found = found.await?;
            standings.extend(names.iter().map(|name| {
                let is = |entry: &&Entry| {
                    let its = entry.text(&self.settings.login_attribute).unwrap_or_default();
                    its.to_lowercase() == name.to_lowercase()
                };
                found.iter().find(is).map_or(Err(Why::Unknown), |entry| entry.standing(now))
            }));
        }
        Ok(standings)
    }

    /// What the directory answers about one name, step by step, in words: for an administrator who sets it up.
    pub async fn told(&self, name: &str, password: Option<&Secret>, now: WallTime) -> Vec<(bool, String)> {
        let mut told = Vec::new();
        for (i, server) in self.settings.servers.iter().enumerate() {
            match self.reach(i, self.settings.timeout).await {
                Ok(_) => told.push((true, format!("{server} answers, and its certificate is good."))),
                Err(error) => told.push((false, format!("{server} cannot be used: {error}."))),
            }
        }
        let name = self.login_name(name);
        if let Some(service) = &self.settings.service {
            let found = self.ask(async |ldap| {
                self.serve(ldap, service).await?;
                match self.find(ldap, name).await? {
                    Ok(entry) => Ok((entry.must_change(), self.person(ldap, &entry.dn, now).await?)),
                    Err(why) => Ok((false, Err(why))),
                }
            });
            match found.await {
                Ok((must_change, Ok(person))) => {
                    told.push((true, format!("{name} is {}.", person.dn)));
                    if must_change {
                        told.push((false, Why::MustChange.sentence().to_owned()));
                    }
                    told.extend(told_of(&person));
                }
                Ok((_, Err(why))) => told.push((false, format!("{name}: {}", why.sentence()))),
                Err(error) => told.push((false, format!("The search did not work: {error}."))),
            }
        }
        let Some(password) = password else { return told };
        match self.check(name, password, true, now).await {
            Ok(Ok(person)) => {
                told.push((true, "The password is right and the account may be used.".to_owned()));
                if self.settings.service.is_none() {
                    told.push((true, format!("{name} is {}.", person.dn)));
                    told.extend(told_of(&person));
                }
            }
            Ok(Err(why)) => told.push((false, why.sentence().to_owned())),
            Err(error) => told.push((false, format!("The password was not checked: {error}."))),
        }
        told
    }

    fn filter(&self, names: &[&str]) -> String {
        // RFC 4515 §3: what somebody typed never becomes part of the filter's own words.
        let attribute = &self.settings.login_attribute;
        let names: String =
            names.iter().map(|name| format!("({attribute}={})", ldap_escape(*name))).collect();
        format!("(&{}(|{names}))", self.settings.user_filter)
    }

    async fn search(
        &self,
        ldap: &mut Ldap,
        filter: &str,
        scope: Scope,
        base: &str,
        size: i32,
    ) -> Result<Vec<Entry>, Unavailable> {
        const SUCCESS: u32 = 0;
        const SIZE_LIMIT_EXCEEDED: u32 = 4;
        const NO_SUCH_OBJECT: u32 = 32;
        let mut wanted = ATTRIBUTES.to_vec();
        wanted.push(&self.settings.login_attribute);
        wanted.extend(self.settings.typology_attribute.as_deref());
        ldap.with_search_options(SearchOptions::new().sizelimit(size));
        let found = ldap.search(base, scope, filter, wanted).await.map_err(said)?;
        match found.1.rc {
            // A limit of ours was reached, and that is an answer; one of the server's leaves out somebody who is there.
            SIZE_LIMIT_EXCEEDED if size > 0 => Ok(found.0.into_iter().filter_map(Entry::read).collect()),
            SUCCESS => Ok(found.0.into_iter().filter_map(Entry::read).collect()),
            // Somebody removed the account between two questions.
            NO_SUCH_OBJECT if matches!(scope, Scope::Base) => Ok(Vec::new()),
            _ => Err(Unavailable(format!("the search in {base} was refused: {}", result(&found.1)))),
        }
    }

    /// Opens a connection to a server that answers and asks on it; everything within the time that is configured.
    async fn ask<T>(
        &self,
        question: impl AsyncFnOnce(&mut Ldap) -> Result<T, Unavailable>,
    ) -> Result<T, Unavailable> {
        if self.breaker().rests(Instant::now()) {
            return Err(Unavailable("it did not answer lately and is not asked for some seconds".into()));
        }
        let asked = async {
            let _slot = self.slots.acquire().await.map_err(|_| Unavailable("stopping".into()))?;
            let mut ldap = self.connect().await?;
            let answer = question(&mut ldap).await;
            // The answer is there; nobody waits for the farewell.
            tokio::spawn(async move { ldap.unbind().await });
            answer
        };
        let timeout = self.settings.timeout;
        let answer = match tokio::time::timeout(timeout, asked).await {
            Ok(answer) => answer,
            Err(_) => Err(Unavailable(format!("no answer within {} ms", timeout.as_millis()))),
        };
        self.breaker().heard(Instant::now(), answer.is_ok());
        if let Err(error) = &answer {
            tracing::warn!(%error, "directory not available");
        }
        answer
    }

    async fn connect(&self) -> Result<Ldap, Unavailable> {
        let servers = self.settings.servers.len().max(1);
        // Each server has its share of the time, or the first that is silent would use up all of it.
        let each = self.settings.timeout / u32::try_from(servers).unwrap_or(u32::MAX);
        let first = self.first.load(Ordering::Relaxed);
        let mut errors = Vec::new();
        for i in (0..servers).map(|i| (first + i) % servers) {
            match self.reach(i, each).await {
                Ok(ldap) => {
                    self.first.store(i, Ordering::Relaxed);
                    return Ok(ldap);
                }
                Err(Unavailable(error)) => {
                    errors.push(format!("{}: {error}", self.settings.servers.get(i).map_or("", |s| s)));
                }
            }
        }
        Err(Unavailable(errors.join("; ")))
    }

    async fn reach(&self, server: usize, within: Duration) -> Result<Ldap, Unavailable> {
        let url =
            self.settings.servers.get(server).ok_or_else(|| Unavailable("no server is named".into()))?;
        let settings = LdapConnSettings::new()
            .set_config(Arc::clone(&self.tls))
            .set_starttls(self.settings.protection == Protection::StartTls)
            .set_conn_timeout(within);
        let (connection, ldap) = LdapConnAsync::with_settings(settings, url).await.map_err(said)?;
        tokio::spawn(async move {
            if let Err(error) = connection.drive().await {
                tracing::debug!(%error, "connection to the directory ended");
            }
        });
        Ok(ldap)
    }

    fn breaker(&self) -> std::sync::MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn bind(ldap: &mut Ldap, dn: &str, password: &Secret) -> Result<Result<(), Why>, Unavailable> {
    let answer = ldap.simple_bind(dn, password.expose()).await.map_err(said)?;
    match answer.rc {
        0 => Ok(Ok(())),
        // RFC 4511 appendix A: busy, unavailable, and «not without TLS» are the server's trouble, not the person's.
        8 | 13 | 51 | 52 | 53 => Err(Unavailable(format!("the bind was refused: {}", result(&answer)))),
        rc => Ok(Err(refused_bind(rc, &answer.text))),
    }
}

fn result(answer: &LdapResult) -> String {
    let text = answer.text.trim_end_matches('\0');
    match text {
        "" => format!("LDAP result {}", answer.rc),
        text => format!("LDAP result {} ({text})", answer.rc),
    }
}

fn said(error: LdapError) -> Unavailable {
    Unavailable(match error {
        LdapError::LdapResult { result: answer } => result(&answer),
        LdapError::Timeout { .. } => "it does not answer".into(),
        other => other.to_string(),
    })
}

fn told_of(person: &Person) -> Vec<(bool, String)> {
    let mut told = Vec::new();
    if let Some(role) = person.role {
        told.push((true, format!("By its groups the role is {}.", role_word(role))));
    }
    if let Some(typology) = person.typology {
        told.push((true, format!("By the directory the agent works as {}.", typology_word(typology))));
    }
    told
}

fn role_word(role: Role) -> &'static str {
    match role {
        Role::Agent => "agent",
        Role::Supervisor => "supervisor",
        Role::Engineer => "engineer",
        Role::Administrator => "administrator",
    }
}

fn typology_word(typology: Typology) -> &'static str {
    match typology {
        Typology::Webrtc => "webrtc",
        Typology::External => "external",
        Typology::Phonebar => "phonebar",
    }
}

fn typology(text: &str) -> Option<Typology> {
    [Typology::Webrtc, Typology::External, Typology::Phonebar]
        .into_iter()
        .find(|typology| text.trim().eq_ignore_ascii_case(typology_word(*typology)))
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= NAME_BYTES_MAX
        && !name.contains(['@', '\\'])
        && !name.contains(char::is_control)
}

/// Whether a filter reads as one (RFC 4515), for whoever reads the configuration.
pub fn is_filter(text: &str) -> bool {
    text.starts_with('(') && ldap3::parse_filter(text).is_ok()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn settings() -> DirectorySettings {
        DirectorySettings {
            servers: vec!["ldaps://127.0.0.1:1".into()],
            protection: Protection::Ldaps,
            base: "DC=cc,DC=example".into(),
            login_attribute: "sAMAccountName".into(),
            user_filter: "(&(objectCategory=person)(objectClass=user))".into(),
            upn_suffix: Some("cc.example".into()),
            netbios: Some("CC".into()),
            service: Some(Service { dn: "CN=svc,DC=cc,DC=example".into(), password: Secret::new("s") }),
            roles: Vec::new(),
            typologies: Vec::new(),
            typology_attribute: None,
            locked_ends_login: false,
            roots: Vec::new(),
            timeout: Duration::from_millis(500),
            watch_every: Duration::from_secs(20),
        }
    }

    #[tokio::test]
    async fn an_empty_password_and_no_name_are_never_sent() {
        let directory = Directory::new(settings());
        for password in ["", "\0", "\0secret"] {
            let answer = directory.check("ann", &Secret::new(password), true, WallTime(0)).await;
            assert_eq!(answer, Ok(Err(Why::EmptyPassword)), "{password:?}");
        }
        for name in ["", "a\0b", "ann@elsewhere", "x\\ann", &"a".repeat(300)] {
            let answer = directory.check(name, &Secret::new("p"), true, WallTime(0)).await;
            assert_eq!(answer, Ok(Err(Why::Unknown)), "{name:?}");
        }
        assert_eq!(directory.breaker().failures, 0, "nobody was asked");
    }

    #[tokio::test]
    async fn a_server_that_is_gone_is_asked_three_times_and_then_rests() {
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = silent.local_addr().unwrap().port();
        let servers = vec!["ldaps://127.0.0.1:1".to_owned(), format!("ldaps://127.0.0.1:{port}")];
        let directory = Directory::new(DirectorySettings { servers, ..settings() });
        for _ in 0..FAILURES_MAX {
            let began = Instant::now();
            assert!(directory.check("ann", &Secret::new("p"), true, WallTime(0)).await.is_err());
            assert!(began.elapsed() < Duration::from_secs(2));
        }
        let began = Instant::now();
        let rests = directory.check("ann", &Secret::new("p"), true, WallTime(0)).await.unwrap_err();
        assert!(rests.0.contains("not asked"), "{rests}");
        assert!(began.elapsed() < Duration::from_millis(100));
    }

    #[test]
    fn the_breaker_closes_again_after_an_answer() {
        let mut breaker = Breaker::default();
        let now = Instant::now();
        for _ in 0..FAILURES_MAX {
            assert!(!breaker.rests(now));
            breaker.heard(now, false);
        }
        assert!(breaker.rests(now));
        assert!(!breaker.rests(now + REST), "then one more try");
        breaker.heard(now + REST, false);
        assert!(breaker.rests(now + REST + Duration::from_secs(1)));
        breaker.heard(now + REST + REST, true);
        assert!(!breaker.rests(now + REST + REST));
    }

    #[test]
    fn names_are_written_in_three_ways_and_never_change_the_filter() {
        let directory = Directory::new(settings());
        for typed in ["ann", " ann ", "CC\\ann", "cc\\ann", "ann@CC.example"] {
            assert_eq!(directory.login_name(typed), "ann", "{typed}");
        }
        assert_eq!(directory.login_name("ann@other.example"), "ann@other.example");
        assert_eq!(directory.login_name("OTHER\\ann"), "OTHER\\ann");
        let before = directory.filter(&["ann"]).matches(['(', ')', '*']).count();
        for evil in ["*", "ann)(objectClass=*", "ann)(|(a=*)", "*)(uid=*))(|(uid=*", "a\\2a", "a\u{0}b", "ä*"]
        {
            let filter = directory.filter(&[evil]);
            assert!(is_filter(&filter), "{filter}");
            assert_eq!(filter.matches(['(', ')', '*']).count(), before, "{filter}");
        }
        assert!(
            is_filter("(objectClass=user)")
                && !is_filter("objectClass=user")
                && !is_filter("(objectClass=user")
        );
    }
}
