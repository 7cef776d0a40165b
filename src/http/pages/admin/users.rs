//! `/admin/users`: searches users and lists them page by page.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse};
use askama::Template;

use super::{
    search::SearchForm,
    views::{UserView, type_choices},
};
use crate::{
    http::{
        error::{ApiError, ErrorKind, MissingRight},
        pages::{frame::PageFrame, html},
        request_context::RequestContext,
    },
    service::users::directory::UserDirectory,
};

#[derive(Template)]
#[template(path = "admin/users.html")]
struct UsersTemplate {
    frame: PageFrame,
    search: SearchForm,
    /// The value and the name of each user type.
    types: Vec<(&'static str, String)>,
    rows: Vec<UserView>,
    /// The query string of the previous page.
    previous: Option<String>,
    /// The query string of the next page.
    next: Option<String>,
    /// The error of the search.
    problem: Option<String>,
    may_add: bool,
}

/// `GET /admin/users`.
pub(in crate::http) async fn list(
    context: RequestContext,
    frame: PageFrame,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let form = SearchForm::read(request.query_string())?;
    let may_add = context.principal().may_administer_users();
    let template = UsersTemplate {
        types: type_choices(&frame),
        rows: Vec::new(),
        previous: None,
        next: None,
        problem: None,
        may_add,
        search: form.clone(),
        frame,
    };
    let search = match form.search() {
        Ok(search) => search,
        Err(refused) => {
            require_reading(&context)?;
            let label = template.frame.text("page-users-name");
            let problem = Some(template.frame.language().reasons(&label, &[refused.reason]));
            return html::page(HttpResponse::BadRequest(), &UsersTemplate { problem, ..template });
        }
    };
    let query = search.query.clone();
    let listed = context.read(|directory: Arc<UserDirectory>, caller| async move {
        directory.list(&caller.principal, &query).await
    });
    let found = search.found(&form, listed.await?);
    let rows = found.users.iter().map(|user| UserView::listed(&template.frame, user)).collect();
    let (previous, next) = (found.previous, found.next);
    html::page(HttpResponse::Ok(), &UsersTemplate { rows, previous, next, ..template })
}

/// Refuses a caller who may not list users, before an error says more about the request.
fn require_reading(context: &RequestContext) -> Result<(), ErrorKind> {
    let may_read = context.principal().may_read_users();
    if may_read { Ok(()) } else { Err(ErrorKind::Forbidden(MissingRight::ReadUser)) }
}
