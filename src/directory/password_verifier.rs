//! Verifies passwords by a bind as their owner (`directory.verify_passwords`), with a deadline, a
//! circuit breaker, and connections of its own.
//!
//! A login without a credential that the directory verifies takes the same steps, with a lookup that
//! finds nothing and a request that names nobody. So the state of the directory reveals nothing about
//! a name.

use std::{fmt::Write, io, sync::Arc};

use data_encoding::HEXLOWER;
use ldap3::ldap_escape;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::{Instant, timeout, timeout_at};

use super::{
    bind_verdict::{BindVerdict, DirectoryRefusal},
    connection::SearchRequest,
    connection_pool::ConnectionPool,
    connector::Connector,
    entry::{Entry, OBJECT_SID},
    error::DirectoryError,
    metrics::{DirectoryConnections, DirectoryMetrics},
    options::{UserOptions, VerifierOptions},
    pooled_connection::Owner,
    result_code,
    sid::Sid,
};
use crate::{
    circuit_breaker::Breaker, domain::client_info::FairnessKey, log_events::alarm,
    security::random::random_bytes, turns::Turns,
};

/// The entries that a lookup returns at most. Two are too many.
const MAXIMUM_ENTRIES: usize = 2;

/// Verifies passwords in one directory.
pub(crate) struct PasswordVerifier {
    options: VerifierOptions,
    users: UserOptions,
    lookups: ConnectionPool,
    binds: ConnectionPool,
    breaker: Breaker,
    turns: Turns,
    metrics: Arc<DirectoryMetrics>,
}

impl PasswordVerifier {
    /// Opens its connections on demand.
    ///
    /// # Errors
    /// As [`ConnectionPool::new`].
    pub(super) fn new(
        options: VerifierOptions,
        users: UserOptions,
        connector: Arc<Connector>,
        metrics: Arc<DirectoryMetrics>,
    ) -> Result<Self, DirectoryError> {
        let maximum = options.maximum_connections;
        Ok(Self {
            options,
            users,
            lookups: ConnectionPool::new(Arc::clone(&connector), Owner::Service, maximum)?,
            binds: ConnectionPool::new(connector, Owner::Nobody, maximum)?,
            breaker: Breaker::default(),
            turns: Turns::new(maximum),
            metrics,
        })
    }

    /// Verifies the password of the user whose entry has this identifier. `None`: no password is
    /// sent, and the verdict is [`BindVerdict::NotSent`].
    ///
    /// # Errors
    /// See [`DirectoryError`]. The directory has not decided, and nothing is known about the password.
    pub(crate) async fn verify(
        &self,
        caller: FairnessKey,
        identifier: Option<&SecretString>,
        password: &SecretString,
    ) -> Result<BindVerdict, DirectoryError> {
        let verdict = self.verify_in_turn(caller, identifier, password).await;
        self.metrics.record_login(&verdict);
        verdict
    }

    /// Verifies nothing, to check the settings.
    ///
    /// # Errors
    /// See [`DirectoryError`].
    pub(crate) async fn check(&self) -> Result<(), DirectoryError> {
        let checked = timeout(self.options.timeout, self.ask_about_nobody());
        checked.await.unwrap_or(Err(DirectoryError::VerificationTimedOut)).map(drop)
    }

    /// True while the directory is known to fail, for metrics.
    pub(crate) fn is_failing(&self) -> bool {
        self.breaker.is_failing(Instant::now().into_std())
    }

    /// The connections, for metrics.
    pub(crate) fn connections(&self) -> DirectoryConnections {
        self.lookups.connections().and(self.binds.connections())
    }

    async fn verify_in_turn(
        &self,
        caller: FairnessKey,
        identifier: Option<&SecretString>,
        password: &SecretString,
    ) -> Result<BindVerdict, DirectoryError> {
        let begun = Instant::now();
        let deadline = begun + self.options.timeout;
        let answers = self.breaker.answers();
        // Half of the time is left for the directory.
        let _turn = self.turns.take(caller, self.options.timeout / 2).await?;
        let has_waited = begun.elapsed() > self.options.timeout / 10;
        let passage = self.breaker.enter(Instant::now().into_std());
        let passage = passage.ok_or(DirectoryError::Suspended)?;
        let asking = timeout_at(deadline, self.ask(identifier, password));
        let verdict = asking.await.unwrap_or(Err(DirectoryError::VerificationTimedOut));
        let now = Instant::now().into_std();
        let has_opened = match &verdict {
            Ok(_) => {
                passage.succeed();
                false
            }
            // After a wait for a turn, less than the whole time was left.
            Err(DirectoryError::VerificationTimedOut) if has_waited => {
                passage.time_out(answers, now)
            }
            Err(_) => passage.fail(now),
        };
        if let Err(error) = &verdict
            && has_opened
        {
            let error = error as &dyn std::error::Error;
            alarm!(error, "the directory fails; logins that it should verify get 503");
        }
        verdict
    }

    async fn ask(
        &self,
        identifier: Option<&SecretString>,
        password: &SecretString,
    ) -> Result<BindVerdict, DirectoryError> {
        let Some(identifier) = identifier else { return self.ask_about_nobody().await };
        // Another attribute may have been configured since the credential was saved.
        let Some(filter) = self.filter(identifier.expose_secret()) else {
            return self.refuse_unsent(DirectoryRefusal::NoEntry).await;
        };
        let found = match self.lookups.search(&self.request(filter)).await {
            Err(DirectoryError::TooManyEntries(_)) => Err(DirectoryRefusal::SeveralEntries),
            found => only(found?),
        };
        let entry = found.and_then(|entry| {
            let is_right = self.is_of(&entry, identifier.expose_secret());
            is_right.then_some(entry).ok_or(DirectoryRefusal::NoEntry)
        });
        match entry {
            Ok(entry) => self.bind(entry.dn(), password).await,
            Err(refusal) => self.refuse_unsent(refusal).await,
        }
    }

    /// Binds as the user of an entry.
    async fn bind(&self, dn: &str, password: &SecretString) -> Result<BindVerdict, DirectoryError> {
        let password = password.expose_secret();
        // A bind without a password, and at some servers one without a name, succeeds without
        // authentication (RFC 4513, sections 5.1.1 and 5.1.2).
        if dn.is_empty() || password.is_empty() {
            return self.refuse_unsent(DirectoryRefusal::NoEntry).await;
        }
        let answer = self.binds.bind(dn, password).await?;
        BindVerdict::of(&answer)
    }

    /// The steps of [`Self::ask`] for a login without an identifier.
    async fn ask_about_nobody(&self) -> Result<BindVerdict, DirectoryError> {
        let request = self.request(self.filter_of_nobody()?);
        match self.lookups.search(&request).await {
            // The number of entries says nothing about the login.
            Ok(_) | Err(DirectoryError::TooManyEntries(_)) => {}
            Err(error) => return Err(error),
        }
        self.probe().await?;
        Ok(BindVerdict::NotSent)
    }

    /// Refuses a password that is not sent, after a request on a connection for binds.
    async fn refuse_unsent(
        &self,
        refusal: DirectoryRefusal,
    ) -> Result<BindVerdict, DirectoryError> {
        self.probe().await?;
        Ok(BindVerdict::Refused(refusal))
    }

    /// Fails where a bind would fail, whatever the name.
    async fn probe(&self) -> Result<(), DirectoryError> {
        match self.binds.probe().await? {
            code @ (result_code::BUSY | result_code::UNAVAILABLE) => {
                Err(DirectoryError::Undecided(code))
            }
            // Some servers do not show their root to everybody.
            _ => Ok(()),
        }
    }

    fn request(&self, filter: String) -> SearchRequest {
        let seconds = self.options.timeout.as_secs().max(1);
        SearchRequest {
            base_dn: self.users.base_dn.clone(),
            is_recursive: true,
            filter,
            attributes: vec![self.users.value_attribute.clone()],
            time_limit: i32::try_from(seconds).unwrap_or(i32::MAX),
            page_size: u16::try_from(MAXIMUM_ENTRIES + 1).unwrap_or(u16::MAX),
            maximum_entries: MAXIMUM_ENTRIES,
        }
    }

    /// The filter of the users with an identifier; `None` if no user can have it.
    fn filter(&self, identifier: &str) -> Option<String> {
        let value = if self.has_sids() {
            escape(&Sid::parse(identifier)?.encode())
        } else {
            ldap_escape(identifier).into_owned()
        };
        let (users, attribute) = (&self.users.filter, &self.users.value_attribute);
        Some(format!("(&{}({attribute}={value}))", users.fill(|_| String::new())))
    }

    /// As [`Self::filter`], with an identifier that nobody has.
    ///
    /// # Errors
    /// When the system has no random bytes.
    fn filter_of_nobody(&self) -> Result<String, DirectoryError> {
        let random = random_bytes::<16>();
        let random = random.map_err(|error| DirectoryError::System(io::Error::other(error)))?;
        let identifier = if self.has_sids() {
            let (numbers, _) = random.as_chunks::<4>();
            let numbers = numbers.iter().map(|bytes| u32::from_le_bytes(*bytes).to_string());
            format!("S-1-5-21-{}", numbers.collect::<Vec<_>>().join("-"))
        } else {
            HEXLOWER.encode(&random)
        };
        self.filter(&identifier).ok_or(DirectoryError::NotFound)
    }

    /// True when an entry has the identifier: the server decides which entries match.
    fn is_of(&self, entry: &Entry, identifier: &str) -> bool {
        let value = entry.identifier(&self.users.value_attribute);
        value.is_some_and(|value| value.to_lowercase() == identifier.to_lowercase())
    }

    fn has_sids(&self) -> bool {
        self.users.value_attribute.eq_ignore_ascii_case(OBJECT_SID)
    }
}

/// The bytes as they are written in a filter (RFC 4515, section 3).
fn escape(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "\\{byte:02x}");
    }
    text
}

/// The entry, if it is the only one.
fn only(entries: Vec<Entry>) -> Result<Entry, DirectoryRefusal> {
    let mut entries = entries.into_iter();
    match (entries.next(), entries.next()) {
        (Some(entry), None) => Ok(entry),
        (None, _) => Err(DirectoryRefusal::NoEntry),
        (Some(_), Some(_)) => Err(DirectoryRefusal::SeveralEntries),
    }
}
