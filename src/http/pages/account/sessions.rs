//! `/account/sessions`: the tickets and sessions of the user who is signed in. Each can be ended,
//! and all others at once.

use std::sync::Arc;

use actix_web::HttpResponse;
use askama::Template;
use data_encoding::HEXLOWER;
use serde::Deserialize;
use subtle::ConstantTimeEq;

use crate::{
    clock,
    domain::{InvalidField, Reason, principal::Actor},
    http::{
        error::{ApiError, ErrorKind},
        keeper::user_tickets,
        pages::{
            forms::Form, frame::PageFrame, html, moment::Moment, notices::Notice,
            page_form::PageForm, words::device_text,
        },
        request_context::RequestContext,
    },
    service::sessions::tickets::{TicketSummary, Tickets},
};

const PATH: &str = "/account/sessions";

/// The button of one row, or of all rows.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::http) struct EndForm {
    /// The id of a ticket.
    ticket: Option<String>,
    /// Ends all others if it is `1`.
    others: Option<String>,
    /// The epoch of the user when the page was shown.
    epoch: Option<String>,
}

#[derive(Template)]
#[template(path = "account/sessions.html")]
struct SessionsTemplate {
    frame: PageFrame,
    rows: Vec<Row>,
    end_others: Form,
}

/// A ticket or session, as the page shows it.
struct Row {
    kind: String,
    is_current: bool,
    device: String,
    signed_in: Moment,
    address: Option<String>,
    /// `None`: no use is recorded.
    last_use: Option<LastUse>,
    expires: Moment,
    /// `None` for the session of this request, which ends by signing out.
    end: Option<Form>,
}

/// When and from where a ticket or session was last used.
struct LastUse {
    at: Moment,
    address: Option<String>,
}

/// `GET /account/sessions`.
pub(in crate::http) async fn show(
    context: RequestContext,
    frame: PageFrame,
) -> Result<HttpResponse, ApiError> {
    let user_id = context.principal().user_id();
    let epoch = context.principal().user.session_epoch.to_string();
    let listed = context.read(|tickets: Arc<Tickets>, caller| async move {
        let actor = Actor::Principal(&caller.principal);
        let listed = tickets.list(actor, user_id, clock::now()).await;
        listed.map(|found| found.map(|listed| (listed, tickets.digests_of_request(actor))))
    });
    let (listed, current) = listed.await?.ok_or(ErrorKind::UnknownUser)?;
    let rows = listed.iter().map(|ticket| row(&frame, ticket, &current)).collect();
    let end_others = Form::new(&frame, PATH).with_hidden("Epoch", &epoch).with_action(
        frame.text("page-end-others"),
        "danger",
        ("Others", "1"),
    );
    html::page(HttpResponse::Ok(), &SessionsTemplate { frame, rows, end_others })
}

/// `POST /account/sessions`: ends one ticket or session, or all others.
pub(in crate::http) async fn end(
    context: RequestContext,
    frame: PageFrame,
    body: PageForm<EndForm>,
) -> Result<HttpResponse, ApiError> {
    let PageForm::Submitted(EndForm { ticket, others, epoch }) = body else {
        return show(context, frame).await;
    };
    let user_id = context.principal().user_id();
    if others.as_deref() == Some("1") {
        let shown_epoch = epoch.and_then(|epoch| epoch.parse().ok());
        let ended = context.run(move |tickets: Arc<Tickets>, caller| async move {
            tickets.end_all_shown(caller.change_context(), user_id, shown_epoch).await
        });
        // Without a number, they had been ended before.
        ended.await?;
        return Ok(frame.redirect(PATH, Notice::SessionsEnded));
    }
    let digest = ticket.as_deref().and_then(user_tickets::digest);
    let digest = digest.ok_or_else(|| InvalidField::new("Ticket", Reason::Required))?;
    context
        .run(|tickets: Arc<Tickets>, caller| async move {
            tickets.end_of_user(caller.change_context(), user_id, digest).await
        })
        .await?;
    // One that has ended meanwhile is ended, too.
    Ok(frame.redirect(PATH, Notice::SessionEnded))
}

fn row(frame: &PageFrame, ticket: &TicketSummary, current: &[Vec<u8>]) -> Row {
    let is_current = current.iter().any(|digest| digest.ct_eq(&ticket.digest).into());
    let is_session = ticket.kind.as_str() == "session";
    let end = Form::new(frame, PATH)
        .with_hidden("Ticket", &HEXLOWER.encode(&ticket.digest))
        .with_action(frame.text("page-end-session"), "small", ("One", "1"));
    Row {
        kind: frame.text(if is_session { "page-session" } else { "page-ticket" }),
        is_current,
        device: device_text(frame, ticket.issued_to.device.as_ref()),
        signed_in: Moment::new(ticket.created_at),
        address: ticket.issued_to.address.clone(),
        last_use: ticket
            .last_used_at
            .map(|at| LastUse { at: Moment::new(at), address: ticket.last_used_address.clone() }),
        expires: Moment::new(ticket.expires_at),
        end: (!is_current).then_some(end),
    }
}
