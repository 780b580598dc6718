//! Every operation of the API, one line each: who may ask, what is sent, what comes back. The description is made of it, and
//! the tests walk it.

use terms::Right;

pub(crate) struct Operation {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) who: Who,
    /// Names behind the question mark.
    pub(crate) query: &'static [&'static str],
    /// Fields of the body, as `openapi::fields` reads them.
    pub(crate) body: &'static [&'static str],
    pub(crate) answer: Answer,
}

/// Whose request is taken.
#[derive(Clone, Copy)]
pub(crate) enum Who {
    Anybody,
    Session,
    /// A session that has not passed this stage of the login yet.
    Stage(&'static str),
    /// A session whose role has one of these.
    Rights(&'static [Right]),
}

#[derive(Clone, Copy)]
pub(crate) enum Answer {
    Nothing,
    /// Sends the browser somewhere else.
    Goes,
    /// Becomes a WebSocket.
    Upgrade,
    Csv,
    Accepted(&'static [&'static str]),
    Object(&'static [&'static str]),
    /// A schema by its name.
    Type(&'static str),
}

const fn op(
    method: &'static str,
    path: &'static str,
    who: Who,
    body: &'static [&'static str],
    answer: Answer,
    summary: &'static str,
) -> Operation {
    Operation { method, path, summary, who, query: &[], body, answer }
}

const fn get(path: &'static str, who: Who, answer: Answer, summary: &'static str) -> Operation {
    op("get", path, who, &[], answer, summary)
}

const fn post(
    path: &'static str,
    who: Who,
    body: &'static [&'static str],
    answer: Answer,
    summary: &'static str,
) -> Operation {
    op("post", path, who, body, answer, summary)
}

const fn asked(operation: Operation, query: &'static [&'static str]) -> Operation {
    Operation { query, ..operation }
}

/// What every step of a login answers: where it stands now.
const NEXT: Answer = Answer::Object(&[
    "state",
    "csrf",
    "agent:object",
    "notices:object[]",
    "kinds?:string[]",
    "why?",
    "rules?:object",
    "held?:object",
    "last_phone?",
    "login?:object",
    "phone?:object",
    "activity?:object",
    "presence?:object",
    "recovery_codes?:string[]",
]);
const DONE: Answer = Answer::Type("Done");

use Answer::{Accepted, Csv, Goes, Nothing, Object, Type, Upgrade};
use Right::*;
use Who::{Anybody, Rights, Session, Stage};

pub(crate) const OPERATIONS: &[Operation] = &[
    // What anybody may ask.
    get(
        "/api/site",
        Anybody,
        Object(&[
            "name",
            "version",
            "environment?",
            "login_methods:string[]",
            "oidc_label?",
            "forgot_password?",
            "contact?",
        ]),
        "What site this is and which ways in there are",
    ),
    get("/api/openapi.json", Anybody, Object(&["openapi"]), "This description"),
    // Ways in.
    post("/api/login", Anybody, &["username", "password", "way?"], NEXT, "Show a name and a password"),
    op("delete", "/api/login", Session, &[], Nothing, "Log out, or give up logging in"),
    post("/api/login/device", Session, &["phone?", "take_over_epoch?:integer"], NEXT, "Sit down"),
    post(
        "/api/login/factor",
        Stage("second_factor"),
        &["kind", "code"],
        NEXT,
        "Show the second factor: a code or a recovery code",
    ),
    post("/api/login/passkey/begin", Stage("second_factor"), &[], Object(&[]), "Begin to show a passkey"),
    post("/api/login/passkey/finish", Stage("second_factor"), &["credential:object"], NEXT, "Show a passkey"),
    post(
        "/api/login/not-me",
        Anybody,
        &[],
        Object(&["sentence"]),
        "Say that it was somebody else who took over",
    ),
    asked(get("/api/login/oidc", Anybody, Goes, "Go to the identity provider"), &["next"]),
    asked(
        get("/api/login/oidc/back", Anybody, Goes, "Come back from the identity provider"),
        &["code", "state", "error"],
    ),
    // Passwords.
    get(
        "/api/password/rules",
        Anybody,
        Object(&["profile", "rules:object[]"]),
        "What a password must be like",
    ),
    post("/api/password", Session, &["old?", "new"], NEXT, "Change one's password"),
    post("/api/forgot", Anybody, &["email"], Accepted(&["sentence"]), "Ask for a link to set a new password"),
    post(
        "/api/reset/look",
        Anybody,
        &["token"],
        Object(&["expires:integer"]),
        "See whether a link is still good",
    ),
    post(
        "/api/reset",
        Anybody,
        &["token", "new"],
        Nothing,
        "Set a new password with a link, which is then used up",
    ),
    // Second factors.
    get("/api/factors", Session, Object(&["factors:object[]"]), "The second factors one has"),
    op("delete", "/api/factors/{id}", Session, &["password"], Nothing, "Take a second factor away"),
    post(
        "/api/factor/totp/begin",
        Session,
        &["password?"],
        Object(&["secret", "uri", "qr_svg"]),
        "Begin with an authenticator",
    ),
    post("/api/factor/totp/confirm", Session, &["code"], NEXT, "Prove that the authenticator works"),
    post("/api/factor/passkey/begin", Session, &["password?"], Object(&[]), "Begin with a passkey"),
    post("/api/factor/passkey/finish", Session, &["credential:object"], NEXT, "Add the passkey"),
    post(
        "/api/factor/recovery",
        Session,
        &["password?"],
        Object(&["recovery_codes:string[]"]),
        "Make new recovery codes",
    ),
    // At work.
    get("/api/me", Session, NEXT, "Where one stands: logging in, or at work"),
    post("/api/me/active", Session, &[], Nothing, "Say that somebody is at the page: not idle"),
    get("/api/phones", Session, Object(&["phones:object[]", "last_phone?"]), "Every phone, free ones first"),
    get("/api/sip", Session, Object(&[]), "What a softphone needs to register"),
    post("/api/sip/take", Session, &["tab"], Object(&[]), "Give this tab the sound"),
    asked(get("/api/events", Session, Upgrade, "What happens, as it happens (WebSocket)"), &["after"]),
    post(
        "/api/ticket",
        Anybody,
        &[],
        Object(&["url", "expires_in_s:integer"]),
        "A link that opens the desktop logged in, once",
    ),
    post("/api/ticket/use", Anybody, &["ticket"], NEXT, "Use such a link"),
    // Administration.
    get("/api/admin/me", Rights(&[]), Type("Me"), "What one may do"),
    asked(
        get(
            "/api/admin/agents",
            Rights(&[ManageAgents, UnlockAgents]),
            Type("Agents"),
            "Agents, a page at a time",
        ),
        &["find", "after", "limit"],
    ),
    post(
        "/api/admin/agents/{name}/unlock",
        Rights(&[UnlockAgents]),
        &[],
        DONE,
        "Let somebody in again who was locked out",
    ),
    post(
        "/api/admin/agents/{name}/disable",
        Rights(&[ManageAgents]),
        &[],
        DONE,
        "Keep somebody out; their login ends",
    ),
    post(
        "/api/admin/agents/{name}/enable",
        Rights(&[ManageAgents]),
        &[],
        DONE,
        "Let somebody in again who was kept out",
    ),
    post("/api/admin/agents/{name}/role", Rights(&[ManageAgents]), &["role"], DONE, "Give a role"),
    post(
        "/api/admin/agents/{name}/email",
        Rights(&[ManageAgents]),
        &["email?"],
        DONE,
        "Set or take away the address",
    ),
    post(
        "/api/admin/agents/{name}/password",
        Rights(&[ManageAgents]),
        &["password?"],
        DONE,
        "Set a password, or have one made",
    ),
    post(
        "/api/admin/agents/{name}/factors/reset",
        Rights(&[ManageAgents]),
        &[],
        DONE,
        "Take all second factors away",
    ),
    get("/api/admin/logins", Rights(&[SeeLogins]), Type("Logins"), "Who sits where"),
    post("/api/admin/logins/{id}/end", Rights(&[EndLogins]), &[], DONE, "End a login"),
    get(
        "/api/admin/phones",
        Rights(&[SeeLogins, FreePhones]),
        Type("Phones"),
        "Every phone and who sits there",
    ),
    post("/api/admin/phones/{name}/free", Rights(&[FreePhones]), &[], DONE, "Give a phone back to everybody"),
    get("/api/admin/sites", Rights(&[SeeLogins]), Type("Sites"), "The sites and how many sit there"),
    post(
        "/api/admin/sites/{site}/logout",
        Rights(&[SiteLogout]),
        &["dry_run?:boolean", "confirm?"],
        Object(&[
            "site?",
            "logins?:integer",
            "in_call?:integer",
            "agents?:Met[]",
            "confirm?",
            "sentence",
            "effect?:object",
        ]),
        "Log out a site: first whom it would meet, then, with the word of that answer, those and nobody else",
    ),
    asked(
        get("/api/admin/audit", Rights(&[SeeAudit]), Type("AuditPage"), "The audit log backwards"),
        &["who", "what", "outcome", "from", "to", "before", "limit"],
    ),
    asked(
        get("/api/admin/audit.csv", Rights(&[SeeAudit]), Csv, "The audit log as CSV"),
        &["who", "what", "outcome", "from", "to", "before"],
    ),
    get(
        "/api/admin/security",
        Rights(&[SeeSecurity]),
        Type("Security"),
        "What went on at the door within the last day",
    ),
    get(
        "/api/admin/licence",
        Rights(&[SeeSecurity]),
        Object(&["status", "sentence", "seats_used:integer"]),
        "The licence, and until when certificates are good",
    ),
    post(
        "/api/admin/mail/test",
        Rights(&[SendTestMail]),
        &["to"],
        DONE,
        "Send a mail to see whether mail works",
    ),
];
