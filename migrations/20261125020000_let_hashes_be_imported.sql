-- Why: hashes that other systems made are verified as they are until their owner logs in.
-- Locks: the table for a moment; the new constraints are checked against the rows that are there.
-- The release before this one does not open an imported hash, and refuses it like a wrong password.

ALTER TABLE credentials
    DROP CONSTRAINT credentials_hash_scheme_check,
    ADD CONSTRAINT credentials_hash_scheme_check CHECK (hash_scheme IN (
        'argon2id', 'argon2i', 'argon2d', 'bcrypt', 'pbkdf2-sha1', 'pbkdf2-sha256', 'pbkdf2-sha512'
    )),
    DROP CONSTRAINT credentials_hash_memory_kib_check,
    -- Only argon2 has memory that counts.
    ADD CONSTRAINT credentials_hash_memory_kib_check CHECK (
        CASE WHEN hash_scheme LIKE 'argon2%' THEN hash_memory_kib >= 8 ELSE hash_memory_kib = 0 END
    );
