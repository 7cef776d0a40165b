//! Turns log records into those of OTLP.

use std::cell::Cell;

use opentelemetry::logs::{AnyValue, LogRecord as _, Logger, LoggerProvider, Severity};
use opentelemetry_sdk::logs::{SdkLogRecord, SdkLogger, SdkLoggerProvider};
use serde_json::Value;
use tracing::Level;

use super::Queue;
use crate::telemetry::log_records::{LogRecord, RecordSink, level_name};

thread_local! {
    static IS_EXPORTER: Cell<bool> = const { Cell::new(false) };
}

/// Marks this thread as the exporter. Its own events are not exported: each export would cause more.
pub(super) fn mark_exporter() {
    IS_EXPORTER.set(true);
}

/// Puts log records into a queue.
pub(crate) struct LogExport {
    queue: Queue<SdkLogRecord>,
    /// Makes empty records. It has no processor.
    logger: SdkLogger,
}

impl LogExport {
    /// A sink that fills this queue.
    pub(crate) fn new(queue: Queue<SdkLogRecord>) -> Self {
        let logger = SdkLoggerProvider::builder().build().logger("credential_keeper");
        Self { queue, logger }
    }
}

impl RecordSink for LogExport {
    fn take(&self, record: &LogRecord) {
        if IS_EXPORTER.get() {
            return;
        }
        let mut exported = self.logger.create_log_record();
        exported.set_timestamp(record.at.into());
        exported.set_observed_timestamp(record.at.into());
        exported.set_severity_number(severity(record.level));
        exported.set_severity_text(level_name(record.level));
        exported.set_body(AnyValue::from(record.message().to_owned()));
        exported.set_target(record.logger.clone());
        for (name, value) in record.named() {
            exported.add_attribute(name.clone(), attribute(value));
        }
        if let Some(trace) = &record.trace {
            exported.set_trace_context(
                trace.trace_id(),
                trace.span_id(),
                Some(trace.trace_flags()),
            );
        }
        self.queue.push(exported);
    }
}

fn severity(level: Level) -> Severity {
    match level {
        Level::ERROR => Severity::Error,
        Level::WARN => Severity::Warn,
        Level::INFO => Severity::Info,
        Level::DEBUG => Severity::Debug,
        Level::TRACE => Severity::Trace,
    }
}

fn attribute(value: &Value) -> AnyValue {
    match value {
        Value::Bool(value) => (*value).into(),
        Value::Number(value) => match (value.as_i64(), value.as_f64()) {
            (Some(value), _) => value.into(),
            (None, value) => value.unwrap_or_default().into(),
        },
        Value::String(text) => text.clone().into(),
        Value::Null | Value::Array(_) | Value::Object(_) => value.to_string().into(),
    }
}
