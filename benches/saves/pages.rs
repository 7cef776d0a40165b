//! Measures the time of each page with 10 million users, beside the same page with 1 thousand, and of
//! the documents and pages that depend on no number of users.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use crate::{
    growth,
    load::{Connection, count, milliseconds, request},
    process::precise_cpu_seconds,
    service::{FIRST_TARGET, Installation, Scheme},
};

const SIZES: [u64; 2] = [1_000, 10_000_000];

/// Requests of each page and size.
const ROUNDS: usize = 300;

/// Requests of each document.
const DOCUMENT_ROUNDS: usize = 3_000;

/// Events that are inserted with one statement.
const CHUNK_EVENTS: u64 = 500_000;

/// The paths; `{id}` is the id of a user in the middle of the table.
const PATHS: [&str; 17] = [
    "/account",
    "/account/events",
    "/account/sessions",
    "/admin/activity",
    "/admin/activity?scope=instance",
    "/admin/audit",
    "/admin/audit?kind=user_added",
    "/admin/audit?user={id}",
    "/admin/audit?kind=help_desk_granted",
    "/admin/users",
    "/admin/users?name=user5",
    "/admin/users?type=system&state=retired",
    "/admin/users/{id}",
    "/admin/users/{id}/change",
    "/admin/users/{id}/delete",
    "/docs",
    "/docs/post.Agents.User.SaveCredential",
];

/// Documents, and pages without a list, with the encoding that the client accepts.
const DOCUMENTS: [(&str, &str); 9] = [
    ("/login", "identity"),
    ("/login", "gzip"),
    ("/account", "gzip"),
    ("/account/change-password", "gzip"),
    ("/docs", "identity"),
    ("/docs", "gzip"),
    ("/docs/post.Agents.User.SaveCredential", "gzip"),
    ("/openapi.json", "identity"),
    ("/openapi.json", "gzip"),
];

/// A signed-in administrator of an installation.
struct Browser {
    connection: Connection,
    headers: String,
    middle: u64,
    times: Vec<Duration>,
}

impl Browser {
    async fn sign_in(address: SocketAddr, size: u64) -> Self {
        let mut connection = Connection::open(address).await;
        let headers = Scheme::Cookie.log_in(&mut connection, 0).await;
        let headers = format!("{headers}Accept: text/html\r\n");
        Self { connection, headers, middle: FIRST_TARGET + size / 2, times: Vec::new() }
    }

    /// Reads a page; returns its size in bytes.
    async fn read(&mut self, path: &str) -> usize {
        let path = path.replace("{id}", &self.middle.to_string());
        let request = request("GET", &path, &self.headers, "");
        let start = Instant::now();
        let answer = self.connection.send(&request).await;
        self.times.push(start.elapsed());
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        length(&answer.head)
    }
}

/// The length of a body as it was sent, from the head of its answer.
fn length(head: &str) -> usize {
    let value = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("content-length").then_some(value)
    });
    value.and_then(|value| value.parse().ok()).expect("a length")
}

/// Runs the benchmark and prints its table.
pub(crate) async fn measure() {
    let mut installations = Vec::new();
    for size in SIZES {
        let mut installation = Installation::prepare(1, 0).await;
        growth::load_credentials(&installation, 0..size).await;
        load_events(&installation, size).await;
        installation.start_instance();
        installations.push(installation);
    }
    let mut browsers = Vec::new();
    for (installation, size) in installations.iter().zip(SIZES) {
        browsers.push(Browser::sign_in(installation.addresses()[0], size).await);
    }
    println!("| Page | Size, KB | CPU, ms | Median, ms | p99, ms | ÷ 1 thousand users |");
    println!("|---|{}", "--:|".repeat(5));
    for path in PATHS {
        let (mut size, mut before) = (0, 0.0);
        for round in 0..=ROUNDS {
            for browser in &mut browsers {
                size = browser.read(path).await;
                if round == 0 {
                    // The first request of a page reads its statements' plans and rows from the disk.
                    browser.times.clear();
                }
            }
            if round == 0 {
                before = cpu_seconds(&installations[1]);
            }
        }
        let cpu = (cpu_seconds(&installations[1]) - before) / count(ROUNDS);
        let medians = browsers.iter_mut().map(|browser| milliseconds(&mut browser.times, 0.5));
        let medians: Vec<_> = medians.collect();
        let large = &mut browsers[1].times;
        println!(
            "| `{path}` | {} | {:.2} | {:.2} | {:.2} | {:.2} |",
            size.div_ceil(1_000),
            cpu * 1e3,
            medians[1],
            milliseconds(large, 0.99),
            medians[1] / medians[0],
        );
        for browser in &mut browsers {
            browser.times.clear();
        }
    }
}

/// Measures each document on an installation with one user, and prints the table.
pub(crate) async fn measure_documents() {
    let mut installation = Installation::prepare(1, 0).await;
    installation.start_instance();
    let mut browser = Browser::sign_in(installation.addresses()[0], 0).await;
    let headers = browser.headers.clone();
    println!("| Document or page | Encoding | Size, KB | CPU, ms | Median, ms | p99, ms |");
    println!("|---|---|{}", "--:|".repeat(4));
    for (path, encoding) in DOCUMENTS {
        browser.headers = format!("{headers}Accept-Encoding: {encoding}\r\n");
        // The first request renders a document.
        browser.read(path).await;
        browser.times.clear();
        let before = cpu_seconds(&installation);
        let mut size = 0;
        for _ in 0..DOCUMENT_ROUNDS {
            size = browser.read(path).await;
        }
        let cpu = (cpu_seconds(&installation) - before) / count(DOCUMENT_ROUNDS);
        println!(
            "| `{path}` | {encoding} | {} | {:.3} | {:.3} | {:.3} |",
            size.div_ceil(1_000),
            cpu * 1e3,
            milliseconds(&mut browser.times, 0.5),
            milliseconds(&mut browser.times, 0.99),
        );
    }
}

/// The CPU time of an installation: its service and PostgreSQL.
fn cpu_seconds(installation: &Installation) -> f64 {
    let services = installation.services().into_iter().map(precise_cpu_seconds);
    services.sum::<f64>() + precise_cpu_seconds(installation.database_id())
}

/// Inserts two events of each user: synthetic rows whose MACs are invalid.
async fn load_events(installation: &Installation, size: u64) {
    let mut database = installation.database().await;
    let mut from = 0;
    while from < size {
        let to = (from + CHUNK_EVENTS).min(size);
        let insert = format!(
            "INSERT INTO audit_events (user_id, sequence, occurred_at, kind, actor_user_id, scheme,
                                       request_id, session_epoch, key_id, mac)
             SELECT id, sequence, now() - id * interval '1 second',
                    CASE sequence WHEN 1 THEN 'user_added' ELSE 'credential_saved' END,
                    1000, 'basic', id::text, 1, 'synthetic', sha256(id::text::bytea)
             FROM generate_series({}, {}) AS id, generate_series(1, 2) AS sequence",
            from + FIRST_TARGET,
            to + FIRST_TARGET - 1,
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(insert)).execute(&mut database).await.expect("events");
        from = to;
        eprint!("\r{from} of {size} users have events");
    }
    eprintln!();
    sqlx::raw_sql("VACUUM ANALYZE").execute(&mut database).await.expect("statistics");
    sqlx::raw_sql("CHECKPOINT").execute(&mut database).await.expect("a checkpoint");
}
