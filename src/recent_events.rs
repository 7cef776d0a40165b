//! The last warnings, errors and alarms of this process, for the support of the service.
//!
//! Only the constant parts of an event are kept, and the setting and the error that it names: no
//! address, no user and no request.

use std::{
    collections::VecDeque,
    fmt::{Debug, Write},
    sync::{Mutex, PoisonError},
};

use time::OffsetDateTime;
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{Layer, layer::Context};

use crate::clock;

/// The number of events that are kept.
const KEPT: usize = 100;

/// The longest text of a field that is kept, in bytes.
const LONGEST: usize = 1000;

static EVENTS: Mutex<VecDeque<RecentEvent>> = Mutex::new(VecDeque::new());

/// An event of the log.
#[derive(Debug, Clone)]
pub(crate) struct RecentEvent {
    pub(crate) at: OffsetDateTime,
    pub(crate) level: &'static str,
    /// The module, or the target of alarms.
    pub(crate) target: String,
    pub(crate) message: String,
    /// The setting that the event is about; empty for none.
    pub(crate) setting: String,
    /// The error and its causes; empty for none.
    pub(crate) error: String,
}

/// The kept events, oldest first.
pub(crate) fn recent_events() -> Vec<RecentEvent> {
    EVENTS.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
}

/// Keeps the last events of the log that are at least warnings.
pub(crate) struct RecentEvents;

impl<S: Subscriber> Layer<S> for RecentEvents {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        let level = match *metadata.level() {
            Level::ERROR => "error",
            Level::WARN => "warn",
            _ => return,
        };
        let mut kept = RecentEvent {
            at: clock::now(),
            level,
            target: metadata.target().to_owned(),
            message: String::new(),
            setting: String::new(),
            error: String::new(),
        };
        event.record(&mut kept);
        let mut events = EVENTS.lock().unwrap_or_else(PoisonError::into_inner);
        if events.len() == KEPT {
            events.pop_front();
        }
        events.push_back(kept);
    }
}

impl RecentEvent {
    fn text(&mut self, field: &Field) -> Option<&mut String> {
        match field.name() {
            "message" => Some(&mut self.message),
            "setting" => Some(&mut self.setting),
            "error" => Some(&mut self.error),
            _ => None,
        }
    }
}

impl Visit for RecentEvent {
    fn record_str(&mut self, field: &Field, value: &str) {
        if let Some(text) = self.text(field) {
            text.push_str(shortened(value));
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        let causes = std::iter::successors(Some(value), |error| error.source());
        let texts: Vec<_> = causes.map(ToString::to_string).collect();
        self.record_str(field, &texts.join(": "));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if self.text(field).is_some() {
            let mut text = String::new();
            // Writing to a string does not fail.
            let _ = write!(text, "{value:?}");
            self.record_str(field, &text);
        }
    }
}

fn shortened(text: &str) -> &str {
    text.get(..text.floor_char_boundary(LONGEST)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[test]
    fn the_last_warnings_and_errors_are_kept_without_their_other_fields() {
        let log = tracing_subscriber::registry().with(RecentEvents);
        tracing::subscriber::with_default(log, || {
            tracing::info!("not kept");
            for number in 0..150 {
                let error = std::io::Error::other(format!("cause {number}"));
                let error = &error as &dyn std::error::Error;
                tracing::warn!(setting = "a.file", user.id = 4711, error, "an outage");
            }
        });
        let events = recent_events();
        assert_eq!(events.len(), KEPT);
        let last = events.last().unwrap();
        assert_eq!((last.level, last.message.as_str()), ("warn", "an outage"));
        assert_eq!((last.setting.as_str(), last.error.as_str()), ("a.file", "cause 149"));
        assert!(!format!("{events:?}").contains("4711"));
    }
}
