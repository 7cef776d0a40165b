-- Why: one sealed hash for each user and credential type, and the directory from an identifier
-- (a SID, an OpenID subject) to its user.
-- Locks: creates tables; nothing else is touched.

CREATE TABLE credentials (
    user_id           integer     NOT NULL,
    -- The canonical spelling of the configured type.
    credential_type   text        NOT NULL,
    -- The argon2id PHC string, encrypted; bound by its associated data to this row and version.
    sealed_hash       bytea       NOT NULL,
    -- The key of the keyring that seals it.
    key_id            text        NOT NULL,
    -- In the clear only so that "which rows are below today's target" is one query.
    -- The verifier never believes them.
    hash_scheme       text        NOT NULL,
    hash_memory_kib   integer     NOT NULL,
    hash_iterations   integer     NOT NULL,
    hash_parallelism  integer     NOT NULL,
    display_value     text        NOT NULL,
    -- The sequence of the audit event that wrote this row.
    version           bigint      NOT NULL,
    registered_at     timestamptz NOT NULL,
    -- Null: an operator's command.
    registered_by     integer,
    updated_at        timestamptz NOT NULL,
    updated_by        integer,
    CONSTRAINT credentials_pkey PRIMARY KEY (user_id, credential_type),
    CONSTRAINT credentials_user_id_fkey
        FOREIGN KEY (user_id) REFERENCES users (user_id) ON DELETE RESTRICT,
    CONSTRAINT credentials_credential_type_check
        CHECK (char_length(credential_type) BETWEEN 1 AND 254),
    CONSTRAINT credentials_sealed_hash_check CHECK (octet_length(sealed_hash) BETWEEN 42 AND 4096),
    CONSTRAINT credentials_key_id_check CHECK (char_length(key_id) BETWEEN 1 AND 64),
    CONSTRAINT credentials_hash_scheme_check CHECK (hash_scheme = 'argon2id'),
    CONSTRAINT credentials_hash_memory_kib_check CHECK (hash_memory_kib >= 8),
    CONSTRAINT credentials_hash_iterations_check CHECK (hash_iterations >= 1),
    CONSTRAINT credentials_hash_parallelism_check CHECK (hash_parallelism >= 1),
    CONSTRAINT credentials_display_value_check CHECK (char_length(display_value) <= 254),
    CONSTRAINT credentials_version_check CHECK (version >= 1)
);

CREATE TABLE credential_identifiers (
    credential_type text    NOT NULL,
    -- A keyed digest: unique over all users, and of no use without the keyring.
    digest          bytea   NOT NULL,
    user_id         integer NOT NULL,
    CONSTRAINT credential_identifiers_pkey PRIMARY KEY (credential_type, digest),
    CONSTRAINT credential_identifiers_user_key UNIQUE (user_id, credential_type, digest),
    CONSTRAINT credential_identifiers_credential_fkey
        FOREIGN KEY (user_id, credential_type)
        REFERENCES credentials (user_id, credential_type) ON DELETE CASCADE,
    CONSTRAINT credential_identifiers_digest_check CHECK (octet_length(digest) = 32)
);
