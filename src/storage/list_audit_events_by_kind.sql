-- The events of these kinds, newest first: one range of audit_events_by_kind for each kind, then the
-- first rows of them all.
SELECT page.user_id AS "user_id!", page.sequence AS "sequence!",
       page.occurred_at AS "occurred_at!", page.kind AS "kind!",
       page.actor_user_id AS "actor_user_id?", page.scheme AS "scheme!",
       page.address AS "address?", page.request_id AS "request_id!",
       page.credential_type AS "credential_type?", page.reason AS "reason?",
       true AS "is_match!", false AS "is_last_examined!"
FROM unnest($1::text[]) AS wanted (kind)
CROSS JOIN LATERAL (
    SELECT e.* FROM audit_events e
    WHERE e.kind = wanted.kind
      AND e.occurred_at >= $2
      AND (e.occurred_at, e.user_id, e.sequence) < ($3, $4, $5)
    ORDER BY e.occurred_at DESC, e.user_id DESC, e.sequence DESC
    LIMIT $6
) page
ORDER BY page.occurred_at DESC, page.user_id DESC, page.sequence DESC
LIMIT $6
