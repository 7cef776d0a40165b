//! Rules of the section `directory`.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use super::{DirectoryEncryption, Problems, Settings};

/// The settings that are required together.
const COMPLETE: [(&str, &str); 5] = [
    ("URL", "ldaps://dc1.example.com"),
    ("BIND_DN", "cn=keeper"),
    ("PASSWORD_FILE", "/f"),
    ("USER_BASE_DN", "dc=u"),
    ("GROUP_BASE_DN", "dc=g"),
];

fn read(settings: &[(&str, &str)]) -> Result<Settings, Problems> {
    let variable =
        |(name, value): &(&str, &str)| (format!("KEEPER__DIRECTORY__{name}"), (*value).to_owned());
    let variables: HashMap<_, _> = settings.iter().map(variable).collect();
    Settings::read(None, variables)
}

fn read_with(more: &[(&str, &str)]) -> Result<Settings, Problems> {
    read(&[&COMPLETE[..], more].concat())
}

#[test]
fn the_url_decides_server_and_encryption() {
    use DirectoryEncryption::{Nothing, StartTls, Tls};
    assert!(read(&[]).unwrap().directory.is_none());
    for (url, start_tls, host, port, encryption) in [
        ("ldaps://DC1.example.com", "true", "dc1.example.com", 636, Tls),
        ("ldaps://192.0.2.1:3269/", "true", "192.0.2.1", 3269, Tls),
        ("ldap://dc1.example.com", "true", "dc1.example.com", 389, StartTls),
        ("ldap://[2001:db8::1]:10389", "true", "2001:db8::1", 10389, StartTls),
        ("ldap://127.0.0.1", "false", "127.0.0.1", 389, Nothing),
        ("ldap://[::1]", "false", "::1", 389, Nothing),
        ("ldap://localhost", "false", "localhost", 389, Nothing),
    ] {
        let settings = read_with(&[("URL", url), ("START_TLS", start_tls)]).unwrap();
        let directory = settings.directory.unwrap();
        assert_eq!((directory.host.as_str(), directory.port), (host, port), "{url}");
        assert_eq!(directory.encryption, encryption, "{url}");
    }
    let waived = [("URL", "ldap://dc1"), ("START_TLS", "false"), ("ALLOW_UNENCRYPTED", "true")];
    let directory = read_with(&waived).unwrap().directory.unwrap();
    assert!(directory.encryption == Nothing && !directory.is_loopback);
}

#[test]
fn every_invalid_setting_is_named_without_its_value() {
    let long = "x".repeat(16);
    for (settings, named) in [
        (vec![("URL", "marker")], "url"),
        (vec![("URL", "https://marker")], "url"),
        (vec![("URL", "ldap:marker")], "url"),
        (vec![("URL", "ldaps:///dc=marker")], "url"),
        (vec![("URL", "ldaps://marker@dc1")], "url"),
        (vec![("URL", "ldaps://u:marker@dc1")], "url"),
        (vec![("URL", "ldaps://dc1/dc=marker")], "url"),
        (vec![("URL", "ldaps://dc1?marker")], "url"),
        (vec![("URL", "ldaps://mark%20er")], "url"),
        (vec![("START_TLS", "false")], "start_tls"),
        (vec![("START_TLS", "marker")], "start_tls"),
        (vec![("URL", "ldap://dc1"), ("START_TLS", "false")], "start_tls"),
        (vec![("ALLOW_UNENCRYPTED", "true")], "allow_unencrypted"),
        (vec![("URL", "ldap://dc1"), ("ALLOW_UNENCRYPTED", "true")], "allow_unencrypted"),
        (
            vec![("URL", "ldap://[::1]"), ("START_TLS", "false"), ("ALLOW_UNENCRYPTED", "true")],
            "allow_unencrypted",
        ),
        (vec![("URL", "ldap://[::1]"), ("START_TLS", "false"), ("CA_FILE", "/marker")], "ca_file"),
        (vec![("BIND_DN", " ")], "bind_dn"),
        (vec![("USER_BASE_DN", " ")], "user_base_dn"),
        (vec![("GROUP_BASE_DN", " ")], "group_base_dn"),
        (vec![("DOMAIN", "marker.local")], "domain"),
        (vec![("DOMAIN", "MARK\\ER")], "domain"),
        (vec![("DOMAIN", long.as_str())], "domain"),
        (vec![("USER_VALUE_ATTRIBUTE", "mark er")], "user_value_attribute"),
        (vec![("USER_NAME_ATTRIBUTE", "*")], "user_name_attribute"),
        (vec![("GROUP_NAME_ATTRIBUTE", "-marker")], "group_name_attribute"),
        (vec![("USER_COLUMNS", "mail,marker")], "user_columns"),
        (vec![("CONNECT_TIMEOUT_SECONDS", "0")], "connect_timeout_seconds"),
        (vec![("SEARCH_TIMEOUT_SECONDS", "7")], "search_timeout_seconds"),
        (vec![("PAGE_SIZE", "0")], "page_size"),
        (vec![("PAGE_SIZE", "1001")], "page_size"),
        (vec![("PAGE_SIZE", "marker")], "page_size"),
        (vec![("MAXIMUM_ENTRIES", "0")], "maximum_entries"),
        (vec![("MAXIMUM_ENTRIES", "10001")], "maximum_entries"),
        (vec![("MAXIMUM_CONNECTIONS", "0")], "maximum_connections"),
        (vec![("MAXIMUM_CONNECTIONS", "65")], "maximum_connections"),
    ] {
        assert_named(&settings, named);
    }
}

/// Asserts that these settings are refused, and that one is named without its value.
#[track_caller]
fn assert_named(settings: &[(&str, &str)], named: &str) {
    let problems = read_with(settings).unwrap_err();
    let found: BTreeSet<_> = problems.0.iter().map(|problem| &problem.setting).collect();
    let expected = format!("directory.{named}");
    assert_eq!(found, BTreeSet::from([&expected]), "{settings:?}: {problems}");
    let text = problems.to_string().to_lowercase();
    assert!(!text.contains("marker"), "{settings:?}: {problems}");
}

#[test]
fn every_invalid_setting_of_verified_passwords_is_named_without_its_value() {
    for (settings, named) in [
        (vec![("VERIFY_PASSWORDS", "marker")], "verify_passwords"),
        (vec![("VERIFY_TIMEOUT_SECONDS", "0")], "verify_timeout_seconds"),
        (vec![("VERIFY_TIMEOUT_SECONDS", "11")], "verify_timeout_seconds"),
        (vec![("VERIFY_MAXIMUM_CONNECTIONS", "0")], "verify_maximum_connections"),
        (vec![("VERIFY_MAXIMUM_CONNECTIONS", "65")], "verify_maximum_connections"),
        (vec![("VERIFIED_LIFETIME_SECONDS", "301")], "verified_lifetime_seconds"),
        (vec![("VERIFIED_LIFETIME_SECONDS", "-1")], "verified_lifetime_seconds"),
        // More than http.answer_timeout_seconds and hashing.deadline_seconds leave.
        (
            vec![("VERIFY_PASSWORDS", "true"), ("VERIFY_TIMEOUT_SECONDS", "4")],
            "verify_timeout_seconds",
        ),
        (
            vec![
                ("VERIFY_PASSWORDS", "true"),
                ("URL", "ldap://dc1"),
                ("START_TLS", "false"),
                ("ALLOW_UNENCRYPTED", "true"),
            ],
            "verify_passwords",
        ),
    ] {
        assert_named(&settings, named);
    }
}

#[test]
fn a_setting_of_a_directory_needs_the_others() {
    for one in COMPLETE.iter().chain(&[("DOMAIN", "DOM"), ("CA_FILE", "/f")]) {
        let problems = read(&[*one]).unwrap_err();
        let found: BTreeSet<_> = problems.0.iter().map(|problem| &*problem.setting).collect();
        let others = COMPLETE.iter().filter(|other| *other != one);
        let others: Vec<_> =
            others.map(|(name, _)| format!("directory.{}", name.to_lowercase())).collect();
        assert_eq!(found, others.iter().map(String::as_str).collect(), "{one:?}: {problems}");
    }
    for one in [("START_TLS", "false"), ("ALLOW_UNENCRYPTED", "true"), ("VERIFY_PASSWORDS", "true")]
    {
        let problems = read(&[one]).unwrap_err();
        assert!(problems.0.iter().any(|problem| problem.setting == "directory.url"), "{problems}");
    }
}

#[test]
fn passwords_are_verified_only_if_the_settings_say_so() {
    assert!(read_with(&[]).unwrap().directory.unwrap().verification.is_none());
    let on = ("VERIFY_PASSWORDS", "true");
    let verification = read_with(&[on]).unwrap().directory.unwrap().verification.unwrap();
    let seconds = Duration::from_secs;
    assert_eq!(verification.timeout, seconds(2));
    assert_eq!(verification.verified_lifetime, seconds(60));
    assert_eq!(verification.refusal_time(), Duration::from_millis(2500));
    let loopback = [on, ("URL", "ldap://[::1]"), ("START_TLS", "false")];
    assert!(read_with(&loopback).unwrap().directory.unwrap().verification.is_some());
    let longest = [on, ("VERIFY_TIMEOUT_SECONDS", "3"), ("VERIFIED_LIFETIME_SECONDS", "300")];
    assert!(read_with(&longest).is_ok());
    assert!(read_with(&[on, ("VERIFIED_LIFETIME_SECONDS", "0")]).is_ok());
}

#[test]
fn a_second_system_that_decides_and_logins_without_passwords_are_refused() {
    let mut variables: HashMap<_, _> = COMPLETE
        .iter()
        .map(|(name, value)| (format!("KEEPER__DIRECTORY__{name}"), (*value).to_owned()))
        .collect();
    variables.insert("KEEPER__DIRECTORY__VERIFY_PASSWORDS".to_owned(), "true".to_owned());
    for (more, part) in [
        (
            [
                ("KEEPER__MIGRATION__HOOK_URL", "https://old.example.com/"),
                ("KEEPER__MIGRATION__HOOK_KEY_FILE", "/f"),
            ],
            "contradicts migration.hook_url",
        ),
        (
            [
                ("KEEPER__AUTHENTICATION__BASIC", "false"),
                ("KEEPER__AUTHENTICATION__SESSION", "false"),
            ],
            "has no effect",
        ),
    ] {
        let more = more.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let all = variables.clone().into_iter().chain(more).collect();
        let problems = Settings::read(None, all).unwrap_err();
        assert_eq!(problems.0.len(), 1, "{problems}");
        assert_eq!(problems.0[0].setting, "directory.verify_passwords", "{problems}");
        assert!(problems.to_string().contains(part), "{problems}");
    }
}
