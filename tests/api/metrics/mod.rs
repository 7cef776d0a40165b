//! Metrics: on the operations listener only, and with the right values.

mod authentications;
mod requests;
mod state;

use std::collections::BTreeMap;

use serde_json::Value;
use sqlx::PgPool;

use crate::support::{Credentials, PLAIN, PRINCIPAL, TestApp, assert_becomes};

/// The value of a sample that is a whole number.
pub(crate) fn number(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")))?;
    Some(line.parse().unwrap_or_else(|_| panic!("{name} {line}")))
}

/// Changes a stored hash, as somebody does who can write to the database.
pub(crate) async fn damage_row(app: &TestApp) {
    sqlx::raw_sql(
        "UPDATE credentials
         SET sealed_hash = set_byte(sealed_hash, 60, get_byte(sealed_hash, 60) # 1)
         WHERE user_id = 278",
    )
    .execute(&app.pool)
    .await
    .unwrap();
}

/// The labels of each sample with that name, and its value as a whole number.
fn labels_of(text: &str, name: &str) -> Vec<(BTreeMap<String, String>, u64)> {
    let samples = text.lines().filter_map(|line| line.strip_prefix(&format!("{name}{{")));
    let parse = |sample: &str| {
        let (labels, value) = sample.rsplit_once("} ").unwrap();
        let pairs = labels.trim_end_matches('"').split("\",");
        let pair = |pair: &str| {
            let (label, value) = pair.split_once("=\"").unwrap();
            (label.to_owned(), value.to_owned())
        };
        (pairs.map(pair).collect(), value.parse().unwrap_or_default())
    };
    samples.map(parse).collect()
}

#[sqlx::test]
async fn metrics_count_hashes_cache_hits_and_shed_requests(pool: PgPool) {
    let mut app = TestApp::spawn(pool).await;
    // The process that added the users of the test hashed their passwords.
    app.restart().await;
    for _ in 0..3 {
        app.get(PRINCIPAL, &app.plain()).await.assert_status(200);
    }
    app.get(PRINCIPAL, &Credentials::basic(PLAIN.1, "wrong")).await.assert_status(401);
    app.get(PRINCIPAL, &Credentials::basic("nobody", "wrong")).await.assert_status(401);
    for (name, number) in [
        ("keeper_hashing_cache_hits_total", 2.0),
        ("keeper_hashing_cache_misses_total", 3.0),
        ("keeper_hashing_hash_seconds_count", 3.0),
        ("keeper_hashing_wait_seconds_count", 3.0),
        ("keeper_hashing_cached", 1.0),
        ("keeper_hashing_waiting", 0.0),
        ("keeper_hashing_abandoned_total", 0.0),
        ("keeper_hashing_shared_total", 0.0),
        ("keeper_hashing_idle_total", 0.0),
    ] {
        assert!(
            (app.metric(name).await - number).abs() < 0.5,
            "{name}: {}",
            app.metric(name).await
        );
    }
    for name in [
        "keeper_hashing_threads",
        "keeper_hashing_rate",
        "keeper_hashing_queue_length",
        "keeper_hashing_memory_bytes",
        "keeper_memory_ceiling_bytes",
        "keeper_database_connections",
        "keeper_database_connections_maximum",
    ] {
        assert!(app.metric(name).await > 0.0, "{name}");
    }
    assert!(
        app.metric("keeper_memory_ceiling_bytes").await
            > app.metric("keeper_hashing_memory_bytes").await
    );
}

#[sqlx::test]
async fn metrics_are_on_the_operations_listener_only_and_in_openmetrics(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    app.get("/metrics", &app.administrator()).await.assert_status(404);
    let answer = app.metrics().await;
    answer.assert_status(200);
    assert_eq!(
        answer.headers["content-type"],
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    );
    let text = &answer.body;
    assert!(text.ends_with("# EOF\n"), "{text}");
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, number) = line.rsplit_once(' ').unwrap();
        assert!(name.starts_with("keeper_"), "{line}");
        assert!(number.parse::<f64>().is_ok(), "{line}");
    }
}

#[sqlx::test]
async fn a_login_rehashes_a_password_with_outdated_parameters(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let parameters = async || {
        let row = sqlx::query!(
            "SELECT hash_memory_kib, hash_iterations, version FROM credentials WHERE user_id = 278"
        );
        let row = row.fetch_one(&app.pool).await.unwrap();
        (row.hash_memory_kib, row.hash_iterations, row.version)
    };
    let (memory_kib, _, version) = parameters().await;
    let stronger = app.spawn_instance(&[("KEEPER__HASHING__ITERATIONS", "3")]).await;
    stronger.get(PRINCIPAL, &Credentials::basic(PLAIN.1, "wrong")).await.assert_status(401);
    stronger.get(PRINCIPAL, &app.plain()).await.assert_status(200);
    assert_becomes((memory_kib, 3, version), &parameters).await;
    for instance in [&app, &stronger] {
        instance.get(PRINCIPAL, &app.plain()).await.assert_status(200);
        instance.get(PRINCIPAL, &Credentials::basic(PLAIN.1, "wrong")).await.assert_status(401);
    }
    // A login at an instance with lower parameters does not rehash.
    app.get(PRINCIPAL, &app.plain()).await.assert_status(200);
    assert_eq!(stronger.metric("keeper_hashing_idle_total").await.to_string(), "1");
    assert_eq!(app.metric("keeper_hashing_idle_total").await.to_string(), "0");
    assert_eq!(parameters().await, (memory_kib, 3, version));
}

#[sqlx::test]
async fn the_first_log_line_has_the_memory_ceiling_and_the_hashing_rate(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    app.command(&["migrate"], "").assert_success();
    let mut command = crate::support::keeper(&["serve"]);
    command.envs(app.variables());
    let server = crate::support::Server::start(command).unwrap();
    server.signal(rustix::process::Signal::TERM);
    let (_, log) = server.wait();
    assert!(log.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{log}");
    let started = crate::support::started(&log);
    assert!(
        started["keeper.memory.ceiling_kib"].as_u64()
            > started["keeper.hashing.memory_kib"].as_u64()
    );
    assert!(started["keeper.hashing.per_second"].as_f64() > Some(0.0));
    assert!(started["keeper.hashing.queue"].as_u64() >= Some(128));
}
