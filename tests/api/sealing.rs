//! A row that was changed or moved does not open, whichever column it was (design.md 3).

use sqlx::PgPool;

use crate::support::{ADMINISTRATOR, PLAIN, TestApp, WHO, hex};

/// Every column the seal is bound to, changed in the table.
const EDITS: [&str; 6] = [
    "UPDATE credentials SET version = version + 1 WHERE user_id = 278",
    "UPDATE credentials SET hash_memory_kib = hash_memory_kib + 1 WHERE user_id = 278",
    "UPDATE credentials SET hash_iterations = hash_iterations + 1 WHERE user_id = 278",
    "UPDATE credentials SET hash_parallelism = hash_parallelism + 1 WHERE user_id = 278",
    "UPDATE credentials SET sealed_hash = set_byte(sealed_hash, 60, get_byte(sealed_hash, 60) # 1) WHERE user_id = 278",
    "UPDATE credentials SET sealed_hash = (SELECT sealed_hash FROM credentials WHERE user_id = 1) WHERE user_id = 278",
];

#[sqlx::test]
async fn a_changed_row_answers_like_a_wrong_password(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for edit in EDITS {
        app.get(WHO, &app.plain()).await.assert_status(200);
        let kept = sqlx::query!(
            "SELECT sealed_hash, version, hash_memory_kib, hash_iterations, hash_parallelism
             FROM credentials WHERE user_id = 278"
        )
        .fetch_one(&app.pool)
        .await
        .unwrap();
        sqlx::raw_sql(edit).execute(&app.pool).await.unwrap();
        app.get(WHO, &app.plain()).await.assert_unauthenticated();
        sqlx::query!(
            "UPDATE credentials SET sealed_hash = $1, version = $2, hash_memory_kib = $3,
                                    hash_iterations = $4, hash_parallelism = $5
             WHERE user_id = 278",
            kept.sealed_hash,
            kept.version,
            kept.hash_memory_kib,
            kept.hash_iterations,
            kept.hash_parallelism
        )
        .execute(&app.pool)
        .await
        .unwrap();
    }
}

#[sqlx::test]
async fn a_row_moved_to_another_user_or_type_does_not_open(pool: PgPool) {
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
    app.get(WHO, &app.plain()).await.assert_unauthenticated();
    let with_moved = crate::support::Credentials::basic(ADMINISTRATOR.1, "rita-password");
    app.get(WHO, &with_moved).await.assert_unauthenticated();
}

#[sqlx::test]
async fn an_unknown_key_is_503_and_never_a_wrong_password(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    sqlx::raw_sql("UPDATE credentials SET key_id = 'another' WHERE user_id = 278")
        .execute(&app.pool)
        .await
        .unwrap();
    let answer = app.get(WHO, &app.plain()).await;
    answer.assert_refused(503, "SoServiceUnavailableException", "key_unavailable");
    answer.header("retry-after");
}

#[sqlx::test]
async fn no_value_and_no_hash_rests_in_the_clear(pool: PgPool) {
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
