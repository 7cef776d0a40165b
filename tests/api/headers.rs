//! Headers with bytes that are no text, on several lines, and empty: one bad part hides no other,
//! and nothing that cannot be read is taken for something else.

use reqwest::{Method, RequestBuilder, header::HeaderValue};
use serde_json::json;
use sqlx::PgPool;

use crate::support::{Answer, Credentials, PLAIN, SAVE, TestApp, WHO};

/// Names and values, one for each line.
type Lines<'test> = &'test [(&'test str, &'test [u8])];

fn with(request: RequestBuilder, lines: Lines<'_>) -> RequestBuilder {
    lines.iter().fold(request, |request, (name, value)| {
        request.header(*name, HeaderValue::from_bytes(value).unwrap())
    })
}

async fn get(app: &TestApp, path: &str, credentials: &Credentials, lines: Lines<'_>) -> Answer {
    let request = with(app.request(Method::GET, path, credentials), lines);
    Answer::read(request.send().await.unwrap()).await
}

async fn login(app: &TestApp, lines: Lines<'_>) -> Answer {
    let body = json!({ "UserName": "anna", "Password": "anna-password" });
    let request = app.request(Method::POST, "/login", &Credentials::Anonymous).json(&body);
    Answer::read(with(request, lines).send().await.unwrap()).await
}

#[sqlx::test]
async fn a_host_that_is_repeated_or_no_host_is_400(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let who = async |lines: Lines<'_>| get(&app, WHO, &app.plain(), lines).await;
    for host in [&b"keeper.example:80"[..], b"[::1]:8080", b""] {
        who(&[("Host", host)]).await.assert_status(200);
    }
    for host in [&b"\xff"[..], "æ.example".as_bytes(), b"a b", b"a@b", b"a, b", b"http://a"] {
        who(&[("Host", host)]).await.assert_field_refused("Host");
    }
    // The web server's own refusal.
    who(&[("Host", b"a"), ("Host", b"a")]).await.assert_status(400);
}

#[sqlx::test]
async fn an_authorization_that_is_no_text_is_401(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for value in [&b"Basic \xff"[..], b"\xff", b"Bearer \xc3\xa6", b"SOTicket \xff", b""] {
        let lines = [("Authorization", value)];
        get(&app, WHO, &Credentials::Anonymous, &lines).await.assert_unauthenticated();
        // The session does not stand in for it.
        get(&app, WHO, &app.session("anna").await, &lines).await.assert_unauthenticated();
    }
}

#[sqlx::test]
async fn the_cookies_of_others_do_not_hide_the_session(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let Credentials::Session { cookie, xsrf } = app.session("anna").await else { panic!() };
    let who = async |lines: &[&[u8]], xsrf: &[&[u8]]| {
        let cookies = lines.iter().map(|line| ("Cookie", *line));
        let lines: Vec<_> = cookies.chain(xsrf.iter().map(|of| ("X-XSRF-TOKEN", *of))).collect();
        get(&app, WHO, &Credentials::Anonymous, &lines).await
    };
    let ours = format!("ASP.NET_SessionId={cookie}").into_bytes();
    let value = xsrf.as_bytes();
    let line = [b"name=J\xf8rgen; \xff\xfe=1; ", ours.as_slice(), b"; last=\xc3"].concat();
    who(&[&line], &[value]).await.assert_status(200);
    who(&[b"name=J\xf8rgen", &ours, b""], &[value]).await.assert_status(200);
    who(&[&[ours.as_slice(), b"\xff"].concat()], &[value]).await.assert_unauthenticated();
    who(&[&ours, &ours], &[value]).await.assert_unauthenticated();
    for wrong in [&b"\xff"[..], b"", &[value, b"\xff"].concat()] {
        let answer = who(&[&ours], &[wrong]).await;
        answer.assert_refused(401, "SoSessionException", "xsrf_wrong");
    }
    who(&[&ours], &[value, b"\xff"]).await.assert_unauthenticated();
}

#[sqlx::test]
async fn an_unknown_part_of_a_list_hides_no_known_one(pool: PgPool) {
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
        let answer = get(&app, WHO, &app.plain(), lines).await;
        answer.assert_status(200);
        let named = answer.headers.get("so-timezone").map(|value| value.to_str().unwrap());
        assert_eq!(named, zone, "{lines:?}");
    }
}

#[sqlx::test]
async fn a_body_of_an_unclear_type_or_coding_is_415_and_of_a_clear_one_is_read(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let token = Credentials::Bearer(app.token(&app.administrator()).await);
    let json = ("Content-Type", &b"application/json"[..]);
    for (number, (lines, is_read)) in [
        (&[json][..], true),
        (&[("Content-Type", &b"application/json; title=\xe6; charset=utf-8"[..])], true),
        // Like any charset that is not known: no byte of the body could mean something else.
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
        let request = with(app.request(Method::POST, SAVE, &token), lines).body(body);
        let answer = Answer::read(request.send().await.unwrap()).await;
        if is_read {
            answer.assert_saved();
            app.get(WHO, &Credentials::basic(PLAIN.1, &value)).await.assert_status(200);
        } else {
            answer.assert_refused(415, "HttpResponseException", "unsupported_media_type");
        }
    }
}

#[sqlx::test]
async fn a_page_that_cannot_be_told_is_not_our_own(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let own = app.url.clone().into_bytes();
    let foreign: [Lines<'_>; 7] = [
        &[("Origin", b"\xff")],
        &[("Origin", b"")],
        &[("Origin", &own), ("Origin", &own)],
        &[("Sec-Fetch-Site", b"\xff"), ("Origin", &own)],
        &[("Sec-Fetch-Site", b"")],
        &[("Sec-Fetch-Site", b"same-origin"), ("Sec-Fetch-Site", b"cross-site")],
        &[("Sec-Fetch-Site", b"same-origin"), ("Origin", b"\xff")],
    ];
    for lines in foreign {
        login(&app, lines).await.assert_forbidden();
    }
    login(&app, &[("Sec-Fetch-Site", b"same-origin"), ("Origin", &own)]).await.assert_status(200);
    let cors = [("KEEPER__HTTP__CORS_ORIGINS", "https://app.example")];
    let app = app.another(&cors).await;
    for origin in [&b"\xff"[..], b"https://app.example\xff", b""] {
        let answer = get(&app, WHO, &app.plain(), &[("Origin", origin)]).await;
        assert!(answer.headers.get("access-control-allow-origin").is_none(), "{answer:?}");
    }
}
