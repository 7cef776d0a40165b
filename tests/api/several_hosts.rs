//! A database URL with several hosts: the service uses the one that accepts writes, and follows a
//! promotion.

use std::{
    net::TcpListener,
    path::Path,
    time::{Duration, Instant},
};

use sqlx::{ConnectOptions, Connection, PgConnection, PgPool};

use crate::support::{
    Credentials, PLAIN, PRINCIPAL, PrivateServer, SERVICE_ROLE, Standby, TestApp, keeper,
    run_with_input,
};

/// The folder of a Unix socket as a host of a URL.
fn socket_host(folder: &Path) -> String {
    folder.to_str().unwrap().replace('/', "%2F")
}

/// A server whose kernel accepts connections, and that never answers.
fn silent_server() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

#[sqlx::test]
async fn hosts_that_are_down_or_silent_do_not_delay_a_connection(pool: PgPool) {
    let silent = [silent_server(), silent_server()];
    let options = pool.connect_options();
    let url = options.to_url_lossy();
    let host = options.get_socket().map_or_else(
        || format!("{}:{}", options.get_host(), options.get_port()),
        |folder| socket_host(folder.as_path()),
    );
    let password = url.password().map(|text| format!(":{text}")).unwrap_or_default();
    let url = format!(
        "postgres://{SERVICE_ROLE}{password}@{},{},[::1]:1,{host}/{}?target_session_attrs=read-write",
        silent[0].1,
        silent[1].1,
        options.get_database().unwrap(),
    );
    // Waiting for both silent servers in turn would take longer than this.
    let variables = [
        ("KEEPER__DATABASE__URL", url.as_str()),
        ("KEEPER__DATABASE__ACQUIRE_TIMEOUT_SECONDS", "4"),
    ];
    let app = TestApp::spawn_with(pool, &variables, "").await;
    app.save(&app.administrator(), PLAIN.0, "", "saved").await.assert_saved();
    app.get(PRINCIPAL, &app.administrator()).await.assert_status(200);
}

#[sqlx::test]
async fn hosts_that_refuse_connections_fail_at_once(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let mut command = keeper(&["migrate", "--check"]);
    command.envs(app.variables()).envs([
        ("KEEPER__DATABASE__URL", "postgres://marker@127.0.0.1:1,[::1]:1/keeper"),
        ("KEEPER__DATABASE__ACQUIRE_TIMEOUT_SECONDS", "60"),
    ]);
    let started = Instant::now();
    let refused = run_with_input(command, "");
    assert!(started.elapsed() < Duration::from_secs(30), "it waited for the time limit");
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.stderr.contains("the database cannot be reached"), "{refused:?}");
    assert!(!refused.stderr.contains("marker"), "{refused:?}");
}

#[tokio::test]
async fn the_service_follows_a_promotion_and_leaves_a_demoted_server() {
    let primary = PrivateServer::start().await;
    let standby = Standby::follow(&primary).await;
    let url = format!(
        "postgres://{SERVICE_ROLE}@{},{}/postgres?sslmode=disable",
        socket_host(standby.socket()),
        socket_host(primary.options.get_socket().unwrap()),
    );
    let variables = [("KEEPER__DATABASE__URL", url.as_str())];
    let app = TestApp::spawn_with(primary.pool.clone(), &variables, "").await;
    let administrator = app.administrator();
    app.save(&administrator, PLAIN.0, "", "on the primary").await.assert_saved();

    // No server accepts writes: a request waits for the promotion.
    primary.set_read_only("on").await;
    let (answer, ()) = tokio::join!(app.save(&administrator, PLAIN.0, "", "promoted"), async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        standby.promote();
    });
    answer.assert_saved();

    // The demoted server accepts writes again, but no connection leads to it any longer.
    primary.set_read_only("off").await;
    app.save(&administrator, PLAIN.0, "", "on the new primary").await.assert_saved();
    let user = Credentials::basic(PLAIN.1, "on the new primary");
    app.get(PRINCIPAL, &user).await.assert_status(200);
    let mut connection = PgConnection::connect_with(&standby.options).await.unwrap();
    let sessions: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'credential-keeper'",
    )
    .fetch_one(&mut connection)
    .await
    .unwrap();
    assert!(sessions > 0, "the service is connected to the new primary");
    drop(app);
    primary.stop().await;
}
