//! `metrics.md`: every metric, from the output of an idle instance.

use std::{collections::BTreeSet, time::Duration};

use time::OffsetDateTime;

use super::markdown::{Document, code};
use crate::{
    cli::output::Failure,
    domain::stored_credential::HashParameters,
    http,
    security::hashing::{HashingEngine, HashingOptions},
    service::{
        activity::{
            metrics::ActivityMetrics,
            report::{KeyUse, MetricFigures},
        },
        directory::search::DirectorySearch,
        import::jobs::metrics::ImportMetrics,
        mail::metrics::MailMetrics,
        operations::{
            maintenance::Maintenance,
            metrics::{MetricSources, StateFigures, SystemMetrics, encode_metrics},
            reload_metrics::ReloadMetrics,
        },
    },
    storage::DatabaseMetrics,
};

const INTRODUCTION: &str = "\
    `GET /metrics` on the listener `operations.listen` returns all metrics in the OpenMetrics \
    format. The samples of a histogram have the suffixes `_bucket` (label `le`), `_sum` and \
    `_count`.";

/// What a label contains whose values are not all in the output of an idle instance, or need a word. All
/// values of the other labels are.
const LABELS: [(&str, &str, &str); 26] = [
    ("keeper_audit_events", "kind", "the kind of the event (`audit-events.md`)"),
    ("keeper_audit_sink_backlog", "sink", "its name in `audit.sinks`"),
    ("keeper_audit_sink_events_delivered", "sink", "its name in `audit.sinks`"),
    ("keeper_audit_sink_failures", "sink", "its name in `audit.sinks`"),
    ("keeper_audit_sink_oldest_seconds", "sink", "its name in `audit.sinks`"),
    (
        "keeper_authentications",
        "scheme",
        "`basic` (a password), `so_ticket`, `bearer` or `session`",
    ),
    (
        "keeper_authentications",
        "outcome",
        "`success`, `refused`, `change_required`, `throttled`, `locked`, `overloaded` (hashing) or \
         `unavailable` (the database, an issuer, the directory or the old system)",
    ),
    ("keeper_build", "version", "the version of the service"),
    (
        "keeper_database_errors",
        "class",
        "`no_connection`, `read_only`, `connection_lost`, `outcome_unknown` (of a commit; it is a \
         `connection_lost`, too), `not_executed`, `busy`, `constraint`, `inconsistent` (a row that \
         the service did not write failed a request) or `refused`",
    ),
    ("keeper_hashing_below_target", "scheme", "the scheme of the hash"),
    ("keeper_hashing_surveyed", "scheme", "the scheme of the hash"),
    ("keeper_http_certificate_expiry_timestamp_seconds", "listener", "`http` or `operations`"),
    ("keeper_http_request_duration_seconds", "route", "the path of the route, or `none`"),
    (
        "keeper_http_request_duration_seconds",
        "method",
        "the method, or `other` if the route does not have it",
    ),
    ("keeper_http_requests", "route", "the path of the route, or `none`"),
    ("keeper_http_requests", "method", "the method, or `other` if the route does not have it"),
    ("keeper_http_requests", "status", "the status of the response"),
    ("keeper_keyring_key", "key", "key id"),
    ("keeper_keyring_key", "state", "`writing`, `readable` or `retired`"),
    ("keeper_keyring_key_first_used_timestamp_seconds", "key", "key id"),
    (
        "keeper_mail_password_mails",
        "event",
        "`queued`, `throttled`, `sent`, `retried`, `failed` or `dropped` (nobody to send it to, or \
         the password was changed)",
    ),
    ("keeper_reload_failed", "setting", "the setting that names the file, or `settings`"),
    ("keeper_reloads", "setting", "the setting that names the file, or `settings`"),
    (
        "keeper_last_unseal_failure_timestamp_seconds",
        "reason",
        "`damaged` (changed or moved), `unknown_key` or `invalid_hash`",
    ),
    (
        "keeper_unseal_failures",
        "reason",
        "`damaged` (changed or moved), `unknown_key` or `invalid_hash`",
    ),
    (
        "keeper_telemetry_dropped",
        "reason",
        "`queue_full` (the collector is away or too slow) or `refused`",
    ),
];

/// The cheapest hash: the document needs an engine, but no hashes.
const PARAMETERS: HashParameters = HashParameters { memory_kib: 8, iterations: 1, parallelism: 1 };

/// Writes the document.
pub(super) fn document() -> Result<String, Failure> {
    let engine = HashingEngine::start(&HashingOptions {
        parameters: PARAMETERS,
        maximum_memory_kib: PARAMETERS.memory_kib,
        threads: Some(1),
        deadline: Duration::from_secs(1),
        longest_delay: Duration::ZERO,
        maximum_verified: 0,
        verified_lifetime: Duration::ZERO,
    })?;
    // A family without samples is omitted, so that each one needs an example.
    let first_used_at = Some(OffsetDateTime::UNIX_EPOCH);
    let key = KeyUse { id: "example".to_owned(), state: "writing", first_used_at };
    let figures = MetricFigures { keys: vec![key], ..MetricFigures::default() };
    let reloads = ReloadMetrics::default();
    reloads.add_setting("example");
    let systems = SystemMetrics::default();
    systems.audit.add("example");
    let sources = MetricSources {
        hashing: &engine,
        database: &DatabaseMetrics::default(),
        state: StateFigures { activity: figures, ..StateFigures::default() },
        activity: &ActivityMetrics::default(),
        reloads: &reloads,
        maintenance: &Maintenance::default(),
        directory: &DirectorySearch::default(),
        imports: &ImportMetrics::default(),
        mail: &MailMetrics::default(),
        systems: &systems,
    };
    let text = encode_metrics(&sources, http::register_example_metrics)?;
    engine.close();
    let mut document = Document::new("Metrics", INTRODUCTION);
    document.section("All metrics");
    let rows: Vec<_> = families(&text).iter().map(row).collect();
    document.table(["Name", "Type", "Unit", "Labels", "Description"], &rows);
    Ok(document.finish())
}

/// One metric family.
#[derive(Default)]
struct Family {
    name: String,
    family_type: String,
    unit: String,
    help: String,
    /// The labels of its samples with their values.
    labels: Vec<(String, BTreeSet<String>)>,
}

impl Family {
    /// Adds the labels of a sample, such as `outcome="success"`.
    fn add_labels(&mut self, labels: &str) {
        for pair in labels.split("\",") {
            let Some((label, value)) = pair.trim_end_matches('"').split_once("=\"") else {
                continue;
            };
            if label == "le" {
                continue;
            }
            match self.labels.iter_mut().find(|(known, _)| known == label) {
                Some((_, values)) => drop(values.insert(value.to_owned())),
                None => self.labels.push((label.to_owned(), BTreeSet::from([value.to_owned()]))),
            }
        }
    }

    /// Each label with what it contains.
    fn describe_labels(&self) -> String {
        let describe = |(label, values): &(String, BTreeSet<String>)| {
            let described =
                LABELS.iter().find(|(name, known, _)| *name == self.name && known == label);
            let contents = described.map_or_else(
                || alternatives(&values.iter().map(|value| code(value)).collect::<Vec<_>>()),
                |(_, _, contents)| (*contents).to_owned(),
            );
            format!("{}: {contents}", code(label))
        };
        self.labels.iter().map(describe).collect::<Vec<_>>().join("; ")
    }
}

/// `a`, `b` or `c`.
fn alternatives(values: &[String]) -> String {
    match values {
        [first @ .., last] if !first.is_empty() => format!("{} or {last}", first.join(", ")),
        _ => values.concat(),
    }
}

/// Parses the `# HELP`, `# TYPE` and `# UNIT` lines and the labels of the samples, sorted by name.
fn families(text: &str) -> Vec<Family> {
    let mut families: Vec<Family> = Vec::new();
    for line in text.lines() {
        let mut words = line.splitn(4, ' ');
        let (Some("#"), Some(keyword), Some(name), Some(value)) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            let labels = line.split_once('{').and_then(|(_, rest)| rest.rsplit_once("} "));
            if let (Some(family), Some((labels, _))) = (families.last_mut(), labels) {
                family.add_labels(labels);
            }
            continue;
        };
        if families.last().is_none_or(|last| last.name != name) {
            families.push(Family { name: name.to_owned(), ..Family::default() });
        }
        let Some(family) = families.last_mut() else { continue };
        match keyword {
            "HELP" => value.clone_into(&mut family.help),
            "TYPE" => value.clone_into(&mut family.family_type),
            "UNIT" => value.clone_into(&mut family.unit),
            _ => {}
        }
    }
    families.sort_by(|one, other| one.name.cmp(&other.name));
    families
}

fn row(family: &Family) -> [String; 5] {
    let suffix = match family.family_type.as_str() {
        "counter" => "_total",
        "info" => "_info",
        _ => "",
    };
    [
        code(&format!("{}{suffix}", family.name)),
        family.family_type.clone(),
        family.unit.clone(),
        family.describe_labels(),
        family.help.clone(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_parsed_and_sorted() {
        let text = "# HELP b_seconds Time.\n# TYPE b_seconds histogram\n# UNIT b_seconds seconds\n\
                    b_seconds_sum 0.0\n# HELP a Number of a.\n# TYPE a counter\na_total{x=\"1\",y=\"p\"} 0\n\
                    a_total{x=\"1\",y=\"q\"} 0\n# EOF\n";
        let rows: Vec<_> = families(text).iter().map(row).collect();
        assert_eq!(
            rows[0],
            ["`a_total`", "counter", "", "`x`: `1`; `y`: `p` or `q`", "Number of a."]
        );
        assert_eq!(rows[1], ["`b_seconds`", "histogram", "seconds", "", "Time."]);
    }
}
