//! What `migrate` grants and revokes.

use std::{collections::BTreeSet, fs};

use sqlx::{ConnectOptions, Connection, PgConnection, PgPool};

use super::{Roles, documented, effective, execute, migrate, quote};
use crate::support::{Server, keeper, run_with_input};

/// Everything that an earlier release or an operator may have granted.
fn excessive_grants(role: &str) -> String {
    format!(
        "GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}, PUBLIC;
         GRANT UPDATE (mac), REFERENCES (mac) ON audit_events TO {role};
         GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {role}, PUBLIC;
         GRANT CREATE ON SCHEMA public TO {role}, PUBLIC;
         ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON TABLES TO {role}, PUBLIC;
         ALTER DEFAULT PRIVILEGES GRANT ALL ON SEQUENCES TO {role}, PUBLIC;
         CREATE FUNCTION wipe() RETURNS void SECURITY DEFINER LANGUAGE sql
             AS 'DELETE FROM audit_events';
         CREATE VIEW events AS SELECT * FROM audit_events;
         GRANT ALL ON events TO {role}, PUBLIC"
    )
}

async fn flag(pool: &PgPool, expression: &str, role: &str) -> bool {
    let statement = format!("SELECT {expression}");
    sqlx::query_scalar(sqlx::AssertSqlSafe(statement)).bind(role).fetch_one(pool).await.unwrap()
}

#[sqlx::test(migrations = false)]
async fn migrate_grants_exactly_the_documented_privileges_and_revokes_the_rest(pool: PgPool) {
    let owner = pool.connect_options().to_url_lossy();
    let mut roles = Roles::new(&pool);
    let service = roles.create("Keeper \"Ö'; $$ %I \\", "").await;
    let auditor = roles.create("KEEPER auditor.x", "").await;
    migrate(owner.as_str(), None, None).assert_success();
    for role in [&service, &auditor] {
        let statements =
            excessive_grants(&quote(role)).replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION");
        execute(&pool, &statements.replace("CREATE VIEW", "CREATE OR REPLACE VIEW")).await;
    }
    let excess = effective(&pool, &auditor).await;
    assert!(excess["audit_events"].contains("TRUNCATE"));

    for _ in 0..2 {
        migrate(owner.as_str(), Some(&service), Some(&auditor)).assert_success();
        let expected = documented();
        // A table that is not documented is a table that nobody thought about.
        assert_eq!(effective(&pool, &service).await, expected[0]);
        assert_eq!(effective(&pool, &auditor).await, expected[1]);
    }
    let nobody = roles.create("nobody", "").await;
    assert!(effective(&pool, &nobody).await.values().all(BTreeSet::is_empty));
    // An object that the owner creates later.
    execute(&pool, "CREATE TABLE later (id int); CREATE SEQUENCE later_ids").await;
    for (expression, is_granted) in [
        ("has_schema_privilege($1, 'public', 'USAGE')", true),
        ("has_schema_privilege($1, 'public', 'CREATE')", false),
        ("has_database_privilege($1, current_database(), 'CONNECT')", true),
        ("has_database_privilege($1, current_database(), 'TEMPORARY')", false),
        ("has_database_privilege($1, current_database(), 'CREATE')", false),
        ("has_function_privilege($1, 'wipe()', 'EXECUTE')", false),
        ("has_table_privilege($1, 'events', 'SELECT')", false),
        ("has_any_column_privilege($1, 'later', 'SELECT, INSERT, UPDATE')", false),
        ("has_sequence_privilege($1, 'later_ids', 'USAGE, SELECT, UPDATE')", false),
        ("has_sequence_privilege($1, 'users_user_id_seq', 'SELECT, UPDATE')", false),
    ] {
        for role in [&service, &auditor] {
            assert_eq!(flag(&pool, expression, role).await, is_granted, "{role}: {expression}");
        }
    }
    let sequence = "has_sequence_privilege($1, 'users_user_id_seq', 'USAGE')";
    assert!(flag(&pool, sequence, &service).await && !flag(&pool, sequence, &auditor).await);
    roles.drop().await;
}

#[sqlx::test(migrations = false)]
async fn concurrent_migrations_grant_the_same_privileges(pool: PgPool) {
    let owner = pool.connect_options().to_url_lossy().to_string();
    let mut roles = Roles::new(&pool);
    let service = roles.create("service", "").await;
    let auditor = roles.create("auditor", "").await;
    let runs: Vec<_> = (0..6)
        .map(|_| {
            let (owner, service, auditor) = (owner.clone(), service.clone(), auditor.clone());
            std::thread::spawn(move || migrate(&owner, Some(&service), Some(&auditor)))
        })
        .collect();
    for run in runs {
        run.join().unwrap().assert_success();
    }
    assert_eq!(effective(&pool, &service).await, documented()[0]);
    roles.drop().await;
}

#[sqlx::test(migrations = false)]
async fn a_service_works_while_migrate_narrows_its_privileges(pool: PgPool) {
    let owner = pool.connect_options().to_url_lossy().to_string();
    let mut roles = Roles::new(&pool);
    let service = roles.create("service", "").await;
    migrate(&owner, Some(&service), None).assert_success();
    let mut connection = PgConnection::connect(&roles.url(&service)).await.unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    let migrations = async {
        let role = quote(&service);
        for _ in 0..5 {
            execute(&pool, &format!("GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}")).await;
            let (owner, service) = (owner.clone(), service.clone());
            let run = move || migrate(&owner, Some(&service), None).assert_success();
            tokio::task::spawn_blocking(run).await.unwrap();
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    };
    let statements = async {
        let mut count = 0;
        while !done.load(std::sync::atomic::Ordering::Relaxed) {
            sqlx::raw_sql("SELECT count(*) FROM users; UPDATE keys SET retired_at = retired_at")
                .execute(&mut connection)
                .await
                .unwrap();
            count += 1;
        }
        count
    };
    let ((), count) = tokio::join!(migrations, statements);
    assert!(count > 50, "{count}");
    roles.drop().await;
}

#[sqlx::test(migrations = false)]
async fn migrate_refuses_powerful_roles_before_it_changes_anything(pool: PgPool) {
    let owner = pool.connect_options().to_url_lossy().to_string();
    let mut roles = Roles::new(&pool);
    let plain = roles.create("plain", "").await;
    let group = roles.create("group", "CREATEROLE").await;
    let member = roles.create("member", &format!("NOINHERIT IN ROLE {}", quote(&group))).await;
    for (attributes, message) in [
        ("SUPERUSER", "superuser"),
        ("CREATEROLE", "CREATEROLE"),
        ("CREATEDB", "CREATEDB"),
        ("REPLICATION", "REPLICATION"),
        ("BYPASSRLS", "BYPASSRLS"),
        ("IN ROLE pg_read_server_files", "pg_read_server_files"),
    ] {
        let role = roles.create("powerful", attributes).await;
        let finished = migrate(&owner, Some(&role), None);
        assert!(finished.stderr.contains("database.role: "), "{finished:?}");
        finished.assert_error(message);
        let finished = migrate(&owner, Some(&plain), Some(&role));
        assert!(finished.stderr.contains("database.auditor_role: "), "{finished:?}");
        finished.assert_error(message);
    }
    migrate(&owner, Some(&member), None).assert_error("CREATEROLE");
    migrate(&owner, Some("no such role"), None).assert_error("create it with LOGIN");
    // PostgreSQL reads TO "public" as TO PUBLIC.
    migrate(&owner, Some("public"), None).assert_error("create it with LOGIN");
    let tables: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!(tables, 0);
    roles.drop().await;
}

#[sqlx::test(migrations = false)]
async fn migrate_needs_the_owner_and_says_so(pool: PgPool) {
    let owner = pool.connect_options().to_url_lossy().to_string();
    let mut roles = Roles::new(&pool);
    let service = roles.create("service", "").await;
    let other = roles.create("other", "").await;
    migrate(&roles.url(&other), Some(&service), None).assert_error("cannot create tables");
    migrate(&owner, Some(&service), None).assert_success();
    for role in [&service, &other] {
        migrate(&roles.url(role), None, None).assert_error("run `migrate` as their owner");
    }
    // An owner without SUPERUSER, who owns neither schema nor database.
    execute(&pool, &format!("GRANT CREATE ON SCHEMA public TO {}", quote(&other))).await;
    for table in documented()[0].keys() {
        execute(&pool, &format!("ALTER TABLE {table} OWNER TO {}", quote(&other))).await;
    }
    let migrated = migrate(&roles.url(&other), Some(&service), None);
    assert!(!migrated.stderr.contains("cannot be set completely"), "{migrated:?}");
    migrated.assert_success();
    assert_eq!(effective(&pool, &service).await, documented()[0]);
    // Only the owner of the database can revoke this.
    let temporary = "DO $$ BEGIN EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO PUBLIC', current_database()); END $$";
    execute(&pool, temporary).await;
    let migrated = migrate(&roles.url(&other), Some(&service), None);
    assert!(
        migrated.stderr.contains("\"keeper.privileges.excess\":\"TEMPORARY ON the database\""),
        "{migrated:?}"
    );
    migrated.assert_success();
    roles.drop().await;
}

#[sqlx::test(migrations = false)]
async fn a_function_of_another_role_is_not_called_by_migrate(pool: PgPool) {
    let owner = pool.connect_options().to_url_lossy().to_string();
    let mut roles = Roles::new(&pool);
    let service = roles.create("service", "").await;
    execute(&pool, &format!("GRANT CREATE ON SCHEMA public TO {}", quote(&service))).await;
    let mut connection = PgConnection::connect(&roles.url(&service)).await.unwrap();
    // Better matches than the functions of PostgreSQL that take `anyelement` or `VARIADIC "any"`.
    sqlx::raw_sql(
        "CREATE FUNCTION public.format(text, name, name) RETURNS text LANGUAGE plpgsql
             AS 'BEGIN RAISE EXCEPTION ''called''; END';
         CREATE FUNCTION public.format(text, text, text) RETURNS text LANGUAGE plpgsql
             AS 'BEGIN RAISE EXCEPTION ''called''; END';
         CREATE FUNCTION public.quote_ident(name) RETURNS text LANGUAGE plpgsql
             AS 'BEGIN RAISE EXCEPTION ''called''; END'",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    migrate(&owner, Some(&service), None).assert_success();
    assert_eq!(effective(&pool, &service).await, documented()[0]);
    roles.drop().await;
}

#[sqlx::test]
async fn serve_runs_as_a_role_with_an_unusual_name(pool: PgPool) {
    let owner = pool.connect_options().to_url_lossy().to_string();
    let mut roles = Roles::new(&pool);
    let service = roles.create("Ünusual @:/?# \"name\"", "").await;
    migrate(&owner, Some(&service), None).assert_success();
    let folder = tempfile::tempdir().unwrap();
    let keyring = folder.path().join("keyring.json");
    let mut generate = keeper(&["keys", "generate", "--file"]);
    generate.arg(&keyring);
    run_with_input(generate, "").assert_success();
    let mut serve = keeper(&["serve"]);
    serve
        .env("KEEPER__DATABASE__URL", roles.url(&service))
        .env("KEEPER__KEYRING__FILE", &keyring)
        .env("KEEPER__HTTP__LISTEN", "127.0.0.1:0")
        .env("KEEPER__OPERATIONS__LISTEN", "127.0.0.1:0")
        .env("KEEPER__SHUTDOWN__GRACE_SECONDS", "0");
    let server = Server::start(serve).unwrap();
    server.signal(rustix::process::Signal::TERM);
    let (ended_well, log) = server.wait();
    assert!(ended_well && !log.contains("can do more than it needs"), "{log}");
    assert!(fs::exists(&keyring).unwrap());
    roles.drop().await;
}
