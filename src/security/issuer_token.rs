//! Tokens of configured OpenID Connect issuers (protocol.md 10.7 b; RFC 8725 throughout).
//!
//! The issuer is chosen by its exact `iss`, the key by `kid` from that issuer's key set only (without
//! a `kid`, the one key of that set which fits), and whatever else a header says about keys (`jku`, `jwk`, `x5u`) is ignored.

use std::time::Duration;

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

/// Signature algorithms with a public key that we accept.
const ALGORITHMS: [Algorithm; 3] = [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];

/// What a token of an issuer may say it is; other kinds, such as logout tokens, prove nothing here
/// (RFC 8725, 3.11). Without a type it is an ID token.
const TYPES: [&str; 2] = ["jwt", "at+jwt"];

/// An issuer whose tokens log users in.
#[derive(Debug)]
pub(crate) struct Issuer {
    issuer: String,
    audience: String,
    /// The identifier type that maps the claim to a user.
    credential_type: String,
    claim: String,
    maximum_age: Duration,
    keys: IssuerKeys,
}

/// A token before its signature was looked at.
pub(crate) struct UnverifiedToken<'token> {
    text: &'token str,
    header: Header,
    issuer: &'token Issuer,
}

/// Who an issuer says the caller is.
#[derive(Debug)]
pub(crate) struct IssuerIdentity {
    pub(crate) credential_type: String,
    pub(crate) identifier: SecretString,
    /// When the issuer saw the user's proof.
    pub(crate) auth_time: OffsetDateTime,
}

/// What the settings say about an issuer.
#[derive(Debug)]
pub(crate) struct IssuerOptions<'settings> {
    pub(crate) issuer: &'settings str,
    pub(crate) audience: &'settings str,
    pub(crate) keys: KeySource,
    pub(crate) credential_type: &'settings str,
    pub(crate) claim: &'settings str,
    /// How long after its issue a token counts at most.
    pub(crate) maximum_age: Duration,
}

impl Issuer {
    /// An issuer, with its keys as far as they can be had now.
    ///
    /// # Errors
    /// When they are in a file that is missing or no key set.
    pub(crate) fn load(options: IssuerOptions<'_>) -> Result<Self, IssuerError> {
        Ok(Self {
            issuer: options.issuer.to_owned(),
            audience: options.audience.to_owned(),
            credential_type: options.credential_type.to_owned(),
            claim: options.claim.to_owned(),
            maximum_age: options.maximum_age,
            keys: IssuerKeys::load(options.keys, can_verify)?,
        })
    }

    /// Its keys, and where they come from.
    pub(crate) fn keys(&self) -> &IssuerKeys {
        &self.keys
    }

    /// The identifier type whose owner a token of this issuer is.
    pub(crate) fn credential_type(&self) -> &str {
        &self.credential_type
    }
}

impl<'token> UnverifiedToken<'token> {
    /// Whose it says it is.
    pub(crate) fn issuer(&self) -> &'token Issuer {
        self.issuer
    }

    /// True when its issuer has the key that it names, or the one it can only mean.
    pub(crate) fn has_key(&self) -> bool {
        self.jwk().is_some()
    }

    /// Who the caller is.
    ///
    /// # Errors
    /// When it is not a live token of its issuer.
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
            .map_err(|error| TokenRefused { reason: "not valid", source: Some(error) })?
            .claims;
        Ok(IssuerIdentity {
            credential_type: credential_type.clone(),
            identifier: identifier(&claims, claim)?,
            auth_time: auth_time(&claims, *maximum_age, now)?,
        })
    }

    /// The key of that `kid`. Without one it is no guess where only one key fits (RFC 7515, section
    /// 4.1.4: `kid` is optional).
    fn jwk(&self) -> Option<Jwk> {
        match &self.header.kid {
            Some(kid) => self.issuer.keys.find(kid),
            None => self.issuer.keys.find_only(|jwk| is_for(jwk, self.header.alg)),
        }
    }

    /// The token's key, when it may verify this algorithm's signatures.
    fn key(&self) -> Result<DecodingKey, TokenRefused> {
        let unknown = "signed with an unknown key, or names none and several fit";
        let jwk = self.jwk().ok_or(TokenRefused::because(unknown))?;
        if !is_for(&jwk, self.header.alg) {
            return Err(TokenRefused::because("the key is not for this algorithm"));
        }
        DecodingKey::from_jwk(&jwk)
            .map_err(|error| TokenRefused { reason: "unusable key", source: Some(error) })
    }
}

/// Reads a token of one of `issuers`; what it says is not believed yet.
///
/// # Errors
/// When it cannot be one.
pub(crate) fn read_issuer_token<'token>(
    issuers: &'token [Issuer],
    text: &'token SecretString,
) -> Result<UnverifiedToken<'token>, TokenRefused> {
    let text = text.expose_secret();
    if text.len() > MAXIMUM_TOKEN {
        return Err(TokenRefused::because("too long"));
    }
    let unreadable = |error| TokenRefused { reason: "unreadable", source: Some(error) };
    let header = decode_header(text).map_err(unreadable)?;
    if !is_type_of_issuers(header.typ.as_deref()) || header.crit.is_some() {
        return Err(TokenRefused::because("of a type no issuer may use"));
    }
    if !ALGORITHMS.contains(&header.alg) {
        return Err(TokenRefused::because("signed with an algorithm that is not accepted"));
    }
    // Read before it is verified, only to choose the key set; verified with it right after.
    let claims: Claims = insecure_decode_claims(text).map_err(unreadable)?;
    let named = claims.get("iss").and_then(Value::as_str);
    let issuer = issuers.iter().find(|issuer| named == Some(issuer.issuer.as_str()));
    let issuer = issuer.ok_or(TokenRefused::because("of an unknown issuer"))?;
    Ok(UnverifiedToken { text, header, issuer })
}

fn is_type_of_issuers(typ: Option<&str>) -> bool {
    typ.is_none_or(|typ| {
        let typ = typ.to_ascii_lowercase();
        TYPES.contains(&typ.strip_prefix("application/").unwrap_or(&typ))
    })
}

/// True when a token can name one of the keys, or need not because only one fits an algorithm.
fn can_verify(keys: &JwkSet) -> bool {
    ALGORITHMS.iter().any(|algorithm| {
        let fits = |jwk: &&Jwk| is_for(jwk, *algorithm) && DecodingKey::from_jwk(jwk).is_ok();
        let fitting: Vec<_> = keys.keys.iter().filter(fits).collect();
        fitting.len() == 1 || fitting.iter().any(|jwk| jwk.common.key_id.is_some())
    })
}

fn is_for(jwk: &Jwk, algorithm: Algorithm) -> bool {
    let named = jwk.common.key_algorithm.map(|named| named.to_string());
    let is_named = named.is_none_or(|named| named == format!("{algorithm:?}"));
    let is_signing = matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature));
    let is_of_kind = match (&jwk.algorithm, algorithm) {
        (AlgorithmParameters::RSA(_), Algorithm::RS256) => true,
        (AlgorithmParameters::EllipticCurve(key), Algorithm::ES256) => {
            key.curve == EllipticCurve::P256
        }
        (AlgorithmParameters::OctetKeyPair(key), Algorithm::EdDSA) => {
            key.curve == EllipticCurve::Ed25519
        }
        _ => false,
    };
    is_named && is_signing && is_of_kind
}
