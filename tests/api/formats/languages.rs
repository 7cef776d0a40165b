//! Languages, cultures and time zones
//! (docs/reference/wire-contract.md#query-parameters-and-headers).

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use time::{OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339};

use crate::support::{Answer, SAVE, TICKETS, TYPES, TestApp};

async fn types(app: &TestApp, headers: &[(&str, &str)]) -> Value {
    let mut request = app.request(Method::POST, TYPES, &app.administrator());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Answer::read(request.send().await.unwrap()).await.json()
}

#[sqlx::test]
async fn texts_use_the_requested_language_or_are_raw_keys(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let raw = "[SR_CREDENTIAL_TYPE_PASSWORD]";
    for (headers, expected) in [
        (&[][..], raw),
        (&[("Accept-Language", "")], raw),
        (&[("Accept-Language", "*")], raw),
        (&[("Accept-Language", "tlh")], raw),
        (&[("Accept-Language", "en")], "Password"),
        (&[("Accept-Language", "nb-NO,nb;q=0.9")], "Passord"),
        (&[("Accept-Language", "fr,de,ru,zh")], "Passwort"),
        (&[("SO-Language", "de")], "Passwort"),
        (&[("SO-Language", "sv")], "Lösenord"),
        (&[("Accept-Language", "da-DK")], "Adgangskode"),
        (&[("Accept-Language", "nl-BE,fr;q=0.5")], "Wachtwoord"),
        (&[("Accept-Language", "en"), ("SO-Language", "nb")], "Passord"),
        (&[("Accept-Language", "en"), ("SO-Language", "x")], raw),
        (&[("Accept-Language", "en"), ("SO-Language", "*")], raw),
        (&[("Accept-Language", "en"), ("SO-Language", "klingon")], "Password"),
        (&[("SO-Culture", "de-DE")], raw),
    ] {
        let types = types(&app, headers).await;
        assert_eq!(types[0]["DisplayType"], expected, "{headers:?}");
        assert_eq!(types[0]["Type"], "CRM5/PASSWORD");
        assert_eq!(types[1]["Type"], "ActiveDirectory");
    }
    let german = types(&app, &[("SO-Language", "de")]).await;
    assert_eq!(german[1]["Description"], "Anmeldung mit einem Konto der Windows-Domäne.");
}

#[sqlx::test]
async fn errors_use_the_requested_language(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for (language, expected) in [
        ("en", "The user was not found."),
        ("nb", "Fant ikke brukeren."),
        ("de", "Der Benutzer wurde nicht gefunden."),
        ("sv", "Användaren hittades inte."),
        ("da", "Brugeren blev ikke fundet."),
        ("nl", "De gebruiker is niet gevonden."),
        ("x", "[SR_ERROR_UNKNOWN_USER]"),
    ] {
        let body = json!({ "UserId": 4711, "Credential": { "Value": "x" } });
        let request = app.request(Method::POST, SAVE, &app.administrator());
        let request = request.header("SO-Language", language).json(&body);
        let answer = Answer::read(request.send().await.unwrap()).await;
        answer.assert_refused(404, "SoNotFoundException", "unknown_user");
        assert_eq!(answer.json()["Message"], expected);
    }
}

#[sqlx::test]
async fn a_save_with_every_documented_header_succeeds(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let body = json!({ "UserId": 278, "Credential": { "Value": "x" } });
    for zone in ["NO", "261", "US-NY,includeTZOffset", "nowhere", ""] {
        let request = app
            .request(Method::POST, &format!("{SAVE}?$select=name"), &app.administrator())
            .header("Accept", "application/json; charset=utf-8")
            .header("Accept-Charset", "utf-8")
            .header("Accept-Language", "fr,de,ru,zh")
            .header("SO-Language", "nb")
            .header("SO-Culture", "en-US")
            .header("SO-TimeZone", zone)
            .header("SO-AppToken", "f2398a3a")
            .header("SO-Browser-TZ-Offset", "60")
            .header("X-XSRF-TOKEN", "anything")
            .header("SO_UNIQUE_ID", "1")
            .json(&body);
        let answer = Answer::read(request.send().await.unwrap()).await;
        answer.assert_saved();
        let zone_header = answer.headers.get("so-timezone").map(|name| name.to_str().unwrap());
        let expected = match zone {
            "NO" | "261" => Some("NO"),
            "US-NY,includeTZOffset" => Some("US-NY"),
            _ => None,
        };
        assert_eq!(zone_header, expected);
    }
}

#[sqlx::test]
async fn dates_use_the_requested_time_zone(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let new_york_offsets = [UtcOffset::from_hms(-4, 0, 0), UtcOffset::from_hms(-5, 0, 0)];
    for (zone, name) in
        [("US-NY,includeTZOffset", Some("US-NY")), ("460", Some("US-NY")), ("?", None)]
    {
        let request = app.request(Method::POST, TICKETS, &app.plain()).header("SO-Timezone", zone);
        let answer = Answer::read(request.send().await.unwrap()).await;
        assert_eq!(answer.headers.get("so-timezone").map(|name| name.to_str().unwrap()), name);
        let body = answer.json();
        let expiry = OffsetDateTime::parse(body["ExpiresAt"].as_str().unwrap(), &Rfc3339).unwrap();
        let is_local = new_york_offsets.contains(&Ok(expiry.offset()));
        assert_eq!(is_local, name.is_some(), "{body}");
    }
}
