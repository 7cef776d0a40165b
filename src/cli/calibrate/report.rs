//! The report of `calibrate`.

use std::{collections::HashMap, time::Duration};

use serde_json::{Value, json};

use super::candidates::{burst_memory_kib, recommend};
use crate::{
    cli::output::{self, Failure, Format, ReportFormat},
    configuration::Settings,
    domain::stored_credential::HashParameters,
    security::hashing::{CostMeter, MeasuredCost},
};

/// What was measured.
pub(super) struct Report {
    pub(super) meter: CostMeter,
    /// From the cheapest.
    pub(super) measured: Vec<MeasuredCost>,
    pub(super) target: Duration,
    pub(super) memory_limit_kib: u64,
    /// True when the operator chose the number of threads.
    pub(super) threads_are_chosen: bool,
    /// The cost without settings.
    pub(super) default: Option<HashParameters>,
}

/// The cost of new hashes without settings.
pub(super) fn default_cost() -> Option<HashParameters> {
    Settings::read(None, HashMap::new()).ok().map(|settings| settings.hash_parameters())
}

const HEADING: [&str; 6] =
    ["MEMORY", "ITERATIONS", "MILLISECONDS", "LOGINS PER SECOND", "MEMORY OF A BURST", "NOTE"];

impl Report {
    /// Prints the report.
    pub(super) fn print(&self, format: ReportFormat) -> Result<(), Failure> {
        match format {
            ReportFormat::Table => {
                let rows: Vec<_> = self.measured.iter().map(|cost| self.row(cost)).collect();
                output::print_rows(Format::Table, HEADING, &rows)?;
                output::print_result(format_args!("\n{}\n", self.explanation()))?;
                output::print_result(self.settings())
            }
            ReportFormat::Toml => {
                output::print_result(format_args!(
                    "# {}",
                    self.explanation().replace('\n', "\n# ")
                ))?;
                output::print_result(self.settings())
            }
            ReportFormat::Json => output::print_json(&self.to_json()),
        }
    }

    /// The strongest cost within the target. If there is none, the default, or the fastest if that
    /// takes too much memory.
    fn recommended(&self) -> Option<&MeasuredCost> {
        let is_default = |measured: &&MeasuredCost| Some(measured.parameters) == self.default;
        recommend(&self.measured, self.target)
            .or_else(|| self.measured.iter().find(is_default))
            .or_else(|| self.measured.iter().min_by_key(|measured| measured.median))
    }

    fn is_recommended(&self, measured: &MeasuredCost) -> bool {
        self.recommended().is_some_and(|other| other.parameters == measured.parameters)
    }

    fn row(&self, measured: &MeasuredCost) -> [Value; 6] {
        let note = if self.is_recommended(measured) {
            "recommended"
        } else if self.default == Some(measured.parameters) {
            "default"
        } else {
            ""
        };
        [
            json!(memory(measured.parameters.memory_kib.into())),
            json!(measured.parameters.iterations),
            json!(milliseconds(measured.median)),
            json!(format!("{:.1}", measured.hashes_per_second)),
            json!(memory(self.burst_memory_kib(measured))),
            json!(note),
        ]
    }

    /// What was measured, and what the recommendation means.
    fn explanation(&self) -> String {
        let threads = match self.meter.threads() {
            1 => "1 thread".to_owned(),
            threads => format!("{threads} threads at the same time"),
        };
        let mut lines = vec![format!(
            "Measured on this machine: argon2id with the {} kernel on {threads}; each time is a \
             median.",
            self.meter.kernel()
        )];
        let Some(recommended) = self.recommended() else { return lines.concat() };
        let target = self.target.as_millis();
        if recommended.median > self.target {
            lines.push(format!(
                "No secure cost takes at most {target} ms here. This one keeps OWASP's minimum:"
            ));
        } else {
            lines.push(format!(
                "The strongest cost within {target} ms and {} of memory:",
                memory(self.memory_limit_kib)
            ));
        }
        lines.push(format!(
            "one hash took {} ms (at most {} ms), the threads computed {:.1} hashes per second, and \
             they take {} of memory, also while nobody logs in.",
            milliseconds(recommended.median),
            milliseconds(recommended.slowest),
            recommended.hashes_per_second,
            memory(self.burst_memory_kib(recommended))
        ));
        lines.join("\n")
    }

    /// The recommendation as settings.
    fn settings(&self) -> String {
        let Some(MeasuredCost { parameters, .. }) = self.recommended() else {
            return String::new();
        };
        let mut lines = vec![
            "[hashing]".to_owned(),
            format!("memory_kib = {}", parameters.memory_kib),
            format!("iterations = {}", parameters.iterations),
            format!("parallelism = {}", parameters.parallelism),
        ];
        if self.threads_are_chosen {
            lines.push(format!("threads = {}", self.meter.threads()));
        }
        lines.join("\n")
    }

    fn to_json(&self) -> Value {
        let cost = |measured: &MeasuredCost| {
            json!({
                "memory_kib": measured.parameters.memory_kib,
                "iterations": measured.parameters.iterations,
                "parallelism": measured.parameters.parallelism,
                "hashes": measured.hashes,
                "median_milliseconds": rounded(measured.median.as_secs_f64() * 1000.0),
                "slowest_milliseconds": rounded(measured.slowest.as_secs_f64() * 1000.0),
                "hashes_per_second": rounded(measured.hashes_per_second),
                "burst_memory_kib": self.burst_memory_kib(measured),
                "recommended": self.is_recommended(measured),
            })
        };
        json!({
            "kernel": self.meter.kernel(),
            "threads": self.meter.threads(),
            "target_milliseconds": u64::try_from(self.target.as_millis()).unwrap_or(u64::MAX),
            "is_within_target": recommend(&self.measured, self.target).is_some(),
            "memory_limit_kib": self.memory_limit_kib,
            "measured": self.measured.iter().map(cost).collect::<Vec<_>>(),
            "settings": self.settings(),
        })
    }

    fn burst_memory_kib(&self, measured: &MeasuredCost) -> u64 {
        burst_memory_kib(measured.parameters, self.meter.threads())
    }
}

/// A memory size for people.
pub(super) fn memory(kib: u64) -> String {
    match (kib / 1024, kib % 1024) {
        (0, kib) => format!("{kib} KiB"),
        (mib, 0) => format!("{mib} MiB"),
        (mib, _) if mib >= 100 => format!("{mib} MiB"),
        (mib, rest) => format!("{mib}.{} MiB", rest * 10 / 1024),
    }
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64() * 1000.0)
}

/// One digit after the decimal point.
fn rounded(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}
