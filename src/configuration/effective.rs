//! Writes the effective settings as a TOML file for `KEEPER_CONFIG`, without secrets.

use config::{Value, ValueKind};
use url::Url;

use super::{descriptions::describe_settings, reader::Reader};

/// The replacement of a secret.
const REDACTED: &str = "redacted";

/// Parameters of `database.url` that contain no secret.
const PUBLIC_PARAMETERS: [&str; 13] = [
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
    "user",
];

/// Parameters of `database.url` whose values are redacted. The value of a key can be its PEM text.
const SECRET_PARAMETERS: [&str; 4] = ["options", "password", "ssl-key", "sslkey"];

/// Writes the merged settings of `reader`.
pub(super) fn to_toml(reader: &Reader) -> String {
    let mut lines =
        vec![format!("# The effective settings. Secrets are replaced by \"{REDACTED}\".")];
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
        match redact(&name, typed(value, reader.default(&name))) {
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
fn redact(setting: &str, mut value: toml::Value) -> Option<toml::Value> {
    match setting {
        "database.url" => value.as_str().and_then(redact_database_url).map(toml::Value::String),
        "mail.smtp_url" => value.as_str().and_then(redact_smtp_url).map(toml::Value::String),
        "authentication.issuers" => {
            for issuer in value.as_array_mut().into_iter().flatten() {
                let url = issuer.get_mut("jwks_url");
                if let Some(toml::Value::String(url)) = url
                    && let Some((base, _)) = url.split_once('?')
                {
                    *url = format!("{base}?{REDACTED}");
                }
            }
            Some(value)
        }
        _ => Some(value),
    }
}

/// Replaces user name and password in the URL of a mail server; `None` for an invalid URL.
fn redact_smtp_url(text: &str) -> Option<String> {
    let mut url = Url::parse(text).ok()?;
    if !url.username().is_empty() || url.password().is_some() {
        url.set_username(REDACTED).ok()?;
        url.set_password(Some(REDACTED)).ok()?;
    }
    Some(url.into())
}

/// Replaces the secrets of a database URL; `None` for a URL with unknown parts.
fn redact_database_url(text: &str) -> Option<String> {
    let mut url = Url::parse(text).ok()?;
    let is_postgresql = matches!(url.scheme(), "postgres" | "postgresql");
    // An @ in the path belongs to a password with an unescaped delimiter.
    if !is_postgresql || url.fragment().is_some() || url.path().contains('@') {
        return None;
    }
    if url.password().is_some() {
        url.set_password(Some(REDACTED)).ok()?;
    }
    let parameters: Vec<_> = url.query().into_iter().flat_map(|query| query.split('&')).collect();
    let parameters: Option<Vec<_>> = parameters.into_iter().map(redact_parameter).collect();
    let parameters = parameters?.join("&");
    url.set_query((!parameters.is_empty()).then_some(&parameters));
    Some(url.into())
}

fn redact_parameter(parameter: &str) -> Option<String> {
    let (name, _) = parameter.split_once('=')?;
    let is_option = name.starts_with("options[");
    if PUBLIC_PARAMETERS.contains(&name) {
        Some(parameter.to_owned())
    } else if SECRET_PARAMETERS.contains(&name) || is_option {
        Some(format!("{name}={REDACTED}"))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_url_is_shown_without_its_secrets() {
        for (url, shown) in [
            ("postgres://u@h/d", Some("postgres://u@h/d")),
            ("postgres://u:marker@h:5/d", Some("postgres://u:redacted@h:5/d")),
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
            let redacted = redact_database_url(url);
            assert_eq!(redacted.as_deref(), shown, "{url}");
            // A redacted URL is shown as it is.
            assert_eq!(redacted.as_deref().and_then(redact_database_url), redacted, "{url}");
        }
    }
}
