//! Requirements on the connection to the system that users move from.

use crate::{
    configuration::MigrationSettings,
    service::operations::finding::{Finding, Verdict},
    startup,
};

/// Sends a signed request without a password to the old system.
pub(super) async fn check_migration(settings: &MigrationSettings) -> Vec<Finding> {
    let checked = startup::check_migration_hook(settings).await;
    vec![
        // Always met: the settings accept nothing else.
        Finding::new(
            "ASVS 12.3.1 and 12.3.2",
            "the connection to the old system is local, or encrypted with a verified certificate",
            true,
            "",
        ),
        Finding {
            clause: "ASVS 13.2.1",
            requirement: "the old system accepts the signature of this service",
            verdict: checked.map_or_else(Verdict::Fail, |()| Verdict::Pass),
        },
    ]
}
