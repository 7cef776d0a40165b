//! Parses `log.level`: a default level, and levels of single targets.

use std::collections::BTreeSet;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;

use crate::{
    log_events::{ALARM, ANCHOR},
    trace_context::TRACES,
};

/// The modules of this crate, and the libraries that log.
const TARGETS: &[&str] = include!(concat!(env!("OUT_DIR"), "/log_targets.rs"));

/// Targets of libraries that are not module paths.
const NAMED_TARGETS: [&str; 3] = ["sqlx", "sqlx::query", "sqlx::postgres::notice"];

/// Libraries with a less verbose default level: they log details for their developers, or errors
/// that any client or a directory can cause. `log.level` can enable these events.
const REDUCED: [(&str, LevelFilter); 4] = [
    ("actix_server", LevelFilter::WARN),
    ("actix_http", LevelFilter::OFF),
    ("ldap3", LevelFilter::OFF),
    ("sqlx", LevelFilter::WARN),
];

/// Why a filter is invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadFilter {
    /// A level is unknown.
    #[error(
        "must be error, warn, info, debug or trace; levels of single targets follow as \
         target=level, separated by commas"
    )]
    Level,
    /// A target is unknown.
    #[error(
        "unknown log target; use credential_keeper, one of its modules, or a library such as sqlx \
         or actix_http, with underscores"
    )]
    Target,
    /// A target has two levels.
    #[error("has two levels for one target; remove one")]
    Repeated,
}

/// Parses a filter. The result always enables alarms and anchors, and never what only traces have.
///
/// # Errors
/// See [`BadFilter`].
pub(crate) fn parse(text: &str) -> Result<Targets, BadFilter> {
    let mut filter = Targets::new().with_default(LevelFilter::INFO).with_targets(REDUCED);
    let mut seen = BTreeSet::new();
    for directive in text.split(',') {
        let (target, level) = directive.split_once('=').unwrap_or(("", directive));
        let (target, level) = (target.trim(), level.trim());
        if !directive.contains('=') {
            filter = filter.with_default(parse_level(level)?);
        } else if level.eq_ignore_ascii_case("off") {
            filter = filter.with_target(require_known(target)?, LevelFilter::OFF);
        } else {
            filter = filter.with_target(require_known(target)?, parse_level(level)?);
        }
        if !seen.insert(target) {
            return Err(BadFilter::Repeated);
        }
    }
    // Add these last, so that no directive overrides them.
    Ok(filter
        .with_target(ALARM, LevelFilter::ERROR)
        .with_target(ANCHOR, LevelFilter::INFO)
        .with_target(TRACES, LevelFilter::OFF))
}

/// The filter without anchors, for a log that writes anchors in another format.
pub(crate) fn without_anchors(filter: Targets) -> Targets {
    filter.with_target(ANCHOR, LevelFilter::OFF)
}

/// A filter that enables anchors only.
pub(crate) fn only_anchors() -> Targets {
    Targets::new().with_target(ANCHOR, LevelFilter::INFO)
}

fn parse_level(text: &str) -> Result<LevelFilter, BadFilter> {
    let levels = [
        ("error", LevelFilter::ERROR),
        ("warn", LevelFilter::WARN),
        ("info", LevelFilter::INFO),
        ("debug", LevelFilter::DEBUG),
        ("trace", LevelFilter::TRACE),
    ];
    let found = levels.into_iter().find(|(name, _)| text.eq_ignore_ascii_case(name));
    found.map(|(_, level)| level).ok_or(BadFilter::Level)
}

fn require_known(target: &str) -> Result<&str, BadFilter> {
    let is_known = TARGETS.contains(&target) || NAMED_TARGETS.contains(&target);
    if is_known { Ok(target) } else { Err(BadFilter::Target) }
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn an_invalid_filter_is_rejected() {
        for (text, error) in [
            ("", BadFilter::Level),
            ("warning", BadFilter::Level),
            ("off", BadFilter::Level),
            ("3", BadFilter::Level),
            ("credential_keeper", BadFilter::Level),
            ("info,", BadFilter::Level),
            ("sqlx=loud", BadFilter::Level),
            ("=,=", BadFilter::Target),
            ("=info", BadFilter::Target),
            ("audit=off", BadFilter::Target),
            ("actix-http=debug", BadFilter::Target),
            ("credential_keeper::nothing=debug", BadFilter::Target),
            ("[request]=debug", BadFilter::Target),
            ("insta=debug", BadFilter::Target),
            ("info,debug", BadFilter::Repeated),
            ("sqlx=info,sqlx=debug", BadFilter::Repeated),
        ] {
            assert_eq!(parse(text).err(), Some(error), "{text}");
        }
    }

    #[test]
    fn a_filter_enables_its_levels_and_always_alarms_and_anchors() {
        for text in [
            "error",
            "INFO",
            "trace, sqlx=trace",
            "credential_keeper=off",
            "warn,credential_keeper::service=off,credential_keeper::service::audit::anchors=off",
            "error,reqwest=debug,actix_http=error,sqlx::query=debug",
        ] {
            let filter = parse(text).unwrap();
            assert!(filter.would_enable(ALARM, &Level::ERROR), "{text}");
            assert!(filter.would_enable(ANCHOR, &Level::INFO), "{text}");
            assert!(!filter.would_enable(TRACES, &Level::ERROR), "{text}");
        }
        let filter = parse("warn,credential_keeper::http=debug").unwrap();
        assert!(filter.would_enable("credential_keeper::http::hosts", &Level::DEBUG));
        assert!(!filter.would_enable("credential_keeper::service", &Level::INFO));
        assert!(!filter.would_enable("actix_http::h1", &Level::ERROR));
        // The level of one target does not change the level of others.
        assert!(parse("sqlx=debug").unwrap().would_enable("credential_keeper::cli", &Level::INFO));
    }

    #[test]
    fn no_directive_can_name_alarms_anchors_and_traces() {
        for target in [ALARM, ANCHOR, TRACES] {
            assert!(TARGETS.iter().all(|known| !known.starts_with(target)), "{target}");
        }
    }
}
