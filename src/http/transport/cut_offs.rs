//! Counts the requests and connections that are cut off, and logs them.
//!
//! A line names the kind and the peer, and why a TLS handshake failed, but nothing from the request. Each kind has one line in ten
//! seconds, with the number of those in between, so that an attacker cannot fill the log.

use std::{
    io,
    net::IpAddr,
    sync::{
        Mutex, PoisonError,
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
    /// The TLS handshake with the peer failed.
    FailedHandshake,
}

impl CutOff {
    const ALL: [Self; 7] = [
        Self::Evicted,
        Self::Refused,
        Self::RequestTimeout,
        Self::ResponseTimeout,
        Self::InvalidRequest,
        Self::FrameFlood,
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
            Self::FailedHandshake => "a TLS handshake failed",
        }
    }
}

/// Counters of a listener.
#[derive(Debug, Default)]
pub(super) struct CutOffs([Counter; CutOff::ALL.len()]);

#[derive(Debug, Default)]
struct Counter {
    total: AtomicU64,
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
        tracing::warn!(client.address = address, unlogged, error, "{}", cut_off.message());
    }

    /// The number of cut-offs since the start.
    pub(super) fn total(&self, cut_off: CutOff) -> u64 {
        self.counter(cut_off).map_or(0, |counter| counter.total.load(Ordering::Relaxed))
    }

    fn counter(&self, cut_off: CutOff) -> Option<&Counter> {
        self.0.get(cut_off as usize)
    }
}

impl Counter {
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
    fn each_kind_has_one_line_in_ten_seconds_and_its_own_count() {
        let cut_offs = CutOffs::default();
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
