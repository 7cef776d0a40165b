//! Bearer tokens: ours, and those of a configured issuer (protocol.md 10.7).

use jsonwebtoken::Algorithm;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::{ADMINISTRATOR, Credentials, PLAIN, TestApp, TestIssuer, WHO};

const SUBJECT: &str = "subject-4711";

async fn app_with_issuer(pool: PgPool, issuer: &TestIssuer) -> TestApp {
    let app = TestApp::spawn_with(pool, &[], &issuer.settings()).await;
    app.save(&app.administrator(), PLAIN.0, "OpenId", SUBJECT).await.is_saved();
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
        answer.has_status(200);
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
        answer.has_status(200);
        assert_eq!(answer.json()["AssociateId"], PLAIN.0);
        // It gives a token of ours, too.
        let ours = app.token(&Credentials::Bearer(token)).await;
        app.get(WHO, &Credentials::Bearer(ours)).await.has_status(200);
    }
    // Saving another subject shuts the first one out at once.
    app.save(&app.administrator(), PLAIN.0, "OpenId", "another").await.is_saved();
    app.get(WHO, &Credentials::Bearer(issuer.token(&claims))).await.is_unauthenticated();
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
    let mut without_kid = header(Algorithm::ES256, "elliptic");
    without_kid.kid = None;
    let stranger = TestIssuer::new();
    let none = good_as_unsigned(&good);
    for (what, token) in [
        ("another issuer", with("iss", json!("https://other.test"))),
        ("an issuer that only begins alike", with("iss", json!("https://issuer.test/x"))),
        ("another audience", with("aud", json!("somebody-else"))),
        ("expired", with("exp", json!(now - 120))),
        ("not yet valid", with("nbf", json!(now + 600))),
        ("without expiry", with("exp", Value::Null)),
        ("an unknown subject", with("sub", json!("nobody"))),
        ("no subject", with("sub", Value::Null)),
        ("our own type", issuer.token_with(&ours, &good)),
        ("a critical extension", issuer.token_with(&critical, &good)),
        ("no key id", issuer.token_with(&without_kid, &good)),
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
    app.get(WHO, &Credentials::Bearer(issuer.token(&good))).await.has_status(200);
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
    app.save(&app.administrator(), ADMINISTRATOR.0, "OpenId", "the administrator").await.is_saved();
    // Whoever can write to the table swaps the owners of the two digests.
    sqlx::query!("UPDATE credential_identifiers SET user_id = 279 - user_id")
        .execute(&app.pool)
        .await
        .unwrap();
    for subject in [SUBJECT, "the administrator"] {
        let token = issuer.token(&TestIssuer::claims(subject));
        app.get(WHO, &Credentials::Bearer(token)).await.is_unauthenticated();
    }
}
