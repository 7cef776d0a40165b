//! A migration runs while the last release serves: what that release needs of the schema stays, and
//! no request waits for long.
//!
//! `tests/replicas` upgrades real instances of the last release under load.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    process::Stdio,
};

use sqlx::{AssertSqlSafe, PgPool};

use crate::{
    support::{PLAIN, TestApp, keeper, wait_until},
    upgrades::{file, releases},
};

/// What a release can depend on in a schema.
#[derive(Debug)]
struct Schema {
    /// Type, whether it may be null, and whether an insert may omit it; by table and column.
    columns: BTreeMap<(String, String), (String, bool, bool)>,
    /// The texts that a column may have, by table and constraint.
    checks: BTreeMap<(String, String), BTreeSet<String>>,
    /// The unique indexes and foreign keys: an insert can violate each of them.
    rules: BTreeSet<(String, String)>,
}

impl Schema {
    async fn of(pool: &PgPool) -> Self {
        let columns: Vec<(String, String, String, bool, bool)> = sqlx::query_as(
            "SELECT table_name::text, column_name::text, data_type::text, is_nullable = 'YES',
                    is_nullable = 'YES' OR column_default IS NOT NULL OR is_identity = 'YES'
             FROM information_schema.columns WHERE table_schema = 'public'",
        )
        .fetch_all(pool)
        .await
        .unwrap();
        let checks: Vec<(String, String, String)> = sqlx::query_as(
            "SELECT conrelid::regclass::text, conname::text, pg_get_constraintdef(oid)
             FROM pg_constraint WHERE contype = 'c' AND connamespace = 'public'::regnamespace
               AND pg_get_constraintdef(oid) LIKE '%= ANY (ARRAY[%'",
        )
        .fetch_all(pool)
        .await
        .unwrap();
        let rules: Vec<(String, String)> = sqlx::query_as(
            "SELECT indrelid::regclass::text, indexrelid::regclass::text FROM pg_index
             JOIN pg_class ON pg_class.oid = indrelid AND relnamespace = 'public'::regnamespace
             WHERE indisunique
             UNION SELECT conrelid::regclass::text, conname::text FROM pg_constraint
             WHERE contype IN ('f', 'x') AND connamespace = 'public'::regnamespace",
        )
        .fetch_all(pool)
        .await
        .unwrap();
        let literals = |text: &str| {
            let parts = text.split('\'').skip(1).step_by(2);
            parts.map(str::to_owned).collect::<BTreeSet<_>>()
        };
        Self {
            columns: columns
                .into_iter()
                .map(|(table, column, kind, null, free)| ((table, column), (kind, null, free)))
                .collect(),
            checks: checks
                .into_iter()
                .map(|(table, name, text)| ((table, name), literals(&text)))
                .collect(),
            rules: rules.into_iter().collect(),
        }
    }

    fn has_table(&self, table: &str) -> bool {
        self.columns.keys().any(|(known, _)| known == table)
    }

    /// What a program that works with this schema cannot do with a later one.
    fn broken_by(&self, later: &Self) -> Vec<String> {
        let mut broken = Vec::new();
        for (key @ (table, column), (kind, may_be_null, is_free)) in &self.columns {
            match later.columns.get(key) {
                None => broken.push(format!("{table}.{column} is gone")),
                Some((other, ..)) if other != kind => {
                    broken.push(format!("{table}.{column} is {other} instead of {kind}"));
                }
                Some((_, later_null, later_free)) => {
                    if (*may_be_null && !later_null) || (*is_free && !later_free) {
                        broken.push(format!("{table}.{column} is required"));
                    }
                }
            }
        }
        for ((table, column), (_, _, is_free)) in &later.columns {
            let is_new = !self.columns.contains_key(&(table.clone(), column.clone()));
            if is_new && self.has_table(table) && !is_free {
                broken.push(format!("{table}.{column} is required"));
            }
        }
        for ((table, name), texts) in &self.checks {
            let key = (table.clone(), name.clone());
            let narrowed = |later: &BTreeSet<String>| !later.is_empty() && !texts.is_subset(later);
            if later.checks.get(&key).is_some_and(narrowed) {
                broken.push(format!("{table}: {name} accepts less"));
            }
        }
        for (table, rule) in later.rules.difference(&self.rules) {
            if self.has_table(table) {
                broken.push(format!("{table}: {rule} is new"));
            }
        }
        broken
    }
}

async fn restore(pool: &PgPool, version: &str) {
    let dump = fs::read_to_string(file(version, "sql")).unwrap();
    let empty = "DROP SCHEMA public CASCADE; CREATE SCHEMA public";
    sqlx::raw_sql(empty).execute(pool).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(dump)).execute(pool).await.unwrap();
    // The dump empties it for its session.
    sqlx::raw_sql("SET search_path TO public").execute(pool).await.unwrap();
}

#[sqlx::test(migrations = false)]
async fn the_schema_has_all_that_each_release_needs(pool: PgPool) {
    for version in releases() {
        restore(&pool, &version).await;
        let before = Schema::of(&pool).await;
        assert!(before.has_table("users") && !before.checks.is_empty());
        sqlx::migrate!().run(&pool).await.unwrap();
        let broken = before.broken_by(&Schema::of(&pool).await);
        assert!(broken.is_empty(), "instances of release {version} would fail: {broken:#?}");
    }
}

/// The test above finds each change that breaks a former release.
#[sqlx::test]
async fn a_change_that_breaks_a_release_is_found(pool: PgPool) {
    for (statement, expected) in [
        ("ALTER TABLE users DROP COLUMN display_name", "users.display_name is gone"),
        ("ALTER TABLE users RENAME COLUMN nick_name TO shown", "users.nick_name is gone"),
        ("DROP TABLE known_addresses", "known_addresses.failures is gone"),
        (
            "ALTER TABLE users ALTER COLUMN login_name TYPE varchar(300)",
            "users.login_name is character varying instead of text",
        ),
        ("ALTER TABLE tickets ALTER COLUMN device SET NOT NULL", "tickets.device is required"),
        ("ALTER TABLE users ALTER COLUMN is_retired DROP DEFAULT", "users.is_retired is required"),
        ("ALTER TABLE tickets ADD COLUMN place text NOT NULL", "tickets.place is required"),
        (
            "ALTER TABLE tickets DROP CONSTRAINT tickets_kind_check,
          ADD CONSTRAINT tickets_kind_check CHECK (kind IN ('session', 'other'))",
            "tickets: tickets_kind_check accepts less",
        ),
        ("CREATE UNIQUE INDEX one_name ON users (login_name)", "users: one_name is new"),
        (
            "ALTER TABLE login_names ADD CONSTRAINT a_user FOREIGN KEY (user_id) REFERENCES users",
            "login_names: a_user is new",
        ),
    ] {
        let before = Schema::of(&pool).await;
        sqlx::raw_sql(statement).execute(&pool).await.unwrap();
        let broken = before.broken_by(&Schema::of(&pool).await);
        assert!(broken.iter().any(|found| found == expected), "{statement}: {broken:?}");
    }
}

/// A migration that waits for its lock holds up every request for the same table, so it must not
/// wait for as long as a backup or another long transaction.
#[sqlx::test]
async fn requests_go_on_while_a_migration_waits_for_a_long_transaction(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    // The migration builds an index of `users`, which needs a table that nobody writes to.
    let undo = "DROP INDEX users_administrators;
                DELETE FROM _sqlx_migrations WHERE version = 20261128210000";
    sqlx::raw_sql(undo).execute(&app.pool).await.unwrap();
    let mut long = app.pool.begin().await.unwrap();
    sqlx::raw_sql("LOCK TABLE users IN ROW EXCLUSIVE MODE").execute(&mut *long).await.unwrap();
    let mut migrate = keeper(&["migrate"]);
    migrate.envs(app.variables()).env("KEEPER__DATABASE__URL", app.owner_url());
    let mut migrate = migrate.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let waiting = "SELECT count(*) FROM pg_locks
                   WHERE NOT granted AND database = (SELECT oid FROM pg_database
                                                     WHERE datname = current_database())";
    wait_until("the migration waits for its lock", async || {
        sqlx::query_scalar::<_, i64>(waiting).fetch_one(&app.pool).await.unwrap() > 0
    })
    .await;
    app.save(&app.administrator(), PLAIN.0, "", "a new password").await.assert_saved();
    assert!(migrate.try_wait().unwrap().is_none(), "the migration waits");
    long.commit().await.unwrap();
    let migrated = tokio::task::spawn_blocking(move || migrate.wait()).await.unwrap().unwrap();
    assert!(migrated.success(), "{migrated:?}");
    let made: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM pg_indexes WHERE indexname = 'users_administrators'",
    )
    .fetch_one(&app.pool)
    .await
    .unwrap();
    assert_eq!(made, 1);
}
