-- Takes back an attempt that was reserved under the digest of a pending question ($2), with the delay
-- that it caused, for these types ($7), and for its address unless it stays counted for another type: an
-- earlier question with the same secret may have ended before it was confirmed there. Concurrent
-- questions about the same secret share the digest, and release it once. A failure with the secret has
-- another digest, and stays counted.
--
-- Returns the failures of the address, which the caller copies to address_failures.
--
-- Lock order: authentication_attempts by type, then known_addresses, then address_failures.
WITH locked AS (
    SELECT credential_type <> ALL($7::text[])
           AND ($2::bytea = ANY(counted_secrets) OR $2 = ANY(throttle_secrets)) AS stays_counted
    FROM authentication_attempts
    WHERE user_id = $1 ORDER BY credential_type COLLATE "C" FOR UPDATE
),
released AS (
    UPDATE authentication_attempts AS a
    -- One of the first $4: an attempt on a locked credential sets the count above them, and no digest.
    SET failures = CASE WHEN $2 = ANY(a.counted_secrets)
                        THEN greatest(least(a.failures, $4) - 1, 0)
                        ELSE a.failures END,
        counted_secrets = array_remove(a.counted_secrets, $2),
        throttle_failures = CASE WHEN $2 = ANY(a.throttle_secrets)
                                 THEN greatest(a.throttle_failures - 1, 0)
                                 ELSE a.throttle_failures END,
        -- $6 has the end of the delay that this attempt caused, as in reserve_attempt.sql.
        next_allowed_at = CASE
            WHEN $2 = ANY(a.throttle_secrets) AND (
                a.throttle_failures <= $5
                OR a.next_allowed_at
                    = ($6::timestamptz[])[least(a.throttle_failures - $5, 30) + 1]
            ) THEN NULL
            ELSE a.next_allowed_at
        END,
        throttle_secrets = array_remove(a.throttle_secrets, $2)
    WHERE a.user_id = $1 AND a.credential_type = ANY($7::text[])
      AND (SELECT count(*) FROM locked) >= 0
      AND ($2::bytea = ANY(a.counted_secrets) OR $2 = ANY(a.throttle_secrets))
    RETURNING 1
)
UPDATE known_addresses AS k
SET failures = greatest(k.failures - 1, 0),
    counted_secrets = array_remove(k.counted_secrets, $2)
WHERE k.user_id = $1 AND k.address_digest = $3 AND $2 = ANY(k.counted_secrets)
  AND (SELECT count(*) FROM released) >= 0
  AND NOT EXISTS (SELECT 1 FROM locked WHERE stays_counted)
RETURNING k.failures
