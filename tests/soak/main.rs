//! Soak tests: mixed traffic with faults for a set time. Memory, threads, descriptors and connections
//! of the service, and memory and tables of its database, must stay flat. `script/soak` runs them, and
//! `script/test` only the parts that evaluate a run.
//!
//! Two instances share a database. The measured one runs from the beginning to the end; the other one
//! restarts in each round of faults. `trend` says what flat means.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test panics on the first failure, prints its results and queries the database"
)]
#![expect(dead_code, reason = "only the benches use the rest of the load generator")]

mod faults;
mod leaks;
#[path = "../load/load.rs"]
mod load;
mod plot;
#[path = "../load/plot_theme.rs"]
mod plot_theme;
#[path = "../api/support/ports.rs"]
mod ports;
#[path = "../load/process.rs"]
mod process;
#[path = "../load/random.rs"]
mod random;
mod report;
mod samples;
#[path = "../api/support/server.rs"]
mod server;
#[path = "../load/service.rs"]
mod service;
#[path = "../load/tls.rs"]
mod tls;
#[path = "../load/traffic.rs"]
mod traffic;
#[path = "../load/transfers.rs"]
mod transfers;
mod trend;

use std::{
    env, fs,
    io::Write as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use faults::{Certificates, Faults};
use futures_util::future::join_all;
use ports::free_address;
use rustix::process::Signal;
use samples::Sample;
use service::Installation;
use sqlx::PgConnection;
use traffic::{CLIENTS, Caller, Service, TARGETS, Tally};

/// The part of a run in which caches and pools fill up. It does not count for the trend.
const WARM_UP: f64 = 1.0 / 6.0;

/// Samples in each block of the trend.
const SAMPLES_OF_BLOCK: u32 = 20;

/// Settings of both instances. What is issued expires soon, so that the number of rows has a limit
/// that is reached in the warm-up.
const SETTINGS: [(&str, &str); 6] = [
    ("KEEPER__TICKETS__LIFETIME_SECONDS", "120"),
    ("KEEPER__SESSIONS__LIFETIME_SECONDS", "120"),
    ("KEEPER__ACCESS_TOKENS__LIFETIME_SECONDS", "120"),
    // All clients have one address.
    ("KEEPER__ATTEMPTS__MAXIMUM_PER_ADDRESS", "0"),
    ("KEEPER__DATABASE__MAXIMUM_CONNECTIONS", "8"),
    ("KEEPER__LOG__LEVEL", "error"),
];

/// A number from a variable that `script/soak` sets.
fn variable(name: &str) -> Option<u32> {
    env::var(name).ok().map(|text| text.parse().expect("a number"))
}

/// The folder for the results.
fn results() -> PathBuf {
    let folder = env::var_os("SOAK_RESULTS").expect("script/soak sets SOAK_RESULTS");
    fs::create_dir_all(&folder).expect("a folder");
    folder.into()
}

/// The length of a run and of its parts.
struct Plan {
    length: Duration,
    /// A block of the trend, and a round of faults.
    block: Duration,
}

impl Plan {
    fn of(minutes: u32) -> Self {
        let length = Duration::from_secs(60) * minutes;
        let blocks = u32::try_from(trend::BLOCKS).expect("a small number");
        Self { length, block: length.mul_f64(1.0 - WARM_UP) / blocks }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resources_stay_flat_under_mixed_traffic_with_faults() {
    let results = results();
    let minutes = variable("SOAK_MINUTES").expect("script/soak sets SOAK_MINUTES");
    let seed = u64::from(variable("SOAK_SEED").unwrap_or(1));
    let plan = Plan::of(minutes);
    let mut installation = Installation::prepare(CLIENTS, CLIENTS * TARGETS).await;
    installation.start_instance();
    installation.save_passwords(CLIENTS).await;
    installation.stop_instances();
    let certificates = Certificates::create();
    let addresses = [free_address(), free_address()];
    let operations = free_address();
    let start = |settings: &[(&str, String)]| {
        let mut command = installation.keeper(&["serve"]);
        command.envs(settings.iter().map(|(name, value)| (*name, value)));
        faults::start(command)
    };
    let settings = settings_of(&certificates, &addresses[1], "127.0.0.1:0");
    let (measured, other) =
        (start(&settings_of(&certificates, &addresses[0], &operations)), start(&settings));
    let process = measured.id();
    let port = |address: &String| address.rsplit_once(':').unwrap().1.to_owned();
    let [url, restarting] =
        addresses.map(|address| format!("https://localhost:{}", port(&address)));
    let service = Service {
        url,
        restarting: Some(restarting),
        certificates: certificates.trusted(),
        mix: traffic::ALL,
    };
    let (tally, begin) = (Arc::new(Mutex::new(Tally::default())), Instant::now());
    let end = begin + plan.length;
    let pause = Duration::from_secs(1) * u32::try_from(CLIENTS).unwrap()
        / variable("SOAK_RATE").unwrap_or(10);
    let callers = (0..CLIENTS).map(|number| {
        let caller = Caller::new(number, seed, service.clone(), Arc::clone(&tally));
        tokio::spawn(caller.run(pause, move || Instant::now() >= end))
    });
    let callers: Vec<_> = callers.collect();
    let sampling = tokio::spawn(sample(
        (begin, end, plan.block / SAMPLES_OF_BLOCK),
        (process, operations),
        installation.database().await,
        results.join("soak.csv"),
    ));
    let database = installation.database().await;
    let mut faults =
        Faults { installation, measured, other: Some(other), database, certificates, settings };
    faults.run(begin, plan.block, end).await;
    for caller in join_all(callers).await {
        caller.unwrap();
    }
    let samples = sampling.await.unwrap();
    let Faults { measured, other, .. } = faults;
    stop([measured, other.unwrap()]);
    let tally = Arc::into_inner(tally).unwrap().into_inner().unwrap();
    let title = format!("{minutes} minutes, seed {seed}");
    let judgments = report::write(&results, &title, &samples, Some(&tally));
    report::assert_flat(&judgments);
    assert!(tally.faults.is_empty(), "unexpected answers: {:#?}", tally.faults);
    assert!(tally.counts.values().all(|count| count.completed > 0), "{:#?}", tally.counts);
}

/// The settings of an instance on these addresses.
fn settings_of(
    certificates: &Certificates,
    address: &str,
    operations: &str,
) -> Vec<(&'static str, String)> {
    let [certificate, key] = certificates.files().map(|file| file.to_str().unwrap().to_owned());
    let mut settings: Vec<_> =
        SETTINGS.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    settings.extend([
        ("KEEPER__HTTP__LISTEN", address.to_owned()),
        ("KEEPER__OPERATIONS__LISTEN", operations.to_owned()),
        ("KEEPER__HTTP__TLS__CERTIFICATE_FILE", certificate),
        ("KEEPER__HTTP__TLS__KEY_FILE", key),
    ]);
    settings
}

/// Stops the instances, which must end well.
fn stop(instances: [server::Server; 2]) {
    for instance in instances {
        instance.signal(Signal::TERM);
        let (ended_well, log) = instance.wait();
        assert!(ended_well && !log.contains("panicked"), "{log}");
    }
}

/// Writes a sample of the measured instance to a file each `period`.
async fn sample(
    (begin, end, period): (Instant, Instant, Duration),
    (process, operations): (u32, String),
    mut database: PgConnection,
    file: PathBuf,
) -> Vec<Sample> {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("http://{operations}/metrics");
    let mut file = fs::File::create(file).unwrap();
    writeln!(file, "{}", samples::header()).unwrap();
    let mut samples = Vec::new();
    let mut next = begin;
    while next <= end {
        tokio::time::sleep_until(next.into()).await;
        next += period;
        let metrics = client.get(&url).send().await.unwrap().text().await.unwrap();
        let hours = begin.elapsed().as_secs_f64() / 3600.0;
        let sample = Sample::take(hours, process, &metrics, &mut database).await;
        writeln!(file, "{}", sample.line()).unwrap();
        samples.push(sample);
    }
    samples
}

/// Evaluates the file that an earlier run wrote, also one that was ended early.
#[test]
fn resources_of_a_recorded_run_are_flat() {
    let recorded = env::var_os("SOAK_RECORDED").expect("script/soak sets SOAK_RECORDED");
    let samples = Sample::read(Path::new(&recorded));
    let minutes = samples.last().map_or(0.0, |last| last.hours * 60.0);
    let title = format!("{minutes:.0} minutes");
    report::assert_flat(&report::write(&results(), &title, &samples, None));
}
