//! A token of one kind is never taken for another, and nothing that a token says about keys is
//! believed (RFC 8725).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};
use sha2::Sha256;
use sqlx::PgPool;

use crate::support::{ADMINISTRATOR, Credentials, PLAIN, TestApp, TestIssuer, WHO};

const SUBJECT: &str = "subject-4711";

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// A token with an HMAC under that key.
fn hmac_token(header: &Value, claims: &Value, key: &[u8]) -> String {
    let signed = format!("{}.{}", part(header), part(claims));
    let mac = Hmac::<Sha256>::new_from_slice(key).unwrap().chain_update(&signed).finalize();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.into_bytes()))
}

/// The parts of a token of this service, behind its context.
fn parts_of(token: &str) -> (Value, Value) {
    let mut parts = token.strip_prefix("8A:Keeper.").unwrap().split('.');
    let mut next = || {
        let bytes = URL_SAFE_NO_PAD.decode(parts.next().unwrap()).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    };
    (next(), next())
}

async fn refuses(app: &TestApp, what: &str, token: String) {
    let answer = app.get(WHO, &Credentials::Bearer(token)).await;
    assert_eq!(answer.status, 401, "{what}: {answer:?}");
    answer.assert_unauthenticated();
}

#[sqlx::test]
async fn what_an_issuers_token_says_about_keys_and_kinds_is_not_believed(pool: PgPool) {
    let (issuer, stranger) = (TestIssuer::new(), TestIssuer::new());
    let app = TestApp::spawn_with(pool, &[], &issuer.settings()).await;
    app.save(&app.administrator(), PLAIN.0, "OpenId", SUBJECT).await.assert_saved();
    let claims = TestIssuer::claims(SUBJECT);
    let public = issuer.public_key();
    let point = [&public["x"], &public["y"]]
        .map(|of| URL_SAFE_NO_PAD.decode(of.as_str().unwrap()).unwrap());
    // The public key as a secret: its bytes, its point, and the text it is published as.
    let as_secret = [
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
                for secret in &as_secret {
                    refuses(&app, algorithm, hmac_token(&header, &claims, secret)).await;
                }
                let unsigned = format!("{}.{}.", part(&header), part(&claims));
                refuses(&app, algorithm, unsigned).await;
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
        refuses(&app, kid, issuer.token_with(&header, &claims)).await;
        let header = json!({"alg": "HS256", "kid": kid, "typ": "JWT"});
        refuses(&app, kid, hmac_token(&header, &claims, b"")).await;
    }
    // A stranger brings their own key along.
    let brought = stranger.public_key();
    let jwk: jsonwebtoken::jwk::Jwk = serde_json::from_value(brought).unwrap();
    let good = || TestIssuer::header(Algorithm::ES256, "elliptic");
    let mut with_key = good();
    with_key.jwk = Some(jwk);
    refuses(&app, "jwk", stranger.token_with(&with_key, &claims)).await;
    let mut with_url = good();
    with_url.jku = Some("https://stranger.test/jwks".to_owned());
    with_url.x5u = Some("https://stranger.test/x5u".to_owned());
    refuses(&app, "jku", stranger.token_with(&with_url, &claims)).await;
    // The same headers over the issuer's own signature change nothing.
    let ignored = issuer.token_with(&with_url, &claims);
    app.get(WHO, &Credentials::Bearer(ignored)).await.assert_status(200);
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
        let mut header = good();
        header.typ = typ.map(str::to_owned);
        let token = issuer.token_with(&header, &claims);
        assert_eq!(app.get(WHO, &Credentials::Bearer(token)).await.status, status, "{typ:?}");
    }
    for audience in [json!("other"), json!(["other"]), json!([]), json!(""), Value::Null] {
        let mut claims = claims.clone();
        claims["aud"] = audience;
        refuses(&app, "audience", issuer.token(&claims)).await;
    }
}

#[sqlx::test]
async fn two_issuers_that_name_one_subject_name_two_users(pool: PgPool) {
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
    let mut of_second = claims.clone();
    of_second["iss"] = json!("https://second.test");
    for (token, user_id) in [(first.token(&claims), 1), (second.token(&of_second), 278)] {
        let answer = app.get(WHO, &Credentials::Bearer(token)).await;
        answer.assert_status(200);
        assert_eq!(answer.json()["AssociateId"], user_id);
    }
    refuses(&app, "the second's key in the first's name", second.token(&claims)).await;
    refuses(&app, "the first's key in the second's name", first.token(&of_second)).await;
}

#[sqlx::test]
async fn a_token_of_this_service_is_none_of_an_issuer_and_the_reverse(pool: PgPool) {
    let issuer = TestIssuer::new();
    let app = TestApp::spawn_with(pool, &[], &issuer.settings()).await;
    app.save(&app.administrator(), PLAIN.0, "OpenId", SUBJECT).await.assert_saved();
    let ours = app.token(&app.plain()).await;
    let bare = ours.strip_prefix("8A:Keeper.").unwrap();
    refuses(&app, "ours without its context", bare.to_owned()).await;
    refuses(&app, "ours with another context", format!("8A:Other.{bare}")).await;
    let theirs = issuer.token(&TestIssuer::claims(SUBJECT));
    refuses(&app, "theirs with our context", format!("8A:Keeper.{theirs}")).await;
    refuses(&app, "twice", format!("8A:Keeper.{ours}")).await;
    let (header, claims) = parts_of(&ours);
    // Somebody who knows everything but the key.
    for secret in [&b""[..], b"Keeper", bare.as_bytes(), header["kid"].as_str().unwrap().as_bytes()]
    {
        refuses(
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
        ("jku", json!("https://stranger.test")),
        ("jwk", json!({"kty": "oct", "k": "AAAA"})),
    ] {
        let mut header = header.clone();
        header[member] = value;
        let signature = bare.rsplit('.').next().unwrap();
        for signature in [signature, ""] {
            let token = format!("8A:Keeper.{}.{}.{signature}", part(&header), part(&claims));
            refuses(&app, member, token).await;
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
        let token = format!("8A:Keeper.{}.{}.{signature}", part(&header), part(&claims));
        refuses(&app, member, token).await;
    }
    // Another installation: another key, the same names.
    let folder = tempfile::tempdir().unwrap();
    let foreign = folder.path().join("keyring.json");
    app.command(&["keys", "generate", "--file", foreign.to_str().unwrap()], "").succeeded();
    let other = app.another(&[("KEEPER__KEYRING__FILE", foreign.to_str().unwrap())]).await;
    refuses(&other, "of another installation", ours).await;
}
