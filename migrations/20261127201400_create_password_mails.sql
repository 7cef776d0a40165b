-- The queue of mails that let a user choose a new password, and the links in these mails. Neither
-- contains a token or an address: a token is made for each delivery, and only its digest is kept.
-- Distribution: both tables by user_id, colocated with users.

CREATE TABLE password_mails (
    -- The user that the request names. No foreign key: a request for an unknown id leaves a row, too,
    -- so that its answer takes as long.
    user_id         integer     NOT NULL,
    mail_id         bigint      GENERATED ALWAYS AS IDENTITY,
    -- users.session_epoch at the request. A change of the password ends the request.
    session_epoch   bigint      NOT NULL,
    -- The tag of the language of the mail.
    language        text        NOT NULL,
    -- The request, for the audit events of the delivery.
    request_id      text        NOT NULL,
    requested_at    timestamptz NOT NULL,
    -- The number of deliveries that were started.
    attempts        integer     NOT NULL DEFAULT 0,
    -- When the next delivery may start. A delivery in progress moves it beyond its time limit, so that
    -- another instance takes over after a crash.
    next_attempt_at timestamptz NOT NULL,
    -- A keyed digest of the recipient's address, which limits the mails to it.
    address_digest  bytea,
    -- `sent`, `failed`, or `dropped` if there is nobody to send it to; null while it waits.
    outcome         text,
    finished_at     timestamptz,
    CONSTRAINT password_mails_pkey PRIMARY KEY (user_id, mail_id),
    CONSTRAINT password_mails_session_epoch_check CHECK (session_epoch >= 0),
    CONSTRAINT password_mails_language_check CHECK (char_length(language) BETWEEN 2 AND 8),
    CONSTRAINT password_mails_request_id_check CHECK (char_length(request_id) BETWEEN 1 AND 64),
    CONSTRAINT password_mails_attempts_check CHECK (attempts >= 0),
    CONSTRAINT password_mails_address_digest_check CHECK (octet_length(address_digest) = 32),
    CONSTRAINT password_mails_outcome_check CHECK (outcome IN ('sent', 'failed', 'dropped')),
    CONSTRAINT password_mails_finished_at_check CHECK ((outcome IS NULL) = (finished_at IS NULL))
);

-- The order of deliveries.
CREATE INDEX password_mails_next_attempt_at_idx ON password_mails (next_attempt_at)
    WHERE outcome IS NULL;
-- The order in which the sweeper deletes finished rows.
CREATE INDEX password_mails_finished_at_idx ON password_mails (finished_at);
-- The recent mails to one address.
CREATE INDEX password_mails_address_digest_idx ON password_mails (address_digest, requested_at);

CREATE TABLE password_links (
    -- The user whose password the link sets.
    user_id        integer     NOT NULL,
    -- A keyed digest of the token in the link.
    digest         bytea       NOT NULL,
    -- A keyed digest of the address that the mail went to. A link to another address than the user's
    -- current one is invalid.
    address_digest bytea       NOT NULL,
    -- users.session_epoch at the request. A link of another epoch is invalid.
    session_epoch  bigint      NOT NULL,
    created_at     timestamptz NOT NULL,
    expires_at     timestamptz NOT NULL,
    CONSTRAINT password_links_pkey PRIMARY KEY (user_id, digest),
    CONSTRAINT password_links_user_id_fkey
        FOREIGN KEY (user_id) REFERENCES users (user_id) ON DELETE RESTRICT,
    CONSTRAINT password_links_digest_check CHECK (octet_length(digest) = 32),
    CONSTRAINT password_links_address_digest_check CHECK (octet_length(address_digest) = 32),
    CONSTRAINT password_links_session_epoch_check CHECK (session_epoch >= 0),
    CONSTRAINT password_links_expires_at_check CHECK (expires_at > created_at)
);

-- The order in which the sweeper deletes expired links.
CREATE INDEX password_links_expires_at_idx ON password_links (expires_at);
