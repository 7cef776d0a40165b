//! A role of the service that can do too much: `serve` logs a warning, and `doctor` fails.

use serde_json::Value;
use sqlx::{Connection, PgConnection, PgPool};

use super::{Roles, documented, execute, migrate, quote};
use crate::support::{SERVICE_ROLE, Server, TestApp, keeper, run_with_input};

const SUPERUSER: &str = "the database role of the service is not a superuser";
const OWNER: &str = "the database role of the service does not own the tables";
const ATTRIBUTE: &str = "the database role of the service has no administrative attribute or role";
const EVENTS: &str = "the database role of the service cannot change audit events";
const PRIVILEGES: &str = "the database role of the service has only the privileges that it needs";

/// The warnings of `serve` about its role.
fn warnings(app: &TestApp, url: &str) -> Vec<Value> {
    let mut command = keeper(&["serve"]);
    command.envs(app.variables()).env("KEEPER__DATABASE__URL", url);
    let server = Server::start(command).unwrap();
    server.signal(rustix::process::Signal::TERM);
    let (ended_well, log) = server.wait();
    assert!(ended_well, "{log}");
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["message"].as_str().unwrap().contains("more than it needs")).collect()
}

/// The exit code of `doctor`, and the failed requirements.
fn failed(app: &TestApp, url: &str) -> (i32, Vec<String>) {
    let mut command = keeper(&["--json", "doctor"]);
    command.envs(app.variables()).env("KEEPER__DATABASE__URL", url);
    command.env("KEEPER__PASSWORDS__POLICY", "nist");
    let finished = run_with_input(command, "");
    let findings: Vec<Value> = serde_json::from_str(&finished.stdout).unwrap();
    let failed = findings.iter().filter(|finding| finding["verdict"] == "FAIL");
    let failed = failed.map(|finding| finding["what"].as_str().unwrap().to_owned()).collect();
    (finished.code, failed)
}

/// Asserts one warning that contains `power`, and that `doctor` fails these requirements.
fn assert_reported(app: &TestApp, url: &str, power: &str, requirements: &[&str]) {
    let warnings = warnings(app, url);
    assert_eq!(warnings.len(), 1, "{power}: {warnings:?}");
    assert_eq!(warnings[0]["log.level"], "warn", "{power}");
    assert!(
        warnings[0]["keeper.privileges.excess"].as_str().unwrap().contains(power),
        "{power}: {warnings:?}"
    );
    assert!(warnings[0]["message"].as_str().unwrap().contains("set database.role"), "{power}");
    let (code, failed) = failed(app, url);
    assert_eq!(code, 1, "{power}");
    for requirement in requirements {
        assert!(failed.iter().any(|one| one == requirement), "{power}: {failed:?}");
    }
}

#[sqlx::test]
async fn serve_warns_about_a_powerful_role_and_doctor_fails(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let url = &app.variables()["KEEPER__DATABASE__URL"];
    assert_eq!(warnings(&app, url), Vec::<Value>::new());
    assert_eq!(failed(&app, url), (0, Vec::new()));

    let mut roles = Roles::new(&app.pool);
    let service = quote(SERVICE_ROLE);
    let superuser = app.pool.connect_options().get_username().to_owned();
    let requirements = [SUPERUSER, OWNER, EVENTS, ATTRIBUTE];
    assert_reported(&app, &app.owner_url(), "is a superuser", &requirements);
    // SET ROLE hides the privileges, and RESET ROLE brings them back.
    let hidden = format!("{}&options=-c%20role%3D{SERVICE_ROLE}", app.owner_url());
    assert_reported(&app, &hidden, "is a superuser", &[SUPERUSER, EVENTS]);
    for inherits in ["INHERIT", "NOINHERIT"] {
        let attributes = format!("{inherits} IN ROLE {}", quote(&superuser));
        let member = roles.create("member", &attributes).await;
        // Without INHERIT, the role has no privilege until it becomes the superuser.
        if inherits == "NOINHERIT" {
            let privileges = format!("GRANT {service} TO {}", quote(&member));
            execute(&app.pool, &privileges).await;
            let inherit = format!("ALTER ROLE {} INHERIT", quote(&member));
            execute(&app.pool, &inherit).await;
        }
        assert_reported(&app, &roles.url(&member), "is a superuser", &[SUPERUSER, EVENTS]);
    }
    for (attributes, power) in [
        ("CREATEROLE", "CREATEROLE"),
        ("CREATEDB", "CREATEDB"),
        ("REPLICATION", "REPLICATION"),
        ("BYPASSRLS", "BYPASSRLS"),
        ("IN ROLE pg_write_all_data", "pg_write_all_data"),
    ] {
        let role = roles.create("powerful", attributes).await;
        execute(&app.pool, &format!("GRANT {service} TO {}", quote(&role))).await;
        assert_reported(&app, &roles.url(&role), power, &[ATTRIBUTE]);
    }
    roles.drop().await;
}

#[sqlx::test]
async fn the_owner_and_its_members_are_reported(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let mut roles = Roles::new(&app.pool);
    let owner = roles.create("owner", "").await;
    for table in documented()[0].keys().filter(|table| *table != "_sqlx_migrations") {
        execute(&app.pool, &format!("ALTER TABLE {table} OWNER TO {}", quote(&owner))).await;
    }
    execute(&app.pool, &format!("GRANT {SERVICE_ROLE} TO {}", quote(&owner))).await;
    assert_reported(&app, &roles.url(&owner), "owns the tables", &[OWNER, EVENTS]);
    let member = roles.create("member", &format!("IN ROLE {}", quote(&owner))).await;
    execute(&app.pool, &format!("GRANT {SERVICE_ROLE} TO {}", quote(&member))).await;
    assert_reported(&app, &roles.url(&member), "owns the tables", &[OWNER, EVENTS]);
    roles.drop().await;
}

#[sqlx::test]
async fn every_excessive_privilege_is_reported(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let url = app.variables()["KEEPER__DATABASE__URL"].clone();
    let mut roles = Roles::new(&app.pool);
    let group = quote(&roles.create("group", "").await);
    execute(
        &app.pool,
        "CREATE TABLE other (id int);
         CREATE SCHEMA elsewhere;
         CREATE FUNCTION wipe() RETURNS void SECURITY DEFINER LANGUAGE sql AS 'SELECT';
         REVOKE ALL ON FUNCTION wipe() FROM PUBLIC",
    )
    .await;
    let grants = [
        ("DELETE ON audit_events", "DELETE ON audit_events", &[EVENTS, PRIVILEGES][..]),
        ("UPDATE (mac) ON audit_events", "UPDATE (mac) ON audit_events", &[EVENTS, PRIVILEGES]),
        ("TRUNCATE ON audit_events", "TRUNCATE ON audit_events", &[EVENTS, PRIVILEGES]),
        ("TRIGGER ON audit_events", "TRIGGER ON audit_events", &[EVENTS, PRIVILEGES]),
        ("DELETE ON users", "DELETE ON users", &[PRIVILEGES]),
        ("UPDATE (user_id) ON users", "UPDATE (user_id) ON users", &[PRIVILEGES]),
        ("INSERT ON installation", "INSERT (created_at) ON installation", &[PRIVILEGES]),
        ("SELECT ON other", "SELECT (id) ON other", &[PRIVILEGES]),
        ("UPDATE ON SEQUENCE users_user_id_seq", "UPDATE ON SEQUENCE", &[PRIVILEGES]),
        ("CREATE ON SCHEMA elsewhere", "CREATE ON SCHEMA elsewhere", &[PRIVILEGES]),
        ("EXECUTE ON FUNCTION wipe()", "SECURITY DEFINER wipe()", &[PRIVILEGES]),
    ];
    // Directly, to all, or to a group.
    let grantees = [SERVICE_ROLE, "PUBLIC", &group].into_iter().cycle();
    for ((grant, excess, requirements), grantee) in grants.into_iter().zip(grantees) {
        let membership = format!("GRANT {group} TO {SERVICE_ROLE}");
        execute(&app.pool, &format!("{membership}; GRANT {grant} TO {grantee}")).await;
        assert_reported_briefly(&app, &url, excess, requirements);
        let revoke = format!("REVOKE {grant} FROM {grantee}; REVOKE {group} FROM {SERVICE_ROLE}");
        execute(&app.pool, &revoke).await;
    }
    assert_eq!(failed(&app, &url), (0, Vec::new()));
    assert_reported_after(&app, &url, "GRANT TEMPORARY ON DATABASE", "TEMPORARY ON the database")
        .await;
    roles.drop().await;
}

#[sqlx::test]
async fn privileges_that_need_set_role_are_reported(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let owner = app.owner_url();
    let mut roles = Roles::new(&app.pool);
    // PostgreSQL 16 and newer decide when the membership is granted whether it is inherited.
    let service = roles.create("service", "NOINHERIT").await;
    let auditor = roles.create("auditor", "NOINHERIT").await;
    let archiver = roles.create("archiver", "NOINHERIT").await;
    let group = roles.create("group", "").await;
    execute(
        &app.pool,
        &format!(
            "GRANT DELETE, TRUNCATE ON audit_events TO {group};
             GRANT CREATE ON SCHEMA public TO {group};
             GRANT {group} TO {archiver};
             GRANT {archiver} TO {service}, {auditor}",
            group = quote(&group),
            archiver = quote(&archiver),
            service = quote(&service),
            auditor = quote(&auditor),
        ),
    )
    .await;
    let migrated = migrate(&owner, Some(&service), Some(&auditor));
    let told = migrated.stderr.matches("CREATE ON SCHEMA public, DELETE ON audit_events").count();
    assert_eq!(told, 2, "{migrated:?}");
    assert!(migrated.stderr.contains("revoke its memberships in other roles"), "{migrated:?}");
    migrated.assert_success();

    let url = roles.url(&service);
    let mut connection = PgConnection::connect(&url).await.unwrap();
    sqlx::raw_sql("DELETE FROM audit_events").execute(&mut connection).await.unwrap_err();
    let escape = format!("SET ROLE {}; DELETE FROM audit_events", quote(&group));
    sqlx::raw_sql(sqlx::AssertSqlSafe(escape)).execute(&mut connection).await.unwrap();
    assert_reported(&app, &url, "DELETE ON audit_events", &[EVENTS, PRIVILEGES]);
    assert_reported_briefly(&app, &url, "CREATE ON SCHEMA public", &[EVENTS, PRIVILEGES]);

    // SET ROLE hides a privilege, and RESET ROLE brings it back.
    execute(&app.pool, &format!("REVOKE {} FROM {}", quote(&archiver), quote(&service))).await;
    assert_eq!(failed(&app, &url), (0, Vec::new()));
    let member = roles.create("member", &format!("NOINHERIT IN ROLE {}", quote(&service))).await;
    let as_service = format!("{}&options=-c%20role%3D{SERVICE_ROLE}", roles.url(&member));
    execute(&app.pool, &format!("GRANT {SERVICE_ROLE} TO {}", quote(&member))).await;
    assert_eq!(failed(&app, &as_service), (0, Vec::new()));
    execute(&app.pool, &format!("GRANT TRUNCATE ON audit_events TO {}", quote(&member))).await;
    assert_reported(&app, &as_service, "TRUNCATE ON audit_events", &[EVENTS, PRIVILEGES]);

    // A privilege that the role has only after SET ROLE is missing.
    let mut command = keeper(&["serve"]);
    command.envs(app.variables()).env("KEEPER__DATABASE__URL", roles.url(&member));
    let error = Server::start(command).err().unwrap();
    assert!(error.contains("the role of database.url lacks"), "{error}");
    roles.drop().await;
}

/// SET ROLE hides a database that the role of the connection can connect to.
#[sqlx::test]
async fn other_databases_of_the_connecting_role_are_reported(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let mut roles = Roles::new(&app.pool);
    let member = roles.create("member", &format!("IN ROLE {SERVICE_ROLE}")).await;
    let (role, database) = (quote(&member), quote(&format!("other_{member}")));
    for statement in [
        format!("CREATE DATABASE {database}"),
        format!("REVOKE CONNECT ON DATABASE {database} FROM PUBLIC"),
        format!("GRANT CONNECT ON DATABASE {database} TO {role}"),
    ] {
        execute(&app.pool, &statement).await;
    }
    let url = format!("{}&options=-c%20role%3D{SERVICE_ROLE}", roles.url(&member));
    let mut command = keeper(&["--json", "doctor"]);
    command.envs(app.variables()).env("KEEPER__DATABASE__URL", url);
    let finished = run_with_input(command, "");
    execute(&app.pool, &format!("DROP DATABASE {database}")).await;
    roles.drop().await;
    assert!(finished.stdout.contains(&format!("other_{member}")), "{finished:?}");
}

/// Asserts that `doctor` fails these requirements with the privilege in its next step.
fn assert_reported_briefly(app: &TestApp, url: &str, excess: &str, requirements: &[&str]) {
    let mut command = keeper(&["--json", "doctor"]);
    command.envs(app.variables()).env("KEEPER__DATABASE__URL", url);
    command.env("KEEPER__PASSWORDS__POLICY", "nist");
    let finished = run_with_input(command, "");
    let findings: Vec<Value> = serde_json::from_str(&finished.stdout).unwrap();
    for requirement in requirements {
        let finding = findings.iter().find(|finding| finding["what"] == *requirement).unwrap();
        assert_eq!(finding["verdict"], "FAIL", "{excess}: {finding}");
    }
    assert!(finished.stdout.contains(excess), "{excess}: {}", finished.stdout);
    assert_eq!(finished.code, 1);
}

/// Asserts that `serve` and `doctor` report a privilege on the database.
async fn assert_reported_after(app: &TestApp, url: &str, grant: &str, excess: &str) {
    let statement =
        format!("DO $$ BEGIN EXECUTE format('{grant} %I TO PUBLIC', current_database()); END $$");
    execute(&app.pool, &statement).await;
    assert_reported(app, url, excess, &[PRIVILEGES]);
}
