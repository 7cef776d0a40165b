//! Claims in the tokens of OpenID Connect issuers (RFC 7519, OpenID Connect Core).

use std::time::Duration;

use secrecy::SecretString;
use serde_json::{Map, Value};
use time::OffsetDateTime;

use super::access_token::TokenRefused;

/// The claims of a token whose signature was verified.
pub(super) type Claims = Map<String, Value>;

/// Allowed difference between our clock and that of an issuer.
pub(super) const LEEWAY: Duration = Duration::from_secs(60);

/// Claims that count only when another claim states that they are verified (OpenID Connect Core,
/// section 5.1).
const VERIFIED_BY: [(&str, &str); 2] =
    [("email", "email_verified"), ("phone_number", "phone_number_verified")];

/// The value of the claim that identifies the user.
///
/// # Errors
/// When the claim is missing, or not verified by the issuer.
pub(super) fn identifier(claims: &Claims, claim: &str) -> Result<SecretString, TokenRefused> {
    let verified_by = VERIFIED_BY.into_iter().find(|(name, _)| *name == claim);
    if verified_by.is_some_and(|(_, name)| !is_true(claims.get(name))) {
        return Err(TokenRefused::new("the issuer has not verified the identifier claim"));
    }
    let identifier = claims.get(claim).and_then(Value::as_str).map(SecretString::from);
    identifier.ok_or(TokenRefused::new("the identifier claim is missing"))
}

/// True for `true` and for the string `"true"`, which some providers send.
fn is_true(value: Option<&Value>) -> bool {
    match value {
        Some(Value::Bool(value)) => *value,
        Some(Value::String(text)) => text == "true",
        _ => false,
    }
}

/// When the user authenticated at the issuer: `auth_time`, or `iat` without it.
///
/// # Errors
/// When `iat` is missing or invalid, in the future, or older than `maximum_age`.
pub(super) fn auth_time(
    claims: &Claims,
    maximum_age: Duration,
    now: OffsetDateTime,
) -> Result<OffsetDateTime, TokenRefused> {
    let unreadable = || TokenRefused::new("iat or auth_time is missing or not a date");
    let issued_at = claims.get("iat").and_then(numeric_date).ok_or_else(unreadable)?;
    if issued_at > now + LEEWAY {
        return Err(TokenRefused::new("issued in the future"));
    }
    if now - issued_at > maximum_age + LEEWAY {
        return Err(TokenRefused::new("issued more than maximum_age_seconds ago"));
    }
    match claims.get("auth_time") {
        Some(value) => numeric_date(value).ok_or_else(unreadable),
        None => Ok(issued_at),
    }
}

/// Parses a `NumericDate` (RFC 7519, section 2): seconds, with an optional fraction. `None` for
/// anything else, and for years out of range.
fn numeric_date(value: &Value) -> Option<OffsetDateTime> {
    if let Some(seconds) = value.as_i64() {
        return OffsetDateTime::from_unix_timestamp(seconds).ok();
    }
    let since = time::Duration::checked_seconds_f64(value.as_f64()?)?;
    OffsetDateTime::UNIX_EPOCH.checked_add(since)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrecy::ExposeSecret;
    use serde_json::json;

    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn claims(value: Value) -> Claims {
        let Value::Object(claims) = value else { panic!("no claims") };
        claims
    }

    fn at(seconds: i64) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(seconds).unwrap()
    }

    #[test]
    fn a_numeric_date_may_have_a_fraction() {
        assert_eq!(numeric_date(&json!(1_764_241_200)), Some(at(1_764_241_200)));
        let half = at(1_764_241_200) + time::Duration::milliseconds(500);
        assert_eq!(numeric_date(&json!(1_764_241_200.5)), Some(half));
        assert_eq!(numeric_date(&json!(-0.5)), Some(at(0) - time::Duration::milliseconds(500)));
        for no_date in [
            json!("1764241200"),
            json!(true),
            json!(null),
            json!([1]),
            json!(i64::MAX),
            json!(u64::MAX),
            json!(1e18),
            json!(1e300),
            json!(-1e300),
        ] {
            assert_eq!(numeric_date(&no_date), None, "{no_date}");
        }
    }

    #[test]
    fn a_token_is_valid_until_its_maximum_age_regardless_of_auth_time() {
        let now = at(1_800_000_000);
        for (issued_before, is_read) in [
            (0.0, true),
            (86_400.0, true),
            (86_460.0, true),
            (86_461.0, false),
            (-60.0, true),
            (-61.0, false),
        ] {
            let claims = claims(json!({ "iat": 1_800_000_000.0 - issued_before, "auth_time": 5 }));
            let read = auth_time(&claims, DAY, now);
            assert_eq!(read.is_ok(), is_read, "{issued_before}");
            assert!(read.is_err() || read.is_ok_and(|time| time == at(5)));
        }
        for unreadable in [
            json!({}),
            json!({ "auth_time": 1_800_000_000 }),
            json!({ "iat": "1800000000" }),
            json!({ "iat": 1_800_000_000, "auth_time": null }),
        ] {
            assert!(auth_time(&claims(unreadable.clone()), DAY, now).is_err(), "{unreadable}");
        }
    }

    #[test]
    fn an_email_or_phone_number_is_accepted_only_if_verified() {
        let of = |name: &str, verified: Value| {
            let given = json!({ name: "x", format!("{name}_verified"): verified });
            identifier(&claims(given), name).is_ok()
        };
        for name in ["email", "phone_number"] {
            for (verified, counts) in [
                (json!(true), true),
                (json!("true"), true),
                (json!(false), false),
                (json!("false"), false),
                (json!("True"), false),
                (json!(1), false),
                (json!("1"), false),
                (json!(null), false),
            ] {
                assert_eq!(of(name, verified.clone()), counts, "{name}: {verified}");
            }
            assert!(identifier(&claims(json!({ name: "x" })), name).is_err());
        }
        let subject = identifier(&claims(json!({ "sub": "x", "email_verified": false })), "sub");
        assert_eq!(subject.unwrap().expose_secret(), "x");
        assert!(identifier(&claims(json!({ "sub": 5 })), "sub").is_err());
    }

    proptest! {
        #[test]
        fn any_number_is_parsed_without_a_panic(number: f64) {
            let _ = numeric_date(&json!(number));
        }
    }
}
