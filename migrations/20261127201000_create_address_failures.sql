-- Failed attempts by address, over all users: they limit how many failures one address may have within
-- an hour. Each row is a copy of the counter in known_addresses, which is keyed by user. Every
-- statement that changes a counter there writes the copy here, after it.
-- Distribution: by address_digest.

CREATE TABLE address_failures (
    -- The keyed digest of the client address, as in known_addresses.
    address_digest bytea       NOT NULL,
    -- The user, or the pseudo user that an unknown name maps to.
    user_id        integer     NOT NULL,
    -- The copy of known_addresses.failures.
    failures       integer     NOT NULL,
    -- The copy of known_addresses.last_failed_at. Older than an hour, the row does not count, and the
    -- sweeper deletes it.
    last_failed_at timestamptz NOT NULL,
    CONSTRAINT address_failures_pkey PRIMARY KEY (address_digest, user_id),
    CONSTRAINT address_failures_address_digest_check CHECK (octet_length(address_digest) = 32),
    CONSTRAINT address_failures_user_id_check CHECK (user_id <> 0),
    CONSTRAINT address_failures_failures_check CHECK (failures >= 0)
)
WITH (fillfactor = 80);

-- The order in which the sweeper deletes rows.
CREATE INDEX address_failures_last_failed_at_idx ON address_failures (last_failed_at);

-- Sums the failures of one address. Most rows are copies without a failure, left by successes.
CREATE INDEX address_failures_address_digest_idx
    ON address_failures (address_digest, last_failed_at) WHERE failures > 0;
