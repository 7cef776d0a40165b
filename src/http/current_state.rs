//! Gives every request the state that is in use when it arrives. The request keeps it to its end, so
//! that a reload of the settings never changes a request in progress.

use std::{cell::RefCell, rc::Rc};

use actix_web::{
    dev::{Extensions, ServiceRequest},
    web::Data,
};
use tokio::sync::watch;

use super::state::HttpState;

/// Publishes the state in use, which a reload of the settings replaces as a whole.
pub(crate) struct StatePublisher(watch::Sender<Data<HttpState>>);

impl StatePublisher {
    /// Publishes the first state.
    pub(crate) fn new(state: HttpState) -> Self {
        Self(watch::Sender::new(Data::new(state)))
    }

    /// Replaces the state for all requests that arrive from now on.
    pub(crate) fn replace(&self, state: HttpState) {
        self.0.send_replace(Data::new(state));
    }

    /// The state in use.
    pub(crate) fn current(&self) -> Data<HttpState> {
        self.0.borrow().clone()
    }

    /// For one worker of the web server.
    pub(crate) fn subscribe(&self) -> CurrentState {
        CurrentState(self.0.subscribe())
    }
}

/// The state in use, for one worker.
#[derive(Clone)]
pub(crate) struct CurrentState(watch::Receiver<Data<HttpState>>);

impl CurrentState {
    /// The state in use.
    pub(super) fn get(&self) -> Data<HttpState> {
        self.0.borrow().clone()
    }

    /// The middleware of one worker that gives each request the state.
    pub(super) fn into_provider(self) -> Provider {
        let container = RefCell::new(container_of(self.get()));
        Provider { state: RefCell::new(self.0), container }
    }
}

/// Gives each request the state. An unchanged state costs a comparison of versions and a count of
/// references.
pub(super) struct Provider {
    state: RefCell<watch::Receiver<Data<HttpState>>>,
    container: RefCell<Rc<Extensions>>,
}

impl Provider {
    /// Gives a request the state in use.
    pub(super) fn provide(&self, mut request: ServiceRequest) -> ServiceRequest {
        request.add_data_container(self.container());
        request
    }

    fn container(&self) -> Rc<Extensions> {
        let mut state = self.state.borrow_mut();
        // An error means that no reload can follow.
        if state.has_changed().unwrap_or(false) {
            self.container.replace(container_of(state.borrow_and_update().clone()));
        }
        Rc::clone(&self.container.borrow())
    }
}

fn container_of(state: Data<HttpState>) -> Rc<Extensions> {
    let mut container = Extensions::new();
    container.insert(state);
    Rc::new(container)
}
