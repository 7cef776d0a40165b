-- The purpose of this database. `serve` refuses a `dev` database, because its passwords are published,
-- and `dev` refuses every other database. The table has at most one row.
-- Distribution: reference table.

CREATE TABLE installation (
    -- Always true: the primary key allows one row only.
    singleton  boolean     NOT NULL DEFAULT true,
    -- `development`: created by `dev`. `production`: every other database.
    kind       text        NOT NULL,
    -- When the row was written.
    created_at timestamptz NOT NULL,
    CONSTRAINT installation_pkey PRIMARY KEY (singleton),
    CONSTRAINT installation_singleton_check CHECK (singleton),
    CONSTRAINT installation_kind_check CHECK (kind IN ('development', 'production'))
);
