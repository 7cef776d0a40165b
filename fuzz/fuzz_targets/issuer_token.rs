//! Tokens of an OpenID Connect issuer: any text, and any header and claims with a genuine signature.
#![no_main]

use std::sync::LazyLock;

use arbitrary::Arbitrary;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use credential_keeper::fuzz_support::TrustedIssuer;
use credential_keeper_fuzz::{InputFile, Limits, assert_hides, within};
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use libfuzzer_sys::fuzz_target;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use time::OffsetDateTime;

/// The public key of RFC 8037, appendix A.
const PUBLIC: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
/// Its private key.
const PRIVATE: &str = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";
/// What precedes a private key of Ed25519 in PKCS #8.
const PKCS_8: &[u8] = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";

static ISSUER: LazyLock<TrustedIssuer> = LazyLock::new(|| {
    let key = json!({ "kty": "OKP", "crv": "Ed25519", "kid": "k", "use": "sig", "x": PUBLIC });
    let file = InputFile::new("keys", json!({ "keys": [key] }).to_string().as_bytes());
    TrustedIssuer::load(file.path()).expect("a key set")
});

static SIGNING_KEY: LazyLock<EncodingKey> = LazyLock::new(|| {
    let seed = URL_SAFE_NO_PAD.decode(PRIVATE).expect("Base64");
    EncodingKey::from_ed_der(&[PKCS_8, &seed].concat())
});

/// The time of the checks, and the year 2100.
const NOW: i64 = 1_800_000_000;
const LATER: i64 = 4_102_444_800;

#[derive(Debug, Arbitrary)]
enum Case<'data> {
    Raw(&'data str),
    Signed {
        header: &'data str,
        claims: &'data str,
    },
    Replaced {
        header: [Option<(u8, &'data str)>; 2],
        claims: [Option<(u8, &'data str)>; 3],
    },
    /// A symmetric signature with the public key (RFC 8725, section 2.1).
    Confused {
        header: [Option<(u8, &'data str)>; 2],
        raw_key: bool,
    },
    /// A genuine token with one character changed.
    Edited {
        place: u16,
        with: char,
    },
}

fuzz_target!(|case: Case<'_>| {
    match case {
        Case::Raw(text) => assert_refused(&SecretString::from(text)),
        Case::Signed { header, claims } => check(header, claims),
        Case::Replaced { header, claims } => {
            let header = replaced(genuine_header(), &header).to_string();
            check(&header, &replaced(genuine_claims(), &claims).to_string());
        }
        Case::Confused { header, raw_key } => {
            let header = replaced(json!({ "alg": "HS256", "typ": "JWT", "kid": "k" }), &header);
            let raw = URL_SAFE_NO_PAD.decode(PUBLIC).unwrap_or_default();
            let key = if raw_key { raw } else { PUBLIC.as_bytes().to_vec() };
            let key = EncodingKey::from_secret(&key);
            assert_refused(&sign(
                &header.to_string(),
                &genuine_claims().to_string(),
                &key,
                Algorithm::HS256,
            ));
        }
        Case::Edited { place, with } => {
            let (header, claims) = (genuine_header().to_string(), genuine_claims().to_string());
            let token = sign(&header, &claims, &SIGNING_KEY, Algorithm::EdDSA);
            let (identifier, _) = verify(&token).expect("a genuine token");
            assert_eq!(identifier.expose_secret(), "somebody");
            let mut characters: Vec<char> = token.expose_secret().chars().collect();
            let place = usize::from(place) % characters.len();
            characters[place] = with;
            let edited = SecretString::from(characters.into_iter().collect::<String>());
            if edited.expose_secret() != token.expose_secret() {
                assert_refused(&edited);
            }
        }
    }
});

fn verify(text: &SecretString) -> Result<(SecretString, OffsetDateTime), String> {
    let now = OffsetDateTime::from_unix_timestamp(NOW).expect("a date");
    within(Limits::PARSER, text.expose_secret().len(), || ISSUER.verify(text, now))
}

fn assert_refused(text: &SecretString) {
    let message = verify(text).expect_err("a forged token");
    assert_hides(&message, text.expose_secret().as_bytes());
}

/// Verifies a token with a genuine signature, and checks what every accepted token has.
fn check(header: &str, claims: &str) {
    let verified = verify(&sign(header, claims, &SIGNING_KEY, Algorithm::EdDSA));
    let Ok((identifier, auth_time)) = verified else { return };
    let header: Value = serde_json::from_str(header).expect("JSON");
    let claims: Value = serde_json::from_str(claims).expect("JSON");
    // serde also reads a struct from a list, in which this service signs nothing.
    if !header.is_object() || !claims.is_object() {
        return;
    }
    assert_eq!(header["alg"], "EdDSA", "another algorithm");
    assert!(header.get("crit").is_none_or(Value::is_null), "a critical header was ignored");
    assert!(header.get("kid").is_none_or(|kid| kid.is_null() || kid == "k"), "another key");
    assert_eq!(claims["iss"], "https://issuer.example", "another issuer");
    let audiences =
        claims["aud"].as_array().cloned().unwrap_or_else(|| vec![claims["aud"].clone()]);
    assert!(audiences.contains(&json!("keeper")), "another audience");
    assert_eq!(claims["sub"].as_str(), Some(identifier.expose_secret()), "another user");
    let issued_at = claims["iat"].as_f64().expect("a time");
    let age = OffsetDateTime::from_unix_timestamp(NOW).expect("a date").unix_timestamp();
    let age = f64::from(i32::try_from(age).unwrap_or(i32::MAX)) - issued_at;
    assert!((-61.0..=86_462.0).contains(&age), "issued at another time: {claims}");
    assert!((-9999..=9999).contains(&auth_time.year()));
}

fn genuine_header() -> Value {
    json!({ "alg": "EdDSA", "typ": "JWT", "kid": "k" })
}

fn genuine_claims() -> Value {
    json!({
        "iss": "https://issuer.example", "aud": "keeper", "sub": "somebody", "iat": NOW,
        "exp": LATER, "auth_time": NOW,
    })
}

fn replaced(mut object: Value, members: &[Option<(u8, &str)>]) -> Value {
    let names: Vec<_> = object.as_object().into_iter().flat_map(|o| o.keys().cloned()).collect();
    let more = ["nbf", "crit", "jku", "jwk", "x5u", "cty", "email"].map(str::to_owned);
    let names = [names, more.to_vec()].concat();
    for (index, text) in members.iter().flatten() {
        let name = &names[usize::from(*index) % names.len()];
        let value = serde_json::from_str(text).unwrap_or_else(|_| json!(text));
        object[name] = value;
    }
    object
}

fn sign(header: &str, claims: &str, key: &EncodingKey, algorithm: Algorithm) -> SecretString {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = crypto::sign(message.as_bytes(), key, algorithm);
    SecretString::from(format!("{message}.{}", signature.expect("a signature")))
}
