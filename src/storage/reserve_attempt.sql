-- Charges a try from an address that is not known to each of the types where one may be made, and
-- counts it for its address. What admits a try is the condition of the update itself, on a row that is
-- locked for it: so no crowd and no number of instances tries more. The rows of
-- `authentication_attempts` come before those of `callers`.
--
-- `failures` beyond $8 says that this try is one too many in a row: it looks like any other, but its
-- secret is not verified. The count for delays and stop first loses one for each $9 seconds since
-- `throttled_at`. Each of the two counts a secret once.
WITH charged AS (
    INSERT INTO authentication_attempts AS a
        (user_id, credential_type, failures, tried, throttle_failures, throttle_tried, throttled_at,
         next_allowed_at)
    SELECT $1, t.name, 1, ARRAY[$3::bytea], 1, ARRAY[$3], $5::timestamptz,
           CASE WHEN $6 > 1 THEN NULL ELSE $5 + interval '1 second' END
    FROM unnest($2::text[]) AS t(name)
    ORDER BY t.name COLLATE "C"
    ON CONFLICT (user_id, credential_type) DO UPDATE SET
        failures = CASE WHEN a.failures >= $8 THEN $8 + 1
                        WHEN $3 = ANY(a.tried) THEN a.failures
                        ELSE a.failures + 1 END,
        tried = CASE WHEN a.failures >= $8 OR $3 = ANY(a.tried) THEN a.tried
                     ELSE ($3 || a.tried)[1:16] END,
        (throttle_failures, throttle_tried, throttled_at, next_allowed_at) = (
            SELECT a.throttle_failures, a.throttle_tried, a.throttled_at, a.next_allowed_at
            WHERE $3 = ANY(a.throttle_tried)
            UNION ALL
            SELECT still.counted + 1,
                   ($3 || a.throttle_tried)[1:16],
                   CASE WHEN still.counted = 0 THEN $5
                        ELSE a.throttled_at
                             + (a.throttle_failures - still.counted) * interval '1 second' * $9 END,
                   CASE WHEN still.counted + 1 >= $6
                        THEN $5 + interval '1 second'
                                  * least($7::float8, power(2, least(still.counted + 1 - $6, 30)))
                   END
            FROM (
                SELECT a.throttle_failures - least(
                    greatest(floor(extract(epoch FROM $5 - a.throttled_at) / $9::float8), 0),
                    a.throttle_failures
                )::integer AS counted
            ) AS still
            WHERE NOT ($3 = ANY(a.throttle_tried))
        )
    WHERE a.throttle_failures < $10
      AND ($3 = ANY(a.throttle_tried) OR a.next_allowed_at IS NULL OR a.next_allowed_at <= $5)
    RETURNING a.credential_type, a.failures, a.throttle_failures
),
noted AS (
    INSERT INTO callers AS c (user_id, address_digest, failures, tried, last_failed_at)
    SELECT $1, $4, 1, ARRAY[$3], $5
    FROM (SELECT count(*) AS types FROM charged) AS first
    WHERE $4::bytea IS NOT NULL AND first.types > 0
    ON CONFLICT (user_id, address_digest) DO UPDATE SET
        failures = CASE WHEN c.last_failed_at IS NULL OR c.last_failed_at <= $11 THEN 1
                        ELSE c.failures + 1 END,
        tried = ($3 || c.tried)[1:16],
        last_failed_at = $5
    WHERE NOT ($3 = ANY(c.tried))
)
SELECT credential_type AS "credential_type!", failures AS "failures!",
       throttle_failures AS "throttle_failures!"
FROM charged
