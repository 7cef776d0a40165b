//! A socket with a deadline for each phase in which it waits for its peer.
//!
//! | Phase | From | Until | Deadline |
//! |---|---|---|---|
//! | new | the connection is accepted | the first request is complete | `read`, and one second for the 408 of actix-web |
//! | receiving | the first byte of a request | the request reaches the application | `read` |
//! | busy | the request reaches the application | it is answered | set by the application, also for the body |
//! | sending | the peer stops reading a response | it has read the rest, or 128 KiB more | `write` |
//! | idle | a response was sent | the first byte of the next request | `idle`, and one second in which actix-web closes |
//!
//! A body that the application does not read counts as receiving. Bytes never extend a deadline, so
//! a peer gains nothing by sending them slowly.

use std::{
    future::Future,
    io::{self, IoSlice},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep},
};

use super::{
    progress::RequestProgress,
    registry::{Registration, TimeoutPhase},
};

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

/// The additional time that actix-web has to send 408 or to close the connection cleanly.
const GRACE: Duration = Duration::from_secs(1);

/// The bytes of a response that one write deadline covers.
pub(in crate::http) const WRITE_STEP: usize = 128 * 1024;

/// The read-ahead limit in bytes, while the application or the peer is busy. A full buffer of
/// actix-web, which is a third larger, would keep its thread busy.
const READ_AHEAD: usize = 96 * 1024;

/// A stream with deadlines.
pub(crate) struct TimedStream<S> {
    inner: S,
    timeouts: PhaseTimeouts,
    progress: Rc<RequestProgress>,
    registration: Registration,
    phase: Phase,
    /// The number of started requests at the last [`Self::observe`].
    seen: u64,
    /// The deadline for receiving.
    read_deadline: Instant,
    /// The deadline for sending, while the peer does not read.
    write_deadline: Option<Instant>,
    /// The bytes that were sent since the write deadline was last set.
    written: usize,
    /// The bytes that were received since the connection was last idle.
    received: usize,
    /// True when actix-web was told that there is nothing to receive, although there may be.
    is_withheld: bool,
    /// Armed for a deadline that may be outdated, because a reset for every change would cost more.
    timer: Option<Pin<Box<Sleep>>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Idle,
    Receiving,
    Busy,
}

impl<S> TimedStream<S> {
    /// An accepted stream.
    pub(crate) fn new(inner: S, timeouts: PhaseTimeouts, registration: Registration) -> Self {
        Self {
            inner,
            timeouts,
            progress: Rc::default(),
            registration,
            phase: Phase::Receiving,
            seen: 0,
            read_deadline: Instant::now() + timeouts.read + GRACE,
            write_deadline: None,
            written: 0,
            received: 0,
            is_withheld: false,
            timer: None,
        }
    }

    /// The progress of this connection's requests.
    pub(crate) fn progress(&self) -> Rc<RequestProgress> {
        Rc::clone(&self.progress)
    }

    /// Updates the phase from the progress of the application.
    fn observe(&mut self) {
        if self.progress.is_busy() {
            self.phase = Phase::Busy;
        } else if self.phase == Phase::Busy || self.progress.started() != self.seen {
            self.phase = Phase::Idle;
            self.read_deadline = Instant::now() + self.timeouts.idle + GRACE;
        }
        self.seen = self.progress.started();
        self.registration.set_waiting(self.is_waiting());
    }

    /// True while the connection waits for its peer.
    fn is_waiting(&self) -> bool {
        self.phase != Phase::Busy || self.progress.is_reading()
    }

    /// True when the read-ahead limit is reached.
    fn is_far_ahead(&self) -> bool {
        // HTTP/2 has its own flow control, and a client that is not read cannot allow to send.
        if self.progress.is_multiplexed() {
            return false;
        }
        let is_in_progress = self.phase == Phase::Busy || self.write_deadline.is_some();
        is_in_progress && !self.progress.is_reading() && self.received >= READ_AHEAD
    }

    /// Wakes actix-web to receive withheld bytes when the connection is idle.
    fn release(&mut self, context: &Context<'_>) {
        if self.phase == Phase::Busy || self.write_deadline.is_some() {
            return;
        }
        self.received = 0;
        if std::mem::take(&mut self.is_withheld) {
            context.waker().wake_by_ref();
        }
    }

    fn note_received(&mut self, bytes: usize) {
        self.progress.note_read();
        self.received = self.received.saturating_add(bytes);
        if self.phase == Phase::Idle {
            self.phase = Phase::Receiving;
            self.read_deadline = Instant::now() + self.timeouts.read;
        }
    }

    /// The current deadline; `None` while the application is busy.
    fn deadline(&self) -> Option<(Instant, TimeoutPhase)> {
        match self.write_deadline {
            Some(at) => Some((at, TimeoutPhase::Response)),
            None if self.phase == Phase::Busy => None,
            None => Some((self.read_deadline, TimeoutPhase::Request)),
        }
    }

    /// Fails when the deadline has passed or the connection was evicted. Otherwise arms the timer,
    /// which wakes the task at the deadline.
    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        self.observe();
        self.release(context);
        if self.is_waiting() && self.registration.is_evicted(context.waker()) {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        let Some((deadline, phase)) = self.deadline() else { return Ok(()) };
        if deadline <= Instant::now() {
            self.registration.count_timeout(phase);
            return Err(io::ErrorKind::TimedOut.into());
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

    /// Records how much of a response was sent, and sets the deadline for the rest.
    fn note_written(&mut self, written: &Poll<io::Result<usize>>) {
        if let Poll::Ready(Ok(bytes)) = written {
            self.written = self.written.saturating_add(*bytes);
        }
        let is_new = written.is_pending() && self.write_deadline.is_none();
        if is_new || self.written >= WRITE_STEP {
            self.written = 0;
            self.write_deadline =
                written.is_pending().then(|| Instant::now() + self.timeouts.write);
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for TimedStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(context)?;
        if self.is_far_ahead() {
            self.is_withheld = true;
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(context, buffer))?;
        let received = buffer.filled().len().saturating_sub(before);
        if received > 0 {
            self.note_received(received);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TimedStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(context, bytes);
        self.note_written(&written);
        if written.is_pending() {
            self.check(context)?;
        }
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write_vectored(context, bytes);
        self.note_written(&written);
        if written.is_pending() {
            self.check(context)?;
        }
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    /// Called when everything that was written so far has been sent.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.inner).poll_flush(context);
        if flushed.is_ready() {
            self.write_deadline = None;
            self.written = 0;
        }
        self.check(context)?;
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
