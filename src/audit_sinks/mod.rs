//! The sinks of the audit stream: where audit events are sent
//! ([ADR 84](../../docs/adr/0084-audit-stream.md)).

mod connect;
mod error;
mod event_text;
mod file_sink;
#[cfg(feature = "fuzz")]
pub(crate) mod fuzz_support;
mod rotation;
mod syslog;
mod syslog_message;
mod tls;
mod webhook;

pub(crate) use self::{
    error::SinkError,
    event_text::parse_event,
    file_sink::{FileOptions, FileSink, require_writable},
    syslog::{SyslogOptions, SyslogSink, split_address},
    syslog_message::{SyslogFormat, host_name},
    webhook::{WebhookOptions, WebhookSink},
};
use time::OffsetDateTime;

use crate::domain::audit_stream::StreamedEvent;

/// A sink with its name.
pub(crate) struct Sink {
    /// Its name in `audit.sinks`.
    pub(crate) name: String,
    pub(crate) target: SinkTarget,
}

/// Where a sink sends events.
pub(crate) enum SinkTarget {
    File(FileSink),
    Webhook(WebhookSink),
    Syslog(SyslogSink),
}

impl Sink {
    /// The maximum number of events of a delivery.
    pub(crate) fn batch(&self) -> usize {
        match &self.target {
            SinkTarget::File(_) | SinkTarget::Syslog(_) => 500,
            SinkTarget::Webhook(_) => 100,
        }
    }

    /// Delivers events in their order. After an error, the sink may have any number of them.
    ///
    /// # Errors
    /// See [`SinkError`].
    pub(crate) async fn deliver(
        &self,
        events: &[StreamedEvent],
        now: OffsetDateTime,
    ) -> Result<(), SinkError> {
        match &self.target {
            SinkTarget::File(file) => file.append(events).await,
            SinkTarget::Webhook(webhook) => webhook.send(events, now).await,
            SinkTarget::Syslog(syslog) => syslog.send(events).await,
        }
    }

    /// Asks whether the sink would take events, without sending one.
    ///
    /// # Errors
    /// See [`SinkError`].
    pub(crate) async fn check(&self, now: OffsetDateTime) -> Result<(), SinkError> {
        match &self.target {
            SinkTarget::File(file) => file.check().await,
            SinkTarget::Webhook(webhook) => webhook.check(now).await,
            SinkTarget::Syslog(syslog) => syslog.check().await,
        }
    }
}
