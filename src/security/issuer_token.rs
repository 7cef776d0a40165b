//! Tokens of configured OpenID Connect issuers (docs/reference/wire-contract.md; RFC 8725).
//!
//! The exact `iss` selects the issuer. The `kid` selects a key from the key set of that issuer
//! only; without a `kid`, exactly one key must fit. Other header fields about keys (`jku`, `jwk`,
//! `x5u`) are ignored.

use std::{ops::RangeInclusive, sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{
    Algorithm, DecodingKey, Header, Validation,
    dangerous::insecure_decode_claims,
    decode, decode_header,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, PublicKeyUse},
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use time::OffsetDateTime;

use super::{
    access_token::{MAXIMUM_TOKEN, TokenRefused},
    issuer_claims::{Claims, LEEWAY, auth_time, identifier},
    issuer_keys::{IssuerError, IssuerKeys, KeySource},
};

/// Accepted signature algorithms. All use a public key.
const ALGORITHMS: [Algorithm; 3] = [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];

/// The lengths of RSA keys that verify a signature: at least 2,048 bits (RFC 7518, section 3.3), and at
/// most those that the library verifies.
const RSA_BITS: RangeInclusive<usize> = 2048..=8192;

/// Accepted `typ` headers. Other types, such as logout tokens, do not authenticate a user (RFC
/// 8725, section 3.11). A token without a type is an ID token.
const TYPES: [&str; 2] = ["jwt", "at+jwt"];

/// An issuer whose tokens authenticate users.
#[derive(Debug)]
pub(crate) struct Issuer {
    issuer: String,
    audience: String,
    /// The credential type whose identifier is the value of the claim.
    credential_type: String,
    claim: String,
    maximum_age: Duration,
    keys: Arc<IssuerKeys>,
}

/// A token whose signature is not verified yet.
pub(crate) struct UnverifiedToken<'token> {
    text: &'token str,
    header: Header,
    issuer: &'token Issuer,
}

/// The user that a verified token identifies.
#[derive(Debug)]
pub(crate) struct IssuerIdentity {
    pub(crate) credential_type: String,
    pub(crate) identifier: SecretString,
    /// When the user authenticated at the issuer.
    pub(crate) auth_time: OffsetDateTime,
}

/// Settings of an issuer.
#[derive(Debug)]
pub(crate) struct IssuerOptions<'settings> {
    pub(crate) issuer: &'settings str,
    pub(crate) audience: &'settings str,
    pub(crate) keys: KeySource,
    pub(crate) credential_type: &'settings str,
    pub(crate) claim: &'settings str,
    /// Maximum age of a token.
    pub(crate) maximum_age: Duration,
}

impl Issuer {
    /// Creates an issuer. Reads its keys if they are in a file. Keys that one of the `former` issuers
    /// has fetched from the same URL stay known: the URL may not answer now.
    ///
    /// # Errors
    /// When the file of the keys is missing or invalid.
    pub(crate) fn load(options: IssuerOptions<'_>, former: &[Self]) -> Result<Self, IssuerError> {
        let keys = former.iter().find(|former| former.fetches_as(&options));
        let keys = match keys {
            Some(former) => Arc::clone(&former.keys),
            None => Arc::new(IssuerKeys::load(options.keys, can_verify)?),
        };
        Ok(Self {
            issuer: options.issuer.to_owned(),
            audience: options.audience.to_owned(),
            credential_type: options.credential_type.to_owned(),
            claim: options.claim.to_owned(),
            maximum_age: options.maximum_age,
            keys,
        })
    }

    /// True if the keys of these options are fetched for the same issuer from the same URL.
    fn fetches_as(&self, options: &IssuerOptions<'_>) -> bool {
        let KeySource::Url(url) = &options.keys else { return false };
        self.issuer == options.issuer && self.keys.url() == Some(url)
    }

    /// Reads the keys again if they are in a file.
    ///
    /// # Errors
    /// When the file is missing or invalid. The former keys stay in use.
    pub(crate) fn reload(&self) -> Result<(), IssuerError> {
        self.keys.reload()
    }

    /// The keys and their source.
    pub(crate) fn keys(&self) -> &Arc<IssuerKeys> {
        &self.keys
    }

    /// The credential type of the identifiers in tokens of this issuer.
    pub(crate) fn credential_type(&self) -> &str {
        &self.credential_type
    }
}

impl<'token> UnverifiedToken<'token> {
    /// The issuer that the token claims.
    pub(crate) fn issuer(&self) -> &'token Issuer {
        self.issuer
    }

    /// True when the issuer has the key for this token.
    pub(crate) fn has_key(&self) -> bool {
        self.jwk().is_some()
    }

    /// Verifies the token, and returns the user that it identifies.
    ///
    /// # Errors
    /// When the token is invalid or expired.
    pub(crate) fn verify(&self, now: OffsetDateTime) -> Result<IssuerIdentity, TokenRefused> {
        let Issuer { issuer, audience, claim, credential_type, maximum_age, .. } = self.issuer;
        let key = self.key()?;
        let mut validation = Validation::new(self.header.alg);
        validation.leeway = LEEWAY.as_secs();
        validation.validate_nbf = true;
        validation.set_issuer(&[issuer]);
        validation.set_audience(&[audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        let claims = decode::<Claims>(self.text, &key, &validation)
            .map_err(|error| TokenRefused::caused("invalid or expired", error))?
            .claims;
        Ok(IssuerIdentity {
            credential_type: credential_type.clone(),
            identifier: identifier(&claims, claim)?,
            auth_time: auth_time(&claims, *maximum_age, now)?,
        })
    }

    /// The key with the `kid` of the header. Without a `kid`, which is optional (RFC 7515, section
    /// 4.1.4), the only key that fits.
    fn jwk(&self) -> Option<Jwk> {
        match &self.header.kid {
            Some(kid) => self.issuer.keys.find(kid),
            None => self.issuer.keys.find_only(|jwk| is_for(jwk, self.header.alg)),
        }
    }

    /// The key for this token, if it is meant for the algorithm.
    fn key(&self) -> Result<DecodingKey, TokenRefused> {
        let unknown = "signed with an unknown key, or without kid while several keys fit";
        let jwk = self.jwk().ok_or(TokenRefused::new(unknown))?;
        if !is_for(&jwk, self.header.alg) {
            return Err(TokenRefused::new(
                "the key is too short, too long, or not for this algorithm",
            ));
        }
        DecodingKey::from_jwk(&jwk).map_err(|error| TokenRefused::caused("unusable key", error))
    }
}

/// Parses a token of one of `issuers`. Its claims are not verified yet.
///
/// # Errors
/// When the token is malformed, or of an unknown issuer, type or algorithm.
pub(crate) fn read_issuer_token<'token>(
    issuers: &'token [Issuer],
    text: &'token SecretString,
) -> Result<UnverifiedToken<'token>, TokenRefused> {
    let text = text.expose_secret();
    if text.len() > MAXIMUM_TOKEN {
        return Err(TokenRefused::new("too long"));
    }
    let malformed = |error| TokenRefused::caused("malformed", error);
    let header = decode_header(text).map_err(malformed)?;
    if !is_type_of_issuers(header.typ.as_deref()) || header.crit.is_some() {
        return Err(TokenRefused::new("unsupported token type (typ)"));
    }
    if !ALGORITHMS.contains(&header.alg) {
        return Err(TokenRefused::new("unsupported signature algorithm"));
    }
    // Unverified: selects the key set that then verifies the token.
    let claims: Claims = insecure_decode_claims(text).map_err(malformed)?;
    let named = claims.get("iss").and_then(Value::as_str);
    let issuer = issuers.iter().find(|issuer| named == Some(issuer.issuer.as_str()));
    let issuer = issuer.ok_or(TokenRefused::new("unknown issuer"))?;
    Ok(UnverifiedToken { text, header, issuer })
}

fn is_type_of_issuers(typ: Option<&str>) -> bool {
    typ.is_none_or(|typ| {
        let typ = typ.to_ascii_lowercase();
        TYPES.contains(&typ.strip_prefix("application/").unwrap_or(&typ))
    })
}

/// True when a usable key has a `kid`, or is the only one for its algorithm.
fn can_verify(keys: &JwkSet) -> bool {
    ALGORITHMS.iter().any(|algorithm| {
        let fits = |jwk: &&Jwk| is_for(jwk, *algorithm) && DecodingKey::from_jwk(jwk).is_ok();
        let fitting: Vec<_> = keys.keys.iter().filter(fits).collect();
        fitting.len() == 1 || fitting.iter().any(|jwk| jwk.common.key_id.is_some())
    })
}

/// The length of the modulus of an RSA key in bits; 0 if it is not base64url.
fn modulus_bits(modulus: &str) -> usize {
    let bytes = URL_SAFE_NO_PAD.decode(modulus).unwrap_or_default();
    let significant = bytes.iter().skip_while(|byte| **byte == 0);
    let first = significant.clone().next().map_or(0, |byte| byte.leading_zeros() as usize);
    (significant.count() * 8).saturating_sub(first)
}

fn is_for(jwk: &Jwk, algorithm: Algorithm) -> bool {
    let declared = jwk.common.key_algorithm.map(|declared| declared.to_string());
    let has_algorithm = declared.is_none_or(|declared| declared == format!("{algorithm:?}"));
    let is_signing = matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature));
    let has_type = match (&jwk.algorithm, algorithm) {
        (AlgorithmParameters::RSA(key), Algorithm::RS256) => {
            RSA_BITS.contains(&modulus_bits(&key.n))
        }
        (AlgorithmParameters::EllipticCurve(key), Algorithm::ES256) => {
            key.curve == EllipticCurve::P256
        }
        (AlgorithmParameters::OctetKeyPair(key), Algorithm::EdDSA) => {
            key.curve == EllipticCurve::Ed25519
        }
        _ => false,
    };
    has_algorithm && is_signing && has_type
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A key set with one RSA key, whose modulus has these bytes.
    fn rsa(modulus: &[u8]) -> JwkSet {
        let n = URL_SAFE_NO_PAD.encode(modulus);
        let key = serde_json::json!({"kty": "RSA", "kid": "one", "n": n, "e": "AQAB"});
        serde_json::from_value(serde_json::json!({ "keys": [key] })).unwrap()
    }

    #[test]
    fn an_rsa_key_that_is_too_short_or_too_long_is_not_usable() {
        assert!(can_verify(&rsa(&[0xff; 256])));
        assert!(can_verify(&rsa(&[0xff; 1024])));
        assert!(!can_verify(&rsa(&[0xff; 1025])));
        let mut short = [0xff; 256];
        short[0] = 0x7f;
        for modulus in [&short[..], &[0xff; 128], &[]] {
            assert!(!can_verify(&rsa(modulus)), "{} bytes", modulus.len());
        }
        let mut padded = [0xff; 300];
        padded[..200].fill(0);
        assert!(!can_verify(&rsa(&padded)), "leading zeros count");
    }
}
