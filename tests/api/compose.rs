//! Runs the deployment of `docker-compose.yml` without containers and proxy: its files and
//! settings, a real PostgreSQL with TLS and three roles, `migrate` as the owner, `doctor` and `serve`
//! as the service.

use std::{
    collections::BTreeMap,
    fs::{self, Permissions},
    io::{Read, Write},
    net::TcpListener,
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
    client_builder,
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
        "the database role of the service does not own the tables",
        "the database role of the service has no administrative attribute or role",
        "the database role of the service cannot change audit events",
        "the database role of the service has only the privileges that it needs",
        "the database role of the service can connect to one database only",
        "the database role of the auditor can read what it needs, and nothing else",
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
    let client =
        ProxiedClient { client: client_builder().build().unwrap(), url: server.ready.clone() };
    call_the_api(&client).await;
    run_the_commands(&deployment);
    server.signal(Signal::TERM);
    let (ended_well, log) = server.wait();
    assert!(
        ended_well && !log.contains("\"log.level\":\"error\"") && !log.contains("denied"),
        "{log}"
    );
    assert!(log.contains("\"message\":\"anchor\""), "{log}");

    let mut service = PgConnection::connect(&deployment.url("keeper")).await.unwrap();
    for statement in REFUSED {
        assert_refused(&mut service, statement).await;
    }
    let databases: Vec<String> = sqlx::query_scalar(
        "SELECT datname::text FROM pg_database
         WHERE datallowconn AND has_database_privilege(oid, 'CONNECT')",
    )
    .fetch_all(&mut service)
    .await
    .unwrap();
    assert_eq!(databases, ["keeper"]);
    // PostgreSQL answers with a warning that nothing was granted.
    let grant = "GRANT UPDATE, DELETE ON audit_events TO keeper";
    let _ = sqlx::raw_sql(grant).execute(&mut service).await;
    let statement = "UPDATE audit_events SET scheme = scheme";
    assert_refused(&mut service, statement).await;
}

/// Statements that an attacker with the service's password would try.
const REFUSED: [&str; 43] = [
    // Change the audit log.
    "UPDATE audit_events SET scheme = scheme",
    "UPDATE audit_events SET mac = mac WHERE false",
    "DELETE FROM audit_events",
    "TRUNCATE audit_events",
    "TRUNCATE users CASCADE",
    "MERGE INTO audit_events a USING users u ON a.user_id = u.user_id WHEN MATCHED THEN DELETE",
    "INSERT INTO audit_events SELECT * FROM audit_events ON CONFLICT (user_id, sequence) DO UPDATE \
     SET scheme = 'basic'",
    "SELECT * FROM audit_events FOR UPDATE",
    "DO $$ BEGIN LOCK TABLE audit_events IN ROW SHARE MODE; END $$",
    // Change the schema.
    "ALTER TABLE audit_events DROP CONSTRAINT audit_events_scheme_check",
    "ALTER TABLE audit_events DISABLE TRIGGER ALL",
    "ALTER TABLE audit_events OWNER TO keeper",
    "ALTER TABLE audit_events RENAME TO old",
    "CREATE TRIGGER own BEFORE INSERT ON audit_events EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "CREATE RULE own AS ON INSERT TO audit_events DO INSTEAD NOTHING",
    "CREATE INDEX own ON users (user_id)",
    "DROP TABLE tickets",
    "CREATE TABLE own (id integer)",
    "CREATE TEMPORARY TABLE audit_events (id integer)",
    "CREATE TABLE pg_temp.users (id integer)",
    "CREATE VIEW own AS SELECT 1",
    "CREATE SCHEMA own",
    "CREATE SCHEMA AUTHORIZATION keeper",
    "CREATE FUNCTION own() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
    "CREATE FUNCTION pg_temp.own() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
    // Rows that only the owner writes, and rows that nobody deletes.
    "DELETE FROM users",
    "UPDATE users SET user_id = user_id",
    "UPDATE users SET created_at = created_at",
    "DELETE FROM keys",
    "UPDATE keys SET check_mac = check_mac",
    "UPDATE installation SET kind = 'development'",
    "DELETE FROM _sqlx_migrations",
    "SELECT setval('users_user_id_seq', 1)",
    // Files, programs, passwords and settings of the server.
    "COPY users TO '/tmp/users'",
    "COPY keys FROM PROGRAM 'id'",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT lo_import('/etc/passwd')",
    "SELECT * FROM pg_authid",
    "SET session_replication_role = replica",
    "ALTER SYSTEM SET fsync = off",
    // Other roles.
    "CREATE ROLE other",
    "SET ROLE keeper_owner",
    "GRANT keeper_owner TO keeper",
];

/// Asserts that PostgreSQL refuses a statement for lack of privileges.
async fn assert_refused(connection: &mut PgConnection, statement: &'static str) {
    let refused = sqlx::raw_sql(statement).execute(connection).await;
    let error = refused.map(|_| statement).unwrap_err();
    let code = error.as_database_error().unwrap().code().unwrap().into_owned();
    assert_eq!(code, "42501", "{statement}: {error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_auditor_of_the_deployment_verifies_the_audit_log() {
    let deployment = Deployment::start();
    run_with_input(deployment.command("migrate", &["migrate"]), "").assert_success();
    deployment.run(&["user", "add", "admin", "--administrator", "--generate"], "").assert_success();
    let arguments = deployment.compose.service("auditor").texts("command");
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let verified = run_with_input(deployment.command("auditor", &arguments), "");
    assert!(
        verified.stderr.contains("1 chains and 0 anchors verified, 0 findings"),
        "{verified:?}"
    );
    verified.assert_success();
    let doctor = run_with_input(deployment.command("auditor", &["--json", "doctor"]), "");
    let findings: Vec<Value> = serde_json::from_str(&doctor.stdout).unwrap();
    let roles = findings.iter().filter(|one| one["what"].as_str().unwrap().contains("role of the"));
    let verdicts: Vec<_> = roles.map(|finding| finding["verdict"].as_str().unwrap()).collect();
    assert_eq!(verdicts, ["pass"; 7]);
    let mut auditor = PgConnection::connect(&deployment.url("auditor")).await.unwrap();
    for statement in REFUSED {
        assert_refused(&mut auditor, statement).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_of_an_earlier_release_are_completed_and_narrowed() {
    let deployment = Deployment::start();
    let owner = deployment.url("migrate");
    // As version 0.1.0 left it: no auditor, and wider privileges of the service.
    deployment.database.superuser("DROP OWNED BY keeper_auditor; DROP ROLE keeper_auditor");
    deployment.database.superuser("GRANT CONNECT ON DATABASE postgres TO PUBLIC");
    let mut migrate = deployment.command("migrate", &["migrate"]);
    migrate.env_remove("KEEPER__DATABASE__AUDITOR_ROLE");
    run_with_input(migrate, "").assert_success();
    let mut connection = PgConnection::connect(&owner).await.unwrap();
    sqlx::raw_sql(
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO keeper;
         GRANT TEMPORARY ON DATABASE keeper TO keeper",
    )
    .execute(&mut connection)
    .await
    .unwrap();

    let refused = run_with_input(deployment.command("migrate", &["migrate"]), "");
    refused.assert_error("database.auditor_role: the role does not exist; create it");
    deployment.database.create_roles();
    run_with_input(deployment.command("migrate", &["migrate"]), "").assert_success();
    for (service, arguments) in [("auditor", ["audit", "verify"]), ("keeper", ["user", "list"])] {
        run_with_input(deployment.command(service, &arguments), "").assert_success();
    }
    let mut service = PgConnection::connect(&deployment.url("keeper")).await.unwrap();
    for statement in REFUSED {
        assert_refused(&mut service, statement).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_asks_the_connection_whether_the_server_is_verified() {
    let deployment = Deployment::start();
    run_with_input(deployment.command("migrate", &["migrate"]), "").assert_success();
    let url = deployment.environment("keeper")["KEEPER__DATABASE__URL"].clone();
    let doctor = |url: &str, is_waived: bool| {
        let mut command = deployment.command("keeper", &["--json", "doctor"]);
        command.env("KEEPER__DATABASE__URL", url);
        if is_waived {
            command.env("KEEPER__DATABASE__ALLOW_UNVERIFIED_SERVER", "true");
        }
        let finished = run_with_input(command, "");
        let findings: Vec<Value> = serde_json::from_str(&finished.stdout).unwrap();
        findings.into_iter().find(|one| {
            one["what"].as_str().unwrap().starts_with("the database connection is local, or enc")
        })
    };
    assert_eq!(doctor(&url, false).unwrap()["verdict"], "pass");
    // Linux connects to this host for 0.0.0.0, but it is no loopback address, so the certificate
    // counts.
    let elsewhere = url.replace("@localhost", "@0.0.0.0");
    let (plain, _) = elsewhere.split_once('?').unwrap();
    let unverified = doctor(&format!("{plain}?sslmode=require"), true).unwrap();
    assert_eq!(unverified["verdict"], "FAIL");
    assert!(unverified["next_step"].as_str().unwrap().contains("sslmode=verify-full"));
    // Wrong name, wrong certificate authority, and no TLS: there is no connection to ask.
    let other_secrets = deployment.folder.path().join("others");
    run_successfully(Command::new("script/compose-secrets").arg(&other_secrets));
    let other =
        url.replace(deployment.secrets().to_str().unwrap(), other_secrets.to_str().unwrap());
    let plain_server = server_without_tls();
    let without_tls =
        url.replace(&format!(":{}/", deployment.database.port), &format!(":{plain_server}/"));
    for url in [url.replace("@localhost", "@127.0.0.1"), other, without_tls] {
        assert_eq!(doctor(&url, false), None, "{url}");
    }
}

/// The port of a server that refuses TLS, as PostgreSQL does with `ssl = off`.
fn server_without_tls() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let mut request = [0; 8];
            // SSLRequest: the length and 80877103.
            connection.read_exact(&mut request).unwrap();
            assert_eq!(request, [0, 0, 0, 8, 4, 210, 22, 47]);
            connection.write_all(b"N").unwrap();
        }
    });
    port
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
        ("postgres", "is a superuser"),
    ] {
        let mut migrate = deployment.command("migrate", &["migrate"]);
        migrate.env("KEEPER__DATABASE__ROLE", role);
        let finished = run_with_input(migrate, "");
        assert!(finished.stderr.contains("database.role: "), "{finished:?}");
        finished.assert_error(message);
    }
}
