//! The sign-in page leads to the change of the password, and starts no session before.

use sqlx::PgPool;

use super::{GOOD, PAUL, mark, stored_mark};
use crate::{
    pages::browser::{Browser, form_of},
    support::{Answer, Credentials, TestApp},
};

const ACTION: &str = "/login/change-password";

/// Signs in with the marked password.
async fn marked_page(app: &TestApp, browser: &mut Browser) -> Answer {
    let page = browser.sign_in("/login?next=/account/sessions", "paul", PAUL).await;
    page.assert_status(403);
    assert_eq!(page.cookie("ASP.NET_SessionId"), None);
    assert!(app.url.starts_with("http"));
    page
}

fn typed<'form>(
    current: &'form str,
    new: &'form str,
    again: &'form str,
) -> [(&'form str, &'form str); 3] {
    [("Password", current), ("NewPassword", new), ("RepeatedPassword", again)]
}

#[sqlx::test]
async fn a_marked_password_is_changed_on_the_way_in(pool: PgPool) {
    let mut app = TestApp::spawn(pool).await;
    app.reconfigure(&[("KEEPER__PASSWORDS__POLICY", "nist")]).await;
    mark(&app).await;
    let mut browser = Browser::new(&app);
    let page = marked_page(&app, &mut browser).await;
    for text in
        ["Choose a new password", "At least 15 characters", "not a common or breached password"]
    {
        assert!(page.body.contains(text), "{text}: {}", page.body);
    }
    assert!(form_of(&page.body, ACTION).contains("value=\"paul\""));
    assert!(!page.body.contains(PAUL));
    let answer = browser.submit(&page, ACTION, &typed(PAUL, GOOD, GOOD)).await;
    answer.assert_status(303);
    assert_eq!(answer.header("location"), "/account/sessions");
    assert!(answer.cookie("ASP.NET_SessionId").is_some());
    browser.open("/account").await.assert_status(200);
    assert_eq!(stored_mark(&app).await, None);
}

#[sqlx::test]
async fn mistakes_are_shown_beside_the_field_and_change_nothing(pool: PgPool) {
    let mut app = TestApp::spawn(pool).await;
    app.reconfigure(&[("KEEPER__PASSWORDS__POLICY", "nist")]).await;
    mark(&app).await;
    let mut browser = Browser::new(&app);
    let page = marked_page(&app, &mut browser).await;
    for (form, text) in [
        (typed(PAUL, GOOD, "another one entirely"), "is not the same as the new password"),
        (typed(PAUL, "passwordpassword", "passwordpassword"), "is a common or breached password"),
        (typed(PAUL, "short", "short"), "must have at least 15 characters"),
        (typed(PAUL, "", ""), "is required"),
    ] {
        let answer = browser.submit(&page, ACTION, &form).await;
        answer.assert_status(400);
        assert!(answer.body.contains(text), "{text}: {}", answer.body);
        assert!(answer.body.contains("value=\"paul\""));
        for (_, secret) in form.iter().filter(|(_, secret)| secret.len() > 5) {
            assert!(!answer.body.contains(secret), "{secret}");
        }
    }
    // A wrong current password leads back to the login page.
    let answer = browser.submit(&page, ACTION, &typed("wrong", GOOD, GOOD)).await;
    answer.assert_status(401);
    assert!(answer.body.contains("The user name or password is incorrect."), "{answer:?}");
    assert_eq!(stored_mark(&app).await.as_deref(), Some("compromised"));
}

#[sqlx::test]
async fn the_same_password_is_refused(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    mark(&app).await;
    let mut browser = Browser::new(&app);
    let page = marked_page(&app, &mut browser).await;
    let answer = browser.submit(&page, ACTION, &typed(PAUL, PAUL, PAUL)).await;
    answer.assert_status(400);
    assert!(answer.body.contains("must differ from the current one"), "{answer:?}");
    assert_eq!(stored_mark(&app).await.as_deref(), Some("compromised"));
}

#[sqlx::test]
async fn a_form_without_the_token_of_a_login_page_changes_nothing(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    mark(&app).await;
    let fields = |token: &str| {
        let pairs = [
            ("UserName", "paul"),
            ("Password", PAUL),
            ("NewPassword", GOOD),
            ("RepeatedPassword", GOOD),
            ("LoginToken", token),
        ];
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
    };
    for token in ["", "forged"] {
        let mut browser = Browser::new(&app);
        let answer = browser.submit_fields(ACTION, &fields(token)).await;
        answer.assert_status(403);
        assert!(answer.body.contains("This page has expired."), "{answer:?}");
    }
    // Nor does another media type: there, the token is required, too.
    let body = serde_json::json!({"UserName": "paul", "Password": PAUL, "NewPassword": GOOD,
                                  "RepeatedPassword": GOOD});
    let answer = app.post(ACTION, &Credentials::Anonymous, &body).await;
    answer.assert_forbidden();
    assert_eq!(stored_mark(&app).await.as_deref(), Some("compromised"));
}

#[sqlx::test]
async fn users_who_cannot_change_their_password_are_told_to_ask(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    app.add_user((401, "ext"), &["--type", "external"]);
    app.command(&["credential", "require-change", "--user", "ext"], "").assert_success();
    let mut browser = Browser::new(&app);
    let page = browser.sign_in("/login", "ext", "ext-password").await;
    page.assert_status(403);
    let answer = browser.submit(&page, ACTION, &typed("ext-password", GOOD, GOOD)).await;
    answer.assert_status(403);
    assert!(answer.body.contains("ask an administrator for a new one"), "{answer:?}");
}

/// The form has no session, so each request looks up its user and proves the password again.
#[sqlx::test]
async fn the_form_is_for_the_marked_user_with_the_marked_password_only(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let mut browser = Browser::new(&app);
    mark(&app).await;
    let page = marked_page(&app, &mut browser).await;
    let hashes =
        "SELECT array_agg(sealed_hash ORDER BY user_id) FROM credentials WHERE user_id <> 278";
    let hashes = || sqlx::query_scalar::<_, Vec<Vec<u8>>>(hashes).fetch_one(&app.pool);
    let before = hashes().await.unwrap();
    let mut texts = Vec::new();
    for (name, password) in
        [("nobody", PAUL), ("anna", PAUL), ("rita", "rita-password"), ("paul", "anna-password")]
    {
        let fields = [&[("UserName", name)][..], &typed(password, GOOD, GOOD)].concat();
        let answer = browser.submit(&page, ACTION, &fields).await;
        answer.assert_status(401);
        assert_eq!(answer.cookie("ASP.NET_SessionId"), None, "{name}");
        assert!(answer.body.contains("The user name or password is incorrect."), "{answer:?}");
        texts.push(answer.body.matches("role=\"alert\"").count());
    }
    assert!(texts.iter().all(|count| *count == texts[0]), "{texts:?}");
    assert_eq!(hashes().await.unwrap(), before);
    assert_eq!(stored_mark(&app).await.as_deref(), Some("compromised"));
    let answer = browser.submit(&page, ACTION, &typed(PAUL, GOOD, GOOD)).await;
    answer.assert_status(303);
    assert_eq!(stored_mark(&app).await, None);
}

/// A double click: the second request proves a password that is the old one by then.
#[sqlx::test]
async fn a_form_that_is_sent_twice_changes_the_password_once(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    mark(&app).await;
    let mut browser = Browser::new(&app);
    let page = marked_page(&app, &mut browser).await;
    let mut second = browser.copy();
    browser.submit(&page, ACTION, &typed(PAUL, GOOD, GOOD)).await.assert_status(303);
    let again = second.submit(&page, ACTION, &typed(PAUL, GOOD, GOOD)).await;
    again.assert_status(401);
    // The page that the browser shows signs in with the new password.
    let sign_in = [("UserName", "paul"), ("Password", GOOD)];
    second.submit(&again, "/login", &sign_in).await.assert_status(303);
}

#[sqlx::test]
async fn a_changed_password_without_a_session_leads_to_the_login_page(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    mark(&app).await;
    let mut browser = Browser::new(&app);
    let page = marked_page(&app, &mut browser).await;
    // The connection is lost when the new session is stored.
    let trigger = "CREATE FUNCTION lose_connection() RETURNS trigger LANGUAGE plpgsql AS
                   'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END';
                   CREATE TRIGGER lose_connection BEFORE INSERT ON tickets
                   FOR EACH ROW EXECUTE FUNCTION lose_connection()";
    sqlx::raw_sql(trigger).execute(&app.pool).await.unwrap();
    let answer = browser.submit(&page, ACTION, &typed(PAUL, GOOD, GOOD)).await;
    answer.assert_status(503);
    let text = "Your password was changed, but you are not signed in.";
    assert!(answer.body.contains(text), "{answer:?}");
    assert!(form_of(&answer.body, "/login").contains("value=\"paul\""), "{answer:?}");
    assert_eq!(stored_mark(&app).await, None);
    sqlx::raw_sql("DROP TRIGGER lose_connection ON tickets").execute(&app.pool).await.unwrap();
    let form = [("UserName", "paul"), ("Password", GOOD)];
    let answer = browser.submit(&answer, "/login", &form).await;
    answer.assert_status(303);
    assert_eq!(answer.header("location"), "/account/sessions");
}

#[sqlx::test]
async fn a_refused_sign_in_after_the_change_has_the_challenges_of_a_401(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    mark(&app).await;
    let mut browser = Browser::new(&app);
    let page = marked_page(&app, &mut browser).await;
    // The new password has expired before the sign-in.
    let trigger = "CREATE FUNCTION expire() RETURNS trigger LANGUAGE plpgsql AS
                   'BEGIN NEW.valid_to = now() - interval ''1 hour''; RETURN NEW; END';
                   CREATE TRIGGER expire BEFORE UPDATE OF sealed_hash ON credentials
                   FOR EACH ROW EXECUTE FUNCTION expire()";
    sqlx::raw_sql(trigger).execute(&app.pool).await.unwrap();
    let answer = browser.submit(&page, ACTION, &typed(PAUL, GOOD, GOOD)).await;
    answer.assert_status(401);
    let text = "Your password was changed, but you are not signed in.";
    assert!(answer.body.contains(text), "{answer:?}");
    let challenges = answer.headers.get_all("www-authenticate").iter();
    let challenges: Vec<_> = challenges.map(|line| line.to_str().unwrap()).collect();
    assert_eq!(challenges, ["SOTicket", "Bearer realm=\"Credential Keeper\""]);
}

#[sqlx::test]
async fn the_page_is_in_every_language(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    mark(&app).await;
    for (language, heading) in [
        ("da", "Vælg en ny adgangskode"),
        ("de", "Neues Passwort wählen"),
        ("en", "Choose a new password"),
        ("nb", "Velg et nytt passord"),
        ("nl", "Kies een nieuw wachtwoord"),
        ("sv", "Välj ett nytt lösenord"),
    ] {
        let mut browser = Browser::new(&app).in_language(language);
        let page = marked_page(&app, &mut browser).await;
        assert!(page.body.contains(heading), "{language}: {}", page.body);
        assert!(page.body.len() < 50_000, "{}", page.body.len());
    }
}
