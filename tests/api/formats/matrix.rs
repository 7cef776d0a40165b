//! Every request media type × every response media type × every kind of outcome.

use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use sqlx::PgPool;

use super::{
    RequestBody, save, stored,
    writing::{FORM_TYPE, SavedCredential, XML_TYPES},
};
use crate::support::{Answer, Credentials, PLAIN, PRINCIPAL, SAVE, TestApp};

const ANSWER_TYPES: [&str; 6] = [
    "application/json",
    "text/json",
    "application/xml",
    "text/xml",
    "application/json-patch+json",
    "application/merge-patch+json",
];

/// The expected media type: `Accept`, else the type of the request, else JSON.
fn expected_type(accept: Option<&str>, sent: &RequestBody) -> String {
    let request_type =
        if sent.content_type == FORM_TYPE { "application/json" } else { &sent.content_type };
    format!("{}; charset=utf-8", accept.unwrap_or(request_type))
}

fn is_xml(answer: &Answer) -> bool {
    XML_TYPES.iter().any(|xml_type| answer.header("content-type").starts_with(xml_type))
}

/// Asserts the bare `true` in the exact spelling of
/// docs/reference/wire-contract.md#format-of-the-response.
#[track_caller]
fn assert_true(answer: &Answer) {
    answer.assert_status(200);
    let expected = if is_xml(answer) {
        "<boolean xmlns=\"http://schemas.microsoft.com/2003/10/Serialization/\">true</boolean>"
    } else {
        "true"
    };
    assert_eq!(answer.body, expected, "{answer:?}");
}

/// Asserts the error envelope with this code, in the format of the answer.
#[track_caller]
fn assert_error(answer: &Answer, status: u16, code: &str) {
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
async fn every_request_and_response_type_works_for_every_outcome(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let administrator = Credentials::Bearer(app.token(&app.administrator()).await);
    let plain = Credentials::Bearer(app.token(&app.plain()).await);
    let (good, empty) =
        (SavedCredential::password(300, "value"), SavedCredential::password(300, ""));
    let outcomes = [
        (&administrator, &good, 200, ""),
        (&administrator, &empty, 400, "invalid_field"),
        (&Credentials::Bearer("8A:x".to_owned()), &good, 401, "unauthenticated"),
        (&plain, &good, 403, "forbidden"),
    ];
    let mut checked = 0;
    for (credentials, credential, status, code) in outcomes {
        for sent in credential.in_every_type() {
            for accept in ANSWER_TYPES.map(Some).into_iter().chain([None]) {
                // The HTTP client always sends `Accept`; an empty value means the same as none.
                let headers = [("Accept", accept.unwrap_or_default())];
                let answer = save(&app, credentials, &sent, &headers).await;
                assert_eq!(answer.header("content-type"), expected_type(accept, &sent));
                if status == 200 {
                    assert_true(&answer);
                } else {
                    assert_error(&answer, status, code);
                }
                checked += 1;
            }
        }
    }
    assert_eq!(checked, 4 * 7 * 7);
}

#[sqlx::test]
async fn errors_of_every_layer_use_the_requested_format(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let request_xml = |path: &str, credentials: &Credentials| {
        let request = app.request(reqwest::Method::GET, path, credentials);
        request.header("Accept", "text/xml").send()
    };
    for (path, credentials, status, code) in [
        ("/nowhere", Credentials::Anonymous, 404, "unknown_route"),
        (PRINCIPAL, Credentials::Anonymous, 401, "xsrf_missing"),
        (PRINCIPAL, Credentials::Bearer("x".repeat(20_000)), 431, "headers_too_large"),
        ("/keeper/tickets", app.administrator(), 405, "method_not_allowed"),
    ] {
        let answer = Answer::read(request_xml(path, &credentials).await.unwrap()).await;
        assert_eq!(answer.header("content-type"), "text/xml; charset=utf-8");
        assert_error(&answer, status, code);
    }
    let huge = RequestBody::new("text/xml", vec![b' '; 70_000]);
    assert_error(&save(&app, &app.administrator(), &huge, &[]).await, 413, "body_too_large");
    let unknown = RequestBody::new("image/png", "x");
    let answer = save(&app, &app.administrator(), &unknown, &[("Accept", "application/xml")]).await;
    assert_error(&answer, 415, "unsupported_media_type");
}

#[sqlx::test]
async fn utf16_is_answered_in_utf16(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let sent = RequestBody::in_utf16("text/xml", "<R><UserId>0</UserId></R>");
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

/// Requests that are valid in every format, so without characters that XML forbids or changes.
fn any_credential() -> impl Strategy<Value = SavedCredential> {
    let text = |pattern: &str| {
        let text = proptest::string::string_regex(pattern).unwrap();
        text.prop_filter("invalid in XML", |text| !text.contains(['\u{fffe}', '\u{ffff}']))
    };
    (text("\\PC{1,24}"), text("\\PC{1,12}"), prop_oneof!["CRM5/PASSWORD", "crm5/password", ""])
        .prop_map(|(value, display_value, type_name)| SavedCredential {
            user_id: PLAIN.0,
            type_name,
            value,
            display_value,
        })
}

#[sqlx::test]
async fn every_format_saves_the_same_credential(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let administrator = Credentials::Bearer(app.token(&app.administrator()).await);
    let mut runner = TestRunner::deterministic();
    for _ in 0..6 {
        let credential = any_credential().new_tree(&mut runner).unwrap().current();
        for sent in credential.in_every_spelling() {
            let before = stored(&app).await;
            let headers = [("Accept", "application/json"), ("Accept-Charset", "utf-8")];
            assert_true(&save(&app, &administrator, &sent, &headers).await);
            // Exactly one row has a new version.
            let after = stored(&app).await;
            let changes = before.iter().zip(&after).filter(|(before, after)| before != after);
            let changed: Vec<_> = changes.map(|(_, after)| (after.0, after.1.as_str())).collect();
            assert_eq!(
                changed,
                [(PLAIN.0, "CRM5/PASSWORD")],
                "{credential:?} {}",
                sent.content_type
            );
            let display_value = sqlx::query_scalar!(
                "SELECT display_value FROM credentials
                 WHERE user_id = 278 AND credential_type = 'CRM5/PASSWORD'"
            );
            assert_eq!(display_value.fetch_one(&app.pool).await.unwrap(), credential.display_value);
            let answer = app.get(PRINCIPAL, &Credentials::basic(PLAIN.1, &credential.value)).await;
            assert_eq!(answer.status, 200, "{credential:?} as {}", sent.content_type);
        }
    }
}
