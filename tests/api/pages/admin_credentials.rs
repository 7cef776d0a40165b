//! Forms that save, generate, expire and delete credentials.

use sqlx::PgPool;

use super::admin_browser::{Browser, form};
use crate::support::{Answer, Credentials, PLAIN, PRINCIPAL, TestApp};

const SAVE: &str = "/admin/users/278/credential";
const PASSWORD: &str = "/admin/users/278/credential?type=CRM5%2FPASSWORD";
const TYPE: &str = "?type=CRM5%2FPASSWORD";
const EXPIRE: &str = "/admin/users/278/credential/expire";
const DELETE: &str = "/admin/users/278/credential/delete";
const REQUIRE_CHANGE: &str = "/admin/users/278/credential/require-change";
const GENERATE: &str = "/admin/users/278/password";

fn plain_with(password: &str) -> Credentials {
    Credentials::basic(PLAIN.1, password)
}

/// The kinds of the events of the plain user after the first two.
async fn kinds(app: &TestApp) -> Vec<String> {
    let statement = "SELECT kind FROM audit_events WHERE user_id = 278 AND sequence > 2
                     ORDER BY sequence";
    sqlx::query_scalar(statement).fetch_all(&app.pool).await.unwrap()
}

/// Asserts a redirect to the page of the user with a notice.
async fn assert_notice(browser: &Browser, answer: &Answer, notice: &str) {
    answer.assert_status(303);
    let page = browser.open(answer.header("location")).await;
    assert!(page.body.contains(notice), "{notice}: {page:?}");
}

#[sqlx::test]
async fn a_password_is_saved_once_and_no_page_shows_it(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let session = app.session(PLAIN.1).await;
    let browser = Browser::signed_in(&app, "anna").await;
    let types = browser.open(SAVE).await;
    assert!(types.body.contains("credential?type=CRM5%2FPASSWORD"), "{types:?}");
    let page = browser.open(PASSWORD).await;
    assert!(page.body.contains("This replaces the current credential"), "{page:?}");
    // Whose password a script asks about.
    assert!(page.body.contains("IsPasswordValidWithReason\" data-user=\"278\""), "{page:?}");
    let save = form(&page, SAVE);
    let typed = [("CredentialValue", "marker ä & sentence"), ("DisplayValue", "Paul's")];
    let answer = browser.send(&save, &typed).await;
    assert_notice(&browser, &answer, "The credential was saved.").await;
    app.get(PRINCIPAL, &plain_with("marker ä & sentence")).await.assert_status(200);
    app.get(PRINCIPAL, &session).await.assert_unauthenticated();
    let shown = browser.open("/admin/users/278").await;
    assert!(shown.body.contains("Paul&#39;s") && !shown.body.contains("marker"), "{shown:?}");
    // A double click, or a page that was open for long: nothing is saved, and no secret is shown.
    let stale =
        browser.send(&save, &[("CredentialValue", "marker 2"), ("DisplayValue", "x")]).await;
    stale.assert_status(409);
    assert!(stale.body.contains("was changed after this page was opened"), "{stale:?}");
    assert!(stale.body.contains("value=\"x\"") && !stale.body.contains("marker"), "{stale:?}");
    assert_eq!(kinds(&app).await, ["session_started", "credential_saved"]);
    let save = form(&stale, SAVE);
    browser.send(&save, &[("CredentialValue", "marker 3")]).await.assert_status(303);
    app.get(PRINCIPAL, &plain_with("marker 3")).await.assert_status(200);
}

#[sqlx::test]
async fn two_forms_at_the_same_time_save_once(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let browser = Browser::signed_in(&app, "anna").await;
    let save = form(&browser.open(PASSWORD).await, SAVE);
    let typed = [("CredentialValue", "one of two")];
    let (one, two) = tokio::join!(browser.send(&save, &typed), browser.send(&save, &typed));
    // A double click: both answers lead to the page of the user.
    for answer in [one, two] {
        assert_notice(&browser, &answer, "The credential was saved.").await;
    }
    assert_eq!(kinds(&app).await, ["credential_saved"]);
}

#[sqlx::test]
async fn an_identifier_and_a_validity_are_saved(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let browser = Browser::signed_in(&app, "anna").await;
    let path = "/admin/users/278/credential?type=ActiveDirectory";
    let save = form(&browser.open(path).await, SAVE);
    let typed = [
        ("Identifier", "S-1-5-21-7"),
        ("ValidFrom", "2027-01-02 03:04"),
        ("ValidTo", "2028-01-02T03:04:05+01:00"),
    ];
    let answer = browser.send(&save, &typed).await;
    assert_notice(&browser, &answer, "The credential was saved.").await;
    let page = browser.open("/admin/users/278").await;
    for text in ["2027-01-02 03:04 UTC", "2028-01-02 02:04 UTC"] {
        assert!(page.body.contains(text), "{page:?}");
    }
    // The same identifier of another user.
    let path = path.replace("278", "1");
    let save = form(&browser.open(&path).await, "/admin/users/1/credential");
    let taken = browser.send(&save, &typed).await;
    taken.assert_status(409);
    assert!(taken.body.contains("belongs to another user"), "{taken:?}");
    assert!(taken.body.contains("value=\"S-1-5-21-7\""), "{taken:?}");
}

#[sqlx::test]
async fn invalid_fields_keep_what_was_typed_but_no_secret(pool: PgPool) {
    let mut app = TestApp::spawn(pool).await;
    app.reconfigure(&[("KEEPER__PASSWORDS__POLICY", "nist")]).await;
    let browser = Browser::signed_in(&app, "anna").await;
    let save = form(&browser.open(PASSWORD).await, SAVE);
    let good = "a long marker for nobody";
    for (name, value, problem) in [
        ("CredentialValue", "", "must not be empty"),
        ("CredentialValue", "short", "must have at least"),
        ("CredentialValue", "marker\0", "must not contain NUL"),
        ("DisplayValue", &*"x".repeat(255), "must have at most 254 characters"),
        ("ValidFrom", "tomorrow", "must be a date and time"),
        ("ValidTo", "2027-13-01 00:00", "must be a date and time"),
    ] {
        let mut typed = vec![("CredentialValue", good), ("DisplayValue", "shown")];
        typed.retain(|(field, _)| *field != name);
        typed.push((name, value));
        let page = browser.send(&save, &typed).await;
        page.assert_status(400);
        assert!(page.body.contains(problem), "{problem}: {page:?}");
        assert_eq!(page.body.matches("aria-invalid=\"true\"").count(), 1, "{page:?}");
        assert!(!page.body.contains("marker"), "{page:?}");
        if name != "CredentialValue" {
            assert!(page.body.contains(&format!("value=\"{value}\"")), "{page:?}");
        }
    }
    assert_eq!(kinds(&app).await, [""; 0]);
    browser.get("/admin/users/278/credential?type=Unknown").await.assert_status(404);
}

/// Otherwise the corrected form would silently overwrite what somebody else saved.
#[sqlx::test]
async fn a_form_with_another_error_keeps_the_version_that_it_was_opened_with(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let browser = Browser::signed_in(&app, "anna").await;
    let save = form(&browser.open(PASSWORD).await, SAVE);
    app.save(&app.administrator(), 278, "", "of somebody else").await.assert_saved();
    let typed = [("CredentialValue", "marker")];
    for other in [("ValidTo", "x"), ("Reason", "a\nb")] {
        let refused = browser.send(&save, &[typed[0], other]).await;
        refused.assert_status(400);
        let stale = browser.send(&form(&refused, SAVE), &typed).await;
        stale.assert_status(409);
        assert!(stale.body.contains("was changed after this page was opened"), "{stale:?}");
        app.get(PRINCIPAL, &plain_with("of somebody else")).await.assert_status(200);
    }
    for (action, query) in [(EXPIRE, TYPE), (DELETE, TYPE), (REQUIRE_CHANGE, TYPE), (GENERATE, "")]
    {
        let opened = form(&browser.open(&format!("{action}{query}")).await, action);
        let newer = format!("newer than {action}");
        app.save(&app.administrator(), 278, "", &newer).await.assert_saved();
        let refused = browser.send(&opened, &[("Reason", "a\nb")]).await;
        refused.assert_status(400);
        let stale = browser.send(&form(&refused, action), &[]).await;
        stale.assert_status(409);
        assert!(stale.body.contains("was changed after this page was opened"), "{stale:?}");
        app.get(PRINCIPAL, &plain_with(&newer)).await.assert_status(200);
    }
    // Sent from that page, it is saved.
    let stale = browser.send(&save, &typed).await;
    browser.send(&form(&stale, SAVE), &typed).await.assert_status(303);
    app.get(PRINCIPAL, &plain_with("marker")).await.assert_status(200);
}

/// A form of an earlier release may lack the version.
#[sqlx::test]
async fn a_form_without_a_version_is_shown_again_and_changes_nothing(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let browser = Browser::signed_in(&app, "anna").await;
    for (action, query) in [(EXPIRE, TYPE), (DELETE, TYPE), (GENERATE, "")] {
        let mut sent = form(&browser.open(&format!("{action}{query}")).await, action);
        sent.hidden.retain(|(name, _)| name != "Version");
        let stale = browser.send(&sent, &[("Reason", "typed")]).await;
        stale.assert_status(409);
        assert!(stale.body.contains("was changed after this page was opened"), "{stale:?}");
        assert!(stale.body.contains("value=\"typed\""), "{stale:?}");
    }
    assert_eq!(kinds(&app).await, [""; 0]);
}

#[sqlx::test]
async fn a_generated_password_is_in_one_response_only(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let browser = Browser::signed_in(&app, "anna").await;
    let generate = form(&browser.open(GENERATE).await, GENERATE);
    let shown = browser.send(&generate, &[]).await;
    shown.assert_status(200);
    assert_eq!(shown.header("cache-control"), "no-store");
    let (_, rest) = shown.body.split_once("id=\"password\">").unwrap();
    let password = rest.split_once("</output>").unwrap().0;
    app.get(PRINCIPAL, &plain_with(password)).await.assert_status(200);
    assert_eq!(kinds(&app).await, ["credential_saved"]);
    // A double click sends the form again: it saves nothing, and the page that stays shows the password.
    let double = browser.send(&generate, &[]).await;
    double.assert_status(200);
    assert!(double.body.contains(password), "{double:?}");
    // A reload or the back button sends it later.
    app.age_events().await;
    let again = browser.send(&generate, &[]).await;
    again.assert_status(409);
    assert!(again.body.contains("was changed after this page was opened"), "{again:?}");
    app.get(PRINCIPAL, &plain_with(password)).await.assert_status(200);
    let pages = ["/admin/users/278", GENERATE, PASSWORD, "/admin/users"];
    for path in pages {
        assert!(!browser.open(path).await.body.contains(password), "{path}");
    }
    assert!(!again.body.contains(password), "{again:?}");
    assert_eq!(kinds(&app).await, ["credential_saved"]);
}

#[sqlx::test]
async fn an_expired_credential_is_refused_and_a_new_value_replaces_it(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let session = app.session(PLAIN.1).await;
    let browser = Browser::signed_in(&app, "anna").await;
    let page = browser.open(&format!("{EXPIRE}?type=CRM5%2FPASSWORD")).await;
    assert!(page.body.contains("is refused from now on"), "{page:?}");
    let expire = form(&page, EXPIRE);
    let answer = browser.send(&expire, &[("Confirm", "true")]).await;
    assert_notice(&browser, &answer, "The credential has expired.").await;
    app.get(PRINCIPAL, &app.plain()).await.assert_unauthenticated();
    app.get(PRINCIPAL, &session).await.assert_unauthenticated();
    let page = browser.open("/admin/users/278").await;
    assert!(page.body.contains("Expired"), "{page:?}");
    assert!(!page.body.contains(EXPIRE), "an expired credential cannot expire: {page:?}");
    // A double click changes nothing more.
    browser.send(&expire, &[("Confirm", "true")]).await.assert_status(303);
    assert_eq!(kinds(&app).await, ["session_started", "credential_expired"]);
    // The only finding is a state that the tests set themselves.
    let verified = app.command(&["audit", "verify"], "").stdout;
    assert_eq!(verified.lines().count(), 2, "{verified}");
    assert!(verified.contains("\n300 "), "{verified}");
    let save = form(&browser.open(PASSWORD).await, SAVE);
    browser.send(&save, &[("CredentialValue", "a new one")]).await.assert_status(303);
    app.get(PRINCIPAL, &plain_with("a new one")).await.assert_status(200);
}

#[sqlx::test]
async fn an_expired_identifier_keeps_its_value(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    app.save(&app.administrator(), PLAIN.0, "ActiveDirectory", "S-1-5-21-7").await.assert_saved();
    let browser = Browser::signed_in(&app, "anna").await;
    let path = format!("{EXPIRE}?type=ActiveDirectory");
    let expire = form(&browser.open(&path).await, EXPIRE);
    browser.send(&expire, &[]).await.assert_status(303);
    // It still belongs to the user: nobody else can have it.
    let answer = app.save(&app.administrator(), 1, "ActiveDirectory", "S-1-5-21-7").await;
    answer.assert_refused(409, "ArgumentException", "identifier_taken");
}

#[sqlx::test]
async fn a_credential_that_was_replaced_after_the_page_was_opened_stays(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let browser = Browser::signed_in(&app, "anna").await;
    let page = browser.open(&format!("{DELETE}?type=CRM5%2FPASSWORD")).await;
    app.save(&app.administrator(), 278, "CRM5/PASSWORD", "newer").await.assert_saved();
    let stale = browser.send(&form(&page, DELETE), &[("Reason", "left")]).await;
    stale.assert_status(409);
    assert!(stale.body.contains("The credential was changed after"), "{stale:?}");
    assert!(stale.body.contains("value=\"left\""), "{stale:?}");
    app.get(PRINCIPAL, &plain_with("newer")).await.assert_status(200);
    browser.send(&form(&stale, DELETE), &[]).await.assert_status(303);
    app.get(PRINCIPAL, &plain_with("newer")).await.assert_unauthenticated();
}

#[sqlx::test]
async fn a_credential_is_deleted_once(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let browser = Browser::signed_in(&app, "anna").await;
    let page = browser.open(&format!("{DELETE}?type=CRM5%2FPASSWORD")).await;
    assert!(page.body.contains("the user cannot sign in"), "{page:?}");
    let delete = form(&page, DELETE);
    let answer = browser.send(&delete, &[("Confirm", "true")]).await;
    assert_notice(&browser, &answer, "The credential was deleted.").await;
    app.get(PRINCIPAL, &app.plain()).await.assert_unauthenticated();
    let answer = browser.send(&delete, &[("Confirm", "true")]).await;
    assert_notice(&browser, &answer, "Nothing was changed").await;
    assert_eq!(kinds(&app).await, ["credential_deleted"]);
    let page = browser.open("/admin/users/278").await;
    assert!(page.body.contains("This user has no credential."), "{page:?}");
    // A first password.
    let save = form(&browser.open(PASSWORD).await, SAVE);
    browser.send(&save, &[("CredentialValue", "a first one")]).await.assert_status(303);
    app.get(PRINCIPAL, &plain_with("a first one")).await.assert_status(200);
}
