//! The evidence that each change leaves.

use sqlx::PgPool;

use crate::support::{ADMINISTRATOR, Answer, PLAIN, SAVE, TestApp};

#[sqlx::test]
async fn a_save_leaves_who_what_when_from_where_and_how(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let body = serde_json::json!({"UserId": PLAIN.0, "Credential": {"Value": "x"}});
    let request = app
        .request(reqwest::Method::POST, SAVE, &app.administrator())
        .header("X-Request-Id", "my-own-name")
        .json(&body);
    Answer::read(request.send().await.unwrap()).await.is_saved();
    let event = sqlx::query!(
        r#"SELECT e.*, now() - e.occurred_at < interval '1 minute' AS "is_recent!"
           FROM audit_events e JOIN users u USING (user_id)
           WHERE u.user_id = 278 AND e.sequence = u.audit_sequence AND e.mac = u.audit_mac"#
    );
    let event = event.fetch_one(&app.pool).await.unwrap();
    assert_eq!((event.sequence, event.kind.as_str()), (3, "credential_saved"));
    assert_eq!(event.actor_user_id, Some(ADMINISTRATOR.0));
    assert_eq!(event.scheme, "basic");
    assert_eq!(event.address.as_deref(), Some("127.0.0.1"));
    assert_eq!(event.request_id, "my-own-name");
    assert_eq!(event.credential_type.as_deref(), Some("CRM5/PASSWORD"));
    assert_eq!(event.session_epoch, 2);
    assert!(event.is_recent);
}

#[sqlx::test]
async fn a_command_leaves_its_own_kind_of_evidence(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let events = sqlx::query!(
        "SELECT sequence, kind, actor_user_id, scheme, address FROM audit_events
         WHERE user_id = 278 ORDER BY sequence"
    );
    let events = events.fetch_all(&app.pool).await.unwrap();
    let kinds: Vec<_> = events.iter().map(|event| (event.sequence, event.kind.as_str())).collect();
    assert_eq!(kinds, [(1, "user_added"), (2, "credential_saved")]);
    for event in events {
        assert_eq!((event.actor_user_id, event.scheme.as_str()), (None, "command"));
        assert_eq!(event.address, None);
    }
}

#[sqlx::test]
async fn when_the_event_cannot_be_written_the_change_does_not_happen(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    // The next event's place is taken, so the append must fail.
    sqlx::raw_sql(
        "INSERT INTO audit_events SELECT user_id, sequence + 1, occurred_at, kind, actor_user_id,
                scheme, address, request_id, credential_type, session_epoch, key_id, mac
         FROM audit_events WHERE user_id = 278 AND sequence = 2",
    )
    .execute(&app.pool)
    .await
    .unwrap();
    let answer = app.save(&app.administrator(), PLAIN.0, "", "x").await;
    answer.is_refused(500, "Exception", "internal");
    assert_eq!(answer.json()["Message"], "An error has occurred.");
    app.get(crate::support::WHO, &app.plain()).await.has_status(200);
}
