-- The write of a save. It continues from the user's head that was read before, and locks the rows that
-- it depends on until the commit: the user, the actor, and the ticket or session that the actor came
-- with. Nobody can revoke a right in between. When another write has locked one of these rows or has
-- moved the head, the CTE is empty and nothing is written: everything depends on `head`, `admitted` and
-- `saved`. The statement never waits for these rows (SKIP LOCKED), so its snapshot is as new as its
-- locks, and their order does not matter.
--
-- The events are $12 (kinds), $24 (credential types) and $18 (MACs): first the event of the save, with
-- sequence $9, then one for each credential of another type that the save removes.
WITH head AS (
    SELECT 1 FROM users WHERE user_id = $1 AND audit_sequence = $9::bigint - 1
    FOR NO KEY UPDATE SKIP LOCKED
),
actor AS (
    SELECT session_epoch, is_administrator, user_type, role, is_retired FROM users
    WHERE user_id = $11 AND $25::bigint IS NOT NULL
    FOR SHARE SKIP LOCKED
),
ticket AS (
    SELECT session_epoch FROM tickets WHERE user_id = $11 AND digest = ANY($23::bytea[])
    FOR SHARE SKIP LOCKED
),
taken AS (
    SELECT 1 FROM credential_identifiers
    WHERE credential_type = $2 AND digest = ANY($22::bytea[]) AND user_id <> $1
),
-- The identifiers of the credentials that this save replaces or removes. A reseal changes them without
-- moving the head, so their rows are locked, too: a missing lock means that the snapshot is old. The
-- weakest lock suffices, and does not conflict with another user's attempt to save the same identifier.
former_identifiers AS (
    SELECT i.credential_type, i.digest
    FROM credentials c
    JOIN credential_identifiers i
        ON i.credential_type = c.credential_type AND i.digest = c.identifier_digest
       AND i.user_id = c.user_id
    WHERE c.user_id = $1 AND c.credential_type = ANY($24::text[])
),
locked_identifiers AS (
    SELECT 1 FROM credential_identifiers i
    JOIN former_identifiers f ON f.credential_type = i.credential_type AND f.digest = i.digest
    FOR KEY SHARE OF i SKIP LOCKED
),
admitted AS (
    SELECT 1 FROM head
    WHERE NOT EXISTS (SELECT 1 FROM taken)
      -- The actor may have been retired or logged out everywhere while the hash was computed. A ticket
      -- or session has its own epoch: a change that is made with it moves it to the new one.
      AND ($25 IS NULL OR EXISTS (
          SELECT 1 FROM actor
          WHERE is_administrator = $26::boolean
            AND user_type = $29::text AND role IS NOT DISTINCT FROM $31::text AND NOT is_retired
            AND CASE WHEN $23 IS NULL THEN session_epoch = $25
                     ELSE session_epoch IN (SELECT session_epoch FROM ticket) END
      ))
      -- The ticket or session of the actor may have ended.
      AND ($23 IS NULL OR EXISTS (SELECT 1 FROM ticket))
      AND ($19::text IS NULL OR EXISTS (
          SELECT 1 FROM credentials
          WHERE user_id = $1 AND credential_type = $19 AND version = $20::bigint
      ))
),
saved AS (
    INSERT INTO credentials AS stored (
        user_id, credential_type, sealed_hash, key_id, identifier_digest, hash_scheme,
        hash_memory_kib, hash_iterations, hash_parallelism, display_value, version, registered_at,
        registered_by, updated_at, updated_by, valid_from, valid_to, change_required
    )
    SELECT $1, $2, $3, $4, $21::bytea, $30, $5, $6, $7, $8, $9, $10, $11, $10, $11, $27, $28, $33
    FROM admitted
    WHERE (SELECT count(*) FROM locked_identifiers) = (SELECT count(*) FROM former_identifiers)
    ON CONFLICT (user_id, credential_type) DO UPDATE SET
        sealed_hash = excluded.sealed_hash,
        key_id = excluded.key_id,
        identifier_digest = excluded.identifier_digest,
        hash_scheme = excluded.hash_scheme,
        hash_memory_kib = excluded.hash_memory_kib,
        hash_iterations = excluded.hash_iterations,
        hash_parallelism = excluded.hash_parallelism,
        display_value = excluded.display_value,
        version = excluded.version,
        updated_at = excluded.updated_at,
        updated_by = excluded.updated_by,
        valid_from = excluded.valid_from,
        valid_to = excluded.valid_to,
        change_required = excluded.change_required
    RETURNING stored.user_id
),
event AS (
    INSERT INTO audit_events (
        user_id, sequence, occurred_at, kind, actor_user_id, scheme, address, request_id,
        credential_type, session_epoch, key_id, mac, reason
    )
    SELECT $1, $9 + link.place - 1, $10, link.kind, $11, $13, $14, $15, link.credential_type, $16,
           $17, link.mac, $32
    FROM saved,
         unnest($12::text[], $24::text[], $18::bytea[]) WITH ORDINALITY
             AS link(kind, credential_type, mac, place)
),
advance AS (
    UPDATE users SET audit_sequence = $9 + cardinality($18) - 1,
                     audit_mac = ($18)[cardinality($18)],
                     session_epoch = $16
    WHERE user_id = $1 AND EXISTS (SELECT 1 FROM saved)
),
identifier AS (
    INSERT INTO credential_identifiers AS existing (credential_type, digest, user_id)
    SELECT $2, $21, $1 FROM saved WHERE $21 IS NOT NULL
    ON CONFLICT (credential_type, digest) DO UPDATE SET user_id = excluded.user_id
        WHERE existing.user_id = excluded.user_id
    RETURNING 1
),
removed_identifiers AS (
    DELETE FROM credential_identifiers i USING former_identifiers f
    WHERE i.credential_type = f.credential_type AND i.digest = f.digest
      AND (i.credential_type <> $2 OR i.digest IS DISTINCT FROM $21)
      AND EXISTS (SELECT 1 FROM saved)
),
own_ticket AS (
    UPDATE tickets SET session_epoch = $16
    WHERE user_id = $1 AND user_id = $11 AND digest = ANY($23) AND EXISTS (SELECT 1 FROM saved)
),
-- The failed attempts were attempts at another secret.
reset_attempts AS (
    DELETE FROM authentication_attempts
    WHERE user_id = $1 AND credential_type = ANY($24) AND EXISTS (SELECT 1 FROM saved)
),
other_types AS (
    DELETE FROM credentials
    WHERE user_id = $1 AND credential_type = ANY($24) AND credential_type <> $2
      AND EXISTS (SELECT 1 FROM saved)
)
SELECT CASE
    WHEN NOT EXISTS (SELECT 1 FROM head) THEN 'head_moved'
    -- Locked by another write, or deleted: the caller waits for the lock and finds out.
    WHEN $25 IS NOT NULL AND NOT EXISTS (SELECT 1 FROM actor) THEN 'head_moved'
    WHEN $23 IS NOT NULL AND NOT EXISTS (SELECT 1 FROM ticket) THEN 'head_moved'
    WHEN EXISTS (SELECT 1 FROM taken) THEN 'identifier_taken'
    WHEN NOT EXISTS (SELECT 1 FROM admitted) THEN 'proof_outdated'
    WHEN NOT EXISTS (SELECT 1 FROM saved) THEN 'head_moved'
    -- Another user saved the same identifier a moment earlier.
    WHEN $21 IS NOT NULL AND NOT EXISTS (SELECT 1 FROM identifier) THEN 'identifier_taken'
    ELSE 'saved'
END AS "outcome!"
