-- Resets the consecutive failures of the type of a right secret ($3), and takes back the attempt for every
-- type. The rules are those of storage/record_success.sql; the addresses have statements of their own.
WITH locked AS (
    SELECT 1 FROM authentication_attempts
    WHERE user_id = $1 ORDER BY credential_type COLLATE "C" FOR UPDATE
),
own AS (
    SELECT ARRAY(
        SELECT secret FROM known_addresses AS k, unnest(k.counted_secrets) AS counted(secret)
        WHERE k.user_id = $1 AND k.address_digest = $2
          AND octet_length(secret) = octet_length($4::bytea)
        UNION ALL SELECT $4
    ) AS counted_secrets
)
UPDATE authentication_attempts AS a
SET failures = CASE WHEN a.credential_type = $3 THEN 0
                    -- As in release_attempt.sql.
                    WHEN $4 = ANY(a.counted_secrets)
                    THEN greatest(least(a.failures, $5) - 1, 0)
                    ELSE a.failures END,
    counted_secrets = CASE WHEN a.credential_type = $3 THEN '{}'
                           ELSE array_remove(a.counted_secrets, $4) END,
    throttle_failures = CASE WHEN $4 = ANY(a.throttle_secrets)
                             THEN greatest(a.throttle_failures - 1, 0)
                             ELSE a.throttle_failures END,
    -- $7 has the end of the delay that this attempt caused, as in reserve_attempt.sql.
    next_allowed_at = CASE
        WHEN $4 = ANY(a.throttle_secrets) AND (
            a.throttle_failures <= $6
            OR a.next_allowed_at
                = ($7::timestamptz[])[least(a.throttle_failures - $6, 30) + 1]
        ) THEN NULL
        ELSE a.next_allowed_at
    END,
    throttle_secrets = ARRAY(
        SELECT secret FROM unnest(a.throttle_secrets) WITH ORDINALITY AS kept(secret, place)
        WHERE secret <> ALL(own.counted_secrets) ORDER BY place
    )
FROM own
WHERE a.user_id = $1 AND (SELECT count(*) FROM locked) >= 0 AND (
    (a.credential_type = $3 AND (a.failures > 0 OR a.counted_secrets <> '{}'))
    OR $4 = ANY(a.counted_secrets) OR a.throttle_secrets && own.counted_secrets
)
