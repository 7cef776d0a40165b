-- The imports that administrators started with a page: one at a time in the installation. The instance
-- that runs an import writes its progress every two seconds, so that every other one can show it. The file
-- and the result of each line are in the memory of that instance only. No column has a value of the file.
-- Distribution: a reference table.
-- Locks nothing: the table is new.

CREATE TABLE import_runs (
    -- The id of the form that brought the file.
    import_id   text        NOT NULL,
    -- As in `activity_minutes`.
    instance_id text        NOT NULL,
    -- The administrator who started it.
    user_id     integer     NOT NULL,
    is_dry_run  boolean     NOT NULL,
    started_at  timestamptz NOT NULL,
    -- When the instance wrote this row last. One in progress that was not seen for long has stopped.
    seen_at     timestamptz NOT NULL,
    state       text        NOT NULL,
    -- An administrator has canceled it; the instance stops it when it writes the row.
    is_canceled boolean     NOT NULL DEFAULT false,
    -- Why the whole file was refused.
    detail      text,
    -- Number of bytes of the file that were read, and of all of them.
    read_bytes  bigint      NOT NULL DEFAULT 0,
    file_bytes  bigint      NOT NULL DEFAULT 0,
    -- Numbers of lines.
    added       bigint      NOT NULL DEFAULT 0,
    changed     bigint      NOT NULL DEFAULT 0,
    failed      bigint      NOT NULL DEFAULT 0,
    -- The first lines that failed, as JSON: number, member and reason.
    failures    text        NOT NULL DEFAULT '[]',
    CONSTRAINT import_runs_pkey PRIMARY KEY (import_id),
    CONSTRAINT import_runs_user_id_fkey FOREIGN KEY (user_id) REFERENCES users,
    CONSTRAINT import_runs_import_id_check CHECK (char_length(import_id) = 36),
    CONSTRAINT import_runs_instance_id_check CHECK (char_length(instance_id) BETWEEN 1 AND 80),
    CONSTRAINT import_runs_state_check CHECK (state IN (
        'checking', 'running', 'completed', 'canceled', 'refused', 'right_lost', 'unavailable'
    )),
    CONSTRAINT import_runs_detail_check CHECK (char_length(detail) BETWEEN 1 AND 1000),
    CONSTRAINT import_runs_figures_check
        CHECK (least(read_bytes, file_bytes, added, changed, failed) >= 0),
    CONSTRAINT import_runs_failures_check CHECK (octet_length(failures) <= 131072)
);
