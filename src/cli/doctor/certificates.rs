//! Requirements on the certificates of the listeners.

use time::{Duration, OffsetDateTime};

use crate::{
    clock,
    configuration::{Problem, Settings, TlsSettings},
    service::operations::finding::{Finding, Verdict},
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
        Err(problems) => return failed(&problems),
    };
    let problems = startup::validity_problems(section, &tls, now);
    if !problems.is_empty() {
        return failed(&problems);
    }
    match tls.expires_at() {
        Some(end) if end - now < RENEWAL => Verdict::Note(format!(
            "{}: a certificate expires in {} days; renew it",
            section.section,
            (end - now).whole_days()
        )),
        Some(_) | None => Verdict::Pass,
    }
}

fn failed(problems: &[Problem]) -> Verdict {
    let texts: Vec<_> = problems.iter().map(ToString::to_string).collect();
    Verdict::Fail(texts.join("; "))
}
