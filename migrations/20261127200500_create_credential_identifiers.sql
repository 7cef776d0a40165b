-- The directory from an identifier (a SID, an OpenID subject) to its user. It is keyed by the
-- lookup value, so it has no foreign key to credentials: the statements that save, reseal and delete
-- credentials keep both tables consistent. credentials.identifier_digest leads from the credential
-- back to the row here.
-- Distribution: by digest.

CREATE TABLE credential_identifiers (
    -- The credential type of the identifier, as in credentials.
    credential_type text    NOT NULL,
    -- A keyed digest of the identifier: unique over all users, and useless without the keyring.
    digest          bytea   NOT NULL,
    -- The owner of the identifier.
    user_id         integer NOT NULL,
    CONSTRAINT credential_identifiers_pkey PRIMARY KEY (credential_type, digest),
    CONSTRAINT credential_identifiers_credential_type_check
        CHECK (char_length(credential_type) BETWEEN 1 AND 254),
    CONSTRAINT credential_identifiers_digest_check CHECK (octet_length(digest) = 32),
    CONSTRAINT credential_identifiers_user_id_check CHECK (user_id > 0)
);
