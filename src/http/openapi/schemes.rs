//! The authentication schemes of the OpenAPI document.

use utoipa::openapi::{schema::Components, security as auth};

/// A name with a password.
pub(in crate::http) const BASIC: &str = "Basic";
/// A ticket.
pub(in crate::http) const SO_TICKET: &str = "SoTicket";
const BEARER: &str = "Bearer";
/// The cookie of a session, with the header that protects it.
pub(in crate::http) const SESSION: &str = "Session";
const XSRF: &str = "Xsrf";

/// The schemes, any one of which authenticates a request.
pub(super) fn requirements() -> [auth::SecurityRequirement; 4] {
    [BASIC, SO_TICKET, BEARER, SESSION].map(requirement)
}

/// That scheme alone.
pub(super) fn requirement(scheme: &str) -> auth::SecurityRequirement {
    let scopes: [&str; 0] = [];
    let required = auth::SecurityRequirement::new(scheme, scopes);
    if scheme == SESSION { required.add(XSRF, scopes) } else { required }
}

/// Adds the schemes to the document's components.
pub(super) fn add_schemes(components: &mut Components) {
    let header = |name: &str, description: &str| {
        auth::SecurityScheme::ApiKey(auth::ApiKey::Header(auth::ApiKeyValue::with_description(
            name,
            description,
        )))
    };
    let cookie = auth::ApiKeyValue::with_description(
        "ASP.NET_SessionId",
        "The session of a browser that signed in at /login; requires X-XSRF-TOKEN as well.",
    );
    for (name, scheme) in [
        (BASIC, auth::SecurityScheme::Http(auth::Http::new(auth::HttpAuthScheme::Basic))),
        (BEARER, auth::SecurityScheme::Http(auth::Http::new(auth::HttpAuthScheme::Bearer))),
        (SO_TICKET, header("Authorization", "`SOTicket 7T:…`: a ticket, without any encoding.")),
        (SESSION, auth::SecurityScheme::ApiKey(auth::ApiKey::Cookie(cookie))),
        (
            XSRF,
            header(
                "X-XSRF-TOKEN",
                "The value of the XSRF-TOKEN cookie or of the hidden input of a page.",
            ),
        ),
    ] {
        components.add_security_scheme(name, scheme);
    }
}
