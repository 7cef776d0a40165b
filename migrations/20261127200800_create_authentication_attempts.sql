-- Failed login attempts by user and credential type: they delay further attempts (throttling) and
-- lock the credential (lockout). Names without a user are counted in the same way, under pseudo users
-- with negative ids, so there is no foreign key to users.
-- Distribution: by user_id, colocated with users.

CREATE TABLE authentication_attempts (
    -- The user, or the pseudo user that an unknown name maps to.
    user_id           integer     NOT NULL,
    -- The credential type that was attempted.
    credential_type   text        NOT NULL,
    -- Lockout: consecutive distinct wrong secrets, from all addresses together. A success, a new
    -- credential or an unlock resets it.
    failures          integer     NOT NULL,
    -- Keyed digests of the last secrets that were counted in failures; each is counted once.
    counted_secrets   bytea[]     NOT NULL,
    -- Throttling: distinct wrong secrets from unknown addresses, minus one for each six hours. A
    -- success does not reset it, so that delays do not reveal whether the name has a user.
    throttle_failures integer     NOT NULL,
    -- Keyed digests of the last secrets that were counted in throttle_failures.
    throttle_secrets  bytea[]     NOT NULL,
    -- The start of the current six hours.
    throttled_at      timestamptz NOT NULL,
    -- Attempts from unknown addresses are refused before this moment. Null: no delay.
    next_allowed_at   timestamptz,
    CONSTRAINT authentication_attempts_pkey PRIMARY KEY (user_id, credential_type),
    CONSTRAINT authentication_attempts_user_id_check CHECK (user_id <> 0),
    CONSTRAINT authentication_attempts_failures_check CHECK (failures >= 0),
    CONSTRAINT authentication_attempts_counted_secrets_check
        CHECK (cardinality(counted_secrets) <= 16),
    CONSTRAINT authentication_attempts_throttle_failures_check CHECK (throttle_failures >= 0),
    CONSTRAINT authentication_attempts_throttle_secrets_check
        CHECK (cardinality(throttle_secrets) <= 16)
)
-- Each attempt updates a row. Free space keeps the new row version on its page (HOT).
WITH (fillfactor = 80);
