//! Logins that end by themselves: nothing was done for long, the longest time is over, the shift has ended. Each is announced
//! before, none ends during a call, and whoever speaks up in time stays.
//!
//! What counts as use is a request that a person caused (`used`) or a call. A page that is merely open counts as nothing. When
//! each login was last used is kept in memory: a restart gives everybody one more spell. Other rules (`hotseat reload`) count
//! for those who sit already too, and nobody goes by them sooner than a warning ahead.

use crate::Core;
use crate::refusal::{Reason, Refusal};
use crate::state::{Auth, Inner};
use axum::extract::State;
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use jiff::civil::Time;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use store::Store;
use terms::{Activity, Login, LoginEndReason, LoginId, StoreError, WallTime};

/// Whoever sits down so shortly before the end of a shift has come for the next one.
const NEXT_SHIFT: Duration = Duration::from_secs(30 * 60);
/// Days looked ahead for the next end of a shift: today, tomorrow, and one more where a change of the clocks swallowed one.
const DAYS_AHEAD: u8 = 3;

/// `[session]` of security.toml.
#[derive(Clone, Debug, PartialEq)]
pub struct Sessions {
    /// A shown password is good for choosing a phone this long.
    pub pending: Duration,
    /// A session that is not used this long is no longer valid; the login itself stays.
    pub idle: Duration,
    /// A session ends this long after the login, used or not.
    pub longest: Duration,
    /// When logins end by themselves.
    pub rules: SessionRules,
}

impl Default for Sessions {
    fn default() -> Sessions {
        Sessions {
            pending: Duration::from_secs(5 * 60),
            idle: Duration::from_secs(12 * 3600),
            longest: Duration::from_secs(16 * 3600),
            rules: SessionRules::default(),
        }
    }
}

/// When logins end by themselves. `Default`: never.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionRules {
    /// Nothing done for so long.
    pub idle: Option<Duration>,
    /// Since the agent sat down.
    pub longest: Option<Duration>,
    pub shifts: ShiftEnds,
    /// How long before the page is warned.
    pub warn: Duration,
}

impl Default for SessionRules {
    fn default() -> SessionRules {
        SessionRules {
            idle: None,
            longest: None,
            shifts: ShiftEnds::default(),
            warn: Duration::from_secs(5 * 60),
        }
    }
}

/// The times of day at which shifts end, in the site's time, summer and winter.
#[derive(Clone, Debug, PartialEq)]
pub struct ShiftEnds {
    pub times: Vec<Time>,
    pub zone: TimeZone,
}

impl Default for ShiftEnds {
    fn default() -> ShiftEnds {
        ShiftEnds { times: Vec::new(), zone: TimeZone::UTC }
    }
}

impl SessionRules {
    fn end_nothing(&self) -> bool {
        self.idle.is_none() && self.longest.is_none() && self.shifts.times.is_empty()
    }
}

impl ShiftEnds {
    /// `14:00`, as security.toml has it.
    pub fn words(&self) -> Vec<String> {
        self.times.iter().map(|time| format!("{:02}:{:02}", time.hour(), time.minute())).collect()
    }

    /// The zone by its name, or the distance from UTC now where it has none; `None`: no shift ends.
    pub fn zone_word(&self) -> Option<String> {
        if self.times.is_empty() {
            return None;
        }
        let named = self.zone.iana_name().map(str::to_owned);
        Some(named.unwrap_or_else(|| self.zone.to_offset(Timestamp::UNIX_EPOCH).to_string()))
    }

    /// The first end of a shift after this moment.
    fn after(&self, at: WallTime) -> Option<WallTime> {
        let at = Timestamp::from_millisecond(at.0).ok()?;
        let mut day = self.zone.to_datetime(at).date();
        for _ in 0..DAYS_AHEAD {
            // A time the clocks skip is taken as the same distance after midnight, one they repeat as its first occurrence.
            let ends =
                self.times.iter().filter_map(|time| self.zone.to_timestamp(day.to_datetime(*time)).ok());
            if let Some(end) = ends.filter(|end| *end > at).min() {
                return Some(WallTime(end.as_millisecond()));
            }
            day = day.tomorrow().ok()?;
        }
        None
    }
}

/// Why and when a login ends by itself, whichever comes first.
fn due(rules: &SessionRules, since: WallTime, used: WallTime) -> Option<(LoginEndReason, WallTime)> {
    let idle = rules.idle.map(|idle| (LoginEndReason::Idle, used + idle));
    let longest = rules.longest.map(|longest| (LoginEndReason::TooLong, since + longest));
    let shift = rules.shifts.after(since + NEXT_SHIFT).map(|end| (LoginEndReason::ShiftEnd, end));
    [idle, longest, shift].into_iter().flatten().min_by_key(|(_, at)| *at)
}

fn word(why: LoginEndReason) -> &'static str {
    match why {
        LoginEndReason::TooLong => "longest",
        LoginEndReason::ShiftEnd => "shift_end",
        _ => "idle",
    }
}

fn sentence(why: LoginEndReason) -> &'static str {
    match why {
        LoginEndReason::TooLong => {
            "Your login is about to reach its longest time. You will be logged out; a call that is up is not cut."
        }
        LoginEndReason::ShiftEnd => {
            "The shift is about to end. You will be logged out then; a call that is up is not cut."
        }
        _ => "Nothing was done for a while. You will be logged out unless you go on.",
    }
}

/// When each login was used last, and what its page was warned of. One entry per login that stands.
pub(crate) struct Uses {
    of: Mutex<HashMap<LoginId, Use>>,
    seen: Mutex<Seen>,
}

/// The rules that were looked at last.
struct Seen {
    /// Nothing is known about use before: we were not there, or nobody wanted to know.
    watched: WallTime,
    rules: Option<SessionRules>,
    /// Since when they hold, where others did before.
    changed: Option<WallTime>,
}

#[derive(Clone, Copy)]
struct Use {
    at: WallTime,
    warned: Option<(LoginEndReason, WallTime)>,
}

impl Uses {
    pub(crate) fn new(started: WallTime) -> Uses {
        let seen = Seen { watched: started, rules: None, changed: None };
        Uses { of: Mutex::default(), seen: Mutex::new(seen) }
    }

    /// These rules hold now.
    fn look(&self, rules: &SessionRules, now: WallTime) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(before) = &seen.rules else {
            seen.rules = Some(rules.clone());
            return;
        };
        if before != rules {
            if before.idle.is_none() {
                seen.watched = now;
            }
            seen.changed = Some(now);
            seen.rules = Some(rules.clone());
        }
    }

    fn watched_and_changed(&self) -> (WallTime, Option<WallTime>) {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        (seen.watched, seen.changed)
    }

    fn table(&self) -> MutexGuard<'_, HashMap<LoginId, Use>> {
        self.of.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Store, C: Core> Inner<S, C> {
    /// A person did something in a page of this login.
    pub(crate) fn used(&self, login: LoginId) {
        if self.policies().sessions.rules.idle.is_none() {
            return;
        }
        let now = self.now();
        let stays = {
            let mut uses = self.uses.table();
            let one = uses.entry(login).or_insert(Use { at: now, warned: None });
            one.at = one.at.max(now);
            one.warned.take_if(|(why, _)| *why == LoginEndReason::Idle).is_some()
        };
        if stays {
            self.board().tell_login(login, json!({ "type": "login_goes_on" }));
        }
    }

    /// What this login's page was warned of, for one that was loaded anew.
    pub(crate) fn ends_soon(&self, login: LoginId) -> Value {
        let warned = self.uses.table().get(&login).and_then(|one| one.warned);
        warned
            .map_or(Value::Null, |(why, at)| json!({ "why": word(why), "at": at, "sentence": sentence(why) }))
    }

    /// Whether the login is over, and whether its page is to be warned now. `busy`: its agent is in a call.
    fn judge(&self, rules: &SessionRules, login: &Login, busy: bool, now: WallTime) -> Judged {
        let (watched, changed) = self.uses.watched_and_changed();
        let mut uses = self.uses.table();
        let one = uses.entry(login.id).or_insert(Use { at: login.since, warned: None });
        one.at = one.at.max(watched);
        if busy {
            one.at = one.at.max(now);
        }
        let stays = |one: &mut Use| match one.warned.take() {
            Some(_) => Judged::GoesOn,
            None => Judged::Stays,
        };
        let Some((why, at)) = due(rules, login.since, one.at) else { return stays(one) };
        // By rules that came while they sat nobody goes unwarned.
        let at = changed.map_or(at, |changed| at.max(changed + rules.warn));
        if now >= at {
            return if busy { Judged::Stays } else { Judged::Over(why) };
        }
        if now + rules.warn < at {
            return stays(one);
        }
        match one.warned.replace((why, at)) {
            Some(before) if before == (why, at) => Judged::Stays,
            _ => Judged::Warned(why, at),
        }
    }
}

enum Judged {
    Stays,
    /// What its page was warned of does not come.
    GoesOn,
    Warned(LoginEndReason, WallTime),
    Over(LoginEndReason),
}

impl<S: Store, C: Core> Auth<S, C> {
    /// Warns and ends what is due by the rules of the session. The router does so by itself, every few seconds.
    pub async fn end_logins_that_ran_out(&self) -> Result<(), StoreError> {
        let rules = self.policies().sessions.rules;
        let now = self.now();
        self.uses.look(&rules, now);
        if rules.end_nothing() && self.uses.table().is_empty() {
            return Ok(());
        }
        let logins = self.board().standing();
        let stand: HashSet<LoginId> = logins.iter().map(|(login, _)| login.id).collect();
        self.uses.table().retain(|id, _| stand.contains(id));
        for (login, seems_busy) in logins {
            match self.judge(&rules, &login, seems_busy, now) {
                Judged::Stays => {}
                Judged::GoesOn => self.board().tell_login(login.id, json!({ "type": "login_goes_on" })),
                Judged::Warned(why, at) => {
                    let body = json!({
                        "type": "login_ends_soon", "why": word(why), "at": at, "sentence": sentence(why),
                    });
                    self.board().tell_login(login.id, body);
                }
                Judged::Over(why) => self.end_if_idle(&rules, &login, why, now).await?,
            }
        }
        Ok(())
    }

    /// The core knows better than the board whether there is a call.
    async fn end_if_idle(
        &self,
        rules: &SessionRules,
        login: &Login,
        why: LoginEndReason,
        now: WallTime,
    ) -> Result<(), StoreError> {
        let (activity, _) = self.core.activity(login.agent).await;
        if activity != Activity::Idle {
            self.judge(rules, login, true, now);
            return Ok(());
        }
        if self.store.end_login(login.id, why, now, "").await?.is_some() {
            self.core.poke();
            self.poke();
            let account = self.store.account_by_id(login.agent).await?;
            let who = account.map_or_else(String::new, |account| account.agent.login_name);
            self.audit(&who, &login.from, "logout", word(why)).await;
        }
        Ok(())
    }
}

/// `POST /api/me/active`: somebody is there. The page says so at most once a minute while keys and pointers move.
pub(crate) async fn active<S: Store, C: Core>(
    State(auth): State<Auth<S, C>>,
    headers: HeaderMap,
) -> Result<StatusCode, Refusal> {
    auth.session_to_change(&headers, Reason::NoSession).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::time;

    fn at(text: &str) -> WallTime {
        WallTime(text.parse::<Timestamp>().unwrap().as_millisecond())
    }
    fn ends(zone: &str) -> ShiftEnds {
        let zone = TimeZone::get(zone).unwrap();
        ShiftEnds { times: vec![time(22, 0, 0, 0), time(14, 0, 0, 0)], zone }
    }

    #[test]
    fn a_shift_ends_by_the_clock_on_the_wall_summer_and_winter() {
        let berlin = ends("Europe/Berlin");
        for (now, end) in [
            ("2026-07-01T07:00:00Z", "2026-07-01T12:00:00Z"),
            ("2026-07-01T11:59:59.999Z", "2026-07-01T12:00:00Z"),
            ("2026-07-01T12:00:00Z", "2026-07-01T20:00:00Z"),
            ("2026-07-01T20:00:00Z", "2026-07-02T12:00:00Z"),
            ("2026-01-01T07:00:00Z", "2026-01-01T13:00:00Z"),
            // The night the clocks go back has an hour more.
            ("2026-10-24T20:00:00Z", "2026-10-25T13:00:00Z"),
        ] {
            assert_eq!(berlin.after(at(now)), Some(at(end)), "{now}");
        }
        assert_eq!(ShiftEnds::default().after(at("2026-07-01T07:00:00Z")), None);
        assert_eq!(ends("UTC").after(WallTime(i64::MAX)), None, "no such day, and no panic");
        assert_eq!(ends("UTC").after(WallTime(i64::MIN)), None);
        // A time that does not exist that night (02:30 in Berlin on 29 March) is taken where it would have been.
        let skipped =
            ShiftEnds { times: vec![time(2, 30, 0, 0)], zone: TimeZone::get("Europe/Berlin").unwrap() };
        assert_eq!(skipped.after(at("2026-03-28T12:00:00Z")), Some(at("2026-03-29T01:30:00Z")));
    }

    #[test]
    fn whichever_comes_first_ends_it() {
        let hour = Duration::from_secs(3600);
        let since = at("2026-07-01T07:00:00Z");
        let rules = SessionRules {
            idle: Some(hour),
            longest: Some(10 * hour),
            shifts: ends("UTC"),
            warn: Duration::from_secs(300),
        };
        assert_eq!(due(&rules, since, since), Some((LoginEndReason::Idle, since + hour)));
        assert_eq!(
            due(&rules, since, since + 6 * hour + hour / 2),
            Some((LoginEndReason::ShiftEnd, at("2026-07-01T14:00:00Z")))
        );
        let no_shift = SessionRules { shifts: ShiftEnds::default(), ..rules.clone() };
        assert_eq!(
            due(&no_shift, since, since + 10 * hour),
            Some((LoginEndReason::TooLong, since + 10 * hour))
        );
        // Ten minutes early for the next shift is not late for this one.
        let early = at("2026-07-01T13:50:00Z");
        let only_shift = SessionRules { idle: None, longest: None, ..rules };
        assert_eq!(
            due(&only_shift, early, early),
            Some((LoginEndReason::ShiftEnd, at("2026-07-01T22:00:00Z")))
        );
        assert_eq!(due(&SessionRules::default(), since, since), None);
    }
}
