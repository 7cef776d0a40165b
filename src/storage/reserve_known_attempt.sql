-- Reserves an attempt from a known address that has failures left, and counts it for the address. The
-- condition of the update admits the attempt, under the lock of the row that counts it.
--
-- Lock order: known_addresses, then address_failures.
-- Commits without waiting for a standby (docs/adr/0072-poolers-and-standbys.md).
WITH commit_mode AS (
    SELECT set_config('synchronous_commit', 'local', true)
    WHERE current_setting('synchronous_commit') NOT IN ('local', 'off')
),
reserved AS (
    UPDATE known_addresses AS k
    SET failures = CASE WHEN $3 = ANY(k.counted_secrets) THEN k.failures
                        WHEN k.last_failed_at IS NULL OR k.last_failed_at <= $6 THEN 1
                        ELSE k.failures + 1 END,
        counted_secrets = CASE WHEN $3 = ANY(k.counted_secrets) THEN k.counted_secrets
                               ELSE ($3::bytea || k.counted_secrets)[1:16] END,
        last_failed_at = CASE WHEN $3 = ANY(k.counted_secrets) THEN k.last_failed_at ELSE $4 END
    WHERE user_id = $1 AND address_digest = $2 AND last_succeeded_at IS NOT NULL
      AND (failures < $5 OR last_failed_at <= $6)
      AND (SELECT count(*) FROM commit_mode) >= 0
    RETURNING k.failures, k.last_failed_at
),
copied AS (
    INSERT INTO address_failures AS f (address_digest, user_id, failures, last_failed_at)
    SELECT $2, $1, reserved.failures, reserved.last_failed_at FROM reserved
    WHERE reserved.last_failed_at > $6
    ON CONFLICT (address_digest, user_id) DO UPDATE SET
        failures = excluded.failures, last_failed_at = excluded.last_failed_at
    WHERE (f.failures, f.last_failed_at) IS DISTINCT FROM
          (excluded.failures, excluded.last_failed_at)
)
SELECT EXISTS (SELECT 1 FROM reserved) AS "is_reserved!"
