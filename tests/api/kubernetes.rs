//! The settings of `deploy/kubernetes`, without a cluster. `tests/acceptance/kubernetes.py` checks
//! the manifests as kustomize renders them.

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use yaml_rust2::{Yaml, YamlLoader};

use crate::support::{keeper, run_with_input};

/// The files that the pods mount, and the files of `script/compose-secrets` that take their place.
const FILES: [(&str, &str); 7] = [
    ("/run/secrets/tls/tls.crt", "proxy_certificate"),
    ("/run/secrets/tls/tls.key", "proxy_key"),
    ("/run/secrets/database-ca/ca.crt", "database_certificate"),
    ("/run/secrets/database/password", "keeper_password"),
    ("/run/secrets/database-owner/password", "owner_password"),
    ("/run/secrets/database-auditor/password", "auditor_password"),
    ("/run/secrets/keyring/keyring.json", "keyring.json"),
];

fn manifest(name: &str) -> Yaml {
    let text = fs::read_to_string(format!("deploy/kubernetes/base/{name}")).unwrap();
    YamlLoader::load_from_str(&text).unwrap().remove(0)
}

/// The container of the pods of a manifest.
fn container(name: &str) -> Yaml {
    let spec = manifest(name)["spec"].clone();
    // A CronJob has a template of jobs, which has that of pods.
    let of_jobs = &spec["jobTemplate"]["spec"];
    let spec = if of_jobs.is_badvalue() { &spec } else { of_jobs };
    spec["template"]["spec"]["containers"][0].clone()
}

/// The variables of that container.
fn variables(name: &str) -> BTreeMap<String, String> {
    let text = |yaml: &Yaml| yaml.as_str().unwrap().to_owned();
    let container = container(name);
    let variables = container["env"].as_vec().unwrap().iter();
    variables.map(|one| (text(&one["name"]), text(&one["value"]))).collect()
}

/// The variables of `settings.env`.
fn settings() -> BTreeMap<String, String> {
    let text = fs::read_to_string("deploy/kubernetes/base/settings.env").unwrap();
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let pairs = lines.map(|line| line.split_once('=').unwrap());
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Fails unless `config check` accepts the variables.
fn check(mut variables: BTreeMap<String, String>, folder: &Path) {
    let keyring = "KEEPER__KEYRING__FILE".to_owned();
    // The job does not need a keyring, but `config check` checks what `serve` needs.
    variables.entry(keyring).or_insert_with(|| "/run/secrets/keyring/keyring.json".to_owned());
    let mut command = keeper(&["config", "check"]);
    for (name, value) in variables {
        let local = FILES.iter().fold(value, |value, (mounted, file)| {
            value.replace(mounted, folder.join(file).to_str().unwrap())
        });
        assert!(!local.contains("/run/secrets/"), "{name} names a file that is not mounted");
        command.env(name, local);
    }
    run_with_input(command, "").assert_success();
}

#[test]
fn the_settings_of_the_manifests_are_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let secrets = Command::new("script/compose-secrets").arg(folder.path()).status().unwrap();
    assert!(secrets.success());
    let mut generate = keeper(&["keys", "generate", "--file"]);
    generate.arg(folder.path().join("keyring.json"));
    run_with_input(generate, "").assert_success();
    for variables in [settings(), variables("migrate.yaml"), variables("audit-verify.yaml")] {
        check(variables, folder.path());
    }
}

#[test]
fn each_of_three_roles_has_pods_of_its_own() {
    for (variables, role) in [
        (settings(), "keeper"),
        (variables("migrate.yaml"), "keeper_owner"),
        (variables("audit-verify.yaml"), "keeper_auditor"),
    ] {
        let url = &variables["KEEPER__DATABASE__URL"];
        assert!(url.starts_with(&format!("postgres://{role}@")), "{url}");
        // `migrate` grants both, and `doctor` checks both.
        assert_eq!(variables["KEEPER__DATABASE__ROLE"], "keeper", "{role}");
        assert_eq!(variables["KEEPER__DATABASE__AUDITOR_ROLE"], "keeper_auditor", "{role}");
    }
}

#[test]
fn the_server_and_the_jobs_run_commands_that_exist() {
    for (file, command) in [
        ("deployment.yaml", &["serve"][..]),
        ("migrate.yaml", &["migrate"]),
        ("audit-verify.yaml", &["audit", "verify"]),
    ] {
        let arguments = container(file)["args"].clone();
        let arguments = arguments.as_vec().unwrap().iter();
        assert!(arguments.map(Yaml::as_str).eq(command.iter().copied().map(Some)), "{file}");
        run_with_input(keeper(&[command, &["--help"]].concat()), "").assert_success();
    }
}
