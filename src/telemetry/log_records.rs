//! Turns events into log records with the names of the log, and writes them as JSON lines.

use std::{borrow::Cow, error::Error, fmt::Debug, io::Write};

use opentelemetry::trace::SpanContext;
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{
    Layer,
    layer::Context,
    registry::{LookupSpan, Scope},
};

use super::{
    error_chain::error_chain,
    log_fields::{ECS_VERSION, FieldType, find, label},
    log_output::LogOutput,
};
use crate::{clock, trace_context::nearest};

/// The field with the name of the innermost span.
const SPAN: &str = "keeper.span";

/// Takes the records of a log.
pub(super) trait RecordSink: 'static {
    /// Takes one record.
    fn take(&self, record: &LogRecord);
}

impl<A: RecordSink, B: RecordSink> RecordSink for (A, Option<B>) {
    fn take(&self, record: &LogRecord) {
        self.0.take(record);
        if let Some(second) = &self.1 {
            second.take(record);
        }
    }
}

/// A layer that gives a record of each event to a sink.
pub(super) struct LogRecords<T>(pub(super) T);

/// An event with the fields of its spans.
pub(super) struct LogRecord {
    pub(super) at: OffsetDateTime,
    pub(super) level: Level,
    pub(super) logger: String,
    /// The span of the trace that the event is in; `None` if traces are not exported.
    pub(super) trace: Option<SpanContext>,
    fields: Fields,
}

impl LogRecord {
    /// What happened.
    pub(super) fn message(&self) -> &str {
        &self.fields.message
    }

    /// The other fields, with the names of the log.
    pub(super) fn named(&self) -> &[(Cow<'static, str>, Value)] {
        &self.fields.named
    }
}

/// Named values, each name once.
#[derive(Default)]
struct Fields {
    message: String,
    /// The module of an event of the crate `log`.
    logger: Option<String>,
    named: Vec<(Cow<'static, str>, Value)>,
}

impl<S, T> Layer<S> for LogRecords<T>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    T: RecordSink,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        span.extensions_mut().replace(fields);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(fields) = span.extensions_mut().get_mut::<Fields>() {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        let spans = context.event_scope(event).into_iter().flat_map(Scope::from_root);
        for span in spans {
            // The log has no other spans.
            if let Some(of_span) = span.extensions().get::<Fields>() {
                fields.set(SPAN.into(), span.name().into());
                for (name, value) in &of_span.named {
                    fields.set(name.clone(), value.clone());
                }
            }
        }
        event.record(&mut fields);
        let metadata = event.metadata();
        let logger = fields.logger.take().unwrap_or_else(|| metadata.target().to_owned());
        let trace = context.event_span(event).as_ref().and_then(nearest);
        let level = *metadata.level();
        self.0.take(&LogRecord { at: clock::now(), level, logger, trace, fields });
    }
}

impl Fields {
    fn set(&mut self, name: Cow<'static, str>, value: Value) {
        match self.named.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = value,
            None => self.named.push((name, value)),
        }
    }

    fn record(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::String(text)) => self.message = text,
            ("log.target", Value::String(target)) => self.logger = Some(target),
            ("log.module_path" | "log.file" | "log.line", _) => {}
            (source, value) => match find(source) {
                Some(known) if known.field_type == FieldType::Keyword => {
                    self.set(known.name.into(), Value::String(text_of(value)));
                }
                Some(known) => self.set(known.name.into(), value),
                None => self.set(label(source).into(), Value::String(text_of(value))),
            },
        }
    }
}

/// The text of a value, without quotes around a string.
fn text_of(value: Value) -> String {
    match value {
        Value::String(text) => text,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            value.to_string()
        }
    }
}

impl Visit for Fields {
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.record(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.record(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.record(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.record(field, value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record(field, value.into());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.record(field, error_chain(value).into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.record(field, format!("{value:?}").into());
    }
}

/// The name of a level.
pub(super) fn level_name(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

impl Serialize for LogRecord {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { at, level, logger, trace, fields } = self;
        let mut line = serializer.serialize_map(None)?;
        // RFC 3339 cannot write years after 9999 only.
        line.serialize_entry("@timestamp", &at.format(&Rfc3339).unwrap_or_default())?;
        line.serialize_entry("log.level", level_name(*level))?;
        line.serialize_entry("message", &fields.message)?;
        line.serialize_entry("ecs.version", ECS_VERSION)?;
        line.serialize_entry("log.logger", logger)?;
        if let Some(trace) = trace {
            line.serialize_entry("trace.id", &trace.trace_id().to_string())?;
            line.serialize_entry("span.id", &trace.span_id().to_string())?;
        }
        for (name, value) in &fields.named {
            line.serialize_entry(name, value)?;
        }
        line.end()
    }
}

/// Writes one JSON object per line to stderr.
pub(super) struct JsonLines;

impl RecordSink for JsonLines {
    fn take(&self, record: &LogRecord) {
        // Strings and numbers can always be written as JSON.
        let Ok(mut line) = serde_json::to_vec(record) else { return };
        line.push(b'\n');
        // A failure is counted.
        let _ = LogOutput.write_all(&line);
    }
}
