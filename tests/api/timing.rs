//! User enumeration: every refused login does the same work, whatever its name: the same hashing
//! jobs, memory, statements and answer. `tests/timing` measures the response times.

use reqwest::RequestBuilder;
use rustix::process::Signal;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::{
    directory::logins::{add_of_type, person, save_sid},
    hash_families::{FAMILIES, Family, import_lines},
    soap,
    support::{
        Answer, Credentials, PRINCIPAL, RETIRED, Server, Slapd, TestApp, free_address,
        is_distributed, keeper,
    },
};

/// The cost of a new hash in these tests, in blocks of memory. Even in an unoptimized build, it
/// exceeds PBKDF2 with few rounds, so that the service has a difference to fill up.
const TARGET: i64 = 19_456 * PASSES;
const PASSES: i64 = 8;

/// A secret with two Unicode normal forms. Imported hashes may use either, so both are verified.
const ACCENTED: &str = "d\u{e9}j\u{e0}";

/// Names that differ in the credential behind them; the password of each is `<name>-password`.
const NAMES: [(&str, &str); 11] = [
    ("paul", "a wrong password"),
    ("nobody", "an unknown name"),
    ("rita", "a retired user"),
    ("bare", "no credential of the type"),
    ("broken", "a credential that cannot be unsealed"),
    ("ended", "an expired credential"),
    ("locked", "a locked credential"),
    ("cheap", "a hash with cheaper parameters"),
    ("argon2i", "an imported Argon2 hash"),
    ("pbkdf2", "an imported hash of another kind"),
    ("external", "an external user"),
];

/// Starts the service with all users of [`NAMES`].
async fn app_with_all_names(pool: PgPool) -> TestApp {
    let passes = PASSES.to_string();
    let app = TestApp::spawn_with(pool, &[("KEEPER__HASHING__ITERATIONS", &passes)], "").await;
    for (id, name) in [(400, "bare"), (401, "broken"), (402, "ended"), (404, "locked")] {
        app.add_user((id, name), &[]);
    }
    app.add_user((405, "external"), &["--type", "external"]);
    let cheap = [("KEEPER__HASHING__MEMORY_KIB", "1024"), ("KEEPER__HASHING__ITERATIONS", "1")];
    let mut command = keeper(&["user", "add", "cheap", "--id", "403"]);
    command.envs(app.variables()).envs(cheap);
    crate::support::run_with_input(command, "cheap-password").assert_success();
    let argon2i =
        "$argon2i$v=19$m=4096,t=3,p=1$c2FsdHNhbHRzYWx0$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let pbkdf2 =
        "pbkdf2_sha256$10000$c2FsdHNhbHRzYWx0$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("users.jsonl");
    let line = |name: &str, hash: &str| {
        json!({"login_name": name, "credentials": [{"hash": hash}]}).to_string()
    };
    let lines = [line("argon2i", argon2i), line("pbkdf2", pbkdf2)];
    std::fs::write(&file, lines.join("\n")).unwrap();
    app.command(&["import", file.to_str().unwrap()], "").assert_success();
    let ended = ["credential", "save", "--user", "ended", "--valid-to", "2020-01-01T00:00:00Z"];
    app.command(&ended, "ended-password").assert_success();
    sqlx::raw_sql(
        "DELETE FROM credentials WHERE user_id = 400;
         UPDATE credentials SET version = version + 1 WHERE user_id = 401;
         INSERT INTO authentication_attempts
         VALUES (404, 'CRM5/PASSWORD', 100, '{}', 0, '{}', now(), NULL)",
    )
    .execute(&app.pool)
    .await
    .unwrap();
    app.command(&["migrate"], "").assert_success();
    app
}

/// The observable work of one refused login, and its answer.
#[derive(Debug, PartialEq)]
struct Work {
    jobs: i64,
    statements: Vec<String>,
    status: u16,
    headers: Vec<String>,
    length: usize,
}

/// The value of a counter in the metrics at `operations`, the URL of the operations listener.
async fn counter(app: &TestApp, operations: &str, name: &str) -> i64 {
    let request = app.client.get(format!("{operations}/metrics"));
    let text = Answer::read(request.send().await.unwrap()).await.body;
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
    line.unwrap_or("0").trim_end_matches(".0").parse().unwrap()
}

/// The statements of one request: those since the previous answer, because requests are sequential.
fn statements(log: &[Value], id: &str) -> Vec<String> {
    let is_answered = |line: &Value| line["message"] == "answered";
    let end =
        log.iter().position(|line| is_answered(line) && line["keeper.request.client_id"] == id);
    let before = &log[..end.unwrap()];
    let start = before.iter().rposition(is_answered).map_or(0, |index| index + 1);
    let queries = before[start..].iter().filter(|line| line["log.logger"] == "sqlx::query");
    let queries = queries.map(|line| line["labels.summary"].as_str().unwrap().to_owned());
    // A connection that was idle is asked whether it may write, whatever the login.
    queries.filter(|summary| summary != "SHOW transaction_read_only").collect()
}

/// The login name in the id of a request.
fn name_from(id: &str) -> &str {
    id.split("--").next().unwrap()
}

/// One refused login: the description of its case, the id of its request, the blocks of memory that
/// it filled, and everything that must be the same for every case.
struct Refusal {
    description: &'static str,
    id: String,
    blocks: i64,
    work: Work,
}

/// How a login reaches the service.
#[derive(Clone, Copy)]
enum Transport {
    Basic,
    Soap,
}

impl Transport {
    /// A login with this name and password.
    fn login(self, app: &TestApp, url: &str, name: &str, password: &str) -> RequestBuilder {
        match self {
            Self::Basic => {
                let request = app.client.get(format!("{url}{PRINCIPAL}"));
                Credentials::basic(name, password).apply_to(request)
            }
            Self::Soap => {
                let request = app.client.post(format!("{url}{}", soap::SERVICE));
                request.header("Content-Type", "text/xml").body(soap::login(name, password))
            }
        }
    }

    /// The status of a refused login.
    fn refusal(self) -> u16 {
        match self {
            Self::Basic => 401,
            Self::Soap => 200,
        }
    }
}

/// A running service whose work can be counted.
struct Observed<'app> {
    app: &'app TestApp,
    transport: Transport,
    server: Server,
    operations: String,
}

impl<'app> Observed<'app> {
    async fn start(app: &'app TestApp, transport: Transport) -> Self {
        let operations = free_address();
        let mut command = keeper(&["serve"]);
        command
            .envs(app.variables())
            .env("KEEPER__OPERATIONS__LISTEN", &operations)
            .env("KEEPER__LOG__LEVEL", "info,sqlx=debug");
        let server = Server::start(command).unwrap();
        let operations = format!("http://{operations}");
        // Exclude background work at the start, and the memory pages that the first request
        // touches.
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        transport.login(app, &server.ready, "first", "guess").send().await.unwrap();
        Self { app, transport, server, operations }
    }

    /// Logs in with a wrong password. The id of the request starts with the name.
    async fn refuse(
        &self,
        (name, description): (&str, &'static str),
        kind: &str,
        password: &str,
    ) -> Refusal {
        let id = format!("{name}--{kind}");
        let jobs = "keeper_hashing_hash_seconds_count";
        let blocks = "keeper_hashing_blocks_total";
        let count = async |metric| counter(self.app, &self.operations, metric).await;
        let before = (count(jobs).await, count(blocks).await);
        let request = self.transport.login(self.app, &self.server.ready, name, password);
        let request = request.header("X-Request-Id", &id);
        let answer = Answer::read(request.send().await.unwrap()).await;
        let jobs = count(jobs).await - before.0;
        let blocks = count(blocks).await - before.1;
        let ignored = ["date", "x-request-id"];
        let headers = answer.headers.iter().filter(|(name, _)| !ignored.contains(&name.as_str()));
        let mut headers: Vec<_> =
            headers.map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        headers.sort();
        let work = Work {
            jobs,
            statements: Vec::new(),
            status: answer.status.as_u16(),
            headers,
            length: answer.body.len(),
        };
        Refusal { description, id, blocks, work }
    }

    /// Stops the service, and checks that every refusal did the work of the first one: one statement
    /// that reads and one that reserves the attempt.
    fn assert_same_work(self, refusals: Vec<Refusal>) -> Vec<Refusal> {
        self.assert_same_statements(refusals, 2)
    }

    /// As [`Self::assert_same_work`], with this number of statements.
    fn assert_same_statements(self, refusals: Vec<Refusal>, number: usize) -> Vec<Refusal> {
        let status = self.transport.refusal();
        let refusals = self.stop(refusals);
        assert_alike(&refusals, (1, status), number);
        refusals
    }

    /// Stops the service, and reads the statements of the refusals in its log.
    fn stop(self, mut refusals: Vec<Refusal>) -> Vec<Refusal> {
        self.server.signal(Signal::TERM);
        let (_, log) = self.server.wait();
        let log: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        for refusal in &mut refusals {
            refusal.work.statements = statements(&log, &refusal.id);
        }
        refusals
    }
}

/// Checks that every refusal did the work of the first one, with these jobs and this status, and this
/// number of statements. A distributed database needs more statements, each on one shard, for the same
/// work.
fn assert_alike(refusals: &[Refusal], expected: (i64, u16), number: usize) {
    let first = &refusals[0].work;
    assert_eq!((first.jobs, first.status), expected);
    let counted = first.statements.len();
    let is_expected = if is_distributed() { counted > number } else { counted == number };
    assert!(is_expected, "{first:?}");
    for Refusal { description, id, work, .. } in refusals {
        assert_eq!(work, first, "{description} ({id})");
    }
}

#[sqlx::test]
async fn every_refused_login_does_the_same_work_and_looks_the_same(pool: PgPool) {
    assert_refused_logins_are_alike(pool, Transport::Basic).await;
}

#[sqlx::test]
async fn every_refused_soap_login_does_the_same_work_and_looks_the_same(pool: PgPool) {
    assert_refused_logins_are_alike(pool, Transport::Soap).await;
}

async fn assert_refused_logins_are_alike(pool: PgPool, transport: Transport) {
    let app = app_with_all_names(pool).await;
    let observed = Observed::start(&app, transport).await;
    let mut refusals = Vec::new();
    for secret in ["wrong", "own", ACCENTED] {
        for case in NAMES {
            let name = case.0;
            // For these names, even the right password is refused.
            let is_always_refused =
                ["rita", "ended", "locked", "broken", "nobody", "bare"].contains(&name);
            let password = if secret == "own" && is_always_refused {
                format!("{name}-password")
            } else {
                format!("{secret} guess for {name}")
            };
            let kind = if secret == ACCENTED { "accented" } else { secret };
            refusals.push(observed.refuse(case, kind, &password).await);
        }
    }
    for Refusal { description, id, blocks, .. } in observed.assert_same_work(refusals) {
        // A secret with two normal forms costs twice as much, for every name.
        let forms = if id.ends_with("--accented") { 2 } else { 1 };
        let target = forms * TARGET;
        match name_from(&id) {
            // PBKDF2 takes its own time; at most two partial hashes fill up the target time.
            "pbkdf2" => {
                assert!((1..2 * target).contains(&blocks), "{description}: {blocks} blocks");
            }
            "argon2i" => assert!(blocks > forms * 4096 * 3, "{description}: {blocks} blocks"),
            // Its own blocks and others of the same total cost; blocks of a first pass cost less.
            "cheap" => {
                let tolerance = target / 100;
                assert!(
                    (target - tolerance..=target + tolerance).contains(&blocks),
                    "{description}: {blocks} blocks"
                );
            }
            _ => assert_eq!(blocks, target, "{description} ({id})"),
        }
    }
}

#[sqlx::test]
async fn a_refused_login_with_a_hash_of_any_family_does_the_same_work(pool: PgPool) {
    let passes = PASSES.to_string();
    let app = TestApp::spawn_with(pool, &[("KEEPER__HASHING__ITERATIONS", &passes)], "").await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("families.jsonl");
    std::fs::write(&file, import_lines().join("\n")).unwrap();
    app.command(&["import", file.to_str().unwrap()], "").assert_success();
    let observed = Observed::start(&app, Transport::Basic).await;
    let mut refusals = Vec::new();
    let unknown = [("nobody", "an unknown name")];
    let families = FAMILIES.iter().map(|family| (family.name, family.scheme));
    for case in unknown.into_iter().chain(families) {
        for (kind, guess) in [("wrong", "wrong"), ("accented", ACCENTED)] {
            refusals.push(observed.refuse(case, kind, &format!("{guess} for {}", case.0)).await);
        }
    }
    for Refusal { description, id, blocks, .. } in observed.assert_same_work(refusals) {
        let target = TARGET * if id.ends_with("--accented") { 2 } else { 1 };
        let is_own_time = |family: &Family| !family.scheme.starts_with("argon2id");
        let family = FAMILIES.iter().find(|family| family.name == name_from(&id));
        match family {
            // It takes its own time; at most two partial hashes fill up the target time.
            Some(family) if is_own_time(family) => {
                assert!(blocks < 2 * target, "{description} ({id}): {blocks} blocks");
            }
            // Fewer passes, and more of the same total cost; blocks of a first pass cost less.
            Some(family) if !family.is_wrapped() => {
                assert!((blocks - target).abs() <= target / 100, "{description}: {blocks} blocks");
            }
            // Argon2id over another function has the cost of a new hash.
            Some(_) | None => assert_eq!(blocks, target, "{description} ({id})"),
        }
    }
}

#[sqlx::test]
async fn a_slower_stored_hash_lengthens_every_refusal_but_no_success(pool: PgPool) {
    let app = app_with_all_names(pool).await;
    let slow = "pbkdf2_sha256$600000$c2FsdHNhbHRzYWx0$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("users.jsonl");
    let line = json!({"login_name": "slow", "credentials": [{"hash": slow}]});
    std::fs::write(&file, line.to_string()).unwrap();
    app.command(&["import", file.to_str().unwrap()], "").assert_success();
    let second = app.spawn_instance(&[("KEEPER__ATTEMPTS__MAXIMUM_PER_ADDRESS", "0")]).await;
    let time_login = async |name: &str, password: &str| {
        let start = std::time::Instant::now();
        let status = second.get(PRINCIPAL, &Credentials::basic(name, password)).await.status;
        (start.elapsed(), status.as_u16())
    };
    // The service measures the slow hash in the background after its start.
    let mut number = 0;
    let mut least = loop {
        number += 1;
        let (time, status) = time_login(&format!("nobody {number}"), "guess").await;
        assert_eq!(status, 401);
        let (again, _) = time_login(&format!("nobody {number}"), "guess").await;
        // A cached refusal needs no hash, but takes the same time.
        if again.as_millis() > 60 {
            break time.min(again);
        }
        assert!(number < 600, "refusals were never lengthened");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    };
    // A busy machine lengthens single answers, but hardly the shortest of several.
    for number in 0..10 {
        least = least.min(time_login(&format!("nobody else {number}"), "guess").await.0);
    }
    for name in ["slow", "paul", "bare", "rita", "pbkdf2"] {
        let (time, status) = time_login(name, "guess").await;
        assert_eq!(status, 401, "{name}");
        // The service measures again from time to time, so the delay may have changed.
        assert!(time.mul_f64(1.4) > least, "{name} took {time:?}, others {least:?}");
    }
    // A guess with two normal forms takes twice as long for every name, within a tolerance.
    for name in ["slow", "nobody"] {
        let (time, status) = time_login(name, "gu\u{e9}ss").await;
        assert_eq!(status, 401, "{name}");
        assert!(time > least.mul_f64(1.5), "{name} took {time:?}, others {least:?}");
    }
    time_login("paul", "paul-password").await;
    let (time, status) = time_login("paul", "paul-password").await;
    assert_eq!(status, 200);
    assert!(time < least, "a successful login must not be lengthened: {time:?}");
}

/// Names that differ in what a directory says about them.
const DIRECTORY_NAMES: [(&str, &str); 4] = [
    ("ola", "a wrong password in the directory"),
    ("gone", "no entry in the directory"),
    ("twice", "two entries in the directory"),
    ("robot", "a system user, whom the directory does not log in"),
];

#[sqlx::test]
async fn every_refused_login_does_the_same_work_when_a_directory_verifies_passwords(pool: PgPool) {
    let entries = [("ola", 1101), ("twice", 1103), ("thrice", 1103)];
    let entries = entries.map(|(name, relative_id)| person(name, relative_id, "of the directory"));
    let slapd = Slapd::start(&entries.concat());
    let mut app = app_with_all_names(pool).await;
    for (number, (name, _)) in (0..).zip(DIRECTORY_NAMES) {
        let user_type = if name == "robot" { "system" } else { "internal" };
        add_of_type(&app, (501 + number, name), 1101 + u32::try_from(number).unwrap(), user_type)
            .await;
    }
    // Both have a password here, too.
    save_sid(&app, 403, 1108).await;
    save_sid(&app, RETIRED.0, 1109).await;
    let variables: Vec<_> = slapd.variables();
    let variables = variables.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let more = [
        ("KEEPER__DIRECTORY__VERIFY_PASSWORDS", "true"),
        ("KEEPER__DIRECTORY__VERIFY_TIMEOUT_SECONDS", "1"),
    ];
    app.reconfigure(&variables.chain(more).collect::<Vec<_>>()).await;
    let observed = Observed::start(&app, Transport::Basic).await;
    let mut refusals = Vec::new();
    for case in NAMES.into_iter().chain(DIRECTORY_NAMES) {
        refusals.push(observed.refuse(case, "wrong", &format!("guess for {}", case.0)).await);
    }
    // A repeated guess is in the cache, unless the directory refused it for another reason.
    for case in NAMES.into_iter().take(3).chain(DIRECTORY_NAMES) {
        refusals.push(observed.refuse(case, "repeated", &format!("guess for {}", case.0)).await);
    }
    let status = observed.transport.refusal();
    let refusals = observed.stop(refusals);
    let (wrong, repeated) = refusals.split_at(NAMES.len() + DIRECTORY_NAMES.len());
    // A third statement counts the failure.
    assert_alike(wrong, (1, status), 3);
    assert_alike(repeated, (0, status), 3);
}
