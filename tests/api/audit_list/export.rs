//! The export: complete, in both formats, safe in a spreadsheet, and ended with the right.

use std::{io::Read, time::Duration};

use reqwest::Method;
use serde_json::Value;
use sqlx::PgPool;

use super::{add_rows, stored};
use crate::support::{Answer, Credentials, TestApp};

const EXPORT: &str = "/keeper/audit/export";

const HEADING: &str = "occurred_at,user_id,sequence,kind,actor_user_id,scheme,address,request_id,credential_type,reason";

#[sqlx::test]
async fn an_export_has_every_event_of_its_filter(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    add_rows(&app.pool, 2_500).await;
    for (filter, condition) in [
        ("", "true"),
        ("user=278&kind=user_changed", "user_id = 278 AND kind = 'user_changed'"),
        ("actor=1&kind=user_changed", "actor_user_id = 1 AND kind = 'user_changed'"),
        ("kind=user_deleted", "false"),
    ] {
        let expected = stored(&app.pool, condition).await;
        let path = format!("{EXPORT}?{filter}");
        let csv = app.get(&path, &app.administrator()).await;
        csv.assert_status(200);
        assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8; header=present");
        assert_eq!(csv.header("content-disposition"), "attachment; filename=\"audit-events.csv\"");
        assert_eq!(csv.header("cache-control"), "no-store");
        let mut lines = csv.body.split_terminator("\r\n");
        assert_eq!(lines.next(), Some(HEADING));
        let fields = |line: &str| -> Vec<i64> {
            line.split(',').skip(1).take(2).map(|field| field.parse().unwrap()).collect()
        };
        let found: Vec<_> = lines.map(fields).map(|fields| (fields[0], fields[1])).collect();
        assert_eq!(found, expected, "{path}");

        let lines = app.get(&format!("{path}&$format=jsonl"), &app.administrator()).await;
        lines.assert_status(200);
        assert_eq!(lines.header("content-type"), "application/jsonl");
        let document = app.get("/openapi.json", &Credentials::Anonymous).await.json();
        let content = &document["paths"][EXPORT]["get"]["responses"]["200"]["content"];
        let described: Vec<_> = content.as_object().unwrap().keys().collect();
        assert_eq!(described, ["text/csv", "application/jsonl"]);
        let event = |line: &str| -> Value { serde_json::from_str(line).unwrap() };
        let found: Vec<_> = lines.body.lines().map(event).collect();
        let id = |event: &Value| {
            (event["user_id"].as_i64().unwrap(), event["sequence"].as_i64().unwrap())
        };
        assert_eq!(found.iter().map(id).collect::<Vec<_>>(), expected, "{path}");
    }
}

#[sqlx::test]
async fn a_compressed_export_has_every_event_in_a_fraction_of_the_bytes(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    add_rows(&app.pool, 2_500).await;
    for format in ["csv", "jsonl"] {
        let path = format!("{EXPORT}?user=278&$format={format}");
        let plain = app.get(&path, &app.administrator()).await;
        let request = app.request(Method::GET, &path, &app.administrator());
        let packed = request.header("Accept-Encoding", "gzip").send().await.unwrap();
        assert_eq!(packed.headers()["content-encoding"], "gzip");
        let bytes = packed.bytes().await.unwrap();
        let mut text = String::new();
        flate2::read::GzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap();
        assert!(plain.body.lines().count() >= 2_500, "{format}");
        assert!(text == plain.body, "{format}: {} of {}", text.len(), plain.body.len());
        assert!(bytes.len() * 4 < text.len(), "{format}: {} of {}", bytes.len(), text.len());
    }
}

#[sqlx::test]
async fn accept_selects_the_format_and_the_parameter_overrides_it(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for (accept, query, expected) in [
        ("application/jsonl", "", "application/jsonl"),
        ("text/html, application/x-ndjson;q=0.5", "", "application/jsonl"),
        ("text/csv", "", "text/csv"),
        ("*/*", "", "text/csv"),
        ("application/jsonl", "?$format=CSV", "text/csv"),
    ] {
        let request = app.request(Method::GET, &format!("{EXPORT}{query}"), &app.administrator());
        let answer = Answer::read(request.header("Accept", accept).send().await.unwrap()).await;
        answer.assert_status(200);
        assert!(answer.header("content-type").starts_with(expected), "{answer:?}");
        assert!(answer.header("vary").contains("accept"), "{answer:?}");
    }
    let head = app.request(Method::HEAD, EXPORT, &app.administrator()).send().await.unwrap();
    let head = Answer::read(head).await;
    head.assert_status(200);
    assert!(head.body.is_empty());
}

#[sqlx::test]
async fn a_text_of_an_event_is_no_formula_and_no_second_field(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    add_rows(&app.pool, 1).await;
    let text = "=HYPERLINK(\"http://x.test\",\"a\")\r\n<b>å</b>";
    sqlx::query("UPDATE audit_events SET credential_type = $1 WHERE sequence > 1000")
        .bind(text)
        .execute(&app.pool)
        .await
        .unwrap();
    let csv = app.get(&format!("{EXPORT}?kind=user_changed"), &app.administrator()).await;
    let quoted = "\"'=HYPERLINK(\"\"http://x.test\"\",\"\"a\"\")\r\n<b>å</b>\",\r\n";
    assert!(csv.body.ends_with(&format!(",request-1,{quoted}")), "{}", csv.body);
    let path = format!("{EXPORT}?kind=user_changed&$format=jsonl");
    let lines = app.get(&path, &app.administrator()).await;
    let line: Value = serde_json::from_str(&lines.body).unwrap();
    assert_eq!(line["credential_type"], text);
}

#[sqlx::test]
async fn an_export_is_longer_than_the_answer_timeout_and_ends_with_the_right(pool: PgPool) {
    // A page has the time limit, not the export. The limits are those of a busy machine.
    let app = TestApp::spawn_with(
        pool,
        &[
            ("KEEPER__HTTP__ANSWER_TIMEOUT_SECONDS", "13"),
            ("KEEPER__HTTP__WRITE_TIMEOUT_SECONDS", "60"),
            ("KEEPER__HASHING__DEADLINE_SECONDS", "3"),
            ("KEEPER__DATABASE__ACQUIRE_TIMEOUT_SECONDS", "3"),
            ("KEEPER__DATABASE__LOCK_TIMEOUT_SECONDS", "3"),
            ("KEEPER__DATABASE__STATEMENT_TIMEOUT_SECONDS", "10"),
        ],
        "",
    )
    .await;
    add_rows(&app.pool, 100_000).await;
    let begin = async |credentials: &Credentials| {
        let request = app.request(Method::GET, EXPORT, credentials);
        let mut answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let first = answer.chunk().await.unwrap().unwrap();
        assert!(first.starts_with(HEADING.as_bytes()));
        (answer, first.len())
    };
    let (mut answer, mut length) = begin(&app.administrator()).await;
    tokio::time::sleep(Duration::from_secs(14)).await;
    while let Some(chunk) = answer.chunk().await.unwrap() {
        length += chunk.len();
    }
    let session = app.session("anna").await;
    for (credentials, change) in [
        (session, "DELETE FROM tickets"),
        (app.administrator(), "UPDATE users SET is_administrator = false WHERE user_id = 1"),
    ] {
        let (mut answer, mut cut_off) = begin(&credentials).await;
        sqlx::raw_sql(change).execute(&app.pool).await.unwrap();
        let end = loop {
            match answer.chunk().await {
                Ok(Some(chunk)) => cut_off += chunk.len(),
                end => break end,
            }
        };
        assert!(end.is_err(), "{change}: the client does not take a part for the whole");
        assert!(cut_off < length, "{change}: {cut_off} {length}");
    }
}

#[sqlx::test]
async fn an_export_goes_on_after_a_change_of_the_own_password(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    add_rows(&app.pool, 100_000).await;
    let session = app.session("anna").await;
    let mut answer = app.request(Method::GET, EXPORT, &session).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.chunk().await.unwrap().unwrap();
    app.save(&session, 1, "", "another password of anna").await.assert_saved();
    // An error is a response that was cut off.
    while answer.chunk().await.unwrap().is_some() {}
}
