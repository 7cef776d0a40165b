//! Bearer tokens: access tokens of this service and of a configured issuer.

use jsonwebtoken::Algorithm;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::{ADMINISTRATOR, Credentials, PLAIN, PRINCIPAL, TestApp, TestIssuer};

const SUBJECT: &str = "subject-4711";

async fn app_with_issuer(pool: PgPool, issuer: &TestIssuer) -> TestApp {
    let app = TestApp::spawn_with(pool, &[], &issuer.settings()).await;
    app.save(&app.administrator(), PLAIN.0, "OpenId", SUBJECT).await.assert_saved();
    app
}

#[sqlx::test]
async fn every_scheme_obtains_a_token_for_the_same_user(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let ticket = Credentials::Ticket(app.ticket(&app.plain()).await);
    let token = Credentials::Bearer(app.token(&app.plain()).await);
    for credentials in [app.plain(), ticket, token] {
        let text = app.token(&credentials).await;
        assert!(text.starts_with("8A:Keeper."), "{text}");
        let answer = app.get(PRINCIPAL, &Credentials::Bearer(text)).await;
        answer.assert_status(200);
        assert_eq!(answer.json()["AssociateId"], PLAIN.0);
    }
}

#[sqlx::test]
async fn the_principal_has_the_members_of_the_vendor_api(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let answer = app.get(PRINCIPAL, &app.administrator()).await;
    let carrier = answer.json();
    for (member, value) in [
        ("UserType", json!("InternalAssociate")),
        ("Associate", json!("anna")),
        ("AssociateId", json!(ADMINISTRATOR.0)),
        ("RoleName", json!("Administrator")),
        ("RoleType", json!("Employee")),
        ("FullName", json!("anna")),
        ("UserName", json!("anna")),
        ("DatabaseContextIdentifier", json!("Keeper")),
        ("FunctionRights", json!(["user-administrator"])),
        ("Licenses", json!([])),
        ("EMailAddress", json!("")),
    ] {
        assert_eq!(carrier[member], value, "{member}");
    }
    assert_eq!(app.get(PRINCIPAL, &app.plain()).await.json()["FunctionRights"], json!([]));
}

#[sqlx::test]
async fn an_issuer_token_authenticates_the_owner_of_its_subject(pool: PgPool) {
    let issuer = TestIssuer::new();
    let app = app_with_issuer(pool, &issuer).await;
    let claims = TestIssuer::claims(SUBJECT);
    let edwards = TestIssuer::header(Algorithm::EdDSA, "edwards");
    for token in [issuer.token(&claims), issuer.token_with(&edwards, &claims)] {
        let answer = app.get(PRINCIPAL, &Credentials::Bearer(token.clone())).await;
        answer.assert_status(200);
        assert_eq!(answer.json()["AssociateId"], PLAIN.0);
        // It also obtains a token of this service.
        let issued = app.token(&Credentials::Bearer(token)).await;
        app.get(PRINCIPAL, &Credentials::Bearer(issued)).await.assert_status(200);
    }
    // Saving another subject takes effect at once.
    app.save(&app.administrator(), PLAIN.0, "OpenId", "another").await.assert_saved();
    app.get(PRINCIPAL, &Credentials::Bearer(issuer.token(&claims))).await.assert_unauthenticated();
}

#[sqlx::test]
async fn an_issuer_token_with_any_defect_is_refused(pool: PgPool) {
    let issuer = TestIssuer::new();
    let app = app_with_issuer(pool, &issuer).await;
    let with = |member: &str, value: Value| {
        let mut claims = TestIssuer::claims(SUBJECT);
        claims[member] = value;
        issuer.token(&claims)
    };
    let claims = TestIssuer::claims(SUBJECT);
    let now = claims["iat"].as_i64().unwrap();
    let header = |algorithm, kid| TestIssuer::header(algorithm, kid);
    let mut own_type = header(Algorithm::ES256, "elliptic");
    own_type.typ = Some("keeper-access+jwt".to_owned());
    let mut critical = header(Algorithm::ES256, "elliptic");
    critical.crit = Some(vec!["x".to_owned()]);
    let other_issuer = TestIssuer::new();
    let unsigned = unsigned_token(&claims);
    for (defect, token) in [
        ("another issuer", with("iss", json!("https://other.test"))),
        ("an issuer with the same prefix", with("iss", json!("https://issuer.test/x"))),
        ("another audience", with("aud", json!("somebody-else"))),
        ("expired", with("exp", json!(now - 120))),
        ("not yet valid", with("nbf", json!(now + 600))),
        (
            "expired by a fraction of a second beyond the leeway",
            with("exp", json!(seconds(now) - 61.5)),
        ),
        ("no expiry", with("exp", Value::Null)),
        ("an expiry as a string", with("exp", json!((now + 600).to_string()))),
        ("an expiry out of range", with("exp", json!(-1e300))),
        ("a start that is not a number", with("nbf", json!("now"))),
        ("no time of issue", with("iat", Value::Null)),
        ("a time of issue as a string", with("iat", json!(now.to_string()))),
        ("a time of issue out of range", with("iat", json!(1e300))),
        ("a time of issue in the future", with("iat", json!(now + 120))),
        ("an authentication time that is not a number", with("auth_time", json!("yesterday"))),
        ("issued too long ago", with("iat", json!(now - 86_400 - 120))),
        ("an unknown subject", with("sub", json!("nobody"))),
        ("no subject", with("sub", Value::Null)),
        ("the token type of this service", issuer.token_with(&own_type, &claims)),
        ("a critical extension", issuer.token_with(&critical, &claims)),
        ("an unknown key", issuer.token_with(&header(Algorithm::ES256, "other"), &claims)),
        (
            "another key than the named one",
            issuer.token_with(&header(Algorithm::EdDSA, "elliptic"), &claims),
        ),
        ("a symmetric key", issuer.token_with(&header(Algorithm::HS256, "symmetric"), &claims)),
        ("the signature of another issuer", other_issuer.token(&claims)),
        ("no signature", unsigned),
        ("too long", format!("{}.{}", issuer.token(&claims), "x".repeat(9000))),
    ] {
        let answer = app.get(PRINCIPAL, &Credentials::Bearer(token)).await;
        assert_eq!(answer.status, 401, "{defect}");
    }
    app.get(PRINCIPAL, &Credentials::Bearer(issuer.token(&claims))).await.assert_status(200);
}

/// A date as a number that can have a fraction.
#[expect(clippy::cast_precision_loss, reason = "seconds of this century are exact")]
fn seconds(date: i64) -> f64 {
    date as f64
}

#[sqlx::test]
async fn numeric_dates_of_an_issuer_may_have_fractions(pool: PgPool) {
    let issuer = TestIssuer::new();
    let app = app_with_issuer(pool, &issuer).await;
    let now = TestIssuer::claims(SUBJECT)["iat"].as_i64().map(seconds).unwrap();
    for (member, date) in [
        ("iat", now + 0.5),
        ("iat", now - 0.25),
        ("exp", now + 600.5),
        ("nbf", now - 0.5),
        ("auth_time", now - 3600.75),
    ] {
        let mut claims = TestIssuer::claims(SUBJECT);
        claims[member] = json!(date);
        let answer = app.get(PRINCIPAL, &Credentials::Bearer(issuer.token(&claims))).await;
        assert_eq!(answer.status, 200, "{member}: {date}");
        assert_eq!(answer.json()["AssociateId"], PLAIN.0);
    }
}

#[sqlx::test]
async fn a_token_without_a_key_id_uses_the_only_key_that_fits(pool: PgPool) {
    let (issuer, other_issuer) = (TestIssuer::new(), TestIssuer::new());
    let mut app = app_with_issuer(pool, &issuer).await;
    let claims = TestIssuer::claims(SUBJECT);
    let token_without_key_id = |issuer: &TestIssuer, algorithm| {
        let mut header = TestIssuer::header(algorithm, "");
        header.kid = None;
        Credentials::Bearer(issuer.token_with(&header, &claims))
    };
    for algorithm in [Algorithm::ES256, Algorithm::EdDSA] {
        let answer = app.get(PRINCIPAL, &token_without_key_id(&issuer, algorithm)).await;
        answer.assert_status(200);
        assert_eq!(answer.json()["AssociateId"], PLAIN.0);
        app.get(PRINCIPAL, &token_without_key_id(&other_issuer, algorithm))
            .await
            .assert_unauthenticated();
    }
    // The key set contains a symmetric key, which is public and thus never used.
    app.get(PRINCIPAL, &token_without_key_id(&issuer, Algorithm::HS256))
        .await
        .assert_unauthenticated();
    // With two keys that fit, the token is ambiguous.
    let mut key_set = issuer.key_set();
    let mut second = other_issuer.public_key();
    second["kid"] = json!("second");
    key_set["keys"].as_array_mut().unwrap().push(second.clone());
    issuer.publish(&key_set);
    app.restart().await;
    for signer in [&issuer, &other_issuer] {
        app.get(PRINCIPAL, &token_without_key_id(signer, Algorithm::ES256))
            .await
            .assert_unauthenticated();
    }
    app.get(PRINCIPAL, &Credentials::Bearer(issuer.token(&claims))).await.assert_status(200);
    // A key that is not for signatures is ignored.
    second["use"] = json!("enc");
    *key_set["keys"].as_array_mut().unwrap().last_mut().unwrap() = second;
    issuer.publish(&key_set);
    app.restart().await;
    app.get(PRINCIPAL, &token_without_key_id(&issuer, Algorithm::ES256)).await.assert_status(200);
}

#[sqlx::test]
async fn an_issuer_token_has_a_maximum_age_regardless_of_its_expiry(pool: PgPool) {
    let issuer = TestIssuer::new();
    let file = issuer.settings_with_options(", maximum_age_seconds = 300");
    let app = TestApp::spawn_with(pool, &[], &file).await;
    app.save(&app.administrator(), PLAIN.0, "OpenId", SUBJECT).await.assert_saved();
    let issued_ago = |seconds: i64| {
        let mut claims = TestIssuer::claims(SUBJECT);
        let now = claims["iat"].as_i64().unwrap();
        claims["iat"] = json!(now - seconds);
        // A later authentication time does not make the token younger.
        claims["auth_time"] = json!(now);
        claims["exp"] = json!(now + 10 * 365 * 86_400);
        Credentials::Bearer(issuer.token(&claims))
    };
    app.get(PRINCIPAL, &issued_ago(0)).await.assert_status(200);
    app.get(PRINCIPAL, &issued_ago(290)).await.assert_status(200);
    app.get(PRINCIPAL, &issued_ago(365)).await.assert_unauthenticated();
}

#[sqlx::test]
async fn an_email_identifies_a_user_only_if_the_issuer_verified_it(pool: PgPool) {
    let issuer = TestIssuer::new();
    let file = issuer.settings_with_options(r#", claim = "email""#);
    let app = TestApp::spawn_with(pool, &[], &file).await;
    app.save(&app.administrator(), PLAIN.0, "OpenId", "paul@example.test").await.assert_saved();
    let with = |verified: Option<Value>| {
        let mut claims = TestIssuer::claims(SUBJECT);
        claims["email"] = json!("paul@example.test");
        if let Some(verified) = verified {
            claims["email_verified"] = verified;
        }
        Credentials::Bearer(issuer.token(&claims))
    };
    for verified in [json!(true), json!("true")] {
        let answer = app.get(PRINCIPAL, &with(Some(verified))).await;
        answer.assert_status(200);
        assert_eq!(answer.json()["AssociateId"], PLAIN.0);
    }
    let not_verified = [json!(false), json!("false"), json!(1), json!("1"), Value::Null];
    for verified in not_verified.into_iter().map(Some).chain([None]) {
        app.get(PRINCIPAL, &with(verified)).await.assert_unauthenticated();
    }
}

/// A token with the algorithm `none`.
fn unsigned_token(claims: &Value) -> String {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.", part(&json!({"alg": "none", "kid": "elliptic"})), part(claims))
}

#[sqlx::test]
async fn an_identifier_row_moved_to_another_user_is_not_accepted(pool: PgPool) {
    let issuer = TestIssuer::new();
    let app = app_with_issuer(pool, &issuer).await;
    app.save(&app.administrator(), ADMINISTRATOR.0, "OpenId", "the administrator")
        .await
        .assert_saved();
    // An attacker with write access to the table swaps the owners of the two digests.
    sqlx::query!("UPDATE credential_identifiers SET user_id = 279 - user_id")
        .execute(&app.pool)
        .await
        .unwrap();
    for subject in [SUBJECT, "the administrator"] {
        let token = issuer.token(&TestIssuer::claims(subject));
        app.get(PRINCIPAL, &Credentials::Bearer(token)).await.assert_unauthenticated();
    }
}
