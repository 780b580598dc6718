//! Tickets: one more page for a login that stands, without a password. A ticket is used once, soon, and from where it was
//! asked for; whoever tries it from elsewhere has burnt it.

use crate::memory::Memory;
use crate::sqlite::{Sqlite, db, failure, rows, sql};
use crate::{Stage, WebSession};
use sqlx::Row;
use sqlx::sqlite::SqliteConnection;
use std::collections::BTreeMap;
use terms::{Login, LoginId, StoreError, WallTime};

/// Tickets of one login that are open at once; a younger one puts the oldest out.
pub const TICKETS_PER_LOGIN_MAX: usize = 8;
/// Pages of one login that live at once. Past it a ticket opens none.
pub const SESSIONS_PER_LOGIN_MAX: usize = 32;

/// A ticket's row; what was handed out is stored only as SHA-256.
#[derive(Clone, Debug, PartialEq)]
pub struct Ticket {
    pub ticket_sha256: [u8; 32],
    pub login: LoginId,
    /// The address it was asked for from.
    pub from: String,
    pub created: WallTime,
    pub expires: WallTime,
}

/// Somebody shows a ticket, and the session it would become.
#[derive(Clone, Debug, PartialEq)]
pub struct TicketUse {
    pub ticket_sha256: [u8; 32],
    pub from: String,
    pub at: WallTime,
    pub token_sha256: [u8; 32],
    pub csrf: String,
    /// How long the session lives where no other session of the login says so.
    pub expires: WallTime,
}

#[derive(Clone, Debug, PartialEq)]
pub enum TicketUsed {
    /// The session is there, and lives as long as the login's longest other one.
    Granted {
        login: Login,
        expires: WallTime,
    },
    Refused(TicketRefusal),
}

/// Why a ticket opens nothing. For the log; whoever showed it is told one sentence for all.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TicketRefusal {
    /// Never handed out, used before, or put out by younger ones.
    Unknown,
    Late,
    Elsewhere,
    LoginOver,
    TooManyPages,
}

impl TicketRefusal {
    pub fn word(self) -> &'static str {
        match self {
            TicketRefusal::Unknown => "unknown_or_used",
            TicketRefusal::Late => "late",
            TicketRefusal::Elsewhere => "from_elsewhere",
            TicketRefusal::LoginOver => "login_over",
            TicketRefusal::TooManyPages => "too_many_pages",
        }
    }
}

/// Verbs about tickets.
pub trait Tickets {
    /// False where the login is over; then nothing was written.
    fn put_ticket(&self, ticket: Ticket) -> impl Future<Output = Result<bool, StoreError>> + Send;
    /// One transaction: whatever the answer, the ticket is worth nothing afterwards.
    fn use_ticket(&self, shown: TicketUse) -> impl Future<Output = Result<TicketUsed, StoreError>> + Send;
}

/// What the ticket is worth by itself; the login and its pages come after.
fn judge(from: &str, expires: WallTime, shown: &TicketUse) -> Option<TicketRefusal> {
    if shown.at >= expires {
        return Some(TicketRefusal::Late);
    }
    (from != shown.from).then_some(TicketRefusal::Elsewhere)
}

fn session_of(login: &Login, shown: &TicketUse, expires: WallTime) -> WebSession {
    WebSession {
        token_sha256: shown.token_sha256,
        agent: login.agent,
        login: Some(login.id),
        csrf: shown.csrf.clone(),
        created: shown.at,
        expires,
        seen: shown.at,
        from: shown.from.clone(),
        stage: Stage::In,
    }
}

/// The twin's table.
pub(crate) type InMemory = BTreeMap<[u8; 32], Ticket>;

impl Tickets for Memory {
    async fn put_ticket(&self, ticket: Ticket) -> Result<bool, StoreError> {
        let mut tables = self.writable()?;
        if tables.logins.get(&ticket.login).is_none_or(|login| login.ended.is_some()) {
            return Ok(false);
        }
        tables.tickets.retain(|_, old| old.expires > ticket.created);
        let mut mine: Vec<_> = tables.tickets.values().filter(|old| old.login == ticket.login).collect();
        mine.sort_by_key(|old| (old.created, old.ticket_sha256));
        let over = (mine.len() + 1).saturating_sub(TICKETS_PER_LOGIN_MAX);
        let out: Vec<[u8; 32]> = mine.iter().take(over).map(|old| old.ticket_sha256).collect();
        for old in out {
            tables.tickets.remove(&old);
        }
        tables.tickets.insert(ticket.ticket_sha256, ticket);
        Ok(true)
    }

    async fn use_ticket(&self, shown: TicketUse) -> Result<TicketUsed, StoreError> {
        let mut tables = self.writable()?;
        let refused = |why| Ok(TicketUsed::Refused(why));
        let Some(ticket) = tables.tickets.remove(&shown.ticket_sha256) else {
            return refused(TicketRefusal::Unknown);
        };
        if let Some(why) = judge(&ticket.from, ticket.expires, &shown) {
            return refused(why);
        }
        let login = tables.logins.get(&ticket.login).filter(|login| login.ended.is_none()).cloned();
        let Some(login) = login else { return refused(TicketRefusal::LoginOver) };
        let pages = tables
            .sessions
            .values()
            .filter(|page| !page.dead && page.row.login == Some(login.id) && page.row.expires > shown.at);
        let (count, longest) =
            pages.fold((0, None), |(n, most), page| (n + 1, most.max(Some(page.row.expires))));
        if count >= SESSIONS_PER_LOGIN_MAX {
            return refused(TicketRefusal::TooManyPages);
        }
        let expires = longest.unwrap_or(shown.expires);
        tables.insert_session(session_of(&login, &shown, expires));
        Ok(TicketUsed::Granted { login, expires })
    }
}

const LOGIN_STANDS: &str = "SELECT 1 FROM logins WHERE id = ? AND ended_at IS NULL";
const PRUNE: &str = "DELETE FROM tickets WHERE expires <= ?";
const PUT_OUT: &str = "DELETE FROM tickets WHERE login = ?1 AND ticket NOT IN
    (SELECT ticket FROM tickets WHERE login = ?1 ORDER BY created DESC, ticket DESC LIMIT ?2)";
const PUT: &str = "INSERT INTO tickets (ticket, login, source, created, expires) VALUES (?, ?, ?, ?, ?)";
const TAKE: &str = "DELETE FROM tickets WHERE ticket = ? RETURNING login, source, expires";
const PAGES: &str =
    "SELECT count(*), max(expires) FROM web_sessions WHERE login = ? AND dead = 0 AND expires > ?";

impl Tickets for Sqlite {
    async fn put_ticket(&self, ticket: Ticket) -> Result<bool, StoreError> {
        let mut writer = self.begin().await?;
        let outcome = put(&mut writer.connection, &ticket).await.map_err(failure);
        writer.finish(outcome).await
    }

    async fn use_ticket(&self, shown: TicketUse) -> Result<TicketUsed, StoreError> {
        let mut writer = self.begin().await?;
        let outcome = take(&mut writer.connection, &shown).await;
        writer.finish(outcome).await
    }
}

async fn put(connection: &mut SqliteConnection, ticket: &Ticket) -> Result<bool, sqlx::Error> {
    let login = db(ticket.login.0);
    if sqlx::query(LOGIN_STANDS).bind(login).fetch_optional(&mut *connection).await?.is_none() {
        return Ok(false);
    }
    sqlx::query(PRUNE).bind(ticket.created.0).execute(&mut *connection).await?;
    let keep = (TICKETS_PER_LOGIN_MAX - 1) as i64;
    sqlx::query(PUT_OUT).bind(login).bind(keep).execute(&mut *connection).await?;
    sqlx::query(PUT)
        .bind(ticket.ticket_sha256.to_vec())
        .bind(login)
        .bind(&ticket.from)
        .bind(ticket.created.0)
        .bind(ticket.expires.0)
        .execute(connection)
        .await?;
    Ok(true)
}

async fn take(connection: &mut SqliteConnection, shown: &TicketUse) -> Result<TicketUsed, StoreError> {
    let refused = |why| Ok(TicketUsed::Refused(why));
    let ask = sqlx::query(TAKE).bind(shown.ticket_sha256.to_vec());
    let Some(row) = ask.fetch_optional(&mut *connection).await.map_err(failure)? else {
        return refused(TicketRefusal::Unknown);
    };
    let id = LoginId(row.get::<i64, _>(0) as u64);
    if let Some(why) = judge(row.get(1), WallTime(row.get(2)), shown) {
        return refused(why);
    }
    let ask = sqlx::query(sql::LOGIN).bind(db(id.0));
    let login = ask.fetch_optional(&mut *connection).await.map_err(failure)?;
    let login = login.as_ref().map(rows::login).transpose()?.filter(|login| login.ended.is_none());
    let Some(login) = login else { return refused(TicketRefusal::LoginOver) };
    let ask = sqlx::query(PAGES).bind(db(id.0)).bind(shown.at.0);
    let pages = ask.fetch_one(&mut *connection).await.map_err(failure)?;
    if pages.get::<i64, _>(0) >= SESSIONS_PER_LOGIN_MAX as i64 {
        return refused(TicketRefusal::TooManyPages);
    }
    let expires = pages.get::<Option<i64>, _>(1).map_or(shown.expires, WallTime);
    crate::sqlite::sessions::put(connection, &session_of(&login, shown, expires)).await?;
    Ok(TicketUsed::Granted { login, expires })
}
