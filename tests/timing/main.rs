//! User enumeration through response times: 5,000 interleaved requests for each kind of name, on
//! one connection, at the production cost of a hash. `script/acceptance` runs it; `TIMING_ROUNDS`
//! sets a smaller number of requests.
//!
//! Each kind is compared with a wrong password by Welch's t (with the bound of 4.5 of TVLA and
//! dudect), and by the probability that its requests take longer, with a confidence interval of
//! 99.9 %. `tests/api/timing.rs` proves that the work is the same.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    reason = "a test panics on the first failure, prints its results and queries the database"
)]
#![expect(dead_code, reason = "only the benches use the rest of the load generator")]

#[path = "../load/hash_families.rs"]
mod hash_families;
#[path = "../load/load.rs"]
mod load;
#[path = "../load/process.rs"]
mod process;
#[path = "../api/support/raw_directory.rs"]
mod raw_directory;
#[path = "../api/support/server.rs"]
mod server;
#[path = "../load/service.rs"]
mod service;

use std::{
    path::Path,
    time::{Duration, Instant},
};

use hash_families::{FAMILIES, Family};
use load::{Connection, request};
use raw_directory::{BIND, RawDirectory, done, entry, result};
use service::{Installation, basic};
use sqlx::{Executor, PgConnection};

/// The maximum of |t|.
const MAXIMUM_T: f64 = 4.5;

/// The maximum distance of the probability from one half, including its confidence interval.
const MAXIMUM_EFFECT: f64 = 0.05;

/// The quantile of the normal distribution for a confidence of 99.9 %.
const Z: f64 = 3.29;

/// Login names and what they stand for; the others are compared with the first.
const KINDS: [(&str, &str); 7] = [
    ("caller0", "wrong password"),
    ("nobody", "unknown name"),
    ("retired", "retired user"),
    ("target0", "no credential of the type"),
    ("cheap", "cheaper parameters"),
    ("argon2i", "imported hash, argon2i"),
    ("pbkdf2", "imported hash, PBKDF2"),
];

const ARGON2I: &str =
    "$argon2i$v=19$m=4096,t=3,p=1$c2FsdHNhbHRzYWx0$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// A PBKDF2 hash in the format of Django.
fn pbkdf2(rounds: u32) -> String {
    format!("pbkdf2_sha256${rounds}$c2FsdHNhbHRzYWx0$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
}

/// The limits of a service that is guessed at.
const LIMITS: [(&str, &str); 2] =
    [("KEEPER__ATTEMPTS__BEFORE_DELAY", "1000000"), ("KEEPER__ATTEMPTS__MAXIMUM_PER_ADDRESS", "0")];

/// Starts a service with a user for each kind, and the given imported hashes.
async fn start_installation(imported: &[(&str, String)]) -> Installation {
    let mut installation = Installation::prepare(1, 1).await;
    installation.run(&["user", "add", "retired"], "a password", &[]);
    installation.run(&["user", "retire", "retired"], "", &[]);
    let cheap = [("KEEPER__HASHING__MEMORY_KIB", "1024"), ("KEEPER__HASHING__ITERATIONS", "1")];
    installation.run(&["user", "add", "cheap"], "a password", &cheap);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("users.jsonl");
    let line = |(name, hash): &(&str, String)| {
        format!(r#"{{"login_name":"{name}","credentials":[{{"hash":"{hash}"}}]}}"#)
    };
    std::fs::write(&file, imported.iter().map(line).collect::<Vec<_>>().join("\n")).unwrap();
    installation.run(&["import", file.to_str().unwrap()], "", &[]);
    installation.start_instance_with(&LIMITS);
    installation
}

/// How many requests to measure for each kind.
fn rounds() -> usize {
    std::env::var("TIMING_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(5_000)
}

/// Sends interleaved requests; returns the times of each kind, in microseconds.
async fn measure(
    installation: &Installation,
    kinds: &[(&str, &str)],
    rounds: usize,
) -> Vec<Vec<f64>> {
    let mut connection = Connection::open(installation.addresses()[0]).await;
    let mut database = installation.database().await;
    let mut times = vec![Vec::new(); kinds.len()];
    for round in 0..rounds + 20 {
        if round % 40 == 0 {
            reset_attempts(&mut database).await;
        }
        for position in 0..kinds.len() {
            // Each round has another order.
            let kind = (position + round) % kinds.len();
            let authorization = basic(kinds[kind].0, &format!("guess {round}"));
            let request = request("GET", "/api/v1/User/currentPrincipal", &authorization, "");
            let start = Instant::now();
            let answer = connection.send(&request).await;
            let time = start.elapsed();
            assert_eq!(answer.status, 401, "{}", answer.body);
            // The first rounds are for warm-up.
            if round >= 20 {
                times[kind].push(time.as_secs_f64() * 1e6);
            }
        }
    }
    times
}

async fn reset_attempts(database: &mut PgConnection) {
    database.execute("DELETE FROM authentication_attempts").await.unwrap();
    database.execute("DELETE FROM known_addresses").await.unwrap();
    database.execute("DELETE FROM address_failures").await.unwrap();
}

/// Welch's t of two samples, without the slowest 5 % of each, which other load can cause.
fn welch_t(sample: &[f64], reference: &[f64]) -> f64 {
    let mean_and_error = |times: &[f64]| {
        let mut times = times.to_vec();
        times.sort_by(f64::total_cmp);
        times.truncate(times.len() * 19 / 20);
        let count = times.len() as f64;
        let mean = times.iter().sum::<f64>() / count;
        let variance = times.iter().map(|time| (time - mean).powi(2)).sum::<f64>() / (count - 1.0);
        (mean, variance / count)
    };
    let (sample_mean, sample_error) = mean_and_error(sample);
    let (reference_mean, reference_error) = mean_and_error(reference);
    (sample_mean - reference_mean) / (sample_error + reference_error).sqrt()
}

/// The probability that the sample takes longer than the reference (Mann-Whitney U), minus one
/// half, and half the width of its confidence interval.
fn effect(sample: &[f64], reference: &[f64]) -> (f64, f64) {
    let mut all: Vec<(f64, bool)> = sample.iter().map(|time| (*time, true)).collect();
    all.extend(reference.iter().map(|time| (*time, false)));
    all.sort_by(|left, right| left.0.total_cmp(&right.0));
    let ranks: f64 = all
        .iter()
        .enumerate()
        .filter(|(_, (_, is_in_sample))| *is_in_sample)
        .map(|(index, _)| index as f64 + 1.0)
        .sum();
    let (m, n) = (sample.len() as f64, reference.len() as f64);
    let probability = (ranks - m * (m + 1.0) / 2.0) / (m * n);
    (probability - 0.5, Z * ((m + n + 1.0) / (12.0 * m * n)).sqrt())
}

fn median(times: &[f64]) -> f64 {
    let mut times = times.to_vec();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Prints the statistics of each kind; returns the kinds that are distinguishable from the first.
fn distinguishable(kinds: &[(&str, &'static str)], times: &[Vec<f64>]) -> Vec<&'static str> {
    let mut found = Vec::new();
    for ((_, description), kind_times) in kinds.iter().zip(times) {
        let (difference, width) = effect(kind_times, &times[0]);
        let t = welch_t(kind_times, &times[0]);
        println!(
            "{description:24} median {:8.0} us   t {t:6.2}   P(longer) {:.3} +- {width:.3}",
            median(kind_times),
            difference + 0.5,
        );
        if t.abs() > MAXIMUM_T && difference.abs() + width > MAXIMUM_EFFECT {
            found.push(*description);
        }
    }
    found
}

#[tokio::test]
async fn response_times_do_not_distinguish_refused_logins() {
    let imported = [("argon2i", ARGON2I.to_owned()), ("pbkdf2", pbkdf2(10_000))];
    let installation = start_installation(&imported).await;
    let times = measure(&installation, &KINDS, rounds()).await;
    assert_eq!(distinguishable(&KINDS, &times), Vec::<&str>::new());
}

#[tokio::test]
async fn response_times_do_not_distinguish_the_families_of_imported_hashes() {
    let hash = |family: &Family| (family.name, family.hash.to_owned());
    let imported: Vec<_> = FAMILIES.iter().map(hash).collect();
    let installation = start_installation(&imported).await;
    // The service measures the families after the start.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let families = FAMILIES.iter().map(|family| (family.name, family.name));
    let kinds: Vec<_> = KINDS.into_iter().take(2).chain(families).collect();
    // Every refusal waits, so send fewer requests.
    let times = measure(&installation, &kinds, rounds() / 5).await;
    assert_eq!(distinguishable(&kinds, &times), Vec::<&str>::new());
}

/// The kinds to compare when one stored hash is slower than a new one.
const SLOWER_KINDS: [(&str, &str); 3] = [KINDS[0], KINDS[1], ("slow", "imported hash, slower")];

/// Starts a service with a stored hash that is slower than a new one.
async fn start_with_slower_hash() -> Installation {
    let installation = start_installation(&[("slow", pbkdf2(100_000))]).await;
    // The service measures the time of its slowest hash after the start.
    tokio::time::sleep(Duration::from_secs(3)).await;
    installation
}

#[tokio::test]
async fn response_times_do_not_reveal_a_slower_stored_hash() {
    let installation = start_with_slower_hash().await;
    let times = measure(&installation, &SLOWER_KINDS, rounds()).await;
    assert_eq!(distinguishable(&SLOWER_KINDS, &times), Vec::<&str>::new());
}

/// Sends logins for an unknown name, one after the other, without an end.
async fn guess_endlessly(address: std::net::SocketAddr, number: usize) {
    let mut connection = Connection::open(address).await;
    for guess in 0.. {
        let authorization = basic(&format!("guesser {number}"), &format!("guess {guess}"));
        connection.send(&request("GET", "/api/v1/User/currentPrincipal", &authorization, "")).await;
    }
}

/// An attacker can keep all hashing threads busy to make the time of a single job visible.
#[tokio::test]
async fn response_times_do_not_reveal_a_slower_stored_hash_under_load() {
    let installation = start_with_slower_hash().await;
    let mut guessers = tokio::task::JoinSet::new();
    for number in 0..16 {
        guessers.spawn(guess_endlessly(installation.addresses()[0], number));
    }
    // Requests take longer under load, so send fewer.
    let times = measure(&installation, &SLOWER_KINDS, rounds() / 5).await;
    assert_eq!(distinguishable(&SLOWER_KINDS, &times), Vec::<&str>::new());
}

/// The password of the service at a directory.
const BIND_PASSWORD: &str = "bind-secret";

/// Writes a file for the service.
fn replace(path: &Path, text: &str, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// The kinds to compare when a directory verifies passwords.
const DIRECTORY_KINDS: [(&str, &str); 5] = [
    KINDS[0],
    KINDS[1],
    KINDS[2],
    ("bound", "bind that is refused"),
    ("gone", "no entry in the directory"),
];

/// A directory with one user, whose refused binds take 0.3 seconds.
fn directory_with_slow_binds() -> RawDirectory {
    const SID: &[u8] = b"\x01\x05\0\0\0\0\0\x05\x15\0\0\0\x01\0\0\0\x02\0\0\0\x03\0\0\0\x01\0\0\0";
    RawDirectory::with_requests(|request| {
        let [2, 1, id, tag, ..] = *request else { return None };
        let contains = |bytes: &[u8]| request.windows(bytes.len()).any(|window| window == bytes);
        match tag {
            BIND if contains(b"cn=keeper") => Some(result(id, 0x61, 0)),
            BIND => {
                std::thread::sleep(Duration::from_millis(300));
                Some(result(id, 0x61, 49))
            }
            _ if contains(SID) => {
                Some([entry(id, "uid=bound", &[("objectSid", SID)]), done(id, 0)].concat())
            }
            _ => Some(done(id, 0)),
        }
    })
}

#[tokio::test]
async fn response_times_do_not_reveal_whose_password_a_directory_verifies() {
    let directory = directory_with_slow_binds();
    let mut installation = Installation::prepare(1, 1).await;
    installation.run(&["user", "add", "retired"], "a password", &[]);
    installation.run(&["user", "retire", "retired"], "", &[]);
    for (name, sid) in [("bound", "S-1-5-21-1-2-3-1"), ("gone", "S-1-5-21-1-2-3-2")] {
        installation.run(&["import", "-"], &format!(r#"{{"login_name":"{name}"}}"#), &[]);
        let save = ["credential", "save", "--user", name, "--type", "ActiveDirectory"];
        installation.run(&save, sid, &[]);
    }
    let variables = directory.variables();
    let variables = variables.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let more = [
        ("KEEPER__DIRECTORY__VERIFY_PASSWORDS", "true"),
        ("KEEPER__DIRECTORY__VERIFY_TIMEOUT_SECONDS", "1"),
    ];
    let variables: Vec<_> = variables.chain(more).chain(LIMITS).collect();
    installation.start_instance_with(&variables);
    // Every refusal waits, so send few requests.
    let times = measure(&installation, &DIRECTORY_KINDS, rounds() / 50).await;
    assert!(directory.binds() > rounds() / 50, "the directory was not asked");
    assert_eq!(distinguishable(&DIRECTORY_KINDS, &times), Vec::<&str>::new());
}
