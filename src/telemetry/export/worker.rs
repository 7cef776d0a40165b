//! The thread that exports.

use std::{sync::Arc, time::Duration};

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
    http_client::{CollectorClient, CollectorError, http_client},
    log_sink,
    queue::Receiver,
    resource,
};
use crate::{export_metrics::DropReason, telemetry::error_chain::error_chain};

/// The most items of a request to the collector.
const BATCH: usize = 512;

/// How long items wait for others of their batch.
const LINGER: Duration = Duration::from_millis(500);

/// The pauses after failures of the collector.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The exporters of both signals, each with its client.
pub(super) struct Exporters {
    spans: (OtlpSpans, Arc<CollectorClient>),
    logs: (OtlpLogs, Arc<CollectorClient>),
}

/// Builds the exporters. Connects to nothing.
///
/// # Errors
/// When TLS is not available.
pub(super) fn exporters(options: ExportOptions) -> Result<Exporters, CollectorError> {
    let ExportOptions { url, certificates, headers, timeout, .. } = options;
    let client = http_client(&url, certificates, timeout)?;
    let headers = Arc::new(headers);
    let of_path = |path: &str| {
        let mut url = url.clone();
        let base = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{base}/{path}"));
        let headers = Arc::clone(&headers);
        let headers = Box::new(move || headers());
        Arc::new(CollectorClient::new(client.clone(), url, headers))
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
    outcome(export_logs(&logs, &[]).await, &of_logs)
}

async fn export_logs(exporter: &OtlpLogs, batch: &[SdkLogRecord]) -> OTelSdkResult {
    // The target of a record is the name of its scope.
    let scope = InstrumentationScope::builder("credential_keeper").build();
    let batch: Vec<_> = batch.iter().map(|record| (record, &scope)).collect();
    exporter.export(LogBatch::new(&batch)).await
}

fn outcome(exported: OTelSdkResult, client: &CollectorClient) -> Result<(), CollectorError> {
    exported.map_err(|_| client.take_failure())
}

/// Exports a queue until it is closed and empty.
async fn drain<T>(
    mut receiver: Receiver<T>,
    mut stopping: watch::Receiver<bool>,
    export: impl AsyncFn(&[T]) -> Result<(), CollectorError>,
) {
    let signal = receiver.signal;
    let mut batch = Vec::with_capacity(BATCH);
    let mut pause = None;
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
            let Err(error) = export(&batch).await else {
                signal.count_exported(batch.len());
                if pause.take().is_some() {
                    tracing::info!("the collector takes {} again", signal.name());
                }
                break;
            };
            if pause.is_none() {
                let error = error_chain(&error);
                tracing::warn!(error, "cannot export {}; trying again", signal.name());
            }
            let next = pause.map_or(FIRST_PAUSE, |last: Duration| (last * 2).min(LONGEST_PAUSE));
            pause = Some(next);
            let is_stopping = *stopping.borrow();
            if !error.is_temporary() || is_stopping {
                signal.count_dropped(DropReason::Refused, batch.len());
                wait(next, &mut stopping).await;
                break;
            }
            wait(next, &mut stopping).await;
        }
        batch.clear();
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
