//! The end of a connection whose peer may still read the last response.

use std::{future::pending, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::{Instant, timeout_at},
};

use super::progress::RequestProgress;

/// The time in which the peer can read the last response before the connection is closed. Closing
/// at once would discard a response that is still on its way (RFC 9112, section 9.6).
pub(super) const LINGER: Duration = Duration::from_secs(1);

/// The bytes that are discarded at the end of a connection. More are not read.
const MAXIMUM_DISCARDED: u64 = 64 * 1024;

/// Closes the sending side of a connection. Then discards what the peer sends until it closes the
/// other side, for one second at most.
pub(in crate::http) async fn linger<S>(stream: &mut S, progress: &RequestProgress)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let end = Instant::now() + LINGER;
    progress.end_at(end);
    let ended = async {
        let _ = stream.shutdown().await;
        let mut received = stream.take(MAXIMUM_DISCARDED);
        let discarded = tokio::io::copy(&mut received, &mut tokio::io::sink()).await;
        if discarded.is_ok_and(|discarded| discarded == MAXIMUM_DISCARDED) {
            pending::<()>().await;
        }
    };
    let _ = timeout_at(end, ended).await;
}
