//! Pages of the list: every event exactly once with every filter, and what the database reads.

use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool, Row};

use super::{ALL, OF_PAUL, add_rows, all_events, events, get_with, stored};
use crate::support::{ADMINISTRATOR, PLAIN, TestApp};

/// Causes events of several kinds, users and actors.
async fn cause_events(app: &TestApp) {
    app.save(&app.administrator(), PLAIN.0, "", "new password").await.assert_saved();
    app.save(&app.administrator(), PLAIN.0, "", "paul-password").await.assert_saved();
    app.save(&app.administrator(), PLAIN.0, "ActiveDirectory", "S-1-5").await.assert_saved();
    app.ticket(&app.plain()).await;
    app.ticket(&app.administrator()).await;
    app.session(ADMINISTRATOR.1).await;
    app.command(&["user", "grant-admin", "paul"], "").assert_success();
    app.command(&["user", "revoke-admin", "paul"], "").assert_success();
}

#[sqlx::test]
async fn the_list_has_what_every_event_records(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let saved = app.save(&app.administrator(), PLAIN.0, "", "new password").await;
    let page = app.get(ALL, &app.administrator()).await;
    page.assert_status(200);
    let newest = &page.json()["Events"][0];
    for (member, expected) in [
        ("UserId", Value::from(PLAIN.0)),
        ("Sequence", 3.into()),
        ("Kind", "credential_saved".into()),
        ("ActorId", ADMINISTRATOR.0.into()),
        ("Scheme", "basic".into()),
        ("Address", "127.0.0.1".into()),
        ("RequestId", saved.header("x-request-id").into()),
        ("CredentialType", "CRM5/PASSWORD".into()),
    ] {
        assert_eq!(newest[member], expected, "{newest}");
    }
    assert!(newest["OccurredAt"].as_str().unwrap().ends_with('Z'), "{newest}");
    assert_eq!(page.json()["Next"], Value::Null);
    let request = app.request(reqwest::Method::GET, ALL, &app.administrator());
    let xml = request.header("Accept", "application/xml").send().await.unwrap().text().await;
    let xml = xml.unwrap();
    assert!(xml.contains("<AuditEventPage") && xml.contains("<AuditEvent>"), "{xml}");
    assert!(xml.contains("<Kind>credential_saved</Kind>"), "{xml}");
}

#[sqlx::test]
async fn the_pages_of_every_filter_have_every_event_once(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    cause_events(&app).await;
    let middle = "SELECT occurred_at FROM audit_events ORDER BY occurred_at OFFSET 7 LIMIT 1";
    let middle: time::OffsetDateTime =
        sqlx::query_scalar(middle).fetch_one(&app.pool).await.unwrap();
    let at = middle.format(&time::format_description::well_known::Rfc3339).unwrap();
    let sql_at = format!("'{at}'");
    for (filter, condition) in [
        (String::new(), "true".to_owned()),
        ("&user=278".to_owned(), "user_id = 278".to_owned()),
        ("&user=4711".to_owned(), "false".to_owned()),
        ("&kind=credential_saved".to_owned(), "kind = 'credential_saved'".to_owned()),
        (
            "&kind=administrator_granted,ticket_issued,ticket_issued".to_owned(),
            "kind IN ('administrator_granted', 'ticket_issued')".to_owned(),
        ),
        ("&actor=1".to_owned(), "actor_user_id = 1".to_owned()),
        ("&actor=278".to_owned(), "actor_user_id = 278".to_owned()),
        (
            "&actor=1&kind=ticket_issued".to_owned(),
            "actor_user_id = 1 AND kind = 'ticket_issued'".to_owned(),
        ),
        (
            "&user=278&actor=1&kind=credential_saved".to_owned(),
            "user_id = 278 AND actor_user_id = 1 AND kind = 'credential_saved'".to_owned(),
        ),
        (format!("&since={at}"), format!("occurred_at >= {sql_at}")),
        (format!("&until={at}"), format!("occurred_at < {sql_at}")),
        (format!("&until={at}&user=278"), format!("occurred_at < {sql_at} AND user_id = 278")),
        (format!("&since={at}&actor=1"), format!("occurred_at >= {sql_at} AND actor_user_id = 1")),
        (
            format!("&since={at}&until=9999-01-01&kind=session_started"),
            format!("occurred_at >= {sql_at} AND kind = 'session_started'"),
        ),
        ("&since=2999-01-01".to_owned(), "false".to_owned()),
    ] {
        let expected = stored(&app.pool, &condition).await;
        for top in [1, 3, 1000] {
            let path = format!("{ALL}?$top={top}{filter}");
            let (found, pages) = all_events(&app, &app.administrator(), &path).await;
            assert_eq!(found, expected, "{path}");
            assert_eq!(pages, expected.len().div_ceil(top).max(1), "{path}");
        }
    }
    let (found, _) = all_events(&app, &app.administrator(), &format!("{OF_PAUL}?$top=2")).await;
    assert_eq!(found, stored(&app.pool, "user_id = 278").await);
}

#[sqlx::test]
async fn events_that_come_between_pages_shift_no_other_event(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    cause_events(&app).await;
    let expected = stored(&app.pool, "true").await;
    let first = app.get(&format!("{ALL}?$top=4"), &app.administrator()).await.json();
    app.save(&app.administrator(), PLAIN.0, "", "another password").await.assert_saved();
    let next = first["Next"].as_str().unwrap().strip_prefix(&app.url).unwrap();
    let (rest, _) = all_events(&app, &app.administrator(), next).await;
    assert_eq!([events(&first), rest].concat(), expected);
}

#[sqlx::test]
async fn a_page_examines_a_limited_number_of_events_and_leads_on(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    add_rows(&app.pool, 5_000).await;
    for path in [
        format!("{OF_PAUL}?kind=user_changed"),
        format!("{OF_PAUL}?actor=1&kind=user_changed"),
        format!("{ALL}?user=278&kind=user_changed"),
        format!("{ALL}?actor=1&kind=user_changed"),
    ] {
        let first = app.get(&path, &app.administrator()).await.json();
        assert_eq!(events(&first), [], "{path}");
        assert!(first["Next"].is_string(), "{path}: {first}");
        let (found, pages) = all_events(&app, &app.administrator(), &path).await;
        assert_eq!((found, pages), (vec![(278, 995_000)], 3), "{path}");
    }
    // A kind has an index of its own, so that its events are found at once.
    let page = app.get(&format!("{ALL}?kind=user_changed"), &app.administrator()).await.json();
    assert_eq!((events(&page), &page["Next"]), (vec![(278, 995_000)], &Value::Null));
}

#[sqlx::test]
async fn an_empty_page_is_not_an_unknown_user(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let path = format!("{OF_PAUL}?kind=user_deleted");
    let page = app.get(&path, &app.administrator()).await;
    page.assert_status(200);
    assert_eq!(page.json()["Events"].as_array().unwrap().len(), 0);
    for user in ["4711", "x", "-1", "99999999999"] {
        let answer = app.get(&format!("/keeper/users/{user}/audit"), &app.administrator()).await;
        answer.assert_refused(404, "SoNotFoundException", "unknown_user");
    }
    app.command(&["user", "delete", "paul"], "").assert_success();
    let deleted = app.get(OF_PAUL, &app.administrator()).await;
    deleted.assert_status(200);
    assert_eq!(deleted.json()["Events"][0]["Kind"], "user_deleted");
}

/// The number of rows that the indexes of a plan return, and the indexes.
fn read(plan: &Value, indexes: &mut Vec<String>) -> i64 {
    let number = |name: &str| plan[name].as_f64().unwrap_or_default();
    let own = plan["Index Name"].as_str().map(|index| {
        indexes.push(index.to_owned());
        number("Actual Rows") * number("Actual Loops") + number("Rows Removed by Filter")
    });
    assert_ne!(plan["Node Type"], "Seq Scan", "{plan:#}");
    let inner = plan["Plans"].as_array().into_iter().flatten();
    #[expect(clippy::cast_possible_truncation, reason = "a number of rows")]
    let own = own.unwrap_or_default() as i64;
    own + inner.map(|plan| read(plan, indexes)).sum::<i64>()
}

#[sqlx::test]
async fn a_page_reads_its_part_of_one_index(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    add_rows(&app.pool, 20_000).await;
    sqlx::raw_sql("ANALYZE audit_events").execute(&app.pool).await.unwrap();
    let mut connection = PgConnection::connect(&app.owner_url()).await.unwrap();
    let kinds = "ARRAY['credential_saved', 'user_changed', 'user_added', 'ticket_issued']";
    let (start, end) = ("'1970-01-01'", "'9999-12-31'");
    for (file, arguments, index, most) in [
        (
            "list_audit_events_of_user",
            format!("278, 9000000000, 2000, ARRAY['user_changed'], NULL, {start}, {end}, 101"),
            "audit_events_pkey",
            2_000,
        ),
        (
            "list_audit_events_by_actor",
            format!("1, {start}, {end}, 0, 0, 2000, ARRAY['user_changed'], 101"),
            "audit_events_by_actor",
            2_000,
        ),
        (
            "list_audit_events_by_kind",
            format!("{kinds}, {start}, {end}, 0, 0, 101"),
            "audit_events_by_kind",
            404,
        ),
    ] {
        let text = std::fs::read_to_string(format!("src/storage/{file}.sql")).unwrap();
        for mode in ["force_custom_plan", "force_generic_plan"] {
            let set = format!("SET plan_cache_mode = {mode}; PREPARE page AS {text}");
            sqlx::raw_sql(AssertSqlSafe(set)).execute(&mut connection).await.unwrap();
            let explain = format!("EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE page({arguments})");
            let row = sqlx::raw_sql(AssertSqlSafe(explain)).fetch_one(&mut connection).await;
            let plan: Value = row.unwrap().get(0);
            let mut indexes = Vec::new();
            let rows = read(&plan[0]["Plan"], &mut indexes);
            assert!(indexes.iter().all(|used| used == index), "{file} {mode}: {plan:#}");
            assert!((1..=most).contains(&rows), "{rows} rows by {file} {mode}: {plan:#}");
            sqlx::raw_sql("DEALLOCATE page").execute(&mut connection).await.unwrap();
        }
    }
}

#[sqlx::test]
async fn times_are_in_the_zone_of_the_caller(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let request = app.request(reqwest::Method::GET, OF_PAUL, &app.administrator());
    let answer = request.header("SO-TimeZone", "BD").send().await.unwrap();
    let page: Value = answer.json().await.unwrap();
    let at = page["Events"][0]["OccurredAt"].as_str().unwrap();
    assert!(at.ends_with("+06:00"), "{at}");
    // What is listed can be a filter.
    let since = get_with(&app, OF_PAUL, &[("since", at)], &app.administrator()).await.json();
    assert_eq!(since["Events"].as_array().unwrap().len(), 1, "{since}");
}
