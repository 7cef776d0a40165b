-- When an operator last proved that a copy of the key exists outside the service. `doctor` notes a
-- writing key without such a copy.
--
-- Adding the nullable column locks the table for a moment; nothing is rewritten. Instances of the
-- previous release do not use it.

ALTER TABLE keys
    -- When `keys confirm-backup` last opened a copy with this key. Null: never.
    ADD COLUMN backup_confirmed_at timestamptz;
