//! Certificates and keys that are refused, with the setting and the next step.

use std::path::Path;

use sqlx::PgPool;

use crate::support::{TestApp, TestAuthority, TestCertificate, keeper, replace, run_with_input};

/// What `config check` prints for the files `server.crt` and `server.key` of a folder.
fn check(app: &TestApp, folder: &Path, section: &str) -> (i32, String) {
    let mut command = keeper(&["config", "check"]);
    let section = section.to_uppercase();
    command
        .envs(app.variables())
        .env(format!("KEEPER__{section}__TLS__CERTIFICATE_FILE"), folder.join("server.crt"))
        .env(format!("KEEPER__{section}__TLS__KEY_FILE"), folder.join("server.key"));
    let finished = run_with_input(command, "");
    (finished.code, finished.stdout)
}

/// An RSA certificate of the given length, from openssl: rcgen creates none that is too short.
pub(super) fn rsa(bits: u32) -> TestCertificate {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (key, certificate) = (path("key"), path("certificate"));
    let algorithm = format!("rsa:{bits}");
    let created = std::process::Command::new("openssl")
        .args(["req", "-x509", "-newkey", &algorithm, "-nodes", "-subj", "/CN=localhost"])
        .args(["-addext", "subjectAltName=DNS:localhost", "-keyout", &key, "-out", &certificate])
        .output()
        .unwrap();
    assert!(created.status.success(), "{created:?}");
    let read = |path: &str| std::fs::read_to_string(path).unwrap();
    TestCertificate { certificate: read(&certificate), key: read(&key), der: Vec::new() }
}

#[sqlx::test]
async fn each_unusable_file_is_refused_with_its_setting_and_the_next_step(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let folder = tempfile::tempdir().unwrap();
    let authority = TestAuthority::new();
    let (good, other) = (authority.issue(&["localhost"]), authority.issue(&["localhost"]));
    let weak = rsa(1024);
    let (chain, own_key) = (good.certificate.as_str(), good.key.as_str());
    let encrypted =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let damaged = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
    for section in ["http", "operations"] {
        for (certificate, key, mode, setting, text) in [
            (None, Some(own_key), 0o400, "certificate_file", "failed to read"),
            (Some(chain), None, 0o400, "key_file", "failed to read"),
            (Some(""), Some(own_key), 0o400, "certificate_file", "contains no certificate"),
            (Some("text"), Some(own_key), 0o400, "certificate_file", "contains no certificate"),
            (Some(own_key), Some(own_key), 0o400, "certificate_file", "no certificate"),
            (Some(damaged), Some(own_key), 0o400, "certificate_file", "invalid certificate"),
            (
                Some("-----BEGIN CERTIFICATE-----\n"),
                Some(own_key),
                0o400,
                "certificate_file",
                "not a valid PEM file",
            ),
            (Some(chain), Some("text"), 0o400, "key_file", "no private key"),
            (Some(chain), Some(encrypted), 0o400, "key_file", "openssl pkey"),
            (Some(chain), Some(""), 0o400, "key_file", "is empty"),
            (Some(chain), Some(other.key.as_str()), 0o400, "key_file", "does not match"),
            (Some(chain), Some(own_key), 0o444, "key_file", "chmod g-w,o="),
            (
                Some(weak.certificate.as_str()),
                Some(weak.key.as_str()),
                0o400,
                "certificate_file",
                "2048 bits",
            ),
        ] {
            for (name, text, mode) in
                [("server.crt", certificate, 0o444), ("server.key", key, mode)]
            {
                match text {
                    Some(text) => replace(&folder.path().join(name), text, mode),
                    None => drop(std::fs::remove_file(folder.path().join(name))),
                }
            }
            let (code, printed) = check(&app, folder.path(), section);
            assert_eq!(code, 1, "{text}: {printed}");
            let setting = format!("{section}.tls.{setting}: ");
            assert!(printed.contains(&setting) && printed.contains(text), "{text}: {printed}");
            assert!(!printed.contains("BEGIN ") || text.contains("PEM"), "{printed}");
        }
    }
    for usable in [good, rsa(2048), authority.issue_expired(&["localhost"])] {
        usable.write(folder.path(), "server");
        let (code, printed) = check(&app, folder.path(), "http");
        assert_eq!(code, 0, "{printed}");
    }
}

#[sqlx::test]
async fn every_problem_of_every_certificate_is_named_with_its_setting(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let folder = tempfile::tempdir().unwrap();
    let authority = TestAuthority::new();
    for (name, names) in [
        ("first", &["localhost"][..]),
        ("second", &["second.example"]),
        ("third", &["third.example"]),
        ("nameless", &["192.0.2.1"]),
    ] {
        authority.issue(names).write(folder.path(), name);
    }
    let file = |name: &str| folder.path().join(name).display().to_string();
    app.rewrite_settings(&format!(
        "[http.tls]\ncertificate_file = '{}'\nkey_file = '{}'\nadditional = [
            {{ certificate_file = '{}', key_file = '{}' }},
            {{ certificate_file = '{}', key_file = '{}' }},
            {{ certificate_file = '{}', key_file = '{}' }},
        ]",
        file("missing.crt"),
        file("missing.key"),
        file("second.crt"),
        file("second.key"),
        file("third.crt"),
        file("second.key"),
        file("nameless.crt"),
        file("nameless.key"),
    ));
    let finished = app.command(&["config", "check"], "");
    assert_eq!(finished.code, 1, "{finished:?}");
    let printed = finished.stdout;
    for (setting, cause) in [
        ("http.tls.certificate_file: ", "allow the account of the service to read it"),
        ("http.tls.key_file: ", "failed to read"),
        ("http.tls.additional: entry 2, key_file: ", "does not match"),
        ("http.tls.additional: entry 3, certificate_file: ", "has no DNS name"),
    ] {
        let is_named = |line: &str| line.contains(setting) && line.contains(cause);
        assert!(printed.lines().any(is_named), "{setting}{cause}: {printed}");
    }
    assert!(!printed.contains("entry 1"), "{printed}");
}

#[sqlx::test]
async fn serve_refuses_a_key_of_another_certificate(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    app.command(&["migrate"], "").assert_success();
    let folder = tempfile::tempdir().unwrap();
    let authority = TestAuthority::new();
    let (certificate, _) = authority.issue(&["localhost"]).write(folder.path(), "one");
    let (_, key) = authority.issue(&["localhost"]).write(folder.path(), "two");
    let mut command = keeper(&["serve"]);
    command
        .envs(app.variables())
        .env("KEEPER__HTTP__TLS__CERTIFICATE_FILE", &certificate)
        .env("KEEPER__HTTP__TLS__KEY_FILE", &key);
    let finished = run_with_input(command, "");
    finished.assert_error("http.tls.key_file: the key in");
}

#[sqlx::test]
async fn doctor_fails_for_an_expired_certificate_and_notes_one_that_expires_soon(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let folder = tempfile::tempdir().unwrap();
    let authority = TestAuthority::new();
    let ends_in = |days: i64| {
        authority.issue_with(&["localhost"], |parameters| {
            parameters.not_after = time::OffsetDateTime::now_utc() + time::Duration::days(days);
        })
    };
    for (certificate, verdict) in [
        (ends_in(15), "pass"),
        (ends_in(13), "note"),
        (authority.issue_expired(&["localhost"]), "FAIL"),
    ] {
        certificate.write(folder.path(), "server");
        let mut command = keeper(&["--json", "doctor"]);
        command
            .envs(app.variables())
            .env("KEEPER__HTTP__TLS__CERTIFICATE_FILE", folder.path().join("server.crt"))
            .env("KEEPER__HTTP__TLS__KEY_FILE", folder.path().join("server.key"));
        let finished = run_with_input(command, "");
        let findings: serde_json::Value = serde_json::from_str(&finished.stdout).unwrap();
        let findings = findings.as_array().unwrap();
        let find = |what: &str| findings.iter().find(|finding| finding["what"] == what).unwrap();
        let found = find("the certificate of the API is valid");
        assert_eq!(found["verdict"], verdict, "{found}");
        assert_eq!(find("clients use TLS 1.2 or newer")["verdict"], "pass");
    }
}
