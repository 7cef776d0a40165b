//! Limits the memory of the requests in progress on one connection.

use std::{cell::Cell, rc::Rc};

use actix_web::web::Bytes;
use h2::{Reason, RecvStream, server::SendResponse};
use http::header::CONTENT_LENGTH;

use crate::http::negotiation::MAXIMUM_BODY;

/// The maximum size of the headers and bodies of all requests in progress on one connection, in
/// bytes. One request always fits: 48 KiB of headers and 64 KiB of body.
const MAXIMUM_HELD: usize = 256 * 1024;

/// What RFC 9113, section 6.5.2, adds to the size of each header, in bytes.
const HEADER_OVERHEAD: usize = 32;

/// The memory that the requests in progress on one connection may take.
#[derive(Debug, Default)]
pub(super) struct Held(Rc<Cell<usize>>);

/// The part of one request; dropping it makes room for others.
#[derive(Debug)]
pub(super) struct Share {
    held: Rc<Cell<usize>>,
    size: usize,
}

impl Held {
    /// Makes room for a request and the body that it announces, or refuses the request. The body has
    /// its room from the start, because requests that wait for each other's room never end.
    pub(super) fn admit(
        &self,
        request: &http::Request<RecvStream>,
        respond: &mut SendResponse<Bytes>,
    ) -> Option<Share> {
        let share = self.take(head_size(request).saturating_add(body_size(request)));
        if share.is_none() {
            respond.send_reset(Reason::REFUSED_STREAM);
        }
        share
    }

    fn take(&self, size: usize) -> Option<Share> {
        let total = self.0.get().saturating_add(size);
        if total > MAXIMUM_HELD {
            return None;
        }
        self.0.set(total);
        Some(Share { held: Rc::clone(&self.0), size })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.held.set(self.held.get().saturating_sub(self.size));
    }
}

fn head_size<T>(request: &http::Request<T>) -> usize {
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    let headers = request.headers().iter();
    let sizes = headers.map(|(name, value)| name.as_str().len() + value.len() + HEADER_OVERHEAD);
    target.saturating_add(sizes.sum())
}

/// The largest body that the request may have. The h2 crate refuses more than `Content-Length`, the
/// application more than [`MAXIMUM_BODY`].
fn body_size(request: &http::Request<RecvStream>) -> usize {
    if request.body().is_end_stream() {
        return 0;
    }
    let lengths = request.headers().iter().filter(|(name, _)| name == &CONTENT_LENGTH);
    let lengths =
        lengths.map(|(_, length)| str::from_utf8(length.as_bytes()).ok()?.parse::<usize>().ok());
    lengths.max().flatten().unwrap_or(MAXIMUM_BODY).min(MAXIMUM_BODY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_take_their_room_and_give_it_back() {
        let held = Held::default();
        let first = held.take(MAXIMUM_HELD - 10).unwrap();
        let second = held.take(10).unwrap();
        assert!(held.take(1).is_none());
        drop(first);
        drop(held.take(MAXIMUM_HELD - 10).unwrap());
        drop(second);
        assert_eq!(held.0.get(), 0);
    }

    #[test]
    fn each_header_counts_with_its_overhead() {
        let request = http::Request::get("https://localhost/docs").header("accept", "*/*");
        assert_eq!(head_size(&request.body(()).unwrap()), "/docs".len() + 6 + 3 + 32);
    }
}
