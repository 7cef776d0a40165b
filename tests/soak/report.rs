//! Writes the results of a run: a plot, and tables in Markdown.

use std::{
    fmt::{self, Write as _},
    fs,
    path::Path,
};

use crate::{
    WARM_UP, plot,
    samples::{Limit, MEASURES, Sample, series},
    traffic::Tally,
    trend::{Trend, Verdict},
};

/// What a run says about a resource.
pub(crate) struct Judgment {
    limit: Limit,
    /// The line after the warm-up.
    pub(crate) trend: Trend,
    /// The length of the part that the line was fitted to.
    hours: f64,
    /// The first value of the whole run, and the highest one.
    first: f64,
    highest: f64,
}

impl Judgment {
    /// True when the resource is proven to exceed its limit.
    fn is_exceeded(&self) -> bool {
        match self.limit {
            Limit::Growth(_) => self.verdict() == Verdict::Growing,
            Limit::Rise(rise) => self.highest > self.first + rise,
        }
    }

    /// Compares the line with the growth in an hour. A run that is shorter may grow by as much in its
    /// time: caches fill at first, and a part of an hour says little about the next one.
    fn verdict(&self) -> Verdict {
        let (Limit::Growth(limit) | Limit::Rise(limit)) = self.limit;
        self.trend.verdict(limit / self.hours.min(1.0))
    }

    /// The limit, as the table names it.
    pub(crate) fn limit(&self) -> String {
        match self.limit {
            Limit::Growth(limit) if self.hours < 1.0 => format!("{limit} in this run"),
            Limit::Growth(limit) => format!("{limit} an hour"),
            Limit::Rise(limit) => format!("{limit} more"),
        }
    }
}

impl fmt::Display for Judgment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.limit {
            Limit::Growth(_) => self.verdict().fmt(formatter),
            Limit::Rise(_) if self.is_exceeded() => formatter.write_str("exceeded"),
            Limit::Rise(_) => write!(formatter, "bounded: from {} to {}", self.first, self.highest),
        }
    }
}

/// Judges the measures. `None` if a run was too short.
pub(crate) fn judge(samples: &[Sample]) -> Option<Vec<Judgment>> {
    let warm_up = warm_up(samples);
    let counted = samples.partition_point(|sample| sample.hours < warm_up);
    let (_, counted) = samples.split_at(counted);
    let judgments = MEASURES.iter().enumerate().map(|(index, measure)| {
        let values = || samples.iter().map(|sample| sample.values[index]);
        let counted = series(counted, index);
        Some(Judgment {
            limit: measure.limit,
            trend: Trend::of(&counted)?,
            hours: counted.last()?.hours - counted.first()?.hours,
            first: values().next()?,
            highest: values().fold(0.0, f64::max),
        })
    });
    judgments.collect()
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
) -> Vec<Judgment> {
    let judgments = judge(samples).expect("enough samples for a trend; run for longer");
    let mut text = format!("{title}\n\n");
    text.push_str("| Resource | First | Last | Growth in an hour (95 %) | Limit | |\n");
    text.push_str("|---|--:|--:|--:|--:|---|\n");
    for (measure, judgment) in MEASURES.iter().zip(&judgments) {
        let trend = &judgment.trend;
        let [first, last] = [trend.blocks.first(), trend.blocks.last()];
        let value = |point: Option<&crate::trend::Point>| point.map_or(f64::NAN, |p| p.value);
        let _ = writeln!(
            text,
            "| {} | {:.1} | {:.1} | {:+.2} ± {:.2} | {} | {judgment} |",
            measure.name,
            value(first),
            value(last),
            trend.slope,
            trend.margin,
            judgment.limit(),
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
    let svg = plot::draw(samples, &judgments, warm_up(samples));
    fs::write(folder.join("soak.svg"), svg).expect("written");
    judgments
}

/// Asserts that no resource is proven to exceed its limit.
pub(crate) fn assert_flat(judgments: &[Judgment]) {
    let exceeded = MEASURES.iter().zip(judgments).filter(|(_, judgment)| judgment.is_exceeded());
    let exceeded: Vec<_> = exceeded.map(|(measure, _)| measure.name).collect();
    assert!(exceeded.is_empty(), "grows: {exceeded:?}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trend::number;

    /// The judgment about one resource of a run of these hours.
    fn of(column: &str, hours: f64, value: impl Fn(f64) -> f64) -> Judgment {
        let place = MEASURES.iter().position(|measure| measure.column == column).unwrap();
        let sample = |index: usize| {
            let moment = hours * number(index) / 479.0;
            let mut values = [50.0; MEASURES.len()];
            values[place] = value(moment);
            Sample { hours: moment, values }
        };
        let samples: Vec<_> = (0..480).map(sample).collect();
        judge(&samples).unwrap().swap_remove(place)
    }

    #[test]
    fn threads_may_become_more_by_their_limit() {
        let threads =
            |later: f64| of("threads", 2.0, move |hours| if hours < 1.0 { 10.0 } else { later });
        let bounded = threads(18.0);
        assert_eq!(
            (bounded.is_exceeded(), bounded.to_string()),
            (false, "bounded: from 10 to 18".into())
        );
        let exceeded = threads(19.0);
        assert_eq!((exceeded.is_exceeded(), exceeded.to_string()), (true, "exceeded".into()));
    }

    #[test]
    fn a_short_run_may_grow_by_as_much_as_an_hour() {
        let growing = |hours: f64, growth: f64| {
            let judgment = of("service_mib", hours, |moment| 100.0 + growth * moment / hours);
            (judgment.is_exceeded(), judgment.limit())
        };
        // The line counts five sixths of the run.
        assert_eq!(growing(0.1, 1.9 * 6.0 / 5.0), (false, "2 in this run".to_owned()));
        assert_eq!(growing(0.1, 2.1 * 6.0 / 5.0), (true, "2 in this run".to_owned()));
        assert_eq!(growing(2.0, 1.9 * 2.0), (false, "2 an hour".to_owned()));
        assert_eq!(growing(2.0, 2.1 * 2.0), (true, "2 an hour".to_owned()));
    }
}
