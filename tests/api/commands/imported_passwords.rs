//! Imported hashes: which part of a password the other system hashed, and in which Unicode form.

use serde_json::json;
use sqlx::PgPool;

use super::import::{file, import, logs_in, scheme};
use crate::support::{TestApp, assert_becomes};

/// The same password in two Unicode forms, as different keyboards type it.
const COMPOSED: &str = "Zo\u{eb} \u{c5}ngstr\u{f6}m";
const DECOMPOSED: &str = "Zoe\u{308} A\u{30a}ngstro\u{308}m";

const NEW: (&str, i32) = ("argon2id", 19_456);

fn line(name: &str, hash: &str) -> String {
    json!({"login_name": name, "credentials": [{"hash": hash}]}).to_string()
}

fn bcrypt(password: &str) -> String {
    let parts = bcrypt::hash_with_salt(password, 8, *b"0123456789abcdef").unwrap();
    parts.format_for_version(bcrypt::Version::TwoB)
}

/// A PHC string of the password in its decomposed form.
fn argon2(algorithm: argon2::Algorithm, memory_kib: u32) -> String {
    let params = argon2::Params::new(memory_kib, 2, 1, Some(32)).unwrap();
    let mut output = [0; 32];
    argon2::Argon2::new(algorithm, argon2::Version::V0x13, params)
        .hash_password_into(DECOMPOSED.as_bytes(), b"0123456789abcdef", &mut output)
        .unwrap();
    format!("${algorithm}$v=19$m={memory_kib},t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg${}", base_64(&output))
}

fn pbkdf2() -> String {
    let mut output = [0; 32];
    let salt = b"0123456789abcdef";
    pbkdf2::pbkdf2_hmac::<sha2::Sha256>(DECOMPOSED.as_bytes(), salt, 10_000, &mut output);
    format!("$pbkdf2-sha256$i=10000,l=32$MDEyMzQ1Njc4OWFiY2RlZg${}", base_64(&output))
}

fn base_64(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD_NO_PAD.encode(bytes)
}

/// Waits until the stored hash of a user has the current parameters.
async fn wait_until_rehashed(app: &TestApp, name: &str) {
    let new = (name, (NEW.0.to_owned(), NEW.1));
    assert_becomes(new, async || (name, scheme(app, name).await)).await;
}

#[sqlx::test]
async fn a_bcrypt_hash_is_never_rehashed_from_a_possible_prefix(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let long = "p".repeat(72) + " and the rest";
    let longest_whole = "p".repeat(71);
    let accented = format!("{}\u{e9} and the rest", "p".repeat(69));
    let (_folder, path) = file(&[
        line("long", &bcrypt(&long)),
        line("filled", &bcrypt(&long[..72])),
        line("accented", &bcrypt(&accented.replace('\u{e9}', "e\u{301}"))),
        line("whole", &bcrypt(&longest_whole)),
    ]);
    assert_eq!(import(&app, &path, &[]).0, 0);
    // The first 72 bytes are sufficient, as in the other system.
    assert!(logs_in(&app, "long", &long[..72]).await);
    assert!(logs_in(&app, "filled", &long[..72]).await);
    assert!(logs_in(&app, "accented", &format!("{}\u{e9}", "p".repeat(69))).await);
    assert!(!logs_in(&app, "long", &long[..71]).await);
    assert!(!logs_in(&app, "whole", &longest_whole[..70]).await);
    assert!(!logs_in(&app, "whole", &format!("{longest_whole}p")).await);
    assert!(logs_in(&app, "whole", &longest_whole).await);
    // Rehashing is sequential: when this one is complete, the others would be, too.
    wait_until_rehashed(&app, "whole").await;
    for name in ["long", "filled", "accented"] {
        assert_eq!(scheme(&app, name).await.0, "bcrypt", "{name}");
    }
    assert!(logs_in(&app, "long", &long).await, "the real password is not kept out");
    assert!(logs_in(&app, "accented", &accented).await, "the real password is not kept out");
    assert!(logs_in(&app, "whole", &longest_whole).await);
    assert!(!logs_in(&app, "whole", &format!("{longest_whole}p")).await);
}

#[sqlx::test]
async fn a_hash_of_a_decomposed_password_logs_in_however_it_is_typed(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let hashes = [
        ("bcrypt", bcrypt(DECOMPOSED)),
        ("pbkdf2", pbkdf2()),
        ("argon2i", argon2(argon2::Algorithm::Argon2i, 4096)),
        ("argon2id", argon2(argon2::Algorithm::Argon2id, 4096)),
        ("as-new", argon2(argon2::Algorithm::Argon2id, 19_456)),
        ("composed", bcrypt(COMPOSED)),
    ];
    let lines = hashes.map(|(name, hash)| line(name, &hash));
    let (_folder, path) = file(&lines);
    let (code, _, said) = import(&app, &path, &[]);
    assert_eq!(code, 0, "{said}");
    for name in ["bcrypt", "pbkdf2", "argon2i", "argon2id", "as-new", "composed"] {
        assert!(!logs_in(&app, name, "Zoe Angstrom").await, "{name}");
        assert!(!logs_in(&app, name, "Zo\u{eb} Angstr\u{f6}m").await, "{name}");
        assert!(logs_in(&app, name, COMPOSED).await, "{name}");
        wait_until_rehashed(&app, name).await;
        assert!(logs_in(&app, name, COMPOSED).await, "{name} after that");
        assert!(logs_in(&app, name, DECOMPOSED).await, "{name} after that, typed otherwise");
    }
    assert!(app.command(&["credential", "verify", "--user", "as-new"], DECOMPOSED).code == 0);
}
