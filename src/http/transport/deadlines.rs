//! The phases of a connection and their deadlines.
//!
//! | Phase | From | Until | Deadline |
//! |---|---|---|---|
//! | receiving | the connection is accepted; the first byte of a later request | the request reaches the application | `read` |
//! | busy | the request reaches the application | it is answered | set by the application, also for the body |
//! | sending | the peer stops reading a response | it has read the rest, or 128 KiB more | `write` |
//! | idle | a response was sent | the first byte of the next request | `idle` |
//!
//! A body that the application does not read counts as receiving. Bytes never extend a deadline, so
//! a peer gains nothing by sending them slowly.

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
    /// The additional time in which the dispatcher ends the connection cleanly.
    grace: Duration,
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
            grace: Duration::ZERO,
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
        self.grace = if progress.is_http2() { GRACE } else { Duration::ZERO };
        self.partial = progress.partial_until();
        progress.set_sending(self.write.is_some());
    }

    /// True while the application handles a request.
    pub(super) fn is_busy(&self) -> bool {
        self.phase == Phase::Busy
    }

    /// Records that the peer began to send.
    pub(super) fn note_received(&mut self) {
        if self.phase == Phase::Idle {
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
                let phase =
                    (self.phase != Phase::Busy).then_some((self.read + self.grace, cut_off));
                let partial = self.partial.map(|at| (at, Some(CutOff::RequestTimeout)));
                phase.into_iter().chain(partial).min_by_key(|(deadline, _)| *deadline)
            }
        }
    }
}
