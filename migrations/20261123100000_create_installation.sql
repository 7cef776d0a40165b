-- Why: `serve` must refuse the database of a trial (`dev`), whose passwords are published, and
-- `dev` must refuse any other. One row says which of the two this database is.
-- Locks: creates a table; nothing else is touched.

CREATE TABLE installation (
    singleton  boolean     NOT NULL DEFAULT true,
    kind       text        NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT installation_pkey PRIMARY KEY (singleton),
    CONSTRAINT installation_singleton_check CHECK (singleton),
    CONSTRAINT installation_kind_check CHECK (kind IN ('development', 'production'))
);
