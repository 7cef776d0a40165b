//! Secrets stay where they belong: markers are posted through every route, format, scheme and command,
//! and then searched for in everything that remains, in every spelling that software could give them.

use std::{
    fs::{self, File},
    io::{Read, Seek, SeekFrom},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use credential_keeper::describe_routes;
use reqwest::{Client, Method, RequestBuilder};
use rustix::process::Signal;
use serde_json::json;
use sqlx::{Connection, Executor, PgConnection, Row};

use crate::support::{Credentials, Server, keeper, run_with_input, started};

/// Every marker begins like this; nothing else does.
const MARKER: &str = "CANARYq7Zk";

/// The same in URLs, where no client of this API has a reason to put a secret: the web server keeps
/// the last ones for its next requests. In nothing that lasts longer they may be, either.
const IN_URLS: &str = "CANARYu3Xw";

/// A new secret each time, long enough for every policy.
fn secret(number: &mut usize) -> String {
    *number += 1;
    format!("{MARKER}-{number:04}-wörd & sentence")
}

/// An installation on a PostgreSQL that tells everything it knows.
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

    /// Once more, with settings that only a start reads.
    async fn make_talkative(&mut self) {
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

    /// Runs a command; gives back everything it said.
    fn run(&self, arguments: &[&str], input: &str) -> String {
        let mut command = keeper(arguments);
        command.envs(self.variables());
        let finished = run_with_input(command, input);
        format!("{}{}", finished.stdout, finished.stderr)
    }

    /// Everything in the database, and what it noted about statements.
    async fn everything(&self) -> Vec<String> {
        let mut connection = PgConnection::connect(self.url()).await.unwrap();
        let tables = "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public'";
        let tables: Vec<String> =
            sqlx::query_scalar(tables).fetch_all(&mut connection).await.unwrap();
        assert!(tables.len() >= 10, "{tables:?}");
        let mut all = Vec::new();
        for table in tables.iter().map(String::as_str).chain(["pg_stat_statements"]) {
            let rows = format!("SELECT t::text FROM {table} t");
            let rows = sqlx::query(sqlx::AssertSqlSafe(rows)).fetch_all(&mut connection).await;
            all.extend(rows.unwrap().iter().map(|row| row.get::<String, _>(0)));
        }
        all
    }
}

/// The spellings of the marker: as it is, in UTF-16, in hexadecimal digits, and in base64 wherever it
/// stands in the encoded text.
fn spellings(marker: &str) -> Vec<Vec<u8>> {
    let mut spellings = vec![marker.as_bytes().to_vec()];
    spellings.push(marker.encode_utf16().flat_map(u16::to_le_bytes).collect());
    spellings.push(crate::support::hex(marker).into_bytes());
    spellings.push(crate::support::hex(marker).to_uppercase().into_bytes());
    for offset in 0..3 {
        // What is before and behind changes the first and the last digits.
        let padded = format!("{}{marker}", "x".repeat(offset));
        let digits = STANDARD_NO_PAD.encode(padded);
        spellings.push(digits.as_bytes()[4..digits.len() - 2].to_vec());
    }
    spellings
}

/// Neither the markers nor those in URLs.
#[track_caller]
fn holds_none(what: &str, bytes: &[u8]) {
    holds_no(MARKER, what, bytes);
    holds_no(IN_URLS, what, bytes);
}

#[track_caller]
fn holds_no(marker: &str, what: &str, bytes: &[u8]) {
    for spelling in spellings(marker) {
        let found = bytes.windows(spelling.len()).position(|window| window == spelling);
        if let Some(at) = found {
            let around = &bytes[at.saturating_sub(200)..(at + 100).min(bytes.len())];
            panic!("a marker is in {what}: {}", String::from_utf8_lossy(around));
        }
    }
}

/// Who posts, and what they got back.
struct Poster {
    client: Client,
    url: String,
    number: usize,
    answers: Vec<String>,
}

impl Poster {
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

/// What a body with this secret in every place that could take one looks like, in each format.
fn bodies(secret: &str, user_id: i64) -> Vec<(&'static str, Vec<u8>)> {
    let members = json!({
        "UserId": user_id, "AssociateId": user_id, "AssociateName": "paul", "Name": "paul",
        "UserName": "paul", "Password": secret, "OldPassword": secret, "NewPassword": secret,
        "Credential": {"Type": {"Type": "CRM5/PASSWORD"}, "Value": secret},
        "Credentials": [{"Type": {"Type": "ActiveDirectory"}, "Value": secret}],
    });
    let json = members.to_string();
    let escaped = secret.replace('&', "&amp;");
    let xml = format!(
        "<R><UserId>{user_id}</UserId><AssociateId>{user_id}</AssociateId><AssociateName>paul</AssociateName>\
         <UserName>paul</UserName><Password>{escaped}</Password><OldPassword>{escaped}</OldPassword>\
         <NewPassword>{escaped}</NewPassword><Credential><Value>{escaped}</Value></Credential></R>"
    );
    let encoded = secret.bytes().map(|byte| format!("%{byte:02X}")).collect::<Vec<_>>().concat();
    let form = format!(
        "UserId={user_id}&AssociateId={user_id}&AssociateName=paul&UserName=paul&Password={encoded}\
         &OldPassword={encoded}&NewPassword={encoded}&Credential[Value]={encoded}"
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
    ]
}

/// What each scheme can be given.
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

/// Every agent's call, and every other route, with secrets in body, header, cookie, query and path.
async fn post_everything(poster: &mut Poster, administrator: &Credentials) {
    for route in describe_routes() {
        let path = route.path.replace("{id}", "278").replace("{ticket}", &"0".repeat(64));
        let bodies = bodies(&poster.secret(), 278);
        let method: Method = route.method.parse().unwrap();
        for (content_type, body) in bodies {
            // What would end the administrator is not called by them.
            let by =
                if path.contains("DeleteUser") { &Credentials::Anonymous } else { administrator };
            let request = poster.client.request(method.clone(), format!("{}{path}", poster.url));
            let request = by.put_into(request).header("Content-Type", content_type);
            poster.send(request.body(body)).await;
        }
        let secret = poster.secret();
        for credentials in schemes(&secret) {
            let query = format!("{}{path}?Password={IN_URLS}&x={IN_URLS}", poster.url);
            let request = credentials.put_into(poster.client.request(method.clone(), query));
            let request = request
                .header("SO-AppToken", MARKER)
                .header("Cookie", format!("XSRF-TOKEN={MARKER}"));
            poster.send(request.json(&json!({}))).await;
        }
    }
    let path = format!("{}/api/v1/Agents/User/{IN_URLS}", poster.url);
    poster.send(poster.client.get(path)).await;
}

/// What is saved logs in, in each format and scheme.
async fn log_in_with_everything(poster: &mut Poster, administrator: &Credentials) {
    let save = "/api/v1/Agents/User/SaveCredential";
    for at in [0, 1, 5, 8] {
        let secret = poster.secret();
        let (content_type, body) = bodies(&secret, 278).remove(at);
        let request = administrator.put_into(poster.post(save, content_type)).body(body);
        let (status, answer) = poster.send(request).await;
        assert_eq!(status, 200, "{content_type}: {answer}");
        let paul = Credentials::basic("paul", &secret);
        let who = format!("{}/api/v1/User/currentPrincipal", poster.url);
        let request = paul.put_into(poster.client.get(&who));
        assert_eq!(poster.send(request).await.0, 200);
        let login = json!({"UserName": "paul", "Password": secret});
        let request = poster.post("/login", "application/json").body(login.to_string());
        assert_eq!(poster.send(request).await.0, 200);
        let change = json!({"OldPassword": secret, "NewPassword": poster.secret()});
        let path = "/api/v1/Agents/User/ChangeOwnPassword";
        let request = paul.put_into(poster.post(path, "application/json"));
        assert_eq!(poster.send(request.body(change.to_string())).await.0, 200);
    }
}

fn run_every_command(installation: &Installation, number: &mut usize) -> Vec<String> {
    let file = |name: &str| installation.folder.path().join(name).to_str().unwrap().to_owned();
    let passphrase = secret(number);
    let line = json!({"login_name": "imported", "credentials": [{"value": secret(number)}]});
    fs::write(file("users.jsonl"), line.to_string()).unwrap();
    let said = [
        installation.run(&["user", "add", "another"], &secret(number)),
        installation.run(&["credential", "save", "--user", "paul"], &secret(number)),
        installation
            .run(&["credential", "save", "--user", "paul", "--type", MARKER], &secret(number)),
        installation.run(&["credential", "verify", "--user", "paul"], &secret(number)),
        installation.run(
            &["credential", "save", "--user", "paul", "--type", "ActiveDirectory"],
            &secret(number),
        ),
        installation.run(&["ticket", "end"], &secret(number)),
        installation.run(&["application", "digest"], &secret(number)),
        installation.run(&["import", &file("users.jsonl")], ""),
        installation.run(&["export", "--whole", &file("whole.keeper")], &passphrase),
        installation.run(&["import", &file("whole.keeper")], &secret(number)),
        installation.run(&["export"], ""),
        installation.run(&["rotate-key", "add"], ""),
        installation.run(&["audit", "verify"], ""),
    ];
    fs::remove_file(file("users.jsonl")).unwrap();
    said.into_iter().filter(|text| !text.contains("is not a known credential type")).collect()
}

/// The readable memory of a process, region by region.
fn memory_of(process: u32) -> std::io::Result<Vec<Vec<u8>>> {
    let mut memory = File::open(format!("/proc/{process}/mem"))?;
    let maps = fs::read_to_string(format!("/proc/{process}/maps"))?;
    let mut regions = Vec::new();
    for line in maps.lines() {
        let mut fields = line.split_whitespace();
        let (range, rights) = (fields.next().unwrap(), fields.next().unwrap());
        let (start, end) = range.split_once('-').unwrap();
        let number = |digits: &str| u64::from_str_radix(digits, 16).unwrap();
        if !rights.starts_with('r') || line.contains("[v") {
            continue;
        }
        let mut region = vec![0; usize::try_from(number(end) - number(start)).unwrap()];
        memory.seek(SeekFrom::Start(number(start)))?;
        // Pages that are not there cannot be read; what was read before them counts.
        let _ = memory.read_exact(&mut region);
        regions.push(region);
    }
    Ok(regions)
}

/// Nobody but root can look into a process that forbids it.
fn memory_holds_none(process: u32) {
    match memory_of(process) {
        Ok(regions) => {
            assert!(regions.iter().map(Vec::len).sum::<usize>() > 10_000_000);
            for region in regions {
                holds_no(MARKER, "the memory of the idle process", &region);
            }
        }
        Err(error) => {
            assert!(!rustix::process::geteuid().is_root(), "{error}");
            assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied);
        }
    }
}

/// The server's log, its tables as they lie on disk, and whatever else was written.
fn files_hold_none(folder: &Path) {
    let mut statements = 0;
    for file in files_below(folder) {
        let content = fs::read(&file).unwrap();
        holds_none(file.to_str().unwrap(), &content);
        let is_told = |line: &&[u8]| line.windows(9).any(|window| window == b"duration:");
        statements += content.split(|byte| *byte == b'\n').filter(is_told).count();
    }
    assert!(statements > 1_000, "the server's log tells of {statements} statements only");
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_left_in_logs_answers_database_metrics_or_memory() {
    let mut installation = Installation::new();
    installation.make_talkative().await;
    installation.run(&["keys", "generate"], "");
    installation.run(&["migrate"], "");
    let administrator = "an administrator's own long password";
    let added = installation.run(&["user", "add", "anna", "--administrator"], administrator);
    assert!(added.contains("1000"), "{added}");
    let mut number = 0;
    installation.run(&["user", "add", "paul", "--id", "278"], &secret(&mut number));
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut serve = keeper(&["serve"]);
    serve.envs(installation.variables()).env("KEEPER__OPERATIONS__LISTEN", port.to_string());
    let server = Server::start(serve).unwrap();
    let administrator = Credentials::basic("anna", administrator);
    let client = Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let url = server.ready.clone();
    let mut poster = Poster { client: client.clone(), url, number, answers: Vec::new() };
    log_in_with_everything(&mut poster, &administrator).await;
    post_everything(&mut poster, &administrator).await;
    let metrics = client.get(format!("http://{port}/metrics")).send().await.unwrap();
    holds_none("the metrics", metrics.text().await.unwrap().as_bytes());
    // Every connection of ours ends, and what waited for an idle moment has had one. (A connection
    // that is kept open keeps its last request.)
    let Poster { answers, mut number, client: of_poster, url: _ } = poster;
    drop((client, of_poster));
    tokio::time::sleep(Duration::from_secs(2)).await;
    memory_holds_none(server.id());
    for answer in &answers {
        // A page that is not there is named by the path that was asked for, which is no secret.
        holds_none("an answer", answer.as_bytes());
    }
    for said in run_every_command(&installation, &mut number) {
        holds_none("what a command said", said.as_bytes());
    }
    server.signal(Signal::TERM);
    let (ended_well, log) = server.wait();
    assert!(ended_well);
    assert!(log.lines().count() > 10_000, "the log is at its most talkative");
    assert_eq!(started(&log)["core_dumps.off"], true);
    holds_none("the log", log.as_bytes());
    for row in installation.everything().await {
        holds_none("the database", row.as_bytes());
    }
    let database = installation.database.take().unwrap();
    database.signal(Signal::TERM);
    database.wait();
    files_hold_none(installation.folder.path());
}
