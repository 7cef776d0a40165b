-- Resets the failures of a user, of one type or of all, and those of all addresses for this user. Returns
-- the addresses, whose copies in address_failures the caller resets.
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
)
UPDATE known_addresses SET failures = 0, counted_secrets = '{}'
WHERE user_id = $1 AND (SELECT count(*) FROM reset) >= 0
RETURNING address_digest
