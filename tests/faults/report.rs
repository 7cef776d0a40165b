//! The table of a run, in Markdown.

use std::{collections::BTreeMap, time::Duration};

use crate::{bed::Recovery, faults::Fault};

/// The rows of the table.
pub(crate) struct Report {
    rows: Vec<String>,
}

impl Report {
    pub(crate) const fn new() -> Self {
        Self { rows: Vec::new() }
    }

    /// Adds the occurrences of a fault, with the answers since the one before.
    pub(crate) fn add(
        &mut self,
        fault: Fault,
        recoveries: &[Recovery],
        answers: &BTreeMap<String, u64>,
    ) {
        let description = fault.description();
        let count = recoveries.len();
        let outages = recoveries.iter().map(|recovery| recovery.outage).collect();
        let services = recoveries.iter().map(|recovery| recovery.service).collect();
        let saves = recoveries.iter().map(|recovery| recovery.save).collect();
        let answers: Vec<_> =
            answers.iter().map(|(answer, count)| format!("{count} × {answer}")).collect();
        let row = format!(
            "| {} | {count} | {} | {} | {} | {} |",
            description.text,
            median_and_maximum(outages),
            median_and_maximum(services),
            median_and_maximum(saves),
            answers.join(", ")
        );
        println!("{row}");
        self.rows.push(row);
    }

    pub(crate) fn print(&self, (calls, unknown): (usize, usize), seed: u64) {
        println!(
            "\n| Fault | Times | Database back, median; most | Every instance back, median; most | Their save, median; most | Answers |"
        );
        println!("|---|--:|--:|--:|--:|---|");
        for row in &self.rows {
            println!("{row}");
        }
        println!("\nseed {seed}: {calls} calls were checked; the outcome of {unknown} was unknown");
    }
}

fn median_and_maximum(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let median = times.get(times.len() / 2).copied().unwrap_or_default();
    let most = times.last().copied().unwrap_or_default();
    format!("{:.2} s; {:.2} s", median.as_secs_f64(), most.as_secs_f64())
}
