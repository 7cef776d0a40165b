//! The tables of a run, in Markdown.

use std::fmt::Write as _;

use crate::{
    results::{Figure, Results, Scheme},
    servers::NAMES,
};

/// The column of the summary that compares.
const RATIO: &str = "÷ best peer";

/// The figures of the summary, each with its name, scheme, number of connections and decimals.
const SUMMARY: [(&str, Scheme, usize, Figure, usize); 8] = [
    ("Saves per second, Bearer, 1 connection", Scheme::Bearer, 1, Figure::SavesPerSecond, 1),
    ("Saves per second, Bearer, 64 connections", Scheme::Bearer, 64, Figure::SavesPerSecond, 1),
    ("Saves per second, Bearer, 512 connections", Scheme::Bearer, 512, Figure::SavesPerSecond, 1),
    ("Saves per second, Basic, 64 connections", Scheme::Basic, 64, Figure::SavesPerSecond, 1),
    ("p99 of a save, Bearer, 64 connections, ms", Scheme::Bearer, 64, Figure::SaveP99, 0),
    ("p99 of a save, Bearer, 512 connections, ms", Scheme::Bearer, 512, Figure::SaveP99, 0),
    ("p99 of a cheap `GET` beside 64 connections, ms", Scheme::Bearer, 64, Figure::ReadP99, 1),
    (
        "CPU time of the server for a save, Bearer, 64 connections, ms",
        Scheme::Bearer,
        64,
        Figure::ServerTime,
        1,
    ),
];

/// The columns of the table of all measurements, after its scheme, connections and server.
const DETAILS: [(&str, Figure, usize); 8] = [
    ("Saves/s", Figure::SavesPerSecond, 1),
    ("p50, ms", Figure::SaveP50, 0),
    ("p99, ms", Figure::SaveP99, 0),
    ("Refused", Figure::Refused, 0),
    ("Server, ms", Figure::ServerTime, 1),
    ("PostgreSQL, ms", Figure::DatabaseTime, 2),
    ("Cheap p50, ms", Figure::ReadP50, 1),
    ("Cheap p99, ms", Figure::ReadP99, 1),
];

/// The first two lines of the summary.
pub(crate) fn summary_head() -> String {
    format!("| | {} | {RATIO} |\n|---|{}", NAMES.join(" | "), "--:|".repeat(NAMES.len() + 1))
}

/// The table of the README.
pub(crate) fn summary(results: &Results) -> String {
    let mut text = summary_head();
    for (name, scheme, connections, figure, decimals) in SUMMARY {
        let position = results.connections.iter().position(|size| *size == connections);
        if let Some(size) = position {
            let figures = results.figures(scheme, size, figure);
            write_row(&mut text, name, &figures, decimals, results.ratio(scheme, size, figure));
        }
    }
    for (name, figures) in
        [("Memory without requests, MiB", results.idle), ("Memory, highest, MiB", results.peaks())]
    {
        let best = figures[1..].iter().copied().fold(f64::INFINITY, f64::min);
        write_row(&mut text, name, &figures, 0, figures[0] / best);
    }
    text
}

fn write_row(text: &mut String, name: &str, figures: &[f64], decimals: usize, ratio: f64) {
    let figures: Vec<_> = figures.iter().map(|figure| number(*figure, decimals)).collect();
    let _ = write!(text, "\n| {name} | {} | {ratio:.2} |", figures.join(" | "));
}

/// The table of all measurements.
pub(crate) fn details(results: &Results) -> String {
    let names: Vec<_> = DETAILS.iter().map(|(name, ..)| *name).collect();
    let mut text = format!(
        "| Scheme | Connections | Server | {} |\n|---|--:|---|{}",
        names.join(" | "),
        "--:|".repeat(DETAILS.len())
    );
    for scheme in Scheme::ALL {
        for (size, connections) in results.connections.iter().enumerate() {
            let figures = DETAILS.map(|(_, figure, _)| results.figures(scheme, size, figure));
            for (server, name) in NAMES.iter().enumerate() {
                let cells = DETAILS.iter().zip(&figures);
                let cells: Vec<_> = cells
                    .map(|((_, _, decimals), figures)| number(figures[server], *decimals))
                    .collect();
                let _ = write!(
                    text,
                    "\n| {} | {connections} | {name} | {} |",
                    scheme.name(),
                    cells.join(" | ")
                );
            }
        }
    }
    text
}

/// A number with a comma between thousands.
fn number(value: f64, decimals: usize) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    let text = format!("{value:.decimals$}");
    let (whole, fraction) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + fraction
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{options::CONNECTIONS, results::tests::measured};

    #[test]
    fn numbers_have_commas_between_thousands() {
        for (value, decimals, text) in [
            (0.04, 1, "0.0"),
            (999.95, 1, "1,000.0"),
            (1_234_567.0, 0, "1,234,567"),
            (f64::NAN, 0, "–"),
        ] {
            assert_eq!(number(value, decimals), text);
        }
    }

    #[test]
    fn the_summary_has_a_row_for_each_figure_and_the_ratio_at_its_end() {
        let text = summary(&measured(&CONNECTIONS));
        assert_eq!(text.lines().count(), 2 + SUMMARY.len() + 2, "{text}");
        let row = "| Saves per second, Basic, 64 connections | 200.0 | 75.0 | 45.0 | 20.0 | 3.00 |";
        assert!(text.lines().any(|line| line == row), "{text}");
        let columns = |line: &str| line.matches('|').count();
        assert!(text.lines().all(|line| columns(line) == NAMES.len() + 3), "{text}");
    }

    #[test]
    fn the_details_have_a_row_for_each_measurement() {
        let text = details(&measured(&CONNECTIONS));
        assert_eq!(text.lines().count(), 2 + 2 * CONNECTIONS.len() * NAMES.len(), "{text}");
        assert!(
            text.contains("| Bearer | 8 | Fastify | 45.0 | 30 | 30 | 2 | 45.0 | 2.25 |"),
            "{text}"
        );
    }
}
