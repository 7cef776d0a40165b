//! Commands and settings of wrapped keyrings, without a master key in reach.

use std::{fs, os::unix::fs::PermissionsExt};

use tempfile::TempDir;

use crate::support::{CommandOutput, SoftHsm, keeper, restrict, run_with_input};

/// A folder with a file for each secret.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        for name in ["token", "pin", "library", "ca"] {
            folder.write(name, "text");
        }
        folder
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    fn write(&self, name: &str, text: &str) {
        let _ = fs::remove_file(self.path(name));
        fs::write(self.path(name), text).unwrap();
        restrict(self.path(name).as_ref());
    }

    /// Runs a command with settings of the sections `keyring.transit` and `keyring.pkcs11`.
    fn run(&self, arguments: &[&str], settings: &[(&str, &str)]) -> CommandOutput {
        let mut command = keeper(arguments);
        command.env("KEEPER__KEYRING__FILE", self.path("keyring.json"));
        command.env("KEEPER__DATABASE__URL", "postgres://keeper@127.0.0.1:1/keeper");
        for (name, value) in settings {
            let name = name.replace('.', "__").to_uppercase();
            command.env(format!("KEEPER__KEYRING__{name}"), value);
        }
        run_with_input(command, "")
    }

    fn transit(&self) -> Vec<(&'static str, String)> {
        vec![
            ("transit.address", "https://127.0.0.1:1".to_owned()),
            ("transit.key", "keeper".to_owned()),
            ("transit.token_file", self.path("token")),
        ]
    }

    fn pkcs11(&self) -> Vec<(&'static str, String)> {
        vec![
            ("pkcs11.module", self.path("library")),
            ("pkcs11.token", "keeper".to_owned()),
            ("pkcs11.key", "keyring".to_owned()),
            ("pkcs11.pin_file", self.path("pin")),
        ]
    }

    /// The problem that `config check` finds in these settings, of which one is changed.
    fn problem(&self, settings: &[(&str, String)], name: &str, value: &str) -> String {
        let mut settings: Vec<_> =
            settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        settings.retain(|(other, _)| *other != name);
        settings.push((name, value));
        let output = self.run(&["config", "check"], &settings);
        assert_eq!(output.code, 1, "{name}={value}: {output:?}");
        // Neither a user name nor a password.
        assert!(!output.stdout.contains("marker"), "{output:?}");
        output.stdout + &output.stderr
    }
}

#[test]
fn each_setting_of_a_master_key_has_its_refusal() {
    let folder = Folder::new();
    folder.run(&["keys", "generate"], &[]).assert_success();
    let transit = folder.transit();
    for (name, value, reason) in [
        ("transit.address", "", "keyring.transit.address: is required"),
        ("transit.address", "http://bao.example:8200", "must be an https URL"),
        ("transit.address", "https://marker:marker@bao.example", "must be an https URL"),
        ("transit.address", "https://bao.example/path", "must be an https URL"),
        ("transit.address", "bao.example", "must be an https URL"),
        ("transit.key", "", "keyring.transit.key: is required"),
        ("transit.key", "a/b", "keyring.transit.key: must consist of"),
        ("transit.mount", "a//b", "keyring.transit.mount: must consist of"),
        ("transit.namespace", "../x", "keyring.transit.namespace: must consist of"),
        ("transit.token_file", "", "keyring.transit.token_file: is required"),
        ("transit.timeout_seconds", "0", "keyring.transit.timeout_seconds: must be between 1"),
        ("transit.timeout_seconds", "61", "keyring.transit.timeout_seconds: must be between 1"),
    ] {
        let problem = folder.problem(&transit, name, value);
        assert!(problem.contains(reason), "{name}={value}: {problem}");
    }
    let pkcs11 = folder.pkcs11();
    for (name, value, reason) in [
        ("pkcs11.module", "", "keyring.pkcs11.module: is required"),
        ("pkcs11.module", "libsofthsm2.so", "keyring.pkcs11.module: must be an absolute path"),
        ("pkcs11.token", "", "keyring.pkcs11.token: is required"),
        ("pkcs11.token", "a label of more than 32 characters", "keyring.pkcs11.token: must be"),
        ("pkcs11.key", "", "keyring.pkcs11.key: is required"),
        ("pkcs11.pin_file", "", "keyring.pkcs11.pin_file: is required"),
    ] {
        let problem = folder.problem(&pkcs11, name, value);
        assert!(problem.contains(reason), "{name}={value}: {problem}");
    }
    let problem = folder.problem(&[], "transit.ca_file", &folder.path("ca"));
    assert!(problem.contains("keyring.transit.address: is required"), "{problem}");
}

#[test]
fn the_files_of_a_master_key_are_checked() {
    let folder = Folder::new();
    folder.run(&["keys", "generate"], &[]).assert_success();
    let (transit, pkcs11) = (folder.transit(), folder.pkcs11());
    let check = |settings: &[(&'static str, String)], more: &[(&'static str, String)]| {
        let all = [settings, more].concat();
        let all: Vec<_> = all.iter().map(|(name, value)| (*name, value.as_str())).collect();
        folder.run(&["config", "check"], &all).stdout
    };
    for (settings, file, setting) in [
        (&transit, "token", "keyring.transit.token_file: permissions on"),
        (&pkcs11, "pin", "keyring.pkcs11.pin_file: permissions on"),
    ] {
        fs::set_permissions(folder.path(file), PermissionsExt::from_mode(0o444)).unwrap();
        let problems = check(settings, &[]);
        assert!(problems.contains(setting), "{problems}");
        restrict(folder.path(file).as_ref());
        assert!(!check(settings, &[]).contains(setting));
    }
    let invalid = check(&transit, &[("transit.ca_file", folder.path("ca"))]);
    assert!(invalid.contains("contains no valid certificate"), "{invalid}");
    let absent = check(&transit, &[("transit.ca_file", folder.path("absent"))]);
    assert!(absent.contains("keyring.transit.ca_file: cannot read"), "{absent}");
    fs::remove_file(folder.path("library")).unwrap();
    assert!(check(&pkcs11, &[]).contains("keyring.pkcs11.module: failed to read"));
}

#[test]
fn a_keyring_and_its_settings_must_belong_together() {
    let tokens = SoftHsm::new();
    let folder = Folder::new();
    let run = |arguments: &[&str], settings: &[(String, String)]| {
        let mut command = keeper(arguments);
        command.env("KEEPER__KEYRING__FILE", folder.path("keyring.json"));
        command.env("KEEPER__DATABASE__URL", "postgres://keeper@127.0.0.1:1/keeper");
        command.envs(settings.iter().cloned());
        run_with_input(command, "")
    };
    let settings = tokens.settings();
    run(&["keys", "generate"], &[]).assert_success();
    let plain = fs::read_to_string(folder.path("keyring.json")).unwrap();
    let told = run(&["config", "check"], &settings);
    assert!(told.stdout.contains("keyring.pkcs11 is set; run `keys wrap`"), "{told:?}");
    run(&["rotate-key", "add"], &settings).assert_error("run `keys wrap`");
    run(&["keys", "wrap"], &[]).assert_error("the settings name no master key");
    run(&["keys", "unwrap"], &[]).assert_error("is not wrapped");
    run(&["keys", "wrap", "--master-key", "transit"], &settings)
        .assert_error("keyring.transit is not set");
    assert_eq!(fs::read_to_string(folder.path("keyring.json")).unwrap(), plain);

    let printed = run(&["keys", "wrap", "--stdout"], &settings).assert_success();
    assert_eq!(fs::read_to_string(folder.path("keyring.json")).unwrap(), plain, "unchanged");
    folder.write("keyring.json", &printed);
    assert!(run(&["config", "check"], &settings).stdout.contains("the settings are valid"));
    let told = run(&["config", "check"], &[]).stdout;
    assert!(
        told.contains("wrapped by the pkcs11 master key keyring, and keyring.pkcs11"),
        "{told}"
    );
    run(&["rotate-key", "add"], &[]).assert_error("keyring.pkcs11 is not set; set that section");
    // Ids and states are not secret.
    assert!(run(&["keys", "list"], &[]).assert_success().contains("pkcs11:keyring"));

    // A failure of the master key leaves the file as it is.
    tokens.delete_token("keeper");
    for arguments in [&["keys", "rewrap"][..], &["keys", "unwrap"], &["rotate-key", "add"]] {
        run(arguments, &settings).assert_error("PKCS#11 token keeper not found");
        let text = fs::read_to_string(folder.path("keyring.json")).unwrap();
        assert_eq!(text.trim_end(), printed);
    }
}

#[test]
fn a_keyring_is_generated_wrapped_if_the_settings_name_a_master_key() {
    let tokens = SoftHsm::new();
    let folder = Folder::new();
    let run = |arguments: &[&str]| {
        let mut command = keeper(arguments);
        command.env("KEEPER__KEYRING__FILE", folder.path("keyring.json")).envs(tokens.settings());
        run_with_input(command, "")
    };
    run(&["keys", "generate"]).assert_success();
    let mode = fs::metadata(folder.path("keyring.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o400);
    assert!(run(&["keys", "list"]).assert_success().contains("pkcs11:keyring"));
    run(&["keys", "generate"]).assert_error("already exists");
    let printed = run(&["keys", "generate", "--stdout"]).assert_success();
    assert!(printed.contains("\"wrap\"") && !printed.contains("secret"), "{printed}");
}
