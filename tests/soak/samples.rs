//! What a run measures: the resources of one instance and of its database.

use std::{fmt::Write as _, fs, path::Path};

use sqlx::PgConnection;

use crate::{
    process::resident_kib,
    trend::{Point, number},
};

/// A resource that must stay flat, or bounded.
pub(crate) struct Measure {
    /// Its name in the plot and the table.
    pub(crate) name: &'static str,
    /// The name of its column in the CSV file.
    pub(crate) column: &'static str,
    pub(crate) limit: Limit,
}

/// What a resource may do.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Limit {
    /// The largest growth in an hour that counts as flat.
    Growth(f64),
    /// How far it may rise above the first sample, for a number that is bounded by construction.
    Rise(f64),
}

/// The jobs that the instance may run at the same time on threads for blocking work: to look at the
/// keyring and at the certificate, and to read each again (4); to check the file of an import, and to
/// read it (2); to measure refused logins; to look up a host. A job that repeats every second keeps
/// all threads alive that ran at the same time once.
const BLOCKING_JOBS: f64 = 8.0;

/// The resources, in the order of [`Sample::values`]. A growth is about a fiftieth of what the service
/// takes, so that a service that reaches it doubles in two days at the earliest.
pub(crate) const MEASURES: [Measure; 7] = [
    growth("Memory of the service, MiB", "service_mib", 2.0),
    Measure { name: "Threads", column: "threads", limit: Limit::Rise(BLOCKING_JOBS) },
    growth("File descriptors", "descriptors", 2.0),
    growth("Client connections", "client_connections", 2.0),
    growth("Database connections", "database_connections", 1.0),
    growth("Memory of PostgreSQL's backends, MiB", "backends_mib", 2.0),
    growth("Tables without the audit log, MiB", "tables_mib", 2.0),
];

/// A resource that may grow by this much in an hour.
const fn growth(name: &'static str, column: &'static str, bound: f64) -> Measure {
    Measure { name, column, limit: Limit::Growth(bound) }
}

/// The resources at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    pub(crate) hours: f64,
    pub(crate) values: [f64; MEASURES.len()],
}

/// What the tables and backends take. The audit log, the activity of a day and the imports of a
/// week grow by design; everything else has a fixed number of rows in this test.
const DATABASE: &str = "
    SELECT (SELECT sum(pg_total_relation_size(relid))::float8 FROM pg_stat_user_tables
            WHERE relname NOT IN ('audit_events', 'activity_minutes', 'import_runs')),
           ARRAY(SELECT pid FROM pg_stat_activity WHERE application_name = 'credential-keeper')";

impl Sample {
    /// Measures a process, whose metrics are these, and the database.
    pub(crate) async fn take(
        hours: f64,
        process: u32,
        metrics: &str,
        database: &mut PgConnection,
    ) -> Self {
        let row: (f64, Vec<i32>) =
            sqlx::query_as(DATABASE).fetch_one(database).await.expect("figures of the database");
        let (tables, backends) = row;
        let backends = backends.iter().filter_map(|process| private_kib(*process)).sum::<f64>();
        let values = [
            resident_kib(process) / 1024.0,
            entries(process, "task"),
            entries(process, "fd"),
            metric(metrics, "keeper_http_connections"),
            metric(metrics, "keeper_database_connections"),
            backends / 1024.0,
            tables / 1024.0 / 1024.0,
        ];
        Self { hours, values }
    }

    /// The line of the sample in the CSV file.
    pub(crate) fn line(&self) -> String {
        let mut line = format!("{:.5}", self.hours);
        for value in self.values {
            let _ = write!(line, ",{value:.3}");
        }
        line
    }

    /// Reads the samples of a CSV file.
    pub(crate) fn read(file: &Path) -> Vec<Self> {
        let text = fs::read_to_string(file).expect("a file that an earlier run wrote");
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some(header().as_str()), "the columns of {}", file.display());
        let sample = |line: &str| {
            let numbers = line.split(',').map(|field| field.parse().expect("a number"));
            let numbers: Vec<f64> = numbers.collect();
            let (hours, values) = numbers.split_first().expect("a time");
            Self { hours: *hours, values: values.try_into().expect("a value for each measure") }
        };
        lines.map(sample).collect()
    }
}

/// The first line of the CSV file.
pub(crate) fn header() -> String {
    let columns = MEASURES.iter().map(|measure| measure.column);
    ["hours"].into_iter().chain(columns).collect::<Vec<_>>().join(",")
}

/// The series of one measure.
pub(crate) fn series(samples: &[Sample], measure: usize) -> Vec<Point> {
    let point = |sample: &Sample| Point { hours: sample.hours, value: sample.values[measure] };
    samples.iter().map(point).collect()
}

/// The number of entries in a folder of a process: its threads or its descriptors.
pub(crate) fn entries(process: u32, folder: &str) -> f64 {
    let entries = fs::read_dir(format!("/proc/{process}/{folder}")).expect("a running process");
    number(entries.count())
}

/// The memory of a backend that it shares with no other process, in KiB. `None` if it has ended.
fn private_kib(process: i32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

/// The value of a metric without labels.
fn metric(metrics: &str, name: &str) -> f64 {
    let mut lines = metrics.lines();
    let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.expect("the metric").parse().expect("a number")
}
