//! Bindings are written as a log, one row per commit, and folded into their table now and then. Reading is the table with
//! the log on top. A random REGISTER in the table would dirty a page of its own; in the log a hundred share a few pages.
//! Bindings are packed (`terms::Packed`); what older versions wrote as JSON, in either place, is read as well.

use super::{Sqlite, failure, rows, sql};
use futures_util::TryStreamExt;
use serde::Serialize;
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, TypeInfo, ValueRef};
use std::collections::{BTreeMap, BTreeSet};
use terms::{Aor, Binding, PackedRef, StoreError};

/// The log is folded when it has grown by this much: forty to eighty thousand refreshes.
pub(super) const FOLD_AT_BYTES: usize = 8 << 20;
/// Contacts that go in one statement while folding.
const FOLD_DROPS: usize = 1000;
/// Bindings that come in one statement while folding.
const FOLD_PUTS: usize = 128;

const DROP_CONTACT: u8 = 0;
/// As version 0.1 wrote it: contact, instance and reg-id apart, then the binding as JSON. Only read.
const PUT_JSON: u8 = 1;
const DROP_USER: u8 = 2;
const PUT: u8 = 3;

/// The operations of one commit, in order: a kind, then its fields, each with its length before it.
#[derive(Default)]
pub(super) struct Ops(Vec<u8>);

impl Ops {
    pub(super) fn drop_contact(&mut self, aor: &Aor, contact: &str) {
        self.0.push(DROP_CONTACT);
        self.field(aor.as_str());
        self.field(contact);
    }

    pub(super) fn put(&mut self, binding: &Binding) {
        self.0.push(PUT);
        self.field(binding.aor.as_str());
        // The length is known when the binding is written.
        let at = self.0.len();
        self.0.extend([0; 4]);
        terms::pack(binding, &mut self.0);
        let length = u32::try_from(self.0.len() - at - 4).unwrap_or(u32::MAX);
        self.0[at..at + 4].copy_from_slice(&length.to_le_bytes());
    }

    /// Every binding of this user, whatever the domain: the device was removed.
    pub(super) fn drop_user(&mut self, user: &str) {
        self.0.push(DROP_USER);
        self.field(user);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
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
    /// Packed.
    puts: BTreeMap<Key, Vec<u8>>,
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
                    let (aor, packed) = (text(&mut rest)?, bytes(&mut rest)?);
                    self.put(aor, PackedRef::read(packed)?, packed.to_owned());
                }
                PUT_JSON => {
                    let (_, _, _) = (text(&mut rest)?, text(&mut rest)?, text(&mut rest)?);
                    let (_, more) = rest.split_first_chunk::<4>()?;
                    rest = more;
                    let binding: Binding = serde_json::from_str(text(&mut rest)?).ok()?;
                    let packed = packed(&binding);
                    self.put(binding.aor.as_str(), PackedRef::read(&packed)?, packed.clone());
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

    fn put(&mut self, aor: &str, read: PackedRef<'_>, packed: Vec<u8>) {
        let instance = read.instance.unwrap_or("");
        self.puts.insert((aor.into(), read.contact.into(), instance.into(), read.reg_id), packed);
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

fn bytes<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (len, more) = rest.split_first_chunk()?;
    let (field, more) = more.split_at_checked(usize::try_from(u32::from_le_bytes(*len)).ok()?)?;
    *rest = more;
    Some(field)
}

fn text<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    std::str::from_utf8(bytes(rest)?).ok()
}

fn packed(binding: &Binding) -> Vec<u8> {
    let mut bytes = Vec::new();
    terms::pack(binding, &mut bytes);
    bytes
}

/// The log as it stands, and the number of its last row. Row by row, for it is long.
async fn net(connection: &mut SqliteConnection) -> Result<(Net, i64), StoreError> {
    let mut log = sqlx::query(sql::BINDING_LOG_ALL).fetch(connection);
    let (mut net, mut last) = (Net::default(), 0);
    while let Some(row) = log.try_next().await.map_err(failure)? {
        net.read(row.get(1)).ok_or_else(|| StoreError::Failed("the log of bindings does not read".into()))?;
        last = row.get(0);
    }
    Ok((net, last))
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
    for some in contacts.chunks(FOLD_DROPS) {
        sqlx::query(sql::BINDINGS_DROP)
            .bind(json(&some)?)
            .execute(&mut *connection)
            .await
            .map_err(failure)?;
    }
    let puts: Vec<_> = net.puts.into_iter().collect();
    for some in puts.chunks(FOLD_PUTS) {
        put(connection, some).await?;
    }
    sqlx::query(sql::BINDING_LOG_EMPTY).bind(last).execute(connection).await.map_err(failure)?;
    Ok(())
}

async fn put(connection: &mut SqliteConnection, rows: &[(Key, Vec<u8>)]) -> Result<(), StoreError> {
    let mut statement = String::with_capacity(sql::BINDINGS_PUT.len() + rows.len() * 14);
    statement.push_str(sql::BINDINGS_PUT);
    for row in 0..rows.len() {
        statement.push_str(if row == 0 { sql::BINDINGS_PUT_ROW } else { sql::BINDINGS_PUT_NEXT });
    }
    // Only the full one comes again; the rest of a fold is of any length.
    let mut query = sqlx::query(AssertSqlSafe(statement)).persistent(rows.len() == FOLD_PUTS);
    for ((aor, contact, instance, reg_id), packed) in rows {
        query = query.bind(aor).bind(contact).bind(instance).bind(reg_id).bind(packed);
    }
    query.execute(connection).await.map_err(failure)?;
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
        let binding = binding(row)?;
        let contact = (binding.aor.as_str().to_owned(), binding.contact.clone());
        if net.users.contains(binding.aor.user()) || net.contacts.contains(&contact) {
            continue;
        }
        let instance = binding.instance.clone().unwrap_or_default();
        all.insert((contact.0, contact.1, instance, binding.reg_id), binding);
    }
    for (key, packed) in net.puts {
        let binding = unpacked(&key.0, &packed)?;
        all.insert(key, binding);
    }
    Ok(all.into_values().collect())
}

/// A row of the table: packed, or the JSON of an older version.
fn binding(row: &SqliteRow) -> Result<Binding, StoreError> {
    let body = row.try_get_raw(1).map_err(failure)?;
    if body.type_info().name() == "TEXT" {
        return rows::json(row, 1);
    }
    unpacked(row.get(0), row.get(1))
}

fn unpacked(aor: &str, packed: &[u8]) -> Result<Binding, StoreError> {
    let read = PackedRef::read(packed);
    let read = read.ok_or_else(|| StoreError::Failed(format!("the binding of {aor} does not read")))?;
    // As it was written, so there is nothing to normalise.
    let (user, domain) = aor.rsplit_once('@').unwrap_or((aor, ""));
    Ok(read.binding(Aor::new(user, domain)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binding() -> Binding {
        Binding {
            aor: Aor::new("desk-18", "example.com"),
            contact: "sip:y@192.0.2.1".into(),
            instance: Some("urn:uuid:1".into()),
            reg_id: 1,
            call_id: "c".into(),
            cseq: 1,
            q: 1000,
            expires: terms::WallTime(1),
            registered: terms::WallTime(0),
            flow: terms::Flow::udp(([192, 0, 2, 1], 1).into(), ([192, 0, 2, 2], 2).into()),
            path: vec![],
            user_agent: "u".into(),
        }
    }

    #[test]
    fn a_log_that_was_cut_or_changed_says_so_and_never_panics() {
        let mut ops = Ops::default();
        ops.drop_user("desk-17");
        let first = ops.0.len();
        ops.drop_contact(&Aor::new("desk-18", "example.com"), "sip:x@192.0.2.1");
        let second = ops.0.len();
        ops.put(&binding());
        let mut net = Net::default();
        assert!(net.read(&ops.0).is_some());
        assert_eq!((net.users.len(), net.contacts.len(), net.puts.len()), (1, 1, 1));
        let whole = [first, second];
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

    #[tokio::test]
    async fn what_an_older_version_wrote_as_json_is_read_and_folded() {
        let folder = std::env::temp_dir().join(format!("hotseat-json-{}", std::process::id()));
        let key = || crate::SealingKey::generate([7; 32]);
        let store = Sqlite::open(folder.join("old.db"), key()).await.unwrap();
        let in_table = Binding { contact: "sip:t@192.0.2.1".into(), ..binding() };
        let in_log = Binding { contact: "sip:l@192.0.2.1".into(), ..binding() };
        let mut ops = Ops(vec![PUT_JSON]);
        for field in [in_log.aor.as_str(), &in_log.contact, "urn:uuid:1"] {
            ops.field(field);
        }
        ops.0.extend(in_log.reg_id.to_le_bytes());
        ops.field(&serde_json::to_string(&in_log).unwrap());
        {
            let mut writer = store.writer.lock().await;
            let insert = "INSERT INTO bindings (aor, contact, instance, reg_id, body) VALUES (?, ?, ?, ?, ?)";
            let old = sqlx::query(insert).bind(in_table.aor.as_str()).bind(&in_table.contact);
            let old = old.bind("urn:uuid:1").bind(1).bind(serde_json::to_string(&in_table).unwrap());
            old.execute(&mut writer.connection).await.unwrap();
            ops.append(&mut writer.connection).await.unwrap();
        }
        let both = [in_log, in_table];
        assert_eq!(store.read_bindings().await.unwrap(), both);
        fold(&mut store.writer.lock().await.connection).await.unwrap();
        assert_eq!(store.read_bindings().await.unwrap(), both);
        store.close().await;
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
