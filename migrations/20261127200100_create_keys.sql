-- The keys of the keyring that this database was written with. A process compares them with its
-- keyring when it starts, so that a wrong keyring is found then and not at the first login.
-- Distribution: reference table.

CREATE TABLE keys (
    -- The id of the key in the keyring.
    key_id        text        NOT NULL,
    -- A MAC under the key over a fixed text; it proves that the keyring holds the same key.
    check_mac     bytea       NOT NULL,
    -- When a process first wrote with the key.
    first_used_at timestamptz NOT NULL,
    -- When the key was retired; from then on the keyring may omit it. Null: in use.
    retired_at    timestamptz,
    CONSTRAINT keys_pkey PRIMARY KEY (key_id),
    CONSTRAINT keys_key_id_check CHECK (char_length(key_id) BETWEEN 1 AND 64),
    CONSTRAINT keys_check_mac_check CHECK (octet_length(check_mac) = 32)
);
