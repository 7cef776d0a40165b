//! Structured logging on stderr, and the export of logs and traces: subscriber, format, filter and
//! panic hook.

mod error_chain;
pub(crate) mod export;
pub(crate) mod log_fields;
mod log_output;
mod log_records;
mod selected;
mod traces;

use std::{
    backtrace::Backtrace,
    io::{self, IsTerminal, Write},
    panic,
    sync::{Mutex, OnceLock, PoisonError},
};

use tokio::task::JoinError;
use tracing::{Level, level_filters::LevelFilter};
use tracing_subscriber::{
    Layer, Registry,
    filter::Targets,
    fmt,
    layer::{Layered, SubscriberExt},
    reload,
    util::SubscriberInitExt,
};

pub(crate) use self::error_chain::error_chain;
use self::{
    export::{CollectorError, Export, ExportOptions, LogExport, Queues},
    log_output::LogOutput,
    log_records::{JsonLines, LogRecords},
    selected::{Selected, SharedFilter},
    traces::Traces,
};
use crate::{
    configuration::{LogFormat, LogSettings},
    log_events::alarm,
    log_filter::{self, BadFilter},
    recent_events::RecentEvents,
    trace_context::REQUESTS,
};

/// Why logging cannot start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartLogError {
    #[error("log.level: {0}")]
    Filter(#[from] BadFilter),
    #[error(transparent)]
    Export(#[from] CollectorError),
}

/// The registry behind the filter of the whole process.
type Base = Layered<reload::Layer<Targets, Registry>, Registry>;

type BoxedLayer = Box<dyn Layer<Base> + Send + Sync>;

/// Starts logging to stderr, and exporting with these options; `None` exports nothing. A second call
/// has no effect.
///
/// # Errors
/// See [`StartLogError`].
pub(crate) fn start(
    settings: &LogSettings,
    options: Option<ExportOptions>,
) -> Result<Option<Export>, StartLogError> {
    let filter = log_filter::parse(&settings.level)?;
    let is_terminal = io::stderr().is_terminal();
    let is_text = match settings.format {
        LogFormat::Auto => is_terminal,
        LogFormat::Text => true,
        LogFormat::Json => false,
    };
    let has_traces = options.is_some();
    let (base, handle) = reload::Layer::new(of_process(&filter, has_traces));
    let current = Mutex::new(filter.clone());
    let mut running = RunningFilter { handle, has_traces, parts: Vec::new(), current };
    let mut layers: Vec<BoxedLayer> = Vec::new();
    let ratio = options.as_ref().map_or(0.0, |options| options.sample_ratio);
    let (export, queues) = options.map(Export::start).transpose()?.unzip();
    let mut logs = None;
    if let Some(Queues { spans, logs: of_logs }) = queues {
        layers.push(Traces::new(spans, ratio).boxed());
        logs = Some(LogExport::new(of_logs));
    }
    if is_text {
        let layer = fmt::layer().with_ansi(is_terminal).with_writer(|| LogOutput);
        let part = running.part(log_filter::without_anchors, &filter);
        layers.push(Selected { layer, filter: part }.boxed());
        // `audit verify --anchors` parses anchors from JSON.
        let anchors = SharedFilter::new(log_filter::only_anchors());
        layers.push(Selected { layer: LogRecords(JsonLines), filter: anchors }.boxed());
        if let Some(logs) = logs {
            let part = running.part(unchanged, &filter);
            layers.push(Selected { layer: LogRecords(logs), filter: part }.boxed());
        }
    } else {
        let part = running.part(unchanged, &filter);
        layers.push(Selected { layer: LogRecords((JsonLines, logs)), filter: part }.boxed());
    }
    let part = running.part(unchanged, &filter);
    layers.push(Selected { layer: RecentEvents, filter: part }.boxed());
    if tracing_subscriber::registry().with(base).with(layers).try_init().is_err() {
        tracing::debug!("logging was already started");
        return Ok(None);
    }
    let _ = FILTER.set(running);
    Ok(export)
}

/// The filter of the log of this process.
static FILTER: OnceLock<RunningFilter> = OnceLock::new();

/// Changes the filter of the settings for one layer.
type ForLayer = fn(Targets) -> Targets;

struct RunningFilter {
    handle: reload::Handle<Targets, Registry>,
    /// True when traces are exported.
    has_traces: bool,
    /// The filters of the layers.
    parts: Vec<(ForLayer, SharedFilter)>,
    current: Mutex<Targets>,
}

impl RunningFilter {
    /// A filter for another layer.
    fn part(&mut self, for_layer: ForLayer, filter: &Targets) -> SharedFilter {
        let part = SharedFilter::new(for_layer(filter.clone()));
        self.parts.push((for_layer, part.clone()));
        part
    }

    fn current(&self) -> Targets {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The filter of the whole process: what the log has, and what traces are made of.
fn of_process(log: &Targets, has_traces: bool) -> Targets {
    if has_traces { traces::with_traces(log) } else { log.clone() }
}

fn unchanged(filter: Targets) -> Targets {
    filter
}

/// Replaces the filter of the log. Without effect before [`start`].
pub(crate) fn replace_filter(filter: Targets) {
    let Some(running) = FILTER.get() else { return };
    // Fails only after a panic of another thread that replaced the filter.
    let _ = running.handle.reload(of_process(&filter, running.has_traces));
    for (for_layer, part) in &running.parts {
        part.replace(for_layer(filter.clone()));
    }
    *running.current.lock().unwrap_or_else(PoisonError::into_inner) = filter;
}

/// Installs a panic hook that logs the location of a panic and omits its message, which may contain
/// a secret.
pub(crate) fn hide_panic_messages() {
    panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string).unwrap_or_default();
        if tracing::dispatcher::has_been_set() {
            let backtrace = Backtrace::capture();
            alarm!(location, %backtrace, "panicked");
        } else {
            // If stderr cannot be written, there is no other place to report it.
            let _ = writeln!(io::stderr(), "credential-keeper: panicked at {location}");
        }
    }));
}

/// The error of a task that panicked or was cancelled, without the panic's message.
pub(crate) fn task_failed(_: JoinError) -> io::Error {
    io::Error::other("a task panicked or was cancelled; see the log")
}

/// True when every request is logged with its caller. What is exported as a trace does not count.
pub(crate) fn are_requests_logged() -> bool {
    let running = FILTER.get();
    running.is_some_and(|running| running.current().would_enable(REQUESTS, &Level::INFO))
}

/// The most verbose level of the log.
pub(crate) fn most_verbose_level() -> LevelFilter {
    let hint = |running: &RunningFilter| Layer::<Registry>::max_level_hint(&running.current());
    FILTER.get().and_then(hint).unwrap_or(LevelFilter::OFF)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_panic_is_logged_with_its_location_and_without_its_message() {
        let written = Written::default();
        let writer = written.clone();
        let log = fmt::Subscriber::builder()
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        let before = panic::take_hook();
        hide_panic_messages();
        let panicked = tracing::subscriber::with_default(log, || {
            let secret = "a marked secret";
            panic::catch_unwind(|| panic!("{secret} is not a number"))
        });
        panic::set_hook(before);
        let message = panicked.unwrap_err().downcast::<String>().unwrap();
        assert!(message.contains("a marked secret"), "{message}");
        let log = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        for expected in ["ERROR", "panicked", "alarm=true", "src/telemetry/mod.rs:"] {
            assert!(log.contains(expected), "{log}");
        }
        assert!(!log.contains("a marked secret"), "{log}");
    }

    #[tokio::test]
    async fn a_failed_task_does_not_reveal_its_panic_message() {
        let ended = tokio::spawn(async { panic!("{} is not a number", "a marked secret") }).await;
        let error: JoinError = ended.unwrap_err();
        assert!(error.to_string().contains("a marked secret"), "{error}");
        assert!(!error_chain(&task_failed(error)).contains("a marked secret"));
    }
}
