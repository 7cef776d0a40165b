//! A double click without scripts sends a form twice. Whichever response the browser shows, it is one that
//! a person can use, and the change is made once.

use sqlx::PgPool;

use super::admin_browser::{Browser, form};
use crate::{
    guessing::failure_count,
    support::{Answer, Credentials, PRINCIPAL, TestApp, password_of},
};

/// A form of an administrator: the page below that of the user, the query of the page, what is typed,
/// the kind of its event, and the notice on the page that it leads to.
struct UserForm {
    page: &'static str,
    query: &'static str,
    typed: &'static [(&'static str, &'static str)],
    event: &'static str,
    notice: &'static str,
}

const TYPE: &str = "?type=CRM5%2FPASSWORD";

const FORMS: [UserForm; 9] = [
    UserForm {
        page: "change",
        query: "",
        typed: &[("UserName", "renamed"), ("DisplayName", "Renamed"), ("Type", "internal")],
        event: "user_changed",
        notice: "The user was changed.",
    },
    UserForm {
        page: "retire",
        query: "",
        typed: &[("Confirm", "true")],
        event: "user_retired",
        notice: "The user was retired.",
    },
    UserForm {
        page: "credential",
        query: TYPE,
        typed: &[("CredentialValue", "a new password")],
        event: "credential_saved",
        notice: "The credential was saved.",
    },
    UserForm {
        page: "credential",
        query: "?type=ActiveDirectory",
        typed: &[("Identifier", "S-1-5-21-1-2-3-1101")],
        event: "credential_saved",
        notice: "The credential was saved.",
    },
    UserForm {
        page: "credential/expire",
        query: TYPE,
        typed: &[("Confirm", "true")],
        event: "credential_expired",
        notice: "The credential has expired.",
    },
    UserForm {
        page: "credential/require-change",
        query: TYPE,
        typed: &[("Confirm", "true")],
        event: "change_required",
        notice: "",
    },
    UserForm {
        page: "credential/delete",
        query: TYPE,
        typed: &[("Confirm", "true")],
        event: "credential_deleted",
        notice: "",
    },
    UserForm { page: "password", query: "", typed: &[], event: "credential_saved", notice: "" },
    UserForm {
        page: "delete",
        query: "",
        typed: &[("UserName", "user-8"), ("Confirm", "true")],
        event: "user_deleted",
        notice: "The user was deleted.",
    },
];

/// Sends a form twice at the same time, and once more when both are answered.
async fn send_twice<'page>(
    browser: &Browser,
    path: &str,
    action: &str,
    typed: &[(&'page str, &'page str)],
) -> [Answer; 3] {
    let opened = form(&browser.open(path).await, action);
    let (first, second) = tokio::join!(browser.send(&opened, typed), browser.send(&opened, typed));
    [first, second, browser.send(&opened, typed).await]
}

/// Asserts that a person can go on: a page of the service without an error.
async fn assert_usable(browser: &Browser, answer: &Answer) -> String {
    let page = if answer.status == 303 {
        browser.open(answer.header("location")).await.body
    } else {
        answer.assert_status(200);
        answer.body.clone()
    };
    assert!(!page.contains("role=\"alert\""), "{page}");
    page
}

async fn count(app: &TestApp, user_id: i32, kind: &str, after: i64) -> i64 {
    let statement = "SELECT count(*) FROM audit_events
                     WHERE user_id = $1 AND kind = $2 AND sequence > $3";
    let counted = sqlx::query_scalar(statement).bind(user_id).bind(kind).bind(after);
    counted.fetch_one(&app.pool).await.unwrap()
}

async fn last_event(app: &TestApp, user_id: i32) -> i64 {
    let statement = "SELECT audit_sequence FROM users WHERE user_id = $1";
    sqlx::query_scalar(statement).bind(user_id).fetch_one(&app.pool).await.unwrap()
}

#[track_caller]
fn generated(page: &str) -> String {
    let (_, rest) = page.split_once("id=\"password\">").unwrap();
    rest.split_once("</output>").unwrap().0.to_owned()
}

#[sqlx::test]
async fn a_form_about_a_user_that_is_sent_twice_changes_once(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let browser = Browser::signed_in(&app, "anna").await;
    for (number, sent) in FORMS.iter().enumerate() {
        let name = format!("user-{number}");
        let id = 500 + i32::try_from(number).unwrap();
        app.add_user((id, &name), &[]);
        let before = last_event(&app, id).await;
        let action = format!("/admin/users/{id}/{}", sent.page);
        let path = format!("{action}{}", sent.query);
        let answers = send_twice(&browser, &path, &action, sent.typed).await;
        let mut pages = Vec::new();
        for answer in &answers {
            pages.push(assert_usable(&browser, answer).await);
        }
        assert!(pages[..2].iter().all(|page| page.contains(sent.notice)), "{action} {pages:?}");
        assert_eq!(count(&app, id, sent.event, before).await, 1, "{action}");
        if sent.page == "password" {
            let shown: Vec<_> = pages.iter().map(|page| generated(page)).collect();
            assert!(shown.iter().all(|password| *password == shown[0]), "{shown:?}");
            let own = Credentials::basic(&name, &shown[0]);
            app.get(PRINCIPAL, &own).await.assert_status(200);
        }
    }
}

#[sqlx::test]
async fn a_new_user_who_is_added_twice_is_one(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let browser = Browser::signed_in(&app, "anna").await;
    let path = "/admin/users/new";
    for (name, first) in [("ada", "generated"), ("bob", "none")] {
        let typed = [("UserName", name), ("Type", "internal"), ("First", first)];
        let answers = send_twice(&browser, path, path, &typed).await;
        let mut pages = Vec::new();
        for answer in &answers {
            pages.push(assert_usable(&browser, answer).await);
        }
        if first == "generated" {
            let shown: Vec<_> = pages.iter().map(|page| generated(page)).collect();
            assert!(shown.iter().all(|password| *password == shown[0]), "{shown:?}");
            let own = Credentials::basic(name, &shown[0]);
            app.get(PRINCIPAL, &own).await.assert_status(200);
        } else {
            assert!(pages.iter().all(|page| page.contains("The user was added.")), "{pages:?}");
        }
        let users = "SELECT count(*) FROM users WHERE login_name = $1";
        let users = sqlx::query_scalar::<_, i64>(users).bind(name).fetch_one(&app.pool);
        assert_eq!(users.await.unwrap(), 1);
    }
}

/// What is not the same request is refused as before: otherwise a form would tell what it must not.
#[sqlx::test]
async fn only_the_same_form_of_the_same_person_within_a_minute_is_repeated(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    app.add_user((400, "bert"), &["--administrator"]);
    let anna = Browser::signed_in(&app, "anna").await;
    let bert = Browser::signed_in(&app, "bert").await;
    let action = "/admin/users/278/credential";
    let path = format!("{action}{TYPE}");
    let typed = [("CredentialValue", "a new password")];
    let (by_anna, by_bert) = (anna.open(&path).await, bert.open(&path).await);
    anna.send(&form(&by_anna, action), &typed).await.assert_status(303);
    // Another person, and another value.
    bert.send(&form(&by_bert, action), &typed).await.assert_status(409);
    let other = [("CredentialValue", "another password")];
    anna.send(&form(&by_anna, action), &other).await.assert_status(409);
    let generate = "/admin/users/278/password";
    let (by_anna_again, by_bert) = (anna.open(generate).await, bert.open(generate).await);
    let shown = anna.send(&form(&by_anna_again, generate), &[]).await;
    shown.assert_status(200);
    bert.send(&form(&by_bert, generate), &[]).await.assert_status(409);
    // Another form of the same person, that was opened before.
    let mut other = form(&by_anna_again, generate);
    for (name, value) in &mut other.hidden {
        if name == "FormId" {
            *value = "00000000-0000-4000-8000-000000000000".to_owned();
        }
    }
    let refused = anna.send(&other, &[]).await;
    refused.assert_status(409);
    app.age_events().await;
    anna.send(&form(&by_anna_again, generate), &[]).await.assert_status(409);
    let own = Credentials::basic("paul", &generated(&shown.body));
    app.get(PRINCIPAL, &own).await.assert_status(200);
}

#[sqlx::test]
async fn ones_own_password_that_is_changed_twice_is_changed(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let browser = Browser::signed_in(&app, "paul").await;
    let path = "/account/change-password";
    let (old, new) = (password_of("paul"), "a new password");
    let typed = [("OldPassword", old.as_str()), ("NewPassword", new), ("RepeatedPassword", new)];
    let before = last_event(&app, 278).await;
    for answer in send_twice(&browser, path, path, &typed).await {
        answer.assert_status(303);
        let page = assert_usable(&browser, &answer).await;
        assert!(page.contains("Your password was changed."), "{page}");
    }
    assert_eq!(count(&app, 278, "credential_saved", before).await, 1);
    app.get(PRINCIPAL, &Credentials::basic("paul", new)).await.assert_status(200);
    // Later, the form is one with a wrong password, and tells nothing about the new one.
    app.age_events().await;
    browser.submit(path, &typed).await.assert_status(400);
}

/// The statuses of a form that is sent with other guesses, up to the first refusal of an attempt.
/// Eight are answered at most, and a few more on a slow machine, where the first delays may end
/// before the next guess.
async fn statuses_of_guesses(send: impl AsyncFn(&str) -> Answer) -> Vec<u16> {
    let mut statuses = Vec::new();
    for number in 0..14 {
        let status = send(&format!("guess {number}")).await.status.as_u16();
        statuses.push(status);
        if status == 429 {
            break;
        }
    }
    statuses
}

/// Makes the delay of the next attempt long enough for the rest of a test.
async fn extend_delay(app: &TestApp) {
    let statement = "UPDATE authentication_attempts SET next_allowed_at = now() + interval '1 hour'
                     WHERE user_id = 278 AND next_allowed_at IS NOT NULL";
    let extended = sqlx::query(statement).execute(&app.pool).await.unwrap();
    assert_eq!(extended.rows_affected(), 1);
}

/// The holder of a session must not compare guesses with the new password without a limit. The
/// wrong current password is always the same, so it counts once.
#[sqlx::test]
async fn guesses_at_ones_own_new_password_are_throttled(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let browser = Browser::signed_in(&app, "paul").await;
    let path = "/account/change-password";
    let change = async |old: &str, new: &str| {
        let typed = [("OldPassword", old), ("NewPassword", new), ("RepeatedPassword", new)];
        browser.submit(path, &typed).await
    };
    change(&password_of("paul"), "a new password").await.assert_status(303);
    let statuses = statuses_of_guesses(async |guess: &str| change("wrong", guess).await).await;
    assert_eq!(statuses.last(), Some(&429), "{statuses:?}");
    extend_delay(&app).await;
    change("wrong", "a new password").await.assert_status(429);
}

/// The same for the form of an administrator. A double click counts nothing.
#[sqlx::test]
async fn guesses_at_a_saved_password_are_throttled(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let browser = Browser::signed_in(&app, "anna").await;
    let action = "/admin/users/278/credential";
    let opened = form(&browser.open(&format!("{action}{TYPE}")).await, action);
    let save = async |value: &str| browser.send(&opened, &[("CredentialValue", value)]).await;
    save("a new password").await.assert_status(303);
    save("a new password").await.assert_status(303);
    let failures = "SELECT coalesce(max(failures + throttle_failures), 0)
                    FROM authentication_attempts WHERE user_id = 278";
    let failures = sqlx::query_scalar::<_, i32>(failures).fetch_one(&app.pool).await.unwrap();
    assert_eq!(failures, 0);
    let statuses = statuses_of_guesses(async |guess: &str| save(guess).await).await;
    assert_eq!(statuses.first(), Some(&409), "{statuses:?}");
    assert_eq!(statuses.last(), Some(&429), "{statuses:?}");
    extend_delay(&app).await;
    save("a new password").await.assert_status(429);
}

/// An error says nothing about the value, so it is no failure of the user.
#[sqlx::test]
async fn a_double_click_that_fails_counts_nothing(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let browser = Browser::signed_in(&app, "anna").await;
    let action = "/admin/users/278/credential";
    let opened = form(&browser.open(&format!("{action}{TYPE}")).await, action);
    let typed = [("CredentialValue", "a new password")];
    browser.send(&opened, &typed).await.assert_status(303);
    let statement = "UPDATE credentials SET key_id = 'missing' WHERE user_id = 278";
    sqlx::query(statement).execute(&app.pool).await.unwrap();
    browser.send(&opened, &typed).await.assert_status(503);
    assert_eq!(failure_count(&app, 278).await, 0);
}

#[sqlx::test]
async fn sessions_and_tickets_that_are_ended_twice_are_ended(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let browser = Browser::signed_in(&app, "anna").await;
    for action in ["unlock", "tickets/end", "tickets/end-all"] {
        let ticket = Credentials::Ticket(app.ticket(&app.plain()).await);
        let wrong = Credentials::basic("paul", "wrong");
        app.get(PRINCIPAL, &wrong).await.assert_unauthenticated();
        let action = format!("/admin/users/278/{action}");
        for answer in send_twice(&browser, "/admin/users/278", &action, &[]).await {
            assert_usable(&browser, &answer).await;
        }
        if !action.ends_with("unlock") {
            app.get(PRINCIPAL, &ticket).await.assert_unauthenticated();
        }
    }
}
