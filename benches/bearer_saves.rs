//! Bearer saves per second at 64 connections, beside the bare hash rate of the same cores in the
//! same run. `script/bench` runs it; the result is a ratio, because machines differ.
//!
//! Both are measured in alternating rounds, so that what else the machine does meets both alike.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a bench ends at the first surprise and prints its result"
)]
#![expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]

use std::{
    fs::Permissions,
    io::{BufRead, BufReader, Write},
    os::unix::fs::PermissionsExt,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use argon2::{Algorithm, Argon2, Block, Params, Version};
use reqwest::Client;

const CONNECTIONS: usize = 64;
const ROUNDS: usize = 3;
const ROUND: Duration = Duration::from_secs(8);

fn main() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    // PostgreSQL's account has to get in.
    std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("permissions");
    let (mut service, url) = start(&folder.path().join("data"));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let token = runtime.block_on(token(&url));
    let (mut hashes, mut saves) = (Vec::new(), Vec::new());
    let (mut service_cpu, mut load_cpu) = (0.0, 0.0);
    for _ in 0..ROUNDS {
        hashes.push(bare_rate());
        let before = (cpu_seconds(service.id()), cpu_seconds(std::process::id()));
        saves.push(runtime.block_on(save_rate(&url, &token)));
        service_cpu += cpu_seconds(service.id()) - before.0;
        load_cpu += cpu_seconds(std::process::id()) - before.1;
    }
    stop(&mut service);
    let (hashes, saves) = (median(hashes), median(saves));
    let available = (ROUNDS * threads()) as f64 * ROUND.as_secs_f64();
    println!("\nbare argon2id, reused memory, {} threads: {hashes:.1} hashes/s", threads());
    println!("Bearer saves, {CONNECTIONS} connections: {saves:.1} saves/s");
    println!(
        "CPU while saving: service {:.1} %, load generator {:.1} % of {available:.0} s",
        100.0 * service_cpu / available,
        100.0 * load_cpu / available
    );
    println!(
        "fraction of the bare rate: {:.3}; with the generator's CPU taken out: {:.3}",
        saves / hashes,
        saves / (hashes * (1.0 - load_cpu / available))
    );
}

/// `dev` in release, with its own PostgreSQL at default durability.
fn start(data: &std::path::Path) -> (Child, String) {
    let mut service = Command::new(env!("CARGO_BIN_EXE_credential-keeper"))
        .args(["dev", "--listen", "127.0.0.1:0", "--data"])
        .arg(data)
        .env("KEEPER__LOG__LEVEL", "warn")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the service");
    let mut line = String::new();
    let stdout = service.stdout.take().expect("its output");
    BufReader::new(stdout).read_line(&mut line).expect("its ready line");
    let url = line.trim().strip_prefix("ready ").expect("a ready line").to_owned();
    (service, url)
}

fn stop(service: &mut Child) {
    let pid = i32::try_from(service.id()).expect("a process id");
    let pid = rustix::process::Pid::from_raw(pid).expect("a process id");
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("a signal");
    service.wait().expect("its end");
}

async fn token(url: &str) -> String {
    let request = Client::new().get(format!("{url}/api/v1/User/currentToken"));
    let answer = request.basic_auth("tje0", Some("Tje0")).send().await.expect("an answer");
    answer.json().await.expect("a token")
}

/// Closed loop: each connection sends its next save when the last one was acknowledged.
async fn save_rate(url: &str, token: &str) -> f64 {
    let saved = Arc::new(AtomicU64::new(0));
    let until = Instant::now() + ROUND;
    let start = Instant::now();
    let connections: Vec<_> = (0..CONNECTIONS)
        .map(|connection| {
            let (saved, token) = (Arc::clone(&saved), token.to_owned());
            let url = format!("{url}/api/v1/Agents/User/SaveCredential");
            tokio::spawn(async move {
                let client = Client::new();
                let mut number = 0_u32;
                while Instant::now() < until {
                    number += 1;
                    let body = serde_json::json!({"UserId": 278, "Credential": {
                        "Value": format!("value {number} of {connection}")}});
                    let request = client.post(&url).bearer_auth(&token).json(&body);
                    let answer = request.send().await.expect("an answer");
                    assert_eq!(answer.status(), 200);
                    saved.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for connection in connections {
        connection.await.expect("a connection");
    }
    rate(saved.load(Ordering::Relaxed), start.elapsed())
}

/// What the cores can hash when they do nothing else: the crate, its memory reused.
fn bare_rate() -> f64 {
    let start = Instant::now();
    let hashers: Vec<_> = (0..threads())
        .map(|_| {
            thread::spawn(move || {
                let params = Params::new(19_456, 2, 1, Some(32)).expect("parameters");
                let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
                let mut memory = vec![Block::new(); 19_456];
                let (mut tag, mut done) = ([0; 32], 0_u64);
                while start.elapsed() < ROUND {
                    argon2
                        .hash_password_into_with_memory(b"value", &[7; 16], &mut tag, &mut memory)
                        .expect("a hash");
                    done += 1;
                }
                done
            })
        })
        .collect();
    let done = hashers.into_iter().map(|hasher| hasher.join().expect("a hasher")).sum();
    print!(".");
    std::io::stdout().flush().expect("an output");
    rate(done, start.elapsed())
}

fn threads() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

fn rate(count: u64, elapsed: Duration) -> f64 {
    count as f64 / elapsed.as_secs_f64()
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

/// User and system time of a process, from `/proc`.
fn cpu_seconds(process: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("its statistics");
    let after_name = stat.rsplit(')').next().expect("a name");
    let ticks = |field: usize| -> f64 {
        after_name.split_whitespace().nth(field).and_then(|text| text.parse().ok()).expect("ticks")
    };
    // Fields 14 and 15 of proc(5), counted behind the name; a tick is a hundredth of a second.
    (ticks(11) + ticks(12)) / 100.0
}
