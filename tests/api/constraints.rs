//! Each rule of each table refuses what it is there for.

use sqlx::PgPool;

use crate::support::TestApp;

/// Runs a statement that must fail at that constraint.
async fn is_refused_by(pool: &PgPool, statement: &'static str, constraint: &str) {
    let error = sqlx::raw_sql(statement).execute(pool).await.unwrap_err();
    let database = error.as_database_error().unwrap_or_else(|| panic!("{constraint}: {error}"));
    assert_eq!(database.constraint(), Some(constraint), "{statement}: {error}");
}

const CASES: [(&str, &str); 73] = [
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
    ("users_display_name_check", "UPDATE users SET display_name = ''"),
    (
        "users_login_name_check",
        "UPDATE users SET deleted_at = now(), is_administrator = false, display_name = ''
         WHERE user_id = 300",
    ),
    (
        "users_display_name_check",
        "UPDATE users SET deleted_at = now(), is_administrator = false, login_name = ''
         WHERE user_id = 300",
    ),
    (
        "users_deleted_at_check",
        "UPDATE users SET deleted_at = now(), login_name = '', display_name = ''",
    ),
    ("users_user_type_check", "UPDATE users SET user_type = 'other'"),
    ("users_session_epoch_check", "UPDATE users SET session_epoch = -1"),
    ("users_audit_sequence_check", "UPDATE users SET audit_sequence = 0"),
    ("users_audit_mac_check", "UPDATE users SET audit_mac = 'x'"),
    ("login_names_pkey", "INSERT INTO login_names VALUES ('anna', 278)"),
    ("login_names_canonical_name_check", "INSERT INTO login_names VALUES ('', 278)"),
    ("login_names_user_id_fkey", "INSERT INTO login_names VALUES ('x', 4711)"),
    (
        "login_names_user_id_fkey",
        "DELETE FROM credentials; DELETE FROM audit_events; DELETE FROM users",
    ),
    ("credentials_pkey", "UPDATE credentials SET user_id = 1 WHERE user_id = 278"),
    ("credentials_user_id_fkey", "UPDATE credentials SET user_id = 4711 WHERE user_id = 278"),
    ("credentials_credential_type_check", "UPDATE credentials SET credential_type = ''"),
    ("credentials_sealed_hash_check", "UPDATE credentials SET sealed_hash = 'short'"),
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
    ("credentials_version_limit_check", "UPDATE credentials SET version = 4611686018427387905"),
    ("users_session_epoch_limit_check", "UPDATE users SET session_epoch = 4611686018427387905"),
    ("users_audit_sequence_limit_check", "UPDATE users SET audit_sequence = 4611686018427387905"),
    (
        "credential_identifiers_pkey",
        "INSERT INTO credential_identifiers SELECT 'CRM5/PASSWORD', sha256('x'), user_id FROM users",
    ),
    (
        "credential_identifiers_credential_fkey",
        "INSERT INTO credential_identifiers VALUES ('None', sha256('x'), 1)",
    ),
    (
        "credential_identifiers_digest_check",
        "INSERT INTO credential_identifiers VALUES ('CRM5/PASSWORD', 'x', 1)",
    ),
    (
        "tickets_kind_check",
        "INSERT INTO tickets VALUES (1, sha256('x'), 0, now(), now(), now() + '1 h', 'other')",
    ),
    (
        "tickets_pkey",
        "INSERT INTO tickets SELECT 1, sha256('x'), 0, now(), now(), now() + interval '1 h' FROM generate_series(1, 2)",
    ),
    (
        "tickets_user_id_fkey",
        "INSERT INTO tickets VALUES (4711, sha256('x'), 0, now(), now(), now() + interval '1 h')",
    ),
    (
        "tickets_digest_check",
        "INSERT INTO tickets VALUES (1, 'x', 0, now(), now(), now() + interval '1 h')",
    ),
    (
        "tickets_session_epoch_check",
        "INSERT INTO tickets VALUES (1, sha256('x'), -1, now(), now(), now() + interval '1 h')",
    ),
    (
        "tickets_expires_at_check",
        "INSERT INTO tickets VALUES (1, sha256('x'), 0, now(), now(), now())",
    ),
    ("audit_events_pkey", "INSERT INTO audit_events SELECT * FROM audit_events"),
    (
        "audit_events_user_id_fkey",
        "UPDATE audit_events SET user_id = 4711 WHERE user_id = 278 AND sequence = 1",
    ),
    ("audit_events_sequence_check", "UPDATE audit_events SET sequence = 0 WHERE sequence = 1"),
    ("audit_events_kind_check", "UPDATE audit_events SET kind = 'other'"),
    ("audit_events_scheme_check", "UPDATE audit_events SET scheme = 'other'"),
    ("audit_events_mac_check", "UPDATE audit_events SET mac = 'x'"),
    (
        "authentication_attempts_pkey",
        "INSERT INTO authentication_attempts VALUES (278, 'x', 0, NULL, '{}', now(), 0), (278, 'x', 0, NULL, '{}', now(), 0)",
    ),
    (
        "authentication_attempts_user_id_check",
        "INSERT INTO authentication_attempts VALUES (0, 'x', 0, NULL, '{}', now(), 0)",
    ),
    (
        "authentication_attempts_failures_check",
        "INSERT INTO authentication_attempts VALUES (278, 'x', -1, NULL, '{}', now(), 0)",
    ),
    (
        "authentication_attempts_tried_check",
        "INSERT INTO authentication_attempts
         VALUES (278, 'x', 0, NULL, array_fill('x'::bytea, ARRAY[17]), now(), 0)",
    ),
    (
        "authentication_attempts_throttle_failures_check",
        "INSERT INTO authentication_attempts VALUES (278, 'x', 0, NULL, '{}', now(), 0, -1)",
    ),
    (
        "authentication_attempts_throttle_tried_check",
        "INSERT INTO authentication_attempts
         VALUES (278, 'x', 0, NULL, '{}', now(), 0, 0, now(), array_fill('x'::bytea, ARRAY[17]))",
    ),
    (
        "authentication_attempts_day_failures_check",
        "INSERT INTO authentication_attempts VALUES (278, 'x', 0, NULL, '{}', now(), -1)",
    ),
    (
        "callers_pkey",
        "INSERT INTO callers SELECT 278, sha256('x'), 0, '{}', now() FROM generate_series(1, 2)",
    ),
    ("callers_user_id_check", "INSERT INTO callers VALUES (0, sha256('x'), 0, '{}', now())"),
    ("callers_address_digest_check", "INSERT INTO callers VALUES (278, 'x', 0, '{}', now())"),
    ("callers_failures_check", "INSERT INTO callers VALUES (278, sha256('x'), -1, '{}', now())"),
    (
        "callers_tried_check",
        "INSERT INTO callers
         VALUES (278, sha256('x'), 0, array_fill('x'::bytea, ARRAY[17]), now())",
    ),
    ("callers_last_failed_at_check", "INSERT INTO callers VALUES (278, sha256('x'), 0, '{}')"),
    ("keys_pkey", "INSERT INTO keys SELECT 'x', sha256('x'), now() FROM generate_series(1, 2)"),
    ("keys_key_id_check", "INSERT INTO keys VALUES ('', sha256('x'), now())"),
    ("keys_check_mac_check", "INSERT INTO keys VALUES ('x', 'x', now())"),
];

#[sqlx::test]
async fn every_constraint_refuses_what_it_is_there_for(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for (constraint, statement) in CASES {
        is_refused_by(&app.pool, statement, constraint).await;
    }
    is_refused_by(
        &app.pool,
        "UPDATE audit_events SET request_id = ''",
        "audit_events_request_id_check",
    )
    .await;
    is_refused_by(&app.pool, "UPDATE audit_events SET key_id = ''", "audit_events_key_id_check")
        .await;
}

#[sqlx::test]
async fn no_constraint_is_left_out(pool: PgPool) {
    let named = sqlx::query_scalar!(
        r#"SELECT c.conname::text AS "name!" FROM pg_constraint c
           JOIN pg_class t ON t.oid = c.conrelid
           WHERE c.connamespace = 'public'::regnamespace AND t.relname <> '_sqlx_migrations'"#
    );
    let tested: Vec<&str> = CASES
        .iter()
        .map(|(constraint, _)| *constraint)
        .chain(["audit_events_request_id_check", "audit_events_key_id_check"])
        // Holds whenever the primary key does; it is there for its index.
        .chain(["credential_identifiers_user_key"])
        .collect();
    for name in named.fetch_all(&pool).await.unwrap() {
        assert!(tested.contains(&name.as_str()), "{name} has no test");
    }
}
