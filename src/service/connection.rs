//! Macros that run a statement, or a step of several statements, on a database connection.

/// Runs one statement on a connection and releases the connection. A statement that was not
/// executed because its connection was stale ([`StorageError::is_retryable`]) runs once
/// more on another connection.
///
/// [`StorageError::is_retryable`]: crate::storage::StorageError::is_retryable
macro_rules! on_connection {
    ($database:expr, |$connection:ident| $statement:expr) => {
        statement_on_connection!(is_retryable, $database, |$connection| $statement)
    };
}

/// Like `on_connection!`, for a statement that only reads, or has the same effect twice: it also runs
/// once more when its connection was lost ([`StorageError::is_retryable_read`]).
///
/// [`StorageError::is_retryable_read`]: crate::storage::StorageError::is_retryable_read
macro_rules! read_on_connection {
    ($database:expr, |$connection:ident| $statement:expr) => {
        statement_on_connection!(is_retryable_read, $database, |$connection| $statement)
    };
}

/// Runs one statement, and once more after an error with this property.
macro_rules! statement_on_connection {
    ($is_retryable:ident, $database:expr, |$connection:ident| $statement:expr) => {{
        let mut $connection = $database.connection().await?;
        let mut result = $statement.await;
        if result.as_ref().err().is_some_and($crate::storage::StorageError::$is_retryable) {
            drop($connection);
            $connection = $database.connection().await?;
            result = $statement.await;
        }
        if result.is_ok() {
            $connection.release();
        }
        result
    }};
}

/// Runs a step on a connection. On a distributed database it is several statements, which need a
/// transaction.
macro_rules! run_step {
    ($statements:expr, $held:ident, |$connection:ident| $step:expr) => {{
        if $statements.need_transaction() {
            let mut transaction = $held.begin().await?;
            let $connection = &mut *transaction;
            let result = $step.await?;
            $crate::storage::commit(transaction).await?;
            result
        } else {
            let $connection = &mut *$held;
            $step.await?
        }
    }};
}

/// Runs a step on a connection of its own, and once more if that connection was stale, as
/// [`on_connection`].
macro_rules! step_on_connection {
    ($database:expr, |$connection:ident| $step:expr) => {{
        let mut is_first = true;
        loop {
            let result: Result<_, $crate::storage::StorageError> = async {
                let mut held = $database.connection().await?;
                let result = run_step!($database.statements(), held, |$connection| $step);
                held.release();
                Ok(result)
            }
            .await;
            let is_stale =
                result.as_ref().err().is_some_and($crate::storage::StorageError::is_retryable);
            if !(is_first && is_stale) {
                break result;
            }
            is_first = false;
        }
    }};
}
