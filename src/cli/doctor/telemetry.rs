//! Requirements on the connection to the collector of traces and logs.

use crate::{
    configuration::TelemetrySettings,
    service::operations::finding::{Finding, Verdict},
    startup,
};

/// Asks the collector whether it takes traces and logs. Sends none.
pub(super) async fn check_telemetry(settings: &TelemetrySettings) -> Vec<Finding> {
    let checked = startup::check_telemetry(settings).await;
    vec![
        // Always met: the settings accept nothing else.
        Finding::new(
            "ASVS 12.3.1 and 12.3.2",
            "the connection to the collector is local, or encrypted with a verified certificate",
            true,
            "",
        ),
        Finding {
            clause: "ASVS 16.4.3",
            requirement: "the collector takes traces and logs",
            verdict: checked.map_or_else(Verdict::Fail, |()| Verdict::Pass),
        },
    ]
}
