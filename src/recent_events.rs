//! The last alarms, errors and warnings of this process, for the support of the service.
//!
//! Only the constant parts of an event are kept, and the setting, the code and the error that it
//! names: no address, no user and no request. The texts of errors contain no values of requests,
//! and no words of other servers, which may quote them.

use std::{
    collections::VecDeque,
    fmt::{Debug, Write},
    sync::{Mutex, PoisonError},
};

use time::OffsetDateTime;
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{Layer, layer::Context};

use crate::{clock, log_events::ALARM};

/// The number of events of each kind that are kept.
const KEPT: usize = 100;

/// The longest text of a field that is kept, in bytes.
const LONGEST: usize = 1000;

static EVENTS: Mutex<KeptEvents> = Mutex::new(KeptEvents {
    alarms: VecDeque::new(),
    errors: VecDeque::new(),
    warnings: VecDeque::new(),
});

/// The last events of each kind. Callers can cause many warnings, and an outage many errors; neither
/// replaces an alarm.
struct KeptEvents {
    alarms: VecDeque<RecentEvent>,
    errors: VecDeque<RecentEvent>,
    warnings: VecDeque<RecentEvent>,
}

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
    /// The code of the answer of a failed request; empty for other events.
    pub(crate) code: String,
    /// The error and its causes; empty for none.
    pub(crate) error: String,
}

/// The kept events, oldest first.
pub(crate) fn recent_events() -> Vec<RecentEvent> {
    let kept = EVENTS.lock().unwrap_or_else(PoisonError::into_inner);
    let events = kept.alarms.iter().chain(&kept.errors).chain(&kept.warnings);
    let mut events: Vec<_> = events.cloned().collect();
    events.sort_by_key(|event| event.at);
    events
}

/// True for a request that was refused because of its caller: a warning with a code.
fn is_refused_request(metadata: &Metadata<'_>) -> bool {
    *metadata.level() == Level::WARN && metadata.fields().field("code").is_some()
}

/// Keeps the last events of the log that are at least warnings, but no refused requests.
pub(crate) struct RecentEvents;

impl<S: Subscriber> Layer<S> for RecentEvents {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        let level = match *metadata.level() {
            Level::ERROR => "error",
            Level::WARN if !is_refused_request(metadata) => "warn",
            _ => return,
        };
        let mut kept = RecentEvent {
            at: clock::now(),
            level,
            target: metadata.target().to_owned(),
            message: String::new(),
            setting: String::new(),
            code: String::new(),
            error: String::new(),
        };
        event.record(&mut kept);
        let mut all = EVENTS.lock().unwrap_or_else(PoisonError::into_inner);
        let events = match level {
            _ if metadata.target() == ALARM => &mut all.alarms,
            "error" => &mut all.errors,
            _ => &mut all.warnings,
        };
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
            "code" => Some(&mut self.code),
            "error" | "cause" => Some(&mut self.error),
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
    use crate::log_events::alarm;

    #[test]
    fn the_last_alarms_errors_and_warnings_are_kept_without_their_other_fields() {
        let log = tracing_subscriber::registry().with(RecentEvents);
        tracing::subscriber::with_default(log, || {
            alarm!("an alarm");
            tracing::error!(code = "internal", cause = "a reason", "the request failed");
            tracing::info!("not kept");
            tracing::warn!(code = "unauthenticated", "the request was refused");
            for number in 0..150 {
                let error = std::io::Error::other(format!("cause {number}"));
                let error = &error as &dyn std::error::Error;
                tracing::warn!(setting = "a.file", user.id = 4711, error, "an outage");
            }
        });
        let events = recent_events();
        assert_eq!(events.len(), 2 + KEPT);
        assert_eq!(events[0].message, "an alarm");
        assert_eq!((events[1].code.as_str(), events[1].error.as_str()), ("internal", "a reason"));
        let last = events.last().unwrap();
        assert_eq!((last.level, last.message.as_str()), ("warn", "an outage"));
        assert_eq!((last.setting.as_str(), last.error.as_str()), ("a.file", "cause 149"));
        assert!(!format!("{events:?}").contains("4711"));
    }
}
