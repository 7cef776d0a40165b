//! JWT confusion attacks (RFC 8725): a token of one kind is never accepted as another, and keys
//! that a token names or contains are never trusted.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};
use sha2::Sha256;
use sqlx::PgPool;

use crate::support::{ADMINISTRATOR, Credentials, PLAIN, PRINCIPAL, TestApp, TestIssuer};

const SUBJECT: &str = "subject-4711";

fn encode_part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// A token that is authenticated with HMAC-SHA-256 under `key`.
fn hmac_token(header: &Value, claims: &Value, key: &[u8]) -> String {
    let signed = format!("{}.{}", encode_part(header), encode_part(claims));
    let mac = Hmac::<Sha256>::new_from_slice(key).unwrap().chain_update(&signed).finalize();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.into_bytes()))
}

/// Header and claims of a token of this service.
fn decode_token(token: &str) -> (Value, Value) {
    let mut parts = token.strip_prefix("8A:Keeper.").unwrap().split('.');
    let mut next = || {
        let bytes = URL_SAFE_NO_PAD.decode(parts.next().unwrap()).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    };
    (next(), next())
}

async fn assert_token_refused(app: &TestApp, attack: &str, token: String) {
    let answer = app.get(PRINCIPAL, &Credentials::Bearer(token)).await;
    assert_eq!(answer.status, 401, "{attack}: {answer:?}");
    answer.assert_unauthenticated();
}

#[sqlx::test]
async fn key_and_type_headers_of_an_issuer_token_are_not_trusted(pool: PgPool) {
    let (issuer, attacker) = (TestIssuer::new(), TestIssuer::new());
    let app = TestApp::spawn_with(pool, &[], &issuer.settings()).await;
    app.save(&app.administrator(), PLAIN.0, "OpenId", SUBJECT).await.assert_saved();
    let claims = TestIssuer::claims(SUBJECT);
    let public = issuer.public_key();
    let point = [&public["x"], &public["y"]]
        .map(|coordinate| URL_SAFE_NO_PAD.decode(coordinate.as_str().unwrap()).unwrap());
    // The public key used as an HMAC secret: its coordinates, its point, and its published text.
    let secrets = [
        point.concat(),
        [&[4], point.concat().as_slice()].concat(),
        public.to_string().into_bytes(),
        issuer.key_set().to_string().into_bytes(),
        b"a secret that everybody can read".to_vec(),
        Vec::new(),
    ];
    for algorithm in ["HS256", "hs256", "none", "None", "nOnE", ""] {
        for kid in ["elliptic", "edwards", "symmetric"] {
            for typ in ["JWT", "keeper-access+jwt"] {
                let header = json!({"alg": algorithm, "kid": kid, "typ": typ});
                for secret in &secrets {
                    assert_token_refused(&app, algorithm, hmac_token(&header, &claims, secret))
                        .await;
                }
                let unsigned = format!("{}.{}.", encode_part(&header), encode_part(&claims));
                assert_token_refused(&app, algorithm, unsigned).await;
            }
        }
    }
    for kid in [
        "",
        "../keyring.json",
        "/dev/null",
        "elliptic' OR '1'='1",
        "elliptic\0",
        "ELLIPTIC",
        "http://localhost/key",
        "0",
    ] {
        let header = TestIssuer::header(Algorithm::ES256, kid);
        assert_token_refused(&app, kid, issuer.token_with(&header, &claims)).await;
        let header = json!({"alg": "HS256", "kid": kid, "typ": "JWT"});
        assert_token_refused(&app, kid, hmac_token(&header, &claims, b"")).await;
    }
    // The attacker embeds their own key.
    let jwk: jsonwebtoken::jwk::Jwk = serde_json::from_value(attacker.public_key()).unwrap();
    let valid_header = || TestIssuer::header(Algorithm::ES256, "elliptic");
    let mut with_key = valid_header();
    with_key.jwk = Some(jwk);
    assert_token_refused(&app, "jwk", attacker.token_with(&with_key, &claims)).await;
    let mut with_url = valid_header();
    with_url.jku = Some("https://attacker.test/jwks".to_owned());
    with_url.x5u = Some("https://attacker.test/x5u".to_owned());
    assert_token_refused(&app, "jku", attacker.token_with(&with_url, &claims)).await;
    // The same headers are ignored in a token that the issuer signed.
    let ignored = issuer.token_with(&with_url, &claims);
    app.get(PRINCIPAL, &Credentials::Bearer(ignored)).await.assert_status(200);
    for (typ, status) in [
        (Some("JWT"), 200),
        (Some("at+jwt"), 200),
        (Some("application/at+jwt"), 200),
        (None, 200),
        (Some("logout+jwt"), 401),
        (Some("secevent+jwt"), 401),
        (Some("dpop+jwt"), 401),
        (Some("keeper-access+jwt"), 401),
        (Some("Keeper-Access+JWT"), 401),
        (Some(""), 401),
    ] {
        let mut header = valid_header();
        header.typ = typ.map(str::to_owned);
        let token = issuer.token_with(&header, &claims);
        assert_eq!(app.get(PRINCIPAL, &Credentials::Bearer(token)).await.status, status, "{typ:?}");
    }
    for audience in [json!("other"), json!(["other"]), json!([]), json!(""), Value::Null] {
        let mut claims = claims.clone();
        claims["aud"] = audience;
        assert_token_refused(&app, "audience", issuer.token(&claims)).await;
    }
}

#[sqlx::test]
async fn the_same_subject_of_two_issuers_identifies_two_users(pool: PgPool) {
    let (first, second) = (TestIssuer::new(), TestIssuer::new());
    let file = format!(
        r#"
        [credentials]
        additional_types = [{{ name = "First", kind = "identifier" }},
                            {{ name = "Second", kind = "identifier" }}]
        [authentication]
        issuers = [
            {{ issuer = "https://issuer.test", audience = "keeper-client", jwks_file = "{}", credential_type = "First" }},
            {{ issuer = "https://second.test", audience = "keeper-client", jwks_file = "{}", credential_type = "Second" }},
        ]"#,
        first.jwks_file().display(),
        second.jwks_file().display(),
    )
    .replace(",\n                            ", ", ");
    let app = TestApp::spawn_with(pool, &[], &file).await;
    let administrator = app.administrator();
    app.save(&administrator, ADMINISTRATOR.0, "First", SUBJECT).await.assert_saved();
    app.save(&administrator, PLAIN.0, "Second", SUBJECT).await.assert_saved();
    let claims = TestIssuer::claims(SUBJECT);
    let mut second_claims = claims.clone();
    second_claims["iss"] = json!("https://second.test");
    for (token, user_id) in [(first.token(&claims), 1), (second.token(&second_claims), 278)] {
        let answer = app.get(PRINCIPAL, &Credentials::Bearer(token)).await;
        answer.assert_status(200);
        assert_eq!(answer.json()["AssociateId"], user_id);
    }
    assert_token_refused(
        &app,
        "the key of the second issuer with the name of the first",
        second.token(&claims),
    )
    .await;
    assert_token_refused(
        &app,
        "the key of the first issuer with the name of the second",
        first.token(&second_claims),
    )
    .await;
}

#[sqlx::test]
async fn tokens_of_this_service_and_of_an_issuer_are_not_interchangeable(pool: PgPool) {
    let issuer = TestIssuer::new();
    let app = TestApp::spawn_with(pool, &[], &issuer.settings()).await;
    app.save(&app.administrator(), PLAIN.0, "OpenId", SUBJECT).await.assert_saved();
    let token = app.token(&app.plain()).await;
    let bare = token.strip_prefix("8A:Keeper.").unwrap();
    assert_token_refused(&app, "a token of this service without its context", bare.to_owned())
        .await;
    assert_token_refused(
        &app,
        "a token of this service with another context",
        format!("8A:Other.{bare}"),
    )
    .await;
    let issuer_token = issuer.token(&TestIssuer::claims(SUBJECT));
    assert_token_refused(
        &app,
        "a token of the issuer with our context",
        format!("8A:Keeper.{issuer_token}"),
    )
    .await;
    assert_token_refused(&app, "a repeated context", format!("8A:Keeper.{token}")).await;
    let (header, claims) = decode_token(&token);
    // The attacker knows everything but the key.
    for secret in [&b""[..], b"Keeper", bare.as_bytes(), header["kid"].as_str().unwrap().as_bytes()]
    {
        assert_token_refused(
            &app,
            "a guessed key",
            format!("8A:Keeper.{}", hmac_token(&header, &claims, secret)),
        )
        .await;
    }
    for (member, value) in [
        ("alg", json!("none")),
        ("alg", json!("HS512")),
        ("alg", json!("ES256")),
        ("typ", json!("JWT")),
        ("typ", json!("at+jwt")),
        ("kid", json!("../keyring.json")),
        ("kid", Value::Null),
        ("jku", json!("https://attacker.test")),
        ("jwk", json!({"kty": "oct", "k": "AAAA"})),
    ] {
        let mut header = header.clone();
        header[member] = value;
        let signature = bare.rsplit('.').next().unwrap();
        for signature in [signature, ""] {
            let token =
                format!("8A:Keeper.{}.{}.{signature}", encode_part(&header), encode_part(&claims));
            assert_token_refused(&app, member, token).await;
        }
    }
    for (member, value) in [
        ("sub", json!("1")),
        ("aud", json!("other")),
        ("iss", json!("https://issuer.test")),
        ("exp", json!(4_102_444_800_i64)),
        ("epoch", json!(0)),
        ("ctx", json!("Other")),
    ] {
        let mut claims = claims.clone();
        claims[member] = value;
        let signature = bare.rsplit('.').next().unwrap();
        let token =
            format!("8A:Keeper.{}.{}.{signature}", encode_part(&header), encode_part(&claims));
        assert_token_refused(&app, member, token).await;
    }
    // Another installation has the same names but another key.
    let folder = tempfile::tempdir().unwrap();
    let foreign = folder.path().join("keyring.json");
    app.command(&["keys", "generate", "--file", foreign.to_str().unwrap()], "").assert_success();
    // An instance does not start on a database that was written with another keyring.
    sqlx::raw_sql("TRUNCATE credentials, keys CASCADE").execute(&app.pool).await.unwrap();
    let other = app.spawn_instance(&[("KEEPER__KEYRING__FILE", foreign.to_str().unwrap())]).await;
    assert_token_refused(&other, "a token of another installation", token).await;
}
