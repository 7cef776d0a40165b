//! Static checks of the deployment files, which need no image. `compose.rs` runs their processes.

use std::{fs, path::Path};

use crate::support::{compose::Compose, keeper, run_with_input};

#[test]
fn every_container_is_hardened_and_only_the_proxy_has_a_published_port() {
    let compose = Compose::read();
    for name in ["database", "migrate", "keeper", "auditor", "proxy"] {
        let service = compose.service(name);
        assert_eq!(service.member("read_only").as_bool(), Some(true), "{name}");
        assert_eq!(service.texts("cap_drop"), ["ALL"], "{name}");
        assert_eq!(service.texts("security_opt"), ["no-new-privileges:true"], "{name}");
        assert!(service.member("user").as_str().unwrap().starts_with("${KEEPER_UID:?"), "{name}");
        let is_published = !service.member("ports").is_badvalue();
        assert_eq!(is_published, name == "proxy", "{name}");
    }
    let ports = compose.service("proxy").texts("ports");
    assert_eq!(ports, ["${KEEPER_PUBLISH:-127.0.0.1:8443}:8443"]);
    assert_eq!(compose.yaml()["networks"]["database"]["internal"].as_bool(), Some(true));
    let services = compose.yaml()["services"].as_hash().unwrap();
    assert_eq!(services.len(), 5);
}

#[test]
fn every_container_has_limits_and_every_server_a_health_check() {
    let compose = Compose::read();
    for (name, _) in compose.yaml()["services"].as_hash().unwrap() {
        let name = name.as_str().unwrap();
        let service = compose.service(name);
        let memory = service.member("mem_limit").as_str().unwrap();
        // No swap, where the system does not allow memory to be locked.
        assert_eq!(service.member("memswap_limit").as_str(), Some(memory), "{name}");
        assert!(service.member("pids_limit").as_i64().unwrap() > 0, "{name}");
        assert!(!service.member("logging")["options"]["max-size"].is_badvalue(), "{name}");
    }
    for name in ["database", "keeper", "proxy"] {
        let service = compose.service(name);
        assert!(!service.member("stop_grace_period").is_badvalue(), "{name}");
        // The image has the health check of the service.
        let is_checked = !service.member("healthcheck")["test"].is_badvalue();
        assert_eq!(is_checked, name != "keeper", "{name}");
    }
}

#[test]
fn supervisors_wait_for_the_whole_shutdown() {
    // The defaults of shutdown.grace_seconds and shutdown.timeout_seconds, and the time limits of
    // the audit sinks, the anchors, the activity, the database, the collector and other threads.
    let longest = 5 + 30 + (5 + 5 + 4 + 5 + 5 + 2);
    let compose = Compose::read();
    let service = compose.service("keeper");
    let of_compose = service.member("stop_grace_period").as_str().unwrap().trim_end_matches('s');
    let unit = fs::read_to_string("packaging/debian/credential-keeper.service").unwrap();
    let of_unit = unit.lines().find_map(|line| line.strip_prefix("TimeoutStopSec=")).unwrap();
    for seconds in [of_compose, of_unit] {
        assert!(seconds.parse::<u32>().unwrap() > longest, "{seconds}");
    }
}

#[test]
fn services_start_in_order_of_their_dependencies() {
    let compose = Compose::read();
    let condition = |service: &str, other: &str| {
        let service = compose.service(service);
        service.member("depends_on")[other]["condition"].as_str().unwrap().to_owned()
    };
    assert_eq!(condition("migrate", "database"), "service_healthy");
    assert_eq!(condition("keeper", "migrate"), "service_completed_successfully");
    assert_eq!(condition("proxy", "keeper"), "service_healthy");
    assert!(!compose.service("database").member("healthcheck")["test"].is_badvalue());
}

#[test]
fn files_contain_no_secrets_and_services_mount_only_those_they_need() {
    let compose = Compose::read();
    for (name, secret) in compose.yaml()["secrets"].as_hash().unwrap() {
        assert!(secret["file"].as_str().unwrap().starts_with("secrets/"), "{name:?}");
    }
    let ignored = fs::read_to_string(".gitignore").unwrap();
    assert!(ignored.lines().any(|line| line == "/secrets/"));
    for (service, secrets) in [
        ("migrate", &["owner_password", "database_certificate"][..]),
        ("keeper", &["keyring", "keeper_password", "database_certificate"]),
        ("auditor", &["keyring", "auditor_password", "database_certificate"]),
        ("proxy", &["proxy_certificate", "proxy_key"]),
    ] {
        assert_eq!(compose.service(service).texts("secrets"), secrets, "{service}");
    }
    for service in ["database", "migrate", "keeper", "auditor"] {
        for (name, value) in compose.service(service).environment() {
            assert!(!name.contains("PASSWORD") || name.ends_with("_FILE"), "{name}");
            let authority = value.split_once("://").map_or("", |(_, rest)| rest);
            let user = authority.split_once('@').map_or("", |(user, _)| user);
            assert!(!user.contains(':'), "{name}");
        }
    }
}

/// The directives of the proxy, one per line.
fn proxy_directives() -> Vec<String> {
    let text = fs::read_to_string("deploy/nginx.conf").unwrap();
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    lines.map(|line| line.trim_end_matches(';').to_owned()).collect()
}

#[test]
fn the_proxy_has_the_trusted_address_and_sets_all_forwarded_headers() {
    let compose = Compose::read();
    let address = &compose.service("proxy").member("networks")["front"]["ipv4_address"];
    let keeper = compose.service("keeper").environment();
    assert_eq!(keeper["KEEPER__HTTP__TRUSTED_PROXIES"], address.as_str().unwrap());
    let port = keeper["KEEPER__HTTP__LISTEN"].rsplit_once(':').unwrap().1.to_owned();
    let directives = proxy_directives();
    let service = format!("set $service http://keeper:{port}");
    for directive in [
        service.as_str(),
        "listen 8443 ssl",
        "proxy_set_header Host $http_host",
        "proxy_set_header X-Forwarded-For $remote_addr",
        "proxy_set_header X-Forwarded-Proto https",
        "proxy_set_header X-Forwarded-Host $http_host",
    ] {
        assert!(directives.iter().any(|line| line == directive), "{directive}");
    }
    let files = compose.service("proxy").secrets(Path::new("secrets"));
    for (path, _) in files {
        assert!(directives.iter().any(|line| line.ends_with(&path)), "{path}");
    }
    let health = compose.service("proxy").texts_of("healthcheck", "test");
    let address = health.last().unwrap().trim_start_matches("http://").trim_end_matches('/');
    assert!(directives.iter().any(|line| line == &format!("listen {address}")), "{address}");
    for (_, mounted) in
        [compose.service("proxy").mounts(), compose.service("database").mounts()].concat()
    {
        assert!(Path::new(&mounted).is_file(), "{mounted}");
    }
}

#[test]
fn the_image_has_neither_shell_nor_root_and_checks_its_own_health() {
    let text = fs::read_to_string("Dockerfile").unwrap().replace("\\\n", " ");
    assert!(text.contains("\nARG RUNTIME_IMAGE=gcr.io/distroless/"), "{text}");
    assert!(text.contains("\nARG BINARY=compiled\n"), "{text}");
    let (_, last_stage) = text.rsplit_once("\nFROM ").unwrap();
    assert!(last_stage.starts_with("${RUNTIME_IMAGE}\n"), "{last_stage}");
    assert!(last_stage.contains("\nUSER nonroot\n"));
    assert!(!last_stage.contains("\nRUN "), "the final stage must not run a command");
    let json = |instruction: &str| -> Vec<String> {
        let line = last_stage.lines().find(|line| line.starts_with(instruction)).unwrap();
        serde_json::from_str(&line[line.find('[').unwrap()..]).unwrap()
    };
    let [binary] = json("ENTRYPOINT").try_into().unwrap();
    let health: Vec<String> = json("HEALTHCHECK");
    assert_eq!(health, [binary.as_str(), "health"]);
    for command in [&health[1..], &json("CMD")[..]] {
        let known = keeper(&[command[0].as_str(), "--help"]);
        run_with_input(known, "").assert_success();
    }
    // The build needs a `COPY` for each of these folders; this finds a missing one early.
    let not_needed = [
        ".ci",
        ".config",
        ".git",
        "data",
        "deploy",
        "docs",
        "fuzz",
        "packaging",
        "script",
        "secrets",
        "target",
    ];
    let ignored = fs::read_to_string(".dockerignore").unwrap();
    for entry in fs::read_dir(".").unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        if entry.file_type().unwrap().is_dir() && !not_needed.contains(&name.as_str()) {
            assert!(text.contains(&format!("\nCOPY {name} ./{name}\n")), "{name} is not copied");
            assert!(ignored.contains(&format!("\n!{name}\n")), "{name} is ignored");
        }
    }
    // `script/release` runs `script/advisories`.
    assert!(text.contains("\nCOPY script/advisories script/release script/setup ./script/\n"));
    for copied in text.lines().filter_map(|line| line.strip_prefix("COPY ")) {
        let sources = copied.split_whitespace().filter(|word| !word.starts_with("--from"));
        let sources: Vec<&str> = sources.collect();
        for source in &sources[..sources.len() - 1] {
            let is_built = ["/source/", "target/"].iter().any(|folder| source.starts_with(folder));
            assert!(
                is_built || Path::new(source).exists(),
                "{source} is copied but does not exist"
            );
            let is_sent = ignored.lines().any(|line| line.strip_prefix('!') == Some(source));
            assert!(is_sent || source.starts_with("/source/"), "{source} is ignored");
        }
    }
}

#[test]
fn scripts_read_the_log_by_its_names() {
    let schema = include_str!("../../docs/reference/log.schema.json");
    let schema: serde_json::Value = serde_json::from_str(schema).unwrap();
    let names = schema["properties"].as_object().unwrap();
    let read = fs::read_to_string("deploy/compose.sh").unwrap();
    let parts: Vec<_> = read.split("\\\"").collect();
    let read = parts.windows(2).filter(|parts| parts[1].starts_with(':'));
    let read: Vec<_> = read.map(|parts| parts[0]).collect();
    assert!(!read.is_empty(), "the rotation of secrets waits for a line of the log");
    for name in read {
        assert!(names.contains_key(name), "{name} is not in docs/reference/log.schema.json");
    }
}
