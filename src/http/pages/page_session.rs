//! Authentication middleware of the pages for signed-in users
//! (docs/reference/wire-contract.md#pages).
//!
//! A page is read with the session cookie alone, because a navigation sends no other header. Such a
//! response is never cached, framed, or given to another site. A form needs the session's XSRF token
//! in a hidden field, and the same checks as a request of the API. Without a session, a page
//! redirects to the login page, and a form is kept there.

use actix_web::{
    Error, HttpMessage, HttpRequest,
    body::{BoxBody, MessageBody},
    dev::{Payload, ServiceRequest, ServiceResponse},
    http::{
        Method, StatusCode,
        header::{AUTHORIZATION, HeaderName},
    },
    middleware::Next,
    web::Data,
};
use secrecy::SecretString;
use url::form_urlencoded;

use super::{
    admin::import::{Upload, is_multipart},
    html,
    own_page::require_own_page,
    page_form::AcceptedForm,
    page_path::PagePath,
    return_to::{RESUME, ReturnTo, XSRF_TOKEN, hidden_value},
};
use crate::{
    domain::{client_info::ClientInfo, principal::PresentedCredential},
    http::{
        authentication::{
            client_info,
            session_cookie::{SESSION_COOKIE, single_cookie, xsrf_header},
            verify,
        },
        error::{ApiError, ErrorKind, MissingRight},
        headers, negotiation,
        route::Access,
        secret_headers::secret_headers,
        state::HttpState,
    },
    service::{
        authentication::{Authenticated, Work},
        import::jobs::ImportJobs,
        sessions::sign_in::Sessions,
    },
};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// Middleware of a page: redirects to the login page without a session, and refuses what another
/// site sends.
pub(in crate::http) async fn authenticate_page(
    work: Work,
    receives_file: bool,
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let client_info = client_info(request.request());
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    let authenticated = if is_read {
        authenticate_reading(work, &request, client_info.clone()).await
    } else if receives_file && is_multipart(request.headers()) {
        authenticate_upload(work, &mut request, client_info.clone()).await
    } else {
        authenticate_form(work, &mut request, client_info.clone()).await
    };
    match authenticated {
        Ok(Authenticated { principal, admission: _admission, lookup: _lookup }) => {
            request.extensions_mut().insert(principal);
            request.extensions_mut().insert(client_info);
            Ok(next.call(request).await?.map_into_boxed_body())
        }
        Err(error) if is_read && error.kind.row().status == StatusCode::UNAUTHORIZED => {
            Ok(redirect_to_login(request, &error))
        }
        Err(error) => {
            // As in the middleware of the API: a body that came with the head is read first.
            tokio::task::yield_now().await;
            Ok(request.error_response(error))
        }
    }
}

/// Authenticates with the cookie alone.
async fn authenticate_reading(
    work: Work,
    request: &ServiceRequest,
    client_info: ClientInfo,
) -> Result<Authenticated, ApiError> {
    require_sessions(request)?;
    require_navigation(request.request())?;
    let cookie = session_cookie(request)?;
    let credential = PresentedCredential::PageSession(cookie);
    verify(Access::Page, work, request, credential, client_info).await
}

/// Authenticates with the cookie and the XSRF token of the form, and stores what the login page
/// would return to.
async fn authenticate_form(
    work: Work,
    request: &mut ServiceRequest,
    client_info: ClientInfo,
) -> Result<Authenticated, ApiError> {
    require_sessions(request)?;
    require_own_page(request.request())?;
    let is_form = negotiation::is_form(request.headers());
    let (head, payload) = request.parts_mut();
    let body = negotiation::received(head, payload, is_form).await?;
    let return_to = ReturnTo::of_body(request.request(), &body);
    request.extensions_mut().insert(return_to);
    let is_resumed = hidden_value(&body, RESUME).is_some();
    request.extensions_mut().insert(AcceptedForm { is_resumed });
    let xsrf = xsrf_header(&secret_headers(request.request()))?;
    let xsrf = xsrf.or_else(|| hidden_value(&body, XSRF_TOKEN).map(SecretString::from));
    request.set_payload(body.into());
    let cookie = session_cookie(request)?;
    let xsrf = xsrf.ok_or(ErrorKind::XsrfMissing)?;
    let credential = PresentedCredential::Session { cookie, xsrf };
    verify(Access::Page, work, request, credential, client_info).await
}

/// Authenticates a form with a file by the cookie alone, before the file is received. The handler
/// checks the XSRF token, which is in the body. Without a session, the other fields are read for the
/// login page.
async fn authenticate_upload(
    work: Work,
    request: &mut ServiceRequest,
    client_info: ClientInfo,
) -> Result<Authenticated, ApiError> {
    require_sessions(request)?;
    require_own_page(request.request())?;
    let verified = match session_cookie(request) {
        Ok(cookie) => {
            let credential = PresentedCredential::PageSession(cookie);
            verify(Access::Page, work, request, credential, client_info).await
        }
        Err(error) => Err(error),
    };
    if verified.as_ref().is_err_and(|error| error.kind.row().status == StatusCode::UNAUTHORIZED) {
        let payload = request.take_payload();
        keep_upload(request.request(), payload).await;
    }
    verified
}

/// Stores what the login page returns to, and drops the file, so that the browser shows that page.
/// Nobody is known to have sent it, so it has the time limit of other forms.
async fn keep_upload(request: &HttpRequest, payload: Payload) {
    let mut upload = Upload::open(request, payload, None);
    let fields = upload.fields().await.unwrap_or_default();
    let return_to = ReturnTo::of_body(request, &fields.body);
    request.extensions_mut().insert(return_to);
    if let Some(state) = request.app_data::<Data<HttpState>>() {
        upload.discard(state.service.get::<ImportJobs>().maximum_bytes).await;
    }
}

/// Answers 404 when the installation accepts no sessions: it has no such page.
fn require_sessions(request: &ServiceRequest) -> Result<(), ErrorKind> {
    let state = request.app_data::<Data<HttpState>>().ok_or(ErrorKind::Internal)?;
    let is_on = state.service.get::<Sessions>().are_enabled();
    if is_on { Ok(()) } else { Err(ErrorKind::UnknownRoute) }
}

/// The session cookie. An `Authorization` header decides alone, and is no session.
fn session_cookie(request: &ServiceRequest) -> Result<SecretString, ApiError> {
    let secret_headers = secret_headers(request.request());
    let has_other = secret_headers.lines(AUTHORIZATION.as_str()).next().is_some();
    let cookie = single_cookie(&secret_headers, SESSION_COOKIE)?.filter(|_| !has_other);
    Ok(cookie.ok_or(ErrorKind::Unauthenticated)?)
}

/// Refuses to give a page to another site as anything but a new document (Fetch Metadata): the
/// cookie is also sent with what pages of the same registrable domain load.
fn require_navigation(request: &HttpRequest) -> Result<(), ErrorKind> {
    let is = |name: HeaderName, expected| {
        headers::single(request.headers(), &name).is_ok_and(|value| value == expected)
    };
    let is_own = [None, Some("same-origin"), Some("none")]
        .into_iter()
        .any(|expected| is(SEC_FETCH_SITE, expected));
    let is_document = is(SEC_FETCH_MODE, Some("navigate")) && is(SEC_FETCH_DEST, Some("document"));
    if is_own || is_document {
        Ok(())
    } else {
        Err(ErrorKind::Forbidden(MissingRight::ForeignPage))
    }
}

/// Redirects to the login page, which returns to this page.
fn redirect_to_login(request: ServiceRequest, error: &ApiError) -> ServiceResponse<BoxBody> {
    // Nothing failed when the browser has no session yet.
    if error.cause.is_some() {
        error.log();
    }
    let response = request.app_data::<Data<HttpState>>().map(|state| {
        let page = PagePath::of(request.request(), &state.base_path);
        let query = page.map(|page| {
            form_urlencoded::Serializer::new(String::new())
                .append_pair("next", page.path())
                .finish()
        });
        let query = query.map(|query| format!("?{query}")).unwrap_or_default();
        html::redirect(state, &format!("/login{query}"))
    });
    let response =
        response.unwrap_or_else(|| actix_web::HttpResponse::InternalServerError().finish());
    request.into_response(response)
}
