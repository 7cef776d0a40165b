//! The HTTP client of a transit engine.

use std::path::Path;

use reqwest::{Client, Response, header::HeaderValue, redirect::Policy, tls::Version};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::task::spawn_blocking;
use zeroize::Zeroizing;

use super::{error::TransitError, options::TransitOptions};
use crate::{
    security::{
        secret_file::{self, SecretFileError},
        tls::http_authorities,
    },
    trace_context::outgoing_headers,
};

/// The maximum size of an answer, in bytes. Real answers are far smaller.
const MAXIMUM_LENGTH: usize = 64 * 1024;

#[derive(Deserialize)]
struct Answer<T> {
    data: T,
}

#[derive(Default, Deserialize)]
struct Errors {
    #[serde(default)]
    errors: Vec<String>,
}

/// A client for one server, with the token of the moment.
pub(super) struct TransitClient<'options> {
    client: Client,
    token: HeaderValue,
    options: &'options TransitOptions,
}

impl<'options> TransitClient<'options> {
    /// Reads the files, and builds a client that uses no proxy and follows no redirects. Waits while a
    /// volume does not answer, without blocking its thread.
    ///
    /// # Errors
    /// When TLS is not available, or a file is unusable.
    pub(super) async fn open(options: &'options TransitOptions) -> Result<Self, TransitError> {
        let files = options.clone();
        let read = spawn_blocking(move || read_files(&files)).await;
        let (client, token) = read.unwrap_or_else(|error| {
            let file = options.token_file.clone();
            Err(TransitError::Token(SecretFileError::Unreadable(file, error.into())))
        })?;
        Ok(Self { client, token, options })
    }

    /// Calls `path` of the API.
    ///
    /// # Errors
    /// See [`TransitError`].
    pub(super) async fn call<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, TransitError> {
        let host = self.options.host();
        let malformed = || TransitError::Malformed { host: host.clone(), path: path.to_owned() };
        let unanswered = |error| TransitError::of_request(host.clone(), error);
        let url = self.options.address.join(&format!("v1/{path}")).map_err(|_| malformed())?;
        // Serializing strings cannot fail.
        let body = Zeroizing::new(serde_json::to_string(body).unwrap_or_default());
        let mut request = self.client.post(url);
        for (name, value) in outgoing_headers() {
            request = request.header(name, value);
        }
        let mut request = request
            .header("content-type", "application/json")
            .header("X-Vault-Request", "true")
            .header("X-Vault-Token", self.token.clone())
            .body(body.as_bytes().to_vec());
        if let Some(namespace) = &self.options.namespace {
            request = request.header("X-Vault-Namespace", namespace);
        }
        let response = request.send().await.map_err(unanswered)?;
        let status = response.status();
        let text = read(response).await.map_err(unanswered)?.ok_or_else(malformed)?;
        if !status.is_success() {
            let Errors { errors } = serde_json::from_slice(&text).unwrap_or_default();
            return Err(TransitError::of_status(status, host, path.to_owned(), &errors));
        }
        let answer: Answer<T> = serde_json::from_slice(&text).map_err(|_| malformed())?;
        Ok(answer.data)
    }
}

/// Builds the client, and reads the token.
fn read_files(options: &TransitOptions) -> Result<(Client, HeaderValue), TransitError> {
    Ok((http_client(options)?, read_token(&options.token_file)?))
}

fn http_client(options: &TransitOptions) -> Result<Client, TransitError> {
    let mut builder = Client::builder()
        .timeout(options.timeout)
        .tls_version_min(Version::TLS_1_2)
        // Send the token only to the configured address, not to a redirect target or a proxy.
        .redirect(Policy::none())
        .no_proxy();
    if let Some(file) = &options.ca_file {
        builder = builder.tls_certs_only(http_authorities(file)?);
    }
    builder.build().map_err(TransitError::Tls)
}

/// Reads the token. Line breaks around it are not part of it.
fn read_token(file: &Path) -> Result<HeaderValue, TransitError> {
    let text = secret_file::read(file).map_err(TransitError::Token)?;
    let is_token = |token: &&str| token.chars().all(|c| c.is_ascii_graphic());
    let token = Some(text.trim()).filter(is_token);
    let token = token.and_then(|token| HeaderValue::from_str(token).ok());
    let mut token = token.ok_or_else(|| TransitError::InvalidToken(file.to_owned()))?;
    token.set_sensitive(true);
    Ok(token)
}

/// The body; `None` if it is too long.
async fn read(mut response: Response) -> Result<Option<Zeroizing<Vec<u8>>>, reqwest::Error> {
    let mut body = Zeroizing::new(Vec::new());
    while let Some(chunk) = response.chunk().await? {
        body.extend_from_slice(&chunk);
        if body.len() > MAXIMUM_LENGTH {
            return Ok(None);
        }
    }
    Ok(Some(body))
}
