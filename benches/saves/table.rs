//! The table: schemes by numbers of connections.

use std::time::{Duration, Instant};

use futures_util::future::join_all;

use crate::{
    bare,
    load::{self, Connection, Round, count, milliseconds},
    process::{Cost, peak_megabytes},
    service::{FIRST_TARGET, Installation, Scheme},
};

const ROUNDS: usize = 2;
const ROUND: Duration = Duration::from_secs(5);
const TARGETS: u64 = 20_000;

/// How often the cheap request is sent meanwhile.
const CHEAP_PAUSE: Duration = Duration::from_millis(25);

/// One row: who saves, through how many connections, and what came of it.
struct Row {
    scheme: Scheme,
    headers: Vec<String>,
    round: Round,
    cheap: Vec<Duration>,
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
    let mut bare = bare::Rates::default();
    for number in 0..ROUNDS * rows.len() {
        eprintln!("round {} of {}", number + 1, ROUNDS * rows.len());
        bare.measure(ROUND / 2);
        let place = number % rows.len();
        rows[place].measure(&installation).await;
    }
    print(&mut rows, &mut bare);
    let peak = peak_megabytes(installation.services()[0]);
    println!("memory of the service: {start_megabytes:.1} MB at start, {peak:.1} MB at most");
}

impl Row {
    async fn prepare(installation: &Installation, scheme: Scheme, size: usize) -> Self {
        let mut connection = Connection::open(installation.addresses()[0]).await;
        let mut headers = Vec::new();
        for caller in 0..u64::try_from(size).expect("a count") {
            headers.push(scheme.log_in(&mut connection, caller).await);
        }
        let (round, cheap) = (Round::default(), Vec::new());
        Self { scheme, headers, round, cheap, cost: Cost::default() }
    }

    async fn measure(&mut self, installation: &Installation) {
        let address = installation.addresses()[0];
        let connections = join_all(self.headers.iter().map(|_| Connection::open(address))).await;
        let cost = || Cost::now(&installation.services(), installation.database_id());
        let (before, start) = (cost(), Instant::now());
        let until = start + ROUND;
        let seed = self.round.acknowledged.len();
        let connections = connections.into_iter().zip(&self.headers).enumerate();
        let saves = connections.map(|(place, (connection, headers))| {
            load::run(connection, until, move |number| {
                let spread = number * 7919 + u64::try_from(place * 37 + seed).unwrap_or(0);
                let target = FIRST_TARGET + spread % TARGETS;
                load::save(headers, target, &format!("value {number} of {place} after {seed}"))
            })
        });
        let cheap = cheap_requests(installation, &self.headers[0], until);
        let (rounds, cheap) = tokio::join!(join_all(saves), cheap);
        for round in rounds {
            self.round.add(round);
        }
        self.round.elapsed += start.elapsed();
        self.cheap.extend(cheap);
        self.cost += cost() - before;
    }
}

/// A request without a hash, at a modest pace, while the others save.
async fn cheap_requests(
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
        tokio::time::sleep(CHEAP_PAUSE).await;
    }
    times
}

fn print(rows: &mut [Row], bare: &mut bare::Rates) {
    let (of_the_crate, of_the_kernel) = bare.medians();
    println!(
        "bare argon2id, {} threads: {of_the_crate:.1} hashes/s by the crate, {of_the_kernel:.1} by \
         the kernel (medians)",
        bare::threads()
    );
    println!(
        "| Scheme | Connections | Saves/s | of the crate | of the kernel | without the generator \
         | p50 ms | p95 ms | p99 ms | Service ms/save | of it not hashing | PostgreSQL ms/save \
         | Generator ms/save | Cheap p99 ms | Refused |\n|---|{}",
        "--:|".repeat(14)
    );
    for row in rows {
        let Row { scheme, headers, round, cheap, cost } = row;
        let saves = count(round.acknowledged.len());
        let available = round.elapsed.as_secs_f64() * count(bare::threads());
        let fraction = round.per_second() / of_the_kernel;
        let each = |seconds: f64| seconds / saves * 1e3;
        println!(
            "| {scheme:?} | {} | {:.1} | {:.3} | {fraction:.3} | {:.3} | {:.1} | {:.1} | {:.1} | {:.2} \
             | {:.2} | {:.2} | {:.2} | {:.1} | {} |",
            headers.len(),
            round.per_second(),
            round.per_second() / of_the_crate,
            fraction / (1.0 - cost.generator / available),
            milliseconds(&mut round.acknowledged, 0.50),
            milliseconds(&mut round.acknowledged, 0.95),
            milliseconds(&mut round.acknowledged, 0.99),
            each(cost.hashing + cost.rest),
            each(cost.rest),
            each(cost.database),
            each(cost.generator),
            milliseconds(cheap, 0.99),
            round.refused.len(),
        );
    }
}
