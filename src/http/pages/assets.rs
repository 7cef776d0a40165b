//! Static resources of the pages.

use actix_web::{HttpRequest, HttpResponse, web::Data};

use crate::http::state::HttpState;

/// The style sheet.
pub(in crate::http) const STYLE: &str = include_str!("../../../assets/keeper.css");
/// The styles that only the API documentation needs.
pub(in crate::http) const DOCS_STYLE: &str = include_str!("../../../assets/docs.css");
/// The script of the API documentation: search, copy and *try it*.
pub(in crate::http) const DOCS_SCRIPT: &str = include_str!("../../../assets/docs.js");

/// The script, without which every page works.
pub(in crate::http) const SCRIPT: &str = include_str!("../../../assets/keeper.js");

/// The icon.
pub(in crate::http) const ICON: &str = include_str!("../../../assets/favicon.svg");

/// `GET /assets/keeper.css`.
pub(in crate::http) async fn style(request: HttpRequest, state: Data<HttpState>) -> HttpResponse {
    state.documents.style.answer(&request)
}

/// `GET /assets/keeper.js`.
pub(in crate::http) async fn script(request: HttpRequest, state: Data<HttpState>) -> HttpResponse {
    state.documents.script.answer(&request)
}

/// `GET /assets/favicon.svg`.
pub(in crate::http) async fn icon(request: HttpRequest, state: Data<HttpState>) -> HttpResponse {
    state.documents.icon.answer(&request)
}

/// `GET /assets/docs.css`.
pub(in crate::http) async fn docs_style(
    request: HttpRequest,
    state: Data<HttpState>,
) -> HttpResponse {
    state.documents.docs_style.answer(&request)
}

/// `GET /assets/docs.js`.
pub(in crate::http) async fn docs_script(
    request: HttpRequest,
    state: Data<HttpState>,
) -> HttpResponse {
    state.documents.docs_script.answer(&request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_resources_of_every_page_are_small() {
        assert!(STYLE.len() <= 20 * 1024, "{}", STYLE.len());
        assert!(SCRIPT.len() <= 6 * 1024, "{}", SCRIPT.len());
        assert!(ICON.len() <= 1024, "{}", ICON.len());
        assert!(DOCS_STYLE.len() <= 8 * 1024, "{}", DOCS_STYLE.len());
        assert!(DOCS_SCRIPT.len() <= 12 * 1024, "{}", DOCS_SCRIPT.len());
    }
}
