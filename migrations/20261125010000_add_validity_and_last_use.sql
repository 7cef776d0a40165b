-- Why: a credential may begin and end by itself, and tells when it was last used to log in and how.
-- Validity is part of what its hash is sealed to, so that nobody who can only write here makes an
-- ended credential count again.
-- Locks: the table for a moment; new columns without a default rewrite nothing. The release before
-- this one does not open a credential that has a validity; one that it replaces meanwhile keeps the span
-- without being sealed to it, and has to be saved again. Set no validity until it is gone.

ALTER TABLE credentials
    -- Null: since ever, for ever.
    ADD COLUMN valid_from timestamptz,
    ADD COLUMN valid_to timestamptz,
    -- At most once a minute, and not at all under load.
    ADD COLUMN last_used_at timestamptz,
    ADD COLUMN last_used_scheme text,
    ADD COLUMN last_used_address text,
    ADD CONSTRAINT credentials_valid_to_check CHECK (valid_from < valid_to),
    ADD CONSTRAINT credentials_last_used_scheme_check
        CHECK (last_used_scheme IN ('basic', 'bearer', 'session')),
    ADD CONSTRAINT credentials_last_used_at_check
        CHECK ((last_used_at IS NULL) = (last_used_scheme IS NULL)),
    -- Free space keeps a note of use on its page.
    SET (fillfactor = 90);
