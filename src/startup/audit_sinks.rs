//! Builds the sinks of the audit stream from the settings, and checks these.

use std::{sync::Arc, time::Duration};

use rustix::system::uname;

use super::{activity::Recording, error::StartError, parts::Parts};
use crate::{
    audit_sinks::{
        FileOptions, FileSink, Sink, SinkError, SinkTarget, SyslogFormat, SyslogOptions,
        SyslogSink, WebhookOptions, WebhookSink, host_name, require_writable, split_address,
    },
    clock,
    configuration::{Problem, Problems, Settings, SinkSettings, SyslogSetting},
    service::audit::stream::{
        delivery::AuditStream,
        metrics::SinkMetrics,
        pressure::{StreamPressure, WhenFull},
    },
    telemetry::error_chain,
};

const SETTING: &str = "audit.sinks";

/// Builds the sinks and their delivery. It opens files and connections on demand.
///
/// # Errors
/// When a file of the settings cannot be used.
pub(super) fn open_stream(
    parts: &Parts,
    settings: &Settings,
    recording: &Recording,
) -> Result<AuditStream, StartError> {
    let metrics = Arc::<SinkMetrics>::default();
    let audit = &settings.audit_stream;
    let when_full = if audit.refuses_when_full { WhenFull::Refuse } else { WhenFull::Continue };
    let maintenance = Arc::clone(&parts.queues.maintenance);
    let mut sinks = Vec::new();
    for sink in &audit.sinks {
        let failed = |problem| StartError::Setting(Problems(vec![problem]).to_string());
        sinks.push(build(sink).map_err(|error| failed(problem(sink, &error)))?);
        metrics.add(sink.name());
        warn_of_unwritable_file(sink);
    }
    Ok(AuditStream {
        database: parts.database(),
        sinks,
        instance_id: recording.instance_id().to_owned(),
        metrics,
        pressure: StreamPressure::new(audit.maximum_undelivered, when_full, maintenance),
    })
}

/// Warns if the file of a sink cannot be written, on a thread of its own: the start does not wait for
/// its volume, which may hang.
fn warn_of_unwritable_file(sink: &SinkSettings) {
    if !matches!(sink, SinkSettings::File { .. }) {
        return;
    }
    let sink = sink.clone();
    let warn = move || {
        if let Some(error) = unwritable_file(&sink) {
            tracing::warn!(
                sink = sink.name(),
                error = &error as &dyn std::error::Error,
                "the file of an audit sink cannot be written; events wait until it can"
            );
        }
    };
    // Without a thread, the first event finds it.
    let _ = std::thread::Builder::new().name("sink-check".to_owned()).spawn(warn);
}

fn build(settings: &SinkSettings) -> Result<Sink, SinkError> {
    let target = match settings {
        SinkSettings::File { file, rotate_bytes, keep_files, .. } => {
            let (rotate_bytes, keep_files) = (*rotate_bytes, *keep_files);
            SinkTarget::File(FileSink::new(FileOptions {
                path: file.clone(),
                rotate_bytes,
                keep_files,
            }))
        }
        SinkSettings::Webhook { name, url, key_file, ca_file, timeout_seconds } => {
            SinkTarget::Webhook(WebhookSink::new(WebhookOptions {
                sink: name.clone(),
                url: url.parse().map_err(|_| SinkError::InvalidUrl)?,
                key_file: key_file.clone(),
                ca_file: ca_file.clone(),
                timeout: Duration::from_secs((*timeout_seconds).into()),
            })?)
        }
        SinkSettings::Syslog {
            address,
            format,
            ca_file,
            certificate_file,
            key_file,
            timeout_seconds,
            ..
        } => {
            let (host, port) = split_address(address)?;
            SinkTarget::Syslog(SyslogSink::new(SyslogOptions {
                host,
                port,
                ca_file: ca_file.clone(),
                client: certificate_file.clone().zip(key_file.clone()),
                format: match format {
                    SyslogSetting::Json => SyslogFormat::Json,
                    SyslogSetting::Cef => SyslogFormat::Cef,
                },
                timeout: Duration::from_secs((*timeout_seconds).into()),
                client_host: host_name(&uname().nodename().to_string_lossy()),
            })?)
        }
    };
    Ok(Sink { name: settings.name().to_owned(), target })
}

fn problem(settings: &SinkSettings, error: &SinkError) -> Problem {
    Problem::new(SETTING, format!("{}: {}", settings.name(), error_chain(error)))
}

/// Problems of the files that the sinks need. Does not connect.
pub(super) fn problems_of_sinks(settings: &Settings) -> Vec<Problem> {
    let sinks = settings.audit_stream.sinks.iter();
    sinks.filter_map(|sink| Some(problem(sink, &build(sink).err()?))).collect()
}

/// Files of sinks that cannot be written. `serve` waits until they can, and changes go on meanwhile, so
/// that only a check of the settings refuses them.
pub(super) fn unwritable_files(settings: &Settings) -> Vec<Problem> {
    let sinks = settings.audit_stream.sinks.iter();
    sinks.filter_map(|sink| Some(problem(sink, &unwritable_file(sink)?))).collect()
}

fn unwritable_file(settings: &SinkSettings) -> Option<SinkError> {
    let SinkSettings::File { file, .. } = settings else { return None };
    require_writable(file).err()
}

/// Asks a sink whether it would take events, without sending one.
///
/// # Errors
/// The problem, as a text for the operator.
pub(crate) async fn check_sink(settings: &SinkSettings) -> Result<(), String> {
    let checked = async { build(settings)?.check(clock::now()).await };
    checked.await.map_err(|error: SinkError| error_chain(&error))
}
