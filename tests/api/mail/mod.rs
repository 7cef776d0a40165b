//! Mails with a link to set a new password
//! (docs/reference/wire-contract.md#d34-password-reset-mail).

mod audited;
mod bad_servers;
mod commands;
mod corrections;
mod forgotten;
mod limits;
mod links;
mod outages;
mod requests;

use reqwest::{Client, RequestBuilder, redirect::Policy};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::{Answer, Credentials, MailServer, TestApp};

const SEND: &str = "/api/v1/Agents/User/SendChangePasswordEMail";
const SUPPORTED: &str = "/api/v1/Agents/User/GetSupportedChangePasswordTypes";
const PAGE: &str = "/account/password";

/// A user whose login name is an address.
const MAILED: (i32, &str) = (500, "anna.berg@example.com");

/// An application that sends mails to this server, with a user who has an address.
async fn spawn(pool: PgPool, server: &MailServer) -> TestApp {
    spawn_with(pool, server, &[]).await
}

/// As [`spawn`], with more settings. An empty one is unset.
async fn spawn_with(pool: PgPool, server: &MailServer, more: &[(&str, &str)]) -> TestApp {
    let variables = server.variables();
    let mut all: Vec<_> =
        variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    all.extend(more);
    let file = "[credentials]\nadditional_types = [{ name = \"Email\", kind = \"identifier\" }]\n";
    let app = TestApp::spawn_with(pool, &all, file).await;
    app.add_user(MAILED, &[]);
    app
}

/// Asks for a mail to a user.
async fn ask(app: &TestApp, caller: &Credentials, user_id: i32) -> Answer {
    app.post(SEND, caller, &json!({ "AssociateId": user_id })).await
}

/// Asks for a mail to a user as the administrator, who may.
async fn ask_for(app: &TestApp, user_id: i32) {
    let answer = ask(app, &app.administrator(), user_id).await;
    answer.assert_status(200);
    assert_eq!(answer.json(), json!({ "Success": true, "Message": "" }));
}

/// How the caller may change the password of a user.
async fn supported(app: &TestApp, caller: &Credentials, user_id: i32) -> Value {
    let answer = app.post(SUPPORTED, caller, &json!({ "AssociateId": user_id })).await;
    answer.assert_status(200);
    answer.json()
}

/// The link in a mail.
#[track_caller]
fn link_of(mail: &Value) -> String {
    let text = mail["text"].as_str().unwrap();
    let start = "https://keeper.example/account/password?token=";
    let line = text.lines().find(|line| line.starts_with(start));
    line.unwrap_or_else(|| panic!("no link: {text}")).to_owned()
}

/// The path and query of the link in a mail.
#[track_caller]
fn path_of(mail: &Value) -> String {
    link_of(mail).strip_prefix("https://keeper.example").unwrap().to_owned()
}

/// Opens a link, as a browser does.
async fn open(app: &TestApp, path: &str) -> Answer {
    let client = Client::builder().redirect(Policy::none()).build().unwrap();
    let request = client.get(format!("{}{path}", app.url)).header("Sec-Fetch-Site", "cross-site");
    Answer::read(request.send().await.unwrap()).await
}

/// The token in the form of a page.
#[track_caller]
fn token_of(page: &Answer) -> String {
    let (_, rest) = page.body.split_once("name=\"Token\" value=\"").unwrap();
    rest.split_once('"').unwrap().0.to_owned()
}

/// Sends the form of the page, as a browser does.
async fn submit(app: &TestApp, token: &str, password: &str) -> Answer {
    let request = app
        .client
        .post(format!("{}{PAGE}", app.url))
        .header("Sec-Fetch-Site", "same-origin")
        .header("Origin", "null");
    Answer::read(with_form(request, token, password).send().await.unwrap()).await
}

/// Adds the form of the page to a request.
pub(crate) fn with_form(request: RequestBuilder, token: &str, password: &str) -> RequestBuilder {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.append_pair("Token", token).append_pair("NewPassword", password);
    request.header("Content-Type", "application/x-www-form-urlencoded").body(form.finish())
}

/// The kinds and schemes of a user's last audit events.
async fn events(app: &TestApp, user_id: i32) -> Vec<(String, String)> {
    sqlx::query_as("SELECT kind, scheme FROM audit_events WHERE user_id = $1 ORDER BY sequence")
        .bind(user_id)
        .fetch_all(&app.pool)
        .await
        .unwrap()
}

/// Asserts that the user's last events are these.
async fn assert_last_events(app: &TestApp, user_id: i32, expected: &[(&str, &str)]) {
    let events = events(app, user_id).await;
    let last: Vec<_> = events[events.len() - expected.len()..]
        .iter()
        .map(|(kind, scheme)| (kind.as_str(), scheme.as_str()))
        .collect();
    assert_eq!(last, expected);
    // These tests retire a user without an event.
    let verified = app.command(&["audit", "verify"], "").stdout;
    let is_finding = |line: &&str| !line.starts_with("USER") && !line.starts_with("300 ");
    assert_eq!(verified.lines().find(is_finding), None, "{verified}");
}

const METRIC: &str = "keeper_mail_password_mails_total";

/// Waits until this many mails had this event.
async fn wait_for_event(app: &TestApp, event: &str, number: u32) {
    app.wait_for_metric(&format!("{METRIC}{{event=\"{event}\"}}"), number.into()).await;
}

/// Lets the next delivery of every waiting mail begin now.
async fn hurry(app: &TestApp) {
    sqlx::raw_sql("UPDATE password_mails SET next_attempt_at = now() WHERE outcome IS NULL")
        .execute(&app.pool)
        .await
        .unwrap();
}
