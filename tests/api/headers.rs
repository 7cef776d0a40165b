//! Malformed headers: not text, repeated, or empty. An invalid part does not hide valid ones, and
//! an unreadable value is never interpreted as another value.

use reqwest::{Method, RequestBuilder, header::HeaderValue};
use serde_json::json;
use sqlx::PgPool;

use crate::support::{Answer, Credentials, PLAIN, PRINCIPAL, SAVE, TestApp};

/// Names and values of headers, one for each line.
type HeaderLines<'test> = &'test [(&'test str, &'test [u8])];

fn with_headers(request: RequestBuilder, lines: HeaderLines<'_>) -> RequestBuilder {
    lines.iter().fold(request, |request, (name, value)| {
        request.header(*name, HeaderValue::from_bytes(value).unwrap())
    })
}

async fn get(
    app: &TestApp,
    path: &str,
    credentials: &Credentials,
    lines: HeaderLines<'_>,
) -> Answer {
    let request = with_headers(app.request(Method::GET, path, credentials), lines);
    Answer::read(request.send().await.unwrap()).await
}

async fn login(app: &TestApp, lines: HeaderLines<'_>) -> Answer {
    let body = json!({ "UserName": "anna", "Password": "anna-password" });
    let request = app.request(Method::POST, "/login", &Credentials::Anonymous).json(&body);
    Answer::read(with_headers(request, lines).send().await.unwrap()).await
}

#[sqlx::test]
async fn an_invalid_or_repeated_host_answers_400(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let get_principal =
        async |lines: HeaderLines<'_>| get(&app, PRINCIPAL, &app.plain(), lines).await;
    for host in [&b"keeper.example:80"[..], b"[::1]:8080", b""] {
        get_principal(&[("Host", host)]).await.assert_status(200);
    }
    for host in [&b"\xff"[..], "æ.example".as_bytes(), b"a b", b"a@b", b"a, b", b"http://a"] {
        get_principal(&[("Host", host)]).await.assert_field_refused("Host");
    }
    // The web server itself refuses a repeated host.
    get_principal(&[("Host", b"a"), ("Host", b"a")]).await.assert_status(400);
}

#[sqlx::test]
async fn an_authorization_header_that_is_not_text_answers_401(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for value in [&b"Basic \xff"[..], b"\xff", b"Bearer \xc3\xa6", b"SOTicket \xff", b""] {
        let lines = [("Authorization", value)];
        get(&app, PRINCIPAL, &Credentials::Anonymous, &lines).await.assert_unauthenticated();
        // A valid session does not replace an invalid `Authorization`.
        get(&app, PRINCIPAL, &app.session("anna").await, &lines).await.assert_unauthenticated();
    }
}

#[sqlx::test]
async fn invalid_cookies_do_not_hide_the_session(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let Credentials::Session { cookie, xsrf } = app.session("anna").await else { panic!() };
    let get_principal = async |lines: &[&[u8]], xsrf: &[&[u8]]| {
        let cookies = lines.iter().map(|line| ("Cookie", *line));
        let lines: Vec<_> =
            cookies.chain(xsrf.iter().map(|value| ("X-XSRF-TOKEN", *value))).collect();
        get(&app, PRINCIPAL, &Credentials::Anonymous, &lines).await
    };
    let session = format!("ASP.NET_SessionId={cookie}").into_bytes();
    let value = xsrf.as_bytes();
    let line = [b"name=J\xf8rgen; \xff\xfe=1; ", session.as_slice(), b"; last=\xc3"].concat();
    get_principal(&[&line], &[value]).await.assert_status(200);
    get_principal(&[b"name=J\xf8rgen", &session, b""], &[value]).await.assert_status(200);
    get_principal(&[&[session.as_slice(), b"\xff"].concat()], &[value])
        .await
        .assert_unauthenticated();
    get_principal(&[&session, &session], &[value]).await.assert_unauthenticated();
    for wrong in [&b"\xff"[..], b"", &[value, b"\xff"].concat()] {
        let answer = get_principal(&[&session], &[wrong]).await;
        answer.assert_refused(401, "SoSessionException", "xsrf_wrong");
    }
    get_principal(&[&session], &[value, b"\xff"]).await.assert_unauthenticated();
}

#[sqlx::test]
async fn an_unreadable_list_entry_does_not_hide_valid_ones(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for (lines, content_type) in [
        (&[("Accept", &b"\xff/\xfe, text/xml"[..])][..], "text/xml; charset=utf-8"),
        (&[("Accept", b"\xff"), ("Accept", b"text/xml")], "text/xml; charset=utf-8"),
        (&[("Accept", b"text/xml;x=\xff, text/xml;q=0.5")], "text/xml; charset=utf-8"),
        (&[("Accept", b"\xff")], "application/json; charset=utf-8"),
        (&[("Accept", b"")], "application/json; charset=utf-8"),
        (&[("Accept-Charset", b"\xe6, utf-16")], "application/json; charset=utf-16"),
        (
            &[("Accept-Charset", b"\xe6"), ("Accept-Charset", b"utf-16")],
            "application/json; charset=utf-16",
        ),
    ] {
        let answer = get(&app, "/nowhere", &Credentials::Anonymous, lines).await;
        assert_eq!(answer.header("content-type"), content_type, "{lines:?}");
    }
    let (english, german) = ("No resource", "Unter");
    for (lines, beginning) in [
        (&[("Accept-Language", &b"\xff, de"[..])][..], german),
        (&[("Accept-Language", b"\xff"), ("Accept-Language", b"de")], german),
        (&[("Accept-Language", b"\xff")], english),
        (&[("SO-Language", b"\xff, de"), ("Accept-Language", b"nb")], german),
        (&[("SO-Language", b""), ("Accept-Language", b"de")], german),
    ] {
        let answer = get(&app, "/nowhere", &Credentials::Anonymous, lines).await;
        let message = answer.json()["Message"].as_str().unwrap().to_owned();
        assert!(message.starts_with(beginning), "{lines:?}: {message}");
    }
    for (lines, zone) in [
        (&[("SO-TimeZone", &b"NO,\xff"[..])][..], Some("NO")),
        (&[("SO-TimeZone", b"NO"), ("SO-TimeZone", b"FR")], Some("NO")),
        (&[("SO-TimeZone", b"\xff")], None),
        (&[("SO-TimeZone", b"")], None),
    ] {
        let answer = get(&app, PRINCIPAL, &app.plain(), lines).await;
        answer.assert_status(200);
        let named = answer.headers.get("so-timezone").map(|value| value.to_str().unwrap());
        assert_eq!(named, zone, "{lines:?}");
    }
}

#[sqlx::test]
async fn a_body_with_an_ambiguous_type_or_encoding_answers_415(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let token = Credentials::Bearer(app.token(&app.administrator()).await);
    let json = ("Content-Type", &b"application/json"[..]);
    for (number, (lines, is_read)) in [
        (&[json][..], true),
        (&[("Content-Type", &b"application/json; title=\xe6; charset=utf-8"[..])], true),
        // An unreadable charset is treated like an unknown one.
        (&[("Content-Type", b"application/json; charset=\xff")], true),
        (&[("Content-Type", b"application/json\xff")], false),
        (&[("Content-Type", b"")], false),
        (&[json, ("Content-Type", b"application/xml")], false),
        (&[json, json], false),
        (&[json, ("Content-Encoding", b"identity")], true),
        (&[json, ("Content-Encoding", b"")], true),
        (&[json, ("Content-Encoding", b"\xff")], false),
        (&[json, ("Content-Encoding", b"identity"), ("Content-Encoding", b"gzip")], false),
        (&[json, ("Content-Encoding", b"identity, gzip")], false),
    ]
    .into_iter()
    .enumerate()
    {
        let value = format!("password {number}");
        let body = json!({ "UserId": PLAIN.0, "Credential": { "Value": value } }).to_string();
        let request = with_headers(app.request(Method::POST, SAVE, &token), lines).body(body);
        let answer = Answer::read(request.send().await.unwrap()).await;
        if is_read {
            answer.assert_saved();
            app.get(PRINCIPAL, &Credentials::basic(PLAIN.1, &value)).await.assert_status(200);
        } else {
            answer.assert_refused(415, "HttpResponseException", "unsupported_media_type");
        }
    }
}

#[sqlx::test]
async fn a_login_with_an_unreadable_or_foreign_origin_is_refused(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let own = app.url.clone().into_bytes();
    let not_same_origin: [HeaderLines<'_>; 7] = [
        &[("Origin", b"\xff")],
        &[("Origin", b"")],
        &[("Origin", &own), ("Origin", &own)],
        &[("Sec-Fetch-Site", b"\xff"), ("Origin", &own)],
        &[("Sec-Fetch-Site", b"")],
        &[("Sec-Fetch-Site", b"same-origin"), ("Sec-Fetch-Site", b"cross-site")],
        &[("Sec-Fetch-Site", b"same-origin"), ("Origin", b"\xff")],
    ];
    for lines in not_same_origin {
        login(&app, lines).await.assert_forbidden();
    }
    login(&app, &[("Sec-Fetch-Site", b"same-origin"), ("Origin", &own)]).await.assert_status(200);
    let cors = [("KEEPER__HTTP__CORS_ORIGINS", "https://app.example")];
    let app = app.spawn_instance(&cors).await;
    for origin in [&b"\xff"[..], b"https://app.example\xff", b""] {
        let answer = get(&app, PRINCIPAL, &app.plain(), &[("Origin", origin)]).await;
        assert!(answer.headers.get("access-control-allow-origin").is_none(), "{answer:?}");
    }
}
