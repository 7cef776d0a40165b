//! Loads the certificates of the listeners, and reads them again while the service runs.

use std::{path::PathBuf, sync::Arc};

use time::OffsetDateTime;

use super::{
    error::StartError,
    reload::{ReloadError, Reloadable, WatchedFiles},
};
use crate::{
    clock,
    configuration::{Problem, Problems, Settings, TlsSettings},
    http::ListenerCertificate,
    security::tls::{CertificateFiles, ServerTls, TlsFile, TlsFiles, TlsProblem, TlsProblems},
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
            reloadables.push(reloadable(section.clone(), watched, Arc::clone(&tls)));
            Ok::<_, StartError>(Some(tls))
        };
        let http = load(&settings.http.tls)?;
        let operations = match settings.operations.listen {
            Some(_) => load(&settings.operations.tls)?,
            None => None,
        };
        Ok(Self { http, operations, reloadables })
    }

    /// The certificates, for [`CertificatesInUse::problems_of_new`].
    pub(super) fn in_use(&self) -> CertificatesInUse {
        CertificatesInUse { http: self.http.clone(), operations: self.operations.clone() }
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

/// The certificates of the listeners at any time: their reloads replace them.
pub(super) struct CertificatesInUse {
    http: Option<Arc<ServerTls>>,
    operations: Option<Arc<ServerTls>>,
}

impl CertificatesInUse {
    /// The certificates in the files of these settings that a reload refuses at `now` because of their
    /// validity. One that is in use may have expired: otherwise it would block all other settings.
    pub(super) fn problems_of_new(&self, settings: &Settings, now: OffsetDateTime) -> Vec<Problem> {
        let listeners = [
            (&settings.http.tls, self.http.as_ref()),
            (&settings.operations.tls, self.operations.as_ref()),
        ];
        let problems = |(section, current): (&TlsSettings, Option<&Arc<ServerTls>>)| {
            let current = current.filter(|_| section.is_enabled())?;
            // Files that cannot be read are among `problems_of_certificates`.
            let new = load_certificates(section).ok()?;
            let problems = new.require_new_valid(current, now).err()?;
            Some(problems_of(section, problems))
        };
        listeners.into_iter().filter_map(problems).flatten().collect()
    }
}

fn load_section(settings: &TlsSettings) -> Result<Arc<ServerTls>, StartError> {
    let failed = |problems| StartError::Setting(Problems(problems).to_string());
    let loaded = load_certificates(settings).map_err(failed)?;
    for problem in validity_problems(settings, &loaded, clock::now()) {
        let Problem { setting, reason } = problem;
        tracing::warn!(setting, error = reason, "clients refuse the certificate");
    }
    Ok(Arc::new(loaded))
}

fn reloadable(settings: TlsSettings, watched: WatchedFiles, tls: Arc<ServerTls>) -> Reloadable {
    Reloadable::new(settings.section, watched, move || {
        tls.reload(clock::now()).map_err(|problems| {
            let problems = problems_of(&settings, problems);
            let texts: Vec<_> = problems.iter().map(ToString::to_string).collect();
            ReloadError::Unusable(texts.join("; ").into())
        })
    })
}

/// Problems of the files of both listeners.
pub(super) fn problems_of_certificates(settings: &Settings) -> Vec<Problem> {
    let sections = [&settings.http.tls, &settings.operations.tls];
    let enabled = sections.into_iter().filter(|section| section.is_enabled());
    enabled.filter_map(|section| load_certificates(section).err()).flatten().collect()
}

/// Loads the certificates of a section to check them.
///
/// # Errors
/// The problems of all files that cannot be used.
pub(crate) fn load_certificates(settings: &TlsSettings) -> Result<ServerTls, Vec<Problem>> {
    ServerTls::load(files(settings)).map_err(|problems| problems_of(settings, problems))
}

/// The certificates that clients refuse at `now` because of their validity.
pub(crate) fn validity_problems(
    settings: &TlsSettings,
    tls: &ServerTls,
    now: OffsetDateTime,
) -> Vec<Problem> {
    let problems = tls.require_valid(now).err();
    problems.map(|problems| problems_of(settings, problems)).unwrap_or_default()
}

/// The files of a listener.
fn files(settings: &TlsSettings) -> TlsFiles {
    let pair = |(certificate, key): (PathBuf, PathBuf)| CertificateFiles { certificate, key };
    TlsFiles {
        certificates: settings.certificates().into_iter().map(pair).collect(),
        client_ca: settings.client_ca_file.clone(),
    }
}

fn problems_of(settings: &TlsSettings, TlsProblems(problems): TlsProblems) -> Vec<Problem> {
    problems.iter().map(|problem| describe(settings, problem)).collect()
}

/// The problem with the setting that names its file.
fn describe(settings: &TlsSettings, TlsProblem { position, error }: &TlsProblem) -> Problem {
    let section = settings.section;
    let reason = error_chain(error);
    let member = match error.file() {
        TlsFile::Certificate => "certificate_file",
        TlsFile::Key => "key_file",
        TlsFile::ClientCa => "client_ca_file",
    };
    if *position > 0 {
        let setting = format!("{section}.additional");
        return Problem { setting, reason: format!("entry {position}, {member}: {reason}") };
    }
    Problem { setting: format!("{section}.{member}"), reason }
}
