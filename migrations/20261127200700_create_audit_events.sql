-- The audit log: who changed what, when, from where and how they were authenticated. Append-only; the
-- events of each user form a chain of MACs.
-- Distribution: by user_id, colocated with users.

CREATE TABLE audit_events (
    -- The user who was changed.
    user_id         integer     NOT NULL,
    -- The position in the user's chain, from 1, without gaps.
    sequence        bigint      NOT NULL,
    -- The time of the event.
    occurred_at     timestamptz NOT NULL,
    -- The kind of the event.
    kind            text        NOT NULL,
    -- The user who made the change. Null: an operator's command.
    actor_user_id   integer,
    -- How the actor was authenticated; `command` for an operator's command.
    scheme          text        NOT NULL,
    -- The client address. Null: no network was involved.
    address         text,
    -- The request id, which the log has too.
    request_id      text        NOT NULL,
    -- The credential type that was changed. Null: the event is about the user.
    credential_type text,
    -- users.session_epoch after the event.
    session_epoch   bigint      NOT NULL,
    -- The key of the keyring that the MAC was computed with.
    key_id          text        NOT NULL,
    -- The MAC over all columns above and the MAC of the previous event.
    mac             bytea       NOT NULL,
    CONSTRAINT audit_events_pkey PRIMARY KEY (user_id, sequence),
    -- Restrict, never cascade: the audit log outlives its subject.
    CONSTRAINT audit_events_user_id_fkey
        FOREIGN KEY (user_id) REFERENCES users (user_id) ON DELETE RESTRICT,
    CONSTRAINT audit_events_sequence_check CHECK (sequence >= 1),
    CONSTRAINT audit_events_kind_check CHECK (kind IN (
        'user_added', 'user_changed', 'user_retired', 'user_reactivated', 'user_deleted',
        'administrator_granted', 'administrator_revoked',
        'credential_saved', 'credential_deleted', 'credential_unlocked', 'sessions_ended',
        'ticket_issued', 'ticket_ended', 'session_started', 'session_ended'
    )),
    CONSTRAINT audit_events_scheme_check
        CHECK (scheme IN ('basic', 'so_ticket', 'bearer', 'session', 'command')),
    CONSTRAINT audit_events_request_id_check CHECK (char_length(request_id) BETWEEN 1 AND 64),
    CONSTRAINT audit_events_key_id_check CHECK (char_length(key_id) BETWEEN 1 AND 64),
    CONSTRAINT audit_events_mac_check CHECK (octet_length(mac) = 32)
);
