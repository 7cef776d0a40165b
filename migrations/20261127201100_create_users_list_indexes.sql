-- The orders of the list of users (GET /api/v1/User). A page reads one range of an index for each
-- type and state of users, so that neither a filter nor deleted users make it read more than a page
-- of each. No save changes an indexed column, so saves stay HOT.
-- Locks: blocks writes to users while an index is built, about one second for each million users.

CREATE INDEX users_list_by_id ON users (user_type, is_retired, user_id)
    WHERE deleted_at IS NULL;

-- Collation C: the order of code points does not depend on the locale of the database, and a prefix is
-- a range.
CREATE INDEX users_list_by_name ON users (user_type, is_retired, canonical_name COLLATE "C")
    WHERE deleted_at IS NULL;
