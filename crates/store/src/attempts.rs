//! Attempts at a password: how many wrong ones, from where, which browsers have logged in before, and which passwords were.
//! Names that belong to nobody are counted as those that do, so that nothing tells them apart.

use crate::memory::{Memory, Tables};
use crate::sqlite::{Sqlite, db, failure};
use crate::{BlockReason, Blocked, input};
use hotdesk::lockout::{Block, Charge, FORGOTTEN_AFTER, Limit, Tallies, Tally, charge, give_back};
use serde_json::json;
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use std::collections::{BTreeMap, VecDeque};
use terms::{AgentId, StoreError, WallTime};

/// Browsers remembered of one account; the one not seen longest goes first.
pub const KNOWN_BROWSERS_MAX: usize = 16;
/// Old passwords kept of one account.
pub const OLD_PASSWORDS_MAX: usize = 12;
/// Tallies kept. Beyond, those of places and of names that are nobody's go, the oldest first; an account's own stays.
const TALLIES_MAX: usize = 50_000;
/// So many go at once, so that looking for them is rare.
const TALLIES_GO: usize = 1_000;

/// Somebody is about to show a password.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempt {
    /// As it was typed.
    pub login_name: String,
    /// The network it comes from.
    pub source: String,
    /// SHA-256 of the cookie by which a browser says that it was here before.
    pub browser: Option<[u8; 32]>,
    pub at: WallTime,
    pub limit: Limit,
}

/// What `charge_attempt` took, and from whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charged {
    pub charge: Charge,
    /// The browser has logged into this account before, and its own count was charged.
    pub known: bool,
}

/// How an attempt that was charged came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The counts it was measured by begin anew; the browser is known from now on.
    Right { agent: AgentId, browser: [u8; 32] },
    /// Only worth telling where it blocks: counted it is already.
    Wrong,
    /// Nobody had the time to look: it does not count.
    NotLooked,
}

/// Verbs about attempts and old passwords.
pub trait Attempts {
    /// Takes one attempt before the password is looked at; what it takes is on the disk when this returns. `hotdesk::lockout`
    /// decides.
    fn charge_attempt(&self, attempt: &Attempt) -> impl Future<Output = Result<Charged, StoreError>> + Send;
    fn settle_attempt(
        &self,
        attempt: &Attempt,
        charged: Charged,
        verdict: Verdict,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
    /// When this browser logged into the account last.
    fn browser_seen(
        &self,
        agent: AgentId,
        browser: [u8; 32],
    ) -> impl Future<Output = Result<Option<WallTime>, StoreError>> + Send;
    fn know_browser(
        &self,
        agent: AgentId,
        browser: [u8; 32],
        at: WallTime,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
    /// Lifts every block of the account, whatever the reason, and forgets what was counted. Whether there was a block.
    fn unlock_agent(
        &self,
        agent: AgentId,
        at: WallTime,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;
    /// Hashes of the passwords before the present one, the newest first.
    fn old_passwords(
        &self,
        agent: AgentId,
        most: u32,
    ) -> impl Future<Output = Result<Vec<String>, StoreError>> + Send;
    /// Sessions of the agent that sit nowhere, but for this one.
    fn drop_other_sessions(
        &self,
        agent: AgentId,
        keep: [u8; 32],
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// Where tallies of the whole account stand.
const ACCOUNT: &str = "";

/// The places an attempt is measured by, as rows name them.
fn source_place(attempt: &Attempt) -> String {
    format!("from:{}", attempt.source)
}

fn browser_place(browser: [u8; 32]) -> String {
    browser.iter().fold(String::from("browser:"), |text, byte| text + &format!("{byte:02x}"))
}

fn gather(attempt: &Attempt, known: bool, mut tally: impl FnMut(&str) -> Tally) -> Tallies {
    Tallies {
        account: tally(ACCOUNT),
        source: tally(&source_place(attempt)),
        browser: attempt.browser.filter(|_| known).map(|browser| tally(&browser_place(browser))),
    }
}

/// The tallies that are this attempt's business, with their places.
fn scatter(attempt: &Attempt, tallies: &Tallies) -> Vec<(String, Tally)> {
    match (tallies.browser, attempt.browser) {
        (Some(tally), Some(browser)) => vec![(browser_place(browser), tally)],
        _ => vec![(ACCOUNT.to_owned(), tallies.account), (source_place(attempt), tallies.source)],
    }
}

fn forget_at(tally: &Tally) -> Option<WallTime> {
    let silent = tally.last + FORGOTTEN_AFTER;
    match tally.blocked {
        None => Some(silent),
        Some(Block { until, .. }) => until.map(|until| until.max(silent)),
    }
}

/// A block by wrong passwords on the account's row, for administrators to see.
fn shown(block: Block) -> Blocked {
    Blocked { since: block.since, until: block.until, why: BlockReason::WrongPasswords }
}

/// Whether a new block shows over the one that is written already: never over one that somebody set on purpose, and never
/// over one that lasts longer.
fn shows_over(new: Blocked, old: Option<Blocked>) -> bool {
    old.is_none_or(|old| {
        let shorter = old.until.is_some_and(|end| new.until.is_none_or(|until| until >= end));
        old.why == BlockReason::WrongPasswords && shorter || !old.holds(new.since)
    })
}

/// The twin's tables.
#[derive(Default)]
pub(crate) struct Kept {
    tallies: BTreeMap<(String, String), Tally>,
    known: BTreeMap<(AgentId, [u8; 32]), WallTime>,
    old: BTreeMap<AgentId, VecDeque<String>>,
}

impl Kept {
    /// The account gets another password: this was the one before.
    pub(crate) fn replaced(&mut self, agent: AgentId, hash: Option<String>) {
        let old = self.old.entry(agent).or_default();
        hash.into_iter().for_each(|hash| old.push_front(hash));
        old.truncate(OLD_PASSWORDS_MAX);
    }

    pub(crate) fn unlocked(&mut self, login_name: &str) {
        let name = input::login_key(login_name);
        self.tallies.retain(|(tried, _), _| *tried != name);
    }

    pub(crate) fn leaves(&mut self, agent: AgentId, login_name: &str) {
        self.unlocked(login_name);
        self.known.retain(|(of, _), _| *of != agent);
        self.old.remove(&agent);
    }

    fn know(&mut self, agent: AgentId, browser: [u8; 32], at: WallTime) {
        self.known.insert((agent, browser), at);
        let of_agent = self.known.iter().filter(|((of, _), _)| *of == agent);
        if of_agent.clone().count() > KNOWN_BROWSERS_MAX
            && let Some(oldest) = of_agent.min_by_key(|(_, seen)| **seen).map(|(key, _)| *key)
        {
            self.known.remove(&oldest);
        }
    }

    fn put(&mut self, name: &str, tallies: Vec<(String, Tally)>, now: WallTime, accounts: &[String]) {
        for (place, tally) in tallies {
            self.tallies.insert((name.to_owned(), place), tally);
        }
        self.tallies.retain(|_, tally| forget_at(tally).is_none_or(|at| at > now));
        if self.tallies.len() > TALLIES_MAX {
            let may_go = |key: &&(String, String)| key.1 != ACCOUNT || !accounts.contains(&key.0);
            let mut oldest: Vec<_> = self.tallies.keys().filter(may_go).cloned().collect();
            oldest.sort_by_key(|key| self.tallies.get(key).map(|tally| tally.last));
            oldest.iter().take(TALLIES_GO).for_each(|key| {
                self.tallies.remove(key);
            });
        }
    }
}

impl Tables {
    fn tallies_of(&self, attempt: &Attempt, known: bool) -> Tallies {
        let name = input::login_key(&attempt.login_name);
        gather(attempt, known, |place| {
            let key = (name.clone(), place.to_owned());
            self.attempts.tallies.get(&key).copied().unwrap_or_default()
        })
    }

    fn put_tallies(&mut self, attempt: &Attempt, tallies: &Tallies) {
        let name = input::login_key(&attempt.login_name);
        let accounts: Vec<String> = match self.attempts.tallies.len() < TALLIES_MAX {
            true => Vec::new(),
            false => self.agents.values().map(|p| input::login_key(&p.account.agent.login_name)).collect(),
        };
        self.attempts.put(&name, scatter(attempt, tallies), attempt.at, &accounts);
    }
}

impl Attempts for Memory {
    async fn charge_attempt(&self, attempt: &Attempt) -> Result<Charged, StoreError> {
        let mut tables = self.writable()?;
        let name = input::login_key(&attempt.login_name);
        let account = tables.agents.values().find(|p| input::login_key(&p.account.agent.login_name) == name);
        let agent = account.map(|person| person.account.agent.id);
        let known =
            attempt.browser.zip(agent).is_some_and(|(b, a)| tables.attempts.known.contains_key(&(a, b)));
        let mut tallies = tables.tallies_of(attempt, known);
        let charge = charge(&mut tallies, attempt.limit, attempt.at);
        tables.put_tallies(attempt, &tallies);
        Ok(Charged { charge, known })
    }

    async fn settle_attempt(
        &self,
        attempt: &Attempt,
        charged: Charged,
        verdict: Verdict,
    ) -> Result<(), StoreError> {
        let mut tables = self.writable()?;
        let name = input::login_key(&attempt.login_name);
        let mut tallies = tables.tallies_of(attempt, charged.known);
        match (verdict, charged.charge) {
            (Verdict::Right { agent, browser }, _) => {
                for (place, _) in scatter(attempt, &tallies) {
                    tables.attempts.tallies.remove(&(name.clone(), place));
                }
                tables.attempts.know(agent, browser, attempt.at);
            }
            (Verdict::Wrong, Charge::Taken { blocks: Some(block) }) => {
                let new = shown(block);
                let mut people = tables.agents.values_mut();
                if let Some(person) = people.find(|p| input::login_key(&p.account.agent.login_name) == name)
                    && shows_over(new, person.account.blocked)
                {
                    person.account.blocked = Some(new);
                }
            }
            (Verdict::NotLooked, Charge::Taken { .. }) => {
                give_back(&mut tallies, attempt.at);
                tables.put_tallies(attempt, &tallies);
            }
            (Verdict::Wrong | Verdict::NotLooked, _) => {}
        }
        Ok(())
    }

    async fn browser_seen(&self, agent: AgentId, browser: [u8; 32]) -> Result<Option<WallTime>, StoreError> {
        Ok(self.tables().attempts.known.get(&(agent, browser)).copied())
    }

    async fn know_browser(&self, agent: AgentId, browser: [u8; 32], at: WallTime) -> Result<(), StoreError> {
        self.writable()?.attempts.know(agent, browser, at);
        Ok(())
    }

    async fn unlock_agent(&self, agent: AgentId, at: WallTime) -> Result<bool, StoreError> {
        let mut tables = self.writable()?;
        let Some(person) = tables.agents.get_mut(&agent) else {
            return Err(StoreError::Failed(format!("there is no agent {agent}")));
        };
        let shown = person.account.blocked.take().is_some_and(|blocked| blocked.holds(at));
        let login_name = person.account.agent.login_name.clone();
        let name = input::login_key(&login_name);
        let mut tallies = tables.attempts.tallies.iter();
        let counted = tallies.any(|((tried, _), tally)| *tried == name && tally.is_blocked(at));
        tables.attempts.unlocked(&login_name);
        Ok(shown || counted)
    }

    async fn old_passwords(&self, agent: AgentId, most: u32) -> Result<Vec<String>, StoreError> {
        let tables = self.tables();
        let old = tables.attempts.old.get(&agent).into_iter().flatten();
        Ok(old.take(most as usize).cloned().collect())
    }

    async fn drop_other_sessions(&self, agent: AgentId, keep: [u8; 32]) -> Result<(), StoreError> {
        self.forget_pending(agent, Some(keep))
    }
}

impl Attempts for Sqlite {
    async fn charge_attempt(&self, attempt: &Attempt) -> Result<Charged, StoreError> {
        let mut writer = self.begin().await?;
        let charged = charge_row(&mut writer.connection, attempt).await;
        writer.finish(charged).await
    }

    async fn settle_attempt(
        &self,
        attempt: &Attempt,
        charged: Charged,
        verdict: Verdict,
    ) -> Result<(), StoreError> {
        let mut writer = self.begin().await?;
        let done = settle_row(&mut writer.connection, attempt, charged, verdict).await;
        writer.finish(done).await
    }

    async fn browser_seen(&self, agent: AgentId, browser: [u8; 32]) -> Result<Option<WallTime>, StoreError> {
        let ask = sqlx::query(BROWSER_SEEN).bind(db(agent.0)).bind(browser.to_vec());
        let row = ask.fetch_optional(&self.readers).await.map_err(failure)?;
        Ok(row.map(|row| WallTime(row.get(0))))
    }

    async fn know_browser(&self, agent: AgentId, browser: [u8; 32], at: WallTime) -> Result<(), StoreError> {
        let mut writer = self.begin().await?;
        let done = know_row(&mut writer.connection, agent, browser, at).await;
        writer.finish(done).await
    }

    async fn unlock_agent(&self, agent: AgentId, at: WallTime) -> Result<bool, StoreError> {
        let mut writer = self.begin().await?;
        let done = unlock_row(&mut writer.connection, agent, at).await;
        writer.finish(done).await
    }

    async fn old_passwords(&self, agent: AgentId, most: u32) -> Result<Vec<String>, StoreError> {
        let ask = sqlx::query(OLD_PASSWORDS).bind(db(agent.0)).bind(most);
        let rows = ask.fetch_all(&self.readers).await.map_err(failure)?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    async fn drop_other_sessions(&self, agent: AgentId, keep: [u8; 32]) -> Result<(), StoreError> {
        let mut writer = self.begin().await?;
        let gone = sqlx::query(OTHER_SESSIONS_DROP).bind(db(agent.0)).bind(keep.to_vec());
        let done = gone.execute(&mut writer.connection).await.map_err(failure);
        writer.finish(done.map(drop)).await
    }
}

async fn charge_row(connection: &mut SqliteConnection, attempt: &Attempt) -> Result<Charged, StoreError> {
    let name = input::login_key(&attempt.login_name);
    // Asked without a cookie too: whoever measures sees no difference.
    let browser = attempt.browser.unwrap_or_default();
    let ask = sqlx::query(BROWSER_KNOWN).bind(&name).bind(browser.to_vec());
    let found = ask.fetch_optional(&mut *connection).await.map_err(failure)?.is_some();
    let known = found && attempt.browser.is_some();
    let (mut tallies, new) = tallies_of(connection, &name, attempt, known).await?;
    let charge = charge(&mut tallies, attempt.limit, attempt.at);
    put_tallies(connection, &name, &scatter(attempt, &tallies)).await?;
    let forget = sqlx::query(TALLIES_FORGET).bind(attempt.at.0);
    forget.execute(&mut *connection).await.map_err(failure)?;
    if new {
        shorten(connection).await?;
    }
    Ok(Charged { charge, known })
}

/// The tallies, and whether the name was never tried before.
async fn tallies_of(
    connection: &mut SqliteConnection,
    name: &str,
    attempt: &Attempt,
    known: bool,
) -> Result<(Tallies, bool), StoreError> {
    let mut places = vec![ACCOUNT.to_owned(), source_place(attempt)];
    places.extend(attempt.browser.map(browser_place));
    let ask = sqlx::query(TALLIES).bind(name).bind(json!(places).to_string());
    let rows = ask.fetch_all(connection).await.map_err(failure)?;
    let found: BTreeMap<String, Tally> = rows.iter().map(|row| (row.get(0), tally(row))).collect();
    let new = !found.contains_key(ACCOUNT);
    Ok((gather(attempt, known, |place| found.get(place).copied().unwrap_or_default()), new))
}

fn tally(row: &SqliteRow) -> Tally {
    let since: Option<i64> = row.get(4);
    let until: Option<i64> = row.get(5);
    Tally {
        wrong: row.get(1),
        last: WallTime(row.get(2)),
        times: row.get(3),
        blocked: since.map(|since| Block { since: WallTime(since), until: until.map(WallTime) }),
    }
}

async fn put_tallies(
    connection: &mut SqliteConnection,
    name: &str,
    tallies: &[(String, Tally)],
) -> Result<(), StoreError> {
    let row = |(place, tally): &(String, Tally)| {
        let since = tally.blocked.map(|block| block.since.0);
        let until = tally.blocked.and_then(|block| block.until).map(|until| until.0);
        json!([place, tally.wrong, tally.last.0, tally.times, since, until, forget_at(tally).map(|at| at.0)])
    };
    let rows: Vec<_> = tallies.iter().map(row).collect();
    let put = sqlx::query(TALLIES_PUT).bind(name).bind(json!(rows).to_string());
    put.execute(connection).await.map_err(failure)?;
    Ok(())
}

async fn shorten(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let count = sqlx::query(TALLIES_COUNT).fetch_one(&mut *connection).await.map_err(failure)?;
    if count.get::<i64, _>(0) > TALLIES_MAX as i64 {
        let go = sqlx::query(TALLIES_SHORTEN).bind(TALLIES_GO as i64);
        go.execute(connection).await.map_err(failure)?;
    }
    Ok(())
}

async fn settle_row(
    connection: &mut SqliteConnection,
    attempt: &Attempt,
    charged: Charged,
    verdict: Verdict,
) -> Result<(), StoreError> {
    let name = input::login_key(&attempt.login_name);
    match (verdict, charged.charge) {
        (Verdict::Right { agent, browser }, _) => {
            let places: Vec<String> = match attempt.browser.filter(|_| charged.known) {
                Some(browser) => vec![browser_place(browser)],
                None => vec![ACCOUNT.to_owned(), source_place(attempt)],
            };
            let clear = sqlx::query(TALLIES_CLEAR).bind(&name).bind(json!(places).to_string());
            clear.execute(&mut *connection).await.map_err(failure)?;
            know_row(connection, agent, browser, attempt.at).await
        }
        (Verdict::Wrong, Charge::Taken { blocks: Some(block) }) => {
            let new = shown(block);
            let show = sqlx::query(AGENT_SHOW_BLOCK)
                .bind(&name)
                .bind(new.since.0)
                .bind(new.until.map(|until| until.0));
            show.execute(connection).await.map_err(failure)?;
            Ok(())
        }
        (Verdict::NotLooked, Charge::Taken { .. }) => {
            let (mut tallies, _) = tallies_of(connection, &name, attempt, charged.known).await?;
            give_back(&mut tallies, attempt.at);
            put_tallies(connection, &name, &scatter(attempt, &tallies)).await
        }
        (Verdict::Wrong | Verdict::NotLooked, _) => Ok(()),
    }
}

async fn know_row(
    connection: &mut SqliteConnection,
    agent: AgentId,
    browser: [u8; 32],
    at: WallTime,
) -> Result<(), StoreError> {
    let put = sqlx::query(BROWSER_PUT).bind(db(agent.0)).bind(browser.to_vec()).bind(at.0);
    put.execute(&mut *connection).await.map_err(failure)?;
    let shorten = sqlx::query(BROWSERS_SHORTEN).bind(db(agent.0)).bind(KNOWN_BROWSERS_MAX as i64);
    shorten.execute(connection).await.map_err(failure)?;
    Ok(())
}

async fn unlock_row(
    connection: &mut SqliteConnection,
    agent: AgentId,
    at: WallTime,
) -> Result<bool, StoreError> {
    let ask = sqlx::query(AGENT_BLOCKED).bind(db(agent.0)).bind(at.0);
    let Some(row) = ask.fetch_optional(&mut *connection).await.map_err(failure)? else {
        return Err(StoreError::Failed(format!("there is no agent {agent}")));
    };
    // A trigger forgets the tallies with it.
    sqlx::query(AGENT_UNLOCK).bind(db(agent.0)).execute(connection).await.map_err(failure)?;
    Ok(row.get(0))
}

const BROWSER_KNOWN: &str = "SELECT 1 FROM known_browsers k JOIN agents a ON a.id = k.agent
    WHERE a.login_key = ? AND k.token = ?";
const BROWSER_SEEN: &str = "SELECT seen FROM known_browsers WHERE agent = ? AND token = ?";
const BROWSER_PUT: &str = "INSERT OR REPLACE INTO known_browsers (agent, token, seen) VALUES (?, ?, ?)";
const BROWSERS_SHORTEN: &str = "DELETE FROM known_browsers WHERE agent = ?1 AND token IN
    (SELECT token FROM known_browsers WHERE agent = ?1 ORDER BY seen DESC LIMIT -1 OFFSET ?2)";
const TALLIES: &str = "SELECT place, wrong, last, times, blocked_since, blocked_until FROM login_attempts
    WHERE name = ? AND place IN (SELECT value FROM json_each(?))";
const TALLIES_PUT: &str = "INSERT OR REPLACE INTO login_attempts
    (name, place, wrong, last, times, blocked_since, blocked_until, forget_at)
    SELECT ?1, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6
    FROM json_each(?2)";
const TALLIES_CLEAR: &str =
    "DELETE FROM login_attempts WHERE name = ? AND place IN (SELECT value FROM json_each(?))";
const TALLIES_FORGET: &str = "DELETE FROM login_attempts WHERE forget_at < ?";
const TALLIES_COUNT: &str = "SELECT count(*) FROM login_attempts";
const TALLIES_SHORTEN: &str = "DELETE FROM login_attempts WHERE (name, place) IN
    (SELECT name, place FROM login_attempts
     WHERE place <> '' OR name NOT IN (SELECT login_key FROM agents) ORDER BY last LIMIT ?)";
const AGENT_SHOW_BLOCK: &str = "UPDATE agents
    SET blocked_at = ?2, blocked_until = ?3, blocked_why = 'wrong_passwords'
    WHERE login_key = ?1 AND (blocked_at IS NULL OR blocked_until <= ?2
        OR (blocked_why = 'wrong_passwords' AND blocked_until <= coalesce(?3, blocked_until)))";
const AGENT_BLOCKED: &str = "SELECT (blocked_at IS NOT NULL AND coalesce(blocked_until, ?2 + 1) > ?2)
        OR EXISTS (SELECT 1 FROM login_attempts t WHERE t.name = login_key
            AND t.blocked_since IS NOT NULL AND coalesce(t.blocked_until, ?2 + 1) > ?2)
    FROM agents WHERE id = ?1";
const AGENT_UNLOCK: &str =
    "UPDATE agents SET blocked_at = NULL, blocked_until = NULL, blocked_why = NULL WHERE id = ?";
const OLD_PASSWORDS: &str = "SELECT hash FROM old_passwords WHERE agent = ? ORDER BY id DESC LIMIT ?";
const OTHER_SESSIONS_DROP: &str = "DELETE FROM web_sessions WHERE agent = ? AND login IS NULL AND token <> ?";
