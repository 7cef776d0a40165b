//! `/admin/activity`: the activity and the state of the installation, with plots.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use time::OffsetDateTime;

use super::activity_plots::{Measure, NumberTable, measures, tables};
use crate::{
    clock,
    domain::activity::{ActivityScope, percent},
    http::{
        error::ApiError,
        keeper::activity::{VERSION, database_version, hashes_per_second, scope, scope_name},
        pages::{frame::PageFrame, html, moment::Moment},
        request_context::RequestContext,
    },
    service::{
        activity::{
            hash_survey::HashShare,
            report::{Activity, ActivityReport, KeyUse},
        },
        operations::finding::{Finding, Verdict},
    },
};

#[derive(Template)]
#[template(path = "admin/activity.html")]
struct ActivityTemplate {
    frame: PageFrame,
    scopes: [ScopeLink; 2],
    measures: Vec<Measure>,
    tables: [NumberTable; 2],
    facts: Vec<Fact>,
    keys: Vec<KeyView>,
    /// The requirements that are not met, and notes.
    open: Vec<FindingView>,
    met: Vec<FindingView>,
}

/// A link to the page with another scope.
struct ScopeLink {
    url: String,
    text: String,
    is_current: bool,
}

/// A fact about the installation; its value is a time if there is one.
struct Fact {
    name: String,
    value: String,
    at: Option<Moment>,
}

/// A key of the keyring.
struct KeyView {
    id: String,
    state: String,
    /// `None`: it has written nothing.
    first_used: Option<Moment>,
    age: String,
}

/// A requirement. Its texts are in English in every language, as in `doctor`.
struct FindingView {
    clause: &'static str,
    requirement: &'static str,
    verdict: String,
    badge: &'static str,
    next_step: String,
}

/// `GET /admin/activity`.
pub(in crate::http) async fn show(
    context: RequestContext,
    frame: PageFrame,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let scope = scope(&request)?;
    let report = context.read(move |activity: Arc<Activity>, caller| async move {
        activity.report(&caller.principal, scope, clock::now()).await
    });
    let report = report.await?;
    let (met, open): (Vec<_>, Vec<_>) =
        report.findings.iter().partition(|finding| finding.verdict == Verdict::Pass);
    let template = ActivityTemplate {
        scopes: [ActivityScope::Installation, ActivityScope::Instance]
            .map(|linked| scope_link(&frame, linked, scope)),
        measures: measures(&frame, &report.recent, report.at),
        tables: tables(&frame, &report.recent),
        facts: facts(&frame, &report),
        keys: report.keys.iter().map(|key| key_view(&frame, key, report.at)).collect(),
        open: open.into_iter().map(|finding| finding_view(&frame, finding)).collect(),
        met: met.into_iter().map(|finding| finding_view(&frame, finding)).collect(),
        frame,
    };
    html::page(HttpResponse::Ok(), &template)
}

fn scope_link(frame: &PageFrame, linked: ActivityScope, current: ActivityScope) -> ScopeLink {
    let key = match linked {
        ActivityScope::Installation => "page-activity-installation",
        ActivityScope::Instance => "page-activity-this-instance",
    };
    ScopeLink {
        url: frame.url(&format!("/admin/activity?scope={}", scope_name(linked))),
        text: frame.text(key),
        is_current: linked == current,
    }
}

fn facts(frame: &PageFrame, report: &ActivityReport) -> Vec<Fact> {
    let fact = |key, value: String| Fact { name: frame.text(key), value, at: None };
    let at =
        |key, at| Fact { name: frame.text(key), value: String::new(), at: Some(Moment::new(at)) };
    let connections = report.instance.connections;
    let [open, idle, maximum] =
        [connections.open, connections.idle, connections.maximum].map(|number| number.to_string());
    let arguments = [("open", open.as_str()), ("idle", &idle), ("maximum", &maximum)];
    let anchored = match report.instance.anchors.logged_at {
        Some(logged_at) => at("page-activity-anchored", logged_at),
        None if report.instance.anchor_period.is_zero() => {
            fact("page-activity-anchored", frame.text("page-activity-off"))
        }
        None => fact("page-activity-anchored", frame.text("page-activity-never")),
    };
    let latest = report.recent.hour.last().map_or(0, |period| period.instances);
    vec![
        fact("page-activity-version", VERSION.to_owned()),
        fact("page-activity-postgresql", database_version(report.database_version)),
        fact("page-activity-schema", report.schema_version.to_string()),
        fact("page-activity-instance", report.instance.id.clone()),
        at("page-activity-started", report.instance.started_at),
        fact("page-activity-instances", latest.to_string()),
        fact(
            "page-activity-connections",
            frame.text_with("page-activity-connections-value", &arguments),
        ),
        fact(
            "page-activity-rate",
            hashes_per_second(report.instance.capacity.hashes_per_second).to_string(),
        ),
        fact(
            "page-activity-waiting",
            format!("{} / {}", report.instance.waiting, report.instance.capacity.queue_length),
        ),
        fact("page-activity-outdated", outdated(frame, report.hash_share)),
        anchored,
        fact("page-activity-unanchored", report.instance.anchors.waiting.to_string()),
    ]
}

/// The share of outdated hashes.
fn outdated(frame: &PageFrame, share: Option<HashShare>) -> String {
    let Some(share) = share else { return frame.text("page-activity-uncounted") };
    let percent = percent(share.below_target, share.counted).unwrap_or_default();
    let [percent, counted] = [percent, share.counted].map(|number| number.to_string());
    let key = if share.is_sample { "page-activity-of-sample" } else { "page-activity-of-counted" };
    frame.text_with(key, &[("percent", percent.as_str()), ("counted", &counted)])
}

fn key_view(frame: &PageFrame, key: &KeyUse, now: OffsetDateTime) -> KeyView {
    let state = match key.state {
        "writing" => "page-activity-writing",
        "readable" => "page-activity-readable",
        _ => "page-activity-retired",
    };
    let days = key.first_used_at.map(|first| (now - first).whole_days().max(0).to_string());
    KeyView {
        id: key.id.clone(),
        state: frame.text(state),
        first_used: key.first_used_at.map(Moment::new),
        age: days.unwrap_or_else(|| frame.text("page-activity-unused")),
    }
}

fn finding_view(frame: &PageFrame, finding: &Finding) -> FindingView {
    let (key, badge, next_step) = match &finding.verdict {
        Verdict::Pass => ("page-activity-met", "good", ""),
        Verdict::Note(text) => ("page-activity-note", "warn", text.as_str()),
        Verdict::Fail(text) => ("page-activity-not-met", "bad", text.as_str()),
    };
    FindingView {
        clause: finding.clause,
        requirement: finding.requirement,
        verdict: frame.text(key),
        badge,
        next_step: next_step.to_owned(),
    }
}
