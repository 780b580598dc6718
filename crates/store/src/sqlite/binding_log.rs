//! Bindings are written as a log, one row per commit, and folded into their table now and then. Reading is the table with
//! the log on top. A random REGISTER in the table dirties a page of its own and costs 19 µs in batches of 128; in the log 7, folding included.

use super::{Sqlite, failure, rows, sql};
use serde::Serialize;
use sqlx::Row;
use sqlx::sqlite::SqliteConnection;
use std::collections::{BTreeMap, BTreeSet};
use terms::{Aor, Binding, StoreError};

/// The log is folded when it has grown by this much: about forty thousand refreshes.
pub(super) const FOLD_AT_BYTES: usize = 16 << 20;
/// Rows of one statement while folding.
const FOLD_ROWS: usize = 1000;

const DROP_CONTACT: u8 = 0;
const PUT: u8 = 1;
const DROP_USER: u8 = 2;

/// The operations of one commit, in order: a kind, then its fields, each with its length before it.
#[derive(Default)]
pub(super) struct Ops(Vec<u8>);

impl Ops {
    pub(super) fn drop_contact(&mut self, aor: &Aor, contact: &str) {
        self.0.push(DROP_CONTACT);
        self.field(aor.as_str());
        self.field(contact);
    }

    pub(super) fn put(&mut self, binding: &Binding) -> Result<(), StoreError> {
        let body = serde_json::to_string(binding).map_err(|error| StoreError::Failed(error.to_string()))?;
        self.0.push(PUT);
        self.field(binding.aor.as_str());
        self.field(&binding.contact);
        self.field(binding.instance.as_deref().unwrap_or(""));
        self.0.extend(binding.reg_id.to_le_bytes());
        self.field(&body);
        Ok(())
    }

    /// Every binding of this user, whatever the domain: the device was removed.
    pub(super) fn drop_user(&mut self, user: &str) {
        self.0.push(DROP_USER);
        self.field(user);
    }

    fn field(&mut self, text: &str) {
        // Nothing that came in one SIP message is near 4 GiB.
        let len = u32::try_from(text.len()).unwrap_or(u32::MAX);
        self.0.extend(len.to_le_bytes());
        self.0.extend(&text.as_bytes()[..len as usize]);
    }

    /// Appends to the log, in the caller's transaction where there is one; how many bytes.
    pub(super) async fn append(self, connection: &mut SqliteConnection) -> Result<usize, StoreError> {
        let bytes = self.0.len();
        if bytes == 0 {
            return Ok(0);
        }
        sqlx::query(sql::BINDING_LOG_ADD).bind(self.0).execute(connection).await.map_err(failure)?;
        Ok(bytes)
    }
}

/// Address of record, contact, instance, reg-id.
type Key = (String, String, String, u32);

/// What a stretch of log comes to: users and contacts that go, then bindings that are.
#[derive(Default)]
struct Net {
    users: BTreeSet<String>,
    contacts: BTreeSet<(String, String)>,
    puts: BTreeMap<Key, String>,
}

impl Net {
    fn read(&mut self, ops: &[u8]) -> Option<()> {
        let mut rest = ops;
        while let Some((kind, more)) = rest.split_first() {
            rest = more;
            match *kind {
                DROP_CONTACT => {
                    let contact = (text(&mut rest)?.to_owned(), text(&mut rest)?.to_owned());
                    let from = (contact.0.clone(), contact.1.clone(), String::new(), 0);
                    self.forget(from, |key| key.0 == contact.0 && key.1 == contact.1);
                    self.contacts.insert(contact);
                }
                PUT => {
                    let (aor, contact, instance) = (text(&mut rest)?, text(&mut rest)?, text(&mut rest)?);
                    let (reg_id, more) = rest.split_first_chunk()?;
                    rest = more;
                    let key = (aor.into(), contact.into(), instance.into(), u32::from_le_bytes(*reg_id));
                    self.puts.insert(key, text(&mut rest)?.to_owned());
                }
                DROP_USER => {
                    let user = text(&mut rest)?;
                    let prefix = format!("{user}@");
                    let from = (prefix.clone(), String::new(), String::new(), 0);
                    self.forget(from, |key| key.0.starts_with(&prefix));
                    self.users.insert(user.to_owned());
                }
                _ => return None,
            }
        }
        Some(())
    }

    /// Removes the puts from `first` on, as long as they belong to what is dropped.
    fn forget(&mut self, first: Key, belongs: impl Fn(&Key) -> bool) {
        let gone = self.puts.range(first..).map(|(key, _)| key).take_while(|key| belongs(key));
        let gone: Vec<Key> = gone.cloned().collect();
        for key in gone {
            self.puts.remove(&key);
        }
    }
}

fn text<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    let (len, more) = rest.split_first_chunk()?;
    let (field, more) = more.split_at_checked(usize::try_from(u32::from_le_bytes(*len)).ok()?)?;
    *rest = more;
    std::str::from_utf8(field).ok()
}

/// The log as it stands, and the number of its last row.
async fn net(connection: &mut SqliteConnection) -> Result<(Net, i64), StoreError> {
    let log = sqlx::query(sql::BINDING_LOG_ALL).fetch_all(connection).await.map_err(failure)?;
    let mut net = Net::default();
    for row in &log {
        net.read(row.get(1)).ok_or_else(|| StoreError::Failed("the log of bindings does not read".into()))?;
    }
    Ok((net, log.last().map_or(0, |row| row.get(0))))
}

/// Bytes of the log, for when the process starts with one.
pub(super) async fn length(connection: &mut SqliteConnection) -> Result<usize, StoreError> {
    let row = sqlx::query(sql::BINDING_LOG_LENGTH).fetch_one(connection).await.map_err(failure)?;
    Ok(usize::try_from(row.get::<i64, _>(0)).unwrap_or(0))
}

/// Brings the table up to the log and empties the log, inside the caller's transaction. Rows go in in key order, so that
/// each page is touched once.
pub(super) async fn fold(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let (net, last) = net(connection).await?;
    for user in &net.users {
        sqlx::query(sql::BINDINGS_OF_DEVICE_DROP)
            .bind(user)
            .execute(&mut *connection)
            .await
            .map_err(failure)?;
    }
    let contacts: Vec<_> = net.contacts.iter().collect();
    for some in contacts.chunks(FOLD_ROWS) {
        sqlx::query(sql::BINDINGS_DROP)
            .bind(json(&some)?)
            .execute(&mut *connection)
            .await
            .map_err(failure)?;
    }
    let puts: Vec<_> = net.puts.iter().map(|(key, body)| (&key.0, &key.1, &key.2, key.3, body)).collect();
    for some in puts.chunks(FOLD_ROWS) {
        sqlx::query(sql::BINDINGS_PUT).bind(json(&some)?).execute(&mut *connection).await.map_err(failure)?;
    }
    sqlx::query(sql::BINDING_LOG_EMPTY).bind(last).execute(connection).await.map_err(failure)?;
    Ok(())
}

fn json<T: Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Failed(error.to_string()))
}

impl Sqlite {
    /// Table and log of one snapshot.
    pub(super) async fn read_bindings(&self) -> Result<Vec<Binding>, StoreError> {
        let mut reader = self.readers.acquire().await.map_err(failure)?;
        sqlx::query(sql::BEGIN_READ).execute(&mut *reader).await.map_err(failure)?;
        let bindings = collect(&mut reader).await;
        if sqlx::query(sql::COMMIT).execute(&mut *reader).await.is_err() {
            // A reader that cannot end its snapshot would show the past to whoever takes it next.
            let _ = reader.close().await;
        }
        bindings
    }
}

async fn collect(reader: &mut SqliteConnection) -> Result<Vec<Binding>, StoreError> {
    let table = sqlx::query(sql::BINDINGS_ALL).fetch_all(&mut *reader).await.map_err(failure)?;
    let (net, _) = net(reader).await?;
    let mut all: BTreeMap<Key, Binding> = BTreeMap::new();
    for row in &table {
        let binding: Binding = rows::json(row, 0)?;
        let contact = (binding.aor.as_str().to_owned(), binding.contact.clone());
        if net.users.contains(binding.aor.user()) || net.contacts.contains(&contact) {
            continue;
        }
        let instance = binding.instance.clone().unwrap_or_default();
        all.insert((contact.0, contact.1, instance, binding.reg_id), binding);
    }
    for (key, body) in net.puts {
        let binding = serde_json::from_str(&body).map_err(|error| StoreError::Failed(error.to_string()))?;
        all.insert(key, binding);
    }
    Ok(all.into_values().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_was_cut_or_changed_says_so_and_never_panics() {
        let mut ops = Ops::default();
        ops.drop_user("desk-17");
        ops.drop_contact(&Aor::new("desk-18", "example.com"), "sip:x@192.0.2.1");
        let mut net = Net::default();
        assert!(net.read(&ops.0).is_some());
        assert_eq!((net.users.len(), net.contacts.len(), net.puts.len()), (1, 1, 0));
        let whole = [1 + 4 + 7, ops.0.len()];
        for cut in 1..ops.0.len() {
            assert_eq!(Net::default().read(&ops.0[..cut]).is_some(), whole.contains(&cut), "{cut}");
        }
        for at in 0..ops.0.len() {
            let mut changed = ops.0.clone();
            changed[at] ^= 0xff;
            let _ = Net::default().read(&changed);
        }
        assert!(Net::default().read(&[9]).is_none());
    }
}
