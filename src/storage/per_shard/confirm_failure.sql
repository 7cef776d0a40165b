-- Counts an attempt, which was reserved under the digest of a pending question ($2), as a failure with
-- its secret ($3). Only the count of the question is taken back, and only if it is still there: another
-- question about the same secret may have taken it back. The secret counts once, whatever the limits
-- say by now: the attempt was admitted. $10 is false for an attempt from a known address, which counts for
-- lockout only.
--
-- Returns the failures of the address, which the caller copies to address_failures.
--
-- Lock order: authentication_attempts by type, then known_addresses, then address_failures.
WITH locked AS (
    SELECT 1 FROM authentication_attempts
    WHERE user_id = $1 ORDER BY credential_type COLLATE "C" FOR UPDATE
),
confirmed AS (
    UPDATE authentication_attempts AS a
    -- $11 has the types that were not locked: the attempt on another one verified nothing.
    -- The count of the question is one of the first $6, as in release_attempt.sql.
    SET failures = CASE WHEN a.credential_type <> ALL($11::text[]) THEN a.failures
                        WHEN $2 = ANY(a.counted_secrets)
                        THEN least(a.failures, $6) - 1
                             + ($3 <> ALL(a.counted_secrets))::integer
                        WHEN a.failures > $6 THEN a.failures
                        ELSE a.failures + ($3 <> ALL(a.counted_secrets))::integer END,
        counted_secrets = CASE WHEN a.credential_type <> ALL($11) THEN a.counted_secrets
                               ELSE coalesce(($3::bytea
                                   || array_remove(array_remove(a.counted_secrets, $2::bytea), $3)
                               )[1:16], '{}') END,
        throttle_failures = CASE WHEN $10 THEN greatest(
                a.throttle_failures - ($2 = ANY(a.throttle_secrets))::integer
                + ($3 <> ALL(a.throttle_secrets))::integer, 0)
            ELSE a.throttle_failures END,
        throttled_at = CASE WHEN $10 AND a.throttle_failures = 0 THEN $5::timestamptz
                            ELSE a.throttled_at END,
        -- $8 has the ends of the delays, as in reserve_attempt.sql.
        next_allowed_at = CASE
            WHEN NOT $10 THEN a.next_allowed_at
            -- The delay of the question becomes that of the failure.
            WHEN $2 = ANY(a.throttle_secrets) AND $3 <> ALL(a.throttle_secrets)
                THEN a.next_allowed_at
            WHEN $2 = ANY(a.throttle_secrets) AND (
                a.throttle_failures <= $7
                OR a.next_allowed_at
                    = ($8::timestamptz[])[least(a.throttle_failures - $7, 30) + 1]
            ) THEN NULL
            WHEN $3 <> ALL(a.throttle_secrets) AND a.throttle_failures + 1 >= $7
                THEN ($8)[least(a.throttle_failures + 1 - $7, 30) + 1]
            ELSE a.next_allowed_at
        END,
        throttle_secrets = CASE WHEN $10 THEN ($3
                || array_remove(array_remove(a.throttle_secrets, $2), $3))[1:16]
            ELSE a.throttle_secrets END
    WHERE a.user_id = $1 AND a.credential_type = ANY($9::text[])
      AND (SELECT count(*) FROM locked) >= 0
    RETURNING 1
)
UPDATE known_addresses AS k
SET failures = greatest(k.failures - ($2 = ANY(k.counted_secrets))::integer
                        + ($3 <> ALL(k.counted_secrets))::integer, 0),
    counted_secrets = coalesce(($3
        || array_remove(array_remove(k.counted_secrets, $2), $3))[1:16], '{}')
WHERE k.user_id = $1 AND k.address_digest = $4::bytea
  AND (SELECT count(*) FROM confirmed) >= 0
RETURNING k.failures
