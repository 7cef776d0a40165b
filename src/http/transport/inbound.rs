//! The bytes of a connection that arrived and were not passed on yet.

use tokio::io::ReadBuf;

use super::http1::{RequestFraming, Violation};

/// The bytes that were received and are held back.
#[derive(Debug, Default)]
pub(super) struct Inbound {
    framing: RequestFraming,
    /// An incomplete head, or requests that wait for the response before them. At most one read of
    /// actix-http beyond an incomplete head.
    held: Vec<u8>,
    /// The number of held bytes that were admitted and did not fit into the buffer of actix-http.
    admitted: usize,
    /// True while a request was passed on without the end of its body.
    is_mid_request: bool,
}

/// The outcome of [`Inbound::pass_on`].
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Passed {
    /// Bytes were passed on.
    Some,
    /// More bytes are needed.
    Incomplete,
    /// The next request waits for the response before it.
    Waits,
}

impl Inbound {
    /// True while bytes are held back.
    pub(super) fn holds_bytes(&self) -> bool {
        !self.held.is_empty()
    }

    /// True while a head is incomplete, or between two requests.
    pub(super) fn expects_head(&self) -> bool {
        self.framing.expects_head()
    }

    /// True while a request was passed on without the end of its body.
    pub(super) fn is_mid_request(&self) -> bool {
        self.is_mid_request
    }

    /// The number of requests that were passed on.
    pub(super) fn begun(&self) -> u64 {
        self.framing.begun()
    }

    /// Discards the bytes that are held back.
    pub(super) fn discard(&mut self) {
        self.held = Vec::new();
        self.admitted = 0;
    }

    /// Holds back every byte of `buffer` from `start`, except those that may be passed on.
    ///
    /// # Errors
    /// When a request is malformed.
    pub(super) fn pass_on(
        &mut self,
        buffer: &mut ReadBuf<'_>,
        start: usize,
        may_begin: bool,
    ) -> Result<Passed, Violation> {
        let received = buffer.filled_mut().get_mut(start..).unwrap_or_default();
        // Nothing overtakes the bytes that are held back.
        let is_direct = self.held.is_empty();
        let mut passed = if is_direct { self.framing.admit(received, may_begin)? } else { 0 };
        if let Some(rest) = received.get_mut(passed..) {
            self.held.extend_from_slice(rest);
            // It may contain a secret, and the buffer of actix-http is used again.
            rest.fill(0);
        }
        buffer.set_filled(start + passed);
        if passed == 0 {
            passed = self.pass_on_held(buffer, may_begin)?;
        }
        if passed > 0 {
            self.is_mid_request = !self.expects_head();
        }
        Ok(match passed {
            0 if self.expects_head() && !may_begin && self.holds_bytes() => Passed::Waits,
            0 => Passed::Incomplete,
            _ => Passed::Some,
        })
    }

    /// Passes held bytes on, as far as they fit.
    fn pass_on_held(
        &mut self,
        buffer: &mut ReadBuf<'_>,
        may_begin: bool,
    ) -> Result<usize, Violation> {
        if self.admitted == 0 {
            self.admitted = self.framing.admit(&self.held, may_begin)?;
        }
        let size = self.admitted.min(buffer.remaining());
        buffer.put_slice(self.held.get(..size).unwrap_or_default());
        self.held.drain(..size);
        self.admitted -= size;
        if self.held.is_empty() {
            // Free the memory of idle connections.
            self.held = Vec::new();
        }
        Ok(size)
    }
}
