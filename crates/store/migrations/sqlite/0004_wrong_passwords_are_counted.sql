-- Wrong passwords, by the name that was tried (whether there is such an account or not) and by the place they came from.
CREATE TABLE login_attempts (
    name          TEXT NOT NULL,              -- as agents.login_key
    place         TEXT NOT NULL,              -- empty: all strangers together; otherwise a network or a browser
    wrong         INTEGER NOT NULL,
    last          INTEGER NOT NULL,
    times         INTEGER NOT NULL,
    blocked_since INTEGER,
    blocked_until INTEGER,                    -- null while blocked: until somebody unlocks
    forget_at     INTEGER,                    -- null: only when somebody unlocks
    PRIMARY KEY (name, place)
) WITHOUT ROWID;
CREATE INDEX login_attempts_forget ON login_attempts (forget_at);
CREATE INDEX login_attempts_last   ON login_attempts (last);

-- Browsers that logged in before: what strangers do to the account is not their business.
CREATE TABLE known_browsers (
    agent INTEGER NOT NULL,
    token BLOB NOT NULL,                      -- SHA-256 of the cookie
    seen  INTEGER NOT NULL,
    PRIMARY KEY (agent, token)
) WITHOUT ROWID;

-- What a new password must differ from.
CREATE TABLE old_passwords (
    id    INTEGER PRIMARY KEY AUTOINCREMENT,
    agent INTEGER NOT NULL,
    hash  TEXT NOT NULL
);
CREATE INDEX old_passwords_of ON old_passwords (agent, id);

-- Whoever gives an account another password leaves the old one here. A hash made anew of the same password sets only the
-- hash, and is none. Twelve are the most anybody can ask to differ from.
CREATE TRIGGER agents_password_given AFTER UPDATE OF password_at ON agents
WHEN OLD.password_hash IS NOT NULL BEGIN
    INSERT INTO old_passwords (agent, hash) VALUES (OLD.id, OLD.password_hash);
    DELETE FROM old_passwords WHERE agent = OLD.id AND id NOT IN
        (SELECT id FROM old_passwords WHERE agent = OLD.id ORDER BY id DESC LIMIT 12);
END;

-- Unlocked is unlocked, wherever the wrong ones came from.
CREATE TRIGGER agents_unlocked AFTER UPDATE OF blocked_at ON agents WHEN NEW.blocked_at IS NULL BEGIN
    DELETE FROM login_attempts WHERE name = NEW.login_key;
END;

CREATE TRIGGER agents_leave_nothing AFTER DELETE ON agents BEGIN
    DELETE FROM login_attempts WHERE name = OLD.login_key;
    DELETE FROM known_browsers WHERE agent = OLD.id;
    DELETE FROM old_passwords WHERE agent = OLD.id;
END;
