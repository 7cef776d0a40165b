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
INSERT INTO public._sqlx_migrations VALUES (20261127200000, 'create installation', '2026-11-27 18:49:28.070839+00', true, '\xcd4cc0dfcb0a88aabd189ee5a55fced1c5a84593357732f31c08de2c3e6ae7083e160cf70da93d279f6dd7ee7fbbe291', 2334802);
INSERT INTO public._sqlx_migrations VALUES (20261127200100, 'create keys', '2026-11-27 18:49:28.073576+00', true, '\xb33f26d66fa99ac2863da56a591334eefda6f6270a23cc57ec70cecb1f118d67288b6d06b16737e03e3a1f09546e39b3', 2018230);
INSERT INTO public._sqlx_migrations VALUES (20261127200200, 'create users', '2026-11-27 18:49:28.075866+00', true, '\x075c5adfd87ebf5ba7db7d62acfb09814cee1a92283d239d355fd933273051f150337372439a0aadff758ee45ebc859b', 2887266);
INSERT INTO public._sqlx_migrations VALUES (20261127200300, 'create login names', '2026-11-27 18:49:28.078986+00', true, '\x73ceefddb6be59ac351150a5fe31f438a2bd6cf6bfed94d62eddbac8ff642ef42962e8c251863d08a5a40660b59f5307', 1934305);
INSERT INTO public._sqlx_migrations VALUES (20261127200400, 'create credentials', '2026-11-27 18:49:28.081139+00', true, '\xe870aec9a458419cc51302212efcdc593b6ad8ee3ea4a2f291b788707f6b9bcb22d318dc0643cac00da5886f9ca65544', 3540220);
INSERT INTO public._sqlx_migrations VALUES (20261127200500, 'create credential identifiers', '2026-11-27 18:49:28.084937+00', true, '\x41201169374d0810fa58487e4f8288e3e9cfa489a3f1eb6453df6ad9d490fd225ddf8345c748a925e6428d4116085440', 2225549);
INSERT INTO public._sqlx_migrations VALUES (20261127200600, 'create tickets', '2026-11-27 18:49:28.0874+00', true, '\xbf222ba7a5a144dae57012fe74a1cdef1573ff76ec7da9361d08ea9acac58b14085678c3669e65b96bc9dba210238792', 2805084);
INSERT INTO public._sqlx_migrations VALUES (20261127200700, 'create audit events', '2026-11-27 18:49:28.090412+00', true, '\x77fb6e8049acdec816dd816f9aceacb08dfd2ca8b82beb4ea153ee70351dd18502089ce54d22f5ab5971aa7287388a2f', 2364317);
INSERT INTO public._sqlx_migrations VALUES (20261127200800, 'create authentication attempts', '2026-11-27 18:49:28.092982+00', true, '\x759efbd475a85bdf817f491b6def059da12f88e71f0dd63dbf3bc57cc26be863dfaeb4049e1a927930b73834a3f37288', 2108095);
INSERT INTO public._sqlx_migrations VALUES (20261127200900, 'create known addresses', '2026-11-27 18:49:28.095258+00', true, '\x96d61a01180c225360f96a63c8e246052b5f696121d1fa95beeb45fccc0864b60468e38dfc36e437ba724975bd93b305', 3230194);
INSERT INTO public._sqlx_migrations VALUES (20261127201000, 'create address failures', '2026-11-27 18:49:28.098726+00', true, '\x7a6b73cd37ac921508e7dd1bed41c8dbb5a5d697cd889c7946f4d37867efef2db7986b27e1e1d640cc55b6b4c4be6e8d', 3023370);
INSERT INTO public.address_failures VALUES ('\xab005601415419084787cdeb9837ac8e601643b0e210d01bc97e53d07a916743', 1, 0, '2026-11-27 18:49:28.378944+00');
INSERT INTO public.address_failures VALUES ('\xab005601415419084787cdeb9837ac8e601643b0e210d01bc97e53d07a916743', 278, 1, '2026-11-27 18:49:28.588933+00');
INSERT INTO public.address_failures VALUES ('\x7b9737d88d91e10cc5fe142040bb6e7b007752a2aebbd8946089a2c83afc9fb7', 278, 1, '2026-11-27 18:49:28.604682+00');
INSERT INTO public.address_failures VALUES ('\xab005601415419084787cdeb9837ac8e601643b0e210d01bc97e53d07a916743', -118808, 1, '2026-11-27 18:49:28.619242+00');
INSERT INTO public.address_failures VALUES ('\x7b9737d88d91e10cc5fe142040bb6e7b007752a2aebbd8946089a2c83afc9fb7', -118808, 1, '2026-11-27 18:49:28.630857+00');
INSERT INTO public.audit_events VALUES (1, 1, '2026-11-27 18:49:28.231411+00', 'user_added', NULL, 'command', NULL, '7f4d1864-4a67-474d-b0b0-941353a41003', NULL, 0, '6fa894f70bda', '\x35f0ae79014a5b52f2476701c62f7081646364c1048f75a892bab617cbd74fc9');
INSERT INTO public.audit_events VALUES (1, 2, '2026-11-27 18:49:28.231411+00', 'administrator_granted', NULL, 'command', NULL, '7f4d1864-4a67-474d-b0b0-941353a41003', NULL, 0, '6fa894f70bda', '\xdd4f3793cc9e4696fb540bf0d3c9fae9e1f542d8d463f3067770c5ab62aae2f1');
INSERT INTO public.audit_events VALUES (1, 3, '2026-11-27 18:49:28.231411+00', 'credential_saved', NULL, 'command', NULL, '7f4d1864-4a67-474d-b0b0-941353a41003', 'CRM5/PASSWORD', 1, '6fa894f70bda', '\xfc39dfc068d124c1502f1da6c6c4e8d26ff67882272b9947c53f2e262ec67168');
INSERT INTO public.audit_events VALUES (278, 1, '2026-11-27 18:49:28.249127+00', 'user_added', NULL, 'command', NULL, 'e54231d6-b855-4aea-a3ab-78dafe484171', NULL, 0, '6fa894f70bda', '\x0be578a37880e2bb86832d0f23278d339b49cf5fb872696d256572689fb84017');
INSERT INTO public.audit_events VALUES (278, 2, '2026-11-27 18:49:28.249127+00', 'credential_saved', NULL, 'command', NULL, 'e54231d6-b855-4aea-a3ab-78dafe484171', 'CRM5/PASSWORD', 1, '6fa894f70bda', '\x4df4e7cd93e9f41903c66e1c78916b0fdf4b4f6a51a5abe64feae8f70c17db3c');
INSERT INTO public.audit_events VALUES (300, 1, '2026-11-27 18:49:28.260382+00', 'user_added', NULL, 'command', NULL, '0f0fad16-7953-410d-92e4-a8f08b06a44d', NULL, 0, '6fa894f70bda', '\x0be39655b3e0d123de9d01aef86793f4ea269951deed7dc01bb2d5aa017fa02d');
INSERT INTO public.audit_events VALUES (300, 2, '2026-11-27 18:49:28.260382+00', 'administrator_granted', NULL, 'command', NULL, '0f0fad16-7953-410d-92e4-a8f08b06a44d', NULL, 0, '6fa894f70bda', '\x0ddec7e74c23a416179c4aadbb2d9045e3963e3cae8887626d618e35fad9e71e');
INSERT INTO public.audit_events VALUES (300, 3, '2026-11-27 18:49:28.260382+00', 'credential_saved', NULL, 'command', NULL, '0f0fad16-7953-410d-92e4-a8f08b06a44d', 'CRM5/PASSWORD', 1, '6fa894f70bda', '\x9bcd20d4b5d20fde72f5d2fd1e8e49e4e6754bd63070926d8ce0891de9bb7034');
INSERT INTO public.audit_events VALUES (300, 4, '2026-11-27 18:49:28.367005+00', 'user_retired', NULL, 'command', NULL, 'cffdf6d7-3910-40d6-9bb9-ca16fe735eba', NULL, 2, '6fa894f70bda', '\x861ff2b3b580beefe0c414adb93bc373227bd8c5f860f56e115a7a4d02529127');
INSERT INTO public.audit_events VALUES (278, 3, '2026-11-27 18:49:28.39768+00', 'credential_saved', 1, 'basic', '127.0.0.1', 'f60fd2d3-5d23-449d-99c0-a160699835a8', 'ActiveDirectory', 1, '6fa894f70bda', '\x0c303e8f7d5618a569ca653747d333cfbdd66c86c26b9ac61b2106f3c1ad35f8');
INSERT INTO public.audit_events VALUES (278, 4, '2026-11-27 18:49:28.423217+00', 'ticket_issued', 278, 'basic', '127.0.0.1', '85955f97-a78b-4f4d-8988-3c3570c23dcb', NULL, 1, '6fa894f70bda', '\x9b3f54f4fd5f816ede7efdd31ba9ef2cf2663133651819cddb353fb67b8b0b04');
INSERT INTO public.audit_events VALUES (278, 5, '2026-11-27 18:49:28.427498+00', 'session_started', 278, 'basic', '127.0.0.1', '92f77585-2c18-407a-bb48-3471195eab07', NULL, 1, '6fa894f70bda', '\xe3efe99f454a96d5efa5e321cbec82243b1c24859e6f79a310a2bf58ce8db004');
INSERT INTO public.audit_events VALUES (1000, 1, '2026-11-27 18:49:28.515219+00', 'user_added', NULL, 'command', NULL, '1bb9c97e-8337-4d6d-bf27-b893bf29ba91', NULL, 0, '6fa894f70bda', '\x055d7abfb6840b4dcb7792cc5cc87de4032768db9d1508b7768373d1d2d02275');
INSERT INTO public.audit_events VALUES (1000, 2, '2026-11-27 18:49:28.515219+00', 'credential_saved', NULL, 'command', NULL, '1bb9c97e-8337-4d6d-bf27-b893bf29ba91', 'CRM5/PASSWORD', 1, '6fa894f70bda', '\x9725eb6f5141e4f73b838863480be8b80e452478228cdbf7d500e7daf42c8a6e');
INSERT INTO public.audit_events VALUES (1000, 3, '2026-11-27 18:49:28.580257+00', 'user_deleted', NULL, 'command', NULL, '2322fe03-d59a-4c1a-a2f1-6be19bd5b412', NULL, 2, '6fa894f70bda', '\x35775d601181cb3c509b86457ad7d30c12bca01e798dd28038edc0dce574b764');
INSERT INTO public.authentication_attempts VALUES (1, 'CRM5/PASSWORD', 0, '{}', 0, '{}', '2026-11-27 18:49:28.378944+00', NULL);
INSERT INTO public.authentication_attempts VALUES (-118808, 'CRM5/PASSWORD', 2, '{"\\x92be94ac4a46bec4a7330fbea7c07570","\\x590b73b610e53f006a93dcbcc9bc66e9"}', 2, '{"\\x92be94ac4a46bec4a7330fbea7c07570","\\x590b73b610e53f006a93dcbcc9bc66e9"}', '2026-11-27 18:49:28.619242+00', NULL);
INSERT INTO public.authentication_attempts VALUES (278, 'CRM5/PASSWORD', 0, '{}', 1, '{"\\xbba891bc93f28afc5479f869f58461df"}', '2026-11-27 18:49:28.604682+00', NULL);
INSERT INTO public.credential_identifiers VALUES ('ActiveDirectory', '\x7057fc07431da0cf2c4a3170ac6891aadd62efb258534fc82a16097c2bf510a9', 278);
INSERT INTO public.credentials VALUES (300, 'CRM5/PASSWORD', '\x011d8a1f12e658d8f407263f31209550685e75c477cce618ed824899764027a007424cf30aab0127349daf35e471fef4db53edc2856027b5628d3e226a03af4e06e7b4f537e3ce73eac41bdbb31618d22680174045bb446f76f0d1b56d0f51fa0725ee09989c353dbd12c84152a124c20af6f22a1e195857c25042072d53d48b499799a986a7cf6b86f05740fe0ddf4aab2f35', '6fa894f70bda', NULL, 'argon2id', 19456, 2, 1, 'rita', 3, '2026-11-27 18:49:28.260382+00', NULL, '2026-11-27 18:49:28.260382+00', NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.credentials VALUES (1, 'CRM5/PASSWORD', '\x017612283f22e8ee09f851be802617604e3e2a672f28d54256e565cd7fb825f1b1c02db50a12f14290379cbfa433275ae04ec76338c4c45728ddd24a577e9d45b37e55b0f54d68af7b34b0f4dd54c8b2b7df56eaf3c8d8ae1800336f25137ec47463e78871e4e12cb4b20979762ed72539c2b9e7e2b67bda1777e3301e27b557184780b2d3739b12e8975f96a91c9795e90a55', '6fa894f70bda', NULL, 'argon2id', 19456, 2, 1, 'anna', 3, '2026-11-27 18:49:28.231411+00', NULL, '2026-11-27 18:49:28.231411+00', NULL, NULL, NULL, '2026-11-27 18:49:28.378944+00', 'basic', '127.0.0.1');
INSERT INTO public.credentials VALUES (278, 'ActiveDirectory', '\x01f00d3e5e74c40598f7bd77185c08e7257074cc6a8d8bf85d647ec8d6ff3a9a8631c51021833324fab0feb99b26b0179e5a30cf95d16045b980fd4590f05c86fae5552882b49e3a18d3971bec2a201ecfd581870fa7df3272ffcb0ccd20b410666d435caa3893625586d6c7308f356217c6a854677235fce3751d42d7886f16493afc3889c4a3527aabade60569c11c4b2ee2fa96f00055a95610814755', '6fa894f70bda', '\x7057fc07431da0cf2c4a3170ac6891aadd62efb258534fc82a16097c2bf510a9', 'argon2id', 19456, 2, 1, 'paul', 3, '2026-11-27 18:49:28.39768+00', 1, '2026-11-27 18:49:28.39768+00', 1, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.credentials VALUES (278, 'CRM5/PASSWORD', '\x015e8481b06bc75073815552de5970efd0bba678143efaadcbdacb464c4be353667e41421929de5ed1ba0aae1af9d65dac20f6fa846ba469516b0a42ec0edd8ccb7b9c7d0d2f5981bb3eebe7bbf01554564011bcd716967987865d718efac7f5be5728a13dec637c9c7412f3627330153313b8c600a16f7ba889a6aee8ca5dbf2b17355017ee90114e265ed60c4ff58ff33d3f', '6fa894f70bda', NULL, 'argon2id', 19456, 2, 1, 'paul', 2, '2026-11-27 18:49:28.249127+00', NULL, '2026-11-27 18:49:28.249127+00', NULL, NULL, NULL, '2026-11-27 18:49:28.411617+00', 'basic', '127.0.0.1');
INSERT INTO public.keys VALUES ('6fa894f70bda', '\x693f5709479d3d173265538ef75c3c55263aea108546029cb18867f6cf10f569', '2026-11-27 18:49:28.292186+00', NULL);
INSERT INTO public.known_addresses VALUES (1, '\xab005601415419084787cdeb9837ac8e601643b0e210d01bc97e53d07a916743', 0, '{}', '2026-11-27 18:49:28.378944+00', '2026-11-27 18:49:28.378944+00');
INSERT INTO public.known_addresses VALUES (278, '\x7b9737d88d91e10cc5fe142040bb6e7b007752a2aebbd8946089a2c83afc9fb7', 1, '{"\\xbba891bc93f28afc5479f869f58461df"}', '2026-11-27 18:49:28.604682+00', NULL);
INSERT INTO public.known_addresses VALUES (-118808, '\xab005601415419084787cdeb9837ac8e601643b0e210d01bc97e53d07a916743', 1, '{"\\x590b73b610e53f006a93dcbcc9bc66e9"}', '2026-11-27 18:49:28.619242+00', NULL);
INSERT INTO public.known_addresses VALUES (-118808, '\x7b9737d88d91e10cc5fe142040bb6e7b007752a2aebbd8946089a2c83afc9fb7', 1, '{"\\x92be94ac4a46bec4a7330fbea7c07570"}', '2026-11-27 18:49:28.630857+00', NULL);
INSERT INTO public.known_addresses VALUES (278, '\xab005601415419084787cdeb9837ac8e601643b0e210d01bc97e53d07a916743', 1, '{"\\x0354478e70f41e523007a20f4b55ed58"}', '2026-11-27 18:49:28.588933+00', '2026-11-27 18:49:28.642637+00');
INSERT INTO public.login_names VALUES ('anna', 1);
INSERT INTO public.login_names VALUES ('paul', 278);
INSERT INTO public.login_names VALUES ('rita', 300);
INSERT INTO public.tickets VALUES (278, '\x9febc75b1e47d4957aab35903179b8040dca809fd033e740856ccb1933d087f4', 'ticket', 1, '2026-11-27 18:49:28.411617+00', '2026-11-27 18:49:28.423217+00', '2026-11-28 00:49:28.423217+00');
INSERT INTO public.tickets VALUES (278, '\xf6e4a5e7ae308d1e0a24d69f0011a203746072c554fb5935a7499332097064c0', 'session', 1, '2026-11-27 18:49:28.427498+00', '2026-11-27 18:49:28.427498+00', '2026-11-27 19:49:28.427498+00');
INSERT INTO public.users VALUES (1, 'anna', 'anna', 'anna', 'internal', true, false, 1, 3, '\xfc39dfc068d124c1502f1da6c6c4e8d26ff67882272b9947c53f2e262ec67168', '2026-11-27 18:49:28.231411+00', NULL);
INSERT INTO public.users VALUES (300, 'rita', 'rita', 'rita', 'internal', true, true, 2, 4, '\x861ff2b3b580beefe0c414adb93bc373227bd8c5f860f56e115a7a4d02529127', '2026-11-27 18:49:28.260382+00', NULL);
INSERT INTO public.users VALUES (278, 'paul', 'paul', 'paul', 'internal', false, false, 1, 5, '\xe3efe99f454a96d5efa5e321cbec82243b1c24859e6f79a310a2bf58ce8db004', '2026-11-27 18:49:28.249127+00', NULL);
INSERT INTO public.users VALUES (1000, '', '', '', 'internal', false, true, 2, 3, '\x35775d601181cb3c509b86457ad7d30c12bca01e798dd28038edc0dce574b764', '2026-11-27 18:49:28.515219+00', '2026-11-27 18:49:28.580257+00');
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
CREATE INDEX address_failures_address_digest_idx ON public.address_failures USING btree (address_digest, last_failed_at) WHERE (failures > 0);
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
