-- What an account is beside an agent: what its owner may do, where to write to, who says that a password is right.

ALTER TABLE agents ADD COLUMN role          TEXT NOT NULL DEFAULT 'agent';
ALTER TABLE agents ADD COLUMN email         TEXT;
ALTER TABLE agents ADD COLUMN email_key     TEXT;                       -- in lower case: unique whatever the case
ALTER TABLE agents ADD COLUMN way           TEXT NOT NULL DEFAULT 'local';
ALTER TABLE agents ADD COLUMN password_at   INTEGER;                    -- set by the owner; null: by somebody else, or never
ALTER TABLE agents ADD COLUMN must_change   INTEGER NOT NULL DEFAULT 0; -- the password was handed out
ALTER TABLE agents ADD COLUMN blocked_at    INTEGER;
ALTER TABLE agents ADD COLUMN blocked_until INTEGER;                    -- null while blocked: until somebody unlocks it
ALTER TABLE agents ADD COLUMN blocked_why   TEXT;
CREATE UNIQUE INDEX agents_email_key ON agents (email_key) WHERE email_key IS NOT NULL;

-- Between the password and the work there may be a second factor to show or a password to change.
ALTER TABLE web_sessions ADD COLUMN stage TEXT NOT NULL DEFAULT 'in';
