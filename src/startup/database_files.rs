//! The files that a connection to the database needs: the password, and the certificates and the
//! key that the URL names. Each new connection reads them.

use std::{
    error::Error,
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use futures_util::future::FutureExt;
use secrecy::{SecretBox, SecretString};

use super::reload::{ReloadError, Reloadable, WatchedFiles};
use crate::{
    bounded_file,
    configuration::DatabaseSettings,
    security::{
        file_work::{FileWork, FileWorkError},
        secret_file::{self, SecretFileError},
    },
    storage::{ConnectionFiles, ConnectionFilesSource, Database, DatabaseUrl, StorageError},
};

/// The paths of the files.
#[derive(Debug, Clone, Default)]
pub(super) struct DatabaseFiles {
    password: Option<PathBuf>,
    root_certificate: Option<PathBuf>,
    client_certificate: Option<PathBuf>,
    client_key: Option<PathBuf>,
}

impl DatabaseFiles {
    /// The files of the settings; `None` when they name none.
    pub(super) fn of(settings: &DatabaseSettings) -> Option<Self> {
        let url = settings.url.as_ref().and_then(|url| DatabaseUrl::parse(url).ok());
        let mut files = Self { password: settings.password_file.clone(), ..Self::default() };
        if let Some(url) = url {
            files.root_certificate = url.root_certificate;
            files.client_certificate = url.client_certificate;
            files.client_key = url.client_key;
        }
        let is_empty = files.password.is_none() && files.of_url().is_empty();
        (!is_empty).then_some(files)
    }

    /// The files that the URL names.
    fn of_url(&self) -> Vec<PathBuf> {
        let files = [&self.root_certificate, &self.client_certificate, &self.client_key];
        files.into_iter().flatten().cloned().collect()
    }

    fn read(&self) -> Result<ConnectionFiles, SecretFileError> {
        let key = self.client_key.as_deref().map(secret_file::read).transpose()?;
        Ok(ConnectionFiles {
            password: self.password.as_deref().map(read_password).transpose()?,
            root_certificate: self.root_certificate.as_deref().map(read_public).transpose()?,
            client_certificate: self.client_certificate.as_deref().map(read_public).transpose()?,
            client_key: key.map(|text| SecretBox::new(Box::new(text.as_bytes().to_vec()))),
        })
    }
}

/// Reads the files for each connection, so that a rotated password takes effect without a restart.
pub(super) fn files_source(files: DatabaseFiles) -> ConnectionFilesSource {
    let work = Arc::new(FileWork::default());
    Box::new(move |limit| read_within(limit, Arc::clone(&work), files.clone()).boxed())
}

async fn read_within(
    limit: Duration,
    work: Arc<FileWork<Result<ConnectionFiles, SecretFileError>>>,
    files: DatabaseFiles,
) -> Result<ConnectionFiles, Box<dyn Error + Send + Sync>> {
    Ok(work.run(limit, move || files.read()).await??)
}

/// The files as something that can be reloaded, by the setting that names them. After a change, a
/// new connection must succeed. Then the open ones are renewed.
pub(super) fn reloadable_files(
    settings: &DatabaseSettings,
    database: &Database,
) -> Vec<Reloadable> {
    let files = DatabaseFiles::of(settings).unwrap_or_default();
    let by_setting = [
        ("database.password_file", files.password.iter().cloned().collect()),
        ("database.url", files.of_url()),
    ];
    let named = by_setting.into_iter().filter(|(_, files)| !files.is_empty());
    named
        .map(|(setting, files)| {
            let database = database.clone();
            let reload = move || {
                let database = database.clone();
                async move {
                    database.check_files().await.map_err(reload_error)?;
                    // Not awaited: it takes as long as the longest use of a connection.
                    drop(tokio::spawn(async move { database.renew().await }));
                    Ok(())
                }
            };
            Reloadable::new_async(setting, WatchedFiles::new(files), reload)
        })
        .collect()
}

/// The server may accept new credentials later: an operator may change the file first. So may a volume
/// answer later.
fn reload_error(error: StorageError) -> ReloadError {
    let is_unusable = matches!(
        &error,
        StorageError::NoCredentials(reason) if !reason.is::<FileWorkError>()
    );
    if is_unusable { ReloadError::unusable(error) } else { ReloadError::unavailable(error) }
}

/// Reads the password of a file, without the line end.
pub(super) fn read_password(file: &Path) -> Result<SecretString, SecretFileError> {
    let text = secret_file::read(file)?;
    Ok(SecretString::from(text.trim_end_matches(['\r', '\n'])))
}

/// Reads a certificate.
pub(super) fn read_public(file: &Path) -> Result<Vec<u8>, SecretFileError> {
    let unreadable = |error: io::Error| SecretFileError::Unreadable(file.to_owned(), error);
    bounded_file::read(file).map_err(unreadable)
}
