//! The two clocks, read here and nowhere below.

use std::time::{Duration, SystemTime, UNIX_EPOCH};
use terms::{Instant, Now, WallTime};

/// Instants count from here; one for the whole process, so that all threads mean the same.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: std::time::Instant,
}

impl Default for Clock {
    fn default() -> Clock {
        Clock { origin: std::time::Instant::now() }
    }
}

impl Clock {
    pub fn now(&self) -> Now {
        let ns = self.origin.elapsed().as_nanos();
        Now { instant: Instant(u64::try_from(ns).unwrap_or(u64::MAX)), wall: wall_now() }
    }
}

/// The wall clock alone, for rows.
pub fn wall_now() -> WallTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    WallTime(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
