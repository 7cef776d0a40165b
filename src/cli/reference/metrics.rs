//! `metrics.md`: every metric, from the output of an idle instance.

use std::time::Duration;

use super::markdown::{Document, code};
use crate::{
    cli::output::Failure,
    domain::stored_credential::HashParameters,
    http,
    security::hashing::{HashingEngine, HashingOptions},
    service::{
        activity::metrics::ActivityMetrics,
        directory::search::DirectorySearch,
        import::jobs::metrics::ImportMetrics,
        mail::metrics::MailMetrics,
        operations::{
            metrics::{HookMetrics, MetricSources, encode_metrics},
            reload_metrics::ReloadMetrics,
        },
    },
    storage::ConnectionCounts,
};

const INTRODUCTION: &str = "\
    `GET /metrics` on the listener `operations.listen` returns all metrics in the OpenMetrics \
    format. The samples of a histogram have the suffixes `_bucket` (label `le`), `_sum` and \
    `_count`.";

/// Labels with their values. A family without samples does not show its labels.
const LABELS: [(&str, &str); 8] = [
    (
        "keeper_directory_searches",
        "`outcome`: `success`, `unreachable`, `timed_out`, `busy`, `tls_failed`, `bind_failed`, `search_refused`, `not_found`, `too_many_entries`, `invalid_message` or `failed`",
    ),
    ("keeper_hashing_shed", "`reason`: `queue_full`, `not_admitted` or `deadline`"),
    ("keeper_http_certificate_expiry_timestamp_seconds", "`listener`: `http` or `operations`"),
    ("keeper_import_uploads", "`outcome`: `started`, `refused`, `timed_out` or `cut_off`"),
    ("keeper_keyring_key", "`key`: key id; `state`: `writing`, `readable` or `retired`"),
    (
        "keeper_mail_password_mails",
        "`event`: `queued`, `throttled`, `sent`, `retried`, `failed` or `dropped` (nobody to send it to)",
    ),
    ("keeper_reload_failed", "`setting`: the setting that names the file"),
    (
        "keeper_reloads",
        "`setting`: the setting that names the file; `outcome`: `success` or `failure`",
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
    let counts = ConnectionCounts { open: 0, idle: 0, maximum: 0 };
    let sources = MetricSources {
        hashing: &engine,
        connections: counts,
        keyring: None,
        activity: &ActivityMetrics::default(),
        reloads: &ReloadMetrics::default(),
        directory: &DirectorySearch::default(),
        imports: &ImportMetrics::default(),
        mail: &MailMetrics::default(),
        migration: &HookMetrics::default(),
        memory_ceiling_kib: 0,
    };
    let text = encode_metrics(&sources, http::register_idle_metrics)?;
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
}

/// Parses the `# HELP`, `# TYPE` and `# UNIT` lines, sorted by name.
fn families(text: &str) -> Vec<Family> {
    let mut families: Vec<Family> = Vec::new();
    for line in text.lines() {
        let mut words = line.splitn(4, ' ');
        let (Some("#"), Some(keyword), Some(name), Some(value)) =
            (words.next(), words.next(), words.next(), words.next())
        else {
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
    let suffix = if family.family_type == "counter" { "_total" } else { "" };
    let labels = LABELS.iter().find(|(name, _)| *name == family.name);
    [
        code(&format!("{}{suffix}", family.name)),
        family.family_type.clone(),
        family.unit.clone(),
        labels.map(|(_, labels)| (*labels).to_owned()).unwrap_or_default(),
        family.help.clone(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_parsed_and_sorted() {
        let text = "# HELP b_seconds Time.\n# TYPE b_seconds histogram\n# UNIT b_seconds seconds\n\
                    b_seconds_sum 0.0\n# HELP a Number of a.\n# TYPE a counter\na_total 0\n# EOF\n";
        let rows: Vec<_> = families(text).iter().map(row).collect();
        assert_eq!(rows[0], ["`a_total`", "counter", "", "", "Number of a."]);
        assert_eq!(rows[1], ["`b_seconds`", "histogram", "seconds", "", "Time."]);
    }
}
