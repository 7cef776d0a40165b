//! Reads a certificate chain and its key, and checks that they can be used.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use time::OffsetDateTime;
use tokio_rustls::rustls::{
    Error, InconsistentKeys,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
    sign::CertifiedKey,
};
use x509_parser::{
    certificate::X509Certificate, extensions::GeneralName, prelude::FromDer, public_key::PublicKey,
};

use super::{
    error::{TlsError, TlsFile},
    provider,
};
use crate::{bounded_file, security::secret_file};

/// The shortest RSA key, in bits (NIST SP 800-131A).
const MINIMUM_RSA_BITS: usize = 2048;

/// The files of one certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CertificateFiles {
    /// The certificate chain in PEM, the server's own certificate first.
    pub(crate) certificate: PathBuf,
    /// The private key in PEM.
    pub(crate) key: PathBuf,
}

/// A certificate chain with its key.
#[derive(Debug)]
pub(super) struct LoadedCertificate {
    pub(super) certified: Arc<CertifiedKey>,
    /// The DNS names in lower case. A name may begin with `*.`.
    pub(super) names: Vec<String>,
    pub(super) not_before: OffsetDateTime,
    pub(super) not_after: OffsetDateTime,
    file: PathBuf,
}

impl LoadedCertificate {
    /// Reads the files of a certificate.
    ///
    /// # Errors
    /// When a file is unreadable or invalid, the key is too short, or the files do not match. Both
    /// files may have an error.
    pub(super) fn read(files: &CertificateFiles) -> Result<Self, Vec<TlsError>> {
        let chain = read_certificates(TlsFile::Certificate, &files.certificate);
        match (chain, read_key(&files.key)) {
            (Ok(chain), Ok(key)) => Self::join(files, chain, key).map_err(|error| vec![error]),
            (chain, key) => Err(chain.err().into_iter().chain(key.err()).collect()),
        }
    }

    /// Joins a certificate chain and its key.
    fn join(
        files: &CertificateFiles,
        chain: Vec<CertificateDer<'static>>,
        own_key: PrivateKeyDer<'static>,
    ) -> Result<Self, TlsError> {
        let CertificateFiles { certificate: file, key } = files;
        let invalid = || TlsError::InvalidCertificate(TlsFile::Certificate, file.clone());
        let own = chain.first().ok_or_else(invalid)?.clone();
        let (_, parsed) = X509Certificate::from_der(&own).map_err(|_| invalid())?;
        if let Ok(PublicKey::RSA(rsa)) = parsed.public_key().parsed()
            && rsa.key_size() < MINIMUM_RSA_BITS
        {
            return Err(TlsError::WeakKey(file.clone()));
        }
        let certified = CertifiedKey::from_der(chain, own_key, &provider());
        let certified = certified.map_err(|error| {
            if matches!(error, Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) {
                TlsError::Mismatch { certificate: file.clone(), key: key.clone() }
            } else if matches!(error, Error::InvalidCertificate(_)) {
                invalid()
            } else {
                TlsError::UnsupportedKey(key.clone())
            }
        })?;
        Ok(Self {
            certified: Arc::new(certified),
            names: dns_names(&parsed),
            not_before: parsed.validity().not_before.to_datetime(),
            not_after: parsed.validity().not_after.to_datetime(),
            file: file.clone(),
        })
    }

    /// Fails if no server name can select the certificate.
    ///
    /// # Errors
    /// When it has no DNS name.
    pub(super) fn require_name(&self) -> Result<(), TlsError> {
        if self.names.is_empty() { Err(TlsError::NoName(self.file.clone())) } else { Ok(()) }
    }

    /// Fails if clients refuse the certificate because of its validity.
    ///
    /// # Errors
    /// When it has expired or is not valid yet.
    pub(super) fn require_valid(&self, now: OffsetDateTime) -> Result<(), TlsError> {
        if now > self.not_after {
            return Err(TlsError::Expired(self.file.clone()));
        }
        if now < self.not_before {
            return Err(TlsError::NotYetValid(self.file.clone()));
        }
        Ok(())
    }
}

/// Reads the certificates of a PEM file. Other sections are ignored.
///
/// # Errors
/// When the file is unreadable, not PEM or without a certificate.
pub(super) fn read_certificates(
    file: TlsFile,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pem = bounded_file::read(path).map_err(TlsError::unreadable(file, path))?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match certificates {
        Ok(certificates) if certificates.is_empty() => {
            Err(TlsError::NoCertificate(file, path.to_owned()))
        }
        Ok(certificates) => Ok(certificates),
        Err(_) => Err(TlsError::NotPem(file, path.to_owned())),
    }
}

/// Reads the private key of a PEM file, which only this service may read.
fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let pem = secret_file::read(path)?;
    PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|error| {
        if matches!(error, pem::Error::NoItemsFound) {
            TlsError::NoKey(path.to_owned())
        } else {
            TlsError::NotPem(TlsFile::Key, path.to_owned())
        }
    })
}

/// The DNS names of a certificate (RFC 5280, section 4.2.1.6), in lower case.
fn dns_names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let names = certificate.subject_alternative_name().ok().flatten();
    let names = names.into_iter().flat_map(|extension| &extension.value.general_names);
    let dns_name = |name: &GeneralName<'_>| {
        if let GeneralName::DNSName(name) = name { Some(name.to_lowercase()) } else { None }
    };
    names.filter_map(dns_name).collect()
}
