//! A load on several instances, a fault, and a check of everything that was answered.
//!
//! `script/faults` runs it. Each occurrence of a fault is injected under load; afterwards the history
//! of each credential, ticket and session must be linearizable, every audit chain and every invariant
//! of the tables must hold, and no answer may be one that the documents do not allow.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test panics on the first failure, prints its results and queries the database"
)]

mod bed;
mod client;
mod disk;
mod faults;
#[path = "../load/hash_families.rs"]
#[expect(dead_code, reason = "the load needs only the hashes")]
mod hash_families;
mod history;
mod invariants;
mod load;
mod maintenance;
#[path = "../load/packet_loss.rs"]
mod packet_loss;
#[path = "../api/support/ports.rs"]
#[expect(dead_code, reason = "the processes are told their ports, not addresses")]
mod ports;
mod postgres;
mod proxy;
mod random;
mod report;
mod service;

use std::{
    fs::{File, Permissions},
    io::Write,
    os::unix::fs::PermissionsExt,
    process::ExitCode,
    time::{Duration, Instant},
};

use bed::Bed;
use faults::Fault;
use random::Random;
use report::Report;

/// What `script/faults` was called with.
struct Arguments {
    /// For each fault, unless `times` is given.
    seconds: u64,
    times: Option<u64>,
    seed: u64,
    faults: Vec<Fault>,
}

impl Arguments {
    fn parse(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut parsed = Self { seconds: 10, times: None, seed: 1, faults: Vec::new() };
        let mut arguments = arguments.peekable();
        while let Some(argument) = arguments.next() {
            let mut number = || {
                let text = arguments.next().unwrap_or_default();
                text.parse::<u64>().map_err(|_| format!("{argument}: not a number"))
            };
            match argument.as_str() {
                "--seconds" => parsed.seconds = number()?,
                "--times" => parsed.times = Some(number()?),
                "--seed" => parsed.seed = number()?,
                name => {
                    let names = || Fault::ALL.map(|fault| fault.description().name).join(", ");
                    let found = Fault::find(name);
                    let unknown = || format!("{name}: unknown fault; these are known: {}", names());
                    parsed.faults.push(found.ok_or_else(unknown)?);
                }
            }
        }
        if parsed.faults.is_empty() {
            parsed.faults = Fault::ALL.to_vec();
        }
        Ok(parsed)
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // A test runner asks for the names of the tests. There is none: script/faults runs this program.
    if arguments.iter().any(|argument| argument == "--list") {
        return ExitCode::SUCCESS;
    }
    let arguments = match Arguments::parse(arguments.into_iter()) {
        Ok(arguments) => arguments,
        Err(problem) => {
            println!("{problem}");
            return ExitCode::from(2);
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let findings = runtime.expect("a runtime").block_on(run(&arguments));
    for finding in &findings {
        println!("FAILED: {finding}");
    }
    if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Says why a fault is not injected, also to the caller that names a file for it.
fn report_skipped(fault: Fault, reason: &str) {
    let line = format!("{}: {reason}", fault.description().name);
    println!("skipped {line}");
    if let Some(path) = std::env::var_os("ACCEPTANCE_SKIPPED") {
        let file = File::options().create(true).append(true).open(path);
        writeln!(file.expect("the file of ACCEPTANCE_SKIPPED"), "{line}").expect("a line");
    }
}

/// Runs every fault; returns what is wrong. The folder stays when something is.
async fn run(arguments: &Arguments) -> Vec<String> {
    let folder = tempfile::Builder::new().prefix("faults").tempdir().expect("a temporary folder");
    // PostgreSQL runs under another account, which needs access to this folder.
    std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("a mode");
    let mut bed = Bed::start(folder.path().to_owned(), arguments.seed).await;
    let mut random = Random::new(arguments.seed);
    let mut report = Report::new();
    let mut step = 0;
    for fault in arguments.faults.iter().copied() {
        if let Some(reason) = fault.refusal(&bed) {
            report_skipped(fault, reason);
            continue;
        }
        let (begin, limit) = (Instant::now(), Duration::from_secs(arguments.seconds));
        let mut recoveries = Vec::new();
        bed.load.answers.lock().unwrap().clear();
        loop {
            step += 1;
            bed.maintain(step);
            recoveries.push(bed.occur(fault, &mut random).await);
            let times = u64::try_from(recoveries.len()).expect("a number");
            if arguments.times.map_or(begin.elapsed() >= limit, |wanted| times >= wanted) {
                break;
            }
        }
        report.add(fault, &recoveries, &bed.load.answers.lock().unwrap());
    }
    let mut findings = bed.finish().await;
    if step == 0 {
        findings.push("no fault was injected".to_owned());
    }
    report.print(bed.load.history.counts(), arguments.seed);
    let rotations = bed.rotations.load(std::sync::atomic::Ordering::Relaxed);
    println!("{rotations} key rotations ended with a retired key");
    if !findings.is_empty() {
        println!("the logs are in {}", bed.folder.display());
        drop(bed);
        let _ = folder.keep();
    }
    findings
}
