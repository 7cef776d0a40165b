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
    let answer = Answer::read(request.send().await.unwrap()).await;
    answer.is_saved();
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
    // The service's own name of the request; not one that the caller chose.
    assert_eq!(event.request_id, answer.header("x-request-id"));
    assert_ne!(event.request_id, "my-own-name");
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

/// Everything that a change could have changed.
async fn everything(app: &TestApp) -> String {
    let statement = "SELECT concat(
        (SELECT json_agg(u ORDER BY user_id) FROM users u),
        (SELECT json_agg(n ORDER BY canonical_name) FROM login_names n),
        (SELECT json_agg(c ORDER BY user_id, credential_type) FROM
            (SELECT user_id, credential_type, sealed_hash, version FROM credentials) c),
        (SELECT json_agg(i ORDER BY digest) FROM credential_identifiers i),
        (SELECT json_agg(t ORDER BY digest) FROM (SELECT user_id, digest, session_epoch FROM tickets) t),
        (SELECT json_agg(a) FROM authentication_attempts a WHERE user_id = 278)
    )";
    sqlx::query_scalar(statement).fetch_one(&app.pool).await.unwrap()
}

#[sqlx::test]
async fn no_change_of_any_kind_happens_without_its_event(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let administrator = app.administrator();
    app.save(&administrator, PLAIN.0, "ActiveDirectory", "S-1-5").await.is_saved();
    app.ticket(&app.plain()).await;
    app.get(crate::support::WHO, &crate::support::Credentials::basic(PLAIN.1, "wrong")).await;
    let refusing =
        "ALTER TABLE audit_events ADD CONSTRAINT refusing CHECK (sequence < 0) NOT VALID";
    sqlx::raw_sql(refusing).execute(&app.pool).await.unwrap();
    let before = everything(&app).await;
    let of_user = serde_json::json!({"AssociateId": PLAIN.0, "Password": "another password"});
    for (call, body) in [
        ("SaveCredential", serde_json::json!({"UserId": 278, "Credential": {"Value": "x"}})),
        (
            "SaveCredential",
            serde_json::json!({"UserId": 278, "Credential": {"Type": {"Type": "ActiveDirectory"}, "Value": "S-2"}}),
        ),
        (
            "DeleteCredential",
            serde_json::json!({"UserId": 278, "CredentialType": "ActiveDirectory"}),
        ),
        ("SetPassword", of_user.clone()),
        ("SetGeneratedPassword", of_user),
        ("SaveUser", serde_json::json!({"AssociateId": 278, "Name": "another"})),
        ("SaveUser", serde_json::json!({"AssociateId": 0, "Name": "new"})),
        ("MakeRetired", serde_json::json!([278])),
        ("DeleteUser", serde_json::json!({"UserId": 278})),
    ] {
        let path = format!("/api/v1/Agents/User/{call}");
        let answer = app.post(&path, &administrator, &body).await;
        assert!(answer.status.is_server_error() || answer.status == 400, "{call}: {answer:?}");
        assert_eq!(everything(&app).await, before, "{call}: {answer:?}");
    }
    for path in ["/keeper/users/278/tickets", "/keeper/users/278/attempts"] {
        let request = app.request(reqwest::Method::DELETE, path, &administrator);
        assert_eq!(request.send().await.unwrap().status(), 500, "{path}");
        assert_eq!(everything(&app).await, before, "{path}");
    }
    for (arguments, input) in [
        (vec!["user", "add", "new"], "a password"),
        (vec!["user", "grant-admin", "paul"], ""),
        (vec!["user", "retire", "paul"], ""),
        (vec!["user", "reactivate", "rita"], ""),
        (vec!["user", "delete", "paul"], ""),
        (vec!["credential", "save", "--user", "paul"], "a password"),
        (vec!["credential", "delete", "--user", "paul", "--type", "ActiveDirectory"], ""),
        (vec!["credential", "unlock", "--user", "paul"], ""),
    ] {
        let finished = app.command(&arguments, input);
        assert_eq!(finished.code, 1, "{arguments:?}: {finished:?}");
        assert_eq!(everything(&app).await, before, "{arguments:?}");
    }
}

#[sqlx::test]
async fn single_logins_are_in_the_log_and_not_in_the_chain(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let count = async || {
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM audit_events")
            .fetch_one(&app.pool)
            .await
            .unwrap();
        count
    };
    let before = count().await;
    app.get(crate::support::WHO, &app.plain()).await.has_status(200);
    let wrong = crate::support::Credentials::basic(PLAIN.1, "wrong");
    app.get(crate::support::WHO, &wrong).await.has_status(401);
    app.session(PLAIN.1).await;
    app.ticket(&app.plain()).await;
    assert_eq!(count().await, before);
}
