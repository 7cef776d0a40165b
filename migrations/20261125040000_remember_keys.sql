-- Why: a keyring that is not the one this database was written with must be found when a process
-- starts, not when somebody logs in.
-- Locks: creates a table; nothing else is touched. The release before this one leaves it empty.

CREATE TABLE keys (
    key_id        text        NOT NULL,
    -- Only the right key can make it.
    check_mac     bytea       NOT NULL,
    first_used_at timestamptz NOT NULL,
    -- From then on the keyring may do without it.
    retired_at    timestamptz,
    CONSTRAINT keys_pkey PRIMARY KEY (key_id),
    CONSTRAINT keys_key_id_check CHECK (char_length(key_id) BETWEEN 1 AND 64),
    CONSTRAINT keys_check_mac_check CHECK (octet_length(check_mac) = 32)
);
