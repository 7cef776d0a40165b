-- The place of each audit event in the stream of all events, which sinks receive (audit.sinks). A new
-- event takes the next number while the row of its user is locked, so the numbers of a user's events
-- rise with their sequences. Numbers of transactions that were rolled back stay unused. See
-- docs/adr/0084-audit-stream.md.
--
-- Adding the nullable column locks the table for a moment; nothing is rewritten. Instances of the
-- previous release keep working: their events get numbers, too. Each role that may write events gets
-- the privilege on the sequence at once, before `migrate` grants it.

ALTER TABLE audit_events
    -- The place in the stream, from 1; 0 and less for an event that is older than this column. Null
    -- while the next migration has not numbered it.
    ADD COLUMN position bigint;

CREATE SEQUENCE audit_events_position_seq AS bigint OWNED BY audit_events.position;

ALTER TABLE audit_events
    ALTER COLUMN position SET DEFAULT nextval('audit_events_position_seq');

DO $$
DECLARE
    writer name;
BEGIN
    FOR writer IN
        SELECT r.rolname
        FROM pg_class c, aclexplode(c.relacl) a, pg_roles r
        WHERE c.oid = 'audit_events'::regclass AND a.privilege_type = 'INSERT'
          AND r.oid = a.grantee AND a.grantee <> c.relowner
    LOOP
        EXECUTE format('GRANT USAGE ON SEQUENCE audit_events_position_seq TO %I', writer);
    END LOOP;
END
$$;
