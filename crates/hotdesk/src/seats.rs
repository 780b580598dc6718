//! The reaction to a changed login row. Rows arrive late, twice and in any order; whoever has seen the same rows ends at
//! the same seats.
//!
//! What is kept is only what grows: per agent the row of the highest epoch, per device the youngest login that was ever
//! there. Who sits where follows from the two. Nothing is undone by an older row, so a lost or repeated notification
//! heals by itself.

use ahash::AHashMap;
use terms::{AgentId, DeviceId, Epoch, Login, LoginEnd, LoginEndReason, LoginId};

/// What the holder of calls and pages has to do about a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Reaction {
    /// Older than what is known, or known already.
    Nothing,
    /// `login` stands now. First tear down what belongs to `left`: the agent's own older login, and whoever still
    /// seemed to sit at the device. Their `ended` is always filled in.
    Seated { login: Login, left: Vec<Login> },
    /// These logins are over and nobody new sits down. Each has its `ended` filled in.
    Left { left: Vec<Login> },
}

/// Who sits where now. Rows come from `Input::Login`; bounded by the directory, whose removals call `forget_*`.
#[derive(Clone, Debug, Default)]
pub struct Seats {
    /// The row of the highest epoch per agent, ended or not.
    latest: AHashMap<AgentId, Login>,
    /// Whose row a login is, for the rows in `latest`.
    whose: AHashMap<LoginId, AgentId>,
    /// The youngest login ever seen at a device, and whose it is. The store numbers logins in the order it grants them
    /// and holds at most one per device open, so a younger number there means that every older one has ended.
    youngest: AHashMap<DeviceId, (LoginId, AgentId)>,
}

impl Seats {
    pub fn new() -> Seats {
        Seats::default()
    }

    /// Applies a row as the store has it. Idempotent, and safe in any order.
    pub fn apply(&mut self, row: &Login) -> Reaction {
        let mut left = Vec::new();
        let mine = self.login_of(row.agent).filter(|mine| mine.epoch < row.epoch).cloned();

        // The device learns of the row even where the agent's own history is ahead of it.
        if let Some(device) = row.place.device() {
            let youngest = self.youngest.get(&device).copied();
            if youngest.is_none_or(|(id, _)| id < row.id) {
                // Whoever still seemed to sit there has ended; how, its own row will not be news any more.
                if let Some((_, agent)) = youngest
                    && agent != row.agent
                    && let Some(sitting) = self.login_of(agent).filter(|l| l.place.device() == Some(device))
                {
                    left.push(ended_by(sitting, row, LoginEndReason::ReleasedByAdministrator));
                }
                self.youngest.insert(device, (row.id, row.agent));
            }
        }

        let known = self.latest.get(&row.agent);
        let news = known.is_none_or(|known| {
            row.epoch > known.epoch
                || (row.epoch == known.epoch && row.ended.is_some() && known.ended.is_none())
        });
        if !news {
            return if left.is_empty() { Reaction::Nothing } else { Reaction::Left { left } };
        }
        if let Some(mine) = mine {
            left.push(ended_by(&mine, row, LoginEndReason::TakenOver));
        }
        if let Some(old) = self.latest.insert(row.agent, row.clone()) {
            self.whose.remove(&old.id);
        }
        self.whose.insert(row.id, row.agent);
        if self.login_of(row.agent).is_some() {
            return Reaction::Seated { login: row.clone(), left };
        }
        if row.ended.is_some() {
            left.push(row.clone());
        }
        if left.is_empty() { Reaction::Nothing } else { Reaction::Left { left } }
    }

    /// The agent's login, if one stands.
    pub fn login_of(&self, agent: AgentId) -> Option<&Login> {
        let login = self.latest.get(&agent).filter(|login| login.ended.is_none())?;
        let holds_device = login
            .place
            .device()
            .is_none_or(|device| self.youngest.get(&device).is_some_and(|(id, _)| *id == login.id));
        holds_device.then_some(login)
    }

    /// Who sits at this device.
    pub fn at_device(&self, device: DeviceId) -> Option<&Login> {
        let (id, agent) = self.youngest.get(&device)?;
        self.login_of(*agent).filter(|login| login.id == *id)
    }

    /// The login with this id, if it stands.
    pub fn login(&self, id: LoginId) -> Option<&Login> {
        self.login_of(*self.whose.get(&id)?).filter(|login| login.id == id)
    }

    /// Whether calls and requests of this login may go on. False for every older epoch, from the row's arrival on.
    pub fn is_current(&self, agent: AgentId, epoch: Epoch) -> bool {
        self.login_of(agent).is_some_and(|login| login.epoch == epoch)
    }

    /// All logins that stand, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Login> {
        self.latest.keys().filter_map(|agent| self.login_of(*agent))
    }

    /// The agent was removed from the directory. Returns the login that stood, for its teardown.
    pub fn forget_agent(&mut self, agent: AgentId) -> Option<Login> {
        let stood = self.login_of(agent).cloned();
        if let Some(row) = self.latest.remove(&agent) {
            self.whose.remove(&row.id);
        }
        self.youngest.retain(|_, (_, whose)| *whose != agent);
        stood
    }

    /// The device was removed from the directory. Returns the login that stood there, for its teardown.
    pub fn forget_device(&mut self, device: DeviceId) -> Option<Login> {
        let stood = self.at_device(device).cloned();
        self.youngest.remove(&device);
        stood
    }
}

/// `old` with the end that the younger row implies. The youngest row tells when and from where.
fn ended_by(old: &Login, young: &Login, why: LoginEndReason) -> Login {
    let mut old = old.clone();
    old.ended = Some(LoginEnd { at: young.since, why, from: young.from.clone() });
    old
}

#[cfg(test)]
mod tests {
    use super::*;
    use terms::{Place, WallTime};

    const ANN: AgentId = AgentId(1);
    const BOB: AgentId = AgentId(2);
    const DESK_17: DeviceId = DeviceId(17);
    const DESK_18: DeviceId = DeviceId(18);

    fn row(id: u64, agent: AgentId, epoch: u64, device: DeviceId) -> Login {
        Login {
            id: LoginId(id),
            agent,
            epoch: Epoch(epoch),
            place: Place::Phone(device),
            since: WallTime(id as i64 * 1_000),
            from: format!("192.0.2.{id}"),
            ended: None,
        }
    }
    fn over(mut login: Login, why: LoginEndReason) -> Login {
        login.ended = Some(LoginEnd { at: login.since, why, from: String::new() });
        login
    }
    fn ids(logins: &[Login]) -> Vec<u64> {
        logins.iter().map(|l| l.id.0).collect()
    }

    #[test]
    fn ann_sits_down_moves_and_leaves() {
        let mut seats = Seats::new();
        let first = row(1, ANN, 1, DESK_17);
        assert_eq!(seats.apply(&first), Reaction::Seated { login: first.clone(), left: vec![] });
        assert_eq!(seats.at_device(DESK_17).map(|l| l.agent), Some(ANN));
        assert_eq!(seats.apply(&first), Reaction::Nothing);

        // The new row comes before the end of the old one: the old place is torn down all the same.
        let second = row(2, ANN, 2, DESK_18);
        let Reaction::Seated { left, .. } = seats.apply(&second) else { panic!("not seated") };
        assert_eq!(ids(&left), [1]);
        let end = left[0].ended.clone().expect("an end");
        assert_eq!((end.why, &*end.from), (LoginEndReason::TakenOver, "192.0.2.2"));
        assert!(seats.at_device(DESK_17).is_none());
        assert!(!seats.is_current(ANN, Epoch(1)) && seats.is_current(ANN, Epoch(2)));
        assert_eq!(seats.apply(&over(first.clone(), LoginEndReason::TakenOver)), Reaction::Nothing);
        assert_eq!(seats.apply(&first), Reaction::Nothing);

        let gone = over(second, LoginEndReason::LoggedOut);
        assert_eq!(seats.apply(&gone), Reaction::Left { left: vec![gone.clone()] });
        assert_eq!(seats.apply(&gone), Reaction::Nothing);
        assert!(seats.login_of(ANN).is_none() && seats.iter().next().is_none());
    }

    #[test]
    fn a_younger_login_at_the_phone_means_the_older_agent_left() {
        let mut seats = Seats::new();
        seats.apply(&row(1, ANN, 1, DESK_17));
        let Reaction::Seated { login, left } = seats.apply(&row(2, BOB, 1, DESK_17)) else { panic!() };
        assert_eq!((login.agent, ids(&left)), (BOB, vec![1]));
        assert!(seats.login_of(ANN).is_none());

        // The other way round: Ann's old row finds Bob there already.
        let mut seats = Seats::new();
        seats.apply(&row(2, BOB, 1, DESK_17));
        assert_eq!(seats.apply(&row(1, ANN, 1, DESK_17)), Reaction::Nothing);
        assert_eq!(seats.at_device(DESK_17).map(|l| l.agent), Some(BOB));
    }

    #[test]
    fn an_end_nobody_saw_the_beginning_of_still_tells_its_page() {
        let mut seats = Seats::new();
        seats.apply(&row(1, ANN, 1, DESK_17));
        let gone = over(row(2, ANN, 2, DESK_18), LoginEndReason::LoggedOut);
        let Reaction::Left { left } = seats.apply(&gone) else { panic!("not left") };
        assert_eq!(ids(&left), [1, 2]);
    }

    #[test]
    fn what_leaves_the_directory_leaves_its_seat() {
        let mut seats = Seats::new();
        seats.apply(&row(1, ANN, 1, DESK_17));
        seats.apply(&row(2, BOB, 1, DESK_18));
        assert_eq!(seats.forget_agent(ANN).map(|l| l.id), Some(LoginId(1)));
        assert_eq!(seats.forget_device(DESK_18).map(|l| l.id), Some(LoginId(2)));
        assert_eq!(seats.iter().count(), 0);
    }

    /// A small generator of its own (xorshift64*): the pure crates have no source of chance.
    fn chance(state: &mut u64, below: u64) -> u64 {
        *state ^= *state >> 12;
        *state ^= *state << 25;
        *state ^= *state >> 27;
        (state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % below
    }

    /// A history as the store would grant it: every row once open and, except the last ones, once ended.
    fn history(seed: &mut u64) -> (Vec<Login>, Vec<Login>) {
        let (mut open, mut rows): (Vec<Login>, Vec<Login>) = (vec![], vec![]);
        let mut epochs = [0u64; 5];
        for id in 1..=20 {
            let agent = chance(seed, 4) + 1;
            let device = DeviceId(chance(seed, 4));
            let end = |login: &Login, rows: &mut Vec<Login>| {
                rows.push(over(login.clone(), LoginEndReason::TakenOver));
            };
            open.retain(|login| {
                let goes = login.agent.0 == agent || login.place.device() == Some(device);
                if goes {
                    end(login, &mut rows);
                }
                !goes
            });
            epochs[agent as usize] += 1;
            let login = row(id, AgentId(agent), epochs[agent as usize], device);
            rows.push(login.clone());
            open.push(login);
            if chance(seed, 3) == 0 {
                let gone = open.remove(chance(seed, open.len() as u64) as usize);
                end(&gone, &mut rows);
            }
        }
        (rows, open)
    }

    #[test]
    fn any_order_and_any_repetition_of_the_same_rows_ends_at_the_same_seats() {
        let mut seed = 0x5EED;
        for _ in 0..300 {
            let (rows, mut open) = history(&mut seed);
            for _ in 0..5 {
                let mut order = rows.clone();
                for _ in 0..10 {
                    let twice = chance(&mut seed, rows.len() as u64) as usize;
                    order.push(rows[twice].clone());
                }
                for i in (1..order.len()).rev() {
                    order.swap(i, chance(&mut seed, i as u64 + 1) as usize);
                }
                let mut seats = Seats::new();
                let mut seated: Vec<LoginId> = vec![];
                for row in &order {
                    // What the reactions said must add up to what the table says.
                    let (new, left) = match seats.apply(row) {
                        Reaction::Nothing => (None, vec![]),
                        Reaction::Seated { login, left } => (Some(login.id), left),
                        Reaction::Left { left } => (None, left),
                    };
                    assert!(left.iter().all(|l| l.ended.is_some()));
                    seated.retain(|id| !left.iter().any(|l| l.id == *id));
                    seated.extend(new);
                    let mut now: Vec<_> = seats.iter().map(|l| l.id).collect();
                    now.sort_unstable();
                    seated.sort_unstable();
                    assert_eq!(seated, now);
                    for login in seats.iter() {
                        let device = login.place.device().expect("a phone");
                        assert_eq!(seats.at_device(device), Some(login));
                        assert!(seats.is_current(login.agent, login.epoch));
                    }
                }
                let mut end: Vec<_> = seats.iter().cloned().collect();
                end.sort_by_key(|l| l.id);
                open.sort_by_key(|l| l.id);
                assert_eq!(end, open);
            }
        }
    }
}
