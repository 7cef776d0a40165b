-- Why: login tickets (`7T:…`), of which only digests are kept.
-- Locks: creates a table; nothing else is touched.

CREATE TABLE tickets (
    user_id       integer     NOT NULL,
    digest        bytea       NOT NULL,
    -- users.session_epoch, read together with the password row that was verified.
    session_epoch bigint      NOT NULL,
    -- When the password was proven; nothing derived outlives sessions.absolute from here.
    auth_time     timestamptz NOT NULL,
    created_at    timestamptz NOT NULL,
    expires_at    timestamptz NOT NULL,
    CONSTRAINT tickets_pkey PRIMARY KEY (user_id, digest),
    CONSTRAINT tickets_user_id_fkey
        FOREIGN KEY (user_id) REFERENCES users (user_id) ON DELETE RESTRICT,
    CONSTRAINT tickets_digest_check CHECK (octet_length(digest) = 32),
    CONSTRAINT tickets_session_epoch_check CHECK (session_epoch >= 0),
    CONSTRAINT tickets_expires_at_check CHECK (expires_at > created_at)
);

-- The sweeper's order.
CREATE INDEX tickets_expires_at_idx ON tickets (expires_at);
