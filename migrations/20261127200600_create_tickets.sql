-- The login tickets (`7T:…`) and the browser sessions. Only keyed digests of their secrets are
-- stored.
-- Distribution: by user_id, colocated with users.

CREATE TABLE tickets (
    -- The user who is logged in.
    user_id       integer     NOT NULL,
    -- A keyed digest of the secret.
    digest        bytea       NOT NULL,
    -- `ticket` or `session`; the service accepts one only where it expects that kind.
    kind          text        NOT NULL,
    -- users.session_epoch at the moment when the user's credential was read for verification.
    session_epoch bigint      NOT NULL,
    -- When the user was authenticated. `sessions.absolute_seconds` limits the lifetime from this
    -- moment.
    auth_time     timestamptz NOT NULL,
    -- When the ticket or session was issued.
    created_at    timestamptz NOT NULL,
    -- When it expires; each use can postpone it.
    expires_at    timestamptz NOT NULL,
    CONSTRAINT tickets_pkey PRIMARY KEY (user_id, digest),
    CONSTRAINT tickets_user_id_fkey
        FOREIGN KEY (user_id) REFERENCES users (user_id) ON DELETE RESTRICT,
    CONSTRAINT tickets_digest_check CHECK (octet_length(digest) = 32),
    CONSTRAINT tickets_kind_check CHECK (kind IN ('ticket', 'session')),
    CONSTRAINT tickets_session_epoch_check CHECK (session_epoch >= 0),
    CONSTRAINT tickets_expires_at_check CHECK (expires_at > created_at)
);

-- The order in which the sweeper deletes expired rows.
CREATE INDEX tickets_expires_at_idx ON tickets (expires_at);
