//! Requirements that depend on the settings only, for `doctor` and for the report of the activity.

use std::time::Duration;

use tracing::level_filters::LevelFilter;

use super::keyring_file::configured_kinds;
use crate::{
    configuration::{PolicyProfile, Settings},
    domain::throttling::MAXIMUM_CONSECUTIVE,
    log_events,
    service::operations::finding::Finding,
    telemetry,
};

/// The longest acceptable lifetime of an access token. Access tokens cannot be revoked
/// individually.
const LONGEST_TOKEN: Duration = Duration::from_secs(24 * 3600);

/// The longest acceptable period between anchors. A rollback to a state after the last anchor is
/// not detected.
const LONGEST_ANCHOR_PERIOD: Duration = Duration::from_secs(24 * 3600);

/// Checks the requirements that need no database.
pub(crate) fn check_settings(settings: &Settings) -> Vec<Finding> {
    [
        passwords(settings),
        guessing(settings),
        network(settings),
        lifetimes(settings),
        vec![master_key(settings)],
        log(settings),
    ]
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
            "passwords have at least 15 characters, or 8 with a second factor",
            is_nist,
            "set passwords.policy = \"nist\"",
        ),
        Finding::advice(
            "NIST 3.1.1.2 length",
            "the password policy assumes no second factor",
            !passwords.with_second_factor,
            "passwords.with_second_factor is set; verify that another system requires it",
        ),
        Finding::new(
            "NIST 3.1.1.2 blocklist, ASVS 6.2.4 and 6.2.12",
            "common and breached passwords are rejected",
            is_nist,
            "set passwords.policy = \"nist\"",
        ),
        Finding::new(
            "ASVS 6.1.2 and 6.2.11",
            "passwords made of the service's name are rejected",
            settings.password_policy().is_some_and(|policy| !policy.words_of("").is_empty()),
            "add the name of your service to passwords.context_words",
        ),
        // Always met: no setting enables composition rules or password expiry.
        Finding::new(
            "NIST 3.1.1.2 composition, ASVS 6.2.5 and 6.2.10",
            "there are no composition rules, and passwords do not expire",
            true,
            "",
        ),
        Finding::new(
            "NIST 3.1.1.2 hashing, ASVS 11.4.2",
            "the hashing cost meets OWASP's minimum",
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
            "at most 100 consecutive failed attempts are allowed",
            attempts.maximum_failures <= MAXIMUM_CONSECUTIVE,
            "lower attempts.maximum_failures",
        ),
        Finding::new(
            "ASVS 2.4.1 and 6.3.1",
            "failed attempts per address are limited",
            attempts.maximum_per_address > 0,
            "set attempts.maximum_per_address to a value above 0",
        ),
        Finding::new(
            "ASVS 15.3.4",
            "client addresses are known behind the proxy",
            !settings.http.tls_terminated_by_proxy || !settings.http.trusted_proxies.is_empty(),
            "add the proxy to http.trusted_proxies",
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
            "plain HTTP is served on loopback or behind a TLS proxy only",
            http.tls.is_enabled() || is_loopback || http.tls_terminated_by_proxy,
            "set http.tls.certificate_file and http.tls.key_file",
        ),
        Finding::advice(
            "ASVS 12.1.1",
            "clients use TLS 1.2 or newer",
            http.tls.is_enabled(),
            "this service does not terminate TLS; verify that the proxy requires TLS 1.2 or newer",
        ),
        Finding::advice(
            "ASVS 12.2.1",
            "transport security does not depend on a proxy",
            !http.tls_terminated_by_proxy,
            "http.tls_terminated_by_proxy is set; verify that the proxy requires TLS 1.2 or newer",
        ),
        Finding::new(
            "ASVS 4.1.3 and 13.4.5",
            "requests for other host names are rejected",
            is_loopback || !http.allowed_hosts.is_empty(),
            "add the host names of this service to http.allowed_hosts",
        ),
        Finding::advice(
            "ASVS 13.4.5 and 13.4.6",
            "metrics and health are served on loopback, or to clients with a certificate",
            is_operations_local || settings.operations.tls.client_ca_file.is_some(),
            "operations.listen is not loopback; set operations.tls, or restrict access to your \
             monitoring",
        ),
        Finding::new(
            "ASVS 3.4.2",
            "cross-origin requests are limited to configured origins",
            !http.cors_origins.iter().any(|origin| origin == "*"),
            "replace * with your origins in http.cors_origins",
        ),
    ]
}

fn lifetimes(settings: &Settings) -> Vec<Finding> {
    vec![
        Finding::new(
            "ASVS 7.3.1 and 7.3.2",
            "tickets, sessions and tokens have an absolute lifetime",
            !settings.sessions.absolute.is_zero(),
            "set sessions.absolute_seconds to a value above 0",
        ),
        Finding::new(
            "ASVS 9.2.1",
            "access tokens expire within a day",
            settings.access_tokens.lifetime <= LONGEST_TOKEN,
            "lower access_tokens.lifetime_seconds",
        ),
    ]
}

/// Every command that opens the keyring rejects a plain one if the settings name a master key.
fn master_key(settings: &Settings) -> Finding {
    Finding::advice(
        "ASVS 13.3.1",
        "a master key outside the service wraps the keyring",
        !configured_kinds(settings).is_empty(),
        "the keyring file contains its keys; set keyring.transit or keyring.pkcs11 and run \
         `keys wrap`",
    )
}

/// Checks the log of this process, which has the same settings as the log of `serve`.
fn log(settings: &Settings) -> Vec<Finding> {
    let is_anchoring =
        (Duration::from_secs(1)..=LONGEST_ANCHOR_PERIOD).contains(&settings.anchor_period);
    vec![
        Finding::new(
            "ASVS 16.2.5",
            "the log level is info or less verbose",
            telemetry::most_verbose_level() <= LevelFilter::INFO,
            "set log.level = \"info\"",
        ),
        Finding::advice(
            "ASVS 16.3.1",
            "every request is logged with its caller",
            telemetry::are_requests_logged(),
            "set log.level = \"info\"; less verbose levels omit successful logins",
        ),
        Finding::new(
            "ASVS 16.3.3",
            "alarms are logged",
            log_events::are_alarms_logged(),
            "logging is not started; run `config check`",
        ),
        Finding::new(
            "ASVS 16.4.2",
            "anchors of the audit chains are logged at least daily",
            is_anchoring && log_events::are_anchors_logged(),
            "set audit.anchor_seconds to a value from 1 to 86400",
        ),
    ]
}
