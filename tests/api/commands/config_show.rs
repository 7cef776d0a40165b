//! `config show`: the effective settings and where each comes from.

use std::{fs, process::Command};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{keeper, restrict, run_with_input};

/// A settings file in a folder that also has the credentials of a systemd service.
struct Sources {
    folder: TempDir,
}

impl Sources {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("keeper.toml"), text).unwrap();
        Self { folder }
    }

    fn file(&self) -> String {
        self.folder.path().join("keeper.toml").to_str().unwrap().to_owned()
    }

    fn show(&self, arguments: &[&str]) -> Command {
        let mut command = keeper(&[&["config", "show"], arguments].concat());
        command.env("KEEPER_CONFIG", self.file());
        command
    }
}

const TEXT: &str = "# Settings\n[http]\nlisten = \"127.0.0.1:9000\"\n\n[hashing]\nmemory_kib = 65536\n\
                    iterations = 3\n[database]\nurl = \"postgres://u:marker@127.0.0.1/d\"\n";

#[test]
fn every_setting_is_shown_with_its_origin() {
    let sources = Sources::new(TEXT);
    let credential = sources.folder.path().join("keyring.file");
    fs::write(&credential, "x").unwrap();
    restrict(&credential);
    let mut command = sources.show(&["--json"]);
    command
        .env("KEEPER__HASHING__ITERATIONS", "4")
        .env("KEEPER__LOG__LEVEL", "")
        .env("KEEPER__HTTP__ALLOWED_HOSTS", "a.example b.example")
        .env("CREDENTIALS_DIRECTORY", sources.folder.path());
    let shown = run_with_input(command, "").assert_success();
    assert!(!shown.contains("marker"), "{shown}");
    let shown: Vec<Value> = serde_json::from_str(&shown).unwrap();
    let find = |setting: &str| {
        let found = shown.iter().find(|shown| shown["setting"] == setting);
        let found = found.unwrap_or_else(|| panic!("{setting} is not shown"));
        (found["value"].to_string(), found["origin"].as_str().unwrap(), found["source"].clone())
    };
    let file = sources.file();
    for (setting, value, origin, source) in [
        ("http.listen", r#""127.0.0.1:9000""#, "file", format!("{file}:3")),
        ("hashing.memory_kib", "65536", "file", format!("{file}:6")),
        ("hashing.iterations", "4", "environment", "KEEPER__HASHING__ITERATIONS".to_owned()),
        (
            "http.allowed_hosts",
            r#"["a.example","b.example"]"#,
            "environment",
            "KEEPER__HTTP__ALLOWED_HOSTS".to_owned(),
        ),
        ("hashing.parallelism", "1", "default", "default".to_owned()),
        ("log.level", r#""info""#, "default", "default".to_owned()),
        ("telemetry.trace_sample_ratio", "1.0", "default", "default".to_owned()),
        (
            "keyring.file",
            &format!("\"{}\"", credential.display()),
            "credential",
            "$CREDENTIALS_DIRECTORY".to_owned(),
        ),
        ("database.url", r#""postgres://u:(set)@127.0.0.1/d""#, "file", format!("{file}:9")),
    ] {
        assert_eq!(find(setting), (value.to_owned(), origin, Value::String(source)), "{setting}");
    }
}

#[test]
fn the_table_and_the_file_show_the_same_settings() {
    let sources = Sources::new(TEXT);
    let table = run_with_input(sources.show(&[]), "").assert_success();
    assert!(!table.contains("marker"), "{table}");
    let line = table.lines().find(|line| line.starts_with("hashing.memory_kib ")).unwrap();
    assert!(line.contains(" 65536 ") && line.ends_with("keeper.toml:6"), "{line}");
    let line = table.lines().find(|line| line.starts_with("hashing.parallelism ")).unwrap();
    assert!(line.ends_with(" default"), "{line}");
    let text = run_with_input(sources.show(&["--format", "toml"]), "").assert_success();
    let parsed: toml::Table = text.parse().unwrap();
    assert_eq!(parsed["hashing"]["memory_kib"].as_integer(), Some(65536), "{text}");
    assert_eq!(parsed["http"]["listen"].as_str(), Some("127.0.0.1:9000"), "{text}");
    assert!(text.contains(&format!("memory_kib = 65536  # {}:6", sources.file())), "{text}");
}

#[test]
fn a_secret_that_cannot_be_told_apart_is_hidden_as_a_whole() {
    let sources = Sources::new("[database]\nurl = \"postgres://h/d?sslpassword=marker\"\n");
    let shown = run_with_input(sources.show(&["--format", "toml"]), "").assert_success();
    assert!(shown.contains("url = \"(set)\"") && !shown.contains("marker"), "{shown}");
}

#[test]
fn unknown_and_invalid_settings_are_refused() {
    let unknown = Sources::new("[http]\nunknown = \"marker\"\n");
    let finished = run_with_input(unknown.show(&[]), "");
    assert!(!finished.stderr.contains("marker"), "{finished:?}");
    finished.assert_error("http.unknown: unknown setting");
    let invalid = Sources::new("[hashing]\niterations = 0\n");
    run_with_input(invalid.show(&["--json"]), "").assert_error("hashing: ");
    let both = Sources::new("");
    run_with_input(both.show(&["--json", "--format", "toml"]), "").assert_usage_error();
}
