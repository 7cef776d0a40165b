//! The activity of the installation: counters in memory, minutes in the database, and the report for
//! administrators, as data and as a page.

use reqwest::Method;
use serde_json::Value;
use sqlx::{AssertSqlSafe, PgPool};

use crate::support::{
    Answer, Credentials, PLAIN, PRINCIPAL, TestApp, assert_becomes, password_of, wait_for,
};

const ACTIVITY: &str = "/keeper/activity";
const OWN_ACTIVITY: &str = "/keeper/activity?scope=instance";
const PAGE: &str = "/admin/activity";

/// Part of refused values; must not be in any answer.
const MARKER: &str = "Zx7marker";

async fn activity(app: &TestApp, path: &str) -> Value {
    let answer = app.get(path, &app.administrator()).await;
    answer.assert_status(200);
    answer.json()
}

/// The sum of a figure over the last hour or day.
fn sum(activity: &Value, span: &str, figure: &str) -> u64 {
    let periods = activity[span].as_array().unwrap();
    periods.iter().map(|period| period[figure].as_u64().unwrap()).sum()
}

/// Inserts minutes of instances, by their age in minutes. Every figure has the same value.
async fn insert(app: &TestApp, instance: &str, ages: &str, figure: u64) {
    let figures = vec![figure.to_string(); 12].join(", ");
    let statement = format!(
        "INSERT INTO activity_minutes
         SELECT date_trunc('minute', now()) - age * interval '1 minute', '{instance}', {figures}
         FROM {ages} AS age"
    );
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(&app.pool).await.unwrap();
}

#[sqlx::test]
async fn what_happens_is_in_the_activity_of_the_instance_at_once(pool: PgPool) {
    let few = [("KEEPER__ATTEMPTS__BEFORE_DELAY", "2")];
    let mut app = TestApp::spawn_with(pool, &few, "").await;
    // The process that added the users of the test saved their passwords.
    app.restart().await;
    for _ in 0..3 {
        app.get(PRINCIPAL, &app.plain()).await.assert_status(200);
    }
    app.save(&app.administrator(), PLAIN.0, "", "another").await.assert_saved();
    let (mut refused, mut throttled) = (0, 0);
    for number in 0..5 {
        let wrong = Credentials::basic("nobody", &format!("wrong {number}"));
        match app.get(PRINCIPAL, &wrong).await.status.as_u16() {
            401 => refused += 1,
            429 => throttled += 1,
            other => panic!("{other}"),
        }
    }
    assert!(refused > 0 && throttled > 0, "{refused} {throttled}");
    let own = Credentials::basic(PLAIN.1, "another");
    let change = serde_json::json!({"OldPassword": "wrong", "NewPassword": "x"});
    let path = "/api/v1/Agents/User/ChangeOwnPassword";
    assert_eq!(app.post(path, &own, &change).await.body, "false");
    let report = activity(&app, OWN_ACTIVITY).await;
    assert_eq!(report["Scope"], "instance");
    for span in ["Hour", "Day"] {
        assert_eq!(sum(&report, span, "Saves"), 1, "{span}");
        // The save, the wrong old password and the report itself authenticated, too.
        assert_eq!(sum(&report, span, "Logins"), 6, "{span}");
        assert_eq!(sum(&report, span, "Failures"), refused + 1, "{span}");
        assert_eq!(sum(&report, span, "Throttled"), throttled, "{span}");
        assert!(sum(&report, span, "Hashes") >= 4, "{span}");
        assert!(sum(&report, span, "HashCapacity") > 0, "{span}");
        assert!(sum(&report, span, "CacheHits") >= 2, "{span}");
        assert!(sum(&report, span, "CacheMisses") >= 3, "{span}");
        assert_eq!(sum(&report, span, "Shed"), 0, "{span}");
    }
    for (name, value) in [
        ("keeper_credential_saves_total", 1),
        ("keeper_logins_total", 6),
        ("keeper_failed_attempts_total", refused + 1),
        ("keeper_throttled_attempts_total", throttled),
    ] {
        assert_eq!(app.metric(name).await.to_string(), value.to_string(), "{name}");
    }
}

#[sqlx::test]
async fn an_orderly_stop_stores_the_minute_and_a_start_begins_empty(pool: PgPool) {
    let mut app = TestApp::spawn(pool).await;
    for _ in 0..3 {
        app.get(PRINCIPAL, &app.plain()).await.assert_status(200);
    }
    app.restart().await;
    let rows = "SELECT count(*)::text || ' ' || sum(logins) || ' ' || sum(saves)
                    || ' ' || bool_and(hash_capacity > 0) FROM activity_minutes";
    let rows: String = sqlx::query_scalar(rows).fetch_one(&app.pool).await.unwrap();
    assert_eq!(rows, "1 3 3 true");
    let report = activity(&app, OWN_ACTIVITY).await;
    assert_eq!((sum(&report, "Hour", "Logins"), sum(&report, "Day", "Saves")), (1, 0));
    let report = activity(&app, ACTIVITY).await;
    assert_eq!(report["Scope"], "installation");
    assert_eq!((sum(&report, "Hour", "Logins"), sum(&report, "Day", "Saves")), (3, 3));
    let ids = "SELECT count(*) FROM activity_minutes WHERE instance_id = $1";
    let own = report["Instance"]["Id"].as_str().unwrap();
    let known: i64 = sqlx::query_scalar(ids).bind(own).fetch_one(&app.pool).await.unwrap();
    assert_eq!(known, 0, "each start has an id of its own: {own}");
}

#[sqlx::test]
async fn all_instances_add_up_and_a_lost_minute_is_a_gap(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    insert(&app, "a", "unnest(ARRAY[2, 5, 180, 1560, -10])", 1).await;
    insert(&app, "b", "unnest(ARRAY[2])", 10).await;
    insert(&app, "c", "unnest(ARRAY[5])", 1_000_000_000_000).await;
    let report = activity(&app, ACTIVITY).await;
    let hour = report["Hour"].as_array().unwrap();
    assert_eq!(hour.len(), 2, "{report}");
    let numbers = |period: &Value| {
        ["Instances", "Saves", "QueueMaximum", "MeanWaitMicroseconds"]
            .map(|member| period[member].as_u64().unwrap())
    };
    assert_eq!(numbers(&hour[0]), [2, 1_000_000_000_001, 1_000_000_000_000, 1]);
    assert_eq!(numbers(&hour[1]), [2, 11, 10, 1]);
    assert!(hour[0]["Start"].as_str().unwrap() < hour[1]["Start"].as_str().unwrap());
    assert_eq!(sum(&report, "Day", "Saves"), 1_000_000_000_013);
    for quarter in report["Day"].as_array().unwrap() {
        let start = quarter["Start"].as_str().unwrap();
        assert!(["00:00Z", "15:00Z", "30:00Z", "45:00Z"].iter().any(|end| start.ends_with(end)));
    }
}

#[sqlx::test]
async fn minutes_are_deleted_after_a_day(pool: PgPool) {
    let mut app = TestApp::spawn(pool).await;
    app.stop().await;
    sqlx::raw_sql("DELETE FROM activity_minutes").execute(&app.pool).await.unwrap();
    // More than one batch is too old.
    insert(&app, "old", "generate_series(1502, 2202)", 1).await;
    insert(&app, "new", "generate_series(0, 1438)", 1).await;
    let other = app.spawn_instance(&[]).await;
    // The other instance may add a minute of its own meanwhile.
    let rows = "SELECT count(*) FILTER (WHERE instance_id = 'old'),
                       count(*) FILTER (WHERE instance_id = 'new') FROM activity_minutes";
    let rows = async || sqlx::query_as::<_, (i64, i64)>(rows).fetch_one(&other.pool).await.unwrap();
    assert_becomes((0, 1439), rows).await;
}

#[sqlx::test]
async fn a_minute_that_cannot_be_stored_is_lost_and_nothing_else(pool: PgPool) {
    let mut app = TestApp::spawn(pool).await;
    let rename = "ALTER TABLE activity_minutes RENAME TO elsewhere";
    sqlx::raw_sql(rename).execute(&app.pool).await.unwrap();
    app.get(ACTIVITY, &app.administrator()).await.assert_status(503);
    app.get(OWN_ACTIVITY, &app.administrator()).await.assert_status(200);
    app.get(PRINCIPAL, &app.plain()).await.assert_status(200);
    app.stop().await;
    let back = "ALTER TABLE elsewhere RENAME TO activity_minutes";
    sqlx::raw_sql(back).execute(&app.pool).await.unwrap();
    let rows = sqlx::query_scalar("SELECT count(*) FROM activity_minutes");
    let rows: i64 = rows.fetch_one(&app.pool).await.unwrap();
    assert_eq!(rows, 0);
}

#[sqlx::test]
async fn the_state_of_the_installation_is_in_the_report(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let stronger = app.spawn_instance(&[("KEEPER__HASHING__ITERATIONS", "3")]).await;
    let report = wait_for("the report has the stored hashes", async || {
        let report = activity(&stronger, OWN_ACTIVITY).await;
        (!report["Hashes"].is_null()).then_some(report)
    });
    let report = report.await;
    // The login of the administrator, who asks, may already be rehashed.
    let below = report["Hashes"]["BelowTarget"].as_u64().unwrap();
    assert!((2..=3).contains(&below), "{report}");
    assert_eq!(report["Hashes"]["Counted"], 3);
    assert_eq!(report["Hashes"]["IsSample"], false);
    let keys = report["Keys"].as_array().unwrap();
    assert_eq!((keys.len(), keys[0]["State"].as_str()), (1, Some("writing")));
    assert!(keys[0]["FirstUsedAt"].is_string());
    let schema = sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations");
    let schema: i64 = schema.fetch_one(&app.pool).await.unwrap();
    assert_eq!(report["Database"]["Schema"], schema);
    let instance = &report["Instance"];
    assert_eq!(instance["Version"], env!("CARGO_PKG_VERSION"));
    for member in ["DatabaseConnections", "DatabaseConnectionsMaximum", "HashingThreads"] {
        assert!(instance[member].as_u64().unwrap() > 0, "{member}: {instance}");
    }
    let findings = report["Findings"].as_array().unwrap();
    let verdict = |requirement: &str| {
        let found = findings.iter().find(|finding| finding["Requirement"] == requirement);
        let found = found.unwrap_or_else(|| panic!("{requirement} is missing: {findings:?}"));
        (
            found["Verdict"].as_str().unwrap().to_owned(),
            found["NextStep"].as_str().map(str::to_owned),
        )
    };
    assert_eq!(verdict("PostgreSQL is version 15 or newer"), ("pass".to_owned(), None));
    let (failed, next_step) = verdict("common and breached passwords are rejected");
    assert_eq!((failed.as_str(), next_step.unwrap().contains("passwords.policy")), ("fail", true));
    assert_eq!(verdict("every hash has the current cost").0, "note");
    // A secret or a path of the host is nobody's business.
    let text = report.to_string();
    for secret in [app.keyring(), app.variables()["KEEPER__DATABASE__URL"].as_str()] {
        assert!(!text.contains(secret), "{text}");
    }
}

#[sqlx::test]
async fn only_administrators_and_auditors_read_the_activity(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    app.add_user((401, "sys"), &["--type", "system"]);
    app.add_user((402, "ext"), &["--type", "external", "--administrator"]);
    app.add_user((403, "ano"), &["--type", "anonymous"]);
    app.add_user((404, "res"), &["--type", "resource"]);
    app.add_user((405, "help"), &["--role", "help-desk"]);
    app.add_user((406, "audit"), &["--role", "auditor"]);
    for (name, is_allowed) in [
        ("anna", true),
        ("sys", true),
        ("paul", false),
        ("ext", false),
        ("ano", false),
        ("res", false),
        ("help", false),
        ("audit", true),
    ] {
        let credentials = Credentials::basic(name, &password_of(name));
        for path in [ACTIVITY, OWN_ACTIVITY] {
            let answer = app.get(path, &credentials).await;
            if is_allowed {
                answer.assert_status(200);
            } else {
                answer.assert_forbidden();
            }
        }
    }
    let anonymous = app.get(ACTIVITY, &Credentials::Anonymous).await;
    anonymous.assert_refused(401, "ArgumentException", "xsrf_missing");
}

#[sqlx::test]
async fn an_invalid_scope_is_refused_by_name(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let administrator = app.administrator();
    for query in ["scope=Zx7marker", "scope=", "SCOPE=INSTANCE", "scope=instance%20", "scope=%ff"] {
        let answer = app.get(&format!("{ACTIVITY}?{query}"), &administrator).await;
        answer.assert_field_refused("scope");
        assert!(!answer.body.contains(MARKER), "{answer:?}");
    }
    let repeated = format!("{ACTIVITY}?scope=instance&%73cope=instance");
    let answer = app.get(&repeated, &administrator).await;
    answer.assert_refused(400, "ArgumentException", "duplicate_member");
    app.get(&format!("{ACTIVITY}?other=1&other=2"), &administrator).await.assert_status(200);
}

#[sqlx::test]
async fn the_report_has_every_format(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    insert(&app, "a", "unnest(ARRAY[2])", 7).await;
    let request = app.request(Method::GET, ACTIVITY, &app.administrator());
    let answer = Answer::read(request.header("Accept", "text/xml").send().await.unwrap()).await;
    answer.assert_status(200);
    for part in ["<InstallationActivity", "<Hour><Period>", "<Saves>7</Saves>", "<Keys><Key>"] {
        assert!(answer.body.contains(part), "{part}: {answer:?}");
    }
}

/// The page, as a browser with that session opens it.
async fn page(app: &TestApp, session: &Credentials, path: &str, language: &str) -> Answer {
    let request = app.request(Method::GET, path, session).header("Accept", "text/html");
    let request = request.header("Accept-Language", language);
    Answer::read(request.send().await.unwrap()).await
}

#[sqlx::test]
async fn the_page_shows_plots_in_every_language_and_stays_small(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    insert(&app, "a", "generate_series(0, 1439)", 987_654_321).await;
    let session = app.session("anna").await;
    for (language, title) in [
        ("en", "Activity"),
        ("de", "Aktivität"),
        ("da", "Aktivitet"),
        ("nb", "Aktivitet"),
        ("nl", "Activiteit"),
        ("sv", "Aktivitet"),
    ] {
        for path in [PAGE, "/admin/activity?scope=instance"] {
            let answer = page(&app, &session, path, language).await;
            answer.assert_status(200);
            let body = &answer.body;
            assert!(body.contains(&format!("<h1>{title}</h1>")), "{answer:?}");
            assert!(body.contains(&format!("<html lang=\"{language}\"")), "{answer:?}");
            assert_eq!(body.matches("<svg class=\"plot\"").count(), 18, "{answer:?}");
            for forbidden in ["style=", "<style", "onclick", "[SR_"] {
                assert!(!body.contains(forbidden), "{forbidden}: {answer:?}");
            }
            assert!(body.len() <= 50 * 1024, "{language} {path}: {} bytes", body.len());
        }
    }
}

#[sqlx::test]
async fn the_page_is_for_administrators_with_a_session(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let plain = app.session("paul").await;
    page(&app, &plain, PAGE, "en").await.assert_status(403);
    let administrator = app.session("anna").await;
    let answer = page(&app, &administrator, "/admin/activity?scope=Zx7marker", "en").await;
    answer.assert_status(400);
    assert!(!answer.body.contains(MARKER), "{answer:?}");
    let account = page(&app, &administrator, "/account", "en").await;
    assert!(account.body.contains("href=\"/admin/activity\""), "{account:?}");
    let account = page(&app, &plain, "/account", "en").await;
    assert!(!account.body.contains("href=\"/admin/activity\""), "{account:?}");
}
