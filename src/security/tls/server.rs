//! The TLS configuration of a listener, and its replacement while the listener runs.

use std::{
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
};

use time::OffsetDateTime;
use tokio_rustls::rustls::{
    ServerConfig,
    crypto::aws_lc_rs::Ticketer,
    pki_types::CertificateDer,
    server::NoServerSessionStorage,
    version::{TLS12, TLS13},
};

use super::{
    certificate::{CertificateFiles, LoadedCertificate, read_certificates},
    client_certificates::ClientCertificates,
    error::{TlsError, TlsFile, TlsProblem, TlsProblems},
    provider,
    resolver::CertificateTable,
};

/// The protocols of ALPN (RFC 7301), the preferred one first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// The files of a listener.
#[derive(Debug, Clone)]
pub(crate) struct TlsFiles {
    /// The first one serves clients that send no server name or an unknown one.
    pub(crate) certificates: Vec<CertificateFiles>,
    /// The authorities of client certificates. `None`: clients need no certificate.
    pub(crate) client_ca: Option<PathBuf>,
}

impl TlsFiles {
    /// The paths of all files.
    pub(crate) fn paths(&self) -> Vec<PathBuf> {
        let certificates = self.certificates.iter();
        let pairs = certificates.flat_map(|files| [files.certificate.clone(), files.key.clone()]);
        pairs.chain(self.client_ca.clone()).collect()
    }
}

/// The TLS configuration of a listener.
#[derive(Debug)]
pub(crate) struct ServerTls {
    files: TlsFiles,
    current: RwLock<Arc<Loaded>>,
}

/// The content of the files.
#[derive(Debug)]
struct Loaded {
    config: Arc<ServerConfig>,
    certificates: Vec<LoadedCertificate>,
    client_ca: Vec<CertificateDer<'static>>,
}

impl ServerTls {
    /// Reads the files of a listener. Accepts an expired certificate, because a service that runs
    /// can read its renewal later.
    ///
    /// # Errors
    /// When a file is unreadable or invalid, a key does not match its certificate, or no server name
    /// can select a certificate after the first.
    pub(crate) fn load(files: TlsFiles) -> Result<Self, TlsProblems> {
        let current = RwLock::new(Arc::new(Loaded::read(&files)?));
        Ok(Self { files, current })
    }

    /// Reads the files again. Open connections keep their certificates. After a change, new ones
    /// use the new certificates, and earlier sessions cannot be resumed.
    ///
    /// # Errors
    /// As [`Self::load`], and when a new certificate is not valid at `now`. The old certificates
    /// then stay in use. One that stays may have expired, so that it does not block the renewal of
    /// another.
    pub(crate) fn reload(&self, now: OffsetDateTime) -> Result<(), TlsProblems> {
        let loaded = Loaded::read(&self.files)?;
        let current = self.loaded();
        if loaded.has_same_content(&current) {
            return Ok(());
        }
        loaded.require_new_valid(&current, now)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(loaded);
        Ok(())
    }

    /// The configuration of a new connection.
    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.loaded().config)
    }

    /// The end of the first certificate that expires.
    pub(crate) fn expires_at(&self) -> Option<OffsetDateTime> {
        self.loaded().certificates.iter().map(|loaded| loaded.not_after).min()
    }

    /// Fails if clients refuse a certificate at `now`.
    ///
    /// # Errors
    /// When certificates have expired or are not valid yet.
    pub(crate) fn require_valid(&self, now: OffsetDateTime) -> Result<(), TlsProblems> {
        self.loaded().require_valid(now)
    }

    /// Fails if clients refuse a certificate at `now` that `current` does not have.
    ///
    /// # Errors
    /// As [`Self::require_valid`].
    pub(crate) fn require_new_valid(
        &self,
        current: &Self,
        now: OffsetDateTime,
    ) -> Result<(), TlsProblems> {
        self.loaded().require_new_valid(&current.loaded(), now)
    }

    fn loaded(&self) -> Arc<Loaded> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Loaded {
    fn read(files: &TlsFiles) -> Result<Self, TlsProblems> {
        let (mut certificates, mut problems) = (Vec::new(), Vec::new());
        for (position, files) in files.certificates.iter().enumerate() {
            match read_certificate(position, files) {
                Ok(loaded) => certificates.push(loaded),
                Err(errors) => problems.extend(at(position, errors)),
            }
        }
        let client_ca = files.client_ca.as_deref();
        let client_ca = client_ca.map(|path| read_certificates(TlsFile::ClientCa, path));
        match client_ca.transpose() {
            Ok(client_ca) if problems.is_empty() => {
                let config = Arc::new(configure(files, &certificates)?);
                Ok(Self { config, certificates, client_ca: client_ca.unwrap_or_default() })
            }
            client_ca => {
                problems.extend(at(0, client_ca.err()));
                Err(TlsProblems(problems))
            }
        }
    }

    /// Compares certificates only: a certificate with another key differs, too.
    fn has_same_content(&self, other: &Self) -> bool {
        let chains = |loaded: &Self| -> Vec<_> {
            loaded.certificates.iter().map(|loaded| loaded.certified.cert.clone()).collect()
        };
        chains(self) == chains(other) && self.client_ca == other.client_ca
    }

    fn require_valid(&self, now: OffsetDateTime) -> Result<(), TlsProblems> {
        self.require_valid_where(now, |_| true)
    }

    /// As [`Self::require_valid`], for the certificates that `current` does not have.
    fn require_new_valid(&self, current: &Self, now: OffsetDateTime) -> Result<(), TlsProblems> {
        self.require_valid_where(now, |new| {
            let is_same = |old: &LoadedCertificate| old.certified.cert == new.certified.cert;
            !current.certificates.iter().any(is_same)
        })
    }

    fn require_valid_where(
        &self,
        now: OffsetDateTime,
        is_checked: impl Fn(&LoadedCertificate) -> bool,
    ) -> Result<(), TlsProblems> {
        let checked = self.certificates.iter().enumerate().filter(|(_, loaded)| is_checked(loaded));
        let invalid = |(position, loaded): (usize, &LoadedCertificate)| {
            let error = loaded.require_valid(now).err()?;
            Some(TlsProblem { position, error })
        };
        let problems: Vec<_> = checked.filter_map(invalid).collect();
        if problems.is_empty() { Ok(()) } else { Err(TlsProblems(problems)) }
    }
}

/// Reads a certificate. A server name must select it, unless it is the first one.
fn read_certificate(
    position: usize,
    files: &CertificateFiles,
) -> Result<LoadedCertificate, Vec<TlsError>> {
    let loaded = LoadedCertificate::read(files)?;
    if position > 0 {
        loaded.require_name().map_err(|error| vec![error])?;
    }
    Ok(loaded)
}

/// Errors of the certificate at a position.
fn at(
    position: usize,
    errors: impl IntoIterator<Item = TlsError>,
) -> impl Iterator<Item = TlsProblem> {
    errors.into_iter().map(move |error| TlsProblem { position, error })
}

/// TLS 1.2 and 1.3 with the safe defaults of rustls. Tickets resume sessions; their keys rotate
/// every six hours and are never stored.
fn configure(
    files: &TlsFiles,
    certificates: &[LoadedCertificate],
) -> Result<ServerConfig, TlsError> {
    let builder = ServerConfig::builder_with_provider(provider());
    let builder = builder.with_protocol_versions(&[&TLS13, &TLS12]).map_err(TlsError::Setup)?;
    let own = certificates.iter().filter_map(|loaded| loaded.certified.cert.first().cloned());
    let builder = match &files.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let verifier = ClientCertificates::read(path, own.collect())?;
            builder.with_client_cert_verifier(Arc::new(verifier))
        }
    };
    let table = CertificateTable::new(certificates);
    let mut config = builder.with_cert_resolver(Arc::new(table));
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    config.ticketer = Ticketer::new().map_err(TlsError::Setup)?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(config)
}
