//! The traces that requests belong to: W3C Trace Context, and the spans that are exported.
//!
//! Without `telemetry.otlp_url`, nothing subscribes to these spans, and every function here does
//! nothing.

use std::{
    borrow::Cow,
    time::{Duration, SystemTime},
};

use opentelemetry::{
    KeyValue,
    trace::{SpanContext, SpanId, SpanKind, TraceFlags, TraceId, TraceState},
};
use tracing::Span;
use tracing_subscriber::{
    Registry,
    registry::{LookupSpan, SpanRef},
};

/// The target of spans and events that exist for traces only. The log has none of them.
pub(crate) const TRACES: &str = "credential_keeper::traces";

/// The target of the span and the events of requests.
pub(crate) const REQUESTS: &str = "credential_keeper::telemetry";

/// The longest accepted `tracestate`, in bytes (W3C Trace Context, section 3.3.1.5).
const LONGEST_STATE: usize = 512;

/// A span of a trace. An extension of a span of `tracing`.
pub(crate) struct TraceSpan {
    pub(crate) context: SpanContext,
    /// Invalid for the first span of a trace.
    pub(crate) parent: SpanId,
    pub(crate) has_remote_parent: bool,
    pub(crate) kind: SpanKind,
    pub(crate) name: Cow<'static, str>,
    pub(crate) started: SystemTime,
    /// `None`: it ends when the span of `tracing` closes.
    pub(crate) ended: Option<SystemTime>,
    pub(crate) attributes: Vec<KeyValue>,
    pub(crate) has_failed: bool,
}

/// A span for work within this service.
macro_rules! trace_span {
    ($name:literal) => {
        tracing::info_span!(target: $crate::trace_context::TRACES, $name)
    };
}

/// A span for a request to another service.
macro_rules! client_span {
    ($name:literal) => {
        tracing::info_span!(target: $crate::trace_context::TRACES, $name, is_client = true)
    };
}

pub(crate) use {client_span, trace_span};

/// Reports work that has ended: it ended `ended_ago`, and took this long.
pub(crate) fn report(operation: &'static str, took: Duration, ended_ago: Duration) {
    let [took_ns, ended_ago_ns] = [took, ended_ago].map(nanoseconds);
    tracing::info!(target: TRACES, operation, took_ns, ended_ago_ns);
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Continues the trace of the caller of a request. An invalid `traceparent` begins a new trace, and
/// an invalid `tracestate` is left out.
pub(crate) fn continue_trace(span: &Span, traceparent: Option<&str>, tracestate: Option<&str>) {
    let Some(parent) = traceparent.and_then(|text| parse(text, tracestate)) else { return };
    with_trace_span(span, |trace| {
        trace.parent = parent.span_id();
        trace.has_remote_parent = true;
        trace.context = SpanContext::new(
            parent.trace_id(),
            trace.context.span_id(),
            parent.trace_flags(),
            false,
            parent.trace_state().clone(),
        );
    });
}

/// The headers that make the receiver of a request continue the current trace; none without one.
pub(crate) fn outgoing_headers() -> impl Iterator<Item = (&'static str, String)> {
    let context = with_trace_span(&Span::current(), |trace| trace.context.clone());
    context.into_iter().flat_map(|context| headers_of(&context))
}

/// The headers that make the receiver of a request continue a trace.
pub(crate) fn headers_of(
    context: &SpanContext,
) -> impl Iterator<Item = (&'static str, String)> + use<> {
    let state = context.trace_state().header();
    let parent = format!(
        "00-{}-{}-{:02x}",
        context.trace_id(),
        context.span_id(),
        context.trace_flags().to_u8()
    );
    let state = (!state.is_empty()).then_some(("tracestate", state));
    std::iter::once(("traceparent", parent)).chain(state)
}

/// Changes the nearest span of the trace that this span is in; `None` without a trace.
pub(crate) fn with_trace_span<T>(
    span: &Span,
    change: impl FnOnce(&mut TraceSpan) -> T,
) -> Option<T> {
    let changed = span.with_subscriber(|(id, dispatch)| {
        let registry: &Registry = dispatch.downcast_ref()?;
        let span = registry.span(id)?;
        let nearest = span.scope().find(|span| span.extensions().get::<TraceSpan>().is_some())?;
        let mut extensions = nearest.extensions_mut();
        extensions.get_mut().map(change)
    });
    changed.flatten()
}

/// The context of the nearest span of a trace.
pub(crate) fn nearest<'span, S: LookupSpan<'span>>(
    span: &SpanRef<'span, S>,
) -> Option<SpanContext> {
    span.scope()
        .find_map(|span| span.extensions().get::<TraceSpan>().map(|trace| trace.context.clone()))
}

/// Parses the headers of a caller.
pub(crate) fn parse(traceparent: &str, tracestate: Option<&str>) -> Option<SpanContext> {
    let mut fields = traceparent.split('-');
    let mut hexadecimal = |length: usize| {
        let is_digit = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
        fields.next().filter(|field| field.len() == length && field.bytes().all(is_digit))
    };
    let (version, trace_id, span_id, flags) =
        (hexadecimal(2)?, hexadecimal(32)?, hexadecimal(16)?, hexadecimal(2)?);
    // Later versions may add fields.
    if version == "ff" || (version == "00" && fields.next().is_some()) {
        return None;
    }
    let trace_id = TraceId::from_hex(trace_id).ok()?;
    let span_id = SpanId::from_hex(span_id).ok()?;
    // Only the flag `sampled` has a meaning here.
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?) & TraceFlags::SAMPLED;
    let is_printable = |text: &&str| text.bytes().all(|c| (b' '..=b'~').contains(&c));
    let state = tracestate.filter(|text| text.len() <= LONGEST_STATE).filter(is_printable);
    let state = state.and_then(|text| text.parse::<TraceState>().ok()).unwrap_or_default();
    let context = SpanContext::new(trace_id, span_id, flags, true, state);
    context.is_valid().then_some(context)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

    #[test]
    fn a_valid_parent_is_parsed() {
        let text = format!("00-{TRACE}-b7ad6b7169203331-01");
        let context = parse(&text, Some("a=1,b@c=2")).unwrap();
        assert_eq!(context.trace_id().to_string(), TRACE);
        assert_eq!(context.span_id().to_string(), "b7ad6b7169203331");
        assert!(context.is_sampled());
        assert_eq!(context.trace_state().header(), "a=1,b@c=2");
        assert!(!parse(&text.replace("-01", "-02"), None).unwrap().is_sampled());
        // Of a later version, with a field that this one does not know.
        assert!(parse(&format!("01-{TRACE}-b7ad6b7169203331-01-x"), None).is_some());
    }

    #[test]
    fn an_invalid_parent_is_ignored_and_so_is_an_invalid_state() {
        let valid = format!("00-{TRACE}-b7ad6b7169203331-01");
        for text in [
            "",
            "00",
            &valid[..54],
            &format!("{valid}-"),
            &format!("{valid}-x"),
            &format!("ff{}", &valid[2..]),
            &valid.to_uppercase(),
            &valid.replace(TRACE, &"0".repeat(32)),
            &valid.replace("b7ad6b7169203331", &"0".repeat(16)),
            &valid.replace("-01", "-0x"),
            &format!(" {valid}"),
            // As long as a valid one, with a character across the end of the trace id.
            &format!("00-a{}", "\u{20ac}".repeat(17)),
        ] {
            assert!(parse(text, None).is_none(), "{text}");
        }
        for state in ["nothing", "A=1", "a=\u{e4}", &format!("a={}", "x".repeat(LONGEST_STATE))] {
            let context = parse(&valid, Some(state)).unwrap();
            assert_eq!(context.trace_state().header(), "", "{state}");
        }
    }
}
