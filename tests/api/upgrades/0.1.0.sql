CREATE TABLE public._sqlx_migrations (
    version bigint NOT NULL,
    description text NOT NULL,
    installed_on timestamp with time zone DEFAULT now() NOT NULL,
    success boolean NOT NULL,
    checksum bytea NOT NULL,
    execution_time bigint NOT NULL
);
CREATE TABLE public.address_failures (
    address_digest bytea NOT NULL,
    user_id integer NOT NULL,
    failures integer NOT NULL,
    last_failed_at timestamp with time zone NOT NULL,
    CONSTRAINT address_failures_address_digest_check CHECK ((octet_length(address_digest) = 32)),
    CONSTRAINT address_failures_failures_check CHECK ((failures >= 0)),
    CONSTRAINT address_failures_user_id_check CHECK ((user_id <> 0))
)
WITH (fillfactor='80');
CREATE TABLE public.audit_events (
    user_id integer NOT NULL,
    sequence bigint NOT NULL,
    occurred_at timestamp with time zone NOT NULL,
    kind text NOT NULL,
    actor_user_id integer,
    scheme text NOT NULL,
    address text,
    request_id text NOT NULL,
    credential_type text,
    session_epoch bigint NOT NULL,
    key_id text NOT NULL,
    mac bytea NOT NULL,
    CONSTRAINT audit_events_key_id_check CHECK (((char_length(key_id) >= 1) AND (char_length(key_id) <= 64))),
    CONSTRAINT audit_events_kind_check CHECK ((kind = ANY (ARRAY['user_added'::text, 'user_changed'::text, 'user_retired'::text, 'user_reactivated'::text, 'user_deleted'::text, 'administrator_granted'::text, 'administrator_revoked'::text, 'credential_saved'::text, 'credential_deleted'::text, 'credential_unlocked'::text, 'sessions_ended'::text, 'ticket_issued'::text, 'ticket_ended'::text, 'session_started'::text, 'session_ended'::text]))),
    CONSTRAINT audit_events_mac_check CHECK ((octet_length(mac) = 32)),
    CONSTRAINT audit_events_request_id_check CHECK (((char_length(request_id) >= 1) AND (char_length(request_id) <= 64))),
    CONSTRAINT audit_events_scheme_check CHECK ((scheme = ANY (ARRAY['basic'::text, 'so_ticket'::text, 'bearer'::text, 'session'::text, 'command'::text]))),
    CONSTRAINT audit_events_sequence_check CHECK ((sequence >= 1))
);
CREATE TABLE public.authentication_attempts (
    user_id integer NOT NULL,
    credential_type text NOT NULL,
    failures integer NOT NULL,
    tried bytea[] NOT NULL,
    throttle_failures integer NOT NULL,
    throttle_tried bytea[] NOT NULL,
    throttled_at timestamp with time zone NOT NULL,
    next_allowed_at timestamp with time zone,
    CONSTRAINT authentication_attempts_failures_check CHECK ((failures >= 0)),
    CONSTRAINT authentication_attempts_throttle_failures_check CHECK ((throttle_failures >= 0)),
    CONSTRAINT authentication_attempts_throttle_tried_check CHECK ((cardinality(throttle_tried) <= 16)),
    CONSTRAINT authentication_attempts_tried_check CHECK ((cardinality(tried) <= 16)),
    CONSTRAINT authentication_attempts_user_id_check CHECK ((user_id <> 0))
)
WITH (fillfactor='80');
CREATE TABLE public.credential_identifiers (
    credential_type text NOT NULL,
    digest bytea NOT NULL,
    user_id integer NOT NULL,
    CONSTRAINT credential_identifiers_credential_type_check CHECK (((char_length(credential_type) >= 1) AND (char_length(credential_type) <= 254))),
    CONSTRAINT credential_identifiers_digest_check CHECK ((octet_length(digest) = 32)),
    CONSTRAINT credential_identifiers_user_id_check CHECK ((user_id > 0))
);
CREATE TABLE public.credentials (
    user_id integer NOT NULL,
    credential_type text NOT NULL,
    sealed_hash bytea NOT NULL,
    key_id text NOT NULL,
    identifier_digest bytea,
    hash_scheme text NOT NULL,
    hash_memory_kib integer NOT NULL,
    hash_iterations integer NOT NULL,
    hash_parallelism integer NOT NULL,
    display_value text NOT NULL,
    version bigint NOT NULL,
    registered_at timestamp with time zone NOT NULL,
    registered_by integer,
    updated_at timestamp with time zone NOT NULL,
    updated_by integer,
    valid_from timestamp with time zone,
    valid_to timestamp with time zone,
    last_used_at timestamp with time zone,
    last_used_scheme text,
    last_used_address text,
    CONSTRAINT credentials_credential_type_check CHECK (((char_length(credential_type) >= 1) AND (char_length(credential_type) <= 254))),
    CONSTRAINT credentials_display_value_check CHECK ((char_length(display_value) <= 254)),
    CONSTRAINT credentials_hash_iterations_check CHECK (((hash_iterations >= 1) AND (hash_iterations <=
CASE
    WHEN (hash_scheme = 'bcrypt'::text) THEN 31
    WHEN (hash_scheme ~~ 'pbkdf2%'::text) THEN 10000000
    ELSE (16777216 / GREATEST(hash_memory_kib, 1))
END))),
    CONSTRAINT credentials_hash_memory_kib_check CHECK (
CASE
    WHEN (hash_scheme ~~ 'argon2%'::text) THEN ((hash_memory_kib >= 8) AND (hash_memory_kib <= 4194304))
    ELSE (hash_memory_kib = 0)
END),
    CONSTRAINT credentials_hash_parallelism_check CHECK (((hash_parallelism >= 1) AND (hash_parallelism <= 16777215))),
    CONSTRAINT credentials_hash_scheme_check CHECK ((hash_scheme = ANY (ARRAY['argon2id'::text, 'argon2i'::text, 'argon2d'::text, 'bcrypt'::text, 'pbkdf2-sha1'::text, 'pbkdf2-sha256'::text, 'pbkdf2-sha512'::text]))),
    CONSTRAINT credentials_identifier_digest_check CHECK ((octet_length(identifier_digest) = 32)),
    CONSTRAINT credentials_key_id_check CHECK (((char_length(key_id) >= 1) AND (char_length(key_id) <= 64))),
    CONSTRAINT credentials_last_used_at_check CHECK (((last_used_at IS NULL) = (last_used_scheme IS NULL))),
    CONSTRAINT credentials_last_used_scheme_check CHECK ((last_used_scheme = ANY (ARRAY['basic'::text, 'bearer'::text, 'session'::text]))),
    CONSTRAINT credentials_sealed_hash_check CHECK (((octet_length(sealed_hash) >= 42) AND (octet_length(sealed_hash) <= 4096))),
    CONSTRAINT credentials_valid_to_check CHECK ((valid_from < valid_to)),
    CONSTRAINT credentials_version_check CHECK (((version >= 1) AND (version <= '4611686018427387904'::bigint)))
)
WITH (fillfactor='90');
CREATE TABLE public.installation (
    singleton boolean DEFAULT true NOT NULL,
    kind text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT installation_kind_check CHECK ((kind = ANY (ARRAY['development'::text, 'production'::text]))),
    CONSTRAINT installation_singleton_check CHECK (singleton)
);
CREATE TABLE public.keys (
    key_id text NOT NULL,
    check_mac bytea NOT NULL,
    first_used_at timestamp with time zone NOT NULL,
    retired_at timestamp with time zone,
    CONSTRAINT keys_check_mac_check CHECK ((octet_length(check_mac) = 32)),
    CONSTRAINT keys_key_id_check CHECK (((char_length(key_id) >= 1) AND (char_length(key_id) <= 64)))
);
CREATE TABLE public.known_addresses (
    user_id integer NOT NULL,
    address_digest bytea NOT NULL,
    failures integer NOT NULL,
    tried bytea[] NOT NULL,
    last_failed_at timestamp with time zone,
    last_succeeded_at timestamp with time zone,
    CONSTRAINT known_addresses_address_digest_check CHECK ((octet_length(address_digest) = 32)),
    CONSTRAINT known_addresses_failures_check CHECK ((failures >= 0)),
    CONSTRAINT known_addresses_last_failed_at_check CHECK (((last_failed_at IS NOT NULL) OR (last_succeeded_at IS NOT NULL))),
    CONSTRAINT known_addresses_tried_check CHECK ((cardinality(tried) <= 16)),
    CONSTRAINT known_addresses_user_id_check CHECK ((user_id <> 0))
)
WITH (fillfactor='80');
CREATE TABLE public.login_names (
    canonical_name text NOT NULL,
    user_id integer NOT NULL,
    CONSTRAINT login_names_canonical_name_check CHECK (((char_length(canonical_name) >= 1) AND (char_length(canonical_name) <= 239))),
    CONSTRAINT login_names_user_id_check CHECK ((user_id > 0))
);
CREATE TABLE public.tickets (
    user_id integer NOT NULL,
    digest bytea NOT NULL,
    kind text NOT NULL,
    session_epoch bigint NOT NULL,
    auth_time timestamp with time zone NOT NULL,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    CONSTRAINT tickets_digest_check CHECK ((octet_length(digest) = 32)),
    CONSTRAINT tickets_expires_at_check CHECK ((expires_at > created_at)),
    CONSTRAINT tickets_kind_check CHECK ((kind = ANY (ARRAY['ticket'::text, 'session'::text]))),
    CONSTRAINT tickets_session_epoch_check CHECK ((session_epoch >= 0))
);
CREATE TABLE public.users (
    user_id integer NOT NULL,
    login_name text NOT NULL,
    canonical_name text NOT NULL,
    display_name text NOT NULL,
    user_type text NOT NULL,
    is_administrator boolean NOT NULL,
    is_retired boolean DEFAULT false NOT NULL,
    session_epoch bigint DEFAULT 0 NOT NULL,
    audit_sequence bigint NOT NULL,
    audit_mac bytea NOT NULL,
    created_at timestamp with time zone NOT NULL,
    deleted_at timestamp with time zone,
    CONSTRAINT users_audit_mac_check CHECK ((octet_length(audit_mac) = 32)),
    CONSTRAINT users_audit_sequence_check CHECK (((audit_sequence >= 1) AND (audit_sequence <= '4611686018427387904'::bigint))),
    CONSTRAINT users_canonical_name_check CHECK (
CASE
    WHEN (deleted_at IS NULL) THEN ((char_length(canonical_name) >= 1) AND (char_length(canonical_name) <= 239))
    ELSE (canonical_name = ''::text)
END),
    CONSTRAINT users_deleted_at_check CHECK (((deleted_at IS NULL) OR (is_retired AND (NOT is_administrator)))),
    CONSTRAINT users_display_name_check CHECK (
CASE
    WHEN (deleted_at IS NULL) THEN ((char_length(display_name) >= 1) AND (char_length(display_name) <= 254))
    ELSE (display_name = ''::text)
END),
    CONSTRAINT users_login_name_check CHECK (
CASE
    WHEN (deleted_at IS NULL) THEN ((char_length(login_name) >= 1) AND (char_length(login_name) <= 239))
    ELSE (login_name = ''::text)
END),
    CONSTRAINT users_session_epoch_check CHECK (((session_epoch >= 0) AND (session_epoch <= '4611686018427387904'::bigint))),
    CONSTRAINT users_user_id_check CHECK ((user_id > 0)),
    CONSTRAINT users_user_type_check CHECK ((user_type = ANY (ARRAY['internal'::text, 'resource'::text, 'external'::text, 'anonymous'::text, 'system'::text])))
)
WITH (fillfactor='80');
ALTER TABLE public.users ALTER COLUMN user_id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.users_user_id_seq
    START WITH 1000
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
INSERT INTO public._sqlx_migrations VALUES (20261127200000, 'create installation', '2026-11-27 17:14:00.13006+00', true, '\xa286293090d90eee5ba56d07f460591c7f0d10887b11ca83a3e144eb3d87edfa9b100267f71ea544e8dce6d0f26ffe1c', 7351925);
INSERT INTO public._sqlx_migrations VALUES (20261127200100, 'create keys', '2026-11-27 17:14:00.14043+00', true, '\xb33f26d66fa99ac2863da56a591334eefda6f6270a23cc57ec70cecb1f118d67288b6d06b16737e03e3a1f09546e39b3', 8976909);
INSERT INTO public._sqlx_migrations VALUES (20261127200200, 'create users', '2026-11-27 17:14:00.149695+00', true, '\x075c5adfd87ebf5ba7db7d62acfb09814cee1a92283d239d355fd933273051f150337372439a0aadff758ee45ebc859b', 11722745);
INSERT INTO public._sqlx_migrations VALUES (20261127200300, 'create login names', '2026-11-27 17:14:00.161703+00', true, '\xf7d5e78358bbe9dd431bdc69d541403d88bb8a8bcc750922bcfd89733050a5653196fb20edd5228b6349537ea9cb2ec5', 11708624);
INSERT INTO public._sqlx_migrations VALUES (20261127200400, 'create credentials', '2026-11-27 17:14:00.173684+00', true, '\xc0fca76170af1e9727b4f5304df4457818be9a0a7144fd4daae9be086f14fea56aa5f7580865bdcb9ebffea09d8a872c', 19724458);
INSERT INTO public._sqlx_migrations VALUES (20261127200500, 'create credential identifiers', '2026-11-27 17:14:00.197433+00', true, '\x5d46d88dd1f754d8e78038daaba9ec5bc064f9cb4dc315d411e84e8db84b58e4943d706f9e6749b4d247b90043c78b30', 11988731);
INSERT INTO public._sqlx_migrations VALUES (20261127200600, 'create tickets', '2026-11-27 17:14:00.213404+00', true, '\x3ea9a251a09dc5aa5feeb8b224fb6f254c2a4d0499d3249846da68547f52fc54f92f8f5e86434f2634a64e66803f6beb', 12925608);
INSERT INTO public._sqlx_migrations VALUES (20261127200700, 'create audit events', '2026-11-27 17:14:00.229413+00', true, '\xda6791fa56ade2f8c6dcfb02d4a3062de415d9c3962b17b339ff99b028ebf2a784f33deadbfec21e3aefd37220fa5521', 11975872);
INSERT INTO public._sqlx_migrations VALUES (20261127200800, 'create authentication attempts', '2026-11-27 17:14:00.245415+00', true, '\x3f9a3b2a24a4a6972db403e30e65bdb3f0e9dc2f7fa907753548fcd433620dc0f8422dbb779e1b8865e4bed7ab0d82e8', 11429817);
INSERT INTO public._sqlx_migrations VALUES (20261127200900, 'create known addresses', '2026-11-27 17:14:00.257282+00', true, '\x048807b6ea356a1908991205577f76ca63366ec806be8362193ed9805602a8a1ae8e05362611ae55e50b33ba7caf1003', 20252176);
INSERT INTO public._sqlx_migrations VALUES (20261127201000, 'create address failures', '2026-11-27 17:14:00.283517+00', true, '\xdf24b6f766c24d54ac58ab0d271654f76bd0cd2cdf8b58e49d3a7e5927900bf2dd3fdbdaa2b92cada647f48c7ef8dd8f', 17964297);
INSERT INTO public.address_failures VALUES ('\x716a3184d99129d71feb8ea8732390326dd551848514597c76a43af61353a296', 1, 0, '2026-11-27 17:14:00.737085+00');
INSERT INTO public.address_failures VALUES ('\x716a3184d99129d71feb8ea8732390326dd551848514597c76a43af61353a296', 278, 1, '2026-11-27 17:14:00.926831+00');
INSERT INTO public.address_failures VALUES ('\x9edde44cfb658bc5c926377d8d63235feb71fa066c27f99da8f307918c8e9d4a', 278, 1, '2026-11-27 17:14:00.942504+00');
INSERT INTO public.address_failures VALUES ('\x716a3184d99129d71feb8ea8732390326dd551848514597c76a43af61353a296', -774435, 1, '2026-11-27 17:14:00.958483+00');
INSERT INTO public.address_failures VALUES ('\x9edde44cfb658bc5c926377d8d63235feb71fa066c27f99da8f307918c8e9d4a', -774435, 1, '2026-11-27 17:14:00.974426+00');
INSERT INTO public.audit_events VALUES (1, 1, '2026-11-27 17:14:00.395361+00', 'user_added', NULL, 'command', NULL, 'c24959a1-dab8-4a96-b8c7-997d323703b0', NULL, 0, 'd3183a253e95', '\xf45a60e36e1e0202abfcc53a4c1177351391ad199c584568c382dce0f8c7f3b8');
INSERT INTO public.audit_events VALUES (1, 2, '2026-11-27 17:14:00.395361+00', 'administrator_granted', NULL, 'command', NULL, 'c24959a1-dab8-4a96-b8c7-997d323703b0', NULL, 0, 'd3183a253e95', '\x93a70b74b624e5e2afcfe21b8524ad8b810081f51060f162e7273be8f4370ca1');
INSERT INTO public.audit_events VALUES (1, 3, '2026-11-27 17:14:00.395361+00', 'credential_saved', NULL, 'command', NULL, 'c24959a1-dab8-4a96-b8c7-997d323703b0', 'CRM5/PASSWORD', 1, 'd3183a253e95', '\x4a40ebe6f13ab6a7145ae9aa321c8334b187149e5cc1e5f6ba980962c14873ce');
INSERT INTO public.audit_events VALUES (278, 1, '2026-11-27 17:14:00.476607+00', 'user_added', NULL, 'command', NULL, 'adf4bc53-aa54-42ab-bfdf-edff353fdda2', NULL, 0, 'd3183a253e95', '\xa139f94b741ffe6e987be6d30f09a61361db9109efa9c6d4bb17c05b3d4a8e5e');
INSERT INTO public.audit_events VALUES (278, 2, '2026-11-27 17:14:00.476607+00', 'credential_saved', NULL, 'command', NULL, 'adf4bc53-aa54-42ab-bfdf-edff353fdda2', 'CRM5/PASSWORD', 1, 'd3183a253e95', '\x3e3e4e15c098d2dabf0d57a29ce88e358c8cebce67c7148017371374ed2c9e46');
INSERT INTO public.audit_events VALUES (300, 1, '2026-11-27 17:14:00.545302+00', 'user_added', NULL, 'command', NULL, '6eb33e51-5fb7-49eb-afb7-4c589fac45c6', NULL, 0, 'd3183a253e95', '\x7f38982ccda053a8deb51e4b7b6001418430e57fc04717a9c0423de506ad451f');
INSERT INTO public.audit_events VALUES (300, 2, '2026-11-27 17:14:00.545302+00', 'administrator_granted', NULL, 'command', NULL, '6eb33e51-5fb7-49eb-afb7-4c589fac45c6', NULL, 0, 'd3183a253e95', '\x7d85e0ca38c6aa6dc26b699b450bc65623f99c86929bbb5ccd76e6cbc5d24155');
INSERT INTO public.audit_events VALUES (300, 3, '2026-11-27 17:14:00.545302+00', 'credential_saved', NULL, 'command', NULL, '6eb33e51-5fb7-49eb-afb7-4c589fac45c6', 'CRM5/PASSWORD', 1, 'd3183a253e95', '\xf99efa049cca1c34da8d7dcf50ce8c71db8cce8e851a24a73c73082d25b24f7e');
INSERT INTO public.audit_events VALUES (300, 4, '2026-11-27 17:14:00.717164+00', 'user_retired', NULL, 'command', NULL, '9ce94a21-f55d-4107-8252-33f113c828e0', NULL, 2, 'd3183a253e95', '\xfe85555e4b21d97cf1ab8ff66166666e2430b29cc3bd85f1b8d882dd535614ad');
INSERT INTO public.audit_events VALUES (278, 3, '2026-11-27 17:14:00.768105+00', 'credential_saved', 1, 'basic', '127.0.0.1', 'd5636bc4-3fd1-475f-bdda-4a8247423236', 'ActiveDirectory', 1, 'd3183a253e95', '\xcf46053565fb405ae259d39e632e132474be8fdcc458d7fa1bf344f4e37496c6');
INSERT INTO public.audit_events VALUES (278, 4, '2026-11-27 17:14:00.806368+00', 'ticket_issued', 278, 'basic', '127.0.0.1', '40f4ff1f-83af-4dc1-a0a3-3e4cb6172a63', NULL, 1, 'd3183a253e95', '\x1a097ffeb0e3100d8edeeb89932a727909e2f860f9061320293dd0f3681e43b3');
INSERT INTO public.audit_events VALUES (278, 5, '2026-11-27 17:14:00.814439+00', 'session_started', 278, 'basic', '127.0.0.1', '9679f2b8-5f8f-4cc9-b39a-e1510c8fdc4b', NULL, 1, 'd3183a253e95', '\x2aaf69fcc39fc30088be4226a4d5f20b1ce345e6a5764f1d087719e8ed8ff279');
INSERT INTO public.audit_events VALUES (1000, 1, '2026-11-27 17:14:00.856588+00', 'user_added', NULL, 'command', NULL, '3b678c60-3ebb-48f2-9579-e36fd1f1665c', NULL, 0, 'd3183a253e95', '\x6b13e883e7ba1b2545835308443e0f15bf76cba7bee326cd972da96a0a728024');
INSERT INTO public.audit_events VALUES (1000, 2, '2026-11-27 17:14:00.856588+00', 'credential_saved', NULL, 'command', NULL, '3b678c60-3ebb-48f2-9579-e36fd1f1665c', 'CRM5/PASSWORD', 1, 'd3183a253e95', '\xb99e792044ceb430dad3b732d50c09972087dc23608fba422beb9b8c59e66bc4');
INSERT INTO public.audit_events VALUES (1000, 3, '2026-11-27 17:14:00.917905+00', 'user_deleted', NULL, 'command', NULL, 'e0db4105-1327-4114-b8fa-ad3b5d0e6ea3', NULL, 2, 'd3183a253e95', '\x07a30d42d1b3e14fcf4cb691be7c68b63c9bafeb7a7c6cd6cf82a6c6465cd8ca');
INSERT INTO public.authentication_attempts VALUES (1, 'CRM5/PASSWORD', 0, '{}', 0, '{}', '2026-11-27 17:14:00.737085+00', NULL);
INSERT INTO public.authentication_attempts VALUES (-774435, 'CRM5/PASSWORD', 2, '{"\\x19fda92fcd5e7a53762b554396a2c152","\\x308505d4e77c9e260cdb60e22043adb5"}', 2, '{"\\x19fda92fcd5e7a53762b554396a2c152","\\x308505d4e77c9e260cdb60e22043adb5"}', '2026-11-27 17:14:00.958483+00', NULL);
INSERT INTO public.authentication_attempts VALUES (278, 'CRM5/PASSWORD', 0, '{}', 1, '{"\\xc92bac8e9d4e448e046dc56f8a91789f"}', '2026-11-27 17:14:00.942504+00', NULL);
INSERT INTO public.credential_identifiers VALUES ('ActiveDirectory', '\xe5a8e74dce80a31e9f527bc424dfb108ef3200aa35b61fe04c0aac4238086d4d', 278);
INSERT INTO public.credentials VALUES (300, 'CRM5/PASSWORD', '\x013f123a40b317f68f6bc20d7ede8a43b7933585b8a80ddc15ade01717aff3238772f749c22b8bb820f572dbc03430fbf52a362cc6008204eb667e0390cf9117fb32f3c3ca572e669e5974b11c153f0dd53ce96e3c84742b590895af0b1a7a8c6b2bdfb7ed794e443791d64f53c5ea62dd8ca13dacee98c859f816eefb4466f54dfad152bd6c5c279e4ecc017e335462ea7b47', 'd3183a253e95', NULL, 'argon2id', 19456, 2, 1, 'rita', 3, '2026-11-27 17:14:00.545302+00', NULL, '2026-11-27 17:14:00.545302+00', NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.credentials VALUES (1, 'CRM5/PASSWORD', '\x015cf17fe201cba04553f929719758203dcfc2722cbb42a93781738bd293d1b2d8209f289a4f2585af01ed0ce88b459295f795048ec7d4c1c1b79617dfdd8c666f21d580e21933b747f4fb1f774228622ddc5ad029a091f127d168034e645666718aac849c04d4c21e297e0d0c3208ea3df495172ff7ff821e0c4bd7fd6572020fb0b59f33ee3ff35f95f6d653214724fdf5fd', 'd3183a253e95', NULL, 'argon2id', 19456, 2, 1, 'anna', 3, '2026-11-27 17:14:00.395361+00', NULL, '2026-11-27 17:14:00.395361+00', NULL, NULL, NULL, '2026-11-27 17:14:00.737085+00', 'basic', '127.0.0.1');
INSERT INTO public.credentials VALUES (278, 'ActiveDirectory', '\x01f3b780357b6989999bcc566320e06c17fce6cb90b28b53282f00f80c201e28cb51c7d6835d1b532418f455d4f05bc08eded32104134da29c7049cd821dc2d99338aaf9eefe8eadfbe43432ea8196f0d13e5bee0bfc4034d80d256daccd095e356b36a230f4829def9f1005f4f15dc6368bb909babd766099440a4b441882b4a20ec0942fa0dacb1ece69af511642047f2a81840d36a57b9250968112b0', 'd3183a253e95', '\xe5a8e74dce80a31e9f527bc424dfb108ef3200aa35b61fe04c0aac4238086d4d', 'argon2id', 19456, 2, 1, 'paul', 3, '2026-11-27 17:14:00.768105+00', 1, '2026-11-27 17:14:00.768105+00', 1, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.credentials VALUES (278, 'CRM5/PASSWORD', '\x01251cf1531dc3af70b3db1f578badb8f7244fbc3ee0d1dd010fb4441de3193c0a460f6a27278cdee8b294feeb7d8dc92de8a933076c9b222346fba4d5ed821fc0ee416c060e42f8bf672ff3cbe407e5b1e4c8feff86ae0075625642f2cfa3c0bc7c1a128f49d819a257dcd5adf5a486e05570816f7696ab12b08671ae42dde244c7c39e8aa872e66fdaa40af90ecceec784c6', 'd3183a253e95', NULL, 'argon2id', 19456, 2, 1, 'paul', 2, '2026-11-27 17:14:00.476607+00', NULL, '2026-11-27 17:14:00.476607+00', NULL, NULL, NULL, '2026-11-27 17:14:00.786535+00', 'basic', '127.0.0.1');
INSERT INTO public.keys VALUES ('d3183a253e95', '\x4879b991739671f108b50891c460937eac2d361d20c6e6876a84c6a7a70b35b1', '2026-11-27 17:14:00.365884+00', NULL);
INSERT INTO public.known_addresses VALUES (1, '\x716a3184d99129d71feb8ea8732390326dd551848514597c76a43af61353a296', 0, '{}', '2026-11-27 17:14:00.737085+00', '2026-11-27 17:14:00.737085+00');
INSERT INTO public.known_addresses VALUES (278, '\x9edde44cfb658bc5c926377d8d63235feb71fa066c27f99da8f307918c8e9d4a', 1, '{"\\xc92bac8e9d4e448e046dc56f8a91789f"}', '2026-11-27 17:14:00.942504+00', NULL);
INSERT INTO public.known_addresses VALUES (-774435, '\x716a3184d99129d71feb8ea8732390326dd551848514597c76a43af61353a296', 1, '{"\\x308505d4e77c9e260cdb60e22043adb5"}', '2026-11-27 17:14:00.958483+00', NULL);
INSERT INTO public.known_addresses VALUES (-774435, '\x9edde44cfb658bc5c926377d8d63235feb71fa066c27f99da8f307918c8e9d4a', 1, '{"\\x19fda92fcd5e7a53762b554396a2c152"}', '2026-11-27 17:14:00.974426+00', NULL);
INSERT INTO public.known_addresses VALUES (278, '\x716a3184d99129d71feb8ea8732390326dd551848514597c76a43af61353a296', 1, '{"\\x8c43d6396153319f2d012111feb4291e"}', '2026-11-27 17:14:00.926831+00', '2026-11-27 17:14:00.990414+00');
INSERT INTO public.login_names VALUES ('anna', 1);
INSERT INTO public.login_names VALUES ('paul', 278);
INSERT INTO public.login_names VALUES ('rita', 300);
INSERT INTO public.tickets VALUES (278, '\x2e58c44017b761a32c6fd37ea8834d539aa79f25828dba2cb4c863a52e09e9de', 'ticket', 1, '2026-11-27 17:14:00.786535+00', '2026-11-27 17:14:00.806368+00', '2026-11-27 23:14:00.806368+00');
INSERT INTO public.tickets VALUES (278, '\x1d5372f653e969fe16940bc2abe28e278d99b46f2080efacee7765c57d2c375a', 'session', 1, '2026-11-27 17:14:00.814439+00', '2026-11-27 17:14:00.814439+00', '2026-11-27 18:14:00.814439+00');
INSERT INTO public.users VALUES (1, 'anna', 'anna', 'anna', 'internal', true, false, 1, 3, '\x4a40ebe6f13ab6a7145ae9aa321c8334b187149e5cc1e5f6ba980962c14873ce', '2026-11-27 17:14:00.395361+00', NULL);
INSERT INTO public.users VALUES (300, 'rita', 'rita', 'rita', 'internal', true, true, 2, 4, '\xfe85555e4b21d97cf1ab8ff66166666e2430b29cc3bd85f1b8d882dd535614ad', '2026-11-27 17:14:00.545302+00', NULL);
INSERT INTO public.users VALUES (278, 'paul', 'paul', 'paul', 'internal', false, false, 1, 5, '\x2aaf69fcc39fc30088be4226a4d5f20b1ce345e6a5764f1d087719e8ed8ff279', '2026-11-27 17:14:00.476607+00', NULL);
INSERT INTO public.users VALUES (1000, '', '', '', 'internal', false, true, 2, 3, '\x07a30d42d1b3e14fcf4cb691be7c68b63c9bafeb7a7c6cd6cf82a6c6465cd8ca', '2026-11-27 17:14:00.856588+00', '2026-11-27 17:14:00.917905+00');
SELECT pg_catalog.setval('public.users_user_id_seq', 1000, true);
ALTER TABLE ONLY public._sqlx_migrations
    ADD CONSTRAINT _sqlx_migrations_pkey PRIMARY KEY (version);
ALTER TABLE ONLY public.address_failures
    ADD CONSTRAINT address_failures_pkey PRIMARY KEY (address_digest, user_id);
ALTER TABLE ONLY public.audit_events
    ADD CONSTRAINT audit_events_pkey PRIMARY KEY (user_id, sequence);
ALTER TABLE ONLY public.authentication_attempts
    ADD CONSTRAINT authentication_attempts_pkey PRIMARY KEY (user_id, credential_type);
ALTER TABLE ONLY public.credential_identifiers
    ADD CONSTRAINT credential_identifiers_pkey PRIMARY KEY (credential_type, digest);
ALTER TABLE ONLY public.credentials
    ADD CONSTRAINT credentials_pkey PRIMARY KEY (user_id, credential_type);
ALTER TABLE ONLY public.installation
    ADD CONSTRAINT installation_pkey PRIMARY KEY (singleton);
ALTER TABLE ONLY public.keys
    ADD CONSTRAINT keys_pkey PRIMARY KEY (key_id);
ALTER TABLE ONLY public.known_addresses
    ADD CONSTRAINT known_addresses_pkey PRIMARY KEY (user_id, address_digest);
ALTER TABLE ONLY public.login_names
    ADD CONSTRAINT login_names_pkey PRIMARY KEY (canonical_name);
ALTER TABLE ONLY public.tickets
    ADD CONSTRAINT tickets_pkey PRIMARY KEY (user_id, digest);
ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_pkey PRIMARY KEY (user_id);
CREATE INDEX address_failures_last_failed_at_idx ON public.address_failures USING btree (last_failed_at);
CREATE INDEX credentials_hash_idx ON public.credentials USING btree (hash_scheme, hash_memory_kib, hash_iterations, hash_parallelism);
CREATE INDEX known_addresses_last_failed_at_idx ON public.known_addresses USING btree (last_failed_at) WHERE (last_succeeded_at IS NULL);
CREATE INDEX tickets_expires_at_idx ON public.tickets USING btree (expires_at);
ALTER TABLE ONLY public.audit_events
    ADD CONSTRAINT audit_events_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(user_id) ON DELETE RESTRICT;
ALTER TABLE ONLY public.credentials
    ADD CONSTRAINT credentials_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(user_id) ON DELETE RESTRICT;
ALTER TABLE ONLY public.tickets
    ADD CONSTRAINT tickets_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(user_id) ON DELETE RESTRICT;
