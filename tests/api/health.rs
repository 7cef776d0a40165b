//! Liveness and readiness on the operations listener, and the `health` command.

use sqlx::PgPool;

use crate::support::{Server, TestApp, assert_becomes, free_address, keeper, run_with_input};

#[sqlx::test]
async fn health_routes_exist_only_on_the_operations_listener(pool: PgPool) {
    let address = free_address();
    let app = TestApp::spawn_with(pool, &[("KEEPER__OPERATIONS__LISTEN", &address)], "").await;
    for (path, body) in [("live", "live\n"), ("ready", "ready\n")] {
        let answer =
            app.client.get(format!("http://{address}/health/{path}")).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.text().await.unwrap().as_str()), (200, body));
        let public = app.client.get(format!("{}/health/{path}", app.url)).send().await.unwrap();
        assert_eq!(public.status(), 404);
    }
    let finished = app.command(&["health"], "");
    assert_eq!(finished.assert_success(), "ready");
}

#[sqlx::test]
async fn a_missing_migration_is_not_ready_but_a_newer_one_is_tolerated(pool: PgPool) {
    let address = free_address();
    let app = TestApp::spawn_with(pool, &[("KEEPER__OPERATIONS__LISTEN", &address)], "").await;
    sqlx::raw_sql(
        "INSERT INTO _sqlx_migrations
         SELECT 99991231235959, 'newer', now(), true, 'x', 1",
    )
    .execute(&app.pool)
    .await
    .unwrap();
    assert_eq!(app.command(&["health"], "").code, 0);
    sqlx::raw_sql(
        "UPDATE _sqlx_migrations SET version = version + 1 WHERE version < 99990000000000",
    )
    .execute(&app.pool)
    .await
    .unwrap();
    app.command(&["health"], "").assert_error("503");
}

#[sqlx::test]
async fn the_health_command_fails_when_no_server_answers(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let url = format!("http://{}", free_address());
    let finished = app.command(&["health", "--url", &url], "");
    assert_eq!(finished.code, 1, "{finished:?}");
}

#[sqlx::test]
async fn the_health_command_needs_no_other_setting_than_the_address(pool: PgPool) {
    let address = free_address();
    let app = TestApp::spawn_with(pool, &[("KEEPER__OPERATIONS__LISTEN", &address)], "").await;
    // Mistakes after the start, with the address in a variable.
    for settings in ["http.unknown = 1", "attempts.maximum_failures = 0", "no settings"] {
        app.rewrite_settings(settings);
        assert_eq!(app.command(&["health"], "").assert_success(), "ready", "{settings}");
    }
    let asking = format!("cannot read the settings file; asking http://{address}");
    let told = app.command(&["health"], "").stderr;
    assert!(told.contains(&asking), "{told}");
    // With the address in the file. An empty variable counts as unset.
    let health = |settings: &str| {
        app.rewrite_settings(settings);
        let mut command = keeper(&["health"]);
        command.envs(app.variables()).env("KEEPER__OPERATIONS__LISTEN", "");
        run_with_input(command, "")
    };
    let listen = format!("operations.listen = '{address}'\nhttp.unknown = 1");
    assert_eq!(health(&listen).assert_success(), "ready");
    health("operations.listen = 'nowhere'").assert_error("operations.listen: ");
}

#[sqlx::test]
async fn a_stopping_instance_is_not_ready_but_answers_in_its_grace_period(pool: PgPool) {
    let address = free_address();
    let app = TestApp::spawn(pool).await;
    app.command(&["migrate"], "").assert_success();
    let mut command = keeper(&["serve"]);
    command
        .envs(app.variables())
        .env("KEEPER__OPERATIONS__LISTEN", &address)
        .env("KEEPER__SHUTDOWN__GRACE_SECONDS", "3");
    let server = Server::start(command).unwrap();
    let ready = async || {
        app.client.get(format!("http://{address}/health/ready")).send().await.unwrap().status()
    };
    assert_eq!(ready().await, 200);
    server.signal(rustix::process::Signal::TERM);
    assert_becomes(503, ready).await;
    let request = app.plain().apply_to(app.client.get(format!(
        "{}{}",
        server.ready,
        crate::support::PRINCIPAL
    )));
    assert_eq!(request.send().await.unwrap().status(), 200);
    let (ended_well, log) = server.wait();
    assert!(ended_well, "{log}");
}
