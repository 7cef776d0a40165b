-- One range of users_list_by_name for each type and state, then the first rows of them all. No other
-- index has this order.
SELECT page.user_id AS "user_id!", page.login_name AS "login_name!",
       page.canonical_name AS "canonical_name!", page.display_name AS "display_name!",
       page.user_type AS "user_type!", page.is_administrator AS "is_administrator!",
       page.role AS "role?", page.is_retired AS "is_retired!", page.session_epoch AS "session_epoch!",
       page.person_id AS "person_id!", page.role_id AS "role_id!",
       page.ej_user_id AS "ej_user_id!", page.nick_name AS "nick_name!"
FROM unnest($1::text[]) AS kind (user_type)
CROSS JOIN unnest($2::bool[]) AS state (is_retired)
CROSS JOIN LATERAL (
    SELECT u.* FROM users u
    WHERE u.deleted_at IS NULL
      AND u.user_type = kind.user_type AND u.is_retired = state.is_retired
      AND u.canonical_name COLLATE "C" >= $3 AND u.canonical_name COLLATE "C" < $4
    ORDER BY u.canonical_name COLLATE "C"
    LIMIT $5 + $6::bigint
) page
ORDER BY page.canonical_name COLLATE "C"
LIMIT $5 OFFSET $6
