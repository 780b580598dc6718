//! What a login row sets in motion. Newer than what is known: the old place lets go, ringing phones first, then live calls,
//! then its page is told; the same row or an older one changes nothing.

use crate::Gateway;
use b2bua::Stage;
use hotdesk::Reaction;
use terms::{
    AgentId, Audience, CallId, DeviceId, DirectoryChange, EndReason, Epoch, Login, LoginEnd, LoginEndReason,
    Notice, Now, WallTime,
};

impl Gateway {
    pub(crate) fn login(&mut self, now: Now, row: &Login) {
        match self.seats.apply(row) {
            Reaction::Nothing => {}
            Reaction::Seated { login, left } => {
                self.left(now, &left);
                if let Some(device) = login.place.device() {
                    self.seat_changed(device, login.since);
                    self.watch_begins(now, &login);
                }
            }
            Reaction::Left { left } => self.left(now, &left),
        }
    }

    fn left(&mut self, now: Now, left: &[Login]) {
        for login in left {
            self.tear_down(now, login);
        }
        for login in left {
            if let Some(device) = login.place.device() {
                self.seat_changed(device, login.ended.as_ref().map_or(now.wall, |end| end.at));
            }
        }
    }

    fn seat_changed(&mut self, device: DeviceId, since: WallTime) {
        let agent = self.seats.at_device(device).map(|login| login.agent);
        self.notice(Audience::Everyone, Notice::Seat { device, agent, since });
    }

    /// Ends everything that belongs to a login that is over. Harmless to repeat.
    fn tear_down(&mut self, now: Now, login: &Login) {
        let end = login.ended.clone().unwrap_or(LoginEnd {
            at: now.wall,
            why: LoginEndReason::LoggedOut,
            from: String::new(),
        });
        let reason = match end.why {
            LoginEndReason::TakenOver => EndReason::LoggedOutElsewhere,
            LoginEndReason::LoggedOut
            | LoginEndReason::Expired
            | LoginEndReason::Idle
            | LoginEndReason::TooLong
            | LoginEndReason::ShiftEnd
            | LoginEndReason::PasswordReset => EndReason::LoggedOut,
            LoginEndReason::ReleasedByAdministrator
            | LoginEndReason::PhoneFreed
            | LoginEndReason::SiteLogout
            // What a stranger began is nobody's wish to go on with.
            | LoginEndReason::Disowned
            | LoginEndReason::AgentRemoved
            | LoginEndReason::DirectoryRefused
            | LoginEndReason::PhoneRemoved => EndReason::ReleasedByAdministrator,
        };
        for call in self.calls_up_to(login.agent, login.epoch) {
            self.end_call(now, call, reason);
        }
        self.referred_gone(now, login.agent, login.epoch, reason);
        self.browser_left(now, login);
        self.notice(
            Audience::Login(login.id),
            Notice::LoginEnded {
                login: login.id,
                why: end.why,
                sentence: end.why.sentence(),
                at: end.at,
                from: end.from,
            },
        );
    }

    /// Calls that carry this epoch of the agent or an older one, ringing ones first. An emergency call is nobody's to cut.
    fn calls_up_to(&self, agent: AgentId, epoch: Epoch) -> Vec<CallId> {
        let Some(ids) = self.by_agent.get(&agent) else { return Vec::new() };
        let old = |id: &CallId| {
            self.contexts
                .get(id)
                .is_some_and(|context| !context.is_emergency() && context.is_of(agent, epoch))
        };
        let mut calls: Vec<CallId> = ids.iter().copied().filter(old).collect();
        calls.sort_by_key(|id| self.calls.get(*id).is_some_and(|call| call.stage() == Stage::Up));
        calls
    }

    pub(crate) fn directory_changed(&mut self, now: Now, change: DirectoryChange) {
        match change {
            DirectoryChange::Agent(agent) => self.directory.put_agent(agent),
            DirectoryChange::AgentGone(agent) => {
                self.directory.drop_agent(agent);
                self.limits.forget_agent(agent);
                self.activities.remove(&agent);
                if let Some(login) = self.seats.forget_agent(agent) {
                    self.left(now, &[ended(login, now, LoginEndReason::AgentRemoved)]);
                }
            }
            DirectoryChange::Device(device) => {
                let (id, enabled) = (device.id, device.enabled);
                self.directory.put_device(device);
                if enabled {
                    self.phone_known(now, id);
                } else {
                    self.phone_disabled(now, id);
                }
            }
            DirectoryChange::DeviceGone(device) => {
                let Some(phone) = self.directory.drop_device(device) else { return };
                if let Some(login) = self.seats.forget_device(device) {
                    self.left(now, &[ended(login, now, LoginEndReason::PhoneRemoved)]);
                }
                self.forget_phone(now, device, &phone.aor);
            }
            DirectoryChange::Trunk(trunk) => self.directory.put_trunk(trunk),
            DirectoryChange::TrunkGone(trunk) => self.directory.drop_trunk(trunk),
        }
    }
}

impl Gateway {
    /// A phone that may not register has no contacts, and nobody sits at it. Harmless to repeat.
    pub(crate) fn phone_disabled(&mut self, now: Now, device: DeviceId) {
        let Some(aor) = self.directory.phone(device).map(|phone| phone.aor.clone()) else { return };
        // An emergency call is nobody's to cut.
        let cut = |id: &CallId| self.contexts.get(id).is_some_and(|context| !context.is_emergency());
        let calls: Vec<CallId> = self.calls_at(device).iter().copied().filter(cut).collect();
        for call in calls {
            let reason = EndReason::ReleasedByAdministrator;
            let there = |one: &crate::calls::Context| [one.a, one.b].iter().any(|p| p.device == Some(device));
            if !self.contexts.get(&call).is_some_and(there) {
                self.calls.drop_transfer(now, &mut self.ua, &mut self.acts, call, reason);
                continue;
            }
            self.end_call(now, call, reason);
        }
        self.phone_has(now, &aor, false);
        self.forget_phone(now, device, &aor);
    }
}

fn ended(mut login: Login, now: Now, why: LoginEndReason) -> Login {
    login.ended = Some(LoginEnd { at: now.wall, why, from: String::new() });
    login
}
