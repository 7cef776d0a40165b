//! CORS for pages of the configured origins (docs/reference/wire-contract.md#requests-in-a-browser
//! and docs/reference/wire-contract.md#d24-cors).
//!
//! Such pages authenticate with an `Authorization` header. Cookies are not allowed, so CORS
//! credentials are off.

use std::{cell::RefCell, rc::Rc};

use actix_cors::Cors;
use actix_web::{
    Error,
    body::{EitherBody, MessageBody},
    dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready},
    http::{
        Method,
        header::{
            ACCEPT, ACCEPT_LANGUAGE, AUTHORIZATION, CONTENT_TYPE, HeaderName, IF_MODIFIED_SINCE,
            IF_UNMODIFIED_SINCE, RETRY_AFTER,
        },
    },
    web::Data,
};
use futures_util::future::LocalBoxFuture;

use super::{headers, reason_header, secret_headers::X_XSRF_TOKEN, state::HttpState};

/// How long a browser may cache the response to a preflight, in seconds.
const MAXIMUM_AGE: usize = 3600;

/// The origins of the request whose CORS headers are computed.
type OriginsOfRequest = Rc<RefCell<Option<Data<HttpState>>>>;

/// CORS for the origins of the state of each request. Without origins, requests pass as they are.
pub(super) struct CorsOfState;

impl<S, B> Transform<S, ServiceRequest> for CorsOfState
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    S::Future: 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type InitError = ();
    type Transform = CorsMiddleware<S, CorsService<S>>;
    type Future = LocalBoxFuture<'static, Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        let (service, origins) = (Rc::new(service), OriginsOfRequest::default());
        let with_cors = middleware(Rc::clone(&origins)).new_transform(Rc::clone(&service));
        Box::pin(
            async move { Ok(CorsMiddleware { service, with_cors: with_cors.await?, origins }) },
        )
    }
}

/// The middleware of actix-cors around a service.
type CorsService<S> = <Cors as Transform<Rc<S>, ServiceRequest>>::Transform;

/// The same service with and without CORS.
pub(super) struct CorsMiddleware<S, C> {
    service: Rc<S>,
    with_cors: C,
    origins: OriginsOfRequest,
}

impl<S, C, B> Service<ServiceRequest> for CorsMiddleware<S, C>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    C: Service<ServiceRequest, Response = ServiceResponse<EitherBody<B>>, Error = Error>,
    C::Future: 'static,
    S::Future: 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Error>>;

    forward_ready!(service);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let state = request.app_data::<Data<HttpState>>();
        let Some(state) = state.filter(|state| !state.cors_origins.is_empty()).cloned() else {
            let answered = self.service.call(request);
            return Box::pin(async move { Ok(answered.await?.map_into_left_body()) });
        };
        // actix-cors compares the origin before it returns the future.
        self.origins.replace(Some(state));
        let answered = self.with_cors.call(request);
        self.origins.replace(None);
        Box::pin(answered)
    }
}

/// The middleware for the origins of the current request.
fn middleware(origins: OriginsOfRequest) -> Cors {
    let header_name = HeaderName::from_static;
    Cors::default()
        .allowed_origin_fn(move |origin, _| {
            let (origin, state) = (headers::text(origin.as_bytes()), origins.borrow());
            origin.zip(state.as_ref()).is_some_and(|(origin, state)| {
                state.cors_origins.iter().any(|pattern| pattern.matches(origin))
            })
        })
        .allowed_methods([
            Method::GET,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
            Method::OPTIONS,
        ])
        .allowed_headers([
            AUTHORIZATION,
            CONTENT_TYPE,
            ACCEPT,
            ACCEPT_LANGUAGE,
            IF_MODIFIED_SINCE,
            IF_UNMODIFIED_SINCE,
            header_name(X_XSRF_TOKEN),
            header_name("x-request-id"),
            header_name("so-apptoken"),
            header_name("so-language"),
            header_name("so-culture"),
            header_name("so-timezone"),
            header_name("so-browser-tz-offset"),
            header_name("soapaction"),
            reason_header::KEEPER_REASON_NAME,
        ])
        .expose_headers([RETRY_AFTER, header_name("x-request-id"), header_name("so-timezone")])
        .max_age(MAXIMUM_AGE)
}
