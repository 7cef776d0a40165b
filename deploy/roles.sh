#!/usr/bin/env bash
# Creates the database and its three roles when PostgreSQL starts with an empty volume. A later run
# creates what is missing and sets the passwords again.
#
# keeper_owner    owns the tables and runs `migrate`, which grants the other two their privileges
# keeper          runs `serve` and the commands of operators (database.role)
# keeper_auditor  runs `audit verify` and `doctor` (database.auditor_role)
#
# None of them is a superuser. docs/reference/database-roles.md lists their privileges.
set -euo pipefail

# psql reads the passwords from files, because other processes can read command-line arguments.
psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --username="$POSTGRES_USER" --dbname=postgres <<'SQL'
\set owner_password `cat "$KEEPER_OWNER_PASSWORD_FILE"`
\set service_password `cat "$KEEPER_SERVICE_PASSWORD_FILE"`
\set auditor_password `cat "$KEEPER_AUDITOR_PASSWORD_FILE"`
-- Do not log failing statements: they contain the passwords.
SET log_min_error_statement = panic;
SELECT format('CREATE ROLE %I', name)
FROM unnest(ARRAY['keeper_owner', 'keeper', 'keeper_auditor']) AS name
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \gexec
ALTER ROLE keeper_owner NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS
    LOGIN PASSWORD :'owner_password';
-- The connection limits leave the owner and the superuser some of the 100 connections of the server.
ALTER ROLE keeper NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS
    LOGIN PASSWORD :'service_password' CONNECTION LIMIT 80;
ALTER ROLE keeper_auditor NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS
    LOGIN PASSWORD :'auditor_password' CONNECTION LIMIT 5;
SELECT 'CREATE DATABASE keeper OWNER keeper_owner'
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'keeper') \gexec
REVOKE ALL ON DATABASE keeper FROM PUBLIC;
GRANT CONNECT ON DATABASE keeper TO keeper, keeper_auditor;
-- The roles connect to no other database of this server.
REVOKE CONNECT ON DATABASE postgres, template1 FROM PUBLIC;
SQL
