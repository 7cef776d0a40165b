//! Exports of other systems. The samples follow the published formats.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

use serde_json::{Value, json};
use sqlx::PgPool;
use tempfile::TempDir;

use super::{
    SHA_CRYPT, convert, exported, file_named, import, import_bytes, results, sample, told, users,
};
use crate::{commands::import::logs_in, support::TestApp};

/// The password of the hashes in the samples.
const PASSWORD: &str = "correct horse";

const BCRYPT: &str = "$2b$08$abcdefghijklmnopqrstuubAvJmxpQuyV3jn7x.SUSPxe.DearCPe";

/// Converts a sample. Returns its lines, and the status without the name of the command.
fn converted(name: &str, more: &[&str]) -> (Vec<Value>, Vec<String>) {
    let output = convert(&sample(name), more);
    let lines = output.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let status = output
        .stderr
        .lines()
        .map(|line| line.strip_prefix("credential-keeper: ").unwrap_or(line).to_owned());
    (lines, status.collect())
}

/// The names and the reasons of the results.
fn reasons(results: &[Value]) -> Vec<(&str, &str)> {
    let reasons = results.iter().filter_map(|result| {
        Some((result["name"].as_str().unwrap_or_default(), result["reason"].as_str()?))
    });
    reasons.collect()
}

#[sqlx::test]
async fn a_keycloak_realm_is_imported_with_a_result_for_each_user(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("realm.json");
    fs::copy(sample("keycloak.json"), &path).unwrap();
    let arguments = ["--from", "keycloak"];
    let (_, dry, said) = import(&app, &path, &["--from", "keycloak", "--dry-run"]);
    for expected in [
        "not imported: attributes.department (1)",
        "not imported: credentials.otp (1)",
        "not imported: groups (1)",
        "not imported: email (1)",
        "not imported: requiredActions.UPDATE_PROFILE (1)",
        "3 added, 0 changed, 4 failed, 3 skipped (dry run)",
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    assert!(!said.contains("CANNOTBEKEPT") && users(&app).await == 3);
    let (code, found, said) = import(&app, &path, &arguments);
    let expected = [
        (1, "added", ""),
        (2, "added", ""),
        (3, "skipped", ""),
        (4, "skipped", ""),
        (5, "skipped", ""),
        (6, "added", ""),
        (7, "failed", "credentials.credentialData.algorithm"),
        (8, "failed", "login_name"),
        (9, "failed", "entry"),
        (10, "failed", "login_name"),
    ];
    assert_eq!((code, told(&found)), (1, expected.to_vec()), "{said}");
    assert_eq!(dry.len(), found.len());
    let expected = [
        ("service-account-app", "is the service account of a client, which has no password"),
        ("from-ldap", "is from a user federation, which keeps the password"),
        ("social", "logs in through an identity provider, and has no password"),
    ];
    assert_eq!(reasons(&found)[..3], expected);
    assert_eq!(found[0]["name"], "ada");
    // Neither of two users with one name is preferred.
    assert_eq!(found[7]["reason"], "is also the name of entry 10 of this file; remove one");
    assert_eq!(found[9]["reason"], "is also the name of entry 8 of this file; remove one");
    assert!(logs_in(&app, "ada", PASSWORD).await && !logs_in(&app, "ada", "wrong").await);
    // The account is disabled there, and therefore retired here.
    assert!(!logs_in(&app, "linus", PASSWORD).await);
    app.command(&["user", "reactivate", "linus"], "").assert_success();
    assert!(logs_in(&app, "linus", PASSWORD).await);
    // Importing again does not reactivate a user who was retired here.
    app.command(&["user", "retire", "ada"], "").assert_success();
    assert_eq!(import(&app, &path, &arguments).1[0]["result"], "changed");
    assert_eq!(exported(&app, "ada")["retired"], true);
}

#[test]
fn the_users_of_keycloak_become_lines() {
    let (lines, _) = converted("keycloak.json", &["--from", "keycloak"]);
    let expected = [
        json!({"login_name": "ada", "display_name": "Ada Lovelace", "credentials":
            [{"hash": "$argon2id$v=19$m=4096,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$KBJSI6BT3NyMAUsaKLL9Pzdt9\
                       MAPhw9LJEM85dOvTig"}]}),
        json!({"login_name": "linus", "retired": true, "credentials":
            [{"hash": "$pbkdf2-sha512$i=10000,l=64$c2FsdHNhbHQ$SRl9U3XB4V6sE0qgj2kNlpHjNAF/t80nzn08MI\
                       K9MikE40sYmo1/mbJe3iZlysoMZPTMtHWle6aKFgnsaKsZNA"}]}),
        json!({"login_name": "invited"}),
    ];
    assert_eq!(lines, expected);
}

#[sqlx::test]
async fn kratos_identities_are_imported_by_their_first_identifier(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let (_folder, path) = copy("kratos.json");
    let (code, found, said) = import(&app, &path, &["--from", "kratos"]);
    let expected = [
        (1, "added", ""),
        (2, "added", ""),
        (3, "skipped", ""),
        (4, "failed", "credentials.password.config.hashed_password"),
    ];
    assert_eq!((code, told(&found)), (1, expected.to_vec()), "{said}");
    assert_eq!(found[2]["name"], "b8d4f8a0-0000-4000-8000-000000000003");
    for expected in ["credentials.totp (1)", "further identifiers (1)", "traits.rank (1)"] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    assert!(logs_in(&app, "grace@example.com", PASSWORD).await);
    let (lines, _) = converted("kratos.json", &["--from", "kratos"]);
    assert_eq!(lines[0]["display_name"], "Grace Hopper");
    let alan = json!({"login_name": "alan", "display_name": "Alan Turing", "retired": true,
                      "credentials": [{"hash": BCRYPT}]});
    assert_eq!(lines[1..], [alan]);
}

#[sqlx::test]
async fn the_human_users_of_zitadel_are_imported_from_all_organizations(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let (_folder, path) = copy("zitadel.json");
    let (code, found, said) = import(&app, &path, &["--from", "zitadel"]);
    let expected = [(1, "added", ""), (2, "added", ""), (3, "skipped", ""), (4, "added", "")];
    assert_eq!((code, told(&found)), (0, expected.to_vec()), "{said}");
    assert!(said.contains("otpCode (1)") && said.contains("no password (1)"), "{said}");
    assert!(logs_in(&app, "edsger@acme.example.com", PASSWORD).await);
    assert!(logs_in(&app, "barbara", "a long clear text").await);
    let (lines, _) = converted("zitadel.json", &["--from", "zitadel"]);
    assert_eq!(lines[0]["display_name"], "Edsger W. Dijkstra");
    assert_eq!(lines[2], json!({"login_name": "invited", "display_name": "In Vited"}));
}

/// The hash parameters, in a file that only its owner can read.
fn hash_config(mode: u32) -> (TempDir, PathBuf) {
    let (folder, path) = copy("firebase-hash-config");
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    (folder, path)
}

#[test]
fn firebase_accounts_become_lines_with_the_parameters_of_the_project() {
    let (_folder, config) = hash_config(0o400);
    let config = config.to_str().unwrap();
    let arguments = ["--from", "firebase", "--firebase-hash-config", config];
    let (lines, status) = converted("firebase.json", &arguments);
    let hash = "$firebase-scrypt$ln=14,r=8,p=1,ss=Bw,sk=jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn\
                210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA$42xEC+ixf3L2lw$lSrfV15cpx95/sZS2W9c9Kp6i/LVgQN\
                DNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ";
    let expected = json!({"login_name": "margaret@example.com",
        "display_name": "Margaret Hamilton", "credentials": [{"hash": hash}]});
    assert_eq!(lines, [expected]);
    let expected = [
        "entry 2 (D4e5F6): skipped: has no password: it logs in with another provider or a phone",
        "entry 3 (broken@example.com): failed: passwordHash is not Base64",
        "not imported: photoUrl (1)",
        "not imported: providerUserInfo (1)",
    ];
    assert_eq!(status, expected);
}

#[test]
fn the_hash_parameters_of_firebase_are_required_and_kept_secret() {
    let (_, status) = converted("firebase.json", &["--from", "firebase"]);
    assert!(status[0].contains("add `--firebase-hash-config FILE`"), "{status:?}");
    let (_folder, config) = hash_config(0o444);
    let arguments = ["--from", "firebase", "--firebase-hash-config", config.to_str().unwrap()];
    let (_, status) = converted("firebase.json", &arguments);
    assert!(status[0].contains("are too open; run `chmod"), "{status:?}");
    let (_folder, config) = file_named("config", b"algorithm: SCRYPT, base64_signer_key: marker!");
    fs::set_permissions(&config, fs::Permissions::from_mode(0o400)).unwrap();
    let arguments = ["--from", "firebase", "--firebase-hash-config", config.to_str().unwrap()];
    let (_, status) = converted("firebase.json", &arguments);
    assert!(status[0].contains("base64_signer_key is invalid; copy"), "{status:?}");
    assert!(!status[0].contains("marker"), "{status:?}");
    let arguments = ["--from", "csv", "--firebase-hash-config", config.to_str().unwrap()];
    let (_, status) = converted("firebase.json", &arguments);
    assert!(status[0].contains("needs the format firebase"), "{status:?}");
}

#[sqlx::test]
async fn the_people_of_a_directory_are_imported(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let (_folder, path) = copy("directory.ldif");
    let (code, found, said) = import(&app, &path, &["--from", "ldif"]);
    assert_eq!(code, 1, "{said}");
    let told: Vec<_> = told(&found).into_iter().filter(|(line, ..)| *line != 10).collect();
    let expected = [
        (4, "skipped", ""),
        (24, "added", ""),
        (31, "failed", "userPassword"),
        (37, "skipped", ""),
        (42, "failed", "userPassword"),
        (47, "added", ""),
    ];
    assert_eq!(told, expected, "{said}");
    assert_eq!(found[0]["name"], "dc=example,dc=com");
    assert!(logs_in(&app, "barbara", "a long clear text").await);
    let (lines, status) = converted("directory.ldif", &["--from", "ldif"]);
    let expected = [
        json!({"login_name": "donald", "display_name": "Donald Knuth",
               "credentials": [{"hash": "{SSHA}DkMTwBl+l/vAQ9D8YCsGvwxv2aj6dGJo"}]}),
        json!({"login_name": "barbara", "display_name": "Barbara Liskov",
               "credentials": [{"value": "a long clear text"}]}),
        json!({"login_name": "locked", "retired": true}),
    ];
    assert_eq!(lines, expected);
    for expected in [
        "line 31 (two): failed: userPassword has more than one value; keep the one that the user knows",
        "line 42 (linked): failed: userPassword is a URL, which is not read; export the value itself",
        "line 37 (pass): skipped: is verified through SASL by another system",
        "not imported: memberof (1)",
        "not imported: jpegphoto (1)",
    ] {
        assert!(status.iter().any(|line| line == expected), "{expected}: {status:?}");
    }
}

#[sqlx::test]
async fn a_directory_password_that_is_a_hash_without_a_scheme_fails(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let entry = |name: &str, password: &str| {
        format!("dn: uid={name}\nuid: {name}\nuserPassword: {password}\n\n")
    };
    let text = [
        entry("bare", SHA_CRYPT),
        entry("bcrypt", BCRYPT),
        entry("yescrypt", "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$tnSY"),
        entry("des", "abcdefghijklm"),
        entry("prefixed", &format!("{{CRYPT}}{SHA_CRYPT}")),
        entry("clear", "{CLEARTEXT}abcdefghijklm"),
    ];
    let (_folder, path) = file_named("directory.ldif", text.concat().as_bytes());
    let (code, found, said) = import(&app, &path, &["--from", "ldif"]);
    let failed = |line| (line, "failed", "userPassword");
    let expected =
        [failed(1), failed(5), failed(9), failed(13), (17, "added", ""), (21, "added", "")];
    assert_eq!((code, told(&found)), (1, expected.to_vec()), "{said}");
    assert_eq!(found[0]["reason"], "is a hash without a scheme; prefix {CRYPT}");
    assert!(
        found[3]["reason"].as_str().unwrap().contains("prefix {CLEARTEXT} if it is a password")
    );
    assert!(!logs_in(&app, "bare", SHA_CRYPT).await && logs_in(&app, "prefixed", PASSWORD).await);
    assert!(logs_in(&app, "clear", "abcdefghijklm").await);
}

#[sqlx::test]
async fn of_two_entries_with_one_name_standard_input_imports_the_first(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let text = "dn: uid=a\nuid: a\n\ndn: uid=b\nuid: b\n\ndn: uid=A\nuid: A\n\n";
    let (_folder, path) = file_named("directory.ldif", text.as_bytes());
    let (_, found, said) = import(&app, &path, &["--from", "ldif"]);
    let expected = [(1, "failed", "login_name"), (4, "added", ""), (7, "failed", "login_name")];
    assert_eq!(told(&found), expected, "{said}");
    assert_eq!(found[0]["reason"], "is also the name of line 7 of this file; remove one");
    let output = convert(&path, &["--from", "ldif"]);
    assert_eq!((output.code, output.stdout.trim_end()), (1, r#"{"login_name":"b"}"#));
    let output = import_bytes(&app, text.as_bytes(), &["--from", "ldif"]);
    let expected = [(1, "added", ""), (4, "changed", ""), (7, "failed", "login_name")];
    assert_eq!(told(&results(&output)), expected, "{output:?}");
}

#[sqlx::test]
async fn the_users_of_django_are_imported_without_their_rights(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let (_folder, path) = copy("django.json");
    let (code, found, said) = import(&app, &path, &["--from", "django"]);
    assert_eq!((code, told(&found)), (0, vec![(3, "added", ""), (4, "added", "")]), "{said}");
    for expected in [
        "is_superuser (1)",
        "is_staff (1)",
        "no password (1)",
        "objects of auth.group (1)",
        "2 added",
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    assert!(logs_in(&app, "root", PASSWORD).await);
    assert_eq!(exported(&app, "root")["administrator"], false);
    let (lines, _) = converted("django.json", &["--from", "django"]);
    assert_eq!(lines[1], json!({"login_name": "unusable", "retired": true}));
    let (_folder, path) = file_named(
        "dump.json",
        br#"[{"model":"Accounts.Member","pk":7,"fields":{"email":"a@b","password":"x"}}]"#,
    );
    let (_, found, said) = import(&app, &path, &["--from", "django", "--dry-run"]);
    assert!(found.is_empty() && said.contains("`--django-user-model`"), "{said}");
    let model = ["--from", "django", "--django-user-model", "accounts.member"];
    let line = convert(&path, &model).stdout;
    assert_eq!(line.trim_end(), r#"{"login_name":"a@b","credentials":[{"hash":"x"}]}"#);
}

#[sqlx::test]
async fn an_import_of_an_export_resumes_behind_the_last_complete_entry(pool: PgPool) {
    use sha2::Digest;

    let app = TestApp::spawn(pool).await;
    let (folder, path) = copy("kratos.json");
    let sha256 = data_encoding::HEXLOWER.encode(&sha2::Sha256::digest(fs::read(&path).unwrap()));
    let checkpoint = json!({"sha256": sha256, "format": "Kratos identities", "lines": 1});
    fs::write(folder.path().join("kratos.json.progress"), checkpoint.to_string()).unwrap();
    let (_, found, said) = import(&app, &path, &["--from", "kratos"]);
    assert!(said.contains("resuming after entry 1"), "{said}");
    assert_eq!(told(&found)[0], (2, "added", ""));
    assert_eq!(found.len(), 3);
}

/// A copy of a sample, with room for its checkpoint.
fn copy(name: &str) -> (TempDir, PathBuf) {
    file_named(name, &fs::read(sample(name)).unwrap())
}
