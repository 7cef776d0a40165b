//! Reverse proxies, the base path, and CORS.

use reqwest::{Method, header::HeaderValue};
use serde_json::json;
use sqlx::PgPool;

use crate::support::{Answer, Credentials, PRINCIPAL, SAVE, TestApp};

/// Names and values of headers, one for each line.
type HeaderLines<'test> = &'test [(&'test str, &'test [u8])];

async fn get(app: &TestApp, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = app.request(Method::GET, path, &app.plain());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Answer::read(request.send().await.unwrap()).await
}

/// Saves with these headers.
async fn save(app: &TestApp, lines: HeaderLines<'_>) -> Answer {
    let mut request = app.request(Method::POST, SAVE, &app.administrator());
    for (name, value) in lines {
        request = request.header(*name, HeaderValue::from_bytes(value).unwrap());
    }
    let body = json!({ "UserId": 278, "Credential": { "Value": "paul-password" } });
    Answer::read(request.json(&body).send().await.unwrap()).await
}

/// Saves with these headers; returns the client address in the audit event.
async fn audited_address(app: &TestApp, lines: HeaderLines<'_>) -> String {
    save(app, lines).await.assert_saved();
    let address = sqlx::query_scalar!(
        r#"SELECT address AS "address!" FROM audit_events WHERE user_id = 278
           ORDER BY sequence DESC LIMIT 1"#
    );
    address.fetch_one(&app.pool).await.unwrap()
}

#[sqlx::test]
async fn every_public_route_is_under_the_base_path(pool: PgPool) {
    let base = [("KEEPER__HTTP__BASE_PATH", "/SuperOffice")];
    let app = TestApp::spawn_with(pool, &base, "").await;
    for path in ["/SuperOffice", "/superoffice", "/SUPEROFFICE"] {
        get(&app, &format!("{path}{PRINCIPAL}"), &[]).await.assert_status(200);
    }
    get(&app, PRINCIPAL, &[]).await.assert_status(404);
    get(&app, "/SuperOffice2/api", &[]).await.assert_status(404);
    let body = json!({ "UserName": "anna", "Password": "anna-password" });
    let answer = app.post("/SuperOffice/login", &Credentials::Anonymous, &body).await;
    let cookies = answer.headers.get_all("set-cookie").iter().map(|text| text.to_str().unwrap());
    for cookie in cookies.filter(|cookie| !cookie.starts_with("__Host-")) {
        assert!(cookie.contains("Path=/SuperOffice"), "{cookie}");
    }
    let page = get(&app, "/SuperOffice/docs", &[]).await;
    let style = page.body.split("rel=\"stylesheet\" href=\"").nth(1).unwrap();
    get(&app, style.split('"').next().unwrap(), &[]).await.assert_status(200);
    let document = get(&app, "/SuperOffice/openapi.json", &[]).await.json();
    assert_eq!(document["servers"][0]["url"], "/SuperOffice");
    let description = get(&app, &format!("/SuperOffice{SAVE}"), &[]).await.json();
    let (path, pointer) = description["Reference"].as_str().unwrap().split_once('#').unwrap();
    let document = get(&app, path, &[]).await.json();
    assert!(document.pointer(pointer).is_some());
    let version = get(&app, "/SuperOffice/api/", &[("Accept", "application/json")]).await.json();
    let (_, v1) = version["v1"].as_str().unwrap().split_once(&app.url).unwrap();
    get(&app, v1, &[]).await.assert_status(200);
    get(&app, &format!("{v1}/"), &[]).await.assert_status(200);
    for root in ["/SuperOffice", "/superoffice/"] {
        let page = get(&app, root, &[]).await;
        assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    }
}

#[sqlx::test]
async fn a_trusted_proxy_sets_the_client_address(pool: PgPool) {
    let trusted = [("KEEPER__HTTP__TRUSTED_PROXIES", "127.0.0.1 10.0.0.0/8 2001:db8::/32")];
    let app = TestApp::spawn_with(pool, &trusted, "").await;
    for (forwarded_for, address) in [
        ("203.0.113.7", "203.0.113.7"),
        ("spoofed, 203.0.113.7", "203.0.113.7"),
        ("198.51.100.1, 203.0.113.7, 10.1.2.3", "203.0.113.7"),
        ("2001:db8:1::1, 2001:db8::2", "2001:db8:1::1"),
        ("10.9.9.9", "10.9.9.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("203.0.113.7:5555", "203.0.113.7"),
        ("[2001:db9::1]", "2001:db9::1"),
        ("[2001:db9::1]:443", "2001:db9::1"),
        ("", "127.0.0.1"),
        (" , 203.0.113.7 , ", "203.0.113.7"),
    ] {
        let lines = [("X-Forwarded-For", forwarded_for.as_bytes())];
        assert_eq!(audited_address(&app, &lines).await, address, "{forwarded_for}");
    }
}

#[sqlx::test]
async fn forwarded_values_left_of_the_trusted_proxies_are_ignored(pool: PgPool) {
    let trusted = [("KEEPER__HTTP__TRUSTED_PROXIES", "127.0.0.1 10.0.0.0/8")];
    let app = TestApp::spawn_with(pool, &trusted, "").await;
    for lines in [
        &[("X-Forwarded-For", &b"J\xf8rgen, 203.0.113.7"[..])][..],
        &[("X-Forwarded-For", b"\xff\xfe,,\xe2\x82, 203.0.113.7, 10.1.2.3")],
        &[("X-Forwarded-For", b"\xff"), ("X-Forwarded-For", b"203.0.113.7")],
        &[
            ("X-Forwarded-For", b"10.9.9.9, \xff"),
            ("X-Forwarded-For", b"203.0.113.7"),
            ("X-Forwarded-For", b"10.1.2.3"),
        ],
        &[
            ("X-Forwarded-For", b"203.0.113.7"),
            ("X-Forwarded-Proto", b"gopher"),
            ("X-Forwarded-Proto", b"\xff, http"),
            ("X-Forwarded-Host", b"\xff, a b, keeper.example"),
        ],
    ] {
        assert_eq!(audited_address(&app, lines).await, "203.0.113.7", "{lines:?}");
    }
}

#[sqlx::test]
async fn an_invalid_forwarded_value_of_a_trusted_proxy_answers_400(pool: PgPool) {
    let trusted = [("KEEPER__HTTP__TRUSTED_PROXIES", "127.0.0.1 10.0.0.0/8")];
    let app = TestApp::spawn_with(pool, &trusted, "").await;
    let events = sqlx::query_scalar!("SELECT count(*) FROM audit_events");
    let before = events.fetch_one(&app.pool).await.unwrap();
    for (name, values) in [
        (
            "X-Forwarded-For",
            &[
                &b"nonsense"[..],
                b"unknown",
                b"203.0.113.7, \xff",
                b"203.0.113.7\xff",
                b"198.51.100.1, nonsense, 10.1.2.3",
                b"198.51.100.1, \xe6, 10.1.2.3",
            ][..],
        ),
        ("X-Forwarded-Proto", &[b"gopher", b"\xff", b"https, \xff", b"http s"]),
        ("X-Forwarded-Host", &[b"\xff", b"keeper.example, \xff", b"a b", b"a@b"]),
    ] {
        for value in values {
            save(&app, &[(name, value)]).await.assert_field_refused(name);
        }
    }
    let events = sqlx::query_scalar!("SELECT count(*) FROM audit_events");
    assert_eq!(events.fetch_one(&app.pool).await.unwrap(), before);
    // The headers of an untrusted client are ignored, even invalid ones.
    let app = app.spawn_instance(&[("KEEPER__HTTP__TRUSTED_PROXIES", "192.0.2.1")]).await;
    let lines = [("X-Forwarded-For", &b"\xff"[..]), ("X-Forwarded-Proto", b"\xff")];
    assert_eq!(audited_address(&app, &lines).await, "127.0.0.1");
}

#[sqlx::test]
async fn a_trusted_proxy_sets_the_scheme(pool: PgPool) {
    let trusted = [("KEEPER__HTTP__TRUSTED_PROXIES", "127.0.0.1 10.0.0.0/8")];
    let app = TestApp::spawn_with(pool, &trusted, "").await;
    for (forwarded_for, scheme, is_secure) in [
        ("203.0.113.7", "https", true),
        ("203.0.113.7", "HTTPS", true),
        ("203.0.113.7", "wss", true),
        ("203.0.113.7", "http", false),
        ("203.0.113.7", "https, http", false),
        ("203.0.113.7, 10.1.2.3", "https, http", true),
        ("203.0.113.7, 10.1.2.3", "https, http, http", false),
    ] {
        let body = json!({ "UserName": "anna", "Password": "anna-password" });
        let request = app.request(Method::POST, "/login", &Credentials::Anonymous).json(&body);
        let request = request.header("X-Forwarded-For", forwarded_for);
        let request = request.header("X-Forwarded-Proto", scheme);
        let answer = Answer::read(request.send().await.unwrap()).await;
        answer.assert_status(200);
        let is_https = answer.headers.contains_key("strict-transport-security");
        assert_eq!(is_https, is_secure, "{forwarded_for}: {scheme}");
    }
}

#[sqlx::test]
async fn forwarded_headers_of_other_clients_are_ignored(pool: PgPool) {
    let settings = [
        ("KEEPER__HTTP__TRUSTED_PROXIES", "10.0.0.1"),
        ("KEEPER__HTTP__ALLOWED_HOSTS", "127.0.0.1 keeper.example"),
    ];
    let app = TestApp::spawn_with(pool, &settings, "").await;
    let lines = [("X-Forwarded-For", &b"203.0.113.7"[..]), ("Forwarded", b"for=203.0.113.7")];
    assert_eq!(audited_address(&app, &lines).await, "127.0.0.1");
    get(&app, PRINCIPAL, &[("X-Forwarded-Host", "evil.example")]).await.assert_status(200);
    get(&app, PRINCIPAL, &[("Host", "evil.example")]).await.assert_status(421);
    let body = json!({ "UserName": "anna", "Password": "anna-password" });
    let request = app.request(Method::POST, "/login", &Credentials::Anonymous);
    let request = request.header("X-Forwarded-Proto", "https").json(&body);
    let answer = Answer::read(request.send().await.unwrap()).await;
    assert!(!answer.headers.contains_key("strict-transport-security"), "{answer:?}");
}

#[sqlx::test]
async fn a_trusted_proxy_sets_scheme_and_host_together(pool: PgPool) {
    let settings = [
        ("KEEPER__HTTP__TRUSTED_PROXIES", "127.0.0.1"),
        ("KEEPER__HTTP__ALLOWED_HOSTS", "keeper.example"),
    ];
    let app = TestApp::spawn_with(pool, &settings, "").await;
    get(&app, PRINCIPAL, &[]).await.assert_status(421);
    let headers = [("X-Forwarded-Host", "keeper.example"), ("X-Forwarded-Proto", "https")];
    get(&app, PRINCIPAL, &headers).await.assert_status(200);
    let mut headers = headers.to_vec();
    headers.push(("Accept", "application/json"));
    let version = get(&app, "/api", &headers).await.json();
    assert_eq!(version["v1"], "https://keeper.example/api/v1");
    let body = json!({ "UserName": "anna", "Password": "anna-password" });
    let request = app.request(Method::POST, "/login", &Credentials::Anonymous).json(&body);
    let request = request.header("X-Forwarded-Host", "keeper.example");
    let request = request.header("X-Forwarded-Proto", "http, https");
    let request = request.header("Origin", "https://keeper.example");
    let answer = Answer::read(request.send().await.unwrap()).await;
    answer.assert_status(200);
    let cookies = answer.headers.get_all("set-cookie").iter();
    assert!(cookies.into_iter().all(|text| text.to_str().unwrap().contains("; Secure")));
}

async fn preflight(app: &TestApp, origin: &str) -> Answer {
    let request = app
        .request(Method::OPTIONS, SAVE, &Credentials::Anonymous)
        .header("Origin", origin)
        .header("Access-Control-Request-Method", "POST")
        .header(
            "Access-Control-Request-Headers",
            "authorization, content-type, so-browser-tz-offset",
        );
    Answer::read(request.send().await.unwrap()).await
}

#[sqlx::test]
async fn cors_allows_only_the_configured_origins(pool: PgPool) {
    let origins = [("KEEPER__HTTP__CORS_ORIGINS", "https://app.example http://localhost*")];
    let app = TestApp::spawn_with(pool, &origins, "").await;
    for origin in ["https://app.example", "http://localhost:9999"] {
        let answer = preflight(&app, origin).await;
        answer.assert_status(200);
        assert_eq!(answer.header("access-control-allow-origin"), origin);
        assert!(answer.headers.get("access-control-allow-credentials").is_none());
        for (path, status) in [(PRINCIPAL, 200), ("/nowhere", 404)] {
            let answer = get(&app, path, &[("Origin", origin)]).await;
            answer.assert_status(status);
            assert_eq!(answer.header("access-control-allow-origin"), origin);
            assert!(answer.header("vary").contains("Origin"));
        }
    }
    for origin in ["https://evil.example", "http://localhost.evil.example", "null"] {
        let answer = preflight(&app, origin).await;
        assert!(answer.headers.get("access-control-allow-origin").is_none(), "{answer:?}");
        answer.assert_forbidden();
        let answer = get(&app, PRINCIPAL, &[("Origin", origin)]).await;
        assert!(answer.headers.get("access-control-allow-origin").is_none(), "{answer:?}");
    }
}

/// The parts of a list in a header, in lower case and sorted.
fn parts_of(list: &str) -> Vec<String> {
    let mut parts: Vec<_> = list.split(", ").map(str::to_lowercase).collect();
    parts.sort();
    parts
}

/// Each of them is needed by a page of another origin, for example to give the reason of a sensitive
/// change, or to wait as long as `Retry-After` says.
#[sqlx::test]
async fn cors_allows_and_exposes_exactly_the_documented_names(pool: PgPool) {
    let origin = "https://app.example";
    let app = TestApp::spawn_with(pool, &[("KEEPER__HTTP__CORS_ORIGINS", origin)], "").await;
    let lists = [
        ("access-control-allow-methods", "GET, POST, PUT, PATCH, DELETE, OPTIONS"),
        (
            "access-control-allow-headers",
            "Authorization, Content-Type, Accept, Accept-Language, X-XSRF-TOKEN, X-Request-Id, \
             SO-AppToken, SO-Language, SO-Culture, SO-TimeZone, SO-Browser-TZ-Offset, SOAPAction, \
             If-Modified-Since, If-Unmodified-Since, Keeper-Reason",
        ),
        ("access-control-max-age", "3600"),
    ];
    let reference = std::fs::read_to_string("docs/reference/wire-contract.md").unwrap();
    let answer = preflight(&app, origin).await;
    for (name, list) in lists {
        assert_eq!(parts_of(answer.header(name)), parts_of(list), "{name}");
        // The answer that the reference prints.
        let of_name = |line: &str| {
            let (printed, list) = line.split_once(": ")?;
            printed.eq_ignore_ascii_case(name).then(|| parts_of(list))
        };
        let printed: Vec<_> = reference.lines().filter_map(of_name).collect();
        assert_eq!(printed, [parts_of(list)], "{name}");
    }
    for (path, status) in [(PRINCIPAL, 200), ("/nowhere", 404)] {
        let answer = get(&app, path, &[("Origin", origin)]).await;
        answer.assert_status(status);
        let exposed = answer.header("access-control-expose-headers");
        assert_eq!(parts_of(exposed), ["retry-after", "so-timezone", "x-request-id"], "{path}");
    }
}

#[sqlx::test]
async fn cors_is_disabled_without_configured_origins(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    preflight(&app, "https://app.example").await.assert_status(405);
    let answer = get(&app, PRINCIPAL, &[("Origin", "https://app.example")]).await;
    assert!(answer.headers.keys().all(|name| !name.as_str().starts_with("access-control")));
}
