//! Access tokens of this service: `8A:<context>.<JWT>`, opaque to clients (protocol.md 10.7 a).
//!
//! Algorithm, type, issuer, audience and context are pinned here (RFC 8725); the key is chosen by
//! `kid` among the readable keys of the keyring and nowhere else.

use std::time::Duration;

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::{
    application_token::Applications,
    keyring::{Key, Keyring},
};
use crate::domain::{application::Application, user::UserId};

/// What every access token of this service starts with.
pub(crate) const PREFIX: &str = "8A:";

/// The `typ` of these tokens; a token of an issuer may not have it.
pub(super) const TOKEN_TYPE: &str = "keeper-access+jwt";

/// Longer texts are not looked at.
pub(super) const MAXIMUM_TOKEN: usize = 8 * 1024;

/// What the tokens of this installation say about themselves.
#[derive(Debug, Clone)]
pub(crate) struct AccessTokens {
    /// Names the installation; stands before the JWT and in its `ctx` claim.
    pub(crate) context: String,
    pub(crate) issuer: String,
    pub(crate) audience: String,
    pub(crate) lifetime: Duration,
}

/// What a verified token says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct AccessTokenContent {
    pub(crate) user_id: UserId,
    pub(crate) session_epoch: i64,
    pub(crate) auth_time: OffsetDateTime,
    /// The application it was issued to (protocol.md 10.9); with another secret of that application
    /// it is not verified.
    pub(crate) application: Option<Application>,
}

/// A token was refused. Which check refused it goes to the log and nowhere else.
#[derive(Debug, thiserror::Error)]
#[error("the token was refused: {reason}")]
pub(crate) struct TokenRefused {
    pub(crate) reason: &'static str,
    #[source]
    pub(crate) source: Option<jsonwebtoken::errors::Error>,
}

impl TokenRefused {
    pub(super) fn because(reason: &'static str) -> Self {
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    app: Option<String>,
    /// Binds the token to the secret of `app`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    app_binding: Option<String>,
}

impl AccessTokens {
    /// Issues a token that goes back to a proof given at `content.auth_time`.
    ///
    /// # Errors
    /// When it is for an application that is not among `applications`, or the library cannot sign,
    /// which the pinned algorithm leaves no reason for.
    pub(crate) fn issue(
        &self,
        (keyring, applications): (&Keyring, &Applications),
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
            let unknown = TokenRefused::because("for an application that is not configured");
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
            app,
            app_binding,
        };
        let jwt = encode(&header, &claims, &EncodingKey::from_secret(key.token.as_slice()))
            .map_err(|error| TokenRefused { reason: "cannot be signed", source: Some(error) })?;
        Ok(SecretString::from(format!("{PREFIX}{}.{jwt}", self.context)))
    }

    /// Verifies a text that starts with [`PREFIX`].
    ///
    /// # Errors
    /// When it is not a live token of this installation.
    pub(crate) fn verify(
        &self,
        (keyring, applications): (&Keyring, &Applications),
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
            .map_err(|error| TokenRefused { reason: "not valid", source: Some(error) })?
            .claims;
        if claims.ctx != self.context {
            return Err(TokenRefused::because("another context inside than outside"));
        }
        let application = bound_application(&claims, key, applications)?;
        read_content(&claims, application).ok_or(TokenRefused::because("claims out of range"))
    }

    fn strip_context<'text>(&self, text: &'text str) -> Result<&'text str, TokenRefused> {
        if text.len() > MAXIMUM_TOKEN {
            return Err(TokenRefused::because("too long"));
        }
        text.strip_prefix(PREFIX)
            .and_then(|rest| rest.strip_prefix(self.context.as_str()))
            .and_then(|rest| rest.strip_prefix('.'))
            .ok_or(TokenRefused::because("of another installation"))
    }
}

/// The key that the header names, after the header itself has been held against what we issue.
fn signing_key<'keyring>(
    keyring: &'keyring Keyring,
    jwt: &str,
) -> Result<&'keyring Key, TokenRefused> {
    let header = jsonwebtoken::decode_header(jwt)
        .map_err(|error| TokenRefused { reason: "unreadable header", source: Some(error) })?;
    if header.typ.as_deref() != Some(TOKEN_TYPE) || header.crit.is_some() {
        return Err(TokenRefused::because("of another type"));
    }
    let key = header.kid.as_deref().and_then(|kid| keyring.find(kid));
    key.ok_or(TokenRefused::because("signed with an unknown key"))
}

/// The application that a token was issued to, if it was issued to one.
fn bound_application(
    claims: &Claims,
    key: &Key,
    applications: &Applications,
) -> Result<Option<Application>, TokenRefused> {
    let Some(name) = &claims.app else { return Ok(None) };
    let binding = claims.app_binding.as_deref().unwrap_or_default();
    let found = applications.find_bound(key, name, binding);
    let gone = "issued to an application that is gone or has another secret now";
    found.cloned().map(Some).ok_or(TokenRefused::because(gone))
}

fn read_content(claims: &Claims, application: Option<Application>) -> Option<AccessTokenContent> {
    Some(AccessTokenContent {
        user_id: UserId::try_from(claims.sub.parse::<i32>().ok()?).ok()?,
        session_epoch: claims.epoch,
        auth_time: OffsetDateTime::from_unix_timestamp(claims.auth_time).ok()?,
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
            application: Some(Application { name: "one".to_owned(), is_trusted: true }),
        }
    }

    fn issue(tokens: &AccessTokens) -> SecretString {
        tokens.issue((&ring(), &applications(SECRET)), &content(), clock::now()).unwrap()
    }

    fn verify(
        tokens: &AccessTokens,
        ring: &Keyring,
        text: &SecretString,
    ) -> Result<AccessTokenContent, TokenRefused> {
        tokens.verify((ring, &applications(SECRET)), text)
    }

    #[test]
    fn what_was_issued_is_verified() {
        assert_eq!(verify(&tokens(), &ring(), &issue(&tokens())).unwrap(), content());
    }

    #[test]
    fn a_token_for_an_application_ends_with_its_secret_and_others_do_not() {
        let (ring, before, after) = (ring(), applications(SECRET), applications("a newer secret"));
        let refused = tokens().verify((&ring, &after), &issue(&tokens())).unwrap_err();
        assert!(refused.reason.contains("another secret"), "{refused}");
        assert!(tokens().verify((&ring, &Applications::default()), &issue(&tokens())).is_err());
        let for_nobody = AccessTokenContent { application: None, ..content() };
        let token = tokens().issue((&ring, &before), &for_nobody, clock::now()).unwrap();
        assert_eq!(tokens().verify((&ring, &after), &token).unwrap(), for_nobody);
        let three = Application { name: "three".to_owned(), is_trusted: true };
        let unknown = AccessTokenContent { application: Some(three), ..content() };
        assert!(tokens().issue((&ring, &before), &unknown, clock::now()).is_err());
    }

    #[test]
    fn a_token_of_the_key_before_a_rotation_still_counts_and_one_of_a_foreign_key_does_not() {
        let keys = (&ring_before(), &applications(SECRET));
        let before = tokens().issue(keys, &content(), clock::now()).unwrap();
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
        let keys = (&ring(), &applications(SECRET));
        let expired = tokens().issue(keys, &content(), past).unwrap();
        assert!(verify(&tokens(), &ring(), &expired).is_err());
    }

    #[test]
    fn a_context_changed_outside_is_refused_even_where_it_is_ours() {
        let mut other = tokens();
        other.context = "Cust2".to_owned();
        let text = issue(&other);
        let moved = text.expose_secret().replacen("Cust2", "Cust1", 1);
        assert!(verify(&tokens(), &ring(), &SecretString::from(moved)).is_err());
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
