//! The security headers of every kind of response.

use credential_keeper::describe_routes;
use reqwest::{Client, Method, RequestBuilder, redirect::Policy};
use sqlx::PgPool;

use crate::{
    raw_http::client::RawClient,
    support::{Answer, Credentials, PLAIN, PRINCIPAL, SAVE, TICKETS, TestApp, client_builder},
};

const FORM: &str = "application/x-www-form-urlencoded";
const ORIGIN: &str = "https://app.example";

/// The headers of every response, except those that depend on its kind.
const ALWAYS: [(&str, &str); 6] = [
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-embedder-policy", "require-corp"),
    ("x-permitted-cross-domain-policies", "none"),
    ("x-dns-prefetch-control", "off"),
];

const PERMISSIONS: &str = "accelerometer=(), autoplay=(), camera=(), clipboard-read=(), \
                           clipboard-write=(), cross-origin-isolated=(), display-capture=(), \
                           encrypted-media=(), fullscreen=(), gamepad=(), geolocation=(), \
                           gyroscope=(), hid=(), idle-detection=(), magnetometer=(), \
                           microphone=(), midi=(), payment=(), picture-in-picture=(), \
                           publickey-credentials-get=(), screen-wake-lock=(), serial=(), usb=(), \
                           web-share=(), xr-spatial-tracking=()";

/// What the headers of a response depend on.
#[expect(clippy::struct_excessive_bools, reason = "independent properties")]
#[derive(Debug, Clone, Copy, Default)]
struct Kind {
    is_page: bool,
    /// True for a page of the API documentation.
    is_documentation: bool,
    is_https: bool,
    is_cross_origin: bool,
    /// True for constant content, which caches may keep and must revalidate.
    is_cacheable: bool,
}

/// Every expected header.
fn expected(kind: Kind) -> Vec<(&'static str, String)> {
    let permissions = if kind.is_documentation {
        PERMISSIONS.replace("clipboard-write=()", "clipboard-write=(self)")
    } else {
        PERMISSIONS.to_owned()
    };
    let (policy, referrer) = if kind.is_page {
        (
            "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
             connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; \
             require-trusted-types-for 'script'; trusted-types 'none'",
            "same-origin",
        )
    } else {
        (
            "default-src 'none'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'; \
             sandbox",
            "no-referrer",
        )
    };
    let resource = if kind.is_cross_origin { "cross-origin" } else { "same-origin" };
    let mut headers = ALWAYS.to_vec();
    headers.extend([
        ("content-security-policy", policy),
        ("referrer-policy", referrer),
        ("cross-origin-resource-policy", resource),
        ("cache-control", if kind.is_cacheable { "no-cache" } else { "no-store" }),
    ]);
    if kind.is_https {
        headers.push(("strict-transport-security", "max-age=31536000; includeSubDomains"));
    }
    let headers = headers.into_iter().map(|(name, value)| (name, value.to_owned()));
    headers.chain([("permissions-policy", permissions)]).collect()
}

/// Asserts that a response has exactly these headers, each once, and none that names software.
#[track_caller]
fn assert_headers(name: &str, headers: &[(String, String)], kind: Kind) {
    let expected = expected(kind);
    for (header, value) in &expected {
        let found: Vec<_> =
            headers.iter().filter(|(name, _)| name == header).map(|(_, value)| value).collect();
        assert_eq!(found, [value], "{name}: {header}");
    }
    for absent in ["server", "x-powered-by", "x-xss-protection", "expect-ct", "public-key-pins"] {
        assert!(headers.iter().all(|(name, _)| name != absent), "{name}: {absent}");
    }
    let has_hsts = headers.iter().any(|(name, _)| name == "strict-transport-security");
    assert_eq!(has_hsts, kind.is_https, "{name}");
}

#[track_caller]
fn assert_answer(name: &str, answer: &Answer, kind: Kind) {
    let text = |value: &reqwest::header::HeaderValue| value.to_str().unwrap().to_owned();
    let headers: Vec<_> =
        answer.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    let content_type = answer.headers.get("content-type").map(text).unwrap_or_default();
    let is_page = content_type.starts_with("text/html");
    let is_documentation = is_page && kind.is_documentation;
    assert_headers(name, &headers, Kind { is_page, is_documentation, ..kind });
}

fn client() -> Client {
    client_builder().redirect(Policy::none()).build().unwrap()
}

async fn send(request: RequestBuilder) -> Answer {
    Answer::read(request.send().await.unwrap()).await
}

/// A request of the table, with its expected status.
type Case = (&'static str, u16, Kind, RequestBuilder);

/// Every kind of response that the application makes. `headers` says how the caller connects.
fn cases(app: &TestApp, headers: &[(&str, &str)], kind: Kind) -> Vec<Case> {
    let client = client();
    let request = |method: Method, path: &str| {
        let request = client.request(method, format!("{}{path}", app.url));
        headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))
    };
    let get = |path: &str| request(Method::GET, path);
    let post = |path: &str, media_type: &str, body: &str| {
        request(Method::POST, path).header("Content-Type", media_type).body(body.to_owned())
    };
    let paul = |request: RequestBuilder| request.basic_auth(PLAIN.1, Some("paul-password"));
    let constant = Kind { is_cacheable: true, ..kind };
    let documentation = Kind { is_documentation: true, ..constant };
    let unknown_page = Kind { is_documentation: true, ..kind };
    let sign_in = r#"{"UserName": "paul", "Password": "paul-password"}"#;
    let json = "application/json";
    vec![
        ("JSON", 200, kind, paul(get(PRINCIPAL))),
        ("XML", 200, kind, paul(get(PRINCIPAL)).header("Accept", "application/xml")),
        ("form", 200, kind, paul(get(PRINCIPAL)).header("Accept", FORM)),
        ("HEAD", 200, kind, paul(request(Method::HEAD, PRINCIPAL))),
        ("created", 201, kind, paul(post(TICKETS, json, "{}"))),
        ("login page", 200, kind, get("/login")),
        ("login", 200, kind, post("/login", json, sign_in)),
        ("login page with an error", 403, kind, post("/login", FORM, "UserName=a&Password=b")),
        ("page", 200, documentation, get("/docs")),
        ("HEAD of a page", 200, documentation, request(Method::HEAD, "/docs")),
        ("page at the API", 200, documentation, get("/api")),
        ("page of errors", 200, documentation, get("/docs/errors")),
        ("page of an operation", 200, documentation, get("/Docs/GET.user")),
        ("unknown page", 404, unknown_page, get("/docs/nothing")),
        ("script", 200, constant, get("/assets/docs.js")),
        ("asset", 200, constant, get("/assets/keeper.css")),
        ("not modified", 304, constant, get("/assets/keeper.css").header("If-None-Match", "*")),
        ("page not modified", 304, documentation, get("/docs").header("If-None-Match", "*")),
        ("OpenAPI", 200, constant, get("/openapi.json")),
        ("redirect", 303, kind, get("/")),
        ("redirect of a form", 303, kind, post("/logout", FORM, "")),
        ("no content", 204, kind, post("/logout", json, "{}")),
        ("malformed body", 400, kind, post("/login", json, "{")),
        ("malformed header", 400, kind, get("/docs").header("Host", "a b")),
        ("unauthenticated", 401, kind, get(PRINCIPAL)),
        (
            "forbidden",
            403,
            kind,
            post("/logout", json, "{}").header("Sec-Fetch-Site", "cross-site"),
        ),
        ("unknown route", 404, kind, get("/nowhere")),
        ("unknown route as XML", 404, kind, get("/nowhere").header("Accept", "text/xml")),
        ("method", 405, kind, request(Method::DELETE, "/docs")),
        ("OPTIONS", 405, kind, request(Method::OPTIONS, "/docs")),
        ("body too large", 413, kind, post("/login", json, &" ".repeat(70_000))),
        ("URL too long", 414, kind, get(&format!("/{}", "x".repeat(9_000)))),
        ("media type", 415, kind, post("/login", "image/png", "x")),
        ("headers too large", 431, kind, get("/docs").header("X-Large", "x".repeat(40_000))),
        ("misdirected", 421, kind, get("/docs").header("Host", "evil.example")),
    ]
}

const SETTINGS: [(&str, &str); 3] = [
    ("KEEPER__HTTP__TRUSTED_PROXIES", "127.0.0.1"),
    ("KEEPER__HTTP__CORS_ORIGINS", ORIGIN),
    ("KEEPER__HTTP__ALLOWED_HOSTS", "127.0.0.1 localhost"),
];

#[sqlx::test]
async fn every_kind_of_response_has_every_security_header(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &SETTINGS, "").await;
    for is_https in [false, true] {
        let scheme = ("X-Forwarded-Proto", if is_https { "https" } else { "http" });
        for (headers, is_cross_origin) in [
            (vec![scheme], false),
            (vec![scheme, ("Origin", ORIGIN), ("Sec-Fetch-Site", "same-origin")], true),
        ] {
            let kind = Kind { is_https, is_cross_origin, ..Kind::default() };
            for (name, status, kind, request) in cases(&app, &headers, kind) {
                let answer = send(request).await;
                let name = format!("{name}, {headers:?}");
                assert_eq!(answer.status.as_u16(), status, "{name}: {answer:?}");
                assert_answer(&name, &answer, kind);
            }
        }
    }
    // The database is broken from here on.
    sqlx::query("ALTER TABLE users RENAME TO lost").execute(&app.pool).await.unwrap();
    let answer = app.get(PRINCIPAL, &app.plain()).await;
    assert!(answer.status.is_server_error(), "{answer:?}");
    assert_answer("server error", &answer, Kind::default());
}

/// The routes with constant content. Caches may keep no other response, so none has an entity tag.
const CACHEABLE: [&str; 10] = [
    "/api",
    "/api/v1",
    "/openapi.json",
    "/docs",
    "/docs/errors",
    "/assets/keeper.css",
    "/assets/keeper.js",
    "/assets/favicon.svg",
    "/assets/docs.css",
    "/assets/docs.js",
];

#[sqlx::test]
async fn every_route_has_every_security_header(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let client = client();
    for route in describe_routes() {
        let method: Method = route.method.parse().unwrap();
        let other = if method == Method::GET { Method::HEAD } else { Method::OPTIONS };
        for method in [method, other, Method::PATCH] {
            for credentials in [Credentials::Anonymous, app.plain()] {
                let url = format!("{}{}", app.url, route.path);
                let request = credentials.apply_to(client.request(method.clone(), url));
                let answer = send(request).await;
                let name = format!("{method} {}", route.path);
                let is_read = method == Method::GET || method == Method::HEAD;
                let is_cacheable = is_read && CACHEABLE.contains(&route.path);
                assert_eq!(answer.headers.contains_key("etag"), is_cacheable, "{name}: {answer:?}");
                let is_documentation =
                    ["/docs", "/api"].contains(&route.path) || route.path.starts_with("/docs/");
                let kind = Kind { is_documentation, is_cacheable, ..Kind::default() };
                assert_answer(&name, &answer, kind);
            }
        }
    }
}

/// The headers of a 304 replace those of the cached page, so they must be the same.
#[sqlx::test]
async fn a_page_that_was_not_modified_keeps_its_policy(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let page = send(client().get(format!("{}/docs", app.url))).await;
    let cached = send(client().get(format!("{}/docs", app.url)).header("If-None-Match", "*")).await;
    cached.assert_status(304);
    let policy = page.header("content-security-policy");
    assert!(policy.contains("style-src 'self'"), "{policy}");
    assert_eq!(cached.header("content-security-policy"), policy);
}

#[sqlx::test]
async fn health_and_metrics_have_every_security_header(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for path in ["/health/live", "/health/ready", "/metrics", "/nowhere"] {
        for method in [Method::GET, Method::HEAD, Method::POST] {
            let answer = send(client().request(method, format!("{}{path}", app.operations))).await;
            assert_answer(path, &answer, Kind::default());
        }
    }
}

#[sqlx::test]
async fn cors_works_with_the_security_headers(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &SETTINGS, "").await;
    let preflight = |origin: &str| {
        client()
            .request(Method::OPTIONS, format!("{}{SAVE}", app.url))
            .header("Origin", origin)
            .header("Access-Control-Request-Method", "POST")
            .header("Access-Control-Request-Headers", "authorization")
    };
    let allowed = send(preflight(ORIGIN)).await;
    allowed.assert_status(200);
    assert_eq!(allowed.header("access-control-allow-origin"), ORIGIN);
    assert_answer("preflight", &allowed, Kind { is_cross_origin: true, ..Kind::default() });
    let refused = send(preflight("https://evil.example")).await;
    assert!(!refused.headers.contains_key("access-control-allow-origin"), "{refused:?}");
    assert_answer("refused preflight", &refused, Kind::default());
}

/// Responses that no request of the application belongs to.
#[sqlx::test]
async fn responses_without_the_application_have_every_security_header(pool: PgPool) {
    let behind_tls = [
        ("KEEPER__HTTP__READ_TIMEOUT_SECONDS", "1"),
        ("KEEPER__HTTP__TLS_TERMINATED_BY_PROXY", "true"),
        ("KEEPER__HTTP__TRUSTED_PROXIES", "127.0.0.1"),
    ];
    let app = TestApp::spawn_with(pool, &[("KEEPER__HTTP__READ_TIMEOUT_SECONDS", "1")], "").await;
    let secure = app.spawn_instance(&behind_tls).await;
    for (app, is_https) in [(&app, false), (&secure, true)] {
        for (request, status) in [
            ("NONSENSE\r\n\r\n".to_owned(), "400 Bad Request"),
            ("GET / HTTP/1.1\r\nHost: l".to_owned(), "408 Request Timeout"),
            (format!("GET /{}", "x".repeat(70_000)), "431 Request Header Fields Too Large"),
        ] {
            let mut client = RawClient::connect(app);
            client.send(request.as_bytes());
            let head = client.head().unwrap();
            let (line, lines) = head.trim_end().split_once("\r\n").unwrap();
            assert_eq!(line, format!("HTTP/1.1 {status}"));
            let pair = |line: &str| {
                let (name, value) = line.split_once(": ").unwrap();
                (name.to_owned(), value.to_owned())
            };
            let headers: Vec<_> = lines.split("\r\n").map(pair).collect();
            assert_headers(status, &headers, Kind { is_https, ..Kind::default() });
            for (name, value) in [("connection", "close"), ("content-length", "0")] {
                assert!(headers.contains(&pair(&format!("{name}: {value}"))), "{head}");
            }
            assert!(headers.iter().any(|(name, value)| name == "date" && value.ends_with(" GMT")));
        }
    }
}

#[sqlx::test]
async fn signing_out_clears_the_data_of_the_site_but_no_foreign_cookie(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for content_type in [FORM, "application/json"] {
        let Credentials::Session { cookie, xsrf } = app.session("anna").await else { panic!() };
        let request = client()
            .post(format!("{}/logout", app.url))
            .header("Cookie", format!("ASP.NET_SessionId={cookie}"))
            .header("X-XSRF-TOKEN", xsrf)
            .header("Content-Type", content_type)
            .body(if content_type == FORM { "" } else { "{}" });
        let answer = send(request).await;
        assert!(!answer.status.is_client_error(), "{answer:?}");
        assert_eq!(answer.header("clear-site-data"), r#""cache", "storage""#);
    }
}

/// The attributes of every cookie, in the order in which they are sent.
#[sqlx::test]
async fn every_cookie_is_secure_and_has_the_strictest_attributes_that_its_name_allows(
    pool: PgPool,
) {
    let base_path = [("KEEPER__HTTP__BASE_PATH", "/SuperOffice")];
    let app = TestApp::spawn(pool).await;
    let based = app.spawn_instance(&base_path).await;
    for (app, base, path) in [(&app, "", "/"), (&based, "/SuperOffice", "/SuperOffice")] {
        let page = send(client().get(format!("{}{base}/login", app.url))).await;
        let body = serde_json::json!({ "UserName": "anna", "Password": "anna-password" });
        let login = send(client().post(format!("{}{base}/login", app.url)).json(&body)).await;
        let session = login.cookie("ASP.NET_SessionId").unwrap();
        let signed_in = client().get(format!("{}{base}/login", app.url));
        let signed_in =
            send(signed_in.header("Cookie", format!("ASP.NET_SessionId={session}"))).await;
        let mut names = Vec::new();
        for answer in [&page, &login, &signed_in] {
            for line in answer.headers.get_all("set-cookie") {
                let line = line.to_str().unwrap();
                let (name, rest) = line.split_once('=').unwrap();
                let (_, attributes) = rest.split_once("; ").unwrap();
                let attributes = attributes.split("; Max-Age").next().unwrap();
                let expected = match name {
                    "ASP.NET_SessionId" => format!("HttpOnly; SameSite=Lax; Secure; Path={path}"),
                    "XSRF-TOKEN" => format!("SameSite=Lax; Secure; Path={path}"),
                    "__Host-KEEPER-LOGIN" => "HttpOnly; SameSite=Lax; Secure; Path=/".to_owned(),
                    other => panic!("unknown cookie {other}"),
                };
                assert_eq!(attributes, expected, "{line}");
                assert!(line.len() < 4096, "{line}");
                names.push(name.to_owned());
            }
        }
        names.sort();
        names.dedup();
        assert_eq!(names, ["ASP.NET_SessionId", "XSRF-TOKEN", "__Host-KEEPER-LOGIN"]);
    }
}

/// A browser that loaded the login page of an earlier release has the cookie of the earlier name.
#[sqlx::test]
async fn a_login_form_of_an_earlier_release_is_replaced_by_one_that_works(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let submit = |cookie: String, token: String| {
        let body = format!("UserName=anna&Password=anna-password&LoginToken={token}");
        let request = client().post(format!("{}/login", app.url)).header("Cookie", cookie);
        send(request.header("Content-Type", FORM).body(body))
    };
    let token_of = |page: &Answer| {
        let (_, rest) = page.body.split_once("name=\"LoginToken\" value=\"").unwrap();
        rest.split_once('"').unwrap().0.to_owned()
    };
    let page = send(client().get(format!("{}/login", app.url))).await;
    let cookie = page.cookie("__Host-KEEPER-LOGIN").unwrap();
    let again = submit(format!("KEEPER-LOGIN={cookie}"), token_of(&page)).await;
    again.assert_status(403);
    let cookie = again.cookie("__Host-KEEPER-LOGIN").unwrap();
    let cookies = format!("KEEPER-LOGIN=old; __Host-KEEPER-LOGIN={cookie}");
    submit(cookies, token_of(&again)).await.assert_status(303);
}
