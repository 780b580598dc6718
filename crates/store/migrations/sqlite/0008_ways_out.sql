-- A ticket opens one more page of a login that stands: once, soon, and from where it was asked for.
CREATE TABLE tickets (
    ticket  BLOB PRIMARY KEY,                 -- SHA-256 of what stands in the address
    login   INTEGER NOT NULL,
    source  TEXT NOT NULL,                    -- the address it was made for
    created INTEGER NOT NULL,
    expires INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX tickets_login ON tickets (login, created);

-- Logins whose owner said that the one who took them over was somebody else. Each says so once.
CREATE TABLE disowned (
    login INTEGER PRIMARY KEY,
    at    INTEGER NOT NULL
);
