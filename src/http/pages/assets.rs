//! What pages are made of.

use actix_web::{HttpRequest, HttpResponse, web::Data};

use crate::http::state::HttpState;

/// Where the style sheet is.
pub(in crate::http) const STYLE_PATH: &str = "/assets/keeper.css";

/// The style sheet.
pub(in crate::http) const STYLE: &str = include_str!("../../../assets/keeper.css");

/// `GET /assets/keeper.css`.
pub(in crate::http) async fn style(request: HttpRequest, state: Data<HttpState>) -> HttpResponse {
    state.documents.style.answer(&request)
}
