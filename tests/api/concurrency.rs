//! Concurrent changes, canceled requests, and a service that is killed during a save.

use rustix::process::Signal;
use serde_json::json;
use sqlx::{PgPool, Postgres, Transaction};
use tokio::task::JoinHandle;

use crate::support::{
    Answer, Credentials, DatabaseProxy, PLAIN, PRINCIPAL, SAVE, Server, TICKETS, TestApp,
    assert_becomes, keeper, password_of,
};

/// Starts a save for the plain user that waits for their row until the returned transaction ends.
async fn blocked_save(
    app: &TestApp,
    credentials: &Credentials,
) -> (Transaction<'static, Postgres>, JoinHandle<Answer>) {
    let mut held = app.pool.begin().await.unwrap();
    sqlx::query!("SELECT 1 AS one FROM users WHERE user_id = 278 FOR UPDATE")
        .fetch_one(&mut *held)
        .await
        .unwrap();
    let body = json!({"UserId": PLAIN.0, "Credential": {"Value": "too late"}});
    let request = app.request(reqwest::Method::POST, SAVE, credentials).json(&body);
    let save = tokio::spawn(async move { Answer::read(request.send().await.unwrap()).await });
    app.wait_for_blocked_sessions(1).await;
    (held, save)
}

#[sqlx::test]
async fn a_hundred_concurrent_saves_leave_one_row_and_an_unbroken_sequence(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let head = || {
        sqlx::query!(
            "SELECT u.audit_sequence, u.session_epoch, c.version
             FROM users u JOIN credentials c USING (user_id) WHERE user_id = 278"
        )
    };
    let before = head().fetch_one(&app.pool).await.unwrap();
    let administrator = Credentials::Ticket(app.ticket(&app.administrator()).await);
    let values: Vec<String> = (0..100).map(|number| format!("value-{number}")).collect();
    let saves = values.iter().map(|value| {
        let body = json!({"UserId": PLAIN.0, "Credential": {"Value": value}});
        let request = app.request(reqwest::Method::POST, SAVE, &administrator).json(&body);
        tokio::spawn(async move { Answer::read(request.send().await.unwrap()).await })
    });
    for save in saves.collect::<Vec<_>>() {
        save.await.unwrap().assert_saved();
    }
    let after = head().fetch_one(&app.pool).await.unwrap();
    assert_eq!(after.version, before.version + 100);
    assert_eq!(after.audit_sequence, before.audit_sequence + 100);
    assert_eq!(after.session_epoch, before.session_epoch + 100);
    let events = sqlx::query!(
        r#"SELECT count(*) AS "count!", min(sequence) AS "first!", max(sequence) AS "last!"
           FROM audit_events WHERE user_id = 278"#
    );
    let events = events.fetch_one(&app.pool).await.unwrap();
    assert_eq!((events.count, events.first, events.last), (after.version, 1, after.version));
    let mut accepted = 0;
    for value in &values {
        sqlx::raw_sql("DELETE FROM authentication_attempts").execute(&app.pool).await.unwrap();
        let answer = app.get(PRINCIPAL, &Credentials::basic(PLAIN.1, value)).await;
        accepted += i32::from(answer.status == 200);
    }
    assert_eq!(accepted, 1, "exactly one of the values must log in");
}

/// Starts `serve` on the database of `app`.
fn serve(app: &TestApp) -> Server {
    app.command(&["migrate"], "").assert_success();
    let mut command = keeper(&["serve"]);
    command.envs(app.variables());
    Server::start(command).unwrap()
}

/// The other sessions of the test's database that run a statement or have an open transaction.
async fn active_sessions(app: &TestApp) -> i64 {
    let active = "SELECT count(*) FROM pg_stat_activity
                  WHERE datname = current_database() AND state <> 'idle' AND pid <> pg_backend_pid()";
    sqlx::query_scalar(active).fetch_one(&app.pool).await.unwrap()
}

/// Kills the service while its save waits for a lock that the statement `lock` takes, and asserts
/// that nothing was written.
async fn assert_killed_save_writes_nothing(app: &TestApp, lock: &'static str) {
    let state = || {
        sqlx::query_scalar!(
            r#"SELECT (SELECT string_agg(c.version || c.sealed_hash::text, ',' ORDER BY user_id)
                       FROM credentials c)
                   || (SELECT string_agg(u::text, ',' ORDER BY user_id) FROM users u)
                   || (SELECT count(*) FROM audit_events) AS "all!""#
        )
    };
    let before = state().fetch_one(&app.pool).await.unwrap();
    let server = serve(app);
    let mut held = app.pool.begin().await.unwrap();
    sqlx::raw_sql(lock).execute(&mut *held).await.unwrap();
    let body = json!({"UserId": PLAIN.0, "Credential": {"Value": "never acknowledged"}});
    let request = app
        .administrator()
        .apply_to(app.client.post(format!("{}{SAVE}", server.ready)))
        .json(&body);
    let save = tokio::spawn(request.send());
    app.wait_for_blocked_sessions(1).await;
    server.signal(Signal::KILL);
    assert!(save.await.unwrap().is_err(), "a killed service must not acknowledge the save");
    drop(held.rollback().await);
    server.wait();
    // PostgreSQL notices the lost connection after a while; until then it may keep the lock.
    assert_becomes(0, async || active_sessions(app).await).await;
    assert_eq!(state().fetch_one(&app.pool).await.unwrap(), before);
    app.get(PRINCIPAL, &app.plain()).await.assert_status(200);
}

#[sqlx::test]
async fn a_save_killed_before_its_first_statement_writes_nothing(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    assert_killed_save_writes_nothing(&app, "SELECT 1 FROM users WHERE user_id = 278 FOR UPDATE")
        .await;
}

#[sqlx::test]
async fn a_save_killed_between_its_two_statements_writes_nothing(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    assert_killed_save_writes_nothing(&app, "LOCK TABLE credentials IN SHARE MODE").await;
}

#[sqlx::test]
async fn no_ticket_for_the_old_password_survives_a_concurrent_change(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let mut password = password_of(PLAIN.1);
    let mut issued = 0;
    for round in 0..15 {
        let next = format!("password-{round}");
        let login = Credentials::basic(PLAIN.1, &password);
        let administrator = app.administrator();
        let logins = (0..4).map(|_| {
            let request = app.request(reqwest::Method::POST, TICKETS, &login);
            tokio::spawn(async move { Answer::read(request.send().await.unwrap()).await })
        });
        let logins: Vec<_> = logins.collect();
        app.save(&administrator, PLAIN.0, "", &next).await.assert_saved();
        for login in logins {
            let answer = login.await.unwrap();
            if answer.status == 201 {
                issued += 1;
                let ticket = answer.json()["Ticket"].as_str().unwrap().to_owned();
                app.get(PRINCIPAL, &Credentials::Ticket(ticket)).await.assert_unauthenticated();
            } else {
                answer.assert_unauthenticated();
            }
        }
        password = next;
    }
    assert!(issued > 0, "no login was faster than the change, so the test proved nothing");
}

#[sqlx::test]
async fn a_save_authenticated_with_a_replaced_password_is_refused(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let (mut held, save) = blocked_save(&app, &app.plain()).await;
    // Another save replaces the password; the version is all that this save checks.
    sqlx::query!("UPDATE credentials SET version = version + 1 WHERE user_id = 278")
        .execute(&mut *held)
        .await
        .unwrap();
    held.commit().await.unwrap();
    save.await.unwrap().assert_unauthenticated();
    let events = sqlx::query_scalar!("SELECT count(*) FROM audit_events WHERE user_id = 278");
    assert_eq!(events.fetch_one(&app.pool).await.unwrap(), Some(2));
}

#[sqlx::test]
async fn a_save_that_times_out_waiting_for_a_row_lock_answers_503(pool: PgPool) {
    let settings = [("KEEPER__DATABASE__LOCK_TIMEOUT_SECONDS", "1")];
    let app = TestApp::spawn_with(pool, &settings, "").await;
    let server = serve(&app);
    let mut held = app.pool.begin().await.unwrap();
    sqlx::query!("SELECT 1 AS one FROM users WHERE user_id = 278 FOR UPDATE")
        .fetch_one(&mut *held)
        .await
        .unwrap();
    let body = json!({"UserId": PLAIN.0, "Credential": {"Value": "x"}});
    let request = app
        .administrator()
        .apply_to(app.client.post(format!("{}{SAVE}", server.ready)))
        .json(&body);
    let answer = Answer::read(request.send().await.unwrap()).await;
    answer.assert_refused(503, "SoServiceUnavailableException", "overloaded");
    answer.header("retry-after");
}

#[sqlx::test]
async fn a_canceled_save_leaves_no_open_transaction(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let (held, save) = blocked_save(&app, &app.administrator()).await;
    save.abort();
    held.rollback().await.unwrap();
    // No transaction stays open.
    assert_becomes(0, async || active_sessions(&app).await).await;
    app.save(&app.administrator(), PLAIN.0, "", "the row is free").await.assert_saved();
}

#[sqlx::test]
async fn a_request_canceled_during_begin_loses_no_other_save(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let proxy = DatabaseProxy::start(&app.pool).await;
    let one_connection =
        [("KEEPER__DATABASE__URL", &*proxy.url), ("KEEPER__DATABASE__MAXIMUM_CONNECTIONS", "1")];
    let other = app.spawn_instance(&one_connection).await;
    let administrator = Credentials::Ticket(other.ticket(&other.administrator()).await);
    // Identifiers are always written in a transaction.
    let body = json!({
        "UserId": PLAIN.0,
        "Credential": {"Type": {"Type": "ActiveDirectory"}, "Value": "S-1-5-21-1"},
    });
    proxy.hold_reply_to("BEGIN");
    let request = other.request(reqwest::Method::POST, SAVE, &administrator).json(&body);
    let save = tokio::spawn(request.send());
    proxy.wait_until_held().await;
    save.abort();
    // When the request has ended, the pool has closed its connection, or keeps it with its pending
    // `BEGIN`.
    other.wait_for_metric("keeper_http_requests_in_flight", 0.0).await;
    proxy.release();
    other.save(&administrator, PLAIN.0, "", "acknowledged").await.assert_saved();
    app.get(PRINCIPAL, &Credentials::basic(PLAIN.1, "acknowledged")).await.assert_status(200);
}

#[sqlx::test]
async fn a_save_is_a_single_statement_unless_another_transaction_blocks_it(pool: PgPool) {
    // On a distributed database, it is a transaction.
    let app = TestApp::spawn_with(pool, &[("KEEPER__DATABASE__DISTRIBUTED", "off")], "").await;
    // The last statement of each connection of the service.
    let committed = || {
        sqlx::query_scalar!(
            r#"SELECT count(*) AS "count!" FROM pg_stat_activity
               WHERE datname = current_database() AND query = 'COMMIT'
                 AND application_name = 'credential-keeper'"#
        )
    };
    let administrator = app.administrator();
    app.save(&administrator, PLAIN.0, "", "alone").await.assert_saved();
    assert_eq!(committed().fetch_one(&app.pool).await.unwrap(), 0);
    let (held, save) = blocked_save(&app, &administrator).await;
    held.rollback().await.unwrap();
    save.await.unwrap().assert_saved();
    assert_eq!(committed().fetch_one(&app.pool).await.unwrap(), 1);
}

/// Starts a save for the plain user.
fn start_save(app: &TestApp, ticket: &Credentials) -> JoinHandle<Answer> {
    let body = json!({"UserId": PLAIN.0, "Credential": {"Value": "another"}});
    let request = app.request(reqwest::Method::POST, SAVE, ticket).json(&body);
    tokio::spawn(async move { Answer::read(request.send().await.unwrap()).await })
}

#[sqlx::test]
async fn a_save_waits_for_the_revocation_of_its_right_and_is_then_refused(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for revocation in [
        "UPDATE users SET session_epoch = session_epoch + 1 WHERE user_id = 1",
        "UPDATE users SET is_retired = true WHERE user_id = 1",
        "UPDATE users SET is_administrator = false WHERE user_id = 1",
        "UPDATE users SET user_type = 'external' WHERE user_id = 1",
        "DELETE FROM tickets WHERE user_id = 1",
    ] {
        let ticket = Credentials::Ticket(app.ticket(&app.administrator()).await);
        let mut revoking = app.pool.begin().await.unwrap();
        sqlx::raw_sql(revocation).execute(&mut *revoking).await.unwrap();
        let save = start_save(&app, &ticket);
        app.wait_for_blocked_sessions(1).await;
        revoking.commit().await.unwrap();
        save.await.unwrap().assert_unauthenticated();
        app.get(PRINCIPAL, &app.plain()).await.assert_status(200);
        app.restore_administrator().await;
    }
}

#[sqlx::test]
async fn a_revocation_of_rights_waits_for_a_save_in_progress(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for revocation in [
        "DELETE FROM tickets WHERE user_id = 1",
        "UPDATE users SET is_administrator = false WHERE user_id = 1",
    ] {
        let ticket = Credentials::Ticket(app.ticket(&app.administrator()).await);
        let mut held = app.pool.begin().await.unwrap();
        let row = "SELECT 1 FROM credentials WHERE user_id = 278 FOR UPDATE";
        sqlx::raw_sql(row).execute(&mut *held).await.unwrap();
        let save = start_save(&app, &ticket);
        app.wait_for_blocked_sessions(1).await;
        let pool = app.pool.clone();
        let revoking = tokio::spawn(async move { sqlx::raw_sql(revocation).execute(&pool).await });
        app.wait_for_blocked_sessions(2).await;
        assert!(!revoking.is_finished());
        held.rollback().await.unwrap();
        save.await.unwrap().assert_saved();
        revoking.await.unwrap().unwrap();
        app.get(PRINCIPAL, &Credentials::basic(PLAIN.1, "another")).await.assert_status(200);
    }
}

#[sqlx::test]
async fn only_one_of_two_administrators_can_demote_the_other(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    app.add_user((400, "bert"), &["--administrator"]);
    let path = "/api/v1/Agents/User/SaveUser";
    for _ in 0..10 {
        let [anna, bert] = [app.administrator(), Credentials::basic("bert", "bert-password")];
        let demote = |user_id: i32| json!({"AssociateId": user_id, "Role": {"Value": "User"}});
        let (by_anna, by_bert) = (demote(400), demote(1));
        let (first, second) =
            tokio::join!(app.post(path, &anna, &by_anna), app.post(path, &bert, &by_bert));
        let mut statuses = [first.status.as_u16(), second.status.as_u16()];
        statuses.sort_unstable();
        assert!(matches!(statuses, [200, 401 | 403]), "{first:?} {second:?}");
        let promote = "UPDATE users SET is_administrator = true WHERE user_id IN (1, 400)";
        sqlx::query(promote).execute(&app.pool).await.unwrap();
    }
}

#[sqlx::test]
async fn two_administrators_who_change_each_other_concurrently_never_deadlock(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    app.add_user((400, "bert"), &["--administrator"]);
    let mut tickets = Vec::new();
    for credentials in [app.administrator(), Credentials::basic("bert", "bert-password")] {
        tickets.push(Credentials::Ticket(app.ticket(&credentials).await));
    }
    let changes = (0..120).map(|number| {
        let (credentials, target) =
            if number % 2 == 0 { (&tickets[0], 400) } else { (&tickets[1], 1) };
        let (call, body) = match number % 3 {
            0 => ("SaveUser", json!({"AssociateId": target, "FullName": format!("{number}")})),
            // This type revokes nothing when it is saved, and is always saved in a transaction.
            1 => (
                "SaveCredential",
                json!({"UserId": target, "Credential": {"Type": {"Type": "ActiveDirectory"},
                                                      "Value": format!("S-{target}-{number}")}}),
            ),
            _ => {
                ("DeleteCredential", json!({"UserId": target, "CredentialType": "ActiveDirectory"}))
            }
        };
        let app = &app;
        async move { app.post(&format!("/api/v1/Agents/User/{call}"), credentials, &body).await }
    });
    for answer in futures_util::future::join_all(changes).await {
        assert!(answer.status.is_success(), "{answer:?}");
    }
}

#[sqlx::test]
async fn a_save_that_waits_while_its_session_ends_is_refused(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let rows = || {
        sqlx::query!(
            "SELECT u.audit_sequence, u.session_epoch, c.version
             FROM users u JOIN credentials c USING (user_id) WHERE user_id = 278"
        )
    };
    let before = rows().fetch_one(&app.pool).await.unwrap();
    for kind in ["session", "ticket"] {
        let credentials = match kind {
            "session" => app.session("anna").await,
            _ => Credentials::Ticket(app.ticket(&app.administrator()).await),
        };
        let (held, save) = blocked_save(&app, &credentials).await;
        sqlx::query!("DELETE FROM tickets").execute(&app.pool).await.unwrap();
        held.commit().await.unwrap();
        save.await.unwrap().assert_unauthenticated();
    }
    let after = rows().fetch_one(&app.pool).await.unwrap();
    assert_eq!(
        (before.audit_sequence, before.session_epoch, before.version),
        (after.audit_sequence, after.session_epoch, after.version)
    );
}

#[sqlx::test]
async fn a_save_that_waits_goes_on_after_a_new_password_that_its_own_ticket_saves(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    // Users are locked by ascending id: a save that waits for the plain user has not locked this one.
    app.add_user((400, "bert"), &["--administrator"]);
    let bert = Credentials::basic("bert", &password_of("bert"));
    let ticket = Credentials::Ticket(app.ticket(&bert).await);
    let other = Credentials::Ticket(app.ticket(&bert).await);
    let (held, save) = blocked_save(&app, &ticket).await;
    let revoked = start_save(&app, &other);
    app.wait_for_blocked_sessions(2).await;
    app.save(&ticket, 400, "", "another password of bert").await.assert_saved();
    held.rollback().await.unwrap();
    save.await.unwrap().assert_saved();
    revoked.await.unwrap().assert_unauthenticated();
    app.get(PRINCIPAL, &Credentials::basic(PLAIN.1, "too late")).await.assert_status(200);
}
