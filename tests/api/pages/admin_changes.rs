//! Forms that add, change and delete users.

use serde_json::json;
use sqlx::PgPool;

use super::admin_browser::{Browser, form};
use crate::support::{Answer, Credentials, PLAIN, PRINCIPAL, TestApp};

const SAVE_USER: &str = "/api/v1/Agents/User/SaveUser";
const NEW: &str = "/admin/users/new";
const CHANGE: &str = "/admin/users/278/change";
const DELETE: &str = "/admin/users/278/delete";

/// The generated password on a page.
#[track_caller]
fn generated(page: &Answer) -> String {
    let (_, rest) = page.body.split_once("id=\"password\">").unwrap();
    rest.split_once("</output>").unwrap().0.to_owned()
}

/// The login names of all users, by id.
async fn login_names(app: &TestApp) -> Vec<String> {
    let statement = "SELECT login_name FROM users WHERE deleted_at IS NULL ORDER BY user_id";
    sqlx::query_scalar(statement).fetch_all(&app.pool).await.unwrap()
}

#[sqlx::test]
async fn a_user_is_added_with_a_password_that_one_response_shows(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let browser = Browser::signed_in(&app, "anna").await;
    let fields = [("UserName", "ada"), ("DisplayName", "Ada Lovelace"), ("Type", "internal")];
    let typed = [&fields[..], &[("First", "generated")]].concat();
    let page = browser.open(NEW).await;
    let new = form(&page, NEW);
    let shown = browser.send(&new, &typed).await;
    shown.assert_status(200);
    assert_eq!(shown.header("cache-control"), "no-store");
    let password = generated(&shown);
    let own = Credentials::basic("ada", &password);
    app.get(PRINCIPAL, &own).await.assert_status(200);
    // A double click sends the form again: it adds nobody, and the page that stays shows the password.
    let double = browser.send(&new, &typed).await;
    double.assert_status(200);
    assert_eq!(generated(&double), password);
    // A reload and the back button later show nothing.
    app.age_events().await;
    let again = browser.send(&new, &typed).await;
    again.assert_status(409);
    assert!(again.body.contains("belongs to another user"), "{again:?}");
    let id: i32 = sqlx::query_scalar("SELECT user_id FROM users WHERE login_name = 'ada'")
        .fetch_one(&app.pool)
        .await
        .unwrap();
    let paths = ["", "/change", "/password", "/delete"];
    for path in paths.map(|path| format!("/admin/users/{id}{path}")) {
        let page = browser.open(&path).await;
        assert!(!page.body.contains(&password), "{path}");
    }
    for page in [browser.open("/admin/users").await, browser.open(NEW).await, again] {
        assert!(!page.body.contains(&password), "{page:?}");
    }
    app.get(PRINCIPAL, &own).await.assert_status(200);
    assert_eq!(login_names(&app).await, ["anna", "paul", "rita", "ada"]);
}

#[sqlx::test]
async fn a_user_without_a_password_and_with_the_right_is_added(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let browser = Browser::signed_in(&app, "anna").await;
    let fields = [("UserName", "Åse"), ("Type", "system"), ("Administrator", "true")];
    let answer = browser.submit(NEW, &[&fields[..], &[("First", "none")]].concat()).await;
    answer.assert_status(303);
    let page = browser.open(answer.header("location")).await;
    assert!(page.body.contains("The user was added."), "{page:?}");
    assert!(page.body.contains("System user") && page.body.contains("Administrator"), "{page:?}");
    // Without a display name, it is the login name.
    assert!(page.body.contains("<h1><bdi>Åse</bdi></h1>"), "{page:?}");
}

#[sqlx::test]
async fn invalid_fields_keep_what_was_typed_and_add_nobody(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let browser = Browser::signed_in(&app, "anna").await;
    for (name, display_name, kind, problems) in [
        ("", "", "internal", 1),
        ("a:b", "", "internal", 1),
        ("a:b", "x\u{202e}y", "boss", 3),
        ("\u{200b}", "Ada", "internal", 1),
        ("paul", "Ada", "internal", 1),
        ("PAUL", "Ada", "internal", 1),
        (&"a".repeat(240), "Ada", "external", 1),
    ] {
        let fields = [("UserName", name), ("DisplayName", display_name), ("Type", kind)];
        let page = browser.submit(NEW, &[&fields[..], &[("First", "none")]].concat()).await;
        assert!([400, 409].contains(&page.status.as_u16()), "{page:?}");
        assert_eq!(page.body.matches("aria-invalid=\"true\"").count(), problems, "{page:?}");
        assert!(page.body.contains(r#"role="alert" tabindex="-1" autofocus"#), "{page:?}");
        assert!(page.body.contains(&format!("value=\"{name}\"")), "{page:?}");
        assert!(page.body.contains(&format!("value=\"{display_name}\"")), "{page:?}");
        assert!(page.body.contains("<option value=\"none\" selected>"), "{page:?}");
    }
    assert_eq!(login_names(&app).await, ["anna", "paul", "rita"]);
}

#[sqlx::test]
async fn a_user_is_renamed_and_changed_once(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let browser = Browser::signed_in(&app, "anna").await;
    let page = browser.open(CHANGE).await;
    assert!(page.body.contains("value=\"paul\""), "{page:?}");
    let change = form(&page, CHANGE);
    let typed = [("UserName", "pauline"), ("DisplayName", "Pauline <3"), ("Type", "resource")];
    // The second time is a double click.
    for _ in 0..2 {
        let answer = browser.send(&change, &typed).await;
        answer.assert_status(303);
        let page = browser.open(answer.header("location")).await;
        assert!(page.body.contains("The user was changed."), "{page:?}");
        assert!(page.body.contains("<h1><bdi>Pauline &#60;3</bdi></h1>"), "{page:?}");
    }
    let events = sqlx::query_scalar::<_, String>(
        "SELECT kind FROM audit_events WHERE user_id = 278 AND kind <> 'user_added'
         ORDER BY sequence",
    );
    let events = events.fetch_all(&app.pool).await.unwrap();
    assert_eq!(events, ["credential_saved", "user_changed"]);
    let own = Credentials::basic("pauline", "paul-password");
    app.get(PRINCIPAL, &own).await.assert_status(200);
}

#[sqlx::test]
async fn a_stale_form_changes_nothing_and_loses_nothing_that_was_typed(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let browser = Browser::signed_in(&app, "anna").await;
    let page = browser.open(CHANGE).await;
    let change = form(&page, CHANGE);
    let renamed = json!({ "AssociateId": PLAIN.0, "UserName": "paula" });
    app.post(SAVE_USER, &app.administrator(), &renamed).await.assert_status(200);
    let typed = [("UserName", "paul"), ("DisplayName", "My <Paul>"), ("Type", "external")];
    let stale = browser.send(&change, &typed).await;
    stale.assert_status(409);
    assert!(stale.body.contains("The user was changed after this form was opened"), "{stale:?}");
    assert!(stale.body.contains("value=\"My &#60;Paul&#62;\""), "{stale:?}");
    assert!(stale.body.contains("<option value=\"external\" selected>"), "{stale:?}");
    assert!(stale.body.contains("Current value: paula"), "{stale:?}");
    assert!(stale.body.contains("Current value: Employee"), "{stale:?}");
    assert_eq!(login_names(&app).await, ["anna", "paula", "rita"]);
    // Sent again, knowing the current values, it is saved.
    let answer = browser.send(&form(&stale, CHANGE), &typed).await;
    answer.assert_status(303);
    assert_eq!(login_names(&app).await, ["anna", "paul", "rita"]);
    // Forged and missing signatures are those of a stale form.
    let mut forged = form(&browser.open(CHANGE).await, CHANGE);
    forged.hidden.retain(|(name, _)| name != "Signature");
    browser.send(&forged, &[("UserName", "x"), ("Type", "internal")]).await.assert_status(409);
    assert_eq!(login_names(&app).await, ["anna", "paul", "rita"]);
}

/// Otherwise the corrected form would silently undo what somebody else changed.
#[sqlx::test]
async fn a_form_with_another_error_keeps_the_signature_that_it_was_opened_with(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let browser = Browser::signed_in(&app, "anna").await;
    let change = form(&browser.open(CHANGE).await, CHANGE);
    let renamed = json!({ "AssociateId": PLAIN.0, "UserName": "paula" });
    app.post(SAVE_USER, &app.administrator(), &renamed).await.assert_status(200);
    let typed = [("UserName", "paul"), ("Type", "internal")];
    for other in [("DisplayName", "x\u{202e}y"), ("Reason", "a\nb")] {
        let refused = browser.send(&change, &[&typed[..], &[other]].concat()).await;
        refused.assert_status(400);
        let stale = browser.send(&form(&refused, CHANGE), &typed).await;
        stale.assert_status(409);
        assert!(stale.body.contains("The user was changed after this form"), "{stale:?}");
        assert!(stale.body.contains("Current value: paula"), "{stale:?}");
        assert_eq!(login_names(&app).await, ["anna", "paula", "rita"]);
    }
    // Sent from that page, it is saved.
    let stale = browser.send(&change, &typed).await;
    browser.send(&form(&stale, CHANGE), &typed).await.assert_status(303);
    assert_eq!(login_names(&app).await, ["anna", "paul", "rita"]);
}

#[sqlx::test]
async fn a_form_that_is_shown_again_does_not_undo_the_role_that_another_administrator_set(
    pool: PgPool,
) {
    let app = TestApp::spawn(pool).await;
    let browser = Browser::signed_in(&app, "anna").await;
    let set = |role: &'static str| {
        let arguments = ["user", "set-role", "paul", role];
        app.command(&arguments, "").assert_success();
    };
    let role = || async {
        let role = "SELECT role FROM users WHERE user_id = 278";
        let role = sqlx::query_scalar::<_, Option<String>>(role);
        role.fetch_one(&app.pool).await.unwrap()
    };
    let typed = [("UserName", "paul"), ("DisplayName", "P"), ("Type", "internal")];
    let change = form(&browser.open(CHANGE).await, CHANGE);
    set("auditor");
    let stale = browser.send(&change, &[&typed[..], &[("Role", "none")]].concat()).await;
    stale.assert_status(409);
    assert!(stale.body.contains("<option value=\"auditor\" selected>"), "{stale:?}");
    let again = [&typed[..], &[("Role", "auditor")]].concat();
    browser.send(&form(&stale, CHANGE), &again).await.assert_status(303);
    assert_eq!(role().await.as_deref(), Some("auditor"));
    // A role that was chosen stays, and the page says what it would replace.
    let change = form(&browser.open(CHANGE).await, CHANGE);
    set("none");
    let chosen = [&typed[..], &[("Role", "help_desk")]].concat();
    let stale = browser.send(&change, &chosen).await;
    stale.assert_status(409);
    assert!(stale.body.contains("<option value=\"help_desk\" selected>"), "{stale:?}");
    assert!(stale.body.contains("Current value: "), "{stale:?}");
    browser.send(&form(&stale, CHANGE), &chosen).await.assert_status(303);
    assert_eq!(role().await.as_deref(), Some("help_desk"));
    // With another error, the form is still that of the role that it was opened with.
    let change = form(&browser.open(CHANGE).await, CHANGE);
    set("none");
    let invalid = [("UserName", "a:b"), ("Type", "internal"), ("Role", "help_desk")];
    let refused = browser.send(&change, &invalid).await;
    refused.assert_status(400);
    assert!(refused.body.contains("<option value=\"help_desk\" selected>"), "{refused:?}");
    let stale = browser.send(&form(&refused, CHANGE), &chosen).await;
    stale.assert_status(409);
    assert!(stale.body.contains("<option value=\"none\" selected>"), "{stale:?}");
    assert_eq!(role().await, None);
}

#[sqlx::test]
async fn a_user_is_deleted_only_with_the_typed_login_name(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    app.save(&app.administrator(), PLAIN.0, "ActiveDirectory", "S-1-5-21-7").await.assert_saved();
    for _ in 0..3 {
        app.ticket(&app.plain()).await;
    }
    app.session(PLAIN.1).await;
    let browser = Browser::signed_in(&app, "anna").await;
    let page = browser.open(DELETE).await;
    for (name, number) in
        [("Credentials", 2), ("Tickets", 3), ("Sessions", 1), ("Untrusted credentials", 0)]
    {
        assert!(page.body.contains(&format!("<dt>{name}</dt><dd>{number}</dd>")), "{page:?}");
    }
    let delete = form(&page, DELETE);
    for wrong in ["", "anna", "pau", "paul2", "278", "a:b"] {
        let refused = browser.send(&delete, &[("UserName", wrong)]).await;
        refused.assert_status(400);
        assert!(refused.body.contains("is not the login name of this user"), "{refused:?}");
        assert!(refused.body.contains(&format!("value=\"{wrong}\"")), "{refused:?}");
    }
    app.get(PRINCIPAL, &app.plain()).await.assert_status(200);
    assert_eq!(login_names(&app).await, ["anna", "paul", "rita"]);
    // The second time is a double click.
    for _ in 0..2 {
        let answer = browser.send(&delete, &[("UserName", "Paul"), ("Confirm", "true")]).await;
        answer.assert_status(303);
        let page = browser.open(answer.header("location")).await;
        assert!(page.body.contains("The user was deleted."), "{page:?}");
    }
    assert_eq!(login_names(&app).await, ["anna", "rita"]);
    let deletions = sqlx::query_scalar::<_, i64>(
        "SELECT count(*) FROM audit_events WHERE user_id = 278 AND kind = 'user_deleted'",
    );
    assert_eq!(deletions.fetch_one(&app.pool).await.unwrap(), 1);
}
