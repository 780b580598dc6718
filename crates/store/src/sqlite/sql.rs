//! All SQL of this backend, so that another database is one more such file.

pub(crate) const BEGIN: &str = "BEGIN IMMEDIATE";
pub(crate) const COMMIT: &str = "COMMIT";
pub(crate) const ROLLBACK: &str = "ROLLBACK";
pub(crate) const BEGIN_READ: &str = "BEGIN";

pub(crate) const META_GET: &str = "SELECT value FROM meta WHERE name = ?";
pub(crate) const META_PUT: &str = "INSERT INTO meta (name, value) VALUES (?, ?)";

// Bindings, and the log they are written to first. Many rows in one statement: every statement costs a hop to the
// connection's thread and back.
pub(crate) const BINDINGS_DROP: &str = "DELETE FROM bindings WHERE (aor, contact) IN
    (SELECT value ->> 0, value ->> 1 FROM json_each(?))";
pub(crate) const BINDINGS_PUT: &str =
    "INSERT OR REPLACE INTO bindings (aor, contact, instance, reg_id, body) VALUES ";
pub(crate) const BINDINGS_PUT_ROW: &str = "(?,?,?,?,?)";
pub(crate) const BINDINGS_PUT_NEXT: &str = ",(?,?,?,?,?)";
pub(crate) const BINDINGS_ALL: &str =
    "SELECT aor, body FROM bindings ORDER BY aor, contact, instance, reg_id";
pub(crate) const BINDING_LOG_ADD: &str = "INSERT INTO binding_log (ops) VALUES (?)";
pub(crate) const BINDING_LOG_ALL: &str = "SELECT seq, ops FROM binding_log ORDER BY seq";
pub(crate) const BINDING_LOG_LENGTH: &str = "SELECT coalesce(sum(length(ops)), 0) FROM binding_log";
pub(crate) const BINDING_LOG_EMPTY: &str = "DELETE FROM binding_log WHERE seq <= ?";
// '@' is followed by 'A' in ASCII: everything between is this user at some domain.
pub(crate) const BINDINGS_OF_DEVICE_DROP: &str =
    "DELETE FROM bindings WHERE aor >= ?1 || '@' AND aor < ?1 || 'A'";

// Call records.
pub(crate) const RECORDS_PUT: &str = "INSERT OR REPLACE INTO call_records
    (call, direction, from_number, to_number, started, answered, ended, agent, login, device,
     to_agent, to_login, to_device, trunk, a_call_id, b_call_id, end_reason, peer_status, a_figures, b_figures)
    VALUES ";
pub(crate) const RECORDS_PUT_ROW: &str = "(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)";
pub(crate) const RECORDS_PUT_NEXT: &str = ",(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)";
macro_rules! records {
    ($rest:literal) => {
        concat!(
            "SELECT call, direction, from_number, to_number, started, answered, ended, agent, login, device, to_agent, \
             to_login, to_device, trunk, a_call_id, b_call_id, end_reason, peer_status, a_figures, b_figures \
             FROM call_records ",
            $rest
        )
    };
}
pub(crate) const RECORDS_NEWEST: &str = records!("ORDER BY started DESC, call DESC LIMIT ?");
pub(crate) const RECORD: &str = records!("WHERE call = ?");
pub(crate) const RECORDS_CLOSE_LOST: &str =
    "UPDATE call_records SET ended = ?, end_reason = ? WHERE ended IS NULL";

// Agents and devices.
macro_rules! agents {
    ($rest:literal) => {
        concat!(
            "SELECT id, login_name, display_name, extension, typology, dids, outbound_number, enabled, password_hash, \
             last_device, role, email, way, password_at, must_change, blocked_at, blocked_until, blocked_why FROM agents ",
            $rest
        )
    };
}
pub(crate) const AGENTS_ALL: &str = agents!("ORDER BY id");
pub(crate) const AGENT_BY_KEY: &str = agents!("WHERE login_key = ?");
pub(crate) const AGENT_BY_EMAIL: &str = agents!("WHERE email_key = ?");
pub(crate) const AGENT_BY_ID: &str = agents!("WHERE id = ?");
pub(crate) const AGENTS_OF: &str = agents!("WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id");
// With the moment they sat down last: epochs rise with time, so the index has it at once.
macro_rules! listed {
    ($rest:literal) => {
        concat!(
            "SELECT id, login_name, display_name, extension, typology, dids, outbound_number, enabled, password_hash, \
             last_device, role, email, way, password_at, must_change, blocked_at, blocked_until, blocked_why, \
             (SELECT l.since FROM logins l WHERE l.agent = agents.id ORDER BY l.epoch DESC LIMIT 1) AS last_login \
             FROM agents ",
            $rest
        )
    };
}
pub(crate) const AGENTS_PAGE: &str = listed!(
    "WHERE login_key > ?1
       AND (instr(login_key, ?2) OR instr(lower(display_name), ?3) OR instr(extension, ?3) OR instr(email_key, ?2))
     ORDER BY login_key LIMIT ?4"
);
pub(crate) const AGENTS_BLOCKED: &str = listed!(
    "WHERE blocked_at IS NOT NULL AND (blocked_until IS NULL OR blocked_until > ?) ORDER BY login_key"
);
pub(crate) const AGENTS_TAKEN: &str = "SELECT j.key AS at, 'login_name' AS field, a.login_name AS holder
        FROM json_each(?1) j JOIN agents a ON a.login_key = j.value ->> 'key'
    UNION ALL SELECT j.key, 'extension', a.login_name
        FROM json_each(?1) j JOIN agents a ON a.extension = j.value ->> 'extension'
    UNION ALL SELECT j.key, 'email', a.login_name
        FROM json_each(?1) j JOIN agents a ON a.email_key = j.value ->> 'email_key'
    ORDER BY 1, 2 DESC LIMIT 1";
pub(crate) const AGENTS_ADD: &str = "INSERT INTO agents
    (login_name, login_key, display_name, extension, typology, dids, outbound_number, password_hash,
     role, email, email_key, way)
    SELECT value ->> 'login_name', value ->> 'key', value ->> 'display_name', value ->> 'extension',
        value ->> 'typology', value ->> 'dids', value ->> 'outbound_number', value ->> 'password_hash',
        value ->> 'role', value ->> 'email', value ->> 'email_key', value ->> 'way'
    FROM json_each(?) WHERE true RETURNING id, login_key";
pub(crate) const AGENT_REMOVE: &str = "DELETE FROM agents WHERE id = ?";
pub(crate) const AGENT_ENABLE: &str = "UPDATE agents SET enabled = ? WHERE id = ?";
pub(crate) const AGENT_PASSWORD: &str = "UPDATE agents SET password_hash = ? WHERE id = ?";
pub(crate) const AGENT_PASSWORD_PUT: &str =
    "UPDATE agents SET password_hash = ?, password_at = ?, must_change = ? WHERE id = ?";
pub(crate) const AGENT_ROLE: &str = "UPDATE agents SET role = ? WHERE id = ?";
pub(crate) const AGENT_EMAIL: &str = "UPDATE agents SET email = ?, email_key = ? WHERE id = ?";
pub(crate) const AGENT_WAY: &str = "UPDATE agents SET way = ? WHERE id = ?";
pub(crate) const AGENT_BLOCK: &str =
    "UPDATE agents SET blocked_at = ?, blocked_until = ?, blocked_why = ? WHERE id = ?";
pub(crate) const AGENT_CLAIM: &str = "SELECT last_epoch FROM agents WHERE id = ? AND enabled = 1";
pub(crate) const AGENT_SAT_DOWN: &str =
    "UPDATE agents SET last_epoch = ?1, last_device = coalesce(?2, last_device) WHERE id = ?3";

// Those whom somebody else vouches for.
pub(crate) const DIRECTORY_PRESENT: &str = "SELECT a.id, a.login_name, l.id
    FROM agents a LEFT JOIN logins l ON l.agent = a.id AND l.ended_at IS NULL
    WHERE a.way = 'directory' AND (l.id IS NOT NULL OR EXISTS (SELECT 1 FROM web_sessions s
        WHERE s.agent = a.id AND s.login IS NULL AND s.dead = 0 AND s.expires > ?))
    ORDER BY a.id";
pub(crate) const AGENT_FROM_DIRECTORY: &str = "UPDATE agents
    SET role = coalesce(?1, role), typology = coalesce(?2, typology)
    WHERE id = ?3 AND (role IS NOT coalesce(?1, role) OR typology IS NOT coalesce(?2, typology))";
pub(crate) const IDENTITY_OF_SUBJECT: &str =
    "SELECT i.agent FROM identities i JOIN agents a ON a.id = i.agent
    WHERE i.issuer = ? AND i.subject = ? AND a.way = 'oidc' AND a.email_key = i.email_key";
pub(crate) const AGENT_OF_IDENTITY: &str = "SELECT a.id, coalesce(i.email_key = a.email_key, 0)
    FROM agents a LEFT JOIN identities i ON i.agent = a.id WHERE a.way = 'oidc' AND a.email_key = ?";
pub(crate) const IDENTITY_LOOSEN: &str = "DELETE FROM identities WHERE issuer = ? AND subject = ?";
pub(crate) const IDENTITY_BIND: &str =
    "INSERT OR REPLACE INTO identities (agent, issuer, subject, email_key, bound_at) VALUES (?, ?, ?, ?, ?)";
pub(crate) const IDENTITY_FORGET: &str = "DELETE FROM identities WHERE agent = ?";

macro_rules! devices {
    ($rest:literal) => {
        concat!("SELECT id, name, label, site, floor, ha1, enabled FROM devices ", $rest)
    };
}
pub(crate) const DEVICES_ALL: &str = devices!("ORDER BY id");
pub(crate) const DEVICES_OF: &str = devices!("WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id");
pub(crate) const DEVICES_TAKEN: &str = "SELECT j.key AS at, 'name' AS field, d.name AS holder
    FROM json_each(?1) j JOIN devices d ON d.name = j.value ->> 'name' ORDER BY 1 LIMIT 1";
pub(crate) const DEVICES_ADD: &str = "INSERT INTO devices (name, label, site, floor, ha1)
    SELECT value ->> 'name', value ->> 'label', value ->> 'site', value ->> 'floor', unhex(value ->> 'ha1')
    FROM json_each(?) WHERE true RETURNING id, name";
pub(crate) const DEVICE_REMOVE: &str = "DELETE FROM devices WHERE id = ? RETURNING name";
pub(crate) const DEVICE_ENABLE: &str = "UPDATE devices SET enabled = ? WHERE id = ? RETURNING name";
pub(crate) const DEVICE_CLAIM: &str = "SELECT 1 FROM devices WHERE id = ? AND enabled = 1";

// Logins.
macro_rules! logins {
    ($rest:literal) => {
        concat!(
            "SELECT l.id, l.agent, l.epoch, l.device, l.since, l.source, l.ended_at, l.ended_why, l.ended_from \
             FROM logins l ",
            $rest
        )
    };
}
pub(crate) const LOGINS_OPEN: &str = logins!("WHERE ended_at IS NULL ORDER BY id");
pub(crate) const LOGINS_NEWEST: &str = logins!("ORDER BY id DESC LIMIT ?");
pub(crate) const LOGINS_OF: &str = logins!("WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id");
pub(crate) const LOGIN: &str = logins!("WHERE id = ?");
pub(crate) const LOGIN_OF_AGENT: &str = logins!("WHERE agent = ? AND ended_at IS NULL");
pub(crate) const LOGIN_AT_DEVICE: &str = logins!("WHERE device = ? AND ended_at IS NULL");
pub(crate) const LOGIN_TAKEOVERS: &str =
    "SELECT count(*) FROM logins WHERE agent = ? AND ended_why = 'taken_over' AND ended_at > ?";
pub(crate) const LOGIN_ADD: &str = "INSERT INTO logins (agent, epoch, device, since, source)
    VALUES (?, ?, ?, ?, ?) RETURNING id";
pub(crate) const LOGIN_END: &str = "UPDATE logins SET ended_at = ?, ended_why = ?, ended_from = ?
    WHERE id = ? AND ended_at IS NULL";
pub(crate) const LOGINS_EXPIRED: &str = logins!(
    "WHERE l.ended_at IS NULL
       AND EXISTS (SELECT 1 FROM web_sessions s WHERE s.login = l.id)
       AND NOT EXISTS (SELECT 1 FROM web_sessions s WHERE s.login = l.id AND s.dead = 0 AND s.expires > ?)
     ORDER BY l.id"
);

// Web sessions.
pub(crate) const SESSION_PUT: &str = "INSERT OR REPLACE INTO web_sessions
    (token, agent, login, csrf, created, expires, seen, source, stage) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
// A session of a login lives only while its login does: the join stands behind the tombstone mark.
pub(crate) const SESSION: &str =
    "SELECT s.token, s.agent, s.login, s.csrf, s.created, s.expires, s.seen, s.source, s.stage
    FROM web_sessions s LEFT JOIN logins l ON l.id = s.login
    WHERE s.token = ? AND s.dead = 0 AND s.expires > ? AND (s.login IS NULL OR l.ended_at IS NULL)";
pub(crate) const SESSION_TOUCH: &str = "UPDATE web_sessions SET seen = ? WHERE token = ? AND dead = 0";
pub(crate) const SESSION_DROP: &str = "DELETE FROM web_sessions WHERE token = ? AND dead = 0";
pub(crate) const SESSION_ENDED: &str =
    logins!("JOIN web_sessions s ON s.login = l.id WHERE s.token = ? AND l.ended_at IS NOT NULL");
pub(crate) const SESSION_TAKE_PENDING: &str = "DELETE FROM web_sessions
    WHERE token = ? AND agent = ? AND login IS NULL AND stage = 'in' AND dead = 0 AND expires > ?
    RETURNING created, source";
pub(crate) const SESSION_SWAP_OUT: &str =
    "DELETE FROM web_sessions WHERE token = ? AND login IS NULL AND dead = 0";
// The page of an ended login may ask why for as long as its cookie would have lived, and say once that it was not its owner
// who took over; for that its word is kept.
pub(crate) const SESSIONS_BURY: &str = "UPDATE web_sessions SET dead = 1 WHERE login = ?";
pub(crate) const SESSIONS_PRUNE: &str =
    "DELETE FROM web_sessions WHERE expires < ? AND (login IS NULL OR dead = 1)";
pub(crate) const SESSIONS_OF_AGENT_DROP: &str = "DELETE FROM web_sessions WHERE agent = ? AND login IS NULL";

// Links for a new password.
pub(crate) const RESETS_PRUNE: &str = "DELETE FROM resets WHERE made <= ?";
pub(crate) const RESETS_COUNT: &str = "SELECT count(*) FROM resets WHERE agent = ?";
pub(crate) const RESETS_KILL: &str = "UPDATE resets SET dead = 1 WHERE agent = ? AND dead = 0";
pub(crate) const RESET_ADD: &str =
    "INSERT INTO resets (token, agent, made, expires, dead) VALUES (?, ?, ?, ?, ?)";
pub(crate) const RESET: &str =
    "SELECT agent, expires FROM resets WHERE token = ? AND dead = 0 AND expires > ?";
pub(crate) const RESET_PASSWORD: &str =
    "UPDATE agents SET password_hash = ?, password_at = ?, must_change = 0,
    blocked_at = NULL, blocked_until = NULL, blocked_why = NULL WHERE id = ? AND enabled = 1";

// Changes.
pub(crate) const CHANGES_MAX: &str = "SELECT coalesce(max(seq), 0) FROM changes";
pub(crate) const CHANGES_SINCE: &str = "SELECT kind, id FROM changes WHERE seq > ? ORDER BY seq";
pub(crate) const CHANGES_PRUNE: &str = "DELETE FROM changes WHERE seq < (SELECT max(seq) FROM changes) - ?";

// Audit.
pub(crate) const AUDIT_ADD: &str = "INSERT INTO audit (at, who, source, what, outcome, whom, detail) VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING id";
pub(crate) const AUDIT_PRUNE: &str = "DELETE FROM audit WHERE id <= ?";
pub(crate) const AUDIT_PAGE: &str = "SELECT id, at, who, source, what, outcome, whom, detail FROM audit
    WHERE id < ?1
      AND (?2 IS NULL OR who = ?2 COLLATE NOCASE OR whom = ?2 COLLATE NOCASE)
      AND (?3 IS NULL OR what = ?3)
      AND (?4 IS NULL OR outcome = ?4)
      AND (?5 IS NULL OR at >= ?5)
      AND (?6 IS NULL OR at < ?6)
    ORDER BY id DESC LIMIT ?7";
pub(crate) const AUDIT_COUNTS: &str = "SELECT what, outcome, count(*) FROM audit WHERE at >= ?
    GROUP BY what, outcome ORDER BY 3 DESC, 1, 2";
