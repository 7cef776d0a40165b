//! Structured logging on stderr: subscriber, format, filter and panic hook.

mod error_chain;
pub(crate) mod log_fields;
mod log_records;

use std::{
    backtrace::Backtrace,
    io::{self, IsTerminal, Write},
    panic,
    sync::OnceLock,
};

use tokio::task::JoinError;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{
    Layer, Registry, filter::Targets, fmt, layer::SubscriberExt, reload, util::SubscriberInitExt,
};

pub(crate) use self::error_chain::error_chain;
use self::log_records::{JsonLines, LogRecords};
use crate::{
    configuration::{LogFormat, LogSettings},
    log_events::alarm,
    log_filter::{self, BadFilter},
    recent_events::RecentEvents,
};

/// The target of the span and the events of requests.
pub(crate) const REQUESTS: &str = "credential_keeper::telemetry";

/// Starts logging to stderr. A second call has no effect.
///
/// # Errors
/// See [`BadFilter`].
pub(crate) fn start(settings: &LogSettings) -> Result<(), BadFilter> {
    let filter = log_filter::parse(&settings.level)?;
    let is_terminal = io::stderr().is_terminal();
    let is_text = match settings.format {
        LogFormat::Auto => is_terminal,
        LogFormat::Text => true,
        LogFormat::Json => false,
    };
    let (filter, handle) = reload::Layer::new(filter_of(filter, is_text));
    let registry = tracing_subscriber::registry();
    let started = if is_text {
        let text = fmt::layer().with_ansi(is_terminal).with_writer(io::stderr);
        // `audit verify --anchors` parses anchors from JSON.
        registry
            .with(text.with_filter(filter))
            .with(LogRecords(JsonLines).with_filter(log_filter::only_anchors()))
            .with(RecentEvents.with_filter(LevelFilter::WARN))
            .try_init()
    } else {
        registry.with(filter).with(LogRecords(JsonLines)).with(RecentEvents).try_init()
    };
    if started.is_ok() {
        let _ = FILTER.set(RunningFilter { handle, is_text });
    } else {
        tracing::debug!("logging was already started");
    }
    Ok(())
}

/// The filter of the log of this process.
static FILTER: OnceLock<RunningFilter> = OnceLock::new();

struct RunningFilter {
    handle: reload::Handle<Targets, Registry>,
    is_text: bool,
}

/// Replaces the filter of the log. Without effect before [`start`].
pub(crate) fn replace_filter(filter: Targets) {
    if let Some(RunningFilter { handle, is_text }) = FILTER.get() {
        // Fails only after a panic of another thread that replaced the filter.
        let _ = handle.reload(filter_of(filter, *is_text));
    }
}

/// The filter of the layer that writes everything; text has another layer for anchors.
fn filter_of(filter: Targets, is_text: bool) -> Targets {
    if is_text { log_filter::without_anchors(filter) } else { filter }
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

/// True when every request is logged with its caller.
pub(crate) fn are_requests_logged() -> bool {
    tracing::enabled!(target: REQUESTS, tracing::Level::INFO)
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
