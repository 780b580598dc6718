//! The twin without a disk, for simulated worlds and tests: the same verbs, the same outcomes, gone when it is dropped.

use crate::input;
use crate::{
    Account, AddError, AuditEntry, AuditLine, AuditLog, Changes, Claim, Claimed, Decision, NewAgent,
    NewDevice, Stage, Store, TAKEOVER_WINDOW_MS, Upgrade, WebSession,
};
use hotdesk::claim::{Rows, decide};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use terms::{
    Agent, AgentId, Aor, Binding, CallId, CallRecord, Device, DeviceId, EndReason, Epoch, Login, LoginEnd,
    LoginEndReason, LoginId, Pii, StoreError, StoreWrite, WallTime,
};

/// The store in memory.
#[derive(Default)]
pub struct Memory {
    tables: Mutex<Tables>,
}

#[derive(Default)]
pub(crate) struct Tables {
    last_agent: u64,
    last_device: u64,
    last_login: u64,
    pub(crate) agents: BTreeMap<AgentId, Person>,
    pub(crate) identities: BTreeMap<AgentId, crate::vouched::Bond>,
    devices: BTreeMap<DeviceId, Device>,
    pub(crate) logins: BTreeMap<LoginId, Login>,
    pub(crate) sessions: BTreeMap<[u8; 32], Session>,
    pub(crate) tickets: crate::tickets::InMemory,
    pub(crate) disowned: crate::disown::InMemory,
    bindings: BTreeMap<BindingKey, Binding>,
    records: BTreeMap<CallId, CallRecord>,
    pub(crate) audit: VecDeque<AuditLine>,
    pub(crate) last_audit: u64,
    pub(crate) factors: crate::factors::Shelf,
    pub(crate) resets: BTreeMap<[u8; 32], crate::resets::Link>,
    seq: u64,
    changes: BTreeMap<Thing, u64>,
    pub(crate) attempts: crate::attempts::Kept,
    refusing: Option<StoreError>,
}

/// Address of record, contact, instance, reg-id.
type BindingKey = (Aor, String, Option<String>, u32);

pub(crate) struct Person {
    pub(crate) account: Account,
    last_epoch: Epoch,
}

pub(crate) struct Session {
    pub(crate) row: WebSession,
    pub(crate) dead: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Thing {
    Agent(AgentId),
    Device(DeviceId),
    Login(LoginId),
}

impl Memory {
    pub fn new() -> Memory {
        Memory::default()
    }

    /// From now on whatever would write answers with this error, as a full disk or a busy database would; `None` makes it
    /// well again.
    pub fn refuse_writes(&self, error: Option<StoreError>) {
        self.tables().refusing = error;
    }

    pub(crate) fn writable(&self) -> Result<MutexGuard<'_, Tables>, StoreError> {
        let tables = self.tables();
        match &tables.refusing {
            Some(error) => Err(error.clone()),
            None => Ok(tables),
        }
    }

    pub(crate) fn tables(&self) -> MutexGuard<'_, Tables> {
        // Every change below is complete before anything can panic, so a poisoned lock guards sound tables.
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tables {
    fn touch(&mut self, thing: Thing) {
        self.seq += 1;
        self.changes.insert(thing, self.seq);
    }

    /// A new page; tombstones and pending ones whose time is over go.
    pub(crate) fn insert_session(&mut self, row: WebSession) {
        let now = row.created;
        self.sessions.retain(|_, old| old.row.expires >= now || (old.row.login.is_some() && !old.dead));
        self.sessions.insert(row.token_sha256, Session { row, dead: false });
    }

    pub(crate) fn login_of(&self, agent: AgentId) -> Option<&Login> {
        self.logins.values().find(|login| login.agent == agent && login.ended.is_none())
    }

    fn login_at(&self, device: DeviceId) -> Option<&Login> {
        self.logins.values().find(|login| login.place.device() == Some(device) && login.ended.is_none())
    }

    pub(crate) fn end(
        &mut self,
        id: LoginId,
        why: LoginEndReason,
        at: WallTime,
        from: &str,
    ) -> Option<Login> {
        let login = self.logins.get_mut(&id).filter(|login| login.ended.is_none())?;
        login.ended = Some(LoginEnd { at, why, from: from.to_owned() });
        let ended = login.clone();
        for session in self.sessions.values_mut().filter(|session| session.row.login == Some(id)) {
            session.dead = true;
        }
        self.touch(Thing::Login(id));
        Some(ended)
    }

    /// The agent's login, if one stands, and every session that sits nowhere.
    pub(crate) fn end_all_of(
        &mut self,
        agent: AgentId,
        why: LoginEndReason,
        at: WallTime,
        from: &str,
    ) -> Option<Login> {
        let open = self.login_of(agent).map(|login| login.id);
        let ended = open.and_then(|login| self.end(login, why, at, from));
        self.sessions.retain(|_, session| session.row.agent != agent || session.row.login.is_some());
        ended
    }

    fn claim(&mut self, claim: &Claim, session: Option<Upgrade>) -> Claimed {
        let Some(person) = self.agents.get(&claim.agent).filter(|person| person.account.agent.enabled) else {
            return Claimed::UnknownAgent;
        };
        let last_epoch = person.last_epoch;
        let device = claim.place.device();
        if device.is_some_and(|id| !self.devices.get(&id).is_some_and(|device| device.enabled)) {
            return Claimed::UnknownDevice;
        }
        let recent = claim.at.0.saturating_sub(TAKEOVER_WINDOW_MS);
        let taken_over = |login: &&Login| {
            login.agent == claim.agent
                && login
                    .ended
                    .as_ref()
                    .is_some_and(|end| end.why == LoginEndReason::TakenOver && end.at.0 > recent)
        };
        let rows = Rows {
            of_agent: self.login_of(claim.agent).cloned(),
            at_device: device.and_then(|id| self.login_at(id)).cloned(),
            last_epoch,
            takeovers_last_hour: u32::try_from(self.logins.values().filter(taken_over).count())
                .unwrap_or(u32::MAX),
        };
        let (epoch, end_first) = match decide(&rows, claim) {
            Decision::Grant { epoch, end } => (epoch, end),
            refused => return Claimed::Refused(refused),
        };
        let mut pending = None;
        if let Some(upgrade) = session {
            let usable = self.sessions.get(&upgrade.pending).is_some_and(|session| {
                let row = &session.row;
                !session.dead
                    && row.stage == Stage::In
                    && row.login.is_none()
                    && row.agent == claim.agent
                    && row.expires > claim.at
            });
            match self.sessions.remove(&upgrade.pending) {
                Some(session) if usable => pending = Some((upgrade, session.row.from)),
                Some(session) => {
                    self.sessions.insert(upgrade.pending, session);
                    return Claimed::NoSession;
                }
                None => return Claimed::NoSession,
            }
        }
        let ended = end_first.and_then(|(old, why)| self.end(old.id, why, claim.at, &claim.from));
        self.last_login += 1;
        let login = Login {
            id: LoginId(self.last_login),
            agent: claim.agent,
            epoch,
            place: claim.place,
            since: claim.at,
            from: claim.from.clone(),
            ended: None,
        };
        self.logins.insert(login.id, login.clone());
        self.touch(Thing::Login(login.id));
        if let Some((upgrade, from)) = pending {
            let row = WebSession {
                token_sha256: upgrade.token_sha256,
                agent: claim.agent,
                login: Some(login.id),
                csrf: upgrade.csrf,
                created: claim.at,
                expires: upgrade.expires,
                seen: claim.at,
                from,
                stage: Stage::In,
            };
            self.sessions.insert(row.token_sha256, Session { row, dead: false });
        }
        if let Some(person) = self.agents.get_mut(&claim.agent) {
            person.last_epoch = epoch;
            person.account.last_device = device.or(person.account.last_device);
        }
        Claimed::Granted { login, ended }
    }

    fn changes_since(&self, seq: u64) -> Changes {
        let mut changes = Changes { seq: self.seq, ..Changes::default() };
        if seq == 0 || seq > self.seq {
            changes.full = true;
            changes.agents = self.agents.values().map(|person| person.account.agent.clone()).collect();
            changes.devices = self.devices.values().cloned().collect();
            changes.logins = self.logins.values().filter(|login| login.ended.is_none()).cloned().collect();
            return changes;
        }
        if seq == self.seq {
            return changes;
        }
        for thing in self.changes.iter().filter(|(_, changed)| **changed > seq).map(|(thing, _)| *thing) {
            match thing {
                Thing::Agent(id) => match self.agents.get(&id) {
                    Some(person) => changes.agents.push(person.account.agent.clone()),
                    None => changes.agents_gone.push(id),
                },
                Thing::Device(id) => match self.devices.get(&id) {
                    Some(device) => changes.devices.push(device.clone()),
                    None => changes.devices_gone.push(id),
                },
                Thing::Login(id) => changes.logins.extend(self.logins.get(&id).cloned()),
            }
        }
        changes
    }
}

impl Memory {
    pub(crate) fn swap_session(&self, old: [u8; 32], session: WebSession) -> Result<bool, StoreError> {
        let mut tables = self.writable()?;
        let usable = tables.sessions.get(&old).is_some_and(|s| !s.dead && s.row.login.is_none());
        if usable {
            tables.sessions.remove(&old);
            tables.insert_session(session);
        }
        Ok(usable)
    }

    /// As `change_account`, where the core has to hear of it.
    pub(crate) fn change_agent(
        &self,
        id: AgentId,
        change: impl FnOnce(&mut Account),
    ) -> Result<(), StoreError> {
        let mut tables = self.writable()?;
        if let Some(person) = tables.agents.get_mut(&id) {
            change(&mut person.account);
            tables.touch(Thing::Agent(id));
        }
        Ok(())
    }

    /// Agents of a kind who sit somewhere or have a session.
    pub(crate) fn present(&self, now: WallTime, of_kind: impl Fn(&Account) -> bool) -> Vec<crate::Present> {
        let tables = self.tables();
        let comes = |id: AgentId| {
            let mut sessions = tables.sessions.values();
            sessions.any(|s| s.row.agent == id && s.row.login.is_none() && !s.dead && s.row.expires > now)
        };
        let mut present = Vec::new();
        for account in tables.agents.values().map(|person| &person.account).filter(|account| of_kind(account))
        {
            let (agent, login_name) = (account.agent.id, account.agent.login_name.clone());
            let login = tables.login_of(agent).map(|login| login.id);
            if login.is_some() || comes(agent) {
                present.push(crate::Present { agent, login_name, login });
            }
        }
        present
    }

    /// Those that sit nowhere, but for one.
    pub(crate) fn forget_pending(&self, agent: AgentId, keep: Option<[u8; 32]>) -> Result<(), StoreError> {
        let gone = |session: &Session| {
            session.row.agent == agent
                && session.row.login.is_none()
                && Some(session.row.token_sha256) != keep
        };
        self.writable()?.sessions.retain(|_, session| !gone(session));
        Ok(())
    }
}

impl Store for Memory {
    async fn write(&self, batch: Vec<StoreWrite>) -> Vec<Result<(), StoreError>> {
        let mut tables = self.tables();
        if let Some(error) = tables.refusing.clone() {
            return batch.iter().map(|_| Err(error.clone())).collect();
        }
        let mut outcomes = Vec::with_capacity(batch.len());
        for write in batch {
            match write {
                StoreWrite::Bindings { aor, put, drop } => {
                    tables.bindings.retain(|key, _| key.0 != aor || !drop.contains(&key.1));
                    for binding in put {
                        let key = (
                            binding.aor.clone(),
                            binding.contact.clone(),
                            binding.instance.clone(),
                            binding.reg_id,
                        );
                        tables.bindings.insert(key, binding);
                    }
                }
                StoreWrite::Record(record) => {
                    tables.records.insert(record.call, *record);
                }
            }
            outcomes.push(Ok(()));
        }
        outcomes
    }

    async fn add_agents(&self, agents: Vec<NewAgent>) -> Result<Vec<AgentId>, AddError> {
        input::check_agents(&agents)?;
        let mut tables = self.writable()?;
        let mut held = std::collections::HashMap::new();
        for person in tables.agents.values() {
            held.insert(
                ("login_name", input::login_key(&person.account.agent.login_name)),
                &person.account.agent.login_name,
            );
            held.insert(
                ("extension", person.account.agent.extension.clone()),
                &person.account.agent.login_name,
            );
            if let Some(email) = &person.account.email {
                held.insert(("email", input::email_key(email)), &person.account.agent.login_name);
            }
        }
        for (at, agent) in agents.iter().enumerate() {
            let fields = [
                ("login_name", input::login_key(&agent.login_name), &agent.login_name),
                ("extension", agent.extension.clone(), &agent.extension),
            ];
            let email = agent.email.as_ref().map(|email| ("email", input::email_key(email), email));
            for (field, key, value) in fields.into_iter().chain(email) {
                if let Some(by) = held.get(&(field, key)) {
                    return Err(input::taken(at + 1, field, value, by));
                }
            }
        }
        drop(held);
        let mut ids = Vec::with_capacity(agents.len());
        for new in agents {
            tables.last_agent += 1;
            let id = AgentId(tables.last_agent);
            let agent = Agent {
                id,
                login_name: new.login_name,
                display_name: new.display_name,
                extension: new.extension,
                typology: new.typology,
                dids: new.dids,
                outbound_number: new.outbound_number,
                enabled: true,
            };
            let account = Account {
                agent,
                password_hash: new.password_hash,
                last_device: None,
                role: new.role,
                email: new.email,
                way: new.way,
                password_at: None,
                must_change: false,
                blocked: None,
            };
            let person = Person { account, last_epoch: Epoch(0) };
            tables.agents.insert(id, person);
            tables.touch(Thing::Agent(id));
            ids.push(id);
        }
        Ok(ids)
    }

    async fn add_devices(&self, devices: Vec<NewDevice>) -> Result<Vec<DeviceId>, AddError> {
        input::check_devices(&devices)?;
        let mut tables = self.writable()?;
        let held: std::collections::HashSet<&str> =
            tables.devices.values().map(|d| d.name.as_str()).collect();
        for (at, device) in devices.iter().enumerate() {
            if held.contains(device.name.as_str()) {
                return Err(input::taken(at + 1, "name", &device.name, &device.name));
            }
        }
        let mut ids = Vec::with_capacity(devices.len());
        for new in devices {
            tables.last_device += 1;
            let id = DeviceId(tables.last_device);
            let NewDevice { name, label, site, floor, ha1 } = new;
            tables.devices.insert(id, Device { id, name, label, site, floor, ha1, enabled: true });
            tables.touch(Thing::Device(id));
            ids.push(id);
        }
        Ok(ids)
    }

    async fn remove_agent(&self, id: AgentId, at: WallTime) -> Result<Option<Login>, StoreError> {
        let mut tables = self.writable()?;
        let open = tables.login_of(id).map(|login| login.id);
        let ended = open.and_then(|login| tables.end(login, LoginEndReason::AgentRemoved, at, ""));
        tables.sessions.retain(|_, session| session.row.agent != id || session.row.login.is_some());
        tables.identities.remove(&id);
        if let Some(person) = tables.agents.remove(&id) {
            tables.factors.forget(id);
            tables.attempts.leaves(id, &person.account.agent.login_name);
            tables.touch(Thing::Agent(id));
        }
        Ok(ended)
    }

    async fn remove_device(&self, id: DeviceId, at: WallTime) -> Result<Option<Login>, StoreError> {
        let mut tables = self.writable()?;
        let open = tables.login_at(id).map(|login| login.id);
        let ended = open.and_then(|login| tables.end(login, LoginEndReason::PhoneRemoved, at, ""));
        if let Some(device) = tables.devices.remove(&id) {
            tables.bindings.retain(|key, _| key.0.user() != device.name);
            tables.touch(Thing::Device(id));
        }
        Ok(ended)
    }

    async fn enable_agent(
        &self,
        id: AgentId,
        enabled: bool,
        at: WallTime,
    ) -> Result<Option<Login>, StoreError> {
        let mut tables = self.writable()?;
        let Some(person) = tables.agents.get_mut(&id) else {
            return Err(StoreError::Failed(format!("there is no agent {id}")));
        };
        person.account.agent.enabled = enabled;
        tables.touch(Thing::Agent(id));
        if enabled {
            return Ok(None);
        }
        let open = tables.login_of(id).map(|login| login.id);
        let ended = open.and_then(|login| tables.end(login, LoginEndReason::AgentRemoved, at, ""));
        tables.sessions.retain(|_, session| session.row.agent != id || session.row.login.is_some());
        Ok(ended)
    }

    async fn enable_device(
        &self,
        id: DeviceId,
        enabled: bool,
        at: WallTime,
    ) -> Result<Option<Login>, StoreError> {
        let mut tables = self.writable()?;
        let Some(device) = tables.devices.get_mut(&id) else {
            return Err(StoreError::Failed(format!("there is no phone {id}")));
        };
        device.enabled = enabled;
        let name = device.name.clone();
        tables.touch(Thing::Device(id));
        if enabled {
            return Ok(None);
        }
        let open = tables.login_at(id).map(|login| login.id);
        let ended = open.and_then(|login| tables.end(login, LoginEndReason::PhoneRemoved, at, ""));
        tables.bindings.retain(|key, _| key.0.user() != name);
        Ok(ended)
    }

    async fn set_password(&self, id: AgentId, hash: String) -> Result<(), StoreError> {
        match self.writable()?.agents.get_mut(&id) {
            Some(person) => person.account.password_hash = Some(hash),
            None => return Err(StoreError::Failed(format!("there is no agent {id}"))),
        }
        Ok(())
    }

    async fn agents(&self) -> Result<Vec<Agent>, StoreError> {
        Ok(self.tables().agents.values().map(|person| person.account.agent.clone()).collect())
    }

    async fn devices(&self) -> Result<Vec<Device>, StoreError> {
        Ok(self.tables().devices.values().cloned().collect())
    }

    async fn account(&self, login_name: &str) -> Result<Option<Account>, StoreError> {
        let key = input::login_key(login_name);
        let tables = self.tables();
        let person =
            tables.agents.values().find(|person| input::login_key(&person.account.agent.login_name) == key);
        Ok(person.map(account))
    }

    async fn account_by_id(&self, id: AgentId) -> Result<Option<Account>, StoreError> {
        Ok(self.tables().agents.get(&id).map(account))
    }

    async fn bindings(&self) -> Result<Vec<Binding>, StoreError> {
        Ok(self.tables().bindings.values().cloned().collect())
    }

    async fn logins(&self) -> Result<Vec<Login>, StoreError> {
        Ok(self.tables().logins.values().filter(|login| login.ended.is_none()).cloned().collect())
    }

    async fn login_history(&self, limit: u32) -> Result<Vec<Login>, StoreError> {
        Ok(self.tables().logins.values().rev().take(limit as usize).cloned().collect())
    }

    async fn records(&self, limit: u32) -> Result<Vec<CallRecord>, StoreError> {
        let mut records: Vec<CallRecord> = self.tables().records.values().cloned().collect();
        records.sort_by_key(|record| std::cmp::Reverse((record.started, record.call.0 as i64)));
        records.truncate(limit as usize);
        Ok(records)
    }

    async fn record(&self, call: CallId) -> Result<Option<CallRecord>, StoreError> {
        Ok(self.tables().records.get(&call).cloned())
    }

    async fn close_lost_records(&self, at: WallTime) -> Result<u64, StoreError> {
        let mut closed = 0;
        for record in self.writable()?.records.values_mut().filter(|record| record.ended.is_none()) {
            record.ended = Some(at);
            record.end = Some(EndReason::ServerLost);
            closed += 1;
        }
        Ok(closed)
    }

    async fn claim_login(&self, claim: Claim, session: Option<Upgrade>) -> Result<Claimed, StoreError> {
        Ok(self.writable()?.claim(&claim, session))
    }

    async fn end_login(
        &self,
        login: LoginId,
        why: LoginEndReason,
        at: WallTime,
        from: &str,
    ) -> Result<Option<Login>, StoreError> {
        Ok(self.writable()?.end(login, why, at, from))
    }

    async fn put_session(&self, session: WebSession) -> Result<(), StoreError> {
        self.writable()?.insert_session(session);
        Ok(())
    }

    async fn session(&self, token_sha256: [u8; 32], now: WallTime) -> Result<Option<WebSession>, StoreError> {
        let tables = self.tables();
        let session = tables.sessions.get(&token_sha256).filter(|session| {
            let stands = |login| tables.logins.get(&login).is_some_and(|login| login.ended.is_none());
            !session.dead && session.row.expires > now && session.row.login.is_none_or(stands)
        });
        Ok(session.map(|session| session.row.clone()))
    }

    async fn touch_session(&self, token_sha256: [u8; 32], seen: WallTime) -> Result<(), StoreError> {
        if let Some(session) =
            self.writable()?.sessions.get_mut(&token_sha256).filter(|session| !session.dead)
        {
            session.row.seen = seen;
        }
        Ok(())
    }

    async fn drop_session(&self, token_sha256: [u8; 32]) -> Result<(), StoreError> {
        let mut tables = self.writable()?;
        if tables.sessions.get(&token_sha256).is_some_and(|session| !session.dead) {
            tables.sessions.remove(&token_sha256);
        }
        Ok(())
    }

    async fn ended_session(&self, token_sha256: [u8; 32]) -> Result<Option<Login>, StoreError> {
        let tables = self.tables();
        let login = tables.sessions.get(&token_sha256).and_then(|session| session.row.login);
        Ok(login.and_then(|id| tables.logins.get(&id)).filter(|login| login.ended.is_some()).cloned())
    }

    async fn expired_logins(&self, now: WallTime) -> Result<Vec<Login>, StoreError> {
        let tables = self.tables();
        let expired = |login: &&Login| {
            let mut sessions =
                tables.sessions.values().filter(|session| session.row.login == Some(login.id)).peekable();
            login.ended.is_none()
                && sessions.peek().is_some()
                && !sessions.any(|session| !session.dead && session.row.expires > now)
        };
        Ok(tables.logins.values().filter(expired).cloned().collect())
    }

    async fn changes_since(&self, seq: u64) -> Result<Changes, StoreError> {
        Ok(self.tables().changes_since(seq))
    }

    async fn audit(
        &self,
        at: WallTime,
        who: &Pii,
        from: &str,
        what: &str,
        outcome: &str,
    ) -> Result<(), StoreError> {
        self.audit_entry(AuditEntry {
            at,
            who: who.clone(),
            from: from.to_owned(),
            what: what.to_owned(),
            outcome: outcome.to_owned(),
            whom: Pii::default(),
            detail: None,
        })
        .await
    }

    async fn audit_log(&self, limit: u32) -> Result<Vec<AuditLine>, StoreError> {
        Ok(self.tables().audit.iter().rev().take(limit as usize).cloned().collect())
    }
}

fn account(person: &Person) -> Account {
    person.account.clone()
}
