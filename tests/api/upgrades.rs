//! Upgrades the database of each release, and compares its migrations with the released ones.
//!
//! For each release, `upgrades/` has the schema with data (`VERSION.sql`), its keyring and the checksums of
//! its migrations. `script/dump-schema VERSION` writes these files. The keyrings are test data.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::json;
use sqlx::{AssertSqlSafe, PgPool};

use crate::{
    constraints::assert_no_orphans,
    guessing::{ELSEWHERE, PROXY, login},
    support::{ADMINISTRATOR, Credentials, PLAIN, PRINCIPAL, RETIRED, TestApp, password_of},
};

/// The tables of users. `keys` gets its rows when a process starts, `installation` only in `dev`.
const TABLES: [&str; 11] = [
    "users",
    "login_names",
    "nick_names",
    "credentials",
    "credential_identifiers",
    "tickets",
    "audit_events",
    "authentication_attempts",
    "known_addresses",
    "address_failures",
    "untrusted_credentials",
];

const IDENTIFIER: (&str, &str) = ("ActiveDirectory", "S-1-5-7");

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/api/upgrades")
}

/// The file of a release with that extension.
pub(crate) fn file(version: &str, extension: &str) -> PathBuf {
    folder().join(format!("{version}.{extension}"))
}

/// The versions that have a dump.
pub(crate) fn releases() -> Vec<String> {
    let names = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name());
    let versions = names.filter_map(|name| Some(name.to_str()?.strip_suffix(".sql")?.to_owned()));
    let versions: Vec<_> = versions.collect();
    assert!(!versions.is_empty());
    versions
}

/// The version and checksum of each migration of a release.
fn released_checksums(version: &str) -> BTreeMap<i64, String> {
    let text = fs::read_to_string(file(version, "checksums")).unwrap();
    let lines = text.lines().map(|line| line.split_once(' ').unwrap());
    lines.map(|(version, checksum)| (version.parse().unwrap(), checksum.to_owned())).collect()
}

/// The version and checksum of each migration of this tree.
fn checksums() -> BTreeMap<i64, String> {
    let migrator = sqlx::migrate!();
    let hex =
        |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
    migrator.iter().map(|migration| (migration.version, hex(&migration.checksum))).collect()
}

#[sqlx::test(migrations = false)]
async fn every_released_database_can_be_upgraded(pool: PgPool) {
    for version in releases() {
        let dump = fs::read_to_string(file(&version, "sql")).unwrap();
        sqlx::raw_sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
            .execute(&pool)
            .await
            .unwrap();
        sqlx::raw_sql(AssertSqlSafe(dump)).execute(&pool).await.unwrap();
        let keyring = fs::read_to_string(file(&version, "keyring.json")).unwrap();
        let mut app = TestApp::upgrade(pool.clone(), &keyring).await;

        for user in [ADMINISTRATOR, PLAIN] {
            let answer =
                app.get(PRINCIPAL, &Credentials::basic(user.1, &password_of(user.1))).await;
            answer.assert_status(200);
            assert_eq!(answer.json()["AssociateId"], user.0, "{version}");
        }
        let retired = Credentials::basic(RETIRED.1, &password_of(RETIRED.1));
        app.get(PRINCIPAL, &retired).await.assert_unauthenticated();
        app.get(PRINCIPAL, &Credentials::basic(PLAIN.1, "guess")).await.assert_unauthenticated();
        let verified = app.command(&["audit", "verify"], "");
        assert_eq!(verified.code, 0, "{version}: {verified:?}");
        assert_no_orphans(&app.pool, &version).await;

        let administrator = app.administrator();
        let taken = app.save(&administrator, ADMINISTRATOR.0, IDENTIFIER.0, IDENTIFIER.1).await;
        taken.assert_refused(409, "ArgumentException", "identifier_taken");
        app.save(&administrator, PLAIN.0, IDENTIFIER.0, "S-1-5-8").await.assert_saved();
        app.save(&administrator, PLAIN.0, "", "another password").await.assert_saved();
        let plain = Credentials::basic(PLAIN.1, "another password");
        app.get(PRINCIPAL, &plain).await.assert_status(200);
        app.command(&["user", "delete", RETIRED.1], "").assert_success();
        assert_no_orphans(&app.pool, &version).await;
        app.command(&["audit", "verify"], "").assert_success();
        app.stop().await;
    }
}

#[test]
fn no_released_migration_was_edited() {
    let current = checksums();
    let mut released = BTreeSet::new();
    for version in releases() {
        for (migration, checksum) in released_checksums(&version) {
            assert_eq!(
                current.get(&migration),
                Some(&checksum),
                "release {version} has applied migration {migration}; add a new migration instead"
            );
            released.insert(migration);
        }
    }
    let last = released.last().unwrap();
    for migration in current.keys().filter(|migration| !released.contains(migration)) {
        assert!(
            migration > last,
            "migration {migration} sorts before the released migration {last}"
        );
    }
}

/// Dumps a database of this version to the folder that `UPGRADE_FILES` names, which is how
/// `script/dump-schema` writes the files of a release.
#[sqlx::test]
async fn a_dump_of_this_version_has_rows_of_every_table(pool: PgPool) {
    let temporary = tempfile::tempdir().unwrap();
    let folder = std::env::var_os("UPGRADE_FILES")
        .map_or_else(|| temporary.path().to_owned(), PathBuf::from);
    let file = |extension: &str| folder.join(format!("{}.{extension}", env!("CARGO_PKG_VERSION")));
    let mut app = TestApp::spawn_with(pool, &[PROXY], "").await;
    let administrator = app.administrator();
    // The tests retire this user without an audit event.
    sqlx::raw_sql("UPDATE users SET is_retired = false").execute(&app.pool).await.unwrap();
    app.command(&["user", "retire", RETIRED.1], "").assert_success();
    app.save(&administrator, PLAIN.0, IDENTIFIER.0, IDENTIFIER.1).await.assert_saved();
    let kept = json!({
        "AssociateId": PLAIN.0, "NickName": "Lin", "EjUserId": 5, "Person": {"PersonId": 7},
        "Role": {"Id": 3},
    });
    app.post("/api/v1/Agents/User/SaveUser", &administrator, &kept).await.assert_status(200);
    let untrusted = json!({"Type": "t", "Credentials": {"PublicValue": "p", "SecretValue": "s"}});
    let path = "/api/v1/Agents/User/SaveUntrustedCredentials";
    app.post(path, &app.plain(), &untrusted).await.assert_status(204);
    app.ticket(&app.plain()).await;
    app.session(PLAIN.1).await;
    app.command(&["user", "add", "dora"], "dora-password").assert_success();
    app.command(&["user", "delete", "dora"], "").assert_success();
    for name in [PLAIN.1, "nobody"] {
        for address in ["127.0.0.1", ELSEWHERE] {
            let guess = format!("guess from {address}");
            login(&app, address, name, &guess).await.assert_unauthenticated();
        }
    }
    app.get(PRINCIPAL, &app.plain()).await.assert_status(200);
    // The last uses of credentials are written in the background.
    app.stop().await;

    let options = app.pool.connect_options();
    let host = options.get_socket().map_or(options.get_host(), |socket| socket.to_str().unwrap());
    let dumped = Command::new("pg_dump")
        .args(["--inserts", "--no-owner", "--no-privileges", "--no-comments", "--host", host])
        .args(["--port", &options.get_port().to_string(), "--username", options.get_username()])
        .arg(options.get_database().unwrap())
        .output()
        .unwrap();
    assert!(dumped.status.success(), "{}", String::from_utf8_lossy(&dumped.stderr));
    let dumped = String::from_utf8(dumped.stdout).unwrap();
    // Commands of psql, and settings of the session that restores.
    let omitted = ["--", "\\", "SET ", "SELECT pg_catalog.set_config("];
    let kept =
        |line: &&str| !line.is_empty() && !omitted.iter().any(|start| line.starts_with(start));
    let statements: Vec<_> = dumped.lines().filter(kept).collect();
    for table in TABLES {
        let insert = format!("INSERT INTO public.{table} ");
        assert!(statements.iter().any(|line| line.starts_with(&insert)), "{table} is empty");
    }
    fs::write(file("sql"), statements.join("\n") + "\n").unwrap();
    fs::write(file("keyring.json"), fs::read(app.keyring()).unwrap()).unwrap();
    let lines = checksums().into_iter().map(|(version, sum)| format!("{version} {sum}\n"));
    fs::write(file("checksums"), lines.collect::<Vec<_>>().concat()).unwrap();
}
