-- Grants the privileges of keeper.grants to the roles of keeper.roles, and revokes all other
-- privileges of these roles and of PUBLIC. A DO block is one transaction, so a running service never
-- lacks a privilege meanwhile.
DO $$
DECLARE
    schema name := pg_catalog.current_schema();
    owner oid := (SELECT relowner FROM pg_catalog.pg_class
                  WHERE relnamespace = pg_catalog.current_schema()::pg_catalog.regnamespace
                    AND relname = 'users');
    roles text;
    item record;
BEGIN
    -- Calls no function that another role may have created in the schema.
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog', true);
    -- One run at a time. The other roles cannot take this lock, so they cannot block the run.
    EXECUTE format('LOCK TABLE %I._sqlx_migrations IN SHARE ROW EXCLUSIVE MODE', schema);
    SELECT string_agg(quote_ident(role), ', ') INTO roles
    FROM jsonb_array_elements_text(current_setting('keeper.roles')::jsonb) AS named(role);

    -- Only the objects of the owner: others in the schema belong to other programs.
    FOR item IN
        SELECT oid::regclass AS name, CASE relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END AS kind
        FROM pg_class
        WHERE relnamespace = schema::regnamespace AND relowner = owner
          AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
        UNION ALL
        SELECT NULL, format('ROUTINE %s', oid::regprocedure) FROM pg_proc
        WHERE pronamespace = schema::regnamespace AND proowner = owner
    LOOP
        EXECUTE format('REVOKE ALL ON %s %s FROM PUBLIC, %s', item.kind, item.name, roles);
    END LOOP;
    FOR item IN
        SELECT * FROM jsonb_to_recordset(current_setting('keeper.grants')::jsonb)
            AS granted(role text, kind text, name text, privileges text)
    LOOP
        EXECUTE format('GRANT %s ON %s %I.%I TO %I',
                       item.privileges, item.kind, schema, item.name, item.role);
    END LOOP;

    -- New objects of the owner start without privileges for others.
    FOR item IN
        SELECT place, kind
        FROM unnest(ARRAY['', format('IN SCHEMA %I', schema)]) AS place,
             unnest(ARRAY['TABLES', 'SEQUENCES', 'ROUTINES']) AS kind
    LOOP
        EXECUTE format('ALTER DEFAULT PRIVILEGES FOR ROLE %s %s REVOKE ALL ON %s FROM PUBLIC, %s',
                       owner::regrole, item.place, item.kind, roles);
    END LOOP;

    -- The owner of the tables may not own the schema or the database; `doctor` reports what is left.
    IF (SELECT pg_has_role(current_user, nspowner, 'USAGE') FROM pg_namespace WHERE nspname = schema)
    THEN
        EXECUTE format('REVOKE CREATE ON SCHEMA %I FROM PUBLIC, %s', schema, roles);
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO %s', schema, roles);
    END IF;
    IF (SELECT pg_has_role(current_user, datdba, 'USAGE') FROM pg_database
        WHERE datname = current_database())
    THEN
        EXECUTE format('REVOKE CREATE, TEMPORARY ON DATABASE %I FROM PUBLIC, %s',
                       current_database(), roles);
        EXECUTE format('GRANT CONNECT ON DATABASE %I TO %s', current_database(), roles);
    END IF;
END $$
