//! REGISTER: who asks, may they, what becomes of it, and the 200 that leaves only when the row is durable.

use crate::Gateway;
use crate::auth::Sender;
use crate::store::Waiting;
use ahash::AHashMap;
use registrar::{ContactAsk, Contacts, Register, Registered};
use sip::ua::ServerKey;
use sip::{Draft, Message, Name};
use smallvec::SmallVec;
use std::fmt::Write;
use terms::{Aor, Binding, DeviceId, Flow, Liveness, Now, StoreError, StoreWrite};

/// REGISTERs of one address of record that wait for an earlier one to be written; another gets 503.
const QUEUED_MAX: usize = 4;
/// When a phone may ask again that a busy store sent away.
const RETRY_AFTER_S: &str = "2";
/// Longest User-Agent and Call-ID kept with a binding.
const TEXT_MAX: usize = 256;
/// Path headers kept with a binding (RFC 3327); phones reach us through one edge or two.
const PATHS_MAX: usize = 4;

/// A REGISTER that was understood.
pub(crate) struct Asked {
    key: ServerKey,
    register: Register,
    outbound: bool,
    path: bool,
}

/// REGISTERs whose address of record is being written.
#[derive(Default)]
pub(crate) struct Queued {
    table: AHashMap<Aor, SmallVec<[Asked; 1]>>,
}

impl Gateway {
    pub(crate) fn register(&mut self, now: Now, flow: Flow, key: ServerKey, request: &Message<'_>) {
        // RFC 3261 §10.3 step 1: only for our own domain. Step 3 and 4: who is it, and may they.
        let Some(sender) = self.authenticated(now, flow, key, request) else { return };
        // Step 2, extensions, is the `Ua`'s (`sip::ua::EXTENSIONS`).
        // Step 5: the address of record is in To; it has to be the device's own.
        let Some(aor) = self.aor_in_to(flow, sender, request) else {
            return self.respond(now, key, Draft::response(403).phrase("Not Your Address Of Record"));
        };
        match asked(aor, flow, key, request) {
            Ok(mut asked) => {
                if let Sender::Browser(seat) = sender {
                    asked.register.alone = true;
                    if !self.tab_may(now, seat.login, instance_asked(&asked.register)) {
                        let draft = Draft::response(403).phrase("Another Tab Has The Phone");
                        return self.respond(now, key, draft);
                    }
                }
                self.decide(now, asked)
            }
            Err(why) => self.respond(now, key, Draft::response(400).phrase(why)),
        }
    }

    fn aor_in_to(&self, flow: Flow, sender: Sender, request: &Message<'_>) -> Option<Aor> {
        let aor = match sender {
            Sender::Device(device) => self.directory.phone(device)?.aor.clone(),
            Sender::Browser(seat) => self.browser_aor(seat.login),
        };
        let uri = request.to()?.uri()?;
        // Ports and parameters are no part of an address of record. Phones configured with our address instead of our
        // domain say the address.
        let ours = uri.user_unescaped() == aor.user() && self.is_ours(flow, uri.host, uri.host_ip());
        ours.then_some(aor)
    }

    fn decide(&mut self, now: Now, asked: Asked) {
        let Asked { key, register, outbound, path } = asked;
        if self.store.is_full() {
            return self.busy(now, key);
        }
        match self.registrar.register(now, &register) {
            Registered::Now(bindings) => self.registered(now, key, &bindings, outbound, path),
            Registered::AfterWrite(write) => {
                let waiting = Waiting::Register { key, write: Box::new(write.clone()), outbound, path };
                self.write(write, waiting);
            }
            Registered::IntervalTooBrief { min_s } => {
                // Step 7: 423 with Min-Expires.
                self.respond(now, key, Draft::response(423).header("Min-Expires", min_s.to_string()));
            }
            Registered::InProgress => {
                let queue = self.queued.table.entry(register.aor.clone()).or_default();
                if queue.len() < QUEUED_MAX {
                    queue.push(Asked { key, register, outbound, path });
                } else {
                    self.busy(now, key);
                }
            }
            Registered::Refused { status: 503, .. } => self.busy(now, key),
            Registered::Refused { status, why } => {
                self.respond(now, key, Draft::response(status).phrase(why));
            }
        }
    }

    /// Never 401 to a right password because we are slow: 503, and try again.
    fn busy(&mut self, now: Now, key: ServerKey) {
        self.respond(now, key, Draft::response(503).header("Retry-After", RETRY_AFTER_S));
    }

    pub(crate) fn register_stored(
        &mut self,
        now: Now,
        key: ServerKey,
        write: &StoreWrite,
        outbound: bool,
        path: bool,
        result: Result<(), StoreError>,
    ) {
        let StoreWrite::Bindings { aor, put, .. } = write else { return };
        match result {
            Ok(()) => {
                self.heard_of(put);
                let before = self.browser_bindings(now, write);
                let bindings = self.registrar.commit(now, write);
                self.phone_has(now, aor, !bindings.is_empty());
                self.browser_registered(now, aor, &before, &bindings);
                // Its connection may have closed while the row was on its way to the disk. UDP has none.
                let born_suspect = |(one, live): &(Binding, Liveness)| {
                    *live == Liveness::Suspect && put.iter().any(|put| put.flow == one.flow)
                };
                let streams = put.iter().any(|put| put.flow.transport.is_reliable());
                let contacts = if streams { self.registrar.contacts(now, aor) } else { Vec::new() };
                let suspect = contacts.into_iter().find(born_suspect);
                if let Some((binding, _)) = suspect {
                    self.suspect(now, aor, binding.flow);
                }
                // Disabled while its row was on the way to the disk.
                let phone = self.directory.device_of(aor).and_then(|id| self.directory.phone(id));
                if let Some(device) = phone.filter(|phone| !phone.device.enabled).map(|phone| phone.device.id)
                {
                    self.phone_disabled(now, device);
                    return self.respond(now, key, Draft::response(403));
                }
                self.registered(now, key, &bindings, outbound, path);
            }
            Err(_) => {
                self.registrar.abandon(aor);
                self.busy(now, key);
            }
        }
        self.next_queued(now, aor);
    }

    /// The connection is gone, and with it the wish to be reached over it.
    pub(crate) fn forget_queued(&mut self, now: Now, flow: Flow) {
        let mut gone: SmallVec<[ServerKey; 4]> = SmallVec::new();
        self.queued.table.retain(|_, queue| {
            queue.retain(|asked| {
                let stays = asked.register.flow != flow;
                if !stays {
                    gone.push(asked.key);
                }
                stays
            });
            !queue.is_empty()
        });
        for key in gone {
            self.busy(now, key);
        }
    }

    fn next_queued(&mut self, now: Now, aor: &Aor) {
        if self.queued.table.is_empty() {
            return;
        }
        // Each one in turn, until one waits for the store itself.
        let Some(queue) = self.queued.table.remove(aor) else { return };
        for asked in queue {
            self.decide(now, asked);
        }
    }

    /// Step 8: all current bindings, each with the time it has left.
    fn registered(&mut self, now: Now, key: ServerKey, bindings: &[Binding], outbound: bool, path: bool) {
        self.counters.registered += 1;
        let mut draft = Draft::response(200);
        for binding in bindings {
            draft.headers.push(("Contact".to_owned(), contact(now, binding)));
            if path {
                // RFC 3327 §5.3: the phone learns what stands between.
                draft.headers.extend(binding.path.iter().map(|one| ("Path".to_owned(), one.clone())));
            }
        }
        if outbound && bindings.iter().any(|binding| binding.reg_id > 0) {
            // RFC 5626 §6: says that the flow will be used.
            draft.headers.push(("Require".to_owned(), "outbound".to_owned()));
        }
        self.respond(now, key, draft);
    }

    /// The device is gone: so are its contacts.
    pub(crate) fn forget_phone(&mut self, now: Now, device: DeviceId, aor: &Aor) {
        let star = Register {
            aor: aor.clone(),
            call_id: String::new(),
            cseq: 0,
            expires: Some(0),
            contacts: Contacts::Star,
            path: Vec::new(),
            user_agent: String::new(),
            flow: Flow::udp(([0, 0, 0, 0], 0).into(), ([0, 0, 0, 0], 0).into()),
            alone: false,
        };
        if let Registered::AfterWrite(write) = self.registrar.register(now, &star) {
            self.registrar.commit(now, &write);
            self.write(write, Waiting::Expiry);
        }
        self.phones.forget(device);
    }
}

/// Reads what is asked.
fn asked(aor: Aor, flow: Flow, key: ServerKey, request: &Message<'_>) -> Result<Asked, &'static str> {
    let contacts = match request.contacts().map_err(|error| error.reason)? {
        sip::Contacts::Star => Contacts::Star,
        sip::Contacts::List(list) if list.is_empty() => Contacts::None,
        sip::Contacts::List(list) => Contacts::List(
            list.iter()
                .map(|one| ContactAsk {
                    uri: one.uri.to_owned(),
                    expires: one.expires(),
                    q: one.q_milli(),
                    instance: one.instance().map(bare_instance),
                    reg_id: one.reg_id().unwrap_or(0),
                })
                .collect(),
        ),
    };
    let path: Vec<String> = request.values(Name::Path).take(PATHS_MAX).map(str::to_owned).collect();
    let register = Register {
        aor,
        call_id: short(request.call_id().unwrap_or_default()),
        cseq: request.cseq().map_or(0, |cseq| cseq.number),
        expires: request.expires(),
        contacts,
        path,
        user_agent: short(request.header(Name::UserAgent).unwrap_or_default()),
        flow,
        alone: false,
    };
    let outbound = request.has_token(Name::Supported, "outbound");
    Ok(Asked { key, register, outbound, path: request.has_token(Name::Supported, "path") })
}

/// The instance of a device that registers itself; none where it asks or leaves.
fn instance_asked(register: &Register) -> Option<&str> {
    match &register.contacts {
        Contacts::List(list) => list.iter().find_map(|one| one.instance.as_deref()),
        Contacts::None | Contacts::Star => None,
    }
}

fn short(text: &str) -> String {
    text.chars().take(TEXT_MAX).collect()
}

fn bare_instance(text: &str) -> String {
    short(text.trim_start_matches('<').trim_end_matches('>'))
}

/// A Contact value of the 200.
fn contact(now: Now, binding: &Binding) -> String {
    let left = binding.expires.since(now.wall).as_secs();
    let mut text = String::with_capacity(binding.contact.len() + 96);
    let _ = write!(text, "<{}>;expires={left}", binding.contact);
    if let Some(instance) = &binding.instance {
        let _ = write!(text, ";+sip.instance=\"<{instance}>\"");
    }
    if binding.reg_id > 0 {
        let _ = write!(text, ";reg-id={}", binding.reg_id);
    }
    if binding.q < 1000 {
        let _ = write!(text, ";q=0.{:03}", binding.q);
    }
    text
}
