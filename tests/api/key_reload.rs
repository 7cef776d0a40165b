//! Replacing the keyring of a running service.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use rustix::process::Signal;
use serde_json::Value;
use sqlx::PgPool;
use tokio::task::JoinSet;

use crate::support::{
    ADMINISTRATOR, Credentials, Instance, PLAIN, PRINCIPAL, TestApp, password_of, wait_until,
};

const FAILED: &str = r#"keeper_reload_failed{setting="keyring.file"}"#;
/// The time between two rounds of a client.
const PAUSE: Duration = Duration::from_millis(20);
const FAILURES: &str = r#"keeper_reloads_total{setting="keyring.file",outcome="failure"}"#;
const SUCCESSES: &str = r#"keeper_reloads_total{setting="keyring.file",outcome="success"}"#;

/// Settings with which a new writing key settles within half a minute.
const QUICK: [(&str, &str); 4] = [
    ("KEEPER__DATABASE__ACQUIRE_TIMEOUT_SECONDS", "1"),
    ("KEEPER__DATABASE__LOCK_TIMEOUT_SECONDS", "10"),
    ("KEEPER__HASHING__DEADLINE_SECONDS", "8"),
    ("KEEPER__HTTP__ANSWER_TIMEOUT_SECONDS", "21"),
];

/// Clients that save, log in, and use tickets and tokens until they are stopped. Each request must
/// succeed.
struct Load {
    is_over: Arc<AtomicBool>,
    rounds: Arc<AtomicUsize>,
    clients: JoinSet<()>,
}

impl Load {
    /// Starts one client for each user, which must exist.
    async fn start(users: &[(i32, &'static str)], instances: &[Arc<Instance>]) -> Self {
        let (is_over, rounds) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let mut clients = JoinSet::new();
        let administrator = Credentials::basic(ADMINISTRATOR.1, &password_of(ADMINISTRATOR.1));
        let ticket = instances[0].ticket(&administrator).await;
        for &(id, name) in users {
            let (is_over, rounds) = (Arc::clone(&is_over), Arc::clone(&rounds));
            let (instances, ticket) = (instances.to_vec(), ticket.clone());
            clients.spawn(async move {
                let mut round = 0;
                while !is_over.load(Ordering::Relaxed) {
                    round += 1;
                    for (index, instance) in instances.iter().enumerate() {
                        let other = &instances[instances.len() - 1 - index];
                        let value = format!("{name} {round} {index}");
                        instance.save(&ticket, id, &value).await.assert_saved();
                        let owner = Credentials::basic(name, &value);
                        other.get(PRINCIPAL, &owner).await.assert_status(200);
                        let own_ticket = instance.ticket(&owner).await;
                        other.get(PRINCIPAL, &own_ticket).await.assert_status(200);
                        let token = other.token(&own_ticket).await;
                        instance.get(PRINCIPAL, &token).await.assert_status(200);
                    }
                    rounds.fetch_add(1, Ordering::Relaxed);
                    // A request at every moment, without taking the processors of other tests.
                    tokio::time::sleep(PAUSE).await;
                }
            });
        }
        Self { is_over, rounds, clients }
    }

    /// Waits until every client has begun and ended another round.
    async fn advance(&self) {
        let target = self.rounds.load(Ordering::Relaxed) + 2 * self.clients.len();
        wait_until("the clients make progress; one of them has probably failed", async || {
            self.rounds.load(Ordering::Relaxed) >= target
        })
        .await;
    }

    /// Stops the clients. Fails if a request failed.
    async fn stop(mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        while let Some(ended) = self.clients.join_next().await {
            ended.unwrap();
        }
    }
}

const USERS: [(i32, &str); 3] = [(2001, "uma"), (2002, "ulla"), (2003, "una")];

async fn app_with_users(pool: PgPool, variables: &[(&str, &str)]) -> TestApp {
    let app = TestApp::spawn_with(pool, variables, "").await;
    for user in USERS {
        app.add_user(user, &[]);
    }
    app
}

/// Verifies the audit log, after a repair of the user that the fixture retires without an event.
async fn assert_audit_log(app: &TestApp) {
    sqlx::raw_sql("UPDATE users SET is_retired = false WHERE user_id = 300")
        .execute(&app.pool)
        .await
        .unwrap();
    app.command(&["audit", "verify"], "").assert_success();
}

fn writing_key(app: &TestApp) -> String {
    let listed = app.command(&["--json", "keys", "list"], "").assert_success();
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let keys = listed.as_array().unwrap();
    let key = keys.iter().find(|key| key["state"] == "writing").unwrap();
    key["key"].as_str().unwrap().to_owned()
}

/// Replaces a keyring atomically, as a secret store does.
fn replace(target: &Path, text: &str) {
    let temporary = target.with_extension("new");
    fs::write(&temporary, text).unwrap();
    fs::set_permissions(&temporary, PermissionsExt::from_mode(0o400)).unwrap();
    fs::rename(&temporary, target).unwrap();
}

#[sqlx::test]
async fn a_rotation_needs_no_restart_and_fails_no_request(pool: PgPool) {
    let app = app_with_users(pool, &[]).await;
    let old = writing_key(&app);
    // The second instance receives each keyring later than the first.
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("keyring.json");
    let distribute = || replace(&copy, &fs::read_to_string(app.keyring()).unwrap());
    distribute();
    let first = Arc::new(Instance::start(&app, &[]));
    let second =
        Arc::new(Instance::start(&app, &[("KEEPER__KEYRING__FILE", copy.to_str().unwrap())]));
    let load = Load::start(&USERS, &[Arc::clone(&first), Arc::clone(&second)]).await;
    let new = app.add_key();
    first.wait_for_key(&new, "readable").await;
    load.advance().await;
    distribute();
    second.server.signal(Signal::HUP);
    second.wait_for_key(&new, "readable").await;
    app.command(&["rotate-key", "use", &new], "").assert_success();
    first.wait_for_key(&new, "writing").await;
    first.wait_for_key(&old, "readable").await;
    load.advance().await;
    distribute();
    second.wait_for_key(&new, "writing").await;
    load.advance().await;
    app.command(&["rotate-key", "reseal"], "").assert_success();
    app.command(&["rotate-key", "retire", &old], "").assert_success();
    first.wait_for_key(&old, "retired").await;
    load.advance().await;
    distribute();
    second.wait_for_key(&old, "retired").await;
    load.advance().await;
    load.stop().await;
    assert_audit_log(&app).await;
    for instance in [first, second] {
        assert_eq!(instance.metric(FAILED).await, Some(0.0));
        assert_eq!(instance.metric(FAILURES).await, Some(0.0));
        assert!(instance.metric(SUCCESSES).await >= Some(3.0));
        let log = Arc::into_inner(instance).unwrap().stop();
        assert!(!log.contains("alarm"), "{log}");
    }
}

#[sqlx::test]
async fn a_key_that_is_added_and_used_at_once_fails_no_request(pool: PgPool) {
    let app = app_with_users(pool, &QUICK).await;
    let instance = Arc::new(Instance::start(&app, &[]));
    let load = Load::start(&USERS, &[Arc::clone(&instance)]).await;
    // A save that authenticated with a ticket before the new key, and waits for a lock.
    let administrator = app.administrator();
    let ticket = instance.ticket(&administrator).await;
    let mut held = app.pool.begin().await.unwrap();
    sqlx::raw_sql("SELECT 1 FROM users WHERE user_id = 278 FOR UPDATE")
        .execute(&mut *held)
        .await
        .unwrap();
    let save = {
        let (instance, ticket) = (Arc::clone(&instance), ticket.clone());
        tokio::spawn(async move { instance.save(&ticket, PLAIN.0, "after the lock").await })
    };
    app.wait_for_blocked_sessions(1).await;
    let new = app.add_key();
    app.command(&["rotate-key", "use", &new], "").assert_success();
    instance.server.signal(Signal::HUP);
    instance.wait_for_key(&new, "readable").await;
    // Moves the ticket to the writing key, which must still be the former one.
    instance.get(PRINCIPAL, &ticket).await.assert_status(200);
    held.rollback().await.unwrap();
    save.await.unwrap().assert_saved();
    instance.wait_for_key(&new, "writing").await;
    load.advance().await;
    load.stop().await;
    instance.save(&ticket, PLAIN.0, "sealed under the new key").await.assert_saved();
    assert_audit_log(&app).await;
}

#[sqlx::test]
async fn an_unusable_keyring_is_refused_and_the_former_one_stays(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let keyring = Path::new(app.keyring());
    let good = fs::read_to_string(keyring).unwrap();
    let instance = Instance::start(&app, &[]);
    let folder = tempfile::tempdir().unwrap();
    let foreign = folder.path().join("foreign.json");
    app.command(&["keys", "generate", "--file", foreign.to_str().unwrap()], "").assert_success();
    let foreign = fs::read_to_string(&foreign).unwrap();
    let no_writing_key = good.replace("writing", "readable");
    let token = instance.token(&app.administrator()).await;
    let mut failures = 0.0;
    for unusable in [foreign.as_str(), "{\"keys\": [", no_writing_key.as_str(), " "] {
        replace(keyring, unusable);
        failures += 1.0;
        instance.wait_for_metric(FAILURES, failures).await;
        assert_eq!(instance.metric(FAILED).await, Some(1.0));
        instance.get(PRINCIPAL, &token).await.assert_status(200);
        instance.save(&token, PLAIN.0, "saved").await.assert_saved();
        instance.get(PRINCIPAL, &Credentials::basic(PLAIN.1, "saved")).await.assert_status(200);
    }
    replace(keyring, &good);
    instance.wait_for_metric(FAILED, 0.0).await;
    fs::set_permissions(keyring, PermissionsExt::from_mode(0o404)).unwrap();
    instance.wait_for_metric(FAILED, 1.0).await;
    fs::set_permissions(keyring, PermissionsExt::from_mode(0o400)).unwrap();
    instance.wait_for_metric(FAILED, 0.0).await;
    let log = instance.stop();
    for reason in ["which is not in the keyring", "must be JSON", "exactly one key", "is empty"] {
        assert_eq!(log.matches(reason).count(), 1, "{reason}: {log}");
    }
    assert!(log.contains("chmod g-w,o="), "{log}");
    assert_eq!(log.matches("the former content stays in use").count(), 5, "{log}");
}

#[sqlx::test]
async fn a_keyring_is_read_again_when_the_database_answers(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let instance = Instance::start(&app, &[("KEEPER__DATABASE__LOCK_TIMEOUT_SECONDS", "1")]);
    let mut held = app.pool.begin().await.unwrap();
    sqlx::raw_sql("LOCK TABLE keys").execute(&mut *held).await.unwrap();
    let new = app.add_key();
    instance.wait_for_metric(FAILED, 1.0).await;
    held.rollback().await.unwrap();
    instance.wait_for_key(&new, "readable").await;
    instance.wait_for_metric(FAILED, 0.0).await;
}
