//! Tests of the settings that are reloaded.

use std::{collections::HashMap, io::Write};

use super::{
    descriptions::{SettingDescription, describe_settings},
    reader::Reader,
    reloaded::is_reloaded,
    sections::Settings,
};

/// A value for each setting without a default, so that no section is off.
const BASE: &str = r#"
[http]
public_url = "https://a.example"
[http.tls]
certificate_file = "/a.crt"
key_file = "/a.key"
[operations.tls]
certificate_file = "/b.crt"
key_file = "/b.key"
client_ca_file = "/b-ca.crt"
[database]
url = "postgres://a@localhost/a"
password_file = "/a-password"
role = "a"
auditor_role = "b"
[keyring]
file = "/a-keyring"
[keyring.transit]
address = "https://bao.example"
key = "a"
token_file = "/a-token"
namespace = "a"
ca_file = "/a-ca"
[keyring.pkcs11]
module = "/a.so"
token = "a"
key = "a"
pin_file = "/a-pin"
[directory]
url = "ldaps://a.example"
ca_file = "/a-ca"
bind_dn = "CN=a"
password_file = "/a-password"
user_base_dn = "DC=a"
domain = "A"
group_base_dn = "DC=a"
verify_passwords = true
[migration]
hook_url = "https://old.example/"
hook_key_file = "/a-hook"
hook_ca_file = "/a-ca"
[mail]
smtp_url_file = "/a-smtp"
ca_file = "/a-ca"
from = "A <a@a.example>"
address_type = "Email"
[passwords]
check_at_login_except = ["external"]
[telemetry]
otlp_url = "https://collector.example/"
otlp_ca_file = "/a-ca"
otlp_headers_file = "/a-headers"
"#;

/// Another value of the settings that are neither numbers, switches nor plain texts, in TOML.
const OTHERS: [(&str, &str); 29] = [
    ("http.listen", "'127.0.0.1:9'"),
    ("operations.listen", "'127.0.0.1:9'"),
    ("http.public_url", "'https://b.example'"),
    ("http.trusted_proxies", "['10.0.0.0/8']"),
    ("http.cors_origins", "['https://b.example']"),
    ("http.tls.additional", "[{certificate_file = '/c.crt', key_file = '/c.key'}]"),
    ("installation.type", "'online'"),
    ("installation.applications", "[{name = 'a', token_sha256 = 'ab'}]"),
    ("database.distributed", "'on'"),
    ("keyring.transit.address", "'https://other.example'"),
    (
        "authentication.issuers",
        "[{issuer = 'i', audience = 'a', jwks_file = '/k', credential_type = 'ActiveDirectory'}]",
    ),
    ("audit.sinks", "[{name = 'a', type = 'file', file = '/a'}]"),
    ("audit.when_full", "'refuse'"),
    ("credentials.additional_types", "[{name = 'Pin', kind = 'secret'}]"),
    ("directory.url", "'ldaps://b.example'"),
    ("directory.start_tls", "false"),
    ("directory.allow_unencrypted", "true"),
    ("directory.user_columns", "['cn']"),
    ("migration.hook_url", "'https://other.example/'"),
    ("mail.from", "'B <b@b.example>'"),
    ("mail.smtp_url", "'smtps://b.example'"),
    ("passwords.policy", "'none'"),
    ("passwords.context_words", "['other']"),
    ("passwords.check_at_login_except", "['internal']"),
    ("log.format", "'text'"),
    ("http.allowed_hosts", "['b.example']"),
    ("log.level", "'debug'"),
    ("telemetry.otlp_url", "'https://other.example/'"),
    ("telemetry.trace_sample_ratio", "0.5"),
];

/// Settings whose value has no effect with the others of [`BASE`], or is not shown by `Debug`.
const INVISIBLE: [&str; 4] =
    ["database.url", "directory.start_tls", "directory.allow_unencrypted", "mail.smtp_url"];

/// Reads settings, valid or not.
fn settings(text: &str) -> Settings {
    let mut file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let mut reader = Reader::open(Some(file.path()), HashMap::new()).unwrap();
    Settings::take(&mut reader)
}

/// [`BASE`] with another value of a setting.
fn with_other(setting: &SettingDescription) -> String {
    let name = setting.full_name();
    let other = OTHERS.iter().find(|(other, _)| *other == name).map(|(_, value)| *value);
    let mut table: toml::Table = BASE.parse().unwrap();
    let mut section = &mut table;
    for part in setting.section.split('.') {
        let entry = section.entry(part).or_insert_with(|| toml::Table::new().into());
        section = entry.as_table_mut().unwrap();
    }
    let current = section.get(&setting.name).cloned();
    let default = setting.default.as_ref().map(|text| format!("x = {text}"));
    let default: Option<toml::Table> = default.map(|text| text.parse().unwrap());
    let current = current.or_else(|| Some(default?.get("x")?.clone()));
    let value = match (other, current) {
        (Some(text), _) => format!("x = {text}").parse::<toml::Table>().unwrap()["x"].clone(),
        (None, Some(toml::Value::Boolean(value))) => (!value).into(),
        (None, Some(toml::Value::Integer(value))) => (value + 1).into(),
        (None, _) => "/other".into(),
    };
    section.insert(setting.name.clone(), value);
    table.to_string()
}

#[test]
fn a_reload_takes_over_exactly_the_settings_that_are_documented_as_reloaded() {
    let base = settings(BASE);
    let shown = |settings: &Settings| format!("{settings:#?}");
    for setting in describe_settings() {
        let name = setting.full_name();
        let changed = settings(&with_other(&setting));
        let differs = shown(&changed) != shown(&base) || INVISIBLE.contains(&name.as_str());
        assert!(differs, "{name} has no other value here");
        let expected = if is_reloaded(&name) { &changed } else { &base };
        assert_eq!(shown(&base.reloaded(&changed)), shown(expected), "{name}");
        assert_eq!(setting.is_reloaded, is_reloaded(&name), "{name}");
    }
}
