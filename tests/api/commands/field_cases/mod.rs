//! Hashes of real systems (`hashes.jsonl`): each logs in, or is rejected with its format as the
//! reason.

use std::{collections::BTreeMap, fs};

use serde_json::{Value, json};
use sqlx::PgPool;

use super::import::{file, import, logs_in};
use crate::support::TestApp;

const HASHES: &str = include_str!("hashes.jsonl");
const PASSWORD: &str = "correct horse battery";

/// The text in the rejection, by the start of the login name. All others log in.
const REFUSED: [(&str, &str); 17] = [
    ("a2_no_t_authelia", "the parameters m, t and p"),
    ("a2_padded", "padding"),
    ("a2_keyid_empty", "keyid or data"),
    ("a2_kc_65536", "hashing.maximum_memory_kib"),
    ("bc_2x", "is a $2x$ hash, whose faulty implementation"),
    ("django_argon2", "Django argon2"),
    ("django_bcrypt", "Django bcrypt"),
    ("ldap_bcrypt", "LDAP bcrypt"),
    ("phpass", "phpass"),
    ("aspnet_", "ASP.NET Identity"),
    ("phc_scrypt", "scrypt"),
    ("passlib_scrypt", "scrypt"),
    ("sha512crypt", "sha512crypt"),
    ("sha256crypt", "sha256crypt"),
    ("md5crypt", "md5crypt"),
    ("ssha", "LDAP salted SHA"),
    ("yescrypt", "yescrypt"),
];

fn refusal(name: &str) -> Option<&'static str> {
    REFUSED.iter().find(|(start, _)| name.starts_with(start)).map(|(_, reason)| *reason)
}

/// The login names, in the order of the lines.
fn names() -> Vec<String> {
    let name = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        line["login_name"].as_str().unwrap().to_owned()
    };
    HASHES.lines().map(name).collect()
}

#[sqlx::test]
async fn hashes_from_the_field_log_in_or_are_rejected_by_name(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let names = names();
    assert!(names.len() >= 40, "{}", names.len());
    let (folder, path) = file(&[]);
    fs::write(&path, HASHES).unwrap();
    for more in [&["--dry-run"][..], &[]] {
        let (_, results, said) = import(&app, &path, more);
        assert_eq!(results.len(), names.len(), "{said}");
        for (name, result) in names.iter().zip(&results) {
            let Some(reason) = refusal(name) else {
                assert!(result["result"].as_str().unwrap().ends_with("added"), "{name}: {result}");
                continue;
            };
            assert_eq!(result["field"], "credentials[0].hash", "{name}");
            let told = result["reason"].as_str().unwrap();
            assert!(told.contains(reason), "{name}: {told}");
        }
    }
    drop(folder);
    let mut counts = BTreeMap::new();
    for name in &names {
        let is_accepted = refusal(name).is_none();
        *counts.entry(is_accepted).or_insert(0) += 1;
        assert!(!logs_in(&app, name, "correct horse batterz").await, "{name}");
        assert_eq!(logs_in(&app, name, PASSWORD).await, is_accepted, "{name}");
        // Also after rehashing.
        assert_eq!(logs_in(&app, name, PASSWORD).await, is_accepted, "{name}, again");
    }
    assert_eq!(counts, BTreeMap::from([(false, 21), (true, 19)]));
}

#[sqlx::test]
async fn the_setting_named_in_a_rejection_takes_effect(pool: PgPool) {
    let more =
        [("KEEPER__HASHING__MAXIMUM_MEMORY_KIB", "65536"), ("KEEPER__HASHING__THREADS", "1")];
    let app = TestApp::spawn_with(pool, &more, "").await;
    let line = HASHES.lines().find(|line| line.contains("a2_kc_65536")).unwrap();
    let (_folder, path) = file(&[line.to_owned()]);
    let (code, _, said) = import(&app, &path, &[]);
    assert_eq!(code, 0, "{said}");
    assert!(logs_in(&app, "a2_kc_65536", PASSWORD).await);
}

#[sqlx::test]
async fn a_rejection_names_the_credential_of_the_line(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let line = json!({"login_name": "two", "credentials": [
        {"type": "ActiveDirectory", "value": "S-1-5-7"},
        {"type": "CRM5/PASSWORD"},
        {"type": "CRM5/PASSWORD", "hash": "$1$74jh1reI$TcI8swtOCcTQjL76bDB/C1"},
    ]});
    let (_folder, path) = file(&[line.to_string()]);
    for more in [&["--dry-run"][..], &[]] {
        let (code, results, said) = import(&app, &path, more);
        assert_eq!((code, results.len()), (1, 1), "{said}");
        assert_eq!(results[0]["field"], "credentials[2].hash");
    }
}
