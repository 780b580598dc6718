//! What the core asks the store to keep. Each write is answered by its ticket, and what waits for it waits like any
//! other state: nothing blocks meanwhile.

use crate::{Aor, Binding, CallRecord};

#[derive(Clone, PartialEq, Debug)]
pub enum StoreWrite {
    /// The bindings of one address of record as they shall be from now on: `put` by (contact, instance, reg-id) are
    /// inserted or replaced, `drop` contacts are removed. Removals come first: a row that shares its contact with a
    /// removed one is put again. One REGISTER makes one of these.
    Bindings { aor: Aor, put: Vec<Binding>, drop: Vec<String> },
    /// The call began (no `ended`) or ended. The same call id replaces the row.
    Record(Box<CallRecord>),
}

#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum StoreError {
    /// Too busy now; the same write may succeed a moment later. SIP answers 503 with Retry-After.
    #[error("the store is busy: {0}")]
    Busy(String),
    /// The write failed and will fail again: disk full, broken file.
    #[error("the store failed: {0}")]
    Failed(String),
}
