//! `/account`: the user who is signed in, and their credentials without the values.

use std::sync::Arc;

use actix_web::HttpResponse;
use askama::Template;
use time::OffsetDateTime;

use crate::{
    clock,
    domain::{
        credential::{CredentialSummary, LastUse},
        credential_type::CredentialTypes,
        user::{User, UserId},
    },
    http::{
        error::ApiError,
        pages::{
            frame::PageFrame,
            html,
            moment::Moment,
            words::{scheme_text, type_text_of},
        },
        request_context::RequestContext,
    },
    service::credentials::saving::Credentials,
};

#[derive(Template)]
#[template(path = "account/overview.html")]
struct OverviewTemplate {
    frame: PageFrame,
    user: User,
    credentials: Vec<CredentialView>,
}

/// A credential, as the page shows it.
struct CredentialView {
    type_name: String,
    display_value: String,
    /// `None`: no use is recorded.
    last_use: Option<LastUseView>,
    /// `None`: without end.
    expires: Option<Moment>,
    is_valid: bool,
    must_change: bool,
    changed: Moment,
    changed_by: String,
}

/// When, how and from where a credential was used.
struct LastUseView {
    at: Moment,
    scheme: String,
    address: Option<String>,
}

/// `GET /account`.
pub(in crate::http) async fn show(
    context: RequestContext,
    frame: PageFrame,
) -> Result<HttpResponse, ApiError> {
    let (types, now) = (context.types().clone(), clock::now());
    // As authentication has just read it. A user who is deleted meanwhile sees no credentials, once.
    let user = context.principal().user.clone();
    let owner = user.user_id;
    let found = context
        .read(|credentials: Arc<Credentials>, _| async move { credentials.list(owner).await })
        .await?;
    let credentials =
        found.into_iter().map(|credential| view(&frame, &types, owner, credential, now)).collect();
    html::page(HttpResponse::Ok(), &OverviewTemplate { frame, user, credentials })
}

fn view(
    frame: &PageFrame,
    types: &CredentialTypes,
    owner: UserId,
    credential: CredentialSummary,
    now: OffsetDateTime,
) -> CredentialView {
    CredentialView {
        type_name: type_text_of(frame, types, &credential.credential_type),
        display_value: credential.display_value,
        last_use: credential.last_use.map(|last_use| LastUseView::new(frame, last_use)),
        expires: credential.validity.to().map(Moment::new),
        is_valid: credential.validity.contains(now),
        must_change: credential.change_required.is_some(),
        changed: Moment::new(credential.updated_at),
        changed_by: frame.text(changer_key(owner, credential.updated_by)),
    }
}

/// The key of the text about who changed a credential. Users do not learn names of others. Without a
/// user it was an operator's command, or the service for a user who moved from the old system.
fn changer_key(owner: UserId, changer: Option<UserId>) -> &'static str {
    match changer {
        None => "page-by-operator-or-service",
        Some(changer) if changer == owner => "page-by-you",
        Some(_) => "page-by-administrator",
    }
}

impl LastUseView {
    fn new(frame: &PageFrame, last_use: LastUse) -> Self {
        let scheme = scheme_text(frame, &last_use.scheme);
        Self { at: Moment::new(last_use.at), scheme, address: last_use.address }
    }
}
