//! The effective settings without secrets, each with its origin, and as a TOML file for
//! `KEEPER_CONFIG`.

use config::{Value, ValueKind};
use url::Url;

use super::{
    descriptions::{SettingDescription, describe_settings},
    origins::{Origin, Origins},
    reader::Reader,
};
use crate::domain::host_list::change_with_one_host;

/// The replacement of a secret in a TOML file.
const REDACTED: &str = "redacted";

/// The replacement of a secret for people.
const SET: &str = "(set)";

/// Parameters of `database.url` that contain no secret.
const PUBLIC_PARAMETERS: [&str; 14] = [
    "dbname",
    "host",
    "hostaddr",
    "port",
    "ssl-ca",
    "ssl-cert",
    "ssl-mode",
    "ssl-root-cert",
    "sslcert",
    "sslmode",
    "sslrootcert",
    "statement-cache-capacity",
    "target_session_attrs",
    "user",
];

/// Parameters of `database.url` whose values are redacted. The value of a key can be its PEM text.
const SECRET_PARAMETERS: [&str; 4] = ["options", "password", "ssl-key", "sslkey"];

/// A setting that has a value.
#[derive(Debug)]
pub(crate) struct EffectiveSetting {
    pub(crate) section: String,
    pub(crate) name: String,
    /// The value without secrets.
    pub(crate) value: toml::Value,
    pub(crate) origin: Origin,
}

impl EffectiveSetting {
    /// The full name, as `section.name`.
    pub(crate) fn full_name(&self) -> String {
        format!("{}.{}", self.section, self.name)
    }
}

/// The merged settings of `reader`. A value whose secret parts are unknown is replaced as a whole.
pub(super) fn list(reader: &Reader, origins: &Origins) -> Vec<EffectiveSetting> {
    let effective = |setting: SettingDescription| {
        let name = setting.full_name();
        let value = shown(reader, &name)?;
        let origin = match reader.found(&name) {
            Some(_) => Origin::Credential,
            None => origins.of(&name),
        };
        Some(EffectiveSetting { section: setting.section, name: setting.name, value, origin })
    };
    describe_settings().into_iter().filter_map(effective).collect()
}

/// The value of a setting without secrets.
pub(super) fn shown(reader: &Reader, name: &str) -> Option<toml::Value> {
    let value = value_of(reader, name)?;
    let value = if reader.found(name).is_some() { Some(value) } else { redact(name, value, SET) };
    Some(value.unwrap_or_else(|| toml::Value::String(SET.to_owned())))
}

/// The value of a setting with its secrets: the file of systemd's credentials, or the merged value.
pub(super) fn value_of(reader: &Reader, name: &str) -> Option<toml::Value> {
    match (reader.found(name), reader.merged(name)) {
        (Some(file), _) => Some(toml::Value::String(file.display().to_string())),
        (None, Some(value)) => Some(typed(value, reader.default(name))),
        (None, None) => None,
    }
}

/// Writes the merged settings of `reader`.
pub(super) fn to_toml(reader: &Reader) -> String {
    let mut lines = vec![format!(
        "# The effective settings. Secrets are replaced by \"{REDACTED}\", and digests of secrets by \
         numbers."
    )];
    let mut section = String::new();
    for setting in describe_settings() {
        let name = setting.full_name();
        let found = reader.found(&name);
        if reader.merged(&name).is_none() && found.is_none() {
            continue;
        }
        if setting.section != section {
            section.clone_from(&setting.section);
            lines.push(format!("\n[{section}]"));
        }
        if let Some(file) = found {
            lines.push("# From $CREDENTIALS_DIRECTORY:".to_owned());
            let file = toml::Value::String(file.display().to_string());
            lines.push(format!("{} = {file}", setting.name));
        }
        let Some(value) = reader.merged(&name) else { continue };
        match redact(&name, typed(value, reader.default(&name)), REDACTED) {
            Some(value) => lines.push(format!("{} = {value}", setting.name)),
            None => lines.push(format!("# {} is invalid and not shown.", setting.name)),
        }
    }
    lines.join("\n")
}

/// Converts a value to the type of its default, because environment variables are text.
fn typed(value: &Value, default: Option<&Value>) -> toml::Value {
    let text = || toml::Value::String(value.clone().into_string().unwrap_or_default());
    match (default.map(|default| &default.kind), &value.kind) {
        (Some(ValueKind::Boolean(_)), _) => {
            value.clone().into_bool().map_or_else(|_| text(), toml::Value::Boolean)
        }
        (Some(ValueKind::I64(_)), _) => {
            value.clone().into_int().map_or_else(|_| text(), toml::Value::Integer)
        }
        (Some(ValueKind::Float(_)), _) => {
            value.clone().into_float().map_or_else(|_| text(), toml::Value::Float)
        }
        (Some(ValueKind::Array(_)), ValueKind::String(words)) => {
            let words = words.split_whitespace().map(|word| toml::Value::String(word.to_owned()));
            toml::Value::Array(words.collect())
        }
        (Some(ValueKind::Array(_)), _) => to_toml_value(value),
        _ => text(),
    }
}

/// Converts a list or a table, with the types of the file.
fn to_toml_value(value: &Value) -> toml::Value {
    let text = || toml::Value::String(value.clone().into_string().unwrap_or_default());
    match &value.kind {
        ValueKind::Boolean(value) => toml::Value::Boolean(*value),
        ValueKind::I64(value) => toml::Value::Integer(*value),
        ValueKind::Array(values) => toml::Value::Array(values.iter().map(to_toml_value).collect()),
        ValueKind::Table(members) => {
            let members = members.iter().map(|(name, value)| (name.clone(), to_toml_value(value)));
            toml::Value::Table(members.collect())
        }
        ValueKind::Nil
        | ValueKind::I128(_)
        | ValueKind::U64(_)
        | ValueKind::U128(_)
        | ValueKind::Float(_)
        | ValueKind::String(_) => text(),
    }
}

/// Replaces the secrets of a value; `None` if its secret parts are unknown.
fn redact(setting: &str, mut value: toml::Value, with: &str) -> Option<toml::Value> {
    match setting {
        "database.url" => {
            value.as_str().and_then(|url| redact_database_url(url, with)).map(toml::Value::String)
        }
        "mail.smtp_url" => {
            value.as_str().and_then(|url| redact_smtp_url(url, with)).map(toml::Value::String)
        }
        "authentication.issuers" => {
            for issuer in value.as_array_mut().into_iter().flatten() {
                let url = issuer.get_mut("jwks_url");
                if let Some(toml::Value::String(url)) = url
                    && let Some((base, _)) = url.split_once('?')
                {
                    *url = format!("{base}?{with}");
                }
            }
            Some(value)
        }
        "installation.applications" => {
            for (index, application) in value.as_array_mut().into_iter().flatten().enumerate() {
                if let Some(digest) = application.get_mut("token_sha256") {
                    *digest = toml::Value::String(redact_digest(index, with));
                }
            }
            Some(value)
        }
        "audit.sinks" => {
            for sink in value.as_array_mut().into_iter().flatten() {
                if let Some(toml::Value::String(url)) = sink.get_mut("url") {
                    *url = redact_webhook_url(url, with)?;
                }
            }
            Some(value)
        }
        _ => Some(value),
    }
}

/// Replaces the path of a webhook's URL, which many receivers take instead of a password; `None` for
/// an invalid URL.
fn redact_webhook_url(text: &str, with: &str) -> Option<String> {
    let mut url = Url::parse(text).ok()?;
    if url.path() == "/" {
        return Some(text.to_owned());
    }
    url.set_path(with);
    Some(url.into())
}

/// The replacement of the digest of an application's secret, which can be weak. In a file, it is
/// another digest for each application, so that the file remains valid.
fn redact_digest(index: usize, with: &str) -> String {
    if with == REDACTED { format!("{:064x}", index + 1) } else { with.to_owned() }
}

/// Replaces user name and password in the URL of a mail server; `None` for an invalid URL.
fn redact_smtp_url(text: &str, with: &str) -> Option<String> {
    let mut url = Url::parse(text).ok()?;
    if !url.username().is_empty() || url.password().is_some() {
        url.set_username(with).ok()?;
        url.set_password(Some(with)).ok()?;
    }
    Some(url.into())
}

/// Replaces the secrets of a database URL; `None` for a URL with unknown parts.
fn redact_database_url(text: &str, with: &str) -> Option<String> {
    let redact = |url: &str| Some((redact_url_of_host(url, with)?, ()));
    change_with_one_host(text, redact).map(|(redacted, ())| redacted)
}

fn redact_url_of_host(text: &str, with: &str) -> Option<String> {
    let mut url = Url::parse(text).ok()?;
    let is_postgresql = matches!(url.scheme(), "postgres" | "postgresql");
    // An @ in the path belongs to a password with an unescaped delimiter.
    if !is_postgresql || url.fragment().is_some() || url.path().contains('@') {
        return None;
    }
    if url.password().is_some() {
        url.set_password(Some(with)).ok()?;
    }
    let parameters: Vec<_> = url.query().into_iter().flat_map(|query| query.split('&')).collect();
    let redacted = parameters.into_iter().map(|parameter| redact_parameter(parameter, with));
    let parameters: Option<Vec<_>> = redacted.collect();
    let parameters = parameters?.join("&");
    url.set_query((!parameters.is_empty()).then_some(&parameters));
    Some(url.into())
}

fn redact_parameter(parameter: &str, with: &str) -> Option<String> {
    let (name, _) = parameter.split_once('=')?;
    let is_option = name.starts_with("options[");
    if PUBLIC_PARAMETERS.contains(&name) {
        Some(parameter.to_owned())
    } else if SECRET_PARAMETERS.contains(&name) || is_option {
        Some(format!("{name}={with}"))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webhook_url_is_shown_without_its_path() {
        for (url, with, shown) in [
            ("https://siem.example:8443/a/marker", REDACTED, "https://siem.example:8443/redacted"),
            ("https://siem.example/marker", SET, "https://siem.example/(set)"),
            ("https://siem.example/", SET, "https://siem.example/"),
            ("https://siem.example", SET, "https://siem.example"),
        ] {
            assert_eq!(redact_webhook_url(url, with).as_deref(), Some(shown), "{url}");
        }
        assert!(redact_webhook_url("marker", SET).is_none());
    }

    #[test]
    fn a_database_url_is_shown_without_its_secrets() {
        for (url, shown) in [
            ("postgres://u@h/d", Some("postgres://u@h/d")),
            ("postgres://u:marker@h:5/d", Some("postgres://u:redacted@h:5/d")),
            (
                "postgres://u:marker@a:5,[::1]:6/d?target_session_attrs=read-write",
                Some("postgres://u:redacted@a:5,[::1]:6/d?target_session_attrs=read-write"),
            ),
            (
                "postgres://h/d?user=u&password=marker",
                Some("postgres://h/d?user=u&password=redacted"),
            ),
            ("postgres://h/d?options=-c%20x=marker", Some("postgres://h/d?options=redacted")),
            (
                "postgres://h/d?sslkey=marker&sslmode=verify-full",
                Some("postgres://h/d?sslkey=redacted&sslmode=verify-full"),
            ),
            ("postgres://u:12?marker@h/d", None),
            ("postgres://u:12/marker@h/d", None),
            ("postgres://u:12#marker@h/d", None),
            ("postgres://h/d?sslpassword=marker", None),
            ("mysql://u:marker@h/d", None),
            ("marker", None),
        ] {
            let redact = |url: &str| redact_database_url(url, REDACTED);
            let redacted = redact(url);
            assert_eq!(redacted.as_deref(), shown, "{url}");
            // A redacted URL is shown as it is.
            assert_eq!(redacted.as_deref().and_then(redact), redacted, "{url}");
        }
    }
}
