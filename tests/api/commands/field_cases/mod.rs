//! Hashes of real systems (`hashes.jsonl`): each logs in, or is rejected with the reason.

use std::{collections::BTreeMap, fs};

use serde_json::{Value, json};
use sqlx::PgPool;

use super::import::{file, import, logs_in, scheme};
use crate::support::TestApp;

const HASHES: &str = include_str!("hashes.jsonl");
const PASSWORD: &str = "correct horse battery";

/// The text in the rejection, by the start of the login name. All others log in.
const REFUSED: [(&str, &str); 8] = [
    ("a2_no_t_authelia", "the parameters m, t, p"),
    ("a2_padded", "padding"),
    ("a2_keyid_empty", "keyid or data"),
    ("a2_kc_65536", "hashing.maximum_memory_kib"),
    ("bc_2x", "is a $2x$ hash, whose faulty implementation"),
    ("django_argon2", "hashing.maximum_memory_kib"),
    ("phc_scrypt", "needs more memory for scrypt than hashing.maximum_memory_kib"),
    ("yescrypt", "yescrypt"),
];

/// The schemes of hashes that are stored wrapped, by the start of the login name.
const WRAPPED: [(&str, &str); 7] = [
    ("aspnet_v2", "argon2id-over-pbkdf2"),
    ("md5crypt", "argon2id-over-md5-crypt"),
    ("phpass", "argon2id-over-phpass"),
    ("sha256crypt", "argon2id-over-sha-crypt"),
    ("sha512crypt_r", "sha512-crypt"),
    ("sha512crypt", "argon2id-over-sha-crypt"),
    ("ssha", "argon2id-over-digest"),
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
        let expected = WRAPPED.iter().find(|(start, _)| name.starts_with(start));
        if let Some((_, expected)) = expected {
            assert_eq!(scheme(&app, name).await.0, *expected, "{name}");
        }
        assert!(!logs_in(&app, name, "correct horse batterz").await, "{name}");
        assert_eq!(logs_in(&app, name, PASSWORD).await, is_accepted, "{name}");
        // Also after rehashing.
        assert_eq!(logs_in(&app, name, PASSWORD).await, is_accepted, "{name}, again");
    }
    assert_eq!(counts, BTreeMap::from([(false, 8), (true, 32)]));
}

#[sqlx::test]
async fn the_setting_named_in_a_rejection_takes_effect(pool: PgPool) {
    let more =
        [("KEEPER__HASHING__MAXIMUM_MEMORY_KIB", "102400"), ("KEEPER__HASHING__THREADS", "1")];
    let app = TestApp::spawn_with(pool, &more, "").await;
    let names = ["a2_kc_65536", "django_argon2", "phc_scrypt"];
    let is_named = |line: &&str| names.iter().any(|name| line.contains(name));
    let lines: Vec<_> = HASHES.lines().filter(is_named).map(str::to_owned).collect();
    assert_eq!(lines.len(), names.len());
    let (_folder, path) = file(&lines);
    let (code, _, said) = import(&app, &path, &[]);
    assert_eq!(code, 0, "{said}");
    for name in names {
        assert!(!logs_in(&app, name, "correct horse batterz").await, "{name}");
        assert!(logs_in(&app, name, PASSWORD).await, "{name}");
    }
}

#[sqlx::test]
async fn a_rejection_names_the_credential_of_the_line(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let line = json!({"login_name": "two", "credentials": [
        {"type": "ActiveDirectory", "value": "S-1-5-7"},
        {"type": "CRM5/PASSWORD"},
        {"type": "CRM5/PASSWORD", "hash": "$2x$10$abcdefghijklmnopqrstuuCj7fyLDJytXL.TfOiOeiv0fQvSOK1/2"},
    ]});
    let (_folder, path) = file(&[line.to_string()]);
    for more in [&["--dry-run"][..], &[]] {
        let (code, results, said) = import(&app, &path, more);
        assert_eq!((code, results.len()), (1, 1), "{said}");
        assert_eq!(results[0]["field"], "credentials[2].hash");
    }
}
