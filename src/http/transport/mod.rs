//! Limits on connections: their number, and the duration of each phase.
//!
//! actix-web limits only the time of the first request head and the idle time after a complete
//! exchange. So its sockets are wrapped: [`TimedStream`] has a deadline for every phase in which it
//! waits for the peer, and [`ConnectionRegistry`] counts all connections
//! ([ADR 28](../../../docs/adr/0028-connection-deadlines.md)).

mod logged;
mod progress;
mod registry;
mod stream;

pub(crate) use self::{
    logged::LoggedStream,
    progress::RequestProgress,
    registry::{ConnectionLimits, ConnectionRegistry},
    stream::{PhaseTimeouts, TimedStream},
};
pub(super) use self::{
    progress::{read_body, track},
    registry::{TimeoutPhase, TransportCounts},
    stream::WRITE_STEP,
};
