//! Tracks the requests of a connection, so that its stream knows the current phase.

use std::{cell::Cell, rc::Rc};

use actix_http::{HttpMessage, Request};
use actix_web::{
    Error, HttpRequest,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    middleware::Next,
};

/// The requests of one connection. Its stream and its requests share it; they stay on one thread.
#[derive(Debug, Default)]
pub(crate) struct RequestProgress {
    started: Cell<u64>,
    in_progress: Cell<u32>,
    /// The number of bodies that the application waits for.
    reading: Cell<u32>,
    /// The number of requests that started since the stream last received bytes.
    since_read: Cell<u32>,
    /// True for HTTP/2, which sends several requests at a time and limits their bodies itself.
    is_multiplexed: Cell<bool>,
}

impl RequestProgress {
    /// The number of requests that have reached the application.
    pub(super) fn started(&self) -> u64 {
        self.started.get()
    }

    /// True while the application handles a request.
    pub(super) fn is_busy(&self) -> bool {
        self.in_progress.get() > 0
    }

    /// True while the application waits for a body.
    pub(super) fn is_reading(&self) -> bool {
        self.reading.get() > 0
    }

    /// Records that the stream received bytes.
    pub(super) fn note_read(&self) {
        self.since_read.set(0);
    }

    fn start(self: &Rc<Self>) -> InProgress {
        self.started.set(self.started.get() + 1);
        self.since_read.set(self.since_read.get() + 1);
        self.open()
    }

    /// Records that a request of HTTP/2 is in progress, until its response is sent and the guard is
    /// dropped.
    pub(in crate::http) fn open(self: &Rc<Self>) -> InProgress {
        self.in_progress.set(self.in_progress.get() + 1);
        InProgress(Rc::clone(self))
    }

    /// Records that the connection uses HTTP/2.
    pub(in crate::http) fn multiplex(&self) {
        self.is_multiplexed.set(true);
    }

    /// True for a connection that uses HTTP/2.
    pub(super) fn is_multiplexed(&self) -> bool {
        self.is_multiplexed.get()
    }

    /// Adds the progress of the connection to a request of HTTP/2. Requests of HTTP/1.1 have it
    /// from actix-web.
    pub(in crate::http) fn attach(self: &Rc<Self>, request: &Request) {
        request.extensions_mut().insert(Rc::clone(self));
    }

    /// The progress of the connection of a request.
    fn of(request: &HttpRequest) -> Option<Rc<Self>> {
        let attached = || request.extensions().get::<Rc<Self>>().cloned();
        request.conn_data::<Rc<Self>>().cloned().or_else(attached)
    }

    /// True for a request that arrived together with the one before it.
    fn is_pipelined(&self) -> bool {
        self.since_read.get() > 1
    }
}

/// Records that the application waits for the body of a request, until the guard is dropped.
pub(in crate::http) fn read_body(request: &HttpRequest) -> Option<Reading> {
    let progress = RequestProgress::of(request)?;
    progress.reading.set(progress.reading.get() + 1);
    Some(Reading(progress))
}

/// The guard of [`read_body`].
pub(in crate::http) struct Reading(Rc<RequestProgress>);

impl Drop for Reading {
    fn drop(&mut self) {
        self.0.reading.set(self.0.reading.get().saturating_sub(1));
    }
}

/// The guard of a request that the application handles.
pub(in crate::http) struct InProgress(Rc<RequestProgress>);

impl Drop for InProgress {
    fn drop(&mut self) {
        self.0.in_progress.set(self.0.in_progress.get().saturating_sub(1));
    }
}

/// Middleware that runs before all others and records when a request arrives and when it is
/// answered.
pub(crate) async fn track(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let progress = RequestProgress::of(request.request());
    let _in_progress = progress.as_ref().map(RequestProgress::start);
    if progress.is_some_and(|progress| progress.is_pipelined()) {
        // A connection with many requests in one packet must not starve other connections.
        tokio::task::yield_now().await;
    }
    next.call(request).await
}
