-- Users get the vendor's person, role and EJ user ids, which the service stores as it receives them,
-- and a nickname, which is unique.
--
-- Locks `users` against reading and writing while it reads each row to check it, about one second for
-- each million users. Instances of the previous release keep working. They refuse to delete a user who
-- already has one of the new values: replace every instance before clients send them.

ALTER TABLE users
    -- The vendor's id of the person. 0: none.
    ADD COLUMN person_id           integer NOT NULL DEFAULT 0,
    -- The vendor's id of the role; it gives no rights. 0: none.
    ADD COLUMN role_id             integer NOT NULL DEFAULT 0,
    -- The vendor's id of the user in its customer service system (EJ). 0: none.
    ADD COLUMN ej_user_id          integer NOT NULL DEFAULT 0,
    -- The nickname as it was entered. Empty: none.
    ADD COLUMN nick_name           text    NOT NULL DEFAULT '',
    -- The canonical form of the nickname (NFKC, case-folded): the key of the user's row in nick_names.
    ADD COLUMN canonical_nick_name text    NOT NULL DEFAULT '',
    ADD CONSTRAINT users_person_id_check
        CHECK (person_id >= 0 AND (deleted_at IS NULL OR person_id = 0)),
    ADD CONSTRAINT users_role_id_check
        CHECK (role_id >= 0 AND (deleted_at IS NULL OR role_id = 0)),
    ADD CONSTRAINT users_ej_user_id_check
        CHECK (ej_user_id >= 0 AND (deleted_at IS NULL OR ej_user_id = 0)),
    ADD CONSTRAINT users_nick_name_check CHECK (
        char_length(nick_name) <= 239 AND (deleted_at IS NULL OR nick_name = '')
    ),
    ADD CONSTRAINT users_canonical_nick_name_check CHECK (
        char_length(canonical_nick_name) <= 239
        AND (canonical_nick_name = '') = (nick_name = '')
    );

-- Several users can have the same id. No save of a credential changes an indexed column, so saves stay
-- HOT.
CREATE INDEX users_by_person_id ON users (person_id, user_id) WHERE person_id > 0;
CREATE INDEX users_by_ej_user_id ON users (ej_user_id, user_id) WHERE ej_user_id > 0;

-- The directory from a nickname to its user. It is keyed by the lookup value, so it has no foreign key
-- to users: the statements that add, change and delete users keep both tables consistent.
-- users.canonical_nick_name leads from the user back to the row here.
-- Distribution: by canonical_name.

CREATE TABLE nick_names (
    -- NFKC and case-folded. The primary key makes nicknames unique.
    canonical_name text    NOT NULL,
    -- The user with that nickname.
    user_id        integer NOT NULL,
    CONSTRAINT nick_names_pkey PRIMARY KEY (canonical_name),
    CONSTRAINT nick_names_canonical_name_check
        CHECK (char_length(canonical_name) BETWEEN 1 AND 239),
    CONSTRAINT nick_names_user_id_check CHECK (user_id > 0)
);
