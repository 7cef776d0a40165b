//! `/admin/users/{id}`: everything about one user.

use actix_web::{HttpResponse, web::Path};
use askama::Template;

use super::{
    audit_trail,
    recent_events::{self, RecentEvent},
    rights::AdminRights,
    subject::{self, read_overview},
    unlock_user,
    views::{AttemptView, CredentialView, TicketView, UserView, Views},
};
use crate::{
    clock,
    http::{
        error::ApiError,
        pages::{
            forms::Form,
            frame::{PageFrame, SignedIn},
            html,
            moment::Moment,
        },
        query,
        request_context::RequestContext,
    },
};

#[derive(Template)]
#[template(path = "admin/user.html")]
struct UserTemplate {
    /// The URL of this page.
    path: String,
    xsrf_token: String,
    user: UserView,
    nick_name: String,
    last_login: Option<Moment>,
    credentials: Vec<CredentialView>,
    attempts: Vec<AttemptView>,
    /// Resets the failed attempts.
    unlock: Form,
    /// `None` if the caller may not list them.
    tickets: Option<Vec<TicketView>>,
    session_epoch: i64,
    /// The newest audit events; `None` if the caller may not read them.
    events: Option<Vec<RecentEvent>>,
    /// The URL of all events of the user.
    trail: String,
    rights: AdminRights,
    frame: PageFrame,
}

/// `GET /admin/users/{id}`.
pub(in crate::http) async fn show(
    context: RequestContext,
    frame: PageFrame,
    user: Path<String>,
) -> Result<HttpResponse, ApiError> {
    let user_id = query::user_id_of_path(&user)?;
    let overview = read_overview(context.clone(), user_id).await?;
    let events = recent_events::read(&context, &frame, user_id).await?;
    let views = Views { frame: &frame, types: context.types(), now: clock::now() };
    let user = &overview.found.user;
    let template = UserTemplate {
        path: frame.url(&subject::path(user_id)),
        xsrf_token: frame.session().map(SignedIn::xsrf_token).unwrap_or_default().to_owned(),
        user: UserView::new(&frame, user),
        nick_name: user.nick_name.clone(),
        last_login: overview.found.last_use().map(Moment::new),
        credentials: views.credentials(&overview),
        attempts: views.attempts(&overview.attempts),
        unlock: unlock_user::form(&frame, user_id, ""),
        tickets: overview.tickets.as_deref().map(|tickets| views.tickets(tickets)),
        session_epoch: user.session_epoch,
        events,
        trail: frame.url(&format!("{}?user={user_id}", audit_trail::PATH)),
        rights: AdminRights::of(context.principal(), user),
        frame,
    };
    html::page(HttpResponse::Ok(), &template)
}
