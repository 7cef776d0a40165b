//! `audit list`: prints audit events.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    cli::{
        command_context::{self, timestamp},
        output::{self, Failure, Format},
        user_argument::{UserArgument, ambiguous},
    },
    domain::{
        audit::{AuditEntry, AuditKind},
        audit_query::{AuditFilter, AuditQuery, MAXIMUM_TOP},
        principal::Actor,
        user::UserId,
    },
    service::{
        audit::{audit_reader::AuditReader, export_format::ExportFormat},
        users::{directory::UserDirectory, saving::Users},
    },
    storage::privileges::GrantedRole,
};

/// The number of events of all users that are printed by default.
const DEFAULT_LIMIT: usize = 1_000;

/// The arguments of `audit list`.
#[derive(Args)]
pub(in crate::cli) struct Arguments {
    /// List the events of one user: a user id, also of a deleted user, or a login name; use `id:7` or
    /// `name:7` if a number is ambiguous.
    #[arg(long)]
    user: Option<String>,
    /// List these kinds of events only; docs/reference/audit-events.md lists them.
    #[arg(long, value_delimiter = ',', value_name = "KIND", value_parser = read_kind)]
    kind: Vec<AuditKind>,
    /// List the changes that this user made: a user id or login name.
    #[arg(long, value_name = "USER")]
    actor: Option<String>,
    /// List events from this time on, such as `2027-01-01` or `2027-01-01T08:00:00+01:00`; UTC if
    /// there is no offset.
    #[arg(long, value_name = "TIME", value_parser = read_moment)]
    since: Option<OffsetDateTime>,
    /// List events before this time.
    #[arg(long, value_name = "TIME", value_parser = read_moment)]
    until: Option<OffsetDateTime>,
    /// List the newest events, at most this many. By default, all events of one user, or the newest
    /// 1,000 of all users; `--format` has no limit by default.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// Print the events newest first, as CSV or as JSON lines.
    #[arg(long, conflicts_with = "json")]
    format: Option<LineFormat>,
}

/// The values of `--format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LineFormat {
    Csv,
    Jsonl,
}

impl From<LineFormat> for ExportFormat {
    fn from(format: LineFormat) -> Self {
        match format {
            LineFormat::Csv => Self::Csv,
            LineFormat::Jsonl => Self::JsonLines,
        }
    }
}

/// Runs the command.
pub(super) async fn run(arguments: Arguments, format: Format) -> Result<ExitCode, Failure> {
    let mut settings = command_context::read_settings()?;
    settings.hashing.threads = 1;
    let users = command_context::open_with(settings, role(&arguments)).await?.services.users;
    let filter = filter(&users, &arguments).await?;
    if let Some(format) = arguments.format {
        export(&users.audit, filter, format.into(), arguments.limit).await?;
    } else {
        list(&users.audit, &arguments, filter, format).await?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The database role that the command needs: only the service may look up login names.
fn role(arguments: &Arguments) -> GrantedRole {
    let names = [&arguments.user, &arguments.actor].into_iter().flatten();
    let is_id = |text: &String| matches!(UserArgument::parse(text), Ok(UserArgument::Id(_)));
    if names.into_iter().all(is_id) { GrantedRole::Auditor } else { GrantedRole::Service }
}

async fn filter(users: &Users, arguments: &Arguments) -> Result<AuditFilter, Failure> {
    let Arguments { user, kind, actor, since, until, .. } = arguments;
    if let (Some(since), Some(until)) = (since, until)
        && until <= since
    {
        return Err(Failure::new("--until ends before --since begins; exchange the two times"));
    }
    let find = async |text: &Option<String>| match text {
        Some(text) => user_id(&users.audit, &users.directory, text).await.map(Some),
        None => Ok(None),
    };
    Ok(AuditFilter {
        user: find(user).await?,
        kinds: kind.clone(),
        actor: find(actor).await?,
        since: *since,
        until: *until,
    })
}

/// Prints a table or a JSON list, oldest first.
async fn list(
    reader: &AuditReader,
    arguments: &Arguments,
    filter: AuditFilter,
    format: Format,
) -> Result<(), Failure> {
    let is_unknown_if_empty = filter.user.is_some()
        && filter == AuditFilter { user: filter.user, ..AuditFilter::default() };
    let by_default = if filter.user.is_some() { usize::MAX } else { DEFAULT_LIMIT };
    let limit = arguments.limit.map_or(by_default, number);
    let mut pages = Pages { reader, query: Some(AuditQuery::first(filter, MAXIMUM_TOP)) };
    let mut events: Vec<AuditEntry> = Vec::new();
    while events.len() <= limit
        && let Some(page) = pages.next().await?
    {
        events.extend(page);
    }
    if events.is_empty() && is_unknown_if_empty {
        return Err(Failure::new("user not found, and no audit events exist for this user id"));
    }
    let has_more = events.len() > limit;
    events.truncate(limit);
    events.reverse();
    let heading = [
        "USER",
        "SEQUENCE",
        "TIME",
        "EVENT",
        "TYPE",
        "ACTOR",
        "SCHEME",
        "ADDRESS",
        "REQUEST ID",
        "REASON",
    ];
    output::print_rows(format, heading, &events.iter().map(row).collect::<Vec<_>>())?;
    if has_more {
        output::print_status(format_args!(
            "these are the newest {limit} events; there are more: use --limit, --until or --format"
        ));
    }
    Ok(())
}

/// Prints lines, newest first, while they are read.
async fn export(
    reader: &AuditReader,
    filter: AuditFilter,
    format: ExportFormat,
    limit: Option<u64>,
) -> Result<(), Failure> {
    let mut pages = Pages { reader, query: Some(AuditQuery::first(filter, MAXIMUM_TOP)) };
    let mut left = limit.map_or(usize::MAX, number);
    let mut text = format.heading();
    while left > 0
        && let Some(page) = pages.next().await?
    {
        for event in page.iter().take(left) {
            format.write(event, &mut text);
        }
        left = left.saturating_sub(page.len());
        if !output::print_lines(&std::mem::take(&mut text))? {
            return Ok(());
        }
    }
    output::print_lines(&text).map(drop)
}

fn number(limit: u64) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

/// The pages of a list.
struct Pages<'reader> {
    reader: &'reader AuditReader,
    /// The query of the next page; `None` at the end.
    query: Option<AuditQuery>,
}

impl Pages<'_> {
    async fn next(&mut self) -> Result<Option<Vec<AuditEntry>>, Failure> {
        let Some(query) = self.query.take() else { return Ok(None) };
        let page = self.reader.list(Actor::Command, &query).await?;
        self.query = page.next.map(|after| AuditQuery { after: Some(after), ..query });
        Ok(Some(page.events))
    }
}

/// Resolves a user argument. Unlike in other commands, the id can be that of a deleted user.
async fn user_id(
    reader: &AuditReader,
    directory: &UserDirectory,
    user: &str,
) -> Result<UserId, Failure> {
    let (id, name) = match UserArgument::parse(user)? {
        UserArgument::Id(user_id) => return Ok(user_id),
        UserArgument::Name(_) => {
            return Ok(command_context::find_user(directory, user).await?.user_id);
        }
        UserArgument::Number(id, name) => (id, name),
    };
    match directory.find_by_name(&name).await? {
        None => Ok(id),
        Some(found) if found.user_id == id => Ok(id),
        Some(_) if reader.has_events(id).await? => Err(ambiguous(id)),
        Some(found) => Ok(found.user_id),
    }
}

fn read_kind(text: &str) -> Result<AuditKind, String> {
    let unknown = || "is not a kind of audit events; see docs/reference/audit-events.md".to_owned();
    AuditKind::parse(text).ok_or_else(unknown)
}

fn read_moment(text: &str) -> Result<OffsetDateTime, String> {
    let read = |suffix: &str| OffsetDateTime::parse(&format!("{text}{suffix}"), &Rfc3339);
    let moment = read("").or_else(|_| read("Z")).or_else(|_| read("T00:00:00Z"));
    moment.map_err(|_| "must be a date or a time such as 2027-01-01T08:00:00+01:00".to_owned())
}

fn row(event: &AuditEntry) -> [Value; 10] {
    [
        json!(event.user_id.as_i32()),
        json!(event.sequence),
        timestamp(event.occurred_at),
        json!(event.kind),
        json!(event.credential_type),
        json!(event.actor.map(UserId::as_i32)),
        json!(event.scheme),
        json!(event.address),
        json!(event.request_id),
        json!(event.reason),
    ]
}
