//! REFER inside a call (RFC 3515, RFC 5589 §6): one of our own hands its place to a number, by the same rules as if it had
//! dialled it.

use crate::Gateway;
use crate::calls::{Context, Party, Referred};
use crate::invite::{Incoming, MAX_FORWARDS};
use crate::plan::Caller;
use b2bua::{Referral, refusal};
use sip::headers::NameAddr;
use sip::ua::{DialogKey, ServerKey};
use sip::{Draft, Message, Name};
use terms::{AgentId, CallId, EndReason, Epoch, Flow, Now};

impl Gateway {
    pub(crate) fn refer(
        &mut self,
        now: Now,
        flow: Flow,
        key: ServerKey,
        dialog: DialogKey,
        request: &Message<'_>,
    ) {
        if let Err(draft) = self.follow(now, flow, key, dialog, request) {
            self.respond(now, key, draft);
        }
    }

    fn follow(
        &mut self,
        now: Now,
        flow: Flow,
        key: ServerKey,
        dialog: DialogKey,
        request: &Message<'_>,
    ) -> Result<(), Draft> {
        let (call, leg) = self.calls.leg_of(dialog).ok_or(Draft::response(481))?;
        let context = self.contexts.get(&call).ok_or(Draft::response(481))?;
        let party = *context.party(leg);
        // Whoever is not ours may not spend our calls.
        let caller = match party {
            Party { device: Some(device), .. } => Caller::Device(device),
            Party { seat: Some((agent, _, _)), device: None } => Caller::Browser(agent),
            Party { seat: None, device: None } => return Err(Draft::response(403)),
        };
        if context.emergency || !self.speaks_from(now, party, flow) || self.party_of(caller) != party {
            return Err(Draft::response(403));
        }
        let dialled = self.referred_to(flow, request)?;
        self.calls.may_transfer(call, leg).map_err(Draft::response)?;
        let id = request.cseq().map_or(0, |cseq| cseq.number);
        let incoming = Incoming { key, flow, request, caller, dialled, max_forwards: MAX_FORWARDS };
        let way = self.way(now, &incoming).and_then(|way| way.ok_or(EndReason::NotAllowed));
        let way = way.map_err(|reason| {
            self.counters.calls_refused += 1;
            refusal(reason)
        })?;
        let Context { b: to, trunk, counted, emergency, .. } = way.context;
        let trunk = trunk.map(|trunk| (trunk, counted));
        if let Some((trunk, counted)) = trunk {
            self.limits.begin(now, trunk, counted);
        }
        if let Some(context) = self.contexts.get_mut(&call) {
            context.referred = Some(Referred { leg, party: to, trunk, emergency });
        }
        self.list(call, to);
        let referral = Referral { refer: key, id, order: way.order };
        self.calls.transfer(now, &mut self.ua, &mut self.acts, call, leg, referral);
        self.activity_changed(now, to);
        Ok(())
    }

    /// Whether one of our own says this from where it registered. A dialog's tags are no secret to whoever reads along, and
    /// a transfer may cost money.
    fn speaks_from(&self, now: Now, party: Party, flow: Flow) -> bool {
        match (party.device.and_then(|device| self.directory.phone(device)), party.seat) {
            (Some(phone), _) => {
                let contacts = self.registrar.contacts(now, &phone.aor);
                contacts.iter().any(|(one, _)| one.flow.peer.ip() == flow.peer.ip())
            }
            (None, Some((_, login, _))) => self.browsers.login_of(flow) == Some(login),
            (None, None) => false,
        }
    }

    /// The number that Refer-To names. Nobody is sent to an address: only our domain, or a bare number, can be dialled.
    fn referred_to(&self, flow: Flow, request: &Message<'_>) -> Result<String, Draft> {
        let mut values = request.headers(Name::ReferTo);
        // RFC 3515 §2.4.1: exactly one.
        let (Some(value), None) = (values.next(), values.next()) else {
            return Err(Draft::response(400).phrase("One Refer-To"));
        };
        let name = NameAddr::parse(value).map_err(|_| Draft::response(400).phrase("Bad Refer-To"))?;
        let uri = name.uri().ok_or(Draft::response(400).phrase("Bad Refer-To"))?;
        // RFC 5589 §7: with Replaces it would join two calls; a method would be another request than INVITE.
        let method = uri.params.get("method").is_some_and(|method| !method.eq_ignore_ascii_case("INVITE"));
        if method || !uri.headers.is_empty() {
            return Err(Draft::response(403).phrase("Blind Transfer Only"));
        }
        self.dialled_in(flow, uri).ok_or_else(|| refusal(EndReason::UnknownNumber))
    }

    /// An agent whose login is over is not transferred to any more; calls that are being transferred go on as they were.
    pub(crate) fn referred_gone(&mut self, now: Now, agent: AgentId, epoch: Epoch, reason: EndReason) {
        let rings = |id: &CallId| {
            let to = self.contexts.get(id).and_then(|context| context.referred);
            to.is_some_and(|to| {
                !to.emergency && to.party.seat.is_some_and(|(a, _, e)| a == agent && e <= epoch)
            })
        };
        let calls: Vec<CallId> = self.calls_of(agent).iter().copied().filter(rings).collect();
        for call in calls {
            self.calls.drop_transfer(now, &mut self.ua, &mut self.acts, call, reason);
        }
    }
}
