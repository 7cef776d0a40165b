//! Answers only for the hosts that are configured: a page of another host that makes a browser
//! resolve its name to loopback (DNS rebinding) gets 421.

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
    let is_answered = request.app_data::<Data<HttpState>>().is_some_and(|state| {
        let is_allowed = |host: String| {
            let host = without_port(&host).to_lowercase();
            state.allowed_hosts.contains(&host)
        };
        state.allowed_hosts.is_empty() || host.is_some_and(is_allowed)
    });
    if !is_answered {
        return Ok(request.error_response(ApiError::from(ErrorKind::MisdirectedRequest)));
    }
    Ok(next.call(request).await?.map_into_boxed_body())
}

/// An authority without its port.
fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    use super::without_port;

    #[test]
    fn a_port_is_taken_off_and_an_ipv6_address_stays_whole() {
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
