-- Why: browsers log in with a cookie. A session is what a ticket is, a digest that lives by being
-- used and ends with its user's epoch, so it is kept beside them, told apart by its kind.
-- Locks: both tables for a moment; the new constraints are checked against the rows that are
-- there. The default lets the release before this one go on issuing tickets.

ALTER TABLE tickets
    ADD COLUMN kind text NOT NULL DEFAULT 'ticket',
    ADD CONSTRAINT tickets_kind_check CHECK (kind IN ('ticket', 'session'));

ALTER TABLE audit_events
    DROP CONSTRAINT audit_events_scheme_check,
    ADD CONSTRAINT audit_events_scheme_check
        CHECK (scheme IN ('basic', 'so_ticket', 'bearer', 'session', 'command'));
