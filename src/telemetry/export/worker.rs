//! The thread that exports.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use opentelemetry::InstrumentationScope;
use opentelemetry_otlp::{
    LogExporter as OtlpLogs, Protocol, RetryPolicy, SpanExporter as OtlpSpans, WithExportConfig,
    WithHttpConfig,
};
use opentelemetry_sdk::{
    error::OTelSdkResult,
    logs::{LogBatch, LogExporter, SdkLogRecord},
    trace::{SpanData, SpanExporter},
};
use tokio::{runtime, sync::watch};

use super::{
    ExportOptions, Receivers,
    http_client::{CollectorClient, CollectorError, Rejected, http_client},
    log_sink,
    queue::Receiver,
    resource,
};
use crate::{
    export_metrics::{DropReason, Signal},
    security::trusting_client::TrustingClient,
    telemetry::error_chain::error_chain,
};

/// The most items of a request to the collector.
const BATCH: usize = 512;

/// How long items wait for others of their batch.
const LINGER: Duration = Duration::from_millis(500);

/// The pauses after failures of the collector.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The least time between two lines about what a collector rejects. Its reason may be another one for
/// each batch, for example with a number.
const REJECTION_INTERVAL: Duration = Duration::from_mins(1);

/// The exporters of both signals, each with its client.
pub(super) struct Exporters {
    spans: (OtlpSpans, Arc<CollectorClient>),
    logs: (OtlpLogs, Arc<CollectorClient>),
}

/// Builds the exporters. Connects to nothing.
///
/// # Errors
/// When TLS is not available, or the file with the certificates is unusable.
pub(super) fn exporters(options: ExportOptions) -> Result<Exporters, CollectorError> {
    let ExportOptions { url, ca_file, headers, timeout, .. } = options;
    let of_client = url.clone();
    let build = move |ca_file: Option<&Path>| http_client(&of_client, ca_file, timeout);
    let client = Arc::new(TrustingClient::new("telemetry.otlp_ca_file", ca_file, build));
    drop(client.read()?);
    let headers = Arc::new(headers);
    let of_path = |path: &str| {
        let mut url = url.clone();
        let base = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{base}/{path}"));
        let headers = Arc::clone(&headers);
        let headers = Box::new(move || headers());
        Arc::new(CollectorClient::new(Arc::clone(&client), url, headers))
    };
    let (spans, logs) = (of_path("v1/traces"), of_path("v1/logs"));
    let mut of_spans = OtlpSpans::builder()
        .with_http()
        .with_endpoint(spans.url().as_str())
        .with_protocol(Protocol::HttpBinary)
        .with_timeout(timeout)
        .with_shared_http_client(Arc::clone(&spans) as Arc<_>)
        .with_retry_policy(RetryPolicy::disabled())
        .build()?;
    let mut of_logs = OtlpLogs::builder()
        .with_http()
        .with_endpoint(logs.url().as_str())
        .with_protocol(Protocol::HttpBinary)
        .with_timeout(timeout)
        .with_shared_http_client(Arc::clone(&logs) as Arc<_>)
        .with_retry_policy(RetryPolicy::disabled())
        .build()?;
    let resource = resource();
    of_spans.set_resource(&resource);
    of_logs.set_resource(&resource);
    Ok(Exporters { spans: (of_spans, spans), logs: (of_logs, logs) })
}

/// Exports until `stopping` and until the queues are empty.
pub(super) fn run(exporters: Exporters, receivers: Receivers, stopping: watch::Receiver<bool>) {
    log_sink::mark_exporter();
    let Ok(runtime) = runtime::Builder::new_current_thread().enable_all().build() else { return };
    runtime.block_on(async {
        let Exporters { spans: (spans, of_spans), logs: (logs, of_logs) } = exporters;
        let stop = stopping.clone();
        let exporting_spans = drain(receivers.spans, stop, async |batch: &[SpanData]| {
            outcome(spans.export(batch.to_vec()).await, &of_spans)
        });
        let exporting_logs = drain(receivers.logs, stopping, async |batch: &[SdkLogRecord]| {
            outcome(export_logs(&logs, batch).await, &of_logs)
        });
        tokio::join!(exporting_spans, exporting_logs);
    });
}

/// Asks the collector whether it takes traces and logs, with requests that have none.
///
/// # Errors
/// See [`CollectorError`].
pub(crate) async fn check_collector(options: ExportOptions) -> Result<(), CollectorError> {
    let Exporters { spans: (spans, of_spans), logs: (logs, of_logs) } = exporters(options)?;
    outcome(spans.export(Vec::new()).await, &of_spans)?;
    outcome(export_logs(&logs, &[]).await, &of_logs).map(drop)
}

async fn export_logs(exporter: &OtlpLogs, batch: &[SdkLogRecord]) -> OTelSdkResult {
    // The target of a record is the name of its scope.
    let scope = InstrumentationScope::builder("credential_keeper").build();
    let batch: Vec<_> = batch.iter().map(|record| (record, &scope)).collect();
    exporter.export(LogBatch::new(&batch)).await
}

fn outcome(exported: OTelSdkResult, client: &CollectorClient) -> Result<Rejected, CollectorError> {
    exported.map_err(|_| client.take_failure())?;
    Ok(client.take_rejected())
}

/// Exports a queue until it is closed and empty.
async fn drain<T>(
    mut receiver: Receiver<T>,
    mut stopping: watch::Receiver<bool>,
    export: impl AsyncFn(&[T]) -> Result<Rejected, CollectorError>,
) {
    let mut batch = Vec::with_capacity(BATCH);
    let mut progress = Progress::new(receiver.signal);
    loop {
        tokio::select! {
            biased;
            number = receiver.items.recv_many(&mut batch, BATCH) => if number == 0 { return },
            () = stop(&mut stopping), if !receiver.items.is_closed() => {
                receiver.items.close();
                continue;
            }
        }
        if batch.len() < BATCH {
            wait(LINGER, &mut stopping).await;
            while batch.len() < BATCH
                && let Ok(item) = receiver.items.try_recv()
            {
                batch.push(item);
            }
        }
        loop {
            let error = match export(&batch).await {
                Ok(rejected) => {
                    progress.succeed(batch.len(), rejected);
                    break;
                }
                Err(error) => error,
            };
            let is_dropped = !error.is_temporary() || *stopping.borrow();
            let pause = progress.fail(&error, is_dropped.then_some(batch.len()));
            wait(pause, &mut stopping).await;
            if is_dropped {
                break;
            }
        }
        batch.clear();
    }
}

/// How the export of a signal goes, for the log and the metrics.
struct Progress {
    signal: Signal,
    /// The pause after the last failure; `None` after a success.
    pause: Option<Duration>,
    /// The last reason of a failure in the log, so that each is there once: a collector may be away
    /// first, and then refuse.
    reported: Option<String>,
    /// When a rejection was logged last.
    rejection_reported: Option<Instant>,
}

impl Progress {
    fn new(signal: Signal) -> Self {
        Self { signal, pause: None, reported: None, rejection_reported: None }
    }

    /// Counts a batch that the collector took, except for what it rejected.
    fn succeed(&mut self, length: usize, rejected: Rejected) {
        let Rejected { number, reason } = rejected;
        let number = number.min(length);
        self.signal.count_exported(length - number);
        let signal = self.signal.name();
        if self.pause.take().is_some() {
            tracing::info!("the collector takes {signal} again");
        }
        self.reported = None;
        if number == 0 {
            return;
        }
        self.signal.count_dropped(DropReason::Refused, number);
        let reported = self.rejection_reported;
        if reported.is_none_or(|reported| reported.elapsed() >= REJECTION_INTERVAL) {
            // Not as `error`, which `GET /errors` keeps: collectors often quote values of a record.
            let rejection = reason;
            tracing::warn!(rejection, "the collector rejected a part of the {signal}");
            self.rejection_reported = Some(Instant::now());
        }
    }

    /// Notes a failure, after which this many items are dropped; returns the pause after it.
    fn fail(&mut self, error: &CollectorError, dropped: Option<usize>) -> Duration {
        let next = if dropped.is_some() { "dropped a batch" } else { "trying again" };
        let signal = self.signal.name();
        let error = error_chain(error);
        if self.reported.as_ref() != Some(&error) {
            tracing::warn!(error, "cannot export {signal}; {next}");
            self.reported = Some(error);
        }
        if let Some(number) = dropped {
            self.signal.count_dropped(DropReason::Refused, number);
        }
        let next = |last: Duration| (last * 2).min(LONGEST_PAUSE);
        *self.pause.insert(self.pause.map_or(FIRST_PAUSE, next))
    }
}

/// Waits this long, or until the process ends.
async fn wait(duration: Duration, stopping: &mut watch::Receiver<bool>) {
    // Either end of the wait is fine.
    let _ = tokio::time::timeout(duration, stop(stopping)).await;
}

async fn stop(stopping: &mut watch::Receiver<bool>) {
    // Without a sender, the process has ended already.
    let _ = stopping.wait_for(|is_stopping| *is_stopping).await;
}
