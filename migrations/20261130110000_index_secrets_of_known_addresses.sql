-- The order in which housekeeping empties the digests of tried secrets of known addresses, an hour after
-- the last failure, which then no longer counts.
--
-- Blocks attempts while it is built; the table has at most a few rows for each user.
CREATE INDEX known_addresses_counted_secrets_idx ON known_addresses (last_failed_at)
    WHERE last_succeeded_at IS NOT NULL AND counted_secrets <> '{}';
