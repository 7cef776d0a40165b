-- The write of a save. It goes on from the user's head as it was read before, and locks what it rests
-- on until it is committed: the user's row, the actor's, and that of the ticket or session that the
-- actor came with, so that nobody takes a right away in between. Where another write holds one of
-- these rows, or has moved the head, it is empty here. Everything hangs on `head` and `saved`: when one
-- of them is empty, nothing is written at all. It never waits for these rows, so its snapshot is as
-- young as its locks, and their order does not matter.
--
-- The events are $12 (kinds), $24 (credential types) and $18 (MACs): first that of the save, whose
-- sequence is $9, then one for each credential of another type that goes with it.
WITH head AS (
    SELECT FROM users WHERE user_id = $1 AND audit_sequence = $9::bigint - 1
    FOR NO KEY UPDATE SKIP LOCKED
),
actor AS (
    SELECT session_epoch, is_administrator, user_type, is_retired FROM users
    WHERE user_id = $11 AND $25::bigint IS NOT NULL
    FOR SHARE SKIP LOCKED
),
ticket AS (
    SELECT FROM tickets WHERE user_id = $11 AND digest = ANY($23::bytea[])
    FOR SHARE SKIP LOCKED
),
taken AS (
    SELECT 1 FROM credential_identifiers
    WHERE credential_type = $2 AND digest = ANY($22::bytea[]) AND user_id <> $1
),
saved AS (
    INSERT INTO credentials AS stored (
        user_id, credential_type, sealed_hash, key_id, hash_scheme, hash_memory_kib,
        hash_iterations, hash_parallelism, display_value, version, registered_at, registered_by,
        updated_at, updated_by, valid_from, valid_to
    )
    SELECT $1, $2, $3, $4, $30, $5, $6, $7, $8, $9, $10, $11, $10, $11, $27, $28
    FROM head
    WHERE NOT EXISTS (SELECT FROM taken)
      -- The actor may have been retired, or had everything ended, while the hash was computed.
      AND ($25 IS NULL OR EXISTS (
          SELECT FROM actor
          WHERE session_epoch = $25 AND is_administrator = $26::boolean
            AND user_type = $29::text AND NOT is_retired
      ))
      -- So may the ticket or the session that the actor came with.
      AND ($23 IS NULL OR EXISTS (SELECT FROM ticket))
      AND ($19::text IS NULL OR EXISTS (
          SELECT FROM credentials
          WHERE user_id = $1 AND credential_type = $19 AND version = $20::bigint
      ))
    ON CONFLICT (user_id, credential_type) DO UPDATE SET
        sealed_hash = excluded.sealed_hash,
        key_id = excluded.key_id,
        hash_scheme = excluded.hash_scheme,
        hash_memory_kib = excluded.hash_memory_kib,
        hash_iterations = excluded.hash_iterations,
        hash_parallelism = excluded.hash_parallelism,
        display_value = excluded.display_value,
        version = excluded.version,
        updated_at = excluded.updated_at,
        updated_by = excluded.updated_by,
        valid_from = excluded.valid_from,
        valid_to = excluded.valid_to
    RETURNING stored.user_id
),
event AS (
    INSERT INTO audit_events (
        user_id, sequence, occurred_at, kind, actor_user_id, scheme, address, request_id,
        credential_type, session_epoch, key_id, mac
    )
    SELECT $1, $9 + link.place - 1, $10, link.kind, $11, $13, $14, $15, link.credential_type, $16,
           $17, link.mac
    FROM saved,
         unnest($12::text[], $24::text[], $18::bytea[]) WITH ORDINALITY
             AS link(kind, credential_type, mac, place)
),
advance AS (
    UPDATE users SET audit_sequence = $9 + cardinality($18) - 1,
                     audit_mac = ($18)[cardinality($18)],
                     session_epoch = $16
    WHERE user_id = $1 AND EXISTS (SELECT FROM saved)
),
identifier AS (
    INSERT INTO credential_identifiers AS held (credential_type, digest, user_id)
    SELECT $2, $21::bytea, $1 FROM saved WHERE $21::bytea IS NOT NULL
    ON CONFLICT (credential_type, digest) DO UPDATE SET user_id = excluded.user_id
        WHERE held.user_id = excluded.user_id
    RETURNING 1
),
former_identifiers AS (
    DELETE FROM credential_identifiers
    WHERE user_id = $1 AND credential_type = $2 AND digest IS DISTINCT FROM $21::bytea
      AND EXISTS (SELECT FROM saved)
),
own_ticket AS (
    UPDATE tickets SET session_epoch = $16
    WHERE user_id = $1 AND user_id = $11 AND digest = ANY($23) AND EXISTS (SELECT FROM saved)
),
-- What was tried in vain was tried against another secret.
unlocked AS (
    DELETE FROM authentication_attempts
    WHERE user_id = $1 AND credential_type = ANY($24) AND EXISTS (SELECT FROM saved)
),
other_types AS (
    DELETE FROM credentials
    WHERE user_id = $1 AND credential_type = ANY($24) AND credential_type <> $2
      AND EXISTS (SELECT FROM saved)
)
SELECT CASE
    WHEN NOT EXISTS (SELECT FROM head) THEN 'head_moved'
    -- Held by another write, or ended: who waits for them finds out.
    WHEN $25 IS NOT NULL AND NOT EXISTS (SELECT FROM actor) THEN 'head_moved'
    WHEN $23 IS NOT NULL AND NOT EXISTS (SELECT FROM ticket) THEN 'head_moved'
    WHEN EXISTS (SELECT FROM taken) THEN 'identifier_taken'
    WHEN NOT EXISTS (SELECT FROM saved) THEN 'proof_outdated'
    -- Another user's save of the same identifier was faster by a moment.
    WHEN $21::bytea IS NOT NULL AND NOT EXISTS (SELECT FROM identifier) THEN 'identifier_taken'
    ELSE 'saved'
END AS "outcome!"
