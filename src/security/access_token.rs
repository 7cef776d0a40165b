//! Access tokens of this service: `8A:<context>.<JWT>`, opaque to clients
//! (docs/reference/wire-contract.md).
//!
//! Algorithm, type, issuer, audience and context are pinned here (RFC 8725). The `kid` selects one
//! of the readable keys of the keyring, and no other key is accepted.

use std::time::Duration;

use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode, errors::ErrorKind,
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::{
    application_token::Applications,
    keyring::{Key, Keyring},
};
use crate::domain::{application::Application, principal::ACCESS_TOKEN_PREFIX, user::UserId};

/// Prefix of every access token of this service.
pub(crate) const PREFIX: &str = ACCESS_TOKEN_PREFIX;

/// The `typ` of these tokens. Tokens of OpenID Connect issuers must not have it.
pub(super) const TOKEN_TYPE: &str = "keeper-access+jwt";

/// Maximum length in bytes. Longer tokens are refused without parsing them.
pub(super) const MAXIMUM_TOKEN: usize = 8 * 1024;

/// Issues and verifies the access tokens of this installation.
#[derive(Debug, Clone)]
pub(crate) struct AccessTokens {
    /// The name of the installation, in the prefix of the JWT and in its `ctx` claim.
    pub(crate) context: String,
    pub(crate) issuer: String,
    pub(crate) audience: String,
    pub(crate) lifetime: Duration,
}

/// The content of a verified token.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct AccessTokenContent {
    pub(crate) user_id: UserId,
    pub(crate) session_epoch: i64,
    pub(crate) auth_time: OffsetDateTime,
    /// True for a token that was issued to a session, also by way of other tokens.
    pub(crate) is_of_session: bool,
    /// The application that the token was issued to. The token is invalid once the secret of that
    /// application changes.
    pub(crate) application: Option<Application>,
}

/// A token was refused. The reason is logged and never sent to the client.
#[derive(Debug, thiserror::Error)]
#[error("the token was refused: {reason}")]
pub(crate) struct TokenRefused {
    pub(crate) reason: &'static str,
    #[source]
    pub(crate) source: Option<jsonwebtoken::errors::Error>,
}

impl TokenRefused {
    /// A refusal with the error of the library, except one of JSON, whose text repeats a value of
    /// the token.
    pub(super) fn caused(reason: &'static str, error: jsonwebtoken::errors::Error) -> Self {
        let is_shown = !matches!(error.kind(), ErrorKind::Json(_));
        Self { reason, source: Some(error).filter(|_| is_shown) }
    }

    /// A refusal without an error of the library.
    pub(super) fn new(reason: &'static str) -> Self {
        Self { reason, source: None }
    }
}

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: String,
    ctx: String,
    iat: i64,
    exp: i64,
    auth_time: i64,
    epoch: i64,
    /// Missing in tokens that were not issued to a session.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    session: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    app: Option<String>,
    /// Binds the token to the secret of `app`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    app_binding: Option<String>,
}

impl AccessTokens {
    /// Issues a token for a user who authenticated at `content.auth_time`.
    ///
    /// # Errors
    /// When the application is not configured. The library does not fail to sign with the pinned
    /// algorithm.
    pub(crate) fn issue(
        &self,
        keyring: &Keyring,
        applications: &Applications,
        content: &AccessTokenContent,
        now: OffsetDateTime,
    ) -> Result<SecretString, TokenRefused> {
        let key = keyring.writing();
        let mut header = Header::new(Algorithm::HS256);
        header.typ = Some(TOKEN_TYPE.to_owned());
        header.kid = Some(key.id().to_owned());
        let lifetime = i64::try_from(self.lifetime.as_secs()).unwrap_or(i64::MAX);
        let app = content.application.as_ref().map(|application| application.name.clone());
        let bind = |name: &String| {
            let unknown = TokenRefused::new("the application is not configured");
            applications.binding(key, name).ok_or(unknown)
        };
        let app_binding = app.as_ref().map(bind).transpose()?;
        let claims = Claims {
            iss: self.issuer.clone(),
            aud: self.audience.clone(),
            sub: content.user_id.to_string(),
            ctx: self.context.clone(),
            iat: now.unix_timestamp(),
            exp: now.unix_timestamp().saturating_add(lifetime),
            auth_time: content.auth_time.unix_timestamp(),
            epoch: content.session_epoch,
            session: content.is_of_session,
            app,
            app_binding,
        };
        let jwt = encode(&header, &claims, &EncodingKey::from_secret(key.token.as_slice()))
            .map_err(|error| TokenRefused::caused("signing failed", error))?;
        Ok(SecretString::from(format!("{PREFIX}{}.{jwt}", self.context)))
    }

    /// Verifies a text that starts with [`PREFIX`].
    ///
    /// # Errors
    /// When the token is invalid, expired or of another installation.
    pub(crate) fn verify(
        &self,
        keyring: &Keyring,
        applications: &Applications,
        text: &SecretString,
    ) -> Result<AccessTokenContent, TokenRefused> {
        let jwt = self.strip_context(text.expose_secret())?;
        let key = signing_key(keyring, jwt)?;
        let decoding_key = DecodingKey::from_secret(key.token.as_slice());
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = 0;
        validation.validate_nbf = true;
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[&self.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        let claims = decode::<Claims>(jwt, &decoding_key, &validation)
            .map_err(|error| TokenRefused::caused("invalid or expired", error))?
            .claims;
        if claims.ctx != self.context {
            return Err(TokenRefused::new("the context and the ctx claim differ"));
        }
        let application = bound_application(&claims, key, applications)?;
        read_content(&claims, application).ok_or(TokenRefused::new("a claim is out of range"))
    }

    fn strip_context<'text>(&self, text: &'text str) -> Result<&'text str, TokenRefused> {
        if text.len() > MAXIMUM_TOKEN {
            return Err(TokenRefused::new("too long"));
        }
        text.strip_prefix(PREFIX)
            .and_then(|rest| rest.strip_prefix(self.context.as_str()))
            .and_then(|rest| rest.strip_prefix('.'))
            .ok_or(TokenRefused::new("issued by another installation"))
    }
}

/// The key that the header names.
///
/// # Errors
/// When the header differs from the headers of issued tokens.
fn signing_key<'keyring>(
    keyring: &'keyring Keyring,
    jwt: &str,
) -> Result<&'keyring Key, TokenRefused> {
    let header = jsonwebtoken::decode_header(jwt)
        .map_err(|error| TokenRefused::caused("invalid header", error))?;
    if header.typ.as_deref() != Some(TOKEN_TYPE) || header.crit.is_some() {
        return Err(TokenRefused::new("not an access token of this service (typ)"));
    }
    let key = header.kid.as_deref().and_then(|kid| keyring.find(kid));
    key.ok_or(TokenRefused::new("signed with an unknown key"))
}

/// The application that a token was issued to, if any.
fn bound_application(
    claims: &Claims,
    key: &Key,
    applications: &Applications,
) -> Result<Option<Application>, TokenRefused> {
    let Some(name) = &claims.app else { return Ok(None) };
    let binding = claims.app_binding.as_deref().unwrap_or_default();
    let found = applications.find_bound(key, name, binding);
    let gone = "the application was removed or has another secret";
    found.cloned().map(Some).ok_or(TokenRefused::new(gone))
}

fn read_content(claims: &Claims, application: Option<Application>) -> Option<AccessTokenContent> {
    Some(AccessTokenContent {
        user_id: UserId::try_from(claims.sub.parse::<i32>().ok()?).ok()?,
        session_epoch: claims.epoch,
        auth_time: OffsetDateTime::from_unix_timestamp(claims.auth_time).ok()?,
        is_of_session: claims.session,
        application,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock,
        security::{
            application_token::tests::applications,
            keyring::tests::{ring, ring_before},
        },
    };

    const SECRET: &str = "the first secret of all";

    fn tokens() -> AccessTokens {
        AccessTokens {
            context: "Cust1".to_owned(),
            issuer: "us".to_owned(),
            audience: "us".to_owned(),
            lifetime: Duration::from_secs(3600),
        }
    }

    fn content() -> AccessTokenContent {
        let auth_time = OffsetDateTime::from_unix_timestamp(1_700_000_000).unwrap();
        AccessTokenContent {
            user_id: UserId::try_from(7).unwrap(),
            session_epoch: 3,
            auth_time,
            is_of_session: false,
            application: Some(Application { name: "one".to_owned(), is_trusted: true }),
        }
    }

    fn issue(tokens: &AccessTokens) -> SecretString {
        tokens.issue(&ring(), &applications(SECRET), &content(), clock::now()).unwrap()
    }

    fn verify(
        tokens: &AccessTokens,
        ring: &Keyring,
        text: &SecretString,
    ) -> Result<AccessTokenContent, TokenRefused> {
        tokens.verify(ring, &applications(SECRET), text)
    }

    #[test]
    fn an_issued_token_is_valid() {
        assert_eq!(verify(&tokens(), &ring(), &issue(&tokens())).unwrap(), content());
        let of_session = AccessTokenContent { is_of_session: true, ..content() };
        let token = tokens().issue(&ring(), &applications(SECRET), &of_session, clock::now());
        assert_eq!(verify(&tokens(), &ring(), &token.unwrap()).unwrap(), of_session);
    }

    #[test]
    fn a_token_for_an_application_is_invalid_once_its_secret_changes() {
        let (ring, before, after) = (ring(), applications(SECRET), applications("a newer secret"));
        let refused = tokens().verify(&ring, &after, &issue(&tokens())).unwrap_err();
        assert!(refused.reason.contains("another secret"), "{refused}");
        assert!(tokens().verify(&ring, &Applications::default(), &issue(&tokens())).is_err());
        let for_nobody = AccessTokenContent { application: None, ..content() };
        let token = tokens().issue(&ring, &before, &for_nobody, clock::now()).unwrap();
        assert_eq!(tokens().verify(&ring, &after, &token).unwrap(), for_nobody);
        let three = Application { name: "three".to_owned(), is_trusted: true };
        let unknown = AccessTokenContent { application: Some(three), ..content() };
        assert!(tokens().issue(&ring, &before, &unknown, clock::now()).is_err());
    }

    #[test]
    fn a_token_is_valid_after_a_key_rotation_and_invalid_under_another_keyring() {
        let before = tokens()
            .issue(&ring_before(), &applications(SECRET), &content(), clock::now())
            .unwrap();
        assert!(verify(&tokens(), &ring(), &before).is_ok());
        assert!(verify(&tokens(), &ring_before(), &issue(&tokens())).is_err());
    }

    #[test]
    fn context_issuer_audience_and_expiry_are_checked() {
        type Edit = fn(&mut AccessTokens);
        let edits: [Edit; 3] = [
            |tokens| tokens.context = "Cust2".to_owned(),
            |tokens| tokens.issuer = "them".to_owned(),
            |tokens| tokens.audience = "them".to_owned(),
        ];
        for edit in edits {
            let mut other = tokens();
            edit(&mut other);
            assert!(verify(&tokens(), &ring(), &issue(&other)).is_err());
        }
        let past = clock::now() - tokens().lifetime - Duration::from_secs(2);
        let expired = tokens().issue(&ring(), &applications(SECRET), &content(), past).unwrap();
        assert!(verify(&tokens(), &ring(), &expired).is_err());
    }

    #[test]
    fn a_token_with_a_replaced_context_is_refused() {
        let mut other = tokens();
        other.context = "Cust2".to_owned();
        let text = issue(&other);
        let moved = text.expose_secret().replacen("Cust2", "Cust1", 1);
        assert!(verify(&tokens(), &ring(), &SecretString::from(moved)).is_err());
    }

    #[test]
    fn a_refusal_repeats_nothing_from_the_token() {
        // {"alg":"marker" }, whose error of the library names the unknown algorithm.
        let text = SecretString::from("8A:Cust1.eyJhbGciOiJtYXJrZXIiIH0.e30.AAAA");
        let refused = verify(&tokens(), &ring(), &text).unwrap_err();
        assert_eq!(refused.reason, "invalid header");
        assert!(!format!("{refused:?}").contains("marker"), "{refused:?}");
    }

    #[test]
    fn another_type_or_algorithm_is_refused() {
        let ring = ring();
        let key = EncodingKey::from_secret(ring.writing().token.as_slice());
        let text = issue(&tokens());
        let jwt = text.expose_secret().strip_prefix("8A:Cust1.").unwrap();
        let claims: serde_json::Value =
            jsonwebtoken::dangerous::insecure_decode_claims(jwt).unwrap();
        for (typ, algorithm) in [("JWT", Algorithm::HS256), (TOKEN_TYPE, Algorithm::HS512)] {
            let mut header = Header::new(algorithm);
            header.typ = Some(typ.to_owned());
            header.kid = Some(ring.writing().id().to_owned());
            let forged = format!("8A:Cust1.{}", encode(&header, &claims, &key).unwrap());
            assert!(verify(&tokens(), &ring, &SecretString::from(forged)).is_err());
        }
    }
}
