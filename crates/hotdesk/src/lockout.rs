//! Who may try a password. Wrong ones are counted at the place they come from and at the account; a browser that logged in
//! before has a count of its own, so that strangers can block the account for themselves and never for those who work.

use std::time::Duration;
use terms::WallTime;

/// Wrong passwords are forgotten when the last one is so old, where nothing is blocked.
pub const FORGOTTEN_AFTER: Duration = Duration::from_secs(24 * 3600);
/// The longest block of a place that comes back again and again.
const PLACE_BLOCK_MAX: Duration = Duration::from_secs(24 * 3600);

/// What an administrator allows (SPEC D6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Wrong passwords in a row; the last of them blocks. 0: no limit.
    pub wrong: u32,
    /// How long a block lasts; `None`: until somebody unlocks.
    pub block: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    pub since: WallTime,
    /// `None`: until somebody unlocks.
    pub until: Option<WallTime>,
}

impl Block {
    fn holds(self, now: WallTime) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

/// What is remembered of one account, or of one place that tries it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Wrong passwords since the last right one. Under way counts as wrong until it turns out right.
    pub wrong: u32,
    /// When the last attempt was made.
    pub last: WallTime,
    /// How often this was blocked before.
    pub times: u32,
    pub blocked: Option<Block>,
}

impl Tally {
    pub fn is_blocked(&self, now: WallTime) -> bool {
        self.blocked.is_some_and(|block| block.holds(now))
    }

    /// Whether nothing of it is worth keeping any more.
    pub fn is_forgotten(&self, now: WallTime) -> bool {
        !self.is_blocked(now) && now.since(self.last) >= FORGOTTEN_AFTER
    }

    /// As it stands now: a block that ran out leaves a clean count, a long silence leaves nothing.
    fn now(mut self, now: WallTime) -> Tally {
        if self.is_forgotten(now) {
            return Tally::default();
        }
        if self.blocked.is_some() && !self.is_blocked(now) {
            self.blocked = None;
            self.wrong = 0;
        }
        self
    }

    /// One more attempt; the last that is allowed blocks at once, and is taken back if the password was right.
    fn count(&mut self, limit: Limit, longer: u32, now: WallTime) {
        self.wrong = self.wrong.saturating_add(1);
        self.last = now;
        if self.wrong >= limit.wrong {
            let twice = |block: Duration| {
                block.saturating_mul(2u32.saturating_pow(longer)).min(block.max(PLACE_BLOCK_MAX))
            };
            self.blocked = Some(Block { since: now, until: limit.block.map(|block| now + twice(block)) });
            self.times = self.times.saturating_add(1);
        }
    }

    /// The attempt made at `at` does not count after all.
    fn give_back(&mut self, at: WallTime) {
        self.wrong = self.wrong.saturating_sub(1);
        if self.blocked.is_some_and(|block| block.since == at) {
            self.blocked = None;
            self.times = self.times.saturating_sub(1);
        }
    }
}

/// Everything an attempt is measured by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tallies {
    /// All strangers together, wherever they are.
    pub account: Tally,
    /// The stranger's network.
    pub source: Tally,
    /// The browser, where it has logged into this account before; then the other two are not its business.
    pub browser: Option<Tally>,
}

/// Whether the password is looked at. In both cases it costs one hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charge {
    /// `blocks`: if the password is wrong, this was the last attempt, and that is the block.
    Taken { blocks: Option<Block> },
    /// Blocked, also for the right password.
    Refused,
}

/// Takes one attempt before the password is looked at, so that a hundred at once are a hundred attempts.
pub fn charge(tallies: &mut Tallies, limit: Limit, now: WallTime) -> Charge {
    if let Some(browser) = &mut tallies.browser {
        *browser = browser.now(now);
        if browser.is_blocked(now) {
            browser.last = now;
            return Charge::Refused;
        }
        browser.count(limit, 0, now);
        return Charge::Taken { blocks: browser.blocked };
    }
    let Tallies { account, source, .. } = tallies;
    (*account, *source) = (account.now(now), source.now(now));
    // The source first: whoever is blocked there cannot use up what the account allows to others.
    if source.is_blocked(now) || account.is_blocked(now) {
        account.last = now;
        return Charge::Refused;
    }
    // A source that comes back after its block is blocked twice as long, the account never longer than the setting says.
    source.count(limit, source.times, now);
    account.count(limit, 0, now);
    Charge::Taken { blocks: account.blocked.or(source.blocked) }
}

/// The password was not looked at: the attempt made at `at` is given back.
pub fn give_back(tallies: &mut Tallies, at: WallTime) {
    match &mut tallies.browser {
        Some(browser) => browser.give_back(at),
        None => {
            tallies.account.give_back(at);
            tallies.source.give_back(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;
    const LIMIT: Limit = Limit { wrong: 3, block: Some(Duration::from_secs(3600)) };

    fn wrong(tallies: &mut Tallies, at: i64) -> Charge {
        charge(tallies, LIMIT, WallTime(at))
    }

    const FREE: Charge = Charge::Taken { blocks: None };

    fn blocks(since: i64) -> Charge {
        let until = Some(WallTime(since + 60 * MINUTE));
        Charge::Taken { blocks: Some(Block { since: WallTime(since), until }) }
    }

    #[test]
    fn the_third_wrong_one_blocks_and_the_minutes_unlock() {
        let mut t = Tallies::default();
        assert_eq!(wrong(&mut t, 0), FREE);
        assert_eq!(wrong(&mut t, 1), FREE);
        assert_eq!(wrong(&mut t, 2), blocks(2));
        assert_eq!(
            t.account.blocked,
            Some(Block { since: WallTime(2), until: Some(WallTime(2 + 60 * MINUTE)) })
        );
        let mut early = t;
        assert_eq!(wrong(&mut early, 2 + 60 * MINUTE - 1), Charge::Refused);
        // Refused attempts do not make the block longer.
        assert_eq!(early.account.blocked, t.account.blocked);
        assert_eq!(wrong(&mut early, 2 + 60 * MINUTE), FREE);
        assert_eq!(early.account.wrong, 1, "the count begins anew");
    }

    #[test]
    fn without_minutes_it_stays_blocked() {
        let limit = Limit { wrong: 1, block: None };
        let mut t = Tallies::default();
        let forever = Block { since: WallTime(0), until: None };
        assert_eq!(charge(&mut t, limit, WallTime(0)), Charge::Taken { blocks: Some(forever) });
        assert_eq!(charge(&mut t, limit, WallTime(i64::MAX)), Charge::Refused);
    }

    #[test]
    fn a_known_browser_has_its_own_count() {
        let mut t = Tallies::default();
        for n in 0..9 {
            wrong(&mut t, n);
        }
        let strangers = t;
        t.browser = Some(Tally::default());
        assert_eq!(wrong(&mut t, 10), FREE);
        assert_eq!((t.account, t.source), (strangers.account, strangers.source));
        wrong(&mut t, 11);
        assert_eq!(wrong(&mut t, 12), blocks(12));
        assert_eq!(wrong(&mut t, 13), Charge::Refused);
    }

    #[test]
    fn whoever_comes_back_from_one_place_is_out_longer_each_time_and_the_account_is_not() {
        let mut t = Tallies::default();
        for n in 0..3 {
            wrong(&mut t, n);
        }
        let hour = 60 * MINUTE;
        for n in 0..3 {
            wrong(&mut t, hour + 3 + n);
        }
        let ends = |tally: Tally| tally.blocked.unwrap().until.unwrap().0;
        assert_eq!(ends(t.account), 2 * hour + 5);
        assert_eq!(ends(t.source), 3 * hour + 5);
        // The account is free for others, the source is not, and uses nothing up.
        let mut elsewhere = Tallies { account: t.account, ..Tallies::default() };
        assert_eq!(wrong(&mut elsewhere, 2 * hour + 6), FREE);
        assert_eq!(wrong(&mut t, 2 * hour + 6), Charge::Refused);
        assert_eq!(t.account.wrong, 0);
    }

    #[test]
    fn what_was_not_looked_at_does_not_count_and_a_day_of_silence_forgets() {
        let mut t = Tallies::default();
        for n in 0..3 {
            wrong(&mut t, n);
        }
        give_back(&mut t, WallTime(2));
        assert_eq!((t.account.wrong, t.account.blocked, t.source.times), (2, None, 0));
        assert_eq!(wrong(&mut t, 23 * 60 * MINUTE), blocks(23 * 60 * MINUTE));
        give_back(&mut t, WallTime(23 * 60 * MINUTE));
        assert_eq!(wrong(&mut t, 49 * 60 * MINUTE), FREE);
    }
}
