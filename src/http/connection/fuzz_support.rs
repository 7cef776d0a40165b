//! The headers that identify a caller, for fuzz targets.

use std::net::IpAddr;

use actix_web::{dev::ServiceRequest, http::header::HeaderMap};

use super::{forwarded::Forwarded, identify};

/// Address, TLS and host of the caller behind a trusted proxy.
///
/// # Errors
/// The name of the invalid header.
pub(in crate::http) fn forwarded(
    headers: &HeaderMap,
    peer: IpAddr,
    is_trusted: impl Fn(IpAddr) -> bool,
) -> Result<(IpAddr, bool, Option<String>), &'static str> {
    let forwarded = Forwarded::read(headers, peer, is_trusted)?;
    Ok((forwarded.address, forwarded.is_https, forwarded.host))
}

/// The host of a request.
///
/// # Errors
/// The name of the invalid header.
pub(in crate::http) fn host(request: &ServiceRequest) -> Result<Option<String>, &'static str> {
    identify::host(request)
}
