-- Who an agent is at a provider of OpenID Connect: bound at the first login by mail address, afterwards by subject alone.

CREATE TABLE identities (
    agent     INTEGER PRIMARY KEY REFERENCES agents (id) ON DELETE CASCADE,
    issuer    TEXT NOT NULL,
    subject   TEXT NOT NULL,
    email_key TEXT NOT NULL,                  -- the agent's address then: another one afterwards loosens the bond
    bound_at  INTEGER NOT NULL
);
CREATE UNIQUE INDEX identities_subject ON identities (issuer, subject);
