//! Limits on connections: their number, the duration of each phase, and what they may send.
//!
//! actix-http limits only the time of the first request head and the idle time after a complete
//! exchange, and accepts some messages that a proxy may read differently. So its sockets are
//! wrapped: [`TimedStream`] has a deadline for every phase in which it waits for the peer,
//! [`CheckedStream`] passes on only well-formed requests, one at a time, and [`ConnectionRegistry`]
//! counts all connections
//! ([ADR 28](../../../docs/adr/0028-connection-deadlines.md),
//! [ADR 41](../../../docs/adr/0041-strict-http-framing.md)).

mod checked;
mod cut_offs;
mod deadlines;
mod frames;
mod http1;
mod inbound;
mod linger;
mod own_answer;
mod progress;
mod registry;
mod stream;

pub(crate) use self::{
    checked::CheckedStream,
    cut_offs::CutOff,
    deadlines::{PhaseTimeouts, limit_unsent},
    frames::FrameLimitedStream,
    progress::RequestProgress,
    registry::{ConnectionLimits, ConnectionRegistry},
    stream::TimedStream,
};
pub(super) use self::{
    deadlines::WRITE_STEP,
    linger::linger,
    progress::{InProgress, Waiting, produce_body, read_body, track},
    registry::TransportCounts,
};
