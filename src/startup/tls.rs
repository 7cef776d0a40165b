//! Loads the certificates of the listeners, and reads them again while the service runs.

use std::{path::PathBuf, sync::Arc};

use super::{
    error::StartError,
    reload::{ReloadError, Reloadable, WatchedFiles},
};
use crate::{
    clock,
    configuration::{Problem, Settings, TlsSettings},
    http::ListenerCertificate,
    security::tls::{CertificateFiles, ServerTls, TlsError, TlsFile, TlsFiles},
    telemetry::error_chain,
};

/// The TLS configurations of the two listeners. `None`: plain HTTP.
#[derive(Default)]
pub(super) struct Certificates {
    pub(super) http: Option<Arc<ServerTls>>,
    pub(super) operations: Option<Arc<ServerTls>>,
    /// The files of both.
    pub(super) reloadables: Vec<Reloadable>,
}

impl Certificates {
    /// Loads the certificates of the settings. Warns about those that clients refuse because of
    /// their validity.
    ///
    /// # Errors
    /// When a file cannot be used.
    pub(super) fn load(settings: &Settings) -> Result<Self, StartError> {
        let mut reloadables = Vec::new();
        let mut load = |section: &TlsSettings| {
            if !section.is_enabled() {
                return Ok(None);
            }
            let watched = WatchedFiles::new(files(section).paths());
            let tls = load_section(section)?;
            reloadables.push(reloadable(section.section, watched, Arc::clone(&tls)));
            Ok::<_, StartError>(Some(tls))
        };
        let http = load(&settings.http.tls)?;
        let operations = match settings.operations.listen {
            Some(_) => load(&settings.operations.tls)?,
            None => None,
        };
        Ok(Self { http, operations, reloadables })
    }

    /// The certificates by listener, for metrics.
    pub(super) fn by_listener(&self) -> Vec<ListenerCertificate> {
        let listeners = [("http", &self.http), ("operations", &self.operations)];
        let certificate = |(listener, tls): (&'static str, &Option<Arc<ServerTls>>)| {
            let tls = Arc::clone(tls.as_ref()?);
            let expires_at = Box::new(move || tls.expires_at());
            Some(ListenerCertificate { listener, expires_at })
        };
        listeners.into_iter().filter_map(certificate).collect()
    }
}

fn load_section(settings: &TlsSettings) -> Result<Arc<ServerTls>, StartError> {
    let loaded = ServerTls::load(files(settings));
    let failed = |error: TlsError| StartError::Setting(problem(settings, &error).to_string());
    let loaded = loaded.map_err(failed)?;
    if let Err(error) = loaded.require_valid(clock::now()) {
        let setting = setting_of(settings, error.file());
        tracing::warn!(
            setting,
            error = &error as &dyn std::error::Error,
            "clients refuse the certificate"
        );
    }
    Ok(Arc::new(loaded))
}

fn reloadable(section: &'static str, watched: WatchedFiles, tls: Arc<ServerTls>) -> Reloadable {
    Reloadable::new(section, watched, move || {
        tls.reload(clock::now()).map_err(ReloadError::unusable)
    })
}

/// Problems of the files of both listeners.
pub(super) fn problems_of_certificates(settings: &Settings) -> Vec<Problem> {
    let sections = [&settings.http.tls, &settings.operations.tls];
    let enabled = sections.into_iter().filter(|section| section.is_enabled());
    enabled.filter_map(|section| load_certificates(section).err()).collect()
}

/// Loads the certificates of a section to check them.
///
/// # Errors
/// The problem of a file that cannot be used.
pub(crate) fn load_certificates(settings: &TlsSettings) -> Result<ServerTls, Problem> {
    ServerTls::load(files(settings)).map_err(|error| problem(settings, &error))
}

/// The files of a listener.
fn files(settings: &TlsSettings) -> TlsFiles {
    let pair = |(certificate, key): (PathBuf, PathBuf)| CertificateFiles { certificate, key };
    TlsFiles {
        certificates: settings.certificates().into_iter().map(pair).collect(),
        client_ca: settings.client_ca_file.clone(),
    }
}

fn problem(settings: &TlsSettings, error: &TlsError) -> Problem {
    Problem { setting: setting_of(settings, error.file()), reason: error_chain(error) }
}

/// The setting that names a file.
fn setting_of(settings: &TlsSettings, file: TlsFile) -> String {
    let member = match file {
        TlsFile::Certificate => "certificate_file",
        TlsFile::Key => "key_file",
        TlsFile::ClientCa => "client_ca_file",
    };
    format!("{}.{member}", settings.section)
}
