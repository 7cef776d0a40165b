//! Collects the spans of traces: requests, parts of their work, statements and hashes.

use std::{
    borrow::Cow,
    fmt::Debug,
    time::{Duration, SystemTime},
};

use opentelemetry::{
    InstrumentationScope, KeyValue,
    trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState},
};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id},
};
use tracing_subscriber::{
    Layer,
    filter::Targets,
    layer::Context,
    registry::{LookupSpan, SpanRef},
};

use super::export::Queue;
use crate::{
    clock,
    security::random::random_bytes,
    trace_context::{REQUESTS, TRACES, TraceSpan, nearest},
};

/// The target of the events that sqlx logs after each statement.
const STATEMENTS: &str = "sqlx::query";

/// The target of the spans around the functions of the storage, whose names say what a statement is
/// for.
const STORAGE: &str = "credential_keeper::storage";

/// The beginning of the names of these spans.
const STORAGE_NAME: &str = "db.";

/// Puts the sampled spans of traces into a queue.
pub(super) struct Traces {
    queue: Queue<SpanData>,
    /// Traces whose id, as a number of 63 bits, is below are sampled.
    sampled_below: u64,
}

/// The spans and events that traces are made of.
const PARTS: [(&str, Level); 4] = [
    (REQUESTS, Level::INFO),
    (TRACES, Level::INFO),
    (STORAGE, Level::INFO),
    (STATEMENTS, Level::DEBUG),
];

/// The filter of the log, with what traces are made of.
pub(super) fn with_traces(log: &Targets) -> Targets {
    let more_verbose = [Level::TRACE, Level::DEBUG];
    PARTS.into_iter().fold(log.clone(), |filter, (target, level)| {
        let of_log = more_verbose.into_iter().find(|level| log.would_enable(target, level));
        filter.with_target(target, level.max(of_log.unwrap_or(level)))
    })
}

impl Traces {
    /// Samples this ratio of the traces that begin here.
    pub(super) fn new(queue: Queue<SpanData>, ratio: f64) -> Self {
        Self { queue, sampled_below: bound(ratio) }
    }

    /// A new trace, sampled or not. `None` if the system returns no random bytes.
    fn first_context(&self) -> Option<SpanContext> {
        let trace_id = u128::from_ne_bytes(random_bytes().ok()?);
        let is_sampled = low_bits(trace_id) < self.sampled_below;
        let flags = if is_sampled { TraceFlags::SAMPLED } else { TraceFlags::default() };
        let (trace_id, state) = (TraceId::from(trace_id), TraceState::default());
        Some(SpanContext::new(trace_id, new_span_id()?, flags, false, state))
    }

    fn send(&self, span: TraceSpan) {
        let status = if span.has_failed { Status::error("") } else { Status::Unset };
        self.queue.push(SpanData {
            span_context: span.context,
            parent_span_id: span.parent,
            parent_span_is_remote: span.has_remote_parent,
            span_kind: span.kind,
            name: span.name,
            start_time: span.started,
            end_time: span.ended.unwrap_or_else(now),
            attributes: span.attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status,
            instrumentation_scope: InstrumentationScope::builder("credential_keeper").build(),
        });
    }

    /// Sends a span for work that has ended.
    fn send_ended<S>(&self, event: &Event<'_>, context: &Context<'_, S>)
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        let Some(current) = context.event_span(event) else { return };
        let Some(parent) = nearest(&current).filter(SpanContext::is_sampled) else { return };
        let Some(child) = child_of(&parent) else { return };
        let mut work = EndedWork::default();
        event.record(&mut work);
        let is_statement = event.metadata().target() == STATEMENTS;
        let ended = now().checked_sub(work.ended_ago).unwrap_or_else(now);
        let started = ended.checked_sub(work.took).unwrap_or(ended);
        let mut attributes = Vec::new();
        let mut name: Cow<'static, str> = work.operation.into();
        if is_statement {
            attributes.push(KeyValue::new("db.system.name", "postgresql"));
            if !name.is_empty() {
                attributes.push(KeyValue::new("db.operation.name", name.clone()));
            }
            name = name_of_statement(&current).unwrap_or(name);
        }
        self.send(TraceSpan {
            context: child,
            parent: parent.span_id(),
            has_remote_parent: false,
            kind: if is_statement { SpanKind::Client } else { SpanKind::Internal },
            name,
            started,
            ended: Some(ended),
            attributes,
            has_failed: false,
        });
    }
}

impl<S> Layer<S> for Traces
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let metadata = attributes.metadata();
        if metadata.target() != REQUESTS && metadata.target() != TRACES {
            return;
        }
        let Some(span) = context.span(id) else { return };
        let parent = span.parent().and_then(|parent| nearest(&parent));
        let own = parent.as_ref().map_or_else(|| self.first_context(), child_of);
        let Some(own) = own else { return };
        let mut kind = KindOfSpan(SpanKind::Internal);
        attributes.record(&mut kind);
        span.extensions_mut().insert(TraceSpan {
            context: own,
            parent: parent.map_or(SpanId::INVALID, |parent| parent.span_id()),
            has_remote_parent: false,
            kind: if metadata.target() == REQUESTS { SpanKind::Server } else { kind.0 },
            name: Cow::Borrowed(metadata.name()),
            started: now(),
            ended: None,
            attributes: Vec::new(),
            has_failed: false,
        });
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if [TRACES, STATEMENTS].contains(&event.metadata().target()) {
            self.send_ended(event, &context);
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else { return };
        let ended: Option<TraceSpan> = span.extensions_mut().remove();
        if let Some(ended) = ended.filter(|span| span.context.is_sampled()) {
            self.send(ended);
        }
    }
}

/// What a statement is for, from the span of the storage around it.
fn name_of_statement<'span, S: LookupSpan<'span>>(
    span: &SpanRef<'span, S>,
) -> Option<Cow<'static, str>> {
    let name = span.scope().map(|span| span.name()).find(|name| name.starts_with(STORAGE_NAME));
    name.map(Cow::Borrowed)
}

fn child_of(parent: &SpanContext) -> Option<SpanContext> {
    Some(SpanContext::new(
        parent.trace_id(),
        new_span_id()?,
        parent.trace_flags(),
        false,
        parent.trace_state().clone(),
    ))
}

fn new_span_id() -> Option<SpanId> {
    Some(SpanId::from_bytes(random_bytes().ok()?))
}

fn now() -> SystemTime {
    clock::now().into()
}

/// The number of 63 bits that [`Traces`] compares.
fn low_bits(trace_id: u128) -> u64 {
    u64::try_from(trace_id & u128::from(u64::MAX >> 1)).unwrap_or(u64::MAX)
}

/// The bound that this ratio of the numbers of 63 bits is below.
fn bound(ratio: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "the settings allow a ratio from 0 to 1; its precision does not matter"
    )]
    let bound = (ratio * (1_u64 << 63) as f64) as u64;
    bound
}

/// The kind of a span for traces.
struct KindOfSpan(SpanKind);

impl Visit for KindOfSpan {
    fn record_bool(&mut self, field: &Field, value: bool) {
        if field.name() == "is_client" && value {
            self.0 = SpanKind::Client;
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
}

/// The fields of an event about work that has ended.
#[derive(Default)]
struct EndedWork {
    /// What was done, or the first word of a statement.
    operation: String,
    took: Duration,
    ended_ago: Duration,
}

impl Visit for EndedWork {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "operation" => value.clone_into(&mut self.operation),
            "summary" => first_word(value).clone_into(&mut self.operation),
            _ => {}
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        match field.name() {
            "took_ns" => self.took = Duration::from_nanos(value),
            "ended_ago_ns" => self.ended_ago = Duration::from_nanos(value),
            _ => {}
        }
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        if field.name() == "elapsed_secs" {
            self.took = Duration::try_from_secs_f64(value).unwrap_or_default();
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
}

/// The first word of a statement, unless it begins with a comment.
fn first_word(statement: &str) -> &str {
    let word = statement.split_whitespace().next().unwrap_or_default();
    if word.chars().all(|c| c.is_ascii_alphabetic()) { word } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_named_by_its_first_word_only() {
        for (statement, word) in [
            ("SELECT a, b", "SELECT"),
            ("COMMIT", "COMMIT"),
            ("-- Why", ""),
            ("'x' y", ""),
            ("", ""),
        ] {
            assert_eq!(first_word(statement), word);
        }
    }

    #[test]
    fn traces_never_make_the_log_less_verbose() {
        let log = Targets::new().with_default(Level::ERROR).with_target(STORAGE, Level::TRACE);
        let both = with_traces(&log);
        assert!(both.would_enable(STORAGE, &Level::TRACE));
        assert!(both.would_enable(REQUESTS, &Level::INFO));
        assert!(!both.would_enable(REQUESTS, &Level::DEBUG));
        assert!(both.would_enable(STATEMENTS, &Level::DEBUG));
        assert!(!both.would_enable("another", &Level::WARN));
    }

    #[test]
    fn a_ratio_samples_its_share_of_the_trace_ids() {
        assert_eq!(bound(0.0), 0);
        assert_eq!(bound(1.0), 1 << 63);
        assert!(low_bits(u128::MAX) < bound(1.0));
        assert_eq!(bound(0.25), 1 << 61);
    }
}
