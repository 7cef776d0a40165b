//! Requirements on the sinks of the audit stream.

use crate::{
    configuration::Settings,
    service::operations::finding::{Finding, Verdict},
    startup,
};

/// Asks each sink whether it would take events. Sends none.
pub(super) async fn check_sinks(settings: &Settings) -> Vec<Finding> {
    let sinks = &settings.audit_stream.sinks;
    if sinks.is_empty() {
        return Vec::new();
    }
    let mut problems = Vec::new();
    for sink in sinks {
        if let Err(problem) = startup::check_sink(sink).await {
            problems.push(format!("{}: {problem}", sink.name()));
        }
    }
    let verdict =
        if problems.is_empty() { Verdict::Pass } else { Verdict::Fail(problems.join("; ")) };
    vec![Finding {
        clause: "ASVS 16.4.3",
        requirement: "each sink of the audit stream takes events",
        verdict,
    }]
}
