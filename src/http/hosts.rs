//! Serves only the configured hosts; other hosts get 421. This prevents DNS rebinding, where a page
//! makes a browser resolve the page's own host name to loopback.

use actix_web::{
    Error,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    middleware::Next,
    web::Data,
};

use super::{
    connection::Connection,
    error::{ApiError, ErrorKind},
    state::HttpState,
};

/// Middleware that refuses requests for other hosts.
pub(super) async fn check(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let host = Connection::of(request.request()).host;
    let is_served = request.app_data::<Data<HttpState>>().is_some_and(|state| {
        let is_allowed = |host: String| {
            let host = without_port(&host).to_lowercase();
            state.allowed_hosts.contains(&host)
        };
        state.allowed_hosts.is_empty() || host.is_some_and(is_allowed)
    });
    if !is_served {
        return Ok(request.error_response(ApiError::from(ErrorKind::MisdirectedRequest)));
    }
    Ok(next.call(request).await?.map_into_boxed_body())
}

/// An authority without its port.
pub(super) fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    use super::without_port;

    #[test]
    fn a_port_is_removed_and_an_ipv6_address_is_kept() {
        for (authority, host) in [
            ("localhost:8080", "localhost"),
            ("localhost", "localhost"),
            ("[::1]:80", "[::1]"),
            ("[::1]", "[::1]"),
            ("evil.example:x", "evil.example:x"),
        ] {
            assert_eq!(without_port(authority), host);
        }
    }
}
