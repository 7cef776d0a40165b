//! Secret files where platforms put them: a Kubernetes volume, the credentials of systemd.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt, chown, symlink},
    path::PathBuf,
    process::Command,
};

use sqlx::PgPool;
use tempfile::TempDir;

use crate::support::{
    DatabaseProxy, Instance, PRINCIPAL, TestApp, binary, free_address, keeper, run_with_input,
};

/// The account and the group of the service in these tests. No user and no group has these ids.
const SERVICE: u32 = 47_110;
const GROUP: u32 = 47_111;
const FOREIGN_GROUP: u32 = 47_112;

/// A folder that the service's account can read, with the binary and a volume.
struct Platform {
    folder: TempDir,
    is_root: bool,
}

impl Platform {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let target = folder.path().join("credential-keeper");
        fs::copy(binary(), target).unwrap();
        fs::create_dir(folder.path().join("volume")).unwrap();
        Self { folder, is_root: rustix::process::geteuid().is_root() }
    }

    fn volume(&self) -> PathBuf {
        self.folder.path().join("volume")
    }

    /// The keyring as the container sees it: a link to a link to a file.
    fn keyring(&self) -> PathBuf {
        self.volume().join("keyring.json")
    }

    /// Publishes a keyring as the kubelet does: a new folder, and one atomic swap of the link
    /// `..data`. Without root, the file belongs to this account and its group.
    fn publish(&self, version: &str, text: &str, (owner, group, mode): (u32, u32, u32)) {
        let data = self.volume().join(format!("..2026_11_27_{version}"));
        fs::create_dir(&data).unwrap();
        let file = data.join("keyring.json");
        fs::write(&file, text).unwrap();
        if self.is_root {
            chown(&file, Some(owner), Some(group)).unwrap();
        }
        fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
        let temporary = self.volume().join("..data_tmp");
        symlink(data.file_name().unwrap(), &temporary).unwrap();
        fs::rename(&temporary, self.volume().join("..data")).unwrap();
        let _ = symlink("..data/keyring.json", self.keyring());
    }

    /// A command of the service's account with these supplementary groups, as `securityContext`
    /// sets them.
    fn command(&self, groups: &str, arguments: &[&str]) -> Command {
        let binary = self.folder.path().join("credential-keeper");
        let mut command = keeper(arguments);
        if !self.is_root {
            return command;
        }
        let environment: Vec<_> = command.get_envs().map(|(name, _)| name.to_owned()).collect();
        command = Command::new("setpriv");
        command.args([format!("--reuid={SERVICE}"), format!("--regid={SERVICE}")]);
        command.arg(if groups.is_empty() {
            "--clear-groups".to_owned()
        } else {
            format!("--groups={groups}")
        });
        command.arg("--no-new-privs").arg(binary).args(arguments);
        for name in environment {
            command.env_remove(name);
        }
        command.env("KEEPER__LOG__FORMAT", "json");
        command
    }

    /// The problems that `config check` reports.
    fn check(&self, groups: &str) -> String {
        let mut command = self.command(groups, &["config", "check"]);
        command
            .env("KEEPER__KEYRING__FILE", self.keyring())
            .env("KEEPER__DATABASE__URL", "postgres://keeper@127.0.0.1:1/keeper");
        run_with_input(command, "").stdout.trim_end().to_owned()
    }
}

fn new_keyring() -> String {
    run_with_input(keeper(&["keys", "generate", "--stdout"]), "").assert_success()
}

const VALID: &str = "the settings are valid";

#[test]
fn a_volume_with_fs_group_is_accepted_and_a_wider_one_is_refused() {
    let platform = Platform::new();
    let text = new_keyring();
    let group = GROUP.to_string();
    for (number, mode) in [0o440, 0o640, 0o400, 0o600].into_iter().enumerate() {
        // Kubernetes: root owns the file, and `fsGroup` may read it. Mode 0400 is for a volume
        // whose files belong to the account.
        let owner = if mode & 0o040 == 0 { SERVICE } else { 0 };
        platform.publish(&format!("accepted_{number}"), &text, (owner, GROUP, mode));
        assert_eq!(platform.check(&group), VALID, "{owner} {mode:o}");
    }
    for (number, mode) in [0o444, 0o460, 0o446].into_iter().enumerate() {
        platform.publish(&format!("wide_{number}"), &text, (0, GROUP, mode));
        let told = platform.check(&group);
        let next_step = format!("run `chmod g-w,o= {}`", platform.keyring().display());
        assert!(told.starts_with("keyring.file: ") && told.contains(&next_step), "{told}");
        assert!(told.contains("`defaultMode: 0440` and `fsGroup`"), "{told}");
    }
    if platform.is_root {
        platform.publish("foreign_group", &text, (SERVICE, FOREIGN_GROUP, 0o440));
        assert!(platform.check(&group).contains("run `chmod 0400"), "{}", platform.check(&group));
        platform.publish("no_group", &text, (0, GROUP, 0o440));
        assert!(platform.check("").contains("failed to read"), "{}", platform.check(""));
        platform.publish("foreign_owner", &text, (SERVICE + 5, GROUP, 0o440));
        assert!(platform.check(&group).contains("wrong owner"), "{}", platform.check(&group));
    }
}

#[test]
fn root_checks_files_that_only_the_service_reads_and_its_advice_keeps_them_readable() {
    let platform = Platform::new();
    if !platform.is_root {
        return;
    }
    let text = new_keyring();
    let group = GROUP.to_string();
    let check_as_root = || {
        let mut command = keeper(&["config", "check"]);
        command
            .env("KEEPER__KEYRING__FILE", platform.keyring())
            .env("KEEPER__DATABASE__URL", "postgres://keeper@127.0.0.1:1/keeper");
        run_with_input(command, "").stdout.trim_end().to_owned()
    };
    for (number, (owner, group_id, mode)) in
        [(0, GROUP, 0o440), (0, GROUP, 0o640), (SERVICE, SERVICE, 0o400), (SERVICE, GROUP, 0o440)]
            .into_iter()
            .enumerate()
    {
        platform.publish(&format!("service_{number}"), &text, (owner, group_id, mode));
        assert_eq!(check_as_root(), VALID, "{owner}:{group_id} {mode:o}");
        assert_eq!(platform.check(&group), VALID, "{owner}:{group_id} {mode:o}");
    }
    for mode in [0o444, 0o464] {
        platform.publish(&format!("wide_{mode}"), &text, (0, GROUP, mode));
        let told = check_as_root();
        let (_, advice) = told.split_once("run `").unwrap();
        let (advice, _) = advice.split_once('`').unwrap();
        assert!(Command::new("sh").args(["-c", advice]).status().unwrap().success(), "{told}");
        assert_eq!(check_as_root(), VALID, "{mode:o}");
        assert_eq!(platform.check(&group), VALID, "the service reads it after `{advice}`");
    }
}

#[test]
fn root_checks_a_token_that_an_agent_writes_for_the_service() {
    let platform = Platform::new();
    platform.publish("1", &new_keyring(), (0, 0, 0o400));
    let token = platform.folder.path().join("token");
    fs::write(&token, "a token\n").unwrap();
    let problem_for_mode = |mode| {
        fs::set_permissions(&token, Permissions::from_mode(mode)).unwrap();
        if platform.is_root {
            chown(&token, Some(SERVICE), Some(SERVICE)).unwrap();
        }
        let mut command = keeper(&["config", "check"]);
        command
            .env("KEEPER__KEYRING__FILE", platform.keyring())
            .env("KEEPER__KEYRING__TRANSIT__ADDRESS", "https://127.0.0.1:1")
            .env("KEEPER__KEYRING__TRANSIT__KEY", "keeper")
            .env("KEEPER__KEYRING__TRANSIT__TOKEN_FILE", &token)
            .env("KEEPER__DATABASE__URL", "postgres://keeper@127.0.0.1:1/keeper");
        run_with_input(command, "").stdout
    };
    let accepted = problem_for_mode(0o400);
    // The keyring of this test is not wrapped.
    assert!(accepted.contains("keyring.file: ") && !accepted.contains("token_file"), "{accepted}");
    let refused = problem_for_mode(0o404);
    assert!(refused.contains("keyring.transit.token_file: permissions on"), "{refused}");
}

#[sqlx::test]
async fn a_swapped_volume_is_read_again_by_a_service_without_root(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let platform = Platform::new();
    let publish = |version: &str, text: &str| platform.publish(version, text, (0, GROUP, 0o440));
    publish("1", &fs::read_to_string(app.keyring()).unwrap());
    // The socket of the test's database belongs to another account.
    let proxy = DatabaseProxy::start(&app.pool).await;
    // The settings file of the test is in a folder of this account.
    let settings = platform.folder.path().join("settings.toml");
    fs::write(&settings, "").unwrap();
    let operations = free_address();
    app.command(&["migrate"], "").assert_success();
    let mut command = platform.command(&GROUP.to_string(), &["serve"]);
    command
        .current_dir("/")
        .envs(app.variables())
        .env("KEEPER_CONFIG", settings)
        .env("KEEPER__OPERATIONS__LISTEN", &operations)
        .env("KEEPER__KEYRING__FILE", platform.keyring())
        .env("KEEPER__DATABASE__URL", &proxy.url);
    // The proxy runs on the thread of this test.
    let starting = tokio::task::spawn_blocking(move || Instance::attach(command, &operations));
    let instance = starting.await.unwrap();
    let added = app.command(&["rotate-key", "add", "--stdout"], "");
    let new =
        added.stderr.split_once("added key ").unwrap().1.split(';').next().unwrap().to_owned();
    publish("2", &added.stdout);
    instance.wait_for_key(&new, "readable").await;
    publish("3", &new_keyring());
    let failed = r#"keeper_reload_failed{setting="keyring.file"}"#;
    instance.wait_for_metric(failed, 1.0).await;
    instance.get(PRINCIPAL, &app.administrator()).await.assert_status(200);
    tokio::task::spawn_blocking(|| instance.stop()).await.unwrap();
}

#[sqlx::test]
async fn a_key_is_not_retired_when_its_keyring_cannot_be_written(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let platform = Platform::new();
    let old = app.command(&["--json", "keys", "list"], "").assert_success();
    let old = old.split('"').nth(3).unwrap().to_owned();
    let new = app.add_key();
    app.command(&["rotate-key", "use", &new], "").assert_success();
    app.command(&["rotate-key", "reseal"], "").assert_success();
    let text = fs::read_to_string(app.keyring()).unwrap();
    platform.publish("1", &text, (0, GROUP, 0o440));
    let folder = fs::canonicalize(platform.keyring()).unwrap().parent().unwrap().to_owned();
    fs::set_permissions(&folder, Permissions::from_mode(0o555)).unwrap();
    let proxy = DatabaseProxy::start(&app.pool).await;
    let settings = platform.folder.path().join("settings.toml");
    fs::write(&settings, "").unwrap();
    let run = async |arguments: &[&str]| {
        let mut command = platform.command(&GROUP.to_string(), arguments);
        command
            .current_dir("/")
            .envs(app.variables())
            .env("KEEPER_CONFIG", &settings)
            .env("KEEPER__KEYRING__FILE", platform.keyring())
            .env("KEEPER__DATABASE__URL", &proxy.url);
        // The proxy runs on the thread of this test.
        tokio::task::spawn_blocking(move || run_with_input(command, "")).await.unwrap()
    };
    let retired = async || -> i64 {
        let count = "SELECT count(*) FROM keys WHERE retired_at IS NOT NULL";
        sqlx::query_scalar(count).fetch_one(&app.pool).await.unwrap()
    };
    let refused = run(&["rotate-key", "retire", &old]).await;
    assert!(refused.stderr.contains("with `--stdout`"), "{refused:?}");
    assert!(refused.stderr.contains("Permission denied"), "{refused:?}");
    refused.assert_error("failed to write the keyring");
    assert_eq!(retired().await, 0);
    let printed = run(&["rotate-key", "retire", &old, "--stdout"]).await.assert_success();
    assert!(printed.contains("retired"), "{printed}");
    assert_eq!(retired().await, 1);
    fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
}

#[sqlx::test]
async fn credentials_of_systemd_are_found_by_the_names_of_their_settings(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let folder = tempfile::tempdir().unwrap();
    let credential = |name: &str| folder.path().join(name);
    fs::copy(app.keyring(), credential("keyring.file")).unwrap();
    fs::set_permissions(credential("keyring.file"), Permissions::from_mode(0o400)).unwrap();
    let directory = folder.path().to_str().unwrap();
    let variables = [("KEEPER__KEYRING__FILE", ""), ("CREDENTIALS_DIRECTORY", directory)];
    let show = |more: &[(&str, &str)]| {
        let mut command = keeper(&["config", "check", "--show"]);
        command.envs(app.variables()).envs(variables).envs(more.iter().copied());
        run_with_input(command, "").stdout
    };
    let shown = show(&[]);
    let keyring = format!(
        "[keyring]\n# From $CREDENTIALS_DIRECTORY:\nfile = \"{}\"",
        credential("keyring.file").display()
    );
    assert!(shown.contains(&keyring), "{shown}");
    assert!(!shown.contains("password_file"), "{shown}");
    // A setting has precedence.
    let shown = show(&[("KEEPER__KEYRING__FILE", app.keyring())]);
    assert!(shown.contains(app.keyring()) && !shown.contains("CREDENTIALS"), "{shown}");
    let instance = Instance::start(&app, &variables);
    instance.get(PRINCIPAL, &app.administrator()).await.assert_status(200);
    instance.stop();
    // The same check as for any other secret file.
    fs::set_permissions(credential("keyring.file"), Permissions::from_mode(0o444)).unwrap();
    let mut command = keeper(&["config", "check"]);
    command.envs(app.variables()).envs(variables);
    let told = run_with_input(command, "").stdout;
    assert!(told.contains("keyring.file: ") && told.contains("too open"), "{told}");
    // Without the file, the setting is missing.
    fs::remove_file(credential("keyring.file")).unwrap();
    let mut command = keeper(&["serve"]);
    command.envs(app.variables()).envs(variables);
    run_with_input(command, "").assert_error("keyring.file: is required");
}
