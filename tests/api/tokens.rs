//! Bearer tokens: ours, and those of a configured issuer (protocol.md 10.7).

use jsonwebtoken::Algorithm;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::{ADMINISTRATOR, Credentials, PLAIN, TestApp, TestIssuer, WHO};

const SUBJECT: &str = "subject-4711";

async fn app_with_issuer(pool: PgPool, issuer: &TestIssuer) -> TestApp {
    let app = TestApp::spawn_with(pool, &[], &issuer.settings()).await;
    app.save(&app.administrator(), PLAIN.0, "OpenId", SUBJECT).await.assert_saved();
    app
}

#[sqlx::test]
async fn every_scheme_gives_a_token_and_the_token_is_the_same_user(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let ticket = Credentials::Ticket(app.ticket(&app.plain()).await);
    let token = Credentials::Bearer(app.token(&app.plain()).await);
    for credentials in [app.plain(), ticket, token] {
        let text = app.token(&credentials).await;
        assert!(text.starts_with("8A:Keeper."), "{text}");
        let answer = app.get(WHO, &Credentials::Bearer(text)).await;
        answer.assert_status(200);
        assert_eq!(answer.json()["AssociateId"], PLAIN.0);
    }
}

#[sqlx::test]
async fn the_principal_says_who_i_am_in_the_vendors_terms(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let answer = app.get(WHO, &app.administrator()).await;
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
    assert_eq!(app.get(WHO, &app.plain()).await.json()["FunctionRights"], json!([]));
}

#[sqlx::test]
async fn an_issuers_token_is_the_owner_of_its_subject(pool: PgPool) {
    let issuer = TestIssuer::new();
    let app = app_with_issuer(pool, &issuer).await;
    let claims = TestIssuer::claims(SUBJECT);
    let edwards = TestIssuer::header(Algorithm::EdDSA, "edwards");
    for token in [issuer.token(&claims), issuer.token_with(&edwards, &claims)] {
        let answer = app.get(WHO, &Credentials::Bearer(token.clone())).await;
        answer.assert_status(200);
        assert_eq!(answer.json()["AssociateId"], PLAIN.0);
        // It gives a token of ours, too.
        let ours = app.token(&Credentials::Bearer(token)).await;
        app.get(WHO, &Credentials::Bearer(ours)).await.assert_status(200);
    }
    // Saving another subject shuts the first one out at once.
    app.save(&app.administrator(), PLAIN.0, "OpenId", "another").await.assert_saved();
    app.get(WHO, &Credentials::Bearer(issuer.token(&claims))).await.assert_unauthenticated();
}

#[sqlx::test]
async fn an_issuers_token_with_anything_wrong_is_refused(pool: PgPool) {
    let issuer = TestIssuer::new();
    let app = app_with_issuer(pool, &issuer).await;
    let with = |member: &str, value: Value| {
        let mut claims = TestIssuer::claims(SUBJECT);
        claims[member] = value;
        issuer.token(&claims)
    };
    let good = TestIssuer::claims(SUBJECT);
    let now = good["iat"].as_i64().unwrap();
    let header = |algorithm, kid| TestIssuer::header(algorithm, kid);
    let mut ours = header(Algorithm::ES256, "elliptic");
    ours.typ = Some("keeper-access+jwt".to_owned());
    let mut critical = header(Algorithm::ES256, "elliptic");
    critical.crit = Some(vec!["x".to_owned()]);
    let stranger = TestIssuer::new();
    let none = good_as_unsigned(&good);
    for (what, token) in [
        ("another issuer", with("iss", json!("https://other.test"))),
        ("an issuer that only begins alike", with("iss", json!("https://issuer.test/x"))),
        ("another audience", with("aud", json!("somebody-else"))),
        ("expired", with("exp", json!(now - 120))),
        ("not yet valid", with("nbf", json!(now + 600))),
        ("expired by a fraction more", with("exp", json!(seconds(now) - 61.5))),
        ("without expiry", with("exp", Value::Null)),
        ("an expiry in quotes", with("exp", json!((now + 600).to_string()))),
        ("an expiry that is no date", with("exp", json!(-1e300))),
        ("a beginning that is no date", with("nbf", json!("now"))),
        ("no time of issue", with("iat", Value::Null)),
        ("a time of issue in quotes", with("iat", json!(now.to_string()))),
        ("a time of issue that is no date", with("iat", json!(1e300))),
        ("a time of issue to come", with("iat", json!(now + 120))),
        ("a proof at no date", with("auth_time", json!("yesterday"))),
        ("issued too long ago", with("iat", json!(now - 86_400 - 120))),
        ("an unknown subject", with("sub", json!("nobody"))),
        ("no subject", with("sub", Value::Null)),
        ("our own type", issuer.token_with(&ours, &good)),
        ("a critical extension", issuer.token_with(&critical, &good)),
        ("an unknown key", issuer.token_with(&header(Algorithm::ES256, "other"), &good)),
        ("another key than named", issuer.token_with(&header(Algorithm::EdDSA, "elliptic"), &good)),
        ("a symmetric key", issuer.token_with(&header(Algorithm::HS256, "symmetric"), &good)),
        ("a stranger's signature", stranger.token(&good)),
        ("no signature", none),
        ("too long", format!("{}.{}", issuer.token(&good), "x".repeat(9000))),
    ] {
        let answer = app.get(WHO, &Credentials::Bearer(token)).await;
        assert_eq!(answer.status, 401, "{what}");
    }
    app.get(WHO, &Credentials::Bearer(issuer.token(&good))).await.assert_status(200);
}

/// A date as a number that may have a fraction.
#[expect(clippy::cast_precision_loss, reason = "seconds of our age are exact")]
fn seconds(date: i64) -> f64 {
    date as f64
}

#[sqlx::test]
async fn dates_of_an_issuer_may_have_a_fraction(pool: PgPool) {
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
        let answer = app.get(WHO, &Credentials::Bearer(issuer.token(&claims))).await;
        assert_eq!(answer.status, 200, "{member}: {date}");
        assert_eq!(answer.json()["AssociateId"], PLAIN.0);
    }
}

#[sqlx::test]
async fn a_token_without_a_key_id_is_of_the_one_key_that_fits(pool: PgPool) {
    let (issuer, stranger) = (TestIssuer::new(), TestIssuer::new());
    let mut app = app_with_issuer(pool, &issuer).await;
    let claims = TestIssuer::claims(SUBJECT);
    let unnamed = |of: &TestIssuer, algorithm| {
        let mut header = TestIssuer::header(algorithm, "");
        header.kid = None;
        Credentials::Bearer(of.token_with(&header, &claims))
    };
    for algorithm in [Algorithm::ES256, Algorithm::EdDSA] {
        let answer = app.get(WHO, &unnamed(&issuer, algorithm)).await;
        answer.assert_status(200);
        assert_eq!(answer.json()["AssociateId"], PLAIN.0);
        app.get(WHO, &unnamed(&stranger, algorithm)).await.assert_unauthenticated();
    }
    // The key set has a secret that everybody can read, which is for nothing.
    app.get(WHO, &unnamed(&issuer, Algorithm::HS256)).await.assert_unauthenticated();
    // With two keys that fit, there is no telling.
    let mut key_set = issuer.key_set();
    let mut second = stranger.public_key();
    second["kid"] = json!("second");
    key_set["keys"].as_array_mut().unwrap().push(second.clone());
    issuer.publish(&key_set);
    app.restart().await;
    for of in [&issuer, &stranger] {
        app.get(WHO, &unnamed(of, Algorithm::ES256)).await.assert_unauthenticated();
    }
    app.get(WHO, &Credentials::Bearer(issuer.token(&claims))).await.assert_status(200);
    // One that is not for signatures does not count.
    second["use"] = json!("enc");
    *key_set["keys"].as_array_mut().unwrap().last_mut().unwrap() = second;
    issuer.publish(&key_set);
    app.restart().await;
    app.get(WHO, &unnamed(&issuer, Algorithm::ES256)).await.assert_status(200);
}

#[sqlx::test]
async fn an_issuers_token_has_a_maximum_age_whatever_its_expiry(pool: PgPool) {
    let issuer = TestIssuer::new();
    let file = issuer.settings_and(", maximum_age_seconds = 300");
    let app = TestApp::spawn_with(pool, &[], &file).await;
    app.save(&app.administrator(), PLAIN.0, "OpenId", SUBJECT).await.assert_saved();
    let issued = |before: i64| {
        let mut claims = TestIssuer::claims(SUBJECT);
        let now = claims["iat"].as_i64().unwrap();
        claims["iat"] = json!(now - before);
        // A later proof does not make a token younger.
        claims["auth_time"] = json!(now);
        claims["exp"] = json!(now + 10 * 365 * 86_400);
        Credentials::Bearer(issuer.token(&claims))
    };
    app.get(WHO, &issued(0)).await.assert_status(200);
    app.get(WHO, &issued(290)).await.assert_status(200);
    app.get(WHO, &issued(365)).await.assert_unauthenticated();
}

#[sqlx::test]
async fn an_email_names_its_owner_when_the_issuer_has_verified_it(pool: PgPool) {
    let issuer = TestIssuer::new();
    let file = issuer.settings_and(r#", claim = "email""#);
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
        let answer = app.get(WHO, &with(Some(verified))).await;
        answer.assert_status(200);
        assert_eq!(answer.json()["AssociateId"], PLAIN.0);
    }
    let not_verified = [json!(false), json!("false"), json!(1), json!("1"), Value::Null];
    for verified in not_verified.into_iter().map(Some).chain([None]) {
        app.get(WHO, &with(verified)).await.assert_unauthenticated();
    }
}

/// A token of algorithm `none`.
fn good_as_unsigned(claims: &Value) -> String {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.", part(&json!({"alg": "none", "kid": "elliptic"})), part(claims))
}

#[sqlx::test]
async fn a_digest_pointed_at_another_user_does_not_let_in(pool: PgPool) {
    let issuer = TestIssuer::new();
    let app = app_with_issuer(pool, &issuer).await;
    app.save(&app.administrator(), ADMINISTRATOR.0, "OpenId", "the administrator")
        .await
        .assert_saved();
    // Whoever can write to the table swaps the owners of the two digests.
    sqlx::query!("UPDATE credential_identifiers SET user_id = 279 - user_id")
        .execute(&app.pool)
        .await
        .unwrap();
    for subject in [SUBJECT, "the administrator"] {
        let token = issuer.token(&TestIssuer::claims(subject));
        app.get(WHO, &Credentials::Bearer(token)).await.assert_unauthenticated();
    }
}
