-- Links for a new password that went out by mail. A row stays for an hour after it was made, used or not: it is what is counted.
CREATE TABLE resets (
    token   BLOB PRIMARY KEY,                 -- SHA-256 of what stands in the link
    agent   INTEGER NOT NULL,
    made    INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    dead    INTEGER NOT NULL DEFAULT 0        -- 1: used, or a newer one was made
) WITHOUT ROWID;
CREATE INDEX resets_agent ON resets (agent, made);
-- Never two links that work for one account.
CREATE UNIQUE INDEX resets_one_alive ON resets (agent) WHERE dead = 0;
CREATE INDEX resets_made ON resets (made);
