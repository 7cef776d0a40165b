-- How far each sink of the audit stream (audit.sinks) is, and which instance delivers to it. One
-- instance delivers to a sink at a time; another takes over when its lease ends.
--
-- Locks nothing but the new table. Instances of the previous release do not use it.
-- Distribution: reference table.

CREATE TABLE audit_sinks (
    -- The name in audit.sinks.
    name          text        NOT NULL,
    -- audit_events.position of the last event that the sink has.
    position      bigint      NOT NULL,
    -- The highest position that the sink has ever had. Less than it after `audit stream --from`, which
    -- repeats events: they do not count as undelivered.
    reached       bigint      NOT NULL,
    -- The instance that delivers. Null: none has yet.
    holder        text,
    -- The end of its lease.
    leased_until  timestamptz NOT NULL,
    -- When the sink last took events. Null: never.
    delivered_at  timestamptz,
    CONSTRAINT audit_sinks_pkey PRIMARY KEY (name),
    CONSTRAINT audit_sinks_name_check CHECK (char_length(name) BETWEEN 1 AND 40)
);
