-- Why: some columns are in the clear so that questions about many rows are one query, and something is
-- computed from them. A row with a cost of two thousand million iterations kept a thread measuring it
-- for ever. What no release has written is refused.
-- Locks: users and credentials, while their rows are checked against the new constraints.

ALTER TABLE credentials
    DROP CONSTRAINT credentials_hash_memory_kib_check,
    DROP CONSTRAINT credentials_hash_iterations_check,
    DROP CONSTRAINT credentials_hash_parallelism_check,
    -- Only argon2 has memory that counts: 4 GiB at most.
    ADD CONSTRAINT credentials_hash_memory_kib_check CHECK (
        CASE WHEN hash_scheme LIKE 'argon2%' THEN hash_memory_kib BETWEEN 8 AND 4194304
             ELSE hash_memory_kib = 0 END
    ),
    -- Of bcrypt the exponent, of PBKDF2 the rounds, of argon2 the passes: 16 GiB in all at most.
    ADD CONSTRAINT credentials_hash_iterations_check CHECK (
        hash_iterations BETWEEN 1 AND
            CASE WHEN hash_scheme = 'bcrypt' THEN 31
                 WHEN hash_scheme LIKE 'pbkdf2%' THEN 10000000
                 ELSE 16777216 / greatest(hash_memory_kib, 1) END
    ),
    ADD CONSTRAINT credentials_hash_parallelism_check
        CHECK (hash_parallelism BETWEEN 1 AND 16777215),
    ADD CONSTRAINT credentials_version_limit_check CHECK (version <= 4611686018427387904);

-- Half of what a bigint holds: each change adds one.
ALTER TABLE users
    ADD CONSTRAINT users_session_epoch_limit_check CHECK (session_epoch <= 4611686018427387904),
    ADD CONSTRAINT users_audit_sequence_limit_check CHECK (audit_sequence <= 4611686018427387904);
