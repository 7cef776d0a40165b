-- Why: users change, retire and go. A deleted user leaves a tombstone: the row with its id, which is
-- never given again, and the chain that says what happened; names and everything else are gone.
-- Locks: both tables for a moment; the new constraints are checked against the rows that are there.
-- The release before this one takes a tombstone for a retired user without a name; as long as an
-- instance of it runs, an administrator can still save a credential for one there, by its id.

ALTER TABLE users
    ADD COLUMN deleted_at timestamptz,
    DROP CONSTRAINT users_login_name_check,
    ADD CONSTRAINT users_login_name_check CHECK (
        CASE WHEN deleted_at IS NULL THEN char_length(login_name) BETWEEN 1 AND 239
             ELSE login_name = '' END
    ),
    DROP CONSTRAINT users_display_name_check,
    ADD CONSTRAINT users_display_name_check CHECK (
        CASE WHEN deleted_at IS NULL THEN char_length(display_name) BETWEEN 1 AND 254
             ELSE display_name = '' END
    ),
    ADD CONSTRAINT users_deleted_at_check
        CHECK (deleted_at IS NULL OR (is_retired AND NOT is_administrator));

ALTER TABLE audit_events
    DROP CONSTRAINT audit_events_kind_check,
    ADD CONSTRAINT audit_events_kind_check CHECK (kind IN (
        'user_added', 'user_changed', 'user_retired', 'user_reactivated', 'user_deleted',
        'administrator_granted', 'administrator_revoked',
        'credential_saved', 'credential_deleted', 'sessions_ended'
    ));
