-- The directory from a login name to its user. It is keyed by the lookup value, so it has no foreign
-- key to users: the statements that add, rename and delete users keep both tables consistent.
-- users.canonical_name leads from the user back to the row here.
-- Distribution: by canonical_name.

CREATE TABLE login_names (
    -- NFKC and case-folded. The primary key makes login names unique.
    canonical_name text    NOT NULL,
    -- The user with that name.
    user_id        integer NOT NULL,
    CONSTRAINT login_names_pkey PRIMARY KEY (canonical_name),
    CONSTRAINT login_names_canonical_name_check
        CHECK (char_length(canonical_name) BETWEEN 1 AND 239),
    CONSTRAINT login_names_user_id_check CHECK (user_id > 0)
);
