//! A connection that returns to the pool only if another search can use it.

use deadpool::managed::Object;

use super::{
    connection::{Connection, SearchRequest},
    connector::Connector,
    entry::Entry,
    error::DirectoryError,
};

/// A connection of the pool. When it is dropped during a search, or after one that failed, it is
/// closed at once, so that the server stops answering.
pub(super) struct PooledConnection(Option<Object<Connector>>);

impl PooledConnection {
    pub(super) fn new(connection: Object<Connector>) -> Self {
        Self(Some(connection))
    }

    /// True when the connection was in the pool before.
    pub(super) fn was_idle(&self) -> bool {
        self.0.as_ref().is_some_and(|object| Object::metrics(object).recycle_count > 0)
    }

    /// See [`Connection::search`].
    pub(super) async fn search(
        &mut self,
        request: &SearchRequest,
    ) -> Result<Vec<Entry>, DirectoryError> {
        let connection: &mut Connection = self.0.as_mut().ok_or(DirectoryError::Closed)?;
        connection.search(request).await
    }
}

impl Drop for PooledConnection {
    fn drop(&mut self) {
        if let Some(mut object) = self.0.take()
            && !object.is_reusable()
        {
            drop(Object::take(object));
        }
    }
}
