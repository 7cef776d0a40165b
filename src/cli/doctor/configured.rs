//! Clauses that the settings decide.

use std::time::Duration;

use tracing::level_filters::LevelFilter;

use super::Finding;
use crate::{
    configuration::{PolicyProfile, Settings},
    domain::attempts::MAXIMUM_CONSECUTIVE,
    log_events, telemetry,
};

/// Longer, a token that was stolen is worth stealing.
const LONGEST_TOKEN: Duration = Duration::from_secs(24 * 3600);

/// Changes between two anchors can be rolled back unnoticed.
const LONGEST_ANCHOR_PERIOD: Duration = Duration::from_secs(24 * 3600);

/// Everything that can be said without the database.
pub(super) fn configured(settings: &Settings) -> Vec<Finding> {
    [passwords(settings), guessing(settings), network(settings), lifetimes(settings), log(settings)]
        .into_iter()
        .flatten()
        .collect()
}

fn passwords(settings: &Settings) -> Vec<Finding> {
    let passwords = &settings.passwords;
    let is_nist = passwords.policy == PolicyProfile::Nist;
    vec![
        Finding::new(
            "NIST 3.1.1.2 length, ASVS 6.2.1",
            "passwords have 15 characters, or 8 beside a second factor",
            is_nist,
            "set passwords.policy = \"nist\"",
        ),
        Finding::advice(
            "NIST 3.1.1.2 length",
            "a password is all there is to prove",
            !passwords.with_second_factor,
            "passwords.with_second_factor is your word that another factor is asked for elsewhere",
        ),
        Finding::new(
            "NIST 3.1.1.2 blocklist, ASVS 6.2.4 and 6.2.12",
            "common and breached passwords are refused",
            is_nist,
            "set passwords.policy = \"nist\"",
        ),
        Finding::new(
            "ASVS 6.1.2 and 6.2.11",
            "names of the service do not make a password",
            settings.password_policy().is_some_and(|policy| !policy.words_of("").is_empty()),
            "name your service in passwords.context_words",
        ),
        // There are no settings for these, so no installation can have them.
        Finding::new(
            "NIST 3.1.1.2 composition, ASVS 6.2.5 and 6.2.10",
            "no kinds of characters are asked for, and no password ends by its age",
            true,
            "",
        ),
        Finding::new(
            "NIST 3.1.1.2 hashing, ASVS 11.4.2",
            "hashes cost at least one of OWASP's equivalents",
            settings.is_hashing_strong(),
            "raise hashing.memory_kib and hashing.iterations",
        ),
    ]
}

fn guessing(settings: &Settings) -> Vec<Finding> {
    let attempts = &settings.attempts;
    vec![
        Finding::new(
            "NIST 3.2.2, ASVS 6.3.1",
            "at most 100 wrong secrets in a row are tried",
            attempts.maximum_failures <= MAXIMUM_CONSECUTIVE,
            "lower attempts.maximum_failures",
        ),
        Finding::new(
            "ASVS 2.4.1 and 6.3.1",
            "an address that fails with many names has to wait",
            attempts.maximum_per_address > 0,
            "set attempts.maximum_per_address",
        ),
        Finding::new(
            "ASVS 15.3.4",
            "addresses are those of callers, not that of the proxy",
            !settings.http.tls_terminated_by_proxy || !settings.http.trusted_proxies.is_empty(),
            "name the proxy in http.trusted_proxies",
        ),
    ]
}

fn network(settings: &Settings) -> Vec<Finding> {
    let http = &settings.http;
    let is_loopback = http.listen.ip().is_loopback();
    let is_operations_local =
        settings.operations.listen.is_none_or(|address| address.ip().is_loopback());
    vec![
        Finding::new(
            "ASVS 12.2.1, NIST 3.1.1.2 channel",
            "no plain HTTP leaves this machine",
            is_loopback || http.tls_terminated_by_proxy,
            "listen on loopback, or put a proxy with TLS in front and say so",
        ),
        Finding::advice(
            "ASVS 12.2.1",
            "TLS can be seen from here",
            !http.tls_terminated_by_proxy,
            "http.tls_terminated_by_proxy is your word that the proxy speaks TLS 1.2 or newer",
        ),
        Finding::new(
            "ASVS 4.1.3 and 13.4.5",
            "only names of this service are answered for",
            is_loopback || !http.allowed_hosts.is_empty(),
            "set http.allowed_hosts",
        ),
        Finding::advice(
            "ASVS 13.4.5 and 13.4.6",
            "metrics and health are not for the public",
            is_operations_local,
            "see that operations.listen is reached by your monitoring only",
        ),
        Finding::new(
            "ASVS 3.4.2",
            "pages of every origin may not call the API",
            !http.cors_origins.iter().any(|origin| origin == "*"),
            "name the origins in http.cors_origins",
        ),
    ]
}

fn lifetimes(settings: &Settings) -> Vec<Finding> {
    vec![
        Finding::new(
            "ASVS 7.3.1 and 7.3.2",
            "whatever a password gave ends some day",
            !settings.sessions.absolute.is_zero(),
            "set sessions.absolute_seconds",
        ),
        Finding::new(
            "ASVS 9.2.1",
            "tokens live for a day at most",
            settings.access_tokens.lifetime <= LONGEST_TOKEN,
            "lower access_tokens.lifetime_seconds",
        ),
    ]
}

/// Asks the log of this process, which the same settings started as the log of `serve`.
fn log(settings: &Settings) -> Vec<Finding> {
    let is_anchoring =
        (Duration::from_secs(1)..=LONGEST_ANCHOR_PERIOD).contains(&settings.anchor_period);
    vec![
        Finding::new(
            "ASVS 16.2.5",
            "the log has its usual level",
            LevelFilter::current() <= LevelFilter::INFO,
            "set log.level = \"info\"",
        ),
        Finding::advice(
            "ASVS 16.3.1",
            "every request is logged with its caller",
            telemetry::are_requests_logged(),
            "set log.level = \"info\"; below it, successful logins are not logged",
        ),
        Finding::new(
            "ASVS 16.3.3",
            "alarms are logged",
            log_events::are_alarms_logged(),
            "the log did not start; run `config check`",
        ),
        Finding::new(
            "ASVS 16.4.2",
            "anchors of the audit chains are written",
            is_anchoring && log_events::are_anchors_logged(),
            "set audit.anchor_seconds to at most a day",
        ),
    ]
}
