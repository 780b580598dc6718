//! Accounts as those see them who look after them: found, and listed a page at a time.

use crate::sqlite::{failure, rows, sql};
use crate::{Account, Memory, Sqlite, input};
use sqlx::Row;
use terms::{StoreError, WallTime};

/// An account and when its owner sat down last.
#[derive(Clone, Debug)]
pub struct Listed {
    pub account: Account,
    pub last_login: Option<WallTime>,
}

/// What a store must be able to do for those who look after accounts.
pub trait People: Send + Sync + 'static {
    /// Accounts by login name, those after `after` (a login name) only; `find` is a part of login name, display name,
    /// extension or address, whatever the case (of the display name: of ASCII letters).
    fn accounts_page(
        &self,
        find: &str,
        after: &str,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<Listed>, StoreError>> + Send;
    /// Accounts that are blocked at `now`, by login name.
    fn blocked_accounts(&self, now: WallTime)
    -> impl Future<Output = Result<Vec<Listed>, StoreError>> + Send;
}

impl People for Memory {
    async fn accounts_page(&self, find: &str, after: &str, limit: u32) -> Result<Vec<Listed>, StoreError> {
        let (key, ascii, after) =
            (input::login_key(find), find.to_ascii_lowercase(), input::login_key(after));
        let mut found = self.listed(|account| {
            let agent = &account.agent;
            let login = input::login_key(&agent.login_name);
            login > after
                && (login.contains(&key)
                    || agent.display_name.to_ascii_lowercase().contains(&ascii)
                    || agent.extension.contains(&ascii)
                    || account.email.as_deref().is_some_and(|own| input::email_key(own).contains(&key)))
        });
        found.truncate(limit as usize);
        Ok(found)
    }

    async fn blocked_accounts(&self, now: WallTime) -> Result<Vec<Listed>, StoreError> {
        Ok(self.listed(|account| account.blocked.is_some_and(|blocked| blocked.holds(now))))
    }
}

impl Memory {
    /// By login name.
    fn listed(&self, wanted: impl Fn(&Account) -> bool) -> Vec<Listed> {
        let tables = self.tables();
        let people = tables.agents.values().map(|person| &person.account).filter(|account| wanted(account));
        let mut found: Vec<Listed> = people
            .map(|account| {
                let logins = tables.logins.values().filter(|login| login.agent == account.agent.id);
                Listed { account: account.clone(), last_login: logins.map(|login| login.since).max() }
            })
            .collect();
        found.sort_by_cached_key(|listed| input::login_key(&listed.account.agent.login_name));
        found
    }
}

impl People for Sqlite {
    async fn accounts_page(&self, find: &str, after: &str, limit: u32) -> Result<Vec<Listed>, StoreError> {
        let ask = sqlx::query(sql::AGENTS_PAGE)
            .bind(input::login_key(after))
            .bind(input::login_key(find))
            .bind(find.to_ascii_lowercase())
            .bind(limit);
        ask.fetch_all(&self.readers).await.map_err(failure)?.iter().map(listed).collect()
    }

    async fn blocked_accounts(&self, now: WallTime) -> Result<Vec<Listed>, StoreError> {
        let ask = sqlx::query(sql::AGENTS_BLOCKED).bind(now.0);
        ask.fetch_all(&self.readers).await.map_err(failure)?.iter().map(listed).collect()
    }
}

fn listed(row: &sqlx::sqlite::SqliteRow) -> Result<Listed, StoreError> {
    let last_login: Option<i64> = row.try_get("last_login").map_err(failure)?;
    Ok(Listed { account: rows::account(row)?, last_login: last_login.map(WallTime) })
}
