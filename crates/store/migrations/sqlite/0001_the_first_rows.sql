-- What must survive a restart. Times are milliseconds since 1970 in UTC; ids are never used twice.

CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) WITHOUT ROWID;

CREATE TABLE agents (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    login_name      TEXT NOT NULL,
    login_key       TEXT NOT NULL,            -- the login name in lower case: unique whatever the case
    display_name    TEXT NOT NULL,
    extension       TEXT NOT NULL,
    typology        TEXT NOT NULL,
    dids            TEXT NOT NULL,            -- JSON list
    outbound_number TEXT,
    enabled         INTEGER NOT NULL DEFAULT 1,
    password_hash   TEXT,                     -- argon2id, PHC form
    last_device     INTEGER,
    last_epoch      INTEGER NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX agents_login_key ON agents (login_key);
CREATE UNIQUE INDEX agents_extension ON agents (extension);

CREATE TABLE devices (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    name    TEXT NOT NULL,
    label   TEXT NOT NULL,
    site    TEXT NOT NULL,
    floor   TEXT NOT NULL,
    ha1     BLOB NOT NULL,                    -- sealed
    enabled INTEGER NOT NULL DEFAULT 1
);
CREATE UNIQUE INDEX devices_name ON devices (name);

-- Rows outlive their agents and devices: they are the history, so nothing here refers to those tables.
CREATE TABLE logins (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    agent      INTEGER NOT NULL,
    epoch      INTEGER NOT NULL,
    device     INTEGER,                       -- null: in the browser
    since      INTEGER NOT NULL,
    source     TEXT NOT NULL,
    ended_at   INTEGER,
    ended_why  TEXT,
    ended_from TEXT
);
-- Never two places for an agent, never two agents at a phone.
CREATE UNIQUE INDEX logins_one_per_agent  ON logins (agent)  WHERE ended_at IS NULL;
CREATE UNIQUE INDEX logins_one_per_device ON logins (device) WHERE ended_at IS NULL AND device IS NOT NULL;
CREATE UNIQUE INDEX logins_epoch          ON logins (agent, epoch);
CREATE INDEX logins_takeovers ON logins (agent, ended_at) WHERE ended_why = 'taken_over';

CREATE TABLE web_sessions (
    token   BLOB PRIMARY KEY,                 -- SHA-256 of the cookie
    agent   INTEGER NOT NULL,
    login   INTEGER REFERENCES logins (id),   -- null: pending
    csrf    TEXT NOT NULL,
    created INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    seen    INTEGER NOT NULL,
    source  TEXT NOT NULL,
    dead    INTEGER NOT NULL DEFAULT 0        -- 1: a tombstone, so that a late page can be told why
) WITHOUT ROWID;
CREATE INDEX web_sessions_login   ON web_sessions (login);
CREATE INDEX web_sessions_expires ON web_sessions (expires);

CREATE TABLE bindings (
    aor      TEXT NOT NULL,
    contact  TEXT NOT NULL,
    instance TEXT NOT NULL,                   -- empty where the device has none
    reg_id   INTEGER NOT NULL,
    body     TEXT NOT NULL,                   -- the binding as JSON
    PRIMARY KEY (aor, contact, instance, reg_id)
) WITHOUT ROWID;

CREATE TABLE call_records (
    call        INTEGER PRIMARY KEY,
    direction   TEXT NOT NULL,
    from_number TEXT NOT NULL,
    to_number   TEXT NOT NULL,
    started     INTEGER NOT NULL,
    answered    INTEGER,
    ended       INTEGER,
    agent       INTEGER,
    login       INTEGER,
    device      INTEGER,
    to_agent    INTEGER,
    to_login    INTEGER,
    to_device   INTEGER,
    trunk       INTEGER,
    a_call_id   TEXT NOT NULL,
    b_call_id   TEXT NOT NULL,
    end_reason  TEXT,
    peer_status INTEGER,
    a_figures   TEXT NOT NULL,                -- JSON
    b_figures   TEXT NOT NULL
);
CREATE INDEX call_records_started ON call_records (started);
CREATE INDEX call_records_open    ON call_records (call) WHERE ended IS NULL;

CREATE TABLE audit (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    at      INTEGER NOT NULL,
    who     TEXT NOT NULL,
    source  TEXT NOT NULL,
    what    TEXT NOT NULL,
    outcome TEXT NOT NULL
);

-- What changed, for everyone who keeps a copy: one row per thing, its number rises with every change of it.
-- Triggers write it, so that whoever changes a row, from whatever process, is seen.
CREATE TABLE changes (
    seq  INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    id   INTEGER NOT NULL
);
CREATE UNIQUE INDEX changes_of ON changes (kind, id);

CREATE TRIGGER agents_added AFTER INSERT ON agents BEGIN
    INSERT INTO changes (kind, id) VALUES ('agent', NEW.id);
END;
CREATE TRIGGER agents_changed
AFTER UPDATE OF login_name, display_name, extension, typology, dids, outbound_number, enabled ON agents BEGIN
    DELETE FROM changes WHERE kind = 'agent' AND id = NEW.id;
    INSERT INTO changes (kind, id) VALUES ('agent', NEW.id);
END;
CREATE TRIGGER agents_removed AFTER DELETE ON agents BEGIN
    DELETE FROM changes WHERE kind = 'agent' AND id = OLD.id;
    INSERT INTO changes (kind, id) VALUES ('agent', OLD.id);
END;

CREATE TRIGGER devices_added AFTER INSERT ON devices BEGIN
    INSERT INTO changes (kind, id) VALUES ('device', NEW.id);
END;
CREATE TRIGGER devices_changed AFTER UPDATE ON devices BEGIN
    DELETE FROM changes WHERE kind = 'device' AND id = NEW.id;
    INSERT INTO changes (kind, id) VALUES ('device', NEW.id);
END;
CREATE TRIGGER devices_removed AFTER DELETE ON devices BEGIN
    DELETE FROM changes WHERE kind = 'device' AND id = OLD.id;
    INSERT INTO changes (kind, id) VALUES ('device', OLD.id);
END;

CREATE TRIGGER logins_added AFTER INSERT ON logins BEGIN
    INSERT INTO changes (kind, id) VALUES ('login', NEW.id);
END;
CREATE TRIGGER logins_changed AFTER UPDATE ON logins BEGIN
    DELETE FROM changes WHERE kind = 'login' AND id = NEW.id;
    INSERT INTO changes (kind, id) VALUES ('login', NEW.id);
END;
