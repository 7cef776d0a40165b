//! Connects to a host that may have several addresses.

use std::{
    io::{self, ErrorKind},
    net::SocketAddr,
    time::{Duration, Instant},
};

use tokio::{net::TcpStream, time::timeout};

/// Connects to the first address that answers, and returns how long that took. Each address has its part
/// of the time, so that one whose packets are lost does not hide the next one.
pub(super) async fn connect(
    addresses: &[SocketAddr],
    time: Duration,
) -> io::Result<(TcpStream, Duration)> {
    let end = Instant::now() + time;
    let mut failure = io::Error::from(ErrorKind::AddrNotAvailable);
    for (tried, address) in addresses.iter().enumerate() {
        let begun_at = Instant::now();
        let left = u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
        let part = end.saturating_duration_since(begun_at) / left;
        match timeout(part, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok((stream, begun_at.elapsed())),
            Ok(Err(error)) => failure = error,
            Err(_) => failure = ErrorKind::TimedOut.into(),
        }
    }
    Err(failure)
}

#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, TcpSocket};

    use super::*;

    #[tokio::test]
    async fn an_address_that_does_not_answer_does_not_hide_the_next_one() {
        // The queue of this listener is full, so that packets of further connections are dropped.
        let silent = TcpSocket::new_v4().unwrap();
        silent.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let silent = silent.listen(0).unwrap();
        let lost = silent.local_addr().unwrap();
        let _queued = TcpStream::connect(lost).await.unwrap();
        let answering = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = answering.local_addr().unwrap();
        let time = Duration::from_secs(2);
        let begun_at = Instant::now();
        let (stream, took) = connect(&[lost, address], time).await.unwrap();
        assert!(begun_at.elapsed() < time, "the lost packets took the whole time");
        assert_eq!(stream.peer_addr().unwrap(), address);
        assert!(took < time / 2, "{took:?} includes the address that did not answer");
        let failure = connect(&[lost], time / 8).await.unwrap_err();
        assert_eq!(failure.kind(), ErrorKind::TimedOut);
    }
}
