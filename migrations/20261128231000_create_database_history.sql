-- What happened to this database as a whole: its creation, failovers and restores. The newest row tells
-- whether the service has seen these tables before. A dump that is restored has other object ids, and
-- its rows were written by another transaction than the one that each row names. Rows are only added.
-- See docs/adr/0074-restored-databases.md.
--
-- Locks nothing but the new table. Instances of the previous release keep working, and do not notice a
-- restore.
-- Distribution: local table of one node.

CREATE TABLE database_history (
    -- Numbers the rows, from 1.
    entry             bigint      NOT NULL,
    -- `created`: a migration created this table. `identified`: the server tells more about itself than
    -- before. `promoted`: a failover to a standby. `copied`: a dump was restored. `rewound`: the server
    -- was restored to an earlier moment. `declared`: an operator ran `restore finish`.
    cause             text        NOT NULL,
    noted_at          timestamptz NOT NULL,
    -- True: everything that was issued for an authentication before noted_at is invalid.
    ends_sessions     boolean     NOT NULL,
    -- The transaction that wrote the row. A copy of the row has another one in its system column xmin.
    written_by        xid8        NOT NULL,
    -- pg_database.oid and pg_class.oid of this table.
    database_oid      bigint      NOT NULL,
    table_oid         bigint      NOT NULL,
    -- The identifier of the server's data directory. Null: the server does not tell it.
    system_identifier bigint,
    -- The timeline of the write-ahead log. Null: the server does not tell it.
    timeline          integer,
    CONSTRAINT database_history_pkey PRIMARY KEY (entry),
    CONSTRAINT database_history_entry_check CHECK (entry > 0),
    CONSTRAINT database_history_cause_check CHECK (
        cause IN ('created', 'identified', 'promoted', 'copied', 'rewound', 'declared')
    ),
    CONSTRAINT database_history_ends_sessions_check CHECK (
        ends_sessions = (cause IN ('copied', 'rewound', 'declared'))
    )
);

-- A dump of an earlier release, restored and migrated: its rows of applied migrations come from one
-- transaction. A database that was migrated step by step has one transaction for each.
INSERT INTO database_history
    (entry, cause, noted_at, ends_sessions, written_by, database_oid, table_oid)
SELECT 1, CASE WHEN m.is_copy THEN 'copied' ELSE 'created' END, date_trunc('second', now()), m.is_copy,
       pg_current_xact_id(), d.oid, 'database_history'::regclass::oid
FROM pg_database d,
     (SELECT count(*) > 1 AND count(DISTINCT xmin::text) = 1 AS is_copy FROM _sqlx_migrations) m
WHERE d.datname = current_database();

DELETE FROM tickets WHERE EXISTS (SELECT 1 FROM database_history WHERE ends_sessions);
DELETE FROM password_links WHERE EXISTS (SELECT 1 FROM database_history WHERE ends_sessions);
