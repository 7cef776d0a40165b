-- The events that an actor caused, newest first: those of the filter, and the last one that was
-- examined. One range of audit_events_by_actor.
SELECT numbered.user_id, numbered.sequence, numbered.occurred_at, numbered.kind,
       numbered.actor_user_id, numbered.scheme, numbered.address, numbered.request_id,
       numbered.credential_type, numbered.reason, numbered.is_match AS "is_match!",
       (numbered.number = $6) AS "is_last_examined!"
FROM (
    SELECT examined.*,
           ($7::text[] IS NULL OR examined.kind = ANY ($7)) AS is_match,
           row_number() OVER (
               ORDER BY examined.occurred_at DESC, examined.user_id DESC, examined.sequence DESC
           ) AS number
    FROM (
        SELECT e.* FROM audit_events e
        WHERE e.actor_user_id = $1
          AND e.occurred_at >= $2
          AND (e.occurred_at, e.user_id, e.sequence) < ($3, $4, $5)
        ORDER BY e.occurred_at DESC, e.user_id DESC, e.sequence DESC
        LIMIT $6
    ) examined
) numbered
WHERE numbered.is_match OR numbered.number = $6
ORDER BY numbered.occurred_at DESC, numbered.user_id DESC, numbered.sequence DESC
LIMIT $8
