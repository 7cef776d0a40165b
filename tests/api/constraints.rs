//! Checks every constraint of every table, and that the directories have no orphaned rows.

use serde_json::json;
use sqlx::PgPool;

use crate::{
    guessing::{ELSEWHERE, HOME, PROXY, login, login_as_owner},
    support::{ADMINISTRATOR, PLAIN, RETIRED, TestApp},
};

/// Runs a statement that must violate that constraint.
async fn assert_refused_by(pool: &PgPool, statement: &'static str, constraint: &str) {
    let error = sqlx::raw_sql(statement).execute(pool).await.unwrap_err();
    let database = error.as_database_error().unwrap_or_else(|| panic!("{constraint}: {error}"));
    assert_eq!(database.constraint(), Some(constraint), "{statement}: {error}");
}

/// Inserts an untrusted credential of a user: type, public value, secret, key, comment, the start
/// and the end of its validity, and version.
macro_rules! untrusted {
    ($($value:literal),+) => {
        concat!("INSERT INTO untrusted_credentials (user_id, credential_type, public_value, \
                 sealed_secret, key_id, comment, valid_from, valid_to, version, is_active) \
                 SELECT ", $($value, ", ",)+ "true FROM generate_series(1, 2)")
    };
}

const CASES: [(&str, &str); 144] = [
    (
        "audit_sinks_pkey",
        "INSERT INTO audit_sinks SELECT 'a', 0, 0, NULL, now() FROM generate_series(1, 2)",
    ),
    ("audit_sinks_name_check", "INSERT INTO audit_sinks SELECT '', 0, 0, NULL, now()"),
    (
        "activity_minutes_pkey",
        "INSERT INTO activity_minutes
         SELECT '2026-01-01 00:00Z', 'a', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 FROM generate_series(1, 2)",
    ),
    (
        "activity_minutes_minute_check",
        "INSERT INTO activity_minutes SELECT '2026-01-01 00:00:01Z', 'a', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0",
    ),
    (
        "activity_minutes_instance_id_check",
        "INSERT INTO activity_minutes SELECT '2026-01-01 00:00Z', '', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0",
    ),
    (
        "activity_minutes_figures_check",
        "INSERT INTO activity_minutes SELECT '2026-01-01 00:00Z', 'a', -1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0",
    ),
    (
        "activity_minutes_figures_check",
        "INSERT INTO activity_minutes
         SELECT '2026-01-01 00:00Z', 'a', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1000000000001",
    ),
    (
        "database_history_pkey",
        "INSERT INTO database_history
         SELECT entry, 'promoted', now(), false, '1', 1, 1 FROM database_history",
    ),
    (
        "database_history_entry_check",
        "INSERT INTO database_history SELECT 0, 'promoted', now(), false, '1', 1, 1",
    ),
    (
        "database_history_cause_check",
        "INSERT INTO database_history SELECT 99, 'other', now(), false, '1', 1, 1",
    ),
    (
        "database_history_ends_sessions_check",
        "INSERT INTO database_history SELECT 99, 'copied', now(), false, '1', 1, 1",
    ),
    (
        "installation_singleton_check",
        "INSERT INTO installation VALUES (false, 'production', now())",
    ),
    ("installation_kind_check", "INSERT INTO installation VALUES (true, 'other', now())"),
    (
        "installation_pkey",
        "INSERT INTO installation VALUES (true, 'production', now()), (true, 'development', now())",
    ),
    ("users_pkey", "UPDATE users SET user_id = 1 WHERE user_id = 300"),
    ("users_user_id_check", "UPDATE users SET user_id = 0 WHERE user_id = 300"),
    ("users_login_name_check", "UPDATE users SET login_name = '' WHERE user_id = 300"),
    (
        "users_login_name_check",
        "UPDATE users SET login_name = repeat('x', 240) WHERE user_id = 300",
    ),
    ("users_canonical_name_check", "UPDATE users SET canonical_name = '' WHERE user_id = 300"),
    (
        "users_canonical_name_check",
        "UPDATE users SET deleted_at = now(), is_administrator = false, login_name = '',
             display_name = ''
         WHERE user_id = 300",
    ),
    ("users_display_name_check", "UPDATE users SET display_name = ''"),
    (
        "users_login_name_check",
        "UPDATE users SET deleted_at = now(), is_administrator = false, canonical_name = '',
             display_name = ''
         WHERE user_id = 300",
    ),
    (
        "users_display_name_check",
        "UPDATE users SET deleted_at = now(), is_administrator = false, login_name = '',
             canonical_name = ''
         WHERE user_id = 300",
    ),
    (
        "users_deleted_at_check",
        "UPDATE users
         SET deleted_at = now(), login_name = '', canonical_name = '', display_name = ''",
    ),
    ("users_person_id_check", "UPDATE users SET person_id = -1"),
    (
        "users_person_id_check",
        "UPDATE users SET deleted_at = now(), is_retired = true, is_administrator = false,
             login_name = '', canonical_name = '', display_name = '', person_id = 1
         WHERE user_id = 300",
    ),
    ("users_role_id_check", "UPDATE users SET role_id = -1"),
    ("users_ej_user_id_check", "UPDATE users SET ej_user_id = -1"),
    (
        "users_nick_name_check",
        "UPDATE users SET nick_name = repeat('x', 240), canonical_nick_name = 'x'",
    ),
    (
        "users_nick_name_check",
        "UPDATE users SET deleted_at = now(), is_retired = true, is_administrator = false,
             login_name = '', canonical_name = '', display_name = '', nick_name = 'x',
             canonical_nick_name = 'x'
         WHERE user_id = 300",
    ),
    ("users_canonical_nick_name_check", "UPDATE users SET canonical_nick_name = 'x'"),
    ("users_canonical_nick_name_check", "UPDATE users SET nick_name = 'x'"),
    ("users_user_type_check", "UPDATE users SET user_type = 'other'"),
    ("users_role_check", "UPDATE users SET role = 'administrator'"),
    (
        "users_role_check",
        "UPDATE users SET deleted_at = now(), is_retired = true, is_administrator = false,
             login_name = '', canonical_name = '', display_name = '', role = 'auditor'
         WHERE user_id = 300",
    ),
    ("users_session_epoch_check", "UPDATE users SET session_epoch = -1"),
    ("users_audit_sequence_check", "UPDATE users SET audit_sequence = 0"),
    ("users_audit_mac_check", "UPDATE users SET audit_mac = 'x'"),
    ("login_names_pkey", "INSERT INTO login_names VALUES ('anna', 278)"),
    ("login_names_canonical_name_check", "INSERT INTO login_names VALUES ('', 278)"),
    ("login_names_user_id_check", "INSERT INTO login_names VALUES ('x', 0)"),
    ("nick_names_pkey", "INSERT INTO nick_names VALUES ('x', 1), ('x', 278)"),
    ("nick_names_canonical_name_check", "INSERT INTO nick_names VALUES ('', 278)"),
    ("nick_names_user_id_check", "INSERT INTO nick_names VALUES ('x', 0)"),
    ("credentials_pkey", "UPDATE credentials SET user_id = 1 WHERE user_id = 278"),
    ("credentials_user_id_fkey", "UPDATE credentials SET user_id = 4711 WHERE user_id = 278"),
    ("credentials_credential_type_check", "UPDATE credentials SET credential_type = ''"),
    ("credentials_sealed_hash_check", "UPDATE credentials SET sealed_hash = 'short'"),
    ("credentials_change_required_check", "UPDATE credentials SET change_required = 'x'"),
    ("credentials_key_id_check", "UPDATE credentials SET key_id = ''"),
    (
        "credentials_hash_scheme_check",
        "UPDATE credentials SET hash_scheme = 'md5', hash_memory_kib = 0",
    ),
    ("credentials_hash_memory_kib_check", "UPDATE credentials SET hash_memory_kib = 7"),
    ("credentials_hash_memory_kib_check", "UPDATE credentials SET hash_scheme = 'bcrypt'"),
    ("credentials_hash_memory_kib_check", "UPDATE credentials SET hash_memory_kib = 4194305"),
    ("credentials_hash_iterations_check", "UPDATE credentials SET hash_iterations = 0"),
    ("credentials_hash_iterations_check", "UPDATE credentials SET hash_iterations = 1000000"),
    (
        "credentials_hash_iterations_check",
        "UPDATE credentials SET hash_scheme = 'bcrypt', hash_memory_kib = 0, hash_iterations = 32",
    ),
    (
        "credentials_hash_iterations_check",
        "UPDATE credentials
         SET hash_scheme = 'pbkdf2-sha1', hash_memory_kib = 0, hash_iterations = 10000001",
    ),
    (
        "credentials_hash_memory_kib_check",
        "UPDATE credentials SET hash_scheme = 'scrypt', hash_memory_kib = 0",
    ),
    ("credentials_hash_memory_kib_check", "UPDATE credentials SET hash_scheme = 'sha512-crypt'"),
    (
        "credentials_hash_iterations_check",
        "UPDATE credentials
         SET hash_scheme = 'sha256-crypt', hash_memory_kib = 0, hash_iterations = 10000001",
    ),
    (
        "credentials_hash_iterations_check",
        "UPDATE credentials SET hash_scheme = 'argon2id-over-digest', hash_iterations = 1000000",
    ),
    ("credentials_hash_parallelism_check", "UPDATE credentials SET hash_parallelism = 16777216"),
    ("credentials_hash_parallelism_check", "UPDATE credentials SET hash_parallelism = 0"),
    ("credentials_display_value_check", "UPDATE credentials SET display_value = repeat('x', 255)"),
    (
        "credentials_valid_to_check",
        "UPDATE credentials SET valid_from = now(), valid_to = now() - interval '1 s'",
    ),
    (
        "credentials_last_used_scheme_check",
        "UPDATE credentials SET last_used_at = now(), last_used_scheme = 'other'",
    ),
    ("credentials_last_used_at_check", "UPDATE credentials SET last_used_at = now()"),
    ("credentials_version_check", "UPDATE credentials SET version = 0"),
    ("credentials_version_check", "UPDATE credentials SET version = 4611686018427387905"),
    ("credentials_identifier_digest_check", "UPDATE credentials SET identifier_digest = 'x'"),
    ("users_session_epoch_check", "UPDATE users SET session_epoch = 4611686018427387905"),
    ("users_audit_sequence_check", "UPDATE users SET audit_sequence = 4611686018427387905"),
    (
        "credential_identifiers_pkey",
        "INSERT INTO credential_identifiers SELECT 'CRM5/PASSWORD', sha256('x'), user_id FROM users",
    ),
    (
        "credential_identifiers_credential_type_check",
        "INSERT INTO credential_identifiers VALUES ('', sha256('x'), 1)",
    ),
    (
        "credential_identifiers_user_id_check",
        "INSERT INTO credential_identifiers VALUES ('CRM5/PASSWORD', sha256('x'), 0)",
    ),
    (
        "credential_identifiers_digest_check",
        "INSERT INTO credential_identifiers VALUES ('CRM5/PASSWORD', 'x', 1)",
    ),
    (
        "tickets_kind_check",
        "INSERT INTO tickets VALUES (1, sha256('x'), 'other', 0, now(), now(), now() + interval '1 h')",
    ),
    (
        "tickets_pkey",
        "INSERT INTO tickets SELECT 1, sha256('x'), 'ticket', 0, now(), now(), now() + interval '1 h' FROM generate_series(1, 2)",
    ),
    (
        "tickets_user_id_fkey",
        "INSERT INTO tickets VALUES (4711, sha256('x'), 'ticket', 0, now(), now(), now() + interval '1 h')",
    ),
    (
        "tickets_digest_check",
        "INSERT INTO tickets VALUES (1, 'x', 'ticket', 0, now(), now(), now() + interval '1 h')",
    ),
    (
        "tickets_session_epoch_check",
        "INSERT INTO tickets VALUES (1, sha256('x'), 'ticket', -1, now(), now(), now() + interval '1 h')",
    ),
    (
        "tickets_expires_at_check",
        "INSERT INTO tickets VALUES (1, sha256('x'), 'ticket', 0, now(), now(), now())",
    ),
    (
        "tickets_address_check",
        "INSERT INTO tickets VALUES (1, sha256('x'), 'ticket', 0, now(), now(), now() + interval '1 h', '')",
    ),
    (
        "tickets_device_check",
        "INSERT INTO tickets VALUES (1, sha256('x'), 'ticket', 0, now(), now(), now() + interval '1 h', NULL, repeat('x', 201))",
    ),
    (
        "tickets_last_used_address_check",
        "INSERT INTO tickets VALUES (1, sha256('x'), 'ticket', 0, now(), now(), now() + interval '1 h', NULL, NULL, now(), '')",
    ),
    ("audit_events_pkey", "INSERT INTO audit_events SELECT * FROM audit_events"),
    (
        "audit_events_user_id_fkey",
        "UPDATE audit_events SET user_id = 4711 WHERE user_id = 278 AND sequence = 1",
    ),
    ("audit_events_sequence_check", "UPDATE audit_events SET sequence = 0 WHERE sequence = 1"),
    ("audit_events_reason_check", "UPDATE audit_events SET reason = ''"),
    ("audit_events_reason_check", "UPDATE audit_events SET reason = repeat('x', 201)"),
    ("audit_events_kind_check", "UPDATE audit_events SET kind = 'other'"),
    ("audit_events_scheme_check", "UPDATE audit_events SET scheme = 'other'"),
    ("audit_events_mac_check", "UPDATE audit_events SET mac = 'x'"),
    (
        "authentication_attempts_pkey",
        "INSERT INTO authentication_attempts VALUES (278, 'x', 0, '{}', 0, '{}', now(), NULL), (278, 'x', 0, '{}', 0, '{}', now(), NULL)",
    ),
    (
        "authentication_attempts_user_id_check",
        "INSERT INTO authentication_attempts VALUES (0, 'x', 0, '{}', 0, '{}', now(), NULL)",
    ),
    (
        "authentication_attempts_failures_check",
        "INSERT INTO authentication_attempts VALUES (278, 'x', -1, '{}', 0, '{}', now(), NULL)",
    ),
    (
        "authentication_attempts_counted_secrets_check",
        "INSERT INTO authentication_attempts VALUES (278, 'x', 0, array_fill('x'::bytea, ARRAY[17]), 0, '{}', now(), NULL)",
    ),
    (
        "authentication_attempts_throttle_failures_check",
        "INSERT INTO authentication_attempts VALUES (278, 'x', 0, '{}', -1, '{}', now(), NULL)",
    ),
    (
        "authentication_attempts_throttle_secrets_check",
        "INSERT INTO authentication_attempts VALUES (278, 'x', 0, '{}', 0, array_fill('x'::bytea, ARRAY[17]), now(), NULL)",
    ),
    (
        "known_addresses_pkey",
        "INSERT INTO known_addresses SELECT 278, sha256('x'), 0, '{}', now() FROM generate_series(1, 2)",
    ),
    (
        "known_addresses_user_id_check",
        "INSERT INTO known_addresses VALUES (0, sha256('x'), 0, '{}', now())",
    ),
    (
        "known_addresses_address_digest_check",
        "INSERT INTO known_addresses VALUES (278, 'x', 0, '{}', now())",
    ),
    (
        "known_addresses_failures_check",
        "INSERT INTO known_addresses VALUES (278, sha256('x'), -1, '{}', now())",
    ),
    (
        "known_addresses_counted_secrets_check",
        "INSERT INTO known_addresses VALUES (278, sha256('x'), 0, array_fill('x'::bytea, ARRAY[17]), now())",
    ),
    (
        "known_addresses_last_failed_at_check",
        "INSERT INTO known_addresses VALUES (278, sha256('x'), 0, '{}')",
    ),
    (
        "address_failures_pkey",
        "INSERT INTO address_failures SELECT sha256('x'), 278, 0, now() FROM generate_series(1, 2)",
    ),
    (
        "address_failures_address_digest_check",
        "INSERT INTO address_failures VALUES ('x', 278, 0, now())",
    ),
    (
        "address_failures_user_id_check",
        "INSERT INTO address_failures VALUES (sha256('x'), 0, 0, now())",
    ),
    (
        "address_failures_failures_check",
        "INSERT INTO address_failures VALUES (sha256('x'), 278, -1, now())",
    ),
    (
        "untrusted_credentials_pkey",
        untrusted!(
            "278",
            "'t'",
            "'p'",
            "decode(repeat('00', 325), 'hex')",
            "'k'",
            "''",
            "NULL::timestamptz",
            "NULL::timestamptz",
            "1"
        ),
    ),
    (
        "untrusted_credentials_user_id_fkey",
        untrusted!(
            "4711",
            "'t'",
            "generate_series::text",
            "decode(repeat('00', 325), 'hex')",
            "'k'",
            "''",
            "NULL::timestamptz",
            "NULL::timestamptz",
            "1"
        ),
    ),
    (
        "untrusted_credentials_credential_type_check",
        untrusted!(
            "278",
            "''",
            "'p'",
            "decode(repeat('00', 325), 'hex')",
            "'k'",
            "''",
            "NULL::timestamptz",
            "NULL::timestamptz",
            "1"
        ),
    ),
    (
        "untrusted_credentials_public_value_check",
        untrusted!(
            "278",
            "'t'",
            "repeat('x', 239)",
            "decode(repeat('00', 325), 'hex')",
            "'k'",
            "''",
            "NULL::timestamptz",
            "NULL::timestamptz",
            "1"
        ),
    ),
    (
        "untrusted_credentials_sealed_secret_check",
        untrusted!(
            "278",
            "'t'",
            "'p'",
            "'short'",
            "'k'",
            "''",
            "NULL::timestamptz",
            "NULL::timestamptz",
            "1"
        ),
    ),
    (
        "untrusted_credentials_key_id_check",
        untrusted!(
            "278",
            "'t'",
            "'p'",
            "decode(repeat('00', 325), 'hex')",
            "''",
            "''",
            "NULL::timestamptz",
            "NULL::timestamptz",
            "1"
        ),
    ),
    (
        "untrusted_credentials_comment_check",
        untrusted!(
            "278",
            "'t'",
            "'p'",
            "decode(repeat('00', 325), 'hex')",
            "'k'",
            "repeat('x', 256)",
            "NULL::timestamptz",
            "NULL::timestamptz",
            "1"
        ),
    ),
    (
        "untrusted_credentials_valid_to_check",
        untrusted!(
            "278",
            "'t'",
            "'p'",
            "decode(repeat('00', 325), 'hex')",
            "'k'",
            "''",
            "now()",
            "now()",
            "1"
        ),
    ),
    (
        "untrusted_credentials_version_check",
        untrusted!(
            "278",
            "'t'",
            "'p'",
            "decode(repeat('00', 325), 'hex')",
            "'k'",
            "''",
            "NULL::timestamptz",
            "NULL::timestamptz",
            "0"
        ),
    ),
    (
        "password_mails_pkey",
        "INSERT INTO password_mails OVERRIDING SYSTEM VALUE
         SELECT 278, 1, 0, 'en', 'r', now(), 0, now() FROM generate_series(1, 2)",
    ),
    (
        "password_mails_session_epoch_check",
        "INSERT INTO password_mails (user_id, session_epoch, language, request_id, requested_at, next_attempt_at) VALUES (278, -1, 'en', 'r', now(), now())",
    ),
    (
        "password_mails_language_check",
        "INSERT INTO password_mails (user_id, session_epoch, language, request_id, requested_at, next_attempt_at) VALUES (278, 0, '', 'r', now(), now())",
    ),
    (
        "password_mails_request_id_check",
        "INSERT INTO password_mails (user_id, session_epoch, language, request_id, requested_at, next_attempt_at) VALUES (278, 0, 'en', '', now(), now())",
    ),
    (
        "password_mails_attempts_check",
        "INSERT INTO password_mails (user_id, session_epoch, language, request_id, requested_at, next_attempt_at, attempts) VALUES (278, 0, 'en', 'r', now(), now(), -1)",
    ),
    (
        "password_mails_address_digest_check",
        "INSERT INTO password_mails (user_id, session_epoch, language, request_id, requested_at, next_attempt_at, address_digest) VALUES (278, 0, 'en', 'r', now(), now(), 'x')",
    ),
    (
        "password_mails_network_digest_check",
        "INSERT INTO password_mails (user_id, session_epoch, language, request_id, requested_at, next_attempt_at, network_digest) VALUES (278, 0, 'en', 'r', now(), now(), 'x')",
    ),
    (
        "password_mails_outcome_check",
        "INSERT INTO password_mails (user_id, session_epoch, language, request_id, requested_at, next_attempt_at, outcome, finished_at) VALUES (278, 0, 'en', 'r', now(), now(), 'other', now())",
    ),
    (
        "password_mails_finished_at_check",
        "INSERT INTO password_mails (user_id, session_epoch, language, request_id, requested_at, next_attempt_at, outcome) VALUES (278, 0, 'en', 'r', now(), now(), 'sent')",
    ),
    (
        "password_links_pkey",
        "INSERT INTO password_links
         SELECT 278, sha256('x'), sha256('a'), 0, now(), 'infinity' FROM generate_series(1, 2)",
    ),
    (
        "password_links_user_id_fkey",
        "INSERT INTO password_links VALUES (4711, sha256('x'), sha256('a'), 0, now(), 'infinity')",
    ),
    (
        "password_links_digest_check",
        "INSERT INTO password_links VALUES (278, 'x', sha256('a'), 0, now(), 'infinity')",
    ),
    (
        "password_links_address_digest_check",
        "INSERT INTO password_links VALUES (278, sha256('x'), 'a', 0, now(), 'infinity')",
    ),
    (
        "password_links_session_epoch_check",
        "INSERT INTO password_links VALUES (278, sha256('x'), sha256('a'), -1, now(), 'infinity')",
    ),
    (
        "password_links_expires_at_check",
        "INSERT INTO password_links VALUES (278, sha256('x'), sha256('a'), 0, now(), now())",
    ),
    (
        "import_runs_pkey",
        "INSERT INTO import_runs
         SELECT repeat('x', 36), 'i', 1, true, now(), now(), 'running' FROM generate_series(1, 2)",
    ),
    (
        "import_runs_import_id_check",
        "INSERT INTO import_runs VALUES ('x', 'i', 1, true, now(), now(), 'running')",
    ),
    (
        "import_runs_instance_id_check",
        "INSERT INTO import_runs VALUES (repeat('x', 36), '', 1, true, now(), now(), 'running')",
    ),
    (
        "import_runs_state_check",
        "INSERT INTO import_runs VALUES (repeat('x', 36), 'i', 1, true, now(), now(), 'other')",
    ),
    (
        "import_runs_detail_check",
        "INSERT INTO import_runs
         VALUES (repeat('x', 36), 'i', 1, true, now(), now(), 'refused', false, '')",
    ),
    (
        "import_runs_figures_check",
        "INSERT INTO import_runs
         VALUES (repeat('x', 36), 'i', 1, true, now(), now(), 'running', false, NULL, -1)",
    ),
    (
        "import_runs_failures_check",
        "INSERT INTO import_runs
         VALUES (repeat('x', 36), 'i', 1, true, now(), now(), 'running', false, NULL, 0, 0, 0, 0, 0,
                 repeat('x', 131073))",
    ),
    ("keys_pkey", "INSERT INTO keys SELECT 'x', sha256('x'), now() FROM generate_series(1, 2)"),
    ("keys_key_id_check", "INSERT INTO keys VALUES ('', sha256('x'), now())"),
    ("keys_check_mac_check", "INSERT INTO keys VALUES ('x', 'x', now())"),
];

#[sqlx::test]
async fn every_constraint_refuses_invalid_rows(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for (constraint, statement) in CASES {
        assert_refused_by(&app.pool, statement, constraint).await;
    }
    assert_refused_by(
        &app.pool,
        "UPDATE audit_events SET request_id = ''",
        "audit_events_request_id_check",
    )
    .await;
    assert_refused_by(
        &app.pool,
        "UPDATE audit_events SET key_id = ''",
        "audit_events_key_id_check",
    )
    .await;
}

#[sqlx::test]
async fn every_constraint_has_a_case(pool: PgPool) {
    let named = sqlx::query_scalar!(
        r#"SELECT c.conname::text AS "name!" FROM pg_constraint c
           JOIN pg_class t ON t.oid = c.conrelid
           WHERE c.connamespace = 'public'::regnamespace AND t.relname <> '_sqlx_migrations'"#
    );
    let tested: Vec<&str> = CASES
        .iter()
        .map(|(constraint, _)| *constraint)
        .chain(["audit_events_request_id_check", "audit_events_key_id_check"])
        .collect();
    for name in named.fetch_all(&pool).await.unwrap() {
        assert!(tested.contains(&name.as_str()), "{name} has no test");
    }
}

/// Rows that lack their counterpart in another table, where no foreign key can require it: one line for
/// each kind, with the number of rows.
const ORPHANS: &str = "
    SELECT coalesce(string_agg(kind || ': ' || rows, E'\\n'), '') FROM (
        SELECT 'login names without a user' AS kind, count(*) AS rows
        FROM login_names n LEFT JOIN users u USING (user_id, canonical_name)
        WHERE u.user_id IS NULL OR u.deleted_at IS NOT NULL
        UNION ALL
        SELECT 'users without a login name', count(*)
        FROM users u LEFT JOIN login_names n USING (user_id, canonical_name)
        WHERE n.user_id IS NULL AND u.deleted_at IS NULL
        UNION ALL
        SELECT 'nicknames without a user', count(*)
        FROM nick_names n LEFT JOIN users u
            ON u.user_id = n.user_id AND u.canonical_nick_name = n.canonical_name
        WHERE u.user_id IS NULL OR u.deleted_at IS NOT NULL
        UNION ALL
        SELECT 'users without their nickname', count(*)
        FROM users u LEFT JOIN nick_names n
            ON n.user_id = u.user_id AND n.canonical_name = u.canonical_nick_name
        WHERE n.user_id IS NULL AND u.canonical_nick_name <> ''
        UNION ALL
        SELECT 'identifiers without a credential', count(*)
        FROM credential_identifiers i LEFT JOIN credentials c
            ON c.user_id = i.user_id AND c.credential_type = i.credential_type
           AND c.identifier_digest = i.digest
        WHERE c.user_id IS NULL
        UNION ALL
        SELECT 'credentials without their identifier', count(*)
        FROM credentials c LEFT JOIN credential_identifiers i
            ON i.credential_type = c.credential_type AND i.digest = c.identifier_digest
           AND i.user_id = c.user_id
        WHERE c.identifier_digest IS NOT NULL AND i.user_id IS NULL
        UNION ALL
        SELECT 'untrusted credentials of a deleted user', count(*)
        FROM untrusted_credentials v LEFT JOIN users u USING (user_id)
        WHERE u.user_id IS NULL OR u.deleted_at IS NOT NULL
        UNION ALL
        SELECT 'failures of an address that differ from their copy', count(*)
        FROM (SELECT * FROM known_addresses WHERE failures > 0) k
        FULL JOIN (SELECT * FROM address_failures WHERE failures > 0) f
            USING (user_id, address_digest)
        WHERE (k.failures, k.last_failed_at) IS DISTINCT FROM (f.failures, f.last_failed_at)
    ) AS orphans WHERE rows > 0";

/// Asserts that the directories and copies agree with the rows that they are about.
pub(crate) async fn assert_no_orphans(pool: &PgPool, step: &str) {
    let orphans: String = sqlx::query_scalar(ORPHANS).fetch_one(pool).await.unwrap();
    assert_eq!(orphans, "", "{step}");
}

#[sqlx::test]
async fn orphans_are_detected(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &[PROXY], "").await;
    app.save(&app.administrator(), PLAIN.0, "ActiveDirectory", "S-1-5-7").await.assert_saved();
    let body = json!({"AssociateId": PLAIN.0, "NickName": "Lin"});
    app.post("/api/v1/Agents/User/SaveUser", &app.administrator(), &body).await.assert_status(200);
    login(&app, ELSEWHERE, PLAIN.1, "guess").await.assert_unauthenticated();
    assert_no_orphans(&app.pool, "before").await;
    for (statement, kind) in [
        ("UPDATE login_names SET user_id = 4711", "login names without a user: 3"),
        ("DELETE FROM login_names WHERE user_id = 300", "users without a login name: 1"),
        ("UPDATE nick_names SET user_id = 1", "nicknames without a user: 1"),
        ("DELETE FROM nick_names", "users without their nickname: 1"),
        ("UPDATE credential_identifiers SET user_id = 1", "identifiers without a credential: 1"),
        ("DELETE FROM credential_identifiers", "credentials without their identifier: 1"),
        ("DELETE FROM address_failures", "failures of an address that differ from their copy: 1"),
    ] {
        let mut transaction = app.pool.begin().await.unwrap();
        sqlx::raw_sql(statement).execute(&mut *transaction).await.unwrap();
        let orphans: String =
            sqlx::query_scalar(ORPHANS).fetch_one(&mut *transaction).await.unwrap();
        assert!(orphans.contains(kind), "{statement}: {orphans}");
    }
}

#[sqlx::test]
async fn no_change_of_users_or_credentials_leaves_an_orphan(pool: PgPool) {
    let mut app = TestApp::spawn_with(pool, &[PROXY], "").await;
    let administrator = app.administrator();
    let sid = "ActiveDirectory";
    for value in ["S-1-5-7", "S-1-5-7", "S-1-5-8"] {
        app.save(&administrator, PLAIN.0, sid, value).await.assert_saved();
        assert_no_orphans(&app.pool, "save an identifier").await;
    }
    let taken = app.save(&administrator, ADMINISTRATOR.0, sid, "S-1-5-8").await;
    taken.assert_refused(409, "ArgumentException", "identifier_taken");
    app.save(&administrator, ADMINISTRATOR.0, sid, "S-1-5-7").await.assert_saved();
    app.save(&administrator, RETIRED.0, sid, "S-1-5-9").await.assert_saved();
    assert_no_orphans(&app.pool, "save another user's identifier").await;

    for (name, status) in [("Paula", 200), ("PAULA", 200), ("anna", 409), ("paul", 200)] {
        let body = json!({"AssociateId": PLAIN.0, "UserName": name});
        let renamed = app.post("/api/v1/Agents/User/SaveUser", &administrator, &body).await;
        renamed.assert_status(status);
        assert_no_orphans(&app.pool, name).await;
    }

    for (user, name, status) in [
        (PLAIN.0, "Lin", 200),
        (PLAIN.0, "LIN", 200),
        (PLAIN.0, "Pal", 200),
        (RETIRED.0, "Lin", 200),
        (RETIRED.0, "pal", 409),
        (RETIRED.0, "", 200),
        (RETIRED.0, "Rit", 200),
    ] {
        let body = json!({"AssociateId": user, "NickName": name});
        let saved = app.post("/api/v1/Agents/User/SaveUser", &administrator, &body).await;
        saved.assert_status(status);
        assert_no_orphans(&app.pool, name).await;
    }

    let new = app.add_key();
    app.restart().await;
    app.command(&["rotate-key", "use", &new], "").assert_success();
    app.command(&["rotate-key", "reseal"], "").assert_success();
    assert_no_orphans(&app.pool, "reseal").await;

    for address in [HOME, ELSEWHERE] {
        login_as_owner(&app, address, PLAIN.1).await.assert_status(200);
        for name in [PLAIN.1, "nobody"] {
            for number in 0..4 {
                login(&app, address, name, &format!("guess {number}")).await;
                assert_no_orphans(&app.pool, "failed attempt").await;
            }
        }
        app.command(&["credential", "unlock", "--user", "paul"], "").assert_success();
        assert_no_orphans(&app.pool, "unlock").await;
        login(&app, address, PLAIN.1, "guess").await;
        login_as_owner(&app, address, PLAIN.1).await.assert_status(200);
        assert_no_orphans(&app.pool, "success").await;
    }

    let body = json!({"UserId": ADMINISTRATOR.0, "CredentialType": sid});
    let deleted = app.post("/api/v1/Agents/User/DeleteCredential", &administrator, &body).await;
    deleted.assert_saved();
    assert_no_orphans(&app.pool, "delete a credential").await;
    app.reconfigure(&[("KEEPER__CREDENTIALS__SINGLE_PER_USER", "true")]).await;
    app.save(&app.administrator(), PLAIN.0, "", "password").await.assert_saved();
    assert_no_orphans(&app.pool, "remove the other types").await;
    app.save(&app.administrator(), PLAIN.0, sid, "S-1-5-8").await.assert_saved();
    app.command(&["user", "delete", "paul"], "").assert_success();
    app.command(&["user", "delete", "rita"], "").assert_success();
    assert_no_orphans(&app.pool, "delete users").await;
    let left = "SELECT (SELECT count(*) FROM credential_identifiers)
                       + (SELECT count(*) FROM login_names WHERE user_id <> 1)
                       + (SELECT count(*) FROM nick_names)
                       + (SELECT count(*) FROM address_failures WHERE user_id > 1)";
    let left: i64 = sqlx::query_scalar(left).fetch_one(&app.pool).await.unwrap();
    assert_eq!(left, 0);
}

#[sqlx::test]
async fn a_save_that_removes_an_identifier_waits_for_a_reseal_of_it(pool: PgPool) {
    let single = [("KEEPER__CREDENTIALS__SINGLE_PER_USER", "true")];
    let mut app = TestApp::spawn_with(pool, &single, "").await;
    for number in 0..5 {
        let sid = format!("S-1-5-{number}");
        app.save(&app.administrator(), PLAIN.0, "ActiveDirectory", &sid).await.assert_saved();
        let new = app.add_key();
        app.restart().await;
        app.command(&["rotate-key", "use", &new], "").assert_success();
        let mut reseal = crate::support::keeper(&["rotate-key", "reseal"]);
        reseal.envs(app.variables()).stderr(std::process::Stdio::null());
        let mut resealing = reseal.spawn().unwrap();
        while resealing.try_wait().unwrap().is_none() {
            app.save(&app.administrator(), PLAIN.0, "", "password").await.assert_saved();
            app.save(&app.administrator(), PLAIN.0, "ActiveDirectory", &sid).await.assert_saved();
        }
        assert_no_orphans(&app.pool, "reseal beside saves").await;
    }
}
