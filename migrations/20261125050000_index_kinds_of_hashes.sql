-- Why: which kinds of hashes there are is asked again and again: a refused login takes as long as
-- the dearest of them does. With this index each kind is one step, however many rows it has.
-- Locks: writing credentials, while the index is made.

CREATE INDEX credentials_hash_idx
    ON credentials (hash_scheme, hash_memory_kib, hash_iterations, hash_parallelism);
