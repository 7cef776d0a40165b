//! Measures saves for every scheme at several numbers of connections, and prints them as a table.

use std::time::{Duration, Instant};

use futures_util::future::join_all;

use crate::{
    baseline::{self, MedianRates},
    load::{self, Connection, Round, count, milliseconds},
    process::{Cost, peak_megabytes},
    service::{FIRST_TARGET, Installation, Scheme},
};

const ROUNDS: usize = 2;
const ROUND_DURATION: Duration = Duration::from_secs(5);
const TARGETS: u64 = 20_000;

/// The pause between requests that need no hash.
const UNHASHED_PAUSE: Duration = Duration::from_millis(25);

/// One row of the table: the scheme, the headers of each connection, and the measurements.
struct Row {
    scheme: Scheme,
    headers: Vec<String>,
    round: Round,
    unhashed: Vec<Duration>,
    cost: Cost,
}

/// Measures and prints every scheme at every number of connections.
pub(crate) async fn measure(schemes: &[Scheme], sizes: &[usize]) {
    let callers = u64::try_from(sizes.iter().copied().max().unwrap_or(1)).expect("a count");
    let mut installation = Installation::prepare(callers, TARGETS).await;
    installation.start_instance();
    let start_megabytes = peak_megabytes(installation.services()[0]);
    installation.save_passwords(callers).await;
    let mut rows = Vec::new();
    for scheme in schemes {
        for size in sizes {
            rows.push(Row::prepare(&installation, *scheme, *size).await);
        }
    }
    let mut baseline = baseline::HashRates::default();
    for number in 0..ROUNDS * rows.len() {
        eprintln!("round {} of {}", number + 1, ROUNDS * rows.len());
        baseline.measure(ROUND_DURATION / 2);
        let index = number % rows.len();
        rows[index].measure(&installation).await;
    }
    print(&mut rows, &baseline.medians());
    let peak = peak_megabytes(installation.services()[0]);
    println!("memory of the service: {start_megabytes:.1} MB at start, {peak:.1} MB peak");
}

impl Row {
    async fn prepare(installation: &Installation, scheme: Scheme, size: usize) -> Self {
        let mut connection = Connection::open(installation.addresses()[0]).await;
        let mut headers = Vec::new();
        for caller in 0..u64::try_from(size).expect("a count") {
            headers.push(scheme.log_in(&mut connection, caller).await);
        }
        Self {
            scheme,
            headers,
            round: Round::default(),
            unhashed: Vec::new(),
            cost: Cost::default(),
        }
    }

    async fn measure(&mut self, installation: &Installation) {
        let address = installation.addresses()[0];
        let connections = join_all(self.headers.iter().map(|_| Connection::open(address))).await;
        let current_cost = || Cost::now(&installation.services(), installation.database_id());
        let (before, start) = (current_cost(), Instant::now());
        let until = start + ROUND_DURATION;
        let seed = self.round.acknowledged.len();
        let connections = connections.into_iter().zip(&self.headers).enumerate();
        let saves = connections.map(|(index, (connection, headers))| {
            load::run(connection, until, move |number| {
                let spread = number * 7919 + u64::try_from(index * 37 + seed).unwrap_or(0);
                let target = FIRST_TARGET + spread % TARGETS;
                load::save(headers, target, &format!("value {number} of {index} after {seed}"))
            })
        });
        let unhashed = send_unhashed_requests(installation, &self.headers[0], until);
        let (rounds, unhashed) = tokio::join!(join_all(saves), unhashed);
        for round in rounds {
            self.round.add(round);
        }
        self.round.elapsed += start.elapsed();
        self.unhashed.extend(unhashed);
        self.cost += current_cost() - before;
    }
}

/// Sends requests that need no hash, at a modest rate, while others save; returns their durations.
async fn send_unhashed_requests(
    installation: &Installation,
    headers: &str,
    until: Instant,
) -> Vec<Duration> {
    let mut connection = Connection::open(installation.addresses()[0]).await;
    let request = load::request("GET", "/api/v1/User/currentPrincipal", headers, "");
    let mut times = Vec::new();
    while Instant::now() < until {
        let start = Instant::now();
        assert_eq!(connection.send(&request).await.status, 200);
        times.push(start.elapsed());
        tokio::time::sleep(UNHASHED_PAUSE).await;
    }
    times
}

fn print(rows: &mut [Row], baseline: &MedianRates) {
    println!(
        "baseline argon2id, {} threads: {:.1} hashes/s with the crate, {:.1} with the kernel \
         (medians)",
        baseline::threads(),
        baseline.argon2_crate,
        baseline.kernel,
    );
    println!(
        "| Scheme | Connections | Saves/s | ÷ crate baseline | ÷ kernel baseline \
         | ÷ kernel, without generator | p50 ms | p95 ms | p99 ms | Service ms/save \
         | Without hashing | PostgreSQL ms/save | Generator ms/save | Unhashed p99 ms \
         | Refused |\n|---|{}",
        "--:|".repeat(14)
    );
    for row in rows {
        let Row { scheme, headers, round, unhashed, cost } = row;
        let saves = count(round.acknowledged.len());
        let available_seconds = round.elapsed.as_secs_f64() * count(baseline::threads());
        let fraction = round.per_second() / baseline.kernel;
        let milliseconds_per_save = |seconds: f64| seconds / saves * 1e3;
        println!(
            "| {scheme:?} | {} | {:.1} | {:.3} | {fraction:.3} | {:.3} | {:.1} | {:.1} | {:.1} | {:.2} \
             | {:.2} | {:.2} | {:.2} | {:.1} | {} |",
            headers.len(),
            round.per_second(),
            round.per_second() / baseline.argon2_crate,
            fraction / (1.0 - cost.generator / available_seconds),
            milliseconds(&mut round.acknowledged, 0.50),
            milliseconds(&mut round.acknowledged, 0.95),
            milliseconds(&mut round.acknowledged, 0.99),
            milliseconds_per_save(cost.hashing + cost.rest),
            milliseconds_per_save(cost.rest),
            milliseconds_per_save(cost.database),
            milliseconds_per_save(cost.generator),
            milliseconds(unhashed, 0.99),
            round.refused.len(),
        );
    }
}
