//! How each phone stands, who is told when that changes, and the question by which we find out: OPTIONS.

use crate::{Gateway, PhoneStatus};
use ahash::{AHashMap, AHashSet};
use sip::ua::{ClientKey, Parties, Target};
use sip::{Draft, Method};
use std::collections::VecDeque;
use std::time::Duration;
use terms::{
    Aor, Audience, Binding, DeviceId, Flow, Instant, Liveness, Notice, Now, PhoneState, StoreWrite, WallTime,
};

/// A phone that is there answers OPTIONS within this: four copies over UDP.
const PROBE_WAIT: Duration = Duration::from_secs(5);
/// A phone whose connection closed opens another within this, or cannot be reached.
const RECONNECT_WAIT: Duration = Duration::from_secs(5);
/// Questions under way; past it a phone stays suspect until it is asked again.
const PROBES_MAX: usize = 16_384;

#[derive(Default)]
pub(crate) struct Phones {
    states: AHashMap<DeviceId, (PhoneState, WallTime)>,
    probes: AHashMap<ClientKey, Contact>,
    asked: AHashMap<Contact, Asked>,
    /// When each open question counts as answered by silence; all wait equally long, so the oldest is first.
    due: VecDeque<(Instant, Contact)>,
    /// Phones that answered such a question once.
    speaks: AHashSet<DeviceId>,
}

/// An open question: the OPTIONS that asks it, or none where only time does; and when silence is the answer.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Asked {
    key: Option<ClientKey>,
    until: Instant,
    why: Why,
}

/// Why a phone is asked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// Somebody wants it now, or found nobody there: silence is an answer.
    Wanted,
    /// Somebody sits there. Silence is an answer from those only that have answered before: a phone that was never taught
    /// OPTIONS is not dead.
    Watched,
}

/// A contact of an address of record that was asked whether it is there, or that lost its connection.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Contact {
    aor: Aor,
    uri: String,
}

impl Phones {
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.due.front().map(|(at, _)| *at)
    }
    pub(crate) fn forget(&mut self, device: DeviceId) {
        self.states.remove(&device);
        self.speaks.remove(&device);
    }
}

impl Gateway {
    /// The phone has these contacts now.
    pub(crate) fn phone_has(&mut self, now: Now, aor: &Aor, any: bool) {
        let Some(device) = self.directory.device_of(aor) else { return };
        self.phone_is(now, device, if any { PhoneState::Registered } else { PhoneState::Expired });
    }

    /// A device entered the directory; its contacts may have been restored before it.
    pub(crate) fn phone_known(&mut self, now: Now, device: DeviceId) {
        let Some(aor) = self.directory.phone(device).map(|phone| phone.aor.clone()) else { return };
        if !self.phones.states.contains_key(&device) {
            self.phone_changed(now, &aor);
        }
    }

    /// Looks the phone's contacts up and tells whoever watches if it stands differently now.
    fn phone_changed(&mut self, now: Now, aor: &Aor) {
        let Some(device) = self.directory.device_of(aor) else { return };
        let best = self.registrar.contacts(now, aor).into_iter().map(|(_, liveness)| liveness).min();
        let state = match best {
            Some(Liveness::Live) => PhoneState::Registered,
            Some(Liveness::Suspect) => PhoneState::Suspect,
            Some(Liveness::Unreachable) => PhoneState::Unreachable,
            None => PhoneState::Expired,
        };
        self.phone_is(now, device, state);
    }

    fn phone_is(&mut self, now: Now, device: DeviceId, state: PhoneState) {
        let known = self.phones.states.get(&device).map(|(state, _)| *state);
        if known == Some(state) || (known.is_none() && state == PhoneState::Expired) {
            return;
        }
        self.phones.states.insert(device, (state, now.wall));
        self.notice(Audience::Everyone, Notice::Phone { device, state, since: now.wall });
    }

    pub(crate) fn restored(&mut self, now: Now, binding: Binding) {
        let aor = binding.aor.clone();
        let stream = binding.flow.transport.is_reliable();
        let contact = Contact { aor: aor.clone(), uri: binding.contact.clone() };
        self.registrar.restore(now, binding);
        if stream {
            // Its connection died with the process; the phone has a moment to come back by itself.
            self.wait_for(now, contact, None, RECONNECT_WAIT, Why::Wanted);
        }
        self.phone_changed(now, &aor);
    }

    pub(crate) fn expire_bindings(&mut self, now: Now) {
        for write in self.registrar.expire(now) {
            let StoreWrite::Bindings { aor, .. } = &write else { continue };
            let aor = aor.clone();
            if !self.store.is_full() {
                self.write(write, crate::store::Waiting::Expiry);
            }
            self.phone_changed(now, &aor);
        }
    }

    /// A connection closed: its contacts are suspect until the phone comes back or the wait is over.
    pub(crate) fn suspect(&mut self, now: Now, aor: &Aor, flow: Flow) {
        let contacts = self.registrar.contacts(now, aor);
        for (binding, _) in contacts.into_iter().filter(|(binding, _)| binding.flow == flow) {
            let contact = Contact { aor: aor.clone(), uri: binding.contact };
            self.wait_for(now, contact, None, RECONNECT_WAIT, Why::Wanted);
        }
        self.phone_changed(now, aor);
    }

    /// Asks every contact of the device whether it is there.
    pub(crate) fn probe(&mut self, now: Now, device: DeviceId) {
        let Some(phone) = self.directory.phone(device) else { return };
        let aor = phone.aor.clone();
        for (binding, _) in self.registrar.contacts(now, &aor) {
            self.ask(now, &binding, Why::Wanted);
        }
    }

    /// A call or a message found nobody at this contact: it is suspect, and asked.
    pub(crate) fn doubt(&mut self, now: Now, aor: &Aor, uri: &str) {
        let found = self.registrar.contacts(now, aor).into_iter().find(|(one, _)| one.contact == uri);
        let Some((binding, Liveness::Live)) = found else { return };
        self.registrar.set_liveness(aor, uri, Liveness::Suspect);
        self.phone_changed(now, aor);
        self.ask(now, &binding, Why::Wanted);
    }

    /// One OPTIONS to this contact; who was asked already is not asked twice at once.
    pub(crate) fn ask(&mut self, now: Now, binding: &Binding, why: Why) {
        let contact = Contact { aor: binding.aor.clone(), uri: binding.contact.clone() };
        if let Some(open) = self.phones.asked.get_mut(&contact) {
            if why == Why::Wanted {
                open.why = why;
            }
            return;
        }
        if self.phones.asked.len() >= PROBES_MAX {
            return;
        }
        let target = Target { flow: binding.flow, uri: binding.contact.clone(), route: binding.path.clone() };
        let parties = Parties {
            from: format!("<sip:{}>", self.config.domain),
            to: format!("<sip:{}>", binding.aor),
            call_id: None,
            contact_user: "hotseat".to_owned(),
            max_forwards: 70,
        };
        let draft = Draft::request(Method::Options).header("Accept", "application/sdp");
        if let Ok(key) = self.ua.request(now, target, parties, draft) {
            self.wait_for(now, contact, Some(key), PROBE_WAIT, why);
        }
    }

    fn wait_for(&mut self, now: Now, contact: Contact, key: Option<ClientKey>, wait: Duration, why: Why) {
        if self.phones.asked.len() >= PROBES_MAX {
            return;
        }
        if let Some(key) = key {
            self.phones.probes.insert(key, contact.clone());
        }
        let until = now.instant + wait;
        self.phones.asked.insert(contact.clone(), Asked { key, until, why });
        self.phones.due.push_back((until, contact));
    }

    pub(crate) fn probe_answered(&mut self, now: Now, key: ClientKey, status: u16) {
        if status < 200 {
            return;
        }
        if let Some(contact) = self.phones.probes.remove(&key) {
            self.phones.asked.remove(&contact);
            if let Some(device) = self.directory.device_of(&contact.aor) {
                self.phones.speaks.insert(device);
            }
            // Any word at all says that somebody is there.
            self.registrar.set_liveness(&contact.aor, &contact.uri, Liveness::Live);
            self.phone_changed(now, &contact.aor);
        }
    }

    pub(crate) fn probe_unanswered(&mut self, now: Now, key: ClientKey) {
        let Some(contact) = self.phones.probes.remove(&key) else { return };
        // Decided by time already, or the phone registered meanwhile, which answers the question.
        let Some(asked) = self.phones.asked.get(&contact).copied().filter(|asked| asked.key == Some(key))
        else {
            return;
        };
        self.phones.asked.remove(&contact);
        self.silent(&contact, asked.why);
        self.phone_changed(now, &contact.aor);
    }

    /// Nothing came back.
    fn silent(&mut self, contact: &Contact, why: Why) {
        let speaks =
            || self.directory.device_of(&contact.aor).is_some_and(|id| self.phones.speaks.contains(&id));
        if why == Why::Wanted || speaks() {
            self.registrar.set_liveness(&contact.aor, &contact.uri, Liveness::Unreachable);
        }
    }

    /// The phone registered: whatever was asked about these contacts is answered.
    pub(crate) fn heard_of(&mut self, bindings: &[Binding]) {
        if self.phones.asked.is_empty() {
            return;
        }
        for one in bindings {
            self.phones.asked.remove(&Contact { aor: one.aor.clone(), uri: one.contact.clone() });
        }
    }

    pub(crate) fn probes_timeout(&mut self, now: Now) {
        while let Some((at, _)) = self.phones.due.front() {
            if *at > now.instant {
                return;
            }
            let Some((at, contact)) = self.phones.due.pop_front() else { return };
            if self.phones.asked.get(&contact).is_none_or(|asked| asked.until != at) {
                continue; // answered, and perhaps asked again
            }
            let Some(asked) = self.phones.asked.remove(&contact) else { continue };
            match asked.key {
                // The transaction goes on; a late answer still brings the phone back.
                Some(_) => self.silent(&contact, asked.why),
                None => {
                    let found = self.registrar.contacts(now, &contact.aor);
                    let still = |(one, live): &(Binding, Liveness)| {
                        one.contact == contact.uri && *live == Liveness::Suspect
                    };
                    if found.iter().any(still) {
                        self.registrar.set_liveness(&contact.aor, &contact.uri, Liveness::Unreachable);
                    }
                }
            }
            self.phone_changed(now, &contact.aor);
        }
    }

    /// How each phone stands.
    pub fn phones(&self, now: Now) -> Vec<PhoneStatus> {
        self.directory.phones().map(|phone| self.phone_status(now, phone)).collect()
    }

    /// How one phone stands.
    pub fn phone(&self, now: Now, device: DeviceId) -> Option<PhoneStatus> {
        Some(self.phone_status(now, self.directory.phone(device)?))
    }

    fn phone_status(&self, now: Now, phone: &crate::Phone) -> PhoneStatus {
        let device = phone.device.id;
        let (state, since) =
            self.phones.states.get(&device).copied().unwrap_or((PhoneState::NeverRegistered, WallTime(0)));
        let mut contacts = self.registrar.contacts(now, &phone.aor);
        contacts.sort_by_key(|(one, liveness)| (*liveness, std::cmp::Reverse(one.registered)));
        let best = contacts.into_iter().next().map(|(one, _)| one);
        PhoneStatus {
            device,
            state,
            since,
            flow: best.as_ref().map(|one| one.flow),
            expires: best.as_ref().map(|one| one.expires),
            user_agent: best.as_ref().map(|one| one.user_agent.clone()),
            contact: best.map(|one| one.contact),
        }
    }
}
