//! Rules of the section `migration`.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use super::{Problems, Settings};

/// The settings that are required together.
const COMPLETE: [(&str, &str); 2] =
    [("MIGRATION__HOOK_URL", "https://old.example.com/verify"), ("MIGRATION__HOOK_KEY_FILE", "/f")];

fn read(settings: &[(&str, &str)]) -> Result<Settings, Problems> {
    let variable = |(name, value): &(&str, &str)| (format!("KEEPER__{name}"), (*value).to_owned());
    let variables: HashMap<_, _> = settings.iter().map(variable).collect();
    Settings::read(None, variables)
}

fn read_with(more: &[(&str, &str)]) -> Result<Settings, Problems> {
    read(&[&COMPLETE[..], more].concat())
}

#[test]
fn the_section_is_optional_and_accepts_https_and_http_on_loopback() {
    assert!(read(&[]).unwrap().migration.is_none());
    let migration = read_with(&[]).unwrap().migration.unwrap();
    assert_eq!((migration.timeout, migration.maximum_requests), (Duration::from_secs(3), 16));
    for url in [
        "https://old.example.com",
        "https://192.0.2.1:8443/a/b",
        "http://localhost/",
        "http://127.0.0.1:1/x",
        "http://[::1]/x",
    ] {
        let read = read_with(&[("MIGRATION__HOOK_URL", url)]);
        assert!(read.unwrap().migration.is_some(), "{url}");
    }
}

#[test]
fn every_invalid_setting_is_named_without_its_value() {
    for (settings, named) in [
        (vec![("HOOK_URL", "marker")], "hook_url"),
        (vec![("HOOK_URL", "http://marker.example.com/")], "hook_url"),
        (vec![("HOOK_URL", "http://192.0.2.1/marker")], "hook_url"),
        (vec![("HOOK_URL", "ftp://localhost/marker")], "hook_url"),
        (vec![("HOOK_URL", "https://marker@old.example.com")], "hook_url"),
        (vec![("HOOK_URL", "https://u:marker@old.example.com")], "hook_url"),
        (vec![("HOOK_URL", "https://old.example.com/?key=marker")], "hook_url"),
        (vec![("HOOK_URL", "https://old.example.com/#marker")], "hook_url"),
        (vec![("HOOK_TIMEOUT_SECONDS", "0")], "hook_timeout_seconds"),
        (vec![("HOOK_TIMEOUT_SECONDS", "61")], "hook_timeout_seconds"),
        (vec![("HOOK_TIMEOUT_SECONDS", "marker")], "hook_timeout_seconds"),
        // The answer times out after 9 seconds. A login waits 2 seconds for a place, 4 for the old
        // system, and 2 for each of two hashes.
        (vec![("HOOK_TIMEOUT_SECONDS", "4")], "hook_timeout_seconds"),
        (vec![("HOOK_MAXIMUM_REQUESTS", "0")], "hook_maximum_requests"),
        (vec![("HOOK_MAXIMUM_REQUESTS", "257")], "hook_maximum_requests"),
        (vec![("HOOK_URL", "http://localhost/"), ("HOOK_CA_FILE", "/marker")], "hook_ca_file"),
        (vec![("HOOK_MARKER", "1")], "hook_marker"),
    ] {
        let settings: Vec<_> = settings
            .into_iter()
            .map(|(name, value)| (format!("MIGRATION__{name}"), value))
            .collect();
        let settings: Vec<_> =
            settings.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        let problems = read_with(&settings).unwrap_err();
        let text = problems.to_string();
        let names: BTreeSet<_> = problems.0.iter().map(|problem| &problem.setting).collect();
        assert_eq!(names, [&format!("migration.{named}")].into(), "{settings:?}: {text}");
        assert!(named == "hook_marker" || !text.contains("marker"), "{settings:?}: {text}");
    }
}

#[test]
fn url_and_key_are_set_together() {
    for (settings, missing) in [
        (vec![COMPLETE[0]], "migration.hook_key_file"),
        (vec![COMPLETE[1]], "migration.hook_url"),
        (vec![COMPLETE[1], ("MIGRATION__HOOK_CA_FILE", "/c")], "migration.hook_url"),
        (vec![COMPLETE[0], ("MIGRATION__HOOK_CA_FILE", "/c")], "migration.hook_key_file"),
    ] {
        let problems = read(&settings).unwrap_err().0;
        let names: Vec<_> = problems.iter().map(|problem| problem.setting.as_str()).collect();
        assert_eq!(names, [missing], "{settings:?}");
    }
}

#[test]
fn an_installation_that_accepts_no_password_cannot_move_users() {
    let off = ("AUTHENTICATION__SESSION", "false");
    let text = read_with(&[off, ("AUTHENTICATION__BASIC", "false")]).unwrap_err().to_string();
    assert!(text.contains("migration.hook_url: has no effect"), "{text}");
    for more in [vec![off], vec![("AUTHENTICATION__BASIC", "false")]] {
        assert!(read_with(&more).is_ok(), "{more:?}");
    }
}

#[test]
fn an_online_installation_cannot_move_users() {
    for session in ["true", "false"] {
        let more = [("INSTALLATION__TYPE", "online"), ("AUTHENTICATION__SESSION", session)];
        let problems = read_with(&more).unwrap_err();
        let names: Vec<_> = problems.0.iter().map(|problem| problem.setting.as_str()).collect();
        assert_eq!(names, ["migration.hook_url"], "{session}");
        assert!(problems.to_string().contains("installation.type"), "{problems}");
    }
}
