//! Static resources of the pages.

use actix_web::{HttpRequest, HttpResponse, web::Data};

use crate::http::state::HttpState;

/// The style sheet.
pub(in crate::http) const STYLE: &str = include_str!("../../../assets/keeper.css");

/// `GET /assets/keeper.css`.
pub(in crate::http) async fn style(request: HttpRequest, state: Data<HttpState>) -> HttpResponse {
    state.documents.style.answer(&request)
}
