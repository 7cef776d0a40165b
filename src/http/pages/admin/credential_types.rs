//! The page that asks which credential another page is about.

use actix_web::HttpResponse;
use askama::Template;

use super::{credential_of_page::query_of_type, subject};
use crate::{
    domain::{credential_type::CredentialType, user::UserId},
    http::{
        error::ApiError,
        pages::{frame::PageFrame, html, words::type_text},
        request_context::RequestContext,
    },
    service::users::directory::UserWithCredentials,
};

/// The page that asks for a type.
#[derive(Template)]
#[template(path = "admin/credential_types.html")]
struct TypesTemplate<'page> {
    title: String,
    login_name: &'page str,
    /// The URL of the user's page.
    back: String,
    /// The path below that of the user's page.
    page: &'static str,
    /// The query string and the name of each type.
    types: Vec<(String, String)>,
    frame: PageFrame,
}

/// The page that needs the type.
pub(super) struct Asking {
    /// The path below that of the user's page.
    pub(super) page: &'static str,
    /// The key of the title.
    pub(super) title: &'static str,
    /// The types to choose from.
    pub(super) is_offered: fn(&UserWithCredentials, &CredentialType) -> bool,
}

/// Asks for the type of a credential of a user.
pub(super) async fn choose_type(
    context: RequestContext,
    frame: PageFrame,
    user_id: UserId,
    asking: Asking,
) -> Result<HttpResponse, ApiError> {
    let found = subject::read(context.clone(), user_id).await?;
    let types = context.types().iter().filter(|offered| (asking.is_offered)(&found, offered));
    let types = types.map(|found| (query_of_type(found.as_str()), type_text(&frame, found)));
    let template = TypesTemplate {
        title: frame.text(asking.title),
        login_name: &found.user.login_name,
        back: frame.url(&subject::path(user_id)),
        page: asking.page,
        types: types.collect(),
        frame,
    };
    html::page(HttpResponse::Ok(), &template)
}
