//! Refuses values of another type that `config` would convert: it rounds fractions to integers, and
//! takes numbers as switches and switches as numbers.

use config::{Value, ValueKind};
use serde::{Deserialize, Deserializer, de::Error};

/// The texts that `config` converts to 0 or 1.
const SWITCHES: [&str; 6] = ["true", "on", "yes", "false", "off", "no"];

/// The type that a setting with this default requires, if the value has another one. A text of the
/// right type is accepted, because variables are texts.
pub(super) fn required_type(value: &Value, default: &Value) -> Option<&'static str> {
    match (&default.kind, &value.kind) {
        (ValueKind::Boolean(_), ValueKind::I64(_) | ValueKind::Float(_)) => Some("a boolean"),
        (ValueKind::I64(_), ValueKind::Float(_)) => Some("an integer"),
        (ValueKind::I64(_), kind) if is_switch(kind) => Some("an integer"),
        (ValueKind::Float(_), kind) if is_switch(kind) => Some("a number"),
        (ValueKind::Array(_), ValueKind::Array(values)) if values.iter().any(has_fraction) => {
            Some("a list without fractions, because its numbers are integers")
        }
        _ => None,
    }
}

fn is_switch(kind: &ValueKind) -> bool {
    match kind {
        ValueKind::Boolean(_) => true,
        ValueKind::String(text) => SWITCHES.iter().any(|word| text.eq_ignore_ascii_case(word)),
        ValueKind::Nil
        | ValueKind::I64(_)
        | ValueKind::I128(_)
        | ValueKind::U64(_)
        | ValueKind::U128(_)
        | ValueKind::Float(_)
        | ValueKind::Table(_)
        | ValueKind::Array(_) => false,
    }
}

/// True for a fraction, and for an entry of a list that contains one.
fn has_fraction(value: &Value) -> bool {
    match &value.kind {
        ValueKind::Float(_) => true,
        ValueKind::Table(members) => members.values().any(has_fraction),
        ValueKind::Array(values) => values.iter().any(has_fraction),
        ValueKind::Nil
        | ValueKind::Boolean(_)
        | ValueKind::I64(_)
        | ValueKind::I128(_)
        | ValueKind::U64(_)
        | ValueKind::U128(_)
        | ValueKind::String(_) => false,
    }
}

/// Reads a switch in an entry of a list.
///
/// # Errors
/// When it is a number, or no switch.
pub(super) fn deserialize_switch<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<bool, D::Error> {
    let value = Value::deserialize(deserializer)?;
    if matches!(value.kind, ValueKind::I64(_) | ValueKind::Float(_)) {
        return Err(D::Error::custom("a switch must be true or false, not a number"));
    }
    value.into_bool().map_err(|_| D::Error::custom("a switch must be true or false"))
}

#[cfg(test)]
mod tests {
    use std::{collections::HashMap, fs};

    use crate::configuration::Settings;

    /// The settings with a problem, if a file has this text.
    fn refused(text: &str) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keeper.toml");
        fs::write(&path, text).unwrap();
        let problems = Settings::read(Some(&path), HashMap::new()).err();
        let problems = problems.map(|problems| problems.0).unwrap_or_default();
        problems.into_iter().map(|problem| problem.setting).collect()
    }

    #[test]
    fn fractions_numbers_and_switches_are_not_converted() {
        for (setting, value) in [
            ("hashing.iterations", "2.4"),
            ("hashing.iterations", "3.0"),
            ("hashing.threads", "true"),
            ("hashing.threads", "'yes'"),
            ("http.read_timeout_seconds", "1.5"),
            ("database.allow_unverified_server", "7"),
            ("authentication.session", "0.0"),
            ("telemetry.trace_sample_ratio", "true"),
            ("telemetry.trace_sample_ratio", "'on'"),
            (
                "authentication.issuers",
                "[{ issuer = 'i', audience = 'a', jwks_file = 'f', credential_type = \
                 'ActiveDirectory', maximum_age_seconds = 0.6 }]",
            ),
            (
                "credentials.additional_types",
                "[{ name = 'Pin', kind = 'secret', usable_for_basic = 7 }]",
            ),
        ] {
            assert_eq!(refused(&format!("{setting} = {value}\n")), [setting], "{value}");
        }
        let digest = "0".repeat(64);
        let application = |trusted: &str| {
            format!(
                "installation.applications = [{{ name = 'a', token_sha256 = '{digest}', trusted = \
                 {trusted} }}]\n"
            )
        };
        assert_eq!(refused(&application("1")), ["installation.applications"]);
        for accepted in [
            application("true").as_str(),
            &application("'yes'"),
            "hashing.iterations = '3'\n",
            "telemetry.trace_sample_ratio = 1\n",
            "telemetry.trace_sample_ratio = '0.5'\n",
            "authentication.session = 'off'\n",
        ] {
            let problems = refused(accepted);
            assert!(problems.is_empty(), "{accepted}: {problems:?}");
        }
    }
}
