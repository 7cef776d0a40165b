//! Starts the log and the export of traces and logs, and checks the settings of the export.

use std::path::PathBuf;

use super::{error::StartError, otlp_headers::read_headers};
use crate::{
    configuration::{Problem, Settings, TelemetrySettings},
    security::tls::http_authorities,
    telemetry::{
        self, error_chain,
        export::{Export, ExportOptions, check_collector},
    },
};

/// The setting that names the file with further headers.
const HEADERS: &str = "telemetry.otlp_headers_file";

/// Starts the log of this process on stderr, and exports it together with traces, if the settings
/// name a collector. `None`: nothing is exported.
///
/// # Errors
/// When `log.level` is invalid, or a file cannot be used.
pub(crate) fn start_log_and_export(settings: &Settings) -> Result<Option<Export>, StartError> {
    let problems = settings.telemetry.as_ref().map(problems_of_telemetry).unwrap_or_default();
    if let Some(problem) = problems.first() {
        return Err(StartError::Setting(problem.to_string()));
    }
    telemetry::start(&settings.log, settings.telemetry.as_ref().map(options))
        .map_err(|error| StartError::Setting(error_chain(&error)))
}

/// Asks the collector of the settings whether it takes traces and logs.
///
/// # Errors
/// The problem, as a text for the operator.
pub(crate) async fn check_telemetry(settings: &TelemetrySettings) -> Result<(), String> {
    check_collector(options(settings)).await.map_err(|error| error_chain(&error))
}

/// Problems of the files. Does not connect.
pub(super) fn problems_of_telemetry(settings: &TelemetrySettings) -> Vec<Problem> {
    let authorities = settings.ca_file.as_deref().and_then(|file| http_authorities(file).err());
    let authorities =
        authorities.map(|error| Problem::new("telemetry.otlp_ca_file", error_chain(&error)));
    let headers = settings.headers_file.as_deref().and_then(|file| read_headers(file).err());
    let headers = headers.map(|reason| Problem::new(HEADERS, reason));
    authorities.into_iter().chain(headers).collect()
}

fn options(settings: &TelemetrySettings) -> ExportOptions {
    let file: Option<PathBuf> = settings.headers_file.clone();
    // Read for each request, so that a token can be replaced.
    let headers = move || {
        let headers = file.as_deref().map(read_headers).transpose();
        headers.map(Option::unwrap_or_default).map_err(|reason| format!("{HEADERS}: {reason}"))
    };
    ExportOptions {
        url: settings.url.clone(),
        ca_file: settings.ca_file.clone(),
        headers: Box::new(headers),
        timeout: settings.timeout,
        sample_ratio: settings.sample_ratio,
    }
}
