//! Nothing tells one refused login from another: the same jobs, the same memory filled, the same
//! statements, the same answer, whatever the name stands for. (That their times are not told apart is
//! measured by `tests/timing`.)

use rustix::process::Signal;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::{Answer, Credentials, Server, TestApp, WHO, keeper};

/// What a new hash costs in these tests, in blocks: so much that PBKDF2 of few rounds takes less in a
/// build without optimisation too, and has a rest to be filled up.
const TARGET: i64 = 19_456 * PASSES;
const PASSES: i64 = 8;

/// A secret that other systems may have hashed in another form: it is tried in both.
const ACCENTED: &str = "d\u{e9}j\u{e0}";

/// Users that differ in what their names are held against, each with the password `<name>-password`.
const NAMES: [(&str, &str); 10] = [
    ("paul", "a wrong password"),
    ("nobody", "an unknown name"),
    ("rita", "a retired user"),
    ("bare", "no credential of the type"),
    ("broken", "a row that does not open"),
    ("ended", "a credential that has ended"),
    ("locked", "a credential that is locked"),
    ("cheap", "a hash with cheaper parameters"),
    ("argon2i", "a foreign hash of argon2"),
    ("pbkdf2", "a foreign hash of another kind"),
];

/// The users, and those of other systems.
pub(crate) async fn app(pool: PgPool) -> TestApp {
    let passes = PASSES.to_string();
    let app = TestApp::spawn_with(pool, &[("KEEPER__HASHING__ITERATIONS", &passes)], "").await;
    for (id, name) in [(400, "bare"), (401, "broken"), (402, "ended"), (404, "locked")] {
        app.add_user((id, name), &[]);
    }
    let cheap = [("KEEPER__HASHING__MEMORY_KIB", "1024"), ("KEEPER__HASHING__ITERATIONS", "1")];
    let mut command = keeper(&["user", "add", "cheap", "--id", "403"]);
    command.envs(app.variables()).envs(cheap);
    crate::support::run_with_input(command, "cheap-password").succeeded();
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
    app.command(&["import", file.to_str().unwrap()], "").succeeded();
    let ended = ["credential", "save", "--user", "ended", "--valid-to", "2020-01-01T00:00:00Z"];
    app.command(&ended, "ended-password").succeeded();
    sqlx::raw_sql(
        "DELETE FROM credentials WHERE user_id = 400;
         UPDATE credentials SET version = version + 1 WHERE user_id = 401;
         INSERT INTO authentication_attempts (user_id, credential_type, failures, tried)
         VALUES (404, 'CRM5/PASSWORD', 100, '{}')",
    )
    .execute(&app.pool)
    .await
    .unwrap();
    app.command(&["migrate"], "").succeeded();
    app
}

/// What one refused login did.
#[derive(Debug, PartialEq)]
struct Work {
    jobs: i64,
    statements: Vec<String>,
    status: u16,
    headers: Vec<String>,
    length: usize,
}

async fn counted(app: &TestApp, server: &Operations, name: &str) -> i64 {
    let request = app.client.get(format!("{}/metrics", server.url));
    let text = Answer::read(request.send().await.unwrap()).await.body;
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
    line.unwrap_or("0").trim_end_matches(".0").parse().unwrap()
}

/// The operations listener of a `serve`, from its first log line.
struct Operations {
    url: String,
}

/// The statements since the request before; requests come one after the other.
fn statements(log: &[Value], id: &str) -> Vec<String> {
    let is_answered = |line: &Value| line["message"] == "answered";
    let end =
        log.iter().position(|line| is_answered(line) && line["span"]["request.client_id"] == id);
    let before = &log[..end.unwrap()];
    let start = before.iter().rposition(is_answered).map_or(0, |at| at + 1);
    let of_request = before[start..].iter().filter(|line| line["target"] == "sqlx::query");
    of_request.map(|line| line["summary"].as_str().unwrap().to_owned()).collect()
}

/// The name of a request's id.
fn name(id: &str) -> &str {
    id.split('-').next().unwrap()
}

#[sqlx::test]
async fn whatever_a_name_stands_for_a_refusal_does_the_same_work_and_looks_the_same(pool: PgPool) {
    let app = app(pool).await;
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut command = keeper(&["serve"]);
    command
        .envs(app.variables())
        .env("KEEPER__OPERATIONS__LISTEN", port.to_string())
        .env("KEEPER__LOG__LEVEL", "info,sqlx=debug");
    let server = Server::start(command).unwrap();
    let operations = Operations { url: format!("http://{port}") };
    // What is looked after at start is no part of a request; nor are the first request's pages.
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let first = app.client.get(format!("{}{WHO}", server.ready));
    Credentials::basic("first", "guess").put_into(first).send().await.unwrap();
    let mut seen = Vec::new();
    for secret in ["wrong", "own", ACCENTED] {
        for (name, what) in NAMES {
            let id = format!("{name}-{}", if secret == ACCENTED { "accented" } else { secret });
            // The right password of a retired user, or of a credential that does not count, is no other.
            let is_refused_anyway =
                ["rita", "ended", "locked", "broken", "nobody", "bare"].contains(&name);
            let password = if secret == "own" && is_refused_anyway {
                format!("{name}-password")
            } else {
                format!("{secret} guess for {name}")
            };
            let jobs = "keeper_hashing_hash_seconds_count";
            let blocks = "keeper_hashing_blocks_total";
            let before =
                (counted(&app, &operations, jobs).await, counted(&app, &operations, blocks).await);
            let request =
                app.client.get(format!("{}{WHO}", server.ready)).header("X-Request-Id", &id);
            let request = Credentials::basic(name, &password).put_into(request);
            let answer = Answer::read(request.send().await.unwrap()).await;
            let jobs = counted(&app, &operations, jobs).await - before.0;
            let blocks = counted(&app, &operations, blocks).await - before.1;
            let ignored = ["date", "x-request-id"];
            let headers = answer.headers.iter().filter(|(of, _)| !ignored.contains(&of.as_str()));
            let mut headers: Vec<_> =
                headers.map(|(of, value)| format!("{of}: {}", value.to_str().unwrap())).collect();
            headers.sort();
            let work = Work {
                jobs,
                statements: Vec::new(),
                status: answer.status.as_u16(),
                headers,
                length: answer.body.len(),
            };
            seen.push((what, id, blocks, work));
        }
    }
    server.signal(Signal::TERM);
    let (_, log) = server.wait();
    let log: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for (_, id, _, work) in &mut seen {
        work.statements = statements(&log, id);
    }
    let (_, _, _, expected) = &seen[0];
    assert_eq!((expected.jobs, expected.status), (1, 401));
    assert_eq!(expected.statements.len(), 2, "one reads, one charges: {expected:?}");
    for (what, id, blocks, work) in &seen {
        assert_eq!(work, expected, "{what} ({id})");
        // Whatever the name stands for, one of two forms costs twice as much.
        let forms = if id.ends_with("-accented") { 2 } else { 1 };
        let target = forms * TARGET;
        match name(id) {
            // Its own time, and the rest of the target's by the clock, in two goes of less than it each.
            "pbkdf2" => assert!((1..2 * target).contains(blocks), "{what}: {blocks} blocks"),
            "argon2i" => assert!(*blocks > forms * 4096 * 3, "{what}: {blocks} blocks"),
            // Its own blocks, and others that together cost as much: blocks of a first pass cost less.
            "cheap" => {
                let few = target / 100;
                assert!((target - few..=target + few).contains(blocks), "{what}: {blocks} blocks");
            }
            _ => assert_eq!(*blocks, target, "{what} ({id})"),
        }
    }
}

#[sqlx::test]
async fn beside_a_hash_that_takes_longer_every_refusal_takes_as_long_and_no_success_does(
    pool: PgPool,
) {
    let app = app(pool).await;
    let dear = "pbkdf2_sha256$600000$c2FsdHNhbHRzYWx0$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("users.jsonl");
    let line = json!({"login_name": "dear", "credentials": [{"hash": dear}]});
    std::fs::write(&file, line.to_string()).unwrap();
    app.command(&["import", file.to_str().unwrap()], "").succeeded();
    let second = app.another(&[("KEEPER__ATTEMPTS__MAXIMUM_PER_ADDRESS", "0")]).await;
    let took = async |name: &str, password: &str| {
        let start = std::time::Instant::now();
        let status = second.get(WHO, &Credentials::basic(name, password)).await.status;
        (start.elapsed(), status.as_u16())
    };
    // It is measured at start, beside everything else.
    let mut number = 0;
    let least = loop {
        number += 1;
        let (time, status) = took(&format!("nobody {number}"), "guess").await;
        assert_eq!(status, 401);
        let (again, _) = took(&format!("nobody {number}"), "guess").await;
        // What is remembered costs nothing and takes as long all the same.
        if again.as_millis() > 60 {
            break time.min(again);
        }
        assert!(number < 600, "refusals never took longer");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    };
    for name in ["dear", "paul", "bare", "rita", "pbkdf2"] {
        let (time, status) = took(name, "guess").await;
        assert_eq!(status, 401, "{name}");
        assert!(time.mul_f64(1.1) > least, "{name} took {time:?}, others {least:?}");
    }
    // A guess of two forms takes twice as long for every name; the load may have changed a little.
    for name in ["dear", "nobody"] {
        let (time, status) = took(name, "gu\u{e9}ss").await;
        assert_eq!(status, 401, "{name}");
        assert!(time > least.mul_f64(1.5), "{name} took {time:?}, others {least:?}");
    }
    took("paul", "paul-password").await;
    let (time, status) = took("paul", "paul-password").await;
    assert_eq!(status, 200);
    assert!(time < least, "who is let in waits for nothing: {time:?}");
}
