//! Settings of the export of traces and logs: section `telemetry`.

use std::{path::PathBuf, time::Duration};

use url::Url;

use super::{issuers::is_protected_in_transit, reader::Reader};

/// The longest `telemetry.otlp_timeout_seconds`.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(60);

/// Section `telemetry`.
#[derive(Debug, Clone)]
pub(crate) struct TelemetrySettings {
    /// The base URL of the collector.
    pub(crate) url: Url,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) headers_file: Option<PathBuf>,
    pub(crate) timeout: Duration,
    /// The ratio of the traces that begin here which are exported.
    pub(crate) sample_ratio: f64,
}

impl TelemetrySettings {
    /// Reads the section. `None` if it is not set, or after a problem.
    pub(super) fn take(reader: &mut Reader) -> Option<Self> {
        let url: Option<String> = reader.optional("telemetry.otlp_url");
        let ca_file: Option<PathBuf> = reader.optional("telemetry.otlp_ca_file");
        let headers_file = reader.secret_file("telemetry.otlp_headers_file");
        let timeout = reader.seconds("telemetry.otlp_timeout_seconds");
        let sample_ratio: f64 = reader.get("telemetry.trace_sample_ratio");
        if !(Duration::from_secs(1)..=LONGEST_TIMEOUT).contains(&timeout) {
            reader.problem("telemetry.otlp_timeout_seconds", "must be between 1 and 60");
        }
        if !(0.0..=1.0).contains(&sample_ratio) {
            reader.problem("telemetry.trace_sample_ratio", "must be between 0 and 1");
        }
        if url.is_none() && (ca_file.is_some() || headers_file.is_some()) {
            let reason = "is required, because another setting of telemetry is set; set it";
            reader.problem("telemetry.otlp_url", reason);
        }
        let url = take_url(reader, url.as_deref()?)?;
        if ca_file.is_some() && url.scheme() == "http" {
            reader.problem("telemetry.otlp_ca_file", "has no effect without TLS; remove it");
        }
        Some(Self { url, ca_file, headers_file, timeout, sample_ratio })
    }
}

/// A URL that nobody can read or change requests to. The log may show it.
fn take_url(reader: &mut Reader, text: &str) -> Option<Url> {
    let is_usable = |url: &Url| {
        is_protected_in_transit(url)
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none()
    };
    let url = Url::parse(text).ok().filter(is_usable);
    if url.is_none() {
        reader.problem(
            "telemetry.otlp_url",
            "must be an https URL without user name, password and query, such as \
             https://collector.example.com:4318 (http on loopback only)",
        );
    }
    url
}
