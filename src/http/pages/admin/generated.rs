//! The page that shows a generated password, once.

use actix_web::HttpResponse;
use askama::Template;
use secrecy::{ExposeSecret, SecretString};

use super::subject;
use crate::{
    domain::user::User,
    http::{
        error::ApiError,
        pages::{frame::PageFrame, html},
    },
};

#[derive(Template)]
#[template(path = "admin/generated.html")]
struct GeneratedTemplate<'page> {
    login_name: &'page str,
    password: &'page str,
    /// The URL of the user's page.
    back: String,
    frame: PageFrame,
}

/// Shows a generated password of a user. The response is not stored. A form that is sent twice within a
/// minute gets it twice; no other response has it.
pub(super) fn generated_page(
    frame: PageFrame,
    user: &User,
    password: &SecretString,
) -> Result<HttpResponse, ApiError> {
    let template = GeneratedTemplate {
        login_name: &user.login_name,
        password: password.expose_secret(),
        back: frame.url(&subject::path(user.user_id)),
        frame,
    };
    html::page(HttpResponse::Ok(), &template)
}
