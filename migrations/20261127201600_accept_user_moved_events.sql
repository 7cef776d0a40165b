-- Users of an old system move at their first login (migration.hook_url), which is an audit event of its
-- own. Locks audit_events against writes while every row is checked, which takes about a second for a
-- million events.
ALTER TABLE audit_events
    DROP CONSTRAINT audit_events_kind_check,
    ADD CONSTRAINT audit_events_kind_check CHECK (kind IN (
        'user_added', 'user_changed', 'user_moved', 'user_retired', 'user_reactivated',
        'user_deleted', 'administrator_granted', 'administrator_revoked',
        'credential_saved', 'credential_deleted', 'credential_unlocked', 'sessions_ended',
        'ticket_issued', 'ticket_ended', 'session_started', 'session_ended'
    ));
