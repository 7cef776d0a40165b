-- Mails with a link for a new password that somebody asks for who did not sign in. `anonymous` is the
-- scheme of the audit event of such a request.
--
-- Locks `audit_events` against reading and writing while it reads each row once to check it, which
-- takes about a second for a million events. The new constraint allows all that the former one did.
-- Locks `password_mails`, which is small, while it builds the index.
ALTER TABLE audit_events
    DROP CONSTRAINT audit_events_scheme_check,
    ADD CONSTRAINT audit_events_scheme_check CHECK (scheme IN (
        'basic', 'so_ticket', 'bearer', 'session', 'command', 'password_link', 'service',
        'anonymous'
    ));

-- A keyed digest of the network of a client who did not sign in, which limits the requests from it.
ALTER TABLE password_mails
    ADD COLUMN network_digest bytea,
    ADD CONSTRAINT password_mails_network_digest_check CHECK (octet_length(network_digest) = 32);

-- The recent requests from one network.
CREATE INDEX password_mails_network_digest_idx ON password_mails (network_digest, requested_at)
    WHERE network_digest IS NOT NULL;
