//! The last alarms, errors and warnings of this instance, on the operations listener only.

use actix_web::{
    HttpResponse,
    http::Method,
    web::{self, ServiceConfig},
};
use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;

use super::route::answering;
use crate::recent_events::{RecentEvent, recent_events};

/// Registers the route.
pub(super) fn configure(config: &mut ServiceConfig) {
    config.route("/errors", answering(web::to(errors), &Method::GET));
}

/// `GET /errors`: the last alarms, errors and warnings of the log, oldest first, without values.
async fn errors() -> HttpResponse {
    let object = |event: RecentEvent| {
        json!({
            "At": event.at.format(&Rfc3339).unwrap_or_default(),
            "Level": event.level,
            "Target": event.target,
            "Message": event.message,
            "Setting": event.setting,
            "Code": event.code,
            "Error": event.error,
            "Times": event.times,
            "FirstAt": event.first_at.format(&Rfc3339).unwrap_or_default(),
        })
    };
    HttpResponse::Ok().json(recent_events().into_iter().map(object).collect::<Value>())
}
