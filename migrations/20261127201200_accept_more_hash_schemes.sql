-- Imports accept scrypt, SHA-crypt and Django's bcrypt over SHA-256, and argon2id over functions
-- that are fast or weak.
--
-- Locks `credentials` against reading and writing while it reads each row once to check it. The new
-- constraints allow all that the former ones did, so instances of the previous release keep
-- working. They cannot read the new schemes: replace every instance before the first import.
ALTER TABLE credentials
    DROP CONSTRAINT credentials_hash_scheme_check,
    DROP CONSTRAINT credentials_hash_memory_kib_check,
    DROP CONSTRAINT credentials_hash_iterations_check,
    ADD CONSTRAINT credentials_hash_scheme_check CHECK (hash_scheme IN (
        'argon2id', 'argon2i', 'argon2d', 'bcrypt', 'bcrypt-sha256',
        'pbkdf2-sha1', 'pbkdf2-sha256', 'pbkdf2-sha512', 'scrypt', 'firebase-scrypt',
        'sha256-crypt', 'sha512-crypt', 'argon2id-over-digest', 'argon2id-over-md5-crypt',
        'argon2id-over-sha-crypt', 'argon2id-over-phpass', 'argon2id-over-pbkdf2'
    )),
    -- The service computes the time of a refused login from these columns, so they are bounded:
    -- at most 4 GiB of memory, and 16 GiB over all passes.
    ADD CONSTRAINT credentials_hash_memory_kib_check CHECK (
        CASE WHEN hash_scheme LIKE 'argon2%' OR hash_scheme LIKE '%scrypt'
             THEN hash_memory_kib BETWEEN 8 AND 4194304
             ELSE hash_memory_kib = 0 END
    ),
    ADD CONSTRAINT credentials_hash_iterations_check CHECK (
        hash_iterations BETWEEN 1 AND
            CASE WHEN hash_scheme LIKE 'bcrypt%' THEN 31
                 WHEN hash_scheme LIKE 'pbkdf2%' OR hash_scheme LIKE 'sha%' THEN 10000000
                 ELSE 16777216 / greatest(hash_memory_kib, 1) END
    );
