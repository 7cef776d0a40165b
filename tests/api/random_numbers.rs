//! What happens when the operating system returns no random bytes.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
};

use serde_json::{Value, json};
use sqlx::PgPool;
use tempfile::TempDir;

use crate::support::{
    Credentials, Instance, PLAIN, PRINCIPAL, TICKETS, TestApp, keeper, run_with_input,
};

/// A library that replaces `getrandom` in a process. It fails while a file exists.
struct FailingRandom {
    folder: TempDir,
    rounds: AtomicUsize,
}

impl FailingRandom {
    fn build() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let source =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/api/support/failing_random.c");
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-o"]).arg(folder.path().join("random.so")).arg(source);
        assert!(compiler.status().unwrap().success());
        Self { folder, rounds: AtomicUsize::new(1) }
    }

    fn variables(&self) -> [(String, String); 2] {
        let path = |name: &str| self.folder.path().join(name).to_str().unwrap().to_owned();
        [
            ("LD_PRELOAD".to_owned(), path("random.so")),
            ("RANDOM_FAILS_AFTER".to_owned(), path("allowed")),
        ]
    }

    fn switch(&self) -> PathBuf {
        self.folder.path().join("allowed")
    }

    /// From now on, this number of calls succeeds and all later ones fail.
    fn fail_after(&self, calls: usize) {
        let round = self.rounds.fetch_add(1, Ordering::Relaxed);
        fs::write(self.switch(), format!("{round} {calls}")).unwrap();
    }

    fn succeed(&self) {
        fs::remove_file(self.switch()).unwrap();
    }
}

/// Random bytes that a request takes for its two ids, before it makes a secret.
const IDS: usize = 2;

/// Everything that a request could have changed.
async fn rows(app: &TestApp) -> (i64, i64, Option<i64>) {
    let row = sqlx::query_as(
        "SELECT (SELECT count(*) FROM audit_events), (SELECT count(*) FROM tickets),
                (SELECT max(version) FROM credentials WHERE user_id = 278)",
    );
    row.fetch_one(&app.pool).await.unwrap()
}

#[sqlx::test]
async fn without_random_bytes_a_request_fails_and_makes_no_secret(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let random = FailingRandom::build();
    let variables = random.variables();
    let variables = variables.each_ref().map(|(name, value)| (name.as_str(), value.as_str()));
    let instance = Instance::start(&app, &variables);
    let administrator = app.administrator();
    let agent = |name: &str| format!("/api/v1/Agents/User/{name}");
    let save = json!({ "UserId": PLAIN.0, "Credential": { "Value": "a new password" } });
    let sign_in = json!({ "UserName": "anna", "Password": crate::support::password_of("anna") });
    let calls = [
        (agent("SaveCredential"), save, &administrator),
        (agent("SetGeneratedPassword"), json!({ "AssociateId": PLAIN.0 }), &administrator),
        (TICKETS.to_owned(), Value::Null, &administrator),
        ("/login".to_owned(), sign_in, &Credentials::Anonymous),
    ];
    // The verification of the password is in the cache from here on.
    instance.get(PRINCIPAL, &administrator).await.assert_status(200);
    let before = rows(&app).await;
    for (path, body, credentials) in &calls {
        random.fail_after(IDS);
        let answer = instance.post(path, credentials, body).await;
        random.succeed();
        answer.assert_status(500);
        assert!(answer.body.contains("internal"), "{path}: {answer:?}");
        assert_eq!(rows(&app).await, before, "{path}");
    }
    random.fail_after(IDS);
    let page = instance.get("/login", &Credentials::Anonymous).await;
    random.succeed();
    page.assert_status(500);
    assert!(page.cookie("__Host-KEEPER-LOGIN").is_none(), "{page:?}");
    for (path, body, credentials) in &calls {
        let answer = instance.post(path, credentials, body).await;
        assert!(answer.status.is_success(), "{path}: {answer:?}");
    }
    // Without an id, a request has no response. The service goes on.
    random.fail_after(0);
    let principal = format!("{}{PRINCIPAL}", instance.server.ready);
    assert!(administrator.apply_to(app.client.get(principal)).send().await.is_err());
    random.succeed();
    instance.get(PRINCIPAL, &administrator).await.assert_status(200);
    let log = instance.stop();
    assert!(log.contains("the operating system returned no random bytes"), "{log}");
}

#[test]
fn without_random_bytes_no_keyring_is_made() {
    let random = FailingRandom::build();
    random.fail_after(0);
    let file = random.folder.path().join("keyring.json");
    let mut command = keeper(&["keys", "generate", "--file"]);
    command.arg(&file).envs(random.variables());
    run_with_input(command, "").assert_error("the operating system returned no random bytes");
    assert!(!file.exists());
}
