-- The addresses of each user (or pseudo user): the known addresses, from which the user recently
-- logged in, and addresses with failed attempts only, until the sweeper deletes them. A user can log
-- in from a known address while other addresses are throttled.
-- Distribution: by user_id, colocated with users.

CREATE TABLE known_addresses (
    -- The user, or the pseudo user that an unknown name maps to.
    user_id           integer     NOT NULL,
    -- A keyed digest of the client address; for IPv6, of its /64 network.
    address_digest    bytea       NOT NULL,
    -- Distinct wrong secrets for this user from this address within an hour. address_failures has a
    -- copy.
    failures          integer     NOT NULL,
    -- Keyed digests of the last secrets that were counted in failures; each is counted once.
    counted_secrets   bytea[]     NOT NULL,
    -- When the last failure was counted. Null: none was.
    last_failed_at    timestamptz,
    -- When the user last logged in from this address, to the hour. Null: never, so the address is not
    -- a known one.
    last_succeeded_at timestamptz,
    CONSTRAINT known_addresses_pkey PRIMARY KEY (user_id, address_digest),
    CONSTRAINT known_addresses_user_id_check CHECK (user_id <> 0),
    CONSTRAINT known_addresses_address_digest_check CHECK (octet_length(address_digest) = 32),
    CONSTRAINT known_addresses_failures_check CHECK (failures >= 0),
    CONSTRAINT known_addresses_counted_secrets_check CHECK (cardinality(counted_secrets) <= 16),
    CONSTRAINT known_addresses_last_failed_at_check
        CHECK (last_failed_at IS NOT NULL OR last_succeeded_at IS NOT NULL)
)
-- Each attempt updates a row. Free space keeps the new row version on its page.
WITH (fillfactor = 80);

-- The order in which the sweeper deletes addresses that are not known.
CREATE INDEX known_addresses_last_failed_at_idx ON known_addresses (last_failed_at)
    WHERE last_succeeded_at IS NULL;
