//! Tracks the requests of a connection, so that its stream knows the current phase.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    rc::Rc,
    task::{Poll, Waker},
};

use actix_http::{ConnectionType, HttpMessage, Request};
use actix_web::{
    Error, HttpRequest,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    middleware::Next,
};
use tokio::time::Instant;

use super::{cut_offs::CutOff, registry::Recorder};

/// The requests of one connection. Its stream and its requests share it; they stay on one thread.
#[derive(Debug)]
pub(crate) struct RequestProgress {
    cut_offs: Recorder,
    started: Cell<u64>,
    in_progress: Cell<u32>,
    /// The number of them that wait for their peer: for a body, or for a window of HTTP/2.
    waiting: Cell<u32>,
    /// True when the rest of a body is malformed.
    is_malformed: Cell<bool>,
    /// True while a part of a response waits for the peer.
    is_sending: Cell<bool>,
    /// The time at which the connection is closed.
    end: Cell<Option<Instant>>,
    /// Wakes the reader of a malformed body.
    reader: RefCell<Option<Waker>>,
    is_http2: Cell<bool>,
    /// The number of responses that were sent completely over HTTP/2.
    answered: Cell<u64>,
    /// The deadline of an incomplete frame of HTTP/2.
    partial_until: Cell<Option<Instant>>,
    /// True when the peer sent too many frames of HTTP/2.
    is_flooded: Cell<bool>,
    /// Wakes the dispatcher of HTTP/2.
    dispatcher: RefCell<Option<Waker>>,
}

impl RequestProgress {
    /// A connection without requests.
    pub(super) fn new(cut_offs: Recorder) -> Self {
        Self {
            cut_offs,
            started: Cell::default(),
            in_progress: Cell::default(),
            waiting: Cell::default(),
            is_malformed: Cell::default(),
            is_sending: Cell::default(),
            end: Cell::default(),
            reader: RefCell::default(),
            is_http2: Cell::default(),
            answered: Cell::default(),
            partial_until: Cell::default(),
            is_flooded: Cell::default(),
            dispatcher: RefCell::default(),
        }
    }

    /// Counts and logs that the connection, or a request of it, is cut off.
    pub(in crate::http) fn record(&self, cut_off: CutOff) {
        self.cut_offs.record(cut_off);
    }

    /// The number of requests that have reached the application.
    pub(super) fn started(&self) -> u64 {
        self.started.get()
    }

    /// True while the application handles a request.
    pub(super) fn is_busy(&self) -> bool {
        self.in_progress.get() > 0
    }

    /// True while every request in progress waits for its peer.
    pub(super) fn is_waiting(&self) -> bool {
        self.is_busy() && self.waiting.get() >= self.in_progress.get()
    }

    /// True while a request is handled or its response is sent.
    pub(super) fn is_answering(&self) -> bool {
        self.is_busy() || self.is_sending()
    }

    /// True while a part of a response waits for the peer.
    pub(in crate::http) fn is_sending(&self) -> bool {
        self.is_sending.get()
    }

    /// Records whether a part of a response waits for the peer.
    pub(super) fn set_sending(&self, is_sending: bool) {
        self.is_sending.set(is_sending);
    }

    /// The time at which the connection is closed; `None` while it may receive requests.
    pub(super) fn end(&self) -> Option<Instant> {
        self.end.get()
    }

    /// Closes the connection at a time.
    pub(super) fn end_at(&self, end: Instant) {
        self.end.set(Some(end));
    }

    /// True if the connection uses HTTP/2.
    pub(super) fn is_http2(&self) -> bool {
        self.is_http2.get()
    }

    /// Records that the connection uses HTTP/2.
    pub(in crate::http) fn set_http2(&self) {
        self.is_http2.set(true);
    }

    /// The number of responses that were sent completely over HTTP/2.
    pub(super) fn answered(&self) -> u64 {
        self.answered.get()
    }

    /// Records that a response was sent completely over HTTP/2.
    pub(in crate::http) fn note_answered(&self) {
        self.answered.set(self.answered.get() + 1);
    }

    /// The deadline of an incomplete frame of HTTP/2.
    pub(super) fn partial_until(&self) -> Option<Instant> {
        self.partial_until.get()
    }

    /// Sets the deadline of an incomplete frame of HTTP/2.
    pub(super) fn set_partial_until(&self, deadline: Option<Instant>) {
        self.partial_until.set(deadline);
    }

    /// Records that the peer sent too many frames of HTTP/2. Nothing more is received.
    pub(super) fn set_flooded(&self) {
        self.record(CutOff::FrameFlood);
        self.is_flooded.set(true);
        if let Some(dispatcher) = self.dispatcher.take() {
            dispatcher.wake();
        }
    }

    /// Completes when the peer sent too many frames of HTTP/2.
    pub(in crate::http) async fn flooded(&self) {
        poll_fn(|context| {
            if self.is_flooded.get() {
                return Poll::Ready(());
            }
            self.dispatcher.replace(Some(context.waker().clone()));
            Poll::Pending
        })
        .await;
    }

    /// Records that the rest of the body is malformed and will not be received.
    pub(super) fn set_malformed(&self) {
        self.is_malformed.set(true);
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    /// Records that a request is in progress, until the guard is dropped. [`track`] does this for
    /// requests of HTTP/1.1; those of HTTP/2 are in progress until their response is sent.
    pub(in crate::http) fn start(self: &Rc<Self>) -> InProgress {
        self.started.set(self.started.get() + 1);
        self.in_progress.set(self.in_progress.get() + 1);
        InProgress(Rc::clone(self))
    }

    /// Records that a request in progress waits for its peer, until the guard is dropped.
    pub(in crate::http) fn wait(self: &Rc<Self>) -> Waiting {
        self.waiting.set(self.waiting.get() + 1);
        Waiting(Some(Rc::clone(self)))
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
}

/// Records that the application waits for the body of a request, until the guard is dropped.
pub(in crate::http) fn read_body(request: &HttpRequest) -> Waiting {
    RequestProgress::of(request).map_or(Waiting(None), |progress| progress.wait())
}

/// The guard of a request that waits for its peer.
pub(in crate::http) struct Waiting(Option<Rc<RequestProgress>>);

impl Waiting {
    /// Completes when the rest of the body is malformed.
    pub(in crate::http) async fn malformed(&self) {
        poll_fn(|context| match &self.0 {
            Some(progress) if progress.is_malformed.get() => Poll::Ready(()),
            Some(progress) => {
                progress.reader.replace(Some(context.waker().clone()));
                Poll::Pending
            }
            None => Poll::Pending,
        })
        .await;
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(progress) = &self.0 {
            progress.waiting.set(progress.waiting.get().saturating_sub(1));
        }
    }
}

/// The guard of a request in progress.
pub(in crate::http) struct InProgress(Rc<RequestProgress>);

impl Drop for InProgress {
    fn drop(&mut self) {
        self.0.in_progress.set(self.0.in_progress.get().saturating_sub(1));
    }
}

/// Records that the application still produces the body of a response of HTTP/1.1, after its handler
/// has returned, until the guard is dropped. Those of HTTP/2 are in progress until they are sent.
pub(in crate::http) fn produce_body(request: &HttpRequest) -> Option<InProgress> {
    let progress = request.conn_data::<Rc<RequestProgress>>()?;
    progress.in_progress.set(progress.in_progress.get() + 1);
    Some(InProgress(Rc::clone(progress)))
}

/// Middleware that runs before all others and records when a request of HTTP/1.1 arrives and when
/// it is answered.
pub(crate) async fn track(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let progress = request.request().conn_data::<Rc<RequestProgress>>().cloned();
    let _in_progress = progress.as_ref().map(RequestProgress::start);
    let mut response = next.call(request).await?;
    if progress.is_some_and(|progress| progress.is_malformed.get()) {
        response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
    }
    Ok(response)
}
