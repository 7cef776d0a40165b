//! `script/release`, with a script in the place of cargo.

use std::{
    env,
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    process::Command,
};

use crate::support::run_with_input;

/// In place of cargo: finds an advisory, and prints how it is called.
const CARGO: &str = r#"#!/bin/sh
case "$*" in
    "deny --version") ;;
    deny*) echo 'a known vulnerability' >&2; exit 1 ;;
    *) echo "cargo $*" >&2 ;;
esac
"#;

#[test]
fn nothing_is_built_with_a_known_vulnerability() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    for name in ["script", "bin", "home/advisory-dbs/advisory-db-1"] {
        fs::create_dir_all(path.join(name)).unwrap();
    }
    for name in ["script/advisories", "script/release"] {
        fs::copy(name, path.join(name)).unwrap();
    }
    let cargo = path.join("bin/cargo");
    fs::write(&cargo, CARGO).unwrap();
    fs::set_permissions(&cargo, Permissions::from_mode(0o755)).unwrap();
    let programs = format!("{}:{}", path.join("bin").display(), env::var("PATH").unwrap());
    for argument in [None, Some("binary")] {
        let mut command = Command::new(path.join("script/release"));
        command.args(argument).env("PATH", &programs).env("CARGO_HOME", path.join("home"));
        command.env("CARGO_TARGET_DIR", path.join("target")).env_remove("RELEASE_SIGNING_KEY");
        let finished = run_with_input(command, "");
        assert!(!finished.stderr.contains("cargo auditable"), "{argument:?}: {finished:?}");
        finished.assert_error("a known vulnerability");
    }
}
