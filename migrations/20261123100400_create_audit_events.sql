-- Why: who changed what, when and from where; append-only, one MAC chain for each user.
-- Locks: creates a table; nothing else is touched.

CREATE TABLE audit_events (
    user_id         integer     NOT NULL,
    sequence        bigint      NOT NULL,
    occurred_at     timestamptz NOT NULL,
    kind            text        NOT NULL,
    -- Null: an operator's command.
    actor_user_id   integer,
    -- How the actor proved who they are.
    scheme          text        NOT NULL,
    -- Null: no network was involved.
    address         text,
    request_id      text        NOT NULL,
    -- Null: the event is about the user, not about a credential.
    credential_type text,
    -- The user's epoch after the event.
    session_epoch   bigint      NOT NULL,
    key_id          text        NOT NULL,
    -- Over all the columns above and the MAC of the event before.
    mac             bytea       NOT NULL,
    CONSTRAINT audit_events_pkey PRIMARY KEY (user_id, sequence),
    -- Restrict, never cascade: evidence outlives what it is about.
    CONSTRAINT audit_events_user_id_fkey
        FOREIGN KEY (user_id) REFERENCES users (user_id) ON DELETE RESTRICT,
    CONSTRAINT audit_events_sequence_check CHECK (sequence >= 1),
    CONSTRAINT audit_events_kind_check
        CHECK (kind IN ('user_added', 'credential_saved', 'sessions_ended')),
    CONSTRAINT audit_events_scheme_check
        CHECK (scheme IN ('basic', 'so_ticket', 'bearer', 'command')),
    CONSTRAINT audit_events_request_id_check CHECK (char_length(request_id) BETWEEN 1 AND 64),
    CONSTRAINT audit_events_key_id_check CHECK (char_length(key_id) BETWEEN 1 AND 64),
    CONSTRAINT audit_events_mac_check CHECK (octet_length(mac) = 32)
);
