//! The store's twin in a world: the same rows and the same decision, without SQL. It outlives every crash of the gateway.

use hotdesk::claim::{self, Claim, Decision, Rows};
use std::collections::BTreeMap;
use std::time::Duration;
use terms::{
    Agent, AgentId, Binding, CallId, CallRecord, Device, DeviceId, EndReason, Epoch, Login, LoginEnd,
    LoginEndReason, LoginId, StoreWrite, WallTime,
};

type BindingKey = (String, String, Option<String>, u32);

#[derive(Default)]
pub struct Twin {
    pub agents: Vec<Agent>,
    pub devices: Vec<Device>,
    /// All rows ever; `LoginId` is the position plus one.
    pub logins: Vec<Login>,
    pub bindings: BTreeMap<BindingKey, Binding>,
    pub records: BTreeMap<CallId, CallRecord>,
    takeovers: Vec<(AgentId, WallTime)>,
    /// What no row may do, seen while writing.
    pub violations: Vec<String>,
}

/// What a claim came to, with the rows it changed, oldest first.
#[derive(Clone, Debug, PartialEq)]
pub enum Claimed {
    Granted { login: Login, rows: Vec<Login> },
    Refused(Decision),
}

impl Twin {
    pub fn open_login(&self, agent: AgentId) -> Option<&Login> {
        self.logins.iter().rev().find(|l| l.agent == agent && l.ended.is_none())
    }
    pub fn open_at(&self, device: DeviceId) -> Option<&Login> {
        self.logins.iter().rev().find(|l| l.place.device() == Some(device) && l.ended.is_none())
    }

    /// One transaction, as in the real store.
    pub fn claim(&mut self, claim: &Claim) -> Claimed {
        let hour_ago = WallTime(claim.at.0 - Duration::from_secs(3600).as_millis() as i64);
        let recent = |(agent, at): &&(AgentId, WallTime)| *agent == claim.agent && *at > hour_ago;
        let last = self.logins.iter().filter(|l| l.agent == claim.agent).map(|l| l.epoch).max();
        let rows = Rows {
            of_agent: self.open_login(claim.agent).cloned(),
            at_device: claim.place.device().and_then(|d| self.open_at(d)).cloned(),
            last_epoch: last.unwrap_or(Epoch(0)),
            takeovers_last_hour: self.takeovers.iter().filter(recent).count() as u32,
        };
        match claim::decide(&rows, claim) {
            Decision::Grant { epoch, end } => {
                let mut changed = Vec::new();
                if let Some((old, why)) = end {
                    self.takeovers.push((claim.agent, claim.at));
                    changed.extend(self.end_login(old.id, why, claim.at, &claim.from));
                }
                let login = Login {
                    id: LoginId(self.logins.len() as u64 + 1),
                    agent: claim.agent,
                    epoch,
                    place: claim.place,
                    since: claim.at,
                    from: claim.from.clone(),
                    ended: None,
                };
                self.logins.push(login.clone());
                changed.push(login.clone());
                Claimed::Granted { login, rows: changed }
            }
            refused => Claimed::Refused(refused),
        }
    }

    pub fn end_login(&mut self, id: LoginId, why: LoginEndReason, at: WallTime, from: &str) -> Option<Login> {
        let login = self.logins.iter_mut().find(|l| l.id == id && l.ended.is_none())?;
        login.ended = Some(LoginEnd { at, why, from: from.to_owned() });
        Some(login.clone())
    }

    pub fn write(&mut self, write: &StoreWrite) {
        match write {
            StoreWrite::Bindings { aor, put, drop } => {
                let aor = aor.as_str();
                self.bindings.retain(|key, _| key.0 != aor || !drop.contains(&key.1));
                for b in put {
                    let key = (aor.to_owned(), b.contact.clone(), b.instance.clone(), b.reg_id);
                    self.bindings.insert(key, b.clone());
                }
            }
            StoreWrite::Record(record) => {
                if let Some(old) = self.records.get(&record.call) {
                    if old.ended.is_some() && record.ended.is_none() {
                        self.violations.push(format!("the record of call {} lost its end", record.call));
                    }
                    if old.end.is_some() && record.end != old.end {
                        let (was, is) = (old.end, record.end);
                        self.violations.push(format!("call {} ended twice: {was:?}, {is:?}", record.call));
                    }
                }
                self.records.insert(record.call, (**record).clone());
            }
        }
    }

    pub fn close_lost_records(&mut self, at: WallTime) {
        for record in self.records.values_mut().filter(|r| r.ended.is_none()) {
            (record.ended, record.end) = (Some(at), Some(EndReason::ServerLost));
        }
    }
}
