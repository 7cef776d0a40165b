//! Whether refused logins are told apart by their time: interleaved requests, 5,000 for each kind of
//! name, one connection, at the production cost. `script/acceptance` runs it; `TIMING_ROUNDS` are
//! fewer for a first look.
//!
//! Printed and asserted for each kind beside a wrong password: Welch's t (the bound of 4.5 is that of
//! TVLA and dudect), and the probability that a request of the kind takes longer, with its interval
//! at 99.9 %. (That the work is the same is shown by `tests/api/timing.rs`.)

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    reason = "a test ends at the first surprise, prints its figures and asks the database itself"
)]
#![expect(dead_code, reason = "the benches use the rest of the load generator")]

#[path = "../load/load.rs"]
mod load;
#[path = "../load/process.rs"]
mod process;
#[path = "../api/support/server.rs"]
mod server;
#[path = "../load/service.rs"]
mod service;

use std::time::{Duration, Instant};

use load::{Connection, request};
use service::{Installation, basic};
use sqlx::{Executor, PgConnection};

/// The bound of |t|.
const MAXIMUM_T: f64 = 4.5;

/// How far from a half the probability may be, its interval included.
const MAXIMUM_EFFECT: f64 = 0.05;

/// Of the normal distribution, at 99.9 %.
const Z: f64 = 3.29;

/// What names stand for; the first is what the others are held against.
const KINDS: [(&str, &str); 7] = [
    ("caller0", "wrong password"),
    ("nobody", "unknown name"),
    ("retired", "retired user"),
    ("target0", "no such type"),
    ("cheap", "cheaper parameters"),
    ("argon2i", "foreign hash, argon2i"),
    ("pbkdf2", "foreign hash, PBKDF2"),
];

const ARGON2I: &str =
    "$argon2i$v=19$m=4096,t=3,p=1$c2FsdHNhbHRzYWx0$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Django's format.
fn pbkdf2(rounds: u32) -> String {
    format!("pbkdf2_sha256${rounds}$c2FsdHNhbHRzYWx0$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
}

async fn installation(imported: &[(&str, String)]) -> Installation {
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
    installation.start_instance_with(&[
        ("KEEPER__ATTEMPTS__BEFORE_DELAY", "1000000"),
        ("KEEPER__ATTEMPTS__MAXIMUM_PER_ADDRESS", "0"),
    ]);
    installation
}

fn rounds() -> usize {
    std::env::var("TIMING_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(5_000)
}

/// The times of each kind, in microseconds, of interleaved requests.
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
            forget(&mut database).await;
        }
        for at in 0..kinds.len() {
            // Each round in another order.
            let at = (at + round) % kinds.len();
            let authorization = basic(kinds[at].0, &format!("guess {round}"));
            let request = request("GET", "/api/v1/User/currentPrincipal", &authorization, "");
            let start = Instant::now();
            let answer = connection.ask(&request).await;
            let time = start.elapsed();
            assert_eq!(answer.status, 401, "{}", answer.body);
            // The first rounds warm everything up.
            if round >= 20 {
                times[at].push(time.as_secs_f64() * 1e6);
            }
        }
    }
    times
}

async fn forget(database: &mut PgConnection) {
    database.execute("DELETE FROM authentication_attempts").await.unwrap();
    database.execute("DELETE FROM callers").await.unwrap();
}

/// Welch's t of the two, without the slowest twentieth of each: what disturbs a machine.
fn welch_t(one: &[f64], other: &[f64]) -> f64 {
    let cropped = |times: &[f64]| {
        let mut times = times.to_vec();
        times.sort_by(f64::total_cmp);
        times.truncate(times.len() * 19 / 20);
        let count = times.len() as f64;
        let mean = times.iter().sum::<f64>() / count;
        let variance = times.iter().map(|time| (time - mean).powi(2)).sum::<f64>() / (count - 1.0);
        (mean, variance / count)
    };
    let ((one, of_one), (other, of_other)) = (cropped(one), cropped(other));
    (one - other) / (of_one + of_other).sqrt()
}

/// The probability that one takes longer than the other (Mann and Whitney), less a half, and the
/// half width of its interval.
fn effect(one: &[f64], other: &[f64]) -> (f64, f64) {
    let mut all: Vec<(f64, bool)> = one.iter().map(|time| (*time, true)).collect();
    all.extend(other.iter().map(|time| (*time, false)));
    all.sort_by(|left, right| left.0.total_cmp(&right.0));
    let ranks: f64 = all
        .iter()
        .enumerate()
        .filter(|(_, (_, is_one))| *is_one)
        .map(|(at, _)| at as f64 + 1.0)
        .sum();
    let (m, n) = (one.len() as f64, other.len() as f64);
    let probability = (ranks - m * (m + 1.0) / 2.0) / (m * n);
    (probability - 0.5, Z * ((m + n + 1.0) / (12.0 * m * n)).sqrt())
}

fn median(times: &[f64]) -> f64 {
    let mut times = times.to_vec();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Prints what tells each kind from the first, and which of them are told apart.
fn told_apart(kinds: &[(&str, &'static str)], times: &[Vec<f64>]) -> Vec<&'static str> {
    let mut apart = Vec::new();
    for ((_, what), of_kind) in kinds.iter().zip(times) {
        let (difference, width) = effect(of_kind, &times[0]);
        let t = welch_t(of_kind, &times[0]);
        println!(
            "{what:24} median {:8.0} us   t {t:6.2}   P(longer) {:.3} +- {width:.3}",
            median(of_kind),
            difference + 0.5,
        );
        if t.abs() > MAXIMUM_T && difference.abs() + width > MAXIMUM_EFFECT {
            apart.push(*what);
        }
    }
    apart
}

#[tokio::test]
async fn refused_logins_are_not_told_apart_by_their_time() {
    let imported = [("argon2i", ARGON2I.to_owned()), ("pbkdf2", pbkdf2(10_000))];
    let installation = installation(&imported).await;
    let times = measure(&installation, &KINDS, rounds()).await;
    assert_eq!(told_apart(&KINDS, &times), Vec::<&str>::new());
}

const DEARER: [(&str, &str); 3] = [KINDS[0], KINDS[1], ("dear", "foreign hash, dearer")];

async fn with_a_dearer_hash() -> Installation {
    let installation = installation(&[("dear", pbkdf2(100_000))]).await;
    // What refusals take is measured at start.
    tokio::time::sleep(Duration::from_secs(3)).await;
    installation
}

#[tokio::test]
async fn a_hash_that_takes_longer_than_a_new_one_is_not_told_apart_either() {
    let installation = with_a_dearer_hash().await;
    let times = measure(&installation, &DEARER, rounds()).await;
    assert_eq!(told_apart(&DEARER, &times), Vec::<&str>::new());
}

/// Guesses at names that nobody has, one after the other.
async fn guess(address: std::net::SocketAddr, number: usize) {
    let mut connection = Connection::open(address).await;
    for guess in 0.. {
        let authorization = basic(&format!("crowd {number}"), &format!("guess {guess}"));
        connection.ask(&request("GET", "/api/v1/User/currentPrincipal", &authorization, "")).await;
    }
}

/// Whoever wants to see what a job takes can let others wait for the same threads.
#[tokio::test]
async fn nor_is_it_while_a_crowd_keeps_the_hashing_threads_busy() {
    let installation = with_a_dearer_hash().await;
    let mut crowd = tokio::task::JoinSet::new();
    for number in 0..16 {
        crowd.spawn(guess(installation.addresses()[0], number));
    }
    // Each takes longer; less is enough to see what is there without the wait.
    let times = measure(&installation, &DEARER, rounds() / 5).await;
    assert_eq!(told_apart(&DEARER, &times), Vec::<&str>::new());
}
