-- The reasons of audited changes. Events without a reason keep their MAC, so that existing chains stay
-- valid.
--
-- Locks `audit_events` against reading and writing while it reads each row once to check it, which
-- takes about a second for a million events. An instance of an earlier release reads no reasons: its
-- `audit verify` reports an event with one as changed.
ALTER TABLE audit_events
    -- Why the actor made the change, in the actor's words. Null: no reason was given.
    ADD COLUMN reason text,
    ADD CONSTRAINT audit_events_reason_check CHECK (char_length(reason) BETWEEN 1 AND 200);
