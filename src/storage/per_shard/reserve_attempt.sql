-- Reserves an attempt from an address that is not known, for one type ($2), if it allows one. The rules
-- are those of storage/reserve_attempt.sql, in a form without a query in DO UPDATE: a distributed database
-- sends only such a statement to one shard.
--
-- The number of failures that are left after the decay occurs three times below:
--     a.throttle_failures - least(greatest(floor(extract(epoch FROM $4 - a.throttled_at) / $8), 0),
--                                 a.throttle_failures)
INSERT INTO authentication_attempts AS a
    (user_id, credential_type, failures, counted_secrets, throttle_failures, throttle_secrets,
     throttled_at, next_allowed_at)
VALUES ($1, $2, 1, ARRAY[$3::bytea], 1, ARRAY[$3], $4::timestamptz,
        CASE WHEN $5 > 1 THEN NULL ELSE ($6::timestamptz[])[1] END)
ON CONFLICT (user_id, credential_type) DO UPDATE SET
    failures = CASE WHEN a.failures >= $7 THEN $7 + 1
                    WHEN $3 = ANY(a.counted_secrets) THEN a.failures
                    ELSE a.failures + 1 END,
    counted_secrets = CASE WHEN a.failures >= $7 OR $3 = ANY(a.counted_secrets)
                           THEN a.counted_secrets
                           ELSE ($3 || a.counted_secrets)[1:16] END,
    throttle_failures = CASE
        WHEN $3 = ANY(a.throttle_secrets) THEN a.throttle_failures
        ELSE a.throttle_failures - least(
            greatest(floor(extract(epoch FROM $4 - a.throttled_at) / $8::float8), 0),
            a.throttle_failures
        )::integer + 1
    END,
    throttle_secrets = CASE WHEN $3 = ANY(a.throttle_secrets) THEN a.throttle_secrets
                            ELSE ($3 || a.throttle_secrets)[1:16] END,
    throttled_at = CASE
        WHEN $3 = ANY(a.throttle_secrets) THEN a.throttled_at
        WHEN greatest(floor(extract(epoch FROM $4 - a.throttled_at) / $8::float8), 0)
            >= a.throttle_failures THEN $4
        ELSE to_timestamp(
            extract(epoch FROM a.throttled_at - timestamptz '1970-01-01 00:00:00+00')::float8
            + least(
                greatest(floor(extract(epoch FROM $4 - a.throttled_at) / $8::float8), 0),
                a.throttle_failures
            )::integer * $8::float8
        )
    END,
    next_allowed_at = CASE
        WHEN $3 = ANY(a.throttle_secrets) THEN a.next_allowed_at
        WHEN a.throttle_failures - least(
                greatest(floor(extract(epoch FROM $4 - a.throttled_at) / $8::float8), 0),
                a.throttle_failures
            )::integer + 1 >= $5
            THEN ($6)[least(a.throttle_failures - least(
                greatest(floor(extract(epoch FROM $4 - a.throttled_at) / $8::float8), 0),
                a.throttle_failures
            )::integer + 1 - $5, 30) + 1]
    END
WHERE a.throttle_failures < $9
  AND ($3 = ANY(a.throttle_secrets) OR a.next_allowed_at IS NULL OR a.next_allowed_at <= $4)
RETURNING credential_type, failures, throttle_failures
