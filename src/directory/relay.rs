//! Stands between the server and `ldap3`: passes requests on, and answers only after a check.

use std::{
    io,
    os::unix::net::UnixStream as StdUnixStream,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::UnixStream,
};
use zeroize::Zeroizing;

use super::{
    ber::{self, MAXIMUM_ANSWER, MAXIMUM_MESSAGE, MessageError, SEQUENCE},
    message::{self, Head},
};

/// A connection to the server, with or without TLS.
pub(super) trait ServerStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> ServerStream for T {}

/// What the relay knows of the answers of the server. Shared with the connection.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// The bytes since the operation began.
    length: AtomicUsize,
    /// The reason why the relay ended, if the server is at fault.
    fault: OnceLock<MessageError>,
}

impl Answers {
    /// Begins another operation, which may have several requests.
    pub(super) fn begin_operation(&self) {
        self.length.store(0, Ordering::Relaxed);
    }

    /// The reason why the relay ended, if the server is at fault.
    pub(super) fn fault(&self) -> Option<MessageError> {
        self.fault.get().copied()
    }

    /// Counts a message.
    ///
    /// # Errors
    /// When the answers to the operation are too long.
    fn count(&self, message: &[u8]) -> Result<(), MessageError> {
        let before = self.length.fetch_add(message.len(), Ordering::Relaxed);
        let is_short = before.saturating_add(message.len()) <= MAXIMUM_ANSWER;
        if is_short { Ok(()) } else { Err(MessageError::TooMuch) }
    }
}

/// A message was not read.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    #[error(transparent)]
    Message(#[from] MessageError),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Starts the relay on this runtime. Returns the end for `ldap3`. The relay ends when either side
/// closes, and then closes the other.
///
/// # Errors
/// When the system has no more sockets.
pub(super) fn start(stream: Box<dyn ServerStream>) -> io::Result<(StdUnixStream, Arc<Answers>)> {
    let (near, far) = StdUnixStream::pair()?;
    far.set_nonblocking(true)?;
    let far = UnixStream::from_std(far)?;
    let answers = Arc::<Answers>::default();
    tokio::spawn(relay(stream, far, Arc::clone(&answers)));
    Ok((near, answers))
}

/// Passes messages on until either side ends.
async fn relay(stream: Box<dyn ServerStream>, client: UnixStream, answers: Arc<Answers>) {
    let (mut from_server, mut to_server) = tokio::io::split(stream);
    let (mut from_client, mut to_client) = client.into_split();
    let current = Mutex::new(None);
    let pass_requests = async {
        while let Some(request) = read_message(&mut from_client).await? {
            let request = Zeroizing::new(request);
            let head = Head::of_request(&request)?;
            *lock(&current) = Some(head);
            to_server.write_all(&request).await?;
            to_server.flush().await?;
        }
        Ok(to_server.shutdown().await?)
    };
    let pass_answers = async {
        while let Some(message) = read_message(&mut from_server).await? {
            answers.count(&message)?;
            if is_answer(*lock(&current), &message)? {
                to_client.write_all(&message).await?;
            }
        }
        Ok(())
    };
    let ended: Result<(), ReadError> = tokio::select! {
        ended = pass_requests => ended,
        ended = pass_answers => ended,
    };
    // The reason must be there before the ends of the socket pair close.
    if let Err(ReadError::Message(error)) = ended {
        // It is set once only.
        let _ = answers.fault.set(error);
    }
}

/// Checks a message of the server. False for one that answers another request or none: `ldap3` sends
/// one request at a time.
fn is_answer(request: Option<Head>, message: &[u8]) -> Result<bool, MessageError> {
    let head = message::check(message)?;
    request.map_or(Ok(false), |request| head.answers(request))
}

/// The request that the server answers.
fn lock(current: &Mutex<Option<Head>>) -> MutexGuard<'_, Option<Head>> {
    current.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads one message; `None` at the end of the connection. Memory grows with the bytes that
/// arrive, not with the length that the server claims.
///
/// # Errors
/// When the message is too long or cut, or the connection fails.
pub(super) async fn read_message(
    stream: &mut (impl AsyncRead + Unpin),
) -> Result<Option<Vec<u8>>, ReadError> {
    let mut message = Vec::new();
    if read_up_to(stream, &mut message, 2).await? == 0 {
        return Ok(None);
    }
    let [tag, first] = message.as_slice() else { return Err(MessageError::CutMessage.into()) };
    let first = *first;
    if *tag != SEQUENCE {
        return Err(MessageError::UnexpectedTag.into());
    }
    let following = ber::following_bytes(first)?;
    read_exactly(stream, &mut message, following).await?;
    let length = ber::length(first, message.get(2..).unwrap_or_default());
    if length > MAXIMUM_MESSAGE {
        return Err(MessageError::TooLong.into());
    }
    read_exactly(stream, &mut message, length).await?;
    Ok(Some(message))
}

async fn read_exactly(
    stream: &mut (impl AsyncRead + Unpin),
    message: &mut Vec<u8>,
    length: usize,
) -> Result<(), ReadError> {
    let read = read_up_to(stream, message, length).await?;
    if read == length { Ok(()) } else { Err(MessageError::CutMessage.into()) }
}

/// Appends at most `length` bytes, fewer at the end of the connection.
async fn read_up_to(
    stream: &mut (impl AsyncRead + Unpin),
    message: &mut Vec<u8>,
    length: usize,
) -> io::Result<usize> {
    let limit = u64::try_from(length).unwrap_or(u64::MAX);
    match stream.take(limit).read_to_end(message).await {
        // A server that closes without the alert of TLS ends the connection, too.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
        read => read,
    }
}
