-- Whom it was done to, and what else belongs to a line of the audit log.
ALTER TABLE audit ADD COLUMN whom   TEXT NOT NULL DEFAULT '';
ALTER TABLE audit ADD COLUMN detail TEXT;     -- JSON
CREATE INDEX audit_at ON audit (at);
