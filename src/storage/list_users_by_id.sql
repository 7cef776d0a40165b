-- One range of users_list_by_id for each type and state, then the first rows of them all. Rows are
-- compared as a whole, because only this index has that order: with equality, the planner could scan
-- the primary key and discard every row of another type.
SELECT page.user_id AS "user_id!", page.login_name AS "login_name!",
       page.canonical_name AS "canonical_name!", page.display_name AS "display_name!",
       page.user_type AS "user_type!", page.is_administrator AS "is_administrator!",
       page.role AS "role?", page.is_retired AS "is_retired!", page.session_epoch AS "session_epoch!",
       page.person_id AS "person_id!", page.role_id AS "role_id!",
       page.ej_user_id AS "ej_user_id!", page.nick_name AS "nick_name!"
FROM unnest($1::text[], $2::int[], $3::int[]) AS kind (user_type, after, last)
CROSS JOIN unnest($4::bool[]) AS state (is_retired)
CROSS JOIN LATERAL (
    SELECT u.* FROM users u
    WHERE u.deleted_at IS NULL
      AND (u.user_type, u.is_retired, u.user_id)
          > (kind.user_type, state.is_retired, kind.after)
      AND (u.user_type, u.is_retired, u.user_id)
          <= (kind.user_type, state.is_retired, kind.last)
    ORDER BY u.user_type, u.is_retired, u.user_id
    LIMIT $5 + $6::bigint
) page
ORDER BY CASE WHEN $7 THEN page.user_type COLLATE "C" END, page.user_id
LIMIT $5 OFFSET $6
