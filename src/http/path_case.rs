//! Normalizes paths, because clients of this API vary in letter case and in the trailing slash.

use actix_web::{
    Error,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::{Uri, uri::PathAndQuery},
    middleware::Next,
};

/// Middleware that normalizes the path before the router matches it.
pub(super) async fn fold(
    mut request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    if let Some(folded) = folded(request.uri()) {
        request.match_info_mut().get_mut().update(&folded);
        request.head_mut().uri = folded;
    }
    next.call(request).await
}

/// A path in lower case without a trailing slash.
pub(super) fn folded_path(path: &str) -> String {
    let shorter = path.strip_suffix('/').filter(|rest| !rest.is_empty());
    shorter.unwrap_or(path).to_ascii_lowercase()
}

/// The URI with a normalized path; `None` when the path is already normalized.
pub(super) fn folded(uri: &Uri) -> Option<Uri> {
    let mut target = folded_path(uri.path());
    if target == uri.path() {
        return None;
    }
    if let Some(query) = uri.query() {
        target.push('?');
        target.push_str(query);
    }
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(target).ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_path_is_normalized() {
        let uri = Uri::from_static("/API/v1/User?$Select=Name");
        assert_eq!(folded(&uri).unwrap(), "/api/v1/user?$Select=Name");
        assert!(folded(&Uri::from_static("/api?A")).is_none());
        assert!(folded(&Uri::from_static("/")).is_none());
        assert_eq!(folded(&Uri::from_static("/api/v1/?a=/")).unwrap(), "/api/v1?a=/");
    }
}
