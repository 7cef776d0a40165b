//! Imports and exports of all users in the browser.

use std::time::Duration;

use reqwest::Method;
use rustix::process::Signal;
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinHandle,
};

use super::{
    browser::{Browser, form_of, values_of},
    contents::{LANGUAGES, assert_well_formed},
};
use crate::support::{
    Answer, DatabaseProxy, Server, TestApp, keeper, password_of, wait_for, wait_until,
};

pub(super) const PAGE: &str = "/admin/import";
pub(super) const EXPORT: &str = "/admin/export";
pub(super) const BOUNDARY: &str = "----keeper-test-boundary";
/// Only secrets of files contain it.
const MARKER: &str = "MARKERq7Zk";

/// The body of a form with a file.
pub(super) fn multipart(fields: &[(String, String)], file: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, value) in fields {
        let part = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
        );
        body.extend_from_slice(part.as_bytes());
    }
    let part = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"File\"; filename=\"users\"\r\n\
         Content-Type: application/octet-stream\r\n\r\n"
    );
    body.extend_from_slice(part.as_bytes());
    body.extend_from_slice(file);
    body.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
    body
}

/// The fields of the form, as a browser without scripts sends them.
pub(super) async fn fields_of_form(browser: &mut Browser, mode: &str) -> Vec<(String, String)> {
    let page = browser.open(PAGE).await;
    page.assert_status(200);
    let form = form_of(&page.body, PAGE);
    assert!(form.contains("enctype=\"multipart/form-data\""), "{form}");
    let mut fields = values_of(&form);
    fields.retain(|(name, _)| name != "File");
    fields.push(("Mode".to_owned(), mode.to_owned()));
    fields
}

pub(super) async fn send_fields(
    browser: &mut Browser,
    fields: &[(String, String)],
    file: &[u8],
) -> Answer {
    let request = browser
        .request(Method::POST, PAGE)
        .header("Content-Type", format!("multipart/form-data; boundary={BOUNDARY}"))
        .header("Sec-Fetch-Site", "same-origin")
        .body(multipart(fields, file));
    browser.send(request).await
}

/// Sends a file, to be checked (`check`) or imported (`import`).
pub(crate) async fn send(browser: &mut Browser, mode: &str, file: impl AsRef<[u8]>) -> Answer {
    let fields = fields_of_form(browser, mode).await;
    send_fields(browser, &fields, file.as_ref()).await
}

/// True for the page of an import that has not ended: it refreshes itself.
pub(super) fn is_in_progress(page: &Answer) -> bool {
    let refresh = "<noscript><meta http-equiv=\"refresh\" content=\"2\"></noscript>";
    let is_in_progress = page.body.contains(refresh);
    assert_eq!(page.body.contains("data-follow"), is_in_progress, "{page:?}");
    is_in_progress
}

/// Waits for the end of the import that an answer leads to; returns its page.
pub(crate) async fn wait_for_end(browser: &mut Browser, answer: &Answer) -> Answer {
    wait_for("the end of the import", async || {
        let page = browser.follow(answer).await;
        page.assert_status(200);
        Some(page).filter(|page| !is_in_progress(page))
    })
    .await
}

/// The results of an import as JSON lines.
pub(super) async fn results(browser: &mut Browser, answer: &Answer) -> Vec<Value> {
    let path = format!("{}/results?format=jsonl", answer.header("location"));
    let results = browser.open(&path).await;
    results.assert_status(200);
    let mut lines: Vec<Value> =
        results.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    lines.sort_by_key(|line| line["line"].as_u64());
    lines
}

pub(super) async fn users_named(app: &TestApp, pattern: &str) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM users WHERE login_name LIKE $1")
        .bind(pattern)
        .fetch_one(&app.pool)
        .await
        .unwrap()
}

/// A file of that many lines.
fn lines(count: usize, line: impl Fn(usize) -> String) -> String {
    let lines: Vec<_> = (0..count).map(line).collect();
    lines.join("\n") + "\n"
}

/// Lines with passwords, which are hashed.
pub(super) fn lines_with_passwords(count: usize) -> String {
    let line = |number| {
        let value = format!("{MARKER} {number}");
        json!({"login_name": format!("many-{number}"), "credentials": [{"value": value}]})
    };
    lines(count, |number| line(number).to_string())
}

#[sqlx::test]
async fn a_file_is_checked_first_and_then_imported(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let mut browser = Browser::signed_in(&app, "anna").await;
    let file = format!(
        "{}\n{}\n\n{}\n",
        json!({"login_name": "new-one", "credentials": [{"value": format!("{MARKER} 1")}]}),
        json!({"login_name": "paul", "display_name": "Paul the First"}),
        json!({"login_name": "new-two", "type": MARKER}),
    );
    let sent = send(&mut browser, "check", &file).await;
    sent.assert_status(303);
    let page = wait_for_end(&mut browser, &sent).await;
    assert!(page.body.contains("The check is complete, and nothing was changed."), "{page:?}");
    assert!(!page.body.contains(MARKER), "{page:?}");
    assert!(page.body.contains("<td role=\"cell\" data-label=\"Line\">4</td>"), "{page:?}");
    assert_eq!(
        results(&mut browser, &sent).await,
        [
            json!({"line": 1, "result": "would_be_added"}),
            json!({"line": 2, "result": "would_be_changed", "user_id": 278}),
            json!({"line": 4, "result": "failed", "field": "type", "reason": "is not a user type"}),
        ]
        .map(|mut expected| {
            if expected["line"] == 4 {
                expected["reason"] = results_reason(&page);
            }
            expected
        })
    );
    assert_eq!(users_named(&app, "new-%").await, 0);
    let mut fields = fields_of_form(&mut browser, "import").await;
    fields.iter_mut().find(|(name, _)| name == "Reason").unwrap().1 = "moving in".to_owned();
    let sent = send_fields(&mut browser, &fields, file.as_bytes()).await;
    let page = wait_for_end(&mut browser, &sent).await;
    assert!(page.body.contains("The import is complete."), "{page:?}");
    let found = results(&mut browser, &sent).await;
    let kinds: Vec<_> = found.iter().map(|line| line["result"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["added", "changed", "failed"]);
    let csv = format!("{}/results?format=csv", sent.header("location"));
    let csv = browser.open(&csv).await;
    assert!(csv.header("content-disposition").contains("import-results.csv"), "{csv:?}");
    assert_eq!(csv.header("cache-control"), "no-store");
    assert!(csv.body.starts_with("line,result,user_id,field,reason\r\n"), "{csv:?}");
    assert!(!csv.body.contains(MARKER), "{csv:?}");
    let mut new = Browser::new(&app);
    new.sign_in("/login", "new-one", &format!("{MARKER} 1")).await.assert_status(303);
    let events: Vec<(String, String, i32)> = sqlx::query_as(
        "SELECT kind, scheme, actor_user_id FROM audit_events JOIN users USING (user_id)
         WHERE login_name IN ('new-one', 'paul') AND reason = 'moving in' ORDER BY kind",
    )
    .fetch_all(&app.pool)
    .await
    .unwrap();
    let kinds: Vec<_> = events.iter().map(|event| event.0.as_str()).collect();
    assert_eq!(kinds, ["credential_saved", "user_added", "user_changed"], "{events:?}");
    assert!(events.iter().all(|event| event.1 == "session"), "{events:?}");
    app.assert_intact_chains().await;
}

/// The reason of the only failed line of a page.
fn results_reason(page: &Answer) -> Value {
    let (_, rest) = page.body.split_once("data-label=\"Reason\" lang=\"en\">").unwrap();
    json!(rest.split_once('<').unwrap().0)
}

#[sqlx::test]
async fn csv_is_recognized_by_its_header(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let mut browser = Browser::signed_in(&app, "anna").await;
    let file = "login_name;display_name\r\ncsv-one;Eins\r\ncsv-two;Zwei\r\n";
    let sent = send(&mut browser, "import", file).await;
    let page = wait_for_end(&mut browser, &sent).await;
    assert!(page.body.contains("The import is complete."), "{page:?}");
    assert_eq!(users_named(&app, "csv-%").await, 2);
    // A repeated import changes the same users.
    let sent = send(&mut browser, "import", file).await;
    wait_for_end(&mut browser, &sent).await;
    let found = results(&mut browser, &sent).await;
    assert!(found.iter().all(|line| line["result"] == "changed"), "{found:?}");
    assert_eq!(users_named(&app, "csv-%").await, 2);
    let recent = browser.open(PAGE).await;
    assert_eq!(recent.body.matches("href=\"/admin/import/").count(), 2, "{recent:?}");
    for result in ["added", "changed"] {
        let name = format!("keeper_import_lines_total{{result=\"{result}\"}}");
        assert_eq!(app.metric(&name).await.to_string(), "2", "{result}");
    }
}

#[sqlx::test]
async fn the_credentials_of_a_batch_are_counted(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let mut browser = Browser::signed_in(&app, "anna").await;
    // With a hash, there is nothing to compute, and all lines are written at once.
    let hash = "$2b$08$abcdefghijklmnopqrstuubAvJmxpQuyV3jn7x.SUSPxe.DearCPe";
    let line = |number| json!({"login_name": format!("counted-{number}"), "credentials": [{"hash": hash}]});
    let counts = async || {
        let events = r#"keeper_audit_events_total{kind="credential_saved"}"#;
        [app.metric("keeper_credential_saves_total").await, app.metric(events).await]
    };
    let before = counts().await;
    let sent = send(&mut browser, "import", lines(100, |number| line(number).to_string())).await;
    wait_for_end(&mut browser, &sent).await;
    assert_eq!(users_named(&app, "counted-%").await, 100);
    let expected = before.map(|count| (count + 100.0).to_string());
    assert_eq!(counts().await.map(|count| count.to_string()), expected);
}

#[sqlx::test]
async fn the_metrics_of_a_batch_have_the_kinds_of_its_audit_events(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let mut browser = Browser::signed_in(&app, "anna").await;
    let kinds = [("user_added", 100), ("credential_saved", 0), ("change_required", 100)];
    let counts = async || {
        let mut counts = Vec::new();
        for (kind, _) in kinds {
            let name = format!("keeper_audit_events_total{{kind=\"{kind}\"}}");
            counts.push(app.metric(&name).await);
        }
        counts
    };
    let before = counts().await;
    let hash = "$2b$08$abcdefghijklmnopqrstuubAvJmxpQuyV3jn7x.SUSPxe.DearCPe";
    let line = |number| {
        let credential = json!({"hash": hash, "change_required": "administrator"});
        json!({"login_name": format!("marked-{number}"), "credentials": [credential]})
    };
    let sent = send(&mut browser, "import", lines(100, |number| line(number).to_string())).await;
    wait_for_end(&mut browser, &sent).await;
    let after = counts().await;
    let stored = "SELECT count(*) FROM audit_events JOIN users USING (user_id)
                  WHERE login_name LIKE 'marked-%' AND kind = $1";
    for (index, (kind, expected)) in kinds.into_iter().enumerate() {
        let stored: i64 = sqlx::query_scalar(stored).bind(kind).fetch_one(&app.pool).await.unwrap();
        assert_eq!(stored, expected, "{kind}");
        assert_eq!((after[index] - before[index]).to_string(), expected.to_string(), "{kind}");
    }
}

#[sqlx::test]
async fn the_metrics_have_the_progress_of_the_import_that_runs(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let mut browser = Browser::signed_in(&app, "anna").await;
    let mut transaction = app.pool.begin().await.unwrap();
    sqlx::query("SELECT FROM users WHERE user_id = 278 FOR UPDATE")
        .execute(&mut *transaction)
        .await
        .unwrap();
    let file = "{\"login_name\":\"paul\",\"display_name\":\"Paul the First\"}\n";
    let sent = send(&mut browser, "import", file).await;
    let length = u32::try_from(file.len()).unwrap();
    app.wait_for_metric("keeper_import_length_bytes", length.into()).await;
    app.wait_for_metric("keeper_import_read_bytes", length.into()).await;
    transaction.rollback().await.unwrap();
    wait_for_end(&mut browser, &sent).await;
    app.wait_for_metric("keeper_import_length_bytes", 0.0).await;
}

#[sqlx::test]
async fn a_file_of_the_wrong_kind_changes_nothing_and_says_so(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let mut browser = Browser::signed_in(&app, "anna").await;
    let good = "{\"login_name\":\"bad-one\"}\n";
    for (file, reason) in [
        ([good.as_bytes(), b"{\"login_name\":\"bad-t"].concat(), "the file was cut"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec(), "not UTF-8"),
        ([good.as_bytes(), b"{\"login_name\":\"J\xe9\"}\n"].concat(), "ISO-8859-1"),
        (b"dn: uid=a,dc=example\nuid: a\n".to_vec(), "import --from ldif"),
        (b"{\"users\": [{\"localId\": \"1\"}]}".to_vec(), "import --from firebase"),
        (b"<!doctype html>\n<p>hello</p>\n".to_vec(), "neither JSON lines nor CSV"),
        // Without a header: the first line is a user.
        (b"login,MARKERq7Zk\nbad-one,x\n".to_vec(), "column 2 of the header is unknown"),
        (b"\x1f\x8b\x08\0\0\0\0\0".to_vec(), "the file"),
    ] {
        let sent = send(&mut browser, "import", &file).await;
        let page = wait_for_end(&mut browser, &sent).await;
        assert!(page.body.contains("The file was refused. Nothing was changed."), "{page:?}");
        assert!(page.body.contains(reason), "{reason}: {page:?}");
        assert!(!page.body.contains(MARKER), "{page:?}");
        assert!(results(&mut browser, &sent).await.is_empty());
    }
    assert_eq!(users_named(&app, "bad-%").await, 0);
}

#[sqlx::test]
async fn a_form_without_a_usable_file_keeps_what_was_typed(pool: PgPool) {
    let limit = [("KEEPER__IMPORT__MAXIMUM_UPLOAD_BYTES", "65536")];
    let app = TestApp::spawn_with(pool, &limit, "").await;
    let mut browser = Browser::signed_in(&app, "anna").await;
    let long = "{\"login_name\":\"long\"}\n".repeat(4000);
    let longer = long.repeat(4);
    for (file, status, text) in [
        ("", 400, "Choose a file with content."),
        (long.as_str(), 413, "is larger than 64 KiB. Nothing was changed."),
        (longer.as_str(), 413, "is larger than 64 KiB. Nothing was changed."),
    ] {
        let mut fields = fields_of_form(&mut browser, "import").await;
        let reason = fields.iter_mut().find(|(name, _)| name == "Reason").unwrap();
        reason.1 = "<b>why</b>".to_owned();
        let page = send_fields(&mut browser, &fields, file.as_bytes()).await;
        page.assert_status(status);
        assert!(page.body.contains(text), "{text}: {page:?}");
        assert!(page.body.contains("<a href=\"#File\">"), "{page:?}");
        assert!(page.body.contains("value=\"&#60;b&#62;why"), "{page:?}");
        assert!(page.body.contains("<option value=\"import\" selected>"), "{page:?}");
    }
    // Exactly at the limit.
    let line = "{\"login_name\":\"long\"}\n";
    let exact = format!("{line}{}", "\n".repeat(65_536 - line.len()));
    let sent = send(&mut browser, "check", exact).await;
    let page = wait_for_end(&mut browser, &sent).await;
    assert!(page.body.contains("The check is complete"), "{page:?}");
    assert_eq!(users_named(&app, "long").await, 0);
}

#[sqlx::test]
async fn an_upload_that_is_cut_off_changes_nothing(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let mut browser = Browser::signed_in(&app, "anna").await;
    let fields = fields_of_form(&mut browser, "import").await;
    let body = multipart(&fields, b"{\"login_name\":\"cut-one\"}\n{\"login_name\":\"cut-two\"}\n");
    let built = browser
        .request(Method::POST, PAGE)
        .header("Content-Type", format!("multipart/form-data; boundary={BOUNDARY}"))
        .build()
        .unwrap();
    let headers = built.headers().iter();
    let headers: Vec<_> =
        headers.map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
    let (headers, length) = (headers.join("\r\n"), body.len());
    let head = format!(
        "POST {PAGE} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n{headers}\r\n\r\n"
    );
    let address = app.url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&body[..body.len() - 40]).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer).await;
    assert!(!answer.contains("303 See Other"), "{answer}");
    // The closing boundary is missing, though the length is right.
    let request = browser
        .request(Method::POST, PAGE)
        .header("Content-Type", format!("multipart/form-data; boundary={BOUNDARY}"))
        .body(body[..body.len() - 10].to_vec());
    let refused = browser.send(request).await;
    refused.assert_status(400);
    assert_eq!(users_named(&app, "cut-%").await, 0);
    // The place is free again.
    let sent = send(&mut browser, "import", "{\"login_name\":\"whole\"}\n").await;
    wait_for_end(&mut browser, &sent).await;
    assert_eq!(users_named(&app, "whole").await, 1);
}

#[sqlx::test]
async fn a_form_that_is_sent_twice_imports_once(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let mut browser = Browser::signed_in(&app, "anna").await;
    let fields = fields_of_form(&mut browser, "import").await;
    let mut other = browser.copy();
    let file = b"{\"login_name\":\"twice\"}\n";
    let (one, two) = tokio::join!(
        send_fields(&mut browser, &fields, file),
        send_fields(&mut other, &fields, file)
    );
    one.assert_status(303);
    two.assert_status(303);
    assert_eq!(one.header("location"), two.header("location"));
    wait_for_end(&mut browser, &one).await;
    // Also after its end, as with the back button.
    let again = send_fields(&mut browser, &fields, file).await;
    assert_eq!(again.header("location"), one.header("location"));
    let events: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM audit_events JOIN users USING (user_id) WHERE login_name = 'twice'",
    )
    .fetch_one(&app.pool)
    .await
    .unwrap();
    assert_eq!(events, 1);
}

#[sqlx::test]
async fn one_import_runs_at_a_time_and_can_be_canceled_and_repeated(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let mut browser = Browser::signed_in(&app, "anna").await;
    let count = 2000;
    let file = lines_with_passwords(count);
    let sent = send(&mut browser, "import", &file).await;
    sent.assert_status(303);
    let running = browser.follow(&sent).await;
    assert!(is_in_progress(&running), "{running:?}");
    let mut second = Browser::signed_in(&app, "anna").await;
    let refused = send(&mut second, "import", "{\"login_name\":\"second\"}\n").await;
    refused.assert_status(409);
    assert!(refused.body.contains("Another import is in progress"), "{refused:?}");
    // Another administrator may cancel it, too.
    let path = format!("{}/cancel", sent.header("location"));
    let page = second.follow(&sent).await;
    second.submit(&page, &path, &[]).await.assert_status(303);
    let page = wait_for_end(&mut browser, &sent).await;
    assert!(page.body.contains("The import was canceled."), "{page:?}");
    let done = results(&mut browser, &sent).await.len();
    assert!(done < count, "{done}");
    assert_eq!(users_named(&app, "many-%").await, i64::try_from(done).unwrap());
    let sent = send(&mut browser, "check", &file).await;
    wait_for_end(&mut browser, &sent).await;
    let found = results(&mut browser, &sent).await;
    let changed = found.iter().filter(|line| line["result"] == "would_be_changed").count();
    assert_eq!((found.len(), changed), (count, done));
    assert_eq!(users_named(&app, "second").await, 0);
    app.assert_intact_chains().await;
}

#[sqlx::test]
async fn a_canceled_import_whose_last_lines_failed_says_so(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let mut browser = Browser::signed_in(&app, "anna").await;
    let mut held = app.pool.begin().await.unwrap();
    let hold = "SELECT FROM users WHERE user_id = 278 FOR UPDATE";
    sqlx::query(hold).execute(&mut *held).await.unwrap();
    // The other lines take long, so that the import can be canceled before the end of its file.
    let line = "{\"login_name\":\"paul\",\"display_name\":\"Paul the First\"}\n";
    let file = format!("{line}{}", lines_with_passwords(2000));
    let sent = send(&mut browser, "import", file).await;
    app.wait_for_blocked_sessions(1).await;
    let path = format!("{}/cancel", sent.header("location"));
    let page = browser.follow(&sent).await;
    browser.submit(&page, &path, &[]).await.assert_status(303);
    // Until then the lines that have begun are complete, except the one that waits.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let page = wait_for("the end of the import", async || {
        sqlx::query_scalar::<_, i64>(end).fetch_one(&app.pool).await.unwrap();
        let page = browser.follow(&sent).await;
        Some(page).filter(|page| !is_in_progress(page))
    })
    .await;
    assert!(page.body.contains("The last lines may have been imported"), "{page:?}");
    held.rollback().await.unwrap();
}

#[sqlx::test]
async fn another_instance_shows_an_import_cancels_it_and_begins_no_other(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let other = app.spawn_instance(&[]).await;
    let mut browser = Browser::signed_in(&app, "anna").await;
    let mut elsewhere = Browser::signed_in(&other, "anna").await;
    let bad = "{\"login_name\":\"a:b\"}\n";
    let file = format!("{bad}{}", lines_with_passwords(2000));
    let fields = fields_of_form(&mut browser, "import").await;
    let sent = send_fields(&mut browser, &fields, file.as_bytes()).await;
    sent.assert_status(303);
    // Its progress is stored every two seconds.
    let shown = wait_for("the page shows the failed line", async || {
        let page = elsewhere.follow(&sent).await;
        page.assert_status(200);
        let failed = "<dd id=\"import-failed\" data-live>1</dd>";
        Some(page).filter(|page| page.body.contains(failed))
    });
    let shown = shown.await;
    assert!(is_in_progress(&shown), "{shown:?}");
    assert!(shown.body.contains(" runs this import. This page shows its progress"), "{shown:?}");
    assert!(shown.body.contains("must not contain a control character or a colon"), "{shown:?}");
    assert!(!shown.body.contains("/results?"), "{shown:?}");
    // The same form, as when it is sent again through a load balancer, leads to the same import.
    let mut same = browser.copy().moved_to(&other.url);
    let again = send_fields(&mut same, &fields, file.as_bytes()).await;
    again.assert_status(303);
    assert_eq!(again.header("location"), sent.header("location"));
    let refused = send(&mut elsewhere, "import", "{\"login_name\":\"second\"}\n").await;
    refused.assert_status(409);
    assert!(refused.body.contains("Another import is in progress."), "{refused:?}");
    let list = elsewhere.open(PAGE).await;
    assert!(list.body.contains(&format!("href=\"{}\"", sent.header("location"))), "{list:?}");
    let path = format!("{}/cancel", sent.header("location"));
    elsewhere.submit(&shown, &path, &[]).await.assert_status(303);
    let page = wait_for_end(&mut browser, &sent).await;
    assert!(page.body.contains("The import was canceled."), "{page:?}");
    let done = results(&mut browser, &sent).await.len();
    assert!(done < 2001, "{done}");
    let page = wait_for_end(&mut elsewhere, &sent).await;
    assert!(page.body.contains("The import was canceled."), "{page:?}");
    // The place is free in the installation.
    let sent = send(&mut elsewhere, "import", "{\"login_name\":\"second\"}\n").await;
    wait_for_end(&mut elsewhere, &sent).await;
    assert_eq!(users_named(&app, "second").await, 1);
}

#[sqlx::test]
async fn an_ended_import_of_another_instance_is_not_shown_as_running(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let mut browser = Browser::signed_in(&app, "anna").await;
    let sent = send(&mut browser, "import", "{\"login_name\":\"ended\"}\n").await;
    wait_for_end(&mut browser, &sent).await;
    let other = app.spawn_instance(&[]).await;
    let mut elsewhere = browser.copy().moved_to(&other.url);
    let page = wait_for_end(&mut elsewhere, &sent).await;
    for text in ["The import is complete.", " ran this import. Until it stops, it has"] {
        assert!(page.body.contains(text), "{text}: {page:?}");
    }
    for text in [" runs this import", "/results?"] {
        assert!(!page.body.contains(text), "{text}: {page:?}");
    }
}

/// An instance behind a proxy that holds back the reply to the commit which registers an import, and
/// the request that sends its file.
async fn unconfirmed_registration(app: &TestApp) -> (DatabaseProxy, TestApp, JoinHandle<Answer>) {
    let proxy = DatabaseProxy::start(&app.pool).await;
    let other = app.spawn_instance(&[("KEEPER__DATABASE__URL", &*proxy.url)]).await;
    let mut browser = Browser::signed_in(&other, "anna").await;
    let fields = fields_of_form(&mut browser, "import").await;
    proxy.hold_reply_to("COMMIT");
    let file = "{\"login_name\":\"registered\"}\n";
    let sent =
        tokio::spawn(async move { send_fields(&mut browser, &fields, file.as_bytes()).await });
    proxy.wait_until_held().await;
    wait_until("the import is registered", async || {
        let count = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM import_runs");
        count.fetch_one(&app.pool).await.unwrap() == 1
    })
    .await;
    (proxy, other, sent)
}

/// Waits until the only import is complete.
async fn wait_until_complete(app: &TestApp) {
    wait_until("the import is complete", async || {
        let states = sqlx::query_scalar::<_, String>("SELECT state FROM import_runs");
        states.fetch_all(&app.pool).await.unwrap() == ["completed"]
    })
    .await;
    assert_eq!(users_named(app, "registered").await, 1);
}

#[sqlx::test]
async fn an_import_runs_although_the_commit_of_its_registration_was_not_confirmed(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let (proxy, _other, sent) = unconfirmed_registration(&app).await;
    proxy.lose();
    sent.await.unwrap().assert_status(303);
    wait_until_complete(&app).await;
}

/// As in a failover.
#[sqlx::test]
async fn an_import_runs_although_the_database_is_away_after_its_registration(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let (proxy, other, sent) = unconfirmed_registration(&app).await;
    let failed = r#"keeper_database_errors_total{class="no_connection"}"#;
    let before = other.metric(failed).await;
    proxy.set_away(true);
    wait_until("the registration was looked for", async || other.metric(failed).await > before)
        .await;
    proxy.release();
    proxy.set_away(false);
    wait_until_complete(&app).await;
    sent.abort();
}

#[sqlx::test]
async fn a_second_copy_of_a_form_waits_until_the_first_is_registered(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let mut browser = Browser::signed_in(&app, "anna").await;
    let fields = fields_of_form(&mut browser, "import").await;
    let copy = browser.clone();
    let send = |mut browser: Browser, fields: Vec<(String, String)>| {
        let file = "{\"login_name\":\"registered\"}\n";
        tokio::spawn(async move { send_fields(&mut browser, &fields, file.as_bytes()).await })
    };
    let mut registration = app.pool.begin().await.unwrap();
    let lock = "SELECT pg_advisory_xact_lock(hashtextextended('import_runs', 0))";
    sqlx::query(lock).execute(&mut *registration).await.unwrap();
    let leaving = send(browser, fields.clone());
    app.wait_for_blocked_sessions(1).await;
    leaving.abort();
    app.wait_for_metric("keeper_http_requests_in_flight", 0.0).await;
    let sent = send(copy, fields);
    // It waits for the first one inside the process, which nothing outside shows.
    app.wait_for_metric("keeper_http_requests_in_flight", 1.0).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!sent.is_finished(), "the copy did not wait");
    registration.rollback().await.unwrap();
    let answer = sent.await.unwrap();
    answer.assert_status(303);
    assert!(answer.header("location").starts_with("/admin/import/"), "{answer:?}");
    wait_until_complete(&app).await;
}

#[sqlx::test]
async fn it_is_unknown_whether_an_import_was_canceled_when_the_database_is_away(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let mut browser = Browser::signed_in(&app, "anna").await;
    let sent = send(&mut browser, "import", lines_with_passwords(20_000)).await;
    let proxy = DatabaseProxy::start(&app.pool).await;
    let other = app.spawn_instance(&[("KEEPER__DATABASE__URL", &*proxy.url)]).await;
    let mut browser = Browser::signed_in(&other, "anna").await;
    let page = browser.follow(&sent).await;
    let path = format!("{}/cancel", sent.header("location"));
    proxy.hold_reply_to("is_canceled = true");
    let canceling = tokio::spawn(async move { browser.submit(&page, &path, &[]).await });
    proxy.wait_until_held().await;
    proxy.set_away(true);
    let answer = canceling.await.unwrap();
    answer.assert_status(503);
    assert!(answer.body.contains("unknown whether"), "{answer:?}");
}

#[sqlx::test]
async fn an_import_runs_although_its_client_leaves_while_it_is_registered(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let (proxy, other, sent) = unconfirmed_registration(&app).await;
    sent.abort();
    assert!(sent.await.unwrap_err().is_cancelled());
    other.wait_for_metric("keeper_http_requests_in_flight", 0.0).await;
    proxy.release();
    wait_until_complete(&app).await;
}

#[sqlx::test]
async fn ten_thousand_lines_are_imported_while_others_sign_in(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let mut browser = Browser::signed_in(&app, "anna").await;
    let file = lines(10_000, |number| json!({"login_name": format!("load-{number}")}).to_string());
    let sent = send(&mut browser, "import", file).await;
    let mut logins = 0;
    let page = loop {
        let page = browser.follow(&sent).await;
        if !is_in_progress(&page) {
            break page;
        }
        Browser::signed_in(&app, "paul").await;
        logins += 1;
    };
    assert!(logins > 0, "no login during the import");
    assert!(page.body.contains("The import is complete."), "{page:?}");
    assert_eq!(users_named(&app, "load-%").await, 10_000);
    assert!(page.body.len() < 50 * 1024, "{}", page.body.len());
}

#[sqlx::test]
async fn an_import_ends_with_the_session_that_started_it(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let mut browser = Browser::signed_in(&app, "anna").await;
    let sent = send(&mut browser, "import", lines_with_passwords(2000)).await;
    let page = browser.open("/account").await;
    browser.submit(&page, "/logout", &[]).await.assert_status(303);
    let mut browser = Browser::signed_in(&app, "anna").await;
    let page = wait_for_end(&mut browser, &sent).await;
    assert!(page.body.contains("The import ended early, because the administrator"), "{page:?}");
    let done = results(&mut browser, &sent).await.len();
    assert_eq!(users_named(&app, "many-%").await, i64::try_from(done).unwrap());
}

#[sqlx::test]
async fn a_killed_import_is_repeated_and_leaves_no_secret(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let start = || {
        let mut command = keeper(&["serve"]);
        command.envs(app.variables()).env("KEEPER__LOG__LEVEL", "trace");
        Server::start(command).unwrap()
    };
    let server = start();
    let mut browser = Browser::at(&server.ready);
    browser.sign_in("/login", "anna", &password_of("anna")).await.assert_status(303);
    let file = format!("{}not json {MARKER}\n", lines_with_passwords(500));
    let sent = send(&mut browser, "import", &file).await;
    sent.assert_status(303);
    wait_until("the import begins", async || users_named(&app, "many-%").await > 0).await;
    server.signal(Signal::KILL);
    let (_, log) = server.wait();
    assert!(!log.contains(MARKER), "a secret is in the log");
    let done = users_named(&app, "many-%").await;
    assert!(done < 500, "{done}");
    let server = start();
    let mut browser = browser.moved_to(&server.ready);
    // Other instances show what it stored last, and when it was not seen for long, that it stopped.
    let running = browser.follow(&sent).await;
    assert!(is_in_progress(&running) && running.body.contains(" runs this import."), "{running:?}");
    let busy = send(&mut browser, "import", &file).await;
    busy.assert_status(409);
    let unseen = "UPDATE import_runs SET seen_at = seen_at - interval '31 seconds'";
    sqlx::query(unseen).execute(&app.pool).await.unwrap();
    let lost = browser.follow(&sent).await;
    lost.assert_status(200);
    assert!(lost.body.contains("The instance that ran this import has stopped."), "{lost:?}");
    assert!(!is_in_progress(&lost), "{lost:?}");
    let unknown = browser.open(&format!("{PAGE}/00000000-0000-4000-8000-000000000000")).await;
    unknown.assert_status(404);
    assert!(unknown.body.contains("No instance knows this import."), "{unknown:?}");
    let sent = send(&mut browser, "import", &file).await;
    let page = wait_for_end(&mut browser, &sent).await;
    assert!(page.body.contains("The import is complete."), "{page:?}");
    assert!(!page.body.contains(MARKER), "{page:?}");
    let found = results(&mut browser, &sent).await;
    let changed = found.iter().filter(|line| line["result"] == "changed").count();
    assert_eq!(i64::try_from(changed).unwrap(), done);
    assert_eq!(found.len(), 501);
    assert!(!format!("{found:?}").contains(MARKER), "{found:?}");
    assert_eq!(users_named(&app, "many-%").await, 500);
    server.signal(Signal::TERM);
    let (_, log) = server.wait();
    assert!(!log.contains(MARKER), "a secret is in the log");
    app.assert_intact_chains().await;
}

#[sqlx::test]
async fn a_file_needs_the_xsrf_token_and_the_page_of_this_service(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let mut browser = Browser::signed_in(&app, "anna").await;
    let file = b"{\"login_name\":\"forged\"}\n";
    let fields = fields_of_form(&mut browser, "import").await;
    for token in ["", "x"] {
        let mut forged = fields.clone();
        forged.iter_mut().find(|(name, _)| name == "XSRF_TOKEN").unwrap().1 = token.to_owned();
        send_fields(&mut browser, &forged, file).await.assert_status(401);
    }
    let without: Vec<_> = fields.iter().filter(|(name, _)| name != "XSRF_TOKEN").cloned().collect();
    send_fields(&mut browser, &without, file).await.assert_status(401);
    let request = browser
        .request(Method::POST, PAGE)
        .header("Content-Type", format!("multipart/form-data; boundary={BOUNDARY}"))
        .header("Sec-Fetch-Site", "cross-site")
        .body(multipart(&fields, file));
    browser.send(request).await.assert_status(403);
    // Neither a user without the right nor somebody who did not sign in.
    let mut paul = Browser::signed_in(&app, "paul").await;
    send_fields(&mut paul, &fields, file).await.assert_status(403);
    let ended = send_fields(&mut Browser::new(&app), &fields, file).await;
    ended.assert_status(401);
    assert!(ended.body.contains("Your session has ended."), "{ended:?}");
    assert_eq!(users_named(&app, "forged").await, 0);
}

#[sqlx::test]
async fn imports_and_exports_are_sensitive(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &[("KEEPER__AUDIT__REQUIRE_REASON", "true")], "").await;
    let mut browser = Browser::signed_in(&app, "anna").await;
    let refused = send(&mut browser, "import", "{\"login_name\":\"proven\"}\n").await;
    refused.assert_status(400);
    assert!(refused.body.contains("<a href=\"#Reason\">"), "{refused:?}");
    let page = browser.open(EXPORT).await;
    let refused = browser.submit(&page, EXPORT, &[]).await;
    refused.assert_status(400);
    assert!(refused.body.contains("<a href=\"#Reason\">"), "{refused:?}");
    sqlx::query(
        "UPDATE tickets SET auth_time = now() - interval '11 minutes',
                            created_at = now() - interval '11 minutes'",
    )
    .execute(&app.pool)
    .await
    .unwrap();
    let mut fields = fields_of_form(&mut browser, "import").await;
    fields.iter_mut().find(|(name, _)| name == "Reason").unwrap().1 = "why".to_owned();
    let file = b"{\"login_name\":\"proven\"}\n";
    for (password, status) in [("", 403), ("wrong", 400), (password_of("anna").as_str(), 303)] {
        fields.iter_mut().find(|(name, _)| name == "OwnPassword").unwrap().1 = password.to_owned();
        let answer = send_fields(&mut browser, &fields, file).await;
        answer.assert_status(status);
        if status != 303 {
            assert!(answer.body.contains("<a href=\"#OwnPassword\">"), "{answer:?}");
            continue;
        }
        wait_for_end(&mut browser, &answer).await;
    }
    assert_eq!(users_named(&app, "proven").await, 1);
}

#[sqlx::test]
async fn the_export_is_that_of_the_command_and_is_audited(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let file = lines(1200, |number| json!({"login_name": format!("bulk-{number}")}).to_string());
    app.command(&["import", "-"], &file).assert_success();
    let mut browser = Browser::signed_in(&app, "anna").await;
    let page = browser.open(EXPORT).await;
    let typed = [("Reason", "the yearly review")];
    let answer = browser.submit(&page, EXPORT, &typed).await;
    answer.assert_status(200);
    assert_eq!(answer.header("content-disposition"), "attachment; filename=\"users.jsonl\"");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("content-type"), "application/jsonl");
    let printed = app.command(&["export"], "").assert_success();
    assert_eq!(answer.body.trim_end(), printed.trim_end());
    let events: Vec<(String, String, String)> = sqlx::query_as(
        "SELECT kind, scheme, reason FROM audit_events JOIN users USING (user_id)
         WHERE login_name = 'anna' ORDER BY sequence DESC LIMIT 2",
    )
    .fetch_all(&app.pool)
    .await
    .unwrap();
    let told = |kind: &str, reason: &str| (kind.into(), "session".into(), reason.into());
    let expected = [
        told("users_export_ended", "1203 users were sent; it is complete"),
        told("users_exported", "the yearly review"),
    ];
    assert_eq!(events, expected);
    let trail = browser.open("/admin/audit").await;
    assert!(trail.body.contains("All users exported"), "{trail:?}");
    assert!(trail.body.contains("Export of all users ended"), "{trail:?}");
    app.assert_intact_chains().await;
}

#[sqlx::test]
async fn the_pages_of_an_import_are_in_the_language_of_the_browser(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let mut browser = Browser::signed_in(&app, "anna").await;
    let bad = "{\"login_name\":\"a:b\"}\n".repeat(300);
    let sent = send(&mut browser, "check", bad).await;
    wait_for_end(&mut browser, &sent).await;
    for language in LANGUAGES {
        browser = browser.in_language(language);
        let page = browser.follow(&sent).await;
        assert_well_formed(&format!("an import in {language}"), &page, language);
    }
}
