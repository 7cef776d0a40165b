//! Runs the deployment of `docker-compose.yml` without containers and proxy: its files and
//! settings, a real PostgreSQL with TLS and two roles, `migrate` as the owner, `doctor` and `serve`
//! as the service.

use std::{
    collections::BTreeMap,
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::Command,
};

use reqwest::{Client, Method};
use rustix::process::Signal;
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use tempfile::TempDir;

use crate::support::{
    Answer, CommandOutput, Credentials, DatabaseContainer, PRINCIPAL, SAVE, Server, TICKETS, TOKEN,
    compose::{Compose, with_local_paths},
    keeper, run_successfully, run_with_input,
};

const PASSWORD: &str = "a password for the deployment";

/// The deployment with its secrets and its database.
struct Deployment {
    compose: Compose,
    database: DatabaseContainer,
    folder: TempDir,
}

impl Deployment {
    fn start() -> Self {
        let compose = Compose::read();
        let folder = tempfile::tempdir().unwrap();
        // PostgreSQL runs under another account, which needs access to this folder.
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let secrets = folder.path().join("secrets");
        run_successfully(Command::new("script/compose-secrets").arg(&secrets));
        let keyring = secrets.join("keyring.json");
        run_with_input(keeper(&["keys", "generate", "--file", keyring.to_str().unwrap()]), "")
            .assert_success();
        let database =
            DatabaseContainer::start(&compose, &secrets, &folder.path().join("database"));
        Self { compose, database, folder }
    }

    fn secrets(&self) -> PathBuf {
        self.folder.path().join("secrets")
    }

    /// The environment of a service, with local paths of files and address of the database.
    fn environment(&self, service: &str) -> BTreeMap<String, String> {
        let service = self.compose.service(service);
        let mut files = service.secrets(&self.secrets());
        files.push(("@database/".to_owned(), format!("@localhost:{}/", self.database.port)));
        let environment = service.environment().into_iter();
        environment.map(|(name, value)| (name, with_local_paths(&value, &files))).collect()
    }

    /// A command in the environment of a service.
    fn command(&self, service: &str, arguments: &[&str]) -> Command {
        let mut command = keeper(arguments);
        command.envs(self.environment(service));
        command
    }

    fn run(&self, arguments: &[&str], input: &str) -> CommandOutput {
        run_with_input(self.command("keeper", arguments), input)
    }

    /// Starts `serve` on a free port.
    fn serve(&self) -> Server {
        let mut command = self.command("keeper", &["serve"]);
        command.env("KEEPER__HTTP__LISTEN", "127.0.0.1:0");
        command.env("KEEPER__OPERATIONS__LISTEN", "127.0.0.1:0");
        command.env("KEEPER__SHUTDOWN__GRACE_SECONDS", "0");
        Server::start(command).unwrap()
    }

    /// The database URL of a service, with the password of its role in it.
    fn url(&self, service: &str) -> String {
        let environment = self.environment(service);
        let password = fs::read_to_string(&environment["KEEPER__DATABASE__PASSWORD_FILE"]).unwrap();
        let url = &environment["KEEPER__DATABASE__URL"];
        url.replace("@localhost", &format!(":{}@localhost", password.trim()))
    }
}

/// Calls the service as its proxy does, with an allowed `Host`.
struct ProxiedClient {
    client: Client,
    url: String,
}

impl ProxiedClient {
    async fn call(
        &self,
        method: Method,
        path: &str,
        credentials: &Credentials,
        body: &Value,
    ) -> Answer {
        let request = self.client.request(method, format!("{}{path}", self.url));
        let request = request.header("Host", "localhost").json(body);
        Answer::read(credentials.apply_to(request).send().await.unwrap()).await
    }

    async fn post(&self, path: &str, credentials: &Credentials, body: &Value) -> Value {
        let answer = self.call(Method::POST, path, credentials, body).await;
        assert!(answer.status.is_success(), "{path}: {answer:?}");
        if answer.body.is_empty() { Value::Null } else { answer.json() }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_finds_no_fault_in_the_shipped_deployment() {
    let deployment = Deployment::start();
    for _ in 0..2 {
        run_with_input(deployment.command("migrate", &["migrate"]), "").assert_success();
    }
    deployment.run(&["user", "add", "admin", "--administrator", "--generate"], "").assert_success();
    let check = deployment.run(&["config", "check"], "").assert_success();
    assert_eq!(check, "the settings are valid");
    let finished = deployment.run(&["--json", "doctor"], "");
    let findings: Value = serde_json::from_str(&finished.stdout).unwrap();
    let findings = findings.as_array().unwrap();
    let failed: Vec<_> = findings.iter().filter(|finding| finding["verdict"] == "FAIL").collect();
    assert_eq!((finished.code, failed), (0, Vec::<&Value>::new()));
    for check in [
        "the database role of the service is not a superuser",
        "the database role of the service cannot change audit events",
        "the database connection is local, or encrypted with a verified certificate",
        "client addresses are known behind the proxy",
        "requests for other host names are rejected",
        "anchors of the audit chains are logged at least daily",
    ] {
        let finding = findings.iter().find(|finding| finding["what"] == check);
        assert_eq!(finding.unwrap()["verdict"], "pass", "{check}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_role_can_do_its_work_but_cannot_change_the_audit_log() {
    let deployment = Deployment::start();
    run_with_input(deployment.command("migrate", &["migrate"]), "").assert_success();
    let run = |arguments: &[&str], input: &str| deployment.run(arguments, input).assert_success();
    run(&["user", "add", "admin", "--id", "1", "--administrator"], PASSWORD);
    run(&["user", "add", "paul", "--id", "278"], PASSWORD);
    let server = deployment.serve();
    let client = ProxiedClient { client: Client::new(), url: server.ready.clone() };
    call_the_api(&client).await;
    run_the_commands(&deployment);
    server.signal(Signal::TERM);
    let (ended_well, log) = server.wait();
    assert!(ended_well && !log.contains("\"ERROR\"") && !log.contains("denied"), "{log}");
    assert!(log.contains("\"message\":\"anchor\""), "{log}");

    let mut service = PgConnection::connect(&deployment.url("keeper")).await.unwrap();
    for statement in [
        "UPDATE audit_events SET scheme = scheme",
        "DELETE FROM audit_events",
        "TRUNCATE audit_events",
        "ALTER TABLE audit_events DROP CONSTRAINT audit_events_scheme_check",
        "DELETE FROM users",
        "UPDATE installation SET kind = 'development'",
        "DELETE FROM _sqlx_migrations",
        "CREATE TABLE own (id integer)",
        "CREATE ROLE other",
        "SET ROLE keeper_owner",
    ] {
        let refused = sqlx::raw_sql(statement).execute(&mut service).await.unwrap_err();
        let code = refused.as_database_error().unwrap().code().unwrap().into_owned();
        assert_eq!(code, "42501", "{statement}: {refused}");
    }
}

/// Makes every kind of write that the API has.
async fn call_the_api(client: &ProxiedClient) {
    let admin = Credentials::basic("admin", PASSWORD);
    let save = |value: &str| json!({ "UserId": 278, "Credential": { "Value": value } });
    assert_eq!(client.post(SAVE, &admin, &save("another password here")).await, true);
    let identifier = json!({ "UserId": 278, "Credential":
        { "Type": { "Type": "ActiveDirectory" }, "Value": "S-1-5-21" } });
    assert_eq!(client.post(SAVE, &admin, &identifier).await, true);
    let wrong = Credentials::basic("paul", "a wrong password");
    assert_eq!(client.call(Method::GET, PRINCIPAL, &wrong, &Value::Null).await.status, 401);
    let paul = Credentials::basic("paul", "another password here");
    let ticket = client.post(TICKETS, &paul, &Value::Null).await["Ticket"].clone();
    let ticket = Credentials::Ticket(ticket.as_str().unwrap().to_owned());
    let token = client.call(Method::GET, TOKEN, &ticket, &Value::Null).await.json();
    let token = Credentials::Bearer(token.as_str().unwrap().to_owned());
    for credentials in [&ticket, &token] {
        assert_eq!(
            client.call(Method::GET, PRINCIPAL, credentials, &Value::Null).await.status,
            200
        );
    }
    let login = json!({ "UserName": "paul", "Password": "another password here" });
    client.post("/login", &Credentials::Anonymous, &login).await;
    let new = json!({ "Name": "ada", "Credentials": [{ "Value": "her own long password" }] });
    let ada = client.post("/api/v1/Agents/User/SaveUser", &admin, &new).await;
    let path = format!("/api/v1/Agents/User/DeleteUser?userId={}", ada["AssociateId"]);
    client.post(&path, &admin, &Value::Null).await;
    let end = client.call(Method::DELETE, "/keeper/users/278/tickets", &admin, &Value::Null).await;
    assert_eq!(end.status, 204, "{end:?}");
    let attempts = "/keeper/users/278/attempts";
    let unlock = client.call(Method::DELETE, attempts, &admin, &Value::Null).await;
    assert_eq!(unlock.status, 204, "{unlock:?}");
}

/// Makes every kind of write that commands have.
fn run_the_commands(deployment: &Deployment) {
    let run = |arguments: &[&str], input: &str| deployment.run(arguments, input).assert_success();
    let import = deployment.folder.path().join("import.jsonl");
    let lines = ["eva", "uwe"].map(|name| format!("{{\"login_name\":\"{name}\"}}\n"));
    fs::write(&import, lines.concat()).unwrap();
    run(&["import", import.to_str().unwrap()], "");
    run(&["user", "grant-admin", "eva"], "");
    run(&["user", "retire", "uwe"], "");
    run(&["user", "delete", "uwe"], "");
    run(&["credential", "delete", "--user", "paul", "--type", "ActiveDirectory"], "");
    run(&["ticket", "issue", "--user", "paul"], "");
    run(&["ticket", "revoke", "--user", "paul"], "");
    let key = deployment.run(&["rotate-key", "add"], "").added_key();
    run(&["rotate-key", "use", &key], "");
    run(&["rotate-key", "reseal"], "");
    run(&["audit", "verify"], "");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_proves_its_name_and_rejects_other_roles() {
    let deployment = Deployment::start();
    run_with_input(deployment.command("migrate", &["migrate"]), "").assert_success();
    // The certificate is for another name.
    let mut wrong_name = deployment.command("migrate", &["migrate"]);
    let url = deployment.environment("migrate")["KEEPER__DATABASE__URL"].clone();
    wrong_name.env("KEEPER__DATABASE__URL", url.replace("@localhost", "@127.0.0.1"));
    run_with_input(wrong_name, "").assert_error("cannot be reached");
    // Another certificate for the right name is rejected, too.
    let other_secrets = deployment.folder.path().join("others");
    run_successfully(Command::new("script/compose-secrets").arg(&other_secrets));
    let mut wrong_certificate = deployment.command("migrate", &["migrate"]);
    let url = url.replace(deployment.secrets().to_str().unwrap(), other_secrets.to_str().unwrap());
    wrong_certificate.env("KEEPER__DATABASE__URL", url);
    run_with_input(wrong_certificate, "").assert_error("cannot be reached");
    let url = deployment.url("keeper");
    let (plain, _) = url.split_once("?sslmode").unwrap();
    for url in [
        format!("{plain}?sslmode=disable"),
        format!("{plain}?sslmode=require").replace("/keeper?", "/postgres?"),
        format!("{plain}?sslmode=require").replace("//keeper:", "//postgres:"),
    ] {
        let refused = PgConnection::connect(&url).await.unwrap_err();
        assert!(refused.to_string().contains("no pg_hba.conf entry"), "{refused}");
    }
    let mut service = PgConnection::connect(&url).await.unwrap();
    let encrypted: bool =
        sqlx::query_scalar("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
            .fetch_one(&mut service)
            .await
            .unwrap();
    assert!(encrypted);
}

#[tokio::test(flavor = "multi_thread")]
async fn migrate_names_a_role_that_it_cannot_grant_and_the_next_step() {
    let deployment = Deployment::start();
    for (role, message) in [
        ("nobody", "create it"),
        ("keeper_owner", "run `migrate` as a different role"),
        ("postgres", "not a superuser"),
    ] {
        let mut migrate = deployment.command("migrate", &["migrate"]);
        migrate.env("KEEPER__DATABASE__ROLE", role);
        let finished = run_with_input(migrate, "");
        assert!(finished.stderr.contains("database.role: "), "{finished:?}");
        finished.assert_error(message);
    }
}
