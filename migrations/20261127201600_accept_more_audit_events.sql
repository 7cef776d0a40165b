-- Audit events of mails with a link for a new password, of untrusted credentials, and of users who
-- move from an old system. `password_link` is the scheme of a user who has such a link, `service` that
-- of a delivery.
--
-- Locks `audit_events` against reading and writing while it reads each row once to check it, which
-- takes about a second for a million events. The new constraints allow all that the former ones did.
ALTER TABLE audit_events
    DROP CONSTRAINT audit_events_kind_check,
    DROP CONSTRAINT audit_events_scheme_check,
    ADD CONSTRAINT audit_events_kind_check CHECK (kind IN (
        'user_added', 'user_changed', 'user_moved', 'user_retired', 'user_reactivated',
        'user_deleted', 'administrator_granted', 'administrator_revoked',
        'credential_saved', 'credential_deleted', 'credential_unlocked', 'sessions_ended',
        'ticket_issued', 'ticket_ended', 'session_started', 'session_ended',
        'password_mail_requested', 'password_mail_sent', 'password_mail_failed',
        'untrusted_credential_saved', 'untrusted_credentials_read', 'untrusted_credential_removed'
    )),
    ADD CONSTRAINT audit_events_scheme_check CHECK (scheme IN (
        'basic', 'so_ticket', 'bearer', 'session', 'command', 'password_link', 'service'
    ));
