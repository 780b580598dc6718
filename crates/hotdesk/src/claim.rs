//! The claim decision. The store reads the rows inside a transaction, asks `decide`, and writes what it says.

use terms::{Activity, AgentId, Epoch, Login, LoginEndReason, Place, TakeoverPolicy, WallTime};

/// An agent, whose password was right, wants to sit down.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    pub agent: AgentId,
    pub place: Place,
    /// The epoch the agent was shown in the takeover dialog and said yes to; `None` where no dialog was.
    pub take_over: Option<Epoch>,
    /// The address the browser came from.
    pub from: String,
    pub at: WallTime,
}

/// What the transaction sees.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    /// The agent's login without an end, if any.
    pub of_agent: Option<Login>,
    /// The login without an end at the wanted device, if any (perhaps the same row).
    pub at_device: Option<Login>,
    /// The highest epoch this agent ever had.
    pub last_epoch: Epoch,
    /// Takeovers of this account within the last hour (SPEC C9).
    pub takeovers_last_hour: u32,
}

/// At most this many takeovers an hour and account (SPEC C9).
pub const TAKEOVERS_PER_HOUR_MAX: u32 = 5;

#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// Insert a row with this epoch, after ending the old one where there is one.
    Grant { epoch: Epoch, end: Option<(Login, LoginEndReason)> },
    /// The agent is logged in elsewhere and has not confirmed, or confirmed another epoch: ask (again).
    Held { by: Login },
    /// Somebody else sits at the device.
    PhoneInUse { by: Login },
    /// The takeover was confirmed, but this account was taken over too often within the hour.
    TooManyTakeovers,
}

/// Decides. Pure; the unique indexes of the store stand behind it.
pub fn decide(rows: &Rows, claim: &Claim) -> Decision {
    // An ended row holds nothing, whoever read it.
    let mine = rows.of_agent.as_ref().filter(|login| login.ended.is_none());
    let there = rows.at_device.as_ref().filter(|login| login.ended.is_none());

    // Somebody else's phone comes first: no confirmation by this agent could free it, so there is nothing to ask.
    if let Some(by) = there.filter(|login| login.agent != claim.agent && claim.place.device().is_some()) {
        return Decision::PhoneInUse { by: by.clone() };
    }
    // The epoch only rises, also where the highest row was ended long ago.
    let epoch = Epoch(rows.last_epoch.max(mine.map_or(Epoch(0), |login| login.epoch)).0.saturating_add(1));
    let Some(mine) = mine else {
        // A confirmation whose login ended meanwhile has nothing left to take over: the seat is free.
        return Decision::Grant { epoch, end: None };
    };
    // SPEC C1, C6: the same agent is asked even for the very same phone, and asked again when the login that was
    // confirmed is no longer the one that stands: of two confirmed logins at once exactly one wins.
    if claim.take_over != Some(mine.epoch) {
        return Decision::Held { by: mine.clone() };
    }
    if rows.takeovers_last_hour >= TAKEOVERS_PER_HOUR_MAX {
        return Decision::TooManyTakeovers;
    }
    Decision::Grant { epoch, end: Some((mine.clone(), LoginEndReason::TakenOver)) }
}

/// Whether a confirmed takeover may go on while the agent is doing this (SPEC C4). The caller asks the gateway what the
/// agent does right before it claims; a phone that only rings is not a call yet.
pub fn policy_allows(policy: TakeoverPolicy, activity: Activity) -> bool {
    match policy {
        TakeoverPolicy::End => true,
        TakeoverPolicy::Refuse => activity != Activity::InCall,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use terms::{DeviceId, LoginEnd, LoginId};

    const ANN: AgentId = AgentId(1);
    const BOB: AgentId = AgentId(2);
    const DESK_17: Place = Place::Phone(DeviceId(17));
    const DESK_18: Place = Place::Phone(DeviceId(18));

    fn login(agent: AgentId, epoch: u64, place: Place) -> Login {
        Login {
            id: LoginId(agent.0 * 100 + epoch),
            agent,
            epoch: Epoch(epoch),
            place,
            since: WallTime(1_000),
            from: "192.0.2.1".into(),
            ended: None,
        }
    }
    fn ended(mut login: Login) -> Login {
        login.ended =
            Some(LoginEnd { at: WallTime(2_000), why: LoginEndReason::LoggedOut, from: String::new() });
        login
    }
    fn claim(place: Place, take_over: Option<u64>) -> Claim {
        Claim {
            agent: ANN,
            place,
            take_over: take_over.map(Epoch),
            from: "192.0.2.9".into(),
            at: WallTime(5_000),
        }
    }

    #[test]
    fn who_gets_the_seat() {
        let grant = |epoch| Decision::Grant { epoch: Epoch(epoch), end: None };
        let takes = |epoch, old: &Login| Decision::Grant {
            epoch: Epoch(epoch),
            end: Some((old.clone(), LoginEndReason::TakenOver)),
        };
        let held = |by: &Login| Decision::Held { by: by.clone() };
        let in_use = |by: &Login| Decision::PhoneInUse { by: by.clone() };

        let ann_17 = login(ANN, 7, DESK_17);
        let ann_web = login(ANN, 7, Place::Browser);
        let bob_17 = login(BOB, 3, DESK_17);
        let free = |last| Rows { last_epoch: Epoch(last), ..Rows::default() };
        let mine = |l: &Login| Rows { of_agent: Some(l.clone()), last_epoch: Epoch(7), ..Rows::default() };
        let same = |l: &Login| Rows { at_device: Some(l.clone()), ..mine(l) };
        let often = |n| Rows { takeovers_last_hour: n, ..mine(&ann_17) };

        #[rustfmt::skip]
        let table: Vec<(&str, Rows, Claim, Decision)> = vec![
            ("the first login ever is epoch 1", free(0), claim(DESK_17, None), grant(1)),
            ("epochs go on after a logout", free(7), claim(DESK_17, None), grant(8)),
            ("a browser needs no phone", free(7), claim(Place::Browser, None), grant(8)),
            ("moving to another phone is asked first", mine(&ann_17), claim(DESK_18, None), held(&ann_17)),
            ("the same phone again is asked too", same(&ann_17), claim(DESK_17, None), held(&ann_17)),
            ("two browsers are one login too many", mine(&ann_web), claim(Place::Browser, None), held(&ann_web)),
            ("confirmed with the right epoch", mine(&ann_17), claim(DESK_18, Some(7)), takes(8, &ann_17)),
            ("confirmed at the same phone", same(&ann_17), claim(DESK_17, Some(7)), takes(8, &ann_17)),
            ("from the phone to the browser", mine(&ann_17), claim(Place::Browser, Some(7)), takes(8, &ann_17)),
            ("an old confirmation is asked again", mine(&ann_17), claim(DESK_18, Some(6)), held(&ann_17)),
            ("a confirmation from the future too", mine(&ann_17), claim(DESK_18, Some(8)), held(&ann_17)),
            ("confirmed, but it ended meanwhile", free(7), claim(DESK_18, Some(7)), grant(8)),
            ("bob sits there", Rows { at_device: Some(bob_17.clone()), ..free(7) }, claim(DESK_17, None), in_use(&bob_17)),
            ("bob sits there, and no yes of ann frees it", Rows { at_device: Some(bob_17.clone()), ..mine(&ann_web) }, claim(DESK_17, Some(7)), in_use(&bob_17)),
            ("bob sat there", Rows { at_device: Some(ended(bob_17.clone())), ..free(7) }, claim(DESK_17, None), grant(8)),
            ("ann's own row has ended", Rows { of_agent: Some(ended(ann_17.clone())), ..free(7) }, claim(DESK_18, None), grant(8)),
            ("the epoch rises above her own row", Rows { last_epoch: Epoch(2), ..mine(&ann_17) }, claim(DESK_18, Some(7)), takes(8, &ann_17)),
            ("the fifth takeover of the hour", often(4), claim(DESK_18, Some(7)), takes(8, &ann_17)),
            ("the sixth is refused", often(5), claim(DESK_18, Some(7)), Decision::TooManyTakeovers),
            ("but is asked like any other", often(5), claim(DESK_18, None), held(&ann_17)),
            ("and a plain login is no takeover", Rows { takeovers_last_hour: 9, ..free(7) }, claim(DESK_18, None), grant(8)),
        ];
        for (what, rows, claim, expected) in table {
            assert_eq!(decide(&rows, &claim), expected, "{what}");
        }
    }

    #[test]
    fn a_call_holds_the_seat_only_where_the_administrator_says_so() {
        for (policy, activity, allowed) in [
            (TakeoverPolicy::End, Activity::InCall, true),
            (TakeoverPolicy::Refuse, Activity::Idle, true),
            (TakeoverPolicy::Refuse, Activity::Ringing, true),
            (TakeoverPolicy::Refuse, Activity::InCall, false),
        ] {
            assert_eq!(policy_allows(policy, activity), allowed, "{policy:?} {activity:?}");
        }
    }
}
