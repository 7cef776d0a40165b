//! Writes the results of a run: a plot, and tables in Markdown.

use std::{fmt::Write as _, fs, path::Path};

use crate::{
    WARM_UP, plot,
    samples::{MEASURES, Sample, series},
    traffic::Tally,
    trend::{Trend, Verdict},
};

/// The trends of the measures after the warm-up. `None` if a run was too short.
pub(crate) fn trends(samples: &[Sample]) -> Option<Vec<Trend>> {
    let warm_up = warm_up(samples);
    let counted = samples.partition_point(|sample| sample.hours < warm_up);
    let (_, counted) = samples.split_at(counted);
    (0..MEASURES.len()).map(|measure| Trend::of(&series(counted, measure))).collect()
}

fn warm_up(samples: &[Sample]) -> f64 {
    samples.last().map_or(0.0, |last| last.hours * WARM_UP)
}

/// Writes `soak.svg` and `soak.md` to a folder, and prints the tables.
pub(crate) fn write(
    folder: &Path,
    title: &str,
    samples: &[Sample],
    tally: Option<&Tally>,
) -> Vec<Trend> {
    let trends = trends(samples).expect("enough samples for a trend; run for longer");
    let mut text = format!("{title}\n\n");
    text.push_str("| Resource | First | Last | Growth in an hour (95 %) | Bound | |\n");
    text.push_str("|---|--:|--:|--:|--:|---|\n");
    for (measure, trend) in MEASURES.iter().zip(&trends) {
        let [first, last] = [trend.blocks.first(), trend.blocks.last()];
        let value = |point: Option<&crate::trend::Point>| point.map_or(f64::NAN, |p| p.value);
        let _ = writeln!(
            text,
            "| {} | {:.1} | {:.1} | {:+.2} ± {:.2} | {} | {} |",
            measure.name,
            value(first),
            value(last),
            trend.slope,
            trend.margin,
            measure.bound,
            trend.verdict(measure.bound)
        );
    }
    if let Some(tally) = tally {
        text.push_str("\n| Operation | Completed | 503 | No answer of the restarted instance |\n");
        text.push_str("|---|--:|--:|--:|\n");
        for (operation, count) in &tally.counts {
            let (completed, unavailable) = (count.completed, count.unavailable);
            let line =
                format!("| {operation:?} | {completed} | {unavailable} | {} |", count.disconnected);
            let _ = writeln!(text, "{line}");
        }
        for fault in &tally.faults {
            let _ = writeln!(text, "\nUnexpected: {fault}");
        }
    }
    println!("{text}");
    fs::write(folder.join("soak.md"), &text).expect("written");
    let svg = plot::draw(samples, &trends, warm_up(samples));
    fs::write(folder.join("soak.svg"), svg).expect("written");
    trends
}

/// Asserts that no resource is proven to grow beyond its bound.
pub(crate) fn assert_flat(trends: &[Trend]) {
    let growing = MEASURES.iter().zip(trends);
    let growing =
        growing.filter(|(measure, trend)| trend.verdict(measure.bound) == Verdict::Growing);
    let growing: Vec<_> = growing.map(|(measure, _)| measure.name).collect();
    assert!(growing.is_empty(), "grows: {growing:?}");
}
