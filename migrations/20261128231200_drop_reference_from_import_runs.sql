-- import_runs is a small table with a copy on every server of a distributed PostgreSQL. Such a table
-- cannot have a foreign key to users, whose rows are distributed. Rows of users are never deleted, so the
-- constraint refused nothing.
--
-- Locks both tables for an instant.
ALTER TABLE import_runs DROP CONSTRAINT import_runs_user_id_fkey;
