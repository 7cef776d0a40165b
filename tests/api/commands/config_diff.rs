//! `config diff`.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::support::{CommandOutput, keeper, run_with_input};

const MARKER: &str = "MARKERe5Tn";

fn diff(arguments: &[&str], now: &Path, new: &Path) -> CommandOutput {
    let mut command = keeper(&["config", "diff"]);
    command.arg(new).args(arguments).env("KEEPER_CONFIG", now);
    // Variables override both files, so that they do not differ.
    command.env("KEEPER__TICKETS__MAXIMUM_PER_USER", "7");
    run_with_input(command, "")
}

#[test]
fn differences_are_listed_with_what_they_need_and_without_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let (now, new) = (folder.path().join("now.toml"), folder.path().join("new.toml"));
    let common = "tickets.maximum_per_user = 1\nlog.level = 'warn'\n";
    let url = |password: &str| format!("database.url = 'postgres://u:{password}@localhost/d'\n");
    fs::write(&now, format!("{common}{}http.base_path = '/a'\n", url(MARKER))).unwrap();
    fs::write(&new, format!("{}http.allowed_hosts = ['a.example']\n", url(&MARKER.to_lowercase())))
        .unwrap();
    let differs = diff(&["--json"], &now, &new);
    assert_eq!(differs.code, 1, "{differs:?}");
    assert!(!differs.stdout.to_lowercase().contains(&MARKER.to_lowercase()), "{differs:?}");
    let rows: Value = serde_json::from_str(&differs.stdout).unwrap();
    let shown = "\"postgres://u:(set)@localhost/d\"";
    let expected = json!([
        {"setting": "http.allowed_hosts", "now": "[]", "new": "[\"a.example\"]", "needs": "reload"},
        {"setting": "http.base_path", "now": "\"/a\"", "new": "\"\"", "needs": "restart"},
        {"setting": "database.url", "now": shown, "new": shown, "needs": "restart"},
        {"setting": "log.level", "now": "\"warn\"", "new": "\"info\"", "needs": "reload"},
    ]);
    assert_eq!(rows, expected);
    let same = diff(&[], &now, &now);
    assert_eq!(same.code, 0, "{same:?}");
    fs::write(&new, format!("attempts.maximum_failures = 0\nlog.level = '{MARKER}'\n")).unwrap();
    let invalid = diff(&[], &now, &new);
    assert!(!invalid.stderr.contains(MARKER), "{invalid:?}");
    invalid.assert_error("attempts.maximum_failures: must be between 1 and 100");
}
