//! A socket with a deadline for every phase in which it waits for its peer.
//!
//! | Phase | From | Until | Deadline |
//! |---|---|---|---|
//! | new | the connection is accepted | the first request is complete | `read`, and a second in which the web server answers 408 |
//! | receiving | the first byte of a request | the request reaches the application | `read` |
//! | busy | the request reaches the application | it is answered | the application's own, also for its body |
//! | sending | the peer takes no more of an answer | it has taken all of it, or 128 KiB more | `write` |
//! | idle | an answer was sent | the first byte of the next request | `idle`, and a second in which the web server closes |
//!
//! What a peer goes on sending of a body that nobody reads counts as receiving. Bytes never prolong a
//! deadline, so sending them slowly gains nothing.

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

/// How long a phase may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PhaseTimeouts {
    /// From the first byte of a request to the last one of its head.
    pub(crate) read: Duration,
    /// Between an answer and the next request.
    pub(crate) idle: Duration,
    /// Until the peer has taken what was written of an answer.
    pub(crate) write: Duration,
}

/// What the web server's own timers get, so that its clean answer comes before our closing.
const GRACE: Duration = Duration::from_secs(1);

/// So much of an answer is within one deadline of its own.
const WRITE_STEP: usize = 128 * 1024;

/// So much is received while the application or the peer is still busy with what came before. A full
/// buffer of the web server, which is a third larger, would keep its thread busy looking at it.
const READ_AHEAD: usize = 96 * 1024;

/// A socket, or what is layered over one, with its deadlines.
pub(crate) struct TimedStream<S> {
    inner: S,
    timeouts: PhaseTimeouts,
    progress: Rc<RequestProgress>,
    registration: Registration,
    phase: Phase,
    /// Requests that had started when the phase was last looked at.
    seen: u64,
    /// When waiting for the peer's bytes ends.
    read_deadline: Instant,
    /// When waiting for the peer to take bytes ends, while it does not.
    write_deadline: Option<Instant>,
    /// Bytes of answers since the deadline of their writing was last set.
    written: usize,
    /// Bytes that were received since the application and the peer last had nothing to do.
    received: usize,
    /// True when the web server was told that there is nothing to receive, though there may be.
    is_withheld: bool,
    /// Armed for some deadline: moving it each time that a deadline moves would cost more.
    timer: Option<Pin<Box<Sleep>>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Idle,
    Receiving,
    Busy,
}

impl<S> TimedStream<S> {
    /// A stream that was just accepted.
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

    /// What the application tells of this connection's requests.
    pub(crate) fn progress(&self) -> Rc<RequestProgress> {
        Rc::clone(&self.progress)
    }

    /// True while every request that reached the application has been answered.
    fn is_unanswerable(&self) -> bool {
        self.phase != Phase::Busy
            && !self.progress.is_busy()
            && self.progress.started() == self.seen
    }

    /// Brings the phase up to date with what the application has done.
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

    /// True while nothing but the peer keeps the connection from going on.
    fn is_waiting(&self) -> bool {
        self.phase != Phase::Busy || self.progress.is_reading()
    }

    /// True when enough was received for what is under way.
    fn is_far_ahead(&self) -> bool {
        let is_under_way = self.phase == Phase::Busy || self.write_deadline.is_some();
        is_under_way && !self.progress.is_reading() && self.received >= READ_AHEAD
    }

    /// Lets the web server receive again what was withheld from it, when there is nothing to do.
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

    /// The deadline of what is waited for now; `None`: the application is at work.
    fn deadline(&self) -> Option<(Instant, TimeoutPhase)> {
        match self.write_deadline {
            Some(at) => Some((at, TimeoutPhase::Response)),
            None if self.phase == Phase::Busy => None,
            None => Some((self.read_deadline, TimeoutPhase::Request)),
        }
    }

    /// Fails when the deadline has passed or the place was given away; else arms the timer, so that
    /// the task is woken then.
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
            // It was armed for an earlier deadline: the next poll arms it for this one.
            context.waker().wake_by_ref();
        }
        Ok(())
    }

    /// Notes how much of an answer the peer took, and until when it has to take the rest.
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

    /// Logs an answer that the web server gives on its own: it knows no request.
    fn log_own_answer(&self, bytes: &[u8]) {
        if self.is_unanswerable() && bytes.starts_with(b"HTTP/1.1 408") {
            tracing::info!(http.status = 408, "a request head did not arrive in time");
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
        self.log_own_answer(bytes);
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

    /// Called when the peer has been given all that was written so far.
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
