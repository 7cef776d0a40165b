-- Records that a secret was right. The consecutive failures of its type are reset. The attempt itself was
-- reserved as a failure, so it is taken back for every type, with the delay that it caused. Nothing else
-- of the throttling state changes: later refusals do not reveal that the user logged in. Earlier
-- secrets of this address are removed from the throttling state, but stay counted there; the digests of
-- pending questions, which are longer, stay there until their own logins take them back or confirm them.
-- The address becomes known, and the user's known addresses beyond the newest $5 others are deleted.
--
-- Lock order: authentication_attempts by type, then known_addresses, then address_failures.
-- Commits without waiting for a standby (docs/adr/0072-poolers-and-standbys.md).
WITH commit_mode AS (
    SELECT set_config('synchronous_commit', 'local', true)
    WHERE current_setting('synchronous_commit') NOT IN ('local', 'off')
),
locked AS (
    SELECT 1 FROM authentication_attempts
    WHERE user_id = $1 AND (SELECT count(*) FROM commit_mode) >= 0
    ORDER BY credential_type COLLATE "C" FOR UPDATE
),
own AS (
    SELECT ARRAY(
        SELECT secret FROM known_addresses AS k, unnest(k.counted_secrets) AS counted(secret)
        WHERE k.user_id = $1 AND k.address_digest = $2
          AND octet_length(secret) = octet_length($6::bytea)
        UNION ALL SELECT $6
    ) AS counted_secrets
),
reset AS (
    UPDATE authentication_attempts AS a
    SET failures = CASE WHEN a.credential_type = $3 THEN 0
                        -- As in release_attempt.sql.
                        WHEN $6 = ANY(a.counted_secrets)
                        THEN greatest(least(a.failures, $8) - 1, 0)
                        ELSE a.failures END,
        counted_secrets = CASE WHEN a.credential_type = $3 THEN '{}'
                               ELSE array_remove(a.counted_secrets, $6) END,
        throttle_failures = CASE WHEN $6 = ANY(a.throttle_secrets)
                                 THEN greatest(a.throttle_failures - 1, 0)
                                 ELSE a.throttle_failures END,
        -- $10 has the end of the delay that this attempt caused, as in reserve_attempt.sql.
        next_allowed_at = CASE
            WHEN $6 = ANY(a.throttle_secrets) AND (
                a.throttle_failures <= $9
                OR a.next_allowed_at
                    = ($10::timestamptz[])[least(a.throttle_failures - $9, 30) + 1]
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
        OR $6 = ANY(a.counted_secrets) OR a.throttle_secrets && own.counted_secrets
    )
    RETURNING 1
),
forgotten AS (
    DELETE FROM known_addresses WHERE (user_id, address_digest) IN (
        SELECT k.user_id, k.address_digest FROM known_addresses k
        WHERE k.user_id = $1 AND k.last_succeeded_at IS NOT NULL
          AND k.address_digest <> $2
        ORDER BY k.last_succeeded_at DESC OFFSET $5 FOR UPDATE SKIP LOCKED
    )
    RETURNING address_digest
),
known AS (
    INSERT INTO known_addresses AS k
        (user_id, address_digest, failures, counted_secrets, last_succeeded_at)
    SELECT $1, $2, 0, '{}', $4 FROM (SELECT count(*) FROM reset) AS first
    WHERE $2::bytea IS NOT NULL
    ON CONFLICT (user_id, address_digest) DO UPDATE SET
        failures = CASE WHEN k.last_failed_at <= $7 THEN 0
                        WHEN $6 = ANY(k.counted_secrets) THEN greatest(k.failures - 1, 0)
                        ELSE k.failures END,
        counted_secrets = CASE WHEN k.last_failed_at <= $7 THEN '{}'
                               ELSE array_remove(k.counted_secrets, $6) END,
        last_succeeded_at = $4
    RETURNING k.failures, k.last_failed_at
),
copies_of_forgotten AS (
    DELETE FROM address_failures f USING forgotten
    WHERE f.address_digest = forgotten.address_digest AND f.user_id = $1
)
-- This part must read `known`, whether or not there is a copy: otherwise PostgreSQL runs the parts above
-- at the end and in reverse order, and `forgotten` locks addresses before the attempts are locked.
INSERT INTO address_failures AS f (address_digest, user_id, failures, last_failed_at)
SELECT $2, $1, known.failures, known.last_failed_at FROM known
WHERE known.last_failed_at > $7
ON CONFLICT (address_digest, user_id) DO UPDATE SET failures = excluded.failures
WHERE f.failures <> excluded.failures
