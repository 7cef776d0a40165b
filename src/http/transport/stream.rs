//! A socket with a deadline for each phase in which it waits for its peer.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    deadlines::{Deadlines, PhaseTimeouts},
    progress::RequestProgress,
    registry::Registration,
};

/// A stream with deadlines. It is the outermost layer, so that the deadlines hold for TLS, too.
pub(crate) struct TimedStream<S> {
    inner: S,
    progress: Rc<RequestProgress>,
    registration: Registration,
    deadlines: Deadlines,
}

impl<S> TimedStream<S> {
    /// An accepted stream.
    pub(crate) fn new(inner: S, timeouts: PhaseTimeouts, registration: Registration) -> Self {
        Self {
            inner,
            progress: Rc::new(RequestProgress::new(registration.recorder())),
            registration,
            deadlines: Deadlines::new(timeouts),
        }
    }

    /// The progress of this connection's requests.
    pub(crate) fn progress(&self) -> Rc<RequestProgress> {
        Rc::clone(&self.progress)
    }

    /// True while the connection waits for its peer.
    fn is_waiting(&self) -> bool {
        !self.deadlines.is_busy() || self.progress.is_waiting()
    }

    /// Fails when the deadline has passed or the connection was evicted. Otherwise the task is
    /// woken at the deadline.
    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        self.deadlines.observe(&self.progress);
        let is_waiting = self.is_waiting();
        self.registration.set_waiting(is_waiting);
        if is_waiting && self.registration.is_evicted(context.waker()) {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        self.deadlines.check(context).map_err(|cut_off| {
            if let Some(cut_off) = cut_off {
                self.progress.record(cut_off);
            }
            io::ErrorKind::TimedOut.into()
        })
    }

    /// Sets the deadline for the rest of what was written.
    fn note_written(
        &mut self,
        written: Poll<io::Result<usize>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        self.deadlines.note_written(&written);
        if written.is_pending() {
            self.check(context)?;
        }
        written
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for TimedStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(context)?;
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(context, buffer))?;
        if buffer.filled().len() > before {
            self.deadlines.note_received();
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
        self.note_written(written, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write_vectored(context, bytes);
        self.note_written(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    /// Called when everything that was written so far has been sent.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.inner).poll_flush(context);
        if flushed.is_ready() {
            self.deadlines.note_flushed();
        }
        self.check(context)?;
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
