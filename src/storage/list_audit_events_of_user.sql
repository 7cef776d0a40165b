-- The events of a user, newest first: those of the filter, and the last one that was examined.
SELECT numbered.user_id, numbered.sequence, numbered.occurred_at, numbered.kind,
       numbered.actor_user_id, numbered.scheme, numbered.address, numbered.request_id,
       numbered.credential_type, numbered.reason, numbered.is_match AS "is_match!",
       (numbered.number = $3) AS "is_last_examined!"
FROM (
    SELECT examined.*,
           ($4::text[] IS NULL OR examined.kind = ANY ($4))
               AND ($5::int IS NULL OR examined.actor_user_id IS NOT DISTINCT FROM $5)
               AND examined.occurred_at >= $6 AND examined.occurred_at < $7 AS is_match,
           row_number() OVER (ORDER BY examined.sequence DESC) AS number
    FROM (
        SELECT e.* FROM audit_events e
        WHERE e.user_id = $1 AND e.sequence < $2
        ORDER BY e.sequence DESC
        LIMIT $3
    ) examined
) numbered
WHERE numbered.is_match OR numbered.number = $3
ORDER BY numbered.sequence DESC
LIMIT $8
