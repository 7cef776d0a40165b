-- Reserves an attempt from an address that is not known, for each type that allows one, and counts it
-- for its address. The condition of the upsert admits the attempt, under the lock of the row that
-- counts it: no number of clients or instances makes more attempts than are allowed.
--
-- Lock order: authentication_attempts by type, then known_addresses, then address_failures.
--
-- `failures` above $8 means that the credential is locked: the attempt is answered like any other, but
-- its secret is not verified. The throttling counter first loses one for each $9 seconds since
-- `throttled_at`. Each of the two counters counts a secret once.
--
-- $7 has the end of the delay by the number of failures beyond the first one that delays. It is computed
-- by the caller: an upsert on a distributed table must not add an interval to a timestamp.
-- Commits without waiting for a standby (docs/adr/0072-poolers-and-standbys.md).
WITH commit_mode AS (
    SELECT set_config('synchronous_commit', 'local', true)
    WHERE current_setting('synchronous_commit') NOT IN ('local', 'off')
),
reserved AS (
    INSERT INTO authentication_attempts AS a
        (user_id, credential_type, failures, counted_secrets, throttle_failures, throttle_secrets,
         throttled_at, next_allowed_at)
    SELECT $1, asked.name, 1, ARRAY[$3::bytea], 1, ARRAY[$3], $5::timestamptz,
           CASE WHEN $6 > 1 THEN NULL ELSE ($7::timestamptz[])[1] END
    FROM unnest($2::text[]) AS asked(name)
    WHERE (SELECT count(*) FROM commit_mode) >= 0
    ORDER BY asked.name COLLATE "C"
    ON CONFLICT (user_id, credential_type) DO UPDATE SET
        failures = CASE WHEN a.failures >= $8 THEN $8 + 1
                        WHEN $3 = ANY(a.counted_secrets) THEN a.failures
                        ELSE a.failures + 1 END,
        counted_secrets = CASE WHEN a.failures >= $8 OR $3 = ANY(a.counted_secrets)
                               THEN a.counted_secrets
                               ELSE ($3 || a.counted_secrets)[1:16] END,
        (throttle_failures, throttle_secrets, throttled_at, next_allowed_at) = (
            SELECT a.throttle_failures, a.throttle_secrets, a.throttled_at, a.next_allowed_at
            WHERE $3 = ANY(a.throttle_secrets)
            UNION ALL
            SELECT decayed.failures + 1,
                   ($3 || a.throttle_secrets)[1:16],
                   CASE WHEN decayed.failures = 0 THEN $5
                        ELSE to_timestamp(
                            extract(epoch FROM a.throttled_at - timestamptz '1970-01-01 00:00:00+00')
                            ::float8 + (a.throttle_failures - decayed.failures) * $9::float8
                        ) END,
                   CASE WHEN decayed.failures + 1 >= $6
                        THEN ($7)[least(decayed.failures + 1 - $6, 30) + 1] END
            FROM (
                SELECT a.throttle_failures - least(
                    greatest(floor(extract(epoch FROM $5 - a.throttled_at) / $9::float8), 0),
                    a.throttle_failures
                )::integer AS failures
            ) AS decayed
            WHERE NOT ($3 = ANY(a.throttle_secrets))
        )
    WHERE a.throttle_failures < $10
      AND ($3 = ANY(a.throttle_secrets) OR a.next_allowed_at IS NULL OR a.next_allowed_at <= $5)
    RETURNING a.credential_type, a.failures, a.throttle_failures
),
counted AS (
    INSERT INTO known_addresses AS k
        (user_id, address_digest, failures, counted_secrets, last_failed_at)
    SELECT $1, $4, 1, ARRAY[$3], $5
    FROM (SELECT count(*) AS types FROM reserved) AS first
    WHERE $4::bytea IS NOT NULL AND first.types > 0
    ON CONFLICT (user_id, address_digest) DO UPDATE SET
        failures = CASE WHEN k.last_failed_at IS NULL OR k.last_failed_at <= $11 THEN 1
                        ELSE k.failures + 1 END,
        counted_secrets = coalesce(($3 || k.counted_secrets)[1:16], '{}'),
        last_failed_at = $5
    WHERE NOT ($3 = ANY(k.counted_secrets))
    RETURNING k.failures, k.last_failed_at
),
copied AS (
    INSERT INTO address_failures (address_digest, user_id, failures, last_failed_at)
    SELECT $4, $1, counted.failures, counted.last_failed_at FROM counted
    ON CONFLICT (address_digest, user_id) DO UPDATE SET
        failures = excluded.failures, last_failed_at = excluded.last_failed_at
)
SELECT credential_type AS "credential_type!", failures AS "failures!",
       throttle_failures AS "throttle_failures!"
FROM reserved
