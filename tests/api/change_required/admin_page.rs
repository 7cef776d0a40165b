//! The pages of administrators show the mark, set it, and remove it.

use sqlx::PgPool;

use super::{assert_change_required, events, mark, stored_mark, verify_chains};
use crate::{
    pages::admin_browser::{Browser, form},
    support::{PRINCIPAL, TestApp},
};

const USER: &str = "/admin/users/278";
const REQUIRE: &str = "/admin/users/278/credential/require-change";
const CLEAR: &str = "/admin/users/278/credential/clear-change";
const PASSWORD: &str = "type=CRM5%2FPASSWORD";

#[sqlx::test]
async fn a_mark_is_set_shown_and_removed(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let session = app.session("paul").await;
    let browser = Browser::signed_in(&app, "anna").await;
    let user = browser.open(USER).await;
    assert!(user.body.contains(REQUIRE) && !user.body.contains(CLEAR), "{user:?}");
    assert!(!user.body.contains("Must be changed"), "{user:?}");
    let page = browser.open(&format!("{REQUIRE}?{PASSWORD}")).await;
    assert!(page.body.contains("Everything issued to them ends now"), "{page:?}");
    let typed = [("Confirm", "true"), ("Reason", "Ticket 4711")];
    let answer = browser.send(&form(&page, REQUIRE), &typed).await;
    answer.assert_status(303);
    let user = browser.open(answer.header("location")).await;
    for text in ["The owner must change the credential.", "Must be changed", "Required by an"] {
        assert!(user.body.contains(text), "{text}: {user:?}");
    }
    assert!(!user.body.contains(REQUIRE) && user.body.contains(CLEAR), "{user:?}");
    assert_eq!(stored_mark(&app).await.as_deref(), Some("administrator"));
    let reason = "SELECT reason FROM audit_events WHERE kind = 'change_required'";
    let reason: Option<String> = sqlx::query_scalar(reason).fetch_one(&app.pool).await.unwrap();
    assert_eq!(reason.as_deref(), Some("Ticket 4711"));
    app.get(PRINCIPAL, &session).await.assert_unauthenticated();
    assert_change_required(&app.get(PRINCIPAL, &app.plain()).await);

    let page = browser.open(&format!("{CLEAR}?{PASSWORD}")).await;
    let answer = browser.send(&form(&page, CLEAR), &[]).await;
    answer.assert_status(303);
    let user = browser.open(answer.header("location")).await;
    assert!(user.body.contains("The owner need not change the credential."), "{user:?}");
    assert_eq!(stored_mark(&app).await, None);
    assert_eq!(events(&app).await.last().unwrap(), "change_no_longer_required");
    app.get(PRINCIPAL, &app.plain()).await.assert_status(200);
    verify_chains(&app).await;
}

#[sqlx::test]
async fn a_page_marks_only_the_credential_that_it_was_opened_with(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let browser = Browser::signed_in(&app, "anna").await;
    let require = form(&browser.open(&format!("{REQUIRE}?{PASSWORD}")).await, REQUIRE);
    // The owner was faster.
    app.save(&app.plain(), 278, "", "a new password").await.assert_saved();
    let stale = browser.send(&require, &[("Compromised", "true")]).await;
    stale.assert_status(409);
    assert!(stale.body.contains("was changed after this page was opened"), "{stale:?}");
    assert!(stale.body.contains(" checked"), "{stale:?}");
    assert_eq!(stored_mark(&app).await, None);
    let again = browser.send(&form(&stale, REQUIRE), &[("Compromised", "true")]).await;
    again.assert_status(303);
    assert_eq!(stored_mark(&app).await.as_deref(), Some("compromised"));
    let user = browser.open(USER).await;
    assert!(user.body.contains("Others may know it"), "{user:?}");
    // A double click: the first one did it. Another cause is no double click.
    let double = browser.send(&form(&stale, REQUIRE), &[("Compromised", "true")]).await;
    double.assert_status(303);
    browser.send(&form(&stale, REQUIRE), &[]).await.assert_status(409);
    // Neither page is for a credential that it would not change.
    for path in [format!("{REQUIRE}?{PASSWORD}"), format!("{CLEAR}?type=ActiveDirectory")] {
        let answer = browser.get(&path).await;
        answer.assert_status(303);
        assert!(answer.header("location").contains("notice=nothing-changed"), "{answer:?}");
    }
    let marks = events(&app).await.into_iter().filter(|kind| kind == "change_required").count();
    assert_eq!(marks, 1);
}

#[sqlx::test]
async fn a_page_removes_only_the_mark_of_the_credential_that_it_was_opened_with(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    mark(&app).await;
    let browser = Browser::signed_in(&app, "anna").await;
    let clear = form(&browser.open(&format!("{CLEAR}?{PASSWORD}")).await, CLEAR);
    // The owner changed the password, and another administrator marked the new one.
    app.save(&app.plain(), 278, "", "a new password").await.assert_saved();
    mark(&app).await;
    let stale = browser.send(&clear, &[("Reason", "typed")]).await;
    stale.assert_status(409);
    assert!(stale.body.contains("was changed after this page was opened"), "{stale:?}");
    assert!(stale.body.contains("value=\"typed\""), "{stale:?}");
    assert_eq!(stored_mark(&app).await.as_deref(), Some("compromised"));
    // The second time is a double click.
    let clear = form(&stale, CLEAR);
    for _ in 0..2 {
        let answer = browser.send(&clear, &[]).await;
        answer.assert_status(303);
        let user = browser.open(answer.header("location")).await;
        assert!(user.body.contains("The owner need not change the credential."), "{user:?}");
    }
    assert_eq!(stored_mark(&app).await, None);
    let kind = "change_no_longer_required";
    assert_eq!(events(&app).await.into_iter().filter(|event| event == kind).count(), 1);
    verify_chains(&app).await;
    // After another mark, and later, it is a stale form.
    mark(&app).await;
    browser.send(&clear, &[]).await.assert_status(409);
    app.age_events().await;
    browser.send(&clear, &[]).await.assert_status(409);
    assert_eq!(stored_mark(&app).await.as_deref(), Some("compromised"));
}

#[sqlx::test]
async fn an_identifier_is_not_marked(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    app.save(&app.administrator(), 278, "ActiveDirectory", "S-1-5-21-7").await.assert_saved();
    let browser = Browser::signed_in(&app, "anna").await;
    let user = browser.open(USER).await;
    assert_eq!(user.body.matches(REQUIRE).count(), 1, "only the password: {user:?}");
    let answer = browser.get(&format!("{REQUIRE}?type=ActiveDirectory")).await;
    answer.assert_status(303);
}
