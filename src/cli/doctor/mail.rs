//! Requirements on the connection to the mail server.

use crate::{
    configuration::{MailSettings, Settings},
    service::operations::finding::{Finding, Verdict},
    startup,
};

/// Checks the settings, and that the mail server accepts the account of the service. Sends no mail.
pub(super) async fn check_mail(settings: &Settings, mail: &MailSettings) -> Vec<Finding> {
    let checked = startup::check_mail(settings, mail).await;
    vec![
        Finding::new(
            "ASVS 12.3.1 and 12.3.2",
            "the connection to the mail server is local, or encrypted with a verified certificate",
            startup::is_mail_protected(settings, mail),
            "use smtps:// in the URL, or remove mail.start_tls and mail.allow_unencrypted",
        ),
        Finding {
            clause: "ASVS 13.2.1",
            requirement: "the mail server accepts the account of this service",
            verdict: checked.map_or_else(Verdict::Fail, |()| Verdict::Pass),
        },
    ]
}
