//! The page whose URL has a secret: it runs no scripts, and sends its URL nowhere.

use actix_web::HttpRequest;

/// The path of the page that sets a new password with the link of a mail, below the base path.
pub(crate) const PASSWORD_PAGE: &str = "/account/password";

/// True for a request to that page.
pub(in crate::http) fn is_password_page(request: &HttpRequest) -> bool {
    request.match_pattern().is_some_and(|pattern| pattern.ends_with(PASSWORD_PAGE))
}
