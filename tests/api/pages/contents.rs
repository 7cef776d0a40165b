//! What all pages have in common.

use sqlx::PgPool;

use super::browser::Browser;
use crate::support::{Answer, TestApp};

pub(crate) const LANGUAGES: [&str; 6] = ["da", "de", "en", "nb", "nl", "sv"];
const PATHS: [&str; 27] = [
    "/account",
    "/account/change-password",
    "/account/events",
    "/account/sessions",
    "/admin/activity",
    "/admin/audit",
    "/admin/audit?user=278&kind=credential_saved",
    "/admin/export",
    "/admin/import",
    "/admin/users",
    "/admin/users?name=nobody",
    "/admin/users/new",
    "/admin/users/278",
    "/admin/users/278/change",
    "/admin/users/278/retire",
    "/admin/users/278/reactivate",
    "/admin/users/278/delete",
    "/admin/users/278/credential",
    "/admin/users/278/credential?type=CRM5%2FPASSWORD",
    "/admin/users/278/credential?type=ActiveDirectory",
    "/admin/users/278/credential/expire",
    "/admin/users/278/credential/expire?type=CRM5%2FPASSWORD",
    "/admin/users/278/credential/delete?type=CRM5%2FPASSWORD",
    "/admin/users/278/credential/require-change",
    "/admin/users/278/credential/require-change?type=CRM5%2FPASSWORD",
    "/admin/users/278/credential/clear-change",
    "/admin/users/278/password",
];

#[track_caller]
pub(crate) fn assert_well_formed(name: &str, page: &Answer, language: &str) {
    page.assert_status(200);
    let body = &page.body;
    assert!(body.len() <= 50 * 1024, "{name}: {} bytes", body.len());
    assert!(body.starts_with(&format!("<!doctype html>\n<html lang=\"{language}\">")), "{name}");
    for (part, count) in [("<h1", 1), ("<main", 1), ("<title>", 1), ("</html>", 1)] {
        assert_eq!(body.matches(part).count(), count, "{name}: {part}: {body}");
    }
    assert!(body.contains("<a class=\"skip\" href=\"#main\">"), "{name}");
    for foreign in ["http://", "https://", "style=\"", " onclick", "javascript:", "[SR_", "<style"]
    {
        assert!(!body.contains(foreign), "{name}: {foreign}: {body}");
    }
    let scripts: Vec<_> = body.match_indices("<script").map(|(at, _)| &body[at..]).collect();
    for script in scripts {
        assert!(script.starts_with("<script src=\"/assets/keeper.js\" defer></script>"), "{name}");
    }
    let ids: Vec<_> = body.split(" id=\"").skip(1).map(|rest| rest.split('"').next()).collect();
    let unique: std::collections::BTreeSet<_> = ids.iter().collect();
    assert_eq!(unique.len(), ids.len(), "{name}: repeated id: {ids:?}");
}

#[sqlx::test]
async fn every_page_is_small_complete_and_in_the_language_of_the_browser(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for language in LANGUAGES {
        let mut browser = Browser::signed_in(&app, "anna").await.in_language(language);
        for path in PATHS {
            let page = browser.open(path).await;
            assert_well_formed(&format!("{path} in {language}"), &page, language);
            assert_eq!(page.header("cache-control"), "no-store");
            assert_eq!(page.header("cross-origin-resource-policy"), "same-origin");
            assert_eq!(page.header("x-frame-options"), "DENY");
        }
        let login = Browser::new(&app).in_language(language).open("/login").await;
        assert_well_formed(&format!("/login in {language}"), &login, language);
    }
}

#[sqlx::test]
async fn password_fields_are_masked_and_accept_password_managers(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let mut browser = Browser::signed_in(&app, "anna").await;
    // Each form with a proof shows its field.
    sqlx::query("UPDATE tickets SET auth_time = auth_time - interval '11 minutes'")
        .execute(&app.pool)
        .await
        .unwrap();
    let mut pages = vec![("/login", Browser::new(&app).open("/login").await)];
    for path in PATHS {
        pages.push((path, browser.open(path).await));
    }
    let mut found = std::collections::BTreeSet::new();
    for (path, page) in pages {
        for input in page.body.split("<input ").skip(1) {
            let input = input.split('>').next().unwrap();
            let id = input.split("id=\"").nth(1).and_then(|rest| rest.split('"').next());
            let is_secret = id.is_some_and(|id| id.ends_with("Password"));
            if !is_secret && !input.contains("type=\"password\"") {
                continue;
            }
            found.insert(id.unwrap().to_owned());
            assert!(input.contains("type=\"password\""), "{path}: {input}");
            let is_known = ["current-password", "new-password"]
                .iter()
                .any(|purpose| input.contains(&format!("autocomplete=\"{purpose}\"")));
            assert!(is_known, "{path}: {input}");
        }
    }
    assert!(found.contains("Password") && found.contains("NewPassword"), "{found:?}");
    let script = std::fs::read_to_string("assets/keeper.js").unwrap();
    assert!(!script.contains("paste"), "nothing may keep people from pasting a password");
}

#[sqlx::test]
async fn names_with_markup_are_shown_as_text(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    sqlx::query("UPDATE users SET display_name = $1 WHERE user_id = 278")
        .bind("<script>alert(1)</script>\u{5d0}\"'&")
        .execute(&app.pool)
        .await
        .unwrap();
    sqlx::query("UPDATE credentials SET display_value = '<img src=x>' WHERE user_id = 278")
        .execute(&app.pool)
        .await
        .unwrap();
    let page = Browser::signed_in(&app, "paul").await.open("/account").await;
    page.assert_status(200);
    assert!(page.body.contains("<bdi>&#60;script&#62;alert(1)"), "{page:?}");
    assert!(!page.body.contains("<script>") && !page.body.contains("<img"), "{page:?}");
}

#[sqlx::test]
async fn a_notice_is_one_of_a_few_texts(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let mut browser = Browser::signed_in(&app, "paul").await;
    let page = browser.open("/account?notice=session-ended").await;
    assert!(page.body.contains("role=\"status\">The session has ended.</p>"), "{page:?}");
    for query in ["notice=", "notice=Pay+now", "notice=%FF", "notice=session-ended%00"] {
        let page = browser.open(&format!("/account?{query}")).await;
        page.assert_status(200);
        assert!(!page.body.contains("role=\"status\""), "{query}: {page:?}");
        assert!(!page.body.contains("Pay"), "{page:?}");
    }
}
