-- Notes that a secret was right. Its type begins to count anew; for no type was it a failure, so what
-- it was charged is taken back, with the delay that came of it. Nothing else of delays and stop
-- changes, so that later refusals of others do not tell that somebody logged in. The secrets that
-- the same address tried before are forgotten, not their number. The rows of
-- `authentication_attempts` come before those of `callers`, and those of several types in one order.
WITH locked AS (
    SELECT 1 FROM authentication_attempts
    WHERE user_id = $1 ORDER BY credential_type COLLATE "C" FOR UPDATE
),
own AS (
    SELECT coalesce((
        SELECT array_append(tried, $6::bytea) FROM callers
        WHERE user_id = $1 AND address_digest = $2
    ), ARRAY[$6]) AS tried
),
cleared AS (
    UPDATE authentication_attempts AS a
    SET failures = CASE WHEN a.credential_type = $3 THEN 0
                        WHEN $6 = ANY(a.tried) AND a.failures <= $8
                        THEN greatest(a.failures - 1, 0)
                        ELSE a.failures END,
        tried = CASE WHEN a.credential_type = $3 THEN '{}' ELSE array_remove(a.tried, $6) END,
        throttle_failures = CASE WHEN $6 = ANY(a.throttle_tried)
                                 THEN greatest(a.throttle_failures - 1, 0)
                                 ELSE a.throttle_failures END,
        next_allowed_at = CASE
            WHEN $6 = ANY(a.throttle_tried) AND (
                a.throttle_failures <= $9 OR a.next_allowed_at = $4::timestamptz + interval '1 second'
                    * least($10::float8, power(2, least(a.throttle_failures - $9, 30)))
            ) THEN NULL
            ELSE a.next_allowed_at
        END,
        throttle_tried = ARRAY(
            SELECT secret FROM unnest(a.throttle_tried) WITH ORDINALITY AS kept(secret, place)
            WHERE secret <> ALL(own.tried) ORDER BY place
        )
    FROM own
    WHERE a.user_id = $1 AND (SELECT count(*) FROM locked) >= 0 AND (
        (a.credential_type = $3 AND (a.failures > 0 OR a.tried <> '{}'))
        OR $6 = ANY(a.tried) OR a.throttle_tried && own.tried
    )
    RETURNING 1
),
forgotten AS (
    DELETE FROM callers WHERE (user_id, address_digest) IN (
        SELECT o.user_id, o.address_digest FROM callers o
        WHERE o.user_id = $1 AND o.last_succeeded_at IS NOT NULL
          AND o.address_digest <> $2
        ORDER BY o.last_succeeded_at DESC OFFSET $5 FOR UPDATE SKIP LOCKED
    )
)
INSERT INTO callers AS c (user_id, address_digest, failures, tried, last_succeeded_at)
SELECT $1, $2, 0, '{}', $4 FROM (SELECT count(*) FROM cleared) AS first
WHERE $2::bytea IS NOT NULL
ON CONFLICT (user_id, address_digest)
DO UPDATE SET
    failures = CASE WHEN c.last_failed_at <= $7 THEN 0
                    WHEN $6 = ANY(c.tried) THEN greatest(c.failures - 1, 0)
                    ELSE c.failures END,
    tried = CASE WHEN c.last_failed_at <= $7 THEN '{}' ELSE array_remove(c.tried, $6) END,
    last_succeeded_at = $4
