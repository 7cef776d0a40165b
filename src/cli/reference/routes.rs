//! `routes.md`: every route with its access, summary and error statuses.

use serde_json::Value;

use super::markdown::{Document, code};
use crate::{
    cli::output::Failure,
    http::{self, Access, RouteDescription},
};

const INTRODUCTION: &str = "\
    Paths match without regard to case. Every GET route also answers HEAD, and GET on a route of \
    the user agent describes the call. Other methods get 405 with `Allow`. The OpenAPI document \
    (`GET /openapi.json`) describes parameters, bodies and responses; `errors.md` \
    describes the errors.\n\n\
    Access is `anyone`, `authenticated`, `agent` (authenticated, and in an online \
    installation by a trusted application, `SO-AppToken`), or `page`: with a session, in a browser. \
    The rights of the caller are checked after that.";

const OPERATIONS: &str = "\
    The listener `operations.listen` serves these routes. Without it, the API serves the health \
    routes.";

/// The routes of the operations listener, which the route table does not contain.
const OPERATIONS_ROUTES: [[&str; 4]; 4] = [
    ["`GET`", "`/health/live`", "Returns 200 while the process responds.", ""],
    ["`GET`", "`/health/ready`", "Returns 200 if the instance accepts requests.", "503"],
    ["`GET`", "`/metrics`", "Returns the metrics (`metrics.md`) in the OpenMetrics format.", "500"],
    [
        "`GET`",
        "`/errors`",
        "Returns the last 100 alarms, 100 errors and 100 warnings of the log, without values. Alarms \
         with the same message and setting are one entry, with their number and the time of the first.",
        "",
    ],
];

/// Routes that are not in the OpenAPI document.
const PARTS_OF_PAGES: &str = "Parts of pages";

/// Writes the document.
pub(super) fn document() -> Result<String, Failure> {
    let openapi: Value = serde_json::from_str(&http::openapi_document("")?)?;
    let routes = http::describe_routes();
    let mut document = Document::new("Routes", INTRODUCTION);
    let group = |route: &RouteDescription| {
        let tag = operation(&openapi, route).and_then(|operation| operation.pointer("/tags/0"));
        tag.and_then(Value::as_str).unwrap_or(PARTS_OF_PAGES).to_owned()
    };
    let mut groups: Vec<String> = Vec::new();
    for name in routes.iter().map(group) {
        if !groups.contains(&name) {
            groups.push(name);
        }
    }
    for name in groups {
        document.section(&name);
        let members = routes.iter().filter(|route| group(route) == name);
        let rows: Vec<_> = members.map(|route| row(&openapi, route)).collect();
        document.table(["Method", "Path", "Access", "Summary", "Errors"], &rows);
    }
    document.section("Operations");
    document.paragraph(OPERATIONS);
    let rows = OPERATIONS_ROUTES.map(|row| row.map(str::to_owned));
    document.table(["Method", "Path", "Summary", "Errors"], &rows);
    Ok(document.finish())
}

/// The operation of a route in the OpenAPI document.
fn operation<'document>(
    openapi: &'document Value,
    route: &RouteDescription,
) -> Option<&'document Value> {
    openapi.get("paths")?.get(route.path)?.get(route.method.to_lowercase())
}

fn row(openapi: &Value, route: &RouteDescription) -> [String; 5] {
    let operation = operation(openapi, route);
    let summary = operation.and_then(|operation| operation.get("summary")).and_then(Value::as_str);
    let responses = operation.and_then(|operation| operation.get("responses"));
    let responses = responses.and_then(Value::as_object).into_iter().flatten();
    let errors: Vec<_> = responses
        .map(|(status, _)| status.as_str())
        .filter(|status| status.starts_with(['4', '5']))
        .collect();
    let access = match route.access {
        Access::Anybody => "anyone",
        Access::Authenticated => "authenticated",
        Access::Agent => "agent",
        Access::Page => "page",
    };
    [
        code(&route.method),
        code(route.path),
        access.to_owned(),
        summary.unwrap_or_default().to_owned(),
        errors.join(", "),
    ]
}
