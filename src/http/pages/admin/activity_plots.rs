//! The figures of the page of the activity: plots with a description, and tables.

use time::{OffsetDateTime, UtcOffset};

use crate::{
    domain::activity::{
        Figures, MINUTE_SECONDS, MINUTES, Period, QUARTER_SECONDS, QUARTERS, RecentActivity,
    },
    http::pages::{
        frame::PageFrame,
        plot::{Plot, PlotTexts},
    },
};

/// A figure that the page shows.
struct Figure {
    /// A part of ids.
    id: &'static str,
    /// The key of its name.
    key: &'static str,
    value: fn(&Figures) -> Option<u64>,
    /// A limit that is drawn as a second line.
    limit: Option<fn(&Figures) -> Option<u64>>,
}

const FIGURES: [Figure; 9] = [
    Figure {
        id: "saves",
        key: "page-activity-saves",
        value: |figures| Some(figures.saves),
        limit: None,
    },
    Figure {
        id: "logins",
        key: "page-activity-logins",
        value: |figures| Some(figures.logins),
        limit: None,
    },
    Figure {
        id: "failures",
        key: "page-activity-failures",
        value: |figures| Some(figures.failures),
        limit: None,
    },
    Figure {
        id: "throttled",
        key: "page-activity-throttled",
        value: |figures| Some(figures.throttled),
        limit: None,
    },
    Figure {
        id: "queue",
        key: "page-activity-queue",
        value: |figures| Some(figures.queue_maximum),
        limit: None,
    },
    Figure {
        id: "wait",
        key: "page-activity-wait",
        value: Figures::mean_wait_microseconds,
        limit: None,
    },
    Figure {
        id: "hashes",
        key: "page-activity-hashes",
        value: |figures| Some(figures.hashes),
        limit: Some(|figures| Some(figures.hash_capacity)),
    },
    Figure {
        id: "cache",
        key: "page-activity-cache",
        value: Figures::cache_hit_percent,
        limit: Some(|_| Some(100)),
    },
    Figure {
        id: "shed",
        key: "page-activity-shed",
        value: |figures| Some(figures.shed),
        limit: None,
    },
];

/// A figure with its plots.
pub(super) struct Measure {
    pub(super) name: String,
    pub(super) plots: [MeasurePlot; 2],
}

/// A plot with its caption.
pub(super) struct MeasurePlot {
    pub(super) caption: String,
    pub(super) summary: String,
    pub(super) plot: Plot,
}

/// A table of all figures, one row for each period.
pub(super) struct NumberTable {
    pub(super) caption: String,
    pub(super) headers: Vec<String>,
    pub(super) rows: Vec<NumberRow>,
}

/// A row of a table.
pub(super) struct NumberRow {
    pub(super) time: String,
    pub(super) numbers: Vec<String>,
}

/// A span of time with its periods.
struct Span<'activity> {
    id: &'static str,
    /// The key of its caption.
    key: &'static str,
    width: u64,
    length: u64,
    periods: &'activity [Period],
}

fn spans(recent: &RecentActivity) -> [Span<'_>; 2] {
    [
        Span {
            id: "hour",
            key: "page-activity-hour",
            width: MINUTE_SECONDS,
            length: MINUTES,
            periods: &recent.hour,
        },
        Span {
            id: "day",
            key: "page-activity-day",
            width: QUARTER_SECONDS,
            length: QUARTERS,
            periods: &recent.day,
        },
    ]
}

/// The plots of every figure.
pub(super) fn measures(
    frame: &PageFrame,
    recent: &RecentActivity,
    now: OffsetDateTime,
) -> Vec<Measure> {
    let measure = |figure: &Figure| Measure {
        name: frame.text(figure.key),
        plots: spans(recent).map(|span| measure_plot(frame, figure, &span, now)),
    };
    FIGURES.iter().map(measure).collect()
}

fn measure_plot(
    frame: &PageFrame,
    figure: &Figure,
    span: &Span<'_>,
    now: OffsetDateTime,
) -> MeasurePlot {
    let slots = slots(span, now);
    let values = |of: fn(&Figures) -> Option<u64>| -> Vec<Option<u64>> {
        slots.iter().map(|slot| slot.as_ref().and_then(of)).collect()
    };
    let caption = frame.text(span.key);
    let summary = summary(frame, figure, span);
    let first = now - std::time::Duration::from_secs(span.width * (span.length - 1));
    let texts = PlotTexts {
        id: format!("{}-{}", figure.id, span.id),
        title: format!("{}, {caption}", frame.text(figure.key)),
        description: summary.clone(),
        ends: [clock_time(first), clock_time(now)],
    };
    let limit = figure.limit.map(values);
    MeasurePlot {
        caption,
        summary,
        plot: Plot::new(texts, &values(figure.value), limit.as_deref()),
    }
}

/// The figures at equal distances up to now; `None` is a gap.
fn slots(span: &Span<'_>, now: OffsetDateTime) -> Vec<Option<Figures>> {
    let length = usize::try_from(span.length).unwrap_or_default();
    let mut slots = vec![None; length];
    for period in span.periods {
        let age = (now - period.start).whole_seconds().max(0).unsigned_abs() / span.width;
        let index = usize::try_from(age).ok().and_then(|age| (length - 1).checked_sub(age));
        if let Some(slot) = index.and_then(|index| slots.get_mut(index)) {
            *slot = Some(period.figures);
        }
    }
    slots
}

/// The figure of a whole span, and its highest value.
fn summary(frame: &PageFrame, figure: &Figure, span: &Span<'_>) -> String {
    let all = span.periods.iter().fold(Figures::default(), |sum, one| sum.plus(one.figures));
    let whole = (figure.value)(&all).filter(|_| !span.periods.is_empty());
    let values =
        span.periods.iter().filter_map(|one| Some(((figure.value)(&one.figures)?, one.start)));
    // The earliest of equal values.
    let highest =
        values.max_by(|(one, start), (other, later)| one.cmp(other).then(later.cmp(start)));
    let Some((whole, (highest, start))) = whole.zip(highest) else {
        return frame.text("page-activity-no-data");
    };
    let [whole, highest] = [whole, highest].map(|number| number.to_string());
    let time = clock_time(start);
    let arguments = [("whole", whole.as_str()), ("highest", &highest), ("time", &time)];
    frame.text_with("page-activity-summary", &arguments)
}

/// The tables of all figures: of the last hour by minute, and of the last day by hour, newest first.
pub(super) fn tables(frame: &PageFrame, recent: &RecentActivity) -> [NumberTable; 2] {
    let headers: Vec<_> = FIGURES.iter().map(|figure| frame.text(figure.key)).collect();
    let hours = hours(&recent.day);
    let [hour, day] = spans(recent);
    [(hour.key, &recent.hour), (day.key, &hours)].map(|(key, periods)| NumberTable {
        caption: frame.text(key),
        headers: headers.clone(),
        rows: periods.iter().rev().map(number_row).collect(),
    })
}

/// The hours of quarters of an hour.
fn hours(quarters: &[Period]) -> Vec<Period> {
    let mut hours: Vec<Period> = Vec::new();
    for quarter in quarters {
        let start = quarter.start.truncate_to_hour();
        match hours.last_mut() {
            Some(last) if last.start == start => last.figures = last.figures.plus(quarter.figures),
            Some(_) | None => hours.push(Period { start, ..*quarter }),
        }
    }
    hours
}

fn number_row(period: &Period) -> NumberRow {
    let number = |figure: &Figure| {
        (figure.value)(&period.figures).map_or_else(|| "–".to_owned(), |number| number.to_string())
    };
    NumberRow { time: clock_time(period.start), numbers: FIGURES.iter().map(number).collect() }
}

/// The time of day in UTC.
fn clock_time(at: OffsetDateTime) -> String {
    let at = at.to_offset(UtcOffset::UTC);
    format!("{:02}:{:02}", at.hour(), at.minute())
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn periods_are_placed_by_their_time_and_others_are_gaps() {
        let now = datetime!(2026-11-28 12:07:30 UTC);
        let period = |start, saves| Period {
            start,
            instances: 1,
            figures: Figures { saves, ..Figures::default() },
        };
        let hour = [
            period(datetime!(2026-11-28 10:00 UTC), 9),
            period(datetime!(2026-11-28 11:08 UTC), 1),
            period(datetime!(2026-11-28 12:06 UTC), 2),
            period(datetime!(2026-11-28 12:07 UTC), 3),
            // The clock was set back.
            period(datetime!(2026-11-28 13:00 UTC), 4),
        ];
        let recent = RecentActivity { hour: hour.to_vec(), day: Vec::new() };
        let [span, _] = spans(&recent);
        let saves: Vec<_> =
            slots(&span, now).iter().map(|slot| slot.map(|figures| figures.saves)).collect();
        assert_eq!(saves.len(), 60);
        assert_eq!(saves[0], Some(1));
        assert_eq!(saves[58..], [Some(2), Some(4)]);
        assert!(saves[1..58].iter().all(Option::is_none));
        let saves = |period: &Period| (period.start, period.figures.saves);
        assert_eq!(
            hours(&hour).iter().map(saves).collect::<Vec<_>>(),
            [
                (datetime!(2026-11-28 10:00 UTC), 9),
                (datetime!(2026-11-28 11:00 UTC), 1),
                (datetime!(2026-11-28 12:00 UTC), 5),
                (datetime!(2026-11-28 13:00 UTC), 4),
            ]
        );
    }
}
