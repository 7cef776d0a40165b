//! Clients of other systems that trust the certificate authorities of a file. The file is read for each
//! use, so that a renewed one needs no restart.

use std::{
    error::Error,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::file_work::{FileWork, FileWorkError};
use crate::bounded_file;

/// Builds a client that trusts the authorities of a file, or of the operating system.
type Build<C, E> = Box<dyn Fn(Option<&Path>) -> Result<C, E> + Send + Sync>;

/// A client, or its TLS configuration, that is built again after its file has changed.
pub(crate) struct TrustingClient<C, E> {
    source: Arc<Source<C, E>>,
    work: FileWork<Result<C, E>>,
}

/// The client with what it is built from. Shared with the thread that reads the file.
struct Source<C, E> {
    /// The setting that names the file, for the log.
    setting: &'static str,
    /// `None`: the authorities of the operating system, which are read once.
    ca_file: Option<PathBuf>,
    build: Build<C, E>,
    /// Never locked while a file is read.
    state: Mutex<State<C>>,
}

struct State<C> {
    built: Option<Built<C>>,
    /// The last reason in the log why the former client is in use.
    reported: Option<String>,
}

struct Built<C> {
    client: C,
    /// The contents of the file.
    authorities: Option<Vec<u8>>,
}

impl<C, E> TrustingClient<C, E>
where
    C: Clone + Send + 'static,
    E: Error + Send + 'static,
{
    /// Builds nothing yet.
    pub(crate) fn new(
        setting: &'static str,
        ca_file: Option<PathBuf>,
        build: impl Fn(Option<&Path>) -> Result<C, E> + Send + Sync + 'static,
    ) -> Self {
        let state = Mutex::new(State { built: None, reported: None });
        let source = Source { setting, ca_file, build: Box::new(build), state };
        Self { source: Arc::new(source), work: FileWork::default() }
    }

    /// The client with the present contents of the file. If these cannot be used, it is the former
    /// client, and the log has the reason once. Blocks its thread while it reads the file.
    ///
    /// # Errors
    /// When the file cannot be used, and there is no former client.
    pub(crate) fn read(&self) -> Result<C, E> {
        self.source.read()
    }

    /// As [`Self::read`], without blocking its thread. It is also the former client when the file is
    /// not read within the limit.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub(crate) async fn read_within(&self, limit: Duration) -> Result<C, E>
    where
        E: From<FileWorkError>,
    {
        let former = self.source.former();
        if let Some(client) = former.clone().filter(|_| self.source.ca_file.is_none()) {
            return Ok(client);
        }
        let source = Arc::clone(&self.source);
        let read = self.work.run(limit, move || source.read()).await;
        match (read, former) {
            (Ok(read), _) => read,
            (Err(error), Some(client)) => {
                self.source.report(&error);
                Ok(client)
            }
            (Err(error), None) => Err(error.into()),
        }
    }
}

impl<C: Clone, E: Error + 'static> Source<C, E> {
    fn read(&self) -> Result<C, E> {
        // Read before the client is built, so that the next use finds a change meanwhile.
        let authorities = self.ca_file.as_deref().and_then(|file| bounded_file::read(file).ok());
        let is_readable = authorities.is_some() || self.ca_file.is_none();
        if let Some(client) = self.unchanged(authorities.as_deref()).filter(|_| is_readable) {
            return Ok(client);
        }
        match (self.build)(self.ca_file.as_deref()) {
            Ok(client) => {
                self.replace(client.clone(), authorities);
                Ok(client)
            }
            Err(error) => {
                let former = self.former();
                if former.is_some() {
                    self.report(&error);
                }
                former.ok_or(error)
            }
        }
    }

    /// The client, if it was built with these contents.
    fn unchanged(&self, authorities: Option<&[u8]>) -> Option<C> {
        let mut state = self.lock();
        let built = state.built.as_ref();
        let built = built.filter(|built| built.authorities.as_deref() == authorities);
        let client = built.map(|built| built.client.clone())?;
        if authorities.is_some() {
            state.reported = None;
        }
        Some(client)
    }

    fn replace(&self, client: C, authorities: Option<Vec<u8>>) {
        let built = Some(Built { client, authorities });
        let former = std::mem::replace(&mut *self.lock(), State { built, reported: None });
        if former.built.is_some() {
            tracing::info!(setting = self.setting, "reloaded the certificate authorities");
        }
    }

    fn former(&self) -> Option<C> {
        self.lock().built.as_ref().map(|built| built.client.clone())
    }

    /// Logs why the former client is in use, unless the log has it.
    fn report(&self, error: &(dyn Error + 'static)) {
        let reason = error.to_string();
        if self.lock().reported.replace(reason.clone()) == Some(reason) {
            return;
        }
        tracing::warn!(
            setting = self.setting,
            error,
            "cannot use the certificate authorities; the former ones stay in use"
        );
    }

    fn lock(&self) -> MutexGuard<'_, State<C>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs, io,
        sync::{
            atomic::{AtomicUsize, Ordering},
            mpsc,
        },
    };

    use super::*;
    use crate::security::file_work::LIMIT;

    #[test]
    fn the_client_follows_the_file_and_stays_in_use_while_the_file_is_unusable() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        let build = |file: Option<&Path>| match fs::read(file.unwrap())? {
            text if text.is_empty() => Err(io::Error::other("no certificate")),
            text => Ok(text),
        };
        let client = TrustingClient::new("a.ca_file", Some(file.clone()), build);
        assert_eq!(client.read().unwrap_err().kind(), io::ErrorKind::NotFound);
        fs::write(&file, "one").unwrap();
        assert_eq!(client.read().unwrap(), b"one");
        let reported = || client.source.lock().reported.clone();
        fs::write(&file, "").unwrap();
        assert_eq!(client.read().unwrap(), b"one");
        assert_eq!(reported().as_deref(), Some("no certificate"));
        fs::remove_file(&file).unwrap();
        assert_eq!(client.read().unwrap(), b"one");
        assert!(reported().unwrap().contains("No such file"));
        fs::write(&file, "two").unwrap();
        assert_eq!(client.read().unwrap(), b"two");
        assert_eq!(reported(), None);
    }

    #[tokio::test]
    async fn a_file_that_does_not_answer_leaves_the_former_client_in_use() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        fs::write(&file, "one").unwrap();
        let (answer, volume) = mpsc::channel();
        let (volume, count) = (Mutex::new(volume), AtomicUsize::new(0));
        let build = move |_: Option<&Path>| {
            volume.lock().unwrap().recv().map_err(io::Error::other)?;
            Ok::<_, io::Error>(count.fetch_add(1, Ordering::SeqCst))
        };
        let client = TrustingClient::new("a.ca_file", Some(file.clone()), build);
        answer.send(()).unwrap();
        assert_eq!(client.read().unwrap(), 0);
        fs::write(&file, "two").unwrap();
        for _ in 0..2 {
            assert_eq!(client.read_within(Duration::from_millis(50)).await.unwrap(), 0);
        }
        answer.send(()).unwrap();
        assert_eq!(client.read_within(LIMIT).await.unwrap(), 1);
    }
}
