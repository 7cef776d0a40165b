-- Requests for a mail that somebody who did not sign in sends after the user has had enough mails leave
-- a row, which counts for the network only. They are marked, so that they are not read when the mails
-- of the user are counted: there may be any number of them.
--
-- Locks `password_mails`, which is small, while it marks the rows of a day and builds the index. An earlier version that runs
-- beside this one marks no row: its refused requests count as mails for an hour.
ALTER TABLE password_mails ADD COLUMN is_refused boolean NOT NULL DEFAULT false;

UPDATE password_mails SET is_refused = true
WHERE user_id > 0 AND network_digest IS NOT NULL AND finished_at = requested_at;

-- The recent mails of one user.
CREATE INDEX password_mails_user_id_idx ON password_mails (user_id, requested_at)
    WHERE NOT is_refused;
