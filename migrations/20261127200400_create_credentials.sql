-- The credentials: one sealed hash for each user and credential type.
-- Distribution: by user_id, colocated with users.

CREATE TABLE credentials (
    -- The owner.
    user_id           integer     NOT NULL,
    -- The configured spelling of the type.
    credential_type   text        NOT NULL,
    -- The encrypted PHC string of the hash. Its associated data binds it to this user, type, version
    -- and validity.
    sealed_hash       bytea       NOT NULL,
    -- The key of the keyring that sealed_hash is sealed under.
    key_id            text        NOT NULL,
    -- The keyed digest of an identifier (a SID, an OpenID subject): the key of its row in
    -- credential_identifiers. Null: the type is not an identifier type.
    identifier_digest bytea,
    -- Scheme and cost of the hash, in the clear so that "credentials below the current target" is one
    -- query. Verification trusts only the values inside sealed_hash.
    hash_scheme       text        NOT NULL,
    -- argon2: KiB. Other schemes: 0.
    hash_memory_kib   integer     NOT NULL,
    -- argon2: passes. bcrypt: the exponent. PBKDF2: rounds.
    hash_iterations   integer     NOT NULL,
    -- argon2: lanes. Other schemes: 1.
    hash_parallelism  integer     NOT NULL,
    -- The text shown instead of the secret.
    display_value     text        NOT NULL,
    -- The sequence of the audit event that wrote the credential.
    version           bigint      NOT NULL,
    -- When the user first got a credential of this type.
    registered_at     timestamptz NOT NULL,
    -- The user who registered it. Null: an operator's command.
    registered_by     integer,
    -- When the credential was last saved.
    updated_at        timestamptz NOT NULL,
    -- The user who saved it. Null: an operator's command.
    updated_by        integer,
    -- The credential is valid from this moment on. Null: no start.
    valid_from        timestamptz,
    -- The credential expires at this moment. Null: it does not expire.
    valid_to          timestamptz,
    -- The time of the last login with the credential. Written at most once a minute, and not at all
    -- while the row is locked.
    last_used_at      timestamptz,
    -- The authentication scheme of that login.
    last_used_scheme  text,
    -- The client address of that login. Null: none was involved.
    last_used_address text,
    CONSTRAINT credentials_pkey PRIMARY KEY (user_id, credential_type),
    CONSTRAINT credentials_user_id_fkey
        FOREIGN KEY (user_id) REFERENCES users (user_id) ON DELETE RESTRICT,
    CONSTRAINT credentials_credential_type_check
        CHECK (char_length(credential_type) BETWEEN 1 AND 254),
    CONSTRAINT credentials_sealed_hash_check CHECK (octet_length(sealed_hash) BETWEEN 42 AND 4096),
    CONSTRAINT credentials_key_id_check CHECK (char_length(key_id) BETWEEN 1 AND 64),
    CONSTRAINT credentials_identifier_digest_check CHECK (octet_length(identifier_digest) = 32),
    CONSTRAINT credentials_hash_scheme_check CHECK (hash_scheme IN (
        'argon2id', 'argon2i', 'argon2d', 'bcrypt', 'pbkdf2-sha1', 'pbkdf2-sha256', 'pbkdf2-sha512'
    )),
    -- The service computes the time of a refused login from these columns, so they are bounded:
    -- at most 4 GiB of memory, and 16 GiB over all passes.
    CONSTRAINT credentials_hash_memory_kib_check CHECK (
        CASE WHEN hash_scheme LIKE 'argon2%' THEN hash_memory_kib BETWEEN 8 AND 4194304
             ELSE hash_memory_kib = 0 END
    ),
    CONSTRAINT credentials_hash_iterations_check CHECK (
        hash_iterations BETWEEN 1 AND
            CASE WHEN hash_scheme = 'bcrypt' THEN 31
                 WHEN hash_scheme LIKE 'pbkdf2%' THEN 10000000
                 ELSE 16777216 / greatest(hash_memory_kib, 1) END
    ),
    CONSTRAINT credentials_hash_parallelism_check
        CHECK (hash_parallelism BETWEEN 1 AND 16777215),
    CONSTRAINT credentials_display_value_check CHECK (char_length(display_value) <= 254),
    CONSTRAINT credentials_version_check CHECK (version BETWEEN 1 AND 4611686018427387904),
    CONSTRAINT credentials_valid_to_check CHECK (valid_from < valid_to),
    CONSTRAINT credentials_last_used_scheme_check
        CHECK (last_used_scheme IN ('basic', 'bearer', 'session')),
    CONSTRAINT credentials_last_used_at_check
        CHECK ((last_used_at IS NULL) = (last_used_scheme IS NULL))
)
-- Free space keeps updates of last_used_at on their page (HOT).
WITH (fillfactor = 90);

-- Finds each combination of scheme and cost with one index step, however many rows have it: a refused
-- login takes as long as the slowest combination.
CREATE INDEX credentials_hash_idx
    ON credentials (hash_scheme, hash_memory_kib, hash_iterations, hash_parallelism);
