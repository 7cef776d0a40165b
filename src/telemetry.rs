//! Logs: structured, on stderr, one span for each request.

use std::{
    backtrace::Backtrace,
    io::{self, IsTerminal, Write},
    panic,
};

use actix_web::{
    Error, HttpMessage,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
};
use tokio::task::JoinError;
use tracing::{Span, Subscriber, field::Empty};
use tracing_actix_web::RootSpanBuilder;
use tracing_subscriber::{
    Layer, fmt, layer::SubscriberExt, registry::LookupSpan, util::SubscriberInitExt,
};

use crate::{
    configuration::{LogFormat, LogSettings},
    http::{ClientRequestId, Connection, RequestId},
    log_events::alarm,
    log_filter::{self, BadFilter},
};

/// Sends the logs of this process to stderr. A second call changes nothing.
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
    let registry = tracing_subscriber::registry();
    let started = if is_text {
        let text = fmt::layer().with_ansi(is_terminal).with_writer(io::stderr);
        // Anchors are for a program, which reads JSON.
        registry
            .with(text.with_filter(log_filter::without_anchors(filter)))
            .with(json().with_filter(log_filter::only_anchors()))
            .try_init()
    } else {
        registry.with(filter).with(json()).try_init()
    };
    if started.is_err() {
        tracing::debug!("the log had been started before");
    }
    Ok(())
}

/// Lines for programs.
fn json<S: Subscriber + for<'span> LookupSpan<'span>>() -> impl Layer<S> {
    fmt::layer().json().flatten_event(true).with_span_list(false).with_writer(io::stderr)
}

/// Lets panics of this process say where they were, and not what their message is: a library may have
/// put there what it was given.
pub(crate) fn hide_panic_messages() {
    panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string).unwrap_or_default();
        if tracing::dispatcher::has_been_set() {
            let backtrace = Backtrace::capture();
            alarm!(location, %backtrace, "panicked");
        } else {
            // Nobody is left to tell when even this cannot be printed.
            let _ = writeln!(io::stderr(), "credential-keeper: panicked at {location}");
        }
    }));
}

/// A task that panicked or was stopped, as an error that does not tell its message either.
pub(crate) fn task_failed(_: JoinError) -> io::Error {
    io::Error::other("a task did not come to its end; see the log")
}

/// The span of a request. It has the route's pattern but neither query nor headers, in which
/// callers could have put a secret.
pub(crate) struct RootSpan;

impl RootSpanBuilder for RootSpan {
    fn on_request_start(request: &ServiceRequest) -> Span {
        let extensions = request.extensions();
        let request_id = extensions.get::<RequestId>().map(RequestId::as_str);
        let client_id = extensions.get::<ClientRequestId>().map(ClientRequestId::as_str);
        let address = extensions.get::<Connection>().and_then(|connection| connection.address);
        tracing::info_span!(
            "request",
            request.id = request_id,
            request.client_id = client_id,
            http.method = %request.method(),
            client.address = address.map(|address| address.to_string()),
            auth.scheme = Empty,
            principal.id = Empty,
            user.id = Empty,
            credential.type = Empty,
        )
    }

    fn on_request_end<B: MessageBody>(span: Span, outcome: &Result<ServiceResponse<B>, Error>) {
        let _entered = span.enter();
        match outcome {
            Ok(response) => tracing::info!(
                http.route = response.request().match_pattern(),
                http.status = response.status().as_u16(),
                "answered"
            ),
            Err(error) => tracing::error!(%error, "not answered"),
        }
    }
}

/// Whether the log of this process has every request with its caller.
pub(crate) fn are_requests_logged() -> bool {
    tracing::enabled!(tracing::Level::INFO)
}

/// An error and what caused it, outermost first, as one line.
pub(crate) fn error_chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
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
    fn a_panic_says_where_it_was_and_not_what_it_was_given() {
        let written = Written::default();
        let writer = written.clone();
        let log = fmt::Subscriber::builder()
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        let before = panic::take_hook();
        hide_panic_messages();
        let panicked = tracing::subscriber::with_default(log, || {
            let given = "a marked secret";
            panic::catch_unwind(|| panic!("{given} is no number"))
        });
        panic::set_hook(before);
        let message = panicked.unwrap_err().downcast::<String>().unwrap();
        assert!(message.contains("a marked secret"), "{message}");
        let log = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        for told in ["ERROR", "panicked", "alarm=true", "src/telemetry.rs:"] {
            assert!(log.contains(told), "{log}");
        }
        assert!(!log.contains("a marked secret"), "{log}");
    }

    #[tokio::test]
    async fn nor_does_whoever_waited_for_the_task() {
        let ended = tokio::spawn(async { panic!("{} is no number", "a marked secret") }).await;
        let error: JoinError = ended.unwrap_err();
        assert!(error.to_string().contains("a marked secret"), "{error}");
        assert!(!error_chain(&task_failed(error)).contains("a marked secret"));
    }
}
