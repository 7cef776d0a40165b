//! Why a certificate, its key or a file of client certificate authorities cannot be used.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::security::secret_file::SecretFileError;

/// The role of a file, which decides the setting that a message names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TlsFile {
    Certificate,
    Key,
    ClientCa,
}

/// Certificates or keys were refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    #[error("failed to read {1}: {2}{step}", step = next_step(.2))]
    Unreadable(TlsFile, PathBuf, io::Error),
    #[error("{1} is not a valid PEM file; it must contain text between BEGIN and END lines")]
    NotPem(TlsFile, PathBuf),
    #[error("{1} contains no certificate; write the certificate chain into it as PEM")]
    NoCertificate(TlsFile, PathBuf),
    #[error("{1} contains an invalid certificate; issue a new one")]
    InvalidCertificate(TlsFile, PathBuf),
    #[error(transparent)]
    KeyFile(#[from] SecretFileError),
    #[error(
        "{0} contains no private key as unencrypted PEM; decrypt an encrypted key with `openssl \
         pkey`"
    )]
    NoKey(PathBuf),
    #[error("the key in {0} is not supported; create an ECDSA (P-256), Ed25519 or RSA key")]
    UnsupportedKey(PathBuf),
    #[error("the RSA key of the certificate in {0} is too short; issue one of at least 2048 bits")]
    WeakKey(PathBuf),
    #[error(
        "the key in {key} does not match the first certificate in {certificate}; replace either \
         file"
    )]
    Mismatch { certificate: PathBuf, key: PathBuf },
    #[error(
        "the additional certificate in {0} has no DNS name, so that no client can select it; issue \
         one with its host names (subjectAltName)"
    )]
    NoName(PathBuf),
    #[error("the certificate in {0} has expired; renew it")]
    Expired(PathBuf),
    #[error("the certificate in {0} is not valid yet; check the clock, or issue a new one")]
    NotYetValid(PathBuf),
    #[error("cannot initialize TLS")]
    Setup(#[source] tokio_rustls::rustls::Error),
}

/// The step that solves the problem of reading a file, unless its error names one.
fn next_step(error: &io::Error) -> &'static str {
    if error.kind() == io::ErrorKind::FileTooLarge {
        return "";
    }
    "; correct the path, or allow the account of the service to read it"
}

/// An error and its certificate.
#[derive(Debug)]
pub(crate) struct TlsProblem {
    /// The position of the certificate among those of the listener. 0 for the listener itself.
    pub(crate) position: usize,
    pub(crate) error: TlsError,
}

/// The problems of all files of a listener.
#[derive(Debug)]
pub(crate) struct TlsProblems(pub(crate) Vec<TlsProblem>);

impl From<TlsError> for TlsProblems {
    /// A problem of the listener itself.
    fn from(error: TlsError) -> Self {
        Self(vec![TlsProblem { position: 0, error }])
    }
}

impl TlsError {
    /// The file that must change.
    pub(crate) fn file(&self) -> TlsFile {
        match self {
            Self::Unreadable(file, ..)
            | Self::NotPem(file, _)
            | Self::NoCertificate(file, _)
            | Self::InvalidCertificate(file, _) => *file,
            Self::KeyFile(_) | Self::NoKey(_) | Self::UnsupportedKey(_) | Self::Mismatch { .. } => {
                TlsFile::Key
            }
            Self::WeakKey(_)
            | Self::NoName(_)
            | Self::Expired(_)
            | Self::NotYetValid(_)
            | Self::Setup(_) => TlsFile::Certificate,
        }
    }

    pub(super) fn unreadable(file: TlsFile, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |error| Self::Unreadable(file, path, error)
    }
}
