//! How a call ends. A closed list; each reason has a SIP status, a Reason header and a sentence for a person.

use serde::{Deserialize, Serialize};

macro_rules! end_reasons {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $status:literal, $q850:literal, $sentence:literal;)*) => {
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum EndReason { $($(#[$doc])* $name,)* }

        impl EndReason {
            pub const ALL: &'static [EndReason] = &[$(EndReason::$name,)*];

            /// The word in records, logs and the API.
            pub fn code(self) -> &'static str { match self { $(EndReason::$name => $code,)* } }
            /// The status a caller gets when the call ends before it was answered.
            pub fn sip_status(self) -> u16 { match self { $(EndReason::$name => $status,)* } }
            /// The ITU-T Q.850 cause of the Reason header (RFC 3326).
            pub fn q850(self) -> u8 { match self { $(EndReason::$name => $q850,)* } }
            /// What a person is told.
            pub fn sentence(self) -> &'static str { match self { $(EndReason::$name => $sentence,)* } }
        }
    };
}

end_reasons! {
    HungUpByCaller = "hung_up_by_caller", 200, 16, "The caller hung up.";
    HungUpByCallee = "hung_up_by_callee", 200, 16, "The called party hung up.";
    /// CANCEL before an answer.
    CallerGaveUp = "caller_gave_up", 487, 16, "The caller hung up before anyone answered.";
    Busy = "busy", 486, 17, "The called party is busy.";
    NoAnswer = "no_answer", 480, 19, "Nobody answered.";
    Declined = "declined", 603, 21, "The called party declined the call.";
    /// The number belongs to an agent who sits nowhere.
    NotLoggedIn = "not_logged_in", 480, 20, "The agent is not logged in.";
    PhoneUnreachable = "phone_unreachable", 480, 27, "The phone cannot be reached.";
    UnknownNumber = "unknown_number", 404, 1, "The number does not exist.";
    /// The dial plan or the permissions of the caller forbid it.
    NotAllowed = "not_allowed", 403, 21, "This call is not allowed from here.";
    OverLimit = "over_limit", 503, 42, "Too many calls at once.";
    /// No address of the trunk took the call.
    TrunkUnavailable = "trunk_unavailable", 503, 38, "The line to the outside is not available.";
    /// The far side refused with something that has no word of its own here.
    RejectedByPeer = "rejected_by_peer", 480, 31, "The call was refused by the other network.";
    NothingInCommon = "nothing_in_common", 488, 88, "The two phones have no audio format in common.";
    NoMediaPorts = "no_media_ports", 503, 44, "All media ports are in use.";
    /// Both directions fell silent, or the phone no longer answers while a call is up.
    MediaLost = "media_lost", 408, 27, "The connection to the phone was lost.";
    LoopDetected = "loop_detected", 482, 25, "The call came back to where it started.";
    TooManyHops = "too_many_hops", 483, 25, "The call passed through too many systems.";
    /// The peer's messages made no sense together: no ACK, a missing answer.
    ProtocolError = "protocol_error", 500, 111, "The other side's equipment misbehaved.";
    LoggedOutElsewhere = "logged_out_elsewhere", 480, 31, "The agent logged in somewhere else.";
    LoggedOut = "logged_out", 480, 31, "The agent logged out.";
    ReleasedByAdministrator = "released_by_administrator", 480, 31, "An administrator ended the login.";
    HungUpByAdministrator = "hung_up_by_administrator", 480, 31, "An administrator ended the call.";
    SessionExpired = "session_expired", 408, 102, "The session timer ran out.";
    StoreUnavailable = "store_unavailable", 503, 41, "The service is busy; please try again.";
    Shutdown = "shutdown", 503, 41, "The service is being stopped.";
    /// The process died while the call was up; written at the next start.
    ServerLost = "server_lost", 500, 41, "The service was interrupted during the call.";
}

impl EndReason {
    /// The value of the Reason header: `Q.850;cause=17;text="The called party is busy."` (RFC 3326 §2).
    pub fn reason_header(self) -> String {
        format!("Q.850;cause={};text=\"{}\"", self.q850(), self.sentence())
    }

    pub fn from_code(code: &str) -> Option<EndReason> {
        EndReason::ALL.iter().copied().find(|r| r.code() == code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_word_a_status_and_a_sentence() {
        let mut words: Vec<_> = EndReason::ALL.iter().map(|r| r.code()).collect();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), EndReason::ALL.len());
        for reason in EndReason::ALL {
            assert!((200..700).contains(&reason.sip_status()), "{reason:?}");
            assert!(reason.sentence().ends_with('.') && !reason.sentence().contains('"'), "{reason:?}");
            assert_eq!(EndReason::from_code(reason.code()), Some(*reason));
        }
    }
}
