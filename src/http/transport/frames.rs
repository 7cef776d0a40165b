//! Limits the HTTP/2 frames that a peer sends without a request that needs them.
//!
//! The h2 crate limits memory: streams, headers, pending resets. It answers any number of frames
//! that cost only time, such as PING or SETTINGS. So each connection has a budget for frames without
//! content, which requests and responses refill (CVE-2019-9512 to 9518, CVE-2023-44487,
//! CVE-2024-27316, CVE-2025-8671).

use std::{
    io::{self, IoSlice},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};

use super::progress::RequestProgress;

/// The budget of a new connection, which is also the maximum.
const MAXIMUM_BUDGET: u32 = 1000;

/// The price of a stream that the peer resets, because its request may have caused work.
const RESET_PRICE: u32 = 10;

/// The refill for a request whose response was sent.
const REQUEST_REFILL: u32 = 20;

/// The bytes of responses for which a peer may send one more `WINDOW_UPDATE`.
const BYTES_PER_UPDATE: usize = 4096;

/// The size below which a DATA frame counts as empty, in bytes.
const SMALL_DATA: usize = 256;

/// The length of the connection preface (RFC 9113, section 3.4).
const PREFACE: usize = 24;

/// A stream whose incoming HTTP/2 frames are counted.
pub(crate) struct FrameLimitedStream<S> {
    inner: S,
    progress: Rc<RequestProgress>,
    /// The timeout of one frame, and of the headers of one request.
    read_timeout: Duration,
    frames: Frames,
    /// The number of responses at the last refill.
    seen: u64,
    /// The bytes that were sent since the last refill.
    sent: usize,
    is_flooded: bool,
    /// True when the headers of a request are complete, and not yet accepted.
    is_paused: bool,
}

impl<S> FrameLimitedStream<S> {
    /// Counts the frames of a connection.
    pub(crate) fn new(inner: S, progress: Rc<RequestProgress>, read_timeout: Duration) -> Self {
        Self {
            inner,
            progress,
            read_timeout,
            frames: Frames::default(),
            seen: 0,
            sent: 0,
            is_flooded: false,
            is_paused: false,
        }
    }

    /// Adds what the responses since the last refill are worth.
    fn refill(&mut self) {
        let responses = self.progress.answered();
        let new = u32::try_from(responses - self.seen).unwrap_or(u32::MAX);
        self.seen = responses;
        let updates = u32::try_from(self.sent / BYTES_PER_UPDATE).unwrap_or(u32::MAX);
        self.sent %= BYTES_PER_UPDATE;
        self.frames.refill(new.saturating_mul(REQUEST_REFILL).saturating_add(updates));
    }

    /// Sets the deadline of a frame, or of headers, that are incomplete. More bytes of the same do
    /// not extend it.
    fn set_deadline(&self) {
        let deadline = match (self.frames.is_complete(), self.progress.partial_until()) {
            (true, _) => None,
            (false, Some(deadline)) => Some(deadline),
            (false, None) => Some(Instant::now() + self.read_timeout),
        };
        self.progress.set_partial_until(deadline);
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for FrameLimitedStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_flooded {
            // The connection is about to be closed.
            return Poll::Pending;
        }
        if self.progress.end().is_some() {
            // What arrives after the end is discarded.
            return Pin::new(&mut self.inner).poll_read(context, buffer);
        }
        if std::mem::take(&mut self.is_paused) {
            // The h2 crate would decode every request that has arrived before one is accepted, or
            // refused.
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let limit = self.frames.missing().min(buffer.remaining());
        let mut piece = ReadBuf::new(buffer.initialize_unfilled_to(limit));
        ready!(Pin::new(&mut self.inner).poll_read(context, &mut piece))?;
        self.refill();
        let received = piece.filled();
        if self.frames.count(received).is_err() {
            self.is_flooded = true;
            self.progress.set_flooded();
            return Poll::Pending;
        }
        self.is_paused = !received.is_empty() && self.frames.has_new_headers();
        let received = received.len();
        buffer.advance(received);
        self.set_deadline();
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for FrameLimitedStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.inner).poll_write(context, bytes))?;
        self.sent = self.sent.saturating_add(written);
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.inner).poll_write_vectored(context, bytes))?;
        self.sent = self.sent.saturating_add(written);
        Poll::Ready(Ok(written))
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

/// The peer sent more frames than its budget allows.
#[derive(Debug, PartialEq, Eq)]
struct Flood;

/// The position in a stream of frames, and the budget that is left.
#[derive(Debug)]
struct Frames {
    /// The bytes of the preface or of a payload that are still to come.
    rest: usize,
    /// The beginning of a frame header: the length of the payload in three bytes, type, flags and
    /// the id of the stream in four bytes.
    header: Vec<u8>,
    /// True between HEADERS and the frame that ends the headers.
    has_open_headers: bool,
    /// True if the current frame ends the headers of a request.
    ends_headers: bool,
    budget: u32,
}

const HEADER: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

impl Default for Frames {
    fn default() -> Self {
        Self {
            rest: PREFACE,
            header: Vec::with_capacity(HEADER),
            has_open_headers: false,
            ends_headers: false,
            budget: MAXIMUM_BUDGET,
        }
    }
}

impl Frames {
    fn refill(&mut self, refill: u32) {
        self.budget = self.budget.saturating_add(refill).min(MAXIMUM_BUDGET);
    }

    /// True between two frames, unless headers are incomplete.
    fn is_complete(&self) -> bool {
        self.rest == 0 && self.header.is_empty() && !self.has_open_headers
    }

    /// True directly after the frame that ends the headers of a request.
    fn has_new_headers(&self) -> bool {
        self.ends_headers && self.is_complete()
    }

    /// The bytes that are missing from the header of a frame, or from its payload.
    fn missing(&self) -> usize {
        if self.rest > 0 { self.rest } else { HEADER - self.header.len() }
    }

    /// Counts the frames that begin in these bytes.
    ///
    /// # Errors
    /// When the budget is exceeded.
    fn count(&mut self, bytes: &[u8]) -> Result<(), Flood> {
        let mut bytes = bytes;
        while !bytes.is_empty() {
            let skipped = self.rest.min(bytes.len());
            self.rest -= skipped;
            bytes = bytes.get(skipped..).unwrap_or_default();
            let missing = (HEADER - self.header.len()).min(bytes.len());
            let (header, rest) = bytes.split_at_checked(missing).unwrap_or_default();
            self.header.extend_from_slice(header);
            bytes = rest;
            if let [one, two, three, kind, flags, ..] = *self.header
                && self.header.len() == HEADER
            {
                self.header.clear();
                let length = u32::from_be_bytes([0, one, two, three]);
                self.rest = usize::try_from(length).unwrap_or(usize::MAX);
                self.pay(kind, flags)?;
            }
        }
        Ok(())
    }

    /// Pays for a frame.
    fn pay(&mut self, kind: u8, flags: u8) -> Result<(), Flood> {
        let is_headers = matches!(kind, HEADERS | CONTINUATION);
        self.ends_headers = is_headers && flags & END_HEADERS != 0;
        if is_headers {
            self.has_open_headers = !self.ends_headers;
        }
        let price = match kind {
            HEADERS => 0,
            DATA if self.rest >= SMALL_DATA || flags & END_STREAM != 0 => 0,
            RST_STREAM => RESET_PRICE,
            // Empty DATA, PRIORITY, SETTINGS, PING, WINDOW_UPDATE, CONTINUATION and unknown frames.
            _ => 1,
        };
        self.budget = self.budget.checked_sub(price).ok_or(Flood)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, length: u8) -> Vec<u8> {
        let mut frame = vec![0, 0, length, kind, flags, 0, 0, 0, 1];
        frame.extend(vec![0xff; length.into()]);
        frame
    }

    #[test]
    fn frames_are_found_wherever_they_are_divided() {
        let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        for (kind, flags, length) in [(4, 0, 6), (1, 0, 200), (9, 4, 3), (0, 0, 1), (6, 0, 8)] {
            bytes.extend(frame(kind, flags, length));
        }
        for size in 1..bytes.len() {
            let mut frames = Frames::default();
            for piece in bytes.chunks(size) {
                frames.count(piece).unwrap();
            }
            assert!(frames.is_complete());
            assert_eq!(frames.budget, MAXIMUM_BUDGET - 4, "{size}");
        }
    }

    #[test]
    fn the_budget_ends_a_flood_and_is_refilled_by_responses() {
        for (kind, price) in [(0, 1), (2, 1), (3, RESET_PRICE), (4, 1), (6, 1), (8, 1), (77, 1)] {
            let mut frames = Frames { rest: 0, ..Frames::default() };
            for _ in 0..MAXIMUM_BUDGET / price {
                assert_eq!(frames.count(&frame(kind, 0, 0)), Ok(()));
            }
            assert_eq!(frames.count(&frame(kind, 0, 0)), Err(Flood), "type {kind}");
            frames.refill(REQUEST_REFILL);
            assert_eq!(frames.count(&frame(kind, 0, 0)), Ok(()));
        }
        let mut frames = Frames { rest: 0, ..Frames::default() };
        for _ in 0..10_000 {
            frames.count(&frame(HEADERS, END_HEADERS | END_STREAM, 9)).unwrap();
            frames.count(&frame(DATA, END_STREAM, 0)).unwrap();
        }
    }

    #[test]
    fn headers_without_an_end_are_incomplete() {
        let mut frames = Frames { rest: 0, ..Frames::default() };
        frames.count(&frame(HEADERS, 0, 5)).unwrap();
        assert!(!frames.is_complete());
        frames.count(&frame(CONTINUATION, END_HEADERS, 5)).unwrap();
        assert!(frames.is_complete());
        frames.count(&[0, 0]).unwrap();
        assert!(!frames.is_complete());
        assert_eq!(frames.missing(), HEADER - 2);
    }
}
