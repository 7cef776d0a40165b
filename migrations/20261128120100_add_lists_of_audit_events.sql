-- The orders of the list of audit events (GET /keeper/audit). A page reads one range of an index for
-- each kind of event, or one range for an actor. Events of one user are read by the primary key.
-- Locks: blocks writes to audit_events, and with it every change of a user, while an index is built,
-- about three seconds for each million events. On a large installation, create both before
-- with CREATE INDEX CONCURRENTLY and these names and columns; this migration then does nothing.

CREATE INDEX IF NOT EXISTS audit_events_by_kind
    ON audit_events (kind, occurred_at, user_id, sequence);

CREATE INDEX IF NOT EXISTS audit_events_by_actor
    ON audit_events (actor_user_id, occurred_at, user_id, sequence)
    WHERE actor_user_id IS NOT NULL;
