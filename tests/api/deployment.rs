//! The deployment files, as far as they can be checked where no image can be pulled: the compose
//! file is parsed, its environment is known to the settings, and its commands run as plain
//! processes with that environment.

use std::{
    collections::HashMap,
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::Command,
};

use sqlx::{ConnectOptions, PgPool};
use yaml_rust2::{Yaml, YamlLoader};

use crate::support::{Server, keeper, run_with_input};

fn compose() -> Yaml {
    let text = fs::read_to_string("docker-compose.yml").unwrap();
    YamlLoader::load_from_str(&text).unwrap().remove(0)
}

/// A member of a service, looked up in what is merged into it too.
fn member<'yaml>(service: &'yaml Yaml, name: &str) -> &'yaml Yaml {
    if service[name].is_badvalue() { &service["<<"][name] } else { &service[name] }
}

fn texts(list: &Yaml) -> Vec<&str> {
    list.as_vec().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

fn environment(service: &Yaml) -> HashMap<String, String> {
    let environment = member(service, "environment").as_hash().unwrap();
    let text = |yaml: &Yaml| yaml.as_str().unwrap().to_owned();
    environment.iter().map(|(name, value)| (text(name), text(value))).collect()
}

#[test]
fn the_service_runs_hardened_and_is_published_on_loopback_only() {
    let compose = compose();
    for name in ["migrate", "keeper"] {
        let service = &compose["services"][name];
        assert_eq!(member(service, "read_only").as_bool(), Some(true), "{name}");
        assert_eq!(texts(member(service, "cap_drop")), ["ALL"], "{name}");
        assert!(member(service, "user").as_str().unwrap().starts_with("${KEEPER_UID:?"), "{name}");
    }
    assert_eq!(texts(&compose["services"]["keeper"]["ports"]), ["127.0.0.1:8080:8080"]);
    assert!(compose["services"]["database"]["ports"].is_badvalue(), "PostgreSQL is not published");
}

#[test]
fn one_starts_after_the_other() {
    let services = &compose()["services"];
    let condition = |service: &str, of: &str| {
        services[service]["depends_on"][of]["condition"].as_str().unwrap().to_owned()
    };
    assert_eq!(condition("migrate", "database"), "service_healthy");
    assert_eq!(condition("keeper", "migrate"), "service_completed_successfully");
    assert!(!services["database"]["healthcheck"]["test"].is_badvalue());
}

#[test]
fn no_secret_stands_in_the_files() {
    let compose = compose();
    for secret in ["database_password", "keyring"] {
        assert!(compose["secrets"][secret]["file"].as_str().unwrap().starts_with("secrets/"));
    }
    let ignored = fs::read_to_string(".gitignore").unwrap();
    assert!(ignored.lines().any(|line| line == "/secrets/"));
    for (name, value) in environment(&compose["services"]["keeper"]) {
        let names_a_file = name.ends_with("_FILE") || name.ends_with("__FILE");
        assert!(!name.contains("PASSWORD") || names_a_file, "{name}");
        assert!(!value.contains(":keeper@"), "{name}");
    }
}

#[sqlx::test(migrations = false)]
async fn the_commands_run_with_the_environment_of_the_file(pool: PgPool) {
    let compose = compose();
    let folder = tempfile::tempdir().unwrap();
    let secret = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::write(secret("database_password"), "not asked for on this socket\n").unwrap();
    fs::set_permissions(secret("database_password"), Permissions::from_mode(0o400)).unwrap();
    let keys = keeper(&["keys", "generate", "--file", &secret("keyring")]);
    run_with_input(keys, "").succeeded();
    // Where things are differs here; everything else is as the file says.
    let here = HashMap::from([
        ("KEEPER__DATABASE__URL", pool.connect_options().to_url_lossy().to_string()),
        ("KEEPER__DATABASE__PASSWORD_FILE", secret("database_password")),
        ("KEEPER__KEYRING__FILE", secret("keyring")),
        ("KEEPER__HTTP__LISTEN", "127.0.0.1:0".to_owned()),
        ("KEEPER__OPERATIONS__LISTEN", "127.0.0.1:0".to_owned()),
    ]);
    let command = |service: &str| {
        let service = &compose["services"][service];
        let mut command = keeper(&texts(&service["command"]));
        command.envs(environment(service));
        command.envs(here.iter());
        command
    };
    let mut check: Command = keeper(&["config", "check"]);
    check.envs(environment(&compose["services"]["keeper"]));
    check.envs(here.iter().filter(|(name, _)| !name.ends_with("LISTEN")));
    assert_eq!(run_with_input(check, "").succeeded(), "the settings are sound");
    run_with_input(command("migrate"), "").succeeded();
    let server = Server::start(command("keeper")).unwrap();
    server.signal(rustix::process::Signal::TERM);
    let (ended_well, log) = server.wait();
    assert!(ended_well, "{log}");
}

#[test]
fn the_image_has_no_shell_no_root_and_asks_for_its_own_health() {
    let text = fs::read_to_string("Dockerfile").unwrap().replace("\\\n", " ");
    let (_, last_stage) = text.rsplit_once("\nFROM ").unwrap();
    assert!(last_stage.starts_with("gcr.io/distroless/"), "{last_stage}");
    assert!(last_stage.contains("\nUSER nonroot\n"));
    assert!(!last_stage.contains("\nRUN "), "nothing is built in the final image");
    let json = |instruction: &str| -> Vec<String> {
        let line = last_stage.lines().find(|line| line.starts_with(instruction)).unwrap();
        serde_json::from_str(&line[line.find('[').unwrap()..]).unwrap()
    };
    let [binary] = json("ENTRYPOINT").try_into().unwrap();
    let health: Vec<String> = json("HEALTHCHECK");
    assert_eq!(health, [binary.as_str(), "health"]);
    for command in [&health[1..], &json("CMD")[..]] {
        let known = keeper(&[command[0].as_str(), "--help"]);
        run_with_input(known, "").succeeded();
    }
    // A folder that the build needs and the image does not get is found here, not by `docker build`.
    let needless = [".ci", ".config", ".git", "data", "docs", "script", "secrets", "target"];
    let ignored = fs::read_to_string(".dockerignore").unwrap();
    for entry in fs::read_dir(".").unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        if entry.file_type().unwrap().is_dir() && !needless.contains(&name.as_str()) {
            assert!(text.contains(&format!("\nCOPY {name} ./{name}\n")), "{name} is not copied");
            assert!(ignored.contains(&format!("\n!{name}\n")), "{name} is ignored");
        }
    }
    for copied in text.lines().filter_map(|line| line.strip_prefix("COPY ")) {
        let sources = copied.split_whitespace().filter(|word| !word.starts_with("--from"));
        let sources: Vec<&str> = sources.collect();
        for source in &sources[..sources.len() - 1] {
            let is_built = source.starts_with("/source/");
            assert!(is_built || Path::new(source).exists(), "{source} is copied but not there");
        }
    }
}
