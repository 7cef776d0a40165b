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
    counted_secrets bytea[] NOT NULL,
    throttle_failures integer NOT NULL,
    throttle_secrets bytea[] NOT NULL,
    throttled_at timestamp with time zone NOT NULL,
    next_allowed_at timestamp with time zone,
    CONSTRAINT authentication_attempts_counted_secrets_check CHECK ((cardinality(counted_secrets) <= 16)),
    CONSTRAINT authentication_attempts_failures_check CHECK ((failures >= 0)),
    CONSTRAINT authentication_attempts_throttle_failures_check CHECK ((throttle_failures >= 0)),
    CONSTRAINT authentication_attempts_throttle_secrets_check CHECK ((cardinality(throttle_secrets) <= 16)),
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
    counted_secrets bytea[] NOT NULL,
    last_failed_at timestamp with time zone,
    last_succeeded_at timestamp with time zone,
    CONSTRAINT known_addresses_address_digest_check CHECK ((octet_length(address_digest) = 32)),
    CONSTRAINT known_addresses_counted_secrets_check CHECK ((cardinality(counted_secrets) <= 16)),
    CONSTRAINT known_addresses_failures_check CHECK ((failures >= 0)),
    CONSTRAINT known_addresses_last_failed_at_check CHECK (((last_failed_at IS NOT NULL) OR (last_succeeded_at IS NOT NULL))),
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
INSERT INTO public._sqlx_migrations VALUES (20261127200000, 'create installation', '2026-11-27 18:20:42.562924+00', true, '\xcd4cc0dfcb0a88aabd189ee5a55fced1c5a84593357732f31c08de2c3e6ae7083e160cf70da93d279f6dd7ee7fbbe291', 3461152);
INSERT INTO public._sqlx_migrations VALUES (20261127200100, 'create keys', '2026-11-27 18:20:42.566764+00', true, '\xb33f26d66fa99ac2863da56a591334eefda6f6270a23cc57ec70cecb1f118d67288b6d06b16737e03e3a1f09546e39b3', 3191731);
INSERT INTO public._sqlx_migrations VALUES (20261127200200, 'create users', '2026-11-27 18:20:42.570174+00', true, '\x075c5adfd87ebf5ba7db7d62acfb09814cee1a92283d239d355fd933273051f150337372439a0aadff758ee45ebc859b', 4860770);
INSERT INTO public._sqlx_migrations VALUES (20261127200300, 'create login names', '2026-11-27 18:20:42.575281+00', true, '\x73ceefddb6be59ac351150a5fe31f438a2bd6cf6bfed94d62eddbac8ff642ef42962e8c251863d08a5a40660b59f5307', 3621572);
INSERT INTO public._sqlx_migrations VALUES (20261127200400, 'create credentials', '2026-11-27 18:20:42.579131+00', true, '\xe870aec9a458419cc51302212efcdc593b6ad8ee3ea4a2f291b788707f6b9bcb22d318dc0643cac00da5886f9ca65544', 5490950);
INSERT INTO public._sqlx_migrations VALUES (20261127200500, 'create credential identifiers', '2026-11-27 18:20:42.584833+00', true, '\x41201169374d0810fa58487e4f8288e3e9cfa489a3f1eb6453df6ad9d490fd225ddf8345c748a925e6428d4116085440', 3668011);
INSERT INTO public._sqlx_migrations VALUES (20261127200600, 'create tickets', '2026-11-27 18:20:42.588711+00', true, '\xbf222ba7a5a144dae57012fe74a1cdef1573ff76ec7da9361d08ea9acac58b14085678c3669e65b96bc9dba210238792', 4931415);
INSERT INTO public._sqlx_migrations VALUES (20261127200700, 'create audit events', '2026-11-27 18:20:42.593824+00', true, '\x77fb6e8049acdec816dd816f9aceacb08dfd2ca8b82beb4ea153ee70351dd18502089ce54d22f5ab5971aa7287388a2f', 3991774);
INSERT INTO public._sqlx_migrations VALUES (20261127200800, 'create authentication attempts', '2026-11-27 18:20:42.597988+00', true, '\x759efbd475a85bdf817f491b6def059da12f88e71f0dd63dbf3bc57cc26be863dfaeb4049e1a927930b73834a3f37288', 3954017);
INSERT INTO public._sqlx_migrations VALUES (20261127200900, 'create known addresses', '2026-11-27 18:20:42.60215+00', true, '\x96d61a01180c225360f96a63c8e246052b5f696121d1fa95beeb45fccc0864b60468e38dfc36e437ba724975bd93b305', 4881140);
INSERT INTO public._sqlx_migrations VALUES (20261127201000, 'create address failures', '2026-11-27 18:20:42.607205+00', true, '\xdf24b6f766c24d54ac58ab0d271654f76bd0cd2cdf8b58e49d3a7e5927900bf2dd3fdbdaa2b92cada647f48c7ef8dd8f', 4872937);
INSERT INTO public.address_failures VALUES ('\x111fa6eaf087c2f44707c96dc4c8e91759611fc7a17d00c9b382a6c83370fa7e', 1, 0, '2026-11-27 18:20:42.869194+00');
INSERT INTO public.address_failures VALUES ('\x111fa6eaf087c2f44707c96dc4c8e91759611fc7a17d00c9b382a6c83370fa7e', 278, 1, '2026-11-27 18:20:43.04751+00');
INSERT INTO public.address_failures VALUES ('\xa2679aaffceaafd0ed63fb1813a71a2c7adff11f5edc9b16dfb89e4dfe57770c', 278, 1, '2026-11-27 18:20:43.062835+00');
INSERT INTO public.address_failures VALUES ('\x111fa6eaf087c2f44707c96dc4c8e91759611fc7a17d00c9b382a6c83370fa7e', -167689, 1, '2026-11-27 18:20:43.075652+00');
INSERT INTO public.address_failures VALUES ('\xa2679aaffceaafd0ed63fb1813a71a2c7adff11f5edc9b16dfb89e4dfe57770c', -167689, 1, '2026-11-27 18:20:43.087329+00');
INSERT INTO public.audit_events VALUES (1, 1, '2026-11-27 18:20:42.732448+00', 'user_added', NULL, 'command', NULL, '71437012-87d6-48e2-af8b-f5c30dd1f717', NULL, 0, '24b112563d61', '\x729594a43aafe9f47619010327fc6fea8dfeb5920ec2c4188dc9f178d2553c37');
INSERT INTO public.audit_events VALUES (1, 2, '2026-11-27 18:20:42.732448+00', 'administrator_granted', NULL, 'command', NULL, '71437012-87d6-48e2-af8b-f5c30dd1f717', NULL, 0, '24b112563d61', '\x5061cf200f41524d5361d73f326f6c15edd6ed38a55fa9b6c9b11b5708b929ef');
INSERT INTO public.audit_events VALUES (1, 3, '2026-11-27 18:20:42.732448+00', 'credential_saved', NULL, 'command', NULL, '71437012-87d6-48e2-af8b-f5c30dd1f717', 'CRM5/PASSWORD', 1, '24b112563d61', '\xa6acaaa1e949ec224b0d3167bec073aad756c6a46ef9d803a723ad14eea3e3e2');
INSERT INTO public.audit_events VALUES (278, 1, '2026-11-27 18:20:42.74834+00', 'user_added', NULL, 'command', NULL, '7dccde09-38fd-4809-9d77-f6be4975ca7a', NULL, 0, '24b112563d61', '\xc3acbfc140615f02acc7aa99371e2d3574a23174e1104b53211a79095f407cb6');
INSERT INTO public.audit_events VALUES (278, 2, '2026-11-27 18:20:42.74834+00', 'credential_saved', NULL, 'command', NULL, '7dccde09-38fd-4809-9d77-f6be4975ca7a', 'CRM5/PASSWORD', 1, '24b112563d61', '\x0502092a9af78f8ac433c7f43d9ae37e76c15f33d72780e257be8bafd9e9dc82');
INSERT INTO public.audit_events VALUES (300, 1, '2026-11-27 18:20:42.759805+00', 'user_added', NULL, 'command', NULL, '794edb67-d6b9-458a-bc63-bf16ccd4d2b2', NULL, 0, '24b112563d61', '\xa1d9bbb32877a93f78f3d1e6cb49e261fd9aa8984ee1fb7eae73a8ce386d7771');
INSERT INTO public.audit_events VALUES (300, 2, '2026-11-27 18:20:42.759805+00', 'administrator_granted', NULL, 'command', NULL, '794edb67-d6b9-458a-bc63-bf16ccd4d2b2', NULL, 0, '24b112563d61', '\xa9011e3126025326a1dce447fbb514540ce1c77c3bbc1346ae0abfa2e5b87201');
INSERT INTO public.audit_events VALUES (300, 3, '2026-11-27 18:20:42.759805+00', 'credential_saved', NULL, 'command', NULL, '794edb67-d6b9-458a-bc63-bf16ccd4d2b2', 'CRM5/PASSWORD', 1, '24b112563d61', '\x157c3df0f32723eb7eb64c9dd9a5148f840bc4d131fc58e94ff1fec8aa2e2b78');
INSERT INTO public.audit_events VALUES (300, 4, '2026-11-27 18:20:42.857417+00', 'user_retired', NULL, 'command', NULL, '400a7df8-0de4-4e12-86fc-2c23fc944e8a', NULL, 2, '24b112563d61', '\x0cb3b26e56fb90b3f38e7e908fee00349ba6ce4b544e21a0cbceffa526e9ea99');
INSERT INTO public.audit_events VALUES (278, 3, '2026-11-27 18:20:42.884939+00', 'credential_saved', 1, 'basic', '127.0.0.1', '7ad93a79-f39d-4484-a353-945e7976a3cf', 'ActiveDirectory', 1, '24b112563d61', '\xf2ae27b586220134628940e3aabde87623e037d95d9af14537c9302597594b41');
INSERT INTO public.audit_events VALUES (278, 4, '2026-11-27 18:20:42.912216+00', 'ticket_issued', 278, 'basic', '127.0.0.1', '3685395a-c035-4e35-b071-83a2b2e3d1e5', NULL, 1, '24b112563d61', '\x1780c335229993136ad348a2c9af22eaac148079122b7248728d9b0414d53279');
INSERT INTO public.audit_events VALUES (278, 5, '2026-11-27 18:20:42.915967+00', 'session_started', 278, 'basic', '127.0.0.1', 'a143edf4-18aa-4f57-8237-44dc2d857c20', NULL, 1, '24b112563d61', '\x49fcfd585a088c04e697584cb0b544ab6c85f556411b77d994404313a78ae140');
INSERT INTO public.audit_events VALUES (1000, 1, '2026-11-27 18:20:42.963838+00', 'user_added', NULL, 'command', NULL, '9157dee1-0752-4361-880b-5089995af242', NULL, 0, '24b112563d61', '\x6ea787ba1fa9a43e22d241c0bd392a800501ed02a286ca2d6dc09545e00702df');
INSERT INTO public.audit_events VALUES (1000, 2, '2026-11-27 18:20:42.963838+00', 'credential_saved', NULL, 'command', NULL, '9157dee1-0752-4361-880b-5089995af242', 'CRM5/PASSWORD', 1, '24b112563d61', '\xbc0a483cfe48c771c5e892032457c47647b00d7946debe0c27538035523a8f60');
INSERT INTO public.audit_events VALUES (1000, 3, '2026-11-27 18:20:43.038757+00', 'user_deleted', NULL, 'command', NULL, '4590f16e-2426-4a0b-8b2f-152886af0820', NULL, 2, '24b112563d61', '\x76186f913d3b4269d5ad101a83cc7e45aabb24710a4e88867b3f884cfaefedb4');
INSERT INTO public.authentication_attempts VALUES (1, 'CRM5/PASSWORD', 0, '{}', 0, '{}', '2026-11-27 18:20:42.869194+00', NULL);
INSERT INTO public.authentication_attempts VALUES (-167689, 'CRM5/PASSWORD', 2, '{"\\x77756ef1d11de037b42389ed827a0521","\\xdaeab1073b1d78189a6ae5f936881cf6"}', 2, '{"\\x77756ef1d11de037b42389ed827a0521","\\xdaeab1073b1d78189a6ae5f936881cf6"}', '2026-11-27 18:20:43.075652+00', NULL);
INSERT INTO public.authentication_attempts VALUES (278, 'CRM5/PASSWORD', 0, '{}', 1, '{"\\xfb66fded7adf418f978ec9fa01957d1b"}', '2026-11-27 18:20:43.062835+00', NULL);
INSERT INTO public.credential_identifiers VALUES ('ActiveDirectory', '\xf212308c8cac62f6b384906971ba3b06be9c835d72ae6e5503ff24d04d8be03b', 278);
INSERT INTO public.credentials VALUES (300, 'CRM5/PASSWORD', '\x01d21e051c78ca4a1718788c992a71ae7feba81a236a5d8719570e0f6522605bc36aa7f52e200eb7510c29f3a4bcaab55514bc6a06289e55b456724f6b4966519189ea1cca41cf30699fb135092e915148ba8b0565ca4a001dce91fe0a2fbfbb524f5ab333170199d37de22b95ebac077c53ddf678509a5542439343e8283273033788e861f63ab08d57bc0e1ab122fc9f5d5a', '24b112563d61', NULL, 'argon2id', 19456, 2, 1, 'rita', 3, '2026-11-27 18:20:42.759805+00', NULL, '2026-11-27 18:20:42.759805+00', NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.credentials VALUES (1, 'CRM5/PASSWORD', '\x01a774cb70879a853d3f9f8bf519611b80d99f6eb90f64c93e800c4c461e94b5fcbda486be9e4ba5b1b6fdb03377ad55c526c8cb063656170a5a34980ed95ac2b8d9edfa535c1be7bab115e4bf2fcad356fe6bb5ef2d5cb30eb4541530b40dd52d2f4cb88162b8c3c6188b47a5c5464489c4ef2884d2d655bf358eb3333f49d0481ac7a983fbae77b1d47f626dd5cbd3d87948', '24b112563d61', NULL, 'argon2id', 19456, 2, 1, 'anna', 3, '2026-11-27 18:20:42.732448+00', NULL, '2026-11-27 18:20:42.732448+00', NULL, NULL, NULL, '2026-11-27 18:20:42.869194+00', 'basic', '127.0.0.1');
INSERT INTO public.credentials VALUES (278, 'ActiveDirectory', '\x01bb8cdc96ad08e31d9ba7648d9efbbadebd7a2f3a802d7ba715dc68f28a8c31e99ad9439f4fa6317c6dcbb9041d25c957da9c98506a305717756e73bf554458d9ac89eecee023f86cfe26bda8088997e3a1d61bb38fcfd292de8efab4d42c4feb7eff27946903d93a41a488a2587e20c60707bf2afc23bddd042f9a07c08facae57745494a0481263f30dab67108ee8ec4f6e5cf545bb018ca3513edb2c', '24b112563d61', '\xf212308c8cac62f6b384906971ba3b06be9c835d72ae6e5503ff24d04d8be03b', 'argon2id', 19456, 2, 1, 'paul', 3, '2026-11-27 18:20:42.884939+00', 1, '2026-11-27 18:20:42.884939+00', 1, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.credentials VALUES (278, 'CRM5/PASSWORD', '\x01acdf39d48b6af59304e0ca1bd1b9155238252e8ef478b960e954b1236b45d130b5d802b75e81797a1e6e61d4256ca59eab9c8bf37bfa2d0ca41733c47a7a47e33d780858e7f6845d66490d2e761d9e4323271d5def485a624594e37f8ddaff416a099752625c7490af54a266a6fc53ae24653981dd1e565a89449e6ab2b4e26a91c5ce9d507b1a475c8b089e3da84fd39df6', '24b112563d61', NULL, 'argon2id', 19456, 2, 1, 'paul', 2, '2026-11-27 18:20:42.74834+00', NULL, '2026-11-27 18:20:42.74834+00', NULL, NULL, NULL, '2026-11-27 18:20:42.899034+00', 'basic', '127.0.0.1');
INSERT INTO public.keys VALUES ('24b112563d61', '\xb5d2c96a27938f0eafa98fc384f9dffc1025ecfe6e4e919f62a4ebdc5e054a77', '2026-11-27 18:20:42.790847+00', NULL);
INSERT INTO public.known_addresses VALUES (1, '\x111fa6eaf087c2f44707c96dc4c8e91759611fc7a17d00c9b382a6c83370fa7e', 0, '{}', '2026-11-27 18:20:42.869194+00', '2026-11-27 18:20:42.869194+00');
INSERT INTO public.known_addresses VALUES (278, '\xa2679aaffceaafd0ed63fb1813a71a2c7adff11f5edc9b16dfb89e4dfe57770c', 1, '{"\\xfb66fded7adf418f978ec9fa01957d1b"}', '2026-11-27 18:20:43.062835+00', NULL);
INSERT INTO public.known_addresses VALUES (-167689, '\x111fa6eaf087c2f44707c96dc4c8e91759611fc7a17d00c9b382a6c83370fa7e', 1, '{"\\xdaeab1073b1d78189a6ae5f936881cf6"}', '2026-11-27 18:20:43.075652+00', NULL);
INSERT INTO public.known_addresses VALUES (-167689, '\xa2679aaffceaafd0ed63fb1813a71a2c7adff11f5edc9b16dfb89e4dfe57770c', 1, '{"\\x77756ef1d11de037b42389ed827a0521"}', '2026-11-27 18:20:43.087329+00', NULL);
INSERT INTO public.known_addresses VALUES (278, '\x111fa6eaf087c2f44707c96dc4c8e91759611fc7a17d00c9b382a6c83370fa7e', 1, '{"\\x0a5216f927045f0e6f951cb8866ae1e5"}', '2026-11-27 18:20:43.04751+00', '2026-11-27 18:20:43.099038+00');
INSERT INTO public.login_names VALUES ('anna', 1);
INSERT INTO public.login_names VALUES ('paul', 278);
INSERT INTO public.login_names VALUES ('rita', 300);
INSERT INTO public.tickets VALUES (278, '\x1fbcb052ed51ebd8423277adf5a9296badebe946f885cdb6d80e964662ac34e7', 'ticket', 1, '2026-11-27 18:20:42.899034+00', '2026-11-27 18:20:42.912216+00', '2026-11-28 00:20:42.912216+00');
INSERT INTO public.tickets VALUES (278, '\xfe59d2b5cf26010a1a5a703d2735c35992eec62f02e7ed5e497c93f2d395f638', 'session', 1, '2026-11-27 18:20:42.915967+00', '2026-11-27 18:20:42.915967+00', '2026-11-27 19:20:42.915967+00');
INSERT INTO public.users VALUES (1, 'anna', 'anna', 'anna', 'internal', true, false, 1, 3, '\xa6acaaa1e949ec224b0d3167bec073aad756c6a46ef9d803a723ad14eea3e3e2', '2026-11-27 18:20:42.732448+00', NULL);
INSERT INTO public.users VALUES (300, 'rita', 'rita', 'rita', 'internal', true, true, 2, 4, '\x0cb3b26e56fb90b3f38e7e908fee00349ba6ce4b544e21a0cbceffa526e9ea99', '2026-11-27 18:20:42.759805+00', NULL);
INSERT INTO public.users VALUES (278, 'paul', 'paul', 'paul', 'internal', false, false, 1, 5, '\x49fcfd585a088c04e697584cb0b544ab6c85f556411b77d994404313a78ae140', '2026-11-27 18:20:42.74834+00', NULL);
INSERT INTO public.users VALUES (1000, '', '', '', 'internal', false, true, 2, 3, '\x76186f913d3b4269d5ad101a83cc7e45aabb24710a4e88867b3f884cfaefedb4', '2026-11-27 18:20:42.963838+00', '2026-11-27 18:20:43.038757+00');
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
