-- Why: nobody may guess for ever. What was tried in vain is counted for each user and credential
-- type, and for each user and address; an address from which a user logged in lately is known and
-- stays let in while others guess. Names that nobody has are counted alike, under pseudo users whose
-- ids are negative. So there are no foreign keys.
-- Locks: creates tables; the audit table for a moment, its new constraint is checked against the
-- rows that are there. The release before this one counts nothing.

CREATE TABLE authentication_attempts (
    user_id         integer     NOT NULL,
    credential_type text        NOT NULL,
    -- Distinct wrong secrets since the last right one.
    failures        integer     NOT NULL,
    -- Nothing is tried before. Null: there is nothing to wait for.
    next_allowed_at timestamptz,
    -- Keyed digests of the secrets tried last: the same one again is not counted again.
    tried           bytea[]     NOT NULL,
    -- Wrong secrets within a day, which no success forgets.
    day_started_at  timestamptz NOT NULL,
    day_failures    integer     NOT NULL,
    CONSTRAINT authentication_attempts_pkey PRIMARY KEY (user_id, credential_type),
    CONSTRAINT authentication_attempts_user_id_check CHECK (user_id <> 0),
    CONSTRAINT authentication_attempts_failures_check CHECK (failures >= 0),
    CONSTRAINT authentication_attempts_tried_check CHECK (cardinality(tried) <= 16),
    CONSTRAINT authentication_attempts_day_failures_check CHECK (day_failures >= 0)
)
-- Each attempt updates a row; free space keeps that on its page.
WITH (fillfactor = 80);

CREATE TABLE callers (
    user_id           integer     NOT NULL,
    -- A keyed digest of the address; of IPv6, of its /64.
    address_digest    bytea       NOT NULL,
    -- Distinct wrong secrets for this user from there, since the last right one.
    failures          integer     NOT NULL,
    tried             bytea[]     NOT NULL,
    last_failed_at    timestamptz,
    -- Null: nobody has logged in as this user from there.
    last_succeeded_at timestamptz,
    CONSTRAINT callers_pkey PRIMARY KEY (user_id, address_digest),
    CONSTRAINT callers_user_id_check CHECK (user_id <> 0),
    CONSTRAINT callers_address_digest_check CHECK (octet_length(address_digest) = 32),
    CONSTRAINT callers_failures_check CHECK (failures >= 0),
    CONSTRAINT callers_tried_check CHECK (cardinality(tried) <= 16),
    CONSTRAINT callers_last_failed_at_check
        CHECK (last_failed_at IS NOT NULL OR last_succeeded_at IS NOT NULL)
)
WITH (fillfactor = 80);

-- What an address has failed at lately, whoever was meant.
CREATE INDEX callers_address_digest_idx ON callers (address_digest, last_failed_at)
    WHERE failures > 0;

-- The sweeper's order.
CREATE INDEX callers_last_failed_at_idx ON callers (last_failed_at) WHERE last_succeeded_at IS NULL;

ALTER TABLE audit_events
    DROP CONSTRAINT audit_events_kind_check,
    ADD CONSTRAINT audit_events_kind_check CHECK (kind IN (
        'user_added', 'user_changed', 'user_retired', 'user_reactivated', 'user_deleted',
        'administrator_granted', 'administrator_revoked',
        'credential_saved', 'credential_deleted', 'credential_unlocked', 'sessions_ended'
    ));
