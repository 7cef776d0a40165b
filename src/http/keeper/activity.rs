//! `/keeper/activity`: the activity and the state of the installation
//! (docs/reference/wire-contract.md#own-endpoints).

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use wire_formats::XmlNames;

use crate::{
    clock,
    domain::{InvalidField, Reason, activity::ActivityScope, activity::Period},
    http::{
        error::{ApiError, ErrorKind, MissingRight},
        localization::{TimeZone, format_moment},
        negotiation,
        openapi::parameters,
        operation::Operation,
        query,
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

/// The version of this service.
pub(in crate::http) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The parameter that selects whose activity is answered.
const SCOPE: &str = "scope";

const INSTALLATION: &str = "installation";
const INSTANCE: &str = "instance";

/// The activity in one period.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
struct ActivityPeriod {
    start: String,
    /// The number of instances that the figures are from.
    instances: u64,
    /// Credentials that were saved.
    saves: u64,
    /// Passwords that authenticated their user.
    logins: u64,
    /// Passwords that were refused, at a login or as the old password of a change.
    failures: u64,
    /// Attempts that were refused because there were too many.
    throttled: u64,
    /// Hashes that were computed.
    hashes: u64,
    /// Hashes that could have been computed, at the rate that was measured at start.
    hash_capacity: u64,
    /// Requests that were refused because of overload.
    shed: u64,
    /// Verifications that the cache answered with yes.
    cache_hits: u64,
    /// Verifications that needed a hash.
    cache_misses: u64,
    /// The longest queue that was seen, in jobs.
    queue_maximum: u64,
    /// The mean time of a job in the queue, in microseconds; null without jobs.
    #[schema(required = true)]
    mean_wait_microseconds: Option<u64>,
}

/// The instance that answers.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
struct InstanceInfo {
    /// New at each start.
    id: String,
    started_at: String,
    /// The version of the service.
    version: &'static str,
    /// Connections to the database that are open.
    database_connections: usize,
    /// Connections that are open and not in use.
    database_connections_idle: usize,
    database_connections_maximum: usize,
    hashing_threads: usize,
    /// Hashes per second, measured at start.
    hashes_per_second: u64,
    /// Jobs that may wait in the queue.
    queue_length: usize,
    /// Jobs that wait in the queue.
    waiting: u64,
    /// The time between two anchors of changed audit chains; 0 for none.
    anchor_seconds: u64,
    /// When this instance last logged anchors; null since its start.
    #[schema(required = true)]
    anchors_logged_at: Option<String>,
    /// Audit chains that changed since their last anchor.
    anchors_waiting: usize,
}

/// The database.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
struct DatabaseInfo {
    /// The version of PostgreSQL.
    version: String,
    /// The newest migration that is applied.
    schema: i64,
}

/// The share of outdated hashes. It is counted at most once an hour.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
struct HashShareInfo {
    /// Credentials whose hash costs less than a new one, or that another system computed.
    below_target: u64,
    /// All counted credentials.
    counted: u64,
    /// True when a random sample was counted, because the table is large.
    is_sample: bool,
    counted_at: String,
}

/// A key of the keyring.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
struct KeyInfo {
    id: String,
    /// `writing`, `readable` or `retired`.
    state: &'static str,
    /// Null for a key that has written nothing.
    #[schema(required = true)]
    first_used_at: Option<String>,
}

/// A requirement of `doctor` that the service itself can check.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
struct FindingInfo {
    /// The source of the requirement.
    clause: &'static str,
    requirement: &'static str,
    /// `pass`, `note` or `fail`.
    verdict: &'static str,
    /// Null for `pass`.
    #[schema(required = true)]
    next_step: Option<String>,
}

/// The activity and the state of the installation.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
struct InstallationActivity {
    /// `installation` or `instance`.
    scope: &'static str,
    at: String,
    /// The minutes of the last hour, oldest first. A minute without data is absent.
    hour: Vec<ActivityPeriod>,
    /// The quarters of an hour of the last day, oldest first. One without data is absent.
    day: Vec<ActivityPeriod>,
    instance: InstanceInfo,
    database: DatabaseInfo,
    /// Null until they are counted, shortly after the start.
    #[schema(required = true)]
    hashes: Option<HashShareInfo>,
    keys: Vec<KeyInfo>,
    /// `doctor` checks more: what needs the host or its files, and what scans tables.
    findings: Vec<FindingInfo>,
}

impl XmlNames for InstallationActivity {
    const NAME: &'static str = "InstallationActivity";
    const NAMESPACE: &'static str = "";
    const ITEMS: &'static [(&'static str, &'static str)] =
        &[("Hour", "Period"), ("Day", "Period"), ("Keys", "Key"), ("Findings", "Finding")];
}

/// Describes [`read`].
pub(in crate::http) fn read_operation() -> Operation {
    let scope = "`installation` for all instances, up to the last stored minute (the default), or \
                 `instance` for the one that answers, up to now.";
    Operation::new(
        "Returns the activity and the state of the installation. For administrators and auditors.",
    )
    .answers_whole::<InstallationActivity>(200)
    .accepts(parameters::choice(SCOPE, scope, &["installation", "instance"]))
    .refuses(ErrorKind::Forbidden(MissingRight::ReadActivity))
}

/// Returns the activity.
pub(in crate::http) async fn read(
    context: RequestContext,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let scope = scope(&request)?;
    let report = context.read(move |activity: Arc<Activity>, caller| async move {
        activity.report(&caller.principal, scope, clock::now()).await
    });
    let zone = TimeZone::of(request.headers());
    let carrier = carrier(report.await?, zone.as_ref());
    Ok(negotiation::write(HttpResponse::Ok(), request.headers(), &carrier))
}

/// The scope that a request names.
///
/// # Errors
/// When the parameter is repeated or has another value.
pub(in crate::http) fn scope(request: &HttpRequest) -> Result<ActivityScope, ErrorKind> {
    match query::optional(request, SCOPE)?.as_deref() {
        None | Some(INSTALLATION) => Ok(ActivityScope::Installation),
        Some(INSTANCE) => Ok(ActivityScope::Instance),
        Some(_) => Err(InvalidField::new(SCOPE, Reason::NotScope).into()),
    }
}

/// The value of a scope in a URL.
pub(in crate::http) fn scope_name(scope: ActivityScope) -> &'static str {
    match scope {
        ActivityScope::Installation => INSTALLATION,
        ActivityScope::Instance => INSTANCE,
    }
}

/// A version of PostgreSQL, from its number.
pub(in crate::http) fn database_version(number: i32) -> String {
    format!("{}.{}", number / 10_000, number % 10_000)
}

/// Hashes per second, as a whole number.
pub(in crate::http) fn hashes_per_second(rate: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the cast saturates, and the rate is positive"
    )]
    let whole = rate.round() as u64;
    whole
}

fn carrier(report: ActivityReport, zone: Option<&TimeZone>) -> InstallationActivity {
    let moment = |at: OffsetDateTime| format_moment(at, zone);
    let periods = |periods: Vec<Period>| {
        periods.into_iter().map(|period| activity_period(&period, &moment)).collect()
    };
    InstallationActivity {
        scope: scope_name(report.scope),
        at: moment(report.at),
        hour: periods(report.recent.hour),
        day: periods(report.recent.day),
        instance: InstanceInfo {
            id: report.instance.id,
            started_at: moment(report.instance.started_at),
            version: VERSION,
            database_connections: report.instance.connections.open,
            database_connections_idle: report.instance.connections.idle,
            database_connections_maximum: report.instance.connections.maximum,
            hashing_threads: report.instance.capacity.threads,
            hashes_per_second: hashes_per_second(report.instance.capacity.hashes_per_second),
            queue_length: report.instance.capacity.queue_length,
            waiting: report.instance.waiting,
            anchor_seconds: report.instance.anchor_period.as_secs(),
            anchors_logged_at: report.instance.anchors.logged_at.map(&moment),
            anchors_waiting: report.instance.anchors.waiting,
        },
        database: DatabaseInfo {
            version: database_version(report.database_version),
            schema: report.schema_version,
        },
        hashes: report.hash_share.map(|share| hash_share(share, &moment)),
        keys: report.keys.into_iter().map(|key| key_info(key, &moment)).collect(),
        findings: report.findings.into_iter().map(finding).collect(),
    }
}

fn activity_period(period: &Period, moment: &impl Fn(OffsetDateTime) -> String) -> ActivityPeriod {
    let figures = &period.figures;
    ActivityPeriod {
        start: moment(period.start),
        instances: period.instances,
        saves: figures.saves,
        logins: figures.logins,
        failures: figures.failures,
        throttled: figures.throttled,
        hashes: figures.hashes,
        hash_capacity: figures.hash_capacity,
        shed: figures.shed,
        cache_hits: figures.cache_hits,
        cache_misses: figures.cache_misses,
        queue_maximum: figures.queue_maximum,
        mean_wait_microseconds: figures.mean_wait_microseconds(),
    }
}

fn hash_share(share: HashShare, moment: &impl Fn(OffsetDateTime) -> String) -> HashShareInfo {
    HashShareInfo {
        below_target: share.below_target,
        counted: share.counted,
        is_sample: share.is_sample,
        counted_at: moment(share.at),
    }
}

fn key_info(key: KeyUse, moment: &impl Fn(OffsetDateTime) -> String) -> KeyInfo {
    KeyInfo { id: key.id, state: key.state, first_used_at: key.first_used_at.map(moment) }
}

fn finding(finding: Finding) -> FindingInfo {
    let Finding { clause, requirement, verdict } = finding;
    let (verdict, next_step) = match verdict {
        Verdict::Pass => ("pass", None),
        Verdict::Note(text) => ("note", Some(text)),
        Verdict::Fail(text) => ("fail", Some(text)),
    };
    FindingInfo { clause, requirement, verdict, next_step }
}
