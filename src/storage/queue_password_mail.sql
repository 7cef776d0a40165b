-- Queues a mail, with the audit event of its request, unless the user has had enough mails lately. The
-- same statement runs for an unknown user and leaves a row, too, but no event: `head` is empty then.
-- The row of a pseudo user, whose id is negative, has ended: nobody has that name.
-- The caller's transaction has locked the user, so two requests do not exceed the limit.
WITH head AS (
    SELECT 1 FROM users WHERE user_id = $1 AND deleted_at IS NULL AND audit_sequence = $2::bigint - 1
),
recent AS (
    SELECT count(*) AS mails FROM password_mails WHERE user_id = $1 AND requested_at > $13
),
queued AS (
    INSERT INTO password_mails (
        user_id, session_epoch, language, request_id, requested_at, next_attempt_at,
        network_digest, outcome, finished_at
    )
    SELECT $1, $9, $12, $8, $3::timestamptz, $3::timestamptz, $15::bytea,
           CASE WHEN $1 < 0 THEN 'dropped' END, CASE WHEN $1 < 0 THEN $3::timestamptz END
    FROM recent WHERE mails < $14::bigint
    RETURNING user_id
),
event AS (
    INSERT INTO audit_events (
        user_id, sequence, occurred_at, kind, actor_user_id, scheme, address, request_id,
        session_epoch, key_id, mac
    )
    SELECT $1, $2, $3, $4, $5::integer, $6, $7::text, $8, $9, $10, $11::bytea FROM queued, head
),
advance AS (
    UPDATE users SET audit_sequence = $2, audit_mac = $11
    WHERE user_id = $1 AND EXISTS (SELECT 1 FROM queued) AND EXISTS (SELECT 1 FROM head)
)
SELECT EXISTS (SELECT 1 FROM queued) AS "is_queued!"
