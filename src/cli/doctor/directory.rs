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
    let mut findings = vec![
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
    ];
    if settings.verification.is_some() {
        findings.push(check_verification(settings).await);
    }
    findings
}

/// Takes the steps of a login without a credential of the directory, so that no password is sent.
async fn check_verification(settings: &DirectorySettings) -> Finding {
    let checked = startup::check_password_verifier(settings).await;
    Finding {
        clause: "ASVS 13.2.6",
        requirement: "the directory answers the lookups and requests of logins that it verifies in time",
        verdict: checked.map_or_else(Verdict::Fail, |()| Verdict::Pass),
    }
}
