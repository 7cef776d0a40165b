//! `init`: creates an installation that starts, from questions or from an answers file.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use rustix::process::Signal;
use serde_json::json;
use sqlx::{ConnectOptions, PgPool};
use tempfile::TempDir;

use crate::support::{
    CommandOutput, Credentials, PRINCIPAL, SAVE, Server, Terminal, TestApp, TestAuthority,
    client_builder, keeper, restrict, run_with_input,
};

/// A folder in which `init` works, and the URL of an empty database.
pub(super) struct Site {
    folder: TempDir,
    pub(super) url: String,
}

impl Site {
    pub(super) fn new(pool: &PgPool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { folder, url: pool.connect_options().to_url_lossy().into() }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The folder of the installation.
    pub(super) fn directory(&self) -> String {
        self.path("keeper").to_str().unwrap().to_owned()
    }

    /// Writes an answers file that only its owner may read.
    pub(super) fn answers(&self, text: &str) -> String {
        let file = self.path("answers.toml");
        let _ = fs::remove_file(&file);
        fs::write(&file, format!("database_url = {:?}\n{text}", self.url)).unwrap();
        restrict(&file);
        file.to_str().unwrap().to_owned()
    }

    pub(super) fn init(&self, arguments: &[&str]) -> Command {
        let directory = self.directory();
        keeper(&[&["init", "--directory", &directory], arguments].concat())
    }

    pub(super) fn run(&self, arguments: &[&str]) -> CommandOutput {
        run_with_input(self.init(arguments), "")
    }

    /// A command with the settings that `init` wrote.
    pub(super) fn keeper(&self, arguments: &[&str]) -> Command {
        let mut command = keeper(arguments);
        command.env("KEEPER_CONFIG", self.path("keeper/keeper.toml"));
        command
    }

    /// Asserts that `init` left nothing.
    #[track_caller]
    pub(super) fn assert_untouched(&self) {
        assert!(!Path::new(&self.directory()).exists(), "the folder remains");
    }
}

/// The number of tables in the database.
pub(super) async fn count_tables(pool: &PgPool) -> i64 {
    let count = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
    sqlx::query_scalar(count).fetch_one(pool).await.unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// Serves with the settings that `init` wrote, and saves a credential as the administrator.
async fn serve_and_save(site: &Site, credentials: &Credentials) {
    let mut serve = site.keeper(&["serve"]);
    serve
        .env("KEEPER__OPERATIONS__LISTEN", "127.0.0.1:0")
        .env("KEEPER__SHUTDOWN__GRACE_SECONDS", "0");
    let server = tokio::task::spawn_blocking(|| Server::start(serve)).await.unwrap().unwrap();
    let client = client_builder().build().unwrap();
    let request = client.get(format!("{}{PRINCIPAL}", server.ready));
    assert_eq!(credentials.apply_to(request).send().await.unwrap().status(), 200);
    let body = json!({
        "UserId": 1000,
        "Credential": { "Type": { "Type": "" }, "Value": "another passphrase of the admin", "DisplayValue": "" },
    });
    let request = client.post(format!("{}{SAVE}", server.ready)).json(&body);
    let answer = credentials.apply_to(request).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.text().await.unwrap(), "true");
    server.signal(Signal::TERM);
    let (ended_well, log) = server.wait();
    assert!(ended_well, "{log}");
}

#[sqlx::test(migrations = false)]
async fn an_answers_file_creates_an_installation_that_saves_a_credential(pool: PgPool) {
    let site = Site::new(&pool);
    let answers =
        site.answers("listen = \"127.0.0.1:0\"\nadministrator = \"Chief\"\nmigrate = true\n");
    let finished = site.run(&["--answers", &answers]);
    for part in ["wrote ", "the settings are valid", "migrations", "added the administrator Chief"]
    {
        assert!(finished.stderr.contains(part), "{part}: {finished:?}");
    }
    let settings = site.path("keeper/keeper.toml");
    let next = format!(
        "  export KEEPER_CONFIG={}\n  credential-keeper serve\n  credential-keeper doctor\n",
        settings.display()
    );
    assert!(finished.stderr.ends_with(&format!("{next}\n")), "{finished:?}");
    // Standard output is the password only, for scripts.
    let password = finished.assert_success();
    assert_eq!((password.len(), password.lines().count()), (24, 1));
    assert_eq!(mode(&settings), 0o640);
    assert_eq!(mode(&site.path("keeper/keyring.json")), 0o400);
    assert_eq!(mode(Path::new(&site.directory())), 0o750);
    let checked = run_with_input(site.keeper(&["config", "check"]), "").assert_success();
    assert_eq!(checked, "the settings are valid");
    serve_and_save(&site, &Credentials::basic("chief", &password)).await;
}

#[sqlx::test(migrations = false)]
async fn five_answers_at_a_terminal_create_an_installation(pool: PgPool) {
    let site = Site::new(&pool);
    let mut terminal = Terminal::start(&site.init(&["--listen", "127.0.0.1:0"]), 100);
    terminal.answer("1/5", "mysql://u@h/d");
    terminal.answer("must be postgres://user@host/database; try again", &site.url);
    terminal.answer_secret("Password of this database role", "");
    terminal.answer("migrations", "perhaps");
    terminal.answer("answer yes or no", "");
    terminal.answer("2/5", "https://keeper.example");
    terminal.answer("must be host names", "");
    terminal.answer("3/5", "/no/such/certificate");
    terminal.answer("private key", "/no/such/key");
    terminal.answer("3/5", "none");
    terminal.answer("4/5", "a:b");
    terminal.answer("colon", "chief");
    terminal.answer_secret("Password (empty", "short");
    let named = "chief chief chief chief";
    terminal.answer_secret("at least 15 characters", named);
    terminal.expect("consists mostly of your user name");
    let (good, other) = ("a long and quiet passphrase", "another long passphrase");
    terminal.answer_secret("Password (empty", good);
    terminal.answer_secret("again: ", other);
    terminal.answer_secret("do not match; try again", good);
    terminal.answer_secret("again: ", good);
    terminal.answer("5/5", site.path("missing/keyring.json").to_str().unwrap());
    terminal.answer("No such file or directory", "");
    terminal.expect("credential-keeper doctor");
    let (code, screen) = terminal.wait();
    assert_eq!(code, 0, "{screen}");
    for secret in [good, other, named] {
        assert!(!screen.contains(secret), "{screen}");
    }
    serve_and_save(&site, &Credentials::basic("chief", good)).await;
}

#[sqlx::test(migrations = false)]
async fn the_password_of_the_database_goes_into_a_secret_file(pool: PgPool) {
    let site = Site::new(&pool);
    sqlx::raw_sql(
        "DO $$ BEGIN CREATE ROLE keeper_test_init SUPERUSER LOGIN;
         EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$",
    )
    .execute(&pool)
    .await
    .unwrap();
    let mut url = pool.connect_options().to_url_lossy();
    url.set_username("keeper_test_init").unwrap();
    let password = "s%40cret &?=/";
    url.query_pairs_mut().append_pair("password", password);
    let site = Site { url: url.into(), ..site };
    site.run(&["--answers", &site.answers("migrate = true\n")]).assert_success();
    let settings = fs::read_to_string(site.path("keeper/keeper.toml")).unwrap();
    assert!(!settings.contains("cret") && settings.contains("password_file"), "{settings}");
    let file = site.path("keeper/database-password");
    assert_eq!((fs::read_to_string(&file).unwrap().as_str(), mode(&file)), (password, 0o400));
    let list = run_with_input(site.keeper(&["user", "list"]), "").assert_success();
    assert!(list.contains("admin"), "{list}");
}

#[sqlx::test(migrations = false)]
async fn tls_is_terminated_by_a_proxy_or_with_a_certificate(pool: PgPool) {
    let site = Site::new(&pool);
    let authority = TestAuthority::new();
    let certificate = authority.issue(&["keeper.example"]);
    let (certificate, key) = certificate.write(site.folder.path(), "keeper");
    let show = |site: &Site| {
        let shown = run_with_input(site.keeper(&["config", "show", "--format", "toml"]), "");
        shown.assert_success().parse::<toml::Table>().unwrap()
    };
    let answers = site.answers(&format!(
        "host = \"keeper.example\"\ntls = {certificate:?}\ntls_key = {key:?}\nmigrate = true\n"
    ));
    site.run(&["--answers", &answers]).assert_success();
    let http = &show(&site)["http"];
    assert_eq!(http["listen"].as_str(), Some("0.0.0.0:8443"));
    assert_eq!(http["allowed_hosts"].as_array().unwrap().len(), 1);
    assert_eq!(http["tls"]["certificate_file"].as_str(), certificate.to_str());
    for (proxies, listen) in [
        (&["10.0.0.2"][..], "0.0.0.0:8080"),
        (&["10.0.0.2", "10.0.0.3"], "0.0.0.0:8080"),
        (&["::1"], "[::1]:8080"),
    ] {
        fs::remove_dir_all(site.directory()).unwrap();
        let empty = "DROP SCHEMA public CASCADE; CREATE SCHEMA public";
        sqlx::raw_sql(empty).execute(&pool).await.unwrap();
        let answers = site.answers(&format!(
            "host = \"keeper.example\"\nproxy = \"{}\"\nmigrate = true\n",
            proxies.join(" ")
        ));
        site.run(&["--answers", &answers]).assert_success();
        let http = &show(&site)["http"];
        assert_eq!(http["tls_terminated_by_proxy"].as_bool(), Some(true));
        let trusted = http["trusted_proxies"].as_array().unwrap().iter();
        let trusted: Vec<_> = trusted.map(|proxy| proxy.as_str().unwrap()).collect();
        assert_eq!(trusted, proxies);
        assert_eq!(http["listen"].as_str(), Some(listen));
    }
}

#[sqlx::test(migrations = false)]
async fn wrong_answers_are_refused_before_anything_is_written(pool: PgPool) {
    let site = Site::new(&pool);
    for (text, expected) in [
        ("", "pass --migrate"),
        ("migrate = true\nhost = \"a b\"\n", "--host: must be one host name"),
        ("migrate = true\nhost = \"\"\n", "--host: must not be empty"),
        ("migrate = true\nhost = \"keeper.example\"\ntls = \"none\"\n", "--tls: clients of"),
        ("migrate = true\nproxy = \"10.0.0.2\"\n", "--proxy: has no effect with --tls none"),
        ("migrate = true\ntls = \"proxy\"\ntls_key = \"/k\"\n", "--tls-key: has no effect"),
        ("migrate = true\ntls = \"proxy\"\nproxy = \"x\"\n", "--proxy: must be addresses"),
        ("migrate = true\ntls = \"proxy\"\nproxy = \" \"\n", "--proxy: must not be empty"),
        ("migrate = true\ntls = \"/no/certificate\"\n", "--tls-key: is required"),
        ("migrate = true\ntls = \"/no/certificate\"\ntls_key = \"/no/key\"\n", "--tls: "),
        ("migrate = true\nlisten = \"x\"\n", "--listen: must be an address"),
        ("migrate = true\nlisten = \"0.0.0.0:8080\"\n", "http.listen: plain HTTP is allowed"),
        ("migrate = true\nlisten = \"127.0.0.1:9090\"\n", "operations.listen: conflicts"),
        ("migrate = true\nadministrator = \"a:b\"\n", "--administrator: "),
        ("migrate = true\nkeyring = \"/no/folder/keyring\"\n", "--keyring: "),
        ("migrate = true\nunknown = \"marker\"\n", "answers.toml:3: invalid answer"),
        ("migrate = 1\n", "answers.toml:2: invalid answer"),
    ] {
        let finished = site.run(&["--answers", &site.answers(text)]);
        assert!(!finished.stderr.contains("marker"), "{finished:?}");
        finished.assert_error(expected);
        site.assert_untouched();
    }
    assert_eq!(count_tables(&pool).await, 0);
}

#[sqlx::test(migrations = false)]
async fn secrets_are_accepted_from_private_files_only(pool: PgPool) {
    let site = Site::new(&pool);
    let with_password = "postgres://u:marker@localhost/d";
    let finished = site.run(&["--migrate", "--database-url", with_password]);
    assert!(!finished.stderr.contains("marker"), "{finished:?}");
    finished.assert_error("--database-url: contains a password");
    let answers = site.answers("migrate = true\n");
    fs::set_permissions(&answers, Permissions::from_mode(0o644)).unwrap();
    site.run(&["--answers", &answers]).assert_error("permissions on ");
    site.run(&["--migrate"]).assert_error("--database-url: is required without a terminal");
    site.assert_untouched();
    // Standard input is private, too. An option overrides it.
    let input = format!("database_url = {:?}\nadministrator = \"a:b\"\n", site.url);
    let arguments = ["--answers", "-", "--migrate", "--administrator", "chief"];
    run_with_input(site.init(&arguments), &input).assert_success();
    let list = run_with_input(site.keeper(&["user", "list"]), "").assert_success();
    assert!(list.contains("chief"), "{list}");
}

#[sqlx::test]
async fn a_database_of_another_installation_is_refused(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let site = Site::new(&app.pool);
    site.run(&["--answers", &site.answers("migrate = true\n")])
        .assert_error("the database belongs to an installation that has a keyring");
    site.assert_untouched();
}

#[sqlx::test]
async fn tables_that_exist_need_no_migration(pool: PgPool) {
    let site = Site::new(&pool);
    site.run(&["--answers", &site.answers("")]).assert_success();
}
