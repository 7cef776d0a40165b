-- Queues a mail, with the audit event of its request, unless the user has had enough mails lately. The
-- same statement runs for an unknown user and leaves a row, too, but no event: `head` is empty then.
-- Mails that strangers asked for do not count against those of a caller who signed in.
-- A request of somebody who did not sign in always leaves a row, so that its commit takes as long for
-- every name, and counts for the network. The row has ended if no mail will be sent: the user has had
-- enough, or is a pseudo user, whose id is negative, because nobody has that name.
-- The caller's transaction has locked the user, so two requests do not exceed the limit.
WITH head AS (
    SELECT 1 FROM users WHERE user_id = $1 AND deleted_at IS NULL AND audit_sequence = $2::bigint - 1
),
recent AS (
    SELECT count(*) < $14::bigint AS may_get_mail FROM password_mails
    WHERE user_id = $1 AND requested_at > $13 AND NOT is_refused
      AND (network_digest IS NOT NULL) = ($15::bytea IS NOT NULL)
),
inserted AS (
    INSERT INTO password_mails (
        user_id, session_epoch, language, request_id, requested_at, next_attempt_at,
        network_digest, is_refused, outcome, finished_at
    )
    SELECT $1, $9, $12, $8, $3::timestamptz, $3::timestamptz, $15::bytea, NOT may_get_mail,
           CASE WHEN $1 < 0 OR NOT may_get_mail THEN 'dropped' END,
           CASE WHEN $1 < 0 OR NOT may_get_mail THEN $3::timestamptz END
    FROM recent WHERE may_get_mail OR $15 IS NOT NULL
),
event AS (
    INSERT INTO audit_events (
        user_id, sequence, occurred_at, kind, actor_user_id, scheme, address, request_id,
        session_epoch, key_id, mac
    )
    SELECT $1, $2, $3, $4, $5::integer, $6, $7::text, $8, $9, $10, $11::bytea FROM recent, head
    WHERE may_get_mail
),
advance AS (
    UPDATE users SET audit_sequence = $2, audit_mac = $11
    WHERE user_id = $1 AND EXISTS (SELECT 1 FROM recent WHERE may_get_mail)
      AND EXISTS (SELECT 1 FROM head)
)
SELECT may_get_mail AS "is_queued!" FROM recent
