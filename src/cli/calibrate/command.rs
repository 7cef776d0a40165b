//! Runs `calibrate`.

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::{Args, value_parser};
use indicatif::ProgressBar;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::{
    candidates::{candidates, default_memory_limit_kib, estimate, is_minimum},
    report::{Report, default_cost, memory},
};
use crate::{
    cli::{
        output::{Failure, Format, ReportFormat},
        progress,
        stop::Stop,
    },
    domain::stored_credential::HashParameters,
    security::hashing::{CostMeter, HashingError, MeasuredCost, cost_meter},
};

/// The measured hashes of each thread and candidate.
const RUNS: usize = 5;

/// How long one candidate is measured, unless its fewest hashes take longer.
const TIME_OF_CANDIDATE: Duration = Duration::from_secs(2);

/// How long all candidates are measured. After that, no other one begins.
const TIME: Duration = Duration::from_secs(20);

/// The arguments of `calibrate`.
#[derive(Args)]
pub(in crate::cli) struct Arguments {
    /// Longest time of one hash while all threads hash, 10 to 1000.
    #[arg(long, value_name = "N", default_value = "100", value_parser = value_parser!(u64).range(10..=1000))]
    target_milliseconds: u64,
    /// Most memory of all hashing threads together, in MiB [default: a quarter of the memory of
    /// this machine].
    #[arg(long, value_name = "MIB", value_parser = value_parser!(u64).range(1..=1_048_576))]
    memory_mib: Option<u64>,
    /// Number of hashing threads [default: one for each core].
    #[arg(long, value_name = "N", value_parser = value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Format of the report.
    #[arg(long, value_enum, conflicts_with = "json")]
    format: Option<ReportFormat>,
}

/// Measures, and prints the recommendation. Needs neither settings nor a database.
pub(in crate::cli) async fn run(
    arguments: &Arguments,
    format: Format,
) -> Result<ExitCode, Failure> {
    let mut stop = Stop::listen()?;
    let target = Duration::from_millis(arguments.target_milliseconds);
    let given = arguments.memory_mib.map(|mib| mib.saturating_mul(1024));
    let unknown = || Failure::new("cannot read the memory of this machine; pass --memory-mib");
    let memory_limit_kib = given.or_else(default_memory_limit_kib).ok_or_else(unknown)?;
    let threads = arguments.threads.map(usize::from);
    let meter = cost_meter(threads);
    let candidates = candidates(memory_limit_kib, meter.threads());
    if candidates.is_empty() {
        return Err(Failure::new(format!(
            "no secure cost fits: {} threads need at least 7 MiB each, and may take {}; pass a \
             larger --memory-mib or a smaller --threads",
            meter.threads(),
            memory(memory_limit_kib)
        )));
    }
    let measured = measure(meter, candidates, target, &mut stop).await?;
    let report = Report {
        meter,
        measured,
        target,
        memory_limit_kib,
        threads_are_chosen: threads.is_some(),
        default: default_cost(),
    };
    report.print(ReportFormat::choose(arguments.format, format))?;
    Ok(ExitCode::SUCCESS)
}

/// Measures on a thread of its own, so that a stop does not wait for its hashes.
async fn measure(
    meter: CostMeter,
    candidates: Vec<HashParameters>,
    target: Duration,
    stop: &mut Stop,
) -> Result<Vec<MeasuredCost>, Failure> {
    let bar = progress::bar(u64::try_from(candidates.len())?, "{msg}");
    let (reports, mut progress) = unbounded_channel();
    let shown = bar.clone();
    std::thread::Builder::new().name("calibration".to_owned()).spawn(move || {
        measure_all(meter, &candidates, target, &reports, &shown);
    })?;
    let mut measured = Vec::new();
    loop {
        tokio::select! {
            report = progress.recv() => match report {
                Some(report) => measured.push(report?),
                None => break,
            },
            () = stop.requested() => {
                bar.finish_and_clear();
                return Err(Failure::new("stopped before the measurement was complete"));
            }
        }
    }
    bar.finish_and_clear();
    Ok(measured)
}

/// Measures the minimum costs, and then others until one is expected to take much longer than the
/// target.
fn measure_all(
    meter: CostMeter,
    candidates: &[HashParameters],
    target: Duration,
    reports: &UnboundedSender<Result<MeasuredCost, HashingError>>,
    bar: &ProgressBar,
) {
    let end = Instant::now() + TIME;
    let mut last: Option<MeasuredCost> = None;
    for (number, cost) in (0_u64..).zip(candidates) {
        if let Some(last) = &last {
            let is_in_reach = |cost: &&HashParameters| {
                is_minimum(**cost) || estimate(**cost, last) <= target * 3 / 2
            };
            let remaining = candidates.iter().skip_while(|other| *other != cost);
            let remaining = remaining.take_while(is_in_reach).count();
            bar.set_length(number + u64::try_from(remaining).unwrap_or_default());
            if remaining == 0 || Instant::now() >= end {
                return;
            }
        }
        bar.set_message(format!(
            "{}, {} iterations,",
            memory(cost.memory_kib.into()),
            cost.iterations
        ));
        let measured = meter.measure(*cost, RUNS, Instant::now() + TIME_OF_CANDIDATE);
        bar.inc(1);
        last = measured.as_ref().ok().copied();
        // The receiver is gone when the command was stopped.
        if reports.send(measured).is_err() || last.is_none() {
            return;
        }
    }
}
