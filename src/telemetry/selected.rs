//! Gives a layer the events and spans that the log has.
//!
//! The filters of `tracing-subscriber` for single layers keep their decision about the next event in
//! the thread. A library that only asks whether an event would be enabled, as sqlx does before each
//! statement, leaves a refusal there, and the next event is lost, be it an alarm. This layer decides by
//! the event itself.

use std::sync::{Arc, PoisonError, RwLock};

use tracing::{
    Event, Metadata, Subscriber,
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{Layer, filter::Targets, layer::Context, registry::LookupSpan};

/// The target of all events of the crate `log`. The filter of the whole process has decided about
/// them by their own targets.
const LOG_CRATE: &str = "log";

/// A filter that can be replaced while it is in use.
#[derive(Clone)]
pub(super) struct SharedFilter(Arc<RwLock<Targets>>);

impl SharedFilter {
    /// Shares a filter.
    pub(super) fn new(filter: Targets) -> Self {
        Self(Arc::new(RwLock::new(filter)))
    }

    /// Replaces the filter.
    pub(super) fn replace(&self, filter: Targets) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = filter;
    }

    fn enables(&self, metadata: &Metadata<'_>) -> bool {
        let filter = self.0.read().unwrap_or_else(PoisonError::into_inner);
        metadata.target() == LOG_CRATE || filter.would_enable(metadata.target(), metadata.level())
    }
}

/// A layer that gets what a filter enables.
pub(super) struct Selected<L> {
    pub(super) layer: L,
    pub(super) filter: SharedFilter,
}

impl<L> Selected<L> {
    fn has<S>(&self, id: &Id, context: &Context<'_, S>) -> bool
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        context.metadata(id).is_some_and(|metadata| self.filter.enables(metadata))
    }
}

impl<S, L> Layer<S> for Selected<L>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    L: Layer<S>,
{
    fn on_layer(&mut self, subscriber: &mut S) {
        self.layer.on_layer(subscriber);
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if self.filter.enables(attributes.metadata()) {
            self.layer.on_new_span(attributes, id, context);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if self.has(id, &context) {
            self.layer.on_record(id, values, context);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if self.filter.enables(event.metadata()) {
            self.layer.on_event(event, context);
        }
    }

    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        if self.has(id, &context) {
            self.layer.on_enter(id, context);
        }
    }

    fn on_exit(&self, id: &Id, context: Context<'_, S>) {
        if self.has(id, &context) {
            self.layer.on_exit(id, context);
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        if self.has(&id, &context) {
            self.layer.on_close(id, context);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tracing::{Level, level_filters::LevelFilter};
    use tracing_subscriber::{layer::SubscriberExt, registry};

    use super::*;

    /// Counts events.
    struct Counted(Arc<AtomicUsize>);

    impl<S: Subscriber> Layer<S> for Counted {
        fn on_event(&self, _: &Event<'_>, _: Context<'_, S>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn an_event_after_a_question_is_not_lost() {
        let count = Arc::<AtomicUsize>::default();
        let filter = Targets::new().with_default(LevelFilter::WARN);
        let log = Selected {
            layer: Counted(Arc::clone(&count)),
            filter: SharedFilter::new(filter.clone()),
        };
        let others = Counted(Arc::default());
        let subscriber = registry().with(log).with(others);
        tracing::subscriber::with_default(subscriber, || {
            for number in 0..10 {
                assert!(tracing::enabled!(target: "a library", Level::DEBUG));
                tracing::warn!(number, "an alarm");
                tracing::info!(number, "not for this log");
            }
        });
        assert_eq!(count.load(Ordering::Relaxed), 10);
    }
}
