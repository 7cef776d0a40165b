//! Runs single statements on a connection of the database.

/// Runs one statement on a connection and gives the connection back. A statement that was not executed
/// because its connection was stale ([`StorageError::is_of_stale_connection`]) runs once more on
/// another connection.
///
/// [`StorageError::is_of_stale_connection`]: crate::storage::StorageError::is_of_stale_connection
macro_rules! on_connection {
    ($database:expr, |$connection:ident| $statement:expr) => {{
        let mut $connection = $database.connection().await?;
        let mut done = $statement.await;
        if done.as_ref().err().is_some_and($crate::storage::StorageError::is_of_stale_connection) {
            drop($connection);
            $connection = $database.connection().await?;
            done = $statement.await;
        }
        if done.is_ok() {
            $connection.release();
        }
        done
    }};
}
