//! Every route that changes something needs its audit event: the routes that `audit.rs` does not call,
//! and a check that no route is missing.

use credential_keeper::{Effect, describe_routes};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::{
    audit::{
        DELETE_USER, DELETIONS, assert_needs_event, assert_reading_needs_event, calls, execute_sql,
        external_calls, prepare, without_events,
    },
    pages::{
        admin_browser::{Browser, form},
        browser,
        transfers::{send, wait_for_end},
    },
    support::{Credentials, PLAIN, TestApp, password_of},
};

const AGENT: &str = "/api/v1/Agents/User/";
const EXPORT: &str = "/admin/export";
const SESSIONS: &str = "/account/sessions";
const CHANGE_PASSWORD: &str = "/account/change-password";
const CHANGE_AT_LOGIN: &str = "/login/change-password";

/// Requests of an administrator: method, path and body, in an order in which each has an effect.
fn requests() -> [(&'static str, &'static str, Value); 13] {
    let untrusted = json!({"PublicValue": "p", "SecretValue": "s"});
    let sid = json!({
        "Type": {"Type": "ActiveDirectory"}, "Value": "S-1-5-8", "DisplayValue": "DOM\\ola",
    });
    let new = json!({
        "ContactId": 2, "PersonName": "Ola", "UserType": "InternalAssociate", "Credential": sid,
    });
    [
        ("POST", "/api/v1/User", json!({"Name": "nina"})),
        ("PUT", "/api/v1/User/278", json!({"Tooltip": "Paul P"})),
        ("PUT", "/keeper/users/278/role", json!({"Role": "auditor"})),
        ("PUT", "/keeper/users/278/change-required", json!({})),
        ("DELETE", "/keeper/users/278/change-required", Value::Null),
        (
            "POST",
            "/api/v1/Agents/User/SetPasswordFromName",
            json!({"AssociateName": "paul", "Password": "another password"}),
        ),
        (
            "POST",
            "/api/v1/Agents/User/SetGeneratedPasswordFromName",
            json!({"AssociateName": "paul"}),
        ),
        (
            "POST",
            "/api/v1/Agents/User/SaveUserFromName",
            json!({"UserName": "paul", "User": {"Tooltip": "Paul Q"}}),
        ),
        (
            "POST",
            "/api/v1/Agents/User/SaveUntrustedCredentialsForAssociate",
            json!({"AssociateId": 278, "Type": "t", "Credentials": untrusted}),
        ),
        (
            "POST",
            "/api/v1/Agents/User/RemoveUntrustedCredentialsForAssociate",
            json!({"AssociateId": 278, "Type": "t", "PublicValue": "p"}),
        ),
        ("POST", "/api/v1/Agents/User/ResolveUserFromInfo", new),
        (
            "POST",
            "/api/v1/Agents/User/ChangeUserType",
            json!({"User": {"AssociateId": 400}, "UserType": "SystemAssociate"}),
        ),
        ("POST", "/api/v1/Agents/User/DeleteUserFromName", json!({"UserName": "robot"})),
    ]
}

/// The last change of a user, as [`DELETE_USER`].
const DELETE: &str = "/api/v1/User/278";

/// Calls that change the password of the plain user, who proves the old one, with the new one.
const PASSWORD_CHANGES: [(&str, &str); 3] = [
    ("ChangePassword", "second password"),
    ("ChangePasswordFromName", "third password"),
    ("ChangeOwnPassword", "fourth password"),
];

/// Calls that return secrets.
const READS: [&str; 2] = ["GetUntrustedCredentials", "GetUntrustedCredentialsForAssociate"];

/// The path and the query of a page, the path of its form, and what is typed.
type FormOfPage = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

const USER: &str = "/admin/users/278";

/// The forms of an administrator, in an order in which each has an effect.
const FORMS: [FormOfPage; 14] = [
    (
        "/admin/users/new",
        "/admin/users/new",
        &[("UserName", "new"), ("Type", "internal"), ("First", "generated")],
    ),
    (
        "/admin/users/278/change",
        "/admin/users/278/change",
        &[("UserName", "paul"), ("DisplayName", "Paul P"), ("Type", "internal")],
    ),
    (USER, "/admin/users/278/unlock", &[]),
    (USER, "/admin/users/278/tickets/end", &[]),
    (USER, "/admin/users/278/tickets/end-all", &[]),
    (
        "/admin/users/278/credential?type=CRM5%2FPASSWORD",
        "/admin/users/278/credential",
        &[("CredentialValue", "another password")],
    ),
    (
        "/admin/users/278/credential/require-change?type=CRM5%2FPASSWORD",
        "/admin/users/278/credential/require-change",
        &[],
    ),
    (
        "/admin/users/278/credential/clear-change?type=CRM5%2FPASSWORD",
        "/admin/users/278/credential/clear-change",
        &[],
    ),
    (
        "/admin/users/278/credential/expire?type=CRM5%2FPASSWORD",
        "/admin/users/278/credential/expire",
        &[],
    ),
    ("/admin/users/278/password", GENERATE, &[]),
    ("/admin/users/278/retire", "/admin/users/278/retire", &[]),
    ("/admin/users/278/reactivate", REACTIVATE, &[]),
    (
        "/admin/users/278/credential/delete?type=CRM5%2FPASSWORD",
        "/admin/users/278/credential/delete",
        &[],
    ),
    ("/admin/users/278/delete", DELETE_FORM, &[("UserName", "paul")]),
];

const GENERATE: &str = "/admin/users/278/password";
const REACTIVATE: &str = "/admin/users/278/reactivate";
const DELETE_FORM: &str = "/admin/users/278/delete";

/// The other routes: the test of each, or the reason why it has no event.
const OTHERS: [(&str, &str, &str); 7] = [
    ("POST", "/api/v1/Agents/User/RemoveLicenses", "changes nothing"),
    ("POST", "/admin/import/{import}/cancel", "ends an import, and changes no user"),
    ("POST", "/admin/import", "an_import_in_the_browser_needs_the_events_of_its_users"),
    (
        "DELETE",
        "/keeper/users/{id}/tickets/{ticket}",
        "audit::starting_or_ending_a_ticket_or_session_needs_its_event",
    ),
    ("POST", "/api/v1/Agents/User/SendChangePasswordEMail", "mail::audited"),
    ("POST", "/account/forgotten", "mail::audited"),
    ("POST", "/account/password", "mail::audited"),
];

/// The method and the path of each request that a test sends with and without its event.
fn sent() -> Vec<(&'static str, String)> {
    let mut sent = vec![("DELETE", DELETE.to_owned()), ("POST", DELETE_USER.to_owned())];
    let calls = calls().into_iter().chain(external_calls()).map(|(call, _)| call);
    let calls = calls.chain(PASSWORD_CHANGES.map(|(call, _)| call)).chain(READS);
    sent.extend(calls.map(|call| ("POST", format!("{AGENT}{call}"))));
    sent.extend(DELETIONS.map(|path| ("DELETE", path.to_owned())));
    sent.extend(requests().map(|(method, path, _)| (method, path.to_owned())));
    let forms = FORMS.map(|(_, action, _)| action).into_iter();
    let forms = forms.chain([EXPORT, SESSIONS, CHANGE_PASSWORD, CHANGE_AT_LOGIN]);
    sent.extend(forms.map(|path| ("POST", path.to_owned())));
    sent
}

/// True for a path of a route.
pub(crate) fn is_at(path: &str, route: &str) -> bool {
    let path: Vec<_> = path.split('?').next().unwrap().split('/').collect();
    let route: Vec<_> = route.split('/').collect();
    let mut pairs = path.iter().zip(&route);
    path.len() == route.len() && pairs.all(|(part, own)| own.starts_with('{') || part == own)
}

#[test]
fn no_route_that_changes_something_is_missing() {
    let (sent, routes) = (sent(), describe_routes());
    let mut changing = 0;
    for route in routes.iter().filter(|route| route.effect == Effect::Changes) {
        let mut sent = sent.iter();
        let is_sent = sent.any(|(method, path)| *method == route.method && is_at(path, route.path));
        let mut others = OTHERS.iter();
        let is_other =
            others.any(|(method, path, _)| *method == route.method && *path == route.path);
        assert_ne!(is_sent, is_other, "{} {} is in no test, or twice", route.method, route.path);
        changing += 1;
    }
    assert!(changing > 50, "{changing}");
    for (method, path, _) in OTHERS {
        let mut routes = routes.iter();
        let is_known = routes.any(|route| route.method == method && route.path == path);
        assert!(is_known, "{method} {path} is no route");
    }
}

#[sqlx::test]
async fn every_further_request_needs_its_event(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    app.add_user((400, "robot"), &[]);
    let administrator = app.administrator();
    for (method, path, body) in requests().into_iter().chain([("DELETE", DELETE, Value::Null)]) {
        prepare(&app, &administrator).await;
        let change = async || {
            let request = app.request(method.parse().unwrap(), path, &administrator);
            let request = if body.is_null() { request } else { request.json(&body) };
            request.send().await.unwrap().status().as_u16()
        };
        assert_needs_event(&app, &format!("{method} {path}"), change).await;
    }
}

/// The check of an old password counts an attempt, whatever becomes of the change.
async fn forget_attempts(app: &TestApp) {
    execute_sql(app, "DELETE FROM authentication_attempts").await;
}

#[sqlx::test]
async fn every_change_of_a_known_password_needs_its_event(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let mut old = password_of(PLAIN.1);
    for (call, new) in PASSWORD_CHANGES {
        let own = Credentials::basic(PLAIN.1, &old);
        let caller = if call == "ChangeOwnPassword" { own } else { app.administrator() };
        let body = json!({
            "AssociateId": PLAIN.0, "AssociateName": PLAIN.1, "OldPassword": old, "NewPassword": new,
        });
        let change = async || {
            let answer = app.post(&format!("{AGENT}{call}"), &caller, &body).await;
            forget_attempts(&app).await;
            answer.status.as_u16()
        };
        assert_needs_event(&app, call, change).await;
        new.clone_into(&mut old);
    }
}

#[sqlx::test]
async fn every_return_of_secrets_needs_its_event(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let plain = app.plain();
    let saved = json!({"Type": "t", "Credentials": {"PublicValue": "p", "SecretValue": "s"}});
    let saved = app.post(&format!("{AGENT}SaveUntrustedCredentials"), &plain, &saved).await;
    saved.assert_status(204);
    for call in READS {
        let body = json!({"AssociateId": PLAIN.0, "Type": "t"});
        let path = format!("{AGENT}{call}");
        let read = async || app.post(&path, &plain, &body).await.status.as_u16();
        assert_reading_needs_event(&app, call, read).await;
    }
}

#[sqlx::test]
async fn every_form_of_an_administrator_needs_its_event(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let administrator = app.administrator();
    let browser = Browser::signed_in(&app, "anna").await;
    let export = async || browser.submit(EXPORT, &[]).await.status.as_u16();
    assert_reading_needs_event(&app, EXPORT, export).await;
    for (path, action, typed) in FORMS {
        // Nothing is issued to a user whose password has expired, or who is disabled.
        if ![GENERATE, REACTIVATE, DELETE_FORM].contains(&action) {
            prepare(&app, &administrator).await;
        }
        let change = async || {
            let page = browser.open(path).await;
            browser.send(&form(&page, action), typed).await.status.as_u16()
        };
        assert_needs_event(&app, action, change).await;
    }
}

#[sqlx::test]
async fn every_form_of_ones_own_account_needs_its_event(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    app.ticket(&app.plain()).await;
    let browser = Browser::signed_in(&app, PLAIN.1).await;
    // The first form of the page ends the ticket.
    let end = async || browser.submit(SESSIONS, &[]).await.status.as_u16();
    assert_needs_event(&app, SESSIONS, end).await;
    forget_attempts(&app).await;
    let change = async || {
        let typed = [
            ("OldPassword", "paul-password"),
            ("NewPassword", "another password"),
            ("RepeatedPassword", "another password"),
        ];
        let answer = browser.submit(CHANGE_PASSWORD, &typed).await;
        forget_attempts(&app).await;
        answer.status.as_u16()
    };
    assert_needs_event(&app, CHANGE_PASSWORD, change).await;
}

#[sqlx::test]
async fn a_required_change_at_the_login_needs_its_event(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    app.command(&["credential", "require-change", "--user", "paul"], "").assert_success();
    let mut browser = browser::Browser::new(&app);
    let page = browser.sign_in("/login", PLAIN.1, "paul-password").await;
    page.assert_status(403);
    forget_attempts(&app).await;
    let change = async || {
        let typed = [
            ("Password", "paul-password"),
            ("NewPassword", "another password"),
            ("RepeatedPassword", "another password"),
        ];
        let answer = browser.copy().submit(&page, CHANGE_AT_LOGIN, &typed).await;
        forget_attempts(&app).await;
        answer.status.as_u16()
    };
    assert_needs_event(&app, CHANGE_AT_LOGIN, change).await;
}

#[sqlx::test]
async fn an_import_in_the_browser_needs_the_events_of_its_users(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let mut browser = browser::Browser::signed_in(&app, "anna").await;
    let file = [
        json!({"login_name": "imported", "credentials": [{"value": "a password"}]}),
        json!({"login_name": "paul", "display_name": "Paul P"}),
    ]
    .map(|line| format!("{line}\n"))
    .concat();
    let import = async || {
        let sent = send(&mut browser, "import", &file).await;
        sent.assert_status(303);
        wait_for_end(&mut browser, &sent).await;
    };
    without_events(&app, "an import", import).await;
    let sent = send(&mut browser, "import", &file).await;
    let page = wait_for_end(&mut browser, &sent).await;
    assert!(page.body.contains("The import is complete."), "{page:?}");
    let kinds = "SELECT array_agg(kind ORDER BY kind) FROM audit_events JOIN users USING (user_id)
                 WHERE kind = 'user_changed' OR login_name = 'imported'";
    let kinds: Vec<String> = sqlx::query_scalar(kinds).fetch_one(&app.pool).await.unwrap();
    assert_eq!(kinds, ["credential_saved", "user_added", "user_changed"]);
}
