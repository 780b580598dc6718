//! Everything that gives or takes a way in, in random order, told to two stores at once: they say the same, and neither lets
//! anything be used twice.

use super::{Kit, claim};
use std::collections::HashSet;
use std::time::Duration;
use store::{
    Claimed, Decision, Disown, Disowned, Stage, Store, Ticket, TicketUse, TicketUsed, Upgrade, WebSession,
};
use terms::{LoginEndReason, LoginId, WallTime};

const HERE: &str = "192.0.2.44";
const ELSEWHERE: &str = "198.51.100.1";
/// Old cookies and tickets stay in use by whoever kept them; so many of each are remembered.
const KEPT: usize = 24;

struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides.max(1) as u64) as usize
    }
    fn one_of<T: Copy>(&mut self, list: &[T]) -> Option<T> {
        list.get(self.roll(list.len())).copied()
    }
}

/// A secret nobody had before, as the store sees it.
fn secret(count: &mut u64, kept: &mut Vec<[u8; 32]>) -> [u8; 32] {
    *count += 1;
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&count.to_be_bytes());
    if kept.len() == KEPT {
        kept.remove(0);
    }
    kept.push(bytes);
    bytes
}

/// Asks both stores, and gives what they agree upon.
macro_rules! both {
    ($step:expr, $one:expr, $two:expr, |$store:ident| $ask:expr) => {{
        let $store = &$one.store;
        let first = $ask.await.unwrap();
        let $store = &$two.store;
        let second = $ask.await.unwrap();
        assert_eq!(first, second, "step {}: {}", $step, stringify!($ask));
        first
    }};
}

pub async fn both_say_the_same<A: Store, B: Store>(one: &Kit<A>, two: &Kit<B>, steps: usize, seed: u64) {
    let (people, desks) =
        (one.agents(&["ann", "bob", "carl"]).await, one.phones(&["d-1", "d-2", "d-3"]).await);
    assert_eq!(people, two.agents(&["ann", "bob", "carl"]).await);
    assert_eq!(desks, two.phones(&["d-1", "d-2", "d-3"]).await);
    let mut dice = Dice(seed | 1);
    let (mut count, mut now) = (0u64, 1_000_000i64);
    let (mut cookies, mut tickets, mut shown) = (Vec::new(), Vec::new(), [None; 3]);
    let (mut logins, mut highest) = (Vec::<LoginId>::new(), [0u64; 3]);
    // The cookie each showed a password for last, and that of the seat; cookies of seats that were taken over.
    let (mut asked, mut seated, mut taken) = ([None; 3], [None; 3], Vec::new());
    let mut used = HashSet::new();
    let mut seen = [0usize; 4];
    for step in 0..steps {
        now += dice.roll(6_000) as i64 + if dice.roll(20) == 0 { 1_800_000 } else { 0 };
        let at = WallTime(now);
        let who = dice.roll(people.len());
        let agent = people[who];
        let device = desks[dice.roll(desks.len())];
        match dice.roll(20) {
            0..=3 => {
                let session = WebSession {
                    token_sha256: secret(&mut count, &mut cookies),
                    agent,
                    login: None,
                    csrf: format!("pending {count}"),
                    created: at,
                    expires: WallTime(now + 300_000),
                    seen: at,
                    from: HERE.into(),
                    stage: Stage::In,
                };
                asked[who] = Some(session.token_sha256);
                both!(step, one, two, |s| s.put_session(session.clone()));
            }
            4..=8 => {
                // With one's own cookie, one of whatever kind and owner, or without a browser.
                let pending = match dice.roll(6) {
                    0 => None,
                    1 => dice.one_of(&cookies),
                    _ => asked[who],
                };
                let upgrade = pending.map(|pending| Upgrade {
                    pending,
                    token_sha256: secret(&mut count, &mut cookies),
                    csrf: format!("full {count}"),
                    expires: WallTime(now + 2_000_000),
                });
                let wanted = claim(agent, device, shown[who], now);
                let said = both!(step, one, two, |s| s.claim_login(wanted.clone(), upgrade.clone()));
                match said {
                    Claimed::Granted { login, ended } => {
                        assert!(login.epoch.0 > highest[who], "step {step}: epochs only rise");
                        seen[0] += 1;
                        seen[1] += usize::from(ended.is_some());
                        (highest[who], shown[who]) = (login.epoch.0, None);
                        if ended.is_some() {
                            taken.extend(seated[who]);
                        }
                        seated[who] = upgrade.map(|upgrade| upgrade.token_sha256);
                        logins.push(login.id);
                    }
                    Claimed::Refused(Decision::Held { by }) => shown[who] = Some(by.epoch.0),
                    _ => {}
                }
            }
            9 => {
                let last = logins.len().saturating_sub(6);
                if let Some(login) = dice.one_of(logins.get(last..).unwrap_or_default()) {
                    let why = LoginEndReason::LoggedOut;
                    both!(step, one, two, |s| s.end_login(login, why, at, HERE));
                }
            }
            10 => {
                if let Some(cookie) = dice.one_of(&cookies) {
                    both!(step, one, two, |s| s.drop_session(cookie));
                }
            }
            11..=12 => {
                let last = logins.len().saturating_sub(4);
                if let Some(login) = dice.one_of(logins.get(last..).unwrap_or_default()) {
                    let ticket = Ticket {
                        ticket_sha256: secret(&mut count, &mut tickets),
                        login,
                        from: HERE.into(),
                        created: at,
                        expires: WallTime(now + 60_000),
                    };
                    both!(step, one, two, |s| s.put_ticket(ticket.clone()));
                }
            }
            13..=14 => {
                let last = tickets.len().saturating_sub(if dice.roll(3) == 0 { KEPT } else { 2 });
                if let Some(ticket) = dice.one_of(tickets.get(last..).unwrap_or_default()) {
                    let from = if dice.roll(6) == 0 { ELSEWHERE } else { HERE };
                    let show = TicketUse {
                        ticket_sha256: ticket,
                        from: from.into(),
                        at,
                        token_sha256: secret(&mut count, &mut cookies),
                        csrf: format!("page {count}"),
                        expires: WallTime(now + 2_000_000),
                    };
                    if let TicketUsed::Granted { .. } = both!(step, one, two, |s| s.use_ticket(show.clone()))
                    {
                        assert!(used.insert(ticket), "step {step}: a ticket is used once");
                        seen[2] += 1;
                    }
                }
            }
            15..=16 => {
                let list = if dice.roll(3) == 0 { &cookies } else { &taken };
                if let Some(cookie) = dice.one_of(list) {
                    let within = Duration::from_secs(3600);
                    let say = Disown { token_sha256: cookie, at, from: HERE.into(), within };
                    let said = both!(step, one, two, |s| s.disown(say.clone()));
                    if matches!(said, Disowned::Done { .. }) {
                        seen[3] += 1;
                        let tomb = one.store.tombstone(cookie, at).await.unwrap().expect("a tombstone spoke");
                        assert!(
                            !one.store.logins().await.unwrap().iter().any(|l| l.agent == tomb.login.agent)
                        );
                    }
                }
            }
            17 => {
                let account = both!(step, one, two, |s| async {
                    s.account_by_id(agent).await.map(|found| found.map(|a| (a.blocked, a.last_device)))
                });
                if account.is_some_and(|(blocked, _)| blocked.is_some()) {
                    both!(step, one, two, |s| s.block(agent, None));
                }
            }
            18 => {
                let enabled = dice.roll(8) > 0;
                both!(step, one, two, |s| s.enable_device(device, enabled, at));
            }
            _ => {
                let enabled = dice.roll(8) > 0;
                both!(step, one, two, |s| s.enable_agent(agent, enabled, at));
            }
        }
        let open = both!(step, one, two, |s| s.logins());
        let agents: HashSet<_> = open.iter().map(|login| login.agent).collect();
        let places: HashSet<_> = open.iter().filter_map(|login| login.place.device()).collect();
        assert!(agents.len() == open.len() && places.len() == open.len(), "step {step}: {open:?}");
        if let Some(cookie) = dice.one_of(&cookies) {
            let session = both!(step, one, two, |s| s.session(cookie, at));
            let stands = |id: LoginId| open.iter().any(|login| login.id == id);
            assert!(
                session.and_then(|s| s.login).is_none_or(stands),
                "step {step}: a cookie outlives its login"
            );
            both!(step, one, two, |s| s.tombstone(cookie, at));
            both!(step, one, two, |s| s.ended_session(cookie));
        }
        both!(step, one, two, |s| s.expired_logins(at));
    }
    let [grants, takeovers, pages, sayings] = seen;
    eprintln!(
        "{grants} logins, {takeovers} taken over, {pages} pages by ticket, {sayings} said it was not them"
    );
    assert!(
        seen.iter().all(|n| *n > 0) && grants > steps / 40,
        "the dice must have done everything: {seen:?}"
    );
}
