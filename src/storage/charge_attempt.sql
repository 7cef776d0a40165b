-- Charges a try to each of the types where one may be made, and counts it for its address. What admits
-- a try is the condition of the update itself, on a row that is locked for it: so no crowd and no
-- number of instances tries more. The rows of `authentication_attempts` come before those of `callers`.
WITH charged AS (
    INSERT INTO authentication_attempts AS a
        (user_id, credential_type, failures, next_allowed_at, tried, day_started_at,
         day_failures)
    SELECT $1, t.name, 1,
           CASE WHEN $6 > 1 THEN NULL ELSE $5::timestamptz + interval '1 second' END,
           ARRAY[$3::bytea], $5, 1
    FROM unnest($2::text[]) AS t(name)
    ON CONFLICT (user_id, credential_type) DO UPDATE SET
        failures = CASE WHEN $3 = ANY(a.tried) THEN a.failures ELSE a.failures + 1 END,
        next_allowed_at = CASE
            WHEN $3 = ANY(a.tried) OR a.failures + 1 < $6 THEN a.next_allowed_at
            ELSE $5 + interval '1 second'
                 * least($7::float8, power(2, least(a.failures + 1 - $6, 30)))
        END,
        tried = CASE WHEN $3 = ANY(a.tried) THEN a.tried
                     ELSE ($3 || a.tried)[1:16] END,
        day_started_at = CASE WHEN a.day_started_at <= $5 - interval '1 day' THEN $5
                              ELSE a.day_started_at END,
        day_failures = CASE WHEN a.day_started_at <= $5 - interval '1 day' THEN 1
                            WHEN $3 = ANY(a.tried) THEN a.day_failures
                            ELSE a.day_failures + 1 END
    WHERE a.failures < $8 AND (
        $3 = ANY(a.tried)
        OR ((a.next_allowed_at IS NULL OR a.next_allowed_at <= $5)
            AND (a.day_failures < $9 OR a.day_started_at <= $5 - interval '1 day'))
    )
    RETURNING a.credential_type, a.failures
),
noted AS (
    INSERT INTO callers AS c (user_id, address_digest, failures, tried, last_failed_at)
    SELECT $1, $4, 1, ARRAY[$3], $5
    FROM (SELECT count(*) AS types FROM charged) AS first
    WHERE $4::bytea IS NOT NULL AND first.types > 0
    ON CONFLICT (user_id, address_digest) DO UPDATE SET
        failures = CASE WHEN c.last_failed_at IS NULL OR c.last_failed_at <= $10 THEN 1
                        ELSE c.failures + 1 END,
        tried = ($3 || c.tried)[1:16],
        last_failed_at = $5
    WHERE NOT ($3 = ANY(c.tried))
)
SELECT credential_type AS "credential_type!", failures AS "failures!" FROM charged
