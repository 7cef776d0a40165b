-- Why: `failures` is the number of wrong secrets in a row from all addresses together, and nothing but
-- a success, a new credential or an unlock sets it to zero. What delays and stops callers from unknown
-- addresses is counted apart and changes by time only, so that a name that somebody has and one that
-- nobody has behave alike whatever its owner does. Each count has its own list of tried secrets.
-- Locks: authentication_attempts for a moment; its rows are written once. The release before this one
-- goes on with its own columns, which get defaults; they go with a later release.

ALTER TABLE authentication_attempts
    -- Distinct wrong secrets from addresses that are not known, less one for each six hours.
    ADD COLUMN throttle_failures integer NOT NULL DEFAULT 0,
    -- From when on the next six hours count.
    ADD COLUMN throttled_at timestamptz NOT NULL DEFAULT now(),
    -- Keyed digests of the secrets counted there last.
    ADD COLUMN throttle_tried bytea[] NOT NULL DEFAULT '{}',
    ADD CONSTRAINT authentication_attempts_throttle_failures_check CHECK (throttle_failures >= 0),
    ADD CONSTRAINT authentication_attempts_throttle_tried_check
        CHECK (cardinality(throttle_tried) <= 16),
    ALTER COLUMN day_started_at SET DEFAULT now(),
    ALTER COLUMN day_failures SET DEFAULT 0;

UPDATE authentication_attempts SET throttle_failures = failures, throttle_tried = tried;
