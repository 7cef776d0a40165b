//! `audit stream`: shows how far the sinks of the audit stream are, and moves them.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    cli::{
        command_context::timestamp,
        output::{self, Failure, Format},
    },
    service::audit::stream::positions::{SinkState, StreamPoint, StreamPositions},
};

/// The arguments of `audit stream`.
#[derive(Args)]
pub(in crate::cli) struct Arguments {
    /// Move this sink, a name in `audit.sinks`.
    #[arg(long, value_name = "NAME", requires = "from")]
    sink: Option<String>,
    /// Where the sink goes on: `first` (the first event of all), `end` (the next new event), the
    /// position of an event, or a time such as `2027-01-01T08:00:00Z`. The sink gets every event from
    /// there on, in some cases again.
    #[arg(
        long,
        value_name = "POINT",
        requires = "sink",
        allow_hyphen_values = true,
        value_parser = read_point
    )]
    from: Option<StreamPoint>,
}

/// Runs the command.
pub(super) async fn run(
    positions: &StreamPositions,
    arguments: &Arguments,
    format: Format,
) -> Result<ExitCode, Failure> {
    if let (Some(sink), Some(point)) = (&arguments.sink, arguments.from) {
        let position = positions.move_to(sink, point).await?;
        output::print_status(format_args!(
            "{sink} goes on with the events after position {position}"
        ));
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<_> = positions.list().await?.iter().map(row).collect();
    let heading = ["SINK", "POSITION", "BACKLOG", "LAST DELIVERY", "INSTANCE"];
    output::print_rows(format, heading, &rows)?;
    Ok(ExitCode::SUCCESS)
}

fn row(state: &SinkState) -> [Value; 5] {
    let SinkState { sink, backlog } = state;
    [
        json!(sink.name),
        json!(sink.progress.position),
        json!(backlog),
        sink.delivered_at.map_or(Value::Null, timestamp),
        json!(sink.holder.as_ref().filter(|_| sink.is_held)),
    ]
}

fn read_point(text: &str) -> Result<StreamPoint, String> {
    match text {
        "first" => return Ok(StreamPoint::First),
        "end" => return Ok(StreamPoint::End),
        _ => {}
    }
    if let Ok(position) = text.parse() {
        return Ok(StreamPoint::Position(position));
    }
    let time = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| {
        "must be first, end, a position, or a time such as 2027-01-01T08:00:00Z".to_owned()
    })?;
    Ok(StreamPoint::Time(time))
}
