//! Requirements on the connection to the directory.

use crate::{
    configuration::{DirectoryEncryption, DirectorySettings},
    service::operations::finding::{Finding, Verdict},
    startup,
};

/// Checks the settings, and that the directory accepts the account of the service.
pub(super) async fn check_directory(settings: &DirectorySettings) -> Vec<Finding> {
    let is_encrypted = settings.encryption != DirectoryEncryption::Nothing;
    let checked = startup::check_directory(settings).await;
    vec![
        Finding::new(
            "ASVS 12.3.1 and 12.3.2",
            "the connection to the directory is local, or encrypted with a verified certificate",
            is_encrypted || settings.is_loopback,
            "use ldaps:// in directory.url, or remove directory.start_tls and \
             directory.allow_unencrypted",
        ),
        Finding {
            clause: "ASVS 13.2.1",
            requirement: "the directory accepts the account of this service",
            verdict: checked.map_or_else(Verdict::Fail, |()| Verdict::Pass),
        },
    ]
}
