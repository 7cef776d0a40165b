//! Access tokens of this service: any text, and any header and claims with a genuine signature.
#![no_main]

use std::sync::LazyLock;

use arbitrary::Arbitrary;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use credential_keeper::fuzz_support::Signing;
use credential_keeper_fuzz::{InputFile, Limits, assert_hides, within};
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use libfuzzer_sys::fuzz_target;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use time::OffsetDateTime;

/// A keyring with one key.
const KEYRING: &[u8] = br#"{"keys":[{"id":"new","state":"writing","secret":"AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI="}]}"#;

static SIGNING: LazyLock<Option<Signing>> =
    LazyLock::new(|| Signing::load(InputFile::new("keyring", KEYRING).path()));

/// The year 2100.
const LATER: i64 = 4_102_444_800;

#[derive(Debug, Arbitrary)]
enum Case<'data> {
    Raw(&'data str),
    /// Header and claims as they are.
    Signed {
        algorithm: u8,
        header: &'data str,
        claims: &'data str,
    },
    /// A genuine token with some members replaced by other values.
    Replaced {
        header: [Option<(u8, &'data str)>; 2],
        claims: [Option<(u8, &'data str)>; 3],
    },
    /// An issued token with one character changed.
    Edited {
        user_id: i32,
        epoch: i64,
        place: u16,
        with: char,
    },
}

fuzz_target!(|case: Case<'_>| {
    let signing = SIGNING.as_ref().expect("a keyring");
    match case {
        Case::Raw(text) => {
            let text = SecretString::from(text);
            assert_refused(signing, &text);
        }
        Case::Signed { algorithm, header, claims } => {
            let token = sign(signing, algorithm, header, claims);
            let verified = within(Limits::PARSER, token.expose_secret().len(), || {
                signing.verify_token(&token)
            });
            if verified.is_ok() {
                assert_pinned(header, claims);
            }
        }
        Case::Replaced { header, claims } => {
            let header = replaced(
                json!({ "alg": "HS256", "typ": "keeper-access+jwt", "kid": "new" }),
                &header,
            );
            let claims = replaced(genuine_claims(), &claims);
            let (header, claims) = (header.to_string(), claims.to_string());
            let token = sign(signing, 0, &header, &claims);
            if signing.verify_token(&token).is_ok() {
                assert_pinned(&header, &claims);
            }
        }
        Case::Edited { user_id, epoch, place, with } => {
            let now = OffsetDateTime::from_unix_timestamp(LATER).expect("a date");
            let Some(token) = signing.issue_token(user_id, epoch, now) else { return };
            assert_eq!(signing.verify_token(&token), Ok((user_id, epoch, now)), "an issued token");
            let mut characters: Vec<char> = token.expose_secret().chars().collect();
            let place = usize::from(place) % characters.len();
            characters[place] = with;
            let edited = SecretString::from(characters.into_iter().collect::<String>());
            if edited.expose_secret() != token.expose_secret() {
                assert_refused(signing, &edited);
            }
        }
    }
});

fn assert_refused(signing: &Signing, text: &SecretString) {
    let length = text.expose_secret().len();
    let message =
        within(Limits::PARSER, length, || signing.verify_token(text)).expect_err("a forged token");
    assert_hides(&message, text.expose_secret().as_bytes());
}

/// The claims of a token that is valid.
fn genuine_claims() -> Value {
    json!({
        "iss": "issuer", "aud": "audience", "sub": "7", "ctx": "Keeper", "iat": 1, "exp": LATER,
        "auth_time": 1, "epoch": 0,
    })
}

fn replaced(mut object: Value, members: &[Option<(u8, &str)>]) -> Value {
    let names: Vec<_> = object.as_object().into_iter().flat_map(|o| o.keys().cloned()).collect();
    let more = ["nbf", "app", "app_binding", "crit", "jku", "cty"].map(str::to_owned);
    let names = [names, more.to_vec()].concat();
    for (index, text) in members.iter().flatten() {
        let name = &names[usize::from(*index) % names.len()];
        let value = serde_json::from_str(text).unwrap_or_else(|_| json!(text));
        object[name] = value;
    }
    object
}

/// A token with a genuine signature in one of the symmetric algorithms.
fn sign(signing: &Signing, algorithm: u8, header: &str, claims: &str) -> SecretString {
    let algorithms = [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512];
    let algorithm = algorithms[usize::from(algorithm) % algorithms.len()];
    let (_, key) = signing.token_key();
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = crypto::sign(message.as_bytes(), &EncodingKey::from_secret(key), algorithm);
    SecretString::from(format!("8A:Keeper.{message}.{}", signature.unwrap_or_default()))
}

/// Checks what every accepted token has.
fn assert_pinned(header: &str, claims: &str) {
    let header: Value = serde_json::from_str(header).expect("JSON");
    let claims: Value = serde_json::from_str(claims).expect("JSON");
    // serde also reads a struct from a list, in which this service signs nothing.
    if !header.is_object() || !claims.is_object() {
        return;
    }
    assert_eq!((&header["alg"], &header["kid"]), (&json!("HS256"), &json!("new")), "another key");
    assert_eq!(header["typ"], "keeper-access+jwt", "another type");
    assert_eq!(claims["ctx"], "Keeper", "another context");
    let is_ours = |value: &Value, name: &str| *value == json!(name) || *value == json!([name]);
    assert!(
        is_ours(&claims["iss"], "issuer") && claims["aud"] == "audience",
        "another installation"
    );
    let is_later = claims["exp"].as_f64().is_some_and(|exp| exp > 1_700_000_000.0);
    assert!(is_later, "an expired token: {claims}");
}
