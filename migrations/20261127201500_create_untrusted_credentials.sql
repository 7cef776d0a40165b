-- Untrusted credentials: secrets that users keep for other systems, such as mail servers. The
-- service gives them back, so they are encrypted and not hashed. They never log anybody in: no
-- statement of a login reads this table.
--
-- Instances of the previous release keep working. A user whom such an instance deletes keeps rows
-- here, which no call can reach: replace every instance before the first save.
-- Distribution: by user_id, colocated with users.

CREATE TABLE untrusted_credentials (
    -- The owner.
    user_id         integer     NOT NULL,
    -- The kind of the other system, chosen by clients, in its canonical form (NFKC, case-folded).
    credential_type text        NOT NULL,
    -- Tells the credentials of a type apart, for example a server with an account.
    public_value    text        NOT NULL,
    -- The encrypted secret, padded to one length. Its associated data binds it to all other columns.
    sealed_secret   bytea       NOT NULL,
    -- The key of the keyring that sealed_secret is sealed under.
    key_id          text        NOT NULL,
    -- A text of the owner. Empty: none.
    comment         text        NOT NULL,
    -- False: programs must not use the credential.
    is_active       boolean     NOT NULL,
    -- Programs may use the credential from this moment on. Null: no start.
    valid_from      timestamptz,
    -- Programs may use the credential until this moment. Null: no end.
    valid_to        timestamptz,
    -- The sequence of the audit event that wrote the credential, which says who and when.
    version         bigint      NOT NULL,
    CONSTRAINT untrusted_credentials_pkey PRIMARY KEY (user_id, credential_type, public_value),
    CONSTRAINT untrusted_credentials_user_id_fkey
        FOREIGN KEY (user_id) REFERENCES users (user_id) ON DELETE RESTRICT,
    CONSTRAINT untrusted_credentials_credential_type_check
        CHECK (char_length(credential_type) BETWEEN 1 AND 254),
    CONSTRAINT untrusted_credentials_public_value_check
        CHECK (char_length(public_value) BETWEEN 1 AND 238),
    CONSTRAINT untrusted_credentials_sealed_secret_check CHECK (octet_length(sealed_secret) = 325),
    CONSTRAINT untrusted_credentials_key_id_check CHECK (char_length(key_id) BETWEEN 1 AND 64),
    CONSTRAINT untrusted_credentials_comment_check CHECK (char_length(comment) <= 255),
    CONSTRAINT untrusted_credentials_valid_to_check CHECK (valid_from < valid_to),
    CONSTRAINT untrusted_credentials_version_check
        CHECK (version BETWEEN 1 AND 4611686018427387904)
);
