//! Counts the requests and connections that are cut off, and logs them.
//!
//! A line names the kind, the listener and the peer, and why a TLS handshake failed, but nothing from
//! the request. Each kind has one line in ten seconds for each listener, with the number of those in
//! between, so that an attacker cannot fill the log.

use std::{
    io,
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use crate::telemetry::error_chain;

/// The period between two lines of one kind.
const LOG_PERIOD: Duration = Duration::from_secs(10);

/// The reason why a request or a connection is cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum CutOff {
    /// An idle connection was closed to make room for a new one.
    Evicted,
    /// A new connection was closed because every other one was busy.
    Refused,
    /// The peer sent no request, or an incomplete one.
    RequestTimeout,
    /// The peer did not read a response.
    ResponseTimeout,
    /// A request was malformed, ambiguous or too large.
    InvalidRequest,
    /// The peer sent more HTTP/2 frames than its requests need.
    FrameFlood,
    /// The requests in progress on an HTTP/2 connection left no room for another one.
    RefusedStream,
    /// The TLS handshake with the peer failed.
    FailedHandshake,
}

impl CutOff {
    const ALL: [Self; 8] = [
        Self::Evicted,
        Self::Refused,
        Self::RequestTimeout,
        Self::ResponseTimeout,
        Self::InvalidRequest,
        Self::FrameFlood,
        Self::RefusedStream,
        Self::FailedHandshake,
    ];

    fn message(self) -> &'static str {
        match self {
            Self::Evicted => "an idle connection was closed to make room for a new one",
            Self::Refused => "a connection was refused because every other one is busy",
            Self::RequestTimeout => "a request timed out",
            Self::ResponseTimeout => "a response timed out",
            Self::InvalidRequest => "invalid HTTP request",
            Self::FrameFlood => "too many HTTP/2 frames",
            Self::RefusedStream => {
                "an HTTP/2 request was refused because its connection has no room for it"
            }
            Self::FailedHandshake => "a TLS handshake failed",
        }
    }
}

/// Counters of a listener.
#[derive(Debug)]
pub(super) struct CutOffs {
    /// The section of its settings: `http` or `operations`.
    listener: &'static str,
    counters: [Counter; CutOff::ALL.len()],
}

#[derive(Debug, Default)]
struct Counter {
    /// The number at this listener and those that count with it.
    total: Arc<AtomicU64>,
    log: Mutex<LogState>,
}

#[derive(Debug, Default)]
struct LogState {
    /// The time of the last line.
    logged_at: Option<Instant>,
    /// The number since the last line.
    unlogged: u64,
}

impl CutOffs {
    /// Counters at 0.
    pub(super) fn new(listener: &'static str) -> Self {
        Self { listener, counters: std::array::from_fn(|_| Counter::default()) }
    }

    /// Counters of another listener, which add to the same totals. It has lines of its own, so that
    /// those of this listener do not suppress them.
    pub(super) fn of_another(&self, listener: &'static str) -> Self {
        Self { listener, counters: self.counters.each_ref().map(Counter::with_same_total) }
    }

    /// Counts one, and logs it unless a line of this kind was logged recently.
    pub(super) fn record(&self, cut_off: CutOff, address: Option<IpAddr>) {
        self.record_caused(cut_off, address, None);
    }

    /// As [`Self::record`], with the cause.
    pub(super) fn record_caused(
        &self,
        cut_off: CutOff,
        address: Option<IpAddr>,
        cause: Option<&io::Error>,
    ) {
        let Some(counter) = self.counter(cut_off) else { return };
        counter.total.fetch_add(1, Ordering::Relaxed);
        let Some(unlogged) = counter.take_line(Instant::now()) else { return };
        let address = address.map(|address| address.to_string());
        let error = cause.map(|error| error_chain(error));
        let (listener, message) = (self.listener, cut_off.message());
        tracing::warn!(client.address = address, listener, unlogged, error, "{message}");
    }

    /// The number of cut-offs since the start, also at listeners that count with this one.
    pub(super) fn total(&self, cut_off: CutOff) -> u64 {
        self.counter(cut_off).map_or(0, |counter| counter.total.load(Ordering::Relaxed))
    }

    fn counter(&self, cut_off: CutOff) -> Option<&Counter> {
        self.counters.get(cut_off as usize)
    }
}

impl Counter {
    fn with_same_total(&self) -> Self {
        Self { total: Arc::clone(&self.total), log: Mutex::default() }
    }

    /// The number of cut-offs that were not logged, if a line may be logged now.
    fn take_line(&self, now: Instant) -> Option<u64> {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        if log.logged_at.is_some_and(|at| now < at + LOG_PERIOD) {
            log.unlogged += 1;
            return None;
        }
        log.logged_at = Some(now);
        Some(std::mem::take(&mut log.unlogged))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_share_totals_and_have_lines_of_their_own() {
        let http = CutOffs::new("http");
        let operations = http.of_another("operations");
        http.record(CutOff::RefusedStream, None);
        operations.record(CutOff::RefusedStream, None);
        for cut_offs in [&http, &operations] {
            assert_eq!(cut_offs.total(CutOff::RefusedStream), 2);
            assert_eq!(cut_offs.total(CutOff::Refused), 0);
            let counter = cut_offs.counter(CutOff::RefusedStream).unwrap();
            assert_eq!(counter.log.lock().unwrap().unlogged, 0, "{}", cut_offs.listener);
        }
    }

    #[test]
    fn each_kind_has_one_line_in_ten_seconds_and_its_own_count() {
        let cut_offs = CutOffs::new("http");
        for cut_off in CutOff::ALL {
            for _ in 0..=cut_off as usize {
                cut_offs.record(cut_off, None);
            }
            assert_eq!(cut_offs.total(cut_off), cut_off as u64 + 1);
        }
        let (counter, start) = (Counter::default(), Instant::now());
        assert_eq!(counter.take_line(start), Some(0));
        for _ in 0..1000 {
            assert_eq!(counter.take_line(start + LOG_PERIOD / 2), None);
        }
        assert_eq!(counter.take_line(start + LOG_PERIOD), Some(1000));
        assert_eq!(counter.take_line(start + LOG_PERIOD), None);
    }
}
