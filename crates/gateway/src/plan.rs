//! Where a call goes, as a pure function: who calls which number from where, and what the directory says right now.

use crate::directory::Directory;
use hotdesk::Seats;
use hotdesk::pass::{SELF_TEST, browser_user};
use registrar::Registrar;
use serde::{Deserialize, Serialize};
use std::fmt;
use terms::{
    Agent, AgentId, Aor, Binding, DeviceId, EndReason, Epoch, Liveness, Login, LoginId, Now, Pii, Place,
    Trunk, TrunkId,
};

/// `sip-config/dialplan.toml`, read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DialPlan {
    /// Always allowed, from any registered phone, over any limit (SPEC H6).
    pub emergency: Vec<String>,
    /// Rules for numbers that are no extension of ours, tried in order; none matches → refused.
    pub rules: Vec<Rule>,
    /// What a phone with nobody at it may call besides emergency numbers: internal extensions (SPEC B11).
    pub vacant_phone_internal: bool,
    /// The emergency trunk's name; the first trunk where empty.
    pub emergency_trunk: Option<String>,
    /// Calls of one agent or phone at once towards the outside (SPEC H8).
    pub external_calls_per_agent: u32,
    /// New outside calls of one agent or phone per minute.
    pub external_calls_per_minute: u32,
    /// Prefixes that are refused whatever the rules say (premium, satellite).
    pub barred: Vec<String>,
    /// The extension that takes calls for agents who are not logged in; they get 480 where there is none.
    #[serde(default)]
    pub not_logged_in: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Digits that the dialled number begins with; `""` matches every number.
    pub prefix: String,
    /// Shortest and longest number this rule takes, in digits.
    #[serde(default)]
    pub min_digits: Option<u8>,
    #[serde(default)]
    pub max_digits: Option<u8>,
    /// The trunk, by name.
    pub trunk: String,
    /// Digits taken from the front.
    #[serde(default)]
    pub strip: u8,
    /// Digits put before the rest.
    #[serde(default)]
    pub add: String,
}

impl Default for DialPlan {
    fn default() -> DialPlan {
        DialPlan {
            emergency: vec!["112".into(), "110".into(), "911".into()],
            rules: Vec::new(),
            vacant_phone_internal: true,
            emergency_trunk: None,
            external_calls_per_agent: 2,
            external_calls_per_minute: 10,
            barred: vec![
                "+979".into(),
                "00979".into(),
                "+88213".into(),
                "0088213".into(),
                "+88216".into(),
                "0088216".into(),
            ],
            not_logged_in: None,
        }
    }
}

/// Longest number or name anyone may dial.
pub const DIALLED_MAX: usize = 64;

/// What a plan is made from: the truth of this moment.
#[derive(Clone, Copy)]
pub struct View<'a> {
    pub now: Now,
    pub directory: &'a Directory,
    pub seats: &'a Seats,
    pub registrar: &'a Registrar,
    pub dial_plan: &'a DialPlan,
}

/// Who calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Caller {
    Trunk(TrunkId),
    /// A device of ours, whoever sits there.
    Device(DeviceId),
    /// An agent in the browser.
    Browser(AgentId),
}

/// Where the call goes, and how that was found, for people.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    pub route: Route,
    pub steps: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Route {
    Phone(PhoneRoute),
    Trunk(TrunkRoute),
    /// The gateway answers itself and sends back what is said.
    SelfTest,
    Refused(EndReason),
}

/// A phone or a browser of ours, with the login that made it the right one.
#[derive(Clone, Debug, PartialEq)]
pub struct PhoneRoute {
    /// None for a browser.
    pub device: Option<DeviceId>,
    /// Agent, login and epoch; none where a phone is called by its own name and nobody sits there.
    pub seat: Option<(AgentId, LoginId, Epoch)>,
    /// Where it can be reached, best first. Never empty.
    pub contacts: Vec<Binding>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct TrunkRoute {
    pub trunk: TrunkId,
    /// As the trunk shall get it.
    pub number: String,
    /// Over any limit.
    pub emergency: bool,
}

/// Plans a call and says how. `hotseat route` prints the steps.
pub fn plan(view: &View<'_>, caller: Caller, dialled: &str) -> Plan {
    let mut steps = Vec::new();
    let route = route(view, caller, dialled, &mut |step| steps.push(step.to_string()));
    Plan { route, steps }
}

/// Plans a call; each step of the way is told to `say`, which may do nothing.
pub fn route(
    view: &View<'_>,
    caller: Caller,
    dialled: &str,
    say: &mut dyn FnMut(fmt::Arguments<'_>),
) -> Route {
    let directory = view.directory;
    if dialled.is_empty() || dialled.len() > DIALLED_MAX {
        say(format_args!("nothing, or far too much, was dialled"));
        return Route::Refused(EndReason::UnknownNumber);
    }
    let number = clean(dialled);
    let (name, seat) = match caller {
        Caller::Trunk(trunk) => {
            let name = directory.trunk(trunk).map_or("?", |trunk| &trunk.name);
            say(format_args!("the call comes from trunk {name}"));
            return match directory.agent_at_did(&number).or_else(|| directory.agent_at_extension(&number)) {
                Some(agent) => to_agent(view, agent, true, say),
                None => {
                    // Never from trunk to trunk: that is how strangers phone at our cost.
                    say(format_args!("no agent has the number {number}"));
                    Route::Refused(EndReason::UnknownNumber)
                }
            };
        }
        Caller::Device(device) => {
            let name = directory.phone(device).map_or("?", |phone| &*phone.device.name);
            (name, view.seats.at_device(device))
        }
        Caller::Browser(agent) => ("a browser", view.seats.login_of(agent)),
    };
    match seat.and_then(|login| directory.agent(login.agent)) {
        Some(agent) => say(format_args!("the call comes from {name}, where {} sits", agent.login_name)),
        None => say(format_args!("the call comes from {name}, where nobody sits")),
    }
    if view.dial_plan.emergency.contains(&number) {
        return emergency(view, number, say);
    }
    if dialled.eq_ignore_ascii_case(SELF_TEST) {
        if seat.is_none() && !view.dial_plan.vacant_phone_internal {
            say(format_args!("a phone with nobody at it may call emergency numbers only"));
            return Route::Refused(EndReason::NotAllowed);
        }
        say(format_args!("the gateway answers itself: the caller hears its own voice"));
        return Route::SelfTest;
    }
    let agent = directory.agent_at_extension(&number);
    let phone = directory.phone_named(dialled).filter(|phone| phone.device.enabled);
    if agent.is_some() || phone.is_some() {
        if seat.is_none() && !view.dial_plan.vacant_phone_internal {
            say(format_args!("a phone with nobody at it may call emergency numbers only"));
            return Route::Refused(EndReason::NotAllowed);
        }
        return match (agent, phone) {
            (Some(agent), _) => to_agent(view, agent, true, say),
            (None, Some(phone)) => {
                say(format_args!("{dialled} is a phone"));
                to_device(view, phone.device.id, view.seats.at_device(phone.device.id), say)
            }
            (None, None) => Route::Refused(EndReason::UnknownNumber),
        };
    }
    if seat.is_none() {
        say(format_args!("a phone with nobody at it may not call the outside"));
        return Route::Refused(EndReason::NotAllowed);
    }
    outside(view, &number, say)
}

fn to_agent(
    view: &View<'_>,
    agent: &Agent,
    may_fall_back: bool,
    say: &mut dyn FnMut(fmt::Arguments<'_>),
) -> Route {
    say(format_args!("the number belongs to {} ({})", agent.login_name, agent.extension));
    let login = view.seats.login_of(agent.id).filter(|_| agent.enabled);
    if let Some(login) = login {
        return match login.place {
            Place::Phone(device) => to_device(view, device, Some(login), say),
            Place::Browser => to_browser(view, login, say),
        };
    }
    say(format_args!("{} is not logged in", agent.login_name));
    let fallback = view.dial_plan.not_logged_in.as_deref().filter(|_| may_fall_back);
    if let Some(extension) = fallback
        && extension != agent.extension
        && let Some(other) = view.directory.agent_at_extension(extension)
    {
        say(format_args!("calls for absent agents go to {extension}"));
        return to_agent(view, other, false, say);
    }
    Route::Refused(EndReason::NotLoggedIn)
}

fn to_device(
    view: &View<'_>,
    device: DeviceId,
    login: Option<&Login>,
    say: &mut dyn FnMut(fmt::Arguments<'_>),
) -> Route {
    let Some(phone) = view.directory.phone(device).filter(|phone| phone.device.enabled) else {
        say(format_args!("that phone does not exist any more, or is disabled"));
        return Route::Refused(EndReason::PhoneUnreachable);
    };
    let seat = login.map(|login| (login.agent, login.id, login.epoch));
    to_contacts(view, &phone.aor, &phone.device.name, Some(device), seat, say)
}

/// To the page where the agent sits.
fn to_browser(view: &View<'_>, login: &Login, say: &mut dyn FnMut(fmt::Arguments<'_>)) -> Route {
    let aor = Aor::new(&browser_user(login.id), view.directory.domain());
    let seat = (login.agent, login.id, login.epoch);
    to_contacts(view, &aor, "the browser", None, Some(seat), say)
}

fn to_contacts(
    view: &View<'_>,
    aor: &Aor,
    name: &str,
    device: Option<DeviceId>,
    seat: Option<(AgentId, LoginId, Epoch)>,
    say: &mut dyn FnMut(fmt::Arguments<'_>),
) -> Route {
    let found = view.registrar.lookup(view.now, aor);
    let contacts: Vec<Binding> = found
        .into_iter()
        // A suspect stream has lost its connection: there is no way to send to it.
        .filter(|(one, liveness)| *liveness == Liveness::Live || !one.flow.transport.is_reliable())
        .map(|(one, _)| one)
        .collect();
    if contacts.is_empty() {
        say(format_args!("{name} cannot be reached: no live contact"));
        return Route::Refused(EndReason::PhoneUnreachable);
    }
    for contact in &contacts {
        say(format_args!("{name} rings at {} over {}", contact.contact, contact.flow));
    }
    Route::Phone(PhoneRoute { device, seat, contacts })
}

fn emergency(view: &View<'_>, number: String, say: &mut dyn FnMut(fmt::Arguments<'_>)) -> Route {
    let named = view.dial_plan.emergency_trunk.as_deref().and_then(|name| view.directory.trunk_named(name));
    match named.or_else(|| view.directory.first_trunk()) {
        Some(trunk) => {
            say(format_args!("{number} is an emergency number: trunk {}, over any limit", trunk.name));
            Route::Trunk(TrunkRoute { trunk: trunk.id, number, emergency: true })
        }
        None => {
            say(format_args!("{number} is an emergency number, but there is no trunk"));
            Route::Refused(EndReason::TrunkUnavailable)
        }
    }
}

fn outside(view: &View<'_>, number: &str, say: &mut dyn FnMut(fmt::Arguments<'_>)) -> Route {
    if !is_number(number) {
        say(format_args!("{number} is neither an extension nor a number"));
        return Route::Refused(EndReason::UnknownNumber);
    }
    if let Some(prefix) = barred(view.dial_plan, number) {
        say(format_args!("numbers beginning with {prefix} are barred"));
        return Route::Refused(EndReason::NotAllowed);
    }
    let Some(rule) = view.dial_plan.rules.iter().find(|rule| rule.takes(number)) else {
        say(format_args!("no rule of the dial plan takes {number}"));
        return Route::Refused(EndReason::UnknownNumber);
    };
    let Some(trunk) = view.directory.trunk_named(&rule.trunk) else {
        say(format_args!("the rule `{}` names trunk {}, which does not exist", rule.prefix, rule.trunk));
        return Route::Refused(EndReason::TrunkUnavailable);
    };
    let rewritten = rule.rewrite(number);
    // Rewriting must not lead round the bar.
    if let Some(prefix) = barred(view.dial_plan, &rewritten) {
        say(format_args!("{rewritten} begins with {prefix}, which is barred"));
        return Route::Refused(EndReason::NotAllowed);
    }
    say(format_args!("rule `{}`: trunk {} gets {rewritten}", rule.prefix, trunk.name));
    Route::Trunk(TrunkRoute { trunk: trunk.id, number: rewritten, emergency: false })
}

fn barred<'a>(dial_plan: &'a DialPlan, number: &str) -> Option<&'a str> {
    dial_plan
        .barred
        .iter()
        .map(String::as_str)
        .find(|prefix| !prefix.is_empty() && number.starts_with(prefix))
}

impl Rule {
    fn takes(&self, number: &str) -> bool {
        let digits = number.bytes().filter(u8::is_ascii_digit).count();
        number.starts_with(&self.prefix)
            && self.min_digits.is_none_or(|min| digits >= usize::from(min))
            && self.max_digits.is_none_or(|max| digits <= usize::from(max))
    }
    fn rewrite(&self, number: &str) -> String {
        let rest = number.get(usize::from(self.strip)..).unwrap_or("");
        format!("{}{rest}", self.add)
    }
}

/// A dialled number without what people write between digits; a name stays as it is.
pub fn clean(dialled: &str) -> String {
    let kept = |c: &char| !matches!(c, '-' | '.' | '(' | ')' | ' ');
    let bare: String = dialled.chars().filter(kept).collect();
    if is_number(&bare) { bare } else { dialled.to_owned() }
}

/// Digits, `*` and `#`, perhaps after a `+`.
fn is_number(text: &str) -> bool {
    let rest = text.strip_prefix('+').unwrap_or(text);
    !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit() || b == b'*' || b == b'#')
}

/// How the caller is shown to the called side.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// `None` is anonymous (RFC 3323 §4.1.1.3).
    pub number: Option<Pii>,
    pub name: String,
}

impl Identity {
    pub const ANONYMOUS: Identity = Identity { number: None, name: String::new() };
}

/// Who calls, as an internal phone sees it: the agent's name and extension, or nobody at all.
pub fn identity_inside(agent: Option<&Agent>) -> Identity {
    agent.map_or(Identity::ANONYMOUS, |agent| Identity {
        number: Some(Pii::new(agent.extension.clone())),
        name: agent.display_name.clone(),
    })
}

/// Who calls, as the outside sees it: the agent's number, else the trunk's.
pub fn identity_outside(agent: Option<&Agent>, trunk: &Trunk) -> Identity {
    let Some(agent) = agent else { return Identity::ANONYMOUS };
    let number = agent.outbound_number.clone().or_else(|| trunk.default_number.clone());
    Identity { number: number.map(Pii::new), name: agent.display_name.clone() }
}
