//! The signed requests to the old system.

use std::path::Path;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::{
    Client, RequestBuilder,
    header::{ACCEPT, CONTENT_TYPE},
};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use url::Url;
use zeroize::Zeroizing;

use super::error::HookError;
use crate::security::{random::random_bytes, secret_file, webhook_signature::WebhookKeys};

/// The media type of requests and answers.
pub(super) const JSON: &str = "application/json";

/// The question of a request.
#[derive(Clone, Copy)]
pub(super) enum Question<'login> {
    /// Whether a password is right.
    Login { name: &'login str, password: &'login SecretString },
    /// Whether the old system is there and accepts the signature. Has no password.
    Ping,
}

/// The body, as Standard Webhooks recommends it.
#[derive(Serialize)]
struct Body<'login> {
    r#type: &'static str,
    timestamp: &'login str,
    data: Data<'login>,
}

#[derive(Serialize)]
struct Data<'login> {
    #[serde(skip_serializing_if = "Option::is_none")]
    login_name: Option<&'login str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<&'login str>,
}

/// Reads the keys that sign requests.
///
/// # Errors
/// When the file cannot be read, or contains something else.
pub(crate) fn read_keys(file: &Path) -> Result<WebhookKeys, HookError> {
    let text = secret_file::read(file).map_err(HookError::Key)?;
    WebhookKeys::parse(&text).ok_or_else(|| HookError::InvalidKey(file.to_owned()))
}

/// A signed request with a question.
///
/// # Errors
/// When the system has no random bytes.
pub(super) fn signed_request(
    client: &Client,
    url: Url,
    keys: &WebhookKeys,
    question: Question<'_>,
    now: OffsetDateTime,
) -> Result<RequestBuilder, HookError> {
    let id = format!("msg_{}", URL_SAFE_NO_PAD.encode(random_bytes::<16>()?));
    let timestamp = now.unix_timestamp();
    let body = body(question, now);
    Ok(client
        .post(url)
        .header(CONTENT_TYPE, JSON)
        .header(ACCEPT, JSON)
        .header("webhook-id", &id)
        .header("webhook-timestamp", timestamp)
        .header("webhook-signature", keys.sign(&id, timestamp, &body))
        .body(body.to_vec()))
}

/// The JSON text of a question.
fn body(question: Question<'_>, now: OffsetDateTime) -> Zeroizing<Vec<u8>> {
    // A time in this century can always be written.
    let timestamp = now.format(&Rfc3339).unwrap_or_default();
    let timestamp = timestamp.as_str();
    let body = match question {
        Question::Login { name, password } => {
            let password = Some(password.expose_secret());
            let data = Data { login_name: Some(name), password };
            Body { r#type: "login", timestamp, data }
        }
        Question::Ping => {
            Body { r#type: "ping", timestamp, data: Data { login_name: None, password: None } }
        }
    };
    // Writing strings cannot fail.
    Zeroizing::new(serde_json::to_vec(&body).unwrap_or_default())
}
