//! The page after a sign-in, which must be one of this service.

use sqlx::PgPool;

use super::browser::Browser;
use crate::support::TestApp;

#[sqlx::test]
async fn a_sign_in_returns_only_to_own_pages(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for (next, expected) in [
        ("", "/account"),
        ("/account/sessions", "/account/sessions"),
        ("%2Faccount%2Fsessions%3Fa%3D1", "/account/sessions?a=1"),
        ("//evil.example", "/account"),
        ("%2F%2Fevil.example%2Faccount", "/account"),
        ("/%5Cevil.example", "/account"),
        ("%5C%5Cevil.example", "/account"),
        ("https://evil.example/account", "/account"),
        ("https:evil.example", "/account"),
        ("javascript:alert(1)", "/account"),
        ("/account%2F%2E%2E%2Flogout", "/account"),
        ("/account/..%2Flogout", "/account"),
        ("/account%0D%0ASet-Cookie:a=b", "/account"),
        ("/account%00", "/account"),
        ("/account.evil.example", "/account"),
        ("/account@evil.example", "/account"),
        ("/%09/evil.example", "/account"),
        ("/login", "/account"),
        ("/account&next=/account/sessions", "/account"),
        ("%FF", "/account"),
    ] {
        let login = format!("/login?next={next}");
        let mut browser = Browser::new(&app);
        let answer = browser.sign_in(&login, "paul", "paul-password").await;
        answer.assert_status(303);
        assert_eq!(answer.header("location"), expected, "{next}");
        // With the session, the login page leads there at once, or shows who is signed in.
        let answer = browser.open(&login).await;
        if expected == "/account" && next != "/account" {
            answer.assert_status(200);
        } else {
            assert_eq!(answer.header("location"), expected, "{next}");
        }
        // The hidden value of the form is checked like the query.
        let mut browser = Browser::new(&app);
        let page = browser.open("/login").await;
        let decoded = percent_encoding::percent_decode_str(next).decode_utf8_lossy().into_owned();
        let typed =
            [("UserName", "paul"), ("Password", "paul-password"), ("Next", decoded.as_str())];
        let answer = browser.submit(&page, "/login", &typed).await;
        answer.assert_status(303);
        let location = answer.header("location");
        assert!(location.starts_with("/account") && !location.contains("evil"), "{location}");
    }
}

#[sqlx::test]
async fn the_page_of_a_refused_form_of_another_site_keeps_nothing_of_it(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let form = "UserName=marker-name&Password=p&NewPassword=n&RepeatedPassword=n\
                &Next=/account/sessions&KeptAction=/admin/users/278/change\
                &KeptFields=DisplayName%3Dmarker-field%26Administrator%3Dtrue";
    for path in ["/login", "/login/change-password"] {
        for (name, value) in [
            ("Sec-Fetch-Site", "cross-site"),
            ("Origin", "https://evil.example"),
            ("Origin", "null"),
        ] {
            let request = Browser::new(&app).request(reqwest::Method::POST, path);
            let request = request
                .header(name, value)
                .header("Accept", "text/html")
                .header("Content-Type", "application/x-www-form-urlencoded");
            let answer = Browser::new(&app).send(request.body(form)).await;
            answer.assert_status(403);
            for kept in ["marker", "/account/sessions", "/admin/users", "KeptFields"] {
                assert!(!answer.body.contains(kept), "{path}, {name}: {kept}: {answer:?}");
            }
        }
    }
}

#[sqlx::test]
async fn a_browser_that_also_sends_another_credential_is_not_sent_in_circles(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let mut browser = Browser::signed_in(&app, "paul").await;
    // As browsers do for a host whose password they know, or a proxy that adds its own.
    let basic = app.plain();
    let request = browser.request(reqwest::Method::GET, "/account");
    let answer = browser.send(basic.apply_to(request)).await;
    answer.assert_status(303);
    let login = answer.header("location").to_owned();
    assert_eq!(login, "/login?next=%2Faccount");
    let request = browser.request(reqwest::Method::GET, &login);
    let page = browser.send(basic.apply_to(request)).await;
    page.assert_status(200);
    assert!(page.body.contains("paul"), "{page:?}");
}

#[sqlx::test]
async fn a_failed_sign_in_keeps_the_name_and_the_page(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let mut browser = Browser::new(&app);
    let name = "<b>\"paul'&";
    let page = browser.sign_in("/login?next=/account/sessions", name, "wrong-secret").await;
    page.assert_status(401);
    assert!(!page.body.contains("<b>") && !page.body.contains("wrong-secret"), "{page:?}");
    assert!(page.body.contains("role=\"alert\" tabindex=\"-1\" autofocus"), "{page:?}");
    let form = super::browser::values_of(&super::browser::form_of(&page.body, "/login"));
    assert!(form.contains(&("UserName".to_owned(), name.to_owned())), "{form:?}");
    let typed = [("UserName", "paul"), ("Password", "paul-password")];
    let answer = browser.submit(&page, "/login", &typed).await;
    answer.assert_status(303);
    assert_eq!(answer.header("location"), "/account/sessions");
}

#[sqlx::test]
async fn pages_work_below_a_base_path(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &[("KEEPER__HTTP__BASE_PATH", "/SuperOffice")], "").await;
    let mut browser = Browser::new(&app);
    let answer = browser.open("/SuperOffice/Account/Sessions/").await;
    answer.assert_status(303);
    let login = answer.header("location").to_owned();
    assert_eq!(login, "/SuperOffice/login?next=%2Faccount%2Fsessions");
    let page = browser.open(&login).await;
    let typed = [("UserName", "paul"), ("Password", "paul-password")];
    let answer = browser.submit(&page, "/SuperOffice/login", &typed).await;
    let page = browser.follow(&answer).await;
    page.assert_status(200);
    assert!(page.body.contains("action=\"/SuperOffice/logout\""), "{page:?}");
    assert!(page.body.contains("href=\"/SuperOffice/account/sessions\" aria-current"), "{page:?}");
    assert!(page.body.contains("href=\"/SuperOffice/assets/keeper.css\""), "{page:?}");
}
