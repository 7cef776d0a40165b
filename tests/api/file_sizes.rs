//! Files that settings name are read up to a maximum length: a wrong path may lead to a log or a
//! device.

use std::path::PathBuf;

use base64::{Engine, engine::general_purpose::STANDARD};
use tempfile::TempDir;

use crate::support::{TestAuthority, keeper, replace, run_with_input};

const MAXIMUM: usize = 1024 * 1024;
const TOO_LONG: &str = "longer than 1 MiB; check that it is the right one";

/// Each setting with a file, as TOML. FILE is the path in question, and CERTIFICATE and KEY those of
/// valid files. SIGNING is the file of a key for webhooks.
const SETTINGS: &[(&str, &str)] = &[
    ("keyring.file", "keyring.file = 'FILE'"),
    ("database.password_file", "database.password_file = 'FILE'"),
    (
        "database.url",
        "database.url = 'postgres://k@localhost/k?sslmode=verify-full&sslrootcert=FILE'",
    ),
    (
        "database.url",
        "database.url = 'postgres://k@localhost/k?sslmode=verify-full&sslcert=FILE&sslkey=KEY'",
    ),
    (
        "database.url",
        "database.url = 'postgres://k@localhost/k?sslmode=verify-full&sslcert=CERTIFICATE&sslkey=FILE'",
    ),
    ("http.tls.certificate_file", "http.tls = { certificate_file = 'FILE', key_file = 'KEY' }"),
    ("http.tls.key_file", "http.tls = { certificate_file = 'CERTIFICATE', key_file = 'FILE' }"),
    (
        "http.tls.additional",
        "http.tls = { certificate_file = 'CERTIFICATE', key_file = 'KEY', \
         additional = [{ certificate_file = 'CERTIFICATE', key_file = 'FILE' }] }",
    ),
    (
        "operations.tls.certificate_file",
        "operations.tls = { certificate_file = 'FILE', key_file = 'KEY' }",
    ),
    (
        "operations.tls.key_file",
        "operations.tls = { certificate_file = 'CERTIFICATE', key_file = 'FILE' }",
    ),
    (
        "operations.tls.client_ca_file",
        "operations.tls = { certificate_file = 'CERTIFICATE', key_file = 'KEY', \
         client_ca_file = 'FILE' }",
    ),
    (
        "keyring.transit.token_file",
        "keyring.transit = { address = 'https://b.example', key = 'k', token_file = 'FILE' }",
    ),
    (
        "keyring.transit.ca_file",
        "keyring.transit = { address = 'https://b.example', key = 'k', token_file = 'KEY', \
         ca_file = 'FILE' }",
    ),
    (
        "keyring.pkcs11.pin_file",
        "keyring.pkcs11 = { module = '/bin/true', token = 't', key = 'k', pin_file = 'FILE' }",
    ),
    (
        "directory.password_file",
        "directory = { url = 'ldaps://d.example', user_base_dn = 'dc=d', \
         group_base_dn = 'dc=d', bind_dn = 'cn=k', password_file = 'FILE' }",
    ),
    (
        "directory.ca_file",
        "directory = { url = 'ldaps://d.example', user_base_dn = 'dc=d', \
         group_base_dn = 'dc=d', bind_dn = 'cn=k', password_file = 'KEY', ca_file = 'FILE' }",
    ),
    (
        "migration.hook_key_file",
        "migration = { hook_url = 'https://old.example', hook_key_file = 'FILE' }",
    ),
    (
        "migration.hook_ca_file",
        "migration = { hook_url = 'https://old.example', hook_key_file = 'KEY', \
         hook_ca_file = 'FILE' }",
    ),
    (
        "mail.smtp_url_file",
        "http.public_url = 'https://k.example'\n\
         mail = { from = 'k@example.com', smtp_url_file = 'FILE' }",
    ),
    (
        "mail.ca_file",
        "http.public_url = 'https://k.example'\n\
         mail = { from = 'k@example.com', smtp_url = 'smtps://m.example', ca_file = 'FILE' }",
    ),
    (
        "telemetry.otlp_ca_file",
        "telemetry = { otlp_url = 'https://o.example', otlp_ca_file = 'FILE' }",
    ),
    (
        "telemetry.otlp_headers_file",
        "telemetry = { otlp_url = 'https://o.example', otlp_headers_file = 'FILE' }",
    ),
    (
        "authentication.issuers",
        "authentication.issuers = [{ issuer = 'https://i.example', audience = 'a', \
         jwks_file = 'FILE', credential_type = 'OpenId' }]\n\
         credentials.additional_types = [{ name = 'OpenId', kind = 'identifier' }]",
    ),
    (
        "audit.sinks",
        "audit.sinks = [{ name = 's', type = 'syslog', address = 's.example:6514', \
         ca_file = 'FILE' }]",
    ),
    (
        "audit.sinks",
        "audit.sinks = [{ name = 's', type = 'syslog', address = 's.example:6514', \
         certificate_file = 'FILE', key_file = 'KEY' }]",
    ),
    (
        "audit.sinks",
        "audit.sinks = [{ name = 's', type = 'syslog', address = 's.example:6514', \
         certificate_file = 'CERTIFICATE', key_file = 'FILE' }]",
    ),
    (
        "audit.sinks",
        "audit.sinks = [{ name = 's', type = 'webhook', url = 'https://s.example', \
         key_file = 'FILE' }]",
    ),
    (
        "audit.sinks",
        "audit.sinks = [{ name = 's', type = 'webhook', url = 'https://s.example', \
         key_file = 'SIGNING', ca_file = 'FILE' }]",
    ),
];

/// A folder with a settings file and the files that it names.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        let issued = TestAuthority::new().issue(&["keeper.example"]);
        replace(&folder.path("certificate"), &issued.certificate, 0o400);
        replace(&folder.path("key"), &issued.key, 0o400);
        replace(&folder.path("signing"), &format!("whsec_{}\n", STANDARD.encode([7; 32])), 0o400);
        replace(&folder.path("keyring"), &new_keyring(), 0o400);
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The lines of `config check`.
    fn check(&self, settings: &str, file: &str) -> Vec<String> {
        let path = |name: &str| self.path(name).display().to_string();
        // What the other settings require.
        let mut text = settings.replace("FILE", &path(file));
        if !settings.starts_with("database.url") {
            text.push_str("\ndatabase.url = 'postgres://k@localhost/k'");
        }
        if !settings.starts_with("keyring.file") {
            text += "\nkeyring.file = 'KEYRING'";
        }
        let text = text
            .replace("KEYRING", &path("keyring"))
            .replace("CERTIFICATE", &path("certificate"))
            .replace("KEY", &path("key"));
        let text = text.replace("SIGNING", &path("signing"));
        replace(&self.path("keeper.toml"), &text, 0o400);
        let mut command = keeper(&["config", "check"]);
        command.env("KEEPER_CONFIG", self.path("keeper.toml"));
        let output = run_with_input(command, "");
        format!("{}{}", output.stdout, output.stderr).lines().map(str::to_owned).collect()
    }
}

fn new_keyring() -> String {
    run_with_input(keeper(&["keys", "generate", "--stdout"]), "").assert_success()
}

#[test]
fn a_file_of_a_setting_that_is_longer_than_the_maximum_is_refused_by_name() {
    let folder = Folder::new();
    replace(&folder.path("longest"), &"x".repeat(MAXIMUM), 0o400);
    replace(&folder.path("longer"), &"x".repeat(MAXIMUM + 1), 0o400);
    for (setting, text) in SETTINGS {
        let lines = folder.check(text, "longer");
        let names = |line: &&String| line.starts_with(setting) && line.contains(TOO_LONG);
        assert_eq!(lines.iter().filter(names).count(), 1, "{text}: {lines:?}");
        let lines = folder.check(text, "longest");
        assert!(!lines.iter().any(|line| line.contains(TOO_LONG)), "{text}: {lines:?}");
    }
}

#[test]
fn every_setting_with_a_file_is_in_the_table() {
    let reference = include_str!("../../docs/reference/settings.md");
    let rows = reference.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let is_file = |name: &&str| name.ends_with("file");
    let missing: Vec<_> = rows
        .filter(is_file)
        .filter(|name| !SETTINGS.iter().any(|(known, _)| known == name))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn a_secret_is_not_cut_at_the_maximum() {
    let folder = Folder::new();
    let keyring = new_keyring();
    for (length, is_valid) in [(MAXIMUM, true), (MAXIMUM + 1, false)] {
        replace(
            &folder.path("padded"),
            &format!("{keyring}{}", " ".repeat(length - keyring.len())),
            0o400,
        );
        let lines = folder.check("keyring.file = 'FILE'", "padded");
        let is_named = lines.iter().any(|line| line.starts_with("keyring.file"));
        assert_eq!(is_named, !is_valid, "{length}: {lines:?}");
    }
}

#[test]
fn a_settings_file_that_is_longer_than_the_maximum_is_refused() {
    let folder = Folder::new();
    let text = format!("log.level = 'info'\n#{}\n", "x".repeat(MAXIMUM));
    let lines = folder.check(&text, "key");
    assert!(
        lines.iter().any(|line| line.contains("keeper.toml: ") && line.contains(TOO_LONG)),
        "{lines:?}"
    );
}
