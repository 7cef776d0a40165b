//! Every media type of requests × every media type of answers × every kind of outcome.

use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use sqlx::PgPool;

use super::{
    Sent, save, stored,
    writing::{FORM_TYPE, Wanted, XML_TYPES},
};
use crate::support::{Answer, Credentials, PLAIN, SAVE, TestApp, WHO};

const ANSWER_TYPES: [&str; 6] = [
    "application/json",
    "text/json",
    "application/xml",
    "text/xml",
    "application/json-patch+json",
    "application/merge-patch+json",
];

/// The media type of the answer: what is accepted, else the request's own, else JSON.
fn expected_type(accept: Option<&str>, sent: &Sent) -> String {
    let own = if sent.content_type == FORM_TYPE { "application/json" } else { &sent.content_type };
    format!("{}; charset=utf-8", accept.unwrap_or(own))
}

fn is_xml(answer: &Answer) -> bool {
    XML_TYPES.iter().any(|of| answer.header("content-type").starts_with(of))
}

/// The bare `true`, exactly as table 4.6 has it.
#[track_caller]
fn is_true(answer: &Answer) {
    answer.assert_status(200);
    let expected = if is_xml(answer) {
        "<boolean xmlns=\"http://schemas.microsoft.com/2003/10/Serialization/\">true</boolean>"
    } else {
        "true"
    };
    assert_eq!(answer.body, expected, "{answer:?}");
}

/// The envelope with that code, in whatever format the answer has.
#[track_caller]
fn is_error(answer: &Answer, status: u16, code: &str) {
    answer.assert_status(status);
    if is_xml(answer) {
        assert!(answer.body.starts_with("<Error><Code>"), "{answer:?}");
        assert!(answer.body.contains(&format!("<Code>{code}</Code>")), "{answer:?}");
        assert!(answer.body.contains("<Error>true</Error>"), "{answer:?}");
    } else {
        assert_eq!(answer.json()["Code"], code, "{answer:?}");
    }
}

#[sqlx::test]
async fn every_type_in_and_out_in_every_outcome(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let administrator = Credentials::Bearer(app.token(&app.administrator()).await);
    let plain = Credentials::Bearer(app.token(&app.plain()).await);
    let (good, empty) = (Wanted::password(300, "value"), Wanted::password(300, ""));
    let outcomes = [
        (&administrator, &good, 200, ""),
        (&administrator, &empty, 400, "invalid_field"),
        (&Credentials::Bearer("8A:x".to_owned()), &good, 401, "unauthenticated"),
        (&plain, &good, 403, "forbidden"),
    ];
    let mut checked = 0;
    for (credentials, wanted, status, code) in outcomes {
        for sent in wanted.in_every_type() {
            for accept in ANSWER_TYPES.map(Some).into_iter().chain([None]) {
                // This client never leaves it out; an empty one says as little.
                let headers = [("Accept", accept.unwrap_or_default())];
                let answer = save(&app, credentials, &sent, &headers).await;
                assert_eq!(answer.header("content-type"), expected_type(accept, &sent));
                if status == 200 {
                    is_true(&answer);
                } else {
                    is_error(&answer, status, code);
                }
                checked += 1;
            }
        }
    }
    assert_eq!(checked, 4 * 7 * 7);
}

#[sqlx::test]
async fn errors_of_every_layer_are_in_the_callers_format(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let xml = |path: &str, credentials: &Credentials| {
        let request = app.request(reqwest::Method::GET, path, credentials);
        request.header("Accept", "text/xml").send()
    };
    for (path, credentials, status, code) in [
        ("/nowhere", Credentials::Anonymous, 404, "unknown_route"),
        (WHO, Credentials::Anonymous, 401, "xsrf_missing"),
        (WHO, Credentials::Bearer("x".repeat(20_000)), 431, "headers_too_large"),
        ("/keeper/tickets", app.administrator(), 405, "method_not_allowed"),
    ] {
        let answer = Answer::read(xml(path, &credentials).await.unwrap()).await;
        assert_eq!(answer.header("content-type"), "text/xml; charset=utf-8");
        is_error(&answer, status, code);
    }
    let huge = Sent::new("text/xml", vec![b' '; 70_000]);
    is_error(&save(&app, &app.administrator(), &huge, &[]).await, 413, "body_too_large");
    let unknown = Sent::new("image/png", "x");
    let answer = save(&app, &app.administrator(), &unknown, &[("Accept", "application/xml")]).await;
    is_error(&answer, 415, "unsupported_media_type");
}

#[sqlx::test]
async fn utf16_is_answered_in_utf16(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let sent = Sent::in_utf16("text/xml", "<R><UserId>0</UserId></R>");
    let request = app
        .request(reqwest::Method::POST, SAVE, &app.administrator())
        .header("Content-Type", &sent.content_type)
        .header("Accept", "")
        .header("Accept-Language", "nb")
        .body(sent.bytes.clone());
    let response = request.send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/xml; charset=utf-16");
    let bytes = response.bytes().await.unwrap();
    assert_eq!(bytes[..2], [0xff, 0xfe]);
    let units = bytes[2..].chunks(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
    let text = String::from_utf16(&units.collect::<Vec<_>>()).unwrap();
    assert!(text.contains("<Message>Credential: må oppgis</Message>"), "{text}");
    let answer =
        save(&app, &app.administrator(), &sent, &[("Accept", ""), ("Accept-Charset", "utf-8")])
            .await;
    assert_eq!(answer.header("content-type"), "text/xml; charset=utf-8");
}

/// Requests that are valid in every format: line ends and control characters are XML's own affair.
fn any_wanted() -> impl Strategy<Value = Wanted> {
    let text = |pattern: &str| {
        let text = proptest::string::string_regex(pattern).unwrap();
        text.prop_filter("not in XML", |text| !text.contains(['\u{fffe}', '\u{ffff}']))
    };
    (text("\\PC{1,24}"), text("\\PC{1,12}"), prop_oneof!["CRM5/PASSWORD", "crm5/password", ""])
        .prop_map(|(value, display_value, type_name)| Wanted {
            user_id: PLAIN.0,
            type_name,
            value,
            display_value,
        })
}

#[sqlx::test]
async fn any_valid_request_is_the_same_credential_in_every_format(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let administrator = Credentials::Bearer(app.token(&app.administrator()).await);
    let mut runner = TestRunner::deterministic();
    for _ in 0..6 {
        let wanted = any_wanted().new_tree(&mut runner).unwrap().current();
        for sent in wanted.in_every_spelling() {
            let before = stored(&app).await;
            let headers = [("Accept", "application/json"), ("Accept-Charset", "utf-8")];
            is_true(&save(&app, &administrator, &sent, &headers).await);
            // One row has a new version, and nothing else has changed.
            let after = stored(&app).await;
            let changed = before.iter().zip(&after).filter(|(before, after)| before != after);
            let changed: Vec<_> = changed.map(|(_, after)| (after.0, after.1.as_str())).collect();
            assert_eq!(changed, [(PLAIN.0, "CRM5/PASSWORD")], "{wanted:?} {}", sent.content_type);
            let shown = sqlx::query_scalar!(
                "SELECT display_value FROM credentials
                 WHERE user_id = 278 AND credential_type = 'CRM5/PASSWORD'"
            );
            assert_eq!(shown.fetch_one(&app.pool).await.unwrap(), wanted.display_value);
            let answer = app.get(WHO, &Credentials::basic(PLAIN.1, &wanted.value)).await;
            assert_eq!(answer.status, 200, "{wanted:?} as {}", sent.content_type);
        }
    }
}
