-- What somebody has beside a password: an authenticator app, passkeys, a sheet of recovery codes.

CREATE TABLE factors (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    agent      INTEGER NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
    kind       TEXT NOT NULL,                 -- totp, passkey
    name       TEXT NOT NULL,                 -- what its owner calls it
    since      INTEGER NOT NULL,
    used       INTEGER,                       -- last time
    credential BLOB,                          -- a passkey's id
    counter    INTEGER NOT NULL,              -- only rises: the last time step, or the passkey's own counter
    body       BLOB NOT NULL                  -- sealed: the app's secret, or the passkey's public key
);
CREATE INDEX factors_of_agent ON factors (agent);
CREATE UNIQUE INDEX factors_one_app     ON factors (agent)      WHERE kind = 'totp';
CREATE UNIQUE INDEX factors_credentials ON factors (credential) WHERE credential IS NOT NULL;

CREATE TABLE recovery_codes (
    agent INTEGER NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
    hash  BLOB NOT NULL,
    PRIMARY KEY (agent, hash)
) WITHOUT ROWID;

-- What was asked of a browser and is waited for: an app's new secret, a passkey's challenge. Each is used once.
CREATE TABLE factor_ceremonies (
    session BLOB NOT NULL,                    -- SHA-256 of the cookie
    purpose TEXT NOT NULL,
    body    BLOB NOT NULL,                    -- sealed
    expires INTEGER NOT NULL,
    PRIMARY KEY (session, purpose)
) WITHOUT ROWID;

-- Codes that were tried and were not right. They are written before a code is looked at, so that asking many times at once
-- counts as asking many times.
CREATE TABLE factor_tries (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    agent   INTEGER NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
    session BLOB NOT NULL,
    at      INTEGER NOT NULL
);
CREATE INDEX factor_tries_of_agent ON factor_tries (agent, at);
