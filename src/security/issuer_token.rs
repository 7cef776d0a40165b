//! Tokens of configured OpenID Connect issuers (protocol.md 10.7 b; RFC 8725 throughout).
//!
//! The issuer is chosen by its exact `iss`, the key by `kid` from that issuer's key set only, and
//! whatever else a header says about keys (`jku`, `jwk`, `x5u`) is ignored.

use std::path::{Path, PathBuf};

use jsonwebtoken::{
    Algorithm, DecodingKey, Header, Validation,
    dangerous::insecure_decode_claims,
    decode, decode_header,
    jwk::{Jwk, JwkSet, PublicKeyUse},
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use time::OffsetDateTime;

use super::access_token::{MAXIMUM_TOKEN, TOKEN_TYPE, TokenRefused};

/// Signature algorithms with a public key that we accept.
const ALGORITHMS: [Algorithm; 3] = [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];

/// Clocks of an issuer and of ours may differ by this much, in seconds.
const LEEWAY_SECONDS: u64 = 60;

/// An issuer whose tokens log users in.
#[derive(Debug, Clone)]
pub(crate) struct Issuer {
    issuer: String,
    audience: String,
    /// The identifier type that maps the claim to a user.
    credential_type: String,
    claim: String,
    keys: JwkSet,
}

/// Who an issuer says the caller is.
#[derive(Debug)]
pub(crate) struct IssuerIdentity {
    pub(crate) credential_type: String,
    pub(crate) identifier: SecretString,
    /// When the issuer saw the user's proof.
    pub(crate) auth_time: OffsetDateTime,
}

/// Why an issuer cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IssuerError {
    #[error("the key set {0} cannot be read")]
    Unreadable(PathBuf, #[source] std::io::Error),
    #[error("the key set {0} is not a JSON Web Key Set (RFC 7517)")]
    Malformed(PathBuf, #[source] serde_json::Error),
}

/// What the settings say about an issuer.
#[derive(Debug)]
pub(crate) struct IssuerOptions<'settings> {
    pub(crate) issuer: &'settings str,
    pub(crate) audience: &'settings str,
    pub(crate) jwks_file: &'settings Path,
    pub(crate) credential_type: &'settings str,
    pub(crate) claim: &'settings str,
}

impl Issuer {
    /// Reads the issuer's key set.
    ///
    /// # Errors
    /// When the file is missing or not a key set.
    pub(crate) fn load(options: &IssuerOptions<'_>) -> Result<Self, IssuerError> {
        let path = options.jwks_file;
        let text = std::fs::read_to_string(path)
            .map_err(|error| IssuerError::Unreadable(path.to_owned(), error))?;
        let keys = serde_json::from_str(&text)
            .map_err(|error| IssuerError::Malformed(path.to_owned(), error))?;
        Ok(Self {
            issuer: options.issuer.to_owned(),
            audience: options.audience.to_owned(),
            credential_type: options.credential_type.to_owned(),
            claim: options.claim.to_owned(),
            keys,
        })
    }

    /// The identifier type whose owner a token of this issuer is.
    pub(crate) fn credential_type(&self) -> &str {
        &self.credential_type
    }

    fn verify(&self, token: &str, header: &Header) -> Result<IssuerIdentity, TokenRefused> {
        let key = self.key(header)?;
        let mut validation = Validation::new(header.alg);
        validation.leeway = LEEWAY_SECONDS;
        validation.validate_nbf = true;
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[&self.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        let claims = decode::<Map<String, Value>>(token, &key, &validation)
            .map_err(|error| TokenRefused { reason: "not valid", source: Some(error) })?
            .claims;
        let identifier = claims.get(&self.claim).and_then(Value::as_str);
        let identifier =
            identifier.ok_or(TokenRefused::because("the identifier claim is missing"))?;
        Ok(IssuerIdentity {
            credential_type: self.credential_type.clone(),
            identifier: SecretString::from(identifier),
            auth_time: auth_time(&claims)?,
        })
    }

    /// The key of that `kid`, when it may verify this algorithm's signatures.
    fn key(&self, header: &Header) -> Result<DecodingKey, TokenRefused> {
        let jwk = header.kid.as_deref().and_then(|kid| self.keys.find(kid));
        let jwk = jwk.ok_or(TokenRefused::because("signed with an unknown key"))?;
        if !is_for(jwk, header.alg) {
            return Err(TokenRefused::because("the key is not for this algorithm"));
        }
        DecodingKey::from_jwk(jwk)
            .map_err(|error| TokenRefused { reason: "unusable key", source: Some(error) })
    }
}

/// Verifies a token of one of `issuers`.
///
/// # Errors
/// When it is not a live token of one of them.
pub(crate) fn verify_issuer_token(
    issuers: &[Issuer],
    text: &SecretString,
) -> Result<IssuerIdentity, TokenRefused> {
    let token = text.expose_secret();
    if token.len() > MAXIMUM_TOKEN {
        return Err(TokenRefused::because("too long"));
    }
    let unreadable = |error| TokenRefused { reason: "unreadable", source: Some(error) };
    let header = decode_header(token).map_err(unreadable)?;
    let is_ours = header.typ.as_deref().is_some_and(|typ| typ.eq_ignore_ascii_case(TOKEN_TYPE));
    if is_ours || header.crit.is_some() {
        return Err(TokenRefused::because("of a type no issuer may use"));
    }
    if !ALGORITHMS.contains(&header.alg) {
        return Err(TokenRefused::because("signed with an algorithm that is not accepted"));
    }
    // Read before it is verified, only to choose the key set; verified with it right after.
    let claims: Map<String, Value> = insecure_decode_claims(token).map_err(unreadable)?;
    let named = claims.get("iss").and_then(Value::as_str);
    let issuer = issuers.iter().find(|issuer| named == Some(issuer.issuer.as_str()));
    issuer.ok_or(TokenRefused::because("of an unknown issuer"))?.verify(token, &header)
}

fn is_for(jwk: &Jwk, algorithm: Algorithm) -> bool {
    let named = jwk.common.key_algorithm.map(|named| named.to_string());
    let is_named = named.is_none_or(|named| named == format!("{algorithm:?}"));
    let is_signing = matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature));
    is_named && is_signing
}

/// `auth_time` when the issuer says it, else `iat`.
fn auth_time(claims: &Map<String, Value>) -> Result<OffsetDateTime, TokenRefused> {
    let seconds = claims.get("auth_time").or_else(|| claims.get("iat")).and_then(Value::as_i64);
    seconds
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
        .ok_or(TokenRefused::because("says neither auth_time nor iat"))
}
