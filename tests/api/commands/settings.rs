//! Settings and the files they name, as `config check` and every other command see them.

use std::{
    fs::{self, Permissions},
    net::TcpListener,
    os::unix::fs::{PermissionsExt, chown, symlink},
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use crate::support::{CommandOutput, keeper, run_with_input};

/// A folder with a keyring, and valid settings.
struct Installation {
    folder: TempDir,
}

impl Installation {
    fn new() -> Self {
        let installation = Self { folder: tempfile::tempdir().unwrap() };
        installation.run(&["keys", "generate"], &[]).assert_success();
        installation
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A file with that text and mode.
    fn file(&self, name: &str, text: &str, mode: u32) -> String {
        let path = self.path(name);
        let _ = fs::remove_file(&path);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn run(&self, arguments: &[&str], variables: &[(&str, &str)]) -> CommandOutput {
        let mut command = keeper(arguments);
        command
            .env("KEEPER__KEYRING__FILE", self.path("keyring.json"))
            .env("KEEPER__DATABASE__URL", "postgres://keeper@127.0.0.1:1/keeper")
            .env("KEEPER__DATABASE__ACQUIRE_TIMEOUT_SECONDS", "1")
            .env("KEEPER__DATABASE__STARTUP_WAIT_SECONDS", "0")
            .envs(variables.iter().copied());
        run_with_input(command, "")
    }

    /// The settings with a problem, as `config check` prints them.
    fn problems(&self, variables: &[(&str, &str)]) -> Vec<String> {
        let finished = self.run(&["config", "check"], variables);
        let lines = finished.stdout.lines().filter(|line| *line != "the settings are valid");
        lines.map(|line| line.split_once(": ").unwrap().0.to_owned()).collect()
    }
}

#[test]
fn a_secret_file_with_open_permissions_is_rejected() {
    let installation = Installation::new();
    let keyring = fs::read_to_string(installation.path("keyring.json")).unwrap();
    for (setting, variable, text) in [
        ("keyring.file", "KEEPER__KEYRING__FILE", keyring.as_str()),
        ("database.password_file", "KEEPER__DATABASE__PASSWORD_FILE", "a password\n"),
    ] {
        let check = |path: &str| installation.problems(&[(variable, path)]);
        for mode in [0o400, 0o440, 0o600, 0o640] {
            let path = installation.file("secret", text, mode);
            assert!(check(&path).is_empty(), "{setting} {mode:o}");
        }
        for mode in [0o404, 0o444, 0o402, 0o420, 0o460, 0o666] {
            let path = installation.file("secret", text, mode);
            assert_eq!(check(&path), [setting], "{mode:o}");
            let told = installation.run(&["config", "check"], &[(variable, &path)]).stdout;
            assert!(told.contains(&format!("run `chmod g-w,o= {path}`")), "{told}");
        }
        // Kubernetes: a link to a link. The permissions of the target count.
        let path = installation.file("secret", text, 0o440);
        let link = installation.path(&format!("{setting}.link"));
        symlink("secret", &link).unwrap();
        assert!(check(link.to_str().unwrap()).is_empty(), "{setting}");
        let path = Path::new(&path);
        fs::set_permissions(path, Permissions::from_mode(0o444)).unwrap();
        assert_eq!(check(link.to_str().unwrap()), [setting]);
        if rustix::process::geteuid().is_root() {
            for (owner, group, mode, is_used) in [
                (0, 4711, 0o440, true),
                (0, 4711, 0o460, false),
                (4711, 4711, 0o400, true),
                (4711, 4711, 0o404, false),
                (0, 0, 0o440, true),
            ] {
                fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
                chown(path, Some(owner), Some(group)).unwrap();
                let is_sound = check(path.to_str().unwrap()).is_empty();
                assert_eq!(is_sound, is_used, "{owner}:{group} {mode:o}");
            }
        }
        let empty = installation.file("secret", "\n", 0o400);
        assert_eq!(check(&empty), [setting], "an empty file");
    }
}

#[test]
fn every_command_rejects_a_secret_file_with_open_permissions() {
    let installation = Installation::new();
    let open = installation.file("password", "marker", 0o444);
    let key = installation.file("key", "marker", 0o444);
    let certificate = installation.file("certificate", "marker", 0o444);
    let url = format!("postgres://h/d?sslmode=verify-full&sslcert={certificate}&sslkey={key}");
    for (setting, variables) in [
        ("database.password_file", [("KEEPER__DATABASE__PASSWORD_FILE", open.as_str())]),
        ("database.url", [("KEEPER__DATABASE__URL", url.as_str())]),
    ] {
        for arguments in [&["serve"][..], &["migrate"], &["user", "list"]] {
            let finished = installation.run(arguments, &variables);
            assert!(!finished.stderr.contains("marker"), "{finished:?}");
            finished.assert_error(&format!("{setting}: permissions on "));
        }
        assert_eq!(installation.problems(&variables), [setting]);
    }
    let missing =
        ("KEEPER__DATABASE__URL", "postgres://h/d?sslmode=verify-full&sslrootcert=/no/ca");
    assert_eq!(installation.problems(&[missing]), ["database.url"]);
}

#[test]
fn a_keyring_keeps_its_readers_when_a_key_is_added() {
    let installation = Installation::new();
    let path = installation.path("keyring.json");
    for mode in [0o440, 0o400] {
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        installation.run(&["rotate-key", "add"], &[]).assert_success();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, mode);
    }
}

#[test]
fn every_command_rejects_a_database_url_with_ignored_or_ambiguous_parts() {
    let installation = Installation::new();
    for url in [
        "marker",
        "mysql://u@h/d",
        "postgres://u:marker@h1,h2/d",
        "postgres://u@h/d?target_session_attrs=marker",
        "postgres://u@h/d?sslmode=marker",
        "postgres://u@h/d?sslmode=allow",
        "postgres://u:12?marker@h/d",
        "postgres://u@h/d?password=12&marker",
        "postgres://u@h/d?host=other.example",
        "postgres://u:marker@h/d#marker",
    ] {
        let variables = [("KEEPER__DATABASE__URL", url)];
        assert_eq!(installation.problems(&variables), ["database.url"], "{url}");
        for arguments in [&["serve"][..], &["migrate"], &["user", "list"]] {
            let finished = installation.run(arguments, &variables);
            assert!(!finished.stderr.contains("marker"), "{finished:?}");
            finished.assert_error("database.url: ");
        }
    }
    let named =
        installation.run(&["migrate"], &[("KEEPER__DATABASE__URL", "postgres://h/d?sslcrl=z")]);
    named.assert_error("the parameter sslcrl");
    let password = installation.file("password", "p", 0o400);
    let twice = [
        ("KEEPER__DATABASE__URL", "postgres://u:p@localhost/d"),
        ("KEEPER__DATABASE__PASSWORD_FILE", password.as_str()),
    ];
    assert_eq!(installation.problems(&twice), ["database.url"]);
}

#[test]
fn a_database_off_the_host_needs_a_verified_certificate_or_a_waiver() {
    let installation = Installation::new();
    let allowed = ("KEEPER__DATABASE__ALLOW_UNVERIFIED_SERVER", "true");
    for url in [
        "postgres://u:marker@db.example/d",
        "postgres://u:marker@db.example/d?sslmode=prefer",
        "postgres://u:marker@db.example/d?sslmode=require",
        "postgres://u:marker@db.example/d?sslmode=verify-ca",
        "postgres://u:marker@10.0.0.1/d?sslmode=disable",
        "postgres://u:marker@[2001:db8::1]/d",
        "postgres://u:marker@localhost.example/d",
        "postgres:///d?user=u&password=marker&host=db.localhost",
        "postgres://u:marker@h/d?hostaddr=10.0.0.1",
    ] {
        let url = ("KEEPER__DATABASE__URL", url);
        if url.1.contains("hostaddr") {
            assert_eq!(installation.problems(&[url]), ["database.url"], "{url:?}");
            continue;
        }
        let check = installation.run(&["config", "check"], &[url]);
        assert!(
            check.stdout.contains("database.url: the server is on another machine"),
            "{check:?}"
        );
        assert!(check.stdout.contains("add sslmode=verify-full") && check.code == 1, "{check:?}");
        for arguments in [&["serve"][..], &["migrate"], &["user", "list"]] {
            let finished = installation.run(arguments, &[url]);
            assert!(!finished.stderr.contains("marker"), "{finished:?}");
            finished.assert_error("add sslmode=verify-full");
        }
        assert!(installation.problems(&[url, allowed]).is_empty(), "{url:?}");
    }
    for url in [
        "postgres://u@127.0.0.1/d",
        "postgres://u@LOCALHOST/d?sslmode=disable",
        "postgres://u@[::1]/d",
        "postgres://u@[::ffff:127.0.0.1]/d",
        "postgres://u@h/d?host=/run/postgresql",
        "postgres://u@db.example/d?sslmode=verify-full",
    ] {
        let url = ("KEEPER__DATABASE__URL", url);
        assert!(installation.problems(&[url]).is_empty(), "{url:?}");
        // The waiver would have no effect, so the operator probably made a mistake.
        let problems = installation.problems(&[url, allowed]);
        assert_eq!(problems, ["database.allow_unverified_server"], "{url:?}");
    }
    let invalid = [("KEEPER__DATABASE__ALLOW_UNVERIFIED_SERVER", "marker")];
    let check = installation.run(&["config", "check"], &invalid);
    assert!(check.stdout.contains("database.allow_unverified_server"), "{check:?}");
    assert!(!check.stdout.contains("marker"), "{check:?}");
}

#[test]
fn names_of_database_roles_are_checked() {
    let installation = Installation::new();
    let (service, auditor) = ("KEEPER__DATABASE__ROLE", "KEEPER__DATABASE__AUDITOR_ROLE");
    let long = "x".repeat(64);
    for (variable, setting) in [(service, "database.role"), (auditor, "database.auditor_role")] {
        for name in [long.as_str(), "pg_read_all_data"] {
            assert_eq!(installation.problems(&[(variable, name)]), [setting], "{name}");
        }
        assert!(installation.problems(&[(variable, "Ö \"quoted\" name")]).is_empty());
    }
    let same = [(service, "keeper"), (auditor, "keeper")];
    assert_eq!(installation.problems(&same), ["database.auditor_role"]);
    let check = installation.run(&["config", "check"], &same);
    assert!(check.stdout.contains("must differ from database.role; use two roles"), "{check:?}");
}

#[test]
fn a_database_is_reached_by_its_ipv6_address() {
    let installation = Installation::new();
    let listener = TcpListener::bind("[::1]:0").unwrap();
    let url = format!("postgres://u@[::1]:{}/d", listener.local_addr().unwrap().port());
    let called = std::thread::spawn(move || listener.accept().map(drop));
    let finished = installation.run(&["migrate"], &[("KEEPER__DATABASE__URL", &url)]);
    assert!(called.join().unwrap().is_ok());
    finished.assert_error("cannot be reached");
}

#[test]
fn shown_settings_are_a_valid_file_without_secrets() {
    let installation = Installation::new();
    let text = r#"
        [credentials]
        additional_types = [
            { name = "OpenId", kind = "identifier", user_types = ["internal"], validity_days = 3 },
        ]
        [authentication]
        issuers = [{
            issuer = "https://i.example", audience = "a", credential_type = "OpenId",
            jwks_url = "https://i.example/keys?key=marker",
        }]
        [http]
        cors_origins = ["https://a.example"]
    "#;
    let file = installation.file("settings.toml", text, 0o400);
    let show = |variables: &[(&str, &str)]| {
        installation.run(&["config", "check", "--show"], variables).assert_success()
    };
    let shown = show(&[
        ("KEEPER_CONFIG", &file),
        ("KEEPER__DATABASE__URL", "postgres://u:marker@127.0.0.1:1/d?sslmode=require"),
        ("KEEPER__HTTP__ALLOWED_HOSTS", "a.example b.example"),
        ("KEEPER__AUTHENTICATION__SESSION", "false"),
        ("KEEPER__HASHING__ITERATIONS", "3"),
    ]);
    assert!(!shown.contains("marker"), "{shown}");
    for line in [
        "url = \"postgres://u:redacted@127.0.0.1:1/d?sslmode=require\"",
        "allowed_hosts = [\"a.example\", \"b.example\"]",
        "cors_origins = [\"https://a.example\"]",
        "session = false",
        "iterations = 3",
        "memory_kib = 19456",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line} is not in {shown}");
    }
    let file = installation.file("shown.toml", &shown, 0o400);
    let unset = [
        ("KEEPER__KEYRING__FILE", ""),
        ("KEEPER__DATABASE__URL", ""),
        ("KEEPER__DATABASE__ACQUIRE_TIMEOUT_SECONDS", ""),
        ("KEEPER__DATABASE__STARTUP_WAIT_SECONDS", ""),
        ("KEEPER__LOG__FORMAT", ""),
    ];
    assert_eq!(show(&[&unset[..], &[("KEEPER_CONFIG", &file)]].concat()), shown);
}

#[test]
fn digests_of_application_secrets_are_not_shown() {
    let installation = Installation::new();
    let digests = ["c1".repeat(32), "d2".repeat(32)];
    let text = format!(
        "[[installation.applications]]\nname = 'one'\ntoken_sha256 = '{}'\ntrusted = true\n\
         [[installation.applications]]\nname = 'two'\ntoken_sha256 = '{}'\n",
        digests[0], digests[1]
    );
    let file = installation.file("settings.toml", &text, 0o400);
    let other = installation.file("other.toml", &text.replace("d2", "e3"), 0o400);
    for arguments in [
        &["config", "check", "--show"][..],
        &["config", "show"],
        &["config", "show", "--format", "toml"],
        &["config", "show", "--json"],
        &["config", "diff", &other],
    ] {
        let shown = installation.run(arguments, &[("KEEPER_CONFIG", &file)]).stdout;
        assert!(shown.contains("installation"), "{arguments:?}: {shown}");
        let is_shown = digests.iter().any(|digest| shown.contains(digest));
        assert!(!is_shown && !shown.contains(&"e3".repeat(32)), "{arguments:?}: {shown}");
    }
    // The file remains valid: each application has another digest.
    let show = ["config", "check", "--show"];
    let shown = installation.run(&show, &[("KEEPER_CONFIG", &file)]).assert_success();
    let parsed: toml::Table = shown.parse().unwrap();
    let applications = parsed["installation"]["applications"].as_array().unwrap();
    assert_eq!(applications[0]["trusted"].as_bool(), Some(true), "{shown}");
    assert_eq!(applications[1]["name"].as_str(), Some("two"), "{shown}");
    let file = installation.file("shown.toml", &shown, 0o400);
    let again = installation.run(&show, &[("KEEPER_CONFIG", &file)]).assert_success();
    assert_eq!(again, shown);
}

#[test]
fn an_empty_name_of_the_settings_file_counts_as_unset() {
    let installation = Installation::new();
    let checked = installation.run(&["config", "check"], &[("KEEPER_CONFIG", "")]);
    assert_eq!(checked.assert_success(), "the settings are valid");
}

#[test]
fn settings_that_would_end_every_process_are_refused_by_name() {
    let installation = Installation::new();
    for (variable, value, setting) in [
        ("KEEPER__HASHING__MAXIMUM_MEMORY_KIB", "1073741824", "hashing.maximum_memory_kib"),
        ("KEEPER__HASHING__THREADS", "100000", "hashing.threads"),
        ("KEEPER__DATABASE__MAXIMUM_CONNECTIONS", "4294967295", "database.maximum_connections"),
    ] {
        assert_eq!(installation.problems(&[(variable, value)]), [setting]);
        let finished = installation.run(&["user", "list"], &[(variable, value)]);
        finished.assert_error(&format!("{setting}: must be "));
    }
}

/// Settings with a secret in each possible place.
const SECRETS: [(&str, &str); 13] = [
    ("DATABASE__URL", "postgres://u:marker@127.0.0.1:1/d"),
    ("DATABASE__URL", "postgres://127.0.0.1:1/d?user=u&password=marker"),
    ("DATABASE__URL", "postgres://127.0.0.1:1/d?options=-c%20x=marker"),
    ("DATABASE__URL", "postgres://127.0.0.1:1/d?sslpassword=marker"),
    ("DATABASE__URL", "postgres://u:12?marker@127.0.0.1:1/d"),
    ("DATABASE__URL", "postgres://u:12#marker@127.0.0.1:1/d"),
    ("DATABASE__PASSWORD", "marker"),
    ("KEYRING__KEY", "marker"),
    ("HTTP__ALLOWED_HOSTS", "u:marker@keeper.example"),
    ("HTTP__CORS_ORIGINS", "https://u:marker@app.example"),
    ("HTTP__TRUSTED_PROXIES", "u:marker@10.0.0.1"),
    ("ACCESS_TOKENS__ISSUER", "https://u:marker@keeper.example"),
    ("ACCESS_TOKENS__AUDIENCE", "https://u:marker@keeper.example"),
];

#[test]
fn no_output_contains_a_secret_of_the_settings() {
    let installation = Installation::new();
    let commands = [
        &["config", "check", "--show"][..],
        &["config", "show"],
        &["config", "show", "--format", "toml"],
        &["config", "show", "--json"],
        &["config", "check"],
        &["doctor"],
        &["serve"],
    ];
    let silent = |variables: &[(&str, &str)]| {
        for arguments in commands {
            let finished = installation.run(arguments, variables);
            let said = format!("{}{}", finished.stdout, finished.stderr);
            assert!(!said.is_empty() && !said.contains("marker"), "{variables:?}: {said}");
        }
    };
    for (name, value) in SECRETS {
        silent(&[(&format!("KEEPER__{name}"), value)]);
    }
    for name in ["keyring.json", "password"] {
        let file = installation.file(&format!("bad-{name}"), "marker", 0o400);
        silent(&[("KEEPER__KEYRING__FILE", &file)]);
        silent(&[("KEEPER__DATABASE__PASSWORD_FILE", &file)]);
    }
    let issuer = |issuer: &str, keys: &str| {
        let text = format!(
            "[credentials]\nadditional_types = [{{ name = 'OpenId', kind = 'identifier' }}]\n\
             [authentication]\nissuers = [{{ issuer = '{issuer}', audience = 'a', {keys}, \
             credential_type = 'OpenId' }}]"
        );
        installation.file("settings.toml", &text, 0o400)
    };
    for (name, keys, is_sound) in [
        ("https://i.example", "jwks_url = 'https://u:marker@i.example/keys'", false),
        ("https://i.example", "jwks_url = 'https://marker@i.example/keys'", false),
        ("https://u:marker@i.example", "jwks_url = 'https://i.example/keys'", false),
        ("https://i.example", "jwks_url = 'https://i.example/keys?key=marker'", true),
        ("https://i.example", "jwks_url = 'http://i.example/keys?key=marker'", false),
    ] {
        let file = issuer(name, keys);
        let variables = [("KEEPER_CONFIG", file.as_str())];
        silent(&variables);
        let problems = installation.problems(&variables);
        assert_eq!(problems.is_empty(), is_sound, "{name} {keys}: {problems:?}");
    }
    let file = issuer("https://i.example", "jwks_url = 'https://u:p@i.example/keys'");
    let told = installation.run(&["config", "check"], &[("KEEPER_CONFIG", &file)]).stdout;
    assert!(told.contains("URLs must not contain credentials"), "{told}");
}
