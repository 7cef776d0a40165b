//! Uploads of imports that are interrupted, slow, or no uploads.

use std::time::Duration;

use reqwest::Method;
use rustix::process::Signal;
use sqlx::PgPool;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{
    browser::{Browser, form_of},
    transfers::{
        BOUNDARY, PAGE, fields_of_form, multipart, send, send_fields, users_named, wait_for_end,
    },
};
use crate::support::{Answer, Reloading, Server, TestApp, assert_becomes, keeper, password_of};

/// Only files and passwords contain it.
const MARKER: &str = "MARKERq7Zk";

const REASON: &str = "Ticket <4711>";

/// The fields of a form in which everything was typed.
async fn typed(browser: &mut Browser) -> Vec<(String, String)> {
    let mut fields = fields_of_form(browser, "import").await;
    fields.retain(|(name, _)| name != "Reason");
    fields.push(("Reason".to_owned(), REASON.to_owned()));
    fields.push(("OwnPassword".to_owned(), MARKER.to_owned()));
    fields
}

fn file() -> Vec<u8> {
    format!("{{\"login_name\":\"up\",\"display_name\":\"{MARKER}\"}}\n").into_bytes()
}

#[track_caller]
fn assert_kept(page: &Answer) {
    let form = form_of(&page.body, PAGE);
    assert!(form.contains("value=\"Ticket &#60;4711&#62;\""), "{form}");
    assert!(form.contains("<option value=\"import\" selected>"), "{form}");
    assert!(!page.body.contains(MARKER), "{page:?}");
}

/// Signs in on the page that a refused form leads to, and sends the kept fields back.
async fn sign_in_and_resume(browser: &mut Browser, login: &Answer) -> Answer {
    let name = [("UserName", "anna"), ("Password", "anna-password")];
    let resume = browser.submit(login, "/login", &name).await;
    resume.assert_status(200);
    assert!(!resume.body.contains(MARKER), "{resume:?}");
    browser.submit(&resume, PAGE, &[]).await
}

#[sqlx::test]
async fn an_upload_after_the_end_of_the_session_keeps_everything_but_file_and_secret(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let mut browser = Browser::signed_in(&app, "anna").await;
    let fields = typed(&mut browser).await;
    sqlx::query("DELETE FROM tickets").execute(&app.pool).await.unwrap();
    let login = send_fields(&mut browser, &fields, &file()).await;
    login.assert_status(401);
    assert!(login.body.contains("Your entries are kept, except passwords."), "{login:?}");
    assert!(!login.body.contains(MARKER), "{login:?}");
    let shown = sign_in_and_resume(&mut browser, &login).await;
    shown.assert_status(200);
    assert_kept(&shown);
    assert!(!shown.body.contains("role=\"alert\""), "{shown:?}");
    assert_eq!(users_named(&app, "up").await, 0);
    // The form works, also after a file of several megabytes.
    let mut large = file();
    large.resize(6_000_000, b'\n');
    sqlx::query("DELETE FROM tickets").execute(&app.pool).await.unwrap();
    let login = send_fields(&mut browser, &fields, &large).await;
    login.assert_status(401);
    assert_kept(&sign_in_and_resume(&mut browser, &login).await);
    let sent = send(&mut browser, "import", file()).await;
    wait_for_end(&mut browser, &sent).await;
    assert_eq!(users_named(&app, "up").await, 1);
}

#[sqlx::test]
async fn an_upload_of_an_earlier_session_is_kept_for_the_new_one(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let mut browser = Browser::signed_in(&app, "anna").await;
    let fields = typed(&mut browser).await;
    let account = browser.open("/account").await;
    browser.submit(&account, "/logout", &[]).await.assert_status(303);
    browser.sign_in("/login", "anna", "anna-password").await.assert_status(303);
    let page = send_fields(&mut browser, &fields, &file()).await;
    page.assert_status(401);
    assert!(page.body.contains("You signed in again after this page was opened."), "{page:?}");
    assert!(!page.body.contains(MARKER), "{page:?}");
    let shown = browser.submit(&page, PAGE, &[]).await;
    shown.assert_status(200);
    assert_kept(&shown);
    assert_eq!(users_named(&app, "up").await, 0);
}

#[sqlx::test]
async fn a_form_that_is_no_upload_says_so_and_keeps_what_was_typed(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let mut browser = Browser::signed_in(&app, "anna").await;
    let mut fields = typed(&mut browser).await;
    fields.push(("File".to_owned(), "users.jsonl".to_owned()));
    let page = browser.submit_fields(PAGE, &fields).await;
    page.assert_status(415);
    assert!(page.body.contains("File: was not sent by the browser."), "{page:?}");
    assert!(page.body.contains("<a href=\"#File\">"), "{page:?}");
    assert_kept(&page);
    let request = browser
        .request(Method::POST, PAGE)
        .header("Content-Type", "text/plain")
        .header("Sec-Fetch-Site", "same-origin")
        .body("Mode=import");
    browser.send(request).await.assert_status(415);
}

/// A form whose last bytes are missing, on a connection of its own.
async fn begin(browser: &Browser, url: &str, fields: &[(String, String)]) -> (TcpStream, Vec<u8>) {
    begin_with(browser, url, fields, "").await
}

/// Like [`begin`], with another header line.
async fn begin_with(
    browser: &Browser,
    url: &str,
    fields: &[(String, String)],
    header: &str,
) -> (TcpStream, Vec<u8>) {
    let mut body = multipart(fields, &file());
    let rest = body.split_off(body.len() - 40);
    let built = browser
        .request(Method::POST, PAGE)
        .header("Content-Type", format!("multipart/form-data; boundary={BOUNDARY}"))
        .build()
        .unwrap();
    let headers = built.headers().iter();
    let headers: Vec<_> =
        headers.map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
    let (headers, length) = (headers.join("\r\n"), body.len() + rest.len());
    let head = format!(
        "POST {PAGE} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{header}\
         Content-Length: {length}\r\n{headers}\r\n\r\n"
    );
    let address = url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&body).await.unwrap();
    (stream, rest)
}

async fn answer_of(mut stream: TcpStream) -> String {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[sqlx::test]
async fn a_slow_upload_does_not_stop_others(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let mut browser = Browser::signed_in(&app, "anna").await;
    let mut slow = Vec::new();
    for _ in 0..3 {
        let fields = fields_of_form(&mut browser, "import").await;
        slow.push(begin(&browser, &app.url, &fields).await);
    }
    let mut other = Browser::signed_in(&app, "anna").await;
    let sent = send(&mut other, "import", "{\"login_name\":\"quick\"}\n").await;
    wait_for_end(&mut other, &sent).await;
    assert_eq!(users_named(&app, "quick").await, 1);
    // The number of files in memory is bounded. A file of the loop may take the last place before the
    // slow one, which is then refused.
    let full = loop {
        let fields = fields_of_form(&mut browser, "import").await;
        slow.push(begin(&browser, &app.url, &fields).await);
        let answer = send(&mut other, "check", "{\"login_name\":\"quick\"}\n").await;
        if answer.status != 303 {
            break answer;
        }
        wait_for_end(&mut other, &answer).await;
    };
    full.assert_status(409);
    assert!(full.body.contains("Other files are being received by this instance."), "{full:?}");
    // A slow one is imported, too, when it arrives. Those that end early leave their places.
    let (mut stream, rest) = slow.remove(0);
    drop(slow);
    stream.write_all(&rest).await.unwrap();
    let answer = answer_of(stream).await;
    assert!(answer.starts_with("HTTP/1.1 303 "), "{answer}");
    assert_becomes(1, async || users_named(&app, "up").await).await;
    let sent = send(&mut other, "check", "{\"login_name\":\"quick\"}\n").await;
    wait_for_end(&mut other, &sent).await;
}

#[sqlx::test]
async fn an_upload_that_takes_too_long_is_refused_counted_and_logged(pool: PgPool) {
    let limit = [("KEEPER__IMPORT__UPLOAD_TIMEOUT_SECONDS", "2")];
    let app = TestApp::spawn_with(pool, &limit, "").await;
    let mut command = keeper(&["serve"]);
    command.envs(app.variables());
    let server = Server::start(command).unwrap();
    for url in [app.url.as_str(), server.ready.as_str()] {
        let mut browser = Browser::at(url);
        browser.sign_in("/login", "anna", &password_of("anna")).await.assert_status(303);
        let fields = typed(&mut browser).await;
        let fields: Vec<_> = fields.into_iter().filter(|(name, _)| name != "OwnPassword").collect();
        let (mut stream, rest) = begin(&browser, url, &fields).await;
        // Each part arrives in time, and all of them do not.
        let sending = async {
            for byte in rest.chunks(1).take(8) {
                tokio::time::sleep(Duration::from_millis(300)).await;
                stream.write_all(byte).await?;
            }
            Ok::<(), std::io::Error>(())
        };
        // It fails when the service has closed the connection.
        let _ = sending.await;
        let answer = answer_of(stream).await;
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        assert!(answer.contains("File: did not arrive in time."), "{answer}");
        assert!(answer.contains("value=\"Ticket &#60;4711&#62;\""), "{answer}");
        // The place is free.
        let sent = send(&mut browser, "check", file()).await;
        wait_for_end(&mut browser, &sent).await;
    }
    assert_eq!(users_named(&app, "up").await, 0);
    let uploads = |outcome| format!("keeper_import_uploads_total{{outcome=\"{outcome}\"}}");
    assert!((app.metric(&uploads("timed_out")).await - 1.0).abs() < 0.1);
    assert!((app.metric(&uploads("started")).await - 1.0).abs() < 0.1);
    server.signal(Signal::TERM);
    let (_, log) = server.wait();
    assert!(log.contains("its file did not arrive in time"), "{log}");
    assert!(!log.contains(MARKER), "{log}");
}

#[sqlx::test]
async fn the_limits_of_uploads_change_while_the_service_runs(pool: PgPool) {
    let reloading = Reloading::start(pool, &[("passwords.policy", "'none'")]).await;
    let app = &reloading.app;
    let mut browser = Browser::at(&app.url);
    browser.sign_in("/login", "anna", &password_of("anna")).await.assert_status(303);
    let large = "{\"login_name\":\"large\"}\n".repeat(4000);
    let sent = send(&mut browser, "check", large.clone()).await;
    wait_for_end(&mut browser, &sent).await;
    reloading.set(&[("import.maximum_upload_bytes", "65536")]).await;
    let fields = fields_of_form(&mut browser, "check").await;
    send_fields(&mut browser, &fields, large.as_bytes()).await.assert_status(413);
    reloading.set(&[("import.upload_timeout_seconds", "1")]).await;
    let fields = fields_of_form(&mut browser, "check").await;
    let (stream, _) = begin(&browser, &app.url, &fields).await;
    let answer = answer_of(stream).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    // An import of before the reload is still known.
    wait_for_end(&mut browser, &sent).await;
}

#[sqlx::test]
async fn a_request_keeps_the_settings_that_it_began_with(pool: PgPool) {
    let reloading = Reloading::start(pool, &[]).await;
    let mut browser = Browser::at(&reloading.app.url);
    browser.sign_in("/login", "anna", &password_of("anna")).await.assert_status(303);
    let fields = fields_of_form(&mut browser, "check").await;
    let expect = "Expect: 100-continue\r\n";
    let (mut stream, rest) = begin_with(&browser, &reloading.app.url, &fields, expect).await;
    // The service says that the request has begun.
    let mut interim = [0; 25];
    stream.read_exact(&mut interim).await.unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    reloading.set(&[("import.upload_timeout_seconds", "1")]).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    stream.write_all(&rest).await.unwrap();
    let answer = answer_of(stream).await;
    assert!(answer.starts_with("HTTP/1.1 303 "), "{answer}");
}
