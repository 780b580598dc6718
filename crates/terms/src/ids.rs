//! Typed ids. One owner holds the value, everybody else holds the id and asks.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id!(/// A person who logs in. The row id in the store.
    AgentId);
id!(/// A thing that registers. The row id in the store.
    DeviceId);
id!(/// One stay of an agent at a place. The row id in the store.
    LoginId);
id!(/// Counts an agent's logins; the highest epoch is the true one, everything older is torn down.
    Epoch);
id!(/// A carrier or PBX. Its position in `trunks.toml`.
    TrunkId);
id!(/// Names a write the core asked for, so that its answer finds who waits.
    StoreTicket);

/// One call, both legs. Unique across restarts: the upper half is drawn at start, the lower half counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CallId(pub u64);

impl fmt::Display for CallId {
    /// Base 36, short enough to read over the phone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0u8; 13];
        let (mut at, mut rest) = (text.len(), self.0);
        loop {
            at -= 1;
            text[at] = b"0123456789abcdefghijklmnopqrstuvwxyz"[(rest % 36) as usize];
            rest /= 36;
            if rest == 0 {
                break;
            }
        }
        f.write_str(std::str::from_utf8(&text[at..]).unwrap_or("?"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn call_ids_are_short_words() {
        assert_eq!(CallId(0).to_string(), "0");
        assert_eq!(CallId(35).to_string(), "z");
        assert_eq!(CallId(u64::MAX).to_string(), "3w5e11264sgsf");
    }
}
