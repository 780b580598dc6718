//! What a REGISTER means for the contacts that are there: RFC 3261 §10.3 in its order, with RFC 5626 where a device
//! names itself. Pure: the old bindings in, the new ones or a refusal out, and all or nothing.

use crate::{BINDINGS_PER_AOR_MAX, ContactAsk, Contacts, Limits, Register, contact};
use std::time::Duration;
use terms::{Aor, Binding, Now, StoreWrite};

#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Nothing to write: a query, or what was asked is so already.
    Unchanged,
    /// These are the bindings from now on.
    Become(Vec<Binding>),
    TooBrief {
        min_s: u32,
    },
    Refused {
        status: u16,
        why: &'static str,
    },
}

const OUT_OF_ORDER: Verdict =
    Verdict::Refused { status: 500, why: "a later request of this Call-ID was here" };

/// `old`: the bindings of the address of record that have not expired.
pub fn decide(limits: &Limits, now: Now, old: &[Binding], request: &Register) -> Verdict {
    match &request.contacts {
        // §10.3 step 6, first half, and step 8: without Contact it is a question.
        Contacts::None => Verdict::Unchanged,
        Contacts::Star => remove_all(old, request),
        Contacts::List(asks) => update(limits, now, old, request, asks),
    }
}

/// §10.3 step 6: `*` only with Expires 0, and not if a younger request of the same Call-ID was here.
fn remove_all(old: &[Binding], request: &Register) -> Verdict {
    if request.expires != Some(0) {
        return Verdict::Refused { status: 400, why: "Contact * without Expires 0" };
    }
    if old.iter().any(|b| b.call_id == request.call_id && b.cseq > request.cseq) {
        return OUT_OF_ORDER;
    }
    if old.is_empty() { Verdict::Unchanged } else { Verdict::Become(Vec::new()) }
}

/// §10.3 step 7, contact by contact. The result counts only if every contact was fine.
fn update(limits: &Limits, now: Now, old: &[Binding], request: &Register, asks: &[ContactAsk]) -> Verdict {
    if asks.iter().any(|ask| ask.uri == "*") {
        return Verdict::Refused { status: 400, why: "Contact * beside other contacts" };
    }
    // RFC 5626 §6: several contacts with a reg-id make no sense in one request, a flow is one flow.
    let flows = asks.iter().filter(|a| a.reg_id > 0 && lifetime(limits, request, a) > Some(Duration::ZERO));
    if flows.count() > 1 {
        return Verdict::Refused { status: 400, why: "more than one contact with reg-id" };
    }

    // Old rows that remain as they are, and rows of this request.
    let mut kept: Vec<&Binding> = old.iter().collect();
    let mut made: Vec<Binding> = Vec::new();
    let mut changed = false;
    for ask in asks {
        let Some(lifetime) = lifetime(limits, request, ask) else {
            return Verdict::TooBrief {
                min_s: u32::try_from(limits.expires_min.as_secs()).unwrap_or(u32::MAX),
            };
        };
        // Same Call-ID: a lower CSeq is an old request arriving late, and everything it asks for is void. An equal one
        // is this very request again (its 200 was lost with our memory of it): what it asked for is so already.
        let mine = |b: &&Binding| is_same(b, ask);
        if kept.iter().filter(|b| mine(b)).any(|b| b.call_id == request.call_id && b.cseq > request.cseq) {
            return OUT_OF_ORDER;
        }
        if kept.iter().filter(|b| mine(b)).any(|b| b.call_id == request.call_id && b.cseq == request.cseq) {
            continue;
        }
        // Another Call-ID means that the device restarted: its old row goes at once, however long it had to live.
        let before = kept.len();
        kept.retain(|b| !is_same(b, ask));
        made.retain(|b| !contact::same(&b.contact, &ask.uri));
        changed |= kept.len() != before;
        if !lifetime.is_zero() {
            made.push(bind(now, lifetime, request, ask));
            changed = true;
        }
    }
    if request.alone && !made.is_empty() {
        kept.clear();
    }
    if !changed {
        return Verdict::Unchanged;
    }
    make_room(&mut kept, made.len(), request);
    if kept.len() + made.len() > BINDINGS_PER_AOR_MAX && !made.is_empty() {
        return Verdict::Refused { status: 403, why: "too many contacts for one phone" };
    }
    Verdict::Become(kept.into_iter().cloned().chain(made).collect())
}

/// How long this contact asks for, within what we grant; `None` is too brief.
fn lifetime(limits: &Limits, request: &Register, ask: &ContactAsk) -> Option<Duration> {
    // §10.2.1.1: the parameter over the header over our default.
    let asked = ask
        .expires
        .or(request.expires)
        .map_or(limits.expires_default, |seconds| Duration::from_secs(u64::from(seconds)));
    // Step 7: zero is a removal; 423 is only for less than an hour and less than our minimum.
    let too_brief = !asked.is_zero() && asked < limits.expires_min && asked < Duration::from_secs(3600);
    (!too_brief).then(|| asked.min(limits.expires_max))
}

/// Whether the contact asked for replaces this row. RFC 5626 §6: instance and reg-id name the flow of a device, whatever
/// its address became in between; two reg-ids of one instance are two flows even with one URI. A device that names itself
/// without reg-id is still one device (phones that reboot into a new port). Everything else is compared by URI.
fn is_same(row: &Binding, ask: &ContactAsk) -> bool {
    if row.instance.is_some() && row.instance == ask.instance {
        return row.reg_id == ask.reg_id;
    }
    contact::same(&row.contact, &ask.uri)
}

fn bind(now: Now, lifetime: Duration, request: &Register, ask: &ContactAsk) -> Binding {
    Binding {
        aor: request.aor.clone(),
        contact: ask.uri.clone(),
        instance: ask.instance.clone(),
        reg_id: ask.reg_id,
        call_id: request.call_id.clone(),
        cseq: request.cseq,
        q: ask.q.min(1000),
        expires: now.wall + lifetime,
        registered: now.wall,
        flow: request.flow,
        path: request.path.clone(),
        user_agent: request.user_agent.clone(),
    }
}

/// A device without an instance that restarts with a new contact each time would lock itself out for an hour. Its stale
/// rows, known by the address they came from and by another Call-ID, give way, oldest first; rows from elsewhere never do,
/// so nobody is pushed out by a second phone with the same credentials.
fn make_room(kept: &mut Vec<&Binding>, new: usize, request: &Register) {
    while kept.len() + new > BINDINGS_PER_AOR_MAX {
        let stale = kept
            .iter()
            .enumerate()
            .filter(|(_, b)| b.instance.is_none() && b.call_id != request.call_id)
            .filter(|(_, b)| b.flow.peer.ip() == request.flow.peer.ip())
            .min_by_key(|(_, b)| b.registered);
        let Some((at, _)) = stale else { return };
        kept.remove(at);
    }
}

/// The change from `old` to `new` as one write. Rows are removed by contact alone, so a row that lives on at the contact
/// of a removed one (another reg-id, another instance) is put again beside it; removals come before insertions.
pub fn write(aor: &Aor, old: &[Binding], new: Vec<Binding>) -> StoreWrite {
    let key = |b: &Binding| (b.contact.clone(), b.instance.clone(), b.reg_id);
    let mut drop: Vec<String> = Vec::new();
    for gone in old.iter().filter(|o| !new.iter().any(|n| key(n) == key(o))) {
        if !drop.contains(&gone.contact) {
            drop.push(gone.contact.clone());
        }
    }
    let put = new.into_iter().filter(|n| drop.contains(&n.contact) || !old.contains(n)).collect();
    StoreWrite::Bindings { aor: aor.clone(), put, drop }
}
