//! The swarm: a random world from a seed, with everything going wrong that can, and the checkers after every step.
//! A seed that fails once is written into `tests/swarm/seeds.txt` and tried for ever.

use crate::chance::Chance;
use crate::peer::{Manner, Phase};
use crate::world::{Agent, Desk, Line, Options, Sat, World};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;
use terms::{LoginEndReason, TakeoverPolicy, Transport};

/// Things that happen in one world.
const ACTIONS: u32 = 120;
/// Lines of the ladder in a failure.
const TAIL: usize = 400;

/// What a world went through, to see that the swarm does something.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Stats {
    pub calls: u64,
    pub answered: u64,
    pub logins: u64,
    pub takeovers: u64,
    pub restarts: u64,
    pub reboots: u64,
    /// Seconds of the world's clock.
    pub seconds: u64,
}

#[derive(Clone, Debug)]
pub struct Failure {
    pub seed: u64,
    /// What should not have been, the first thing first.
    pub why: Vec<String>,
    /// The end of the ladder up to it.
    pub ladder: String,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}seed {}: {}", self.ladder, self.seed, self.why.join("; "))
    }
}

impl std::error::Error for Failure {}

/// Lives one world to its end.
pub fn run(seed: u64) -> Result<Stats, Failure> {
    let mut day = Day::new(seed);
    let fail = |day: &Day, why: Vec<String>| Failure { seed, why, ladder: day.w.ladder_tail(TAIL) };
    for _ in 0..ACTIONS {
        let lived = catch_unwind(AssertUnwindSafe(|| day.something_happens()));
        if let Err(panic) = lived {
            return Err(fail(&day, vec![said(&*panic)]));
        }
        let violations = day.w.violations();
        if !violations.is_empty() {
            return Err(fail(&day, violations));
        }
    }
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| day.ends())) {
        return Err(fail(&day, vec![said(&*panic)]));
    }
    let violations = day.w.violations();
    if !violations.is_empty() {
        return Err(fail(&day, violations));
    }
    let records = day.w.records();
    day.stats.calls = records.len() as u64;
    day.stats.answered = records.iter().filter(|r| r.answered.is_some()).count() as u64;
    day.stats.seconds = day.w.now().instant.0 / 1_000_000_000;
    Ok(day.stats)
}

fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    format!("panic: {}", text.unwrap_or("without words"))
}

/// One random day in one world.
struct Day {
    w: World,
    chance: Chance,
    desks: Vec<Desk>,
    agents: Vec<Agent>,
    lines: Vec<Line>,
    stats: Stats,
    dead_gateway: bool,
}

impl Day {
    fn new(seed: u64) -> Day {
        let mut chance = Chance::new(seed ^ 0x5E_ED0F_DA75);
        let options = Options {
            jitter: Duration::from_millis(chance.below(4) * 15),
            double_per_thousand: chance.below(3) as u32 * 20,
            news_lost_per_thousand: chance.below(3) as u32 * 100,
            takeover: if chance.below(4) == 0 { TakeoverPolicy::Refuse } else { TakeoverPolicy::End },
            pace: Duration::from_millis(250),
            ring_max: Duration::from_secs(12),
            // Every other world watches its phones.
            watch_every: Duration::from_secs(5 * (seed % 2)),
            ..Options::default()
        };
        let addresses = 1 + chance.below(2) as u8;
        let mut w = World::with(seed, addresses, options);
        let desks: Vec<Desk> = (0..3 + chance.below(4))
            .map(|n| {
                let tcp = chance.below(5) == 0;
                let nameless = chance.below(3) == 0;
                let desk = w.phone_with(&format!("desk-{}", 17 + n), |c| {
                    c.expires = 60 + 60 * n as u32;
                    if tcp {
                        c.peer.transport = Transport::Tcp;
                    }
                    if nameless {
                        c.instance = None;
                    }
                });
                desk.registers();
                desk.behaves(Manner::answers(Duration::from_millis(300)));
                desk
            })
            .collect();
        let agents: Vec<Agent> =
            (0..2 + chance.below(4)).map(|n| w.agent(&format!("agent-{n}"), 2001 + n as u32)).collect();
        let lines = (0..usize::from(addresses)).map(|n| w.trunk_at(n)).collect();
        w.run_s(1);
        // The shift has begun: whoever finds a phone sits down.
        for (agent, desk) in agents.iter().zip(&desks) {
            agent.tries(desk, None);
        }
        Day { w, chance, desks, agents, lines, stats: Stats::default(), dead_gateway: false }
    }

    fn desk(&mut self) -> Desk {
        self.chance.pick(&self.desks).expect("there are desks").clone()
    }
    fn agent(&mut self) -> Agent {
        self.chance.pick(&self.agents).expect("there are agents").clone()
    }
    fn line(&mut self) -> Line {
        self.chance.pick(&self.lines).expect("there are lines").clone()
    }
    fn number(&mut self) -> String {
        let inside = ["2001", "2002", "2003", "2004", "2999", "desk-17", "desk-18"];
        let outside =
            ["+4969100", "+4969101", "+4969102", "+4969103", "+4969104", "+4969105", "+4969777", "069123"];
        let strange = ["112", "+97912345", "", "2001;x=y", "%00", "sip:2001@elsewhere.test"];
        let from: &[&str] = match self.chance.below(10) {
            0..=4 => &inside,
            5..=8 => &outside,
            _ => &strange,
        };
        (*self.chance.pick(from).expect("not empty")).to_owned()
    }
    fn manner(&mut self) -> Manner {
        let soon = Duration::from_millis(self.chance.below(3_000));
        match self.chance.below(10) {
            0..=4 => Manner::answers(soon),
            5 => Manner::answers(soon).hangs_up(Duration::from_millis(self.chance.below(4_000))),
            6 => Manner::refuses([404, 480, 486, 488, 500, 503, 603][self.chance.below(7) as usize]),
            7 => Manner::silent(),
            8 => Manner { early_media: true, ..Manner::answers(soon) },
            _ => Manner::rings(),
        }
    }

    fn something_happens(&mut self) {
        match self.chance.below(40) {
            0..=5 => self.somebody_logs_in(),
            6 | 7 if self.chance.below(2) == 0 => self.somebody_touches_a_call(),
            6 | 7 => {
                let agent = self.agent();
                let why = match self.chance.below(3) {
                    0 => LoginEndReason::ReleasedByAdministrator,
                    1 => LoginEndReason::Expired,
                    _ => LoginEndReason::LoggedOut,
                };
                agent.ends(why);
            }
            8..=13 => {
                let line = self.line();
                let known = self.chance.below(self.agents.len() as u64);
                let number =
                    if self.chance.below(4) == 0 { self.number() } else { format!("{}", 2001 + known) };
                line.calls_from(&number, "+4930777");
            }
            14..=18 => {
                let (desk, number) = (self.desk(), self.number());
                if desk.is_alive() {
                    desk.calls(&number);
                }
            }
            19..=21 => {
                let (desk, manner) = (self.desk(), self.manner());
                desk.behaves(manner);
            }
            22 => {
                let (line, manner) = (self.line(), self.manner());
                line.behaves(manner);
            }
            23..=30 => self.somebody_touches_a_call(),
            31 | 32 => {
                let desk = self.desk();
                let port = (self.chance.below(2) == 0).then(|| 40_000 + self.chance.below(1_000) as u16);
                self.stats.reboots += 1;
                desk.reboots(port);
            }
            33 if self.chance.below(3) == 0 => self.desk().dies(),
            33 => self.somebody_logs_in(),
            34 => self.desk().loses_its_connection(),
            35 => {
                let spell = self.chance.below(3) as u32 * 60;
                self.w.options(|o| o.loss_per_thousand = spell);
            }
            36 => {
                let (busy, ms) = (self.chance.below(3) as u32 * 300, 2 + self.chance.below(3) * 150);
                self.w.options(|o| {
                    o.store_busy_per_thousand = busy;
                    o.store_takes = Duration::from_millis(ms);
                });
            }
            37 => self.desk().registers(),
            38 => self.desk().unregisters(),
            _ => {
                if self.dead_gateway {
                    self.w.starts_the_gateway();
                    self.stats.restarts += 1;
                } else if self.chance.below(2) == 0 {
                    self.w.kills_the_gateway();
                }
                self.dead_gateway = !self.w.gateway_is_alive();
            }
        }
        if self.dead_gateway && self.chance.below(4) == 0 {
            self.w.starts_the_gateway();
            self.stats.restarts += 1;
            self.dead_gateway = false;
        }
        let ms = match self.chance.below(4) {
            0 => 0,
            1 => self.chance.below(20),
            2 => self.chance.below(400),
            _ => self.chance.below(4_000),
        };
        self.w.run_ms(ms);
    }

    fn somebody_logs_in(&mut self) {
        let (agent, desk) = (self.agent(), self.desk());
        match agent.tries(&desk, None) {
            Sat::Granted(_) => self.stats.logins += 1,
            Sat::Held(epoch) if self.chance.below(4) != 0 => {
                // Reading the dialog takes a moment, in which the world goes on.
                let ms = self.chance.below(50);
                self.w.run_ms(ms);
                // Two browsers may say yes at once.
                for _ in 0..=self.chance.below(2) {
                    if let Sat::Granted(_) = agent.tries(&desk, Some(epoch)) {
                        self.stats.takeovers += 1;
                    }
                }
            }
            _ => {}
        }
    }

    fn somebody_touches_a_call(&mut self) {
        let call = if self.chance.below(2) == 0 { self.desk().call() } else { self.line().call() };
        let Some(call) = call else { return };
        match (call.phase(), self.chance.below(7)) {
            (Phase::Ended, _) => {}
            (Phase::Ringing, 0..=2) => call.answers(),
            (Phase::Up, 0) => call.holds(),
            (Phase::Up, 1 | 2) => call.resumes(),
            (Phase::Up, 3) => call.presses('7'),
            (Phase::Up, 4) => call.refers(["2001", "2002", "+4969123"][self.chance.below(3) as usize]),
            _ => call.hangs_up(),
        }
    }

    /// The faults stop, everybody goes home.
    fn ends(&mut self) {
        self.w.starts_the_gateway();
        self.w.options(|o| {
            (o.loss_per_thousand, o.store_busy_per_thousand, o.news_lost_per_thousand) = (0, 0, 0);
            o.store_takes = Duration::from_millis(2);
        });
        self.w.run_s(2);
        for agent in &self.agents {
            agent.logs_out();
        }
        self.w.hang_up_everything();
        self.w.run_s(180);
        self.w.checks_rest();
    }
}
