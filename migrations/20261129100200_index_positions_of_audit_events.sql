-- The order in which sinks receive the audit events.
-- Locks: blocks writes to audit_events, and with it every change of a user, while the index is built,
-- about a second for each million events. On a large installation, create it before with CREATE INDEX
-- CONCURRENTLY and this name and column; this migration then does nothing. Not unique, because a
-- distributed PostgreSQL has unique indexes only with the distribution column.

CREATE INDEX IF NOT EXISTS audit_events_by_position ON audit_events (position);
