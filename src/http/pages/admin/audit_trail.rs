//! `/admin/audit`: the audit events of all users, with a filter, and their export. For those who may
//! read them.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use actix_web::{HttpRequest, HttpResponse};
use askama::Template;

use super::audit_filter::{ACTOR, FilterForm, FilterProblem, USER};
use crate::{
    domain::{
        InvalidField,
        audit::AuditEntry,
        audit_query::{AuditFilter, AuditQuery},
        principal::Actor,
        user::{LoginName, UserId, UserReference},
    },
    http::{
        error::{ApiError, ErrorKind, MissingRight},
        keeper::{audit_export, audit_query::export_query},
        pages::{audit_words::EventView, field::Field, frame::PageFrame, html},
        request_context::RequestContext,
    },
    service::{
        audit::{audit_reader::AuditReader, export_format::ExportFormat},
        users::directory::UserDirectory,
    },
};

/// The path of the page, below the base path.
pub(super) const PATH: &str = "/admin/audit";

/// The number of events on a page.
const PAGE: u16 = 40;

#[derive(Template)]
#[template(path = "admin/audit.html")]
struct AuditTemplate {
    frame: PageFrame,
    fields: Vec<Field>,
    has_errors: bool,
    rows: Vec<Row>,
    newest: Option<String>,
    older: Option<String>,
    /// The addresses of the export.
    csv: String,
    json_lines: String,
    /// The address of the page without a filter.
    path: String,
}

/// An event, as the page shows it.
struct Row {
    event: EventView,
    user: UserView,
    /// `None`: a command, or the service itself.
    actor: Option<UserView>,
}

/// A user, with the login name unless the user was deleted.
struct UserView {
    id: UserId,
    name: Option<String>,
}

impl UserView {
    fn new(id: UserId, names: &HashMap<UserId, String>) -> Self {
        Self { id, name: names.get(&id).cloned() }
    }
}

/// `GET /admin/audit`.
pub(in crate::http) async fn show(
    context: RequestContext,
    request: HttpRequest,
    frame: PageFrame,
) -> Result<HttpResponse, ApiError> {
    require_right(&context)?;
    let form = FilterForm::read(request.query_string());
    let found = find_filter(&context, &form).await?;
    let filter = match found {
        Ok(filter) => filter,
        Err(problems) => return invalid(frame, &form, &problems),
    };
    let parameters = export_query(&filter);
    let query = AuditQuery { after: form.after(), ..AuditQuery::first(filter, PAGE) };
    let listed = context.clone().read(|reader: Arc<AuditReader>, caller| async move {
        reader.list(Actor::Principal(&caller.principal), &query).await
    });
    let page = listed.await?;
    let names = login_names(&context, &page.events).await?;
    let row = |event: &AuditEntry| Row {
        event: EventView::new(&frame, context.types(), event),
        user: UserView::new(event.user_id, &names),
        actor: event.actor.map(|actor| UserView::new(actor, &names)),
    };
    let export = |format: ExportFormat| {
        let extension = format.extension();
        frame.url(&format!("{PATH}/export?{parameters}$format={extension}"))
    };
    let template = AuditTemplate {
        fields: form.fields(&frame, &[]),
        has_errors: false,
        rows: page.events.iter().map(row).collect(),
        newest: form.after().map(|_| frame.url(&form.path(PATH, None))),
        older: page.next.map(|next| frame.url(&form.path(PATH, Some(next)))),
        csv: export(ExportFormat::Csv),
        json_lines: export(ExportFormat::JsonLines),
        path: frame.url(PATH),
        frame,
    };
    html::page(HttpResponse::Ok(), &template)
}

/// The page with what is wrong with the filter, and without events.
fn invalid(
    frame: PageFrame,
    form: &FilterForm,
    problems: &[FilterProblem],
) -> Result<HttpResponse, ApiError> {
    let path = frame.url(PATH);
    let template = AuditTemplate {
        fields: form.fields(&frame, problems),
        has_errors: true,
        rows: Vec::new(),
        newest: None,
        older: None,
        csv: String::new(),
        json_lines: String::new(),
        path,
        frame,
    };
    html::page(HttpResponse::BadRequest(), &template)
}

/// The filter that a form describes, or what is wrong with it.
async fn find_filter(
    context: &RequestContext,
    form: &FilterForm,
) -> Result<Result<AuditFilter, Vec<FilterProblem>>, ApiError> {
    let mut problems: Vec<FilterProblem> = Vec::new();
    let mut filter = AuditFilter::default();
    for (name, user) in [(USER, &mut filter.user), (ACTOR, &mut filter.actor)] {
        match form.user(name) {
            Ok(None) => {}
            Ok(Some(UserReference::Id(id))) => *user = Some(id),
            Ok(Some(UserReference::Name(login_name))) => {
                *user = find_id(context, login_name).await?;
                if user.is_none() {
                    problems.push(FilterProblem::UnknownUser(name));
                }
            }
            Err(refused) => problems.push(refused.into()),
        }
    }
    let mut keep = |refused: InvalidField| problems.push(refused.into());
    filter.kinds = form.kinds().map_err(&mut keep).unwrap_or_default();
    filter.since = form.since().map_err(&mut keep).unwrap_or_default();
    filter.until = form.until(filter.since).map_err(&mut keep).unwrap_or_default();
    Ok(if problems.is_empty() { Ok(filter) } else { Err(problems) })
}

/// The id of the user with that login name.
async fn find_id(
    context: &RequestContext,
    login_name: LoginName,
) -> Result<Option<UserId>, ApiError> {
    let found = context.clone().read(|directory: Arc<UserDirectory>, _| async move {
        directory.find_by_name(&login_name).await
    });
    Ok(found.await?.map(|user| user.user_id))
}

/// The login names of all users and actors of events, without those of deleted users.
pub(super) async fn login_names(
    context: &RequestContext,
    events: &[AuditEntry],
) -> Result<HashMap<UserId, String>, ApiError> {
    let ids = events.iter().flat_map(|event| [Some(event.user_id), event.actor]).flatten();
    let ids: Vec<_> = ids.collect::<HashSet<_>>().into_iter().collect();
    let found = context.clone().read(|directory: Arc<UserDirectory>, caller| async move {
        directory.read_all(&caller.principal, &ids).await
    });
    Ok(found.await?.into_iter().map(|user| (user.user_id, user.login_name)).collect())
}

/// `GET /admin/audit/export`: as the export of the API, which needs a header that no link sends.
pub(in crate::http) async fn export(
    context: RequestContext,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    audit_export::export(context, request).await
}

fn require_right(context: &RequestContext) -> Result<(), ErrorKind> {
    let may_read = context.principal().may_read_audit_events_of(None);
    if may_read { Ok(()) } else { Err(ErrorKind::Forbidden(MissingRight::ReadAuditEvents)) }
}
