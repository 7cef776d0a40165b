//! The phases of a connection and their deadlines.
//!
//! | Phase | From | Until | Deadline |
//! |---|---|---|---|
//! | receiving | the connection is accepted; the first byte of a later request of HTTP/1.1 | the request reaches the application | `read` |
//! | busy | the request reaches the application | it is answered | set by the application, also for the body |
//! | sending | the peer stops reading a response | it has read the rest, or 128 KiB more | `write` |
//! | idle | a response was sent | the first byte of the next request; in HTTP/2, the end of its headers | `idle` |
//!
//! A body that the application does not read counts as receiving. Bytes do not extend a deadline,
//! so a peer gains nothing by sending them slowly. In HTTP/2, a frame that begins before the end of the
//! idle phase has `read` to end, once.
//!
//! In HTTP/2, bytes need not belong to a request: a peer may acknowledge settings, open a window or
//! send a PING at any time. So they do not end the idle phase, and a frame that is incomplete has the
//! deadline `read` of its own. The dispatcher ends an idle connection with GOAWAY; the deadline of the
//! phase ends it if the peer does not answer that.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    net::TcpStream,
    time::{Instant, Sleep},
};

use super::{cut_offs::CutOff, progress::RequestProgress};

/// The timeouts of the phases.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PhaseTimeouts {
    /// From the first to the last byte of a request head.
    pub(crate) read: Duration,
    /// Between a response and the next request.
    pub(crate) idle: Duration,
    /// Until the peer has read the written part of a response.
    pub(crate) write: Duration,
}

/// The bytes of a response that one write deadline covers.
pub(in crate::http) const WRITE_STEP: usize = 128 * 1024;

/// The additional time in which the dispatcher of HTTP/2, which has timers of its own, ends a
/// connection cleanly. In HTTP/1.1, the deadline itself does that.
const GRACE: Duration = Duration::from_secs(1);

/// Limits the time for which the system keeps what the peer does not acknowledge, also after the
/// connection was closed. It is longer than the write deadline, which is counted.
pub(crate) fn limit_unsent(socket: &TcpStream, timeouts: PhaseTimeouts) {
    let limit = (timeouts.write + 2 * GRACE).as_millis();
    let limit = u32::try_from(limit).unwrap_or(u32::MAX);
    // Without it, the limit is that of the system.
    let _ = rustix::net::sockopt::set_tcp_user_timeout(socket, limit);
}

/// The current phase of a connection, and its deadline.
#[derive(Debug)]
pub(super) struct Deadlines {
    timeouts: PhaseTimeouts,
    phase: Phase,
    /// The number of started requests at the last [`Self::observe`].
    seen: u64,
    /// The deadline for receiving.
    read: Instant,
    /// The deadline for sending, while the peer does not read.
    write: Option<Instant>,
    /// The bytes that were sent since the write deadline was last set.
    written: usize,
    /// The deadline of an incomplete frame of HTTP/2.
    partial: Option<Instant>,
    is_http2: bool,
    /// The end of a connection whose last response was sent.
    end: Option<Instant>,
    /// Armed for a deadline that may be outdated, because a reset for every change would cost more.
    timer: Option<Pin<Box<Sleep>>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Idle,
    Receiving,
    Busy,
}

impl Deadlines {
    /// The deadlines of an accepted connection.
    pub(super) fn new(timeouts: PhaseTimeouts) -> Self {
        Self {
            timeouts,
            phase: Phase::Receiving,
            seen: 0,
            read: Instant::now() + timeouts.read,
            write: None,
            written: 0,
            partial: None,
            is_http2: false,
            end: None,
            timer: None,
        }
    }

    /// Updates the phase from the progress of the application.
    pub(super) fn observe(&mut self, progress: &RequestProgress) {
        if progress.is_busy() {
            self.phase = Phase::Busy;
        } else if self.phase == Phase::Busy || progress.started() != self.seen {
            self.phase = Phase::Idle;
            self.read = Instant::now() + self.timeouts.idle;
        }
        self.seen = progress.started();
        self.end = progress.end();
        self.is_http2 = progress.is_http2();
        self.set_partial(progress.partial_until());
        progress.set_sending(self.write.is_some());
    }

    /// Sets the deadline of an incomplete frame; `None` when the last frame is complete.
    fn set_partial(&mut self, deadline: Option<Instant>) {
        if deadline.is_none() && self.has_begun_in_time() {
            // The request that the frame may have ended is accepted after this.
            self.read = self.read.max(Instant::now());
        }
        self.partial = deadline;
    }

    /// True while the application handles a request.
    pub(super) fn is_busy(&self) -> bool {
        self.phase == Phase::Busy
    }

    /// Records that the peer sent bytes. In HTTP/1.1, they begin a request.
    pub(super) fn note_received(&mut self) {
        if self.phase == Phase::Idle && !self.is_http2 {
            self.phase = Phase::Receiving;
            self.read = Instant::now() + self.timeouts.read;
        }
    }

    /// Records how much of a response was sent, and sets the deadline for the rest.
    pub(super) fn note_written<E>(&mut self, written: &Poll<Result<usize, E>>) {
        if let Poll::Ready(Ok(bytes)) = written {
            self.written = self.written.saturating_add(*bytes);
        }
        let is_new = written.is_pending() && self.write.is_none();
        if is_new || self.written >= WRITE_STEP {
            self.written = 0;
            self.write = written.is_pending().then(|| Instant::now() + self.timeouts.write);
        }
    }

    /// Records that everything was sent.
    pub(super) fn note_flushed(&mut self) {
        self.write = None;
        self.written = 0;
    }

    /// Wakes the task when the current deadline has passed.
    ///
    /// # Errors
    /// When it has passed, with the reason to cut the connection off, if any.
    pub(super) fn check(&mut self, context: &mut Context<'_>) -> Result<(), Option<CutOff>> {
        let Some((deadline, cut_off)) = self.current() else { return Ok(()) };
        if deadline <= Instant::now() {
            return Err(cut_off);
        }
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if timer.deadline() > deadline || timer.is_elapsed() {
            timer.as_mut().reset(deadline);
        }
        if timer.as_mut().poll(context).is_ready() {
            // The timer was armed for an earlier deadline; the next poll arms it for the current
            // one.
            context.waker().wake_by_ref();
        }
        Ok(())
    }

    /// The current deadline; `None` while the application is busy.
    fn current(&self) -> Option<(Instant, Option<CutOff>)> {
        match (self.end, self.write) {
            (Some(at), _) => Some((at, None)),
            (None, Some(at)) => Some((at, Some(CutOff::ResponseTimeout))),
            (None, None) => {
                let cut_off = (self.phase != Phase::Idle).then_some(CutOff::RequestTimeout);
                let has_deadline = self.phase != Phase::Busy && !self.has_begun_in_time();
                let phase = has_deadline.then_some((self.read + self.grace(), cut_off));
                let partial = self.partial.map(|at| (at, Some(CutOff::RequestTimeout)));
                phase.into_iter().chain(partial).min_by_key(|(deadline, _)| *deadline)
            }
        }
    }

    /// True while a frame is incomplete that began before the end of the idle phase. It may be a
    /// request, so it has its own time. Later frames have none, so that they cannot keep the
    /// connection open.
    fn has_begun_in_time(&self) -> bool {
        let latest = self.read + self.timeouts.read;
        self.phase == Phase::Idle && self.partial.is_some_and(|deadline| deadline < latest)
    }

    /// The additional time in which the dispatcher ends the connection cleanly.
    fn grace(&self) -> Duration {
        if self.is_http2 { GRACE } else { Duration::ZERO }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READ: Duration = Duration::from_secs(10);
    const IDLE: Duration = Duration::from_secs(60);

    /// A connection whose last response was sent, and the time of that.
    fn idle(is_http2: bool) -> (Deadlines, Instant) {
        let timeouts = PhaseTimeouts { read: READ, idle: IDLE, write: READ };
        let (start, new) = (Instant::now(), Deadlines::new(timeouts));
        (Deadlines { phase: Phase::Idle, read: start + IDLE, is_http2, ..new }, start)
    }

    #[test]
    fn bytes_end_the_idle_phase_of_http_1_1_only() {
        let (mut http1, start) = idle(false);
        assert_eq!(http1.current(), Some((start + IDLE, None)));
        http1.note_received();
        let (deadline, cut_off) = http1.current().unwrap();
        assert!(deadline < start + IDLE, "the deadline of a request");
        assert_eq!(cut_off, Some(CutOff::RequestTimeout));
        let (mut http2, start) = idle(true);
        http2.note_received();
        assert_eq!(http2.current(), Some((start + IDLE + GRACE, None)));
    }

    #[test]
    fn an_incomplete_frame_has_its_own_time_if_it_begins_before_the_end_of_the_idle_phase() {
        let (mut deadlines, start) = idle(true);
        for (begun, is_in_time) in [(0, true), (59, true), (60, false), (61, false)] {
            let partial = start + Duration::from_secs(begun) + READ;
            deadlines.set_partial(Some(partial));
            let expected = if is_in_time {
                (partial, Some(CutOff::RequestTimeout))
            } else {
                (start + IDLE + GRACE, None)
            };
            assert_eq!(deadlines.current(), Some(expected), "{begun} s");
            deadlines.set_partial(None);
            assert_eq!(deadlines.current(), Some((start + IDLE + GRACE, None)), "{begun} s");
        }
    }

    #[test]
    fn a_frame_that_is_complete_after_the_idle_phase_leaves_the_time_to_accept_its_request() {
        let (mut deadlines, _) = idle(true);
        // The idle phase has just ended.
        let end = Instant::now();
        deadlines.read = end;
        std::thread::sleep(Duration::from_millis(2));
        for (partial, is_in_time) in [(end + READ, false), (end + READ / 2, true)] {
            deadlines.set_partial(Some(partial));
            deadlines.set_partial(None);
            let (deadline, cut_off) = deadlines.current().unwrap();
            assert_eq!((deadline > end + GRACE, cut_off), (is_in_time, None));
        }
    }
}
