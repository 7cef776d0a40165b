//! Sends events to an HTTP server in requests that are signed as Standard Webhooks does.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use reqwest::{Client, header::CONTENT_TYPE, header::RETRY_AFTER, redirect::Policy, tls::Version};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use url::Url;

use super::{error::SinkError, event_text::write_event};
use crate::{
    domain::audit_stream::StreamedEvent,
    security::{
        file_work::{FileWork, LIMIT},
        secret_file,
        tls::http_authorities,
        trusting_client::TrustingClient,
        webhook_signature::WebhookKeys,
    },
};

const JSON: &str = "application/json";

/// How long an unused connection stays open.
const IDLE_TIME: Duration = Duration::from_secs(15);

/// The longest pause that a receiver can ask for.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// A receiver of events.
#[derive(Debug, Clone)]
pub(crate) struct WebhookOptions {
    /// The name of the sink, which requests carry.
    pub(crate) sink: String,
    pub(crate) url: Url,
    /// The file with the keys that sign requests. It is read for each request.
    pub(crate) key_file: PathBuf,
    /// The certificates of the only authorities that the certificate of the receiver may come from.
    pub(crate) ca_file: Option<PathBuf>,
    /// The longest time for one answer.
    pub(crate) timeout: Duration,
}

/// Sends events to a receiver.
pub(crate) struct WebhookSink {
    client: Arc<TrustingClient<Client, SinkError>>,
    options: WebhookOptions,
    work: FileWork<Result<(WebhookKeys, Client), SinkError>>,
}

impl WebhookSink {
    /// Builds the client. Connects to nothing.
    ///
    /// # Errors
    /// When the key or the certificates cannot be used, or TLS is not available.
    pub(crate) fn new(options: WebhookOptions) -> Result<Self, SinkError> {
        // The first event would find a missing key otherwise.
        read_keys(&options.key_file)?;
        let of_client = options.clone();
        let build = move |ca_file: Option<&Path>| build_client(&of_client, ca_file);
        let client = TrustingClient::new("audit.sinks", options.ca_file.clone(), build);
        drop(client.read()?);
        Ok(Self { client: Arc::new(client), options, work: FileWork::default() })
    }

    /// The keys, and the client, which is built again after `ca_file` has changed.
    async fn read_files(&self) -> Result<(WebhookKeys, Client), SinkError> {
        let (key_file, client) = (self.options.key_file.clone(), Arc::clone(&self.client));
        self.work.run(LIMIT, move || Ok((read_keys(&key_file)?, client.read()?))).await?
    }

    /// Sends events; returns when the receiver has answered that it has them.
    ///
    /// # Errors
    /// When the receiver did not answer with 2xx in time.
    pub(super) async fn send(
        &self,
        events: &[StreamedEvent],
        now: OffsetDateTime,
    ) -> Result<(), SinkError> {
        let Some((first, last)) = events.first().zip(events.last()) else { return Ok(()) };
        let id = format!("audit_{}_{}_{}", self.options.sink, first.position, last.position);
        self.post(&id, "audit.events", events, now).await
    }

    /// Asks the receiver whether it accepts the signature, with a request without events.
    ///
    /// # Errors
    /// When the receiver did not answer with 2xx in time.
    pub(super) async fn check(&self, now: OffsetDateTime) -> Result<(), SinkError> {
        let id = format!("ping_{}_{}", self.options.sink, now.unix_timestamp_nanos());
        self.post(&id, "audit.ping", &[], now).await
    }

    async fn post(
        &self,
        id: &str,
        kind: &str,
        events: &[StreamedEvent],
        now: OffsetDateTime,
    ) -> Result<(), SinkError> {
        let (keys, client) = self.read_files().await?;
        let body = body(&self.options.sink, kind, events, now);
        let timestamp = now.unix_timestamp();
        let signature = keys.sign(id, timestamp, body.as_bytes());
        let request = client
            .post(self.options.url.clone())
            .header(CONTENT_TYPE, JSON)
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signature)
            .body(body);
        let response = request.send().await.map_err(|error| self.unanswered(error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(());
        }
        let retry_after = response.headers().get(RETRY_AFTER);
        let seconds = retry_after.and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let retry_after = seconds.map(|seconds| Duration::from_secs(seconds).min(LONGEST_PAUSE));
        Err(SinkError::Status { host: self.host(), status, retry_after })
    }

    fn unanswered(&self, error: reqwest::Error) -> SinkError {
        let host = self.host();
        if error.is_timeout() {
            return SinkError::TimedOut { host };
        }
        SinkError::Unanswered { host, source: error.without_url() }
    }

    /// The host and the port, for messages.
    fn host(&self) -> String {
        let host = self.options.url.host_str().unwrap_or_default();
        self.options.url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }
}

/// The body of a request, as Standard Webhooks recommends it.
fn body(sink: &str, kind: &str, events: &[StreamedEvent], now: OffsetDateTime) -> String {
    let timestamp = now.format(&Rfc3339).unwrap_or_default();
    // The names of sinks, the kinds and the time need no escapes.
    let mut text = format!(
        "{{\"type\":\"{kind}\",\"timestamp\":\"{timestamp}\",\"data\":{{\"sink\":\"{sink}\",\"events\":["
    );
    for (place, event) in events.iter().enumerate() {
        if place > 0 {
            text.push(',');
        }
        text.push_str(&write_event(event));
    }
    text.push_str("]}}");
    text
}

/// Reads the keys that sign requests.
fn read_keys(file: &Path) -> Result<WebhookKeys, SinkError> {
    let text = secret_file::read(file).map_err(SinkError::Key)?;
    WebhookKeys::parse(&text).ok_or_else(|| SinkError::InvalidKey(file.to_owned()))
}

/// Builds a client that trusts the authorities of a file, or those of the operating system.
fn build_client(options: &WebhookOptions, ca_file: Option<&Path>) -> Result<Client, SinkError> {
    let mut builder = Client::builder()
        .tls_version_min(Version::TLS_1_2)
        .https_only(options.url.scheme() == "https")
        // Events go to the configured URL only, not to a redirect target or a proxy.
        .redirect(Policy::none())
        .no_proxy()
        .pool_max_idle_per_host(1)
        .pool_idle_timeout(IDLE_TIME)
        .timeout(options.timeout);
    if let Some(file) = ca_file {
        builder = builder.tls_certs_only(http_authorities(file)?);
    }
    builder.build().map_err(SinkError::Client)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit_sinks::event_text::tests::event;

    #[test]
    fn a_body_is_json_with_the_events_in_their_order() {
        let now = OffsetDateTime::from_unix_timestamp(1_790_000_000).unwrap();
        let text = body("siem", "audit.events", &[event(4), event(6)], now);
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read["type"], "audit.events");
        assert_eq!(read["timestamp"], "2026-09-21T14:13:20Z");
        assert_eq!(read["data"]["sink"], "siem");
        let events = read["data"]["events"].as_array().unwrap();
        let positions: Vec<_> = events.iter().map(|event| event["position"].as_i64()).collect();
        assert_eq!(positions, [Some(4), Some(6)]);
        let empty: serde_json::Value =
            serde_json::from_str(&body("siem", "audit.ping", &[], now)).unwrap();
        assert_eq!(empty["data"]["events"], serde_json::json!([]));
    }
}
