//! Imported hashes of every family: how they are stored, what they leave behind, and how they move.

use std::fs;

use sqlx::PgPool;

use super::import::{file, import, logs_in, scheme};
use crate::{
    hash_families::{FAMILIES, Family, PASSWORD, import_lines},
    support::{TestApp, assert_becomes, keeper, run_with_input},
};

const NEW: (&str, i32) = ("argon2id", 19_456);

/// Waits until the stored hash of a user has the current parameters.
async fn wait_until_rehashed(app: &TestApp, name: &str) {
    let new = (name, (NEW.0.to_owned(), NEW.1));
    assert_becomes(new, async || (name, scheme(app, name).await)).await;
}

#[sqlx::test]
async fn every_family_logs_in_and_becomes_plain_argon2id(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let (_folder, path) = file(&import_lines());
    let (code, results, said) = import(&app, &path, &[]);
    assert_eq!(code, 0, "{results:?} {said}");
    for Family { name, scheme: expected, .. } in FAMILIES {
        assert_eq!(scheme(&app, name).await.0, expected, "{name}");
        assert!(!logs_in(&app, name, "correct horse batterz").await, "{name}");
        assert_eq!(
            scheme(&app, name).await.0,
            expected,
            "{name}: a wrong password changes nothing"
        );
        assert!(logs_in(&app, name, PASSWORD).await, "{name}");
        wait_until_rehashed(&app, name).await;
        assert!(logs_in(&app, name, PASSWORD).await, "{name} after that");
        assert!(!logs_in(&app, name, "correct horse batterz").await, "{name} after that");
    }
}

#[sqlx::test]
async fn what_is_fast_or_weak_has_the_cost_of_a_new_hash(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let (_folder, path) = file(&import_lines());
    assert_eq!(import(&app, &path, &[]).0, 0);
    for family in FAMILIES.iter().filter(|family| family.is_wrapped()) {
        let cost: (i32, i32, i32) = sqlx::query_as(
            "SELECT c.hash_memory_kib, c.hash_iterations, c.hash_parallelism
             FROM credentials c JOIN users u USING (user_id) WHERE u.login_name = $1",
        )
        .bind(family.name)
        .fetch_one(&app.pool)
        .await
        .unwrap();
        assert_eq!(cost, (19_456, 2, 1), "{}", family.name);
    }
}

/// The parts of a hash that only its owner or the other system may know: digests and keys.
fn secrets(family: &Family) -> Vec<String> {
    let parts = family.hash.split(['$', ',', '}']);
    let parts = parts.map(|part| part.trim_start_matches("sk=").trim_end_matches('='));
    parts.filter(|part| part.len() >= 20).map(str::to_owned).collect()
}

/// Every row of every table, with the printable bytes of binary columns.
async fn text_of_all_tables(pool: &PgPool) -> String {
    let mut connection = pool.acquire().await.unwrap();
    sqlx::raw_sql("SET bytea_output = 'escape'").execute(&mut *connection).await.unwrap();
    let tables = "SELECT string_agg(format('SELECT t::text FROM %I t', table_name), ' UNION ALL ')
                  FROM information_schema.tables WHERE table_schema = 'public'";
    let statement: String = sqlx::query_scalar(tables).fetch_one(&mut *connection).await.unwrap();
    let statement = sqlx::AssertSqlSafe(statement);
    let rows: Vec<String> =
        sqlx::query_scalar(statement).fetch_all(&mut *connection).await.unwrap();
    rows.join("\n")
}

#[sqlx::test]
async fn no_imported_hash_or_key_is_in_a_table_or_a_log(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let (_folder, path) = file(&import_lines());
    let mut command = keeper(&["import", path.to_str().unwrap()]);
    command.envs(app.variables()).env("KEEPER__LOG__LEVEL", "trace");
    let finished = run_with_input(command, "");
    assert_eq!(finished.code, 0, "{finished:?}");
    let export = app.command(&["export"], "").assert_success();
    let tables = text_of_all_tables(&app.pool).await;
    assert!(tables.contains("bcrypt-sha256"), "the tables are not in the text");
    let mut searched = 0;
    for family in &FAMILIES {
        for secret in secrets(family) {
            searched += 1;
            for (place, text) in [
                ("log", &finished.stderr),
                ("results", &finished.stdout),
                ("export", &export),
                ("tables", &tables),
            ] {
                assert!(!text.contains(&secret), "{}: {secret} is in the {place}", family.name);
            }
        }
    }
    assert!(searched >= FAMILIES.len(), "{searched}");
}

#[sqlx::test]
async fn an_archive_moves_every_family_before_its_owner_logs_in(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let (folder, path) = file(&import_lines());
    assert_eq!(import(&app, &path, &[]).0, 0);
    let archive = folder.path().join("whole.keeper");
    let whole = ["export", "--whole", archive.to_str().unwrap()];
    app.command(&whole, "a long passphrase").assert_success();
    let bytes = fs::read(&archive).unwrap();
    for secret in FAMILIES.iter().flat_map(secrets) {
        assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret}");
    }
    sqlx::raw_sql("TRUNCATE credentials, tickets, login_names, audit_events, keys, users CASCADE")
        .execute(&app.pool)
        .await
        .unwrap();
    let keyring = folder.path().join("other.json");
    let with_keyring = |arguments: &[&str], input: &str| {
        let mut command = keeper(arguments);
        command.envs(app.variables()).env("KEEPER__KEYRING__FILE", &keyring);
        run_with_input(command, input)
    };
    with_keyring(&["keys", "generate"], "").assert_success();
    with_keyring(&["import", archive.to_str().unwrap()], "a long passphrase").assert_success();
    let keyring = [("KEEPER__KEYRING__FILE", keyring.to_str().unwrap())];
    let other = app.spawn_instance(&keyring).await;
    for Family { name, scheme: expected, .. } in FAMILIES {
        assert_eq!(scheme(&app, name).await.0, expected, "{name}");
        assert!(!logs_in(&other, name, "correct horse batterz").await, "{name}");
        assert!(logs_in(&other, name, PASSWORD).await, "{name}");
    }
}
