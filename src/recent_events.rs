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
/// replaces an alarm. An alarm that repeats replaces only its former ones.
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
    /// How often an alarm with this text and setting was raised; `at` and `error` are of the last time.
    pub(crate) times: u32,
    /// When it was first raised.
    pub(crate) first_at: OffsetDateTime,
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
        let now = clock::now();
        let mut kept = RecentEvent {
            at: now,
            level,
            target: metadata.target().to_owned(),
            message: String::new(),
            setting: String::new(),
            code: String::new(),
            error: String::new(),
            times: 1,
            first_at: now,
        };
        event.record(&mut kept);
        let mut all = EVENTS.lock().unwrap_or_else(PoisonError::into_inner);
        let events = match level {
            _ if metadata.target() == ALARM => {
                let former = all.alarms.iter().position(|former| former.is_repeated_by(&kept));
                if let Some(former) = former.and_then(|index| all.alarms.remove(index)) {
                    kept.times = former.times.saturating_add(1);
                    kept.first_at = former.first_at;
                }
                &mut all.alarms
            }
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
    /// True if another event has the same text, and is about the same setting.
    fn is_repeated_by(&self, other: &Self) -> bool {
        self.message == other.message && self.setting == other.setting
    }

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
            for number in 0..150 {
                let error = format!("cause {number}");
                alarm!(setting = "a.file", error = error.as_str(), "a repeated alarm");
            }
            alarm!(setting = "b.file", "a repeated alarm");
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
        assert_eq!(events.len(), 4 + KEPT);
        assert_eq!(events[0].message, "an alarm");
        for (event, setting, error, times) in
            [(&events[1], "a.file", "cause 149", 150), (&events[2], "b.file", "", 1)]
        {
            assert_eq!((event.message.as_str(), event.times), ("a repeated alarm", times));
            assert!(event.first_at <= event.at);
            assert_eq!((event.setting.as_str(), event.error.as_str()), (setting, error));
        }
        assert_eq!((events[3].code.as_str(), events[3].error.as_str()), ("internal", "a reason"));
        let last = events.last().unwrap();
        assert_eq!((last.level, last.message.as_str()), ("warn", "an outage"));
        assert_eq!((last.setting.as_str(), last.error.as_str()), ("a.file", "cause 149"));
        assert!(!format!("{events:?}").contains("4711"));
    }
}
