//! Exports spans and log records to a collector by OTLP over HTTP.
//!
//! A thread of its own sends batches. Requests only put items into bounded queues: while the collector
//! is away or slow, items are dropped and counted, and no request waits.

mod http_client;
mod log_sink;
mod queue;
mod worker;

use std::{path::PathBuf, sync::mpsc, thread, time::Duration};

use opentelemetry::KeyValue;
use opentelemetry_sdk::{Resource, logs::SdkLogRecord, trace::SpanData};
use tokio::sync::watch;
use url::Url;

use self::queue::Receiver;
pub(crate) use self::{
    http_client::{CollectorError, HeaderSource},
    worker::check_collector,
};
pub(super) use self::{log_sink::LogExport, queue::Queue};
use crate::{export_metrics::Signal, security::random::random_bytes};

/// How long the end of the process waits for the collector to take what is left.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// Where and how to export.
pub(crate) struct ExportOptions {
    /// The base URL of the collector, below which `v1/traces` and `v1/logs` are.
    pub(crate) url: Url,
    /// The file with the certificates of the authorities that may have issued that of the collector;
    /// `None` for those of the operating system.
    pub(crate) ca_file: Option<PathBuf>,
    /// Further headers of each request.
    pub(crate) headers: HeaderSource,
    pub(crate) timeout: Duration,
    /// The ratio of the traces that begin here which are exported, from 0 to 1.
    pub(crate) sample_ratio: f64,
}

/// The export of this process. Its end sends what is in the queues, in one attempt.
pub(crate) struct Export {
    stop: watch::Sender<bool>,
    stopped: mpsc::Receiver<()>,
}

/// The ends of the queues that are filled.
pub(super) struct Queues {
    pub(super) spans: Queue<SpanData>,
    pub(super) logs: Queue<SdkLogRecord>,
}

/// The ends of the queues that are emptied.
struct Receivers {
    spans: Receiver<SpanData>,
    logs: Receiver<SdkLogRecord>,
}

impl Export {
    /// Starts the thread. Connects when there is something to send.
    ///
    /// # Errors
    /// When TLS is not available, a file is unusable, or the system starts no thread.
    pub(super) fn start(options: ExportOptions) -> Result<(Self, Queues), CollectorError> {
        let (spans, of_spans) = queue::bounded(Signal::Traces);
        let (logs, of_logs) = queue::bounded(Signal::Logs);
        let receivers = Receivers { spans: of_spans, logs: of_logs };
        let (stop, stopping) = watch::channel(false);
        let (ended, stopped) = mpsc::channel();
        let exporters = worker::exporters(options)?;
        thread::Builder::new()
            .name("otlp-export".to_owned())
            .spawn(move || {
                worker::run(exporters, receivers, stopping);
                // Nobody waits if the process ends without `stop`.
                let _ = ended.send(());
            })
            .map_err(CollectorError::Thread)?;
        Ok((Self { stop, stopped }, Queues { spans, logs }))
    }
}

impl Drop for Export {
    fn drop(&mut self) {
        // The thread may have ended already.
        let _ = self.stop.send(true);
        let _ = self.stopped.recv_timeout(STOP_TIMEOUT);
    }
}

/// What this process calls itself. Environment variables do not change it.
fn resource() -> Resource {
    Resource::builder_empty()
        .with_attributes([
            KeyValue::new("service.name", "credential-keeper"),
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        ])
        .with_attributes(random_bytes().ok().map(|bytes| {
            let id = uuid::Builder::from_random_bytes(bytes).into_uuid();
            KeyValue::new("service.instance.id", id.to_string())
        }))
        .build()
}
