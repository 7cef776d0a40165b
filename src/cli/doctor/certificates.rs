//! Requirements on the certificates of the listeners.

use time::{Duration, OffsetDateTime};

use super::finding::{Finding, Verdict};
use crate::{
    clock,
    configuration::{Settings, TlsSettings},
    startup,
};

/// The remaining validity that a renewal should not let pass.
const RENEWAL: Duration = Duration::days(14);

/// Checks the certificates of both listeners.
pub(super) fn check_certificates(settings: &Settings) -> Vec<Finding> {
    let now = clock::now();
    let sections = [
        ("the certificate of the API is valid", &settings.http.tls),
        ("the certificate of the operations listener is valid", &settings.operations.tls),
    ];
    let enabled = sections.into_iter().filter(|(_, section)| section.is_enabled());
    let finding = |(requirement, section)| Finding {
        clause: "ASVS 12.2.2 and 12.3.4",
        requirement,
        verdict: verdict(section, now),
    };
    enabled.map(finding).collect()
}

fn verdict(section: &TlsSettings, now: OffsetDateTime) -> Verdict {
    let tls = match startup::load_certificates(section) {
        Ok(tls) => tls,
        Err(problem) => return Verdict::Fail(problem.to_string()),
    };
    if let Err(error) = tls.require_valid(now) {
        return Verdict::Fail(format!("{}.certificate_file: {error}", section.section));
    }
    match tls.expires_at() {
        Some(end) if end - now < RENEWAL => Verdict::Note(format!(
            "{}.certificate_file: expires in {} days; renew it",
            section.section,
            (end - now).whole_days()
        )),
        Some(_) | None => Verdict::Pass,
    }
}
