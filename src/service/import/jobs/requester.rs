//! The administrator who starts an import.

use crate::{
    clock,
    domain::{
        action_reason::ActionReason,
        change_context::ChangeContext,
        client_info::ClientInfo,
        principal::{Actor, Principal},
    },
    service::import::run::Requester,
};

/// The administrator who starts an import.
#[derive(Clone)]
pub(crate) struct JobRequester {
    pub(crate) principal: Principal,
    pub(crate) client_info: ClientInfo,
    pub(crate) reason: Option<ActionReason>,
}

impl Requester for JobRequester {
    /// All lines are changes of the request that brought the file.
    fn for_next(&self) -> Self {
        self.clone()
    }

    fn change_context(&self) -> ChangeContext<'_> {
        let actor = Actor::Principal(&self.principal);
        let reason = self.reason.as_ref();
        ChangeContext { actor, client_info: &self.client_info, reason, now: clock::now() }
    }
}
