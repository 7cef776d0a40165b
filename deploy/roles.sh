#!/usr/bin/env bash
# Creates the database and its two roles when PostgreSQL starts with an empty volume.
#
# keeper_owner owns the tables and runs `migrate`. keeper runs `serve`; `migrate` grants it the required
# privileges (database.role). Neither role is a superuser.
set -euo pipefail

# psql reads the passwords from files, because other processes can read command-line arguments.
psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --username="$POSTGRES_USER" --dbname=postgres <<'SQL'
\set owner_password `cat "$KEEPER_OWNER_PASSWORD_FILE"`
\set service_password `cat "$KEEPER_SERVICE_PASSWORD_FILE"`
-- Do not log failing statements: they contain the passwords.
SET log_min_error_statement = panic;
CREATE ROLE keeper_owner LOGIN PASSWORD :'owner_password';
CREATE ROLE keeper LOGIN PASSWORD :'service_password';
CREATE DATABASE keeper OWNER keeper_owner;
REVOKE ALL ON DATABASE keeper FROM PUBLIC;
GRANT CONNECT ON DATABASE keeper TO keeper;
SQL
