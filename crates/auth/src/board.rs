//! The board: every phone with its state and who sits there, in memory, ready to be sent. The store's rows and the core's
//! notices keep it true; whatever changes on it becomes a numbered frame for the pages that look.

use crate::PhoneNow;
use crate::overview::{PhoneName, Seated};
use serde::Serialize;
use serde_json::json;
use std::collections::{HashMap, HashSet, VecDeque};
use store::Changes;
use terms::{Activity, Agent, AgentId, Device, DeviceId, Login, LoginId, Notice, PhoneState, WallTime};
use tokio::sync::broadcast;

/// Frames kept for pages that come back with `?after=`; older than that they get a snapshot.
const RING_MAX: usize = 4096;
/// Frames a slow page may lag behind before it gets a snapshot instead.
const LAG_MAX: usize = 1024;

/// One row of the phone list, as pages see it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) label: String,
    pub(crate) site: String,
    pub(crate) floor: String,
    pub(crate) state: RowState,
    pub(crate) by: Option<String>,
    pub(crate) since: Option<WallTime>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RowState {
    Free,
    InUse,
    Unreachable,
    NeverRegistered,
}

/// A frame of the event stream. `text` is the JSON with its number in it.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) seq: u64,
    pub(crate) to: Option<LoginId>,
    /// The last frame of the login it is for.
    pub(crate) last: bool,
    pub(crate) text: axum::extract::ws::Utf8Bytes,
}

pub(crate) struct Board {
    devices: HashMap<DeviceId, Device>,
    /// By name; the natural order of the list.
    order: Vec<DeviceId>,
    by_name: HashMap<String, DeviceId>,
    agents: HashMap<AgentId, Agent>,
    phones: HashMap<DeviceId, (PhoneState, WallTime)>,
    /// Logins without an end, and the two ways to find one.
    logins: HashMap<LoginId, Login>,
    login_of: HashMap<AgentId, LoginId>,
    login_at: HashMap<DeviceId, LoginId>,
    activity: HashMap<LoginId, (Activity, Option<String>, WallTime)>,
    pub(crate) changes_seq: u64,
    frame_seq: u64,
    ring: VecDeque<Frame>,
    live: broadcast::Sender<Frame>,
    /// The phones of the list as JSON, until something changes.
    list: Option<axum::extract::ws::Utf8Bytes>,
}

impl Board {
    /// Frames are numbered from the wall clock, so that a number from before a restart is never taken for one of ours.
    pub(crate) fn new(now: WallTime) -> Board {
        Board {
            devices: HashMap::new(),
            order: Vec::new(),
            by_name: HashMap::new(),
            agents: HashMap::new(),
            phones: HashMap::new(),
            logins: HashMap::new(),
            login_of: HashMap::new(),
            login_at: HashMap::new(),
            activity: HashMap::new(),
            changes_seq: 0,
            frame_seq: u64::try_from(now.0).unwrap_or(0).saturating_mul(1000),
            ring: VecDeque::new(),
            live: broadcast::channel(LAG_MAX).0,
            list: None,
        }
    }

    pub(crate) fn device(&self, id: DeviceId) -> Option<&Device> {
        self.devices.get(&id)
    }

    pub(crate) fn device_named(&self, name: &str) -> Option<&Device> {
        self.by_name.get(name).and_then(|id| self.devices.get(id)).filter(|device| device.enabled)
    }

    pub(crate) fn phone_state(&self, id: DeviceId) -> PhoneState {
        self.phones.get(&id).map_or(PhoneState::NeverRegistered, |(state, _)| *state)
    }

    pub(crate) fn phone_since(&self, id: DeviceId) -> Option<WallTime> {
        self.phones.get(&id).map(|(_, since)| *since)
    }

    /// All phones by name, disabled ones too.
    pub(crate) fn in_order(&self) -> impl Iterator<Item = DeviceId> + '_ {
        self.order.iter().copied()
    }

    /// The phone of this name, disabled or not.
    pub(crate) fn named(&self, name: &str) -> Option<DeviceId> {
        self.by_name.get(name).copied()
    }

    pub(crate) fn seated(&self) -> Vec<Seated> {
        self.logins.values().map(|login| self.seat_of(login)).collect()
    }

    pub(crate) fn seated_login(&self, login: LoginId) -> Option<Seated> {
        self.logins.get(&login).map(|login| self.seat_of(login))
    }

    fn seat_of(&self, login: &Login) -> Seated {
        Seated {
            agent: self.agents.get(&login.agent).cloned(),
            phone: login.place.device().and_then(|id| self.devices.get(&id)).map(PhoneName::from),
            activity: self.activity.get(&login.id).map_or(Activity::Idle, |(activity, ..)| *activity),
            login: login.clone(),
        }
    }

    pub(crate) fn login_of(&self, agent: AgentId) -> Option<&Login> {
        self.login_of.get(&agent).and_then(|id| self.logins.get(id))
    }

    pub(crate) fn login_at(&self, device: DeviceId) -> Option<&Login> {
        self.login_at.get(&device).and_then(|id| self.logins.get(id))
    }

    pub(crate) fn login(&self, id: LoginId) -> Option<&Login> {
        self.logins.get(&id)
    }

    pub(crate) fn row(&self, id: DeviceId) -> Option<Row> {
        let device = self.devices.get(&id).filter(|device| device.enabled)?;
        let phone = self.phones.get(&id);
        let login = self.login_at(id);
        let state = match (login, phone.map(|(state, _)| *state)) {
            (Some(_), _) => RowState::InUse,
            (None, None | Some(PhoneState::NeverRegistered)) => RowState::NeverRegistered,
            (None, Some(PhoneState::Registered | PhoneState::Suspect)) => RowState::Free,
            (None, Some(PhoneState::Unreachable | PhoneState::Expired)) => RowState::Unreachable,
        };
        let since = match login {
            Some(login) => Some(login.since),
            None if state == RowState::NeverRegistered => None,
            None => phone.map(|(_, since)| *since),
        };
        let name_of = |login: &Login| self.agents.get(&login.agent).map(|agent| agent.display_name.clone());
        Some(Row {
            name: device.name.clone(),
            label: device.label.clone(),
            site: device.site.clone(),
            floor: device.floor.clone(),
            state,
            by: login.and_then(name_of),
            since,
        })
    }

    /// The JSON array of all rows, free ones first; made once per change.
    pub(crate) fn list(&mut self) -> axum::extract::ws::Utf8Bytes {
        if let Some(list) = &self.list {
            return list.clone();
        }
        let mut rows: Vec<Row> = self.order.iter().filter_map(|id| self.row(*id)).collect();
        // Stable: within a state the natural order of names stays.
        rows.sort_by_key(|row| row.state);
        let text = serde_json::to_string(&rows).unwrap_or_else(|_| "[]".to_owned());
        let text = axum::extract::ws::Utf8Bytes::from(text);
        self.list = Some(text.clone());
        text
    }

    /// What a page gets that starts or lost the thread: the last number and everything.
    pub(crate) fn snapshot(&mut self) -> Frame {
        let list = self.list();
        let text = format!(r#"{{"seq":{},"type":"snapshot","phones":{}}}"#, self.frame_seq, list.as_str());
        Frame { seq: self.frame_seq, to: None, last: false, text: text.into() }
    }

    /// Frames from now on, and those a returning page has missed (`None`: too many, or none of ours: a snapshot).
    pub(crate) fn follow(&self, after: Option<u64>) -> (broadcast::Receiver<Frame>, Option<Vec<Frame>>) {
        let missed = after.filter(|after| {
            let oldest = self.ring.front().map_or(self.frame_seq, |frame| frame.seq - 1);
            (oldest..=self.frame_seq).contains(after)
        });
        let missed =
            missed.map(|after| self.ring.iter().filter(|frame| frame.seq > after).cloned().collect());
        (self.live.subscribe(), missed)
    }

    fn tell(&mut self, to: Option<LoginId>, last: bool, body: serde_json::Value) {
        self.frame_seq += 1;
        let mut frame = json!({ "seq": self.frame_seq });
        if let (Some(frame), serde_json::Value::Object(body)) = (frame.as_object_mut(), body) {
            frame.extend(body);
        }
        let frame = Frame { seq: self.frame_seq, to, last, text: frame.to_string().into() };
        self.ring.push_back(frame.clone());
        if self.ring.len() > RING_MAX {
            self.ring.pop_front();
        }
        // Nobody looking is no error.
        let _ = self.live.send(frame);
    }

    fn tell_row(&mut self, id: DeviceId) {
        self.list = None;
        if let Some(row) = self.row(id) {
            let mut body = json!(row);
            body["type"] = "phone".into();
            self.tell(None, false, body);
        }
    }

    /// The whole list is different: everyone gets a new one.
    fn tell_all(&mut self) {
        self.list = None;
        let list = self.list();
        self.frame_seq += 1;
        let text = format!(r#"{{"seq":{},"type":"snapshot","phones":{}}}"#, self.frame_seq, list.as_str());
        // A page that returns with an older number gets a snapshot anyway.
        self.ring.clear();
        let _ = self.live.send(Frame { seq: self.frame_seq, to: None, last: false, text: text.into() });
    }

    /// How all phones stand, from the core: at the start and whenever notices were missed.
    pub(crate) fn phones(&mut self, now: Vec<PhoneNow>) {
        for phone in now {
            self.phone(phone.device, phone.state, phone.since);
        }
    }

    fn phone(&mut self, id: DeviceId, state: PhoneState, since: WallTime) {
        let before = self.phones.insert(id, (state, since));
        if before == Some((state, since)) || !self.devices.contains_key(&id) {
            return;
        }
        let row_before = before.map(|(state, _)| state);
        if row_before != Some(state) {
            self.tell_row(id);
            self.tell_owner(id, row_before.is_some_and(is_lost), is_lost(state), since);
        } else {
            self.list = None;
        }
    }

    /// B7: the agent at a phone that dies is told, and again when it is back.
    fn tell_owner(&mut self, id: DeviceId, was_lost: bool, lost: bool, since: WallTime) {
        let Some(login) = self.login_at(id).map(|login| login.id) else { return };
        let Some(device) = self.devices.get(&id) else { return };
        let phone = json!({ "name": device.name, "label": device.label });
        let (word, sentence) = match (was_lost, lost) {
            (false, true) => {
                ("phone_unreachable", "Your phone cannot be reached. Calls do not ring there now.")
            }
            (true, false) => ("phone_back", "Your phone is back."),
            _ => return,
        };
        self.tell(
            Some(login),
            false,
            json!({ "type": word, "phone": phone, "since": since, "sentence": sentence }),
        );
        let mut body = self.presence(id).unwrap_or_else(|| json!({}));
        body["type"] = "presence".into();
        self.tell(Some(login), false, body);
    }

    /// Whether calls can ring for whoever sits at this phone, why not, and since when.
    pub(crate) fn presence(&self, id: DeviceId) -> Option<serde_json::Value> {
        let (state, since) = self.phones.get(&id).copied()?;
        // Whoever sat down after the phone came up is ready since then.
        let seated = self.login_at(id).map(|login| login.since);
        Some(match is_lost(state) {
            true => json!({ "state": "not_ready", "reason": "phone_unreachable", "since": since }),
            false => {
                json!({ "state": "ready", "reason": null, "since": seated.map_or(since, |at| at.max(since)) })
            }
        })
    }

    /// To the pages of this login.
    pub(crate) fn tell_login(&mut self, login: LoginId, body: serde_json::Value) {
        self.tell(Some(login), false, body);
    }

    /// Logins without an end, and whether each one's agent was in a call when we last heard.
    pub(crate) fn standing(&self) -> Vec<(Login, bool)> {
        let busy = |id| self.activity.get(id).is_some_and(|(activity, ..)| *activity != Activity::Idle);
        self.logins.values().map(|login| (login.clone(), busy(&login.id))).collect()
    }

    pub(crate) fn activity(&self, login: LoginId) -> Option<&(Activity, Option<String>, WallTime)> {
        self.activity.get(&login)
    }

    /// What the core noticed. Seats and ends of logins are rows of the store and are read there: true means «look now».
    pub(crate) fn notice(&mut self, notice: Notice) -> bool {
        match notice {
            Notice::Phone { device, state, since } => {
                self.phone(device, state, since);
                false
            }
            Notice::Seat { .. } | Notice::LoginEnded { .. } => true,
            Notice::Activity { login, activity, call, peer, since } => {
                if self.logins.contains_key(&login) {
                    self.activity.insert(login, (activity, peer.clone(), since));
                    let call = call.map(|call| call.to_string());
                    let body = json!({
                        "type": "activity", "activity": activity, "call": call, "peer": peer, "since": since,
                    });
                    self.tell(Some(login), false, body);
                }
                false
            }
            Notice::TabLost { login, tab } => {
                self.tell(Some(login), false, json!({ "type": "tab_lost", "tab": tab }));
                false
            }
            Notice::Audio { login, call, silent, from_agent } => {
                let body = json!({
                    "type": "audio", "call": call.to_string(), "silent": silent, "from_agent": from_agent,
                });
                self.tell(Some(login), false, body);
                false
            }
            Notice::Quality { login, call, quality, from_agent } => {
                let body = json!({
                    "type": "quality", "call": call.to_string(), "from_agent": from_agent,
                    "mos_x100": quality.mos_x100, "loss_x100": quality.loss_x100,
                    "jitter_us": quality.jitter_us, "round_trip_us": quality.round_trip_us,
                });
                self.tell(Some(login), false, body);
                false
            }
        }
    }

    /// Rows that changed in the store.
    pub(crate) fn changes(&mut self, changes: Changes) {
        let Changes { seq, full, agents, agents_gone, devices, devices_gone, logins } = changes;
        if seq == self.changes_seq && !full {
            return;
        }
        self.changes_seq = seq;
        let mut rows: HashSet<DeviceId> = HashSet::new();
        let mut ended = Vec::new();
        let mut reorder = full || !devices_gone.is_empty();
        if full {
            self.agents.clear();
            self.devices.clear();
            let stand: HashSet<LoginId> = logins.iter().map(|login| login.id).collect();
            // Its end is not in a full listing; the page asks /api/me and is told there.
            ended.extend(self.logins.values().filter(|login| !stand.contains(&login.id)).cloned());
        }
        for agent in agents {
            rows.extend(self.login_of(agent.id).and_then(|login| login.place.device()));
            self.agents.insert(agent.id, agent);
        }
        for agent in agents_gone {
            self.agents.remove(&agent);
        }
        for device in devices {
            rows.insert(device.id);
            reorder |= self.devices.get(&device.id).is_none_or(|old| old.name != device.name);
            self.devices.insert(device.id, device);
        }
        for device in devices_gone {
            self.devices.remove(&device);
            self.phones.remove(&device);
        }
        for login in logins {
            rows.extend(login.place.device());
            match login.ended {
                Some(_) => ended.push(login),
                None => self.sits_down(login),
            }
        }
        for login in ended {
            rows.extend(login.place.device());
            self.gets_up(&login);
        }
        if reorder {
            self.reorder();
            self.tell_all();
        } else {
            rows.into_iter().for_each(|id| self.tell_row(id));
        }
    }

    fn sits_down(&mut self, login: Login) {
        // An older row may come after a newer one only from a listing that was read before; it holds nothing.
        if self.login_of(login.agent).is_some_and(|held| held.epoch > login.epoch) {
            return;
        }
        self.login_of.insert(login.agent, login.id);
        if let Some(device) = login.place.device() {
            self.login_at.insert(device, login.id);
        }
        self.logins.insert(login.id, login);
    }

    fn gets_up(&mut self, login: &Login) {
        let known = self.logins.remove(&login.id).is_some();
        self.activity.remove(&login.id);
        if self.login_of.get(&login.agent) == Some(&login.id) {
            self.login_of.remove(&login.agent);
        }
        if let Some(device) = login.place.device()
            && self.login_at.get(&device) == Some(&login.id)
        {
            self.login_at.remove(&device);
        }
        if let (true, Some(end)) = (known, &login.ended) {
            let body = json!({
                "type": "login_ended", "why": end.why, "sentence": end.why.sentence(), "at": end.at,
                "from": end.from,
            });
            self.tell(Some(login.id), true, body);
        }
    }

    fn reorder(&mut self) {
        self.by_name = self.devices.values().map(|device| (device.name.clone(), device.id)).collect();
        self.order = self.devices.keys().copied().collect();
        self.order.sort_by_cached_key(|id| self.devices.get(id).map(|device| natural(&device.name)));
    }
}

fn is_lost(state: PhoneState) -> bool {
    matches!(state, PhoneState::Unreachable | PhoneState::Expired)
}

/// `desk-9` before `desk-10`: runs of digits are compared as numbers.
fn natural(name: &str) -> Vec<(String, u64)> {
    let mut parts = Vec::new();
    let mut rest = name;
    while !rest.is_empty() {
        let word = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let digits = rest[word..].find(|c: char| !c.is_ascii_digit()).map_or(rest.len(), |at| word + at);
        parts.push((rest[..word].to_lowercase(), rest[word..digits].parse().unwrap_or(u64::MAX)));
        rest = &rest[digits..];
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_sort_as_people_count() {
        let mut names = ["desk-10", "desk-9", "Desk-1", "lobby", "desk-100", "desk", "7"];
        names.sort_by_key(|name| natural(name));
        assert_eq!(names, ["7", "desk", "Desk-1", "desk-9", "desk-10", "desk-100", "lobby"]);
    }

    #[test]
    fn a_page_that_returns_gets_what_it_missed_or_everything() {
        let mut board = Board::new(WallTime(5));
        let start = board.frame_seq;
        for n in 0..10u32 {
            board.tell(None, false, json!({ "type": "test", "n": n }));
        }
        let missed = |board: &Board, after| board.follow(Some(after)).1.map(|frames| frames.len());
        assert_eq!(missed(&board, start + 7), Some(3));
        assert_eq!(missed(&board, start + 10), Some(0));
        assert_eq!(missed(&board, start), Some(10));
        assert_eq!(missed(&board, start + 11), None, "a number from the future is not ours");
        assert_eq!(missed(&board, 3), None);
        assert!(board.follow(None).1.is_none());
        for n in 0..RING_MAX {
            board.tell(None, false, json!({ "type": "test", "n": n }));
        }
        assert_eq!(missed(&board, start + 7), None, "forgotten");
        assert_eq!(board.ring.len(), RING_MAX);
    }
}
