//! What pages are made of.

use actix_web::{HttpResponse, http::header::ContentType, mime};

/// Where the style sheet is.
pub(in crate::http) const STYLE_PATH: &str = "/assets/keeper.css";

/// `GET /assets/keeper.css`.
pub(in crate::http) async fn style() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header(ContentType(mime::TEXT_CSS_UTF_8))
        .body(include_str!("../../../assets/keeper.css"))
}
