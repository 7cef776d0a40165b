//! Leak test: sends marked secrets through every route, format, scheme, form and command, then
//! searches for them in logs, answers, metrics, memory and files, in every encoding that software
//! could use.

mod commands;
mod forms;
mod memory;

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use credential_keeper::{Access, describe_routes};
use memchr::memmem;
use reqwest::{Client, Method, RequestBuilder};
use rustix::process::Signal;
use serde_json::json;
use sqlx::{Connection, Executor, PgConnection, Row};
use url::form_urlencoded;

use crate::{
    mail::with_form,
    soap,
    support::{
        CommandOutput, Credentials, MAIL_LOGIN, MAIL_PASSWORD, MailServer, Server, client_builder,
        free_address, keeper, run_with_input, started, wait_until,
    },
};

/// Prefix of every secret of this test; nothing else contains it.
pub(crate) const MARKER: &str = "CANARYq7Zk";

/// Marker for URLs, where no client of this API has a reason to put a secret. The web server keeps
/// the last URLs in memory for its next requests, so only memory may contain this marker.
const URL_MARKER: &str = "CANARYu3Xw";

/// A new secret for each number, long enough for every policy.
fn secret(number: &mut usize) -> String {
    *number += 1;
    format!("{MARKER}-{number:04}-wörd & sentence")
}

/// An installation on a PostgreSQL with the most verbose logging.
struct Installation {
    folder: tempfile::TempDir,
    database: Option<Server>,
}

impl Installation {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
        Self { folder, database: None }
    }

    fn start_database(&mut self) {
        let mut command = keeper(&["dev", "--database-only", "--data"]);
        command.arg(self.folder.path().join("data"));
        self.database = Some(Server::start(command).unwrap());
    }

    fn url(&self) -> &str {
        &self.database.as_ref().unwrap().ready
    }

    /// Starts the database, sets verbose logging, and restarts it, because some settings need that.
    async fn start_verbose_database(&mut self) {
        self.start_database();
        let mut connection = PgConnection::connect(self.url()).await.unwrap();
        for (name, value) in [
            ("shared_preload_libraries", "'pg_stat_statements'"),
            ("log_statement", "'all'"),
            ("log_min_duration_statement", "0"),
            ("log_parameter_max_length", "-1"),
            ("log_parameter_max_length_on_error", "-1"),
            ("log_min_messages", "debug2"),
            ("log_min_error_statement", "debug5"),
            ("log_error_verbosity", "verbose"),
            ("log_connections", "on"),
        ] {
            let statement = format!("ALTER SYSTEM SET {name} = {value}");
            connection.execute(sqlx::AssertSqlSafe(statement)).await.unwrap();
        }
        drop(connection);
        let database = self.database.take().unwrap();
        database.signal(Signal::TERM);
        assert!(database.wait().0);
        self.start_database();
        let mut connection = PgConnection::connect(self.url()).await.unwrap();
        connection.execute("CREATE EXTENSION pg_stat_statements").await.unwrap();
    }

    fn variables(&self) -> Vec<(String, String)> {
        let file = |name: &str| self.folder.path().join(name).to_str().unwrap().to_owned();
        [
            ("DATABASE__URL", self.url().to_owned()),
            ("KEYRING__FILE", file("keyring.json")),
            ("HTTP__LISTEN", "127.0.0.1:0".to_owned()),
            ("OPERATIONS__LISTEN", "127.0.0.1:0".to_owned()),
            ("SHUTDOWN__GRACE_SECONDS", "0".to_owned()),
            ("LOG__LEVEL", "trace,actix_server=trace,actix_http=trace,sqlx=trace".to_owned()),
            ("ATTEMPTS__BEFORE_DELAY", "1000000".to_owned()),
            ("ATTEMPTS__MAXIMUM_PER_ADDRESS", "0".to_owned()),
        ]
        .map(|(name, value)| (format!("KEEPER__{name}"), value))
        .into()
    }

    /// Runs a command with `input` on stdin.
    fn run(&self, arguments: &[&str], input: &str) -> CommandOutput {
        let mut command = keeper(arguments);
        command.envs(self.variables());
        run_with_input(command, input)
    }

    /// Adds a user; returns what the command says.
    #[track_caller]
    fn add_user(&self, name: &str, options: &[&str], password: &str) -> String {
        let added = self.run(&[&["user", "add", name], options].concat(), password);
        assert_eq!(added.code, 0, "{added:?}");
        added.stderr
    }

    /// Every row of every table, and the statistics on statements.
    async fn all_rows(&self) -> Vec<String> {
        let mut connection = PgConnection::connect(self.url()).await.unwrap();
        let tables = "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public'";
        let tables: Vec<String> =
            sqlx::query_scalar(tables).fetch_all(&mut connection).await.unwrap();
        assert!(tables.len() >= 10, "{tables:?}");
        let mut texts = Vec::new();
        for table in tables.iter().map(String::as_str).chain(["pg_stat_statements"]) {
            let rows = format!("SELECT t::text FROM {table} t");
            let rows = sqlx::query(sqlx::AssertSqlSafe(rows)).fetch_all(&mut connection).await;
            texts.extend(rows.unwrap().iter().map(|row| row.get::<String, _>(0)));
        }
        texts
    }
}

/// The encodings of a marker: UTF-8, UTF-16, hexadecimal, and base64 at each of its three offsets.
fn encodings(marker: &str) -> Vec<Vec<u8>> {
    let mut encodings = vec![marker.as_bytes().to_vec()];
    encodings.push(marker.encode_utf16().flat_map(u16::to_le_bytes).collect());
    encodings.push(crate::support::hex(marker).into_bytes());
    encodings.push(crate::support::hex(marker).to_uppercase().into_bytes());
    for offset in 0..3 {
        // Neighboring bytes change the first and the last digits.
        let padded = format!("{}{marker}", "x".repeat(offset));
        let digits = STANDARD_NO_PAD.encode(padded);
        encodings.push(digits.as_bytes()[4..digits.len() - 2].to_vec());
    }
    encodings
}

/// Asserts that neither marker is in `bytes`.
#[track_caller]
pub(crate) fn assert_no_secret(location: &str, bytes: &[u8]) {
    assert_no_marker(MARKER, location, bytes);
    assert_no_marker(URL_MARKER, location, bytes);
}

#[track_caller]
fn assert_no_marker(marker: &str, location: &str, bytes: &[u8]) {
    for encoding in encodings(marker) {
        // memmem: comparing every window takes a minute in an unoptimized build.
        if let Some(position) = memmem::find(bytes, &encoding) {
            let around = &bytes[position.saturating_sub(200)..(position + 100).min(bytes.len())];
            panic!("a secret is in {location}: {}", String::from_utf8_lossy(around));
        }
    }
}

/// A client that keeps every answer.
struct RecordingClient {
    client: Client,
    url: String,
    number: usize,
    answers: Vec<String>,
}

impl RecordingClient {
    fn secret(&mut self) -> String {
        secret(&mut self.number)
    }

    async fn send(&mut self, request: RequestBuilder) -> (u16, String) {
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), format!("{:?}", answer.headers()));
        let body = answer.text().await.unwrap();
        self.answers.push(headers);
        self.answers.push(body.clone());
        (status, body)
    }

    fn post(&self, path: &str, content_type: &str) -> RequestBuilder {
        let request = self.client.request(Method::POST, format!("{}{path}", self.url));
        request.header("Content-Type", content_type)
    }
}

/// Bodies with this secret in every member that could hold one, in each format, and with the id and
/// the login name of a user.
fn bodies(secret: &str, user_id: i64, name: &str) -> Vec<(&'static str, Vec<u8>)> {
    let members = json!({
        "UserId": user_id, "AssociateId": user_id, "AssociateName": name, "Name": name,
        "UserName": name, "Password": secret, "OldPassword": secret, "NewPassword": secret,
        "IsActive": true, "ExternalUserInfoModification": "Password",
        "Credential": {"Type": {"Type": "CRM5/PASSWORD"}, "Value": secret, "DisplayValue": "resolved"},
        "ContactId": 2, "PersonId": 7, "EjUserId": 7, "UserType": "InternalAssociate",
        "User": {"AssociateId": user_id, "Credentials": [{"Value": secret}]},
        "CredentialType": "ActiveDirectory", "CredentialValue": secret,
        "Credentials": [{"Type": {"Type": "ActiveDirectory"}, "Value": secret}],
    });
    let json = members.to_string();
    let escaped = secret.replace('&', "&amp;");
    let xml = format!(
        "<R><UserId>{user_id}</UserId><AssociateId>{user_id}</AssociateId><AssociateName>{name}</AssociateName>\
         <UserName>{name}</UserName><Password>{escaped}</Password><OldPassword>{escaped}</OldPassword>\
         <NewPassword>{escaped}</NewPassword><IsActive>true</IsActive>\
         <ExternalUserInfoModification>Password</ExternalUserInfoModification><Credential><Value>{escaped}</Value></Credential></R>"
    );
    let encoded = secret.bytes().map(|byte| format!("%{byte:02X}")).collect::<Vec<_>>().concat();
    let form = format!(
        "UserId={user_id}&AssociateId={user_id}&AssociateName={name}&UserName={name}&Password={encoded}\
         &OldPassword={encoded}&NewPassword={encoded}&Credential[Value]={encoded}&IsActive=true\
         &ExternalUserInfoModification=Password"
    );
    let utf16: Vec<u8> = json.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let wrong = json!({"UserId": secret, "Password": {"x": secret}, "Credential": secret});
    let twice =
        format!(r#"{{"Password":"{secret}","password":"{secret}","{secret}":1,"{secret}":2}}"#);
    vec![
        ("application/json", json.clone().into_bytes()),
        ("application/json; charset=utf-16", utf16),
        ("text/json", wrong.to_string().into_bytes()),
        ("application/json", twice.into_bytes()),
        ("application/json", json.as_bytes()[..json.len() - 1].to_vec()),
        ("application/xml", xml.clone().into_bytes()),
        ("text/xml", format!("<!DOCTYPE {MARKER}>{xml}").into_bytes()),
        ("application/xml", xml.as_bytes()[..xml.len() - 3].to_vec()),
        ("application/x-www-form-urlencoded", form.into_bytes()),
        ("application/x-www-form-urlencoded", format!("x%ZZ={encoded}").into_bytes()),
        ("text/unknown", secret.as_bytes().to_vec()),
        ("text/xml", soap::login(&escaped, &escaped).into_bytes()),
        ("application/soap+xml", soap::login("paul", &escaped).into_bytes()),
        ("text/xml", soap::access_token_login(&escaped).into_bytes()),
        ("text/xml", soap::login("paul", &format!("<{MARKER}>{escaped}</{MARKER}>")).into_bytes()),
        ("text/xml", soap::login("paul", &escaped).replace("Body>", &format!("{MARKER}>")).into()),
    ]
}

/// Credentials of each scheme that contain this secret, valid and malformed.
fn schemes(secret: &str) -> Vec<Credentials> {
    let token = secret.replace([' ', '&', 'ö'], "");
    vec![
        Credentials::basic("paul", secret),
        Credentials::basic(secret, secret),
        Credentials::Ticket(format!("7T:{token}")),
        Credentials::Bearer(token.clone()),
        Credentials::Bearer(format!("8A:Keeper.{token}")),
        Credentials::Session { cookie: token.clone(), xsrf: token.clone() },
        Credentials::Raw(format!("Basic {token}")),
        Credentials::Raw(format!("Unknown {token}")),
        Credentials::Raw(token),
    ]
}

/// Calls every route with secrets in body, header, cookie, query and path. A page takes none of
/// these credentials: `forms` sends its forms.
async fn call_every_route(recorder: &mut RecordingClient, administrator: &Credentials) {
    for route in describe_routes() {
        let path = route.path.replace("{id}", "278").replace("{ticket}", &"0".repeat(64));
        let path = path.replace("{user}", "paul");
        let bodies = bodies(&recorder.secret(), 278, "paul");
        let method: Method = route.method.parse().unwrap();
        let deletes_user = path.contains("/DeleteUser")
            || (method == Method::DELETE && route.path.ends_with("{user}"));
        for (content_type, body) in bodies {
            // The users of this test would be gone.
            let caller = if deletes_user { &Credentials::Anonymous } else { administrator };
            let request =
                recorder.client.request(method.clone(), format!("{}{path}", recorder.url));
            let request = caller.apply_to(request).header("Content-Type", content_type);
            let (status, answer) = recorder.send(request.body(body)).await;
            let is_accepted =
                !deletes_user && matches!(route.access, Access::Authenticated | Access::Agent);
            if is_accepted {
                // Otherwise nothing but the authentication would have seen the secret.
                assert_ne!(status, 401, "{route:?}: {answer}");
            }
        }
        let secret = recorder.secret();
        for credentials in schemes(&secret) {
            let query = format!(
                "{}{path}?Password={URL_MARKER}&x={URL_MARKER}&$filter={URL_MARKER}",
                recorder.url
            );
            let request = credentials.apply_to(recorder.client.request(method.clone(), query));
            let request = request
                .header("SO-AppToken", MARKER)
                .header("Cookie", format!("XSRF-TOKEN={MARKER}"));
            recorder.send(request.json(&json!({}))).await;
        }
    }
    let path = format!("{}/api/v1/Agents/User/{URL_MARKER}", recorder.url);
    recorder.send(recorder.client.get(path)).await;
}

/// Saves a secret in each format, then logs in with it and changes it.
async fn log_in_in_every_format(recorder: &mut RecordingClient, administrator: &Credentials) {
    let save = "/api/v1/Agents/User/SaveCredential";
    for index in [0, 1, 5, 8] {
        let secret = recorder.secret();
        let (content_type, body) = bodies(&secret, 278, "paul").remove(index);
        let request = administrator.apply_to(recorder.post(save, content_type)).body(body);
        let (status, answer) = recorder.send(request).await;
        assert_eq!(status, 200, "{content_type}: {answer}");
        let paul = Credentials::basic("paul", &secret);
        let principal_url = format!("{}/api/v1/User/currentPrincipal", recorder.url);
        let request = paul.apply_to(recorder.client.get(&principal_url));
        assert_eq!(recorder.send(request).await.0, 200);
        let login = json!({"UserName": "paul", "Password": secret});
        let request = recorder.post("/login", "application/json").body(login.to_string());
        assert_eq!(recorder.send(request).await.0, 200);
        let message = soap::login("paul", &secret.replace('&', "&amp;"));
        let request = recorder.post(soap::SERVICE, "text/xml").body(message);
        assert!(recorder.send(request).await.1.contains(">true</AuthenticationSucceeded>"));
        let change = json!({"OldPassword": secret, "NewPassword": recorder.secret()});
        let path = "/api/v1/Agents/User/ChangeOwnPassword";
        let request = paul.apply_to(recorder.post(path, "application/json"));
        assert_eq!(recorder.send(request.body(change.to_string())).await.0, 200);
    }
}

/// Marks a password that must be changed, and changes it on the way in: first with a mistake.
async fn change_on_the_way_in(recorder: &mut RecordingClient, administrator: &Credentials) {
    let secret = recorder.secret();
    let save = json!({"UserId": 278, "Credential": {"Value": secret}});
    let path = "/api/v1/Agents/User/SaveCredential";
    let request = administrator.apply_to(recorder.post(path, "application/json"));
    assert_eq!(recorder.send(request.body(save.to_string())).await.0, 200);
    let mark = format!("{}/keeper/users/278/change-required", recorder.url);
    let request = administrator.apply_to(recorder.client.put(mark)).json(&json!({}));
    assert_eq!(recorder.send(request).await.0, 200);
    let page = recorder.client.get(format!("{}/login", recorder.url)).send().await.unwrap();
    let cookie = page.headers()["set-cookie"].to_str().unwrap().to_owned();
    let page = page.text().await.unwrap();
    let (_, rest) = page.split_once("name=\"LoginToken\" value=\"").unwrap();
    let token = rest.split('"').next().unwrap();
    let new = recorder.secret();
    for (repeated, status) in [(recorder.secret(), 400), (new.clone(), 303)] {
        let body = form_urlencoded::Serializer::new(String::new())
            .append_pair("UserName", "paul")
            .append_pair("Password", &secret)
            .append_pair("NewPassword", &new)
            .append_pair("RepeatedPassword", &repeated)
            .append_pair("LoginToken", token)
            .finish();
        let kind = "application/x-www-form-urlencoded";
        let request = recorder.post("/login/change-password", kind).body(body);
        let request = request.header("Cookie", cookie.split(';').next().unwrap());
        assert_eq!(recorder.send(request).await.0, status);
    }
}

/// Adds an external user in each format, changes the password, logs in with it, generates another
/// one, and deletes the user.
async fn keep_external_users(recorder: &mut RecordingClient, administrator: &Credentials) {
    for index in [0, 1, 5, 8] {
        let name = format!("external{index}");
        let (content_type, body) = bodies(&recorder.secret(), 278, &name).remove(index);
        let request = recorder.post("/api/v1/Agents/User/CreateExternalUser", content_type);
        let request = administrator.apply_to(request).header("Accept", "application/json");
        let request = request.header("Accept-Charset", "utf-8").body(body);
        let (status, id) = recorder.send(request).await;
        assert_eq!(status, 200, "{content_type}: {id}");
        let secret = recorder.secret();
        let (_, body) = bodies(&secret, id.parse().unwrap(), &name).remove(index);
        for (call, expected) in [
            ("SetExternalUserInfo", 204),
            ("GenerateNewPasswordForExternalUser", 200),
            ("DeleteExternalUser", 204),
        ] {
            let request = recorder.post(&format!("/api/v1/Agents/User/{call}"), content_type);
            let request = administrator.apply_to(request).body(body.clone());
            assert_eq!(recorder.send(request).await.0, expected, "{call} {content_type}");
            if call == "SetExternalUserInfo" {
                let url = format!("{}/api/v1/User/currentPrincipal", recorder.url);
                let login = Credentials::basic(&name, &secret).apply_to(recorder.client.get(url));
                assert_eq!(recorder.send(login).await.0, 200);
            }
        }
    }
}

/// Saves a secret for another system in each format, and reads it back. These answers contain the
/// secret, so they are not kept.
async fn return_untrusted_credentials(recorder: &mut RecordingClient, owner: &Credentials) {
    let secret = recorder.secret();
    let escaped = secret.replace('&', "&amp;");
    let encoded = secret.bytes().map(|byte| format!("%{byte:02X}")).collect::<Vec<_>>().concat();
    let json = json!({"Type": "imap", "Credentials": {"PublicValue": "v", "SecretValue": secret}});
    let xml = format!(
        "<R><Type>imap</Type><Credentials><PublicValue>v</PublicValue>\
         <SecretValue>{escaped}</SecretValue></Credentials></R>"
    );
    let form = format!("Type=imap&Credentials[PublicValue]=v&Credentials[SecretValue]={encoded}");
    for (content_type, body) in [
        ("application/json", json.to_string()),
        ("application/xml", xml),
        ("application/x-www-form-urlencoded", form),
    ] {
        let path = "/api/v1/Agents/User/SaveUntrustedCredentials";
        let request = owner.apply_to(recorder.post(path, content_type)).body(body);
        assert_eq!(recorder.send(request).await.0, 204, "{content_type}");
        for (accept, expected) in [("application/json", &secret), ("text/xml", &escaped)] {
            let path = "/api/v1/Agents/User/GetUntrustedCredentials";
            let request = owner.apply_to(recorder.post(path, "application/json"));
            let request = request.header("Accept", accept).body(r#"{"Type": "imap"}"#);
            let answer = request.send().await.unwrap().text().await.unwrap();
            assert!(answer.contains(expected.as_str()), "{content_type}, {accept}: {answer}");
        }
    }
}

/// Asks for a mail, opens its link and sets a password with it; returns the token of the link. A link
/// is a URL, so the memory may contain it until other requests overwrite it.
async fn use_link(
    recorder: &mut RecordingClient,
    administrator: &Credentials,
    mail_server: &MailServer,
) -> String {
    let path = "/api/v1/Agents/User/SendChangePasswordEMail";
    let request = administrator.apply_to(recorder.post(path, "application/json"));
    assert_eq!(recorder.send(request.body(r#"{"AssociateId":500}"#)).await.0, 200);
    let mail = mail_server.wait_for_mail(1).await;
    let text = mail["text"].as_str().unwrap();
    let token = text.lines().find_map(|line| line.split_once("?token=")).unwrap().1.to_owned();
    let page = format!("{}/account/password?token={token}", recorder.url);
    assert_eq!(recorder.client.get(page).send().await.unwrap().status(), 200);
    let password = recorder.secret();
    let request = recorder.client.post(format!("{}/account/password", recorder.url));
    assert_eq!(recorder.send(with_form(request, &token, &password)).await.0, 200);
    token
}

/// Imports a file with secrets in the browser, first to check it.
async fn import_in_the_browser(recorder: &mut RecordingClient, password: &str) {
    let login = recorder.post("/login", "application/json");
    let login = login.json(&json!({"UserName": "anna", "Password": password}));
    let answer = login.send().await.unwrap();
    let cookies = answer.headers().get_all("set-cookie").iter();
    let cookies: Vec<_> =
        cookies.map(|line| line.to_str().unwrap().split(';').next().unwrap().to_owned()).collect();
    let cookies = cookies.join("; ");
    let xsrf: serde_json::Value = answer.json().await.unwrap();
    let xsrf = xsrf["XsrfToken"].as_str().unwrap();
    for (mode, id) in [("check", 1), ("import", 2)] {
        let id = format!("00000000-0000-4000-8000-{id:012}");
        let (one, other, third) = (recorder.secret(), recorder.secret(), recorder.secret());
        let file = format!(
            "{}\n{}\n{third}\n",
            json!({"login_name": "browsed", "credentials": [{"value": one}]}),
            json!({"login_name": "browsed-2", "type": other, "credentials": [{"hash": other}]}),
        );
        let fields = [("XSRF_TOKEN", xsrf), ("Import", &id), ("Mode", mode), ("File", &file)];
        let parts = fields.map(|(name, value)| {
            format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        });
        let request = recorder.post("/admin/import", "multipart/form-data; boundary=b");
        let request = request.header("Cookie", &cookies).header("Accept", "text/html");
        let (status, page) = recorder.send(request.body(parts.concat() + "--b--\r\n")).await;
        assert_eq!(status, 303, "{page}");
        let completed = wait_until("the import completes", async || {
            let request = recorder.client.get(format!("{}/admin/import/{id}", recorder.url));
            let (_, page) = recorder.send(request.header("Cookie", &cookies)).await;
            page.contains("is complete")
        });
        completed.await;
        for format in ["csv", "jsonl"] {
            let path = format!("{}/admin/import/{id}/results?format={format}", recorder.url);
            let request = recorder.client.get(path).header("Cookie", &cookies);
            assert_eq!(recorder.send(request).await.0, 200);
        }
    }
}

/// Asserts that no file has a secret: neither PostgreSQL's log nor its tables on disk.
fn assert_files_have_no_secret(folder: &Path) {
    let mut statements = 0;
    for file in files_below(folder) {
        let content = fs::read(&file).unwrap();
        assert_no_secret(file.to_str().unwrap(), &content);
        statements += memmem::find_iter(&content, "duration:").count();
    }
    assert!(statements > 1_000, "PostgreSQL logged only {statements} statements");
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

/// Asserts that no file has one of these texts.
fn assert_files_have_none_of(folder: &Path, texts: &[String]) {
    for file in files_below(folder) {
        let content = fs::read(&file).unwrap();
        for text in texts {
            let has_text = memmem::find(&content, text.as_bytes()).is_some();
            assert!(!has_text, "an issued secret is in {}", file.display());
        }
    }
}

/// Creates the keyring and the tables, and adds the users.
fn prepare(installation: &Installation, password: &str, number: &mut usize) {
    installation.run(&["keys", "generate"], "").assert_success();
    installation.run(&["migrate"], "").assert_success();
    let added = installation.add_user("anna", &["--administrator"], password);
    assert!(added.contains("added user 1000"), "{added}");
    installation.add_user("paul", &["--id", "278"], &secret(number));
    installation.add_user("mailed@example.com", &["--id", "500"], &secret(number));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_left_in_logs_answers_database_metrics_or_memory() {
    let mut installation = Installation::new();
    installation.start_verbose_database().await;
    let (password, mut number) = ("an administrator's own long password", 0);
    prepare(&installation, password, &mut number);
    let operations = free_address();
    let mail_server = MailServer::start();
    let mut serve = keeper(&["serve"]);
    serve.envs(installation.variables()).env("KEEPER__OPERATIONS__LISTEN", &operations);
    serve.envs(mail_server.variables());
    let server = Server::start(serve).unwrap();
    let administrator = Credentials::basic("anna", password);
    let client = client_builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let url = server.ready.clone();
    let mut recorder = RecordingClient { client: client.clone(), url, number, answers: Vec::new() };
    log_in_in_every_format(&mut recorder, &administrator).await;
    change_on_the_way_in(&mut recorder, &administrator).await;
    keep_external_users(&mut recorder, &administrator).await;
    return_untrusted_credentials(&mut recorder, &administrator).await;
    // Secrets that the service makes. They have no marker.
    let mut issued = vec![use_link(&mut recorder, &administrator, &mail_server).await];
    import_in_the_browser(&mut recorder, password).await;
    issued.extend(forms::send_every_form(&mut recorder, &installation).await);
    call_every_route(&mut recorder, &administrator).await;
    let metrics = client.get(format!("http://{operations}/metrics")).send().await.unwrap();
    assert_no_secret("the metrics", metrics.text().await.unwrap().as_bytes());
    // Close all connections, because an open one keeps its last request, and give work that is
    // deferred to an idle moment the time to run.
    let RecordingClient { answers, mut number, client: recording_client, url: _ } = recorder;
    drop((client, recording_client));
    tokio::time::sleep(Duration::from_secs(2)).await;
    memory::assert_memory_has_no_secret(server.id());
    for answer in &answers {
        assert_no_secret("an answer", answer.as_bytes());
    }
    let commands::Ran { outputs, ticket } = commands::run_every_command(&installation, &mut number);
    for output in outputs {
        assert_no_secret("the output of a command", output.as_bytes());
    }
    issued.push(ticket);
    server.signal(Signal::TERM);
    let (ended_well, log) = server.wait();
    assert!(ended_well);
    assert!(log.lines().count() > 10_000, "the log is not verbose enough");
    assert_eq!(started(&log)["keeper.core_dumps.off"], true);
    assert_no_secret("the log", log.as_bytes());
    for secret in issued.iter().map(String::as_str).chain([MAIL_PASSWORD, MAIL_LOGIN]) {
        assert!(!log.contains(secret), "an issued secret or one of a mail is in the log");
    }
    for row in installation.all_rows().await {
        assert_no_secret("the database", row.as_bytes());
        let has_issued = issued.iter().any(|issued| row.contains(issued));
        assert!(!has_issued, "an issued secret is in the database: {row}");
    }
    let database = installation.database.take().unwrap();
    database.signal(Signal::TERM);
    database.wait();
    assert_files_have_no_secret(installation.folder.path());
    assert_files_have_none_of(installation.folder.path(), &issued);
}
