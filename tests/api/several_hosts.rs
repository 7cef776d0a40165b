//! A database URL with several hosts: the service uses the one that accepts writes, and follows a
//! promotion.

use std::{
    net::TcpListener,
    path::Path,
    time::{Duration, Instant},
};

use reqwest::Method;
use serde_json::json;
use sqlx::{ConnectOptions, Connection, PgConnection, PgPool};

use crate::support::{
    Credentials, DatabaseProxy, PLAIN, PRINCIPAL, PrivateServer, SAVE, SERVICE_ROLE, Standby,
    TestApp, keeper, run_with_input,
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
        ("KEEPER__HTTP__ANSWER_TIMEOUT_SECONDS", "300"),
    ]);
    let started = Instant::now();
    let refused = run_with_input(command, "");
    assert!(started.elapsed() < Duration::from_secs(30), "it waited for the time limit");
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.stderr.contains("the database cannot be reached"), "{refused:?}");
    assert!(!refused.stderr.contains("marker"), "{refused:?}");
}

#[sqlx::test]
async fn no_request_waits_for_a_primary_server_that_another_one_has_replaced(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let proxy = DatabaseProxy::start(&app.pool).await;
    let options = app.pool.connect_options();
    let host = options.get_socket().map_or_else(
        || format!("{}:{}", options.get_host(), options.get_port()),
        |folder| socket_host(folder.as_path()),
    );
    let (start, database) = proxy.url.rsplit_once('/').unwrap();
    let url = format!("{start},{host}/{database}");
    let variables = [
        ("KEEPER__DATABASE__URL", url.as_str()),
        ("KEEPER__DATABASE__MAXIMUM_CONNECTIONS", "1"),
        ("KEEPER__DATABASE__ACQUIRE_TIMEOUT_SECONDS", "20"),
        // On a distributed database, more than the save is a transaction.
        ("KEEPER__DATABASE__DISTRIBUTED", "off"),
    ];
    let instance = app.spawn_instance(&variables).await;
    let administrator = Credentials::Ticket(instance.ticket(&instance.administrator()).await);
    // Identifiers are always written in a transaction.
    let body = json!({
        "UserId": PLAIN.0,
        "Credential": {"Type": {"Type": "ActiveDirectory"}, "Value": "S-1-5-21-1"},
    });
    proxy.hold_reply_to("BEGIN");
    let save = instance.request(Method::POST, SAVE, &administrator).json(&body);
    let save = tokio::spawn(save.send());
    proxy.wait_until_held().await;
    // The only connection is in use. Until it ends, this request cannot get one.
    instance.get(PRINCIPAL, &administrator).await.assert_status(200);
    assert_eq!(save.await.unwrap().unwrap().status(), 503);
    instance.save(&administrator, PLAIN.0, "", "later").await.assert_saved();
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
