-- The administrators. Each change that takes the administrator right from a user looks for another
-- administrator, and must not read every user for it. No save changes an indexed column, so saves
-- stay HOT.
-- Locks: blocks writes to users while the index is built, about one second for each million users.

CREATE INDEX users_administrators ON users (user_id) WHERE is_administrator;
