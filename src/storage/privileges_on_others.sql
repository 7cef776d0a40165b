-- Privileges on everything except the tables of the service, each with whether the role has it, and
-- whether it can have it with SET ROLE. $1: the role; null for the role of the connection.
WITH examined AS (
    -- A superuser has every privilege already.
    SELECT r.oid AS role, r.rolname = coalesce($1, current_user) AS applies
    FROM pg_roles e JOIN pg_roles r ON pg_catalog.pg_has_role(e.oid, r.oid, 'MEMBER')
    WHERE e.rolname = coalesce($1, session_user)
      AND (r.oid = e.oid OR r.rolname = coalesce($1, current_user) OR NOT e.rolsuper)
),
owner AS (SELECT relowner, relnamespace FROM pg_class
          WHERE oid = pg_catalog.to_regclass('users')),
privileges (entry, applies, held) AS (
    -- Without USAGE, the schema is not in the search path, and `users` is not found.
    SELECT 'USAGE ON the schema', applies,
           coalesce(pg_catalog.has_schema_privilege(
               role,
               coalesce((SELECT relnamespace FROM owner),
                        pg_catalog.current_schema()::regnamespace),
               'USAGE'
           ), false)
    FROM examined
    UNION ALL
    SELECT pg_catalog.format('%s ON SEQUENCE %s', privilege, relname), applies,
           pg_catalog.has_sequence_privilege(role, oid, privilege)
    FROM examined, pg_class JOIN owner USING (relowner, relnamespace),
         pg_catalog.unnest(ARRAY['SELECT', 'UPDATE', 'USAGE']) AS privilege
    WHERE relkind = 'S'
    UNION ALL
    SELECT pg_catalog.format('CREATE ON SCHEMA %I', nspname), applies,
           pg_catalog.has_schema_privilege(role, oid, 'CREATE')
    FROM examined, pg_namespace
    WHERE NOT pg_catalog.starts_with(nspname::text, 'pg_')
      AND nspname <> 'information_schema'
    UNION ALL
    SELECT privilege || ' ON the database', applies,
           pg_catalog.has_database_privilege(
               role, pg_catalog.current_database(), privilege
           )
    FROM examined, pg_catalog.unnest(ARRAY['CREATE', 'TEMPORARY']) AS privilege
    UNION ALL
    -- Such a function runs with the privileges of its owner.
    SELECT pg_catalog.format('EXECUTE ON SECURITY DEFINER %s', oid::regprocedure),
           applies, pg_catalog.has_function_privilege(role, oid, 'EXECUTE')
    FROM examined, pg_proc
    WHERE prosecdef AND pronamespace <> 'pg_catalog'::regnamespace
    UNION ALL
    SELECT pg_catalog.format('ownership of %s', classid::regclass), applies, true
    FROM examined, pg_shdepend
    WHERE deptype = 'o' AND refobjid = role
      AND dbid = (SELECT oid FROM pg_database
                  WHERE datname = pg_catalog.current_database())
)
SELECT entry AS "entry!", pg_catalog.bool_or(held AND applies) AS "is_held!",
       pg_catalog.bool_or(held) AS "is_reachable!"
FROM privileges GROUP BY entry
