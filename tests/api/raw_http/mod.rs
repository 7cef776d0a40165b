//! HTTP/1 as bytes on a socket: requests that a proxy in front may divide differently (request
//! smuggling), malformed requests, and clients that are slow on purpose.

pub(crate) mod client;
mod framing;
mod slow;
mod table;
