//! The HTTP client of the exporters.

use std::{
    fmt,
    future::Future,
    io,
    path::Path,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceResponse;
use prost::Message;
use reqwest::{
    Client, StatusCode,
    header::{CONTENT_TYPE, HeaderMap},
    redirect::Policy,
    tls::Version,
};
use url::Url;

use crate::security::{
    tls::{ClientTlsError, http_authorities},
    trusting_client::TrustingClient,
};

/// The longest answer that is read, in bytes. Real answers are far smaller.
const MAXIMUM_LENGTH: usize = 64 * 1024;

/// The longest reason of a collector in the log, in characters.
const MAXIMUM_REASON: usize = 200;

/// Returns the further headers of a request, or why there are none. The text has no value.
pub(crate) type HeaderSource = Box<dyn Fn() -> Result<HeaderMap, String> + Send + Sync>;

/// The HTTP client of all paths of a collector. It follows the changes of `telemetry.otlp_ca_file`.
pub(super) type SharedClient = Arc<TrustingClient<Client, CollectorError>>;

/// Why a collector took nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CollectorError {
    #[error("telemetry.otlp_url: the collector at {host} cannot be reached")]
    Unreachable { host: String, source: reqwest::Error },
    #[error("telemetry.otlp_url: the collector at {host} did not answer in time")]
    TimedOut { host: String },
    #[error("telemetry.otlp_url: the collector at {host} answered {status} to {path}")]
    Status { host: String, path: String, status: StatusCode },
    #[error("{0}")]
    Headers(String),
    #[error("telemetry.otlp_ca_file")]
    Authorities(#[from] ClientTlsError),
    #[error("TLS is not available")]
    Tls(#[source] reqwest::Error),
    #[error("cannot start the thread that exports telemetry")]
    Thread(#[source] io::Error),
    #[error("cannot build an exporter: {0}")]
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
    #[error("the collector took nothing")]
    Unknown,
}

impl CollectorError {
    /// True if the same batch may be taken later (OTLP 1.7, "Retryable Response Codes").
    pub(super) fn is_temporary(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::TimedOut { .. } | Self::Headers(_) => true,
            Self::Status { status, .. } => matches!(status.as_u16(), 429 | 502 | 503 | 504),
            Self::Authorities(_)
            | Self::Tls(_)
            | Self::Thread(_)
            | Self::Exporter(_)
            | Self::Unknown => false,
        }
    }
}

/// What a collector did not take of a batch (OTLP 1.7, "Partial Success").
#[derive(Debug, Default)]
pub(super) struct Rejected {
    /// The number of spans or log records.
    pub(super) number: usize,
    /// Why, as the collector says. It can quote values of the rejected items.
    pub(super) reason: String,
}

impl Rejected {
    /// Reads the answer to a batch. Those for spans and for log records have the same form.
    fn read(answer: Bytes) -> Self {
        let answer = ExportLogsServiceResponse::decode(answer).unwrap_or_default();
        let partial = answer.partial_success.unwrap_or_default();
        Self {
            number: partial.rejected_log_records.try_into().unwrap_or_default(),
            reason: partial.error_message.chars().take(MAXIMUM_REASON).collect(),
        }
    }
}

/// A client for one path of the collector. It uses no proxy and follows no redirects.
pub(super) struct CollectorClient {
    client: SharedClient,
    url: Url,
    headers: HeaderSource,
    /// Why the last request failed: the exporter only returns a text.
    failure: Mutex<Option<CollectorError>>,
    /// What the last answer rejected: the exporter ignores it.
    rejected: Mutex<Rejected>,
}

impl CollectorClient {
    /// A client for a URL.
    pub(super) fn new(client: SharedClient, url: Url, headers: HeaderSource) -> Self {
        Self { client, url, headers, failure: Mutex::default(), rejected: Mutex::default() }
    }

    /// The URL.
    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    /// Why the last request failed.
    pub(super) fn take_failure(&self) -> CollectorError {
        let taken = self.failure.lock().unwrap_or_else(PoisonError::into_inner).take();
        taken.unwrap_or(CollectorError::Unknown)
    }

    /// What the last answer rejected.
    pub(super) fn take_rejected(&self) -> Rejected {
        std::mem::take(&mut self.rejected.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Sends a body in the format of OTLP.
    async fn send(&self, content_type: HeaderMap, body: Bytes) -> Result<Bytes, CollectorError> {
        // Both read a file. The thread of the exporter has no other work.
        let headers = (self.headers)().map_err(CollectorError::Headers)?;
        let client = self.client.read()?;
        // The exporter adds headers from environment variables; only its type of content counts.
        let request = client.post(self.url.clone()).headers(headers).headers(content_type);
        let failed = |error| self.unanswered(error);
        let mut response = request.body(body).send().await.map_err(failed)?;
        let status = response.status();
        if !status.is_success() {
            let (host, path) = (host(&self.url), self.url.path().to_owned());
            return Err(CollectorError::Status { host, path, status });
        }
        let mut answer = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if answer.len() + chunk.len() > MAXIMUM_LENGTH {
                break;
            }
            answer.extend_from_slice(&chunk);
        }
        Ok(answer.into())
    }

    fn unanswered(&self, error: reqwest::Error) -> CollectorError {
        let host = host(&self.url);
        if error.is_timeout() {
            return CollectorError::TimedOut { host };
        }
        CollectorError::Unreachable { host, source: error.without_url() }
    }
}

impl fmt::Debug for CollectorClient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("CollectorClient").field(&self.url.as_str()).finish()
    }
}

impl HttpClient for CollectorClient {
    fn send_bytes<'client, 'sending>(
        &'client self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'sending>>
    where
        'client: 'sending,
        Self: 'sending,
    {
        Box::pin(async move {
            let mut content_type = HeaderMap::new();
            if let Some(value) = request.headers().get(CONTENT_TYPE) {
                content_type.insert(CONTENT_TYPE, value.clone());
            }
            match self.send(content_type, request.into_body()).await {
                Ok(answer) => {
                    let rejected = Rejected::read(answer.clone());
                    *self.rejected.lock().unwrap_or_else(PoisonError::into_inner) = rejected;
                    Ok(Response::new(answer))
                }
                Err(error) => {
                    *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                    Err("see the failure of the client".into())
                }
            }
        })
    }
}

/// An HTTP client that uses no proxy and follows no redirects.
///
/// # Errors
/// When TLS is not available, or the file with the certificates is unusable.
pub(super) fn http_client(
    url: &Url,
    ca_file: Option<&Path>,
    timeout: Duration,
) -> Result<Client, CollectorError> {
    let mut builder = Client::builder()
        .timeout(timeout)
        .tls_version_min(Version::TLS_1_2)
        .https_only(url.scheme() == "https")
        // Send telemetry only to the configured URL, not to a redirect target or a proxy.
        .redirect(Policy::none())
        .no_proxy();
    if let Some(file) = ca_file {
        builder = builder.tls_certs_only(http_authorities(file)?);
    }
    builder.build().map_err(CollectorError::Tls)
}

fn host(url: &Url) -> String {
    let port = url.port_or_known_default().unwrap_or_default();
    format!("{}:{port}", url.host_str().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_collector_rejects_is_read_from_its_answer() {
        let rejected = Rejected::read(Bytes::from_static(b"\x0a\x07\x08\x05\x12\x03why"));
        assert_eq!((rejected.number, rejected.reason.as_str()), (5, "why"));
        for accepted in [
            &b""[..],
            b"\x0a\x02\x08\x00",
            b"{}",
            b"\x0a\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        ] {
            assert_eq!(Rejected::read(Bytes::from_static(accepted)).number, 0, "{accepted:?}");
        }
    }
}
