//! Sensitive forms: the caller's own password when it was proven too long ago, and reasons.

use credential_keeper::{Access, RouteDescription, describe_routes};
use sqlx::PgPool;

use super::admin_browser::{Browser, PageForm, form};
use crate::support::{Answer, PLAIN, PRINCIPAL, TestApp};

const DELETE: &str = "/admin/users/278/delete";
const CHANGE: &str = "/admin/users/278/change";
const TYPE: &str = "?type=CRM5%2FPASSWORD";
const FIELD: &str = "name=\"OwnPassword\"";

/// The path of a page, the action of its form, and what is typed.
type FormOfPage = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

/// Every form that asks for the password, with what it needs otherwise.
const FORMS: [FormOfPage; 7] = [
    ("/admin/users/new", "/admin/users/new", &[("UserName", "new"), ("First", "generated")]),
    ("/admin/users/278/retire", "/admin/users/278/retire", &[]),
    ("/admin/users/278/delete", "/admin/users/278/delete", &[("UserName", "paul")]),
    (
        "/admin/users/278/credential?type=CRM5%2FPASSWORD",
        "/admin/users/278/credential",
        &[("CredentialValue", "marker")],
    ),
    (
        "/admin/users/278/credential/expire?type=CRM5%2FPASSWORD",
        "/admin/users/278/credential/expire",
        &[],
    ),
    (
        "/admin/users/278/credential/require-change?type=CRM5%2FPASSWORD",
        "/admin/users/278/credential/require-change",
        &[("Compromised", "true")],
    ),
    ("/admin/users/278/password", "/admin/users/278/password", &[]),
];

/// Forms that their use case refuses after the proof, when the credential has changed since.
const REFUSED: [FormOfPage; 6] = [
    ("/admin/users/new", "/admin/users/new", &[("UserName", "paul"), ("First", "generated")]),
    (CHANGE, CHANGE, &[("UserName", "anna")]),
    // The last administrator.
    ("/admin/users/1/retire", "/admin/users/1/retire", &[]),
    (
        "/admin/users/278/credential?type=CRM5%2FPASSWORD",
        "/admin/users/278/credential",
        &[("CredentialValue", "marker")],
    ),
    (
        "/admin/users/278/credential/expire?type=CRM5%2FPASSWORD",
        "/admin/users/278/credential/expire",
        &[],
    ),
    ("/admin/users/278/password", "/admin/users/278/password", &[]),
];

/// Makes the proof of every session older than 10 minutes.
async fn age_proofs(app: &TestApp) {
    age_proofs_by(app, 11).await;
}

/// Makes the proof of every session as many minutes old.
async fn age_proofs_by(app: &TestApp, minutes: i32) {
    let statement = "UPDATE tickets SET auth_time = now() - make_interval(mins => $1),
                                        created_at = now() - make_interval(mins => $1)";
    sqlx::query(statement).bind(minutes).execute(&app.pool).await.unwrap();
}

/// What is typed into a form, with the type of a user unless the form names that of a credential.
fn typed_into(
    shown: &PageForm,
    typed: &[(&'static str, &'static str)],
) -> Vec<(&'static str, &'static str)> {
    let typed = [typed, &[("Type", "internal")]].concat();
    typed
        .into_iter()
        .filter(|(name, _)| !shown.hidden.iter().any(|(hidden, _)| hidden == name))
        .collect()
}

/// The kinds and reasons of the events of the plain user after the first two.
async fn events(app: &TestApp) -> Vec<(String, Option<String>)> {
    let statement = "SELECT kind, reason FROM audit_events WHERE user_id = 278 AND sequence > 2
                     ORDER BY sequence";
    sqlx::query_as(statement).fetch_all(&app.pool).await.unwrap()
}

/// Asserts a form that is refused at one field, which takes the focus to the summary.
#[track_caller]
fn assert_refused_at(page: &Answer, field: &str, text: &str) {
    assert!([400, 403].contains(&page.status.as_u16()), "{page:?}");
    assert!(page.body.contains(&format!("<a href=\"#{field}\">")), "{page:?}");
    assert!(page.body.contains(text), "{text}: {page:?}");
    assert!(!page.body.contains("marker"), "a secret is shown: {page:?}");
}

/// Otherwise the hashes of these forms would not be counted before they wait.
#[sqlx::test]
async fn every_form_that_asks_for_the_password_is_admitted_to_the_hashing_engine(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let browser = Browser::signed_in(&app, "anna").await;
    age_proofs(&app).await;
    let routes = describe_routes();
    let pages = || {
        routes.iter().filter(|route| {
            route.access == Access::Page
                && route.method == "GET"
                && !route.path.contains("{import}")
        })
    };
    let mut asking = Vec::new();
    // The page that clears a mark has a form only for a marked credential, the one that sets it has
    // one only for another.
    for mark in ["clear-change", "require-change"] {
        app.command(&["credential", mark, "--user", "paul"], "");
        for (route, query) in pages().flat_map(|route| [(route, ""), (route, TYPE)]) {
            let path = route.path.replace("{id}", "278");
            if !browser.get(&format!("{path}{query}")).await.body.contains(FIELD) {
                continue;
            }
            let is_sent =
                |sent: &&RouteDescription| sent.method == "POST" && sent.path == route.path;
            let sent = routes.iter().find(is_sent);
            assert!(sent.is_some_and(|sent| sent.may_hash), "{path}");
            asking.push(route.path);
        }
    }
    for (path, _, _) in FORMS {
        let path = path.split('?').next().unwrap().replace("278", "{id}");
        assert!(asking.contains(&path.as_str()), "{path}: {asking:?}");
    }
    assert!(asking.contains(&"/admin/import") && asking.contains(&"/admin/export"), "{asking:?}");
}

#[sqlx::test]
async fn a_sensitive_form_asks_for_the_password_after_10_minutes(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let browser = Browser::signed_in(&app, "anna").await;
    for (path, _, _) in FORMS {
        assert!(!browser.open(path).await.body.contains(FIELD), "{path}");
    }
    age_proofs(&app).await;
    for (path, action, typed) in FORMS {
        let page = browser.open(path).await;
        assert!(page.body.contains(FIELD), "{path}: {page:?}");
        let shown = form(&page, action);
        let typed = typed_into(&shown, typed);
        let without = browser.send(&shown, &typed).await;
        assert_refused_at(&without, "OwnPassword", "is required");
        let wrong = [&typed[..], &[("OwnPassword", "marker 2")]].concat();
        let wrong = browser.send(&form(&without, action), &wrong).await;
        assert_refused_at(&wrong, "OwnPassword", "is incorrect");
        for (name, value) in typed.iter().filter(|(name, _)| *name == "UserName") {
            assert!(wrong.body.contains(&format!("value=\"{value}\"")), "{name}: {wrong:?}");
        }
    }
    assert_eq!(events(&app).await, []);
    app.get(PRINCIPAL, &app.plain()).await.assert_status(200);
}

#[sqlx::test]
async fn the_right_password_makes_the_change_and_is_not_asked_again(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let browser = Browser::signed_in(&app, "anna").await;
    age_proofs(&app).await;
    // What is not sensitive needs no proof.
    let renamed = [("UserName", "paul"), ("DisplayName", "Paul"), ("Type", "internal")];
    let change = form(&browser.open(CHANGE).await, CHANGE);
    browser.send(&change, &renamed).await.assert_status(303);
    // A right is sensitive.
    let granted = [&renamed[..], &[("Role", "auditor")]].concat();
    let change = form(&browser.open(CHANGE).await, CHANGE);
    let refused = browser.send(&change, &granted).await;
    assert_refused_at(&refused, "OwnPassword", "is required");
    assert!(refused.body.contains("<option value=\"auditor\" selected>"), "{refused:?}");
    let proven = [&granted[..], &[("OwnPassword", "anna-password")]].concat();
    browser.send(&form(&refused, CHANGE), &proven).await.assert_status(303);
    let kinds: Vec<_> = events(&app).await.into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, ["user_changed", "auditor_granted"]);
    let page = browser.open(DELETE).await;
    assert!(!page.body.contains(FIELD), "{page:?}");
    let delete = form(&page, DELETE);
    browser.send(&delete, &[("UserName", "paul")]).await.assert_status(303);
    app.get(PRINCIPAL, &app.plain()).await.assert_unauthenticated();
    let proofs = sqlx::query_scalar::<_, i64>(
        "SELECT count(*) FROM audit_events WHERE user_id = 1 AND kind = 'session_proven'",
    );
    assert_eq!(proofs.fetch_one(&app.pool).await.unwrap(), 1);
}

#[sqlx::test]
async fn a_form_that_is_refused_after_the_proof_does_not_ask_for_the_password_again(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let browser = Browser::signed_in(&app, "anna").await;
    for (path, action, typed) in REFUSED {
        age_proofs(&app).await;
        let page = browser.open(path).await;
        assert!(page.body.contains(FIELD), "{path}: {page:?}");
        let shown = form(&page, action);
        // The form is stale from now on.
        app.save(&app.administrator(), PLAIN.0, "", "of somebody else").await.assert_saved();
        let typed = [typed_into(&shown, typed), vec![("OwnPassword", "anna-password")]].concat();
        let refused = browser.send(&shown, &typed).await;
        refused.assert_status(409);
        assert!(!refused.body.contains(FIELD), "{path}: {refused:?}");
    }
}

#[sqlx::test]
async fn a_form_does_not_name_another_age_than_the_setting(pool: PgPool) {
    let variables = [("KEEPER__AUTHENTICATION__MAXIMUM_PROOF_AGE_SECONDS", "60")];
    let app = TestApp::spawn_with(pool, &variables, "").await;
    let browser = Browser::signed_in(&app, "anna").await;
    age_proofs_by(&app, 2).await;
    let page = browser.open(DELETE).await;
    assert!(page.body.contains(FIELD), "{page:?}");
    assert!(!page.body.contains("10 minutes"), "{page:?}");
}

#[sqlx::test]
async fn nobody_changes_their_own_role(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let browser = Browser::signed_in(&app, "anna").await;
    let page = browser.open("/admin/users/1/change").await;
    assert!(!page.body.contains("name=\"Role\""), "{page:?}");
    let change = form(&page, "/admin/users/1/change");
    let typed = [("UserName", "anna"), ("Type", "internal"), ("Administrator", "true")];
    let forged = [&typed[..], &[("Role", "auditor")]].concat();
    let refused = browser.send(&change, &forged).await;
    refused.assert_status(403);
    assert!(refused.body.contains("nobody can change their own role"), "{refused:?}");
    browser.send(&change, &typed).await.assert_status(303);
}

#[sqlx::test]
async fn the_reason_of_a_form_is_in_the_audit_trail(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let browser = Browser::signed_in(&app, "anna").await;
    let path = "/admin/users/278/retire";
    let retire = form(&browser.open(path).await, path);
    for (reason, problem) in [
        (&*"x".repeat(201), "must have at most 200 characters"),
        ("a\nb", "must not contain a control character"),
        ("  ", "must contain a visible character"),
    ] {
        let refused = browser.send(&retire, &[("Reason", reason)]).await;
        assert_refused_at(&refused, "Reason", problem);
        assert!(refused.body.contains(&format!("value=\"{reason}\"")), "{refused:?}");
    }
    assert_eq!(events(&app).await, []);
    browser.send(&retire, &[("Reason", "Ticket 4711: müde <b>")]).await.assert_status(303);
    let reason = Some("Ticket 4711: müde <b>".to_owned());
    assert_eq!(events(&app).await, [("user_retired".to_owned(), reason)]);
}

#[sqlx::test]
async fn a_required_reason_is_asked_for_at_its_field(pool: PgPool) {
    let variables = [("KEEPER__AUDIT__REQUIRE_REASON", "true")];
    let app = TestApp::spawn_with(pool, &variables, "").await;
    let browser = Browser::signed_in(&app, "anna").await;
    let delete = form(&browser.open(DELETE).await, DELETE);
    let refused = browser.send(&delete, &[("UserName", PLAIN.1)]).await;
    assert_refused_at(&refused, "Reason", "is required");
    assert!(refused.body.contains("value=\"paul\""), "{refused:?}");
    let typed = [("UserName", PLAIN.1), ("Reason", "left")];
    browser.send(&form(&refused, DELETE), &typed).await.assert_status(303);
    let (kind, reason) = events(&app).await.pop().unwrap();
    assert_eq!((kind.as_str(), reason.as_deref()), ("user_deleted", Some("left")));
}
