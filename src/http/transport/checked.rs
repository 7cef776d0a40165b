//! A stream that passes only well-formed HTTP/1 requests on, and one request at a time.

use std::{
    io::{self, ErrorKind, IoSlice},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use actix_web::http::StatusCode;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};

use super::{
    cut_offs::CutOff,
    http1::Violation,
    inbound::{Inbound, Passed},
    linger::LINGER,
    own_answer::{own_answer, status_of},
    progress::RequestProgress,
};

/// The read-ahead limit in bytes, while the application or the peer is busy. A full buffer of
/// actix-web, which is a third larger, would keep its thread busy.
const READ_AHEAD: usize = 96 * 1024;

/// The number of reads in which the input of a closing connection is discarded.
const DISCARDED_READS: usize = 16;

/// A plain stream, or one inside of TLS, whose requests are checked.
pub(crate) struct CheckedStream<S> {
    inner: S,
    progress: Rc<RequestProgress>,
    /// True if own answers tell browsers to use HTTPS only (HSTS).
    has_hsts: bool,
    inbound: Inbound,
    state: State,
    /// The bytes that were received since the connection was last idle.
    received: usize,
    /// True when actix-http was told that there is nothing to receive, although there may be.
    is_withheld: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// The response to the current request is the last one.
    LastResponse,
    /// The last response was sent; input is discarded.
    Lingering,
    Closed,
}

impl<S> CheckedStream<S> {
    /// Checks a stream whose deadlines belong to `progress`.
    pub(crate) fn new(inner: S, progress: Rc<RequestProgress>, has_hsts: bool) -> Self {
        Self {
            inner,
            progress,
            has_hsts,
            inbound: Inbound::default(),
            state: State::Open,
            received: 0,
            is_withheld: false,
        }
    }

    /// The progress of this connection's requests.
    pub(crate) fn progress(&self) -> Rc<RequestProgress> {
        Rc::clone(&self.progress)
    }

    /// True if the next request may reach the application: every earlier one was answered.
    fn may_begin(&self) -> bool {
        !self.progress.is_answering() && self.inbound.begun() == self.progress.started()
    }

    /// True when the read-ahead limit is reached.
    fn is_far_ahead(&self) -> bool {
        self.progress.is_answering() && !self.progress.is_waiting() && self.received >= READ_AHEAD
    }

    /// Makes actix-http wait until the current response was sent.
    fn withhold(&mut self) -> Poll<io::Result<()>> {
        self.is_withheld = true;
        Poll::Pending
    }

    /// Wakes actix-http to receive withheld bytes when the current response was sent.
    fn release(&mut self, context: &Context<'_>) {
        if self.progress.is_answering() {
            return;
        }
        self.received = 0;
        if std::mem::take(&mut self.is_withheld) {
            context.waker().wake_by_ref();
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> CheckedStream<S> {
    /// Receives bytes of requests.
    fn receive(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let start = buffer.filled().len();
        loop {
            match self.inbound.pass_on(buffer, start, self.may_begin()) {
                Ok(Passed::Some) => return Poll::Ready(Ok(())),
                Ok(Passed::Waits) => return self.withhold(),
                Ok(Passed::Incomplete) if self.is_far_ahead() => return self.withhold(),
                Ok(Passed::Incomplete) => {}
                Err(violation) => return self.refuse(violation, context),
            }
            match ready!(Pin::new(&mut self.inner).poll_read(context, buffer)) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::TimedOut && self.may_begin() => {
                    return self.time_out(context);
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
            let received = buffer.filled().len().saturating_sub(start);
            if received == 0 {
                return Poll::Ready(Ok(()));
            }
            self.received = self.received.saturating_add(received);
        }
    }

    /// Answers an incomplete head, and closes an idle connection cleanly.
    fn time_out(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.inbound.holds_bytes() && self.inbound.expects_head() {
            return self.answer(StatusCode::REQUEST_TIMEOUT, context);
        }
        self.end(context);
        self.state = State::Closed;
        Poll::Ready(Ok(()))
    }

    /// Refuses a request and everything after it.
    fn refuse(&mut self, violation: Violation, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.progress.record(CutOff::InvalidRequest);
        if !self.inbound.is_mid_request() {
            return self.answer(status_of(violation), context);
        }
        // The application answers, or has answered, a request whose body turned out malformed.
        self.progress.set_malformed();
        self.state = State::LastResponse;
        self.finish(context)
    }

    /// Sends a response without the application, as far as it fits into the buffer of the socket.
    fn answer(&mut self, status: StatusCode, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.progress.end_at(Instant::now() + LINGER);
        let answer = own_answer(status, self.has_hsts);
        let _ = Pin::new(&mut self.inner).poll_write(context, answer.as_bytes());
        let _ = Pin::new(&mut self.inner).poll_flush(context);
        self.linger(context)
    }

    /// Closes the connection when the last response was sent.
    fn finish(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.progress.is_answering() { self.withhold() } else { self.linger(context) }
    }

    /// Closes the sending side, and then discards what the peer sends for a while.
    fn linger(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.end(context);
        self.state = State::Lingering;
        self.discard(context)
    }

    /// Closes the sending side.
    fn end(&mut self, context: &mut Context<'_>) {
        self.inbound.discard();
        self.progress.end_at(Instant::now() + LINGER);
        let _ = Pin::new(&mut self.inner).poll_shutdown(context);
    }

    /// Discards what the peer sends. Then actix-http sees the end of the connection.
    fn discard(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut discarded = [0; 4096];
        for _ in 0..DISCARDED_READS {
            let mut buffer = ReadBuf::new(&mut discarded);
            let read = ready!(Pin::new(&mut self.inner).poll_read(context, &mut buffer));
            if read.is_err() || buffer.filled().is_empty() {
                break;
            }
        }
        self.state = State::Closed;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for CheckedStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.state {
            State::Open => self.receive(context, buffer),
            State::LastResponse => self.finish(context),
            State::Lingering => self.discard(context),
            State::Closed => Poll::Ready(Ok(())),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for CheckedStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.inner).poll_flush(context);
        self.release(context);
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
