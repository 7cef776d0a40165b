//! Searches groups and users, with a bounded number of connections and waiting requests.

use std::{path::Path, sync::Arc, time::Duration};

use tokio::{
    sync::Semaphore,
    time::{Instant, timeout_at},
};

use super::{
    connection::SearchRequest,
    connection_pool::ConnectionPool,
    connector::{CA_FILE, Connector},
    entry::{Entry, OBJECT_SID},
    error::DirectoryError,
    filter::{FilterTemplate, Placeholder},
    metrics::{DirectoryConnections, DirectoryMetrics},
    options::{DirectoryOptions, Encryption},
    password_verifier::PasswordVerifier,
    pooled_connection::Owner,
};
use crate::{
    domain::directory::{DirectoryGroup, DirectoryUsers, GroupName, SearchString},
    security::{tls::client_config, trusting_client::TrustingClient},
};

/// The number of requests that may wait for each connection.
const WAITING_PER_CONNECTION: usize = 4;

/// A client for one directory.
pub(crate) struct Directory {
    options: DirectoryOptions,
    connector: Arc<Connector>,
    pool: ConnectionPool,
    /// One permit for each request that searches or waits.
    permits: Semaphore,
    metrics: Arc<DirectoryMetrics>,
}

impl Directory {
    /// A client that opens its connections on demand.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub(crate) fn new(
        options: DirectoryOptions,
        metrics: Arc<DirectoryMetrics>,
    ) -> Result<Self, DirectoryError> {
        let server = &options.server;
        let tls = match server.encryption {
            Encryption::Nothing => None,
            Encryption::Tls | Encryption::StartTls => {
                let ca_file = server.ca_file.clone();
                let build = |ca_file: Option<&Path>| client_config(CA_FILE, ca_file);
                let tls = TrustingClient::new(CA_FILE, ca_file, build);
                drop(tls.read()?);
                Some(tls)
            }
        };
        let maximum = server.maximum_connections;
        let connector = Arc::new(Connector::new(server.clone(), tls, Arc::clone(&metrics)));
        Ok(Self {
            pool: ConnectionPool::new(Arc::clone(&connector), Owner::Service, maximum)?,
            permits: Semaphore::new(maximum.saturating_mul(1 + WAITING_PER_CONNECTION)),
            connector,
            options,
            metrics,
        })
    }

    /// What verifies passwords in this directory, with connections of its own; `None` unless the
    /// options enable it.
    ///
    /// # Errors
    /// As [`ConnectionPool::new`].
    pub(crate) fn password_verifier(&self) -> Result<Option<PasswordVerifier>, DirectoryError> {
        let Some(options) = self.options.passwords else { return Ok(None) };
        let (connector, users) = (Arc::clone(&self.connector), self.options.users.clone());
        PasswordVerifier::new(options, users, connector, Arc::clone(&self.metrics)).map(Some)
    }

    /// Connects and binds, to check the settings.
    ///
    /// # Errors
    /// See [`DirectoryError`].
    pub(crate) async fn check_connection(&self) -> Result<(), DirectoryError> {
        self.connector.open().await.map(drop)
    }

    /// The connections, for metrics.
    pub(crate) fn connections(&self) -> DirectoryConnections {
        self.pool.connections()
    }

    /// The groups whose name contains a text, by name.
    ///
    /// # Errors
    /// See [`DirectoryError`].
    pub(crate) async fn find_groups(
        &self,
        search: &SearchString,
    ) -> Result<Vec<DirectoryGroup>, DirectoryError> {
        let groups = &self.options.groups;
        let request = SearchRequest {
            base_dn: groups.base_dn.clone(),
            filter: both(&groups.filter, &groups.search_filter, |_| search.as_str().to_owned()),
            attributes: vec![groups.name_attribute.clone()],
            ..self.request()
        };
        let entries = self.search(&request, self.deadline()).await?;
        let mut found: Vec<_> =
            entries.iter().map(|entry| entry.to_group(&groups.name_attribute)).collect();
        found.sort_by_cached_key(|group| group.display_name.to_lowercase());
        Ok(found)
    }

    /// The users whose name contains a text, by name.
    ///
    /// # Errors
    /// See [`DirectoryError`].
    pub(crate) async fn find_users(
        &self,
        search: &SearchString,
    ) -> Result<DirectoryUsers, DirectoryError> {
        let users = &self.options.users;
        let filter = both(&users.filter, &users.search_filter, |_| search.as_str().to_owned());
        self.users(filter, self.deadline()).await
    }

    /// The users in a group, by name; none if there is no such group.
    ///
    /// # Errors
    /// See [`DirectoryError`].
    pub(crate) async fn users_in_group(
        &self,
        group: &GroupName,
    ) -> Result<DirectoryUsers, DirectoryError> {
        let deadline = self.deadline();
        let users = &self.options.users;
        let found = match self.find_group(group, deadline).await {
            Err(DirectoryError::NotFound) => None,
            found => found?,
        };
        let Some(entry) = found else { return Ok(self.no_users()) };
        let relative_id = entry.sid().and_then(|sid| sid.relative_id());
        if users.member_filter.contains(Placeholder::GroupRid) && relative_id.is_none() {
            return Err(DirectoryError::NoGroupSid);
        }
        let value = |placeholder| match placeholder {
            Placeholder::GroupRid => relative_id.unwrap_or_default().to_string(),
            Placeholder::Group | Placeholder::Search => entry.dn().to_owned(),
        };
        self.users(both(&users.filter, &users.member_filter, value), deadline).await
    }

    /// The columns without users.
    pub(crate) fn no_users(&self) -> DirectoryUsers {
        DirectoryUsers { headings: self.options.users.columns.clone(), users: Vec::new() }
    }

    async fn find_group(
        &self,
        group: &GroupName,
        deadline: Instant,
    ) -> Result<Option<Entry>, DirectoryError> {
        let request = SearchRequest {
            base_dn: group.as_str().to_owned(),
            is_recursive: false,
            filter: self.options.groups.filter.fill(|_| String::new()),
            attributes: vec![OBJECT_SID.to_owned()],
            ..self.request()
        };
        Ok(self.search(&request, deadline).await?.into_iter().next())
    }

    async fn users(
        &self,
        filter: String,
        deadline: Instant,
    ) -> Result<DirectoryUsers, DirectoryError> {
        let options = &self.options.users;
        let mut attributes = vec![options.value_attribute.clone(), options.name_attribute.clone()];
        attributes.extend(options.columns.iter().cloned());
        let request = SearchRequest {
            base_dn: options.base_dn.clone(),
            filter,
            attributes,
            ..self.request()
        };
        let entries = self.search(&request, deadline).await?;
        let mut found = self.no_users();
        found.users.extend(entries.iter().filter_map(|entry| entry.to_user(options)));
        let unusable = entries.len() - found.users.len();
        if unusable > 0 {
            tracing::warn!(
                unusable,
                "entries of the directory have no usable directory.user_value_attribute or \
                 directory.user_name_attribute, and were left out"
            );
        }
        found.users.sort_by_cached_key(|user| user.display_value.to_lowercase());
        Ok(found)
    }

    /// A search of everything, whose base and filter are to be set.
    fn request(&self) -> SearchRequest {
        let seconds = self.options.search_timeout.as_secs();
        SearchRequest {
            base_dn: String::new(),
            is_recursive: true,
            filter: String::new(),
            attributes: Vec::new(),
            time_limit: i32::try_from(seconds).unwrap_or(i32::MAX),
            page_size: self.options.page_size,
            maximum_entries: self.options.maximum_entries,
        }
    }

    /// The end of a call that begins now.
    fn deadline(&self) -> Instant {
        let limit: Duration = self.options.server.connect_timeout + self.options.search_timeout;
        Instant::now() + limit
    }

    /// Searches on a connection of the pool.
    async fn search(
        &self,
        request: &SearchRequest,
        deadline: Instant,
    ) -> Result<Vec<Entry>, DirectoryError> {
        let found = match self.permits.try_acquire() {
            Err(_) => Err(DirectoryError::Busy),
            Ok(_permit) => {
                let searching = timeout_at(deadline, self.pool.search(request));
                searching.await.unwrap_or(Err(DirectoryError::TimedOut))
            }
        };
        self.metrics.record(&found);
        found
    }
}

/// Both filters, with the placeholders of the second one filled.
fn both(
    first: &FilterTemplate,
    second: &FilterTemplate,
    value: impl Fn(Placeholder) -> String,
) -> String {
    format!("(&{}{})", first.fill(|_| String::new()), second.fill(value))
}
