//! The connections below HTTP: how many there may be, and how long each phase of one may take.
//!
//! The web server bounds the first request head and the idle time after a complete exchange, and
//! nothing else. So its sockets are wrapped: [`TimedStream`] has a deadline for every phase in which
//! it waits for the peer, and [`ConnectionRegistry`] knows them all
//! ([ADR 28](../../../docs/adr/0028-deadlines-of-connections.md)).

mod progress;
mod registry;
mod stream;

pub(super) use self::{
    progress::{read_body, track},
    registry::TransportCounts,
};
pub(crate) use self::{
    registry::{ConnectionLimits, ConnectionRegistry},
    stream::{PhaseTimeouts, TimedStream},
};
