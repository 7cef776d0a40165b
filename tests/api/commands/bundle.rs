//! `doctor --bundle`.

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::{
    canary::{MARKER, assert_no_secret},
    support::{
        CommandOutput, Credentials, Instance, PLAIN, PRINCIPAL, SAVE, SETTINGS_REFUSED, TestApp,
        keeper, run_with_input, wait_until,
    },
};

/// Every file of a bundle.
const FILES: [&str; 9] = [
    "README.txt",
    "version.txt",
    "settings.toml",
    "findings.json",
    "platform.json",
    "database.json",
    "instance-ready.txt",
    "instance-metrics.txt",
    "instance-errors.json",
];

/// Runs `doctor --bundle`, with more variables.
fn doctor(app: &TestApp, bundle: &Path, variables: &[(&str, &str)]) -> CommandOutput {
    doctor_of(app, bundle, None, variables)
}

/// As [`doctor`], with the URL of the running instance.
fn doctor_of(
    app: &TestApp,
    bundle: &Path,
    url: Option<&str>,
    variables: &[(&str, &str)],
) -> CommandOutput {
    let mut command = keeper(&["doctor", "--bundle", bundle.to_str().unwrap()]);
    command.args(url.into_iter().flat_map(|url| ["--url", url]));
    command.envs(app.variables()).envs(variables.iter().copied());
    run_with_input(command, "")
}

/// Unpacks a bundle with the `tar` of the system; returns its folder.
fn unpack(bundle: &Path) -> PathBuf {
    let folder = bundle.with_extension("unpacked");
    fs::create_dir(&folder).unwrap();
    let unpacked = Command::new("tar").arg("-xzf").arg(bundle).arg("-C").arg(&folder).status();
    assert!(unpacked.unwrap().success());
    let folder = folder.join("credential-keeper-support");
    let mut names: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let mut expected = FILES.map(str::to_owned);
    expected.sort();
    assert_eq!(names, expected);
    folder
}

fn read(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).unwrap()
}

fn read_json(folder: &Path, name: &str) -> Value {
    serde_json::from_str(&read(folder, name)).unwrap()
}

#[sqlx::test]
async fn a_bundle_describes_the_installation_and_its_running_instance(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let instance = Instance::start(&app, &[]);
    app.rewrite_settings("http.unknown = 1");
    instance.server.signal(Signal::HUP);
    instance.wait_for_more(SETTINGS_REFUSED, 0.0).await;
    app.rewrite_settings("");
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("bundle.tar.gz");
    let operations = instance.operations.strip_prefix("http://").unwrap();
    let running = [("KEEPER__OPERATIONS__LISTEN", operations)];
    let output = doctor(&app, &bundle, &running);
    assert!(output.stderr.contains("wrote the support bundle"), "{output:?}");
    assert_eq!(fs::metadata(&bundle).unwrap().permissions().mode() & 0o777, 0o600);
    let unpacked = unpack(&bundle);
    assert!(read(&unpacked, "version.txt").starts_with(env!("CARGO_PKG_VERSION")));
    assert!(read(&unpacked, "settings.toml").parse::<toml::Table>().unwrap().contains_key("http"));
    assert!(!read_json(&unpacked, "findings.json").as_array().unwrap().is_empty());
    let platform = read_json(&unpacked, "platform.json");
    assert_eq!(platform["hashing"]["self_test"], "passed", "{platform}");
    assert!(
        platform["processors"].as_u64() > Some(0) && platform["memory"]["MemTotal"].is_string()
    );
    let database = read_json(&unpacked, "database.json");
    let migrations = database["migrations"].as_array().unwrap();
    let is_applied = |migration: &Value| {
        migration["state"] == "applied" && migration["sha384"].as_str().unwrap().len() == 96
    };
    assert!(migrations.len() > 10 && migrations.iter().all(is_applied), "{database}");
    let offset = database["content"]["clock_offset_seconds"].as_f64().unwrap();
    assert!(offset.abs() < 60.0, "{database}");
    assert_eq!(read(&unpacked, "instance-ready.txt"), "ready\n");
    assert!(read(&unpacked, "instance-metrics.txt").contains("keeper_database_connections_idle"));
    let errors = read_json(&unpacked, "instance-errors.json");
    let is_reload = |event: &Value| {
        event["Setting"] == "settings"
            && event["Target"] == "credential_keeper::alarm"
            && event["Error"].as_str().unwrap().contains("http.unknown: unknown setting")
    };
    assert!(errors.as_array().unwrap().iter().any(is_reload), "{errors}");
    // Another bundle never replaces it.
    let before = fs::read(&bundle).unwrap();
    let refused = doctor(&app, &bundle, &running);
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("name a file that does not exist yet"), "{refused:?}");
    assert_eq!(fs::read(&bundle).unwrap(), before);
}

#[sqlx::test]
async fn a_stopped_command_leaves_no_incomplete_bundle(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("bundle.tar.gz");
    // An instance that never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let mut command = keeper(&["doctor", "--bundle", bundle.to_str().unwrap(), "--url", &url]);
        command.envs(app.variables()).stdin(Stdio::null());
        let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        wait_until("the command creates the bundle", async || bundle.exists()).await;
        kill_process(Pid::from_child(&child), signal).unwrap();
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{signal:?}: {stderr}");
        assert!(stderr.contains("stopped; no bundle was written"), "{stderr}");
        assert!(!bundle.exists(), "{signal:?}");
    }
}

#[sqlx::test]
async fn a_bundle_says_what_is_away(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("bundle.tar.gz");
    let away = [
        ("KEEPER__DATABASE__URL", "postgres://nobody@127.0.0.1:1/nothing"),
        ("KEEPER__OPERATIONS__LISTEN", "127.0.0.1:1"),
        ("KEEPER__DATABASE__ACQUIRE_TIMEOUT_SECONDS", "1"),
    ];
    assert_eq!(doctor(&app, &bundle, &away).code, 1, "a requirement is not met");
    let unpacked = unpack(&bundle);
    let database = read_json(&unpacked, "database.json");
    for part in ["migrations", "content"] {
        assert!(database[part]["unavailable"].is_string(), "{database}");
    }
    for file in ["instance-ready.txt", "instance-metrics.txt"] {
        assert!(read(&unpacked, file).starts_with("The instance does not answer: "), "{file}");
    }
    assert!(read_json(&unpacked, "instance-errors.json")["unavailable"].is_string());
    assert_eq!(read_json(&unpacked, "platform.json")["hashing"]["self_test"], "passed");
}

#[sqlx::test]
async fn a_bundle_names_the_problem_of_invalid_settings_without_values(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let instance = Instance::start(&app, &[]);
    let folder = tempfile::tempdir().unwrap();
    let url = app.variables()["KEEPER__DATABASE__URL"].clone();
    let variables = settings_with_secrets(folder.path(), &url);
    let operations = instance.operations.strip_prefix("http://").unwrap();
    let settings_file = folder.path().join("settings.toml");
    let valid = fs::read_to_string(&settings_file).unwrap();
    // Only the URL leads to the instance of the last one.
    for (name, settings, problem, address, url) in [
        ("unknown", "http.unknown = 'V'", "http.unknown: unknown setting", operations, None),
        ("invalid", "hashing.memory_kib = 4294967295", "hashing: ", operations, None),
        (
            "unreadable",
            "http.unknown = 'V",
            "TOML parse error at line 1",
            "127.0.0.1:1",
            Some(instance.operations.as_str()),
        ),
    ] {
        let settings = settings.replace('V', &format!("{MARKER}-setting"));
        fs::write(&settings_file, format!("{settings}\n{valid}")).unwrap();
        let bundle = folder.path().join(name);
        let variables = variables.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let variables: Vec<_> =
            variables.chain([("KEEPER__OPERATIONS__LISTEN", address)]).collect();
        let output = doctor_of(&app, &bundle, url, &variables);
        assert_eq!(output.code, 1, "{output:?}");
        for part in ["invalid settings", problem, "wrote the support bundle"] {
            assert!(output.stderr.contains(part), "{part}: {output:?}");
        }
        assert_no_secret("standard error", output.stderr.as_bytes());
        let unpacked = unpack(&bundle);
        assert!(read(&unpacked, "settings.toml").contains(problem), "{problem}");
        for file in ["findings.json", "database.json"] {
            let reason = read_json(&unpacked, file)["unavailable"].clone();
            assert!(reason.as_str().unwrap().contains(problem), "{file}: {reason}");
        }
        let platform = read_json(&unpacked, "platform.json");
        assert_eq!(platform["hashing"]["self_test"], "passed", "{platform}");
        assert_eq!(platform["hashing"]["has_default_settings"], true, "{platform}");
        assert!(platform["time"].is_string(), "{platform}");
        assert_eq!(read(&unpacked, "instance-ready.txt"), "ready\n");
        assert!(read(&unpacked, "instance-metrics.txt").contains("keeper_build_info"));
        assert!(read_json(&unpacked, "instance-errors.json").is_array());
        for name in FILES {
            assert_no_secret(name, &fs::read(unpacked.join(name)).unwrap());
        }
    }
}

/// The digest of an application's secret, which can be weak.
fn application_digest() -> String {
    "d1".repeat(32)
}

/// Settings with a secret in every place that can hold one.
fn settings_with_secrets(folder: &Path, url: &str) -> Vec<(String, String)> {
    let secret_file = |name: &str, content: &str| {
        let file = folder.join(name);
        fs::write(&file, content).unwrap();
        fs::set_permissions(&file, PermissionsExt::from_mode(0o400)).unwrap();
        file.to_str().unwrap().to_owned()
    };
    let with_password = url.replacen('@', &format!(":{MARKER}-database@"), 1);
    let settings = folder.join("settings.toml");
    let sink_key = format!("{MARKER}-key-of-the-sink-0123456789");
    let sink_key = secret_file("sink-key", &format!("whsec_{}", STANDARD.encode(sink_key)));
    let text = format!(
        "[authentication]\nissuers = [{{ issuer = 'i', audience = 'a', credential_type = \
         'ActiveDirectory', jwks_url = 'https://localhost:1/keys?key={MARKER}-issuer' }}]\n\
         [[installation.applications]]\nname = 'a'\ntoken_sha256 = '{}'\n\
         [audit]\nsinks = [{{ name = 'siem', type = 'webhook', url = \
         'https://localhost:1/receiver/{MARKER}-sink', key_file = '{sink_key}' }}]\n",
        application_digest()
    );
    fs::write(&settings, text).unwrap();
    let directory_password = secret_file("directory-password", &format!("{MARKER}-directory"));
    [
        ("KEEPER_CONFIG", settings.to_str().unwrap().to_owned()),
        ("KEEPER__DATABASE__URL", with_password),
        ("KEEPER__HTTP__PUBLIC_URL", "https://keeper.example".to_owned()),
        ("KEEPER__MAIL__SMTP_URL", format!("smtps://{MARKER}-user:{MARKER}-mail@localhost:1")),
        ("KEEPER__MAIL__FROM", "Keeper <keeper@keeper.example>".to_owned()),
        ("KEEPER__DIRECTORY__URL", "ldaps://localhost:1".to_owned()),
        ("KEEPER__DIRECTORY__BIND_DN", "CN=keeper".to_owned()),
        ("KEEPER__DIRECTORY__PASSWORD_FILE", directory_password),
        ("KEEPER__DIRECTORY__USER_BASE_DN", "DC=example".to_owned()),
        ("KEEPER__DIRECTORY__GROUP_BASE_DN", "DC=example".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

#[sqlx::test]
async fn no_secret_is_in_a_bundle(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let folder = tempfile::tempdir().unwrap();
    let url = app.variables()["KEEPER__DATABASE__URL"].clone();
    let variables = settings_with_secrets(folder.path(), &url);
    let variables: Vec<_> =
        variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let instance = Instance::start(&app, &variables);
    // Secrets in passwords, headers, cookies, paths and queries, right and wrong ones.
    let password = format!("{MARKER}-password");
    instance.save(&app.administrator(), PLAIN.0, &password).await.assert_saved();
    let paul = Credentials::basic(PLAIN.1, &password);
    instance.get(PRINCIPAL, &paul).await.assert_status(200);
    for credentials in [
        Credentials::basic(PLAIN.1, &format!("{MARKER}-wrong")),
        Credentials::basic(&format!("{MARKER}-name"), &password),
        Credentials::Ticket(format!("7T:{MARKER}")),
        Credentials::Bearer(format!("8A:Keeper.{MARKER}")),
        Credentials::Raw(format!("Basic {MARKER}")),
    ] {
        let path = format!("{PRINCIPAL}?x={MARKER}");
        instance.get(&path, &credentials).await.assert_status(401);
        instance.post(SAVE, &credentials, &json!({ MARKER: MARKER })).await.assert_status(401);
    }
    let bundle = folder.path().join("bundle.tar.gz");
    let operations = instance.operations.strip_prefix("http://").unwrap();
    let running = variables.into_iter().chain([("KEEPER__OPERATIONS__LISTEN", operations)]);
    let output = doctor(&app, &bundle, &running.collect::<Vec<_>>());
    assert!(output.stderr.contains("wrote the support bundle"), "{output:?}");
    let unpacked = unpack(&bundle);
    let keyring = fs::read_to_string(app.keyring()).unwrap();
    let is_key = |word: &&str| word.len() >= 40;
    let keys: Vec<_> = keyring.split('"').filter(is_key).collect();
    assert!(!keys.is_empty(), "{keyring}");
    for name in FILES {
        let content = fs::read(unpacked.join(name)).unwrap();
        assert_no_secret(name, &content);
        let text = String::from_utf8(content).unwrap();
        assert!(keys.iter().all(|key| !text.contains(key)), "a key is in {name}");
        assert!(!text.contains(&application_digest()), "a digest of a secret is in {name}");
    }
    // The values that were replaced are in their places.
    let settings = read(&unpacked, "settings.toml");
    for shown in [
        ":redacted@",
        "keys?redacted",
        "smtps://redacted:redacted@",
        "\"https://localhost:1/redacted\"",
    ] {
        assert!(settings.contains(shown), "{shown}: {settings}");
    }
}
