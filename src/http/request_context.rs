//! Extracts the context of an authenticated request: the caller, the client, the language and
//! access to the capabilities of the service.

use std::{
    future::{Future, Ready, ready},
    sync::Arc,
};

use actix_web::{FromRequest, HttpMessage, HttpRequest, dev::Payload, web::Data};

use super::{
    error::{ApiError, ErrorKind},
    localization::{Language, TimeZone},
    reason_header,
    state::HttpState,
};
use crate::{
    clock,
    domain::{
        action_reason::ActionReason,
        change_context::ChangeContext,
        client_info::ClientInfo,
        credential_type::CredentialTypes,
        principal::{Actor, Principal},
    },
    service::{
        Capability, Interrupted, credentials::saving::Credentials, import::jobs::JobRequester,
        operations::maintenance::Change,
    },
};

/// An authenticated request.
#[derive(Clone)]
pub(super) struct RequestContext {
    caller: Caller,
    state: Data<HttpState>,
    language: Language,
    time_zone: Option<TimeZone>,
    /// The change that the request makes. It lasts as long as this, so that a body that is sent later
    /// can make a part of it.
    change: Option<Change>,
}

/// The caller and the client that the request came from.
#[derive(Clone)]
pub(super) struct Caller {
    pub(super) principal: Principal,
    client_info: ClientInfo,
    /// `Keeper-Reason`, or the field of a form.
    reason: Option<ActionReason>,
}

impl Caller {
    /// The context of a change that the caller makes now.
    pub(super) fn change_context(&self) -> ChangeContext<'_> {
        let actor = Actor::Principal(&self.principal);
        let reason = self.reason.as_ref();
        ChangeContext { actor, client_info: &self.client_info, reason, now: clock::now() }
    }

    /// The caller of an import, which goes on after the response.
    pub(super) fn into_requester(self) -> JobRequester {
        let Self { principal, client_info, reason } = self;
        JobRequester { principal, client_info, reason }
    }
}

impl FromRequest for RequestContext {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    /// Fails when the reason is invalid, or when the route has no authentication middleware, which is a
    /// bug in the route table.
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let extensions = request.extensions();
        let state = request.app_data::<Data<HttpState>>();
        let found = (extensions.get::<Principal>(), extensions.get::<ClientInfo>(), state);
        let (Some(principal), Some(client_info), Some(state)) = found else {
            return ready(Err(ErrorKind::Internal.into()));
        };
        let reason = match reason_header::read(request.headers()) {
            Ok(reason) => reason,
            Err(invalid) => return ready(Err(invalid.into())),
        };
        let (principal, client_info) = (principal.clone(), client_info.clone());
        ready(Ok(Self {
            caller: Caller { principal, client_info, reason },
            state: state.clone(),
            language: Language::of(request.headers()),
            time_zone: TimeZone::of(request.headers()),
            change: Change::of_task(),
        }))
    }
}

impl RequestContext {
    /// The credential types of this installation.
    pub(super) fn types(&self) -> &CredentialTypes {
        self.capability::<Credentials>().types()
    }

    /// The language of the response.
    pub(super) fn language(&self) -> &Language {
        &self.language
    }

    /// The time zone of dates in the response, and of those without an offset in the request.
    pub(super) fn time_zone(&self) -> Option<&TimeZone> {
        self.time_zone.as_ref()
    }

    /// The authenticated user.
    pub(super) fn principal(&self) -> &Principal {
        &self.caller.principal
    }

    /// The context of a form that gives a reason.
    pub(super) fn because(mut self, reason: ActionReason) -> Self {
        self.caller.reason = Some(reason);
        self
    }

    /// The context after the caller has proven their password again.
    pub(super) fn proven(mut self) -> Self {
        self.caller.principal.is_proof_recent = true;
        self
    }

    /// A capability of the service, for work that needs neither the database nor hashing.
    pub(super) fn capability<C: Capability>(&self) -> &C {
        self.state.service.get()
    }

    /// Runs a use case that may write. Its timeout is reported as an unknown outcome.
    pub(super) fn run<C, U, F, T, E>(
        self,
        use_case: U,
    ) -> impl Future<Output = Result<T, ApiError>> + use<C, U, F, T, E>
    where
        C: Capability,
        U: FnOnce(Arc<C>, Caller) -> F,
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: Into<ApiError> + Send + 'static,
    {
        self.run_or(use_case, ApiError::from)
    }

    /// Runs a use case that only reads. Its timeout is reported as an unavailable database instead
    /// of an unknown outcome, because nothing was changed.
    pub(super) fn read<C, U, F, T, E>(
        self,
        use_case: U,
    ) -> impl Future<Output = Result<T, ApiError>> + use<C, U, F, T, E>
    where
        C: Capability,
        U: FnOnce(Arc<C>, Caller) -> F,
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: Into<ApiError> + Send + 'static,
    {
        self.run_or(use_case, ApiError::interrupted_reading)
    }

    /// Starts a use case that goes on when the request is dropped. Nobody learns how it ended.
    pub(super) fn start<C, U, F>(self, use_case: U)
    where
        C: Capability,
        U: FnOnce(Arc<C>, Caller) -> F,
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        let Self { caller, state, change, .. } = self;
        let user = Actor::Principal(&caller.principal).fairness_key();
        let start = || state.service.start(user, |capability| use_case(capability, caller));
        Change::enter(change, start);
    }

    fn run_or<C, U, F, T, E>(
        self,
        use_case: U,
        interrupted: fn(Interrupted) -> ApiError,
    ) -> impl Future<Output = Result<T, ApiError>> + use<C, U, F, T, E>
    where
        C: Capability,
        U: FnOnce(Arc<C>, Caller) -> F,
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: Into<ApiError> + Send + 'static,
    {
        let Self { caller, state, change, .. } = self;
        let must_change_secret = caller.principal.must_change_secret();
        let user = Actor::Principal(&caller.principal).fairness_key();
        let run = || state.service.run(user, |capability| use_case(capability, caller));
        let ended = Change::enter(change, run);
        async move {
            let failed = |error: E| refused_until_changed(error.into(), must_change_secret);
            ended.await.map_err(interrupted)?.map_err(failed)
        }
    }
}

/// Names the reason why a caller lacks a right: the secret that must be changed first.
fn refused_until_changed(error: ApiError, must_change_secret: bool) -> ApiError {
    if must_change_secret && matches!(error.kind, ErrorKind::Forbidden(_)) {
        ErrorKind::PasswordChangeRequired.into()
    } else {
        error
    }
}
