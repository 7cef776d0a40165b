//! Logs the 408 that actix-web sends on its own, without a request. It reads the plain text, so it
//! is above TLS.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::progress::RequestProgress;

/// The stream that the HTTP/1.1 dispatcher reads and writes.
pub(crate) struct LoggedStream<S> {
    inner: S,
    progress: Rc<RequestProgress>,
}

impl<S> LoggedStream<S> {
    /// Wraps a stream of a connection with the given progress.
    pub(crate) fn new(inner: S, progress: Rc<RequestProgress>) -> Self {
        Self { inner, progress }
    }

    /// The progress of this connection's requests.
    pub(crate) fn progress(&self) -> Rc<RequestProgress> {
        Rc::clone(&self.progress)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for LoggedStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for LoggedStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.progress.started() == 0 && bytes.starts_with(b"HTTP/1.1 408") {
            tracing::info!(http.status = 408, "a request head timed out");
        }
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
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
