//! Opens a connection to the usable one among the hosts of `database.url` ([ADR
//! 71](../../docs/adr/0071-several-hosts.md)).
//!
//! A host is usable when it accepts writes. The host of the last connection is tried first. The next
//! one is tried when the attempt before it failed, or did not succeed within a short time: a host
//! that swallows packets must not use up the time of a request. While a standby may be promoted, the
//! hosts are tried again.

use std::{
    future::Future,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    time::Duration,
};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use sqlx::postgres::PgConnectOptions;
use tokio::{
    sync::Mutex,
    time::{Instant, sleep, sleep_until},
};

use super::{
    connection_generation,
    error::StorageError,
    former_primary::{self, ServerName},
};

/// The longest time after which the next host is tried as well.
const MAXIMUM_STAGGER: Duration = Duration::from_millis(250);

/// The time between two attempts to connect to the same host, for all requests together.
const RETRY_DELAY: Duration = Duration::from_millis(100);

/// One host of the URL.
struct Host {
    options: PgConnectOptions,
    /// Held while waiting for the next attempt.
    retry_turn: Mutex<()>,
}

/// The hosts of `database.url`.
pub(super) struct Hosts {
    hosts: Vec<Host>,
    /// The index of the host that accepted the last connection.
    preferred: AtomicUsize,
    /// The number of connections that were opened.
    opened: AtomicU64,
    acquire_timeout: Duration,
}

impl Hosts {
    /// Connections to these hosts. After `acquire_timeout`, the request that needs one gives up.
    pub(super) fn new(options: Vec<PgConnectOptions>, acquire_timeout: Duration) -> Self {
        let host = |options| Host { options, retry_turn: Mutex::default() };
        Self {
            hosts: options.into_iter().map(host).collect(),
            preferred: AtomicUsize::default(),
            opened: AtomicU64::default(),
            acquire_timeout,
        }
    }

    /// Opens a connection to the first usable host. `open` opens one with the options of a host, and
    /// fails for a server that does not accept writes. Also returns whether it is another host than
    /// that of the last connection. Waits for as long as a host has not answered; the caller sets the
    /// time limit.
    ///
    /// # Errors
    /// The error of the only host, or the one that tells most.
    pub(super) async fn open_any<'hosts, Connection, Opening>(
        &'hosts self,
        open: impl Fn(&'hosts PgConnectOptions) -> Opening,
    ) -> Result<(Connection, bool), StorageError>
    where
        Opening: Future<Output = Result<Connection, StorageError>>,
    {
        let result = match self.hosts.as_slice() {
            [only] => match open(&only.options).await {
                Ok(opened) => Ok((opened, false)),
                Err(error) => Err(self.failed(0, error)),
            },
            _ => self.race(open).await,
        };
        if result.is_ok() {
            self.opened.fetch_add(1, Ordering::AcqRel);
        }
        result
    }

    async fn race<'hosts, Connection, Opening>(
        &'hosts self,
        open: impl Fn(&'hosts PgConnectOptions) -> Opening,
    ) -> Result<(Connection, bool), StorageError>
    where
        Opening: Future<Output = Result<Connection, StorageError>>,
    {
        let end = Instant::now() + self.acquire_timeout.mul_f64(0.9);
        let stagger = self.stagger();
        let mut unstarted = self.by_preference();
        let mut attempts = FuturesUnordered::new();
        attempts.extend(unstarted.next().map(|index| self.attempt(index, false, &open)));
        let mut failures = Failures::default();
        loop {
            let has_more = unstarted.len() > 0;
            tokio::select! {
                Some((index, result)) = attempts.next() => match result {
                    Ok(opened) => return Ok((opened, self.prefer(index))),
                    Err(error) => failures.add(index, self.failed(index, error)),
                },
                () = sleep(stagger), if has_more => {},
                // A host without an answer may be usable: slow is not down.
                () = sleep_until(end), if failures.are_of(self.hosts.len()) => {
                    return Err(failures.into_most_telling());
                }
            }
            if let Some(index) = unstarted.next() {
                attempts.push(self.attempt(index, false, &open));
            } else if failures.may_pass() {
                let again = failures.take_ended();
                attempts.extend(again.into_iter().map(|index| self.attempt(index, true, &open)));
            } else if attempts.is_empty() {
                return Err(failures.into_most_telling());
            }
        }
    }

    /// One attempt to connect to a host: now, or when it is its turn to be tried again.
    async fn attempt<'hosts, Connection, Opening>(
        &'hosts self,
        index: usize,
        is_repeated: bool,
        open: &impl Fn(&'hosts PgConnectOptions) -> Opening,
    ) -> (usize, Result<Connection, StorageError>)
    where
        Opening: Future<Output = Result<Connection, StorageError>>,
    {
        let Some(host) = self.hosts.get(index) else {
            return (index, Err(StorageError::NoConnection(sqlx::Error::PoolClosed)));
        };
        if is_repeated {
            self.wait_for_turn(host).await;
        }
        (index, open(&host.options).await)
    }

    /// Waits until the host may be tried again, at most until a connection was opened.
    async fn wait_for_turn(&self, host: &Host) {
        let before = self.opened.load(Ordering::Acquire);
        let _turn = host.retry_turn.lock().await;
        if self.opened.load(Ordering::Acquire) == before {
            sleep(RETRY_DELAY).await;
        }
    }

    /// The time after which the next host is tried. All of them start within half of the time limit.
    fn stagger(&self) -> Duration {
        let count = u32::try_from(self.hosts.len()).unwrap_or(u32::MAX);
        (self.acquire_timeout / 2 / count.max(1)).min(MAXIMUM_STAGGER)
    }

    /// The indexes of the hosts, the preferred one first.
    fn by_preference(&self) -> std::vec::IntoIter<usize> {
        let preferred = self.preferred.load(Ordering::Acquire);
        let others = (0..self.hosts.len()).filter(|index| *index != preferred);
        std::iter::once(preferred).chain(others).collect::<Vec<_>>().into_iter()
    }

    /// Prefers the host; returns whether another one was preferred.
    fn prefer(&self, index: usize) -> bool {
        let is_another = self.preferred.swap(index, Ordering::AcqRel) != index;
        if is_another {
            tracing::warn!(
                host = index + 1,
                "the database server is now another host of database.url"
            );
            self.leave_others(index);
        }
        is_another
    }

    /// Ends the connections to the other hosts: none of them is the primary server.
    fn leave_others(&self, primary: usize) {
        let names = self.hosts.iter().map(|host| tcp_name(&host.options)).enumerate();
        let (primary, others): (Vec<_>, Vec<_>) = names.partition(|(index, _)| *index == primary);
        let name = |(_, name): (usize, Option<ServerName>)| name;
        former_primary::end_connections_to(
            others.into_iter().filter_map(name).collect(),
            primary.into_iter().find_map(name),
        );
    }

    /// True when the URL has several hosts.
    pub(super) fn are_several(&self) -> bool {
        self.hosts.len() > 1
    }

    /// Invalidates the connections to the preferred host if it no longer accepts writes.
    fn failed(&self, index: usize, error: StorageError) -> StorageError {
        let is_preferred = self.preferred.load(Ordering::Acquire) == index;
        if is_preferred && matches!(error, StorageError::ReadOnly) {
            connection_generation::invalidate_all();
        }
        error
    }
}

/// The host and the port, unless the options name a Unix socket.
fn tcp_name(options: &PgConnectOptions) -> Option<ServerName> {
    let is_tcp = options.get_socket().is_none() && !options.get_host().starts_with('/');
    is_tcp.then(|| (options.get_host().to_owned(), options.get_port()))
}

/// The last error of each host that was tried.
#[derive(Default)]
struct Failures {
    errors: Vec<(usize, StorageError)>,
    /// The hosts without a current attempt.
    ended: Vec<usize>,
}

impl Failures {
    fn add(&mut self, index: usize, error: StorageError) {
        self.errors.retain(|(other, _)| *other != index);
        self.errors.push((index, error));
        self.ended.push(index);
    }

    /// True when each of that many hosts has failed once.
    fn are_of(&self, count: usize) -> bool {
        self.errors.len() == count
    }

    /// True when a host may become usable within the time of a request: it is a standby, or starts.
    fn may_pass(&self) -> bool {
        self.errors.iter().any(|(_, error)| error.may_pass_soon())
    }

    fn take_ended(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.ended)
    }

    /// The error that tells most: the others follow from a server that is down or not the primary.
    fn into_most_telling(self) -> StorageError {
        let rank = |error: &StorageError| {
            if error.is_too_many_connections() {
                4
            } else if error.concerns_credentials() {
                3
            } else if matches!(error, StorageError::ReadOnly) {
                1
            } else if error.is_transient() {
                0
            } else {
                2
            }
        };
        let errors = self.errors.into_iter().map(|(_, error)| error);
        let telling = errors.max_by_key(rank);
        telling.unwrap_or(StorageError::NoConnection(sqlx::Error::PoolTimedOut))
    }
}
