-- Resets the failures of a user, of one type or of all, and of all addresses for this user; returns
-- whether there were any.
--
-- Lock order: authentication_attempts by type, then known_addresses, then address_failures.
WITH locked AS (
    SELECT 1 FROM authentication_attempts
    WHERE user_id = $1 ORDER BY credential_type COLLATE "C" FOR UPDATE
),
reset AS (
    DELETE FROM authentication_attempts
    WHERE user_id = $1 AND ($2::text IS NULL OR credential_type = $2)
      AND (SELECT count(*) FROM locked) >= 0
    RETURNING 1
),
reset_addresses AS (
    UPDATE known_addresses SET failures = 0, counted_secrets = '{}'
    WHERE user_id = $1 AND (SELECT count(*) FROM reset) >= 0
    RETURNING address_digest, last_failed_at
),
copied AS (
    INSERT INTO address_failures (address_digest, user_id, failures, last_failed_at)
    SELECT address_digest, $1, 0, last_failed_at FROM reset_addresses
    WHERE last_failed_at IS NOT NULL
    ON CONFLICT (address_digest, user_id) DO UPDATE SET failures = excluded.failures
)
-- The snapshot of the statement: the state before the reset.
SELECT EXISTS (
    SELECT 1 FROM authentication_attempts
    WHERE user_id = $1 AND (failures > 0 OR throttle_failures > 0)
      AND ($2::text IS NULL OR credential_type = $2)
) OR EXISTS (
    SELECT 1 FROM known_addresses WHERE user_id = $1 AND failures > 0
) AS "had_failures!"
