//! Every «no» over HTTP: a word for programs, a sentence for people, nothing else about what went on inside.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::{Map, Value};
use std::borrow::Cow;
use terms::StoreError;

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $word:literal, $status:ident, $sentence:literal;)*) => {
        /// Why a request was refused. A closed list; the words are part of the API.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Reason { $($(#[$doc])* $name,)* }

        impl Reason {
            pub const ALL: &'static [Reason] = &[$(Reason::$name,)*];
            pub fn word(self) -> &'static str { match self { $(Reason::$name => $word,)* } }
            pub fn status(self) -> StatusCode { match self { $(Reason::$name => StatusCode::$status,)* } }
            pub fn sentence(self) -> &'static str { match self { $(Reason::$name => $sentence,)* } }
        }
    };
}

reasons! {
    /// The same for an unknown name, a wrong password and a disabled account (SPEC A2).
    WrongCredentials = "wrong_credentials", UNAUTHORIZED, "The username or the password is wrong.";
    /// The same for every name, whether it is somebody's or not, and for the right password (SPEC D6).
    Blocked = "blocked", FORBIDDEN,
        "Too many wrong attempts: this login is blocked. Please contact your administrator.";
    TooManyAttempts = "too_many_attempts", TOO_MANY_REQUESTS, "Too many attempts. Please wait a moment and try again.";
    NoSession = "no_session", UNAUTHORIZED, "You are not logged in.";
    LoginExpired = "login_expired", UNAUTHORIZED, "Your login took too long or has expired. Please log in again.";
    /// The sentence is the login's own (`LoginEndReason::sentence`).
    LoginEnded = "login_ended", UNAUTHORIZED, "Your login has ended.";
    SecondFactorRequired = "second_factor_required", FORBIDDEN, "Please enter your second factor first.";
    PasswordChangeRequired = "password_change_required", FORBIDDEN, "Please change your password first.";
    FactorEnrolmentRequired = "factor_enrolment_required", FORBIDDEN, "Please set up a second factor first.";
    WrongCode = "wrong_code", UNPROCESSABLE_ENTITY,
        "This code is wrong or was used already. Please wait for the next one and try again.";
    FactorTriesSpent = "factor_tries_spent", UNAUTHORIZED, "Too many wrong tries. Please log in again.";
    PasskeyRefused = "passkey_refused", UNPROCESSABLE_ENTITY,
        "This passkey was not accepted. Please try again, or use another way.";
    PasskeyKnown = "passkey_known", CONFLICT, "This passkey is set up already.";
    PasskeyNeedsName = "passkey_needs_name", UNPROCESSABLE_ENTITY,
        "Passkeys work only where this site is opened by its name. Please ask an administrator for the address.";
    TooManyFactors = "too_many_factors", CONFLICT,
        "There are as many second factors as there can be. Please remove one first.";
    FactorNeeded = "factor_needed", CONFLICT,
        "Your role needs a second factor. Please set up another one before you remove this one.";
    ConfirmFirst = "confirm_first", FORBIDDEN, "Please show once more that it is you.";
    WrongPassword = "wrong_password", UNPROCESSABLE_ENTITY, "The password is wrong.";
    /// With `failed`, the rules it breaks.
    PasswordRules = "password_rules", UNPROCESSABLE_ENTITY, "The new password does not keep all the rules.";
    OldPasswordWrong = "old_password_wrong", UNPROCESSABLE_ENTITY, "Your present password is not right.";
    PasswordElsewhere = "password_elsewhere", CONFLICT,
        "Your password is not kept here. Please change it where your organisation keeps it.";
    NotNow = "not_now", CONFLICT, "There is nothing to do here now. Please reload the page.";
    PhoneRequired = "phone_required", UNPROCESSABLE_ENTITY, "Please choose a phone.";
    PhoneUnknown = "phone_unknown", UNPROCESSABLE_ENTITY, "There is no such phone. Please choose another one.";
    PhoneUnreachable = "phone_unreachable", UNPROCESSABLE_ENTITY,
        "This phone does not answer. Check that it is switched on and connected, or choose another one.";
    PhoneInUse = "phone_in_use", CONFLICT, "Somebody else is using this phone. Please choose another one.";
    /// SPEC C1, to the letter.
    AlreadyLoggedIn = "already_logged_in", CONFLICT, "User already logged. Do you want to continue?";
    CallInProgress = "call_in_progress", CONFLICT,
        "You are in a call at the other phone. Finish it first, then log in here.";
    TooManyTakeovers = "too_many_takeovers", TOO_MANY_REQUESTS,
        "Your login was moved too often within the last hour. Please wait, or ask an administrator.";
    /// No SMTP: the page says to ask an administrator (SPEC D5).
    MailNotSet = "mail_not_set", CONFLICT,
        "No mail can be sent from here. Please ask your administrator for a new password.";
    /// For administrators who try it; `said` has the mail server's own words.
    MailFailed = "mail_failed", BAD_GATEWAY, "The letter did not go out.";
    EmailInvalid = "email_invalid", UNPROCESSABLE_ENTITY, "Please write an e-mail address, such as name@example.com.";
    /// Used, replaced by a newer one, or too old: which of them is nobody's business.
    LinkExpired = "link_expired", GONE,
        "This link does not work any more. It is good for one hour and for one new password; please ask for a new link.";
    WrongHost = "wrong_host", MISDIRECTED_REQUEST,
        "This is not the address that Hotseat is reached by. Please use the one you were given.";
    NotInBrowser = "not_in_browser", CONFLICT, "Your calls go to your phone, not to this browser.";
    DirectoryUnavailable = "directory_unavailable", SERVICE_UNAVAILABLE,
        "The company's directory does not answer. Please try again in a moment. Accounts that were made here still work.";
    /// Said only after the right password: the directory tells nobody else.
    DirectoryPassword = "directory_password", FORBIDDEN,
        "Your password has to be changed in Windows before you can log in here.";
    OidcUnavailable = "oidc_unavailable", SERVICE_UNAVAILABLE,
        "The login service does not answer. Please try again in a moment.";
    OidcExpired = "oidc_expired", BAD_REQUEST,
        "This login took too long, or was begun in another browser. Please try again.";
    OidcDenied = "oidc_denied", FORBIDDEN, "The login was cancelled.";
    OidcRefused = "oidc_refused", FORBIDDEN,
        "The answer of the login service could not be trusted, so you were not logged in. Please try again.";
    OidcUnverified = "oidc_unverified", FORBIDDEN,
        "Your mail address is not verified at the login service, so you cannot log in with it.";
    OidcOtherDomain = "oidc_other_domain", FORBIDDEN,
        "This account does not belong to your organisation. Please choose your work account.";
    OidcUnknown = "oidc_unknown", FORBIDDEN,
        "There is no agent for this account here. Please contact an administrator.";
    /// One sentence for a ticket that was used, is late, was made up, or comes from elsewhere.
    TicketInvalid = "ticket_invalid", FORBIDDEN,
        "This link was used already or is no longer valid. Please open the page from your phone again.";
    NotTakenOver = "not_taken_over", CONFLICT, "Nobody took over this login.";
    NotMeTooLate = "not_me_too_late", CONFLICT,
        "This can no longer be done from here. Please contact the administrator.";
    CsrfFailed = "csrf_failed", FORBIDDEN, "This page is out of date. Please reload it and try again.";
    ForeignOrigin = "foreign_origin", FORBIDDEN, "This request came from another site and was refused.";
    BadRequest = "bad_request", BAD_REQUEST, "The request could not be understood.";
    TooLarge = "too_large", PAYLOAD_TOO_LARGE, "The request is too large.";
    NotFound = "not_found", NOT_FOUND, "There is nothing at this address.";
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, "This address does not take such a request.";
    /// The role has no such right.
    RightMissing = "right_missing", FORBIDDEN, "Your role does not allow this.";
    /// Nobody decides about an account that may do more than their own.
    RightsExceeded = "rights_exceeded", FORBIDDEN,
        "This account may do more than yours. Only somebody with the same rights can change it.";
    OwnAccount = "own_account", CONFLICT, "You cannot do this to your own account.";
    AgentUnknown = "agent_unknown", NOT_FOUND, "There is no such agent.";
    LoginUnknown = "login_unknown", NOT_FOUND, "There is no such login, or it has ended already.";
    PhoneFree = "phone_free", CONFLICT, "Nobody is logged in at this phone.";
    SiteUnknown = "site_unknown", NOT_FOUND, "There is no phone at such a site.";
    /// Somebody sat down who was not in what was shown.
    ChangedSince = "changed_since", CONFLICT, "Somebody has logged in since this was shown. Please look again.";
    ConfirmExpired = "confirm_expired", GONE, "This confirmation was used already or is too old. Please look again.";
    EmailTaken = "email_taken", CONFLICT, "Another account has this mail address.";
    /// A directory or provider keeps it.
    NotLocal = "not_local", CONFLICT, "The password of this account is not kept here.";
    Busy = "busy", SERVICE_UNAVAILABLE, "The service is busy. Please try again in a moment.";
    StoreUnavailable = "store_unavailable", SERVICE_UNAVAILABLE,
        "The service cannot save anything at the moment. Please tell an administrator.";
}

/// When a busy service may be asked again, in seconds.
const BUSY_RETRY_S: u64 = 2;

/// A refusal on its way out, with whatever else the reason carries.
#[derive(Debug)]
pub struct Refusal {
    reason: Reason,
    sentence: Cow<'static, str>,
    retry_after_s: Option<u64>,
    more: Map<String, Value>,
}

impl Refusal {
    /// Says it in the words of the thing that happened instead of the reason's own.
    pub fn saying(mut self, sentence: impl Into<Cow<'static, str>>) -> Refusal {
        self.sentence = sentence.into();
        self
    }

    /// Carries one field more.
    pub fn with(mut self, field: &str, value: impl Serialize) -> Refusal {
        self.more.insert(field.to_owned(), serde_json::to_value(value).unwrap_or(Value::Null));
        self
    }

    /// When it is worth another try.
    pub fn retry_after(self, seconds: u64) -> Refusal {
        Refusal { retry_after_s: Some(seconds), ..self }.with("retry_after_s", seconds)
    }

    pub fn status(&self) -> StatusCode {
        self.reason.status()
    }

    pub fn word(&self) -> &'static str {
        self.reason.word()
    }
}

impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Refusal {
        let refusal =
            Refusal { reason, sentence: reason.sentence().into(), retry_after_s: None, more: Map::new() };
        match reason {
            Reason::Busy | Reason::StoreUnavailable => refusal.retry_after(BUSY_RETRY_S),
            _ => refusal,
        }
    }
}

impl From<StoreError> for Refusal {
    /// A store in trouble is never an answer about a password: 503, not 401.
    fn from(error: StoreError) -> Refusal {
        match &error {
            StoreError::Busy(_) => tracing::warn!(%error, "store busy"),
            StoreError::Failed(_) => tracing::error!(%error, "store failed"),
        }
        match error {
            StoreError::Busy(_) => Reason::Busy.into(),
            StoreError::Failed(_) => Reason::StoreUnavailable.into(),
        }
    }
}

impl From<JsonRejection> for Refusal {
    fn from(rejection: JsonRejection) -> Refusal {
        match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Reason::TooLarge.into(),
            _ => Reason::BadRequest.into(),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut body = Map::new();
        body.insert("reason".into(), self.reason.word().into());
        body.insert("sentence".into(), Value::String(self.sentence.into_owned()));
        body.extend(self.more);
        let mut response = (self.reason.status(), Json(Value::Object(body))).into_response();
        if let Some(seconds) = self.retry_after_s {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_word_and_a_sentence() {
        let mut words: Vec<_> = Reason::ALL.iter().map(|reason| reason.word()).collect();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), Reason::ALL.len());
        for reason in Reason::ALL {
            assert!(reason.sentence().ends_with(['.', '?']), "{reason:?}");
            assert!(reason.status().is_client_error() || reason.status().is_server_error());
        }
    }
}
