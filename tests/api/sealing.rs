//! Sealing: a credential whose row was changed or moved cannot be unsealed.

use sqlx::PgPool;

use crate::support::{ADMINISTRATOR, PLAIN, PRINCIPAL, TestApp, hex};

/// A change of every column that is bound to the seal.
const TAMPERINGS: [&str; 7] = [
    "UPDATE credentials SET version = version + 1 WHERE user_id = 278",
    "UPDATE credentials SET change_required = 'administrator' WHERE user_id = 278",
    "UPDATE credentials SET hash_memory_kib = hash_memory_kib + 1 WHERE user_id = 278",
    "UPDATE credentials SET hash_iterations = hash_iterations + 1 WHERE user_id = 278",
    "UPDATE credentials SET hash_parallelism = hash_parallelism + 1 WHERE user_id = 278",
    "UPDATE credentials SET sealed_hash = set_byte(sealed_hash, 60, get_byte(sealed_hash, 60) # 1) WHERE user_id = 278",
    "UPDATE credentials SET sealed_hash = (SELECT sealed_hash FROM credentials WHERE user_id = 1) WHERE user_id = 278",
];

#[sqlx::test]
async fn a_tampered_row_answers_like_a_wrong_password(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for tampering in TAMPERINGS {
        app.get(PRINCIPAL, &app.plain()).await.assert_status(200);
        let original = sqlx::query!(
            "SELECT sealed_hash, version, hash_memory_kib, hash_iterations, hash_parallelism
             FROM credentials WHERE user_id = 278"
        )
        .fetch_one(&app.pool)
        .await
        .unwrap();
        sqlx::raw_sql(tampering).execute(&app.pool).await.unwrap();
        app.get(PRINCIPAL, &app.plain()).await.assert_unauthenticated();
        sqlx::query!(
            "UPDATE credentials SET sealed_hash = $1, version = $2, hash_memory_kib = $3,
                                    hash_iterations = $4, hash_parallelism = $5,
                                    change_required = NULL
             WHERE user_id = 278",
            original.sealed_hash,
            original.version,
            original.hash_memory_kib,
            original.hash_iterations,
            original.hash_parallelism
        )
        .execute(&app.pool)
        .await
        .unwrap();
    }
}

#[sqlx::test]
async fn a_row_moved_to_another_user_or_type_cannot_be_unsealed(pool: PgPool) {
    let file = r#"
        [credentials]
        additional_types = [{ name = "Pin", kind = "secret", usable_for_basic = true }]"#;
    let app = TestApp::spawn_with(pool, &[], file).await;
    sqlx::raw_sql(
        "UPDATE credentials SET credential_type = 'Pin' WHERE user_id = 278;
         DELETE FROM credentials WHERE user_id = 1;
         INSERT INTO credentials
             SELECT (jsonb_populate_record(c, '{\"user_id\": 1, \"credential_type\": \"CRM5/PASSWORD\"}')).*
             FROM credentials c WHERE user_id = 300",
    )
    .execute(&app.pool)
    .await
    .unwrap();
    app.get(PRINCIPAL, &app.plain()).await.assert_unauthenticated();
    let moved = crate::support::Credentials::basic(ADMINISTRATOR.1, "rita-password");
    app.get(PRINCIPAL, &moved).await.assert_unauthenticated();
}

#[sqlx::test]
async fn a_credential_with_an_unknown_key_answers_503_instead_of_401(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    sqlx::raw_sql("UPDATE credentials SET key_id = 'another' WHERE user_id = 278")
        .execute(&app.pool)
        .await
        .unwrap();
    let answer = app.get(PRINCIPAL, &app.plain()).await;
    answer.assert_refused(503, "SoServiceUnavailableException", "key_unavailable");
    answer.header("retry-after");
}

#[sqlx::test]
async fn neither_values_nor_hashes_are_stored_in_plain_text(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    app.save(&app.administrator(), PLAIN.0, "", "marker-9a1c").await.assert_saved();
    let text = sqlx::query_scalar!(
        r#"SELECT (SELECT string_agg(c::text, '') FROM credentials c)
               || (SELECT string_agg(a::text, '') FROM audit_events a)
               || (SELECT string_agg(u::text, '') FROM users u) AS "all!""#
    )
    .fetch_one(&app.pool)
    .await
    .unwrap();
    for secret in ["marker-9a1c", "$argon2id$", "anna-password"] {
        assert!(!text.contains(secret) && !text.contains(&hex(secret)), "{secret}");
    }
}
