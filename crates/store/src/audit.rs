//! The audit log: who did what to whom, from where, with what outcome. Lines are only ever added; the oldest go when there
//! are too many (SPEC D10).

use crate::{AUDIT_LINES_MAX, Memory, Sqlite};
use serde_json::Value;
use terms::{Pii, StoreError, WallTime};

/// A line that is about to be written.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditEntry {
    pub at: WallTime,
    /// Who did it; empty where nobody knows.
    pub who: Pii,
    /// The address it came from, or «command line».
    pub from: String,
    pub what: String,
    pub outcome: String,
    /// Whom it was done to; empty where it is the same person or nobody.
    pub whom: Pii,
    /// What else belongs to it: a phone, a role before and after. Never a secret.
    pub detail: Option<Value>,
}

/// One line of the audit log as it was written. Numbers rise with time and are never used twice.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditLine {
    pub id: u64,
    pub at: WallTime,
    pub who: Pii,
    pub from: String,
    pub what: String,
    pub outcome: String,
    pub whom: Pii,
    pub detail: Option<Value>,
}

/// Which lines are wanted; what is `None` may be anything.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AuditFilter {
    /// Done by or done to this name, whatever the case (ASCII).
    pub who: Option<String>,
    pub what: Option<String>,
    pub outcome: Option<String>,
    /// Not before.
    pub from: Option<WallTime>,
    /// Before.
    pub to: Option<WallTime>,
}

impl AuditFilter {
    pub fn takes(&self, line: &AuditLine) -> bool {
        let person = |name: &String| {
            line.who.reveal().eq_ignore_ascii_case(name) || line.whom.reveal().eq_ignore_ascii_case(name)
        };
        self.who.as_ref().is_none_or(person)
            && self.what.as_ref().is_none_or(|what| *what == line.what)
            && self.outcome.as_ref().is_none_or(|outcome| *outcome == line.outcome)
            && self.from.is_none_or(|from| line.at >= from)
            && self.to.is_none_or(|to| line.at < to)
    }
}

/// How often something had this outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditCount {
    pub what: String,
    pub outcome: String,
    pub count: u64,
}

/// What a store must be able to do with the audit log beyond `Store::audit`.
pub trait AuditLog: Send + Sync + 'static {
    fn audit_entry(&self, entry: AuditEntry) -> impl Future<Output = Result<(), StoreError>> + Send;
    /// Lines that fit, newest first, those with a number below `before` only; `limit` at most.
    fn audit_page(
        &self,
        filter: &AuditFilter,
        before: Option<u64>,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<AuditLine>, StoreError>> + Send;
    /// What happened since then, counted; the most frequent first.
    fn audit_counts(
        &self,
        since: WallTime,
    ) -> impl Future<Output = Result<Vec<AuditCount>, StoreError>> + Send;
}

impl AuditLog for Memory {
    async fn audit_entry(&self, entry: AuditEntry) -> Result<(), StoreError> {
        let mut tables = self.writable()?;
        tables.last_audit += 1;
        let AuditEntry { at, who, from, what, outcome, whom, detail } = entry;
        let id = tables.last_audit;
        tables.audit.push_back(AuditLine { id, at, who, from, what, outcome, whom, detail });
        if tables.audit.len() as u64 > AUDIT_LINES_MAX {
            tables.audit.pop_front();
        }
        Ok(())
    }

    async fn audit_page(
        &self,
        filter: &AuditFilter,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<AuditLine>, StoreError> {
        let tables = self.tables();
        let lines = tables.audit.iter().rev().filter(|line| before.is_none_or(|before| line.id < before));
        Ok(lines.filter(|line| filter.takes(line)).take(limit as usize).cloned().collect())
    }

    async fn audit_counts(&self, since: WallTime) -> Result<Vec<AuditCount>, StoreError> {
        let mut counts = std::collections::BTreeMap::<(String, String), u64>::new();
        for line in self.tables().audit.iter().filter(|line| line.at >= since) {
            *counts.entry((line.what.clone(), line.outcome.clone())).or_default() += 1;
        }
        let count = |((what, outcome), count)| AuditCount { what, outcome, count };
        let mut counts: Vec<_> = counts.into_iter().map(count).collect();
        // Stable: the same number stays in the order of the words.
        counts.sort_by_key(|count| std::cmp::Reverse(count.count));
        Ok(counts)
    }
}

impl AuditLog for Sqlite {
    async fn audit_entry(&self, entry: AuditEntry) -> Result<(), StoreError> {
        self.insert_audit(&entry).await
    }

    async fn audit_page(
        &self,
        filter: &AuditFilter,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<AuditLine>, StoreError> {
        self.read_audit(filter, before, limit).await
    }

    async fn audit_counts(&self, since: WallTime) -> Result<Vec<AuditCount>, StoreError> {
        self.count_audit(since).await
    }
}
