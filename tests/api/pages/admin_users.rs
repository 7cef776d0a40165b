//! `/admin/users`: search and pages of the list.

use sqlx::PgPool;

use super::admin_browser::{Browser, attribute};
use crate::support::{Answer, TestApp};

const USERS: &str = "/admin/users";

/// Adds 120 users of every type and state with names from `ada000`, straight to the table.
async fn add_users(pool: &PgPool) {
    sqlx::raw_sql(
        "INSERT INTO users (user_id, login_name, canonical_name, display_name, user_type,
                            is_administrator, is_retired, audit_sequence, audit_mac, created_at)
         SELECT 2000 + n, 'Ada' || lpad(n::text, 3, '0'), 'ada' || lpad(n::text, 3, '0'),
                'Ada ' || n,
                (ARRAY['internal', 'resource', 'external', 'anonymous', 'system'])[1 + n % 5],
                false, n % 2 = 1, 1, decode(repeat('00', 32), 'hex'), now()
         FROM generate_series(0, 119) n",
    )
    .execute(pool)
    .await
    .unwrap();
}

/// The login names on a page, in order.
fn names(page: &Answer) -> Vec<String> {
    let rows = page.body.split("<th scope=\"row\" ").skip(1);
    let name = |row: &str| {
        let (_, rest) = row.split_once("<bdi>").unwrap();
        rest.split_once("</bdi>").unwrap().0.to_owned()
    };
    rows.map(name).collect()
}

/// The path of the previous or the next page.
fn neighbor(page: &Answer, rel: &str) -> Option<String> {
    let (_, link) = page.body.split_once(&format!("rel=\"{rel}\""))?;
    Some(attribute(link, "href"))
}

/// The names of all pages from this one, in the order in which they are visited.
async fn all_names(browser: &Browser, path: &str, rel: &str) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    let mut next = Some(path.to_owned());
    while let Some(path) = next {
        let page = browser.open(&path).await;
        pages.push(names(&page));
        next = neighbor(&page, rel);
    }
    pages
}

#[sqlx::test]
async fn the_pages_have_every_user_once_forward_and_back(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    add_users(&app.pool).await;
    let browser = Browser::signed_in(&app, "anna").await;
    let expected: Vec<_> = (0..120).map(|n| format!("Ada{n:03}")).collect();
    let forward = all_names(&browser, "/admin/users?name=ADA", "next").await;
    assert_eq!(forward.iter().map(Vec::len).collect::<Vec<_>>(), [50, 50, 20]);
    assert_eq!(forward.concat(), expected);
    // From the last page back to the first.
    let first = browser.open("/admin/users?name=ADA").await;
    let second = browser.open(&neighbor(&first, "next").unwrap()).await;
    let last = neighbor(&second, "next").unwrap();
    let mut back = all_names(&browser, &last, "prev").await;
    back.reverse();
    assert_eq!(back, forward);
    assert_eq!(neighbor(&first, "prev"), None);
    // A user who is added between two visits shifts nobody.
    app.add_user((999, "ada0495"), &[]);
    let second = browser.open(&neighbor(&first, "next").unwrap()).await;
    assert_eq!(names(&second)[0], "ada0495");
    assert_eq!(names(&second)[1], "Ada050");
}

#[sqlx::test]
async fn a_search_finds_users_by_name_type_and_state(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    add_users(&app.pool).await;
    let browser = Browser::signed_in(&app, "anna").await;
    let all = names(&browser.open(USERS).await);
    assert_eq!(all.len(), 50);
    for (query, expected) in [
        ("name=pau", vec!["paul"]),
        ("name=PAU&type=&state=", vec!["paul"]),
        ("name=&state=retired&type=internal", vec!["Ada005", "Ada015"]),
        ("name=ada01&type=system", vec!["Ada014", "Ada019"]),
        ("name=ada01&type=system&state=active", vec!["Ada014"]),
        ("name=nobody", vec![]),
    ] {
        let page = browser.open(&format!("{USERS}?{query}")).await;
        let found = names(&page);
        assert_eq!(found[..expected.len()], expected, "{query}");
        if query.starts_with("name=ada") || expected.len() < 2 {
            assert_eq!(found.len(), expected.len(), "{query}");
        }
        assert_eq!(page.body.contains("No user matches"), expected.is_empty(), "{query}");
    }
    // What was searched for stays in the form.
    let page = browser.open("/admin/users?name=Ada01&type=system&state=active").await;
    assert!(page.body.contains(r#"value="Ada01""#));
    assert!(page.body.contains(r#"<option value="system" selected>"#));
    assert!(page.body.contains(r#"<option value="active" selected>"#));
}

#[sqlx::test]
async fn an_invalid_search_says_what_is_wrong_beside_the_field(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let browser = Browser::signed_in(&app, "anna").await;
    for (query, typed) in
        [("name=a%3Ab", "a:b"), ("name=a%0Ab", "a\nb"), ("name=%22%3Ea:", "&#34;&#62;a:")]
    {
        let page = browser.get(&format!("{USERS}?{query}")).await;
        page.assert_status(400);
        assert!(page.body.contains(&format!("value=\"{typed}\"")), "{page:?}");
        assert!(page.body.contains(r#"role="alert" tabindex="-1" autofocus"#), "{page:?}");
        assert!(page.body.contains(r##"<a href="#name">"##), "{page:?}");
        assert!(page.body.contains(r#"aria-describedby="name-error""#), "{page:?}");
        assert!(page.body.contains("must not contain a control character or a colon"), "{page:?}");
    }
    browser.get("/admin/users?name=a&name=b").await.assert_status(400);
    // Positions that no page has lead to the first page.
    for query in ["after=*", "before=AA", "type=boss", "state=x", "notice=nothing"] {
        assert_eq!(
            names(&browser.open(&format!("{USERS}?{query}")).await),
            ["anna", "paul", "rita"]
        );
    }
}

#[sqlx::test]
async fn names_with_markup_and_from_right_to_left_are_shown_as_text(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let name = "<img src=x onerror=alert(1)>\"'&";
    let display = "</bdi><script>alert(1)</script> דן שלום";
    app.add_user((700, name), &["--display-name", display]);
    let browser = Browser::signed_in(&app, "anna").await;
    for path in ["/admin/users", "/admin/users/700", "/admin/users/700/delete"] {
        let page = browser.open(path).await;
        assert!(!page.body.contains("<img"), "{path}");
        assert!(!page.body.contains("<script>"), "{path}");
        assert!(
            page.body.contains("<bdi>&#60;img src=x onerror=alert(1)&#62;&#34;&#39;&#38;</bdi>")
        );
    }
    let page = browser.open("/admin/users/700").await;
    assert!(page.body.contains("דן שלום</bdi>"), "{page:?}");
    let found = browser.open("/admin/users?name=%3Cimg").await;
    assert_eq!(names(&found).len(), 1);
}

#[sqlx::test]
async fn a_full_page_has_at_most_50_kb(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    sqlx::raw_sql(
        "INSERT INTO users (user_id, login_name, canonical_name, display_name, user_type,
                            is_administrator, audit_sequence, audit_mac, created_at)
         SELECT n, repeat('å', 230) || n, repeat('å', 230) || n, repeat('語', 254), 'internal',
                true, 1, decode(repeat('00', 32), 'hex'), now()
         FROM generate_series(2000, 2100) n",
    )
    .execute(&app.pool)
    .await
    .unwrap();
    let browser = Browser::signed_in(&app, "anna").await;
    let first = browser.open("/admin/users?name=%C3%A5").await;
    let next = browser.open(&neighbor(&first, "next").unwrap()).await;
    for page in [first, next] {
        assert_eq!(names(&page).len(), 50);
        assert!(page.body.len() <= 50_000, "{} bytes", page.body.len());
    }
}
