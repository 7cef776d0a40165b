//! Runs `script/compose-rotate` and `script/compose-up` without containers: a script takes the place of
//! Docker.

use std::{
    collections::BTreeMap,
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    process::Command,
};

use tempfile::TempDir;

use crate::support::{CommandOutput, run_successfully, run_with_input};

/// In place of Docker: commands in containers read their standard input to the end. `psql` prints the
/// result of a query, and `nginx` runs the shell line in `NGINX`. Every container is healthy.
const DOCKER: &str = r#"#!/bin/sh
case "$*" in
    *" psql "*--command=*) cat >/dev/null; echo '(1 row)' ;;
    *" nginx "*) eval "$NGINX" ;;
    "compose exec "* | "compose run "*) cat >/dev/null ;;
    "run "*) echo '{}' ;;
    "inspect "*) echo healthy ;;
    "volume inspect "*) exit 1 ;;
esac
"#;

/// In place of `id`, because `script/compose-up` refuses root.
const ID: &str = "#!/bin/sh\necho 1000\n";

/// The scripts of a deployment, its secrets, and another certificate in the folder `elsewhere/new`.
struct Deployment {
    folder: TempDir,
}

impl Deployment {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        for name in ["script", "deploy", "bin"] {
            fs::create_dir(path.join(name)).unwrap();
        }
        let scripts = ["script/compose-rotate", "script/compose-secrets", "script/compose-up"];
        for name in scripts.into_iter().chain(["deploy/compose.sh"]) {
            fs::copy(name, path.join(name)).unwrap();
        }
        for (name, script) in [("docker", DOCKER), ("id", ID), ("sleep", "#!/bin/sh\n")] {
            let program = path.join("bin").join(name);
            fs::write(&program, script).unwrap();
            fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
        }
        for name in ["secrets", "elsewhere/new"] {
            run_successfully(Command::new("script/compose-secrets").arg(path.join(name)));
        }
        Self { folder }
    }

    /// Runs a shell line in the folder `elsewhere`. `nginx`: the line that checks a certificate.
    fn run(&self, line: &str, nginx: &str) -> CommandOutput {
        let mut command = Command::new("bash");
        command.arg("-c").arg(format!("PATH=$PWD/../bin:$PATH; {line}")).env("NGINX", nginx);
        command.current_dir(self.folder.path().join("elsewhere"));
        run_with_input(command, "")
    }

    /// The contents of the files in a folder. A folder in it has none.
    fn files(&self, folder: &str) -> BTreeMap<String, String> {
        let entries = fs::read_dir(self.folder.path().join(folder)).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        let named = paths.map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, fs::read_to_string(&path).unwrap_or_default())
        });
        named.collect()
    }
}

#[test]
fn a_loop_that_reads_names_of_roles_rotates_the_password_of_each() {
    let deployment = Deployment::start();
    let before = deployment.files("secrets");
    let line = r#"printf 'keeper\nkeeper_auditor\n' | while read -r role; do
        ../script/compose-rotate password "$role"
    done"#;
    assert_eq!(deployment.run(line, "").assert_success(), "");
    let mut changed = deployment.files("secrets");
    changed.retain(|name, content| before.get(name) != Some(content));
    assert_eq!(changed.into_keys().collect::<Vec<_>>(), ["auditor_password", "keeper_password"]);
}

#[test]
fn a_certificate_is_named_from_another_folder() {
    let deployment = Deployment::start();
    let mut expected = deployment.files("secrets");
    let new = deployment.files("elsewhere/new");
    for name in ["proxy_certificate", "proxy_key"] {
        expected.insert(name.to_owned(), new[name].clone());
    }
    let line = "../script/compose-rotate certificate new/proxy_certificate new/proxy_key";
    deployment.run(line, "").assert_success();
    assert_eq!(deployment.files("secrets"), expected);
}

#[test]
fn a_certificate_or_key_that_cannot_be_read_changes_nothing() {
    let deployment = Deployment::start();
    let before = deployment.files("secrets");
    for (files, error) in [
        ("missing missing", "cannot read the certificate "),
        ("missing new/proxy_key", "cannot read the certificate "),
        ("new/proxy_certificate missing", "cannot read the key "),
        ("new/proxy_key new/proxy_certificate", "cannot read the certificate "),
        ("new/proxy_certificate new/proxy_certificate", "cannot read the key "),
        ("new/proxy_certificate ../secrets/proxy_key", "does not match the certificate "),
    ] {
        let line = format!("../script/compose-rotate certificate {files}");
        deployment.run(&line, "").assert_error(error);
        assert_eq!(deployment.files("secrets"), before, "{files}");
    }
}

#[test]
fn a_rejected_or_interrupted_rotation_leaves_the_former_certificate_and_no_copy_of_its_key() {
    let deployment = Deployment::start();
    let before = deployment.files("secrets");
    let line = "../script/compose-rotate certificate new/proxy_certificate new/proxy_key";
    // The parent of the command is the script.
    for (nginx, code) in [("exit 1", 1), ("kill -TERM $PPID", 130)] {
        let finished = deployment.run(line, nginx);
        assert_eq!(finished.code, code, "{finished:?}");
        assert_eq!(deployment.files("secrets"), before, "{nginx}");
    }
}

#[test]
fn a_loop_that_reads_names_of_hosts_starts_the_deployment_for_each() {
    let deployment = Deployment::start();
    let line = r#"printf 'localhost\nother.example\n' | while read -r host; do
        ../script/compose-up "$host"
    done"#;
    let finished = deployment.run(line, "");
    for host in ["localhost", "other.example"] {
        assert!(finished.stderr.contains(&format!("ready at https://{host}:8443")), "{finished:?}");
    }
    finished.assert_success();
}

#[test]
fn a_start_names_the_hosts_for_which_the_certificate_is_not_valid() {
    let deployment = Deployment::start();
    let invalid = |hosts: &str| {
        let started = deployment.run(&format!("../script/compose-up {hosts}"), "");
        assert!(started.stderr.contains("ready at https://"), "{started:?}");
        let named = started.stderr.lines().filter_map(|line| {
            let (_, rest) = line.split_once("the certificate of the proxy is not valid for ")?;
            Some(rest.split_once(',')?.0.to_owned())
        });
        let named: Vec<_> = named.collect();
        started.assert_success();
        named
    };
    assert!(invalid("localhost").is_empty());
    let hosts = "other.example localhost 10.0.0.2";
    assert_eq!(invalid(hosts), ["other.example", "10.0.0.2"]);
    // The next step of the message.
    let line = format!(
        "../script/compose-secrets other {hosts} &&
        ../script/compose-rotate certificate other/proxy_certificate other/proxy_key"
    );
    deployment.run(&line, "").assert_success();
    assert!(invalid(hosts).is_empty());
}
