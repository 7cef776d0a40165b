//! Creates a self-signed certificate for `dev`.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair};
use time::{Duration, OffsetDateTime};
use zeroize::Zeroizing;

use super::certificate::CertificateFiles;

/// The validity of the certificate.
const VALIDITY: Duration = Duration::days(90);

/// The certificate was not created.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SelfSignedError {
    #[error("cannot create a self-signed certificate")]
    Generate(#[from] rcgen::Error),
    #[error("cannot write a file of the self-signed certificate")]
    Write(#[from] io::Error),
}

/// Writes a new certificate for `names` and its key.
///
/// # Errors
/// When the certificate cannot be created or a file cannot be written.
pub(crate) fn write_self_signed(
    files: &CertificateFiles,
    names: &[&str],
    now: OffsetDateTime,
) -> Result<(), SelfSignedError> {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let key = KeyPair::generate()?;
    let mut parameters = CertificateParams::new(names)?;
    parameters.distinguished_name.push(DnType::CommonName, "credential-keeper dev");
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    // An hour earlier, for clients whose clock is slow.
    parameters.not_before = now - Duration::hours(1);
    parameters.not_after = now + VALIDITY;
    let certificate = parameters.self_signed(&key)?;
    write(&files.key, 0o400, &Zeroizing::new(key.serialize_pem()))?;
    write(&files.certificate, 0o444, &certificate.pem())?;
    Ok(())
}

/// Replaces a file.
fn write(path: &Path, mode: u32, text: &str) -> io::Result<()> {
    let temporary = path.with_extension("new");
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&temporary)?;
    file.write_all(text.as_bytes())?;
    fs::rename(&temporary, path)
}
