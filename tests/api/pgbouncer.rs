//! PgBouncer in front of the database, in session mode and in transaction mode.

use futures_util::future::join_all;
use serde_json::Value;
use sqlx::PgPool;

use crate::support::{
    Credentials, PLAIN, PRINCIPAL, PgBouncer, PrivateServer, Server, TestApp, assert_becomes,
    installed_pgbouncer, keeper, newer_pgbouncer, role_timeouts, run_with_input,
};

/// Timeouts that belong to the guide's settings.
const TIMEOUTS: [(&str, &str); 2] = [
    ("KEEPER__DATABASE__LOCK_TIMEOUT_SECONDS", "2"),
    ("KEEPER__DATABASE__STATEMENT_TIMEOUT_SECONDS", "10"),
];

const FINDING: &str = "the server enforces the timeouts of the settings";

/// The verdict and the next step of `doctor` on the timeouts.
fn timeouts_by_doctor(app: &TestApp, variables: &[(&str, &str)]) -> (String, String) {
    let mut command = keeper(&["--json", "doctor"]);
    command.envs(app.variables()).envs(variables.iter().copied());
    let finished = run_with_input(command, "");
    let findings: Value =
        serde_json::from_str(&finished.stdout).unwrap_or_else(|_| panic!("{finished:?}"));
    let found = findings.as_array().unwrap().iter().find(|finding| finding["what"] == FINDING);
    let found = found.unwrap_or_else(|| panic!("{finished:?}"));
    let text = |name: &str| found[name].as_str().unwrap_or_default().to_owned();
    (text("verdict"), text("next_step"))
}

async fn assert_works(app: &TestApp) {
    let administrator = app.administrator();
    for value in ["first", "second"] {
        app.save(&administrator, PLAIN.0, "", value).await.assert_saved();
    }
    let user = Credentials::basic(PLAIN.1, "second");
    app.get(PRINCIPAL, &user).await.assert_status(200);
    let ticket = Credentials::Ticket(app.ticket(&administrator).await);
    let logins = (0..12).map(|_| app.get(PRINCIPAL, &ticket));
    for answer in join_all(logins).await {
        answer.assert_status(200);
    }
}

#[sqlx::test]
async fn session_mode_works_with_the_configuration_of_the_guide(pool: PgPool) {
    let pooler = PgBouncer::start(&installed_pgbouncer(), "session", &pool);
    let url = [("KEEPER__DATABASE__URL", pooler.url.as_str())];
    let app = TestApp::spawn_with(pool, &[&url[..], &TIMEOUTS].concat(), "").await;
    assert_works(&app).await;
    assert_eq!(timeouts_by_doctor(&app, &[]), ("pass".to_owned(), String::new()));
    let mut serve = keeper(&["serve"]);
    serve.envs(app.variables());
    let server = Server::start(serve).unwrap();
    server.signal(rustix::process::Signal::TERM);
    assert!(server.wait().0);
}

#[sqlx::test]
async fn transaction_mode_without_prepared_statements_is_refused_at_the_start(pool: PgPool) {
    let app = TestApp::spawn(pool.clone()).await;
    let pooler = PgBouncer::start(&installed_pgbouncer(), "transaction", &pool);
    for (command, transaction_pooling) in
        [("serve", "false"), ("serve", "true"), ("migrate", "false")]
    {
        let mut command = keeper(&[command]);
        command
            .envs(app.variables())
            .env("KEEPER__DATABASE__URL", &pooler.url)
            .env("KEEPER__DATABASE__TRANSACTION_POOLING", transaction_pooling);
        let refusal = Server::start(command).err().unwrap();
        assert!(refusal.contains("PgBouncer 1.21 or newer"), "{refusal}");
    }
}

#[tokio::test]
async fn transaction_mode_works_with_the_timeouts_of_the_role() {
    let postgres = PrivateServer::start().await;
    let pooler = PgBouncer::start(&newer_pgbouncer(), "transaction", &postgres.pool);
    let pooling = [
        ("KEEPER__DATABASE__URL", pooler.url.as_str()),
        ("KEEPER__DATABASE__TRANSACTION_POOLING", "true"),
    ];
    let variables = [&pooling[..], &TIMEOUTS].concat();
    let app = TestApp::spawn_with(postgres.pool.clone(), &variables, "").await;
    assert_works(&app).await;

    let (verdict, next) = timeouts_by_doctor(&app, &[]);
    assert_eq!(verdict, "FAIL");
    assert!(next.contains("SET lock_timeout = 2000"), "{next}");
    let statements = role_timeouts();
    assert_eq!(statements.len(), 3);
    for statement in statements {
        postgres.execute(&statement).await;
    }
    // A session that begins meanwhile may have the former timeouts, and no name yet.
    assert_becomes(("pass".to_owned(), String::new()), async || {
        postgres.end_sessions_of(crate::support::SERVICE_ROLE).await;
        timeouts_by_doctor(&app, &[])
    })
    .await;

    let start = |arguments: &[&str], variables: &[(&str, &str)]| {
        let mut command = keeper(arguments);
        command.envs(app.variables()).envs(variables.iter().copied());
        Server::start(command)
    };
    let refusal = start(&["migrate"], &[]).err().unwrap();
    assert!(refusal.contains("directly to PostgreSQL"), "{refusal}");
    let unsaid = [("KEEPER__DATABASE__TRANSACTION_POOLING", "false")];
    let refusal = start(&["serve"], &unsaid).err().unwrap();
    assert!(refusal.contains("a connection pooler in transaction mode"), "{refusal}");
    let options = format!("{}?options=-c%20jit%3Doff", pooler.url);
    let refusal = start(&["serve"], &[("KEEPER__DATABASE__URL", &options)]).err().unwrap();
    assert!(refusal.contains("use ALTER ROLE"), "{refusal}");
    drop((app, pooler));
    postgres.stop().await;
}
