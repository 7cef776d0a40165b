//! Malformed, hostile or oversized input: the error names the fault in the requested format and
//! language, and nothing is stored.

use std::time::{Duration, Instant};

use sqlx::PgPool;

use super::{RequestBody, save, stored, writing::FORM_TYPE};
use crate::support::{Credentials, TestApp};

const JSON: &str = "application/json";
const XML: &str = "application/xml";
/// Part of the refused bodies; must not appear in any answer.
const MARKER: &str = "Zx7-marker";

/// Bodies that their format does not allow, each with the start of the German error message.
fn malformed_bodies() -> Vec<(RequestBody, &'static str)> {
    let json = |body: &str| (RequestBody::new(JSON, body), "Der Inhalt der Anfrage");
    let xml = |body: &str| (RequestBody::new(XML, body), "Der Inhalt der Anfrage");
    let form = |body: &str| (RequestBody::new(FORM_TYPE, body), "Der Inhalt der Anfrage");
    let nested = |open: &str, close: &str| format!("{}{}", open.repeat(1000), close.repeat(1000));
    let repeated = |item: fn(usize) -> String| (0..10_000).map(item).collect::<String>();
    let entities = (0..12).map(|n| format!("<!ENTITY l{} '&l{n};&l{n};'>", n + 1));
    let entities = entities.collect::<Vec<_>>().concat();
    let utf16 = |bytes: &[u8]| (RequestBody::new("text/xml; charset=utf-16", bytes), "Der Inhalt");
    vec![
        json(&format!("{{\"UserId\":278,\"{MARKER}")),
        json(&format!("[{{\"op\":\"add\",\"value\":\"{MARKER}\"}}]")),
        json(&format!("\"{MARKER}\"")),
        json(&nested("[", "]")),
        json(&nested("{\"a\":", "}")),
        json(&format!("{{\"a\":[{}]}}", "0,".repeat(9_999) + "0")),
        json(&format!("\u{feff}{{\"UserId\":278,\"x\":\"{MARKER}\"}}")),
        json(&format!("{{\"UserId\":278,\"Credential\":{{\"Value\":\"{MARKER}\\ud800\"}}}}")),
        (
            RequestBody::new(JSON, [b"{\"Value\":\"", MARKER.as_bytes(), b"\xff\"}"].concat()),
            "Der Inhalt",
        ),
        xml(&format!("<R><UserId>278</UserId><Credential><Value>{MARKER}")),
        xml(&format!("<R>{MARKER}</R>")),
        xml(&nested("<a>", "</a>")),
        xml(&format!("<R>{}</R>", "<a/>".repeat(10_000))),
        xml(&format!("\u{feff}<R><Value>{MARKER}</Value></R>")),
        xml(&format!(
            "<!DOCTYPE R [<!ENTITY l0 '{MARKER}'>{entities}]><R><Value>&l12;</Value></R>"
        )),
        xml("<!DOCTYPE R [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><R><Value>&x;</Value></R>"),
        xml("<!DOCTYPE R SYSTEM 'http://127.0.0.1:9/x.dtd'><R/>"),
        xml(&format!("<R><Value>{MARKER}&#0;</Value></R>")),
        xml(&format!("<R><Value>{MARKER}\u{0}</Value></R>")),
        xml(&format!("<R><Value>{MARKER}&#xD800;</Value></R>")),
        (
            RequestBody::new(XML, [b"<R><Value>", MARKER.as_bytes(), b"\xff</Value></R>"].concat()),
            "Der",
        ),
        utf16(b"<\x00R\x00/\x00>"),
        utf16(b"<\x00R\x00>\x00\x00\xd8<\x00/\x00R\x00>\x00"),
        form(&format!("UserId=278&Credential[Value={MARKER}")),
        form(&format!("UserId=278&Credential.Value={MARKER}%4")),
        form(&format!("UserId=278&Credential.Value={MARKER}%ff")),
        form(&format!("UserId=278&Credential.Value={MARKER}%ED%A0%80")),
        form(&repeated(|n| format!("{n}=&"))),
        form(&format!("\u{feff}UserId=278&x={MARKER}")),
    ]
}

/// Bodies with an invalid member: media type, body and the name of the member.
const INVALID_MEMBERS: [(&str, &str, &str); 29] = [
    (JSON, r#"{"UserId":2147483648,"Credential":{"Value":"x"}}"#, "UserId"),
    (JSON, r#"{"UserId":1e9,"Credential":{"Value":"x"}}"#, "UserId"),
    (JSON, r#"{"UserId":278.0,"Credential":{"Value":"x"}}"#, "UserId"),
    (JSON, r#"{"UserId":"278.0","Credential":{"Value":"x"}}"#, "UserId"),
    (JSON, r#"{"UserId":"0x116","Credential":{"Value":"x"}}"#, "UserId"),
    (JSON, r#"{"UserId":"","Credential":{"Value":"x"}}"#, "UserId"),
    (JSON, r#"{"UserId":"2147483648","Credential":{"Value":"x"}}"#, "UserId"),
    (JSON, r#"{"UserId":true,"Credential":{"Value":"x"}}"#, "UserId"),
    (JSON, r#"{"UserId":278,"Credential":{"Value":1.50}}"#, "Credential.Value"),
    (JSON, r#"{"UserId":278,"Credential":{"Value":1e3}}"#, "Credential.Value"),
    (JSON, r#"{"UserId":-5,"Credential":{"Value":"x"}}"#, "UserId"),
    (JSON, r#"{"UserId":278,"Credential":"x"}"#, "Credential"),
    (JSON, r#"{"UserId":278,"Credential":{"Value":["x"]}}"#, "Credential.Value"),
    (JSON, r#"{"UserId":278,"Credential":{"Value":"a\u0000b"}}"#, "Credential.Value"),
    (
        JSON,
        r#"{"UserId":278,"Credential":{"Type":{"Type":1},"Value":"x"}}"#,
        "Credential.Type.Type",
    ),
    (
        JSON,
        r#"{"UserId":278,"Credential":{"Type":"CRM5/PASSWORD","Value":"x"}}"#,
        "Credential.Type",
    ),
    (JSON, "null", "Credential"),
    (XML, "<R><UserId>2147483648</UserId><Credential><Value>x</Value></Credential></R>", "UserId"),
    (XML, "<R><UserId>1e9</UserId><Credential><Value>x</Value></Credential></R>", "UserId"),
    (XML, "<R><UserId><a/></UserId><Credential><Value>x</Value></Credential></R>", "UserId"),
    (XML, "<R><UserId>278</UserId><Credential>x</Credential></R>", "Credential"),
    (XML, "<R><UserId>278</UserId><Credential><Value/></Credential></R>", "Credential.Value"),
    (
        XML,
        "<R xmlns:i='http://www.w3.org/2001/XMLSchema-instance'><UserId>278</UserId>\
         <Credential><Value i:nil='true'/></Credential></R>",
        "Credential.Value",
    ),
    (FORM_TYPE, "UserId=2147483648&Credential.Value=x", "UserId"),
    (FORM_TYPE, "UserId=1e9&Credential.Value=x", "UserId"),
    (FORM_TYPE, "UserId[]=a&Credential.Value=x", "UserId"),
    (FORM_TYPE, "UserId=278&Credential=x", "Credential"),
    (FORM_TYPE, "UserId=278&Credential.Value=a%00b", "Credential.Value"),
    (FORM_TYPE, "UserId=278&Credential.Value=", "Credential.Value"),
];

#[sqlx::test]
async fn a_malformed_body_is_refused_with_its_reason(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let administrator = Credentials::Bearer(app.token(&app.administrator()).await);
    let before = stored(&app).await;
    for (sent, message_start) in malformed_bodies() {
        let headers =
            [("Accept-Language", "de"), ("Accept", "text/json"), ("Accept-Charset", "utf-8")];
        let started = Instant::now();
        let answer = save(&app, &administrator, &sent, &headers).await;
        let head = String::from_utf8_lossy(&sent.bytes[..sent.bytes.len().min(80)]).into_owned();
        answer.assert_refused(400, "ArgumentException", "malformed_body");
        let message = answer.json()["Message"].as_str().unwrap().to_owned();
        assert!(message.starts_with(message_start), "{message}: {head}");
        assert!(!answer.body.contains(MARKER), "{head}");
        // Far more than a refusal takes, far less than the expansion of the entities would.
        assert!(started.elapsed() < Duration::from_secs(10), "{head}");
    }
    assert_eq!(stored(&app).await, before);
}

#[sqlx::test]
async fn an_invalid_member_is_refused_by_name(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let administrator = Credentials::Bearer(app.token(&app.administrator()).await);
    let before = stored(&app).await;
    for (content_type, body, field) in INVALID_MEMBERS {
        let sent = RequestBody::new(content_type, body);
        let headers = [("Accept", JSON), ("SO-Language", "nb")];
        let answer = save(&app, &administrator, &sent, &headers).await;
        answer.assert_field_refused(field);
        let message = answer.json()["Message"].as_str().unwrap().to_owned();
        assert!(message.starts_with(&format!("{field}: ")), "{message}");
        assert!(["må ", "kan ", "er "].iter().any(|verb| message.contains(verb)), "{message}");
    }
    assert_eq!(stored(&app).await, before);
}

#[sqlx::test]
async fn a_duplicate_member_is_refused_in_every_format(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let before = stored(&app).await;
    for (content_type, body, field) in [
        (JSON, r#"{"UserId":278,"USERID":1,"Credential":{"Value":"x"}}"#, Some("UserId")),
        (XML, "<R><UserId>278</UserId><userId>1</userId></R>", Some("UserId")),
        (
            XML,
            "<R><Credential><Value>x</Value><Value>y</Value></Credential></R>",
            Some("Credential.Value"),
        ),
        (FORM_TYPE, "UserId=278&userid=1&Credential.Value=x", Some("UserId")),
        (FORM_TYPE, "UserId=278&Credential.Value=x&Credential[value]=y", Some("Credential.Value")),
        // A password with an unencoded `&`: no part of it may appear in the answer.
        (FORM_TYPE, "UserId=278&Credential.Value=Pa&ss-w0rd&ss-w0rd", None),
    ] {
        let sent = RequestBody::new(content_type, body);
        let answer = save(&app, &app.administrator(), &sent, &[("Accept", JSON)]).await;
        answer.assert_refused(400, "ArgumentException", "duplicate_member");
        assert_eq!(answer.json()["Field"].as_str(), field);
        assert!(!answer.body.contains("w0rd"));
    }
    assert_eq!(stored(&app).await, before);
}

#[sqlx::test]
async fn a_compressed_body_is_refused(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let sent = RequestBody::new(JSON, "{}");
    let answer = save(&app, &app.administrator(), &sent, &[("Content-Encoding", "gzip")]).await;
    answer.assert_refused(415, "HttpResponseException", "unsupported_media_type");
}
